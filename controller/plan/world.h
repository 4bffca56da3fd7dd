/* Inside the planner: the virtual world around the core. Not for others. */
#pragma once

#include "core/core.h"
#include "plan/plan.h"
#include "plan/random.h"

/* The clock runs before the first midnight, so that the pool is warm when the measuring begins. */
#define WORLD_BEFORE_US (2 * 3600 * INT64_C(1000000))
#define NOBODY UINT32_MAX

enum moment_kind {
        AT_STARTED, /* the provider has taken the launch */
        AT_WARM,
        AT_READY,
        AT_DECLINED, /* the stop, because a person is there */
        AT_PRESENT,  /* the person is still there */
        AT_LEAVE,
        AT_SAVED,
        AT_ENDED,
};

struct moment {
        int64_t at_us;
        uint64_t seq; /* of the same time the first made is the first */
        enum moment_kind kind;
        uint32_t who; /* body or seat */
        uint32_t turn;
};

/* A container. */
struct body {
        enum plan_use use; /* USE_MAX: not there */
        uint32_t type, seat;
        uint32_t turn; /* moments of an earlier turn are void */
        bool ready, saving, saved, ending;
        uint64_t generation, acted;
        int64_t since_us, launched_us;
};

/* A workspace and its person. */
struct seat {
        uint32_t body; /* NOBODY */
        uint32_t turn;
        bool here, waiting, counted;
        int64_t until_us, asked_us;
};

struct world {
        const struct plan *plan;
        struct core *core;
        struct core_effects *fx;
        struct plan_result *result;
        struct plan_random random;
        int64_t now_us, accounted_us, end_us, next_minute_us;
        int64_t announced_us; /* classes that start before this are known to the core */
        double tokens;        /* of the launch bucket; below 0: so many are queued */
        int64_t tokens_us;
        struct moment *heap;
        size_t n_heap, max_heap;
        uint64_t seq;
        struct body *bodies; /* by task number */
        size_t n_bodies, max_bodies;
        struct seat *seats; /* student x type */
        uint32_t n_seats;
        double n[USE_MAX]; /* containers now */
        float *waits;
        size_t n_waits, max_waits;
        uint32_t sizes[CORE_TYPES_MAX];
        int error;
};

/* world.c */
void world_give(struct world *w, struct core_event *ev);
void world_at(struct world *w, int64_t at_us, enum moment_kind kind, uint32_t who, uint32_t turn);
void world_use(struct world *w, struct body *b, enum plan_use use);
/* agent.c: what containers and people do */
void agent_effect(struct world *w, const struct core_effect *fx);
void agent_moment(struct world *w, const struct moment *m);
void person_comes(struct world *w, const struct plan_session *s);
