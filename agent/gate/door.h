/*
 * The door: what happens to a request, by its head and what the gate knows. Pure.
 *
 * Order of the rules: health is for everyone; all else needs the workspace's key, once the gate has
 * been told which (so it came through the front door); then access, by cookie or ticket (admit.h);
 * then the gate's own paths ("keep" with the Origin's rule, it changes something); then the Origin;
 * then whether the app is there. A ticket is used up only when the app is there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "gate/admit.h"
#include "http/head.h"

struct door_rules {
        bool configured;  /* the gate knows which workspace it serves */
        bool app_up;      /* the app has answered a probe */
        bool stopping;    /* the app is being stopped: what is open goes on */
        char key[65];     /* what X-Workspace-Key must be; "" nothing is required */
        char key_old[65]; /* or this; "" none */
        char host[96];    /* host[:port] of the only Origin let in */
        struct admit_rules admit;
};

enum door_way {
        DOOR_PASS,   /* to the app */
        DOOR_HEALTH, /* GET /_workspace/health */
        DOOR_STATUS, /* GET /_workspace/status */
        DOOR_KEEP,   /* POST /_workspace/keep: a person wants to go on */
        DOOR_WAIT,   /* the app is not there: the status page, 503 */
        DOOR_LEAD,   /* "Resume" of what runs already: to the workspace with the link it has, 303 */
        DOOR_ADMIT,  /* a link: the cookie, and to the address without the ticket, 303 */
        DOOR_DENY,   /* no access: the page that says why, 403 */
        DOOR_REFUSE, /* status and reason */
};

struct door_verdict {
        enum door_way way;
        uint16_t status;            /* DOOR_REFUSE */
        const char *reason;         /* DOOR_REFUSE: a constant sentence */
        bool websocket;             /* a WebSocket handshake */
        bool to_head;               /* the method is HEAD: an answer has no body */
        bool html;                  /* the answer is for a person's browser */
        struct admit_verdict admit; /* DOOR_PASS, DOOR_ADMIT, DOOR_DENY */
};

/* `h` is a complete request head. */
struct door_verdict door_judge(const struct http_head *h, const struct door_rules *rules);
/*
 * The same for the notice socket (notice.h): status and keep, without a key or an Origin, because
 * only the app's user can connect there; nothing else, and never to the app.
 */
struct door_verdict door_judge_notice(const struct http_head *h, const struct door_rules *rules);

/*
 * Append the head as the app gets it: without the key, X-Forwarded-Host, Forwarded, the access
 * cookie and what belongs to one connection alone. 0, -ENOBUFS, -ENOMEM.
 */
NODISCARD int door_write_request(const struct http_head *h, bool websocket, struct buf *out);

/*
 * Append the response head as the client gets it. Interim (1xx) heads say nothing of the
 * connection, 101 says upgrade, others keep-alive or close. `cookie`: the value of one more
 * Set-Cookie, or NULL.
 */
NODISCARD int door_write_response(const struct http_head *h, bool keep_alive, const char *cookie,
                                  struct buf *out);
