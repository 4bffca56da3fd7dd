# Pools: the pure code, and the benchmark's virtual time against formulas.
set(here ${CMAKE_CURRENT_LIST_DIR})
set(bench ${CMAKE_SOURCE_DIR}/tests/bench)
set(world ${bench}/pool_world.c ${bench}/pool_policies.c)

ws_test(test_pool_time LABEL unit SOURCES ${here}/test_pool_time.c USES controller_pool ws_base m)
ws_test(test_pool_closed LABEL unit SOURCES ${here}/test_pool_closed.c ${world}
        USES controller_pool ws_base m TIMEOUT 300)
ws_test(test_pool_size LABEL unit SOURCES ${here}/test_pool_size.c ${world}
        USES controller_pool ws_base m TIMEOUT 300)
ws_test(test_pool_timetable LABEL unit SOURCES ${here}/test_pool_timetable.c ${world}
        ${bench}/pool_data.c USES controller_pool ws_base dep::zlib m TIMEOUT 300)

# The claims about idle cost, on data; figures out of bounds must be caught.
add_test(NAME unit/pool_claims COMMAND ${here}/pool_claims $<TARGET_FILE:pool_bench>)
add_test(NAME unit/pool_claims_catch COMMAND ${here}/pool_claims --self-test)
set_tests_properties(unit/pool_claims unit/pool_claims_catch PROPERTIES LABELS unit TIMEOUT 300)

ws_test(test_pool_day LABEL unit SOURCES ${here}/test_pool_day.c ${world} ${bench}/pool_data.c
        USES controller_pool ws_base dep::zlib m)
target_compile_definitions(test_pool_day PRIVATE TEST_DATA="${here}/data")
