/* The editor's messages of 13 bytes, in every split, and its handshake. */
#include "base/buf.h"
#include "decode/editor.h"
#include "decode_bytes.h"
#include "test.h"

struct heard {
        char text[512]; /* "type:id:length:body's first bytes " of each */
        size_t stop_at; /* after so many; 0 never */
        size_t n;
};

static bool on_message(void *ctx, const struct editor_message *m)
{
        struct heard *h = ctx;
        size_t at = strlen(h->text);

        CHECK(m->body_len == MIN(m->length, (uint32_t)EDITOR_PREFIX_MAX) || m->type > 2);
        (void)snprintf(h->text + at, sizeof(h->text) - at, "%d:%u:%u:%.*s ", (int)m->type, m->id,
                       m->length, (int)MIN(m->body_len, (size_t)8),
                       m->body ? (const char *)m->body : "");
        return ++h->n != h->stop_at;
}

static bool hear(const struct buf *b, size_t cut, struct heard *h)
{
        struct editor e;
        bool good;

        editor_init(&e);
        good = editor_feed(&e, b->data, cut, on_message, h);
        good = editor_feed(&e, b->data + cut, b->len - cut, on_message, h) && good;
        if (!good)
                CHECK(!editor_feed(&e, "x", 1, on_message, h));
        editor_deinit(&e);
        return good;
}

static void messages_are_found_in_every_split(void)
{
        static const char want[] = "2:0:3:{a} 9:0:0: 1:1:5:hello 3:0:0: 1:2:0: 10:0:4: "
                                   "1:3:9000:aaaaaaaa 5:0:0: ";
        AUTO_BUF b = BUF_INIT(100000);
        char big[9000];

        memset(big, 'a', sizeof(big));
        put_message(&b, EDITOR_CONTROL, 0, "{a}", 3);
        put_message(&b, EDITOR_KEEP_ALIVE, 0, "", 0);
        put_message(&b, EDITOR_REGULAR, 1, "hello", 5);
        put_message(&b, EDITOR_ACK, 0, "", 0);
        put_message(&b, EDITOR_REGULAR, 2, "", 0);
        put_message(&b, EDITOR_LATENCY_REQUEST, 0, "1234", 4);
        put_message(&b, EDITOR_REGULAR, 3, big, sizeof(big));
        put_message(&b, EDITOR_DISCONNECT, 0, "", 0);
        for (size_t cut = 0; cut <= b.len; cut++) {
                struct heard h = {0};

                CHECK(hear(&b, cut, &h));
                CHECK_STR(h.text, want);
        }
}

static void byte_by_byte_is_the_same(void)
{
        AUTO_BUF b = BUF_INIT(100000);
        struct heard h = {0};
        struct editor e;
        char big[6000];

        memset(big, 'b', sizeof(big));
        put_message(&b, EDITOR_REGULAR, 1, big, sizeof(big));
        put_message(&b, EDITOR_REGULAR, 2, "end", 3);
        editor_init(&e);
        for (size_t i = 0; i < b.len; i++)
                CHECK(editor_feed(&e, b.data + i, 1, on_message, &h));
        CHECK_STR(h.text, "1:1:6000:bbbbbbbb 1:2:3:end ");
        editor_deinit(&e);
}

static void what_is_no_message_is_final(void)
{
        static const struct {
                const char *bytes;
                size_t len;
        } bad[] = {
#define BAD(s) {s, sizeof(s) - 1}
                BAD("\x00\0\0\0\0\0\0\0\0\0\0\0\0"),       /* type 0 is never sent */
                BAD("\x04\0\0\0\0\0\0\0\0\0\0\0\0"),       /* 4 does not exist */
                BAD("\x0c\0\0\0\0\0\0\0\0\0\0\0\0"),       /* nor does 12 */
                BAD("\x09\0\0\0\0\0\0\0\0\0\0\0\x01"),     /* a keep-alive with a body */
                BAD("\x0a\0\0\0\0\0\0\0\0\0\0\0\x41"),     /* a latency request of 65 bytes */
                BAD("\x01\0\0\0\x01\0\0\0\0\x40\0\0\x01"), /* more than a gigabyte */
                BAD("{\"type\":\"auth\",\"auth\":\"0000\"}"),
#undef BAD
        };

        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                AUTO_BUF b = BUF_INIT(100);

                CHECK(buf_append(&b, bad[i].bytes, bad[i].len) == 0);
                for (size_t cut = 0; cut <= b.len; cut++) {
                        struct heard h = {0};

                        CHECK(!hear(&b, cut, &h));
                        CHECK_STR(h.text, "");
                }
        }
}

