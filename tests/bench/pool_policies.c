#include "pool_policies.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

/* ---- constant ---- */

static uint32_t constant_size(void *state, int64_t t)
{
        (void)t;
        return ((struct constant *)state)->size;
}

static double no_rate(void *state, int64_t t)
{
        (void)state;
        (void)t;
        return 0;
}

struct policy policy_constant(const char *name, struct constant *state)
{
        return (struct policy){
                .name = name, .state = state, .size = constant_size, .rate = no_rate};
}

/* ---- time of the week ---- */

#define WEEK_MIN (7 * 1440)

void weekly_train(struct weekly *w, const struct series *s, int64_t to, uint32_t lead_s)
{
        static double seen[WEEK_MIN];
        static double times[WEEK_MIN];

        memset(seen, 0, sizeof(seen));
        memset(times, 0, sizeof(times));
        for (int64_t t = 0; t < to; t++) {
                int64_t minute = (s->start_s + t) / 60 % WEEK_MIN;

                seen[minute] += s->at[t];
                times[minute] += 1.0 / 60;
        }
        for (int i = 0; i < WEEK_MIN; i++) {
                double a = 0;
                double b = 0;

                for (int k = i - 10; k <= i + 10; k++) {
                        a += seen[(k + WEEK_MIN) % WEEK_MIN];
                        b += times[(k + WEEK_MIN) % WEEK_MIN];
                }
                w->per_minute[i] = b > 0 ? a / b : 0;
        }
        w->start_s = s->start_s;
        w->lead_s = lead_s;
}

static uint32_t size_of(double mean, double z)
{
        return (uint32_t)fmin(ceil(mean + z * sqrt(mean)), SIZE_MAX_TRIED);
}

static double weekly_rate(void *state, int64_t t)
{
        const struct weekly *w = state;

        return w->per_minute[(w->start_s + t) / 60 % WEEK_MIN] / 60;
}

static uint32_t weekly_size(void *state, int64_t t)
{
        const struct weekly *w = state;

        return size_of(weekly_rate(state, t) * w->lead_s, w->z);
}

struct policy policy_weekly(struct weekly *state)
{
        return (struct policy){
                .name = "weekly_profile", .state = state, .size = weekly_size, .rate = weekly_rate};
}

/* ---- recent rate ---- */

#define RECENT_S 600

/* Only what is before t. */
static double recent_rate(void *state, int64_t t)
{
        struct recent *r = state;

        if (t < r->sum_to)
                r->sum_to = r->sum = 0;
        for (; r->sum_to < t; r->sum_to++) {
                r->sum += r->series->at[r->sum_to];
                if (r->sum_to >= RECENT_S)
                        r->sum -= r->series->at[r->sum_to - RECENT_S];
        }
        return (double)r->sum / RECENT_S;
}

static uint32_t recent_size(void *state, int64_t t)
{
        const struct recent *r = state;

        return size_of(recent_rate(state, t) * r->lead_s, r->z);
}

struct policy policy_recent(struct recent *state)
{
        return (struct policy){
                .name = "recent_rate", .state = state, .size = recent_size, .rate = recent_rate};
}

/* ---- ours ---- */

static utc_t utc_at(const struct ours *o, int64_t t)
{
        return (utc_t){(o->start_s + t) * US_PER_S};
}

static uint32_t ours_size(void *state, int64_t t)
{
        struct ours *o = state;

        return sizer_advance(&o->sizer, utc_at(o, t), (mono_t){t * US_PER_S}, NULL, UINT32_MAX)
                ->size;
}

static void ours_arrived(void *state, int64_t t)
{
        struct ours *o = state;

        (void)sizer_advance(&o->sizer, utc_at(o, t), (mono_t){t * US_PER_S}, NULL, UINT32_MAX);
        sizer_arrived(&o->sizer, utc_at(o, t), TIMETABLE_NONE);
}

static double ours_rate(void *state, int64_t t)
{
        const struct ours *o = state;

        return sizer_rate(&o->sizer, utc_at(o, t));
}

/*
 * The timetable knows of each class a start that is off by up to start_error_s and an expected
 * attendance that is off by up to attendance_error. A roster is half as long again as the expected
 * attendance, so that more than expected may come; what the course is known for says the same.
 */
#define ROSTER_PER_EXPECTED 1.5

static void announce(struct ours *s, const struct bursts *bursts, const struct ours_options *o)
{
        uint64_t seed = o->seed;
        double mean = 1 / ROSTER_PER_EXPECTED;

        s->lessons = calloc(bursts->n + 1, sizeof(*s->lessons));
        if (!s->lessons)
                exit(1);
        timetable_init(&s->timetable, s->lessons, bursts->n, &s->course, 1, mean,
                       mean * o->attendance_error / sqrt(3));
        s->timetable.start_spread_s = (int32_t)o->start_error_s;
        for (uint32_t i = 0; i < bursts->n; i++) {
                const struct burst *b = &bursts->list[i];
                double start = (double)b->start_s + (2 * random_unit(&seed) - 1) * o->start_error_s;
                double expected =
                        b->people * (1 + (2 * random_unit(&seed) - 1) * o->attendance_error);
                utc_t at = utc_at(s, (int64_t)start);

                (void)timetable_put(&s->timetable, i + 1, 0, at,
                                    (uint32_t)lround(fmax(1, expected * ROSTER_PER_EXPECTED)));
        }
}

struct policy policy_ours(struct ours *state, const struct series *s, const struct bursts *bursts,
                          const struct ours_options *o)
{
        struct sizer_config config = {.ceiling = SIZE_MAX_TRIED,
                                      .hit_rate = o->hit,
                                      .forecast = true,
                                      .lead_ms = o->lead_s * 1000,
                                      .schedule = &state->schedule};

        *state = (struct ours){.start_s = s->start_s};
        schedule_init(&state->schedule);
        if (bursts) {
                announce(state, bursts, o);
                config.timetable = &state->timetable;
        }
        sizer_init(&state->sizer, &config);
        return (struct policy){.name = bursts ? "ours_with_timetable" : "ours_without_timetable",
                               .state = state,
                               .size = ours_size,
                               .arrived = ours_arrived,
                               .rate = ours_rate};
}

void ours_free(struct ours *state)
{
        free(state->lessons);
        state->lessons = NULL;
}
