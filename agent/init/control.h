/*
 * What link and init say to each other over ROLE_FD_CONTROL: one datagram = this header + blob.
 * Both come from the same build, so the layout is the C struct. init never looks into a blob.
 *
 * init answers every order, in its own time, with the report named beside it. A new link gets a
 * CONTROL_STATE first of all. Orders that do not fit the state are answered with CONTROL_REFUSED.
 */
#pragma once

#include <stdint.h>

#include "roles.h"

enum control_type {
        /* link -> init */
        CONTROL_APP_START =
                1,        /* flags: CONTROL_PRIME; -> CONTROL_STATE (running), later APP_EXITED */
        CONTROL_APP_STOP, /* end everything of the student; -> CONTROL_APP_STOPPED */
        CONTROL_RESTORE,  /* blob: request; -> CONTROL_RESTORE_DONE. Drops what is held. With
                             CONTROL_REST: brings what an earlier one has left, beside the
                             student's app, which must run, and beside saves; holds on to what is
                             held; ended as the app is (CONTROL_APP_STOP, SIGTERM), so that a last
                             save never runs beside it */
        CONTROL_SAVE,     /* blob: request; flags: CONTROL_FINAL; -> CONTROL_SAVE_DONE. Without
                             CONTROL_FINAL it stands back for what people wait for */
        CONTROL_HOLD,     /* blob: the request for a last save that init makes by itself on
                             SIGTERM; replaces the one held; len 0 drops it; no answer */
        CONTROL_SAVED,    /* the final save is committed: init need not repeat it on SIGTERM */

        /* init -> link */
        CONTROL_STATE = 64,  /* state below */
        CONTROL_APP_EXITED,  /* the app ended by itself; status; init restarts it with back-off
                                unless it was priming */
        CONTROL_APP_STOPPED, /* no process of the student is left; count: how many needed SIGKILL */
        CONTROL_RESTORE_DONE, /* status 0..255 (128+signal); blob: result; flags: CONTROL_REST as
                                 asked */
        CONTROL_SAVE_DONE,    /* likewise; flags: CONTROL_FINAL, CONTROL_HELD as asked */
        CONTROL_TERMINATING,  /* SIGTERM came; init stops the app and saves with what it holds */
        CONTROL_REFUSED,      /* count, flags: the order's type and flags */
        CONTROL_PROGRESS,     /* of a restore; flags: CONTROL_REST as asked; blob: struct
                                 control_progress. At most one a second, and none while link leaves
                                 reports unread: the next says it all */
};

enum control_flags {
        CONTROL_PRIME = 1,  /* run the app in a scratch home */
        CONTROL_FINAL = 2,  /* no process of the student is running */
        CONTROL_HELD = 4,   /* init's own save after SIGTERM */
        CONTROL_REST = 8,   /* the second part of a restore */
        CONTROL_AHEAD = 16, /* CONTROL_RESTORE: start its process now, which waits for the request
                               of the next one; no blob, no answer */
};

enum control_app_state {
        CONTROL_APP_NONE,     /* not running */
        CONTROL_APP_RUNNING,  /* a process exists; whether it answers is the gate's to find out */
        CONTROL_APP_BACKOFF,  /* it ended; it will be started again */
        CONTROL_APP_STOPPING, /* CONTROL_APP_STOP is under way */
};

struct control_msg {
        uint32_t type;
        uint32_t id; /* chosen by link, repeated in the answer; 0 for init's own reports */
        uint32_t flags;
        int32_t status; /* exit status of what ended */
        uint32_t count;
        uint32_t app_state;  /* enum control_app_state, in every report */
        uint32_t app_primed; /* 1: what runs (or ran last) was the priming run */
        uint32_t busy;       /* bit 0: a save runs, bit 1: a restore runs, bit 2: terminating,
                                bit 3: the student's app was started, so the essentials are
                                in place, bit 4: a restore of the rest runs */
        uint32_t len;        /* of the blob behind this header; at most ROLE_BLOB_MAX */
};

struct control_progress {
        uint64_t done, total; /* bytes */
};
