/*
 * The history as it happens: server-sent events (GET /v1/events/stream) and WebSocket messages
 * (GET /v1/events/ws). A stream has a place in the history and no buffer of its own: when its
 * client can take more, the rows behind that place are rendered. Whoever reads so slowly that they
 * are not kept any more is cut, and resumes where it was, as far as that is known.
 */
#include "in/http_exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "base/str.h"

#define STREAMS_MAX 100
/* Rows of the history can come without a change of state. */
#define LOOK_MS 1000
/* A proxy between must see something now and then. */
#define ALIVE_MS 15000
#define CHUNK_MAX (16u * 1024)
#define SEQ_MAX (UINT64_C(1) << 53)

static void wake(struct http_site *s, struct http_exchange *x)
{
        if (x->owner)
                s->on_stream(s->ctx, x);
}

void http_streams_wake(struct http_site *s)
{
        for (struct http_exchange *x = s->streams, *next; x; x = next) {
                next = x->stream_next;
                wake(s, x);
        }
}

static void on_timer(void *ctx)
{
        struct http_site *s = ctx;

        http_streams_wake(s);
        if (s->streams)
                loop_timer_set_in(&s->stream_timer, LOOK_MS);
}

void http_streams_init(struct http_site *s)
{
        loop_timer_init(s->loop, &s->stream_timer, on_timer, s);
}

void http_stream_end(struct http_exchange *x)
{
        struct http_exchange **p;

        if (x->stream == HTTP_STREAM_NONE)
                return;
        x->stream = HTTP_STREAM_NONE;
        for (p = &x->site->streams; *p != x;)
                p = &(*p)->stream_next;
        *p = x->stream_next;
        x->site->n_streams--;
}

/* The number of the newest row. */
static uint64_t newest(struct http_site *s)
{
        (void)http_site_stopped(s);
        return s->audited;
}

/* Last-Event-ID wins: a browser sends it when it comes back to an address with `after`. */
static int place_of(struct http_exchange *x, uint64_t *ret_after)
{
        const char *after = http_param(&x->req, "after");
        const char *name = "after";

        *ret_after = newest(x->site);
        if (x->last_event_id[0]) {
                after = x->last_event_id;
                name = "Last-Event-ID";
        }
        if (!after || num_parse_u64(after, 0, SEQ_MAX, ret_after) == 0)
                return 0;
        site_refuse(x, VIEW_ERROR_BAD_FIELD, "%s: must be a whole number from 0 to %llu", name,
                    (unsigned long long)SEQ_MAX);
        return 1;
}

static int filter_of(struct http_exchange *x)
{
        const char *workspace = http_param(&x->req, "workspace");

        if (!workspace)
                return 0;
        if (!workspace_id_valid(workspace)) {
                site_refuse(x, VIEW_ERROR_BAD_FIELD,
                            "workspace: an id is \"ws-\" and 12 characters of a-z 2-7");
                return 1;
        }
        STR_CUT(x->stream_workspace, workspace);
        return 0;
}

static void begin(struct http_exchange *x, enum http_stream kind)
{
        struct http_site *s = x->site;
        uint64_t after;

        if (place_of(x, &after) > 0 || filter_of(x) > 0)
                return;
        if (s->n_streams >= STREAMS_MAX) {
                site_refuse(x, VIEW_ERROR_BUSY, "%u clients follow the events already",
                            s->n_streams);
                return;
        }
        x->stream = kind;
        x->stream_at = after;
        x->stream_said = loop_now(s->loop);
        x->stream_next = s->streams;
        s->streams = x;
        s->n_streams++;
        if (s->n_streams == 1)
                loop_timer_set_in(&s->stream_timer, LOOK_MS);
        x->res.content_type = "text/event-stream";
        x->close = true;
        http_answer(x, kind == HTTP_STREAM_SSE ? 200 : 101);
}

void http_stream_sse(struct http_exchange *x, const char *id)
{
        (void)id;
        begin(x, HTTP_STREAM_SSE);
}

void http_stream_ws(struct http_exchange *x, const char *id)
{
        (void)id;
        if (x->upgrade)
                begin(x, HTTP_STREAM_WS);
        else
                site_refuse(x, VIEW_ERROR_UPGRADE_REQUIRED, "this address is a WebSocket");
}

static int put_sse(const char *event, uint64_t seq, const struct buf *json, struct buf *out)
{
        return buf_printf(out, "%s%s%sid: %llu\ndata: %.*s\n\n", event ? "event: " : "",
                          event ? event : "", event ? "\n" : "", (unsigned long long)seq,
                          (int)json->len, (const char *)json->data);
}

static int put_row(struct http_exchange *x, const struct audit_row *row, struct buf *out)
{
        AUTO_BUF json = BUF_INIT(CHUNK_MAX);
        int r = view_event(row, &json);

        if (r < 0)
                return r;
        return x->stream == HTTP_STREAM_SSE ? put_sse(NULL, row->seq, &json, out)
                                            : buf_append(out, json.data, json.len);
}

/* Rows from its place up to this one are not kept any more. */
static int put_gap(struct http_exchange *x, uint64_t to, struct buf *out)
{
        AUTO_BUF json = BUF_INIT(CHUNK_MAX);
        int r = buf_printf(&json, "{\"missed_from\":%llu,\"missed_to\":%llu}",
                           (unsigned long long)x->stream_at + 1, (unsigned long long)to);

        x->stream_at = to;
        if (r < 0)
                return r;
        return x->stream == HTTP_STREAM_SSE ? put_sse("gap", to, &json, out)
                                            : buf_append(out, json.data, json.len);
}

/* Is the token what it was when this began? */
static bool token_good(struct http_exchange *x)
{
        uint64_t version = http_tokens_version(x->site->tokens);
        const struct http_token *t;

        if (version == x->token_version)
                return true;
        x->token_version = version;
        t = http_tokens_named(x->site->tokens, x->actor);
        return t && secret_equal(t->digest, x->token_digest, sizeof(t->digest));
}

static int cut(const struct http_exchange *x, const char *why)
{
        log_info("event stream ended", LOG_STR("reason", why), LOG_STR("actor", x->actor),
                 LOG_STR("request", x->request_id));
        return -1;
}

static bool full(const struct http_exchange *x, const struct buf *out)
{
        return out->len && (x->stream == HTTP_STREAM_WS || out->len > CHUNK_MAX / 2);
}

int http_stream_more(struct http_exchange *x, struct buf *out)
{
        mono_t now = loop_now(x->site->loop);
        const struct audit_row *row;
        int r = 0;

        if (!token_good(x))
                return cut(x, "its token is not good any more");
        while (r == 0 && !full(x, out) && (row = shell_audit_after(x->site->shell, x->stream_at))) {
                bool gap = row->seq > x->stream_at + 1;

                if (gap && x->stream_runs)
                        return cut(x, "it reads too slowly");
                x->stream_runs = true;
                if (gap) {
                        r = put_gap(x, row->seq - 1, out);
                        continue;
                }
                x->stream_at = row->seq;
                if (!x->stream_workspace[0] || strcmp(row->workspace, x->stream_workspace) == 0)
                        r = put_row(x, row, out);
        }
        x->stream_runs = true;
        if (r == 0 && out->len == 0 && x->stream == HTTP_STREAM_SSE &&
            mono_diff_ms(x->stream_said, now) >= ALIVE_MS)
                r = buf_append_str(out, ":\n\n");
        if (out->len)
                x->stream_said = now;
        return r;
}
