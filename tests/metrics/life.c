#include "life.h"

#include <poll.h>
#include <unistd.h>

#include "base/str.h"
#include "store/store.h"
#include "test.h"

static const struct core_config config = {
        .workspaces_max = 8,
        .tasks_max = 8,
        .n_types = 2,
        .types = {{.name = "code",
                   .pool_size = 1,
                   .sizing = {.task_hour = 3600000000}, /* a dollar a second */
                   .limits = {.idle_ms = 1800000},
                   .launch_timeout_ms = 60000,
                   .claim_timeout_ms = 60000,
                   .stop_timeout_ms = 60000},
                  {.name = "empty",
                   .launch_timeout_ms = 60000,
                   .claim_timeout_ms = 60000,
                   .stop_timeout_ms = 60000}},
        .heartbeat_ms = 5000,
        .agent_lost_ms = 30000,
        .retry_save_ms = 60000,
        .stops_per_min = 30,
};

static void on_launch(void *ctx, const struct core_effect *fx)
{
        struct life *l = ctx;
        struct core_event ev = {
                .type = EV_TASK_LAUNCHED,
                .task_result = {.ok = !l->refuse_launches, .failure = LAUNCH_CAPACITY}};

        l->launches++;
        STR_CUT(l->task, fx->launch_task.task);
        STR_CUT(ev.task_result.task, fx->launch_task.task);
        life_post(l, ev);
}

static void on_stop(void *ctx, const struct core_effect *fx)
{
        struct life *l = ctx;
        struct core_event ev = {.type = EV_TASK_ENDED, .task_ended = {.certain = true}};

        l->stops++;
        STR_CUT(ev.task_ended.task, fx->stop_task.task);
        life_post(l, ev);
}

static void on_verify(void *ctx, const struct core_effect *fx)
{
        struct life *l = ctx;
        struct core_event ev = {
                .type = EV_SAVE_VERIFIED,
                .verified = {.generation = fx->verify.save.generation, .seq = fx->verify.save.seq}};

        STR_CUT(ev.verified.workspace, fx->verify.workspace);
        life_post(l, ev);
}

static void on_booted(void *ctx, int result)
{
        (void)ctx;
        CHECK_INT(result, 0);
}

void life_open(struct life *l)
{
        struct store_config where = {.password_file = "", .holder = "test", .addresses = ""};
        char error[STORE_ERROR_SIZE], path[96];

        *l = (struct life){.dir = "/tmp/test_metrics.XXXXXX"};
        CHECK(mkdtemp(l->dir));
        (void)snprintf(path, sizeof(path), "%s/state.db", l->dir);
        where.url = path;
        CHECK(loop_new(&l->loop) == 0);
        CHECK(store_open(l->loop, &where, NULL, error, &l->store) == 0);
        CHECK(store_lease_take(l->store) == 0);
        CHECK(core_new(&config, &l->core) == 0);
        CHECK(shell_new(l->loop, l->core, l->store, &l->shell) == 0);
        CHECK(metrics_watch_new(l->loop, l->shell, &config, &l->watch) == 0);
        l->m = metrics_watch_metrics(l->watch);
        shell_handle(l->shell, FX_LAUNCH_TASK, on_launch, l);
        shell_handle(l->shell, FX_STOP_TASK, on_stop, l);
        shell_handle(l->shell, FX_VERIFY_SAVE, on_verify, l);
        CHECK(shell_boot(l->shell, on_booted, NULL) == 0);
        life_post(l,
                  (struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
}

void life_close(struct life *l)
{
        static const char *const files[] = {"state.db", "state.db-wal", "state.db-shm",
                                            "state.db-journal"};
        char path[96];

        metrics_watch_free(l->watch);
        shell_free(l->shell);
        core_free(l->core);
        store_free(l->store);
        loop_free(l->loop);
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", l->dir, files[i]);
                (void)unlink(path);
        }
        (void)rmdir(l->dir);
}

void life_post(struct life *l, struct core_event ev)
{
        shell_post(l->shell, &ev);
}

void life_until(struct life *l, bool (*done)(struct life *l))
{
        struct pollfd p = {.fd = loop_fileno(l->loop), .events = POLLIN};
        mono_t end = mono_add_ms(mono_read(), 20000);

        while (!done(l)) {
                CHECK(mono_before(mono_read(), end));
                CHECK(poll(&p, 1, 20000) > 0);
                CHECK_INT(loop_turn(l->loop), 0);
        }
}

static bool launched(struct life *l)
{
        return l->launches > 0 && core_task(l->core, l->task);
}

static bool running(struct life *l)
{
        const struct workspace_row *w = core_workspace(l->core, "ws-a");

        return w && w->state == WS_RUNNING;
}

static bool saved_once(struct life *l)
{
        return core_workspace(l->core, "ws-a")->head.seq == 1;
}

static bool stopped(struct life *l)
{
        return core_workspace(l->core, "ws-a")->state == WS_STOPPED;
}

static void report(struct life *l, const char *task, enum agent_phase phase, uint64_t generation)
{
        struct core_event ev = {.type = EV_AGENT_REPORT,
                                .report = {.nonce = "n",
                                           .phase = phase,
                                           .generation = generation,
                                           .acted_id = UINT64_MAX,
                                           .person_age_ms = generation ? 0 : -1,
                                           .unsaved_age_ms = 7000,
                                           .person_by = "typed",
                                           .n_signals = 1,
                                           .signals = {{.source = "undecoded", .count = 3}}}};

        STR_CUT(ev.report.task, task);
        life_post(l, ev);
}

static void saved(struct life *l, const char *task, uint64_t seq, bool final)
{
        struct core_event ev = {.type = EV_AGENT_SAVED,
                                .saved = {.conn = 1,
                                          .generation = 1,
                                          .seq = seq,
                                          .final = final,
                                          .length = 10,
                                          .sha256 = "00"}};

        STR_CUT(ev.saved.task, task);
        life_post(l, ev);
}

void life_whole(struct life *l)
{
        struct core_event hello = {.type = EV_AGENT_HELLO,
                                   .hello = {.conn = 1, .nonce = "n", .addr = "127.0.0.1:1"}};
        struct core_event launch = {.type = EV_REQ_LAUNCH,
                                    .launch = {.id = "ws-a", .key = {"one", "1", "d", "code"}}};
        struct core_event stop = {.type = EV_REQ_STOP,
                                  .req_workspace = {.id = "ws-a", .actor = "api"}};
        char task[CORE_ID_SIZE];

        life_until(l, launched);
        STR_CUT(task, l->task);
        STR_CUT(hello.hello.task, task);
        life_post(l, hello);
        report(l, task, AGENT_WARM, 0);
        life_post(l, launch);
        report(l, task, AGENT_READY, 1);
        life_until(l, running);
        saved(l, task, 1, false);
        life_until(l, saved_once);
        report(l, task, AGENT_READY, 1); /* later than the claim */
        metrics_watch_refresh(l->watch); /* as of the middle of its life */
        CHECK_INT((long long)metrics_value(l->m, METRIC_PRESENCE, LABEL(SOURCE, TYPED), 0), 1);
        CHECK_INT((long long)metrics_value(l->m, METRIC_UNDECODED, 0, 0), 3);
        CHECK(metrics_value(l->m, METRIC_UNSAVED_MAX, 0, 0) >= 7);
        CHECK_INT((long long)metrics_value(l->m, METRIC_TASKS, 0, LABEL(USE, PERSON)), 1);
        life_post(l, stop);
        saved(l, task, 2, true);
        life_until(l, stopped);
}
