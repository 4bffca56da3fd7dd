/*
 * Starting a child: fork, then in the child privileges, descriptors, folder, exec. No allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macro.h"
#include "init/confine.h"
#include "profile/record.h"

struct spawn_fd {
        int from; /* ours */
        int to;   /* number in the child */
};

struct spawn_user {
        bool drop; /* false: stay what we are */
        uid_t uid;
        gid_t gid;
};

struct spawn {
        char *const *argv;
        char *const *env;
        const char *path; /* where to look for argv[0] without a slash; NULL: as it stands */
        const char *cwd;  /* made if it is missing, as the child's user; NULL: "/" */
        struct spawn_user
                user; /* with supplementary groups, capabilities and new privileges gone */
        const struct spawn_fd *fds;
        size_t n_fds;     /* besides 0 (/dev/null), 1 and 2 (ours) */
        int death_signal; /* what it gets when we die; 0 none */
        const char *home; /* where `record`'s default files go; NULL: none are written */
        const struct record *record;
        const struct confine *confine; /* NULL: free within the user's rights */
        int nice;                      /* 0, or how far it stands back for what people wait for */
        bool disk_idle;                /* as much for the disk: the idle class of ioprio_set(2) */
};

/* 0 or -errno of fork. An exec that fails ends the child with 126 or 127. */
NODISCARD int spawn_start(const struct spawn *s, pid_t *ret_pid);
/*
 * In place of a start, where the app runs already and waits at the other end of `fd`: a child does
 * what a start does before it executes (user, folder, default files, confinement) and then writes
 * the folder and each variable of the environment, each ended by a NUL, and an empty one. It is
 * reaped like any other. A reader that meets the end of the stream before the empty one was given
 * nothing. 0 or -errno of fork.
 */
NODISCARD int spawn_give(const struct spawn *s, int fd);
/*
 * The plain form: our own user, folder, environment and descriptors, signals reset, own process
 * group, in the foreground of a terminal on standard input.
 */
NODISCARD int spawn_plain(char *const *argv, pid_t *ret_pid);
