/*
 * Classes that are known beforehand: pool/timetable.h, with names instead of numbers.
 *
 * What was learned of a course is a setting row "course.TYPE.HASH" = "came missed classes time
 * name", written when a class of it was learned from, two hours after its start. There are at most
 * COURSES_MAX of a type; for a new one the one whose last class is longest ago is forgotten.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

/* Of a course before its first class. */
#define ATTENDANCE 0.75
#define DEVIATION 0.2
/* One that has begun earlier is not expected any more: who came is not known. */
#define LATE_S 300
#define PREFIX "course."
#define THOUSANDTHS 1000.0
#define COUNTS_MAX 1000000 /* thousandths: far more than a course ever has */

struct classes {
        struct timetable timetable;
        struct lesson lessons[CLASSES_MAX];
        struct course courses[COURSES_MAX];
        char names[COURSES_MAX][CORE_NAME_SIZE];
        uint32_t stored[COURSES_MAX]; /* classes, as in the store */
        utc_t last[COURSES_MAX];      /* when one was learned from, or told of */
        uint32_t n_courses;
        bool told; /* that a class is short */
};

struct classes *classes_new(struct timetable **ret_timetable)
{
        struct classes *k = calloc(1, sizeof(*k));

        if (!k)
                return NULL;
        timetable_init(&k->timetable, k->lessons, CLASSES_MAX, k->courses, COURSES_MAX, ATTENDANCE,
                       DEVIATION);
        *ret_timetable = &k->timetable;
        return k;
}

static uint32_t course_find(const struct classes *k, const char *name)
{
        uint32_t i = 0;

        while (i < k->n_courses && strcmp(k->names[i], name) != 0)
                i++;
        return i;
}

static bool course_used(const struct classes *k, uint32_t course)
{
        for (uint32_t i = 0; i < k->timetable.n; i++) {
                if (k->lessons[i].course == course)
                        return true;
        }
        return false;
}

static void row_name(const struct core *c, uint32_t type, const char *course,
                     char dst[static CORE_NAME_SIZE])
{
        (void)snprintf(dst, CORE_NAME_SIZE, PREFIX "%s.%08x", c->config.types[type].name,
                       (uint32_t)str_hash(course));
}

/* One that no class is of now, and was longest ago; COURSES_MAX: all have some. */
static uint32_t course_forget(struct core *c, uint32_t type)
{
        struct classes *k = c->pools[type].classes;
        uint32_t oldest = COURSES_MAX;

        for (uint32_t i = 0; i < k->n_courses; i++) {
                if (!course_used(k, i) &&
                    (oldest == COURSES_MAX || k->last[i].us < k->last[oldest].us))
                        oldest = i;
        }
        if (oldest == COURSES_MAX)
                return oldest;
        if (k->stored[oldest] > 0)
                row_name(c, type, k->names[oldest], fx_add(c, FX_PUT_SETTING)->setting_row.name);
        timetable_forget(&k->timetable, oldest);
        k->stored[oldest] = 0;
        return oldest;
}

/* The number of a course; COURSES_MAX: there are too many. */
static uint32_t course_of(struct core *c, uint32_t type, const char *name)
{
        struct classes *k = c->pools[type].classes;
        uint32_t i = course_find(k, name);

        if (i == k->n_courses) {
                if (i == COURSES_MAX)
                        i = course_forget(c, type);
                else
                        k->n_courses++;
                if (i < COURSES_MAX)
                        STR_CUT(k->names[i], name);
        }
        if (i < COURSES_MAX)
                k->last[i] = c->utc;
        return i;
}

static uint32_t number_of(const char *id)
{
        uint32_t n = (uint32_t)str_hash(id);

        return n >= TIMETABLE_OTHER ? 0 : n;
}

void classes_set(struct core *c, const struct core_event *ev)
{
        uint32_t type = type_find(c, ev->class_set.type);
        struct classes *k = c->pools[type].classes;
        uint32_t id = number_of(ev->class_set.id);
        char text[CORE_REASON_SIZE];

        if (type >= c->config.n_types || !k || !c->booted) {
                c->ignored++;
                return;
        }
        timetable_advance(&k->timetable, c->utc);
        if (ev->class_set.roster == 0) {
                (void)timetable_drop(&k->timetable, id);
        } else if (ev->class_set.start.us < c->utc.us - LATE_S * US_PER_S &&
                   !timetable_has(&k->timetable, id)) {
                c->ignored++;
        } else if (timetable_put(&k->timetable, id, course_of(c, type, ev->class_set.course),
                                 ev->class_set.start, ev->class_set.roster) != 0) {
                (void)snprintf(text, sizeof(text),
                               "%.64s: no room for it; at most %d classes of %d courses of a type",
                               ev->class_set.id, CLASSES_MAX, COURSES_MAX);
                fx_audit(c, "", "", "core", "class-refused", text);
        }
}

static void alarm_short(struct core *c, uint32_t type)
{
        struct pool *p = &c->pools[type];
        const struct sizer_size *size = &p->sizer->size;
        char text[CORE_REASON_SIZE];

        if (size->class_short == p->classes->told || !fx_room(c))
                return;
        p->classes->told = size->class_short;
        if (!size->class_short)
                return;
        (void)snprintf(text, sizeof(text),
                       "%s: a class is expected that needs %u warm tasks, and there may be %u; "
                       "raise %s",
                       c->config.types[type].name, size->wanted, size->size, sizing_limit(c, type));
        fx_audit(c, "", "", "core", "class-short", text);
}

/* ---- what was learned of courses, through a restart ---- */

