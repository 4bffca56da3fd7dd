/*
 * A deterministic world around the decision core: clock, network, provider, store, storage, agents,
 * people and two controllers, all drawn from one seed. One thread; nothing outside is read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum invariant {
#define INVARIANT(id, name) INV_##id,
#include "invariant.def"
#undef INVARIANT
        INV_MAX
};

enum fault {
#define FAULT(id, most, doc) FAULT_##id,
#include "fault.def"
#undef FAULT
        FAULT_MAX
};

/* Where in a stop a person may return. */
enum moment {
        MOMENT_DECIDED,
        MOMENT_COMMITTED,
        MOMENT_TAKEN,
        MOMENT_APP_ENDED,
        MOMENT_UPLOADED,
        MOMENT_ANNOUNCED,
        MOMENT_SAVED,
        MOMENT_ACKNOWLEDGED,
        MOMENT_ENDING,
        MOMENT_ENDED,
        MOMENT_MAX
};

struct sim_result {
        bool broken;
        enum invariant invariant;
        char detail[160];
        int64_t at_ms;
        uint64_t hash; /* of everything that happened */
        uint64_t steps, effects, crashes, freezes, takeovers, virtual_ms;
        uint64_t returns[MOMENT_MAX];
        uint64_t faults[FAULT_MAX]; /* how often each happened */
};

struct sim_options {
        int64_t storm_ms; /* 0: drawn */
        FILE *trace;      /* NULL: silent and fast */
};

struct sim;

/* The tables are kept between seeds. NULL when out of memory. */
struct sim *sim_new(void);
struct sim *sim_free(struct sim *s);
/* One whole history: storm, healing, and in some seeds a shutdown. */
void sim_run(struct sim *s, uint64_t seed, const struct sim_options *options,
             struct sim_result *ret_result);

const char *invariant_name(enum invariant i);
const char *fault_name(enum fault f);
const char *moment_name(enum moment m);
