/*
 * One terminal: was it typed into, or did it answer a program by itself? Pure.
 *
 * Terminals answer questions (where is the cursor, what are you) on the line that keys come on. An
 * answer follows a program's output at once; so does each key of somebody who types fast, behind
 * the echo of the key before. Therefore:
 *   - a read with no output in the TYPING_REPLY_MS before it is a key, and so is what is read in
 * the TYPING_BURST_MS after that. Only the first kind begins such a time anew, so that answers can
 * not keep it going.
 *   - any other read is an answer: a program that asks and waits is never taken for a person.
 *   - while output never stops for long (a build in one pane, keys in another) every read comes
 *     behind output. There the third of reads that are TYPING_APART_MS apart, within
 * TYPING_FLOOD_MS, is a key. Answers to a program that asks several times a second look the same,
 * so this goes on for at most TYPING_HOLD_MS after the last read of the first kind.
 *
 * Output is told through typing_output; while it goes on, it need not be watched for
 * `ret_pause_ms`: 50 ms at first, twice as long each time it has gone on, so that a flood costs
 * next to nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

#define TYPING_REPLY_MS 300
#define TYPING_BURST_MS 2000
#define TYPING_APART_MS 50
#define TYPING_FLOOD_MS 10000
#define TYPING_HOLD_MS (2 * 60 * 60 * 1000)
#define TYPING_PAUSE_MIN_MS 50
#define TYPING_PAUSE_MAX_MS 6400

struct typing {
        bool has_output, has_key, watched;
        mono_t output; /* the last that is known of, or may have been */
        mono_t key;    /* the last that began a burst */
        bool has_sure;
        mono_t sure;       /* the last key that nothing but a key can be, or the beginning */
        mono_t watched_at; /* since when output is watched (again) */
        int64_t pause_ms;  /* how long it is not, while it goes on */
        mono_t reads[2];   /* the last two in a flood; one within TYPING_APART_MS is not one more */
        unsigned n_reads;
};

/* Output is watched from now on. */
void typing_watch(struct typing *t, mono_t now);
/* A program printed. How long its next output need not be seen; typing_watch ends that. */
int64_t typing_output(struct typing *t, mono_t now);
/* Something read from the terminal: true for a person's key, false for an answer. */
bool typing_read(struct typing *t, mono_t now);