static bool boot_course(struct classes *k, const char *value)
{
        uint64_t came, missed, classes, last_s;
        uint32_t i = k->n_courses;

        if (!row_number(&value, COUNTS_MAX, &came) || !row_number(&value, COUNTS_MAX, &missed) ||
            !row_number(&value, UINT32_MAX, &classes) || !row_number(&value, UINT32_MAX, &last_s) ||
            !name_valid(value, CORE_NAME_SIZE - 1) || came == 0 || missed == 0 || classes == 0 ||
            i == COURSES_MAX || course_find(k, value) < i)
                return false;
        STR_CUT(k->names[i], value);
        k->courses[i] = (struct course){(double)came / THOUSANDTHS, (double)missed / THOUSANDTHS,
                                        (uint32_t)classes};
        k->stored[i] = (uint32_t)classes;
        k->last[i].us = (int64_t)last_s * US_PER_S;
        k->n_courses++;
        return true;
}

bool classes_boot(struct core *c, const struct setting_row *row)
{
        const char *dot = strrchr(row->name, '.');
        char type[CORE_NAME_SIZE];
        uint32_t t;

        if (c->booted || !str_starts(row->name, PREFIX) || dot < row->name + sizeof(PREFIX))
                return false;
        (void)snprintf(type, sizeof(type), "%.*s", (int)(dot - row->name - sizeof(PREFIX) + 1),
                       row->name + sizeof(PREFIX) - 1);
        t = type_find(c, type);
        return t < c->config.n_types && c->pools[t].classes &&
               boot_course(c->pools[t].classes, row->value);
}

/* Never 0, which would be a certainty. */
static uint64_t thousandths(double v)
{
        return MIN(MAX((uint64_t)(v * THOUSANDTHS + 0.5), 1), COUNTS_MAX);
}

static void store_course(struct core *c, uint32_t type, uint32_t i)
{
        struct classes *k = c->pools[type].classes;
        const struct course *course = &k->courses[i];
        struct setting_row *row = &fx_add(c, FX_PUT_SETTING)->setting_row;

        k->stored[i] = course->classes;
        k->last[i] = c->utc;
        row_name(c, type, k->names[i], row->name);
        (void)snprintf(row->value, sizeof(row->value), "%" PRIu64 " %" PRIu64 " %u %" PRId64 " %s",
                       thousandths(course->came), thousandths(course->missed), course->classes,
                       c->utc.us / US_PER_S, k->names[i]);
}

void classes_run(struct core *c, uint32_t type)
{
        struct classes *k = c->pools[type].classes;

        alarm_short(c, type);
        for (uint32_t i = 0; i < k->n_courses && fx_room(c); i++) {
                if (k->courses[i].classes != k->stored[i])
                        store_course(c, type, i);
        }
}

/* ---- who comes ---- */

uint32_t classes_lesson(const struct core *c, uint32_t type, const char *course)
{
        const struct classes *k = c->pools[type].classes;
        uint32_t i = *course ? course_find(k, course) : k->n_courses;
        uint32_t id;

        if (i == k->n_courses)
                return TIMETABLE_NONE;
        id = timetable_running(&k->timetable, i);
        return id == TIMETABLE_NONE ? TIMETABLE_OTHER : id;
}

/* ---- what is expected of a class ---- */

/* How much before its start somebody may come to a class. */
static int64_t opens_s(const struct timetable *t)
{
        return TIMETABLE_BEFORE_MIN * 60 + t->start_spread_s;
}

/* Of this class alone, when it is of a course that no class was told of yet. */
static struct demand peak_alone(const struct classes *k, const struct lesson *l, uint32_t horizon_s)
{
        struct timetable alone = k->timetable;
        struct course prior[1] = {alone.prior};
        struct lesson lesson = *l;

        lesson.course = 0;
        alone.n = 0;
        alone.courses = prior;
        return timetable_peak(&alone, l->start, horizon_s, &lesson);
}

static struct demand peak_of(const struct classes *k, const struct lesson *l, uint32_t horizon_s,
                             bool known)
{
        if (!known && l->course == k->n_courses)
                return peak_alone(k, l, horizon_s);
        return timetable_peak(&k->timetable, l->start, horizon_s, known ? NULL : l);
}

bool core_class(const struct core *c, const char *type_name, const char *id, const char *course,
                utc_t start, uint32_t roster, struct core_class *ret_class)
{
        uint32_t type = type_find(c, type_name);
        const struct pool *p = &c->pools[type];
        const struct classes *k = p->classes;
        struct lesson l = {.roster = roster, .start = start};
        struct core_class r = {.by = "pool_max"};
        const struct core_sizing *z;
        const struct course *of;
        uint32_t lead_s;
        struct demand d;
        double need;

        if (type >= c->config.n_types || !k)
                return false;
        z = &c->config.types[type].sizing;
        lead_s = leadtime_s(&p->sizer->lead);
        l.course = course_find(k, course);
        of = l.course < k->n_courses ? &k->courses[l.course] : &k->timetable.prior;
        r.known = timetable_has(&k->timetable, number_of(id));
        d = peak_of(k, &l, lead_s + FORECAST_STEP_S / 2, r.known);
        r.classes = of->classes;
        r.share = timetable_share(of, &r.deviation);
        need = demand_size((struct demand){0}, 0, d,
                           calibrate_factor(&p->sizer->forecast.classes, z->hit_rate));
        r.need = (uint32_t)need + (need > (uint32_t)need);
        r.may = MIN(z->ceiling, p->budget_max);
        if (p->budget_max < z->ceiling)
                r.by = "the budget";
        r.warm_from.us = start.us - (lead_s + opens_s(&k->timetable)) * US_PER_S;
        if (c->launches.per_s > 0)
                r.warm_from.us -= US_PER_S *
                                  bucket_early_s(&c->launches, (uint32_t)c->launches.burst, r.need);
        *ret_class = r;
        return true;
}
