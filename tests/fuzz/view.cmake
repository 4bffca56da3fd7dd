ws_fuzz(view_parse SOURCES fuzz_view_parse.c USES controller_view controller_core)
