/*
 * Where the core's input is at its limits: configurations that cannot work, stores that were
 * repaired by hand, tables that are full, numbers that are none, and steps with more to do than
 * fits into one.
 */
#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "core/core.h"
#include "core/idle_words.h"
#include "core/trace.h"
#include "core_fixture.h"
#include "test.h"

/* ---- configurations ---- */

static void test_configurations(void)
{
        const struct core_config good = config_of(1, 1, 0);
        struct core_config c;

#define BAD(field, value)                                                                          \
        do {                                                                                       \
                c = good;                                                                          \
                c.field = value;                                                                   \
                core = NULL;                                                                       \
                CHECK_INT(core_new(&c, &core), -EINVAL);                                           \
                CHECK(!core);                                                                      \
        } while (0)
        BAD(n_types, 0);
        BAD(n_types, CORE_TYPES_MAX + 1);
        BAD(workspaces_max, 0);
        BAD(tasks_max, 0);
        BAD(workspaces_max, UINT32_MAX);
        BAD(tasks_max, UINT32_MAX);
        BAD(heartbeat_ms, 0);
        BAD(retry_save_ms, 0);
        BAD(stops_per_min, 0);
        BAD(quiet_ms, -1);
        BAD(agent_lost_ms, 0);
        BAD(erase_delay_ms, -1);
        BAD(types[0].name[0], 0);
        BAD(types[0].limits.idle_ms, -1);
        BAD(types[0].limits.never_connected_ms, -1);
        BAD(types[0].limits.disconnected_ms, -1);
        BAD(types[0].limits.job_ms, -1);
        BAD(types[0].limits.lifetime_ms, -1);
        BAD(types[0].launch_timeout_ms, 0);
        BAD(types[0].claim_timeout_ms, 0);
        BAD(types[0].stop_timeout_ms, 0);
#undef BAD
}

/* ---- what is stored may be anything ---- */

static void test_rows_that_cannot_be(void)
{
        struct core_config config = config_of(2, 2, 0);
        uint64_t ignored;

        new_core(&config);
        give((struct core_event){.type = EV_INVENTORY_DONE});
        give((struct core_event){.type = EV_TASK_SEEN, .task_seen = {"t-1"}});
        CHECK_INT((long long)core_ignored(core), 2); /* nothing was loaded yet */
        CHECK(mono_is_never(core_next_deadline(core)));
        give((struct core_event){.type = EV_DEADLINE});
        CHECK_INT((long long)fx.n, 0);
        boot_workspace("", WS_STOPPED, "");
        boot_workspace("ws-a", WS_STATE_MAX, "");
        boot_workspace("ws-a", WS_STOPPED, "");
        boot_workspace("ws-a", WS_STOPPED, "");
        boot_workspace("ws-b", WS_STOPPED, "");
        boot_workspace("ws-c", WS_STOPPED, ""); /* no room */
        CHECK_INT((long long)core_ignored(core), 6);
        boot_task("", TASK_WARM, "");
        boot_task("t-1", TASK_STATE_MAX, "");
        boot_task("t-1", TASK_WARM, "");
        boot_task("t-1", TASK_WARM, "");
        boot_task("t-2", TASK_WARM, "");
        boot_task("t-3", TASK_WARM, "");
        CHECK_INT((long long)core_ignored(core), 10);
        give((struct core_event){.type = EV_BOOT_SETTING, .setting_row = {"pause.gone", "soft x"}});
        give((struct core_event){.type = EV_BOOT_SETTING, .setting_row = {"pause", "loud x"}});
        CHECK_INT((long long)core_ignored(core), 12);
        launch("ws-a", "1");
        CHECK_INT(replied(), REPLY_DRAINING); /* not loaded yet */
        give((struct core_event){.type = EV_REQ_MODE, .req_mode = {.token = 1}});
        CHECK_INT(replied(), REPLY_DRAINING);
        give((struct core_event){.type = EV_BOOT_DONE});
        ignored = core_ignored(core);
        seen(""); /* no name */
        CHECK_INT((long long)(core_ignored(core) - ignored), 1);
        seen("t-9"); /* an orphan, and no room for it: it is ended all the same */
        CHECK_INT((long long)count(FX_STOP_TASK), 1);
        give((struct core_event){.type = (enum core_event_type)(EV_MAX + 7)});
        CHECK_INT((long long)(core_ignored(core) - ignored), 2);
        end_core();
}

