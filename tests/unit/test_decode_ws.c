/* WebSocket frames of a client, in every split. */
#include "base/buf.h"
#include "decode/ws.h"
#include "decode_bytes.h"
#include "test.h"

struct heard {
        struct buf text; /* payload; '|' at the end of a message, '!' at that of a compressed one */
        size_t refuse_at; /* payload calls that are taken; 0 all */
        size_t calls;
};

static bool on_payload(void *ctx, const uint8_t *data, size_t len, bool compressed)
{
        struct heard *h = ctx;

        (void)compressed;
        CHECK(len > 0 && len <= WS_PIECE_MAX);
        CHECK(buf_append(&h->text, data, len) == 0);
        return ++h->calls != h->refuse_at;
}

static bool on_end(void *ctx, bool compressed)
{
        struct heard *h = ctx;

        CHECK(buf_append(&h->text, compressed ? "!" : "|", 1) == 0);
        return true;
}

/* Feed in two parts; what was heard as text. */
static bool hear(const struct buf *b, size_t cut, bool extension, struct heard *h)
{
        struct ws w;
        struct ws_sink sink = {on_payload, on_end, h};
        bool good;

        h->text = BUF_INIT(BYTES_MAX);
        ws_init(&w, extension);
        good = ws_feed(&w, b->data, cut, &sink);
        CHECK(good || w.reason);
        good = ws_feed(&w, b->data + cut, b->len - cut, &sink);
        CHECK(good == !w.reason);
        if (!good)
                CHECK(!ws_feed(&w, "\x82\x80\0\0\0\0", 6, &sink));
        CHECK(buf_terminate(&h->text) == 0);
        return good;
}

static void expect(const struct buf *b, bool extension, bool good, const char *text)
{
        for (size_t cut = 0; cut <= b->len; cut++) {
                struct heard h = {0};

                CHECK(hear(b, cut, extension, &h) == good);
                CHECK_STR((const char *)h.text.data, text);
                buf_deinit(&h.text);
        }
}

static void the_example_of_the_rfc_is_read(void)
{
        /* RFC 6455, 5.7: a single-frame masked text message "Hello". */
        static const uint8_t hello[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                        0x7f, 0x9f, 0x4d, 0x51, 0x58};
        AUTO_BUF b = BUF_INIT(100);

        CHECK(buf_append(&b, hello, sizeof(hello)) == 0);
        expect(&b, false, true, "Hello|");
        /* The bytes are somebody else's. */
        CHECK(memcmp(b.data, hello, sizeof(hello)) == 0);
}

static void fragments_and_control_frames_may_mix(void)
{
        AUTO_BUF b = BUF_INIT(1000);

        put_frame(&b, WS_BINARY | WS_RSV1, "ab", 2);
        put_frame(&b, WS_FIN | 9, "ping", 4);
        put_frame(&b, 0, "", 0);
        put_frame(&b, 0, "c", 1);
        put_frame(&b, WS_FIN | 10, "", 0);
        put_frame(&b, WS_FIN, "defghijklmno", 12);
        put_frame(&b, WS_FIN | WS_BINARY, "p", 1);
        put_frame(&b, WS_FIN | WS_BINARY, "", 0);
        expect(&b, true, true, "abcdefghijklmno!p||");
}

static void behind_close_nothing_is_looked_at(void)
{
        AUTO_BUF b = BUF_INIT(1000);

        put_frame(&b, WS_FIN | WS_BINARY, "a", 1);
        put_frame(&b, WS_FIN | 8, "\x03\xe8", 2);
        CHECK(buf_append(&b, "\xff\xff\xff", 3) == 0);
        expect(&b, false, true, "a|");
}

static void long_frames_come_in_pieces(void)
{
        static const size_t lens[] = {125, 126, 127, 65535, 65536, 70001};

        for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
                AUTO_BUF b = BUF_INIT(BYTES_MAX);
                AUTO_BUF text = BUF_INIT(BYTES_MAX);
                struct heard h = {0};

                CHECK(buf_reserve(&text, lens[i]) == 0);
                for (size_t j = 0; j < lens[i]; j++)
                        text.data[j] = (uint8_t)('a' + j % 23);
                put_frame(&b, WS_FIN | WS_BINARY, text.data, lens[i]);
                for (size_t cut = 0; cut < 20; cut++) {
                        CHECK(hear(&b, cut, false, &h));
                        CHECK(h.text.len == lens[i] + 1);
                        CHECK(memcmp(h.text.data, text.data, lens[i]) == 0);
                        buf_deinit(&h.text);
                }
        }
}

static void what_a_client_must_not_send_is_final(void)
{
        static const struct {
                const char *bytes;
                size_t len;
        } bad[] = {
#define BAD(s) {s, sizeof(s) - 1}
                BAD("\x82\x01x"),                        /* not masked */
                BAD("\xc2\x80...."),                     /* compressed, not agreed */
                BAD("\xa2\x80...."),                     /* RSV2 */
                BAD("\x92\x80...."),                     /* RSV3 */
                BAD("\x83\x80...."),                     /* opcode 3 */
                BAD("\x8b\x80...."),                     /* opcode 11 */
                BAD("\x80\x80...."),                     /* continues nothing */
                BAD("\x09\x80...."),                     /* a fragmented ping */
                BAD("\x89\xfe\0\x7e...."),               /* a ping of 126 bytes */
                BAD("\xc9\x80...."),                     /* a compressed ping */
                BAD("\x82\xfe\0\x7d...."),               /* 125 in two bytes */
                BAD("\x82\xff\0\0\0\0\0\0\xff\xff...."), /* 65535 in eight */
                BAD("\x82\xff\x80\0\0\0\0\0\0\0...."),   /* more than there is */
                BAD("\x02\x80\0\0\0\0\x82\x80\0\0\0\0"), /* a message inside of one */
                BAD("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
#undef BAD
        };

        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                AUTO_BUF b = BUF_INIT(100);

                CHECK(buf_append(&b, bad[i].bytes, bad[i].len) == 0);
                expect(&b, false, false, "");
        }
}

static void rsv1_is_for_the_first_frame(void)
{
        AUTO_BUF b = BUF_INIT(100);

        put_frame(&b, WS_BINARY | WS_RSV1, "a", 1);
        put_frame(&b, WS_FIN | WS_RSV1, "b", 1);
        expect(&b, true, false, "a");
}

static void a_sink_that_has_enough_ends_it(void)
{
        AUTO_BUF b = BUF_INIT(100);
        struct heard h = {.text = BUF_INIT(100), .refuse_at = 1};
        struct ws_sink sink = {on_payload, on_end, &h};
        struct ws w;

        put_frame(&b, WS_FIN | WS_BINARY, "a", 1);
        ws_init(&w, false);
        CHECK(!ws_feed(&w, b.data, b.len, &sink));
        CHECK(!ws_feed(&w, b.data, b.len, &sink));
        CHECK(!w.reason && h.calls == 1);
        buf_deinit(&h.text);
}

int main(void)
{
        RUN(the_example_of_the_rfc_is_read);
        RUN(fragments_and_control_frames_may_mix);
        RUN(behind_close_nothing_is_looked_at);
        RUN(long_frames_come_in_pieces);
        RUN(what_a_client_must_not_send_is_final);
        RUN(rsv1_is_for_the_first_frame);
        RUN(a_sink_that_has_enough_ends_it);
        return 0;
}
