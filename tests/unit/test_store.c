/*
 * The store's contract: what was committed is there after a new open, a batch is all or nothing,
 * counters only grow; and what cannot be opened says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "loop/loop.h"
#include "store/store.h"
#include "test.h"

static struct loop *loop;
static char dir[] = "/tmp/test_store.XXXXXX";
static char path[64];
static char error[STORE_ERROR_SIZE];

static int open_file(const char *file, struct store **ret_store)
{
        struct store_config config = {
                .url = file, .password_file = "", .holder = "test", .addresses = "here"};

        return store_open(loop, &config, NULL, error, ret_store);
}

static struct store *opened(void)
{
        struct store *s = NULL;

        if (open_file(path, &s) != 0) {
                fprintf(stderr, "%s\n", error);
                exit(1);
        }
        CHECK(store_lease_take(s) == 0);
        return s;
}

static int commit(struct store *s)
{
        return store_commit(s, NULL, NULL);
}

static struct workspace_row workspace(const char *id)
{
        struct workspace_row row = {.state = WS_ATTENTION,
                                    .generation = 7,
                                    .head = {.generation = 7,
                                             .seq = 3,
                                             .length = 10,
                                             .data_length = UINT64_C(1) << 40,
                                             .sha256 = "abc",
                                             .at = {5}},
                                    .created_at = {1},
                                    .active_at = {2},
                                    .human_at = {6},
                                    .stopped_at = {3},
                                    .erase_at = {4},
                                    .wanted = true,
                                    .home = HOME_REPLACE};

        STR_CUT(row.id, id);
        STR_CUT(row.key.tenant, "default");
        STR_CUT(row.key.user_id, "o'brien\"; --");
        STR_CUT(row.key.name, "default");
        STR_CUT(row.key.type, "vscode");
        STR_CUT(row.labels, "{\"course\":\"c\xc3\xa4t\"}");
        STR_CUT(row.task, "t-0000000001");
        STR_CUT(row.reason, "disk full");
        return row;
}

static struct task_row task(const char *id)
{
        struct task_row row = {.state = TASK_STOPPING,
                               .generation = 7,
                               .launched_at = {1},
                               .claimed_at = {3},
                               .state_at = {2}};

        STR_CUT(row.id, id);
        STR_CUT(row.type, "vscode");
        STR_CUT(row.workspace, "ws-a");
        STR_CUT(row.nonce, "n");
        STR_CUT(row.addr, "127.0.0.1:1");
        STR_CUT(row.reason, "r");
        return row;
}

struct seen {
        size_t workspaces, tasks, audits;
        struct workspace_row workspace;
        struct task_row task;
        struct audit_row first, last;
        uint64_t counters[STORE_COUNTER_MAX];
        int result;
};

static void on_workspace(void *ctx, const struct workspace_row *row)
{
        struct seen *s = ctx;

        s->workspaces++;
        s->workspace = *row;
}

static void on_task(void *ctx, const struct task_row *row)
{
        struct seen *s = ctx;

        s->tasks++;
        s->task = *row;
}

static void on_audit(void *ctx, const struct audit_row *row)
{
        struct seen *s = ctx;

        if (s->audits++ == 0)
                s->first = *row;
        s->last = *row;
}

static void on_done(void *ctx, int result)
{
        struct seen *s = ctx;

        s->result = result;
}

static void on_counters(void *ctx, const uint64_t counters[static STORE_COUNTER_MAX])
{
        struct seen *s = ctx;

        memcpy(s->counters, counters, sizeof(s->counters));
}

static int try_load(struct store *s, struct seen *seen)
{
        struct store_visitor v = {
                .ctx = seen, .workspace = on_workspace, .task = on_task, .counters = on_counters};

        CHECK(store_load(s, &v, on_done, seen) == 0);
        return seen->result;
}

static struct seen load(struct store *s)
{
        struct seen seen = {0};

        CHECK(try_load(s, &seen) == 0);
        return seen;
}

static struct seen history_after(struct store *s, uint64_t after, const char *workspace,
                                 uint32_t limit)
{
        struct seen seen = {.result = -1};

        CHECK(store_audit_after(s, after, workspace, limit, on_audit, on_done, &seen) == 0);
        CHECK_INT(seen.result, 0);
        return seen;
}

static struct seen history_newest(struct store *s, const char *workspace, uint32_t limit)
{
        struct seen seen = {.result = -1};

        CHECK(store_audit_newest(s, workspace, limit, on_audit, on_done, &seen) == 0);
        CHECK_INT(seen.result, 0);
        return seen;
}

static void test_rows(void)
{
        struct store *s = opened();
        struct workspace_row w = workspace("ws-a");
        struct task_row t = task("t-0000000001");
        struct seen seen;

        CHECK(store_begin(s) == 0);
        CHECK(store_put_workspace(s, &w) == 0);
        CHECK(store_put_task(s, &t) == 0);
        w.previous = w.head;
        w.head.seq = 4;
        CHECK(store_put_workspace(s, &w) == 0); /* the last one counts */
        CHECK(commit(s) == 0);
        s = store_free(s);
        s = opened();
        seen = load(s);
        CHECK_INT((long long)seen.workspaces, 1);
        CHECK_INT((long long)seen.tasks, 1);
        CHECK(memcmp(&seen.workspace, &w, sizeof(w)) == 0);
        CHECK(memcmp(&seen.task, &t, sizeof(t)) == 0);
        CHECK(store_begin(s) == 0);
        CHECK(store_del_workspace(s, "ws-a") == 0);
        CHECK(store_del_workspace(s, "ws-unknown") == 0);
        CHECK(store_del_task(s, "t-0000000001") == 0);
        CHECK(store_del_task(s, "t-unknown") == 0);
        store_rollback(s); /* nothing of it happened */
        CHECK_INT((long long)load(s).workspaces, 1);
        CHECK(store_begin(s) == 0);
        CHECK(store_del_workspace(s, "ws-a") == 0);
        CHECK(store_del_task(s, "t-0000000001") == 0);
        CHECK(commit(s) == 0);
        seen = load(s);
        CHECK_INT((long long)(seen.workspaces + seen.tasks), 0);
        store_free(s);
}