/* Between the rows and the inventory requests are taken, and nothing is launched. */
static void test_before_the_inventory(void)
{
        struct core_config config = config_of(4, 4, 2);
        struct pool_view pool;

        new_core(&config);
        boot_workspace("ws-a", WS_RUNNING, "t-1");
        boot_task("t-1", TASK_READY, "ws-a");
        give((struct core_event){.type = EV_BOOT_DONE});
        give((struct core_event){.type = EV_REQ_MODE,
                                 .req_mode = {.mode = MODE_DRAIN, .on = true, .hard = true}});
        launch("ws-b", "1");
        CHECK_INT(replied(), REPLY_CLOSED);
        give((struct core_event){.type = EV_REQ_MODE, .req_mode = {.mode = MODE_DRAIN}});
        launch("ws-b", "1");
        CHECK_INT(replied(), REPLY_OK);
        CHECK(core_pool(core, 0, &pool));
        CHECK_INT((long long)pool.misses, 1);
        CHECK_INT((long long)count(FX_LAUNCH_TASK), 0);
        seen("t-1");
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        CHECK_INT((long long)count(FX_LAUNCH_TASK), 3);
        /* What nobody can mean. */
        report("t-1", AGENT_PHASE_MAX, 1);
        CHECK_INT((long long)core_ignored(core), 1);
        give((struct core_event){.type = EV_SAVE_VERIFIED, .verified = {.workspace = "ws-a"}});
        CHECK_INT((long long)core_ignored(core), 2);
        end_core();
}

/* Storage that does not answer well is asked less and less often, once a minute at least. */
static void test_storage_away(void)
{
        struct core_config config = config_of(4, 4, 0);
        struct core_event again = {.type = EV_SAVE_VERIFIED, .verified = {"ws-a", 1, 1, -EIO, ""}};
        int64_t pause = 0;

        new_core(&config);
        boot_workspace("ws-a", WS_RUNNING, "t-1");
        boot_task("t-1", TASK_READY, "ws-a");
        give((struct core_event){.type = EV_BOOT_DONE});
        seen("t-1");
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        settle();
        give((struct core_event){
                .type = EV_AGENT_SAVED,
                .saved = {.task = "t-1", .generation = 1, .seq = 1, .sha256 = "h"}});
        CHECK_INT((long long)count(FX_VERIFY_SAVE), 1);
        for (int i = 0; i < 8; i++) {
                mono_t from = now;
                size_t asked = 0;

                report("t-1", AGENT_READY, 1);
                give(again);
                while (asked == 0) {
                        now = mono_max(now, core_next_deadline(core));
                        give((struct core_event){.type = EV_DEADLINE});
                        asked = count(FX_VERIFY_SAVE);
                }
                CHECK(mono_diff_ms(from, now) >= pause);
                pause = mono_diff_ms(from, now);
        }
        CHECK_INT(pause, 60000);
        end_core();
}

/* Rows that contradict each other: nothing of a student's is ended, nobody waits for ever. */
static void test_repaired_by_hand(void)
{
        struct core_config config = config_of(16, 16, 0);
        size_t pos = 0, n = 0;

        new_core(&config);
        boot_workspace("ws-1", WS_STARTING, "t-11"); /* its task is unknown */
        boot_workspace("ws-2", WS_RUNNING, "t-12");
        boot_workspace("ws-3", WS_SAVING, "t-13");
        boot_workspace("ws-4", WS_ATTENTION, "t-14");
        boot_workspace("ws-5", WS_STARTING, ""); /* waits */
        boot_workspace("ws-6", WS_STATE_MAX - 1, "");
        boot_task("t-20", TASK_STOPPING, ""); /* of nobody */
        boot_task("t-21", TASK_LOST, "");
        boot_task("t-22", TASK_GONE, "");
        boot_task("t-23", TASK_READY, "ws-2"); /* ws-2 knows another one */
        boot_task("t-24", TASK_LOST, "");
        give((struct core_event){.type = EV_BOOT_DONE});
        seen("t-20");
        seen("t-21");
        seen("t-22");
        seen("t-23");
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        settle();
        CHECK_INT(core_workspace(core, "ws-1")->state, WS_RECOVERING);
        CHECK_INT(core_workspace(core, "ws-2")->state, WS_RECOVERING);
        CHECK_INT(core_workspace(core, "ws-3")->state, WS_RECOVERING);
        CHECK_INT(core_workspace(core, "ws-4")->state, WS_RECOVERING);
        CHECK_INT(core_workspace(core, "ws-5")->state, WS_STARTING);
        /* Gently, so that their agents save by themselves. */
        CHECK_INT(core_task(core, "t-20")->state, TASK_TERMINATING);
        CHECK_INT(core_task(core, "t-23")->state, TASK_TERMINATING);
        CHECK(!core_task(core, "t-22") && !core_task(core, "t-24"));
        while (core_next_task(core, &pos))
                n++;
        CHECK_INT((long long)n, 4); /* and the one that ws-5 waits for */
        end_core();
}

