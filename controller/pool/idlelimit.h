/*
 * How long an idle workspace is kept, by what a wrong stop costs. Pure.
 *
 * Keeping it costs `hold` an hour. Stopping somebody who comes back costs the wait (its seconds x
 * the value of their time) and a launch. Their quotient is the break-even time B: stopping at B is
 * never worse than twice the best, whoever comes back when (ski rental). With the gaps between
 * activity that were seen, the limit is where
 *
 *     C(t) = hold x E[min(gap, t)] + wrong_stop x P(gap > t)
 *
 * is least, over the bins' edges, within a floor and a ceiling. IDLELIMIT_PRIOR gaps of the one law
 * for which every limit costs the same (exponential, mean B) are mixed in, and the limit leaves B
 * only for a gain of IDLELIMIT_GAIN: few gaps change nothing. Money is millionths of a dollar.
 * Plain data without pointers.
 */
#pragma once

#include <stdint.h>

#define IDLELIMIT_BINS 56 /* 1 min to about 1.5 days, 14 % apart */
#define IDLELIMIT_PRIOR 30.0
#define IDLELIMIT_GAIN 0.05

struct idlelimit_cost {
        int64_t task_hour;     /* a running task, an hour */
        int64_t value_of_time; /* a student's hour */
        uint32_t wait_ms;      /* a wrong stop makes them wait so long */
        int64_t launch;        /* launch and restore */
};

struct gaps {
        double weight;
        double total;
        float bins[IDLELIMIT_BINS];
};

void gaps_init(struct gaps *g);
/* Somebody came back after that long, whether the workspace was stopped meanwhile or not. */
void gaps_seen(struct gaps *g, int64_t ms);
/* B in milliseconds. INT64_MAX when keeping costs nothing. */
int64_t idlelimit_break_even_ms(const struct idlelimit_cost *c);
/* What an idle spell costs on average with that limit, in millionths; as the gaps say, without the
 * prior. 0 when none was seen. */
double idlelimit_cost(const struct gaps *g, const struct idlelimit_cost *c, int64_t limit_ms);
/* The limit, between floor and ceiling. */
int64_t idlelimit_ms(const struct gaps *g, const struct idlelimit_cost *c, int64_t floor_ms,
                     int64_t ceiling_ms);
