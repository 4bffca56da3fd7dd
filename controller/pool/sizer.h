/*
 * How many free tasks (warm or being launched, less people waiting) one type should have: the
 * forecast, the timetable, the schedule, the lead time and the ceilings brought together. Pure; the
 * result goes to pool_plan() as its size.
 *
 *   wanted  = the floor of the hour, or what forecast and timetable ask for at the hit rate, if
 *             that is more
 *   size    = wanted, at most the ceiling, at most what the budget pays for
 *
 * Arrivals that take a task are replaced at once (pool_plan), so this is a base stock: what must
 * last until an order made now is warm. For classes that need more launches than the provider takes
 * at once, it looks further ahead by as much as the launch rate is short.
 *
 * A size is held until the demand is more than half a task below it, so that it does not flicker.
 * It falls to none only when nobody was expected for a quarter of an hour.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "pool/bucket.h"
#include "pool/forecast.h"
#include "pool/leadtime.h"
#include "pool/schedule.h"
#include "pool/timetable.h"

#define SIZER_WHY_SIZE 96

struct sizer_config {
        uint32_t floor;       /* in peak hours */
        uint32_t floor_quiet; /* outside them */
        uint32_t ceiling;
        double hit_rate;  /* 0 < h < 1 */
        bool forecast;    /* false: floor and timetable only */
        uint32_t lead_ms; /* until launches were seen */
        const struct schedule *schedule;
        struct timetable *timetable; /* or NULL */
};

struct sizer_size {
        uint32_t size;
        uint32_t wanted;      /* before ceiling and budget */
        struct demand demand; /* background in the lead time */
        struct demand classes;
        uint32_t early_s; /* begun earlier for the launch rate */
        /* A class is expected and the pool may not be as large as it needs. */
        bool class_short;
        utc_t next_change; /* of hours or classes, as known now; INT64_MAX: none */
        char why[SIZER_WHY_SIZE];
};

struct sizer {
        struct sizer_config config;
        struct forecast forecast;
        struct leadtime lead;
        int64_t step; /* of `size` */
        uint32_t budget_max;
        uint32_t held;       /* the wanted size, with its hysteresis */
        int64_t counted;     /* the step up to which `otherwise_s` is */
        int64_t otherwise_s; /* so long it should be none and is not, or the other way round */
        struct sizer_size size;
};

/* What it has learned over weeks; the rates of the last hour are not part of it. Plain data without
 * pointers and holes, to be stored as it is (SIZER_VERSION). */
#define SIZER_VERSION (100 * FORECAST_VERSION + 1)
struct sizer_memory {
        struct calibrate alone, classes;
        struct leadtime lead;
        float seen[FORECAST_SLOTS];
        float weight[FORECAST_SLOTS];
};

void sizer_init(struct sizer *s, const struct sizer_config *config);
/*
 * Time goes on: to be called at least every FORECAST_STEP_S (and before sizer_arrived with the same
 * time). The size changes with the steps, and at once when `budget_max` does (UINT32_MAX: no
 * budget). `launches` is the provider's bucket, or NULL.
 */
const struct sizer_size *sizer_advance(struct sizer *s, utc_t now, mono_t mono,
                                       struct bucket *launches, uint32_t budget_max);
/* Somebody asked for a task; `lesson` or TIMETABLE_NONE. Not for people who are served anyway
 * without one, as a resume of a running workspace. */
void sizer_arrived(struct sizer *s, utc_t now, uint32_t lesson);
void sizer_lead_seen(struct sizer *s, int64_t ms);
void sizer_remember(const struct sizer *s, struct sizer_memory *ret_memory);
/* Before the first advance. False, and nothing is taken, for numbers that cannot be. */
bool sizer_recall(struct sizer *s, const struct sizer_memory *m);
/* Arrivals a second, for scalein_stop(). */
double sizer_rate(const struct sizer *s, utc_t now);
