ws_test(test_base LABEL unit SOURCES test_base.c USES ws_base)
ws_test(test_loop LABEL unit SOURCES test_loop.c USES ws_loop)
ws_test(test_digest LABEL unit SOURCES test_digest.c USES ws_crypto)
