/*
 * Jobs: is the student's computer working although nobody types? From samples of the workspace's
 * processes; pure but for memory, reads nothing itself (procs.h does).
 *
 * Whose a process is:
 *   student's  it has a controlling terminal, or had one when it was last seen (nohup), or its
 *              parent is the student's (setsid), or nothing ties it to the app (docker exec)
 *   the app's  without a terminal, in the session of the app's main process or below one that is
 *   outside    not below the workspace's init: other workspaces, where they share a machine
 * Once the student's or the app's it stays so when its parent dies.
 *
 * A job is a process group of the student's, or one of the app's processes that has a word of
 * `job_kernels`, with all below it. It is busy when in the last `window_ms` it used
 * JOBS_CPU_PERMILLE of one core, or read and wrote JOBS_IO_BYTES a minute. CPU of children counts
 * when the parent has waited for them and they were not counted while they lived; so a loop of
 * short commands counts as the shell that runs it.
 *
 * Never counted: a command of `job_ignore` (top, watch, editors) and what it starts in its group; a
 * process without a terminal that terminals are started from (tmux, screen: their panes count for
 * themselves); a group in which a process listens on a TCP socket (development servers), unless it
 * has a word of `job_kernels`.
 *
 * A word of `job_kernels` that ends in '=' is looked for in the environment, as the start of a
 * variable; others anywhere in the command line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "base/mono.h"
#include "presence/rules.h"

#define JOBS_PERIOD_MS 10000
#define JOBS_WINDOW_MS 60000
#define JOBS_CPU_PERMILLE 50            /* of one core, over the window */
#define JOBS_IO_BYTES INT64_C(16777216) /* read and written, in a minute */
#define JOBS_PROCESSES_MAX 4096         /* further ones are not looked at */
#define JOBS_GROUPS_MAX 1024            /* further ones count as one */
#define JOBS_IO_UNKNOWN UINT64_MAX
/* Processes of a group that are asked whether they listen, the oldest ids first. */
#define JOBS_LISTEN_MAX 32

struct jobs_process {
        pid_t pid, ppid, pgrp, session;
        uint32_t tty;       /* device number of the controlling terminal; 0 none */
        uint64_t start;     /* tells a reused pid */
        uint64_t self_ms;   /* CPU of its own threads */
        uint64_t waited_ms; /* of the children that it has waited for, and of theirs */
        char comm[16];
};

struct jobs_verdict {
        uint32_t busy; /* jobs that are */
        char name[16]; /* of the busiest; printable ASCII */
};

/* What is costly to find out and therefore asked for candidates alone, from within jobs_end. */
struct jobs_config {
        const struct rules *rules; /* kept by pointer */
        pid_t init;                /* the process that started the app and adopts orphans */
        int64_t window_ms;
        /* Bytes read and written, with waited-for children's; JOBS_IO_UNKNOWN. */
        uint64_t (*io)(void *ctx, pid_t pid);
        /* Whether it listens on a TCP socket. */
        bool (*listens)(void *ctx, pid_t pid);
        void *ctx;
};

struct jobs;

/* 0 or -ENOMEM. */
NODISCARD int jobs_new(const struct jobs_config *config, struct jobs **ret_jobs);
struct jobs *jobs_free(struct jobs *j);

/*
 * One sample: begin, add every process of the workspace, end. `app` is the app's main process, 0
 * while it is not known: until then a daemon below init is presumed to be it. The first sample is
 * what the second is compared with.
 */
void jobs_begin(struct jobs *j, mono_t now, pid_t app);
/* True: call jobs_words next, because it is new or has executed another program. */
bool jobs_add(struct jobs *j, const struct jobs_process *p);
/* Its /proc/PID/cmdline and environ (may be cut, may be empty): strings with NUL between them. */
void jobs_words(struct jobs *j, pid_t pid, const char *argv, size_t argv_len, const char *env,
                size_t env_len);
void jobs_end(struct jobs *j, struct jobs_verdict *ret_verdict);

/* Whether any of `words` occurs in the command line; see rules' `app_terminals`. */
bool jobs_argv_has(const struct rule_words *words, const char *argv, size_t len);
/* Whether jobs_words wants the environment. */
bool jobs_wants_env(const struct jobs *j);
/* Processes in the last sample, for the sampler's own pace. */
size_t jobs_count(const struct jobs *j);
