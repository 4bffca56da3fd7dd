/*
 * A task's folder on the host: made at launch, read by the next controller, removed at the end.
 * Layout in process.h. Everything here is the task provider's alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* Uids of one task, in this order from uid_base + FOLDER_UIDS * slot. */
#define FOLDER_UIDS 4
#define FOLDER_SLOT_NONE UINT32_MAX

struct folder_owner {
        bool own;                  /* false: everything stays the caller's */
        uid_t student, link, gate; /* gid = the same number */
};

/* A file in the task's run folder, readable by all of it. */
struct folder_file {
        const char *name;
        const void *data;
        size_t len;
};

/*
 * Make `path` with everything a launch needs, but for the pid file. The profile's files come ready.
 * 0; -errno, with the name of what failed (constant text) in *ret_what. What was made stays for
 * folder_remove.
 */
NODISCARD int folder_make(const char *path, uint32_t slot, const struct folder_owner *owner,
                          const struct folder_file *files, size_t n_files, const char **ret_what);

/* Record that `pid` is this task's PID 1. 0 or -errno. */
NODISCARD int folder_write_pid(const char *path, pid_t pid);

#define FOLDER_WORKSPACE_SIZE 32
/* A note that a rescue has failed, durable on return; and its reading. 0 or -errno. */
NODISCARD int folder_write_unsaved(const char *path, const char *workspace, uint64_t generation);
NODISCARD int folder_read_unsaved(const char *path,
                                  char ret_workspace[static FOLDER_WORKSPACE_SIZE],
                                  uint64_t *ret_generation);

/* 0, or -errno when there is none or it is not a number. */
NODISCARD int folder_read_slot(const char *path, uint32_t *ret_slot);

/*
 * 0 and a pidfd (the caller's) when the recorded process still lives; 1 when it does not, or none
 * was recorded; -errno when that cannot be told.
 */
NODISCARD int folder_open_alive(const char *path, pid_t *ret_pid, int *ret_pidfd);

struct folder_errand {
        char path[4096];
        char sweep[4200]; /* first kill every process whose environment holds this; "" for none */
};

/* For launch_errand: only the killing. 0. */
int folder_sweep(const void *ctx);
/*
 * For launch_errand: remove the folder without following links or crossing mounts, however deep it
 * is. `ctx` is a struct folder_errand. 0, or 1 when something stayed.
 */
int folder_remove(const void *ctx);
