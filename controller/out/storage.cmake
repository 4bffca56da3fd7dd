# Storage: the edge in the controller's loop and the server process. Both see the folder through
# objects.c; curl stays inside s3_http.c.
find_package(Threads REQUIRED)
ws_layer(controller_storage
        SOURCES ${CMAKE_CURRENT_LIST_DIR}/storage.c ${CMAKE_CURRENT_LIST_DIR}/saves.c
                ${CMAKE_CURRENT_LIST_DIR}/saves_listing.c ${CMAKE_CURRENT_LIST_DIR}/saves_sweep.c
                ${CMAKE_CURRENT_LIST_DIR}/saves_retention.c ${CMAKE_CURRENT_LIST_DIR}/objects_folder.c
                ${CMAKE_CURRENT_LIST_DIR}/objects.c ${CMAKE_CURRENT_LIST_DIR}/storage_proc.c
                ${CMAKE_CURRENT_LIST_DIR}/storage_server.c ${CMAKE_CURRENT_LIST_DIR}/storage_peers.c ${CMAKE_CURRENT_LIST_DIR}/storage_http.c
                ${CMAKE_CURRENT_LIST_DIR}/storage_url.c ${CMAKE_CURRENT_LIST_DIR}/storage_grants.c
                ${CMAKE_CURRENT_LIST_DIR}/storage_pace.c
                ${CMAKE_CURRENT_LIST_DIR}/sigv4.c ${CMAKE_CURRENT_LIST_DIR}/s3.c
                ${CMAKE_CURRENT_LIST_DIR}/s3_grants.c ${CMAKE_CURRENT_LIST_DIR}/s3_http.c
                ${CMAKE_CURRENT_LIST_DIR}/s3_credentials.c ${CMAKE_CURRENT_LIST_DIR}/s3_xml.c
        USES controller_headers controller_keys ws_loop ws_blob
        PRIVATE ws_snapshot ws_http ws_crypto dep::curl dep::cjson Threads::Threads)
