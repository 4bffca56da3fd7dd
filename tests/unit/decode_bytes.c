#include "decode_bytes.h"

#include <stdio.h>

#include "test.h"

static void put(struct buf *out, const void *data, size_t len)
{
        CHECK(buf_append(out, data, len) == 0);
}

static void put_byte(struct buf *out, uint8_t b)
{
        put(out, &b, 1);
}

void put_be32(struct buf *out, uint32_t v)
{
        const uint8_t b[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

        put(out, b, sizeof(b));
}

void put_frame(struct buf *out, uint8_t first, const void *payload, size_t len)
{
        static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
        const uint8_t *p = payload;

        put_byte(out, first);
        if (len < 126) {
                put_byte(out, (uint8_t)(0x80 | len));
        } else if (len <= UINT16_MAX) {
                put_byte(out, 0x80 | 126);
                put_byte(out, (uint8_t)(len >> 8));
                put_byte(out, (uint8_t)len);
        } else {
                put_byte(out, 0x80 | 127);
                put_be32(out, (uint32_t)((uint64_t)len >> 32));
                put_be32(out, (uint32_t)len);
        }
        put(out, mask, sizeof(mask));
        CHECK(buf_reserve(out, len) == 0);
        for (size_t i = 0; i < len; i++)
                out->data[out->len + i] = p[i] ^ mask[i % 4];
        out->len += len;
}

void put_deflated(struct buf *out, z_stream *zs, const void *data, size_t len)
{
        uint8_t piece[4096];

        if (len == 0) {
                /* zlib flushes nothing twice; an empty block without its end (RFC 7692, 7.2.3.6) */
                put_byte(out, 0);
                return;
        }
        zs->next_in = (Bytef *)(uintptr_t)data;
        zs->avail_in = (uInt)len;
        do {
                zs->next_out = piece;
                zs->avail_out = sizeof(piece);
                CHECK(deflate(zs, Z_SYNC_FLUSH) == Z_OK);
                put(out, piece, sizeof(piece) - zs->avail_out);
        } while (zs->avail_out == 0);
        CHECK(out->len >= 4 && memcmp(out->data + out->len - 4, "\0\0\xff\xff", 4) == 0);
        out->len -= 4;
}

void put_message(struct buf *out, enum editor_type type, uint32_t id, const void *body, size_t len)
{
        put_byte(out, (uint8_t)type);
        put_be32(out, id);
        put_be32(out, 0);
        put_be32(out, (uint32_t)len);
        put(out, body, len);
}

void put_vql(struct buf *out, uint32_t v)
{
        while (v > 0x7f) {
                put_byte(out, (uint8_t)(v | 0x80));
                v >>= 7;
        }
        put_byte(out, (uint8_t)v);
}

void put_int(struct buf *out, uint32_t v)
{
        put_byte(out, 6);
        put_vql(out, v);
}

void put_text(struct buf *out, const char *text)
{
        put_byte(out, 1);
        put_vql(out, (uint32_t)strlen(text));
        put(out, text, strlen(text));
}

void put_array(struct buf *out, uint32_t count)
{
        put_byte(out, 4);
        put_vql(out, count);
}

void put_header(struct buf *out, uint32_t type, uint32_t id, const char *channel,
                const char *command)
{
        put_array(out, 4);
        put_int(out, type);
        put_int(out, id);
        put_text(out, channel);
        put_text(out, command);
}

void put_request(struct buf *out, uint8_t type, const char *method, const char *json)
{
        put_byte(out, type);
        put_be32(out, 77);
        put_byte(out, 42);
        put_byte(out, (uint8_t)strlen(method));
        put(out, method, strlen(method));
        put_be32(out, (uint32_t)strlen(json));
        put(out, json, strlen(json));
}

mono_t at_ms(int64_t ms)
{
        return (mono_t){(1000000 + ms) * US_PER_MS};
}

static void parse_head(struct http_head *h, enum http_kind kind, char *text, size_t size,
                       const char *head)
{
        int n = snprintf(text, size, "%s\r\n\r\n", head);

        CHECK(n > 0 && (size_t)n < size);
        http_head_init(h, kind);
        CHECK_INT(http_head_parse(h, text, (size_t)n), 0);
}

struct watch *ask(struct observer *o, const char *head, int64_t ms)
{
        struct http_head h;
        char text[2048];

        parse_head(&h, HTTP_REQUEST, text, sizeof(text), head);
        return observer_request(o, &h, at_ms(ms));
}

void answer(struct watch *w, const char *lines, int64_t ms)
{
        struct http_head h;
        char text[2048], head[1024];

        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade%s%s",
                       lines[0] ? "\r\n" : "", lines);
        parse_head(&h, HTTP_RESPONSE, text, sizeof(text), head);
        watch_upgraded(w, &h, at_ms(ms));
}

