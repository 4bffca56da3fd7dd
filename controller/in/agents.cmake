# The agents' edge. nng is in agents_socket.c and rep_socket.c alone.
ws_layer(controller_agents
        SOURCES
                ${CMAKE_CURRENT_LIST_DIR}/agents.c
                ${CMAKE_CURRENT_LIST_DIR}/agents_enrol.c
                ${CMAKE_CURRENT_LIST_DIR}/agents_session.c
                ${CMAKE_CURRENT_LIST_DIR}/agents_socket.c
        USES controller_shell controller_core controller_headers ws_loop
        PRIVATE controller_rep_socket controller_keys ws_wire dep::nng)
