/*
 * How large a safety margin has to be, learned from how wrong forecasts were. Pure.
 *
 * Every arrival that met a forecast (mean, deviation) has a surprise u: the smallest factor z for
 * which "mean + z deviations" tasks would have been enough for it. The factor that serves a share
 * h of all arrivals is the h-quantile of the surprises seen (split conformal prediction: it holds
 * whatever the law of demand is, as long as it changes slowly). Nothing is fitted, and a higher hit
 * rate can only ask for a larger factor.
 *
 * Before anything was seen, an exponential law stands in for CALIBRATE_PRIOR arrivals. Old
 * surprises fade by half in CALIBRATE_HALF_LIFE_DAYS.
 *
 * Plain data without pointers: may be copied and stored as it is.
 */
#pragma once

#include <stdint.h>

#define CALIBRATE_BINS 400
#define CALIBRATE_WIDTH 0.05 /* of a bin; the largest factor is 20 */
#define CALIBRATE_PRIOR 100.0
#define CALIBRATE_HALF_LIFE_DAYS 28.0

struct calibrate {
        float bins[CALIBRATE_BINS];
        double weight; /* of a surprise seen now */
        double total;
        int64_t faded_s; /* up to when `weight` was grown */
};

/* `z99`: the factor for 99 % before anything was seen; above 0. */
void calibrate_init(struct calibrate *c, double z99);
/* An arrival at `now_s` (seconds, any origin that does not change) had the surprise `u`. */
void calibrate_seen(struct calibrate *c, int64_t now_s, double u);
/* The factor for a hit rate in (0, 1): at least 0, at most the largest. */
double calibrate_factor(const struct calibrate *c, double hit_rate);
