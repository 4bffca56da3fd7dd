/*
 * A growable byte buffer that is born with a maximum. Bytes are appended at the end and consumed at
 * the front. Embedded by value; owns its memory; single-threaded.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct buf {
        uint8_t *data; /* the first unread byte; NULL while nothing was ever appended */
        size_t len;    /* unread bytes */
        size_t max;    /* bytes it will never exceed */
        uint8_t *mem_;
        size_t cap_;
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_deinit(struct buf *b);
/* Drop the content, keep the memory. */
void buf_clear(struct buf *b);
/* Make room for `n` more bytes behind data+len. 0, -ENOBUFS above the maximum, -ENOMEM. */
NODISCARD int buf_reserve(struct buf *b, size_t n);
/* Append; on failure (-ENOBUFS, -ENOMEM) nothing is appended. */
NODISCARD int buf_append(struct buf *b, const void *data, size_t n);
NODISCARD int buf_append_str(struct buf *b, const char *s);
NODISCARD int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Forget the first `n` bytes; `n` must not exceed len. */
void buf_consume(struct buf *b, size_t n);
/* A NUL behind the content (not counted in len), so that data is a C string. 0 or as reserve. */
NODISCARD int buf_terminate(struct buf *b);
/* Free room behind data+len without growing. */
static inline size_t buf_room(const struct buf *b)
{
        return b->mem_ ? b->cap_ - (size_t)(b->data - b->mem_) - b->len : 0;
}

#define AUTO_BUF CLEANUP(buf_deinit) struct buf
