/*
 * The connection to a controller: one nng REQ socket with a context per line over one TCP
 * connection. nng.c is the only file of the agent that knows nng.
 *
 * nng calls back from threads of its own; those callbacks note what happened and wake the loop. All
 * functions here and all functions given here run in the loop's thread. The loop's on_wake hook
 * belongs to the session.
 *
 * Dialling is done by hand, each attempt when the state machine says so: nng 1.5 redials at once
 * half of the time, and knows one address.
 *
 * A session ends with its process only. nng 1.5 may wait for ever for the end of a connection that
 * is closed between the length of a message and its body (nng's issue 1813): in nng_close, and in
 * the one thread that takes connections away, after which no loss of a connection is ever told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"
#include "link/state.h"
#include "loop/loop.h"

#define SESSION_REPORT_TIMEOUT_MS 5000
#define SESSION_REPORT_TIMEOUT_SEVERAL_MS 3000 /* where another controller may lead */
/* The controller holds a saved for 60 s at most. */
#define SESSION_AWAIT_TIMEOUT_MS ((int)STATE_AWAIT_MS + 15000)
#define SESSION_SAVED_TIMEOUT_MS 75000
/* From hanging up to the word that the connection is gone; it takes milliseconds. */
#define SESSION_STUCK_MS 5000

struct session_config {
        int report_timeout_ms;
        /* One of the first two follows each session_dial, and the third the first. */
        void (*connected)(void *ctx);
        void (*dial_failed)(void *ctx, const char *reason);
        void (*disconnected)(void *ctx);
        /* `data` is valid during the call. */
        void (*answer)(void *ctx, enum state_line line, const void *data, size_t len);
        /* Nothing came in time. Not called for what a lost connection took along. */
        void (*failed)(void *ctx, enum state_line line);
        /* The library does not let go of a connection: only another process will have a new one. */
        void (*stuck)(void *ctx);
        void *ctx;
};

struct session;

/* "tcp://host:port" and the like. */
bool session_url_valid(const char *url);
/* Once in a process. 0, -ENOMEM. */
NODISCARD int session_new(struct loop *l, const struct session_config *config,
                          struct session **ret_session);
/* Send a request; one at a time on a line. 0, -ENOTCONN, -EBUSY, -EMSGSIZE, -ENOMEM. */
NODISCARD int session_send(struct session *s, enum state_line line, const void *data, size_t len);
/* When there is no connection and none is being made. */
void session_dial(struct session *s, const char *url);
/* Drop the connection, or give up dialling: `disconnected` or `dial_failed` follows. */
void session_hang_up(struct session *s);
