ws_fuzz(sense_events SOURCES fuzz_sense_events.c USES agent_sense)
ws_fuzz(procs SOURCES fuzz_procs.c USES agent_sense)
