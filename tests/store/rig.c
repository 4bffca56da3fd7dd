#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "test.h"

struct loop *loop;
const char *password_file = "";

void rig_turn(void)
{
        struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

        (void)poll(&p, 1, 1000);
        CHECK(loop_turn(loop) == 0);
}

static void on_time(void *ctx)
{
        bool *over = ctx;

        *over = true;
}

void rig_pass(int64_t ms)
{
        struct loop_timer t;
        bool over = false;

        loop_timer_init(loop, &t, on_time, &over);
        loop_timer_set_in(&t, ms);
        loop_wake(loop); /* a timer set outside of a turn is armed by the next one */
        UNTIL(over);
}

static void on_lease(void *ctx, const struct store_lease *lease)
{
        struct rig *r = ctx;

        r->lease = *lease;
        r->leases++;
}

static void on_connection(void *ctx, int result)
{
        struct rig *r = ctx;

        r->up = result;
        if (result == 0)
                r->ups++;
        else
                r->downs++;
        if (result != 0 && r->store)
                STR_CUT(r->error, store_error(r->store));
}

int rig_open(struct rig *r, const char *url, const char *holder, int64_t lease_ms)
{
        struct store_config config = {.url = url,
                                      .password_file = password_file,
                                      .holder = holder,
                                      .addresses = "tcp://here:1,tcp://there:2",
                                      .lease_ms = lease_ms};
        struct store_hooks hooks = {.ctx = r, .lease = on_lease, .connection = on_connection};

        *r = (struct rig){.up = 1};
        loop_wake(loop);
        return store_open(loop, &config, &hooks, r->error, &r->store);
}

void rig_up(struct rig *r, const char *url, const char *holder, int64_t lease_ms)
{
        if (rig_open(r, url, holder, lease_ms) != 0) {
                fprintf(stderr, "cannot open: %s\n", r->error);
                exit(1);
        }
        UNTIL(store_up(r->store));
}

void rig_lead(struct rig *r, const char *url)
{
        rig_up(r, url, "leader", 60000);
        CHECK(rig_take(r)->mine);
}

void rig_close(struct rig *r)
{
        r->store = store_free(r->store);
}

const struct store_lease *rig_take(struct rig *r)
{
        unsigned before = r->leases;

        CHECK_INT(store_lease_take(r->store), 0);
        UNTIL(r->leases != before);
        return &r->lease;
}

static void on_done(void *ctx, int result)
{
        struct rig *r = ctx;

        CHECK(!r->done); /* answered once */
        r->done = true;
        r->result = result;
}

static int waited(struct rig *r, int asked)
{
        CHECK_INT(asked, 0);
        UNTIL(r->done);
        return r->result;
}

int rig_commit(struct rig *r)
{
        int result;

        r->done = false;
        result = store_commit(r->store, on_done, r);
        return result == STORE_PENDING ? waited(r, 0) : result;
}

#define TAKE(field)                                                                                \
        do {                                                                                       \
                struct rig *r = ctx;                                                               \
                if (r->n_##field < ROWS_MAX)                                                       \
                        r->field[r->n_##field] = *row;                                             \
                r->n_##field++;                                                                    \
        } while (0)

static void on_workspace(void *ctx, const struct workspace_row *row)
{
        TAKE(workspaces);
}

static void on_task(void *ctx, const struct task_row *row)
{
        TAKE(tasks);
}

static void on_setting(void *ctx, const struct setting_row *row)
{
        TAKE(settings);
}

static void on_audit(void *ctx, const struct audit_row *row)
{
        TAKE(audits);
}

static void on_counters(void *ctx, const uint64_t counters[static STORE_COUNTER_MAX])
{
        struct rig *r = ctx;

        r->n_counters++;
        memcpy(r->counters, counters, sizeof(r->counters));
}

static void forget(struct rig *r)
{
        r->done = false;
        r->n_workspaces = r->n_tasks = r->n_settings = r->n_audits = r->n_counters = 0;
}

static int load(struct rig *r, bool brief)
{
        struct store_visitor v = {.ctx = r,
                                  .brief = brief,
                                  .workspace = on_workspace,
                                  .task = on_task,
                                  .setting = on_setting,
                                  .counters = on_counters};
        int result;

        forget(r);
        result = waited(r, store_load(r->store, &v, on_done, r));

        if (result < 0)
                fprintf(stderr, "    %s\n", store_error(r->store));
        return result;
}

int rig_load(struct rig *r)
{
        return load(r, false);
}

int rig_load_brief(struct rig *r)
{
        return load(r, true);
}

int rig_after(struct rig *r, uint64_t seq, const char *workspace, uint32_t limit)
{
        forget(r);
        return waited(r, store_audit_after(r->store, seq, workspace, limit, on_audit, on_done, r));
}

int rig_newest(struct rig *r, const char *workspace, uint32_t limit)
{
        forget(r);
        return waited(r, store_audit_newest(r->store, workspace, limit, on_audit, on_done, r));
}

int rig_prune(struct rig *r, int64_t before_us)
{
        r->done = false;
        return waited(r, store_audit_prune(r->store, (utc_t){before_us}, on_done, r));
}

int rig_set(struct rig *r, const char *name, const char *value)
{
        struct setting_row row = {0};
        int result = store_begin(r->store);

        STR_CUT(row.name, name);
        STR_CUT(row.value, value);
        if (result == 0)
                result = store_put_setting(r->store, &row);
        if (result == 0)
                result = rig_commit(r);
        if (result < 0)
                store_rollback(r->store);
        return result;
}

const char *rig_get(struct rig *r, const char *name)
{
        CHECK_INT(rig_load(r), 0);
        for (size_t i = 0; i < MIN(r->n_settings, ROWS_MAX); i++) {
                if (strcmp(r->settings[i].name, name) == 0)
                        return r->settings[i].value;
        }
        return "";
}

static uint64_t state;

void rig_seed(void)
{
        const char *given = getenv("WS_TEST_SEED");

        random_bytes(&state, sizeof(state));
        if (given)
                state = strtoull(given, NULL, 10);
        else
                state &= 0xffffffff;
        fprintf(stderr, "seed %llu (WS_TEST_SEED repeats it)\n", (unsigned long long)state);
        state += 0x9e3779b97f4a7c15;
}

/* splitmix64 */
uint32_t rig_random(uint32_t below)
{
        uint64_t z = (state += 0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return (uint32_t)((z ^ (z >> 31)) % below);
}
