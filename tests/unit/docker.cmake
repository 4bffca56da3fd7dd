ws_test(test_docker_json LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_docker_json.c
        USES controller_docker controller_headers ws_base)
