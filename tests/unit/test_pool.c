/* The numbers of a pool: target, launches, stops, and the breaker's pauses. */
#include "pool/pool.h"
#include "test.h"

/* Nobody has said no. */
static const struct pool_backoff idle = {.until = {INT64_MAX}};

static struct pool_plan plan(uint32_t size, uint32_t waiting, uint32_t warm, uint32_t launching,
                             uint32_t capacity, bool draining)
{
        struct pool_breaker closed;
        struct pool_plan ret = {0};
        struct pool_input in = {.size = size,
                                .waiting = waiting,
                                .warm = warm,
                                .launching = launching,
                                .capacity = capacity,
                                .draining = draining,
                                .breaker = &closed,
                                .backoff = &idle};

        pool_breaker_init(&closed);
        pool_plan(&in, &ret);
        return ret;
}

static void test_reason(void)
{
        struct pool_breaker closed;
        struct pool_input in = {.size = 3,
                                .why = "a class of 30 at 10:00, which has a name that is too long",
                                .capacity = 10,
                                .waiting = UINT32_MAX,
                                .breaker = &closed,
                                .backoff = &idle};
        struct pool_plan p;

        pool_breaker_init(&closed);
        pool_plan(&in, &p);
        CHECK(strlen(p.reason) < POOL_REASON_SIZE);
        CHECK(strncmp(p.reason, "size 3: a class of 30 at 10:00", 30) == 0);
        in.waiting = 0;
        in.warm = 3;
        in.why = "a class";
        pool_plan(&in, &p);
        CHECK_STR(p.reason, "size 3: a class");
}

static void test_plan(void)
{
        struct pool_plan p = plan(2, 0, 0, 0, 10, false);

        CHECK_INT(p.target, 2);
        CHECK_INT(p.launch, 2);
        CHECK_STR(p.reason, "fixed size 2");
        p = plan(2, 0, 1, 1, 10, false); /* in flight counts */
        CHECK_INT(p.launch, 0);
        CHECK_INT(p.stop, 0);
        p = plan(2, 3, 0, 2, 10, false); /* people who wait come on top */
        CHECK_INT(p.target, 5);
        CHECK_INT(p.launch, 3);
        CHECK_STR(p.reason, "fixed size 2, 3 waiting");
        p = plan(2, 3, 0, 0, 1, false);
        CHECK_INT(p.launch, 1);
        CHECK_STR(p.reason, "fixed size 2, 3 waiting, held by tasks_max");
        p = plan(1, 0, 4, 0, 10, false);
        CHECK_INT(p.stop, 3);
        p = plan(2, 0, 2, 1, 10, true);
        CHECK_INT(p.target, 0);
        CHECK_INT(p.launch, 0);
        CHECK_INT(p.stop, 2);
        CHECK_STR(p.reason, "shutting down");
}

static void test_claim_first(void)
{
        struct pool_breaker closed;
        struct pool_plan p;
        struct pool_input in = {
                .size = 2, .capacity = 10, .claiming = true, .breaker = &closed, .backoff = &idle};

        pool_breaker_init(&closed);
        pool_plan(&in, &p);
        CHECK_INT(p.launch, 0); /* the claim has the machine */
        CHECK_STR(p.reason, "fixed size 2, after the claim that runs");
        in.waiting = 1; /* people who wait go first */
        pool_plan(&in, &p);
        CHECK_INT(p.launch, 3);
}

static void test_breaker(void)
{
        struct pool_breaker b;
        mono_t now = {0};
        int64_t pauses[] = {5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000};

        pool_breaker_init(&b);
        pool_breaker_failed(&b, now);
        pool_breaker_failed(&b, now);
        CHECK(pool_breaker_allows(&b, now, 5) == UINT32_MAX);
        for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
                pool_breaker_failed(&b, now);
                CHECK_INT(b.pause_ms, pauses[i]);
                /* A launch from before it opened changes nothing. */
                pool_breaker_failed(&b, now);
                CHECK_INT(b.pause_ms, pauses[i]);
                CHECK_INT(pool_breaker_allows(&b, mono_add_ms(now, pauses[i] - 1), 0), 0);
                now = mono_add_ms(now, pauses[i]);
                CHECK_INT(pool_breaker_allows(&b, now, 0), 1);
                CHECK_INT(pool_breaker_allows(&b, now, 1), 0);
        }
        pool_breaker_succeeded(&b);
        CHECK(pool_breaker_allows(&b, now, 5) == UINT32_MAX);
}

static void test_modes(void)
{
        struct pool_breaker closed;
        struct pool_plan p;
        struct pool_input in = {.size = 3,
                                .warm = 2,
                                .capacity = 10,
                                .paused = true,
                                .breaker = &closed,
                                .backoff = &idle};

        pool_breaker_init(&closed);
        pool_plan(&in, &p); /* paused: nothing is launched, nothing is stopped */
        CHECK_INT(p.launch, 0);
        CHECK_INT(p.stop, 0);
        CHECK_STR(p.reason, "paused");
        in.warm = 0;
        in.waiting = 2;
        pool_plan(&in, &p); /* but people are served */
        CHECK_INT(p.launch, 2);
        in.held = true;
        pool_plan(&in, &p); /* unless it is hard */
        CHECK_INT(p.launch, 0);
        CHECK_STR(p.reason, "paused, for people too, 2 waiting");
        in = (struct pool_input){.size = 3,
                                 .warm = 2,
                                 .capacity = 10,
                                 .drained = true,
                                 .breaker = &closed,
                                 .backoff = &idle};
        pool_plan(&in, &p); /* drained: no pool is kept, also when it is paused too */
        CHECK_INT(p.stop, 2);
        CHECK_STR(p.reason, "drained");
        in.paused = true;
        pool_plan(&in, &p);
        CHECK_INT(p.stop, 2);
}

static void test_backoff(void)
{
        static const int64_t pauses[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000};
        struct pool_breaker closed;
        struct pool_backoff b;
        struct pool_plan p;
        struct pool_input in = {.size = 5, .capacity = 10, .breaker = &closed, .backoff = &b};
        mono_t now = {0};

        pool_breaker_init(&closed);
        pool_backoff_init(&b);
        CHECK(pool_backoff_allows(&b, now) == UINT32_MAX);
        for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
                pool_backoff_failed(&b, now);
                CHECK_INT(mono_diff_ms(now, b.until), pauses[i]);
                /* A whole burst is refused at once: that is one refusal. */
                pool_backoff_failed(&b, now);
                CHECK_INT(mono_diff_ms(now, b.until), pauses[i]);
                CHECK_INT(pool_backoff_allows(&b, mono_add_ms(now, pauses[i] - 1)), 0);
                now = mono_add_ms(now, pauses[i]);
                CHECK_INT(pool_backoff_allows(&b, now), 1);
                pool_backoff_probed(&b);
                CHECK_INT(pool_backoff_allows(&b, now), 0);
        }
        in.now = now;
        pool_plan(&in, &p);
        CHECK_INT(p.launch, 0);
        CHECK_STR(p.reason, "fixed size 5, the provider has no room now");
        pool_backoff_answered(&b);
        pool_plan(&in, &p);
        CHECK_INT(p.launch, 1);
        pool_backoff_init(&b);
        pool_backoff_probed(&b); /* no probe while all is well */
        pool_plan(&in, &p);
        CHECK_INT(p.launch, 5);
}

int main(void)
{
        RUN(test_plan);
        RUN(test_reason);
        RUN(test_claim_first);
        RUN(test_breaker);
        RUN(test_modes);
        RUN(test_backoff);
        return 0;
}
