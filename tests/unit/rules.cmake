set(data ${CMAKE_CURRENT_LIST_DIR}/data)
ws_test(test_rules LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_rules.c USES agent_presence ws_base)
ws_test(test_rules_json LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_rules_json.c
        USES agent_profile agent_headers ws_base)
ws_test(test_reply LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_reply.c USES agent_decode)
ws_test(test_beacon LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_beacon.c USES agent_decode)
ws_test(test_page_jobs LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_page_jobs.c USES agent_decode)
ws_test(test_image_rules LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_image_rules.c
        USES agent_decode agent_profile agent_headers ws_base)
foreach(name test_rules_json test_image_rules)
        target_compile_definitions(${name} PRIVATE WS_PROFILES="${CMAKE_SOURCE_DIR}/images"
                WS_DATA="${data}" WS_PLANTED="${CMAKE_SOURCE_DIR}/tests/presence/planted")
endforeach()
add_test(NAME unit/planted_rules
        COMMAND ${CMAKE_SOURCE_DIR}/tests/presence/planted/wrong_rules.py --check)
set_tests_properties(unit/planted_rules PROPERTIES LABELS unit TIMEOUT 60)
