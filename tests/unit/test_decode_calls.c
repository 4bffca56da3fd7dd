/* Names and arguments: management IPC and extension-host RPC, layout by layout. */
#include "base/buf.h"
#include "decode/ipc.h"
#include "decode/rpc.h"
#include "decode_bytes.h"
#include "test.h"

/* As measured: the key "l" in a terminal. */
static const uint8_t input[] = "\x04\x04\x06\x64\x06\xeb\x08\x01\x0eremoteterminal\x01\x06$input"
                               "\x04\x02\x06\x01\x01\x01l";
#define INPUT_LEN (sizeof(input) - 1)

static void the_measured_key_is_read(void)
{
        struct ipc_message m;
        const uint8_t *text;
        size_t len;
        bool cut;

        CHECK_INT(INPUT_LEN, 38);
        CHECK(ipc_parse(input, INPUT_LEN, INPUT_LEN, &m));
        CHECK_INT(m.what, IPC_REQUEST);
        CHECK(m.name_len == 21 && memcmp(m.name, "remoteterminal.$input", 21) == 0);
        CHECK_INT(m.args_len, 7);
        CHECK(ipc_typed(m.args, m.args_len, &text, &len, &cut));
        CHECK(len == 1 && text[0] == 'l' && !cut);
}

/* The header must be whole; what is missing behind it is only cut. */
static void a_cut_message_is_no_message_or_cut(void)
{
        for (size_t n = 0; n < INPUT_LEN; n++) {
                struct ipc_message m;
                const uint8_t *text;
                size_t len;
                bool cut = false;
                uint8_t *part = malloc(n ? n : 1);

                CHECK(part);
                memcpy(part, input, n);
                CHECK_INT(ipc_parse(part, n, INPUT_LEN, &m), n >= 31);
                if (n >= 31) {
                        CHECK_INT(ipc_typed(m.args, m.args_len, &text, &len, &cut), n >= 37);
                        CHECK_INT(cut, n >= 37);
                }
                free(part);
        }
}

static void the_other_headers_have_no_name(void)
{
        static const struct {
                const char *bytes;
                size_t len;
                bool good;
        } rows[] = {
#define ROW(s, good) {s, sizeof(s) - 1, good}
                ROW("\x04\x01\x06\xc8\x01\x00", true),                    /* [200] */
                ROW("\x04\x02\x06\xc9\x01\x06\x05\x05\x02{}", true),      /* [201, 5] {} */
                ROW("\x04\x02\x06\xca\x01\x06\x05\x00", true),            /* [202, 5] */
                ROW("\x04\x02\x06\xcb\x01\x06\x05\x00", true),            /* [203, 5] */
                ROW("\x04\x02\x06\xcc\x01\x06\x05\x00", true),            /* [204, 5] */
                ROW("\x04\x02\x06\x65\x06\x05\x00", true),                /* [101, 5] */
                ROW("\x04\x02\x06\x67\x06\x05\x00", true),                /* [103, 5] */
                ROW("\x05\x02{}", true),                                  /* the greeting */
                ROW("\x05\x03{}", false),                                 /* too long */
                ROW("\x05\x02[]", false),                                 /* no object */
                ROW("\x04\x02\x06\x66\x06\x05\x00", false),               /* [102, 5] */
                ROW("\x04\x04\x06\x65\x06\x05\x01\x01c\x01\x01d", false), /* four, not two */
                ROW("\x04\x02\x06\x68\x06\x05\x00", false),               /* 104 */
                ROW("\x04\x04\x06\x64\x06\x05\x01\x00\x01\x01"
                    "d",
                    false), /* no channel */
                ROW("\x04\x04\x06\x64\x06\x05\x01\x01"
                    "c\x05\x01"
                    "d",
                    false), /* no string */
                ROW("\x04\x04\x06\x64\x06\x05\x01\xff\xff\xff\xff\x0f"
                    "cc",
                    false),
                ROW("\x04\x04\x06\x64\x06\x05\x01\xff\xff\xff\xff\xff\x01"
                    "cc",
                    false),
                ROW("\x04\x04\x04\x04\x04\x04\x04\x04\x04\x04\x04\x04", false), /* nested */
                ROW("\x06\x64", false),
                ROW("", false),
                ROW("{\"type\":\"auth\"}", false),
#undef ROW
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct ipc_message m;
                bool good = ipc_parse((const uint8_t *)rows[i].bytes, rows[i].len, rows[i].len, &m);

                CHECK_INT(good, rows[i].good);
                if (good)
                        CHECK(m.what == IPC_OTHER && m.name_len == 0);
        }
}

static void listening_is_not_asking(void)
{
        AUTO_BUF b = BUF_INIT(1000);
        struct ipc_message m;

        put_header(&b, 102, 7, "remoteterminal", "$onProcessDataEvent");
        CHECK(buf_append(&b, "\0", 1) == 0);
        CHECK(ipc_parse(b.data, b.len, b.len, &m));
        CHECK_INT(m.what, IPC_LISTEN);
        CHECK_INT(m.name_len, strlen("remoteterminal.$onProcessDataEvent"));
}

