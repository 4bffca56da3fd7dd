/*
 * How many people will ask for a workspace of one type while a task is being launched. Pure.
 *
 *   profile  the same ten minutes of earlier weeks (local time), fading by 0.7 a week, +-10 min
 *   level    arrivals of the last hour / what the profile says of it, within 1/4 to 4
 *   base     0.4 of the last 5 min + 0.3 of the last 15 min + 0.3 profile x level
 *   burst    the last 3 min and the last minute, less what chance explains, where they are above
 *            the base
 *   demand   mean m = rate x (lead time + half a step), variance m + (c m)^2: more than Poisson,
 *            because the rate itself is uncertain
 *
 * (Formulas: arrivals that order their own replacement see the demand of a lead time; the weights
 * are those of an earlier study on launches of mybinder.org.) How many deviations of margin that
 * needs is not set but learned: calibrate.h.
 *
 * A share of an arrival may belong to a class of the timetable; the rest is background, and only
 * that makes the profile and the rates here.
 *
 * Time is UTC; `offset_s` makes it local, so that summer time does not move the profile. The state
 * is plain data without pointers: may be copied and stored as it is (FORECAST_VERSION).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "pool/calibrate.h"

#define FORECAST_VERSION 1
#define FORECAST_STEP_S 10
#define FORECAST_RING 512       /* steps remembered: 85 min */
#define FORECAST_LEAD_MAX_S 900 /* a longer lead time counts as this */
#define FORECAST_SLOT_S 600
#define FORECAST_SLOTS 1008 /* of a week */

/* What is expected within a lead time, and the spread of it, in arrivals. */
struct demand {
        double mean;
        double var;
};

struct forecast_step {
        double background; /* arrivals before this step, since the beginning, without classes */
        uint64_t arrivals; /* all of them */
        float mean[2];     /* what was expected then: background, class */
        float var[2];
};

struct forecast {
        uint32_t version;
        int64_t step; /* the step that runs, since 1970; 0 before the first */
        int64_t first;
        double background;
        uint64_t arrivals;
        struct forecast_step ring[FORECAST_RING];
        int64_t slot; /* the ten minutes that run, local, since 1970 */
        bool whole;   /* seen from its beginning */
        double slot_from;
        float seen[FORECAST_SLOTS];
        float weight[FORECAST_SLOTS];
        struct calibrate alone;   /* surprises where no class is expected */
        struct calibrate classes; /* and where one is */
};

void forecast_init(struct forecast *f);
/* Time goes on. A step back of less than an hour is waited out, a larger one forgets the rates. */
void forecast_advance(struct forecast *f, utc_t now, int32_t offset_s);
/* Somebody asked for a workspace; `share` of it (0 to 1) is expected to be a class. Call advance
 * with the same time first. `lead_s` decides which forecast it met. */
void forecast_arrived(struct forecast *f, uint32_t lead_s, double share, double hit_rate);
/* Background demand within the lead time from the last advance on. */
struct demand forecast_demand(const struct forecast *f, uint32_t lead_s, int32_t offset_s);
/* What the pool is sized by in this step: remembered, so that arrivals can be compared to it. */
void forecast_used(struct forecast *f, struct demand background, struct demand classes);
/* Arrivals a minute right now, of the base (no burst): for rules that ask how soon a task is used.
 */
double forecast_rate(const struct forecast *f, int32_t offset_s);
/* Expected background arrivals a minute at another time of the week: profile x level fading out. */
double forecast_profile(const struct forecast *f, utc_t at, int32_t offset_s);

/* Tasks for that demand: mean + margin, the margins of background and classes added as independent
 * ones are. Monotone in every mean, variance and factor. */
double demand_size(struct demand background, double factor, struct demand classes,
                   double class_factor);
