/*
 * What a watch takes of memory, every allocation of the decoder and of zlib counted; and that it
 * gives all of it back, also when an allocation fails.
 */
#include <stdlib.h>

#include "base/macro.h"
#include "decode_bytes.h"
#include "test.h"

void *__real_malloc(size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t items, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

#define HEAD 16
static size_t held, peak;
static long fail_after = -1; /* allocations that still succeed; -1 all */
static bool has_failed;

void *__wrap_malloc(size_t n)
{
        char *p;

        if (fail_after == 0) {
                has_failed = true;
                return NULL;
        }
        if (fail_after > 0)
                fail_after--;
        p = __real_malloc(n + HEAD);
        if (!p)
                return NULL;
        memcpy(p, &n, sizeof(n));
        held += n;
        peak = MAX(peak, held);
        return p + HEAD;
}

void *__wrap_calloc(size_t items, size_t size)
{
        void *p = __wrap_malloc(items * size);

        return p ? memset(p, 0, items * size) : NULL;
}

void __wrap_free(void *p)
{
        size_t n;

        if (!p)
                return;
        memcpy(&n, (char *)p - HEAD, sizeof(n));
        held -= n;
        __real_free((char *)p - HEAD);
}

void *__wrap_realloc(void *p, size_t n)
{
        void *q = __wrap_malloc(n);
        size_t old = 0;

        if (!q || !p)
                return q;
        memcpy(&old, (char *)p - HEAD, sizeof(old));
        memcpy(q, p, MIN(old, n));
        __wrap_free(p);
        return q;
}

static const struct rule_name commands[] = {{"remoteterminal.$input", "", RULE_TYPED}};
static const struct rules rules = {
        .editor_query = "reconnectionToken",
        .commands = {commands, ARRAY_LEN(commands)},
        .job_key = "",
        .log_path = "",
        .log_field = "",
        .log_key = "",
        .log_refresh = "",
};

/* A message of 100 KB under way: its beginning is kept. All in one WebSocket message's bytes. */
static void make_long_message(struct buf *out, z_stream *zs)
{
        AUTO_BUF m = BUF_INIT(BYTES_MAX);
        AUTO_BUF body = BUF_INIT(BYTES_MAX);
        AUTO_BUF wire = BUF_INIT(BYTES_MAX);
        uint32_t x = 1;

        put_header(&body, 100, 1, "remoteterminal", "$input");
        put_array(&body, 2);
        put_int(&body, 1);
        CHECK(buf_append(&body, "\x01", 1) == 0);
        put_vql(&body, 100000);
        for (int i = 0; i < 100000; i++) {
                uint8_t b;

                x = x * 1664525 + 1013904223;
                b = (uint8_t)(x >> 24);
                CHECK(buf_append(&body, &b, 1) == 0);
        }
        put_message(&m, EDITOR_REGULAR, 1, body.data, body.len);
        put_deflated(&wire, zs, m.data, m.len);
        put_frame(out, WS_FIN | WS_RSV1 | WS_BINARY, wire.data, wire.len);
}

static void an_idle_page_stays_within_its_bound(void)
{
        enum { N = 8 };
        static struct tab tabs[N];
        struct observer *o;
        size_t before, each;

        CHECK(observer_new(&rules, &o) == 0);
        before = held;
        for (int i = 0; i < N; i++) {
                char token[16];

                (void)snprintf(token, sizeof(token), "t%d", i);
                tabs[i] = (struct tab){.compress = true};
                tab_open(&tabs[i], o, EDITOR_MANAGEMENT, token, false, 0);
        }
        /* The deflaters of this test allocate inside of the shared zlib: not counted. */
        each = (held - before) / N;
        fprintf(stderr, "    idle: %zu bytes for each WebSocket\n", each);
        CHECK(each > 32768 && each <= WATCH_MEMORY_MAX);
        for (int i = 0; i < N; i++)
                tab_close(&tabs[i], 2);
        CHECK_INT(held, before);
        o = observer_free(o);
}

static void a_message_under_way_stays_within_it_too(void)
{
        struct tab t = {.compress = true};
        AUTO_BUF b = BUF_INIT(BYTES_MAX);
        struct observer *o;
        size_t before, most = 0;

        CHECK(observer_new(&rules, &o) == 0);
        before = held;
        tab_open(&t, o, EDITOR_MANAGEMENT, "t", false, 0);
        make_long_message(&b, &t.zs);
        before += b.cap_;
        for (size_t i = 0; i < b.len; i++) {
                peak = held;
                watch_stream(t.watch, b.data + i, 1, at_ms(1));
                most = MAX(most, peak - before);
        }
        fprintf(stderr, "    at most: %zu bytes for a WebSocket\n", most);
        CHECK(most > 32768 + RULES_ARGS_MAX && most <= WATCH_MEMORY_MAX);
        tab_close(&t, 2);
        buf_deinit(&b);
        o = observer_free(o);
}

static void a_request_takes_next_to_nothing(void)
{
        struct observer *o;
        size_t before;

        CHECK(observer_new(&rules, &o) == 0);
        before = held;
        for (int i = 0; i < 1000; i++)
                CHECK(!ask(o, "GET /a HTTP/1.1\r\nHost: a", i));
        CHECK_INT(held, before);
        o = observer_free(o);
        CHECK_INT(held, 0);
}

/* One editor's connection from beginning to end, the n-th allocation failing. */
static bool live_with(long n)
{
        static const char head[] = "GET /?reconnectionToken=1 HTTP/1.1\r\nHost: a\r\n"
                                   "Connection: Upgrade\r\nUpgrade: websocket";
        static const char auth[] = "{\"type\":\"auth\"}";
        AUTO_BUF m = BUF_INIT(1000);
        AUTO_BUF b = BUF_INIT(1000);
        struct observer_tally t = {0};
        struct observer *o = NULL;
        struct watch *w = NULL;
        size_t before;

        put_message(&m, EDITOR_CONTROL, 0, auth, strlen(auth));
        put_frame(&b, WS_FIN | WS_BINARY, m.data, m.len);
        before = held;
        has_failed = false;
        fail_after = n;
        if (observer_new(&rules, &o) == 0)
                w = ask(o, head, 0);
        if (w) {
                answer(w, "Sec-WebSocket-Extensions: permessage-deflate", 1);
                for (size_t i = 0; i < b.len; i++)
                        watch_stream(w, b.data + i, 1, at_ms(2));
                observer_tally(o, at_ms(2), &t);
        }
        fail_after = -1;
        /* Whatever failed: it is known not to be read, or there is no watch. */
        CHECK(!w || (t.websockets == 1 && t.undecoded == has_failed));
        w = watch_end(w, at_ms(3));
        o = observer_free(o);
        CHECK_INT(held, before);
        return has_failed;
}

static void memory_that_runs_out_is_survived(void)
{
        long n = 0;

        while (live_with(n))
                CHECK(++n < 100);
        /* The observer, the watch, zlib and its state, the beginning of a message. */
        CHECK(n >= 5);
}

int main(void)
{
        RUN(an_idle_page_stays_within_its_bound);
        RUN(a_message_under_way_stays_within_it_too);
        RUN(a_request_takes_next_to_nothing);
        RUN(memory_that_runs_out_is_survived);
        return 0;
}
