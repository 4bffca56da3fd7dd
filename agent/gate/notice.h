/*
 * When the workspace would be stopped, and where the app can ask for it and say that a person wants
 * to go on: a Unix socket that serves GET /_workspace/status and POST /_workspace/keep without a
 * key. Who can connect is a matter of the folder: init makes it for the gate to create the socket
 * in and for the app's user to pass, and for nobody else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "loop/loop.h"

#define NOTICE_CONNS_MAX 16
/* So long before the stop people are warned; where limits are short, a third of the limit. */
#define NOTICE_WARN_MS (5 * 60 * 1000)

struct gate;
struct page_state;

struct notice {
        mono_t stop_at;     /* MONO_NEVER: not known, or never */
        int64_t longest_ms; /* the farthest away that it ever was: the limit, as far as it is seen
                             */
        char rule[32];

        struct loop_fd src;
        struct loop_timer again; /* out of descriptors: accept again then */
        int fd;                  /* listening, or -1 */
        uint32_t n_conns;
};

/* Nothing is known, nothing is open. */
void notice_init(struct notice *n);
/*
 * Listen at the path, in place of what an earlier gate left there. 0 or -errno (-ENAMETOOLONG; also
 * -EADDRINUSE when something else than a socket is there); then there is no such socket and all
 * else works.
 */
NODISCARD int notice_open(struct gate *g, const char *path);
void notice_close(struct gate *g);
/* A connection of the socket has ended. */
void notice_left(struct gate *g);

/* Link says: stopped in so many ms without new evidence, by this limit; below 0 not known, never.
 */
void notice_set(struct gate *g, int64_t stop_in_ms, const char *rule);
/* Another workspace: nothing is known of it. */
void notice_forget(struct gate *g);
/* Fill in stop_in_s, stop_rule and warn_s. */
void notice_show(const struct gate *g, struct page_state *ret_state);
