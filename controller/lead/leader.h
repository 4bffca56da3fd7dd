/*
 * The inside of the controller: the store with its lease, the core, and the shell between them. It
 * carries out what lead.h decides: a follower's core holds the stored rows for reading and is made
 * anew every few seconds; with the lease comes a fresh core with everything in it. One thread, the
 * loop's. With a store that is a file the lease is there at once and for ever.
 */
#pragma once

#include "core/core.h"
#include "lead/lead.h"
#include "loop/loop.h"
#include "shell.h"
#include "store/store.h"

/* Texts are copied by the store; `core` must outlive the leader. */
struct leader_config {
        const char *url;           /* of the store */
        const char *password_file; /* "" none */
        int64_t lease_ms;
        const char *http, *agents; /* where this controller is reached */
        const struct core_config *core;
};

struct leader_hooks {
        void *ctx;
        /* This controller leads from now on; its core waits for the inventory. Once. */
        void (*lead)(void *ctx, uint64_t epoch);
        /* Another one does; also told when it changes. See shell_lead. */
        void (*follow)(void *ctx);
        /* The lease of this controller ran out, or is renewed. */
        void (*pause)(void *ctx, bool paused);
        /* The process must end; `lost` when another controller leads. */
        void (*end)(void *ctx, bool lost);
};

struct leader;

/* Open the store, make core and shell. 0 or -errno (logged). */
NODISCARD int leader_new(struct loop *l, const struct leader_config *config,
                         const struct leader_hooks *hooks, struct leader **ret_leader);
/* Ask for the lease for the first time: when every edge has registered with the shell. */
void leader_start(struct leader *d);
/* Gives the lease up, which takes a second at most, so that another controller leads at once. */
struct leader *leader_free(struct leader *d);

struct shell *leader_shell(struct leader *d);
struct store *leader_store(struct leader *d);
