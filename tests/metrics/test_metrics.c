/*
 * The numbers and their text; and what is counted of a real shell and core. Seeds rotate and are
 * printed; WS_TEST_SEED repeats one.
 */
#include <math.h>
#include <time.h>

#include "base/fd.h"
#include "base/str.h"
#include "life.h"
#include "metrics/slots.h"
#include "test.h"

static struct metrics *two_types(void)
{
        struct metrics_config config = {.n_types = 2, .types = {"code", "od\"d\\\n"}};
        struct metrics *m;

        CHECK(metrics_new(&config, &m) == 0);
        return m;
}

static const char *text_of(const struct metrics *m)
{
        static struct buf text = BUF_INIT(METRICS_TEXT_MAX);

        buf_clear(&text);
        CHECK(metrics_write(m, &text) == 0 && buf_terminate(&text) == 0);
        return (const char *)text.data;
}

static void test_text(void)
{
        struct metrics *m = two_types();

        metrics_add(m, METRIC_LAUNCHES, 0, 0, 2);
        metrics_set(m, METRIC_POOL_TARGET, 1, 0, 1.5);
        metrics_add(m, METRIC_LAUNCHES, 2, 0, 1); /* no such type: nothing */
        CHECK(strstr(text_of(m), "# TYPE ws_launches_total counter\n"
                                 "ws_launches_total{type=\"code\"} 2\n"));
        CHECK(strstr(text_of(m), "ws_pool_target{type=\"od\\\"d\\\\\\n\"} 1.5\n"));
        /* What is not known is not said. */
        CHECK(!strstr(text_of(m), "\nws_pool_target{type=\"code\"}"));
        CHECK(!strstr(text_of(m), "nan"));
        metrics_free(m);
}

static void test_histogram(void)
{
        struct metrics *m = two_types();

        metrics_observe(m, METRIC_CLAIM_SECONDS, 0, LABEL(START, WARM), 0.1); /* a bound */
        metrics_observe(m, METRIC_CLAIM_SECONDS, 0, LABEL(START, WARM), 30);
        metrics_observe(m, METRIC_CLAIM_SECONDS, 0, LABEL(START, WARM), 30.001);
        metrics_observe(m, METRIC_CLAIM_SECONDS, 0, LABEL(START, WARM), 1e6);
        metrics_observe(m, METRIC_CLAIM_SECONDS, 0, LABEL(START, WARM), -1); /* the clock stepped */
#define BUCKET "ws_claim_seconds_bucket{type=\"code\",start=\"warm\",le="
        CHECK(strstr(text_of(m), BUCKET "\"0.1\"} 2\n"));
        CHECK(strstr(text_of(m), BUCKET "\"30\"} 3\n"));
        CHECK(strstr(text_of(m), BUCKET "\"60\"} 4\n"));
        CHECK(strstr(text_of(m), BUCKET "\"+Inf\"} 5\n"));
        CHECK(strstr(text_of(m), "ws_claim_seconds_count{type=\"code\",start=\"warm\"} 5\n"));
        CHECK(strstr(text_of(m), "ws_claim_seconds_count{type=\"code\",start=\"cold\"} 0\n"));
        CHECK(fabs(metrics_histogram_sum(m, METRIC_CLAIM_SECONDS, 0, LABEL(START, WARM)) -
                   1000060.101) < 1e-6);
        metrics_free(m);
}

/* Every name in the second column of a table of ours is a value of the domain. */
static void check_names(const struct metrics *m, enum metric_domain d, const char *const *names,
                        size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (metrics_label_find(m, d, names[i]) == metrics_domain_size(m, d)) {
                        fprintf(stderr, "%s has no value \"%s\"; add it to label.def\n",
                                metric_domain_name(d), names[i]);
                        exit(1);
                }
        }
}

