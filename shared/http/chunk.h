/*
 * The chunked transfer coding, observed: the bytes are relayed as they came, and this tells where
 * the body ends and whether each byte belongs to it. Streaming, no buffer, no allocation.
 *
 * Strict: size lines are 1 to 15 hexadecimal digits and CRLF. Chunk extensions and trailer fields
 * are refused in both directions: no browser and no server of ours sends them, and they are where
 * readers disagree.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define HTTP_CHUNK_REFUSED 2 /* as HTTP_REFUSED; `reason` says why */

struct http_chunk {
        uint64_t left;      /* bytes of the current chunk still to come */
        const char *reason; /* after a refusal: a constant sentence */
        uint8_t state_, digits_;
};

#define HTTP_CHUNK_INIT ((struct http_chunk){0})

/*
 * Look at the next `len` bytes. *ret_used: how many of them belong to the body and are well formed.
 * 0 the body is complete (what follows *ret_used is the next message), HTTP_MORE, or
 * HTTP_CHUNK_REFUSED: the byte at *ret_used is wrong; the body is over for good.
 * Unlike elsewhere *ret_used is set in every case.
 */
NODISCARD int http_chunk_scan(struct http_chunk *c, const void *data, size_t len, size_t *ret_used);

/*
 * The decoder: as scan, but also says where the next run of data lies inside `data`. Call again
 * with what is behind *ret_used. *ret_data_at, *ret_data_len: a run of decoded bytes, len 0 if
 * none.
 */
NODISCARD int http_chunk_next(struct http_chunk *c, const void *data, size_t len, size_t *ret_used,
                              size_t *ret_data_at, size_t *ret_data_len);
