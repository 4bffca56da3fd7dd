/* The documents of save and restore: there and back, and what is refused. */
#include <errno.h>

#include "base/str.h"
#include "test.h"
#include "wire/blob.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define M "\"manifest\":{\"url\":\"http://h/m\"}"
#define D "\"data\":{\"url\":\"http://h/d\"}"
#define SAVE "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7," M "," D ",\"max_bytes\":10}"

static int save_request(const char *text)
{
        struct blob_save_request q = {.seq = 99};
        int r = blob_save_request_decode(text, strlen(text), &q);

        CHECK(r == 0 || (r == -EBADMSG && q.seq == 99));
        return r;
}

static void test_save_request(void)
{
        static const char *const bad[] = {
                "",
                "{",
                "[]",
                "null",
                "{}",
                SAVE "x",
                SAVE SAVE,
                "{\"workspace\":\"../a\",\"generation\":2,\"seq\":7," M "," D ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":0,\"seq\":7," M "," D ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":-1,\"seq\":7," M "," D ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2.5,\"seq\":7," M "," D
                ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":\"2\",\"seq\":7," M "," D
                ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":1e300," M "," D
                ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7," M ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7," M
                ",\"data\":{\"url\":\"file:///etc/passwd\"},\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7," M
                ",\"data\":{\"url\":\"http://h/a b\"},\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7," M
                ",\"data\":\"http://h/d\",\"max_bytes\":10}",
        };
        struct blob_save_request q;
        AUTO_BUF b = BUF_INIT(BLOB_REQUEST_MAX);

        CHECK_INT(save_request(SAVE), 0);
        CHECK_INT(save_request(" " SAVE "\n"), 0);
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                CHECK_INT(save_request(bad[i]), -EBADMSG);
        CHECK_INT(blob_save_request_set_committed(SAVE, strlen(SAVE), 6, &b), 0);
        CHECK_INT(blob_save_request_decode(b.data, b.len, &q), 0);
        CHECK_INT(q.committed_seq, 6);
        CHECK_INT(q.seq, 7);
        CHECK_INT(q.max_bytes, 10);
        CHECK_STR(q.data_url, "http://h/d");
        q.workspace[0] = 'X';
        CHECK_INT(blob_save_request_encode(&q, &b), -EINVAL);
}

static void test_restore_request(void)
{
        struct blob_restore_request q = {.generation = 3, .n_saves = BLOB_SAVES_MAX}, back;
        AUTO_BUF b = BUF_INIT(BLOB_REQUEST_MAX);

        CHECK(STR_SET(q.workspace, "ws-a") == 0);
        for (uint32_t i = 0; i < q.n_saves; i++) {
                struct blob_restore_save *s = &q.saves[i];

                s->generation = 2;
                s->seq = 10 - i;
                s->manifest_length = 300;
                CHECK(STR_SET(s->manifest_sha256, HASH) == 0);
                memset(s->manifest_url, 'u', sizeof(s->manifest_url) - 1);
                memcpy(s->manifest_url, "https://", 8);
                memcpy(s->data_url, s->manifest_url, sizeof(s->data_url));
        }
        CHECK_INT(blob_restore_request_encode(&q, &b), 0);
        CHECK_INT(blob_restore_request_decode(b.data, b.len, &back), 0);
        CHECK(memcmp(&q, &back, sizeof(q)) == 0);
        q.saves[3].manifest_sha256[0] = 'A';
        CHECK_INT(blob_restore_request_encode(&q, &b), -EINVAL);
        q.n_saves = 0;
        buf_clear(&b);
        CHECK_INT(blob_restore_request_encode(&q, &b), 0);
        CHECK_INT(blob_restore_request_decode(b.data, b.len, &back), 0);
        CHECK_INT(back.n_saves, 0);
}

static void test_save_result(void)
{
        struct blob_save_result s = {.ok = true,
                                     .seq = 5,
                                     .final = true,
                                     .racy = true,
                                     .length = 300,
                                     .data_length = UINT64_C(1) << 53,
                                     .files = 9,
                                     .unreadable = 1,
                                     .ms = 12,
                                     .sha256 = HASH,
                                     .message = "1 could not be read, first: \xff\n\"x"};
        struct blob_save_result back;
        AUTO_BUF b = BUF_INIT(BLOB_REQUEST_MAX);

        CHECK_INT(blob_save_result_encode(&s, &b), 0);
        CHECK_INT(blob_save_result_decode(b.data, b.len, &back), 0);
        CHECK(back.data_length == UINT64_C(1) << 53 && back.final && back.racy && !back.unchanged);
        CHECK_STR(back.message, "1 could not be read, first: ?\?\"x");
        s = (struct blob_save_result){
                .seq = 0, .code = "disk-full", .message = "full", .retry = true};
        buf_clear(&b);
        CHECK_INT(blob_save_result_encode(&s, &b), 0);
        CHECK_INT(blob_save_result_decode(b.data, b.len, &back), 0);
        CHECK(!back.ok && back.retry && strcmp(back.code, "disk-full") == 0);
        s = (struct blob_save_result){.ok = true, .seq = 4, .unchanged = true};
        buf_clear(&b);
        CHECK_INT(blob_save_result_encode(&s, &b), 0);
        CHECK_INT(blob_save_result_decode(b.data, b.len, &back), 0);
        CHECK(back.ok && back.unchanged && back.length == 0 && !back.sha256[0]);
}

