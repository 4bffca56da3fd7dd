ws_fuzz(wire SOURCES fuzz_wire.c USES ws_wire ws_base)
