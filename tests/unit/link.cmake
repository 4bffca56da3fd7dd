# presence, sense and link.
set(here ${CMAKE_CURRENT_LIST_DIR})
ws_test(test_presence LABEL unit SOURCES ${here}/test_presence.c USES agent_presence)
ws_test(test_link_state LABEL unit SOURCES ${here}/test_link_state.c ${here}/link_world.c
        USES agent_link_state)

# A link that acts twice on a command id: the test above must notice.
set(link_dir ${here}/../../agent/link)
ws_test(test_link_state_planted LABEL unit
        SOURCES ${here}/test_link_state.c ${here}/link_world.c ${link_dir}/backup.c
                ${link_dir}/life.c ${link_dir}/report.c ${link_dir}/saves.c ${link_dir}/state.c
        USES agent_headers agent_presence ws_wire ws_blob ws_base)
target_compile_definitions(test_link_state_planted PRIVATE LINK_PLANTED_ACT_TWICE)
set_tests_properties(unit/test_link_state_planted PROPERTIES WILL_FAIL ON)

ws_test(test_sense_events LABEL unit SOURCES ${here}/test_sense_events.c USES agent_sense)
ws_test(test_sense_tree LABEL unit SOURCES ${here}/test_sense_tree.c USES agent_sense TIMEOUT 120)
ws_test(test_sense_pts LABEL unit SOURCES ${here}/test_sense_pts.c USES agent_sense)
