# What the sockets of the agents and of the operators have in common.
ws_layer(controller_rep_socket SOURCES ${CMAKE_CURRENT_LIST_DIR}/rep_socket.c
        USES controller_headers PRIVATE dep::nng)
