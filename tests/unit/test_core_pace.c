/*
 * A class ends: a thousand workspaces are to be stopped in the same minute. How many are saved at a
 * time, in which order, how fast they are ended, and what is said about when it is over.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "core/core.h"
#include "core_fixture.h"
#include "pool_seed.h"
#include "test.h"

#define MANY 1000
#define PARALLEL 32
#define TICK_MS 100
#define SAVE_BYTES 5000000 /* of each last save */
#define STORAGE_BYTES_S 20000000

enum step { RUNS, ENDS_APP, UPLOADS, COMMITTED, ENDING, GONE };

/* A workspace, its task and agent. */
struct one {
        char ws[CORE_ID_SIZE], task[CORE_ID_SIZE];
        enum step step;
        int64_t left_ms;   /* of ending the app */
        double left_bytes; /* of the upload */
        mono_t person_at;
        mono_t begun_at, saved_at;
        uint32_t begun;      /* as the so manieth */
        int64_t told_eta_ms; /* when half were saved */
};

static struct one ones[MANY];
static uint32_t n_begun, n_saved, n_ended, under_way, under_way_max;
static int64_t saved_when_drained; /* -1: it was not */
static mono_t end_times[MANY * 2];
static uint32_t n_end_times;
static unsigned long long rng;

static uint32_t below(uint32_t n)
{
        rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
        return (uint32_t)(rng >> 33) % n;
}

static struct one *of_task(const char *task)
{
        return &ones[core_task_number(task) - 1];
}

static void take_effects(void)
{
        for (size_t i = 0; i < fx.n; i++) {
                const struct core_effect *e = &fx.v[i];

                if (e->type == FX_COMMAND && e->command.verb == COMMAND_PREPARE_STOP) {
                        struct one *o = of_task(e->command.task);

                        if (o->step != RUNS)
                                continue; /* the same again */
                        o->step = ENDS_APP;
                        o->left_ms = 2000 + (int64_t)below(4000);
                        o->left_bytes = SAVE_BYTES;
                        o->begun_at = now;
                        o->begun = ++n_begun;
                        under_way++;
                        under_way_max = MAX(under_way_max, under_way);
                } else if (e->type == FX_STOP_TASK) {
                        struct one *o = of_task(e->stop_task.task);

                        CHECK(o->step == COMMITTED);
                        o->step = ENDING;
                        end_times[n_end_times++] = now;
                } else if (e->type == FX_DRAINED && saved_when_drained < 0) {
                        saved_when_drained = n_saved;
                }
        }
}

static void give_on(struct core_event ev)
{
        give(ev);
        take_effects();
}

static void tell(const struct one *o, enum agent_phase phase)
{
        struct core_event ev = {.type = EV_AGENT_REPORT,
                                .report = {.nonce = "n",
                                           .phase = phase,
                                           .generation = 1,
                                           .acted_id = UINT64_MAX,
                                           .person_by = "input"}};

        STR_CUT(ev.report.task, o->task);
        ev.report.person_age_ms = mono_diff_ms(o->person_at, now);
        give_on(ev);
}

static void commit(struct one *o)
{
        struct core_event saved = {.type = EV_AGENT_SAVED,
                                   .saved = {.generation = 1,
                                             .seq = 1,
                                             .final = true,
                                             .length = 1,
                                             .data_length = SAVE_BYTES,
                                             .sha256 = "hash"}};
        struct core_event verified = {.type = EV_SAVE_VERIFIED,
                                      .verified = {.generation = 1, .seq = 1}};

        o->step = COMMITTED;
        o->saved_at = now;
        under_way--;
        n_saved++;
        STR_CUT(saved.saved.task, o->task);
        STR_CUT(verified.verified.workspace, o->ws);
        give_on(saved);
        give_on(verified);
        tell(o, AGENT_SAVED);
}

static void end(struct one *o)
{
        struct core_event ev = {.type = EV_TASK_ENDED, .task_ended = {.certain = true}};

        o->step = GONE;
        n_ended++;
        STR_CUT(ev.task_ended.task, o->task);
        give_on(ev);
}

