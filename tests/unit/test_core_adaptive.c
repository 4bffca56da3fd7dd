/* An idle limit that is learned, in a running core: what it follows, and what it never exceeds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "core/core.h"
#include "test.h"

#define MIN_MS 60000
#define TASK "t-0000000001"
#define ROWS 16

static struct core_config config;
static struct core *core;
static struct core_effects fx;
static int64_t now_ms;
static struct setting_row rows[ROWS];
static uint32_t forgot;
static uint64_t generation;
static uint64_t commands;

static void put(const struct setting_row *row)
{
        size_t i = 0;

        while (i < ROWS && rows[i].name[0] && strcmp(rows[i].name, row->name) != 0)
                i++;
        CHECK(i < ROWS);
        rows[i] = *row;
}

static void give(struct core_event ev)
{
        ev.now = (mono_t){now_ms * US_PER_MS};
        ev.utc = (utc_t){(INT64_C(1700000000000) + now_ms) * US_PER_MS};
        fx.n = 0;
        core_step(core, &ev, &fx);
        for (size_t i = 0; i < fx.n; i++) {
                const struct core_effect *e = &fx.v[i];

                if (e->type == FX_PUT_SETTING)
                        put(&e->setting_row);
                else if (e->type == FX_AUDIT)
                        forgot += strcmp(e->audit_row.what, "idle-forgot") == 0;
                else if (e->type == FX_COMMAND)
                        commands = e->command.id;
        }
}

static void deadlines(void)
{
        for (int i = 0; i < 100; i++) {
                mono_t due = core_next_deadline(core);

                if (mono_is_never(due) || due.us > now_ms * US_PER_MS)
                        return;
                give((struct core_event){.type = EV_DEADLINE});
        }
        CHECK(!"it comes to rest");
}

static void defaults(void)
{
        config = (struct core_config){.workspaces_max = 4,
                                      .tasks_max = 4,
                                      .n_types = 1,
                                      .heartbeat_ms = 5000,
                                      .agent_lost_ms = 30000,
                                      .retry_save_ms = 60000,
                                      .stops_per_min = 10};
        config.types[0] = (struct core_type){.name = "code",
                                             .sizing = {.task_hour = 1000000},
                                             .limits = {.idle_ms = 120 * MIN_MS},
                                             .adaptive = {.on = true,
                                                          .idle_ms_min = 10 * MIN_MS,
                                                          .idle_ms_max = 60 * MIN_MS,
                                                          .value_of_time = 120000000},
                                             .launch_timeout_ms = 60000,
                                             .claim_timeout_ms = 60000,
                                             .stop_timeout_ms = 7 * 24 * 60 * MIN_MS};
        schedule_init(&config.types[0].sizing.schedule);
        memset(rows, 0, sizeof(rows));
        forgot = 0;
        now_ms = 1000;
}

static void open_core(void)
{
        CHECK_INT(core_new(&config, &core), 0);
        for (size_t i = 0; i < ROWS && rows[i].name[0]; i++)
                give((struct core_event){.type = EV_BOOT_SETTING, .setting_row = rows[i]});
        give((struct core_event){.type = EV_BOOT_DONE});
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
}

static void report(enum agent_phase phase, int64_t person_ms)
{
        struct core_event ev = {.type = EV_AGENT_REPORT,
                                .report = {.task = TASK,
                                           .nonce = "n",
                                           .phase = phase,
                                           .generation = generation,
                                           .acted_id = commands,
                                           .person_age_ms = person_ms,
                                           .person_by = "typed"}};
        give(ev);
}

static void work(void)
{
        generation = 0;
        give((struct core_event){
                .type = EV_REQ_LAUNCH,
                .launch = {.id = "ws-a", .key = {.user_id = "u", .type = "code"}, .token = 1}});
        give((struct core_event){.type = EV_TASK_LAUNCHED,
                                 .task_result = {.task = TASK, .ok = true}});
        give((struct core_event){.type = EV_AGENT_HELLO, .hello = {.task = TASK, .nonce = "n"}});
        report(AGENT_WARM, -1);
        generation = 1;
        report(AGENT_READY, 0);
}

/* Heartbeats every 5 s while nobody is there; then somebody is. True: it was stopped meanwhile. */
static bool away(int64_t ms)
{
        const struct workspace_row *w = core_workspace(core, "ws-a");

        for (int64_t at = 0; at < ms; at += 5000) {
                now_ms += 5000;
                deadlines();
                if (w->state != WS_RUNNING)
                        return true;
                report(AGENT_READY, at + 5000 < ms ? at + 5000 : 0);
                deadlines();
        }
        return false;
}

static struct pool_view view(void)
{
        struct pool_view v;

        CHECK(core_pool(core, 0, &v));
        return v;
}

static void close_core(void)
{
        core = core_free(core);
}

