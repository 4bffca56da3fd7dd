/*
 * What init decides about processes, without doing any of it: when a role starts again, by which
 * steps the app is ended, and what happens on SIGTERM. Pure: (event, now) -> actions; init.c
 * carries the actions out. Embedded by value, no resources.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

/* Delays that double from `first_ms` to `max_ms`, and start over after a life of `reset_ms`. */
struct backoff {
        int64_t first_ms, max_ms, reset_ms;
        int64_t next_ms;
};

#define BACKOFF(first, max, reset)                                                                 \
        ((struct backoff){.first_ms = (first), .max_ms = (max), .reset_ms = (reset)})

/* When to start again what lived from `started` until `now`. */
mono_t backoff_due(struct backoff *b, mono_t started, mono_t now);

/* A role that shall always run. */
struct role_sup {
        struct backoff backoff;
        bool up;
        mono_t started; /* of the life that runs or ran last */
        mono_t due;     /* while down: when to start it */
};

void role_sup_init(struct role_sup *r, mono_t now);
void role_sup_started(struct role_sup *r, mono_t now);
void role_sup_ended(struct role_sup *r, mono_t now);
/* MONO_NEVER while it is up. */
mono_t role_sup_deadline(const struct role_sup *r);

/*
 * The app. Stopping is a ladder: SIGTERM to its main process, which may need seconds to write what
 * the browser still sends; when that has ended (or stop_grace is over) SIGHUP and SIGTERM to all
 * that is left, because its shells outlive it and nohup jobs never end; SIGKILL after kill_grace,
 * repeated until nothing is left.
 */
enum app_phase {
        APP_NONE,
        APP_RUNNING,
        APP_BACKOFF,
        APP_STOP_MAIN,
        APP_STOP_REST,
        APP_STOP_KILL,
};

enum app_event {
        APP_EV_START, /* arg: 1 for a priming run */
        APP_EV_STOP,
        APP_EV_EXITED, /* the main process ended */
        APP_EV_LEFT,   /* arg: how many processes of the student exist; after each change */
        APP_EV_TICK,   /* the deadline has come */
};

/* Bits, carried out in this order. */
enum app_action {
        APP_ACT_REFUSE = 1,        /* the order does not fit */
        APP_ACT_SPAWN = 2,         /* start the main process and say so */
        APP_ACT_TELL_EXITED = 4,   /* it ended by itself */
        APP_ACT_TERM_MAIN = 8,     /* SIGTERM to the main process */
        APP_ACT_TERM_REST = 16,    /* SIGHUP, SIGTERM, SIGCONT to every process of the student */
        APP_ACT_KILL_REST = 32,    /* SIGKILL to every process of the student */
        APP_ACT_GAVE_UP = 64,      /* some cannot even be killed; going on without them */
        APP_ACT_TELL_STOPPED = 128 /* none is left (or GAVE_UP) */
};

#define APP_POLL_MS 100      /* how often the rest is counted while stopping */
#define APP_GIVE_UP_MS 10000 /* SIGKILL until giving up on processes stuck in the kernel */

struct app_sup {
        enum app_phase phase;
        bool main_alive;
        bool prime;
        int64_t stop_grace_ms, kill_grace_ms, give_up_ms;
        struct backoff backoff;
        mono_t started;
        mono_t due;
};

void app_sup_init(struct app_sup *a, int64_t stop_grace_ms, int64_t kill_grace_ms);
uint32_t app_sup_step(struct app_sup *a, enum app_event event, uint32_t arg, mono_t now);
/* When to call with APP_EV_TICK (and, while app_sup_counts, APP_EV_LEFT first). */
mono_t app_sup_deadline(const struct app_sup *a, mono_t now);
bool app_sup_stopping(const struct app_sup *a);
/* Whether the ladder waits for the number of processes that are left. */
bool app_sup_counts(const struct app_sup *a);
/*
 * SIGTERM came: the ladder has `app_ms` in all, whatever the app's processes do about their
 * signals; applies to a stop under way too. Only what survives SIGKILL may take a third of that
 * beyond it.
 */
void app_sup_hurry(struct app_sup *a, int64_t app_ms, mono_t now);
/*
 * What the app may have of the `grace_ms` until SIGKILL from outside: at most half, and less, down
 * to an eighth, where a save takes long. The rest is the last save's.
 */
int64_t term_app_ms(int64_t grace_ms, int64_t save_ms);

/* The way out after SIGTERM. */
enum term_phase { TERM_NO, TERM_STOP, TERM_SAVE, TERM_WAIT_SAVED, TERM_WAIT_HOLD, TERM_DONE };
enum term_action { TERM_ACT_NONE, TERM_ACT_SAVE, TERM_ACT_EXIT };

/* For link to say that the last save is committed, or to give another request; then the old one is
 * tried again. */
#define TERM_WAIT_MS 2000
#define TERM_EXIT_UNSAVED 75
#define TERM_EXIT_HOPELESS 65 /* of a rescue: unsaved, and so it would be the next time */

struct term_facts {
        bool app_gone; /* no process of the student is left */
        bool busy;     /* a save or a restore runs */
        bool held;     /* there is a request for a last save */
        bool kept;     /* the one of a last save that failed: better than none */
        bool worked;   /* the student's app ran here: there is something to save */
        bool saved;    /* the final save is committed */
        bool final_ok; /* the last save was final, it succeeded, and no app ran since */
};

struct term_sup {
        enum term_phase phase;
        mono_t due;
        mono_t give_up;
        int code; /* exit code, with TERM_ACT_EXIT */
};

/* A save that fails after `give_up` is not tried again. */
void term_sup_begin(struct term_sup *t, mono_t give_up);
/* Level-triggered: call after everything that may have changed a fact or reached the deadline. */
enum term_action term_sup_step(struct term_sup *t, const struct term_facts *f, mono_t now);
mono_t term_sup_deadline(const struct term_sup *t);
