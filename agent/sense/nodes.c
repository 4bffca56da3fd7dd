#include "sense/nodes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096 /* a power of two */

int nodes_init(struct nodes *t, size_t max)
{
        struct node **buckets = calloc(BUCKETS, sizeof(struct node *));

        if (!buckets)
                return -ENOMEM;
        *t = (struct nodes){.buckets = buckets, .n_buckets = BUCKETS, .max = max};
        return 0;
}

static struct node **bucket_of(const struct nodes *t, int wd)
{
        /* The kernel numbers watches one after the other, so the low bits spread well. */
        return &t->buckets[(unsigned)wd & (t->n_buckets - 1)];
}

void nodes_deinit(struct nodes *t)
{
        for (size_t i = 0; i < t->n_buckets; i++) {
                struct node *next;

                for (struct node *n = t->buckets[i]; n; n = next) {
                        next = n->hash_next;
                        free(n->name);
                        free(n);
                }
        }
        free(t->buckets);
        *t = (struct nodes){0};
}

struct node *nodes_find(const struct nodes *t, int wd)
{
        if (t->n_buckets == 0 || wd < 0)
                return NULL;
        for (struct node *n = *bucket_of(t, wd); n; n = n->hash_next) {
                if (n->wd == wd)
                        return n;
        }
        return NULL;
}

struct node *nodes_child(const struct node *parent, const char *name)
{
        for (struct node *n = parent->child; n; n = n->next) {
                if (strcmp(n->name, name) == 0)
                        return n;
        }
        return NULL;
}

static void link_child(struct node *n, struct node *parent)
{
        n->parent = parent;
        n->prev = NULL;
        n->next = parent->child;
        if (n->next)
                n->next->prev = n;
        parent->child = n;
}

int nodes_add(struct nodes *t, int wd, struct node *parent, const char *name,
              struct node **ret_node)
{
        struct node *n;

        assert(wd >= 0 && !nodes_find(t, wd));
        if (t->n >= t->max)
                return -ENOSPC;
        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        n->name = strdup(name);
        if (!n->name) {
                free(n);
                return -ENOMEM;
        }
        n->wd = wd;
        n->hash_next = *bucket_of(t, wd);
        *bucket_of(t, wd) = n;
        t->n++;
        if (parent)
                link_child(n, parent);
        *ret_node = n;
        return 0;
}

void nodes_detach(struct node *n)
{
        if (!n->parent)
                return;
        if (n->prev)
                n->prev->next = n->next;
        else
                n->parent->child = n->next;
        if (n->next)
                n->next->prev = n->prev;
        n->parent = n->next = n->prev = NULL;
}

void nodes_remove(struct nodes *t, struct node *n)
{
        struct node **at = bucket_of(t, n->wd);

        assert(!n->child && !n->queued);
        nodes_detach(n);
        while (*at != n)
                at = &(*at)->hash_next;
        *at = n->hash_next;
        t->n--;
        free(n->name);
        free(n);
}

int nodes_attach(struct node *n, struct node *parent, const char *name)
{
        char *copy;

        for (const struct node *up = parent; up; up = up->parent) {
                if (up == n)
                        return -ELOOP;
        }
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        nodes_detach(n);
        free(n->name);
        n->name = copy;
        link_child(n, parent);
        return 0;
}

struct node *nodes_leaf(struct node *n)
{
        while (n->child)
                n = n->child;
        return n;
}

struct node *nodes_next(const struct node *top, struct node *n)
{
        if (n->child)
                return n->child;
        while (n != top && !n->next)
                n = n->parent;
        return n == top ? NULL : n->next;
}

int nodes_path(const struct node *n, const char *name, char *dst, size_t size)
{
        const char *parts[NODES_DEPTH_MAX + 1];
        size_t n_parts = 0, len = 0;

        if (*name)
                parts[n_parts++] = name;
        for (; n; n = n->parent) {
                if (n_parts >= NODES_DEPTH_MAX)
                        return -ENAMETOOLONG;
                parts[n_parts++] = n->name;
        }
        if (parts[n_parts - 1][0] != '/')
                return -ENOENT;
        for (size_t i = 0; i < n_parts; i++)
                len += strlen(parts[i]) + 1;
        if (len > size)
                return -ENAMETOOLONG;
        for (len = 0; n_parts > 0; n_parts--) {
                size_t part = strlen(parts[n_parts - 1]);

                memcpy(dst + len, parts[n_parts - 1], part);
                len += part;
                dst[len++] = n_parts > 1 ? '/' : '\0';
        }
        return 0;
}
