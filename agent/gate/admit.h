/*
 * Who may in: the ticket in an address, the cookie of a browser. Pure.
 *
 * A ticket (crypto/access.h) stands in the query as ws_access=…; the first use of it gives the
 * browser a cookie of that name and leads to the same address without it. Keys are of this
 * workspace and generation alone. There may be two while the controller's master key is changed:
 * what is made is made with the first, what comes may be of either.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/access.h"
#include "gate/used.h"
#include "http/head.h"

#define ADMIT_NAME "ws_access" /* of the cookie, and in the query */
#define ADMIT_KEY_SIZE 65
#define ADMIT_KEYS 2
#define ADMIT_COOKIE_SIZE 512 /* a Set-Cookie value, with NUL */

enum admit_denial {
        ADMIT_OK,
#define DENIAL(id, code, title, text) ADMIT_##id,
#include "gate/denial.def"
#undef DENIAL
        ADMIT_DENIAL_MAX
};

struct admit_rules {
        char key[ADMIT_KEYS]
                [ADMIT_KEY_SIZE]; /* 64 hex digits or ""; without a first nobody is let in */
        uint64_t generation;
        uint64_t now_s;          /* unix time */
        const struct used *used; /* NULL: nothing was used yet */
        uint32_t cookie_s;       /* how long a cookie is good */
        char cookie[64];         /* what else stands in Set-Cookie: "; SameSite=Lax; Secure" */
};

struct admit_verdict {
        enum admit_denial denial; /* ADMIT_OK: by the cookie or by the ticket */
        bool link;                /* the address holds a ticket, whatever it is worth */
        bool cookie;              /* a good cookie came */
        bool renew;           /* it should be replaced: half its life is over, or its key is old */
        bool ticket;          /* a good, unused ticket came */
        struct access access; /* with ticket */
};

void admit_judge(const struct http_head *h, const struct admit_rules *rules,
                 struct admit_verdict *ret_verdict);

/* The target without its tickets: a path of this host, whatever the target was. 0, -ENOBUFS,
 * -ENOMEM. */
NODISCARD int admit_clean(struct http_span target, struct buf *out);
/* The first page, with the target's ticket when it is formed like one. As admit_clean. */
NODISCARD int admit_lead(struct http_span target, struct buf *out);
/* The value of Set-Cookie for a new cookie. */
void admit_cookie(const struct admit_rules *rules, char ret_value[static ADMIT_COOKIE_SIZE]);
