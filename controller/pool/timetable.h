/*
 * Classes that are known beforehand: who will come, when, and how sure that is. Pure.
 *
 * A lesson has a start, a roster and a course. What is not known is kept as hypotheses with
 * weights, which every arrival and every second without one move (Bayes):
 *
 *   start      announced +- start_spread_s, in 7 steps
 *   attendance of the course: a Beta law, learned class by class, in 5 steps; and that nobody
 *              comes, the lesson being cancelled or moved (3 %)
 *
 * When people of a class arrive, after its start, is a law that is learned from all classes seen;
 * before that, from 818 class-like bursts of mybinder.org (median: 4 % in the first minute, 29 % in
 * five, 78 % in fifteen, 92 % in thirty).
 *
 * An arrival whose course is known belongs to that lesson; one that is not is shared between the
 * lessons that run and the background by their rates.
 *
 * One timetable is one workspace type. The owner gives the memory for lessons and courses; nothing
 * is allocated. Lessons stay until two hours after their start.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "pool/forecast.h"

#define TIMETABLE_SHIFTS 7
#define TIMETABLE_SHARES 6
#define TIMETABLE_HYPOTHESES (TIMETABLE_SHIFTS * TIMETABLE_SHARES)
#define TIMETABLE_BEFORE_MIN 5 /* the law: minutes before the start */
#define TIMETABLE_LAW_MIN 80   /* minutes in all */
#define TIMETABLE_NONE UINT32_MAX

/* No lesson at all: of somebody whose course is known, and has none now. */
#define TIMETABLE_OTHER (UINT32_MAX - 1)

/* Attendance of a course: Beta(came, missed). */
struct course {
        double came;
        double missed;
        uint32_t classes; /* learned from */
};

struct lesson {
        uint32_t id;
        uint32_t course; /* an index into the courses */
        uint32_t roster;
        utc_t start; /* as announced */
        /* The rest is the timetable's. */
        bool open;
        bool late;      /* told after its people began to come: not learned from */
        double arrived; /* of it, as far as known */
        float share[TIMETABLE_SHARES];
        float weight[TIMETABLE_HYPOTHESES];
        float minutes[TIMETABLE_LAW_MIN]; /* arrivals after the announced start */
};

struct timetable {
        struct lesson *lessons; /* by start */
        uint32_t n;
        uint32_t max;
        struct course *courses;
        uint32_t n_courses;
        struct course prior; /* of a course before its first class */
        int32_t start_spread_s;
        int64_t now_s;
        double law[TIMETABLE_LAW_MIN]; /* arrivals seen in that minute, with the prior's */
        double law_sum[TIMETABLE_LAW_MIN + 1];
};

/* `attendance` (mean, 0 to 1) and `deviation` of it: what a course is taken to be before its first
 * class. */
void timetable_init(struct timetable *t, struct lesson *memory, uint32_t max,
                    struct course *courses, uint32_t n_courses, double attendance,
                    double deviation);
/* Add a lesson, or change what is announced of one with that id. 0; 1: no room; 2: no such course.
 */
int timetable_put(struct timetable *t, uint32_t id, uint32_t course, utc_t start, uint32_t roster);
/* Not held after all. False when there is none. */
bool timetable_drop(struct timetable *t, uint32_t id);
/* Time goes on: hypotheses that expected somebody lose weight, lessons end and are learned from. */
void timetable_advance(struct timetable *t, utc_t now);
/*
 * Somebody came, after an advance to that time. `id`: the lesson, TIMETABLE_NONE when it is not
 * known, or TIMETABLE_OTHER; `background` is the rate of other people then, a second. Returns the
 * share (0 to 1) of this arrival that is a lesson's.
 */
double timetable_arrived(struct timetable *t, uint32_t id, double background);
/* The lesson that runs (or is about to) for a course: TIMETABLE_NONE when there is none. */
uint32_t timetable_running(const struct timetable *t, uint32_t course);
/* People of lessons in (now, now + horizon]. */
struct demand timetable_demand(const struct timetable *t, uint32_t horizon_s);
/*
 * The largest demand of a horizon that begins between the opening of a lesson at `start` and the
 * end of its law, as seen from now: of all lessons of then, and of `more` (NULL: none), which need
 * not be one of them.
 */
struct demand timetable_peak(const struct timetable *t, utc_t start, uint32_t horizon_s,
                             const struct lesson *more);
/* Does it have a lesson with this id? */
bool timetable_has(const struct timetable *t, uint32_t id);
/* A course is as one before its first class; no lesson is of it. */
void timetable_forget(struct timetable *t, uint32_t course);
/* Mean share of the roster that comes, and `ret_deviation` of it. */
double timetable_share(const struct course *c, double *ret_deviation);
/* The first lesson whose people may come after now: NULL when none is known. */
const struct lesson *timetable_next(const struct timetable *t, utc_t now);
