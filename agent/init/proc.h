/*
 * Which processes are left, from /proc, without allocation. One scan at a time; single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macro.h"

struct proc_scan {
        bool pid1;   /* all processes of the namespace; else only our descendants */
        bool by_uid; /* of these, only processes of `uid` */
        uid_t uid;
        const pid_t *except; /* processes that are not the student's: the roles */
        size_t n_except;
};

/* Open /proc (once is enough). 0, -errno, or -ESRCH when it shows another PID namespace than ours.
 */
NODISCARD int proc_open(void);
/*
 * Send the signals `sigs` (n_sigs of them, in order; may be none) to every living process that
 * matches. Zombies do not count. Returns how many there were, or -errno.
 */
NODISCARD int proc_signal(const struct proc_scan *scan, const int *sigs, size_t n_sigs);