static void test_label_tables(void)
{
        static const char *const rules[] = {
#define IDLE_RULE(id, name, doc) name,
#include "core/idle_rule.def"
#undef IDLE_RULE
        };
        static const char *const failures[] = {
#define LAUNCH_FAILURE(id, name, doc) name,
#include "core/launch_failure.def"
#undef LAUNCH_FAILURE
        };
        static const char *const sources[] = {
#define PRESENCE_SOURCE(id, name, doc) name,
#include SOURCE_DEF
#undef PRESENCE_SOURCE
        };
        struct metrics *m = two_types();

        check_names(m, DOMAIN_REASON, rules + 1, ARRAY_LEN(rules) - 1); /* without "none" */
        check_names(m, DOMAIN_FAILURE, failures, LAUNCH_UNKNOWN);
        for (uint32_t i = 0; i < LAUNCH_UNKNOWN; i++) /* counted by their number */
                CHECK_STR(metrics_label_text(m, DOMAIN_FAILURE, i), failures[i]);
        check_names(m, DOMAIN_SOURCE, sources, ARRAY_LEN(sources));
        metrics_free(m);
}

/* ---- the table, beside a slow one ---- */

static uint64_t next(uint64_t *state)
{
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
        return *state >> 33;
}

#define IDS 40

static void test_slots(void)
{
        const char *given = getenv("WS_TEST_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
        uint32_t model[IDS] = {0}, n = 0;
        struct slots *s;
        char id[16];

        fprintf(stderr, "  seed %llu\n", (unsigned long long)seed);
        CHECK(slots_new(IDS / 2, &s) == 0);
        for (uint32_t round = 1; round < (test_full() ? 2000000u : 100000u); round++) {
                uint32_t i = (uint32_t)next(&seed) % IDS;
                struct slot *v;

                (void)snprintf(id, sizeof(id), "t-%010u", i);
                v = slots_find(s, id);
                CHECK(!v == !model[i] && (!v || v->note == model[i]));
                if (next(&seed) % 2) {
                        v = slots_put(s, id);
                        CHECK(!v == (!model[i] && n == IDS / 2));
                        n += v && !model[i];
                        if (v)
                                v->note = model[i] = round;
                } else {
                        n -= model[i] != 0;
                        model[i] = 0;
                        slots_remove(s, id);
                }
                CHECK_INT((long long)slots_count(s), n);
        }
        slots_free(s);
}

/* ---- a life ---- */

static double value(const struct life *l, enum metric id, uint32_t l1, uint32_t l2)
{
        return metrics_value(l->m, id, l1, l2);
}

static void test_life(void)
{
        struct life l;

        life_open(&l);
        life_whole(&l);
        metrics_watch_refresh(l.watch);
        CHECK(value(&l, METRIC_LAUNCHES, 0, 0) >= 1);
        CHECK_INT((long long)value(&l, METRIC_LAUNCHES, 1, 0), 0);
        CHECK_INT((long long)value(&l, METRIC_LEAD_SECONDS, 0, 0), 1);
        CHECK_INT((long long)value(&l, METRIC_CLAIM_SECONDS, 0, LABEL(START, WARM)), 1);
        CHECK_INT((long long)value(&l, METRIC_CLAIM_SECONDS, 0, LABEL(START, COLD)), 0);
        CHECK_INT((long long)value(&l, METRIC_LAUNCH_REQUESTS, 0, LABEL(START, WARM)), 1);
        CHECK_INT((long long)value(&l, METRIC_STOPS, 0, LABEL(REASON, REQUESTED)), 1);
        CHECK_INT((long long)value(&l, METRIC_SAVES, 0, 0), 2);
        CHECK_INT((long long)value(&l, METRIC_SAVE_COMMIT_SECONDS, 0, 0), 2);
        CHECK_INT((long long)value(&l, METRIC_STOP_SAVE_SECONDS, 0, 0), 1);
        CHECK_INT((long long)value(&l, METRIC_LAUNCH_FAILURES, 0, LABEL(FAILURE, BROKEN)), 0);
        CHECK_INT((long long)value(&l, METRIC_HEARTBEAT_LAG, 0, 0), 2);
        CHECK_INT((long long)value(&l, METRIC_UNSAVED_SECONDS, 0, 0), 2);
        CHECK_INT((long long)value(&l, METRIC_CORE_STEPS, EV_AGENT_SAVED, 0), 2);
        CHECK(value(&l, METRIC_STORE_COMMIT_SECONDS, 0, 0) >= 3);
        CHECK_INT((long long)value(&l, METRIC_LEADER, 0, 0), 1);
        CHECK(value(&l, METRIC_COST, 0, 0) > 0);
        life_close(&l);
}

static bool refused(struct life *l)
{
        return metrics_value(l->m, METRIC_LAUNCH_FAILURES, 0, LABEL(FAILURE, CAPACITY)) > 0;
}

static void test_refused_launch(void)
{
        struct life l;

        life_open(&l);
        l.refuse_launches = true;
        life_until(&l, refused);
        CHECK_INT((long long)value(&l, METRIC_LAUNCH_FAILURES, 0, LABEL(FAILURE, CAPACITY)),
                  (long long)value(&l, METRIC_LAUNCHES, 0, 0));
        life_close(&l);
}

/* A warm task that ends by itself is a failure; one that the core ended is not (test_life). */
static bool launched(struct life *l)
{
        return l->launches > 0;
}

static void test_died_warm(void)
{
        struct core_event ev = {.type = EV_TASK_ENDED, .task_ended = {.certain = true}};
        struct life l;

        life_open(&l);
        life_until(&l, launched);
        STR_CUT(ev.task_ended.task, l.task);
        life_post(&l, ev);
        CHECK_INT((long long)value(&l, METRIC_LAUNCH_FAILURES, 0, LABEL(FAILURE, BROKEN)), 1);
        life_close(&l);
}

static void test_http(void)
{
        struct life l;

        life_open(&l);
        metrics_watch_http(l.watch, "/v1/workspaces", 201, false, 1500);
        metrics_watch_http(l.watch, "/internal/resolve", 302, false, 1500);
        metrics_watch_http(l.watch, "/nothing", 404, false, 1500);
        metrics_watch_http(l.watch, "/v1/workspaces", 503, true, 3000000);
        metrics_watch_http(l.watch, "/v1/workspaces", 77, false, 1); /* no status */
        CHECK_INT((long long)value(&l, METRIC_HTTP_REQUESTS, LABEL(SIDE, API), LABEL(CLASS, 2XX)),
                  1);
        CHECK_INT((long long)value(&l, METRIC_HTTP_REQUESTS, LABEL(SIDE, API), LABEL(CLASS, 5XX)),
                  1);
        CHECK_INT(
                (long long)value(&l, METRIC_HTTP_REQUESTS, LABEL(SIDE, GATEWAY), LABEL(CLASS, 3XX)),
                1);
        CHECK_INT((long long)value(&l, METRIC_HTTP_REQUESTS, LABEL(SIDE, PAGE), LABEL(CLASS, 4XX)),
                  1);
        CHECK_INT((long long)value(&l, METRIC_HTTP_SECONDS, LABEL(SIDE, API), LABEL(WAITED, YES)),
                  1);
        life_close(&l);
}

static bool counted(struct life *l)
{
        return metrics_value(l->m, METRIC_ACTIVE_USERS, 0, 0) > 0;
}

/* Two workspaces of one person are one active user. */
static void test_active_users(void)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH,
                                .launch = {.key = {"one", "1", "d", "code"}}};
        struct life l;

        life_open(&l);
        STR_CUT(ev.launch.id, "ws-a");
        life_post(&l, ev);
        STR_CUT(ev.launch.id, "ws-b");
        STR_CUT(ev.launch.key.name, "e");
        life_post(&l, ev);
        life_until(&l, counted);
        for (uint32_t w = 0; w < 3; w++)
                CHECK_INT((long long)value(&l, METRIC_ACTIVE_USERS, w, 0), 1);
        CHECK_INT((long long)value(&l, METRIC_WORKSPACES, WS_STARTING, 0), 2);
        life_close(&l);
}

int main(void)
{
        RUN(test_text);
        RUN(test_histogram);
        RUN(test_label_tables);
        RUN(test_slots);
        RUN(test_life);
        RUN(test_refused_launch);
        RUN(test_died_warm);
        RUN(test_http);
        RUN(test_active_users);
        return 0;
}
