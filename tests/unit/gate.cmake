ws_test(test_http_head LABEL unit SOURCES test_http_head.c USES ws_http ws_base)
target_compile_definitions(test_http_head PRIVATE
        TEST_STRICTNESS="${CMAKE_SOURCE_DIR}/tests/data/http-strictness")
ws_test(test_http_chunk LABEL unit SOURCES test_http_chunk.c USES ws_http ws_base)
ws_test(test_http_write LABEL unit SOURCES test_http_write.c USES ws_http ws_base)

# The table test against a parser with a planted defect (bare LF accepted): it has to say so.
ws_test(test_http_planted LABEL unit SOURCES test_http_head.c USES ws_http_lenient ws_base)
target_compile_definitions(test_http_planted PRIVATE
        TEST_STRICTNESS="${CMAKE_SOURCE_DIR}/tests/data/http-strictness")
set_tests_properties(unit/test_http_planted PROPERTIES
        PASS_REGULAR_EXPRESSION "input 15 split 0: 0")

ws_test(test_gate_door LABEL unit SOURCES test_gate_door.c
        USES agent_door agent_headers ws_http ws_base)