static void test_counters(void)
{
        struct store *s = opened();
        struct seen seen;

        CHECK(store_begin(s) == 0);
        CHECK(store_raise_counter(s, STORE_COMMAND_ID, 9) == 0);
        CHECK(store_raise_counter(s, STORE_COMMAND_ID, 4) == 0);
        CHECK(store_raise_counter(s, STORE_TASK_NUMBER, 2) == 0);
        CHECK(commit(s) == 0);
        s = store_free(s);
        s = opened();
        seen = load(s);
        CHECK_INT((long long)seen.counters[STORE_COMMAND_ID], 9);
        CHECK_INT((long long)seen.counters[STORE_TASK_NUMBER], 2);
        CHECK_INT((long long)seen.counters[STORE_GENERATION],
                  7); /* of the workspace that test_rows removed */
        store_free(s);
}

static void test_history(void)
{
        struct store *s = opened();
        struct seen seen;

        CHECK(store_begin(s) == 0);
        for (uint64_t i = 1; i <= 100; i++) {
                struct audit_row row = {.seq = i, .at = {(int64_t)i}};

                STR_CUT(row.workspace, i % 2 ? "ws-a" : "");
                STR_CUT(row.what, "saved");
                STR_CUT(row.actor, "core");
                CHECK(store_audit(s, &row) == 0);
        }
        CHECK(commit(s) == 0);
        seen = history_after(s, 90, NULL, 1000);
        CHECK_INT((long long)seen.audits, 10);
        CHECK_INT((long long)seen.first.seq, 91);
        seen = history_after(s, 0, "ws-a", 3);
        CHECK_INT((long long)seen.audits, 3);
        CHECK_INT((long long)seen.last.seq, 5);
        seen = history_newest(s, "ws-a", 2);
        CHECK_INT((long long)seen.first.seq, 97);
        CHECK_INT((long long)seen.last.seq, 99);
        CHECK(store_audit_prune(s, (utc_t){1000}, on_done, &seen) == 0);
        CHECK_INT(seen.result, 0);
        seen = history_newest(s, NULL, 10);
        CHECK_INT((long long)seen.audits, 0);
        seen = load(s);
        CHECK_INT((long long)seen.counters[STORE_AUDIT_SEQ], 100); /* numbers are not given again */
        store_free(s);
}

