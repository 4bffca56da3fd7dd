include(embed)

ws_layer(controller_pending SOURCES pending.c
        USES controller_headers controller_view controller_core controller_shell controller_timetable
                ws_loop)
ws_layer(controller_timetable_api SOURCES timetable_api.c
        USES controller_headers controller_view controller_timetable controller_core
        PRIVATE ws_wire dep::cjson)

# Every file of the dashboard that web_file.def names.
set(web_dir ${CMAKE_CURRENT_SOURCE_DIR}/../web)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/web_file.def)
file(STRINGS web_file.def web_lines REGEX "^WEB_FILE")
set(web_files)
foreach(line IN LISTS web_lines)
        string(REGEX REPLACE "^WEB_FILE.\"([a-z.]+)\".*" "${web_dir}/\\1" path "${line}")
        list(APPEND web_files ${path})
endforeach()
ws_embed(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/web_files.c PREFIX web_ FILES ${web_files})

set(pages_dir ${CMAKE_CURRENT_SOURCE_DIR}/../../images/gateway/pages)
ws_embed(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/page_files.c PREFIX gateway_ FILES ${pages_dir}/page.css
        ${pages_dir}/page.js)

ws_layer(controller_http
        SOURCES http_lws.c http_lws_head.c http_site.c http_tokens.c http_replay.c http_stream.c http_api.c http_fleet.c http_saves.c http_actions.c http_page.c http_gateway.c http_visitor.c pages.c
                ${CMAKE_CURRENT_BINARY_DIR}/web_files.c ${CMAKE_CURRENT_BINARY_DIR}/page_files.c
        USES controller_headers controller_view controller_day controller_pending controller_timetable_api
                controller_timetable controller_shell controller_core
                controller_keys ws_loop
        PRIVATE ws_crypto dep::websockets)
