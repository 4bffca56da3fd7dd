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
        RESCUE_FAILED,  /* it could not be started this time */
};

enum rescue_result {
        RESCUE_SAVED,    /* all that is there is in a finished save, or it was nobody's */
        RESCUE_AGAIN,    /* not this time: the storage did not answer, there was no memory, ... */
        RESCUE_HOPELESS, /* never: it is too large, the profile is wrong */
};

/* The one begun for this task has ended. */
typedef void (*rescue_fn)(void *ctx, const char *task, enum rescue_result result);

#define AGENT_EXIT_HOPELESS 65 /* wsagent(8) */
#define AGENT_EXIT_CONFIG 78

/* The agent's exit status, what a shell makes of a signal among it. */
static inline enum rescue_result rescue_result_of(int status)
{
        if (status == 0)
                return RESCUE_SAVED;
        return status == AGENT_EXIT_HOPELESS || status == AGENT_EXIT_CONFIG ? RESCUE_HOPELESS
                                                                            : RESCUE_AGAIN;
}

/*
 * Is a thing called `name` ("WORKSPACE-gGENERATION-...") of that workspace, in this life or an
 * earlier one? One that was made anew has the same id, and later lives.
 */
bool rescue_name_is_of(const char *name, const char *workspace, uint64_t generation);

#define RESCUE_WORD "rescue "
/* RESCUE_WORD, the request (at most 6,144 bytes, STORAGE.md), a newline. */
#define RESCUE_TEXT_SIZE (6144 + 64)
