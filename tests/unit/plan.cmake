# The planner: the core in virtual time, and what it costs.
set(here ${CMAKE_CURRENT_LIST_DIR})

ws_test(test_plan LABEL unit SOURCES ${here}/test_plan.c USES controller_plan ws_base TIMEOUT 300)
# Idle time counted twice must not pass for the formula's.
ws_test(test_plan_planted_idle_twice LABEL unit SOURCES ${here}/test_plan.c ${PLAN_SOURCE_PATHS}
        USES controller_headers controller_core controller_pool ws_base m TIMEOUT 300)
target_compile_definitions(test_plan_planted_idle_twice PRIVATE PLAN_PLANTED_IDLE_TWICE
        FORMULAS_ONLY=1)
set_tests_properties(unit/test_plan_planted_idle_twice PROPERTIES
        PASS_REGULAR_EXPRESSION "idle containers is more than 1 % off")
# A plan whose core sizes no pool must not have a plan's figures.
ws_test(test_plan_planted_no_sizing LABEL unit SOURCES ${here}/test_plan.c ${CORE_SOURCE_PATHS}
        ${PLAN_SOURCE_PATHS} USES controller_headers controller_pool ws_base m TIMEOUT 300)
target_compile_definitions(test_plan_planted_no_sizing PRIVATE CORE_PLANTED_NO_SIZING FORMULAS_ONLY=1)
set_tests_properties(unit/test_plan_planted_no_sizing PROPERTIES
        PASS_REGULAR_EXPRESSION "the plan's golden figures")
ws_test(test_plan_read LABEL unit SOURCES ${here}/test_plan_read.c
        USES wsctl_read controller_plan ws_base dep::zlib)
target_compile_definitions(test_plan_read PRIVATE
        PRICES_FILE="${CMAKE_SOURCE_DIR}/controller/plan/prices-us-east-1.json")
# The program: presets, files, pictures, refusals.
add_test(NAME unit/plan_wsctl COMMAND ${here}/plan_wsctl $<TARGET_FILE:wsctl>)
set_tests_properties(unit/plan_wsctl PROPERTIES LABELS unit TIMEOUT 120)