static void sql(const char *text)
{
        sqlite3 *db = NULL;

        CHECK(sqlite3_open(path, &db) == SQLITE_OK);
        CHECK(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
        sqlite3_close(db);
}

static void test_newer_schema(void)
{
        struct store *s = NULL;

        sql("PRAGMA user_version = 99");
        CHECK_INT(open_file(path, &s), -EPROTO);
        CHECK(strstr(error, "newer version") && strstr(error, path));
        sql("PRAGMA user_version = 6");
}

/* Rows of an earlier layout are there after the file was brought up to this one. */
static void test_older_schema(void)
{
        struct store *s = opened();
        struct workspace_row w = workspace("ws-old");
        struct seen seen;

        CHECK(store_begin(s) == 0);
        CHECK(store_put_workspace(s, &w) == 0);
        CHECK(commit(s) == 0);
        store_free(s);
        sql("ALTER TABLE workspace DROP COLUMN wanted; ALTER TABLE workspace DROP COLUMN home;"
            " ALTER TABLE workspace DROP COLUMN human_at;"
            " ALTER TABLE task DROP COLUMN claimed_at;"
            " DROP TABLE setting; PRAGMA user_version = 1");
        s = opened();
        seen = load(s);
        w.wanted = false;
        w.home = HOME_NONE;
        w.human_at.us = 0;
        CHECK_INT((long long)seen.workspaces, 1);
        CHECK(memcmp(&seen.workspace, &w, sizeof(w)) == 0);
        CHECK(store_begin(s) == 0);
        CHECK(store_del_workspace(s, "ws-old") == 0);
        CHECK(commit(s) == 0);
        store_free(s);
}

static void test_bad_row(void)
{
        struct store *s = opened();
        struct seen seen = {0};

        sql("INSERT INTO task VALUES ('t-1','x','dancing',0,'','','',0,0,'',0)");
        CHECK_INT(try_load(s, &seen), -EUCLEAN);
        CHECK(strstr(store_error(s), "\"t-1\" of the table task"));
        sql("DELETE FROM task");
        store_free(s);
}

static void test_corrupt(void)
{
        char bad[80];
        struct store *s = NULL;
        char garbage[8192];

        (void)snprintf(bad, sizeof(bad), "%s/bad.db", dir);
        memset(garbage, 'x', sizeof(garbage));
        CHECK(file_write_atomic(bad, garbage, sizeof(garbage), 0600) == 0);
        CHECK_INT(open_file(bad, &s), -EUCLEAN);
        CHECK(strstr(error, "restore it from a copy"));
        CHECK(unlink(bad) == 0);
}

/* As nobody, because root may write everywhere. */
static void test_read_only(void)
{
        int status = 0;
        pid_t pid;

        if (geteuid() != 0) {
                fprintf(stderr, "    skipped: needs root\n");
                return;
        }
        CHECK(chmod(dir, 0755) == 0 && chmod(path, 0644) == 0);
        pid = fork();
        if (pid == 0) {
                struct store *s = NULL;
                char other[80];

                (void)snprintf(other, sizeof(other), "%s/other.db", dir);
                if (setuid(65534) < 0)
                        _exit(2);
                if (open_file(path, &s) != -EACCES ||
                    !strstr(error, "make the folder and the file writable"))
                        _exit(3);
                _exit(open_file(other, &s) == -EACCES ? 0 : 4);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK_INT(status, 0);
}

/* On a file system of 300 KiB: the batch fails as a whole, and works once there is room again. */
static void test_disk_full(void)
{
        char mount_dir[80], db[96], filler[96];
        struct store *s = NULL;
        struct workspace_row w;
        char block[4096] = {0};
        size_t before;
        int r = 0;
        int fd;

        (void)snprintf(mount_dir, sizeof(mount_dir), "%s/small", dir);
        (void)snprintf(db, sizeof(db), "%s/state.db", mount_dir);
        (void)snprintf(filler, sizeof(filler), "%s/filler", mount_dir);
        CHECK(mkdir(mount_dir, 0700) == 0);
        if (mount("none", mount_dir, "tmpfs", 0, "size=300k") < 0) {
                fprintf(stderr, "    skipped: cannot mount\n");
                CHECK(rmdir(mount_dir) == 0);
                return;
        }
        CHECK(open_file(db, &s) == 0);
        CHECK(store_lease_take(s) == 0);
        before = load(s).workspaces;
        fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        CHECK(store_begin(s) == 0);
        for (int i = 0; r == 0 && i < 200; i++) {
                char id[CORE_ID_SIZE];

                (void)snprintf(id, sizeof(id), "ws-%d", i);
                w = workspace(id);
                r = store_put_workspace(s, &w);
        }
        if (r == 0)
                r = commit(s);
        CHECK_INT(r, -ENOSPC);
        store_rollback(s);
        CHECK_INT((long long)load(s).workspaces, (long long)before);
        fd_close(fd);
        CHECK(unlink(filler) == 0);
        w = workspace("ws-a");
        CHECK(store_begin(s) == 0);
        CHECK(store_put_workspace(s, &w) == 0);
        CHECK(commit(s) == 0);
        CHECK_INT((long long)load(s).workspaces, (long long)before + 1);
        store_free(s);
        CHECK(umount(mount_dir) == 0);
        CHECK(rmdir(mount_dir) == 0);
}

static off_t size_of(const char *suffix)
{
        char file[80];
        struct stat st;

        (void)snprintf(file, sizeof(file), "%s%s", path, suffix);
        CHECK(stat(file, &st) == 0);
        return st.st_size;
}

/* The log goes to the file behind a commit, and not within it. */
static void test_checkpoint_waits(void)
{
        struct audit_row row = {.what = "launched", .at = {9}};
        struct store *s = opened();
        off_t before = size_of("");

        for (int i = 0; size_of("-wal") < (off_t)1200 * 4096; i++) {
                CHECK(i < 100);
                CHECK(store_begin(s) == 0);
                for (int k = 0; k < 1000; k++) {
                        row.seq = 1000000 + (uint64_t)i * 1000 + (uint64_t)k;
                        CHECK(store_audit(s, &row) == 0);
                }
                CHECK(commit(s) == 0);
        }
        CHECK_INT(size_of(""), before);
        for (int i = 0; size_of("") == before; i++) {
                struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

                CHECK_INT(loop_turn(loop), 0);
                CHECK(size_of("") != before || poll(&p, 1, 30000) > 0);
                CHECK(i < 1000);
        }
        store_free(s);
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
        CHECK(loop_new(&loop) == 0);
        RUN(test_rows);
        RUN(test_counters);
        RUN(test_history);
        RUN(test_newer_schema);
        RUN(test_older_schema);
        RUN(test_bad_row);
        RUN(test_corrupt);
        RUN(test_read_only);
        RUN(test_disk_full);
        RUN(test_checkpoint_waits);
        remove_all();
        loop_free(loop);
        return 0;
}
