/* What a plan came to, for people and for scripts. */
#pragma once

#include "ctl.h"
#include "plan/bill.h"
#include "plan_read.h"

/* One way to run the same people. */
struct plan_way {
        char name[64];
        const struct plan_result *result; /* NULL: always on */
        struct bill bill;
};

#define PLAN_WAYS_MAX 4

struct plan_outcome {
        const struct plan *plan;
        const struct plan_result *result;
        const struct price_list *prices;
        const char *trace; /* the file, or NULL */
        size_t sessions;
        bool original; /* with the original design's arithmetic in front */
        size_t n_ways;
        struct plan_way ways[PLAN_WAYS_MAX]; /* always on, …, the plan, …, the bound */
        size_t ours;                         /* which of them is the plan */
};

void plan_print(const struct ctl *c, const struct plan_outcome *o);
void plan_print_json(const struct plan_outcome *o);
