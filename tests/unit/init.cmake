ws_test(test_supervise LABEL unit SOURCES test_supervise.c USES agent_supervise ws_base)
ws_test(test_profile LABEL unit SOURCES test_profile.c USES agent_profile agent_headers ws_base)
target_compile_definitions(test_profile PRIVATE
        WS_PROFILES="${CMAKE_SOURCE_DIR}/images")
ws_test(test_record LABEL unit SOURCES test_record.c USES agent_profile agent_headers ws_base)
