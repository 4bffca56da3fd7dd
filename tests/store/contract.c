#include "contract.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "rig.h"
#include "test.h"

static const char *url;
static struct rig R;

/* Everything that has a meaning to SQL, JSON or UTF-8, up to the field's end. */
static void fill(char *dst, size_t size, const char *first)
{
        static const char pattern[] =
                "'\\\"; -- $1 $$ E'\\n' \t\x01%s \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
        size_t n = strlen(first);

        str_copy_cut(dst, size, first);
        while (n + sizeof(pattern) - 1 < size) {
                memcpy(dst + n, pattern, sizeof(pattern));
                n += sizeof(pattern) - 1;
        }
        while (n + 1 < size)
                dst[n++] = 'x';
        dst[n] = 0;
}

#define FILL(dst, first) fill((dst), sizeof(dst), (first))

static struct save_ref save_ref_limits(int64_t at)
{
        struct save_ref ref = {.generation = INT64_MAX,
                               .seq = INT64_MAX - 1,
                               .length = INT64_MAX - 2,
                               .data_length = INT64_MAX - 3,
                               .at = {at}};

        FILL(ref.sha256, "");
        return ref;
}

static struct workspace_row workspace_limits(const char *id)
{
        struct workspace_row row = {.state = WS_STATE_MAX - 1,
                                    .generation = INT64_MAX,
                                    .head = save_ref_limits(INT64_MAX),
                                    .previous = save_ref_limits(INT64_MIN),
                                    .created_at = {INT64_MIN},
                                    .active_at = {-1},
                                    .human_at = {INT64_MIN + 1},
                                    .stopped_at = {INT64_MAX},
                                    .erase_at = {INT64_MAX - 7},
                                    .wanted = true,
                                    .home = HOME_THERE};

        FILL(row.id, id);
        FILL(row.key.tenant, "");
        FILL(row.key.user_id, "");
        FILL(row.key.name, "");
        FILL(row.key.type, "");
        FILL(row.labels, "");
        FILL(row.task, "");
        FILL(row.reason, "");
        return row;
}

static struct task_row task_limits(const char *id)
{
        struct task_row row = {.state = TASK_STATE_MAX - 1,
                               .generation = INT64_MAX,
                               .launched_at = {INT64_MIN},
                               .claimed_at = {INT64_MAX},
                               .state_at = {3}};

        FILL(row.id, id);
        FILL(row.type, "");
        FILL(row.workspace, "");
        FILL(row.nonce, "");
        FILL(row.addr, "");
        FILL(row.reason, "");
        return row;
}

static struct audit_row audit_limits(uint64_t seq)
{
        struct audit_row row = {.seq = seq, .at = {INT64_MAX}};

        FILL(row.workspace, "");
        FILL(row.task, "");
        FILL(row.actor, "");
        FILL(row.what, "");
        FILL(row.detail, "");
        return row;
}

static void remove_rows(struct rig *r)
{
        CHECK_INT(rig_load(r), 0);
        CHECK(store_begin(r->store) == 0);
        for (size_t i = 0; i < MIN(r->n_workspaces, ROWS_MAX); i++)
                CHECK(store_del_workspace(r->store, r->workspaces[i].id) == 0);
        for (size_t i = 0; i < MIN(r->n_tasks, ROWS_MAX); i++)
                CHECK(store_del_task(r->store, r->tasks[i].id) == 0);
        for (size_t i = 0; i < MIN(r->n_settings, ROWS_MAX); i++) {
                r->settings[i].value[0] = 0;
                CHECK(store_put_setting(r->store, &r->settings[i]) == 0);
        }
        CHECK_INT(rig_commit(r), 0);
        while (rig_prune(r, INT64_MAX) == STORE_MORE)
                ;
        CHECK_INT(rig_load(r), 0);
        CHECK_INT(r->n_workspaces + r->n_tasks + r->n_settings, 0);
        store_lease_release(r->store);
        rig_close(r);
}

