/*
 * The decision core with people who come at given times and agents that never fail, to look at how
 * large its pools are. A launch takes `lead_s`; nobody leaves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

#define SIZING_ROWS 256
#define SIZING_PRICE 1000000 /* a dollar for a task for an hour */

struct sizing_world {
        struct core_config config; /* set before sizing_open */
        int64_t utc_s;             /* at the start */
        int64_t lead_s;
        const char *courses[8]; /* of those who come, in turn; NULL: not said */
        uint32_t n_courses;
        int64_t claim_s;   /* from a claim to ready */
        bool own_machines; /* of the provider */
        /* What happened. */
        struct core *core;
        int64_t now_us;
        uint32_t launches, stops, people, live;
        uint32_t in_flight_max;
        int64_t came_us; /* the last of them */
        double spent;    /* of this day, counted here: dollars */
        int64_t warm_age_us_max;
        uint32_t target_max;
        struct setting_row rows[SIZING_ROWS]; /* as stored; "" is free */
        uint32_t n_put;                       /* settings stored so often */
        uint32_t class_short;                 /* and "class-short" */
        uint32_t forgot;                      /* "pool-forgot" in the history */
        uint32_t damaged;                     /* "timetable-damaged" */
        struct pool_view pool;                /* as of now */
        /* Called after each step, may be NULL. */
        void (*look)(const struct sizing_world *w);
};

/* One type "code" with a forecast: floor 1, ceiling 10, always peak. */
void sizing_defaults(struct sizing_world *w);
void sizing_open(struct sizing_world *w);
/* Until `s` seconds after the start. Somebody comes every `every_s` seconds; 0: nobody. */
void sizing_run_until(struct sizing_world *w, int64_t s, int64_t every_s);
/* Another core with the rows stored so far, at a later time; its tasks are gone. */
void sizing_reopen(struct sizing_world *w, int64_t s);
/* A class is announced for `start_s` seconds after the start of the world. */
void sizing_class(struct sizing_world *w, const char *id, const char *course, int64_t start_s,
                  uint32_t roster);
/* Any event, now. */
void sizing_give(struct sizing_world *w, struct core_event ev);
/* The image of "code" is of this version now. */
void sizing_version(struct sizing_world *w, const char *version);
void sizing_close(struct sizing_world *w);
