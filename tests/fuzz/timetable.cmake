ws_fuzz(timetable SOURCES fuzz_timetable.c USES controller_timetable_text ws_base)
