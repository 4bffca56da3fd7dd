#include "plan/ours.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pool/sizer.h"

#define ANNOUNCED_S 86400                     /* a lesson is known so long before */
#define BEFORE_US (INT64_C(86400) * US_PER_S) /* clocks of buckets begin before the plan */
/* A course before its first class. */
#define ATTENDANCE 0.85
#define ATTENDANCE_DEVIATION 0.15
/* A smaller size holds only when it has lasted so long: ending and launching again is not free. */
#define HOLD_STEPS 12

struct occurrence {
        int64_t start_s;
        uint32_t course, roster;
};

struct typed {
        struct sizer sizer;
        struct timetable timetable;
        struct lesson *lessons;
        struct course *courses;
        struct occurrence *coming; /* by time */
        size_t n_coming, next;
        uint32_t held[HOLD_STEPS];
        size_t at;
};

struct plan_ours {
        const struct plan *plan;
        struct plan_policy policy;
        struct schedule schedule;
        struct typed types[CORE_TYPES_MAX];
        uint32_t course_of[PLAN_CLASSES_MAX]; /* within its type */
};

static utc_t utc_at(int64_t at_us)
{
        return (utc_t){PLAN_FIRST_US + at_us};
}

static void announce(struct typed *t, int64_t at_us)
{
        while (t->next < t->n_coming &&
               t->coming[t->next].start_s - at_us / US_PER_S < ANNOUNCED_S) {
                const struct occurrence *o = &t->coming[t->next++];

                (void)timetable_put(&t->timetable, (uint32_t)t->next, o->course,
                                    utc_at(o->start_s * US_PER_S), o->roster);
        }
}

static const struct sizer_size *advance(struct plan_ours *o, uint32_t type, int64_t at_us)
{
        struct typed *t = &o->types[type];
        mono_t mono = {at_us + BEFORE_US};
        struct bucket full;

        announce(t, at_us);
        /* A class comes after a quiet time: the bucket is full then. */
        bucket_init(&full, o->plan->launch_burst, o->plan->launch_per_s, mono);
        return sizer_advance(&t->sizer, utc_at(at_us), mono,
                             o->plan->launch_burst > 0 ? &full : NULL, UINT32_MAX);
}

static uint32_t size_of(void *state, uint32_t type, int64_t at_us, char *why, size_t why_size)
{
        struct plan_ours *o = state;
        struct typed *t = &o->types[type];
        const struct sizer_size *s = advance(o, type, at_us);
        uint32_t most = 0;

        t->held[t->at++ % HOLD_STEPS] = s->size;
        for (size_t i = 0; i < HOLD_STEPS; i++)
                most = MAX(most, t->held[i]);
        str_copy_cut(why, why_size, s->why);
        return most;
}

static void arrived(void *state, uint32_t type, int64_t at_us, uint32_t class)
{
        struct plan_ours *o = state;
        struct typed *t = &o->types[type];
        uint32_t lesson = TIMETABLE_NONE;

        (void)advance(o, type, at_us);
        if (class < o->plan->n_classes && t->sizer.config.timetable)
                lesson = timetable_running(&t->timetable, o->course_of[class]);
        sizer_arrived(&t->sizer, utc_at(at_us), lesson);
}

static void lead_seen(void *state, uint32_t type, int64_t at_us, int64_t lead_ms)
{
        struct plan_ours *o = state;

        (void)at_us;
        sizer_lead_seen(&o->types[type].sizer, lead_ms);
}

/* ---- the timetable ---- */

static uint32_t number_courses(struct plan_ours *o, uint32_t type)
{
        const struct plan *p = o->plan;
        uint32_t n = 0;

        for (uint32_t i = 0; i < p->n_classes; i++) {
                uint32_t k = 0;

                if (p->classes[i].type != type)
                        continue;
                while (k < i && (p->classes[k].type != type ||
                                 strcmp(p->classes[k].course, p->classes[i].course) != 0))
                        k++;
                o->course_of[i] = k < i ? o->course_of[k] : n++;
        }
        return n;
}

