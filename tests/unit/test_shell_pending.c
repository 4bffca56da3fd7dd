/*
 * The shell with a store that answers later: events go on, effects wait for their own batch, a
 * batch that failed is given again as it was, a lost lease ends everything. The store is the test's
 * own.
 */
#include <errno.h>
#include <poll.h>

#include "base/str.h"
#include "shell.h"
#include "store/backend.h"
#include "test.h"

static struct fake {
        struct store base;
        bool up;
        unsigned commits, puts; /* begun; rows of the batch */
        unsigned loads, audits; /* asked */
        store_done_fn done;     /* of what was asked last */
        void *ctx;
} F;

static struct loop *loop;
static struct core *core;
static struct shell *shell;
static unsigned launches, replies, fenced;
static int booted;

static int answer_later(store_done_fn done, void *ctx)
{
        F.done = done;
        F.ctx = ctx;
        return 0;
}

static void answer(int result)
{
        store_done_fn done = F.done;

        CHECK(done);
        F.done = NULL;
        done(F.ctx, result);
}

static int fake_load(struct store *s, const struct store_visitor *v, store_done_fn done, void *ctx)
{
        uint64_t counters[STORE_COUNTER_MAX] = {0};

        (void)s;
        F.loads++;
        v->counters(v->ctx, counters);
        return answer_later(done, ctx);
}

static int fake_newest(struct store *s, const char *workspace, uint32_t limit, store_audit_fn fn,
                       store_done_fn done, void *ctx)
{
        (void)s;
        (void)workspace;
        (void)limit;
        (void)fn;
        F.audits++;
        return answer_later(done, ctx);
}

static int fake_begin(struct store *s)
{
        (void)s;
        F.commits++;
        F.puts = 0;
        return 0;
}

static int fake_put(void)
{
        F.puts++;
        return 0;
}

static int fake_workspace(struct store *s, const struct workspace_row *row)
{
        (void)s;
        (void)row;
        return fake_put();
}

static int fake_task(struct store *s, const struct task_row *row)
{
        (void)s;
        (void)row;
        return fake_put();
}

static int fake_audit(struct store *s, const struct audit_row *row)
{
        (void)s;
        (void)row;
        return fake_put();
}

static int fake_counter(struct store *s, enum store_counter which, uint64_t value)
{
        (void)s;
        (void)which;
        (void)value;
        return 0;
}

static int fake_commit(struct store *s, store_done_fn done, void *ctx)
{
        (void)s;
        CHECK(!F.done); /* one at a time */
        (void)answer_later(done, ctx);
        return STORE_PENDING;
}

static void fake_rollback(struct store *s)
{
        (void)s;
}

static int fake_prune(struct store *s, utc_t before, store_done_fn done, void *ctx)
{
        (void)s;
        (void)before;
        done(ctx, 0);
        return 0;
}

static bool fake_up(const struct store *s)
{
        (void)s;
        return F.up;
}

static const char *fake_error(const struct store *s)
{
        (void)s;
        return "as the test wants";
}

static const struct store_class fake_class = {
        .error = fake_error,
        .up = fake_up,
        .load = fake_load,
        .begin = fake_begin,
        .put_workspace = fake_workspace,
        .put_task = fake_task,
        .audit = fake_audit,
        .raise_counter = fake_counter,
        .commit = fake_commit,
        .rollback = fake_rollback,
        .audit_newest = fake_newest,
        .audit_prune = fake_prune,
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

static void on_launch(void *ctx, const struct core_effect *fx)
{
        (void)ctx;
        (void)fx;
        launches++;
}

static void on_reply(void *ctx, const struct core_effect *fx)
{
        (void)ctx;
        (void)fx;
        replies++;
}

static void on_fenced(void *ctx)
{
        (void)ctx;
        fenced++;
}

static void on_booted(void *ctx, int result)
{
        (void)ctx;
        booted = result;
}

static void turn(int wait_ms)
{
        struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

        (void)poll(&p, 1, wait_ms);
        CHECK_INT(loop_turn(loop), 0);
}

/* Up to the first batch: the pool's task is to be launched. */
static void begin(void)
{
        struct core_event ev = {.type = EV_INVENTORY_DONE};

        F = (struct fake){.base = {.class = &fake_class}, .up = true};
        launches = replies = fenced = 0;
        booted = 1;
        CHECK(loop_new(&loop) == 0);
        CHECK(core_new(&config, &core) == 0);
        CHECK(shell_new(loop, core, &F.base, &shell) == 0);
        shell_handle(shell, FX_LAUNCH_TASK, on_launch, NULL);
        shell_handle(shell, FX_REPLY, on_reply, NULL);
        shell_on_fenced(shell, on_fenced, NULL);
        CHECK_INT(shell_boot(shell, on_booted, NULL), 0);
        CHECK_INT(booted, 1); /* not before the rows came */
        answer(0);
        CHECK_INT(booted, 1); /* nor before the history */
        CHECK_INT(F.audits, 1);
        answer(0);
        CHECK_INT(booted, 0);
        shell_post(shell, &ev);
        turn(0);
        CHECK_INT(F.commits, 1);
        CHECK(F.puts > 0);
}

static void end(void)
{
        shell_free(shell);
        core_free(core);
        loop_free(loop);
}

static void post_launch(uint64_t token)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH, .launch = {.token = token}};

        (void)snprintf(ev.launch.id, sizeof(ev.launch.id), "ws-%u", (unsigned)token);
        (void)snprintf(ev.launch.key.user_id, sizeof(ev.launch.key.user_id), "u%u",
                       (unsigned)token);
        STR_CUT(ev.launch.key.type, "code");
        shell_post(shell, &ev);
}

