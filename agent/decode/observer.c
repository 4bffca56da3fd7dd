#include "decode/observer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode/internal.h"

int observer_new(const struct rules *rules, struct observer **ret_observer)
{
        struct observer *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;
        o->rules = rules;
        o->refreshed = MONO_NEVER;
        *ret_observer = o;
        return 0;
}

struct observer *observer_free(struct observer *o)
{
        assert(!o || !o->watches);
        free(o);
        return NULL;
}

void observer_set_trace(struct observer *o, observer_trace_fn fn, void *ctx)
{
        o->trace = fn;
        o->trace_ctx = ctx;
}

static struct watch *watch_new(struct observer *o, uint32_t number, enum watch_state state)
{
        struct watch *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        w->observer = o;
        w->number = number;
        w->state = state;
        w->next = o->watches;
        if (w->next)
                w->next->prev = w;
        o->watches = w;
        return w;
}

/*
 * The value of a parameter of the query, as it is written. How many times it is there: the editor
 * takes one that is there twice for none, so only once says something.
 */
static size_t query_param(struct http_span target, const char *name, struct http_span *ret_value)
{
        const char *p = memchr(target.at, '?', target.len), *end = target.at + target.len;
        size_t count = 0, name_len = strlen(name);

        while (p && p < end) {
                const char *part = p + 1, *next = memchr(part, '&', (size_t)(end - part));
                size_t len = (size_t)((next ? next : end) - part);

                if (len > name_len && part[name_len] == '=' && memcmp(part, name, name_len) == 0) {
                        *ret_value = (struct http_span){part + name_len + 1, len - name_len - 1};
                        count++;
                }
                p = next;
        }
        return count;
}

static bool query_is_true(struct http_span target, const char *name)
{
        struct http_span v;

        return query_param(target, name, &v) == 1 && http_span_is(v, "true");
}

static struct watch *watch_editor(struct observer *o, uint32_t number, const struct http_head *h,
                                  struct http_span token, size_t tokens, mono_t now)
{
        struct watch *w = watch_new(o, number, WATCH_UPGRADE);

        judge_machine(o, number, "upgrade", h, now);
        if (!w)
                return NULL;
        w->editor = true;
        w->raw = query_is_true(h->target, "skipWebSocketFrames");
        w->undecoded = tokens != 1 || token.len == 0 || token.len >= sizeof(w->token);
        if (!w->undecoded)
                memcpy(w->token, token.at, token.len);
        return w;
}

static void on_event(void *ctx, const char *name, size_t len)
{
        judge_event(ctx, name, len);
}

static bool is_log(const struct observer *o, const struct http_head *h)
{
        size_t n = strlen(o->rules->log_path);

        return n > 0 && http_span_is(h->method, "POST") &&
               http_span_starts(h->target, o->rules->log_path) &&
               (h->target.len == n || h->target.at[n] == '?');
}

static struct watch *watch_log(struct observer *o, uint32_t number, const struct http_head *h,
                               mono_t now)
{
        struct http_span type = {"", 0};
        struct watch *w;

        judge_machine(o, number, "request", h, now);
        if (h->body == HTTP_BODY_NONE)
                return NULL;
        w = watch_new(o, number, WATCH_BODY);
        if (!w)
                return NULL;
        (void)http_head_find(h, "Content-Type", &type);
        if (beacon_new(o->rules, type.at, type.len, h->chunked, on_event, w, &w->beacon) < 0)
                return watch_end(w, now);
        return w;
}

struct watch *observer_request(struct observer *o, const struct http_head *request, mono_t now)
{
        struct http_span token = {NULL, 0};
        uint32_t number = ++o->numbers;
        struct watch *w;
        size_t tokens;

        if (!request->upgrade) {
                if (is_log(o, request))
                        return watch_log(o, number, request, now);
                judge_request(o, number, request, now);
                return NULL;
        }
        tokens = o->rules->editor_query[0]
                         ? query_param(request->target, o->rules->editor_query, &token)
                         : 0;
        if (tokens > 0)
                return watch_editor(o, number, request, token, tokens, now);
        w = watch_new(o, number, WATCH_UPGRADE);
        if (!judge_upgrade(o, number, request, now) && w)
                w->undecoded = true;
        return w;
}

