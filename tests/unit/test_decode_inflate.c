/* permessage-deflate: what was agreed, messages, and streams that are none. */
#include "base/buf.h"
#include "decode/inflate.h"
#include "decode_bytes.h"
#include "test.h"

static void head_of(struct http_head *h, char *text, size_t size, const char *lines)
{
        int n = snprintf(text, size,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\n%s\r\n",
                         lines);

        http_head_init(h, HTTP_RESPONSE);
        CHECK_INT(http_head_parse(h, text, (size_t)n), 0);
}

#define E "Sec-WebSocket-Extensions: "

static void what_was_agreed_is_read(void)
{
        static const struct {
                const char *lines;
                bool good, agreed, no_takeover;
                int bits;
        } rows[] = {
                {"", true, false, false, 15},
                {E "permessage-deflate\r\n", true, true, false, 15},
                {E "Permessage-Deflate\r\n", true, true, false, 15},
                {E "permessage-deflate; client_no_context_takeover\r\n", true, true, true, 15},
                {E "permessage-deflate;client_max_window_bits=9\r\n", true, true, false, 9},
                {E "permessage-deflate ; client_max_window_bits = \"12\"\r\n", true, true, false,
                 12},
                {E "permessage-deflate; server_no_context_takeover; server_max_window_bits=10\r\n",
                 true, true, false, 15},
                {E "permessage-deflate; client_max_window_bits\r\n", false, 0, 0, 0},
                {E "permessage-deflate; client_max_window_bits=16\r\n", false, 0, 0, 0},
                {E "permessage-deflate; client_max_window_bits=7\r\n", false, 0, 0, 0},
                {E "permessage-deflate; client_max_window_bits=015\r\n", false, 0, 0, 0},
                {E "permessage-deflate; client_no_context_takeover=1\r\n", false, 0, 0, 0},
                {E "permessage-deflate; novelty\r\n", false, 0, 0, 0},
                {E "permessage-deflate;\r\n", false, 0, 0, 0},
                {E "permessage-deflate, permessage-deflate\r\n", false, 0, 0, 0},
                {E "permessage-deflate\r\n" E "permessage-deflate\r\n", false, 0, 0, 0},
                {E "x-webkit-deflate-frame\r\n", false, 0, 0, 0},
                {E "\r\n", false, 0, 0, 0},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct inflate_terms t = {.window_bits = -1};
                struct http_head h;
                char text[512];

                head_of(&h, text, sizeof(text), rows[i].lines);
                CHECK_INT(inflate_terms_of(&h, &t), rows[i].good);
                if (!rows[i].good) {
                        CHECK_INT(t.window_bits, -1);
                        continue;
                }
                CHECK_INT(t.agreed, rows[i].agreed);
                CHECK_INT(t.no_takeover, rows[i].no_takeover);
                CHECK_INT(t.window_bits, rows[i].bits);
        }
}

static bool collect(void *ctx, const uint8_t *data, size_t len)
{
        struct buf *b = ctx;

        return buf_append(b, data, len) == 0;
}

