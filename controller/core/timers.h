/*
 * One deadline per slot, the earliest at hand: a binary heap over slot numbers. Allocated once;
 * setting one costs the logarithm of how many are set. Equal times come in the order of the slots.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"

struct timers {
        mono_t *due;    /* per slot; NEVER while it is not in the heap */
        uint32_t *heap; /* slots, the earliest first */
        uint32_t *at;   /* per slot: its place in the heap */
        uint32_t n;
};

/* 0 or -ENOMEM; timers_deinit cleans up after both. */
NODISCARD int timers_init(struct timers *x, uint32_t n_slots);
void timers_deinit(struct timers *x);
/* NEVER takes it out. */
void timers_set(struct timers *x, uint32_t slot, mono_t due);
/* The slot with the earliest deadline; there must be one. */
uint32_t timers_first(const struct timers *x);
mono_t timers_next(const struct timers *x);
