ws_fuzz(plan_read SOURCES fuzz_plan_read.c USES wsctl_read controller_plan)
