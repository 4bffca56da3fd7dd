include(embed)

ws_layer(controller_pending SOURCES pending.c
        USES controller_headers controller_view controller_core controller_shell ws_loop)

set(web_dir ${CMAKE_CURRENT_SOURCE_DIR}/../web)
ws_embed(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/web_files.c PREFIX web_ FILES ${web_dir}/index.html
        ${web_dir}/app.js ${web_dir}/style.css)

ws_layer(controller_http
        SOURCES http_lws.c http_site.c http_tokens.c http_replay.c http_api.c http_saves.c http_actions.c http_page.c http_gateway.c pages.c
                ${CMAKE_CURRENT_BINARY_DIR}/web_files.c
        USES controller_headers controller_view controller_pending controller_shell controller_core
                controller_keys ws_loop
        PRIVATE ws_crypto dep::websockets)
