/*
 * What a type may cost a day and a month. Pure.
 *
 * Every task costs from launch to end. The ceiling limits the pool only: people who ask are still
 * served and nobody who works is stopped; the operator is told. The pool may be no larger than what
 * is left pays for during the next hour beside the tasks in use, so spending slows down before the
 * ceiling instead of passing it.
 * Money is millionths of a dollar. Plain data without pointers, to be stored as it is.
 */
#pragma once

#include <stdint.h>

#include "base/mono.h"
#include "pool/schedule.h"

#define BUDGET_LOOK_S 3600

struct budget {
        int64_t task_hour; /* price of one task for an hour */
        int64_t day_max;   /* 0: none */
        int64_t month_max; /* 0: none */
        int32_t day;
        int32_t month;
        double day_spent;
        double month_spent;
        int64_t at_s; /* 0: nothing counted yet */
};

void budget_init(struct budget *b, int64_t task_hour, int64_t day_max, int64_t month_max);
/* `tasks` have been running since the last call. A gap above an hour is not charged. */
void budget_spend(struct budget *b, const struct zone *z, utc_t now, uint32_t tasks);
/* How many warm tasks are paid for, `in_use` others running. UINT32_MAX: no ceiling. */
uint32_t budget_pool_max(const struct budget *b, uint32_t in_use);
