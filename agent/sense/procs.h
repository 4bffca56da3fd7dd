/*
 * Reads /proc for jobs.h: the processes of one user, as that user (a root without CAP_SYS_PTRACE
 * may not read another's io and environ).
 *
 * Cheap where nothing happens: one short file for each process, and its words when it is new. Bytes
 * and sockets are looked at only where jobs.h asks. Bounded in all it reads. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "base/mono.h"
#include "sense/jobs.h"

struct procs_config {
        const struct rules *rules; /* kept by pointer */
        pid_t init;                /* our parent */
        const char *app_socket; /* who listens there is the app; kept by pointer, NULL: unknown */
        int64_t window_ms;      /* JOBS_WINDOW_MS */
};

enum procs_terminal {
        PROCS_TERMINAL_UNKNOWN, /* nobody's yet, or its session has lost its leader */
        PROCS_TERMINAL_APP,     /* started by one of the rules' `app_terminals` */
        PROCS_TERMINAL_OTHER,
};

struct procs;

/* 0 or -errno. */
NODISCARD int procs_new(const struct procs_config *config, struct procs **ret_procs);
struct procs *procs_free(struct procs *p);
/* Look at all processes. */
void procs_sample(struct procs *p, mono_t now, struct jobs_verdict *ret_verdict);
/* How long to wait until the next sample: JOBS_PERIOD_MS, more where there are many processes. */
int64_t procs_period_ms(const struct procs *p);
/* Whose the terminal with this device number is, by a look at all processes. */
enum procs_terminal procs_terminal(struct procs *p, dev_t terminal);
