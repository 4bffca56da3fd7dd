/*
 * The client's side of a WebSocket (RFC 6455), observed: frames in any split, payload out, unmasked
 * into a small buffer on the stack; the bytes given are not changed. No allocation.
 *
 * Strict, because what we understand differently from the app is worth nothing as evidence: client
 * frames are masked, lengths are in their shortest form, RSV1 only on the first frame of a message
 * and only if an extension was negotiated, no RSV2 and RSV3, no reserved opcode, control frames
 * whole and at most 125 bytes. The first error is final. Behind a Close frame nothing is looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

/*
 * Payload of data messages, in order, in pieces of at most WS_PIECE_MAX bytes; and the end of each
 * message. `compressed`: its RSV1 was set. False from either ends the reading for good.
 */
struct ws_sink {
        bool (*payload)(void *ctx, const uint8_t *data, size_t len, bool compressed);
        bool (*end)(void *ctx, bool compressed);
        void *ctx;
};

#define WS_PIECE_MAX 8192

struct ws {
        const char *reason; /* after an error of the framing: a constant sentence; else NULL */
        bool closed;        /* a Close frame was seen */

        /* private */
        bool extension_;  /* RSV1 may be set */
        bool failed_;     /* for good */
        bool in_message_; /* a fragment was there, its last is not */
        bool compressed_; /* the message under way */
        uint8_t state_, opcode_, mask_at_, need_, have_;
        bool fin_;
        uint8_t head_[14];
        uint64_t left_; /* of the payload */
};

void ws_init(struct ws *w, bool extension);
/* The next bytes. False: not understood (see reason), or the sink said so; then for ever. */
NODISCARD bool ws_feed(struct ws *w, const void *data, size_t len, const struct ws_sink *sink);
