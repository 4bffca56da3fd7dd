/*
 * The shell: effects go out only after their commit, wait while it fails, and are all there once it
 * works again. The store's failure is real: another connection holds the database.
 */
#include <poll.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/str.h"
#include "shell.h"
#include "store/store.h"
#include "test.h"

static char dir[] = "/tmp/test_shell.XXXXXX";
static char path[64];

struct rig {
        struct loop *loop;
        struct core *core;
        struct store *store;
        struct shell *shell;
        struct loop_timer give_up;
        size_t launches, replies, changes;
        size_t posted_from_handler;
};

static const struct core_config config = {
        .workspaces_max = 4,
        .tasks_max = 4,
        .n_types = 1,
        .types = {{.name = "code",
                   .pool_size = 1,
                   .launch_timeout_ms = 60000,
                   .claim_timeout_ms = 60000,
                   .stop_timeout_ms = 60000}},
        .heartbeat_ms = 5000,
        .agent_lost_ms = 30000,
        .retry_save_ms = 60000,
        .stops_per_min = 2,
};

static size_t rows_in_store(void)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *st = NULL;
        int n;

        CHECK(sqlite3_open(path, &db) == SQLITE_OK);
        CHECK(sqlite3_prepare_v2(db, "SELECT count(*) FROM task", -1, &st, NULL) == SQLITE_OK);
        CHECK(sqlite3_step(st) == SQLITE_ROW);
        n = sqlite3_column_int(st, 0);
        sqlite3_finalize(st);
        sqlite3_close(db);
        return (size_t)n;
}

static void on_launch(void *ctx, const struct core_effect *fx)
{
        struct rig *r = ctx;
        struct core_event ev = {.type = EV_TASK_LAUNCHED, .task_result = {.ok = true}};

        CHECK(rows_in_store() > 0); /* durable, as another connection sees it */
        r->launches++;
        STR_CUT(ev.task_result.task, fx->launch_task.task);
        shell_post(r->shell, &ev);
        r->posted_from_handler++;
}

static void on_reply(void *ctx, const struct core_effect *fx)
{
        struct rig *r = ctx;

        CHECK_INT((long long)fx->reply.token, 5);
        r->replies++;
}

static void on_change(void *ctx, const char *workspace, const char *task)
{
        struct rig *r = ctx;

        (void)workspace;
        (void)task;
        r->changes++;
}

static void on_give_up(void *ctx)
{
        (void)ctx;
        fprintf(stderr, "what was waited for did not come\n");
        exit(1);
}

static void on_booted(void *ctx, int result)
{
        int *booted = ctx;

        *booted = result;
}

static void rig_open(struct rig *r)
{
        struct store_config where = {
                .url = path, .password_file = "", .holder = "test", .addresses = ""};
        char error[STORE_ERROR_SIZE];
        int booted = -1;

        *r = (struct rig){0};
        CHECK(loop_new(&r->loop) == 0);
        CHECK(store_open(r->loop, &where, NULL, error, &r->store) == 0);
        CHECK(store_lease_take(r->store) == 0);
        CHECK(core_new(&config, &r->core) == 0);
        CHECK(shell_new(r->loop, r->core, r->store, &r->shell) == 0);
        shell_handle(r->shell, FX_LAUNCH_TASK, on_launch, r);
        shell_handle(r->shell, FX_REPLY, on_reply, r);
        shell_watch(r->shell, on_change, r);
        loop_timer_init(r->loop, &r->give_up, on_give_up, r);
        loop_timer_set_in(&r->give_up, 20000);
        CHECK(shell_boot(r->shell, on_booted, &booted) == 0);
        CHECK_INT(booted, 0);
}

static void rig_close(struct rig *r)
{
        loop_timer_cancel(&r->give_up);
        shell_free(r->shell);
        core_free(r->core);
        store_free(r->store);
        loop_free(r->loop);
}

static void run_until(struct rig *r, bool (*done)(struct rig *))
{
        struct pollfd p = {.fd = loop_fileno(r->loop), .events = POLLIN};

        while (!done(r)) {
                CHECK(poll(&p, 1, 20000) > 0);
                CHECK_INT(loop_turn(r->loop), 0);
        }
}

static bool launched(struct rig *r)
{
        return r->launches > 0;
}

static bool replied(struct rig *r)
{
        return r->replies > 0;
}

static void post_inventory(struct rig *r)
{
        struct core_event ev = {.type = EV_INVENTORY_DONE, .inventory = {.certain = true}};

        shell_post(r->shell, &ev);
}