static void test_restore_result(void)
{
        struct blob_restore_result s = {.ok = true,
                                        .generation = 2,
                                        .seq = 5,
                                        .files = 3,
                                        .bytes = 4,
                                        .ms = 5,
                                        .fell_back = true,
                                        .message = "why"};
        struct blob_restore_result back;
        AUTO_BUF b = BUF_INIT(BLOB_REQUEST_MAX);

        CHECK_INT(blob_restore_result_encode(&s, &b), 0);
        CHECK_INT(blob_restore_result_decode(b.data, b.len, &back), 0);
        CHECK(memcmp(&s, &back, sizeof(s)) == 0);
        s = (struct blob_restore_result){.code = "corrupt", .message = "no"};
        buf_clear(&b);
        CHECK_INT(blob_restore_result_encode(&s, &b), 0);
        CHECK_INT(blob_restore_result_decode(b.data, b.len, &back), 0);
        CHECK(memcmp(&s, &back, sizeof(s)) == 0);
}

/* The first format, byte for byte: it has to stay readable for ever. */
static void test_manifest(void)
{
        static const char golden[] =
                "{\"format\":1,\"workspace\":\"ws-k3v9abcdefgh\",\"generation\":3,\"seq\":17,"
                "\"at\":1764000000123,\"data\":{\"length\":123456,\"sha256\":\"" HASH "\"},"
                "\"files\":42,\"bytes\":654321,\"fingerprint\":\"" HASH "\"}";
        struct blob_manifest m;
        AUTO_BUF b = BUF_INIT(BLOB_MANIFEST_MAX);

        CHECK_INT(blob_manifest_decode(golden, strlen(golden), &m), 0);
        CHECK_INT(m.seq, 17);
        CHECK_INT(m.at_ms, INT64_C(1764000000123));
        CHECK_INT(blob_manifest_encode(&m, &b), 0);
        CHECK_INT(b.len, strlen(golden));
        CHECK(memcmp(b.data, golden, b.len) == 0);
        m.format = BLOB_FORMAT + 1;
        CHECK_INT(blob_manifest_encode(&m, &b), -EINVAL);
}

static void test_object_names(void)
{
        static const char *const bad[] = {
                "",
                "/",
                "ws-a",
                "ws-a/1-1",
                "ws-a/1-1/",
                "ws-a/1-1/x",
                "ws-a/1-1/data.tar.zst/",
                "../1-1/manifest.json",
                "ws-a/01-1/manifest.json",
                "ws-a/1-0/manifest.json",
                "ws-a/1-1-1/manifest.json",
                "ws-a/+1-1/manifest.json",
                "-a/1-1/manifest.json",
                "WS/1-1/manifest.json",
                "ws-a/1-1/../manifest.json",
                ".tmp/1-1/manifest.json",
                "ws-a/1-99999999999999999999/manifest.json",
                "/ws-a/1-1/manifest.json",
        };
        struct blob_object_ref ref;
        char name[BLOB_OBJECT_SIZE];

        CHECK_INT(blob_object_name("ws-a", 3, 17, BLOB_OBJECT_DATA, name), 0);
        CHECK_STR(name, "ws-a/3-17/data.tar.zst");
        CHECK_INT(blob_object_parse(name, &ref), 0);
        CHECK(ref.generation == 3 && ref.seq == 17 && ref.which == BLOB_OBJECT_DATA);
        CHECK_STR(ref.workspace, "ws-a");
        CHECK_INT(blob_object_name("ws_a", 3, 17, BLOB_OBJECT_DATA, name), -EINVAL);
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                CHECK_INT(blob_object_parse(bad[i], &ref), -EINVAL);
}

int main(void)
{
        RUN(test_save_request);
        RUN(test_restore_request);
        RUN(test_save_result);
        RUN(test_restore_result);
        RUN(test_manifest);
        RUN(test_object_names);
        return 0;
}
