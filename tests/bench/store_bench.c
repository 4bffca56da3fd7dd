/*
 * Commits and rows per second of one store: `store_bench URL PASSWORD_FILE SECONDS`. For batches of
 * 1 and of 100 rows it prints "BATCH COMMITS_PER_S ROWS_PER_S". The rows are what a busy controller
 * writes: a workspace, a task and a line of history in turn.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mono.h"
#include "base/num.h"
#include "base/str.h"
#include "loop/loop.h"
#include "store/store.h"

static struct loop *loop;
static bool leads, committed;
static int result;

static void on_lease(void *ctx, const struct store_lease *lease)
{
        (void)ctx;
        leads = lease->mine;
}

static void on_committed(void *ctx, int r)
{
        (void)ctx;
        result = r;
        committed = true;
}

static void turn(void)
{
        struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

        (void)poll(&p, 1, 100);
        if (loop_turn(loop) != 0)
                exit(1);
}

static uint64_t seq;

static int put_one(struct store *s, unsigned i)
{
        struct workspace_row w = {.generation = seq, .head = {.generation = seq, .seq = 3}};
        struct task_row t = {.generation = seq};
        struct audit_row a = {.seq = ++seq, .at = {(int64_t)seq}};

        (void)snprintf(w.id, sizeof(w.id), "ws-%u", i % 1000);
        (void)snprintf(t.id, sizeof(t.id), "t-%u", i % 1000);
        STR_CUT(w.key.tenant, "default");
        STR_CUT(w.key.user_id, "student@example.org");
        STR_CUT(w.key.type, "vscode");
        STR_CUT(w.labels, "{\"course\":\"cs101\"}");
        memset(w.head.sha256, 'a', 64);
        STR_CUT(t.workspace, w.id);
        STR_CUT(t.addr, "127.0.0.1:41234");
        STR_CUT(a.workspace, w.id);
        STR_CUT(a.what, "saved");
        STR_CUT(a.actor, "core");
        switch (i % 3) {
        case 0:
                return store_put_workspace(s, &w);
        case 1:
                return store_put_task(s, &t);
        default:
                return store_audit(s, &a);
        }
}

static int commit_batch(struct store *s, unsigned batch)
{
        static unsigned row;
        int r = store_begin(s);

        for (unsigned i = 0; r == 0 && i < batch; i++)
                r = put_one(s, row++);
        committed = false;
        if (r == 0)
                r = store_commit(s, on_committed, NULL);
        if (r != STORE_PENDING)
                return r;
        while (!committed)
                turn();
        return result;
}

static int measure(struct store *s, unsigned batch, int64_t ms)
{
        mono_t from = mono_read();
        unsigned n = 0;
        int64_t took;

        while ((took = mono_diff_ms(from, mono_read())) < ms) {
                if (commit_batch(s, batch) != 0) {
                        fprintf(stderr, "store_bench: %s\n", store_error(s));
                        return -1;
                }
                n++;
        }
        printf("%u %.1f %.1f\n", batch, n * 1000.0 / (double)took,
               n * batch * 1000.0 / (double)took);
        return 0;
}

int main(int argc, char **argv)
{
        struct store_config config = {.holder = "bench", .addresses = "", .lease_ms = 300000};
        struct store_hooks hooks = {.lease = on_lease};
        char error[STORE_ERROR_SIZE] = "";
        struct store *s = NULL;
        mono_t end;
        int64_t seconds = 0;
        int r;

        if (argc != 4 || num_parse_i64(argv[3], 1, 3600, &seconds) < 0) {
                fprintf(stderr, "usage: store_bench URL PASSWORD_FILE SECONDS\n");
                return 2;
        }
        config.url = argv[1];
        config.password_file = argv[2];
        if (loop_new(&loop) < 0 || store_open(loop, &config, &hooks, error, &s) < 0) {
                fprintf(stderr, "store_bench: %s\n", error);
                return 1;
        }
        loop_wake(loop);
        end = mono_add_ms(mono_read(), 10000);
        while (!store_up(s) && mono_before(mono_read(), end))
                turn();
        r = store_lease_take(s);
        while (r == 0 && !leads && mono_before(mono_read(), end))
                turn();
        if (!leads) {
                fprintf(stderr, "store_bench: no lease: %s\n", store_error(s));
                return 1;
        }
        r = measure(s, 1, seconds * 1000);
        if (r == 0)
                r = measure(s, 100, seconds * 1000);
        store_lease_release(s);
        store_free(s);
        loop_free(loop);
        return r < 0 ? 1 : 0;
}
