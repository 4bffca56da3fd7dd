#include "save/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void link_free(struct link *k)
{
        if (k)
                free(k->path);
        free(k);
}

void links_deinit(struct links *l)
{
        for (size_t i = 0; i < l->cap; i++)
                link_free(l->slots[i]);
        free(l->slots);
        *l = (struct links){0};
}

static size_t hash(dev_t dev, ino_t ino)
{
        uint64_t h = ((uint64_t)ino ^ (uint64_t)dev << 40) * UINT64_C(0x9e3779b97f4a7c15);

        return (size_t)(h >> 20);
}

/* Its slot, or the free one where it belongs. */
static size_t slot(const struct links *l, dev_t dev, ino_t ino)
{
        size_t i = hash(dev, ino) & (l->cap - 1);

        while (l->slots[i] && (l->slots[i]->ino != ino || l->slots[i]->dev != dev))
                i = (i + 1) & (l->cap - 1);
        return i;
}

struct link *links_find(const struct links *l, const struct stat *st)
{
        return l->cap ? l->slots[slot(l, st->st_dev, st->st_ino)] : NULL;
}

static int grow(struct links *l)
{
        struct links bigger = {.n = l->n, .cap = l->cap ? l->cap * 2 : 64};

        bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
        if (!bigger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < l->cap; i++) {
                if (l->slots[i])
                        bigger.slots[slot(&bigger, l->slots[i]->dev, l->slots[i]->ino)] =
                                l->slots[i];
        }
        free(l->slots);
        *l = bigger;
        return 0;
}

int links_add(struct links *l, const struct link *first)
{
        struct link *k = malloc(sizeof(*k));
        int r = k && l->n * 2 >= l->cap ? grow(l) : 0;

        if (!k || r < 0) {
                free(k);
                return -ENOMEM;
        }
        *k = *first;
        k->path = strdup(first->path);
        if (!k->path) {
                free(k);
                return -ENOMEM;
        }
        l->slots[slot(l, k->dev, k->ino)] = k;
        l->n++;
        return 0;
}

/* Those behind a freed slot move up, so that they are found without it. */
static void take_out(struct links *l, size_t i)
{
        size_t j = i;

        l->slots[i] = NULL;
        for (;;) {
                struct link *k;

                j = (j + 1) & (l->cap - 1);
                k = l->slots[j];
                if (!k)
                        return;
                l->slots[j] = NULL;
                l->slots[slot(l, k->dev, k->ino)] = k;
        }
}

void links_named(struct links *l, struct link *link)
{
        if (--link->left > 0)
                return;
        take_out(l, slot(l, link->dev, link->ino));
        l->n--;
        link_free(link);
}
