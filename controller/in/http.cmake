include(embed)

ws_layer(controller_pending SOURCES pending.c
        USES controller_headers controller_view controller_core controller_shell controller_timetable
                ws_loop)
ws_layer(controller_timetable_api SOURCES timetable_api.c
        USES controller_headers controller_view controller_timetable controller_core
        PRIVATE ws_wire dep::cjson)

set(web_dir ${CMAKE_CURRENT_SOURCE_DIR}/../web)
ws_embed(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/web_files.c PREFIX web_ FILES ${web_dir}/index.html
        ${web_dir}/app.js ${web_dir}/style.css ${web_dir}/openapi.json)

set(pages_dir ${CMAKE_CURRENT_SOURCE_DIR}/../../images/gateway/pages)
ws_embed(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/page_files.c PREFIX gateway_ FILES ${pages_dir}/page.css
        ${pages_dir}/page.js)

ws_layer(controller_http
        SOURCES http_lws.c http_lws_head.c http_site.c http_tokens.c http_replay.c http_stream.c http_api.c http_saves.c http_actions.c http_page.c http_gateway.c pages.c
                ${CMAKE_CURRENT_BINARY_DIR}/web_files.c ${CMAKE_CURRENT_BINARY_DIR}/page_files.c
        USES controller_headers controller_view controller_pending controller_timetable_api
                controller_timetable controller_shell controller_core
                controller_keys ws_loop
        PRIVATE ws_crypto dep::websockets)