/* A hard drain was set before the restart: it reaches whoever still runs, and nobody else. */
static void test_drain_of_rows(void)
{
        struct core_config config = config_of(8, 8, 0);
        struct core_event task = {.type = EV_BOOT_TASK,
                                  .task_row = {.id = "t-1",
                                               .type = "code",
                                               .state = TASK_READY,
                                               .workspace = "ws-1",
                                               .generation = 1,
                                               .nonce = "n",
                                               .claimed_at = {1}}}; /* before the machine began */

        new_core(&config);
        boot_workspace("ws-1", WS_RUNNING, "t-1");
        boot_workspace("ws-2", WS_STOPPED, "");
        boot_workspace("ws-3", WS_DELETED, "");
        give(task);
        give((struct core_event){.type = EV_BOOT_SETTING,
                                 .setting_row = {"drain", "hard ann: power"}});
        give((struct core_event){.type = EV_BOOT_DONE});
        seen("t-1");
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        settle();
        CHECK_INT(core_workspace(core, "ws-1")->state, WS_SAVING);
        CHECK_STR(core_workspace(core, "ws-1")->reason, "drain, ann: power");
        CHECK_INT(core_workspace(core, "ws-2")->state, WS_STOPPED);
        CHECK_INT(core_workspace(core, "ws-3")->state, WS_DELETED);
        end_core();
}

/* In maintenance the plan says so; what people ask for is done. */
static void test_maintenance_is_told(void)
{
        struct core_config config = config_of(4, 4, 0);
        struct core_idle idle;

        new_core(&config);
        boot_workspace("ws-a", WS_RUNNING, "t-1");
        boot_task("t-1", TASK_READY, "ws-a");
        give((struct core_event){.type = EV_BOOT_DONE});
        seen("t-1");
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        settle();
        give((struct core_event){.type = EV_REQ_MODE,
                                 .req_mode = {.mode = MODE_MAINTENANCE,
                                              .on = true,
                                              .actor = "ann",
                                              .reason = "storage moves"}});
        CHECK(core_idle(core, "ws-a", now, &idle));
        CHECK(mono_is_never(idle.due));
        CHECK_INT(idle.stop.rule, IDLE_RULE_IDLE);
        CHECK_STR(idle.wait, "maintenance, ann: storage moves");
        give((struct core_event){.type = EV_REQ_STOP, .req_workspace = {.id = "ws-a"}});
        CHECK_INT(core_workspace(core, "ws-a")->state, WS_SAVING);
        end_core();
}

/* A person's labels are those of the last request that gave a key. */
static void test_labels(void)
{
        struct core_config config = config_of(4, 4, 0);
        struct core_event ev = {.type = EV_REQ_LAUNCH,
                                .launch = {.id = "ws-a",
                                           .key = {"default", "ann", "default", "code"},
                                           .labels = "{}"}};

        opened(&config);
        give(ev);
        CHECK_STR(core_workspace(core, "ws-a")->labels, "{}");
        STR_CUT(ev.launch.labels, "{\"course\":1}");
        give(ev);
        CHECK_STR(core_workspace(core, "ws-a")->labels, "{\"course\":1}");
        CHECK_INT((long long)count(FX_PUT_WORKSPACE), 1);
        give(ev);
        CHECK_INT((long long)count(FX_PUT_WORKSPACE), 0);
        ev.launch.key.type[0] = 0;
        STR_CUT(ev.launch.labels, "");
        give(ev);
        CHECK_STR(core_workspace(core, "ws-a")->labels, "{\"course\":1}");
        end_core();
}

/* A type that is not configured any more: what is stored is kept, nothing new begins. */
static void test_unknown_type(void)
{
        struct core_config config = config_of(4, 4, 0);
        struct core_event ws = {.type = EV_BOOT_WORKSPACE,
                                .workspace_row = {.id = "ws-1", .state = WS_STARTING}};
        struct core_event task = {.type = EV_BOOT_TASK,
                                  .task_row = {.id = "t-1", .state = TASK_WARM, .nonce = "n"}};

        new_core(&config);
        STR_CUT(ws.workspace_row.key.type, "gone");
        STR_CUT(task.task_row.type, "gone");
        give(ws);
        give(task);
        give((struct core_event){.type = EV_BOOT_DONE});
        seen("t-1");
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        settle();
        CHECK_INT(core_workspace(core, "ws-1")->state, WS_STOPPED);
        give((struct core_event){.type = EV_REQ_LAUNCH, .launch = {.token = 1, .id = "ws-1"}});
        CHECK_INT(replied(), REPLY_BAD_TYPE);
        report("t-1", AGENT_FAILED, 0);
        CHECK_INT(core_task(core, "t-1")->state, TASK_FAILED);
        end_core();
}