/* Every field of every row comes back as it was put, also after a new open. */
static void test_limits(void)
{
        struct workspace_row w = workspace_limits("ws-a");
        struct workspace_row empty = {.state = 0};
        struct task_row t = task_limits("t-1");
        struct setting_row set = {0};
        struct audit_row a = audit_limits(INT64_MAX / 2);

        FILL(set.name, "");
        FILL(set.value, "");
        STR_CUT(empty.id, "ws-0");
        rig_lead(&R, url);
        CHECK(store_begin(R.store) == 0);
        w.wanted = false;
        CHECK(store_put_workspace(R.store, &w) == 0);
        w.wanted = true;
        CHECK(store_put_workspace(R.store, &w) == 0); /* the last one counts */
        CHECK(store_put_workspace(R.store, &empty) == 0);
        CHECK(store_put_task(R.store, &t) == 0);
        CHECK(store_put_setting(R.store, &set) == 0);
        CHECK(store_audit(R.store, &a) == 0);
        a.at.us = INT64_MIN;
        CHECK(store_audit(R.store, &a) == 0); /* the same seq: replaced */
        CHECK_INT(rig_commit(&R), 0);
        store_lease_release(R.store);
        rig_close(&R);
        rig_lead(&R, url);
        CHECK_INT(rig_load(&R), 0);
        CHECK_INT(R.n_workspaces, 2);
        CHECK_INT(R.n_tasks, 1);
        CHECK_INT(R.n_settings, 1);
        CHECK_INT(R.n_counters, 1);
        CHECK(memcmp(&R.workspaces[0], &empty, sizeof(empty)) == 0);
        CHECK(memcmp(&R.workspaces[1], &w, sizeof(w)) == 0);
        CHECK(memcmp(&R.tasks[0], &t, sizeof(t)) == 0);
        CHECK(memcmp(&R.settings[0], &set, sizeof(set)) == 0);
        CHECK_INT(R.counters[STORE_AUDIT_SEQ], INT64_MAX / 2);
        CHECK_INT(rig_after(&R, 0, a.workspace, 10), 0);
        CHECK_INT(R.n_audits, 1);
        CHECK(memcmp(&R.audits[0], &a, sizeof(a)) == 0);
        remove_rows(&R);
}

/* Who follows is spared what only a leader needs. */
static void test_brief(void)
{
        static const char *const names[] = {"course.t.1", "pause",       "pause.timetable",
                                            "pool",       "pool.t.1",    "poolside",
                                            "timetable",  "timetable.0", "timetables"};
        static const char *const brief[] = {"pause", "pause.timetable", "pool", "poolside",
                                            "timetables"};

        rig_lead(&R, url);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                CHECK_INT(rig_set(&R, names[i], "1"), 0);
        CHECK_INT(rig_load_brief(&R), 0);
        CHECK_INT(R.n_settings, ARRAY_LEN(brief));
        for (size_t i = 0; i < ARRAY_LEN(brief); i++)
                CHECK_STR(R.settings[i].name, brief[i]);
        CHECK_INT(rig_load(&R), 0);
        CHECK_INT(R.n_settings, ARRAY_LEN(names));
        remove_rows(&R);
}

/* A byte that is no UTF-8 may change, but neither the batch nor the rest of the text is lost. */
static void test_not_utf8(void)
{
        rig_lead(&R, url);
        CHECK_INT(rig_set(&R, "cut", "caf\xc3"), 0);
        CHECK_INT(rig_set(&R, "bad", "a\xff\xed\xa0\x80z"), 0);
        CHECK(str_starts(rig_get(&R, "cut"), "caf"));
        CHECK_INT(strlen(rig_get(&R, "cut")), 4);
        CHECK_INT(strlen(rig_get(&R, "bad")), 6);
        CHECK(rig_get(&R, "bad")[5] == 'z');
        remove_rows(&R);
}

/* Ordered by id, byte by byte, whatever the language of the server is. */
static void test_order(void)
{
        static const char *const ids[] = {"ws-B", "ws-_", "ws-a", "ws-\xc3\xa4", "ws-10", "ws-9"};
        static const char *const sorted[] = {"ws-10", "ws-9", "ws-B",
                                             "ws-_",  "ws-a", "ws-\xc3\xa4"};

        rig_lead(&R, url);
        CHECK(store_begin(R.store) == 0);
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
                struct workspace_row w = {0};
                struct task_row t = {0};
                struct setting_row s = {.value = "1"};

                STR_CUT(w.id, ids[i]);
                STR_CUT(t.id, ids[i]);
                STR_CUT(s.name, ids[i]);
                CHECK(store_put_workspace(R.store, &w) == 0);
                CHECK(store_put_task(R.store, &t) == 0);
                CHECK(store_put_setting(R.store, &s) == 0);
        }
        CHECK_INT(rig_commit(&R), 0);
        CHECK_INT(rig_load(&R), 0);
        CHECK_INT(R.n_workspaces, ARRAY_LEN(ids));
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
                CHECK_STR(R.workspaces[i].id, sorted[i]);
                CHECK_STR(R.tasks[i].id, sorted[i]);
                CHECK_STR(R.settings[i].name, sorted[i]);
        }
        remove_rows(&R);
}