static void post_launch(struct rig *r)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH, .launch = {.token = 5}};

        STR_CUT(ev.launch.id, "ws-a");
        STR_CUT(ev.launch.key.type, "code");
        shell_post(r->shell, &ev);
}

static void test_commit_then_act(void)
{
        struct rig r;
        const struct audit_row *row;

        rig_open(&r);
        post_inventory(&r);
        CHECK_INT((long long)r.launches, 0); /* not before the end of the turn */
        run_until(&r, launched);
        CHECK_INT((long long)r.posted_from_handler, 1);
        row = shell_audit_after(r.shell, 0);
        CHECK(row && row->seq == 1);
        CHECK_STR(row->what, "launched");
        CHECK(!shell_audit_after(r.shell, 1));
        rig_close(&r);
}

/* After the first test: one task row, which was never seen again. */
static void test_boot(void)
{
        struct rig r;

        rig_open(&r);
        CHECK(core_task(r.core, "t-0000000001"));
        CHECK(shell_audit_after(r.shell, 0)); /* the ring is filled from the store */
        post_inventory(&r);
        CHECK(!core_task(r.core, "t-0000000001"));
        CHECK(core_task(r.core, "t-0000000002")); /* a number is not given twice */
        run_until(&r, launched);
        rig_close(&r);
}

/* What an operator has set is there again after a restart, and gone when it was ended. */
static void test_settings(void)
{
        const char *why;
        struct rig r;
        bool hard;

        for (int on = 1; on >= 0; on--) {
                struct core_event ev = {.type = EV_REQ_MODE,
                                        .req_mode = {.mode = MODE_PAUSE,
                                                     .on = on == 1,
                                                     .token = 5,
                                                     .actor = "ann",
                                                     .reason = "bad image"}};

                rig_open(&r);
                post_inventory(&r);
                shell_post(r.shell, &ev);
                run_until(&r, replied);
                rig_close(&r);
                rig_open(&r);
                CHECK(core_mode_on(r.core, MODE_PAUSE, "", &hard, &why) == on);
                CHECK_STR(why, on ? "ann: bad image" : "");
                rig_close(&r);
        }
}

static sqlite3 *blocker;
static struct loop_timer look;

/* Looks until a commit has failed; then lets the store go. */
static void release(void *ctx)
{
        struct rig *r = ctx;

        CHECK_INT((long long)r->replies, 0);
        if (shell_writable(r->shell)) {
                loop_timer_set_in(&look, 5);
                return;
        }
        CHECK_INT((long long)r->changes, 0); /* nobody is told of what is not stored */
        CHECK(sqlite3_exec(blocker, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
}

static void test_commit_fails(void)
{
        struct rig r;

        rig_open(&r);
        post_inventory(&r);
        run_until(&r, launched);
        r.changes = 0;
        CHECK(sqlite3_open(path, &blocker) == SQLITE_OK);
        CHECK(sqlite3_exec(blocker, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
        post_launch(&r);
        loop_timer_init(r.loop, &look, release, &r);
        loop_timer_set_in(&look, 1);
        run_until(&r, replied);
        CHECK(shell_writable(r.shell));
        CHECK_INT((long long)r.replies, 1);
        CHECK(core_workspace(r.core, "ws-a")->state == WS_STARTING);
        sqlite3_close(blocker);
        rig_close(&r);
}

/* Effects that find no room are lost; then nothing of what came after them may happen either. */
static void test_too_much(void)
{
        struct rig r;

        rig_open(&r);
        for (int i = 0; i < 20000; i++)
                post_launch(&r);
        CHECK_INT(loop_turn(r.loop), 1);
        CHECK_INT(loop_exit_code(r.loop), 1);
        CHECK_INT((long long)r.replies, 0);
        CHECK_INT((long long)r.changes, 0);
        rig_close(&r);
}

static void remove_all(void)
{
        char file[80];
        const char *suffixes[] = {"", "-wal", "-shm"};

        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
                (void)snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
                (void)unlink(file);
        }
        (void)rmdir(dir);
}

int main(void)
{
        CHECK(mkdtemp(dir));
        (void)snprintf(path, sizeof(path), "%s/state.db", dir);
        RUN(test_commit_then_act);
        RUN(test_boot);
        RUN(test_settings);
        RUN(test_commit_fails);
        RUN(test_too_much);
        remove_all();
        return 0;
}
