# The documents of save and restore; cJSON and zstd are linked privately.
ws_layer(ws_blob SOURCES ${CMAKE_CURRENT_LIST_DIR}/blob.c ${CMAKE_CURRENT_LIST_DIR}/save_head.c
        USES ws_base PRIVATE dep::cjson dep::zstd)
