ws_fuzz(http_head SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_http_head.c USES ws_http ws_base)
ws_fuzz(http_chunk SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_http_chunk.c USES ws_http ws_base)
