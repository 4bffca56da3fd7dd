ws_test(test_wire LABEL unit SOURCES test_wire.c USES ws_wire ws_base)
target_compile_definitions(test_wire PRIVATE WIRE_GOLDEN="${CMAKE_SOURCE_DIR}/tests/wire"
        WIRE_PROTOCOL="${CMAKE_SOURCE_DIR}/shared/wire/PROTOCOL.md")

# The edge alone: the shell is the test's, the clients are real.
foreach(name test_agents test_agents_refuse)
        ws_test(${name} LABEL unit SOURCES ${name}.c agents_fixture.c
                USES controller_agents controller_keys ws_wire ws_loop ws_base dep::nng)
endforeach()
