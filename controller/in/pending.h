/*
 * Requests that can not be answered at once: posted to the core and waiting for its reply, or for
 * the workspace to get where the caller wants it. Used by the HTTP API and the ops socket; each has
 * its own set, told apart by the top byte of the reply tokens.
 *
 * A pending is embedded in the caller's request and must be cancelled before its memory goes.
 * `done` is called exactly once per started pending, from the loop, never from within
 * pending_start except for events that are there already.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "in/view.h"
#include "loop/loop.h"
#include "shell.h"

enum pending_kind {
        PENDING_LAUNCH,    /* goal: ready */
        PENDING_STOP,      /* goal: stopped */
        PENDING_DELETE,    /* goal: accepted */
        PENDING_RESTART,   /* goal: ready, in a later generation */
        PENDING_KEEP,      /* goal: accepted */
        PENDING_POOL,      /* goal: accepted */
        PENDING_ABANDON,   /* goal: accepted */
        PENDING_RESTORE,   /* goal: accepted */
        PENDING_MODE,      /* goal: accepted */
        PENDING_TIMETABLE, /* goal: accepted */
        PENDING_SHUTDOWN,  /* goal: accepted */
        PENDING_EVENTS,    /* goal: an audit row behind `after` */
};

enum pending_end {
        PENDING_REACHED,  /* the goal */
        PENDING_ACCEPTED, /* the core said yes; the goal was not reached in the time given */
        PENDING_REFUSED,  /* the core said no: p->status */
        PENDING_NO_STORE, /* the decision could not be stored in time */
};

struct timetables;
struct pending;
typedef void (*pending_fn)(struct pending *p, enum pending_end end);

struct pending {
        /* filled in by the caller */
        enum pending_kind kind;
        char workspace[CORE_ID_SIZE];
        const char *actor;
        const struct view_launch *launch;  /* for a launch by key; else NULL. Read in start only. */
        const struct view_mode *mode;      /* for MODE. Read in start only. */
        const struct save_ref *save;       /* for RESTORE. Read in start only. */
        const struct view_pool_size *pool; /* for POOL. Read in start only. */
        uint64_t generation;               /* for RESTART: what it has before */
        const char *reason;                /* of an operator, or NULL. Read in start only. */
        /* For TIMETABLE: one that was checked (timetable_api.h). Read in start only. */
        struct timetables *timetables;
        const char *text;
        size_t text_len;
        int64_t wait_ms;
        uint64_t after;
        pending_fn done;
        /* its own */
        struct pending_set *set;
        struct pending *next_, *prev_;
        uint64_t token;
        enum reply_status status;
        uint32_t place;   /* in the queue, as in the core's reply */
        int64_t retry_ms; /* with QUEUE_FULL */
        bool replied;
        mono_t started, due;
};

struct pending_set;

/* `edge` is the top byte of the tokens. 0 or -ENOMEM. */
NODISCARD int pending_set_new(struct loop *l, struct shell *sh, uint8_t edge, uint32_t max,
                              struct pending_set **ret_set);
/* All must be cancelled before. */
struct pending_set *pending_set_free(struct pending_set *s);

/*
 * 0: `done` follows. > 0: refused at once, with *ret_error set (store unavailable, draining, too
 * many waiting). Only from within a turn of the loop.
 */
NODISCARD int pending_start(struct pending_set *s, struct pending *p, struct view_error *ret_error);
/* What a refused launch may be told beyond the error itself: its place, and when to ask again. */
void pending_error(const struct pending *p, struct view_error *e);
/* Forget it without calling `done`. One that is not started, or done, is fine. */
void pending_cancel(struct pending *p);

/* The audit rows behind `after`, at most `max`, as one JSON answer appended to `out`. 0 or -errno.
 */
NODISCARD int pending_events(const struct shell *sh, uint64_t after, uint32_t max, struct buf *out);
