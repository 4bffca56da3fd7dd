/*
 * `wscontroller storage --listen ADDR:PORT --root DIR --key-file FILE`: the storage of one machine,
 * a process of its own with blocking I/O, one thread per connection. What it serves and how URLs
 * are signed: shared/wire/STORAGE.md. It keeps nothing in memory; kill -9 loses unfinished uploads
 * only.
 */
#pragma once

#include "base/macro.h"

#define STORAGE_CONNECTIONS_MAX 64

/* argv[0] is "storage". Runs for ever; the exit code when it cannot start: 2 usage, 1 other. */
int storage_server_main(int argc, char **argv);
