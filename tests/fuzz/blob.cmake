ws_fuzz(blob SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_blob.c USES ws_blob ws_base)
