ws_fuzz(storage_url SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_storage_url.c
        USES controller_storage controller_keys controller_headers ws_http ws_blob ws_base)
ws_fuzz(s3_xml SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_s3_xml.c
        USES controller_storage controller_headers ws_base)