/* Everybody who uploads has the same share of what storage takes. */
static void tick(void)
{
        uint32_t uploading = 0;
        double share;

        now = mono_add_ms(now, TICK_MS);
        while (mono_due(core_next_deadline(core), now))
                give_on((struct core_event){.type = EV_DEADLINE});
        for (int i = 0; i < MANY; i++)
                uploading += ones[i].step == UPLOADS;
        share = (double)STORAGE_BYTES_S * TICK_MS / 1000 / MAX(uploading, 1);
        for (int i = 0; i < MANY; i++) {
                struct one *o = &ones[i];

                if (o->step == ENDS_APP && (o->left_ms -= TICK_MS) <= 0)
                        o->step = UPLOADS;
                else if (o->step == UPLOADS && (o->left_bytes -= share) <= 0)
                        commit(o);
                else if (o->step == ENDING)
                        end(o);
                else if (o->step == RUNS && (now.us / US_PER_MS / TICK_MS + i) % 50 == 0)
                        tell(o, AGENT_READY);
        }
}

/* A thousand that run; the person of each left `apart_ms` after that of the one before. */
static void begin(const struct core_config *config, int64_t apart_ms)
{
        n_begun = n_saved = n_ended = under_way = under_way_max = n_end_times = 0;
        saved_when_drained = -1;
        new_core(config);
        now = (mono_t){10000 * US_PER_S};
        for (int i = 0; i < MANY; i++) {
                ones[i] = (struct one){.person_at = now};
                (void)snprintf(ones[i].ws, CORE_ID_SIZE, "ws-%d", i);
                (void)snprintf(ones[i].task, CORE_ID_SIZE, "t-%010d", i + 1);
                boot_workspace(ones[i].ws, WS_RUNNING, ones[i].task);
                boot_task(ones[i].task, TASK_READY, ones[i].ws);
        }
        give((struct core_event){.type = EV_BOOT_DONE, .boot = {.epoch = 1}});
        for (int i = 0; i < MANY; i++)
                seen(ones[i].task);
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        settle();
        for (int i = 0; i < MANY; i++) {
                now = mono_add_ms(now, apart_ms);
                ones[i].person_at = now;
                tell(&ones[i], AGENT_READY);
                for (int k = 0; k < MANY && i % 100 == 0; k++)
                        tell(&ones[k], AGENT_READY);
        }
        CHECK_INT((long long)n_begun, 0);
}

/* Nobody has done anything for so long that all of them are idle with the next tick. */
static void all_idle(void)
{
        now = mono_add_ms(now, 60000 - TICK_MS / 2);
        for (int i = 0; i < MANY; i++)
                tell(&ones[i], AGENT_READY);
        CHECK_INT((long long)n_begun, 0);
}

static struct core_config many_config(void)
{
        struct core_config config = config_of(MANY, MANY, 0);

        config.save_parallel = PARALLEL;
        config.stops_per_min = 100000;
        config.stop_rate = 20;
        config.stop_burst = 100;
        return config;
}

static struct core_stops stops(void)
{
        struct core_stops s;

        core_stops(core, now, &s);
        return s;
}

/* At most `burst` at once and `rate` a second after that, in every stretch of time. */
static void check_end_rate(double rate, double burst)
{
        for (uint32_t i = 0; i < n_end_times; i++) {
                for (uint32_t k = i; k < n_end_times; k++) {
                        double s = (double)mono_diff_ms(end_times[i], end_times[k]) / 1000;

                        CHECK(k - i + 1 <= burst + rate * s + 1);
                }
        }
}

static double off_by(int64_t told_ms, mono_t then, mono_t done)
{
        int64_t real_ms = mono_diff_ms(then, done);

        return (double)llabs(told_ms - real_ms) / (double)MAX(real_ms, 1);
}

/* Told at a quarter, half and three quarters of the saves, how long it would take. */
struct estimate {
        mono_t at;
        int64_t told_ms;
};

static void run_all(struct estimate *estimates, mono_t *ret_done)
{
        uint32_t told = 0;

        for (int i = 0; n_ended < MANY; i++) {
                CHECK(i < 100000);
                tick();
                CHECK(under_way == stops().under_way);
                if (told < 3 && n_saved >= (told + 1) * MANY / 4) {
                        estimates[told++] = (struct estimate){now, stops().eta_ms};
                        for (int k = 0; told == 2 && k < MANY; k++) {
                                struct core_stop one;

                                ones[k].told_eta_ms =
                                        core_stop(core, ones[k].ws, now, &one) ? one.eta_ms : -1;
                        }
                }
                if (n_saved == MANY && ret_done->us == 0)
                        *ret_done = now;
        }
}

