/* The documents of save and restore: there and back, and what is refused. */
#include <errno.h>

#include "base/str.h"
#include "test.h"
#include "wire/blob.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define G "\"grants\":[\"http://h/g\",\"https://k/g\"]"
#define SAVE "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7," G ",\"max_bytes\":10}"

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
                "{\"workspace\":\"../a\",\"generation\":2,\"seq\":7," G ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":0,\"seq\":7," G ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":-1,\"seq\":7," G ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2.5,\"seq\":7," G ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":\"2\",\"seq\":7," G ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":1e300," G ",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7,\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7,\"grants\":[],\"max_bytes\":"
                "10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7,\"grants\":[1],\"max_bytes\":"
                "10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7,"
                "\"grants\":[\"file:///etc/passwd\"],\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7,"
                "\"grants\":[\"http://h/a b\"],\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7,"
                "\"grants\":\"http://h/d\",\"max_bytes\":10}",
                "{\"workspace\":\"ws-a\",\"generation\":2,\"seq\":7,\"grants\":[\"http://h\","
                "\"http://h\",\"http://h\",\"http://h\",\"http://h\"],\"max_bytes\":10}",
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
        CHECK_INT(q.grants.n, 2);
        CHECK_STR(q.grants.url[1], "https://k/g");
        q.workspace[0] = 'X';
        CHECK_INT(blob_save_request_encode(&q, &b), -EINVAL);
}

/* init keeps it: what is longer than BLOB_SAVE_REQUEST_MAX is neither written nor taken. */
static void test_save_request_bounds(void)
{
        struct blob_save_request q = {
                .workspace = "ws-a", .generation = 1, .seq = 1, .max_bytes = 1};
        AUTO_BUF b = BUF_INIT(2 * BLOB_SAVE_REQUEST_MAX);

        q.grants.n = BLOB_GRANTS_MAX;
        for (uint32_t i = 0; i < q.grants.n; i++) {
                memset(q.grants.url[i], 'u', BLOB_GRANT_URL_SIZE - 1);
                memcpy(q.grants.url[i], "https://", 8);
        }
        CHECK_INT(blob_save_request_encode(&q, &b), 0);
        CHECK(b.len <= BLOB_SAVE_REQUEST_MAX);
        CHECK_INT(blob_save_request_decode(b.data, b.len, &q), 0);
        while (b.len < BLOB_SAVE_REQUEST_MAX + 1)
                CHECK_INT(buf_append(&b, " ", 1), 0);
        CHECK_INT(blob_save_request_decode(b.data, b.len, &q), -EBADMSG);
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
                s->length = 300;
                CHECK(STR_SET(s->sha256, HASH) == 0);
        }
        CHECK_INT(blob_restore_request_encode(&q, &b), -EINVAL);
        q.grants.n = 1;
        CHECK(STR_SET(q.grants.url[0], "http://h/g") == 0);
        CHECK_INT(blob_restore_request_encode(&q, &b), 0);
        CHECK_INT(blob_restore_request_decode(b.data, b.len, &back), 0);
        CHECK(memcmp(&q, &back, sizeof(q)) == 0);
        q.saves[3].sha256[0] = 'A';
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
                                        .left = 6,
                                        .at_ms = 7,
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

static void test_grant_request(void)
{
        static const char put[] = "{\"objects\":[{\"name\":\"0-00000.tar.zst\",\"length\":3,"
                                  "\"sha256\":\"" HASH "\"},{\"name\":\"manifest.mtree.zst\","
                                  "\"length\":5,\"sha256\":\"" HASH "\"}]}";
        static const char get[] = "{\"objects\":[{\"name\":\"3-2/0-00000.tar.zst\"}]}";
        static const char *const bad[] = {"{}",
                                          "{\"objects\":[]}",
                                          "{\"objects\":[1]}",
                                          "{\"objects\":[{\"name\":\"A\"}]}",
                                          "{\"objects\":[{\"name\":\"\"}]}",
                                          "{\"objects\":[{\"name\":\"a b\"}]}"};
        struct blob_grant_request q = {0};
        AUTO_BUF b = BUF_INIT(BLOB_GRANT_REQUEST_MAX);

        CHECK_INT(blob_grant_request_decode(put, strlen(put), BLOB_OP_PUT, &q), 0);
        CHECK_INT(q.n_objects, 2);
        CHECK_INT(q.objects[1].length, 5);
        CHECK_INT(blob_grant_request_encode(&q, BLOB_OP_PUT, &b), 0);
        CHECK(b.len == strlen(put) && memcmp(b.data, put, b.len) == 0);
        CHECK_INT(blob_grant_request_decode(get, strlen(get), BLOB_OP_PUT, &q), -EBADMSG);
        CHECK_INT(blob_grant_request_decode(get, strlen(get), BLOB_OP_GET, &q), 0);
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                CHECK_INT(blob_grant_request_decode(bad[i], strlen(bad[i]), BLOB_OP_GET, &q),
                          -EBADMSG);
        /* As many as there may be, with the longest names and numbers there are. */
        q.n_objects = BLOB_GRANT_OBJECTS_MAX;
        for (uint32_t i = 0; i < q.n_objects; i++) {
                CHECK(STR_SET(q.objects[i].name, "0-00000.tar.zst") == 0);
                CHECK(STR_SET(q.objects[i].sha256, HASH) == 0);
                q.objects[i].length = UINT64_C(1) << 53;
        }
        buf_clear(&b);
        CHECK_INT(blob_grant_request_encode(&q, BLOB_OP_PUT, &b), 0);
        q.n_objects++;
        CHECK_INT(blob_grant_request_encode(&q, BLOB_OP_PUT, &b), -EINVAL);
}

