/* The KPIs of kpi.def, worked out of the metrics that this controller has. Loop thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "metrics/watch.h"

struct kpi {
        const char *name, *unit, *meaning;
        double value, target; /* NAN: not known, no target */
};

/* The i-th from 0; false behind the last. Brings the gauges up to date at the first. */
bool kpi_at(struct metrics_watch *w, size_t i, struct kpi *ret_kpi);
