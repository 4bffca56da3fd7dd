/* Who comes when: sessions of a plan, or of a trace of launches. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mono.h"
#include "plan/plan.h"
#include "plan/random.h"

#define DAY_S 86400.0
#define STAY_LEAST_S 60.0

void plan_sessions_deinit(struct plan_sessions *s)
{
        free(s->v);
        *s = (struct plan_sessions){0};
}

static int add(struct plan_sessions *s, double start_s, double stay_s, uint32_t student,
               uint32_t type, uint32_t class)
{
        struct plan_session *v;
        size_t max = s->max ? 2 * s->max : 1024;

        if (s->n >= PLAN_SESSIONS_MAX)
                return -E2BIG;
        if (s->n == s->max) {
                v = realloc(s->v, max * sizeof(*v));
                if (!v)
                        return -ENOMEM;
                s->v = v;
                s->max = max;
        }
        s->v[s->n++] = (struct plan_session){.start_us = (int64_t)(start_s * 1e6),
                                             .stay_us = (int64_t)(stay_s * 1e6),
                                             .student = student,
                                             .type = type,
                                             .class = class};
        if (student >= s->students)
                s->students = student + 1;
        return 0;
}

static int by_time(const void *a, const void *b)
{
        const struct plan_session *x = a, *y = b;

        if (x->start_us != y->start_us)
                return x->start_us < y->start_us ? -1 : 1;
        return (x->student > y->student) - (x->student < y->student);
}

/*
 * Minutes after the first arrival by which so much of a class is there: the median of 818
 * class-like bursts in the launches of mybinder.org.
 */
static double class_minute(double share)
{
        static const double at[][2] = {{0, 0},    {1, .04},  {2, .08},  {3, .15}, {5, .29},
                                       {10, .59}, {15, .78}, {30, .92}, {60, 1}};
        size_t i = 1;

        while (i + 1 < ARRAY_LEN(at) && at[i][1] < share)
                i++;
        return at[i - 1][0] +
               (at[i][0] - at[i - 1][0]) * (share - at[i - 1][1]) / (at[i][1] - at[i - 1][1]);
}

/* The mean of it is the plan's: hours a day, over the sessions; each within half of that. */
static double stay_of(const struct plan *p, struct plan_random *r)
{
        return p->hours_per_day / p->sessions_per_day * 3600 * (0.5 + random_unit(r));
}

static int day_by_student(const struct plan *p, double day_s, struct plan_random *r,
                          struct plan_sessions *s)
{
        double part = (p->to_hour - p->from_hour) * 3600 / p->sessions_per_day;
        int e = 0;

        for (uint32_t i = 0; i < (uint32_t)p->students && e == 0; i++) {
                for (uint32_t k = 0; k < (uint32_t)p->sessions_per_day && e == 0; k++) {
                        double at = day_s + p->from_hour * 3600 + k * part;

                        if (p->arrival == ARRIVAL_CLASS)
                                at += MIN(class_minute(random_unit(r)) * 60, part);
                        else
                                at += random_unit(r) * part;
                        e = add(s, at, stay_of(p, r), i, 0, PLAN_NO_CLASS);
                }
        }
        return e;
}

static int day_by_rate(const struct plan *p, double day_s, struct plan_random *r, uint32_t *next,
                       struct plan_sessions *s)
{
        double at = p->from_hour * 3600, to = p->to_hour * 3600;
        double mean = (to - at) / (p->students * p->sessions_per_day);
        int e = 0;

        for (at -= mean * log(random_unit(r)); at < to && e == 0;
             at -= mean * log(random_unit(r))) {
                e = add(s, day_s + at, stay_of(p, r), *next, 0, PLAN_NO_CLASS);
                *next = (*next + 1) % (uint32_t)p->students;
        }
        return e;
}

