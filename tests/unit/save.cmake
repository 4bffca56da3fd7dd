ws_test(test_blob LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_blob.c USES ws_blob ws_base)
ws_test(test_ignore LABEL unit SOURCES test_ignore.c USES agent_save agent_headers ws_base)
