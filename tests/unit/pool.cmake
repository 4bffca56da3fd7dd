# Pools: the pure code.
set(here ${CMAKE_CURRENT_LIST_DIR})

ws_test(test_pool_time LABEL unit SOURCES ${here}/test_pool_time.c USES controller_pool ws_base m)
