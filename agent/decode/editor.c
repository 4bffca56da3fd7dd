#include "decode/editor.h"

#include <stdlib.h>
#include <string.h>

#define LATENCY_BODY_MAX 64

void editor_init(struct editor *e)
{
        *e = (struct editor){0};
}

void editor_deinit(struct editor *e)
{
        free(e->prefix_);
        e->prefix_ = NULL;
}

static bool refuse(struct editor *e, const char *reason)
{
        e->reason = reason;
        return false;
}

static uint32_t be32(const uint8_t *p)
{
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The head is complete. */
static bool take_head(struct editor *e)
{
        struct editor_message *m = &e->message_;
        uint32_t max = 0;

        *m = (struct editor_message){
                .type = (enum editor_type)e->head_[0],
                .id = be32(e->head_ + 1),
                .length = be32(e->head_ + 9),
        };
        switch (m->type) {
        case EDITOR_REGULAR:
        case EDITOR_CONTROL:
                m->body_len = MIN(m->length, (uint32_t)EDITOR_PREFIX_MAX);
                max = EDITOR_BODY_MAX;
                break;
        case EDITOR_LATENCY_REQUEST:
        case EDITOR_LATENCY_RESPONSE:
                max = LATENCY_BODY_MAX;
                break;
        case EDITOR_ACK:
        case EDITOR_DISCONNECT:
        case EDITOR_REPLAY_REQUEST:
        case EDITOR_PAUSE:
        case EDITOR_RESUME:
        case EDITOR_KEEP_ALIVE:
                break;
        default:
                return refuse(e, "an editor's message has an unknown type");
        }
        if (m->length > max)
                return refuse(e, "an editor's message is longer than its type can be");
        e->got_ = 0;
        return true;
}

/* The beginning of the body is at `body`. */
static bool deliver(struct editor *e, const uint8_t *body, editor_fn fn, void *ctx)
{
        bool on;

        e->message_.body = body;
        e->skip_ = e->message_.length - (uint32_t)e->message_.body_len;
        e->have_ = 0;
        on = fn(ctx, &e->message_);
        e->message_.body = NULL;
        editor_deinit(e);
        return on;
}

/* Bytes of the body's beginning. */
static bool take_body(struct editor *e, const uint8_t *data, size_t len, editor_fn fn, void *ctx,
                      size_t *ret_used)
{
        size_t want = e->message_.body_len - e->got_;
        size_t n = MIN(len, want);

        *ret_used = n;
        if (e->got_ == 0 && n == want)
                return deliver(e, data, fn, ctx);
        if (n == 0)
                return true;
        if (!e->prefix_)
                e->prefix_ = malloc(e->message_.body_len);
        if (!e->prefix_)
                return refuse(e, "out of memory");
        memcpy(e->prefix_ + e->got_, data, n);
        e->got_ += n;
        return n < want || deliver(e, e->prefix_, fn, ctx);
}

static bool step(struct editor *e, const uint8_t *data, size_t len, editor_fn fn, void *ctx,
                 size_t *ret_used)
{
        size_t n, used = 0;

        if (e->skip_ > 0) {
                *ret_used = MIN(len, (size_t)e->skip_);
                e->skip_ -= (uint32_t)*ret_used;
                return true;
        }
        if (e->have_ < EDITOR_HEAD_LEN) {
                n = MIN(len, (size_t)(EDITOR_HEAD_LEN - e->have_));
                memcpy(e->head_ + e->have_, data, n);
                e->have_ = (uint8_t)(e->have_ + n);
                *ret_used = n;
                if (e->have_ < EDITOR_HEAD_LEN)
                        return true;
                /* With no body there may be no further byte to wait for. */
                return take_head(e) &&
                       (e->message_.body_len > 0 || take_body(e, data + n, 0, fn, ctx, &used));
        }
        return take_body(e, data, len, fn, ctx, ret_used);
}

bool editor_feed(struct editor *e, const void *data, size_t len, editor_fn fn, void *ctx)
{
        const uint8_t *p = data;

        while (!e->failed_ && len > 0) {
                size_t used = 0;

                if (!step(e, p, len, fn, ctx, &used)) {
                        e->failed_ = true;
                        editor_deinit(e);
                }
                p += used;
                len -= used;
        }
        return !e->failed_;
}

/* Behind the string that begins at `at` (its quote), or `len` when it does not end. */
static size_t string_end(const uint8_t *s, size_t len, size_t at)
{
        for (at++; at < len && s[at] != '"'; at++) {
                if (s[at] == '\\')
                        at++;
        }
        return at < len ? at + 1 : len;
}

static size_t skip_space(const uint8_t *s, size_t len, size_t at)
{
        while (at < len && (s[at] == ' ' || s[at] == '\t' || s[at] == '\r' || s[at] == '\n'))
                at++;
        return at;
}

/*
 * Where the value of this key of the outermost object begins, or `len`. Looks for it and does not
 * check the rest: what is behind may be cut off. `quoted` is the key with its quotes.
 */
static size_t find_value(const uint8_t *s, size_t len, const char *quoted)
{
        size_t at = skip_space(s, len, 0), key_len = strlen(quoted), depth = 1;
        bool key = true; /* a string here would be a key */

        if (at == len || s[at++] != '{')
                return len;
        while (at < len && depth > 0) {
                uint8_t c = s[at];
                size_t from = at;

                if (c == '"') {
                        at = string_end(s, len, at);
                        if (key && depth == 1 && at - from == key_len &&
                            memcmp(s + from, quoted, key_len) == 0) {
                                at = skip_space(s, len, at);
                                return at < len && s[at] == ':' ? skip_space(s, len, at + 1) : len;
                        }
                        key = false;
                        continue;
                }
                if (c == '{' || c == '[')
                        depth++;
                else if (c == '}' || c == ']')
                        depth--;
                else if (c == ',')
                        key = true;
                else if (c == ':')
                        key = false;
                at++;
        }
        return len;
}

static bool value_is(const uint8_t *s, size_t len, size_t at, const char *text)
{
        size_t n = strlen(text);

        return len - at >= n && memcmp(s + at, text, n) == 0;
}

bool editor_handshake(const uint8_t *body, size_t len, enum editor_kind *ret_kind)
{
        size_t at = find_value(body, len, "\"type\"");
        uint8_t after;

        if (value_is(body, len, at, "\"auth\"")) {
                *ret_kind = EDITOR_KIND_NONE;
                return true;
        }
        if (!value_is(body, len, at, "\"connectionType\""))
                return false;
        at = find_value(body, len, "\"desiredConnectionType\"");
        if (len - at < 2 || body[at] < '1' || body[at] > '3')
                return false;
        after = body[at + 1];
        if (after != ',' && after != '}' && after != ' ')
                return false;
        *ret_kind = (enum editor_kind)(body[at] - '0');
        return true;
}
