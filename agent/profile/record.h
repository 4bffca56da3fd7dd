/*
 * The flat form of a profile: what init needs to start the app, without JSON and without pointers.
 *
 *   struct record_head | path | argv... | ahead... | env "NAME=value"... | (file path, content)...
 * | write...
 *
 * Behind the head come NUL-terminated strings and nothing else; the head says how many of each
 * kind. Writer: `wsagent-worker profile --compile FILE`, with ${...} expanded from its environment.
 * Reader: init, which checks again whatever it is handed. Same build on both sides. libc only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define RECORD_MAGIC UINT32_C(0x33505357) /* "WSP3" */
#define RECORD_SIZE_MAX 65536
#define RECORD_ARGV_MAX 64
#define RECORD_ENV_MAX 64
#define RECORD_FILES_MAX 16
#define RECORD_WRITE_MAX 16

struct record_head {
        uint32_t magic;
        uint32_t size; /* of everything, head included */
        uint32_t n_argv, n_ahead, n_env, n_files, n_write;
        uint32_t stop_grace_ms; /* SIGTERM to the app until the rest is told to end */
        uint32_t kill_grace_ms; /* from then until SIGKILL */
        uint32_t processes;     /* of the student at most, threads included; 0: no limit of ours */
        uint32_t files;         /* open at a time in one process; 0: no limit of ours */
        char name[68];
};

struct record_file {
        const char *path; /* relative to the home folder of the app */
        const char *content;
};

/* Pointers into the bytes given to record_open, which must outlive it. */
struct record {
        struct record_head head;
        const char *path;                /* PATH of the app */
        char *argv[RECORD_ARGV_MAX + 1]; /* ends with NULL, at least one */
        char *ahead[RECORD_ARGV_MAX +
                    1]; /* the app started ahead of the claim; ends with NULL, empty: none */
        char *env[RECORD_ENV_MAX + 1]; /* ends with NULL */
        struct record_file files[RECORD_FILES_MAX];
        const char *write[RECORD_WRITE_MAX]; /* absolute: what may be written besides the home */
};

/* Check `size` bytes and find the strings. 0, or -EBADMSG with *ret_record untouched. */
NODISCARD int record_open(void *bytes, size_t size, struct record *ret_record);
