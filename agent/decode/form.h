/*
 * One field's bytes out of a form, as they come: multipart/form-data (RFC 7578) and
 * application/x-www-form-urlencoded. Streaming, no allocation; what is malformed ends the reading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define FORM_BOUNDARY_MAX 70 /* RFC 2046 */
#define FORM_LINE_MAX 256    /* bytes of a part's header line that are looked at */

/* Bytes of the wanted field; `begin` before the first of each field of that name. */
typedef void (*form_data_fn)(void *ctx, bool begin, const void *data, size_t len);

struct form {
        const char *field;
        form_data_fn fn;
        void *ctx;
        /* private */
        uint8_t state_;
        bool wanted_, begun_;
        uint8_t digits_, byte_; /* urlencoded: of "%XX" */
        uint16_t matched_;      /* multipart: bytes of the delimiter seen */
        uint16_t delimiter_len_;
        uint16_t line_len_;
        char delimiter_[4 + FORM_BOUNDARY_MAX]; /* "\r\n--boundary" */
        char line_[FORM_LINE_MAX];              /* a header, or an urlencoded name */
};

/* 0; -EINVAL when the boundary is none (ret untouched). */
NODISCARD int form_multipart(struct form *f, const char *boundary, size_t len, const char *field,
                             form_data_fn fn, void *ctx);
void form_urlencoded(struct form *f, const char *field, form_data_fn fn, void *ctx);
void form_feed(struct form *f, const void *data, size_t len);
