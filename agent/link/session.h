/*
 * The connection to the controller: one nng REQ socket with a context per line over one TCP
 * connection. nng.c is the only file of the agent that knows nng.
 *
 * nng calls back from threads of its own; those callbacks note what happened and wake the loop. All
 * functions here and all functions given here run in the loop's thread. The loop's on_wake hook
 * belongs to the session.
 *
 * Dialling is done by hand, with back-off and jitter of our own: nng 1.5 redials at once half of
 * the time.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "link/state.h"
#include "loop/loop.h"

#define SESSION_REPORT_TIMEOUT_MS 5000
/* The controller holds an await for 25 s at most, a saved for 60 s. */
#define SESSION_AWAIT_TIMEOUT_MS 40000
#define SESSION_SAVED_TIMEOUT_MS 75000
#define SESSION_DIAL_MS_MIN 200
#define SESSION_DIAL_MS_MAX 10000

struct session_config {
        const char *url; /* tcp://host:port; copied */
        uint64_t seed;
        void (*connected)(void *ctx);
        void (*disconnected)(void *ctx);
        /* `data` is valid during the call. */
        void (*answer)(void *ctx, enum state_line line, const void *data, size_t len);
        /* Nothing came in time. Not called for what a lost connection took along. */
        void (*failed)(void *ctx, enum state_line line);
        void *ctx;
};

struct session;

/* Starts to dial. 0, -EINVAL (not a URL), -ENOMEM. */
NODISCARD int session_new(struct loop *l, const struct session_config *config,
                          struct session **ret_session);
struct session *session_free(struct session *s);
/* Send a request; one at a time on a line. 0, -ENOTCONN, -EBUSY, -EMSGSIZE, -ENOMEM. */
NODISCARD int session_send(struct session *s, enum state_line line, const void *data, size_t len);
/* The peer does not answer: drop the connection and dial anew. */
void session_redial(struct session *s);