static void test_waits_for_its_batch(void)
{
        begin();
        CHECK_INT(launches, 0);
        post_launch(1);
        turn(0);
        turn(0);
        CHECK(core_workspace(core, "ws-1")); /* decided */
        CHECK_INT(F.commits, 1);             /* while the first is on its way, no other */
        CHECK(shell_writable(shell));
        answer(0);
        CHECK_INT(launches, 1);
        CHECK_INT(replies, 0);
        turn(0);
        CHECK_INT(F.commits, 2);
        CHECK_INT(replies, 0); /* what came second waits for the second */
        answer(0);
        CHECK_INT(replies, 1);
        end();
}

static bool tells;
static unsigned asked;

static bool on_early(void *ctx)
{
        (void)ctx;
        asked++;
        return tells;
}

/* What is told early goes before the commit, which waits for its answer, and not for the next. */
static void test_told_early(void)
{
        begin();
        shell_tell_early(shell, on_early, NULL);
        answer(0);
        asked = 0;
        for (int i = 0; i < 2; i++) {
                tells = i == 1;
                post_launch(1 + (uint64_t)i);
                turn(0);
                CHECK_INT(asked, 1 + (unsigned)i);
                CHECK_INT(F.commits, 2);
                if (!tells)
                        answer(0);
        }
        CHECK_INT(replies, 1);
        while (F.commits == 2) {
                turn(20);
                CHECK(asked < 1000); /* it is put off once */
        }
        CHECK_INT(replies, 1);
        answer(0);
        CHECK(replies >= 2);
        /* While nothing can be stored nothing is told that is not stored. */
        tells = false;
        post_launch(3);
        turn(0);
        CHECK_INT(F.commits, 4);
        answer(-EAGAIN);
        asked = 0;
        post_launch(4);
        turn(0);
        CHECK_INT(asked, 0);
        end();
}

static void test_same_batch_again(void)
{
        unsigned puts;

        begin();
        puts = F.puts;
        post_launch(1);
        answer(-EAGAIN);
        CHECK(!shell_writable(shell));
        CHECK_INT(launches, 0);
        while (F.commits < 2)
                turn(2000);
        CHECK_INT(F.puts, puts); /* as it was, without what came meanwhile */
        answer(0);
        CHECK(shell_writable(shell));
        CHECK_INT(launches, 1);
        turn(0);
        CHECK_INT(F.commits, 3);
        answer(0);
        CHECK_INT(replies, 1);
        end();
}

static void test_fenced(void)
{
        begin();
        post_launch(1);
        answer(STORE_FENCED);
        CHECK_INT(fenced, 1);
        CHECK(!shell_writable(shell));
        post_launch(2);
        turn(0);
        turn(1500); /* longer than the retry */
        CHECK_INT(F.commits, 1);
        CHECK_INT(launches + replies, 0);
        CHECK(!core_workspace(core, "ws-2"));
        end();
}

static void test_away(void)
{
        begin();
        F.up = false;
        CHECK(!shell_writable(shell)); /* although nothing has failed yet */
        F.up = true;
        CHECK(shell_writable(shell));
        end();
}

static void test_boot_fails(void)
{
        CHECK(loop_new(&loop) == 0);
        CHECK(core_new(&config, &core) == 0);
        F = (struct fake){.base = {.class = &fake_class}, .up = true};
        CHECK(shell_new(loop, core, &F.base, &shell) == 0);
        CHECK_INT(shell_boot(shell, on_booted, NULL), 0);
        answer(-EAGAIN);
        CHECK_INT(booted, -EAGAIN);
        CHECK_INT(F.audits, 0);
        end();
}

int main(void)
{
        RUN(test_waits_for_its_batch);
        RUN(test_told_early);
        RUN(test_same_batch_again);
        RUN(test_fenced);
        RUN(test_away);
        RUN(test_boot_fails);
        return 0;
}
