/*
 * A small world around the core for random tests: a provider, agents, a storage and a store, all in
 * memory, on a virtual clock, drawn from one seed. It carries out effects, forgets some, answers
 * late, dies and restarts, and checks after each effect what must always hold.
 *
 * A broken rule prints "invariant: …" with the seed and the last lines of the trace, and exits 1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct world;

struct world_faults {
        unsigned lose_effect;   /* of 1000 commands, acknowledgements, questions to storage */
        unsigned lose_message;  /* of 1000 messages of an agent */
        unsigned late;          /* of 1000 saves: the message comes again, late */
        unsigned die;           /* of 1000 turns of a task */
        unsigned crash;         /* of 1000 steps */
        unsigned launch_fails;  /* of 1000 launches */
        unsigned save_fails;    /* of 1000 last saves */
        unsigned storage_fails; /* of 1000 answers */
        unsigned restore_fails; /* of 1000 restores */
        unsigned decline;       /* of 1000 rechecks */
        unsigned hostile;       /* of 1000 turns: a message that should not be */
        unsigned lie;           /* of 1000 turns of a task: the provider's list lacks it */
        unsigned notice;        /* of 1000 turns of a task: the provider says it will end it */
        unsigned operate;       /* of 1000 turns: an operator does something */
};

struct world *world_new(uint64_t seed, const struct world_faults *faults);
struct world *world_free(struct world *w);
void world_set_faults(struct world *w, const struct world_faults *faults);
/* One random turn: requests, agents, answers, time. */
void world_turn(struct world *w, bool requests);
/* After each turn of the healing: what stays on its way for ten minutes hangs, and is an error. */
void world_check_settled(struct world *w);
void world_shutdown(struct world *w);
bool world_drained(const struct world *w);
/* Stops so far by this limit (enum idle_rule). */
unsigned world_stops(const struct world *w, unsigned rule);
/* Stops that were cancelled in time. */
unsigned world_resumed(const struct world *w);
/* Of every trace line so far: the same seed must give the same hash. */
uint64_t world_hash(const struct world *w);
uint64_t world_random(struct world *w);
