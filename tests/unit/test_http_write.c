/* Heads written again: what is dropped is gone, what is added is there, the rest is untouched. */
#include "test.h"

#include "base/buf.h"
#include "http/write.h"

static void rebuild(enum http_kind kind, const char *in, const struct http_edit *edit,
                    const char *want)
{
        AUTO_BUF out = BUF_INIT(65536);
        struct http_head h, again;

        http_head_init(&h, kind);
        CHECK_INT(http_head_parse(&h, in, strlen(in)), 0);
        CHECK_INT(http_head_write(&h, edit, &out), 0);
        CHECK_INT(buf_terminate(&out), 0);
        CHECK_STR((const char *)out.data, want);
        http_head_init(&again, kind);
        CHECK_INT(http_head_parse(&again, out.data, out.len), 0);
        CHECK_INT(again.length, out.len);
}

static void test_unchanged(void)
{
        rebuild(HTTP_REQUEST, "GET /a?b HTTP/1.1\r\nHost:a\r\nX-Y: \t z  \r\nE:\r\n\r\nbody", NULL,
                "GET /a?b HTTP/1.1\r\nHost: a\r\nX-Y: z\r\nE: \r\n\r\n");
        rebuild(HTTP_RESPONSE, "HTTP/1.0 404 Not here\r\nSet-Cookie: a=b; Path=/\r\n\r\n", NULL,
                "HTTP/1.0 404 Not here\r\nSet-Cookie: a=b; Path=/\r\n\r\n");
        rebuild(HTTP_RESPONSE, "HTTP/1.1 200\r\n\r\n", NULL, "HTTP/1.1 200 \r\n\r\n");
}

static void test_drop_and_add(void)
{
        static const char *const drop[] = {"X-Secret", "Connection", NULL};
        static const char *const add[] = {"Connection", "close", "X-New", "1", NULL};
        struct http_edit edit = {.drop = drop, .add = add};

        rebuild(HTTP_REQUEST,
                "GET / HTTP/1.1\r\nx-secret: 1\r\nHost: a\r\nCONNECTION: x\r\nX-SECRET: 2\r\n"
                "X-Secrets: 3\r\n\r\n",
                &edit,
                "GET / HTTP/1.1\r\nHost: a\r\nX-Secrets: 3\r\nConnection: close\r\n"
                "X-New: 1\r\n\r\n");
}

static void test_cookies(void)
{
        static const struct {
                const char *in, *out;
        } t[] = {
                {"Cookie: ws_access=1\r\n", ""},
                {"Cookie: a=1; ws_access=2; b=3\r\n", "Cookie: a=1; b=3\r\n"},
                {"cookie: ws_access=2;b=3;ws_access=4\r\n", "cookie: b=3\r\n"},
                {"Cookie: a=1; ws_access\r\n", "Cookie: a=1\r\n"},
                {"Cookie: a=1;\tws_access = 2\r\n", "Cookie: a=1\r\n"},
                {"Cookie: ws_access2=1; WS_ACCESS=2; x=ws_access=3\r\n",
                 "Cookie: ws_access2=1; WS_ACCESS=2; x=ws_access=3\r\n"},
                {"Cookie: a=1\r\nCookie: ws_access=1\r\nCookie: b=2\r\n",
                 "Cookie: a=1\r\nCookie: b=2\r\n"},
                {"Cookie: ;; ,\r\n", "Cookie: ,\r\n"},
                {"Cookie:\r\n", ""},
        };
        struct http_edit edit = {.drop_cookie = "ws_access"};

        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char in[256], out[256];

                (void)snprintf(in, sizeof(in), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", t[i].in);
                (void)snprintf(out, sizeof(out), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", t[i].out);
                rebuild(HTTP_REQUEST, in, &edit, out);
        }
}

/* Too small an output: refused, and nothing of it stays. */
static void test_bounded(void)
{
        static const char in[] = "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\n\r\n";
        struct http_edit edit = {.drop_cookie = "x"};
        struct http_head h;

        http_head_init(&h, HTTP_REQUEST);
        CHECK_INT(http_head_parse(&h, in, strlen(in)), 0);
        for (size_t max = 2; max < sizeof(in) - 1; max++) {
                AUTO_BUF out = BUF_INIT(max);

                CHECK_INT(buf_append_str(&out, "ab"), 0);
                CHECK(http_head_write(&h, &edit, &out) < 0);
                CHECK_INT(out.len, 2);
                CHECK(memcmp(out.data, "ab", 2) == 0);
        }
}

static void test_reasons(void)
{
        CHECK_STR(http_reason(200), "OK");
        CHECK_STR(http_reason(431), "Request Header Fields Too Large");
        CHECK_STR(http_reason(299), "Status");
}

int main(void)
{
        RUN(test_unchanged);
        RUN(test_drop_and_add);
        RUN(test_cookies);
        RUN(test_bounded);
        RUN(test_reasons);
        return 0;
}
