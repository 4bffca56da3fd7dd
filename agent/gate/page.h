/*
 * What the gate answers by itself: complete responses, head and body. Pure; appended to a buffer.
 * All return 0, -ENOBUFS or -ENOMEM (then the buffer is as before).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "gate/admit.h"

#define PAGE_NOTICES_MAX 2

struct page_state {
        const char *phase;                     /* wire/agent_phase.def */
        const char *message;                   /* for people, or "" */
        const char *notices[PAGE_NOTICES_MAX]; /* for the editor, "" or NULL: none */
        uint64_t generation;
        bool ready;            /* a request would be passed to the app now */
        int64_t stop_in_s;     /* without new evidence of a person; -1 not known or never */
        const char *stop_rule; /* which limit that is; NULL with -1 */
        int64_t warn_s;        /* nearer than that, people are warned */
};

struct page_form {
        bool html;       /* else JSON */
        bool to_head;    /* no body */
        bool keep_alive; /* what the Connection header says */
};

/* 200 and the state as JSON. */
NODISCARD int page_write_status(struct buf *out, const struct page_state *s, struct page_form form);
/* 303 to the address, a path; `cookie` is the value of Set-Cookie, or NULL. */
NODISCARD int page_write_redirect(struct buf *out, const char *to, const char *cookie,
                                  struct page_form form);
/* "link-used" and the like. */
const char *page_denial_code(enum admit_denial denial);
/* 403 and why, with the way back to `platform` ("" not known). The connection is closed behind it.
 */
NODISCARD int page_write_denial(struct buf *out, enum admit_denial denial, const char *platform,
                                struct page_form form);
/* 204: done, nothing to say. */
NODISCARD int page_write_done(struct buf *out, struct page_form form);
/* 200 {"ok":true}: the gate lives. */
NODISCARD int page_write_health(struct buf *out, struct page_form form);
/*
 * `status` (502, 503) and the state: for a browser a page that asks for the state until the app is
 * ready and then loads itself again, else JSON.
 */
NODISCARD int page_write_wait(struct buf *out, uint16_t status, const struct page_state *s,
                              struct page_form form);
/* `status` and one sentence. The connection is closed behind it. */
NODISCARD int page_write_refusal(struct buf *out, uint16_t status, const char *reason,
                                 struct page_form form);