/* All of them idle in the same minute. */
static void test_class_ends(void)
{
        struct core_config config = many_config();
        struct estimate e[3];
        mono_t done = {0}, start;
        double worst = 0, bound_s = (double)MANY * SAVE_BYTES / STORAGE_BYTES_S;

        begin(&config, 50);
        now = mono_add_ms(now, 60000 - 1000);
        start = now;
        run_all(e, &done);
        CHECK_INT((long long)under_way_max, PARALLEL);
        /* Who should have been stopped first was; each waited for its place and no longer. */
        for (int i = 1; i < MANY; i++)
                CHECK(ones[i - 1].begun < ones[i].begun);
        for (int i = 0; i < 3; i++)
                CHECK(off_by(e[i].told_ms, e[i].at, done) < 0.2);
        for (int i = 0; i < MANY; i++) {
                if (ones[i].told_eta_ms > 60000)
                        worst = MAX(worst, off_by(ones[i].told_eta_ms, e[1].at, ones[i].saved_at));
        }
        CHECK(worst < 0.2);
        CHECK(stops().saved == MANY && stops().bytes == (uint64_t)MANY * SAVE_BYTES);
        check_end_rate(20, 100);
        printf("    all saved after %.0f s, at least %.0f by storage alone; told at 1/4, 1/2, 3/4: "
               "off by %.0f, %.0f, %.0f %%, of one workspace at most %.0f %%\n",
               (double)mono_diff_ms(start, done) / 1000, bound_s,
               100 * off_by(e[0].told_ms, e[0].at, done), 100 * off_by(e[1].told_ms, e[1].at, done),
               100 * off_by(e[2].told_ms, e[2].at, done), 100 * worst);
        end_core();
}

/* An operator drains; a shutdown goes on as long as saves do, however many wait. */
static void test_drain_and_shutdown(void)
{
        for (int shutdown = 0; shutdown < 2; shutdown++) {
                struct core_config config = many_config();
                struct core_event drain = {
                        .type = EV_REQ_MODE,
                        .req_mode = {.mode = MODE_DRAIN, .on = true, .hard = true}};
                struct core_event off = {.type = EV_REQ_SHUTDOWN};

                config.types[0].limits.idle_ms = 0;
                begin(&config, 0);
                give_on(shutdown ? off : drain);
                for (int i = 0; n_ended < MANY || (shutdown && saved_when_drained < 0); i++) {
                        CHECK(i < 100000);
                        tick();
                }
                CHECK_INT((long long)under_way_max, PARALLEL);
                CHECK_INT(saved_when_drained, shutdown ? MANY : -1);
                check_end_rate(20, 100);
                end_core();
        }
}

/* Somebody comes back while it waits: nothing has happened. */
static void test_returns_while_waiting(void)
{
        struct core_config config = many_config();
        struct core_stop v;
        uint32_t waiting;

        begin(&config, 0);
        all_idle();
        tick();
        CHECK(core_stop(core, "ws-900", now, &v) && v.kind == STOP_IDLE && v.place > 0);
        CHECK(v.eta_ms == -1); /* nothing was saved yet */
        waiting = stops().waiting;
        ones[900].person_at = now;
        give_on((struct core_event){.type = EV_DEADLINE});
        tell(&ones[900], AGENT_READY);
        CHECK(count(FX_PUT_WORKSPACE) == 0 || ones[900].step == RUNS);
        CHECK(!core_stop(core, "ws-900", now, &v));
        CHECK_INT((long long)stops().waiting, (long long)waiting - 1);
        CHECK_INT(core_workspace(core, "ws-900")->state, WS_RUNNING);
        for (int i = 0; i < 500; i++) { /* it goes on, and the others are stopped */
                ones[900].person_at = now;
                tick();
        }
        CHECK(ones[900].step == RUNS && n_saved > 100);
        end_core();
}

/* ---- small numbers ---- */

static void ask_stop(const char *ws)
{
        struct core_event ev = {.type = EV_REQ_STOP, .req_workspace = {.token = 1, .actor = "op"}};

        STR_CUT(ev.req_workspace.id, ws);
        give_on(ev);
}

