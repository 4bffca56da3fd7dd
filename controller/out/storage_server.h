/*
 * `wscontroller storage --listen ADDR:PORT --root DIR --key-file FILE`: grants, and the storage of
 * one machine; with --s3 grants of a bucket. A process of its own with blocking I/O, one thread per
 * connection. What it serves and how URLs
 * are signed: shared/wire/STORAGE.md. It keeps nothing in memory; kill -9 loses unfinished uploads
 * only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

#define STORAGE_CONNECTIONS_MAX 1024

struct storage_server_options {
        const char *listen;                          /* "127.0.0.1:7702" */
        const char *root;                            /* the folder; with `s3` none */
        const char *key_file;                        /* of the controllers */
        const char *s3;                              /* "s3://bucket/prefix", or NULL */
        const char *endpoint, *region, *credentials; /* as in s3.h, or NULL */
        bool path_style;
        uint64_t bandwidth; /* of objects in the folder, bytes a second; 0: no limit */
};

/* argv[0] is "storage". Runs for ever; the exit code when it cannot start: 2 usage, 1 other. */
int storage_server_main(int argc, char **argv);
