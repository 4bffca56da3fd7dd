/*
 * The pages that a student sees while the workspace itself does not answer: one HTML text each,
 * with nothing from elsewhere. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

enum page_id {
#define PAGE(id, phase, status, title, text) PAGE_##id,
#include "in/pages.def"
#undef PAGE
        PAGE_MAX
};

/* What /_workspace/status calls it; a page that polls reloads when the phase changes. */
const char *page_phase(enum page_id id);
int page_status(enum page_id id);
const char *page_text(enum page_id id);

#define PAGE_NONCE_SIZE 33

/*
 * `name` of the workspace and `detail` (may be "") are escaped here. `nonce` (hex) is the one that
 * the Content-Security-Policy of the answer allows. 0, -ENOMEM, -ENOBUFS.
 */
NODISCARD int page_render(enum page_id id, const char *name, const char *detail, const char *nonce,
                          struct buf *out);
/* Append `text` so that it is text in HTML, in an attribute's value as well. */
NODISCARD int page_escape(const char *text, struct buf *out);