/* Puts and deletions of one batch apply in their order; none of a batch that is rolled back. */
static void test_atomic(void)
{
        struct workspace_row w = {.generation = 5};
        struct task_row t = {0};

        STR_CUT(w.id, "ws-a");
        STR_CUT(t.id, "t-1");
        rig_lead(&R, url);
        CHECK(store_begin(R.store) == 0);
        CHECK(store_put_workspace(R.store, &w) == 0);
        CHECK(store_del_workspace(R.store, "ws-a") == 0);
        CHECK(store_put_task(R.store, &t) == 0);
        CHECK(store_del_task(R.store, "t-1") == 0);
        CHECK(store_put_task(R.store, &t) == 0);
        CHECK(store_del_workspace(R.store, "ws-unknown") == 0);
        CHECK(store_del_task(R.store, "t-unknown") == 0);
        CHECK_INT(rig_commit(&R), 0);
        CHECK_INT(rig_load(&R), 0);
        CHECK_INT(R.n_workspaces, 0);
        CHECK_INT(R.n_tasks, 1);
        CHECK(store_begin(R.store) == 0);
        CHECK(store_put_workspace(R.store, &w) == 0);
        CHECK(store_del_task(R.store, "t-1") == 0);
        store_rollback(R.store);
        CHECK_INT(rig_load(&R), 0);
        CHECK_INT(R.n_workspaces, 0);
        CHECK_INT(R.n_tasks, 1);
        CHECK_INT(rig_set(&R, "after", "rollback"), 0);
        CHECK_INT(rig_load(&R), 0);
        CHECK_INT(R.n_workspaces, 0);
        CHECK_INT(rig_set(&R, "after", ""), 0);
        CHECK_STR(rig_get(&R, "after"), "");
        remove_rows(&R);
}

/* Counters only grow, and the rows they number may go. */
static void test_counters(void)
{
        struct workspace_row w = {.generation = 41};
        uint64_t before[STORE_COUNTER_MAX];

        STR_CUT(w.id, "ws-a");
        rig_lead(&R, url);
        CHECK_INT(rig_load(&R), 0);
        memcpy(before, R.counters, sizeof(before));
        CHECK(store_begin(R.store) == 0);
        CHECK(store_raise_counter(R.store, STORE_COMMAND_ID, 9) == 0);
        CHECK(store_raise_counter(R.store, STORE_COMMAND_ID, 4) == 0);
        CHECK_INT(rig_commit(&R), 0);
        CHECK(store_begin(R.store) == 0);
        CHECK(store_raise_counter(R.store, STORE_COMMAND_ID, 2) == 0);
        CHECK(store_raise_counter(R.store, STORE_TASK_NUMBER, INT64_MAX) == 0);
        CHECK(store_put_workspace(R.store, &w) == 0);
        CHECK_INT(rig_commit(&R), 0);
        CHECK(store_begin(R.store) == 0);
        CHECK(store_del_workspace(R.store, "ws-a") == 0);
        CHECK_INT(rig_commit(&R), 0);
        CHECK_INT(rig_load(&R), 0);
        CHECK_INT(R.counters[STORE_COMMAND_ID], 9);
        CHECK_INT(R.counters[STORE_TASK_NUMBER], INT64_MAX);
        CHECK_INT(R.counters[STORE_GENERATION], MAX(before[STORE_GENERATION], 41));
        CHECK_INT(R.counters[STORE_AUDIT_SEQ], before[STORE_AUDIT_SEQ]);
        remove_rows(&R);
}

static void put_history(struct rig *r, uint64_t first, uint64_t n)
{
        CHECK(store_begin(r->store) == 0);
        for (uint64_t i = first; i < first + n; i++) {
                struct audit_row row = {.seq = i, .at = {(int64_t)i}};

                STR_CUT(row.workspace, i % 2 ? "ws-a" : "");
                STR_CUT(row.what, "saved");
                CHECK(store_audit(r->store, &row) == 0);
        }
        CHECK_INT(rig_commit(r), 0);
}

