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

# A gate that forgets which links were used, and one that asks for no generation: must be noticed.
set(gate_dir ${CMAKE_CURRENT_SOURCE_DIR}/../../agent/gate)
foreach(defect FORGETS_LINKS ANY_GENERATION)
        string(TOLOWER test_gate_planted_${defect} name)
        ws_test(${name} LABEL unit
                SOURCES test_gate_door.c ${gate_dir}/admit.c ${gate_dir}/door.c ${gate_dir}/page.c
                ${gate_dir}/redirect.c ${gate_dir}/used.c
                USES agent_look agent_headers ws_http ws_crypto ws_base)
        target_compile_definitions(${name} PRIVATE GATE_PLANTED_${defect})
        set_tests_properties(unit/${name} PROPERTIES WILL_FAIL ON)
endforeach()

# What the editor shows of the gate's notices; and one that shows them at each look, which must be
# noticed.
find_program(NODE node)
if(NODE)
        set(extension ${CMAKE_SOURCE_DIR}/images/code-server/extension/extension.js)
        set(planted ${CMAKE_CURRENT_BINARY_DIR}/extension_planted.js)
        file(READ ${extension} text)
        string(REPLACE "if (!before.includes(text)) " "" text "${text}")
        file(GENERATE OUTPUT ${planted} CONTENT "${text}")
        add_test(NAME unit/notice_extension
                COMMAND ${NODE} ${CMAKE_CURRENT_LIST_DIR}/notice_extension)
        add_test(NAME unit/notice_extension_planted
                COMMAND ${NODE} ${CMAKE_CURRENT_LIST_DIR}/notice_extension ${planted})
        set_tests_properties(unit/notice_extension unit/notice_extension_planted
                PROPERTIES LABELS unit TIMEOUT 60)
        set_tests_properties(unit/notice_extension_planted PROPERTIES WILL_FAIL ON)
else()
        message(STATUS "unit/notice_extension is left out: there is no node")
endif()
