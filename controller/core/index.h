/*
 * A fixed hash table from id to slot number. Allocated once; no deletion order can make it slow or
 * grow it. The ids live in the slots' rows; the table is told where.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define INDEX_NONE UINT32_MAX

struct index {
        uint32_t *buckets; /* first slot of each chain */
        uint32_t *next;    /* per slot: the next of its chain */
        uint32_t *free_;   /* stack of free slots */
        uint32_t n_free;
        uint32_t n_buckets; /* a power of two */
        uint32_t n_slots;
        const char *ids; /* slot 0's id */
        size_t stride;
};

/* `ids` is the id of slot 0, `stride` the distance to the next one. 0 or -ENOMEM. */
NODISCARD int index_init(struct index *x, uint32_t n_slots, const char *ids, size_t stride);
void index_deinit(struct index *x);
/* The slot with this id, or INDEX_NONE. */
uint32_t index_find(const struct index *x, const char *id);
/* A free slot, or INDEX_NONE when all are taken. The caller writes the id, then index_link. */
uint32_t index_take(struct index *x);
void index_link(struct index *x, uint32_t slot);
/* Unlink and give the slot back; its id must still be there. */
void index_drop(struct index *x, uint32_t slot);
