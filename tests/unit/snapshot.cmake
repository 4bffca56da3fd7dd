ws_test(test_snapshot LABEL unit SOURCES test_snapshot.c USES ws_snapshot ws_base)
