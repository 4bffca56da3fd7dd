/* The head parser: the table of strictness inputs, every split of each, bounds, framing. */
#include "test.h"

#include "base/buf.h"
#include "base/fd.h"
#include "http/chunk.h"
#include "http/head.h"

struct verdict {
        int status; /* 0: accepted */
        const char *reason;
};

/* What each input of tests/data/http-strictness must come to. NN.name says what it tries. */
static const struct verdict expected[] = {
        [0] = {0, NULL},
        [1] = {400, "there are both Content-Length and Transfer-Encoding"},
        [2] = {400, "there are both Content-Length and Transfer-Encoding"},
        [3] = {400, "there is more than one Content-Length"},
        [4] = {400, "there is more than one Content-Length"},
        [5] = {400, "Content-Length is not one decimal number in range"},
        [6] = {400, "Content-Length is not one decimal number in range"},
        [7] = {400, "Content-Length is not one decimal number in range"},
        [8] = {400, "Content-Length is not one decimal number in range"},
        [9] = {501, "the only transfer coding known here is chunked"},
        [10] = {501, "the only transfer coding known here is chunked"},
        [11] = {400, "there is more than one Transfer-Encoding"},
        [12] = {400, "a framing header holds a tab"},
        [13] = {400, "the head holds a control byte"},
        [14] = {400, "HTTP/1.0 knows no Transfer-Encoding"},
        [15] = {400, "a line ends in LF without CR"},
        [16] = {400, "a line ends in LF without CR"},
        [17] = {400, "a CR is not followed by LF"},
        [18] = {400, "the head holds a control byte"},
        [19] = {400, "a header is folded over two lines"},
        [20] = {501, "the only transfer coding known here is chunked"},
        [21] = {400, "a header is folded over two lines"},
        [22] = {400, "there is more than one Host"},
        [23] = {400, "there is no Host"},
        [24] = {400, "the target does not start with a slash"},
        [25] = {400, "a header's name holds a byte not allowed there"},
        [26] = {400, "a header's name holds a byte not allowed there"},
        [27] = {400, "a header's name holds a byte not allowed there"},
        [28] = {400, "a header has no name"},
        [29] = {400, "a header line has no colon"},
        [30] = {400, "chunk extensions are not accepted"},
        [31] = {400, "chunk extensions are not accepted"},
        [32] = {400, "a chunk size holds a byte that is no digit"},
        [33] = {400, "a chunk size holds a byte that is no digit"},
        [34] = {400, "a chunk does not start with a hexadecimal size"},
        [35] = {400, "a chunk size has too many digits"},
        [36] = {400, "chunk data does not end where it should"},
        [37] = {400, "trailer fields are not accepted"},
        [38] = {400, "the version is not of the form HTTP/1.1"},
        [39] = {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
        [40] = {400, "the request line is not METHOD target version"},
        [41] = {400, "the request line is not METHOD target version"},
        [42] = {400, "the target does not start with a slash"},
        [43] = {400, "the target holds a byte that must be encoded"},
        [44] = {0, NULL}, /* unusual, but its end is beyond doubt */
        [45] = {400, "a request to upgrade has a body"},
        [46] = {400, "there is an empty line before the request line"},
        [47] = {400, "the method is not of upper-case letters"},
        [48] = {501, "CONNECT is not served"},
};

/* Head and body of one message, given in pieces that end at `split` and at the end. */
static struct verdict judge(const uint8_t *data, size_t len, size_t split)
{
        struct http_head h;
        struct http_chunk c = HTTP_CHUNK_INIT;
        size_t ends[2] = {split, len};
        size_t body = 0, used;
        int r = HTTP_MORE;
        bool in_body = false;

        http_head_init(&h, HTTP_REQUEST);
        for (int i = 0; i < 2; i++) {
                if (!in_body) {
                        r = http_head_parse(&h, data, ends[i]);
                        if (r == HTTP_REFUSED)
                                return (struct verdict){h.refuse_status, h.refuse_reason};
                        if (r == HTTP_MORE)
                                continue;
                        in_body = true;
                        body = h.length;
                }
                if (!h.chunked)
                        return (struct verdict){0, NULL};
                r = http_chunk_scan(&c, data + body, ends[i] - body, &used);
                body += used;
                if (r == HTTP_CHUNK_REFUSED)
                        return (struct verdict){400, c.reason};
        }
        return r == 0 ? (struct verdict){0, NULL} : (struct verdict){-1, "incomplete"};
}

static void test_strictness_table(void)
{
        CHECK_INT(ARRAY_LEN(expected), 49);
        for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
                char path[512];
                AUTO_BUF b = BUF_INIT(65536);

                (void)snprintf(path, sizeof(path), "%s/%02zu", TEST_STRICTNESS, i);
                CHECK_INT(file_read(path, &b), 0);
                for (size_t split = 0; split <= b.len; split++) {
                        struct verdict v = judge(b.data, b.len, split);

                        if (v.status != expected[i].status)
                                fprintf(stderr, "input %02zu split %zu: %d %s\n", i, split,
                                        v.status, v.reason ? v.reason : "");
                        CHECK_INT(v.status, expected[i].status);
                        if (v.status)
                                CHECK_STR(v.reason, expected[i].reason);
                }
        }
}

