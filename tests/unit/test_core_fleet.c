/* Many at once: scale-in, silence, room for those who wait, drains, and who may have how many. */
#include <stdio.h>

#include "base/str.h"
#include "core/core.h"
#include "core_fixture.h"
#include "test.h"

/* How often this was written to the history in the last step. */
static size_t written(const char *what)
{
        size_t n = 0;

        for (size_t i = 0; i < fx.n; i++)
                n += fx.v[i].type == FX_AUDIT && strcmp(fx.v[i].audit_row.what, what) == 0;
        return n;
}

static void hello(const char *task, const char *addr)
{
        struct core_event ev = {.type = EV_AGENT_HELLO, .hello = {.nonce = "n"}};

        STR_CUT(ev.hello.task, task);
        STR_CUT(ev.hello.addr, addr);
        give(ev);
}

/* The rows of `n` tasks, ready ones with their workspaces, up to the inventory. */
static void boot_rows(uint32_t n, enum task_state state)
{
        char ws[CORE_ID_SIZE] = "", task[CORE_ID_SIZE];

        for (uint32_t i = 0; i < n; i++) {
                (void)snprintf(task, sizeof(task), "t-%010u", i + 1);
                if (state != TASK_WARM)
                        (void)snprintf(ws, sizeof(ws), "ws-%u", i);
                if (ws[0])
                        boot_workspace(ws, WS_RUNNING, task);
                boot_task(task, state, ws);
        }
        give((struct core_event){.type = EV_BOOT_DONE, .boot = {.epoch = 3}});
        for (uint32_t i = 0; i < n; i++) {
                (void)snprintf(task, sizeof(task), "t-%010u", i + 1);
                seen(task);
        }
}

static void boot_ready(uint32_t n, enum task_state state)
{
        boot_rows(n, state);
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
}

/* Agents are told to come back over a window that grows with the fleet, within its bounds. */
static void test_reconnect_window(void)
{
        static const struct {
                uint32_t n;
                int64_t ms;
        } fleets[] = {{10, 1000}, {400, 2000}, {13000, 60000}};

        for (size_t i = 0; i < ARRAY_LEN(fleets); i++) {
                struct core_config config = config_of(fleets[i].n, fleets[i].n, 0);
                struct core_idle idle;

                new_core(&config);
                boot_ready(fleets[i].n, TASK_READY);
                settle();
                CHECK_INT(core_reconnect_ms(core), fleets[i].ms);
                CHECK_INT((long long)core_epoch(core), 3);
                hello("t-0000000001", "127.0.0.1:1");
                CHECK_INT(fx.v[fx.n - 1].welcome.reconnect_ms, fleets[i].ms);
                CHECK_INT((long long)fx.v[fx.n - 1].welcome.epoch, 3);
                CHECK_INT((long long)count(FX_PUT_TASK), 1);
                hello("t-0000000001", "127.0.0.1:1"); /* the same again: nothing to store */
                CHECK_INT((long long)count(FX_PUT_TASK), 0);
                /* A new leader stops nobody before all had the time to come back. */
                CHECK(core_idle(core, "ws-0", now, &idle));
                CHECK(mono_diff_ms((mono_t){US_PER_S}, idle.due) >= fleets[i].ms);
                end_core();
        }
}

/* A queue behind a slow launch is told to come back in five minutes, not in ten. */
static void test_retry_is_bounded(void)
{
        struct core_config config = config_of(8, 1, 0);

        config.types[0].queue_max = 1;
        config.types[0].launch_timeout_ms = 3600000;
        opened(&config);
        launch("ws-a", "1");
        CHECK_INT(replied(), REPLY_OK);
        now = mono_add_ms(now, 600000);
        hello("t-0000000001", "127.0.0.1:1");
        report("t-0000000001", AGENT_WARM, 0);
        launch("ws-b", "2");
        CHECK_INT(replied(), REPLY_OK);
        launch("ws-c", "3");
        CHECK_INT(replied(), REPLY_QUEUE_FULL);
        CHECK_INT(fx.v[fx.n - 1].reply.retry_ms, 300000);
        CHECK_INT(fx.v[fx.n - 1].reply.place, 2);
        end_core();
}

/* What hangs at a shutdown is named in the history, as far as a step has room for it. */
static void test_left_running(void)
{
        struct core_config config = config_of(600, 700, 0);
        size_t left = 0;
        bool drained = false;

        new_core(&config);
        boot_workspace("ws-lost", WS_RECOVERING, "t-lost"); /* goes by itself, or not */
        boot_task("t-lost", TASK_LOST, "ws-lost");
        boot_ready(599, TASK_READY);
        settle();
        give((struct core_event){.type = EV_REQ_SHUTDOWN, .req_plain = {.token = 1}});
        for (int i = 0; i < 2000 && !drained; i++) {
                now = mono_max(now, core_next_deadline(core));
                give((struct core_event){.type = EV_DEADLINE});
                left += written("left-running");
                drained = count(FX_DRAINED) > 0;
        }
        CHECK(drained && left > 400);
        end_core();
}

