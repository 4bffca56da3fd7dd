#include "metrics/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slots {
        size_t mask; /* number of cells, a power of two, less one */
        size_t n, max;
        struct slot v[];
};

/* FNV-1a; 64 bits of it stand for the id: two of 4,096 collide once in 10^12 times. */
static uint64_t hash(const char *id)
{
        uint64_t h = UINT64_C(14695981039346656037);

        for (; *id; id++)
                h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
        h ^= h >> 32; /* the low bits choose the cell */
        return h ? h : 1;
}

int slots_new(size_t n, struct slots **ret_slots)
{
        size_t cells = 8;
        struct slots *s;

        while (cells < 2 * n)
                cells *= 2;
        s = calloc(1, sizeof(*s) + cells * sizeof(s->v[0]));
        if (!s)
                return -ENOMEM;
        s->mask = cells - 1;
        s->max = n;
        *ret_slots = s;
        return 0;
}

struct slots *slots_free(struct slots *s)
{
        free(s);
        return NULL;
}

/* Its cell, or the free one where it would be. */
static size_t seek(const struct slots *s, uint64_t key)
{
        size_t i = key & s->mask;

        while (s->v[i].key && s->v[i].key != key)
                i = (i + 1) & s->mask;
        return i;
}

struct slot *slots_find(struct slots *s, const char *id)
{
        struct slot *v = &s->v[seek(s, hash(id))];

        return v->key ? v : NULL;
}

struct slot *slots_put(struct slots *s, const char *id)
{
        uint64_t key = hash(id);
        struct slot *v = &s->v[seek(s, key)];

        if (v->key)
                return v;
        if (s->n == s->max)
                return NULL;
        s->n++;
        *v = (struct slot){.key = key,
                           .from = MONO_NEVER,
                           .stop_at = MONO_NEVER,
                           .saved_at = MONO_NEVER,
                           .heard_at = MONO_NEVER};
        return v;
}

/* What stands behind a freed cell moves up, unless that would be before its own place. */
void slots_remove(struct slots *s, const char *id)
{
        size_t hole = seek(s, hash(id));

        if (!s->v[hole].key)
                return;
        s->n--;
        for (size_t i = (hole + 1) & s->mask; s->v[i].key; i = (i + 1) & s->mask) {
                size_t home = s->v[i].key & s->mask;

                if (((i - home) & s->mask) < ((i - hole) & s->mask))
                        continue;
                s->v[hole] = s->v[i];
                hole = i;
        }
        s->v[hole] = (struct slot){0};
}

void slots_clear(struct slots *s)
{
        memset(s->v, 0, (s->mask + 1) * sizeof(s->v[0]));
        s->n = 0;
}

size_t slots_count(const struct slots *s)
{
        return s->n;
}