/* 10 s to ready are presumed, for $120 an hour, and 70 s of a launch: 21 minutes of keeping. */
static void test_break_even(void)
{
        struct core_idle idle;

        defaults();
        open_core();
        CHECK_INT(view().idle_ms, 1269 * 1000);
        CHECK_STR(view().idle_why, "adaptive, cost of a wrong stop; break-even 21 min 9 s, 0 gaps");
        CHECK_INT(rows[0].name[0], 0); /* nothing was learned */
        work();
        CHECK(core_idle(core, "ws-a", (mono_t){now_ms * US_PER_MS}, &idle));
        CHECK_INT(idle.limits.idle_ms, view().idle_ms);
        CHECK_STR(idle.idle_why, view().idle_why);
        close_core();
}

static void test_bounds(void)
{
        defaults();
        config.types[0].adaptive.value_of_time = 0;
        open_core();
        CHECK_INT(view().idle_ms, 10 * MIN_MS);
        CHECK(strstr(view().idle_why, "idle_min"));
        close_core();
        defaults();
        config.types[0].adaptive.value_of_time = 1000000000;
        open_core();
        CHECK_INT(view().idle_ms, 60 * MIN_MS);
        CHECK(strstr(view().idle_why, "idle_max"));
        close_core();
}

/* Nobody comes for so long that it is stopped, and in the morning somebody comes back. */
static void night(void)
{
        int64_t before_ms = now_ms;

        CHECK(away(61 * MIN_MS));
        CHECK_INT((now_ms - before_ms + 4999) / 5000, (view().idle_ms + 4999) / 5000);
        now_ms += 12 * 60 * MIN_MS;
        give((struct core_event){.type = EV_REQ_LAUNCH, .launch = {.id = "ws-a", .token = 1}});
        report(AGENT_READY, 0);
        CHECK(core_workspace(core, "ws-a")->state == WS_RUNNING);
        deadlines();
}

/* Who is away for longer than a lecture's break is away until the morning: not waited for. */
static void learn(void)
{
        for (int i = 0; i < 40; i++) {
                for (int k = 0; k < 4; k++)
                        CHECK(!away(5 * MIN_MS));
                night();
        }
        now_ms += 2 * MIN_MS;
        deadlines();
}

static void test_learns(void)
{
        int64_t before_ms;

        defaults();
        open_core();
        work();
        before_ms = view().idle_ms;
        learn();
        CHECK(view().idle_ms < before_ms);
        CHECK(view().idle_ms >= 10 * MIN_MS);
        CHECK(strstr(view().idle_why, "least cost by gaps seen"));
        CHECK_STR(rows[0].name, "idle.code.0");
        close_core();
}

/* Nobody is stopped by it before idle_min, whatever was learned; a younger return is no gap. */
static void test_not_before_the_floor(void)
{
        defaults();
        config.types[0].adaptive.value_of_time = 0;
        open_core();
        work();
        for (int i = 0; i < 100; i++) {
                CHECK(!away(9 * MIN_MS));
                CHECK_INT(view().idle_ms, 10 * MIN_MS);
        }
        close_core();
}

static void test_small_gaps(void)
{
        defaults();
        open_core();
        work();
        for (int i = 0; i < 200; i++)
                CHECK(!away(20000));
        CHECK_INT(rows[0].name[0], 0);
        close_core();
}

static void test_remembers(void)
{
        int64_t learned_ms;

        defaults();
        open_core();
        work();
        learn();
        learned_ms = view().idle_ms;
        close_core();
        open_core();
        CHECK_INT(forgot, 0);
        /* How long launches take is measured anew. */
        CHECK(llabs(view().idle_ms - learned_ms) < learned_ms / 2);
        CHECK(strstr(view().idle_why, "least cost by gaps seen"));
        close_core();
        rows[1].value[7] = rows[1].value[7] == '1' ? '2' : '1';
        open_core();
        CHECK_INT(forgot, 1);
        CHECK(strstr(view().idle_why, " 0 gaps"));
        close_core();
}

/* Fixed is fixed: nothing is learned, stored, or looked at. */
static void test_fixed(void)
{
        defaults();
        config.types[0].adaptive.on = false;
        config.types[0].limits.idle_ms = 30 * MIN_MS;
        open_core();
        work();
        for (int i = 0; i < 50; i++)
                CHECK(!away(5 * MIN_MS));
        CHECK_INT(view().idle_ms, 30 * MIN_MS);
        CHECK_STR(view().idle_why, "");
        CHECK_INT(rows[0].name[0], 0);
        close_core();
}

static void test_configurations(void)
{
        defaults();
        config.types[0].adaptive.idle_ms_min = 0;
        CHECK_INT(core_new(&config, &core), -EINVAL);
        defaults();
        config.types[0].adaptive.idle_ms_min = 61 * MIN_MS;
        CHECK_INT(core_new(&config, &core), -EINVAL);
        defaults();
        config.types[0].sizing.task_hour = 0;
        CHECK_INT(core_new(&config, &core), -EINVAL);
}

int main(void)
{
        RUN(test_configurations);
        RUN(test_fixed);
        RUN(test_break_even);
        RUN(test_bounds);
        RUN(test_learns);
        RUN(test_not_before_the_floor);
        RUN(test_small_gaps);
        RUN(test_remembers);
        return 0;
}
