/*
 * A rescue: an ended task, which nobody may have saved, is started once more to make one save of
 * its home and end (wsagent(8), `rescue`). What a provider is asked for, and what it answers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rescue_order {
        const char *task, *type;
        const char *workspace; /* whose home it is, */
        uint64_t generation;   /* and of which life */
        const char *request;   /* for the save role, JSON */
};

enum rescue_answer {
        RESCUE_BEGUN,   /* rescue_fn will be called */
        RESCUE_NOTHING, /* nothing of this task is here, or its own last save has succeeded */
        RESCUE_LATER,   /* not known yet, or under way: ask again */
        RESCUE_FAILED,  /* it cannot be started; what is there will be kept */
};

/* The one begun for this task has ended; `saved`: all that is there is in a finished save. */
typedef void (*rescue_fn)(void *ctx, const char *task, bool saved);

#define RESCUE_WORD "rescue "
/* RESCUE_WORD, the request (at most 6,144 bytes, STORAGE.md), a newline. */
#define RESCUE_TEXT_SIZE (6144 + 64)