/* ---- people ---- */

static void test_limits_of_people(void)
{
        struct core_config config = config_of(64, 4, 0);
        char id[CORE_ID_SIZE], user[16];

        config.user_running_max = 1;
        opened(&config);
        /* More people than buckets; the same name in another tenant is another person. */
        for (int i = 0; i < 40; i++) {
                (void)snprintf(id, sizeof(id), "ws-%d", i);
                (void)snprintf(user, sizeof(user), "%d", i);
                launch(id, user);
                CHECK_INT(replied(), REPLY_OK);
        }
        launch("ws-x", "7");
        CHECK_INT(replied(), REPLY_USER_LIMIT);
        give((struct core_event){.type = EV_REQ_DELETE, .req_workspace = {.id = "ws-7"}});
        CHECK_INT(core_workspace(core, "ws-7")->state, WS_DELETED);
        launch("ws-x", "7");
        CHECK_INT(replied(), REPLY_OK);
        /* The deleted one goes; the chain of its person holds. */
        now = mono_add_ms(now, 2000);
        give((struct core_event){.type = EV_DEADLINE});
        CHECK_INT((long long)count(FX_ERASE), 1);
        give((struct core_event){.type = EV_ERASED, .req_workspace = {.id = "ws-7"}});
        CHECK(!core_workspace(core, "ws-7"));
        launch("ws-y", "7");
        CHECK_INT(replied(), REPLY_USER_LIMIT);
        /* The same name elsewhere is somebody else. */
        give((struct core_event){
                .type = EV_REQ_LAUNCH,
                .launch = {.token = 1, .id = "ws-z", .key = {"another", "7", "default", "code"}}});
        CHECK_INT(replied(), REPLY_OK);
        /* Stopped, it counts no more. */
        give((struct core_event){.type = EV_REQ_STOP, .req_workspace = {.id = "ws-5"}});
        launch("ws-q", "5");
        CHECK_INT(replied(), REPLY_OK);
        CHECK_INT(core_place(core, "ws-0"), 1);
        CHECK_INT(core_place(core, "ws-x"), 39);
        CHECK_INT(core_place(core, "ws-20"), 19);
        CHECK_INT(core_place(core, "ws-nobody"), 0);
        /* Without a token nobody is answered. */
        give((struct core_event){.type = EV_REQ_LAUNCH, .launch = {.id = "ws-0"}});
        CHECK_INT(replied(), REPLY_STATUS_MAX);
        end_core();
}

/* ---- words ---- */

static void test_names(void)
{
        enum task_state t;
        enum ws_state w;
        enum core_mode m;

        CHECK_STR(core_event_name(EV_MAX), "?");
        CHECK_STR(core_effect_name(FX_MAX), "?");
        CHECK_STR(core_mode_name(MODE_MAX), "?");
        CHECK_STR(launch_failure_name(LAUNCH_FAILURE_MAX), "?");
        CHECK_STR(agent_phase_name(AGENT_PHASE_MAX), "?");
        CHECK_STR(command_verb_name(COMMAND_VERB_MAX), "?");
        CHECK_STR(task_state_name(TASK_STATE_MAX), "?");
        CHECK_STR(ws_state_name(WS_STATE_MAX), "?");
        CHECK(!task_state_parse("", &t) && !ws_state_parse("sleeping", &w));
        CHECK(!core_mode_parse("sleep", &m) && core_mode_parse("drain", &m) && m == MODE_DRAIN);
        for (unsigned i = 0; i < TASK_STATE_MAX; i++) {
                CHECK(task_state_parse(task_state_name((enum task_state)i), &t));
                CHECK_INT(t, i);
        }
        for (unsigned i = 0; i < WS_STATE_MAX; i++) {
                CHECK(ws_state_parse(ws_state_name((enum ws_state)i), &w));
                CHECK_INT(w, i);
        }
        CHECK_INT((long long)core_task_number("x-1"), 0);
        CHECK_INT((long long)core_task_number("tx1"), 0);
        CHECK_INT((long long)core_task_number("t-1:"), 0);
        CHECK_INT((long long)core_task_number("t-1 "), 0);
        CHECK_INT((long long)core_task_number("t-99999999999999999999999"), 0);
}

