ws_layer(controller_ops SOURCES ops.c ops_nng.c
        USES controller_headers controller_view controller_pending controller_timetable_api
                controller_timetable controller_shell controller_core
                controller_http controller_keys ws_loop
        PRIVATE controller_rep_socket dep::nng)
