/*
 * The editor's stream of messages (VS Code's PersistentProtocol, base/parts/ipc/common/ipc.net.ts):
 * a head of 13 bytes, big-endian, and a body. Message ends have nothing to do with WebSocket
 * message ends. Bodies can be megabytes; of each only the beginning is looked at, the rest is
 * skipped.
 *
 * A body that lies whole in the bytes given is not copied; for one that does not, at most
 * EDITOR_PREFIX_MAX are kept in memory until they are together.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "presence/rules.h"

#define EDITOR_HEAD_LEN 13
/* Names, their lengths and the arguments' beginning. */
#define EDITOR_PREFIX_MAX (512 + RULES_ARGS_MAX)
/* A longer body is no editor's: a stream read at the wrong place would be skipped for hours. */
#define EDITOR_BODY_MAX (UINT32_C(1) << 30)

enum editor_type {
        EDITOR_REGULAR = 1,
        EDITOR_CONTROL = 2,
        EDITOR_ACK = 3,
        EDITOR_DISCONNECT = 5,
        EDITOR_REPLAY_REQUEST = 6,
        EDITOR_PAUSE = 7,
        EDITOR_RESUME = 8,
        EDITOR_KEEP_ALIVE = 9,
        EDITOR_LATENCY_REQUEST = 10,
        EDITOR_LATENCY_RESPONSE = 11,
};

/* What a connection is for, as its handshake says. */
enum editor_kind {
        EDITOR_KIND_NONE, /* not said yet */
        EDITOR_MANAGEMENT = 1,
        EDITOR_EXTENSION_HOST = 2,
        EDITOR_TUNNEL = 3,
};

struct editor_message {
        enum editor_type type;
        uint32_t id; /* counts regular messages of a direction from 1; 0 not counted */
        uint32_t length;
        const uint8_t *body; /* its beginning: all of it, or EDITOR_PREFIX_MAX bytes */
        size_t body_len;
};

/* Called when the beginning of the body is there. False ends the reading for good. */
typedef bool (*editor_fn)(void *ctx, const struct editor_message *m);

struct editor {
        const char *reason; /* after an error of the framing: a constant sentence; else NULL */

        /* private */
        bool failed_;
        uint8_t head_[EDITOR_HEAD_LEN], have_;
        struct editor_message message_;
        size_t got_;    /* bytes in prefix_ */
        uint32_t skip_; /* bytes of the body that nobody wants */
        uint8_t *prefix_;
};

void editor_init(struct editor *e);
void editor_deinit(struct editor *e);
/* False: not understood or out of memory (see reason), or `fn` said so; then for ever. */
NODISCARD bool editor_feed(struct editor *e, const void *data, size_t len, editor_fn fn, void *ctx);

/*
 * A control message of the handshake. *ret_kind: EDITOR_KIND_NONE for "auth", the kind for
 * "connectionType". False: neither, or the kind is not among the first `len` bytes.
 */
NODISCARD bool editor_handshake(const uint8_t *body, size_t len, enum editor_kind *ret_kind);
