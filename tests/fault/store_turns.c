/*
 * What the store says and keeps, for tests/fault/run. Each turn is one batch: a workspace row, a
 * task row and a line of history with the same number.
 *
 *   store_turns write FILE N    prints "committed K" behind each commit; what fails is given again,
 * a few times; exit 0, or 1 with a sentence store_turns read FILE N     exit 0 when every batch up
 * to N is there, and none in part
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "loop/loop.h"
#include "store/store.h"

#define TRIES 3

static struct store *store;

static int open_store(struct loop *l, const char *path)
{
        struct store_config config = {
                .url = path, .password_file = "", .holder = "h", .addresses = "", .lease_ms = 5000};
        struct store_hooks hooks = {0};
        char error[STORE_ERROR_SIZE] = "";
        int r = store_open(l, &config, &hooks, error, &store);

        if (r == 0)
                r = store_lease_take(store);
        if (r < 0)
                fprintf(stderr, "the store cannot be opened: %s (%d)\n", error, r);
        return r;
}

static int put(uint64_t k)
{
        struct workspace_row w = {.state = WS_RUNNING, .generation = k};
        struct task_row t = {.state = TASK_READY, .generation = k};
        struct audit_row a = {.seq = k, .at = {(int64_t)k}};
        int r;

        (void)snprintf(w.id, sizeof(w.id), "ws-%" PRIu64, k % 7);
        (void)snprintf(t.id, sizeof(t.id), "t-%" PRIu64, k);
        STR_CUT(w.task, t.id);
        STR_CUT(t.workspace, w.id);
        STR_CUT(a.what, "turn");
        STR_CUT(a.workspace, w.id);
        memset(w.labels, 'x', sizeof(w.labels) - 1); /* more pages */
        r = store_begin(store);
        if (r == 0)
                r = store_put_workspace(store, &w);
        if (r == 0)
                r = store_put_task(store, &t);
        if (r == 0)
                r = store_audit(store, &a);
        if (r == 0)
                r = store_commit(store, NULL, NULL);
        if (r != 0)
                store_rollback(store);
        return r;
}

static int write_turns(uint64_t n)
{
        for (uint64_t k = 1; k <= n; k++) {
                int r = put(k);

                for (int i = 0; r != 0 && i < TRIES; i++) {
                        fprintf(stderr, "turn %" PRIu64 ": %s (%d)\n", k, store_error(store), r);
                        r = put(k);
                }
                if (r != 0)
                        return 1;
                printf("committed %" PRIu64 "\n", k);
                (void)fflush(stdout);
        }
        return 0;
}

/* ---- reading ---- */

struct seen {
        uint64_t tasks, audits, newest;
        uint64_t generation[7];
        int loaded, listed;
};

static void see_workspace(void *ctx, const struct workspace_row *row)
{
        struct seen *s = ctx;
        uint64_t i = 0;

        if (num_parse_u64(row->id + 3, 0, 6, &i) == 0)
                s->generation[i] = row->generation;
}

static void see_task(void *ctx, const struct task_row *row)
{
        struct seen *s = ctx;

        s->tasks++;
        s->newest = row->generation > s->newest ? row->generation : s->newest;
}

static void see_audit(void *ctx, const struct audit_row *row)
{
        struct seen *s = ctx;

        (void)row;
        s->audits++;
}

static void loaded(void *ctx, int result)
{
        ((struct seen *)ctx)->loaded = result;
}

static void listed(void *ctx, int result)
{
        ((struct seen *)ctx)->listed = result;
}

static int read_turns(uint64_t n)
{
        struct seen s = {.loaded = -EINPROGRESS, .listed = -EINPROGRESS};
        struct store_visitor v = {.ctx = &s, .workspace = see_workspace, .task = see_task};

        if (store_load(store, &v, loaded, &s) < 0 || s.loaded < 0 ||
            store_audit_after(store, 0, NULL, 100000, see_audit, listed, &s) < 0 || s.listed < 0) {
                printf("cannot be read: %s\n", store_error(store));
                return 1;
        }
        if (s.newest < n || s.tasks != s.newest || s.audits != s.newest) {
                printf("%" PRIu64 " committed; %" PRIu64 " tasks, newest %" PRIu64 ", %" PRIu64
                       " lines of history\n",
                       n, s.tasks, s.newest, s.audits);
                return 1;
        }
        for (uint64_t i = 0; i < 7; i++) {
                uint64_t want = s.newest - (s.newest + 7 - i) % 7;

                if (s.newest >= 7 && s.generation[i] != want) {
                        printf("workspace %" PRIu64 " is of turn %" PRIu64 ", not %" PRIu64 "\n", i,
                               s.generation[i], want);
                        return 1;
                }
        }
        return 0;
}

int main(int argc, char **argv)
{
        struct loop *l = NULL;
        uint64_t n = 0;
        int code;

        if (argc != 4 || num_parse_u64(argv[3], 0, 100000, &n) < 0 || loop_new(&l) < 0) {
                fprintf(stderr, "store_turns: see its head\n");
                return 2;
        }
        if (open_store(l, argv[2]) < 0)
                code = 1;
        else
                code = strcmp(argv[1], "write") == 0 ? write_turns(n) : read_turns(n);
        store_free(store);
        loop_free(l);
        return code;
}
