/* The table of kept answers: how long, how many, and what is never thrown away. */
#include "in/http_replay.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

static const mono_t start = {1000000};

static enum http_replay_result begin(struct http_replay *r, mono_t now, const char *key,
                                     uint8_t request, uint64_t *ret_ticket,
                                     struct http_replay_answer *ret_answer)
{
        uint8_t digest[32] = {request};

        *ret_ticket = 0;
        return http_replay_begin(r, now, "lms", key, digest, ret_ticket, ret_answer);
}

static void put(struct http_replay *r, uint64_t ticket, const void *body, size_t len)
{
        struct http_replay_answer a = {
                .status = 200, .content_type = "text/plain", .body = body, .body_len = len};

        http_replay_put(r, ticket, &a);
}

static void test_a_day(void)
{
        struct http_replay *r;
        struct http_replay_answer a;
        uint64_t t;

        CHECK(http_replay_new(&r) == 0);
        CHECK(begin(r, start, "k", 1, &t, &a) == HTTP_REPLAY_NEW);
        CHECK(begin(r, start, "k", 1, &t, &a) == HTTP_REPLAY_RUNNING && t == 0);
        CHECK(begin(r, start, "k", 2, &t, &a) == HTTP_REPLAY_DIFFERENT);
        http_replay_drop(r, 1);
        CHECK(begin(r, start, "k", 2, &t, &a) == HTTP_REPLAY_NEW);
        put(r, t, "answer", 6);
        put(r, t, "second", 6);
        http_replay_drop(r, t);
        CHECK(begin(r, mono_add_ms(start, HTTP_REPLAY_KEEP_MS - 1), "k", 2, &t, &a) ==
              HTTP_REPLAY_KNOWN);
        CHECK(a.status == 200 && a.body_len == 6 && memcmp(a.body, "answer", 6) == 0);
        CHECK(begin(r, mono_add_ms(start, HTTP_REPLAY_KEEP_MS), "k", 2, &t, &a) == HTTP_REPLAY_NEW);
        http_replay_free(r);
}

static void test_bounds(void)
{
        static char large[HTTP_REPLAY_ANSWER_MAX + 1];
        struct http_replay *r;
        struct http_replay_answer a;
        uint64_t t, first;
        char key[32];

        CHECK(http_replay_new(&r) == 0);
        /* What is not answered yet is never thrown away, however many come. */
        CHECK(begin(r, start, "running", 1, &first, &a) == HTTP_REPLAY_NEW);
        for (unsigned i = 0; i < 3 * HTTP_REPLAY_MAX; i++) {
                (void)snprintf(key, sizeof(key), "k%u", i);
                CHECK(begin(r, start, key, 1, &t, &a) == HTTP_REPLAY_NEW);
                put(r, t, large, i % 97);
        }
        CHECK(begin(r, start, "running", 1, &t, &a) == HTTP_REPLAY_RUNNING);
        CHECK(begin(r, start, "k0", 1, &t, &a) == HTTP_REPLAY_NEW);
        http_replay_drop(r, t);
        (void)snprintf(key, sizeof(key), "k%u", 3 * HTTP_REPLAY_MAX - 1);
        CHECK(begin(r, start, key, 1, &t, &a) == HTTP_REPLAY_KNOWN);
        /* Nor is more kept than the bytes there are: of full answers, a quarter of the table. */
        for (unsigned i = 0; i < HTTP_REPLAY_MAX; i++) {
                (void)snprintf(key, sizeof(key), "full%u", i);
                CHECK(begin(r, start, key, 1, &t, &a) == HTTP_REPLAY_NEW);
                put(r, t, large, HTTP_REPLAY_ANSWER_MAX);
        }
        CHECK(begin(r, start, "full0", 1, &t, &a) == HTTP_REPLAY_NEW);
        http_replay_drop(r, t);
        (void)snprintf(key, sizeof(key), "full%u",
                       HTTP_REPLAY_MAX - HTTP_REPLAY_BYTES_MAX / HTTP_REPLAY_ANSWER_MAX + 1);
        CHECK(begin(r, start, key, 1, &t, &a) == HTTP_REPLAY_KNOWN);
        CHECK(begin(r, start, "huge", 1, &t, &a) == HTTP_REPLAY_NEW);
        put(r, t, large, sizeof(large));
        CHECK(begin(r, start, "huge", 1, &t, &a) == HTTP_REPLAY_NEW);
        http_replay_free(r);
}

static void test_all_running(void)
{
        struct http_replay *r;
        struct http_replay_answer a;
        uint64_t t;
        char key[32];

        CHECK(http_replay_new(&r) == 0);
        for (unsigned i = 0; i < HTTP_REPLAY_MAX; i++) {
                (void)snprintf(key, sizeof(key), "k%u", i);
                CHECK(begin(r, start, key, 1, &t, &a) == HTTP_REPLAY_NEW);
        }
        CHECK(begin(r, start, "more", 1, &t, &a) == HTTP_REPLAY_FULL);
        http_replay_drop(r, 7);
        CHECK(begin(r, start, "more", 1, &t, &a) == HTTP_REPLAY_NEW);
        http_replay_free(r);
}

static void test_keys(void)
{
        char key[HTTP_REPLAY_KEY_SIZE];

        CHECK(http_replay_key("8e03978e-40d5", key) && strcmp(key, "8e03978e-40d5") == 0);
        CHECK(http_replay_key("\"a.b:c_d\"", key) && strcmp(key, "a.b:c_d") == 0);
        CHECK(!http_replay_key("", key) && !http_replay_key("\"\"", key) &&
              !http_replay_key("a b", key) && !http_replay_key("\"a", key));
}

int main(void)
{
        test_a_day();
        test_bounds();
        test_all_running();
        test_keys();
        return 0;
}
