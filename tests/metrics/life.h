/*
 * A real shell, core and SQLite store, with a watch on them and a provider and agent that the test
 * plays: one task's whole life, for the tests of what was counted. One per program.
 */
#pragma once

#include "metrics/watch.h"

struct life {
        struct loop *loop;
        struct core *core;
        struct store *store;
        struct shell *shell;
        struct metrics_watch *watch;
        struct metrics *m;
        char task[CORE_ID_SIZE]; /* the newest that was launched */
        bool refuse_launches;
        size_t launches, stops;
        char dir[64];
};

void life_open(struct life *l);
void life_close(struct life *l);
void life_post(struct life *l, struct core_event ev);
/* Turns of the loop until `done`; fails the test after 20 s. */
void life_until(struct life *l, bool (*done)(struct life *l));
/* A workspace: asked for, ready, two saves, stopped by request; its task ends. */
void life_whole(struct life *l);
