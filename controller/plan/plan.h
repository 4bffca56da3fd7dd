/*
 * A plan: who comes when, in which containers, with which pool; and what becomes of it when the
 * decision core runs it in virtual time. No sockets, no files, no real clock. Not thread-safe.
 *
 *   plan_init -> plan_set, plan_add_class, … -> plan_check -> plan_sessions -> plan_run -> bill
 *
 * Times of day are local to the plan: day 0 begins at midnight, a Monday.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "core/types.h"

#define PLAN_CLASSES_MAX 1000
#define PLAN_SESSIONS_MAX 10000000
#define PLAN_TITLE_SIZE 120
#define PLAN_ERROR_SIZE 240
#define PLAN_DAY_MIN 1440
#define PLAN_FIRST_US INT64_C(1767571200000000) /* UTC of day 0: 2026-01-05, a Monday */
#define PLAN_NO_CLASS UINT32_MAX
#define PLAN_EVERY_DAY 0x7F /* bit 0 is Monday */

enum plan_arrival {
        ARRIVAL_UNIFORM, /* each student at a time of its own within the hours */
        ARRIVAL_POISSON, /* at a constant rate, whoever is next */
        ARRIVAL_CLASS,   /* as a class from the first hour on: few, many, stragglers */
};

struct plan_type {
        char name[CORE_TYPE_SIZE];
        double vcpu, gb, spot_share, price_per_hour;
        bool arm;
        double pool; /* warm containers to keep within the pool's hours */
        double hour; /* dollars that a budget counts for an hour: bill_price() */
};

struct plan_class {
        char course[CORE_NAME_SIZE];
        uint32_t type;
        uint32_t roster;
        double attendance;  /* share of the roster that comes */
        uint32_t start_min; /* of the day */
        double minutes;     /* how long they stay from the start on */
        uint8_t days;       /* weekdays */
};

struct plan {
        char title[PLAN_TITLE_SIZE];
#define FIELD(name, otherwise, least, most, whole, doc) double name;
#include "plan/field.def"
#undef FIELD
        enum plan_arrival arrival;
        bool arm;
        /*
         * The core sizes the pools itself, as a controller does with pool_policy = forecast: a
         * type's pool is its floor in the pool's hours, and the classes are its timetable.
         */
        bool forecast;
        uint8_t weekdays; /* on which sessions outside of classes are */
        uint32_t
                n_types; /* 0: one type, "workspace", made of the plan's own fields by plan_check */
        struct plan_type types[CORE_TYPES_MAX];
        uint32_t n_classes;
        struct plan_class classes[PLAN_CLASSES_MAX];
};

/* What was wrong: field, cause, cure, one sentence. */
struct plan_error {
        char text[PLAN_ERROR_SIZE];
};

void plan_init(struct plan *p);
/* "original", "honest"; false for any other name. */
bool plan_preset(struct plan *p, const char *name);
/* A field by its name. 0; -ENOENT: no such field; -EINVAL, *ret_error says why. */
NODISCARD int plan_set(struct plan *p, const char *name, double value,
                       struct plan_error *ret_error);
/* As plan_set from text; also `arrival`, `arch`, `policy`, `weekdays` and
 * `title`. */
NODISCARD int plan_set_text(struct plan *p, const char *name, const char *text,
                            struct plan_error *ret_error);
/* NULL behind the last; `*ret_doc` may be NULL. */
const char *plan_field(size_t i, const char **ret_doc);
/* "mon,wed" or "mon-fri" or "all". False for anything else. */
bool plan_weekdays_parse(const char *text, uint8_t *ret_days);
/* "10:00" to minutes of the day. */
bool plan_clock_parse(const char *text, uint32_t *ret_min);
/* A type with the plan's own fields as they are now; NULL when there are too many. */
struct plan_type *plan_add_type(struct plan *p, const char *name);
uint32_t plan_find_type(const struct plan *p, const char *name); /* n_types: none */
/* Is it whole? 0 or -EINVAL; completes the types. */
NODISCARD int plan_check(struct plan *p, struct plan_error *ret_error);
const char *plan_arrival_name(enum plan_arrival a);

/* ---- who comes when ---- */

struct plan_session {
        int64_t start_us; /* since the plan's beginning */
        int64_t stay_us;
        uint32_t student;
        uint32_t type;
        uint32_t class; /* or PLAN_NO_CLASS */
};

struct plan_sessions {
        size_t n, max;
        struct plan_session *v; /* by time */
        uint32_t students;      /* above every `student` */
};

void plan_sessions_deinit(struct plan_sessions *s);
/* 0, -ENOMEM, -E2BIG (more than PLAN_SESSIONS_MAX). */
NODISCARD int plan_sessions_make(const struct plan *p, struct plan_sessions *ret_sessions);
/* Instead: so many launches in each minute, by people who are told apart only as far as needed. */
NODISCARD int plan_sessions_trace(const struct plan *p, const uint32_t *per_minute,
                                  size_t n_minutes, struct plan_sessions *ret_sessions);

/* ---- what becomes of it ---- */

enum plan_use {
#define USE(id, name, doc) USE_##id,
#include "plan/use.def"
#undef USE
        USE_MAX
};
const char *plan_use_name(enum plan_use u);

struct plan_minute {
        double mean[USE_MAX]; /* containers in this minute of the day, over all days */
        double most;          /* at once, on any day */
        double launches;      /* people who needed one, a day */
};

struct plan_result {
        double days;
        uint64_t launches; /* people who came and had no container */
        uint64_t hits;     /* of them found a warm one at once */
        uint64_t returns;  /* people who came while theirs still ran */
        uint64_t unserved; /* still waiting at the end */
        uint64_t tasks;    /* containers launched */
        uint64_t steps;    /* of the core */
        double wait_mean_s, wait_p50_s, wait_p95_s, wait_p99_s, wait_max_s;
        double seconds[CORE_TYPES_MAX][USE_MAX]; /* container time */
        double rounding_s[CORE_TYPES_MAX];       /* billed on top: a minute is the least */
        double peak;                             /* containers at once */
        /* Dollars of a type on its dearest day, as the core counts them, at plan_type.hour. */
        double spent_day_most[CORE_TYPES_MAX];
        double budget_held_s[CORE_TYPES_MAX]; /* its pool was smaller than wanted for so long */
        uint64_t classes_short;               /* alarms of a class that is expected to be short */
        uint64_t classes_refused;             /* more classes or courses than the core keeps */
        struct plan_minute minutes[PLAN_DAY_MIN];
};

/* `done` is 0 to 1; false ends the run with -ECANCELED. */
typedef bool plan_progress_fn(void *arg, double done);

/*
 * Run the core over the sessions. 0, -ENOMEM, -ECANCELED, -ELOOP (the core does not come to rest).
 * plan_result_free releases.
 */
NODISCARD int plan_run(const struct plan *p, const struct plan_sessions *s,
                       plan_progress_fn *progress, void *arg, struct plan_result **ret_result);
struct plan_result *plan_result_free(struct plan_result *r);
double plan_hit_rate(const struct plan_result *r);
/* Container seconds of a use over all types. */
double plan_seconds(const struct plan_result *r, enum plan_use use);
/* The least that is possible: every container launched just in time and ended as its person goes.
 */
NODISCARD int plan_bound(const struct plan *p, const struct plan_sessions *s,
                         struct plan_result **ret_result);
