/*
 * The client's side of permessage-deflate (RFC 7692) by zlib: what was agreed, and messages out of
 * compressed payload. Output is handed on in pieces from a buffer on the stack, so that a message
 * that inflates to gigabytes costs time and no memory.
 *
 * Memory: zlib's state and window only, at most INFLATE_MEMORY_MAX; its allocator enforces it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "http/head.h"

#define INFLATE_MEMORY_MAX ((size_t)48 * 1024)

struct inflate_terms {
        bool agreed;      /* messages may be compressed */
        bool no_takeover; /* the client begins each message with an empty window */
        int window_bits;  /* of the client, 8 to 15 */
};

/*
 * What the response to the upgrade says of extensions. False: something was agreed that we can not
 * read (another extension, an unknown parameter, a wrong value).
 */
NODISCARD bool inflate_terms_of(const struct http_head *response, struct inflate_terms *ret_terms);

struct inflate;
/* False from the sink ends the reading for good. */
typedef bool (*inflate_sink_fn)(void *ctx, const uint8_t *data, size_t len);

/* `terms` must be agreed. 0 or -ENOMEM. */
NODISCARD int inflate_new(const struct inflate_terms *terms, struct inflate **ret_inflate);
struct inflate *inflate_free(struct inflate *z);
/* Payload of a compressed message. False: no deflate stream, or the sink said so; then for ever. */
NODISCARD bool inflate_feed(struct inflate *z, const void *data, size_t len, inflate_sink_fn sink,
                            void *ctx);
/* The message is complete. */
NODISCARD bool inflate_end(struct inflate *z, inflate_sink_fn sink, void *ctx);
/* Bytes that zlib holds now. */
size_t inflate_memory(const struct inflate *z);