static void long_names_and_arguments_are_bounded(void)
{
        AUTO_BUF b = BUF_INIT(100000);
        struct ipc_message m;
        char name[301], args[9000];

        memset(name, 'n', sizeof(name));
        memset(args, 'a', sizeof(args));
        name[sizeof(name) - 1] = args[sizeof(args) - 1] = 0;
        put_header(&b, 100, 7, name, name);
        put_text(&b, args);
        CHECK(ipc_parse(b.data, b.len, b.len, &m));
        CHECK_INT(m.name_len, RULES_NAME_MAX);
        CHECK_INT(m.args_len, RULES_ARGS_MAX);
        /* What arrives of a message is its beginning: a header longer than that is none. */
        CHECK(!ipc_parse(b.data, 512, b.len, &m));
}

static void typed_text_may_be_a_buffer_or_something_else(void)
{
        static const struct {
                const char *args;
                size_t len;
                int text; /* its length; -1 none */
        } rows[] = {
#define ROW(s, n) {s, sizeof(s) - 1, n}
                ROW("\x04\x02\x06\x01\x01\x00", 0),
                ROW("\x04\x02\x06\x81\x01\x02\x02qq", 2),
                ROW("\x04\x02\x06\x01\x03\x02qq", 2),
                ROW("\x04\x02\x06\x01\x05\x02{}", -1),
                ROW("\x04\x01\x06\x01", -1),
                ROW("\x04\x03\x06\x01\x01\x01q\x00", -1),
                ROW("\x04\x02\x01\x01q\x01\x01q", -1),
                ROW("\x01\x01q", -1),
                ROW("", -1),
#undef ROW
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const uint8_t *text;
                size_t len;
                bool cut, good = ipc_typed((const uint8_t *)rows[i].args, rows[i].len, &text, &len,
                                           &cut);

                CHECK_INT(good ? (int)len : -1, rows[i].text);
        }
}

/* As measured: the tracker's edge, 42 bytes. */
static const uint8_t inactive[] = "\x01\x00\x00\x01\x8c\x4a\x18$onDidChangeWindowActive"
                                  "\x00\x00\x00\x07[false]";
#define INACTIVE_LEN (sizeof(inactive) - 1)

static void the_measured_edge_is_read(void)
{
        struct rpc_message m;

        CHECK_INT(INACTIVE_LEN, 42);
        CHECK(rpc_parse(inactive, INACTIVE_LEN, INACTIVE_LEN, &m));
        CHECK_INT(m.what, RPC_REQUEST);
        CHECK(m.name_len == 24 && memcmp(m.name, "$onDidChangeWindowActive", 24) == 0);
        CHECK(m.args_len == 7 && memcmp(m.args, "[false]", 7) == 0);
        for (size_t n = 0; n < INACTIVE_LEN; n++) {
                uint8_t *part = malloc(n ? n : 1);

                CHECK(part);
                memcpy(part, inactive, n);
                CHECK_INT(rpc_parse(part, n, INACTIVE_LEN, &m), n >= 35);
                /* A whole message of this length is none; one byte is another thing. */
                CHECK(n == 1 || !rpc_parse(part, n, n, &m));
                free(part);
        }
}

static void put_arg(struct buf *b, uint8_t tag, const char *text)
{
        CHECK(buf_append(b, &tag, 1) == 0);
        if (tag == 3)
                put_be32(b, 1);
        if (tag != 4) {
                put_be32(b, (uint32_t)strlen(text));
                CHECK(buf_append_str(b, text) == 0);
        }
        if (tag == 3) {
                put_be32(b, 3);
                CHECK(buf_append_str(b, "buf") == 0);
        }
}

/* A request of mixed arguments; "tags" says which. */
static void put_mixed(struct buf *b, const char *method, const uint8_t *tags,
                      const char *const *texts, size_t n)
{
        uint8_t count = (uint8_t)n;

        CHECK(buf_append(b, "\x03\0\0\0\x01\x05", 6) == 0);
        CHECK(buf_append(b, &(uint8_t){(uint8_t)strlen(method)}, 1) == 0);
        CHECK(buf_append_str(b, method) == 0 && buf_append(b, &count, 1) == 0);
        for (size_t i = 0; i < n; i++)
                put_arg(b, tags[i], texts[i]);
}

