ws_fuzz(rules SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_rules.c USES agent_profile agent_headers ws_base)
ws_fuzz(reply SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_reply.c USES agent_decode)
ws_fuzz(beacon SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_beacon.c USES agent_decode)
