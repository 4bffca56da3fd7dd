# The controller's inside: core, pool, shell, store, keys, configuration.
set(here ${CMAKE_CURRENT_LIST_DIR})

ws_test(test_core_storm LABEL unit SOURCES ${here}/test_core_storm.c ${here}/core_world.c
        ${here}/core_world_effects.c ${here}/core_alloc.c
        USES controller_core ws_base TIMEOUT 120)

set(wrap_alloc LINKER:--wrap=malloc LINKER:--wrap=calloc LINKER:--wrap=realloc LINKER:--wrap=free)
target_link_options(test_core_storm PRIVATE ${wrap_alloc})

# Defects, each in a core of its own: the storm must name the rule that is broken.
function(core_planted defect rule)
        string(TOLOWER ${defect} name)
        set(test test_core_planted_${name})
        ws_test(${test} LABEL unit
                SOURCES ${here}/test_core_storm.c ${here}/core_world.c
                        ${here}/core_world_effects.c ${here}/core_alloc.c ${CORE_SOURCE_PATHS}
                USES controller_headers controller_pool ws_base TIMEOUT 120)
        target_compile_definitions(${test} PRIVATE CORE_PLANTED_${defect})
        target_link_options(${test} PRIVATE ${wrap_alloc})
        set_tests_properties(unit/${test} PROPERTIES PASS_REGULAR_EXPRESSION "invariant: ${rule}")
endfunction()
core_planted(STOP_BEFORE_COMMIT "stop before commit")
core_planted(SAME_GENERATION "generation not advanced")
core_planted(ACT_FIRST "act before persist")
core_planted(FORGETS_PERSON "stopped while a person was there")
core_planted(FORGETS_RESUME "(stopped while it runs|stop before commit)")
core_planted(BELIEVES_LISTS "(two live tasks for one workspace|stop before commit)")
core_planted(ABANDONS_ANYTHING "abandoned outside of attention")
core_planted(ALLOCATES "allocation in a step")
core_planted(NO_MAINTENANCE "stopped for idleness in maintenance")

# The core sees base and pool only: what its archive needs from outside, by name.
add_test(NAME unit/core_symbols COMMAND ${here}/core_symbols ${CMAKE_NM}
        $<TARGET_FILE:controller_core> $<TARGET_FILE:controller_pool> $<TARGET_FILE:ws_base>)
set_tests_properties(unit/core_symbols PROPERTIES LABELS unit TIMEOUT 30)
# A library that does I/O must not pass.
add_test(NAME unit/core_symbols_catches COMMAND ${here}/core_symbols ${CMAKE_NM}
        $<TARGET_FILE:controller_shell> $<TARGET_FILE:controller_pool> $<TARGET_FILE:ws_base>)
set_tests_properties(unit/core_symbols_catches PROPERTIES LABELS unit TIMEOUT 30
        PASS_REGULAR_EXPRESSION "may not use")

ws_test(test_pool LABEL unit SOURCES ${here}/test_pool.c USES controller_pool ws_base)
ws_test(test_idle_rule LABEL unit SOURCES ${here}/test_idle_rule.c USES controller_core ws_base)
# A rule that stops people must be caught by the slow one beside it.
ws_test(test_idle_rule_planted LABEL unit
        SOURCES ${here}/test_idle_rule.c ${CMAKE_SOURCE_DIR}/controller/core/idle_rule.c
                ${CMAKE_SOURCE_DIR}/controller/core/idle_words.c
        USES controller_headers ws_base)
target_compile_definitions(test_idle_rule_planted PRIVATE IDLE_PLANTED_LIFETIME_WAITS_FOR_NOBODY
        IDLE_RANDOM_ONLY)
set_tests_properties(unit/test_idle_rule_planted PROPERTIES
        PASS_REGULAR_EXPRESSION "CHECK failed: alive")
ws_test(test_core_edges LABEL unit SOURCES ${here}/test_core_edges.c ${here}/core_fixture.c
        USES controller_core ws_base)
ws_test(test_core_timers LABEL unit SOURCES ${here}/test_core_timers.c USES controller_core ws_base)
ws_test(test_core_fleet LABEL unit SOURCES ${here}/test_core_fleet.c ${here}/core_fixture.c
        USES controller_core ws_base)
ws_test(test_core_steps LABEL unit SOURCES ${here}/test_core_steps.c USES controller_core ws_base)
# Every pair of states with every event, against the table of decisions.
ws_test(test_core_matrix LABEL unit SOURCES ${here}/test_core_matrix.c
        USES controller_core controller_pool ws_base)