static int parse(struct http_head *h, enum http_kind kind, const char *text)
{
        http_head_init(h, kind);
        return http_head_parse(h, text, strlen(text));
}

static void test_fields(void)
{
        struct http_head h;
        struct http_span v;

        CHECK_INT(parse(&h, HTTP_REQUEST,
                        "PUT /o/a%20b?x=1&y={} HTTP/1.1\r\nhOsT: [::1]:8080\r\n"
                        "X-Two:one\r\nX-Two:\ttwo \t\r\nEmpty:\r\nContent-Length: 0012\r\n"
                        "Expect: 100-Continue\r\nConnection: foo , Close\r\n\r\nrest"),
                  0);
        CHECK(http_span_is(h.method, "PUT"));
        CHECK(http_span_is(h.target, "/o/a%20b?x=1&y={}"));
        CHECK(http_span_is(h.host, "[::1]:8080"));
        CHECK_INT(h.content_length, 12);
        CHECK_INT(h.body, HTTP_BODY_LENGTH);
        CHECK(h.has_content_length && h.expect_continue && !h.keep_alive && !h.upgrade);
        CHECK(strcmp(h.base + h.length, "rest") == 0);
        CHECK(http_head_find(&h, "x-two", &v) && http_span_is(v, "one"));
        CHECK_INT(http_head_count(&h, "X-TWO"), 2);
        CHECK(http_span_is(http_field_value(&h, 2), "two"));
        CHECK(http_head_find(&h, "EMPTY", &v) && v.len == 0);
        CHECK(!http_head_find(&h, "x-tw", &v));
}

/* The bytes may move between two calls. */
static void test_moving_bytes(void)
{
        static const char text[] = "GET /path HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
        struct http_head h;
        struct http_span v;
        char *at = NULL;

        http_head_init(&h, HTTP_REQUEST);
        for (size_t n = 0; n < sizeof(text); n++) {
                char *next = malloc(n + 1);

                CHECK(next);
                memcpy(next, text, n);
                free(at);
                at = next;
                CHECK_INT(http_head_parse(&h, at, n), n == sizeof(text) - 1 ? 0 : HTTP_MORE);
        }
        CHECK(http_span_is(h.target, "/path") && http_span_is(h.host, "a"));
        CHECK(http_head_find(&h, "X", &v) && http_span_is(v, "y"));
        free(at);
}

static void test_hosts(void)
{
        static const char *const good[] = {"a",       "A-b_c.localhost:8080", "127.0.0.1:1",
                                           "[::1]:5", "[2001:db8::1.2.3.4]",  "x:65535"};
        static const char *const bad[] = {"",     "a b", "a/b",    "u@a",   ":80",       "a:",
                                          "[::1", "[]",  "[::1]x", "a:80x", "a:1234567", "a,b"};

        for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
                bool ok = i < ARRAY_LEN(good);
                struct http_head h;
                char text[128];

                (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
                               ok ? good[i] : bad[i - ARRAY_LEN(good)]);
                CHECK_INT(parse(&h, HTTP_REQUEST, text), ok ? 0 : HTTP_REFUSED);
        }
}

