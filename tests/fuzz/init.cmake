ws_fuzz(profile SOURCES fuzz_profile.c USES agent_profile agent_headers ws_base)
ws_fuzz(record SOURCES fuzz_record.c USES agent_profile agent_headers ws_base)
