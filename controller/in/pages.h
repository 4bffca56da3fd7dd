/*
 * The pages that a student sees while the workspace itself does not answer: one HTML text each,
 * with nothing from elsewhere. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

enum page_id {
#define PAGE(id, phase, status, retry_s, kind, title, text) PAGE_##id,
#include "in/pages.def"
#undef PAGE
        PAGE_MAX
};

/* What /_workspace/status calls it; a page that polls reloads when the phase changes. */
const char *page_phase(enum page_id id);
int page_status(enum page_id id);
/* Seconds for Retry-After; 0: none. */
uint32_t page_retry_s(enum page_id id);
const char *page_text(enum page_id id);
/* It opens the workspace by itself, soon. */
bool page_waits(enum page_id id);

#define PAGE_NONCE_SIZE 33
#define PAGE_STEPS 3 /* a place, the files, the application */

/* What differs from one workspace to the next. Text is escaped by page_render; none may be NULL. */
struct page_view {
        const char *base;   /* in front of the workspace's own paths: "" or "/w/ws-…" */
        const char *name;   /* of the workspace, "" is not shown */
        const char *detail; /* what else there is to say, or "" */
        const char *nonce;  /* hex; the one that the answer's Content-Security-Policy allows */
        const char *ticket; /* of a browser that came by a link, or "" */
        uint64_t life;      /* of a workspace that a click resumes: its generation */
        uint32_t place;     /* in the queue, 1 is next */
        unsigned step;      /* of a start: 1 to PAGE_STEPS; 0 is not shown */
        int permille;       /* of what is under way; < 0 not known */
};

/* 0, -ENOMEM, -ENOBUFS. */
NODISCARD int page_render(enum page_id id, const struct page_view *v, struct buf *out);
/* Append `text` so that it is text in HTML, in an attribute's value as well. */
NODISCARD int page_escape(const char *text, struct buf *out);
