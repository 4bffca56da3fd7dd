/*
 * What happens between clone and exec of a task. Everything is prepared as text by process.c,
 * because the child of a process with threads may use only plain system calls: no allocation, no
 * stdio, no locks. One failure = one struct launch_fault on the status pipe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

enum launch_cage {
        LAUNCH_ROOT,  /* PID, mount, IPC namespaces; real root */
        LAUNCH_USER,  /* the same in an own user namespace */
        LAUNCH_PLAIN, /* no namespaces */
};

enum launch_step {
#define LAUNCH_STEP(id, what, cure) LAUNCH_##id,
#include "out/providers/launch_step.def"
#undef LAUNCH_STEP
        LAUNCH_STEP_MAX
};

/* "mounting a private /proc", and what an operator can do about it (may be ""). */
const char *launch_step_what(enum launch_step s);
const char *launch_step_cure(enum launch_step s);

struct launch_fault {
        int32_t step;  /* enum launch_step */
        int32_t error; /* errno */
};

#define LAUNCH_PATH 4096

struct launch_plan {
        enum launch_cage cage;
        char home[LAUNCH_PATH], run[LAUNCH_PATH], tmp[LAUNCH_PATH]; /* folders of the task */
        char passwd[LAUNCH_PATH], group[LAUNCH_PATH];
        char agent[LAUNCH_PATH], worker[LAUNCH_PATH];      /* files on the host */
        char bind_src[LAUNCH_PATH], bind_dst[LAUNCH_PATH]; /* "" for none */
        char hide[LAUNCH_PATH];   /* folder covered with an empty one; "" for none */
        char resolv[LAUNCH_PATH]; /* target of /etc/resolv.conf if below /run, else "" */
        char uid_map[64], gid_map[64];
        bool pts_gid; /* give terminals to group 5 (tty) */
        char **argv, **envp;
        int null_fd, log_fd; /* become 0, and 1 and 2 */
        int go_fd;           /* one byte 1 permits the start; end of file forbids it */
        int status_fd;       /* struct launch_fault; end of file is success */
};

/*
 * clone3 into the cage. In the parent: the child's pid, and its pidfd (CLOEXEC) in *ret_pidfd; the
 * child waits for the go byte, then builds the cage and becomes the agent. -errno.
 */
NODISCARD pid_t launch_clone(const struct launch_plan *plan, int *ret_pidfd);

/* uid_map and gid_map for an own user namespace: the caller's ids stay what they are. */
void launch_map_self(struct launch_plan *plan);

/* Try, in a child, whether this process may use `cage`. Blocks for some milliseconds. */
bool launch_possible(enum launch_cage cage);

/* Whether each task may get uids of its own: root in a container may lack the capabilities for it.
 */
bool launch_may_give_uids(void);

/*
 * A child for one errand: runs fn(ctx) with plain system calls only, exits with its result.
 * `keep_fd` is 3 in there; -1: none.
 */
NODISCARD pid_t launch_errand(int (*fn)(const void *ctx), const void *ctx, int keep_fd,
                              int *ret_pidfd);

/*
 * A descriptor, which is taken, and both ends of a pipe, above the numbers that a child dups onto;
 * CLOEXEC. 0 or -errno: then nothing is left open. `fd` below 0 gives the errno of its making.
 */
NODISCARD int launch_fd_raise(int fd, int *ret_fd);
NODISCARD int launch_pipe(int *ret_read, int *ret_write);
