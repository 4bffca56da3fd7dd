ws_layer(controller_view SOURCES view.c view_parse.c view_json.c view_saves.c view_about.c view_error.c stored.c
        USES controller_headers controller_core PRIVATE ws_crypto controller_keys dep::cjson m)