static void test_bounds(void)
{
        AUTO_BUF b = BUF_INIT(1 << 20);
        struct http_head h;

        CHECK_INT(buf_append_str(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: "), 0);
        while (b.len < HTTP_HEAD_MAX - 4)
                CHECK_INT(buf_append(&b, "x", 1), 0);
        CHECK_INT(buf_append_str(&b, "\r\n\r\n"), 0);
        CHECK_INT(b.len, HTTP_HEAD_MAX);
        http_head_init(&h, HTTP_REQUEST);
        CHECK_INT(http_head_parse(&h, b.data, b.len), 0);

        b.len -= 4;
        CHECK_INT(buf_append_str(&b, "x\r\n\r\n"), 0);
        for (size_t split = 0; split <= b.len; split += 7) {
                http_head_init(&h, HTTP_REQUEST);
                CHECK_INT(http_head_parse(&h, b.data, MIN(split, HTTP_HEAD_MAX - 1)), HTTP_MORE);
                CHECK_INT(http_head_parse(&h, b.data, b.len), HTTP_REFUSED);
                CHECK_INT(h.refuse_status, 431);
        }

        for (int n = 100; n <= 101; n++) {
                buf_clear(&b);
                CHECK_INT(buf_append_str(&b, "GET / HTTP/1.1\r\nHost: a\r\n"), 0);
                for (int i = 1; i < n; i++)
                        CHECK_INT(buf_append_str(&b, "a:\r\n"), 0);
                CHECK_INT(buf_append_str(&b, "\r\n"), 0);
                http_head_init(&h, HTTP_REQUEST);
                CHECK_INT(http_head_parse(&h, b.data, b.len), n == 100 ? 0 : HTTP_REFUSED);
                CHECK_INT(h.refuse_status, n == 100 ? 0 : 431);
        }
}

/* Every byte value at every place of a plain head: refused, or it means what it says. */
static void test_every_byte(void)
{
        static const char text[] = "GET /p HTTP/1.1\r\nHost: a\r\nX: yz\r\n\r\n";

        for (size_t at = 0; at < sizeof(text) - 1; at++) {
                for (int c = 0; c < 256; c++) {
                        char copy[sizeof(text)];
                        struct http_head h;

                        memcpy(copy, text, sizeof(text));
                        copy[at] = (char)c;
                        http_head_init(&h, HTTP_REQUEST);
                        if (http_head_parse(&h, copy, sizeof(text) - 1) != 0)
                                continue;
                        CHECK(c == text[at] || (c >= ' ' && c != 0x7f) || c == '\t');
                        CHECK(h.host.len > 0 && h.target.at[0] == '/');
                }
        }
}

static void test_upgrade(void)
{
        struct http_head h;

        CHECK_INT(parse(&h, HTTP_REQUEST,
                        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                        "Upgrade: websocket\r\n\r\n"),
                  0);
        CHECK(h.upgrade && h.body == HTTP_BODY_NONE);
        CHECK_INT(parse(&h, HTTP_REQUEST,
                        "GET /ws HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\n"
                        "Upgrade: websocket\r\n\r\n"),
                  0);
        CHECK(!h.upgrade && !h.keep_alive);
        CHECK_INT(
                parse(&h, HTTP_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
                0);
        CHECK(!h.upgrade);
        CHECK_INT(parse(&h, HTTP_REQUEST,
                        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n"),
                  HTTP_REFUSED);
}

static void test_response_framing(void)
{
        static const struct {
                const char *text;
                int r;
                enum http_body to_get, to_head;
        } t[] = {
                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, HTTP_BODY_LENGTH,
                 HTTP_BODY_NONE},
                {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0, HTTP_BODY_NONE, HTTP_BODY_NONE},
                {"HTTP/1.1 200 \r\n\r\n", 0, HTTP_BODY_CLOSE, HTTP_BODY_NONE},
                {"HTTP/1.1 404 a b\r\nTransfer-Encoding: Chunked\r\n\r\n", 0, HTTP_BODY_CHUNKED,
                 HTTP_BODY_NONE},
                {"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", 0, HTTP_BODY_NONE, HTTP_BODY_NONE},
                {"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", 0, HTTP_BODY_NONE, HTTP_BODY_NONE},
                {"HTTP/1.1 100 Continue\r\n\r\n", 0, HTTP_BODY_NONE, HTTP_BODY_NONE},
                {"HTTP/1.1 101 x\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", 0, HTTP_BODY_TUNNEL,
                 HTTP_BODY_TUNNEL},
                {"HTTP/1.1 101 x\r\nContent-Length: 5\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"HTTP/1.1 200 x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP_REFUSED,
                 0, 0},
                {"HTTP/1.1 200 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                 HTTP_REFUSED, 0, 0},
                {"HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"HTTP/2.0 200 x\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"HTTP/1.1 20 x\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"HTTP/1.1 099 x\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"HTTP/1.1 2000\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"\r\nHTTP/1.1 200 x\r\n\r\n", HTTP_REFUSED, 0, 0},
                {"HTTP/1.1 200 x\n\n", HTTP_REFUSED, 0, 0},
                {"HTTP/1.1 200 x\r\nA: b\r\n c\r\n\r\n", HTTP_REFUSED, 0, 0},
        };

        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                struct http_head h;
                int r = parse(&h, HTTP_RESPONSE, t[i].text);

                if (r != t[i].r)
                        fprintf(stderr, "response %zu: %s\n", i,
                                h.refuse_reason ? h.refuse_reason : "");
                CHECK_INT(r, t[i].r);
                if (r == HTTP_REFUSED) {
                        CHECK_INT(h.refuse_status, 502);
                        continue;
                }
                CHECK_INT(h.body, t[i].to_get);
                CHECK_INT(http_response_body(&h, true), t[i].to_head);
        }
}

static void test_lists_and_numbers(void)
{
        struct http_span list = {" a, Bc ,, d\t", 12};
        uint64_t v = 7;

        CHECK(http_list_has(list, "A") && http_list_has(list, "bc") && http_list_has(list, "d"));
        CHECK(!http_list_has(list, "b") && !http_list_has(list, ""));
        CHECK_INT(http_span_u64((struct http_span){"9223372036854775807", 19}, &v), 0);
        CHECK(v == INT64_MAX);
        CHECK(http_span_u64((struct http_span){"9223372036854775808", 19}, &v) < 0);
        CHECK(http_span_u64((struct http_span){"", 0}, &v) < 0);
        CHECK(http_span_u64((struct http_span){"1 ", 2}, &v) < 0);
        CHECK(v == INT64_MAX);
}

int main(void)
{
        RUN(test_strictness_table);
        RUN(test_fields);
        RUN(test_moving_bytes);
        RUN(test_hosts);
        RUN(test_bounds);
        RUN(test_every_byte);
        RUN(test_upgrade);
        RUN(test_response_framing);
        RUN(test_lists_and_numbers);
        return 0;
}
