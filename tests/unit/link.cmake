# presence, sense and link.
set(here ${CMAKE_CURRENT_LIST_DIR})
ws_test(test_presence LABEL unit SOURCES ${here}/test_presence.c USES agent_presence)
# What was presumed counts as seen: the test above must notice.
ws_test(test_presence_planted LABEL unit
        SOURCES ${here}/test_presence.c ${here}/../../agent/presence/presence.c
        USES agent_headers ws_base)
target_compile_definitions(test_presence_planted PRIVATE PRESENCE_PLANTED_PROLONGS)
set_tests_properties(unit/test_presence_planted PROPERTIES WILL_FAIL ON)

foreach(name test_link_state test_link_restore test_link_evidence test_link_lead)
        ws_test(${name} LABEL unit SOURCES ${here}/${name}.c ${here}/link_world.c ${here}/link_world_init.c
                ${here}/link_world_hosts.c
                USES agent_link_state)
endforeach()

# A link that acts twice on a command id, one that uses an expired restore request, one that obeys a superseded controller, one that counts a
# record again, and one that lets a stop pass which was decided without its news: the tests above
# must notice.
set(link_dir ${here}/../../agent/link)
foreach(planted "state ACT_TWICE" "restore OLD_REQUEST" "lead ANY_EPOCH" "lead NO_WINDOW" "evidence COUNT_TWICE" "evidence STOP_BLINDLY")
        string(REPLACE " " ";" planted ${planted})
        list(GET planted 0 test)
        list(GET planted 1 defect)
        string(TOLOWER test_link_planted_${defect} name)
        ws_test(${name} LABEL unit
                SOURCES ${here}/test_link_${test}.c ${here}/link_world.c ${here}/link_world_init.c
                ${here}/link_world_hosts.c ${link_dir}/backup.c
                        ${link_dir}/evidence.c ${link_dir}/life.c ${link_dir}/report.c
                        ${link_dir}/restore.c ${link_dir}/route.c ${link_dir}/saves.c ${link_dir}/state.c
                USES agent_headers agent_presence ws_wire ws_blob ws_base)
        target_compile_definitions(${name} PRIVATE LINK_PLANTED_${defect})
        set_tests_properties(unit/${name} PROPERTIES WILL_FAIL ON)
endforeach()

ws_test(test_sense_events LABEL unit SOURCES ${here}/test_sense_events.c USES agent_sense)
ws_test(test_sense_tree LABEL unit SOURCES ${here}/test_sense_tree.c USES agent_sense TIMEOUT 120)
ws_test(test_sense_scale LABEL unit SOURCES ${here}/test_sense_scale.c USES agent_sense TIMEOUT 300)
ws_test(test_sense_pts LABEL unit SOURCES ${here}/test_sense_pts.c USES agent_sense)
ws_test(test_sense_procfs LABEL unit SOURCES ${here}/test_sense_procfs.c USES agent_sense)
ws_test(test_sense_jobs LABEL unit SOURCES ${here}/test_sense_jobs.c USES agent_sense)
ws_test(test_sense_typing LABEL unit SOURCES ${here}/test_sense_typing.c USES agent_sense)

# A child's CPU that counts twice, and answers that prolong what a key has begun: must be noticed.
foreach(planted "jobs TWICE" "typing PROLONGS")
        string(REPLACE " " ";" planted ${planted})
        list(GET planted 0 test)
        list(GET planted 1 defect)
        ws_test(test_sense_${test}_planted LABEL unit
                SOURCES ${here}/test_sense_${test}.c ${here}/../../agent/sense/${test}.c
                USES agent_headers ws_base)
        string(TOUPPER ${test}_PLANTED_${defect} macro)
        target_compile_definitions(test_sense_${test}_planted PRIVATE ${macro})
        set_tests_properties(unit/test_sense_${test}_planted PROPERTIES WILL_FAIL ON)
endforeach()
