ws_test(test_view LABEL unit SOURCES test_view.c USES controller_view controller_http controller_core)
ws_test(test_http_replay LABEL unit SOURCES test_http_replay.c USES controller_http)
