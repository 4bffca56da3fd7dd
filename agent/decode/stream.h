/*
 * The client's bytes behind an editor's upgrade, through all layers: WebSocket, permessage-deflate,
 * the editor's messages, its handshake, calls by name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "decode/editor.h"
#include "decode/inflate.h"
#include "decode/ws.h"

enum stream_from { STREAM_METHOD, STREAM_COMMAND, STREAM_LISTEN };

struct stream_call {
        enum stream_from from;
        const char *name;
        size_t name_len;
        const char *args; /* at most RULES_ARGS_MAX bytes */
        size_t args_len;
};

struct stream_sink {
        /* The handshake has said what it is for; once, before the others. Not for tunnels. */
        void (*opened)(void *ctx, enum editor_kind kind);
        /* A message of this id: is it new? One that is not is not looked into. */
        bool (*fresh)(void *ctx, uint32_t id);
        void (*call)(void *ctx, const struct stream_call *call);
        /* The page says that it is being closed. */
        void (*gone)(void *ctx);
        void *ctx;
};

struct stream {
        const char *reason; /* why it is not understood: a constant sentence; else NULL */

        /* private */
        bool raw_, begun_, tunnel_;
        enum editor_kind kind_;
        struct ws ws_;
        struct inflate *inflate_;
        struct editor editor_;
        const struct stream_sink *sink_; /* while fed */
};

/*
 * `raw`: the editor's messages come without WebSocket frames. False: not understood (see reason);
 * to be ended all the same.
 */
NODISCARD bool stream_init(struct stream *s, bool raw, const struct http_head *response);
void stream_deinit(struct stream *s);
/* False: not understood (see reason); then for ever, and all memory is given back. */
NODISCARD bool stream_feed(struct stream *s, const void *data, size_t len,
                           const struct stream_sink *sink);

/*
 * The text of a call with arguments [number, text]; in `buf` or in the arguments. *ret_cut: it is
 * not complete. False: the arguments look different.
 */
NODISCARD bool stream_typed(const struct stream_call *call, uint8_t *buf, size_t size,
                            const uint8_t **ret_text, size_t *ret_len, bool *ret_cut);
