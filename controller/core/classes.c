/* Classes that are known beforehand: pool/timetable.h, with names instead of numbers. */
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

struct classes {
        struct timetable timetable;
        struct lesson lessons[CLASSES_MAX];
        struct course courses[COURSES_MAX];
        char names[COURSES_MAX][CORE_NAME_SIZE];
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

/* The number of a course; COURSES_MAX: there are too many. */
static uint32_t course_of(struct classes *k, const char *name)
{
        uint32_t i = 0;

        while (i < k->n_courses && strcmp(k->names[i], name) != 0)
                i++;
        if (i == k->n_courses && i < COURSES_MAX) {
                STR_CUT(k->names[i], name);
                k->n_courses++;
        }
        return i;
}

static uint32_t number_of(const char *id)
{
        uint32_t n = (uint32_t)str_hash(id);

        return n == TIMETABLE_NONE ? 0 : n;
}

static bool known(const struct classes *k, uint32_t id)
{
        for (uint32_t i = 0; i < k->timetable.n; i++) {
                if (k->lessons[i].id == id)
                        return true;
        }
        return false;
}

void classes_set(struct core *c, const struct core_event *ev)
{
        uint32_t type = type_find(c, ev->class_set.type);
        struct classes *k = c->pools[type].classes;
        uint32_t id = number_of(ev->class_set.id);
        char text[CORE_REASON_SIZE];

        if (type >= c->config.n_types || !k || !c->booted) {
                c->ignored++;
        } else if (ev->class_set.roster == 0) {
                (void)timetable_drop(&k->timetable, id);
        } else if (ev->class_set.start.us < c->utc.us - LATE_S * US_PER_S && !known(k, id)) {
                c->ignored++;
        } else if (timetable_put(&k->timetable, id, course_of(k, ev->class_set.course),
                                 ev->class_set.start, ev->class_set.roster) != 0) {
                (void)snprintf(text, sizeof(text),
                               "%.64s: no room for it; at most %d classes of %d courses of a type",
                               ev->class_set.id, CLASSES_MAX, COURSES_MAX);
                fx_audit(c, "", "", "core", "class-refused", text);
        }
}

void classes_alarm(struct core *c, uint32_t type)
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
