/*
 * The bytes that a browser with the editor's page sends, made layer by layer, and a connection of
 * such a page to an observer. For tests; what can not fail in them is checked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>

#include "base/buf.h"
#include "decode/editor.h"
#include "decode/observer.h"

#define BYTES_MAX ((size_t)64 << 20)
#define WS_FIN 0x80
#define WS_RSV1 0x40
#define WS_BINARY 2

/* A masked frame; the first byte is given whole. */
void put_frame(struct buf *out, uint8_t first, const void *payload, size_t len);
/* What permessage-deflate sends for one message: without the last four bytes. */
void put_deflated(struct buf *out, z_stream *zs, const void *data, size_t len);
/* The editor's message of 13 bytes and a body. */
void put_message(struct buf *out, enum editor_type type, uint32_t id, const void *body, size_t len);
void put_be32(struct buf *out, uint32_t v);

/* Serialized values of the management connection. */
void put_vql(struct buf *out, uint32_t v);
void put_int(struct buf *out, uint32_t v);
void put_text(struct buf *out, const char *text);
void put_array(struct buf *out, uint32_t count);
/* [type, id, channel, command], before the arguments. */
void put_header(struct buf *out, uint32_t type, uint32_t id, const char *channel,
                const char *command);
/* A request of the extension host's connection, of types 1 and 2. */
void put_request(struct buf *out, uint8_t type, const char *method, const char *json);

struct tab {
        struct observer *observer;
        struct watch *watch;
        enum editor_kind kind;
        bool compress, open;
        z_stream zs;
        uint32_t id; /* of the last message */
        size_t step; /* bytes handed on at a time; 0 all */
};

mono_t at_ms(int64_t ms);
/* A request head, whole; "\r\n" is put between the lines and behind. NULL or a watch. */
struct watch *ask(struct observer *o, const char *head, int64_t ms);
/* The app answers 101 with these further header lines ("" none). */
void answer(struct watch *w, const char *lines, int64_t ms);

/* Upgrade, 101, handshake. */
void tab_open(struct tab *t, struct observer *o, enum editor_kind kind, const char *token,
              bool again, int64_t ms);
void tab_close(struct tab *t, int64_t ms);
/* These bytes as one WebSocket message. */
void tab_send(struct tab *t, const void *data, size_t len, int64_t ms);
void tab_keep_alive(struct tab *t, int64_t ms);
/* The next regular message; with id != 0 under that number, again. */
void tab_regular(struct tab *t, uint32_t id, const void *body, size_t len, int64_t ms);
void tab_method(struct tab *t, const char *method, const char *json, int64_t ms);
/* remoteterminal.$input [1, text] */
void tab_type(struct tab *t, const char *text, int64_t ms);
