/*
 * Everything around the shell: agents, HTTP, the ops socket, the provider, the storage. Each is
 * made from the configuration and logs why it cannot start. Loop thread only.
 */
#pragma once

#include "config.h"
#include "keys.h"
#include "loop/loop.h"
#include "shell.h"
#include "store/store.h"

struct edges;

struct edges_config {
        struct config *config;
        const struct core_config *core;
        struct keys *keys; /* read again here when their file changes */
        const char *token; /* of the API */
};

/* Listen everywhere. 0 or -errno (logged). Pointers of `c` are kept. */
NODISCARD int edges_start(struct loop *l, struct shell *shell, struct store *store,
                          const struct edges_config *c, struct edges **ret_edges);
struct edges *edges_free(struct edges *e);
/* Host the loop until loop_exit: its code, or -errno. */
int edges_run(struct edges *e);

/* This controller leads: answer agents, take over the tasks that run. 0 or -errno (logged). */
NODISCARD int edges_lead(struct edges *e, uint64_t epoch);
/* It follows; shell_lead() says whom. */
void edges_follow(struct edges *e);
/* It leads, but may not act at the moment; agents look for another one. Or it may again. */
void edges_pause(struct edges *e, bool paused);

#define EDGES_URL_SIZE (CONFIG_TEXT_SIZE + 8)

/* Where this controller is reached: as configured, else where it listens. */
const char *edges_agents_url(const struct config *c);
const char *edges_http_url(const struct config *c, char dst[static EDGES_URL_SIZE]);
