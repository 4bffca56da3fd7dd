/* A trace of launches from CSV, plain or gzip: date,minute_of_day,count[,count…] with a header. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "plan/plan.h"

struct trace {
        uint32_t *per_minute; /* whole days */
        size_t n;
        char first[11]; /* the date of the first day */
};

void trace_deinit(struct trace *t);
/* `column` counts from 1; the counts begin at 3. 0 or < 0, *ret_error says what and where. */
NODISCARD int trace_read(const char *path, uint32_t column, struct trace *ret_trace,
                         struct plan_error *ret_error);
