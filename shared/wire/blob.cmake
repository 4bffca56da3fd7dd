# The documents of save and restore; cJSON is linked privately.
ws_layer(ws_blob SOURCES ${CMAKE_CURRENT_LIST_DIR}/blob.c USES ws_base PRIVATE dep::cjson)