void watch_body(struct watch *w, const void *data, size_t len, mono_t now)
{
        assert(w->state == WATCH_BODY);
        w->now = now;
        beacon_feed(w->beacon, data, len);
}

static void break_off(struct watch *w, const char *reason)
{
        w->undecoded = true;
        stream_deinit(&w->stream);
        if (w->page)
                page_close(w->page);
        w->page = NULL;
        judge_broken(w, reason);
}

void watch_upgraded(struct watch *w, const struct http_head *response, mono_t now)
{
        assert(w->state == WATCH_UPGRADE);
        w->state = WATCH_STREAM;
        w->now = now;
        if (!w->editor)
                return;
        if (w->undecoded)
                judge_broken(w, "the editor's upgrade has no proper reconnection token");
        else if (!stream_init(&w->stream, w->raw, response))
                break_off(w, w->stream.reason);
}

static void on_opened(void *ctx, enum editor_kind kind)
{
        struct watch *w = ctx;

        w->page = page_open(&w->observer->pages, w->token, kind, &w->spare, w->now);
}

static bool on_fresh(void *ctx, uint32_t id)
{
        const struct watch *w = ctx;

        return page_fresh(w->page, id);
}

static void on_call(void *ctx, const struct stream_call *call)
{
        judge_call(ctx, call);
}

static void on_gone(void *ctx)
{
        struct watch *w = ctx;

        if (!w->page->gone)
                judge_left(w);
        w->page->gone = true;
}

void watch_stream(struct watch *w, const void *data, size_t len, mono_t now)
{
        struct observer *o = w->observer;
        struct stream_sink sink = {
                .opened = on_opened,
                .fresh = on_fresh,
                .call = on_call,
                .gone = on_gone,
                .ctx = w,
        };

        assert(w->state == WATCH_STREAM);
        w->now = now;
        if (w->page)
                page_feed(w->page, now);
        if (w->editor && !w->undecoded && !stream_feed(&w->stream, data, len, &sink))
                break_off(w, w->stream.reason);
        o->tally.bytes += len;
        if (w->undecoded)
                o->tally.bytes_undecoded += len;
}

struct watch *watch_end(struct watch *w, mono_t now)
{
        if (!w)
                return NULL;
        (void)now;
        if (w->page)
                page_close(w->page);
        stream_deinit(&w->stream);
        w->beacon = beacon_free(w->beacon);
        if (w->prev)
                w->prev->next = w->next;
        else
                w->observer->watches = w->next;
        if (w->next)
                w->next->prev = w->prev;
        free(w);
        return NULL;
}

void observer_keep(struct observer *o, mono_t now)
{
        judge_keep(o, now);
}

static void tally_page(const struct page *p, mono_t now, struct observer_tally *t)
{
        if (page_active(p, now))
                t->active++;
        if (page_alive(p, now))
                t->jobs += p->jobs;
        if (!page_tracked(p, now))
                t->tracked = false;
}

void observer_tally(struct observer *o, mono_t now, struct observer_tally *ret_tally)
{
        struct observer_tally t;

        judge_settle(o, now);
        t = o->tally;
        t.tracked = true;
        for (const struct watch *w = o->watches; w; w = w->next) {
                if (w->state != WATCH_STREAM)
                        continue;
                t.websockets++;
                if (w->undecoded)
                        t.undecoded++;
                if (w->page == &w->spare)
                        tally_page(w->page, now, &t);
        }
        for (size_t i = 0; i < PAGES_MAX; i++)
                tally_page(&o->pages.items[i], now, &t);
        *ret_tally = t;
}

const char *observer_unknown(const struct observer *o, size_t i, uint64_t *ret_count)
{
        if (i >= o->n_unknown)
                return NULL;
        *ret_count = o->unknown[i].count;
        return o->unknown[i].name;
}
