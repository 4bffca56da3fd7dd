/*
 * What the program tells of itself to whoever asks: its version, what it was configured with, its
 * KPIs. Made by the edges, shown by view_about.c, so that the doors know neither the configuration
 * nor the metrics.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macro.h"

struct agents_counters;

/* One option as it is in force; texts are kept by pointer until the next call. */
struct about_option {
        const char *type; /* of workspaces; "" for those that are set once */
        const char *name, *value;
        const char *source; /* "default", "FILE:LINE", "WS_POOL", "--pool" */
};

/* One figure; NAN is not known, or no target. */
struct about_kpi {
        const char *name;
        const char *meaning;
        const char *unit; /* "s", "ratio", "dollars" or "" */
        double value, target;
        bool at_least; /* the target is a floor, else a ceiling */
};

struct about {
        const char *version;
        void *ctx;
        /* What agents' door has counted. NULL: not shown. */
        void (*agents)(void *ctx, struct agents_counters *ret_counters);
        /* The i-th from 0; false behind the last. NULL: none. */
        bool (*option)(void *ctx, size_t i, struct about_option *ret_option);
        bool (*kpi)(void *ctx, size_t i, struct about_kpi *ret_kpi);
};

/* {"options":[{"type","name","value","source"}]}. `a` may be NULL. 0 or -ENOMEM. */
NODISCARD int view_config(const struct about *a, struct buf *out);
/* {"kpis":[{"name","meaning","unit","value","target","at_least","state"}]}: state met, missed,
 * unknown. */
NODISCARD int view_kpi(const struct about *a, struct buf *out);