static void feed(struct tab *t, const uint8_t *data, size_t len, int64_t ms)
{
        size_t step = t->step ? t->step : len;

        for (size_t at = 0; at < len; at += step)
                watch_stream(t->watch, data + at, MIN(step, len - at), at_ms(ms));
}

void tab_send(struct tab *t, const void *data, size_t len, int64_t ms)
{
        AUTO_BUF frame = BUF_INIT(BYTES_MAX);
        AUTO_BUF payload = BUF_INIT(BYTES_MAX);

        if (t->compress) {
                put_deflated(&payload, &t->zs, data, len);
                put_frame(&frame, WS_FIN | WS_RSV1 | WS_BINARY, payload.data, payload.len);
        } else {
                put_frame(&frame, WS_FIN | WS_BINARY, data, len);
        }
        feed(t, frame.data, frame.len, ms);
}

static void send_message(struct tab *t, enum editor_type type, uint32_t id, const void *body,
                         size_t len, int64_t ms)
{
        AUTO_BUF m = BUF_INIT(BYTES_MAX);

        put_message(&m, type, id, body, len);
        tab_send(t, m.data, m.len, ms);
}

static void handshake(struct tab *t, int64_t ms)
{
        static const char auth[] =
                "{\"type\":\"auth\",\"auth\":\"00000000000000000000\",\"data\":\"7e2d\"}";
        char type[256];

        (void)snprintf(type, sizeof(type),
                       "{\"type\":\"connectionType\",\"commit\":\"53c2f3253bcf\","
                       "\"signedData\":\"a{b,c\\\"\",\"desiredConnectionType\":%d,"
                       "\"args\":{\"language\":\"en\"}}",
                       (int)t->kind);
        send_message(t, EDITOR_CONTROL, 0, auth, strlen(auth), ms);
        send_message(t, EDITOR_CONTROL, 0, type, strlen(type), ms);
}

void tab_open(struct tab *t, struct observer *o, enum editor_kind kind, const char *token,
              bool again, int64_t ms)
{
        char head[512];

        t->observer = o;
        t->kind = kind;
        (void)snprintf(head, sizeof(head),
                       "GET /stable-53c2f32?reconnectionToken=%s&reconnection=%s"
                       "&skipWebSocketFrames=false HTTP/1.1\r\nHost: a.localhost\r\n"
                       "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n"
                       "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
                       token, again ? "true" : "false");
        t->watch = ask(o, head, ms);
        CHECK(t->watch);
        answer(t->watch, t->compress ? "Sec-WebSocket-Extensions: permessage-deflate" : "", ms);
        if (t->compress) {
                t->zs = (z_stream){0};
                CHECK(deflateInit2(&t->zs, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        }
        t->open = true;
        handshake(t, ms);
}

void tab_close(struct tab *t, int64_t ms)
{
        if (!t->open)
                return;
        t->watch = watch_end(t->watch, at_ms(ms));
        if (t->compress)
                (void)deflateEnd(&t->zs);
        t->open = false;
}

void tab_keep_alive(struct tab *t, int64_t ms)
{
        send_message(t, EDITOR_KEEP_ALIVE, 0, "", 0, ms);
}

void tab_regular(struct tab *t, uint32_t id, const void *body, size_t len, int64_t ms)
{
        send_message(t, EDITOR_REGULAR, id ? id : ++t->id, body, len, ms);
}

void tab_method(struct tab *t, const char *method, const char *json, int64_t ms)
{
        AUTO_BUF b = BUF_INIT(BYTES_MAX);

        put_request(&b, 1, method, json);
        tab_regular(t, 0, b.data, b.len, ms);
}

void tab_type(struct tab *t, const char *text, int64_t ms)
{
        AUTO_BUF b = BUF_INIT(BYTES_MAX);

        put_header(&b, 100, 1131, "remoteterminal", "$input");
        put_array(&b, 2);
        put_int(&b, 1);
        put_text(&b, text);
        tab_regular(t, 0, b.data, b.len, ms);
}