static void test_history(void)
{
        rig_lead(&R, url);
        put_history(&R, 1, 100);
        CHECK_INT(rig_after(&R, 90, NULL, 1000), 0);
        CHECK_INT(R.n_audits, 10);
        CHECK_INT(R.audits[0].seq, 91);
        CHECK_INT(rig_after(&R, 0, "ws-a", 3), 0);
        CHECK_INT(R.n_audits, 3);
        CHECK_INT(R.audits[2].seq, 5);
        CHECK_INT(rig_after(&R, 100, NULL, 3), 0);
        CHECK_INT(R.n_audits, 0);
        CHECK_INT(rig_newest(&R, "ws-a", 2), 0);
        CHECK_INT(R.n_audits, 2);
        CHECK_INT(R.audits[0].seq, 97);
        CHECK_INT(R.audits[1].seq, 99);
        CHECK_INT(rig_newest(&R, NULL, 3), 0);
        CHECK_INT(R.audits[0].seq, 98);
        CHECK_INT(rig_newest(&R, "o'brien\\", 3), 0);
        CHECK_INT(R.n_audits, 0);
        CHECK_INT(rig_prune(&R, 50), 0); /* what is younger stays */
        CHECK_INT(rig_after(&R, 0, NULL, 1), 0);
        CHECK_INT(R.audits[0].seq, 50);
        put_history(&R, 1000, 10010);
        CHECK_INT(rig_prune(&R, 100000), STORE_MORE);
        CHECK_INT(rig_newest(&R, NULL, 1), 0);
        CHECK_INT(R.audits[0].seq, 11009); /* the oldest go first */
        CHECK_INT(rig_prune(&R, 100000), 0);
        CHECK_INT(rig_newest(&R, NULL, 1), 0);
        CHECK_INT(R.n_audits, 0);
        CHECK_INT(rig_load(&R), 0);
        CHECK(R.counters[STORE_AUDIT_SEQ] >= 11009); /* numbers are not given again */
        remove_rows(&R);
}

/* A process that is killed: what was answered is there, what was not committed is not. */
static void test_killed(void)
{
        int status = 0;
        pid_t pid;

        rig_lead(&R, url);
        remove_rows(&R);
        pid = fork();
        if (pid == 0) {
                struct setting_row row = {.name = "open", .value = "1"};

                CHECK(loop_new(&loop) == 0);
                rig_lead(&R, url);
                CHECK_INT(rig_set(&R, "committed", "1"), 0);
                store_lease_release(R.store);
                rig_close(&R);
                rig_up(&R, url, "killed", 1000);
                CHECK(rig_take(&R)->mine);
                CHECK_INT(rig_set(&R, "again", "1"), 0);
                CHECK(store_begin(R.store) == 0);
                CHECK(store_put_setting(R.store, &row) == 0);
                (void)kill(getpid(), SIGKILL);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status));
        rig_up(&R, url, "next", 60000);
        UNTIL(rig_take(&R)->mine); /* the killed one's lease ends by itself */
        CHECK_STR(rig_get(&R, "committed"), "1");
        CHECK_STR(rig_get(&R, "again"), "1");
        CHECK_STR(rig_get(&R, "open"), "");
        remove_rows(&R);
}

/* Without the lease nothing is written; with it, until it is given up. */
static void test_lease(void)
{
        uint64_t first;
        mono_t before;

        rig_up(&R, url, "one", 60000);
        CHECK_INT(rig_set(&R, "x", "too early"), STORE_FENCED);
        before = mono_read();
        CHECK(rig_take(&R)->mine);
        CHECK_STR(R.lease.holder, "one");
        CHECK_STR(R.lease.addresses, "tcp://here:1,tcp://there:2");
        CHECK(mono_is_never(R.lease.until) || mono_diff_ms(before, R.lease.until) <= 60000 + 1000);
        CHECK(mono_before(before, R.lease.until));
        first = R.lease.epoch;
        CHECK(first > 0);
        CHECK_INT(rig_set(&R, "x", "in time"), 0);
        CHECK(rig_take(&R)->mine);
        CHECK_INT(R.lease.epoch, first); /* renewed */
        CHECK_INT(rig_set(&R, "x", "renewed"), 0);
        store_lease_release(R.store);
        UNTIL(store_up(R.store));
        CHECK_INT(rig_set(&R, "x", "too late"), STORE_FENCED);
        CHECK_INT(rig_prune(&R, 0), STORE_FENCED);
        rig_close(&R);
        rig_up(&R, url, "two", 60000);
        CHECK(rig_take(&R)->mine); /* at once */
        CHECK(R.lease.epoch > first);
        CHECK_STR(rig_get(&R, "x"), "renewed");
        remove_rows(&R);
}

void contract_run(const char *store_url)
{
        url = store_url;
        RUN(test_limits);
        RUN(test_brief);
        RUN(test_not_utf8);
        RUN(test_order);
        RUN(test_atomic);
        RUN(test_counters);
        RUN(test_history);
        RUN(test_killed);
        RUN(test_lease);
}
