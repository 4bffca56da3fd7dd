#include "core/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *id_at(const struct index *x, uint32_t slot)
{
        return x->ids + (size_t)slot * x->stride;
}

/* The ids are ours or hashes, so nobody can aim at one bucket. */
static uint32_t bucket_of(const struct index *x, const char *id)
{
        return str_hash(id) & (x->n_buckets - 1);
}

int index_init(struct index *x, uint32_t n_slots, const char *ids, size_t stride)
{
        uint32_t n_buckets = 16;

        while (n_buckets < n_slots)
                n_buckets *= 2;
        *x = (struct index){.n_buckets = n_buckets,
                            .n_slots = n_slots,
                            .n_free = n_slots,
                            .ids = ids,
                            .stride = stride};
        x->buckets = malloc(sizeof(*x->buckets) * n_buckets);
        x->next = malloc(sizeof(*x->next) * n_slots);
        x->free_ = malloc(sizeof(*x->free_) * n_slots);
        if (!x->buckets || !x->next || !x->free_)
                return -ENOMEM;
        for (uint32_t i = 0; i < n_buckets; i++)
                x->buckets[i] = INDEX_NONE;
        for (uint32_t i = 0; i < n_slots; i++) {
                x->next[i] = INDEX_NONE;
                x->free_[i] = n_slots - 1 - i;
        }
        return 0;
}

void index_deinit(struct index *x)
{
        free(x->buckets);
        free(x->next);
        free(x->free_);
        *x = (struct index){0};
}

uint32_t index_find(const struct index *x, const char *id)
{
        uint32_t slot = x->buckets[bucket_of(x, id)];

        while (slot != INDEX_NONE && strcmp(id_at(x, slot), id) != 0)
                slot = x->next[slot];
        return slot;
}

uint32_t index_take(struct index *x)
{
        return x->n_free ? x->free_[--x->n_free] : INDEX_NONE;
}

void index_link(struct index *x, uint32_t slot)
{
        uint32_t *bucket = &x->buckets[bucket_of(x, id_at(x, slot))];

        x->next[slot] = *bucket;
        *bucket = slot;
}

void index_drop(struct index *x, uint32_t slot)
{
        uint32_t *link = &x->buckets[bucket_of(x, id_at(x, slot))];

        while (*link != slot) {
                assert(*link != INDEX_NONE);
                link = &x->next[*link];
        }
        *link = x->next[slot];
        x->next[slot] = INDEX_NONE;
        assert(x->n_free < x->n_slots);
        x->free_[x->n_free++] = slot;
}
