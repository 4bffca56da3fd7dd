/*
 * A table of fixed size from a text id to a small record, for what is being measured: no allocation
 * after slots_new. Full, it forgets nothing and takes nothing new. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"

struct slot {
        uint64_t key; /* hash of the id; 0 free */
        uint32_t type;
        uint32_t note;  /* of the user of the table */
        bool settled;   /* a task's launch has an outcome */
        mono_t from;    /* launched; requested */
        mono_t stop_at; /* NEVER: it is not being stopped */
        mono_t saved_at;
        mono_t heard_at;
};

struct slots;

/* Room for `n` ids. 0 or -ENOMEM. */
NODISCARD int slots_new(size_t n, struct slots **ret_slots);
struct slots *slots_free(struct slots *s);

/* NULL: not there. */
struct slot *slots_find(struct slots *s, const char *id);
/* The record of `id`, new ones with all times NEVER. NULL: full. Valid until the next call. */
struct slot *slots_put(struct slots *s, const char *id);
void slots_remove(struct slots *s, const char *id);
void slots_clear(struct slots *s);
size_t slots_count(const struct slots *s);