static int answer(const char *text)
{
        struct blob_grant_answer a;
        int r = blob_grant_answer_decode(text, strlen(text), &a);

        if (r == 0)
                blob_grant_answer_deinit(&a);
        return r;
}

static void test_grant_answer(void)
{
        struct blob_grant_answer a = {.n_objects = 2}, back;
        AUTO_BUF b = BUF_INIT(BLOB_GRANT_ANSWER_MAX);

        a.objects[0] = (struct blob_granted){
                .name = "0-00000.tar.zst",
                .at = {"http://h/o/1", 2, {"If-None-Match: *", "x-amz-checksum-sha256: a="}},
                .check = {"http://h/o/2", 1, {"x-amz-checksum-mode: ENABLED"}}};
        a.objects[1] = (struct blob_granted){.name = "a/b", .at = {.url = "https://h/o/3"}};
        CHECK_INT(blob_grant_answer_encode(&a, &b), 0);
        CHECK_INT(blob_grant_answer_decode(b.data, b.len, &back), 0);
        CHECK_INT(back.n_objects, 2);
        CHECK_STR(back.objects[0].at.headers[1], "x-amz-checksum-sha256: a=");
        CHECK_STR(back.objects[0].check.url, "http://h/o/2");
        CHECK(!back.objects[1].check.url && back.objects[1].at.n_headers == 0);
        blob_grant_answer_deinit(&back);
#define ONE(name, url, headers)                                                                    \
        "{\"objects\":[{\"name\":" name ",\"url\":" url ",\"headers\":" headers "}]}"
        CHECK_INT(answer(ONE("\"a\"", "\"http://h\"", "[]")), 0);
        CHECK_INT(answer(ONE("\"a\"", "\"ftp://h\"", "[]")), -EBADMSG);
        CHECK_INT(answer(ONE("\"a\"", "\"http://h\"", "{}")), -EBADMSG);
        CHECK_INT(answer(ONE("\"a\"", "\"http://h\"", "[\"no\"]")), -EBADMSG);
        CHECK_INT(answer(ONE("\"a\"", "\"http://h\"", "[\"a: b\\r\\nc: d\"]")), -EBADMSG);
        CHECK_INT(answer(ONE("\"a\"", "\"http://h\"", "[\"a b: c\"]")), -EBADMSG);
        CHECK_INT(answer(ONE("\"A\"", "\"http://h\"", "[]")), -EBADMSG);
        CHECK_INT(answer("{}"), -EBADMSG);
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
                "ws-a/1-1/0-00000.tar.zst/",
                "ws-a/1-1/2-00000.tar.zst",
                "ws-a/1-1/0-0000.tar.zst",
                "ws-a/1-1/0-000000.tar.zst",
                "ws-a/1-1/0-0000x.tar.zst",
                "../1-1/manifest.mtree.zst",
                "ws-a/01-1/manifest.mtree.zst",
                "ws-a/1-0/manifest.mtree.zst",
                "ws-a/1-1-1/manifest.mtree.zst",
                "ws-a/+1-1/manifest.mtree.zst",
                "-a/1-1/manifest.mtree.zst",
                "WS/1-1/manifest.mtree.zst",
                "ws-a/1-1/../manifest.mtree.zst",
                ".tmp/1-1/manifest.mtree.zst",
                "ws-a/1-99999999999999999999/manifest.mtree.zst",
                "/ws-a/1-1/manifest.mtree.zst",
        };
        struct blob_object_ref ref;
        char name[BLOB_OBJECT_SIZE];

        ref = (struct blob_object_ref){.generation = 3, .seq = 17, .archive = 1, .part = 1023};
        CHECK(STR_SET(ref.workspace, "ws-a") == 0);
        CHECK_INT(blob_object_name(&ref, name), 0);
        CHECK_STR(name, "ws-a/3-17/1-01023.tar.zst");
        CHECK_INT(blob_object_parse(name, &ref), 0);
        CHECK(ref.generation == 3 && ref.seq == 17 && ref.which == BLOB_OBJECT_PART &&
              ref.archive == 1 && ref.part == 1023);
        CHECK_STR(ref.workspace, "ws-a");
        ref.part = BLOB_PARTS_MAX;
        CHECK_INT(blob_object_name(&ref, name), -EINVAL);
        ref = (struct blob_object_ref){
                .generation = 3, .seq = 17, .which = BLOB_OBJECT_MANIFEST, .workspace = "ws-a"};
        CHECK_INT(blob_object_name(&ref, name), 0);
        CHECK_STR(name, "ws-a/3-17/manifest.mtree.zst");
        CHECK_INT(blob_object_parse(name, &ref), 0);
        CHECK(ref.which == BLOB_OBJECT_MANIFEST);
        CHECK(STR_SET(ref.workspace, "ws_a") == 0);
        CHECK_INT(blob_object_name(&ref, name), -EINVAL);
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                CHECK_INT(blob_object_parse(bad[i], &ref), -EINVAL);
}

int main(void)
{
        RUN(test_save_request);
        RUN(test_save_request_bounds);
        RUN(test_restore_request);
        RUN(test_save_result);
        RUN(test_restore_result);
        RUN(test_grant_request);
        RUN(test_grant_answer);
        RUN(test_object_names);
        return 0;
}
