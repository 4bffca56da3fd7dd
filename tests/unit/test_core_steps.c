/* What traces cannot show well: limits, views, and a step with more to do than fits into it. */
#include <errno.h>

#include "base/str.h"
#include "core/core.h"
#include "test.h"

static struct core_effects fx;
static mono_t now;

static struct core_config config_of(uint32_t workspaces, uint32_t tasks, uint32_t pool)
{
        return (struct core_config){
                .workspaces_max = workspaces,
                .tasks_max = tasks,
                .n_types = 1,
                .types = {{.name = "code",
                           .pool_size = pool,
                           .limits = {.idle_ms = 60000},
                           .launch_timeout_ms = 60000,
                           .claim_timeout_ms = 60000,
                           .stop_timeout_ms = 60000}},
                .heartbeat_ms = 5000,
                .agent_lost_ms = 30000,
                .retry_save_ms = 60000,
                .erase_delay_ms = 1000,
                .stops_per_min = 2,
        };
}

static void give(struct core *c, struct core_event *ev)
{
        ev->now = now;
        ev->utc = (utc_t){INT64_C(1000) * US_PER_S + now.us};
        fx.n = 0;
        core_step(c, ev, &fx);
}

static size_t count(enum core_effect_type type)
{
        size_t n = 0;

        for (size_t i = 0; i < fx.n; i++)
                n += fx.v[i].type == type;
        return n;
}

static struct core *opened(const struct core_config *config)
{
        struct core_event done = {.type = EV_BOOT_DONE};
        struct core_event inventory = {.type = EV_INVENTORY_DONE};
        struct core *c = NULL;

        CHECK(core_new(config, &c) == 0);
        give(c, &done);
        give(c, &inventory);
        return c;
}

static enum reply_status launch(struct core *c, const char *id, const char *type)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH, .launch = {.token = 7}};

        STR_CUT(ev.launch.id, id);
        STR_CUT(ev.launch.key.type, type);
        give(c, &ev);
        for (size_t i = 0; i < fx.n; i++) {
                if (fx.v[i].type == FX_REPLY) {
                        CHECK_INT(fx.v[i].reply.token, 7);
                        return fx.v[i].reply.status;
                }
        }
        CHECK(!"no reply");
        return REPLY_STATUS_MAX;
}

static void test_bad_config(void)
{
        struct core_config config = config_of(1, 1, 0);
        struct core *c = NULL;

        config.n_types = 0;
        CHECK_INT(core_new(&config, &c), -EINVAL);
        config = config_of(0, 1, 0);
        CHECK_INT(core_new(&config, &c), -EINVAL);
        config = config_of(1, 1, 0);
        config.n_types = 2;
        config.types[1] = config.types[0]; /* twice the same name */
        CHECK_INT(core_new(&config, &c), -EINVAL);
        CHECK(!c);
}

static void test_replies(void)
{
        struct core_config config = config_of(2, 4, 0);
        struct core *c = opened(&config);

        CHECK_INT(launch(c, "ws-a", ""), REPLY_NOT_FOUND);
        CHECK_INT(launch(c, "ws-a", "nothing"), REPLY_BAD_TYPE);
        CHECK_INT(launch(c, "ws-a", "code"), REPLY_OK);
        CHECK_INT(launch(c, "ws-b", "code"), REPLY_OK);
        CHECK_INT(launch(c, "ws-c", "code"), REPLY_FULL);
        CHECK_INT(launch(c, "ws-a", ""), REPLY_OK);
        core_free(c);
}

/* 400 tasks to launch do not fit into one step: the deadline stays due until all are asked for. */
static void test_more_than_fits(void)
{
        struct core_config config = config_of(4, 500, 400);
        struct core_event ev = {.type = EV_DEADLINE};
        struct core *c = opened(&config);
        size_t launched = count(FX_LAUNCH_TASK);
        int steps = 0;

        CHECK(launched > 0 && launched < 400);
        while (launched < 400) {
                CHECK(mono_due(core_next_deadline(c), now));
                CHECK(++steps < 50);
                give(c, &ev);
                launched += count(FX_LAUNCH_TASK);
        }
        CHECK(!mono_due(core_next_deadline(c), now));
        core_free(c);
}

static void test_views(void)
{
        struct core_config config = config_of(4, 8, 2);
        struct core *c = opened(&config);
        struct pool_view pool;
        struct core_idle idle;
        size_t pos = 0;

        CHECK_INT(launch(c, "ws-a", "code"), REPLY_OK);
        CHECK(core_pool(c, 0, &pool));
        CHECK_INT(pool.target, 3);
        CHECK_INT(pool.launching, 3);
        CHECK_INT(pool.waiting, 1);
        CHECK_INT(pool.misses, 1);
        CHECK_STR(pool.type, "code");
        CHECK(!core_pool(c, 1, &pool));
        CHECK(core_workspace(c, "ws-a")->state == WS_STARTING);
        CHECK(!core_workspace(c, "ws-b"));
        CHECK(!core_workspace(c, ""));
        CHECK(core_task_live(c, "t-0000000001") && !core_task_live(c, "t-9"));
        CHECK_STR(core_next_workspace(c, &pos)->id, "ws-a");
        CHECK(!core_next_workspace(c, &pos));
        CHECK(!core_idle(c, "ws-a", now, &idle) && !core_idle(c, "ws-b", now, &idle));
        CHECK_INT((long long)core_task_number("t-0000000042"), 42);
        CHECK_INT((long long)core_task_number("t-4x"), 0);
        core_free(c);
}

