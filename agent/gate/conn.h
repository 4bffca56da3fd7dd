/*
 * One client connection: the state machine.
 *
 *   HEAD      a request head is awaited or being read
 *   CONNECT   the app's queue is full; tried again soon
 *   EXCHANGE  one request and its response are relayed
 *   TUNNEL    behind a 101: opaque both ways
 *   ANSWER    an answer of the gate's own is being written
 *   LINGER    all is said; what the client still sends is read away, so that it gets the answer
 *
 * Each request has an app connection of its own ("Connection: close" to the app): a response cannot
 * belong to another request, nothing smuggled into a body can become a request, and an idle app
 * connection cannot close under a request. The app is on a Unix socket, so this costs little.
 */
#pragma once

#include "gate/gate.h"
#include "http/chunk.h"
#include "gate/relay.h"

#define CONN_STALL_MS (60 * 60 * 1000) /* no byte either way in an exchange */

enum conn_state {
        CONN_HEAD,
        CONN_CONNECT,
        CONN_EXCHANGE,
        CONN_TUNNEL,
        CONN_ANSWER,
        CONN_LINGER,
};

/* One message body on its way through a lane. */
struct conn_body {
        enum http_body kind;
        uint64_t left; /* HTTP_BODY_LENGTH: bytes not yet allowed to pass */
        struct http_chunk chunk;
        bool complete; /* all of it may pass; what is behind in the lane is something else */
};

struct conn {
        struct gate *gate;
        struct conn *next, *prev;
        enum conn_state state;
        int client_fd, app_fd;
        struct loop_fd client_src, app_src;
        struct loop_timer timer;
        mono_t progress; /* when a byte last moved */

        struct lane up;   /* client to app */
        struct lane down; /* app to client */
        struct http_head request, response;
        struct conn_body request_body, response_body;
        struct door_verdict verdict;

        struct watch *watch; /* of the request under way, while the observer wants to see more */

        bool notice;           /* came by the notice socket */
        bool seen_request;     /* not the first head on this connection */
        bool keep_alive;       /* another request may follow */
        bool response_head;    /* the final response's head is on its way */
        bool app_deaf;         /* writing to the app failed: its answer is still read */
        bool counted;          /* in gate->relays */
        bool counts_websocket; /* in gate->websockets: the client has not closed its side */
        mono_t connect_until;
};

/*
 * Take over an accepted, non-blocking socket; `notice`: of the notice socket. 0 or -errno; on
 * failure the socket stays the caller's.
 */
NODISCARD int conn_new(struct gate *g, int fd, bool notice);
/* Close everything. */
void conn_free(struct conn *c);

/*
 * For exchange.c and conn.c. Each returns CONN_WAIT (until a socket or the timer moves), CONN_AGAIN
 * (the state has changed) or -errno: the connection is beyond saving and must be freed.
 */
#define CONN_WAIT 0
#define CONN_AGAIN 1

/* The head in `request` may pass: connect to the app. */
int exchange_begin(struct conn *c);
/* Move what can be moved in EXCHANGE. */
int exchange_step(struct conn *c);

/* Drop the app's side; the client's stays. */
void conn_leave_app(struct conn *c);
/* An answer of our own instead of a response; then the connection closes. */
int conn_refuse(struct conn *c, uint16_t status, const char *reason);
/* The status page (502, 503) instead of a response. */
int conn_answer_wait(struct conn *c, uint16_t status);
/* The exchange is over, all is written. */
int conn_exchange_done(struct conn *c);
/* The app agreed to switch protocols. */
int conn_begin_tunnel(struct conn *c);
/* Watch the app's socket from now on. 0 or -errno. */
int conn_watch_app(struct conn *c);
