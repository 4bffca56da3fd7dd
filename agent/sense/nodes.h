/*
 * The watched folders: a table by watch descriptor, and a tree by name, so that a moved folder
 * carries everything below it along. Paths are not stored but built from the names.
 *
 * Owns its nodes; a node pointer is valid until the node is removed. One thread. No system calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define NODES_DEPTH_MAX 512

struct node {
        int wd;
        bool queued;         /* for a scan; the tree's business */
        struct node *parent; /* NULL for a root and for one that is between two places */
        struct node *child, *next, *prev;
        struct node *hash_next;
        struct node *queue_next, *queue_prev;
        char *name; /* of a root: its absolute path */
};

struct nodes {
        struct node **buckets;
        size_t n_buckets;
        size_t n;
        size_t max;
};

NODISCARD int nodes_init(struct nodes *t, size_t max);
/* Frees all nodes; a zeroed table is fine. */
void nodes_deinit(struct nodes *t);

struct node *nodes_find(const struct nodes *t, int wd);
struct node *nodes_child(const struct node *parent, const char *name);
/* 0, -ENOSPC (max reached), -ENOMEM. `wd` must not be in the table yet. */
NODISCARD int nodes_add(struct nodes *t, int wd, struct node *parent, const char *name,
                        struct node **ret_node);
/* One node without children. */
void nodes_remove(struct nodes *t, struct node *n);
/* Take the node (and what is below it) out of its parent's children. */
void nodes_detach(struct node *n);
/*
 * Hang a node under `parent` with a new name. 0, -ENOMEM, -ELOOP when `parent` is below the node
 * (what we know of the tree is outdated then). On failure it stays where it was.
 */
NODISCARD int nodes_attach(struct node *n, struct node *parent, const char *name);
/* A node without children at or below `n`: removing these again and again empties the subtree. */
struct node *nodes_leaf(struct node *n);
/* The next node of the walk through the subtree of `top`, parents first; NULL at the end. */
struct node *nodes_next(const struct node *top, struct node *n);

/*
 * "root/a/b" and, where `name` is not empty, "/name" behind it. 0; -ENAMETOOLONG; -ENOENT when the
 * node hangs under no root.
 */
NODISCARD int nodes_path(const struct node *n, const char *name, char *dst, size_t size);