target_compile_definitions(test_core_matrix PRIVATE CORE_MATRIX_FILE="${here}/core_matrix.txt")
# A core that ends work before it is committed must not pass, whatever the table says.
ws_test(test_core_matrix_planted LABEL unit SOURCES ${here}/test_core_matrix.c ${CORE_SOURCE_PATHS}
        USES controller_headers controller_pool ws_base)
target_compile_definitions(test_core_matrix_planted PRIVATE CORE_PLANTED_STOP_BEFORE_COMMIT
        CORE_MATRIX_FILE="${here}/core_matrix.txt")
set_tests_properties(unit/test_core_matrix_planted PROPERTIES
        PASS_REGULAR_EXPRESSION "matrix: work was ended unsaved")
ws_test(test_keys LABEL unit SOURCES ${here}/test_keys.c USES controller_keys ws_base)
ws_test(test_config LABEL unit SOURCES ${here}/test_config.c USES controller_config ws_base)
ws_test(test_store LABEL unit SOURCES ${here}/test_store.c USES controller_store ws_base
        dep::sqlite3)
ws_test(test_shell_pending LABEL unit SOURCES ${here}/test_shell_pending.c
        USES controller_shell controller_core controller_store ws_loop ws_base)
ws_test(test_shell LABEL unit SOURCES ${here}/test_shell.c
        USES controller_shell controller_core controller_store ws_loop ws_base dep::sqlite3)

# Every option has its paragraph in the man page.
add_test(NAME unit/config_man COMMAND ${here}/config_man
        ${CMAKE_SOURCE_DIR}/controller/config_option.def
        ${CMAKE_SOURCE_DIR}/controller/wscontroller.conf.5)
set_tests_properties(unit/config_man PROPERTIES LABELS unit TIMEOUT 30)
ws_test(test_core_sizing LABEL unit SOURCES ${here}/test_core_sizing.c ${here}/sizing_world.c
        USES controller_core controller_pool ws_base)
ws_test(test_core_classes LABEL unit SOURCES ${here}/test_core_classes.c ${here}/sizing_world.c
        USES controller_core controller_pool ws_base)
ws_test(test_timetable_text LABEL unit SOURCES ${here}/test_timetable_text.c
        USES controller_timetable_text ws_base)
ws_test(test_timetable_ical LABEL unit SOURCES ${here}/test_timetable_ical.c
        USES controller_timetable_text controller_hours ws_base)
# The same rules by another implementation.
add_test(NAME unit/ical_oracle COMMAND ${here}/ical_oracle $<TARGET_FILE:test_timetable_ical>)
# ... which finds one that takes every week to begin on Monday.
ws_test(test_timetable_ical_planted LABEL unit SOURCES ${here}/test_timetable_ical.c
        ${CMAKE_SOURCE_DIR}/controller/timetable/recur.c
        USES controller_timetable_text controller_hours controller_headers ws_base)
target_compile_definitions(test_timetable_ical_planted PRIVATE RECUR_PLANTED_MONDAY)
set_tests_properties(unit/test_timetable_ical_planted PROPERTIES
        PASS_REGULAR_EXPRESSION "expected is \"0803T0900 0815T0900")
add_test(NAME unit/ical_oracle_planted COMMAND ${here}/ical_oracle
        $<TARGET_FILE:test_timetable_ical_planted>)
set_tests_properties(unit/ical_oracle unit/ical_oracle_planted PROPERTIES LABELS unit TIMEOUT 300)
set_tests_properties(unit/ical_oracle_planted PROPERTIES
        PASS_REGULAR_EXPRESSION "got .*want|skipped")
ws_test(test_core_day LABEL unit SOURCES ${here}/test_core_day.c ${here}/sizing_world.c
        USES controller_core controller_pool ws_base)
target_compile_definitions(test_core_day PRIVATE TEST_DATA="${here}/data")
ws_test(test_core_pace LABEL unit SOURCES ${here}/test_core_pace.c ${here}/core_fixture.c
        USES controller_core ws_base)
ws_test(test_stored LABEL unit SOURCES ${here}/test_stored.c USES controller_view ws_base)
ws_test(test_core_adaptive LABEL unit SOURCES ${here}/test_core_adaptive.c
        USES controller_core controller_pool ws_base)