static void make(z_stream *zs, int bits)
{
        *zs = (z_stream){0};
        CHECK(deflateInit2(zs, 6, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
}

/* One message given in two parts, twice the same text, so that the second refers to the first. */
static void round_trip(struct inflate_terms terms, const char *text, size_t len)
{
        z_stream zs;

        make(&zs, terms.window_bits);
        for (size_t cut = 0; cut < 40; cut++) {
                AUTO_BUF out = BUF_INIT(BYTES_MAX);
                struct inflate *z;

                CHECK(deflateReset(&zs) == Z_OK);
                CHECK(inflate_new(&terms, &z) == 0);
                for (int again = 0; again < 3; again++) {
                        AUTO_BUF wire = BUF_INIT(BYTES_MAX);
                        size_t at;

                        if (terms.no_takeover)
                                CHECK(deflateReset(&zs) == Z_OK);
                        put_deflated(&wire, &zs, text, len);
                        if (again && !terms.no_takeover && len > 40)
                                CHECK(wire.len < 40);
                        at = MIN(cut, wire.len);
                        CHECK(inflate_feed(z, wire.data, at, collect, &out));
                        CHECK(inflate_feed(z, wire.data + at, wire.len - at, collect, &out));
                        CHECK(inflate_end(z, collect, &out));
                        CHECK_INT(out.len, len);
                        CHECK(len == 0 || memcmp(out.data, text, len) == 0);
                        buf_clear(&out);
                }
                CHECK(inflate_memory(z) > 0 && inflate_memory(z) <= INFLATE_MEMORY_MAX);
                z = inflate_free(z);
        }
        (void)deflateEnd(&zs);
}

static void messages_come_out_as_they_went_in(void)
{
        static const char text[] = "the quick brown fox jumps over the lazy dog, and then again";

        for (int bits = 9; bits <= 15; bits++) {
                round_trip((struct inflate_terms){true, false, bits}, text, sizeof(text) - 1);
                round_trip((struct inflate_terms){true, true, bits}, text, sizeof(text) - 1);
        }
        round_trip((struct inflate_terms){true, false, 15}, "", 0);
}

static void the_examples_of_the_rfc_are_read(void)
{
        /* RFC 7692, 7.2.3: "Hello" fixed, with the window of the first, stored, in two blocks. */
        static const struct {
                const char *bytes;
                size_t len;
        } hello[] = {
                {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},
                {"\xf2\x00\x11\x00\x00", 5},
                {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11},
                {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13},
        };
        struct inflate_terms terms = {true, false, 15};
        AUTO_BUF out = BUF_INIT(100);
        struct inflate *z;

        CHECK(inflate_new(&terms, &z) == 0);
        for (size_t i = 0; i < ARRAY_LEN(hello); i++) {
                CHECK(inflate_feed(z, hello[i].bytes, hello[i].len, collect, &out));
                CHECK(inflate_end(z, collect, &out));
        }
        CHECK(out.len == 20 && memcmp(out.data, "HelloHelloHelloHello", 20) == 0);
        z = inflate_free(z);
}

static void garbage_is_final(void)
{
        static const struct {
                const char *bytes;
                size_t len;
        } bad[] = {
                {"\x07", 1},                 /* a reserved block type */
                {"\x00\x05\x00\x05\x00", 5}, /* a stored length that is not its complement */
                {"\xf2\x48\xcd", 3},         /* the message ends inside of a block */
                {"\x02\x00\x11\x00", 4},     /* refers to before the beginning */
                {"\xf3\x48\xcd\xc9\xc9\x07\x00", 7}, /* a last block: the stream would be over */
        };
        struct inflate_terms terms = {true, false, 15};

        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                AUTO_BUF out = BUF_INIT(1000);
                struct inflate *z;

                CHECK(inflate_new(&terms, &z) == 0);
                CHECK(!inflate_feed(z, bad[i].bytes, bad[i].len, collect, &out) ||
                      !inflate_end(z, collect, &out));
                CHECK(!inflate_feed(z, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, collect, &out));
                CHECK(!inflate_end(z, collect, &out));
                z = inflate_free(z);
        }
}

static bool count(void *ctx, const uint8_t *data, size_t len)
{
        size_t *n = ctx;

        CHECK(data && len <= 16384);
        *n += len;
        return true;
}

static void a_bomb_takes_no_memory(void)
{
        static uint8_t zeros[1 << 20];
        struct inflate_terms terms = {true, false, 15};
        AUTO_BUF wire = BUF_INIT(BYTES_MAX);
        struct inflate *z;
        size_t n = 0;
        z_stream zs;

        make(&zs, 15);
        CHECK(inflate_new(&terms, &z) == 0);
        for (int i = 0; i < 64; i++) {
                size_t from = wire.len;

                put_deflated(&wire, &zs, zeros, sizeof(zeros));
                CHECK(inflate_feed(z, wire.data + from, wire.len - from, count, &n));
                CHECK(inflate_end(z, count, &n));
        }
        CHECK_INT(n, 64 * sizeof(zeros));
        CHECK(wire.len < n / 500);
        CHECK(inflate_memory(z) <= INFLATE_MEMORY_MAX);
        z = inflate_free(z);
        (void)deflateEnd(&zs);
}

static bool never(void *ctx, const uint8_t *data, size_t len)
{
        (void)ctx;
        (void)data;
        (void)len;
        return false;
}

static void a_sink_that_has_enough_ends_it(void)
{
        struct inflate_terms terms = {true, false, 15};
        AUTO_BUF out = BUF_INIT(100);
        struct inflate *z;

        CHECK(inflate_new(&terms, &z) == 0);
        CHECK(!inflate_feed(z, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, never, NULL));
        CHECK(!inflate_feed(z, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, collect, &out));
        CHECK(out.len == 0);
        z = inflate_free(z);
        CHECK(!inflate_free(NULL));
}

int main(void)
{
        RUN(what_was_agreed_is_read);
        RUN(messages_come_out_as_they_went_in);
        RUN(the_examples_of_the_rfc_are_read);
        RUN(garbage_is_final);
        RUN(a_bomb_takes_no_memory);
        RUN(a_sink_that_has_enough_ends_it);
        return 0;
}
