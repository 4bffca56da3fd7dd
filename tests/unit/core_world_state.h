/* The inside of the test world, shared by its two files: core_world.c turns it,
 * core_world_effects.c is what effects do to it. */
#pragma once

#include "core/core.h"
#include "core_world.h"

#define TASKS_MAX 64
#define WORKSPACES_MAX 8
#define PENDING_MAX 256
#define SETTINGS_MAX 16
#define SAVES_MAX 4096
#define TRACE_KEEP 60
#define SETTLE_MS (10 * 60 * 1000)

/* One task as the provider and its agent know it. */
struct body {
        char id[CORE_ID_SIZE];
        bool alive;
        bool enrolled;
        enum agent_phase phase;
        char workspace[CORE_ID_SIZE];
        uint64_t generation;
        uint64_t acted;
        uint64_t seq;       /* of the last upload */
        uint64_t final_seq; /* of the last save, 0 while there is none */
        bool declined;
        bool claimed;           /* had a claim */
        bool abandoned;         /* an operator has given up what it holds */
        bool noticed;           /* the provider has said that it will end it */
        uint64_t lied_until_ms; /* the provider says it has ended; it reports on time */
        bool restore_failed;    /* and so holds nothing */
        bool final_said;        /* the last save is announced */
        bool final_committed;   /* storage has said yes, or there was nothing to save */
        uint64_t person_at_ms;
        enum browser_state browser;
        uint64_t left_at_ms, busy_until_ms;
        uint64_t claimed_at_ms; /* when the core gave it away */
        /* What the core has been told of the above, as far as it must have listened. */
        struct {
                uint64_t person_at_ms, left_at_ms, busy_until_ms;
                enum browser_state browser;
        } told;
};

struct world {
        uint64_t rng;
        uint64_t seed;
        uint64_t hash;
        struct world_faults faults;
        struct core_config config;
        struct core *core;
        mono_t now;
        int64_t utc_offset_us;
        struct core_effects fx;
        /* the store */
        struct workspace_row workspaces[WORKSPACES_MAX];
        struct task_row tasks[TASKS_MAX];
        struct setting_row settings[SETTINGS_MAX];
        uint64_t task_number, audit_seq, command_id, generation_erased;
        uint64_t claimed_generation[WORKSPACES_MAX]; /* highest that was ever given out */
        char claimed_by[WORKSPACES_MAX][CORE_ID_SIZE];
        struct body bodies[TASKS_MAX];
        struct core_event pending[PENDING_MAX];
        size_t n_pending;
        struct save_ref saves[SAVES_MAX]; /* what is in the storage */
        char save_of[SAVES_MAX][CORE_ID_SIZE];
        size_t n_saves;
        char trace[TRACE_KEEP][512];
        size_t n_trace;
        int64_t unsettled_ms[WORKSPACES_MAX]; /* since when, while healing; 0 it is settled */
        int64_t pool_short_ms;
        unsigned stops[IDLE_RULE_MAX];
        unsigned resumed; /* stops that were cancelled */
        bool drained;
        bool crash_now;
};

/* ---- core_world.c ---- */

uint64_t world_below(struct world *w, uint64_t n);
bool world_chance(struct world *w, unsigned of_1000);
uint64_t world_now_ms(const struct world *w);
/* Prints the rule and ends the program. */
void world_broken(struct world *w, const char *rule, const char *id);

/* ---- core_world_effects.c ---- */

struct workspace_row *world_stored_workspace(struct world *w, const char *id, bool add);
struct body *world_body(struct world *w, const char *id);
/* A message to the core, given at some later time. */
void world_later(struct world *w, const struct core_event *ev);
void world_say_ended(struct world *w, const char *id);
/* Into the store; then out to the world. */
void world_store_effect(struct world *w, const struct core_effect *fx);
void world_carry_out(struct world *w, const struct core_effect *fx);
