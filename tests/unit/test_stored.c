/* Which save is meant, and questions to a storage that outlive who asked. */
#include <errno.h>

#include "in/stored.h"
#include "test.h"

/* 2026-01-31 14:00:00 UTC */
#define T INT64_C(1769868000)

static const struct stored_save saves[] = {
        {.save = {.generation = 3, .seq = 2, .at = {(T + 3600) * US_PER_S}}},
        {.save = {.generation = 3, .seq = 1, .at = {T * US_PER_S}}},
        {.save = {.generation = 2, .seq = 9, .at = {(T - 86400) * US_PER_S}}},
};

static uint64_t picked(const char *text)
{
        const struct save_ref head = {.generation = 2, .seq = 9};
        const struct stored_save *s;
        struct stored_at at;

        CHECK(stored_at_parse(text, &at));
        s = stored_pick(saves, 3, &at, &head);
        return s ? s->save.generation * 100 + s->save.seq : 0;
}

static void test_which_is_meant(void)
{
        CHECK_INT(picked(""), 209);
        CHECK_INT(picked("3-2"), 302);
        CHECK_INT(picked("3-3"), 0);
        CHECK_INT(picked("2026-01-31 14:00"), 301);
        CHECK_INT(picked("2026-01-31T13:59:59Z"), 209);
        CHECK_INT(picked("2026-01-31T14:00:00Z"), 301);
        CHECK_INT(picked("2026-01-31"), 302); /* the newest of that day */
        CHECK_INT(picked("2026-01-30"), 209);
        CHECK_INT(picked("2026-01-29"), 0);
        CHECK_INT(picked("2027-01-01T00:00"), 302);
}

static void test_what_is_neither(void)
{
        static const char *const bad[] = {"3",
                                          "3-",
                                          "-3",
                                          "0-1",
                                          "3-0",
                                          "3-1x",
                                          "yesterday",
                                          "2026-13-01",
                                          "2026-01-31 25:00",
                                          "2026-01-31T14:00:00+01:00",
                                          "99999999999999999999-1"};
        struct stored_at at;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CHECK(!stored_at_parse(bad[i], &at));
}

/* ---- questions ---- */

static stored_list_fn asked_fn[64];
static void *asked_ctx[64];
static unsigned n_asked;
static int refuse;

static int list(void *ctx, const char *workspace, stored_list_fn fn, void *fn_ctx)
{
        CHECK(ctx == &refuse && strcmp(workspace, "ws-a") == 0);
        if (refuse)
                return refuse;
        asked_fn[n_asked] = fn;
        asked_ctx[n_asked++] = fn_ctx;
        return 0;
}

static int inspect(void *ctx, const char *workspace, uint64_t generation, uint64_t seq,
                   stored_list_fn fn, void *fn_ctx)
{
        CHECK_INT(generation * 100 + seq, 302);
        return list(ctx, workspace, fn, fn_ctx);
}

static int grant(void *ctx, const char *workspace, uint64_t generation,
                 char ret_url[static STORED_URL_SIZE])
{
        (void)ctx;
        (void)workspace;
        snprintf(ret_url, STORED_URL_SIZE, "http://x/%llu", (unsigned long long)generation);
        return 0;
}

static int answers, last_result;

static void on_answer(void *ctx, int result, const struct stored_save *s, uint32_t n)
{
        CHECK(ctx == &answers && (n == 0 || s == saves));
        answers++;
        last_result = result;
}

static void test_questions(void)
{
        const struct stored_edge edge = {
                .ctx = &refuse, .list = list, .inspect = inspect, .grant = grant};
        struct stored_question q = {on_answer, &answers, NULL}, gone = q, many[40];
        char url[STORED_URL_SIZE];
        struct stored *s = NULL;
        int r = 0;

        CHECK(stored_new(&edge, &s) == 0);
        CHECK(stored_ask(s, "ws-a", &q) == 0 && stored_ask(s, "ws-a", &gone) == 0);
        stored_cancel(&gone);
        stored_cancel(&gone);
        asked_fn[1](asked_ctx[1], 0, saves, 3); /* nobody waits for that one */
        CHECK_INT(answers, 0);
        asked_fn[0](asked_ctx[0], -EIO, NULL, 0);
        CHECK(answers == 1 && last_result == -EIO && !q.slot);
        stored_cancel(&q);
        CHECK(stored_ask_whole(s, "ws-a", 3, 2, &q) == 0);
        asked_fn[2](asked_ctx[2], 0, saves, 1);
        CHECK(answers == 2 && last_result == 0);
        refuse = -EAGAIN;
        CHECK(stored_ask(s, "ws-a", &q) == -EAGAIN && !q.slot);
        refuse = 0;
        for (int i = 0; i < 40; i++) { /* bounded; those that are refused take no place */
                many[i] = (struct stored_question){on_answer, &answers, NULL};
                r += stored_ask(s, "ws-a", &many[i]) == 0;
        }
        CHECK_INT(r, 32);
        CHECK(stored_grant(s, "ws-a", 3, url) == 0);
        CHECK_STR(url, "http://x/3");
        stored_free(s);
}

int main(void)
{
        RUN(test_which_is_meant);
        RUN(test_what_is_neither);
        RUN(test_questions);
        return 0;
}