static void a_reader_that_has_enough_ends_it(void)
{
        AUTO_BUF b = BUF_INIT(100);

        put_message(&b, EDITOR_REGULAR, 1, "a", 1);
        put_message(&b, EDITOR_REGULAR, 2, "b", 1);
        for (size_t cut = 0; cut <= b.len; cut++) {
                struct heard h = {.stop_at = 1};

                CHECK(!hear(&b, cut, &h));
                CHECK_STR(h.text, "1:1:1:a ");
        }
}

static void the_handshake_says_what_it_is_for(void)
{
        static const struct {
                const char *json;
                bool good;
                enum editor_kind kind;
        } rows[] = {
                {"{\"type\":\"auth\",\"auth\":\"00\",\"data\":\"x\"}", true, EDITOR_KIND_NONE},
                {"{\"type\":\"connectionType\",\"desiredConnectionType\":1}", true,
                 EDITOR_MANAGEMENT},
                {"{\"type\":\"connectionType\",\"commit\":\"c\",\"desiredConnectionType\":2,\"args",
                 true, EDITOR_EXTENSION_HOST},
                {" { \"desiredConnectionType\" : 3 , \"type\" : \"connectionType\" } ", true,
                 EDITOR_TUNNEL},
                /* Only the outermost object's own keys count, and only keys. */
                {"{\"type\":\"connectionType\",\"args\":{\"desiredConnectionType\":2}}", false, 0},
                {"{\"type\":\"connectionType\",\"a\":[\"desiredConnectionType\",2]}", false, 0},
                {"{\"a\":\"desiredConnectionType\",\"type\":\"connectionType\"}", false, 0},
                {"{\"a\":{\"type\":\"auth\"},\"b\":[{\"type\":\"auth\"}]}", false, 0},
                {"{\"a\":\"\\\"type\\\":\",\"type\":\"auth\"}", true, EDITOR_KIND_NONE},
                {"{\"type\":\"connectionType\",\"desiredConnectionType\":4}", false, 0},
                {"{\"type\":\"connectionType\",\"desiredConnectionType\":12}", false, 0},
                {"{\"type\":\"connectionType\",\"desiredConnectionType\":1", false, 0},
                {"{\"type\":\"connectionType\",\"desiredConnectionType\":\"1\"}", false, 0},
                {"{\"type\":\"connectionType\"}", false, 0},
                {"{\"type\":\"ok\"}", false, 0},
                {"{\"type\":1}", false, 0},
                {"\"type\":\"auth\"", false, 0},
                {"[\"type\":\"auth\"]", false, 0},
                {"}}}{\"type\":\"auth\"}", false, 0},
                {"{\"type", false, 0},
                {"{\"type\\", false, 0},
                {"", false, 0},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                enum editor_kind kind = EDITOR_KIND_NONE;

                CHECK_INT(editor_handshake((const uint8_t *)rows[i].json, strlen(rows[i].json),
                                           &kind),
                          rows[i].good);
                if (rows[i].good)
                        CHECK_INT(kind, rows[i].kind);
        }
}

int main(void)
{
        RUN(messages_are_found_in_every_split);
        RUN(byte_by_byte_is_the_same);
        RUN(what_is_no_message_is_final);
        RUN(a_reader_that_has_enough_ends_it);
        RUN(the_handshake_says_what_it_is_for);
        return 0;
}
