#include "decode/ws.h"

#include <string.h>

enum { STATE_HEAD, STATE_PAYLOAD };

enum { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

#define HEAD_MIN 2
#define MASK_LEN 4
#define CONTROL_MAX 125

void ws_init(struct ws *w, bool extension)
{
        *w = (struct ws){.extension_ = extension, .need_ = HEAD_MIN};
}

static bool refuse(struct ws *w, const char *reason)
{
        w->reason = reason;
        w->failed_ = true;
        return false;
}

static bool is_control(const struct ws *w)
{
        return w->opcode_ >= OP_CLOSE;
}

static uint64_t be(const uint8_t *p, size_t n)
{
        uint64_t v = 0;

        while (n-- > 0)
                v = v << 8 | *p++;
        return v;
}

/* The first byte: which message does the frame belong to? */
static bool take_opcode(struct ws *w, uint8_t b)
{
        bool rsv1 = b & 0x40;

        w->fin_ = b & 0x80;
        w->opcode_ = b & 0x0f;
        if (b & 0x30)
                return refuse(w, "a WebSocket frame has a reserved bit");
        switch (w->opcode_) {
        case OP_TEXT:
        case OP_BINARY:
                if (w->in_message_)
                        return refuse(w, "a WebSocket message begins inside of another");
                if (rsv1 && !w->extension_)
                        return refuse(w, "a WebSocket message is compressed, which nobody agreed");
                w->compressed_ = rsv1;
                w->in_message_ = true;
                return true;
        case OP_CONTINUATION:
                if (!w->in_message_)
                        return refuse(w, "a WebSocket message begins with a continuation");
                break;
        case OP_CLOSE:
        case OP_PING:
        case OP_PONG:
                if (!w->fin_)
                        return refuse(w, "a WebSocket control frame is fragmented");
                break;
        default:
                return refuse(w, "a WebSocket frame has a reserved opcode");
        }
        return rsv1 ? refuse(w, "RSV1 is set where no WebSocket message begins") : true;
}

/* The second byte: how long is the head? */
static bool take_length_code(struct ws *w, uint8_t b)
{
        uint8_t code = b & 0x7f;

        if (!(b & 0x80))
                return refuse(w, "a WebSocket frame of a client is not masked");
        if (is_control(w) && code > CONTROL_MAX)
                return refuse(w, "a WebSocket control frame is longer than 125 bytes");
        w->need_ = (uint8_t)(HEAD_MIN + MASK_LEN + (code == 126 ? 2 : code == 127 ? 8 : 0));
        return true;
}

static bool take_length(struct ws *w)
{
        uint8_t code = w->head_[1] & 0x7f;
        size_t n = w->need_ - HEAD_MIN - MASK_LEN;

        w->left_ = n > 0 ? be(w->head_ + HEAD_MIN, n) : code;
        if ((n == 2 && w->left_ < 126) || (n == 8 && w->left_ <= UINT16_MAX))
                return refuse(w, "a WebSocket length is not in its shortest form");
        if (w->left_ > INT64_MAX)
                return refuse(w, "a WebSocket length has its highest bit set");
        w->mask_at_ = 0;
        w->state_ = STATE_PAYLOAD;
        return true;
}

/* The payload of the frame is complete. */
static bool frame_end(struct ws *w, const struct ws_sink *sink)
{
        w->state_ = STATE_HEAD;
        w->have_ = 0;
        w->need_ = HEAD_MIN;
        if (w->opcode_ == OP_CLOSE)
                w->closed = true;
        if (is_control(w) || !w->fin_)
                return true;
        w->in_message_ = false;
        return sink->end(sink->ctx, w->compressed_);
}

static bool take_head(struct ws *w, const uint8_t *data, size_t len, size_t *ret_used)
{
        size_t used = 0;

        while (used < len && w->have_ < w->need_) {
                w->head_[w->have_++] = data[used++];
                if (w->have_ == 1 && !take_opcode(w, w->head_[0]))
                        return false;
                if (w->have_ == HEAD_MIN && !take_length_code(w, w->head_[1]))
                        return false;
        }
        *ret_used = used;
        return w->have_ < w->need_ || take_length(w);
}

static void unmask(struct ws *w, uint8_t *dst, const uint8_t *src, size_t len)
{
        const uint8_t *mask = w->head_ + w->need_ - MASK_LEN;
        uint8_t key[8];
        uint64_t k, v;
        size_t i = 0;

        for (size_t j = 0; j < sizeof(key); j++)
                key[j] = mask[(w->mask_at_ + j) % MASK_LEN];
        memcpy(&k, key, sizeof(k));
        for (; i + sizeof(v) <= len; i += sizeof(v)) {
                memcpy(&v, src + i, sizeof(v));
                v ^= k;
                memcpy(dst + i, &v, sizeof(v));
        }
        for (; i < len; i++)
                dst[i] = src[i] ^ key[i % sizeof(key)];
#ifndef DECODE_PLANTED_MASK
        w->mask_at_ = (uint8_t)((w->mask_at_ + len) % MASK_LEN);
#endif
}

static bool take_payload(struct ws *w, const uint8_t *data, size_t len, const struct ws_sink *sink)
{
        uint8_t piece[WS_PIECE_MAX];

        w->left_ -= len;
        while (len > 0 && !is_control(w)) {
                size_t n = MIN(len, sizeof(piece));

                unmask(w, piece, data, n);
                if (!sink->payload(sink->ctx, piece, n, w->compressed_))
                        return false;
                data += n;
                len -= n;
        }
        return true;
}

static bool step(struct ws *w, const uint8_t *data, size_t len, const struct ws_sink *sink,
                 size_t *ret_used)
{
        *ret_used = 0;
        if (w->state_ == STATE_HEAD && !take_head(w, data, len, ret_used))
                return false;
        if (w->state_ != STATE_PAYLOAD)
                return true;
        data += *ret_used;
        len = (size_t)MIN((uint64_t)(len - *ret_used), w->left_);
        *ret_used += len;
        if (!take_payload(w, data, len, sink))
                return false;
        return w->left_ > 0 || frame_end(w, sink);
}

bool ws_feed(struct ws *w, const void *data, size_t len, const struct ws_sink *sink)
{
        const uint8_t *p = data;
        size_t used;

        while (!w->failed_ && !w->closed && len > 0) {
                if (!step(w, p, len, sink, &used))
                        w->failed_ = true;
                p += used;
                len -= used;
        }
        return !w->failed_;
}
