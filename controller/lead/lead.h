/*
 * Which of several controllers acts. Pure: an event and a `now` go in, a set of actions comes out;
 * the store, the shell and the clock are leader.c's.
 *
 *   following --lease is ours--> taking --rows are in--> leading --> ended
 *
 * A follower asks for the lease three times in its length, and right after the end of the one that
 * another holds. Who leads renews it as often and may act only before its end, measured on our own
 * clock from before the question was sent; so a database that is away, or a process that was
 * frozen, makes it pause. When the lease is ours again in the same epoch nobody has led meanwhile,
 * and it goes on. In any other case the process ends: what it believes may be wrong, and a new
 * start is the one recovery that is tried out every day.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

/* A follower's rows are as old as this at most, and a little. */
#define LEAD_LOAD_MS INT64_C(2000)
/* After the end of another's lease, at most; random, so that several do not ask together. */
#define LEAD_SNATCH_MS INT64_C(150)

enum lead_state { LEAD_FOLLOWING, LEAD_TAKING, LEAD_LEADING, LEAD_ENDED };

enum lead_event_type {
        LEAD_EV_UP,       /* the store can be asked */
        LEAD_EV_LEASE,    /* its answer */
        LEAD_EV_BOOTED,   /* LEAD_BOOT is done */
        LEAD_EV_FAILED,   /* it failed, for good */
        LEAD_EV_LOADED,   /* LEAD_LOAD is done, or failed */
        LEAD_EV_FENCED,   /* a commit found another's lease */
        LEAD_EV_DEADLINE, /* nothing but time */
};

struct lead_event {
        enum lead_event_type type;
        /* LEASE */
        bool mine;
        uint64_t epoch;
        mono_t until;
};

/* What to do, in this order. */
enum lead_action {
        LEAD_ASK = 1, /* take or renew the lease -> LEASE; no answer comes when the store is lost */
        LEAD_TELL = 2, /* lead_may_act, the epoch or the other's address have changed */
        LEAD_BOOT = 4, /* a fresh core with all rows -> BOOTED or FAILED */
        LEAD_LOAD = 8, /* the rows, for reading -> LOADED */
        LEAD_END = 16, /* end the process; `why` says why */
};

struct lead {
        enum lead_state state;
        int64_t lease_ms;
        uint64_t random;
        bool up, asking, loading;
        bool paused; /* leads, but its lease ran out */
        mono_t asked_at, ask_at, load_from, load_at;
        uint64_t epoch; /* of the lease, whoever has it; 0 not known */
        mono_t until;
        const char *why; /* it ended */
        bool lost;       /* because another one leads */
};

void lead_init(struct lead *l, int64_t lease_ms, uint64_t seed, mono_t now);
/* Returns a set of enum lead_action. */
unsigned lead_step(struct lead *l, const struct lead_event *ev, mono_t now);
/* When LEAD_EV_DEADLINE should be given. */
mono_t lead_deadline(const struct lead *l);
/* Leads, and the lease has not ended. */
bool lead_may_act(const struct lead *l, mono_t now);
const char *lead_state_name(enum lead_state s);