/* A line that does not fit is cut, never overrun. */
static void test_short_lines(void)
{
        struct core_effect effect = {.type = FX_REPLY, .reply = {.status = REPLY_STATUS_MAX}};
        struct core_event ev = {.type = EV_REQ_STOP,
                                .req_workspace = {.id = "ws-a", .actor = "api"}};
        char line[16] = "";

        for (size_t size = 1; size <= sizeof(line); size++) {
                trace_event(&ev, line, size);
                CHECK(strlen(line) < size);
        }
        trace_effect(&effect, line, sizeof(line));
        CHECK_STR(line, "REPLY ?");
        effect.type = FX_DRAINED;
        trace_effect(&effect, line, sizeof(line));
        CHECK_STR(line, "DRAINED");
        effect.type = FX_MAX;
        trace_effect(&effect, line, sizeof(line));
        CHECK_STR(line, "?");
        ev.type = EV_MAX;
        trace_event(&ev, line, sizeof(line));
        CHECK_STR(line, "?");
}

/* What holds a workspace, in words, for each limit. */
static void test_hold_words(void)
{
        static const struct idle_limits limits = {1000, 2000, 3000, 4000, 5000};
        static const struct {
                enum idle_rule rule;
                const char *words;
        } rules[] = {{IDLE_RULE_NONE, "no limit stops it"},
                     {IDLE_RULE_IDLE, "(idle limit 1 s)"},
                     {IDLE_RULE_NEVER_CONNECTED, "(never-connected limit 2 s)"},
                     {IDLE_RULE_DISCONNECTED, "(disconnected limit 3 s)"},
                     {IDLE_RULE_JOB, "(job limit 4 s)"},
                     {IDLE_RULE_LIFETIME, "(lifetime limit 5 s)"}};
        struct idle_facts facts = {.now = {US_PER_S}};
        struct idle_tale tale = {"typed", "make", "high"};
        struct idle_stop stop = {.due = {2 * US_PER_S}};
        char text[512];

        for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
                stop.rule = rules[i].rule;
                idle_hold(&limits, &facts, &stop, &tale, stop.due, text, sizeof(text));
                CHECK(strstr(text, rules[i].words));
                CHECK((strstr(text, "the job make holds it") != NULL) ==
                      (stop.rule == IDLE_RULE_JOB));
        }
        stop.rule = IDLE_RULE_JOB;
        tale.job = "";
        idle_hold(&limits, &facts, &stop, &tale, stop.due, text, sizeof(text));
        CHECK(strstr(text, "the job of the student"));
        stop.rule = IDLE_RULE_IDLE;
        idle_hold(&limits, &facts, &stop, &tale, MONO_NEVER, text, sizeof(text));
        CHECK(strstr(text, "no limit stops it"));
}

static void test_modes_set(void)
{
        struct core_config config = config_of(4, 4, 0);
        const char *why = NULL;
        bool hard = true;

        opened(&config);
        CHECK(!core_mode_on(core, MODE_PAUSE, "code", &hard, &why) && !hard);
        CHECK_STR(why, "");
        give((struct core_event){.type = EV_REQ_MODE,
                                 .req_mode = {.mode = MODE_PAUSE,
                                              .on = true,
                                              .hard = true,
                                              .type = "code",
                                              .actor = "ann",
                                              .reason = "x"}});
        CHECK(core_mode_on(core, MODE_PAUSE, "code", &hard, &why) && hard);
        CHECK_STR(why, "ann: x");
        CHECK(!core_mode_on(core, MODE_PAUSE, "", &hard, &why));
        CHECK(!core_mode_on(core, MODE_PAUSE, "nothing", &hard, &why));
        give((struct core_event){.type = EV_REQ_MODE,
                                 .req_mode = {.token = 1, .mode = (enum core_mode)MODE_MAX}});
        CHECK_INT(replied(), REPLY_DRAINING);
        end_core();
}

int main(void)
{
        RUN(test_configurations);
        RUN(test_rows_that_cannot_be);
        RUN(test_before_the_inventory);
        RUN(test_storage_away);
        RUN(test_hold_words);
        RUN(test_repaired_by_hand);
        RUN(test_unknown_type);
        RUN(test_drain_of_rows);
        RUN(test_maintenance_is_told);
        RUN(test_labels);
        RUN(test_limits_of_people);
        RUN(test_names);
        RUN(test_short_lines);
        RUN(test_modes_set);
        return 0;
}
