/* What watch.c (as it happens) and gauges.c (as of now) share. */
#pragma once

#include "metrics/slots.h"
#include "metrics/watch.h"

struct metrics_watch {
        struct loop *loop;
        struct shell *shell;
        const struct core_config *core;
        struct metrics *m;
        struct slots *tasks;  /* by task: type, launch, stop, last heartbeat */
        struct slots *starts; /* by workspace: asked for and not ready yet */
        struct slots *users;  /* of the scan that runs; note: windows counted */
        struct loop_timer tick, scan;
        mono_t integrated; /* time of tasks is counted up to here */
        utc_t started;
        size_t scan_at;
        double active[3]; /* of the scan that runs */
        double states[WS_STATE_MAX];
        uint64_t hits[CORE_TYPES_MAX], misses[CORE_TYPES_MAX]; /* of the core, counted so far */
        double cpu;                                            /* seconds, counted so far */
};

/* METRICS_TYPES_MAX or more: not configured. */
uint32_t watch_type(const struct metrics_watch *w, const char *type);