/* 600 agents fall silent in the same moment, 300 pool tasks are too many, 300 people get theirs. */
static void test_more_than_fits_again(void)
{
        struct core_config config = config_of(700, 700, 0);
        char id[CORE_ID_SIZE];
        size_t n = 0;

        new_core(&config);
        boot_ready(600, TASK_READY);
        settle();
        now = mono_add_ms(now, 30001);
        while (mono_due(core_next_deadline(core), now)) {
                give((struct core_event){.type = EV_DEADLINE});
                n += written("agent-silent");
        }
        CHECK_INT((long long)n, 600);
        /* Everybody is stopped by an operator: workspaces have their turns too. */
        give((struct core_event){.type = EV_REQ_MODE,
                                 .req_mode = {.mode = MODE_DRAIN, .on = true, .hard = true}});
        n = 0;
        for (int i = 0; mono_due(core_next_deadline(core), now) && i < 1000; i++) {
                give((struct core_event){.type = EV_DEADLINE});
                n += written("stopping");
        }
        CHECK_INT((long long)n, 600);
        end_core();

        new_core(&config);
        for (int i = 0; i < 300; i++) {
                (void)snprintf(id, sizeof(id), "ws-%d", i);
                boot_workspace(id, WS_STARTING, "");
        }
        /* Their agents are back before the inventory is in: then all can be served at once. */
        boot_rows(300, TASK_WARM);
        for (int i = 0; i < 300; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        CHECK(settle() > 1);
        CHECK_INT(core_place(core, "ws-299"), 0);
        CHECK(core_workspace(core, "ws-299")->task[0]);
        end_core();
}

static size_t terminating(void)
{
        const struct task_row *t;
        size_t pos = 0, n = 0;

        while ((t = core_next_task(core, &pos)))
                n += t->state == TASK_TERMINATING;
        return n;
}

/* Scale-in is capped per minute; what an operator asks for is not, and may take several steps. */
static void test_scale_in(void)
{
        struct core_config config = config_of(4, 400, 0);
        char id[CORE_ID_SIZE];

        new_core(&config);
        boot_ready(300, TASK_WARM);
        for (int i = 0; i < 300; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        settle();
        CHECK_INT((long long)terminating(), 2);
        now = mono_add_ms(now, 29000);
        settle();
        CHECK_INT((long long)terminating(), 2);
        for (int i = 0; i < 300; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        now = mono_add_ms(now, 29000);
        for (int i = 0; i < 300; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        now = mono_add_ms(now, 2000);
        settle();
        CHECK_INT((long long)terminating(), 4);
        give((struct core_event){.type = EV_REQ_MODE,
                                 .req_mode = {.mode = MODE_DRAIN, .on = true}});
        CHECK(settle() > 0);
        CHECK_INT((long long)terminating(), 300);
        end_core();
}

/* Every warm task silent for long: two a minute are given up, not all at once. */
static void test_silence_is_no_mass_stop(void)
{
        struct core_config config = config_of(4, 20, 10);
        const struct task_row *t;
        size_t pos = 0, n = 0;

        new_core(&config);
        boot_ready(10, TASK_WARM);
        settle();
        now = mono_add_ms(now, 30001);
        settle();
        for (int s = 0; s < 119; s++) {
                now = mono_add_ms(now, 1000);
                settle();
        }
        while ((t = core_next_task(core, &pos)))
                n += t->state == TASK_FAILED && strstr(t->reason, "is not heard");
        CHECK_INT((long long)n, 2);
        end_core();
}

/* Room for people of another type is made at the same pace. */
static void test_make_room(void)
{
        struct core_config config = config_of(8, 6, 6);
        char id[CORE_ID_SIZE];

        config.n_types = 2;
        config.types[1] = config.types[0];
        STR_CUT(config.types[1].name, "lab");
        config.types[1].pool_size = 0;
        new_core(&config);
        boot_ready(6, TASK_WARM);
        for (int i = 0; i < 6; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        for (int i = 0; i < 4; i++) {
                struct core_event ev = {.type = EV_REQ_LAUNCH, .launch = {.token = 1}};

                (void)snprintf(ev.launch.id, CORE_ID_SIZE, "ws-%d", i);
                STR_CUT(ev.launch.key.type, "lab");
                give(ev);
        }
        settle();
        CHECK_INT((long long)terminating(), 2); /* stops_per_min */
        now = mono_add_ms(now, 29000);
        for (int i = 0; i < 6; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        now = mono_add_ms(now, 31000);
        for (int i = 0; i < 6; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        settle();
        CHECK_INT((long long)terminating(), 4);
        end_core();

        /* A hard pause: nobody is to be served by a launch, so no room is made. */
        new_core(&config);
        boot_ready(6, TASK_WARM);
        for (int i = 0; i < 6; i++) {
                (void)snprintf(id, sizeof(id), "t-%010d", i + 1);
                report(id, AGENT_WARM, 0);
        }
        give((struct core_event){
                .type = EV_REQ_MODE,
                .req_mode = {.mode = MODE_PAUSE, .on = true, .hard = true, .type = "lab"}});
        give((struct core_event){.type = EV_REQ_LAUNCH,
                                 .launch = {.id = "ws-1", .key = {.type = "lab"}}});
        settle();
        CHECK_INT((long long)terminating(), 0);
        /* What is drained for one type leaves the others alone. */
        give((struct core_event){
                .type = EV_REQ_MODE,
                .req_mode = {.mode = MODE_DRAIN, .on = true, .hard = true, .type = "code"}});
        settle();
        CHECK_INT(core_workspace(core, "ws-1")->state, WS_STARTING);
        CHECK_INT((long long)terminating(), 6);
        end_core();
}

int main(void)
{
        RUN(test_reconnect_window);
        RUN(test_retry_is_bounded);
        RUN(test_left_running);
        RUN(test_more_than_fits_again);
        RUN(test_scale_in);
        RUN(test_silence_is_no_mass_stop);
        RUN(test_make_room);
        return 0;
}
