ws_fuzz(sense_events SOURCES fuzz_sense_events.c USES agent_sense)