/* What was asked for goes first, and yet not always: the others have their turn, too. */
static void test_asked_goes_ahead(void)
{
        struct core_config config = many_config();
        struct core_stop v;
        char ws[CORE_ID_SIZE];

        config.save_parallel = 1;
        begin(&config, 0);
        all_idle();
        tick();
        CHECK_INT((long long)n_begun, 1);
        for (int i = 0; i < 8; i++) {
                (void)snprintf(ws, sizeof(ws), "ws-%d", 500 + i);
                ask_stop(ws);
                CHECK_INT(replied(), REPLY_OK);
                CHECK_INT((long long)count(FX_PUT_SETTING), 1);
                CHECK(core_stop(core, ws, now, &v) && v.kind == STOP_ASKED);
                CHECK_INT(v.place, i + 1);
        }
        while (n_saved < 11)
                tick();
        /* 1 idle was first; then 3 that were asked, an idle one, 3 asked, an idle one, 2 asked */
        for (int i = 0; i < 8; i++)
                CHECK_INT(ones[500 + i].begun, 2 + i + i / 3);
        end_core();
}

/* A stop that was accepted and waits is known to the next leader; a new request takes it back. */
static void test_asked_is_kept(void)
{
        struct core_config config = many_config();
        struct core_event setting = {.type = EV_BOOT_SETTING};
        struct core_stop v;

        config.save_parallel = 1;
        config.types[0].limits.idle_ms = 0;
        begin(&config, 0);
        ask_stop("ws-1");
        ask_stop("ws-2");
        CHECK_INT((long long)count(FX_PUT_SETTING), 1);
        for (size_t i = 0; i < fx.n; i++) {
                if (fx.v[i].type == FX_PUT_SETTING)
                        setting.setting_row = fx.v[i].setting_row;
        }
        CHECK_STR(setting.setting_row.name, "stop.ws-2");
        CHECK_STR(setting.setting_row.value, "op asked for it");
        end_core();

        new_core(&config);
        boot_workspace("ws-1", WS_SAVING, "t-0000000001");
        boot_task("t-0000000001", TASK_STOPPING, "ws-1");
        boot_workspace("ws-2", WS_RUNNING, "t-0000000002");
        boot_task("t-0000000002", TASK_READY, "ws-2");
        give(setting);
        STR_CUT(setting.setting_row.name, "stop.ws-3"); /* of one that is gone */
        give(setting);
        give((struct core_event){.type = EV_BOOT_DONE});
        seen("t-0000000001");
        seen("t-0000000002");
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
        settle();
        CHECK(core_stop(core, "ws-1", now, &v) && v.place == 0);
        CHECK(core_stop(core, "ws-2", now, &v) && v.kind == STOP_ASKED && v.place == 1);
        launch("ws-2", "1");
        CHECK_INT((long long)count(FX_PUT_SETTING), 1); /* removed */
        CHECK(!core_stop(core, "ws-2", now, &v));
        end_core();
}

/* Storage is in trouble: half as many at a time, and one more when a round went well. */
static void test_fewer_after_trouble(void)
{
        struct core_config config = many_config();
        struct core_event saved = {
                .type = EV_AGENT_SAVED,
                .saved = {.generation = 1, .seq = 1, .final = true, .sha256 = "hash"}};
        struct core_event failed = {.type = EV_SAVE_VERIFIED,
                                    .verified = {.generation = 1, .seq = 1, .result = -5}};
        uint32_t target;

        config.save_parallel = 8;
        begin(&config, 0);
        all_idle();
        tick();
        CHECK_INT((long long)stops().under_way, 8);
        for (int i = 0, k = 0; k < 3; i++) {
                if (ones[i].step != ENDS_APP)
                        continue;
                STR_CUT(saved.saved.task, ones[i].task);
                STR_CUT(failed.verified.workspace, ones[i].ws);
                give_on(saved);
                give_on(failed);
                k++;
                /* One may have its own trouble; for two it is the storage's, once for one storm. */
                CHECK_INT((long long)stops().parallel, k == 1 ? 8 : 4);
        }
        while (n_saved < 8)
                tick();
        under_way_max = under_way;
        for (target = 5; target <= 8; target++) {
                while (stops().parallel < target)
                        tick();
                CHECK(under_way <= target);
        }
        CHECK(n_saved >= 4 + 5 + 6 + 7);
        end_core();
}

int main(void)
{
        rng = pool_seed();
        RUN(test_class_ends);
        RUN(test_drain_and_shutdown);
        RUN(test_returns_while_waiting);
        RUN(test_asked_goes_ahead);
        RUN(test_asked_is_kept);
        RUN(test_fewer_after_trouble);
        return 0;
}