/* `first`: rosters begin at different students, so that courses are not all the same people. */
static int class_day(const struct plan *p, const struct plan_class *c, double day_s, uint32_t first,
                     struct plan_random *r, struct plan_sessions *s)
{
        double start = day_s + c->start_min * 60.0;
        double shift = (2 * random_unit(r) - 1) * p->start_spread_min * 60;
        int e = 0;

        for (uint32_t i = 0; i < c->roster && e == 0; i++) {
                double at = start + shift + class_minute(random_unit(r)) * 60;
                double end = start + c->minutes * 60 + (2 * random_unit(r) - 1) * 300;

                if (random_unit(r) > c->attendance)
                        continue;
                e = add(s, MAX(at, 0), MAX(end - at, STAY_LEAST_S),
                        (first + i) % (uint32_t)p->students, c->type, (uint32_t)(c - p->classes));
        }
        return e;
}

static uint32_t first_of(const struct plan *p, uint32_t class)
{
        uint32_t first = 0;

        for (uint32_t i = 0; i < class; i++) {
                if (strcmp(p->classes[i].course, p->classes[class].course) == 0)
                        return first;
                first = (first + p->classes[i].roster) % (uint32_t)p->students;
        }
        return first;
}

int plan_sessions_make(const struct plan *p, struct plan_sessions *ret_sessions)
{
        struct plan_random r = {(uint64_t)p->seed};
        struct plan_sessions s = {.students = (uint32_t)p->students};
        uint32_t next = 0;
        int e = 0;

        for (uint32_t day = 0; day < (uint32_t)p->days && e == 0; day++) {
                uint8_t bit = (uint8_t)(1u << day % 7);

                if ((p->weekdays & bit) && p->sessions_per_day > 0)
                        e = p->arrival == ARRIVAL_POISSON
                                    ? day_by_rate(p, day * DAY_S, &r, &next, &s)
                                    : day_by_student(p, day * DAY_S, &r, &s);
                for (uint32_t i = 0; i < p->n_classes && e == 0; i++) {
                        if (p->classes[i].days & bit)
                                e = class_day(p, &p->classes[i], day * DAY_S, first_of(p, i), &r,
                                              &s);
                }
        }
        if (e < 0) {
                plan_sessions_deinit(&s);
                return e;
        }
        if (s.n)
                qsort(s.v, s.n, sizeof(*s.v), by_time);
        *ret_sessions = s;
        return 0;
}

/* As many as may be there at once, so that nobody comes while still there. */
static uint32_t people_needed(const struct plan *p, const struct plan_sessions *s)
{
        int64_t gone_us =
                (int64_t)((p->idle_limit_min + 60) * 60e6) + (int64_t)(p->lead_time_s * 4e6);
        int64_t most_us = gone_us + (int64_t)(p->hours_per_day * 3600e6 * 1.5);
        size_t most = 1;

        for (size_t i = 0, first = 0; i < s->n; i++) {
                while (s->v[first].start_us + most_us < s->v[i].start_us)
                        first++;
                most = MAX(most, i - first + 2);
        }
        return (uint32_t)most;
}

int plan_sessions_trace(const struct plan *p, const uint32_t *per_minute, size_t n_minutes,
                        struct plan_sessions *ret_sessions)
{
        struct plan_random r = {(uint64_t)p->seed};
        struct plan_sessions s = {0};
        uint32_t people;
        int e = 0;

        for (size_t m = 0; m < n_minutes && e == 0; m++) {
                for (uint32_t i = 0; i < per_minute[m] && e == 0; i++)
                        e = add(&s, ((double)m + random_unit(&r)) * 60,
                                p->hours_per_day * 3600 * (0.5 + random_unit(&r)), 0, 0,
                                PLAN_NO_CLASS);
        }
        if (e < 0) {
                plan_sessions_deinit(&s);
                return e;
        }
        if (s.n)
                qsort(s.v, s.n, sizeof(*s.v), by_time);
        people = people_needed(p, &s);
        for (size_t i = 0; i < s.n; i++)
                s.v[i].student = (uint32_t)(i % people);
        s.students = people;
        *ret_sessions = s;
        return 0;
}
