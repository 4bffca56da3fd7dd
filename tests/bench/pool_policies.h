/* The policies of the pool benchmark. Ours is the product's own controller/pool. */
#pragma once

#include "pool_world.h"
#include "pool/sizer.h"

/* A constant size; also ShinyProxy's rule: unclaimed + pending - waiting kept at a minimum. */
struct constant {
        uint32_t size;
};
struct policy policy_constant(const char *name, struct constant *state);

/* Mean of the minute of the week over `days` of training, +-10 min; size = m + z sqrt(m). */
struct weekly {
        double per_minute[7 * 1440];
        int64_t start_s;
        uint32_t lead_s;
        double z;
};
void weekly_train(struct weekly *w, const struct series *s, int64_t to, uint32_t lead_s);
struct policy policy_weekly(struct weekly *state);

/* Mean of the last ten minutes; size = m + z sqrt(m). */
struct recent {
        const struct series *series;
        uint32_t lead_s;
        double z;
        int64_t sum_to;
        int64_t sum;
};
struct policy policy_recent(struct recent *state);

/* Ours. With bursts: their timetable, each announced with an attendance and a start that are off.
 */
struct ours {
        struct sizer sizer;
        struct schedule schedule;
        struct timetable timetable;
        struct course course;
        struct lesson *lessons;
        int64_t start_s;
};
struct ours_options {
        uint32_t lead_s;
        double hit;
        double attendance_error; /* 0.3: announced sizes are 0.7 to 1.3 of what comes */
        double start_error_s;
        uint64_t seed;
};
/* `bursts` may be NULL. */
struct policy policy_ours(struct ours *state, const struct series *s, const struct bursts *bursts,
                          const struct ours_options *o);
void ours_free(struct ours *state);
