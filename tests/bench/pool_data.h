/* The pool benchmark's data: launches a minute, class-like bursts, and worlds made from a seed. */
#pragma once

#include "pool_world.h"

struct data {
        struct series all;   /* column 3: all launches */
        struct series class; /* column 4: launches of repositories that have class-like bursts */
        struct bursts bursts;
        int64_t days;
};

struct data_options {
        const char *launches; /* CSV[.gz]: date,minute_of_day_utc,all_launches[,class_like] */
        const char *bursts;   /* CSV: date,start_minute_utc,launches; or NULL */
        uint64_t seed;        /* of the second within a minute: uniform */
        double scale;         /* each launch is kept, or doubled, …, by chance: 0.2, 5 */
        int64_t shift_s;      /* everything that much later */
};

/* Exits with a message when a file is not of that form. */
void data_load(struct data *d, const struct data_options *o);
/* A term of a school: classes by timetable, homework in the evening, background; by seed. */
void data_make(struct data *d, uint64_t seed, int64_t days);
void data_free(struct data *d);
/* One class of `people` by the arrival law of the reference's table, from `start_s` on. */
void class_arrive(struct series *s, int64_t start_s, uint32_t people, double pace, uint64_t *seed);