static void agent(struct core *c, const char *task, enum agent_phase phase, uint64_t generation,
                  int64_t person_age_ms)
{
        struct core_event hello = {.type = EV_AGENT_HELLO};
        struct core_event ev = {.type = EV_AGENT_REPORT};

        STR_CUT(hello.hello.task, task);
        STR_CUT(hello.hello.nonce, "n");
        give(c, &hello);
        STR_CUT(ev.report.task, task);
        STR_CUT(ev.report.nonce, "n");
        ev.report.phase = phase;
        ev.report.generation = generation;
        ev.report.person_age_ms = person_age_ms;
        give(c, &ev);
}

static size_t stopping(void)
{
        size_t n = 0;

        for (size_t i = 0; i < fx.n; i++)
                n += fx.v[i].type == FX_AUDIT && strcmp(fx.v[i].audit_row.what, "stopping") == 0;
        return n;
}

/* Five are idle at once, so many may be stopped in a minute, and so many are. */
static void idle_stops(double share, size_t most)
{
        struct core_config config = config_of(8, 8, 0);
        struct core_event ev = {.type = EV_DEADLINE};
        struct core *c;
        char id[CORE_ID_SIZE];
        size_t stops = 0;
        mono_t start;

        config.stops_share = share;
        c = opened(&config);
        for (int i = 1; i <= 5; i++) {
                (void)snprintf(id, sizeof(id), "ws-%d", i);
                CHECK_INT(launch(c, id, "code"), REPLY_OK);
        }
        for (int round = 0; round < 2; round++) {
                for (int i = 1; i <= 5; i++) {
                        (void)snprintf(id, sizeof(id), "t-%010d", i);
                        agent(c, id, round ? AGENT_READY : AGENT_WARM, (uint64_t)round, 0);
                }
        }
        now = mono_add_ms(now, 60000);
        start = now;
        for (int s = 0; s < 180; s++) {
                give(c, &ev); /* whose turn it is in a new minute */
                stops += stopping();
                for (int i = 1; i <= 5; i++) {
                        (void)snprintf(id, sizeof(id), "t-%010d", i);
                        agent(c, id, AGENT_READY, 1, 60000 + s * 1000);
                        stops += stopping();
                }
                give(c, &ev);
                stops += stopping();
                CHECK(stops <= most * (1 + (size_t)(mono_diff_ms(start, now) / 60000)));
                if (s == 50)
                        CHECK_INT((long long)stops, (long long)most);
                now = mono_add_ms(now, 1000);
        }
        CHECK_INT((long long)stops, 5);
        core_free(c);
}

static void test_stops_per_minute(void)
{
        idle_stops(0, 2);
}

/* A share of the tasks there were, where that is more. */
static void test_stops_share(void)
{
        idle_stops(0.3, 2);
        idle_stops(0.8, 4);
}

/* What is planned, and why it does not come sooner. */
static void test_plan(void)
{
        struct core_config config = config_of(4, 8, 0);
        struct core_event off = {.type = EV_REQ_SHUTDOWN};
        struct core_event ev = {.type = EV_DEADLINE};
        struct core_idle idle;
        struct core *c;

        config.quiet_ms = 90000;
        c = opened(&config);
        CHECK_INT(launch(c, "ws-a", "code"), REPLY_OK);
        agent(c, "t-0000000001", AGENT_WARM, 0, -1);
        agent(c, "t-0000000001", AGENT_READY, 1, 0);
        CHECK(core_idle(c, "ws-a", now, &idle));
        CHECK(idle.heard);
        CHECK_INT(idle.stop.rule, IDLE_RULE_IDLE);
        CHECK_INT(mono_diff_ms(now, idle.stop.due), 60000);
        CHECK_INT(mono_diff_ms(now, idle.due), 90000);
        CHECK_STR(idle.wait, "the controller has just started");
        CHECK_STR(idle.person_by, "claim");

        /* Over, but the agent is silent. */
        now = mono_add_ms(now, 90000);
        give(c, &ev);
        CHECK(core_idle(c, "ws-a", now, &idle));
        CHECK_INT(mono_diff_ms(now, idle.due), 5000);
        CHECK(strstr(idle.wait, "is not heard"));

        /* Heard again, and a person was there 20 s ago: the view is as of the time asked for. */
        agent(c, "t-0000000001", AGENT_READY, 1, 20000);
        CHECK(core_idle(c, "ws-a", mono_add_ms(now, 1000), &idle));
        CHECK_INT(mono_diff_ms(now, idle.due), 40000);
        CHECK_INT(mono_diff_ms(now, idle.facts.now), 1000);
        CHECK_STR(idle.wait, "");

        give(c, &off);
        CHECK(!core_idle(c, "ws-a", now, &idle)); /* it is being stopped */
        core_free(c);
}

int main(void)
{
        RUN(test_bad_config);
        RUN(test_replies);
        RUN(test_more_than_fits);
        RUN(test_views);
        RUN(test_stops_per_minute);
        RUN(test_stops_share);
        RUN(test_plan);
        return 0;
}