static void mixed_arguments_look_like_json(void)
{
        static const uint8_t tags[] = {1, 2, 4, 1, 3};
        static const char *const texts[] = {"{\"a\":1}", "bytes", "", "\"s\"", "{\"$$ref\":0}"};
        static const char want[] = "[{\"a\":1},null,null,\"s\",{\"$$ref\":0}";
        AUTO_BUF b = BUF_INIT(1000);
        struct rpc_message m;

        put_mixed(&b, "$x", tags, texts, 5);
        CHECK(rpc_parse(b.data, b.len, b.len, &m));
        CHECK(m.args_len == strlen(want) && memcmp(m.args, want, m.args_len) == 0);
        /* Whatever is missing: what is there, and never more than there is. */
        for (size_t n = 10; n < b.len; n++) {
                uint8_t *part = malloc(n);

                CHECK(part);
                memcpy(part, b.data, n);
                CHECK(rpc_parse(part, n, b.len, &m));
                CHECK(m.args_len <= strlen(want));
                free(part);
        }
        buf_clear(&b);
        put_mixed(&b, "$x", tags, texts, 4);
        CHECK(rpc_parse(b.data, b.len, b.len, &m));
        CHECK(m.args_len == 23 && m.args[22] == ']');
}

static void the_rest_is_a_machine_or_nothing(void)
{
        static const struct {
                const char *bytes;
                size_t len;
                int what; /* -1 not understood */
        } rows[] = {
#define ROW(s, what) {s, sizeof(s) - 1, what}
                ROW("\x01", RPC_OTHER),
                ROW("\x02", RPC_OTHER),
                ROW("\x03", RPC_TERMINATE),
                ROW("\x04", -1),
                ROW("\x00", -1),
                ROW("{\"commit\":\"c\"}", RPC_OTHER),
                ROW("\x05\0\0\0\x01", RPC_OTHER),
                ROW("\x05\0\0\0", -1),
                ROW("\x06\0\0\0\x01", RPC_OTHER),
                ROW("\x09\0\0\0\x01\0\0\0\x02{}", RPC_OTHER),
                ROW("\x0c\0\0\0\x01", RPC_OTHER),
                ROW("\x0d\0\0\0\x01", -1),
                ROW("\x01\0\0\0\x01\x05\x00\0\0\0\x00", -1),   /* a name of no bytes */
                ROW("\x01\0\0\0\x01\x05\x02xy\0\0\0\x00", -1), /* without its '$' */
                ROW("\x01\0\0\0\x01\x05\x02$\n\0\0\0\x00", -1),
                ROW("\x01\0\0\0\x01\x05\x02$a\0\0\0\x01", -1),   /* arguments that are not there */
                ROW("\x01\0\0\0\x01\x05\x02$a\0\0\0\x00[]", -1), /* and too many */
                ROW("\x01\0\0\0\x01\x05\xff$a", -1),
                ROW("", -1),
#undef ROW
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct rpc_message m;
                bool good = rpc_parse((const uint8_t *)rows[i].bytes, rows[i].len, rows[i].len, &m);

                CHECK_INT(good ? (int)m.what : -1, rows[i].what);
        }
}

static void typed_json_is_unescaped(void)
{
        static const struct {
                const char *args;
                const char *text; /* NULL: different */
                bool cut;
        } rows[] = {
                {"[3,\"ls\\r\"]", "ls\r", false},
                {"[3,\"\\u001b[1;1R\"]", "\x1b[1;1R", false},
                {"[3,\"\\u00e9\\u20AC\\\"\\\\\\/\\b\\f\\n\\t\"]",
                 "\xc3\xa9\xe2\x82\xac\"\\/\b\f\n\t", false},
                {"[3,\"\"]", "", false},
                {"[3,\"abc", "abc", true},
                {"[3,\"abc\\", "abc", true},
                {"[3,\"abc\\u00", "abc", true},
                {"[3,\"abc\\q\"]", "abc", true},
                {"[3,\"abcdefghijklmnopq\"]", "abcdefghijkl", true},
                {"[3,4]", NULL, false},
                {"[\"a\",\"b\"]", NULL, false},
                {"[3", NULL, false},
                {"[", NULL, false},
                {"", NULL, false},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                uint8_t text[12];
                size_t len, n = strlen(rows[i].args);
                bool cut, good = rpc_typed(rows[i].args, n, text, sizeof(text), &len, &cut);

                CHECK_INT(good, rows[i].text != NULL);
                if (!good)
                        continue;
                CHECK_INT(len, strlen(rows[i].text));
                CHECK(memcmp(text, rows[i].text, len) == 0);
                CHECK_INT(cut, rows[i].cut);
        }
}

int main(void)
{
        RUN(the_measured_key_is_read);
        RUN(a_cut_message_is_no_message_or_cut);
        RUN(the_other_headers_have_no_name);
        RUN(listening_is_not_asking);
        RUN(long_names_and_arguments_are_bounded);
        RUN(typed_text_may_be_a_buffer_or_something_else);
        RUN(the_measured_edge_is_read);
        RUN(mixed_arguments_look_like_json);
        RUN(the_rest_is_a_machine_or_nothing);
        RUN(typed_json_is_unescaped);
        return 0;
}
