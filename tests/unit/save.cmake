ws_test(test_blob LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_blob.c USES ws_blob ws_base)
