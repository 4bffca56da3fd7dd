/*
 * What link is told by itself: traffic and evidence, when something that matters has changed (at
 * most once a second) and every 10 s. Bytes that flow and what a machine does by itself do not
 * matter so much: they wait for the next record, so that an untouched page costs no wake-up more
 * than its own messages.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"
#include "loop/loop.h"

struct gate;

struct report {
        struct loop_timer timer; /* always set: the next record at the latest */
        mono_t sent;             /* the last record; valid when `any` */
        mono_t kept;             /* the last that "keep" caused; valid when `any_kept` */
        bool any, any_kept;
        bool seen; /* the observer has seen something since it was asked last */
        /* sums of what matters, when they were sent last */
        uint64_t traffic, evidence;
        size_t n_unknown;          /* names that were logged */
        const char *broken_reason; /* that was logged last */
};

void report_init(struct gate *g);
/* The observer was shown something. */
void report_seen(struct gate *g);
/* At the end of an iteration of the loop: send soon if something has changed. `ctx` is the gate. */
void report_look(void *ctx);
/* "Keep working" was pressed: link is told at once (pressed again within a second: then). */
void report_keep(struct gate *g);
