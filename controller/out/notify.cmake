# Notifications. libcurl is in notify_send.c alone, which has a thread; notify_text.c is pure.
find_package(Threads REQUIRED)
ws_layer(controller_notify_text SOURCES ${CMAKE_CURRENT_LIST_DIR}/notify_text.c
        USES controller_headers ws_base PRIVATE ws_crypto)
ws_layer(controller_notify
        SOURCES ${CMAKE_CURRENT_LIST_DIR}/notify.c ${CMAKE_CURRENT_LIST_DIR}/notify_events.c
                ${CMAKE_CURRENT_LIST_DIR}/notify_alarm.c ${CMAKE_CURRENT_LIST_DIR}/notify_plan.c
                ${CMAKE_CURRENT_LIST_DIR}/notify_send.c
        USES controller_notify_text controller_metrics_text controller_shell controller_core ws_loop
        PRIVATE ws_wire dep::cjson dep::curl Threads::Threads)