static int by_start(const void *a, const void *b)
{
        const struct occurrence *x = a, *y = b;

        if (x->start_s != y->start_s)
                return x->start_s < y->start_s ? -1 : 1;
        return (x->course > y->course) - (x->course < y->course);
}

static void list_occurrences(struct plan_ours *o, uint32_t type)
{
        const struct plan *p = o->plan;
        struct typed *t = &o->types[type];

        for (uint32_t day = 0; day < (uint32_t)p->days; day++) {
                for (uint32_t i = 0; i < p->n_classes; i++) {
                        const struct plan_class *c = &p->classes[i];

                        if (c->type == type && (c->days & 1u << day % 7))
                                t->coming[t->n_coming++] = (struct occurrence){
                                        .start_s = day * INT64_C(86400) + c->start_min * 60,
                                        .course = o->course_of[i],
                                        .roster = c->roster};
                }
        }
        if (t->n_coming)
                qsort(t->coming, t->n_coming, sizeof(*t->coming), by_start);
}

static int add_timetable(struct plan_ours *o, uint32_t type, uint32_t n_courses)
{
        const struct plan *p = o->plan;
        struct typed *t = &o->types[type];
        /* Of a day and what is not forgotten yet. */
        uint32_t max = 2 * p->n_classes + 4;

        t->lessons = calloc(max, sizeof(*t->lessons));
        t->courses = calloc(n_courses, sizeof(*t->courses));
        t->coming = calloc((size_t)p->days * p->n_classes, sizeof(*t->coming));
        if (!t->lessons || !t->courses || !t->coming)
                return -ENOMEM;
        timetable_init(&t->timetable, t->lessons, max, t->courses, n_courses, ATTENDANCE,
                       ATTENDANCE_DEVIATION);
        t->timetable.start_spread_s = (int32_t)(p->start_spread_min * 60);
        list_occurrences(o, type);
        return 0;
}

static int add_type(struct plan_ours *o, uint32_t type)
{
        const struct plan *p = o->plan;
        struct sizer_config config = {.floor = (uint32_t)p->types[type].pool,
                                      .floor_quiet = (uint32_t)p->pool_quiet,
                                      .ceiling = (uint32_t)p->ceiling,
                                      .hit_rate = p->hit_rate,
                                      .forecast = true,
                                      .lead_ms = (uint32_t)(p->lead_time_s * 1000),
                                      .schedule = &o->schedule};
        uint32_t n_courses = number_courses(o, type);
        int r = n_courses ? add_timetable(o, type, n_courses) : 0;

        if (r < 0)
                return r;
        config.timetable = n_courses ? &o->types[type].timetable : NULL;
        sizer_init(&o->types[type].sizer, &config);
        return 0;
}

int plan_ours_new(const struct plan *p, struct plan_ours **ret_ours)
{
        struct plan_ours *o = calloc(1, sizeof(*o));
        int r = 0;

        if (!o)
                return -ENOMEM;
        o->plan = p;
        o->policy =
                (struct plan_policy){"forecast", FORECAST_STEP_S, o, size_of, arrived, lead_seen};
        schedule_init(&o->schedule);
        o->schedule.from_min = (uint16_t)(p->pool_from_hour * 60);
        o->schedule.to_min = (uint16_t)(p->pool_to_hour * 60);
        if (o->schedule.from_min >= o->schedule.to_min)
                o->schedule.from_min = o->schedule.to_min = 0;
        for (uint32_t i = 0; i < p->n_types && r == 0; i++)
                r = add_type(o, i);
        if (r < 0) {
                plan_ours_free(o);
                return r;
        }
        *ret_ours = o;
        return 0;
}

struct plan_ours *plan_ours_free(struct plan_ours *o)
{
        if (!o)
                return NULL;
        for (size_t i = 0; i < CORE_TYPES_MAX; i++) {
                free(o->types[i].lessons);
                free(o->types[i].courses);
                free(o->types[i].coming);
        }
        free(o);
        return NULL;
}

const struct plan_policy *plan_ours_policy(const struct plan_ours *o)
{
        return &o->policy;
}
