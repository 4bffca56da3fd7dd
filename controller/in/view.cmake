# The last 24 hours, a row a minute.
ws_layer(controller_day SOURCES day.c USES controller_headers controller_shell controller_core ws_loop)

ws_layer(controller_view SOURCES view.c view_link.c view_parse.c view_json.c view_list.c view_fleet.c view_saves.c view_about.c view_error.c stored.c
        USES controller_headers controller_day controller_core PRIVATE ws_crypto controller_keys dep::cjson m)
