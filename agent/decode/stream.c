#include "decode/stream.h"

#include "decode/ipc.h"
#include "decode/rpc.h"

static bool refuse(struct stream *s, const char *reason)
{
        s->reason = reason;
        return false;
}

bool stream_init(struct stream *s, bool raw, const struct http_head *response)
{
        struct inflate_terms terms;

        *s = (struct stream){.raw_ = raw};
        editor_init(&s->editor_);
        if (!inflate_terms_of(response, &terms))
                return refuse(s, "a WebSocket extension was agreed that is not known here");
        if (terms.agreed && inflate_new(&terms, &s->inflate_) < 0)
                return refuse(s, "out of memory");
        ws_init(&s->ws_, terms.agreed);
        return true;
}

void stream_deinit(struct stream *s)
{
        s->inflate_ = inflate_free(s->inflate_);
        editor_deinit(&s->editor_);
}

static bool on_method(struct stream *s, const struct editor_message *m)
{
        struct rpc_message rpc;
        struct stream_call call = {.from = STREAM_METHOD};

        if (!rpc_parse(m->body, m->body_len, m->length, &rpc))
                return refuse(s, "a message of the extension host has an unknown form");
        switch (rpc.what) {
        case RPC_REQUEST:
                call.name = rpc.name;
                call.name_len = rpc.name_len;
                call.args = rpc.args;
                call.args_len = rpc.args_len;
                s->sink_->call(s->sink_->ctx, &call);
                break;
        case RPC_TERMINATE:
                s->sink_->gone(s->sink_->ctx);
                break;
        case RPC_OTHER:
                break;
        }
        return true;
}

static bool on_command(struct stream *s, const struct editor_message *m)
{
        struct ipc_message ipc;
        struct stream_call call = {.from = STREAM_COMMAND};

        if (!ipc_parse(m->body, m->body_len, m->length, &ipc))
                return refuse(s, "a message of the management connection has an unknown form");
        if (ipc.what == IPC_OTHER)
                return true;
        if (ipc.what == IPC_LISTEN)
                call.from = STREAM_LISTEN;
        call.name = ipc.name;
        call.name_len = ipc.name_len;
        call.args = (const char *)ipc.args;
        call.args_len = ipc.args_len;
        s->sink_->call(s->sink_->ctx, &call);
        return true;
}

static bool on_control(struct stream *s, const struct editor_message *m)
{
        enum editor_kind kind;

        if (s->kind_ != EDITOR_KIND_NONE)
                return true;
        if (!editor_handshake(m->body, m->body_len, &kind))
                return refuse(s, "an editor's handshake has an unknown form");
        s->begun_ = true;
        s->kind_ = kind;
        if (kind == EDITOR_TUNNEL) {
                /* From the next byte on it is no editor's stream any more. */
                s->tunnel_ = true;
                return false;
        }
        if (kind != EDITOR_KIND_NONE)
                s->sink_->opened(s->sink_->ctx, kind);
        return true;
}

static bool on_regular(struct stream *s, const struct editor_message *m)
{
        if (s->kind_ == EDITOR_KIND_NONE)
                return refuse(s, "an editor's stream does not begin with its handshake");
        if (!s->sink_->fresh(s->sink_->ctx, m->id))
                return true;
        return s->kind_ == EDITOR_MANAGEMENT ? on_command(s, m) : on_method(s, m);
}

static bool on_message(void *ctx, const struct editor_message *m)
{
        struct stream *s = ctx;

        if (m->type == EDITOR_CONTROL)
                return on_control(s, m);
        if (!s->begun_)
                return refuse(s, "an editor's stream does not begin with its handshake");
        if (m->type == EDITOR_REGULAR)
                return on_regular(s, m);
        if (m->type == EDITOR_DISCONNECT && s->kind_ != EDITOR_KIND_NONE)
                s->sink_->gone(s->sink_->ctx);
        return true;
}

static bool on_bytes(void *ctx, const uint8_t *data, size_t len)
{
        struct stream *s = ctx;

        if (editor_feed(&s->editor_, data, len, on_message, s))
                return true;
        if (s->editor_.reason)
                s->reason = s->editor_.reason;
        return false;
}

static bool on_payload(void *ctx, const uint8_t *data, size_t len, bool compressed)
{
        struct stream *s = ctx;

        if (!compressed)
                return on_bytes(s, data, len);
        if (inflate_feed(s->inflate_, data, len, on_bytes, s))
                return true;
        return s->reason || s->tunnel_ ? false : refuse(s, "a compressed message is broken");
}

static bool on_end(void *ctx, bool compressed)
{
        struct stream *s = ctx;

        if (!compressed || inflate_end(s->inflate_, on_bytes, s))
                return true;
        return s->reason || s->tunnel_ ? false : refuse(s, "a compressed message is broken");
}

bool stream_feed(struct stream *s, const void *data, size_t len, const struct stream_sink *sink)
{
        struct ws_sink frames = {.payload = on_payload, .end = on_end, .ctx = s};
        bool good;

        if (s->reason || s->tunnel_)
                return !s->reason;
        s->sink_ = sink;
        good = s->raw_ ? on_bytes(s, data, len) : ws_feed(&s->ws_, data, len, &frames);
        s->sink_ = NULL;
        if (!good && s->ws_.reason)
                s->reason = s->ws_.reason;
        if (!good)
                stream_deinit(s);
        return !s->reason;
}

bool stream_typed(const struct stream_call *call, uint8_t *buf, size_t size,
                  const uint8_t **ret_text, size_t *ret_len, bool *ret_cut)
{
        const uint8_t *args = (const uint8_t *)call->args;

        if (call->from != STREAM_METHOD)
                return ipc_typed(args, call->args_len, ret_text, ret_len, ret_cut);
        if (!rpc_typed(call->args, call->args_len, buf, size, ret_len, ret_cut))
                return false;
        *ret_text = buf;
        return true;
}
