/*
 * Build heads: from a parsed one with changes, or from nothing. Output is bounded by the buffer.
 * A rebuilt head has one space behind each colon and CRLF ends; names, order and values stay.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "http/head.h"

struct http_edit {
        const char *const *drop; /* names to leave out, ended by NULL; or NULL */
        const char *drop_cookie; /* leave this cookie out of each Cookie header; or NULL */
        const char *const *add;  /* name, value, name, value, ..., NULL; or NULL */
};

/*
 * Append the head with its empty line. `edit` may be NULL. The start line is repeated as parsed,
 * with its version. 0, or -ENOBUFS, -ENOMEM with `out` as before.
 */
NODISCARD int http_head_write(const struct http_head *h, const struct http_edit *edit,
                              struct buf *out);

/* The usual phrase of a status code ("Not Found"); "Status" for one that is not in the table. */
const char *http_reason(uint16_t status);
