/* The store in one SQLite file. The contract is in store.h; SQLite is used here only. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "store/schema.h"
#include "store/store.h"

/* Somebody looks at the file with a tool of theirs: wait a little, the loop stands meanwhile. */
#define BUSY_TIMEOUT_MS 200
#define PRUNE_ROWS_MAX 10000

enum statement {
        ST_BEGIN,
        ST_COMMIT,
        ST_ROLLBACK,
        ST_LOAD_WORKSPACES,
        ST_LOAD_TASKS,
        ST_COUNTERS,
        ST_PUT_WORKSPACE,
        ST_ERASED,
        ST_DEL_WORKSPACE,
        ST_PUT_TASK,
        ST_DEL_TASK,
        ST_AUDIT,
        ST_COUNTER,
        ST_AUDIT_AFTER,
        ST_AUDIT_NEWEST,
        ST_PRUNE,
        ST_MAX
};

static const char *const statements[ST_MAX] = {
        [ST_BEGIN] = "BEGIN IMMEDIATE",
        [ST_COMMIT] = "COMMIT",
        [ST_ROLLBACK] = "ROLLBACK",
        [ST_LOAD_WORKSPACES] =
                "SELECT id, tenant, user_id, name, type, labels, state, generation, task,"
                " head_generation, head_seq, head_length, head_data_length, head_sha256, head_at,"
                " previous_generation, previous_seq, previous_length, previous_data_length,"
                " previous_sha256, previous_at, created_at, active_at, stopped_at, erase_at,"
                " reason, wanted FROM workspace ORDER BY id",
        [ST_LOAD_TASKS] = "SELECT id, type, state, generation, workspace, nonce, addr, launched_at,"
                          " state_at, reason, claimed_at FROM task ORDER BY id",
        [ST_COUNTERS] = "SELECT name, value FROM counter",
        [ST_PUT_WORKSPACE] =
                "INSERT OR REPLACE INTO workspace VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,"
                "?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)",
        [ST_ERASED] = "INSERT INTO counter SELECT ?1, generation FROM workspace WHERE id = ?2"
                      " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        [ST_DEL_WORKSPACE] = "DELETE FROM workspace WHERE id = ?1",
        [ST_PUT_TASK] = "INSERT OR REPLACE INTO task VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
        [ST_DEL_TASK] = "DELETE FROM task WHERE id = ?1",
        [ST_AUDIT] = "INSERT OR REPLACE INTO audit VALUES (?1,?2,?3,?4,?5,?6,?7)",
        [ST_COUNTER] = "INSERT INTO counter VALUES (?1, ?2) ON CONFLICT (name)"
                       " DO UPDATE SET value = max(value, excluded.value)",
        [ST_AUDIT_AFTER] = "SELECT seq, at, workspace, task, actor, what, detail FROM audit"
                           " WHERE seq > ?1 AND (?2 IS NULL OR workspace = ?2)"
                           " ORDER BY seq LIMIT ?3",
        [ST_AUDIT_NEWEST] = "SELECT * FROM (SELECT seq, at, workspace, task, actor, what, detail"
                            " FROM audit WHERE (?1 IS NULL OR workspace = ?1)"
                            " ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
        [ST_PRUNE] = "DELETE FROM audit WHERE seq IN"
                     " (SELECT seq FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)",
};

static const char *const counter_names[STORE_COUNTER_MAX] = {
        [STORE_TASK_NUMBER] = "task_number",
        [STORE_AUDIT_SEQ] = "audit_seq",
        [STORE_COMMAND_ID] = "command_id",
        [STORE_GENERATION] = "generation",
};

struct store {
        sqlite3 *db;
        sqlite3_stmt *st[ST_MAX];
        char error[STORE_ERROR_SIZE];
};

/* SQLite's result as an errno; what people read is in `error`. */
static int sqlite_errno(int rc)
{
        switch (rc & 0xff) {
        case SQLITE_OK:
        case SQLITE_DONE:
        case SQLITE_ROW:
                return 0;
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_NOMEM:
                return -ENOMEM;
        default:
                return -EIO;
        }
}

static int failed(struct store *s, int rc, const char *doing)
{
        (void)snprintf(s->error, sizeof(s->error), "%s: %s", doing,
                       s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
        return sqlite_errno(rc);
}

static int exec(struct store *s, const char *sql)
{
        int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : failed(s, rc, "database");
}

static int query_int(struct store *s, const char *sql, int *ret_value)
{
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
        int r = 0;

        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                *ret_value = sqlite3_column_int(st, 0);
        else
                r = failed(s, rc, "database");
        sqlite3_finalize(st);
        return r;
}

/* ---- opening ---- */

static int migrate(struct store *s)
{
        char pragma[64];
        int version = 0;
        int r = query_int(s, "PRAGMA user_version", &version);

        if (r < 0)
                return r;
        if (version > schema_version) {
                (void)snprintf(s->error, sizeof(s->error),
                               "made by a newer version (layout %d, this program knows %d)",
                               version, schema_version);
                return -EPROTO;
        }
        for (; version < schema_version; version++) {
                (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version + 1);
                r = exec(s, "BEGIN IMMEDIATE");
                if (r == 0)
                        r = exec(s, schema_migrations[version]);
                if (r == 0)
                        r = exec(s, pragma);
                if (r == 0)
                        r = exec(s, "COMMIT");
                if (r < 0) {
                        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
                        return r;
                }
        }
        return 0;
}

static int open_checked(struct store *s, const char *path)
{
        /* Names of students are nobody else's business; SQLite copies this mode to -wal and -shm.
         */
        AUTO_CLOSE fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int rc;
        int r;

        if (fd < 0) {
                r = -errno;
                (void)snprintf(s->error, sizeof(s->error), "cannot open: %s", strerrordesc_np(-r));
                return r == -EROFS || r == -EPERM || r == -ENOENT ? -EACCES : r;
        }
        rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (rc != SQLITE_OK)
                return failed(s, rc, "cannot open");
        (void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
        (void)sqlite3_extended_result_codes(s->db, 1);
        if (sqlite3_db_readonly(s->db, "main") == 1) {
                (void)snprintf(s->error, sizeof(s->error), "it can only be read");
                return -EACCES;
        }
        r = exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                    "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF");
        if (r == 0)
                r = migrate(s);
        for (int i = 0; r == 0 && i < ST_MAX; i++) {
                rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &s->st[i], NULL);
                if (rc != SQLITE_OK)
                        r = failed(s, rc, "its layout is not ours");
        }
        return r;
}

static const char *advice(int r)
{
        switch (-r) {
        case EACCES:
                return "make the folder and the file writable for this user";
        case EUCLEAN:
                return "restore it from a copy, or move it away to begin anew";
        case EPROTO:
                return "run the newer wscontroller";
        case EBUSY:
                return "another program has it open";
        case ENOSPC:
                return "free some disk space";
        default:
                return "look at the disk";
        }
}

int store_open_sqlite(const char *path, char ret_error[static STORE_ERROR_SIZE],
                      struct store **ret_store)
{
        struct store *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        r = open_checked(s, path);
        if (r < 0) {
                (void)snprintf(ret_error, STORE_ERROR_SIZE, "%.200s: %.200s; %s", path, s->error,
                               advice(r));
                store_free(s);
                return r;
        }
        *ret_store = s;
        return 0;
}

struct store *store_free(struct store *s)
{
        if (!s)
                return NULL;
        for (int i = 0; i < ST_MAX; i++)
                sqlite3_finalize(s->st[i]);
        (void)sqlite3_close(s->db);
        free(s);
        return NULL;
}

const char *store_error(const struct store *s)
{
        return s->error;
}

/* ---- binding and reading columns in order ---- */

struct cursor {
        sqlite3_stmt *st;
        int col;
        bool bad; /* a text that is too long, a name that is none */
};

/* The statement is reset before it is bound, so texts may be borrowed until it was stepped. */
static struct cursor bind_start(struct store *s, enum statement which)
{
        (void)sqlite3_reset(s->st[which]);
        (void)sqlite3_clear_bindings(s->st[which]);
        return (struct cursor){.st = s->st[which]};
}

static void bind_text(struct cursor *x, const char *text)
{
        (void)sqlite3_bind_text(x->st, ++x->col, text, -1, SQLITE_STATIC);
}

static void bind_int(struct cursor *x, int64_t value)
{
        (void)sqlite3_bind_int64(x->st, ++x->col, value);
}

static void bind_save(struct cursor *x, const struct save_ref *ref)
{
        bind_int(x, (int64_t)ref->generation);
        bind_int(x, (int64_t)ref->seq);
        bind_int(x, (int64_t)ref->length);
        bind_int(x, (int64_t)ref->data_length);
        bind_text(x, ref->sha256);
        bind_int(x, ref->at.us);
}

static int run(struct store *s, struct cursor *x)
{
        int rc = sqlite3_step(x->st);
        int r = rc == SQLITE_DONE ? 0 : failed(s, rc, "write");

        (void)sqlite3_reset(x->st);
        return r;
}

static void get_text(struct cursor *x, char *dst, size_t size)
{
        const unsigned char *text = sqlite3_column_text(x->st, x->col++);

        if (!text || str_copy(dst, size, (const char *)text) < 0)
                x->bad = true;
}

#define GET_TEXT(x, dst) get_text((x), (dst), sizeof(dst))

static int64_t get_int(struct cursor *x)
{
        return sqlite3_column_int64(x->st, x->col++);
}

static uint64_t get_u64(struct cursor *x)
{
        int64_t value = get_int(x);

        if (value < 0)
                x->bad = true;
        return (uint64_t)value;
}

static void get_save(struct cursor *x, struct save_ref *ref)
{
        ref->generation = get_u64(x);
        ref->seq = get_u64(x);
        ref->length = get_u64(x);
        ref->data_length = get_u64(x);
        GET_TEXT(x, ref->sha256);
        ref->at.us = get_int(x);
}

/* ---- loading ---- */

static void read_workspace(struct cursor *x, struct workspace_row *row)
{
        char state[CORE_NAME_SIZE] = "";

        GET_TEXT(x, row->id);
        GET_TEXT(x, row->key.tenant);
        GET_TEXT(x, row->key.user_id);
        GET_TEXT(x, row->key.name);
        GET_TEXT(x, row->key.type);
        GET_TEXT(x, row->labels);
        GET_TEXT(x, state);
        row->generation = get_u64(x);
        GET_TEXT(x, row->task);
        get_save(x, &row->head);
        get_save(x, &row->previous);
        row->created_at.us = get_int(x);
        row->active_at.us = get_int(x);
        row->stopped_at.us = get_int(x);
        row->erase_at.us = get_int(x);
        GET_TEXT(x, row->reason);
        row->wanted = get_int(x) != 0;
        if (!ws_state_parse(state, &row->state))
                x->bad = true;
}

static void read_task(struct cursor *x, struct task_row *row)
{
        char state[CORE_NAME_SIZE] = "";

        GET_TEXT(x, row->id);
        GET_TEXT(x, row->type);
        GET_TEXT(x, state);
        row->generation = get_u64(x);
        GET_TEXT(x, row->workspace);
        GET_TEXT(x, row->nonce);
        GET_TEXT(x, row->addr);
        row->launched_at.us = get_int(x);
        row->state_at.us = get_int(x);
        GET_TEXT(x, row->reason);
        row->claimed_at.us = get_int(x);
        if (!task_state_parse(state, &row->state))
                x->bad = true;
}

static int bad_row(struct store *s, const char *table, const char *id)
{
        (void)snprintf(s->error, sizeof(s->error), "the row \"%.40s\" of the table %s is not valid",
                       id, table);
        return -EUCLEAN;
}

/* 1 a row is there, 0 the end, -errno. */
static int next_row(struct store *s, struct cursor *x)
{
        int rc = sqlite3_step(x->st);

        x->col = 0;
        if (rc == SQLITE_ROW)
                return 1;
        if (rc == SQLITE_DONE)
                return 0;
        return failed(s, rc, "read");
}

static int load_workspaces(struct store *s, const struct store_visitor *v)
{
        struct cursor x = bind_start(s, ST_LOAD_WORKSPACES);
        int r;

        while ((r = next_row(s, &x)) > 0) {
                struct workspace_row row = {0};

                read_workspace(&x, &row);
                if (x.bad)
                        r = bad_row(s, "workspace", row.id);
                if (r < 0)
                        break;
                v->workspace(v->ctx, &row);
        }
        (void)sqlite3_reset(x.st);
        return r;
}

static int load_tasks(struct store *s, const struct store_visitor *v)
{
        struct cursor x = bind_start(s, ST_LOAD_TASKS);
        int r;

        while ((r = next_row(s, &x)) > 0) {
                struct task_row row = {0};

                read_task(&x, &row);
                if (x.bad)
                        r = bad_row(s, "task", row.id);
                if (r < 0)
                        break;
                v->task(v->ctx, &row);
        }
        (void)sqlite3_reset(x.st);
        return r;
}

int store_load(struct store *s, const struct store_visitor *v)
{
        int r = load_workspaces(s, v);

        return r < 0 ? r : load_tasks(s, v);
}

int store_counters(struct store *s, uint64_t ret_counters[static STORE_COUNTER_MAX])
{
        struct cursor x = bind_start(s, ST_COUNTERS);
        uint64_t counters[STORE_COUNTER_MAX] = {0};
        int r;

        while ((r = next_row(s, &x)) > 0) {
                char name[CORE_NAME_SIZE] = "";

                GET_TEXT(&x, name);
                for (int i = 0; i < STORE_COUNTER_MAX; i++) {
                        if (strcmp(name, counter_names[i]) == 0)
                                counters[i] = (uint64_t)sqlite3_column_int64(x.st, 1);
                }
        }
        (void)sqlite3_reset(x.st);
        if (r == 0)
                memcpy(ret_counters, counters, sizeof(counters));
        return r;
}

/* ---- writing ---- */

static int run_plain(struct store *s, enum statement which)
{
        struct cursor x = bind_start(s, which);

        return run(s, &x);
}

int store_begin(struct store *s)
{
        return run_plain(s, ST_BEGIN);
}

int store_commit(struct store *s)
{
        return run_plain(s, ST_COMMIT);
}

void store_rollback(struct store *s)
{
        /* SQLite rolls back by itself after some failures (disk full). */
        if (!sqlite3_get_autocommit(s->db))
                (void)run_plain(s, ST_ROLLBACK);
}

int store_put_workspace(struct store *s, const struct workspace_row *row)
{
        struct cursor x = bind_start(s, ST_PUT_WORKSPACE);

        bind_text(&x, row->id);
        bind_text(&x, row->key.tenant);
        bind_text(&x, row->key.user_id);
        bind_text(&x, row->key.name);
        bind_text(&x, row->key.type);
        bind_text(&x, row->labels);
        bind_text(&x, ws_state_name(row->state));
        bind_int(&x, (int64_t)row->generation);
        bind_text(&x, row->task);
        bind_save(&x, &row->head);
        bind_save(&x, &row->previous);
        bind_int(&x, row->created_at.us);
        bind_int(&x, row->active_at.us);
        bind_int(&x, row->stopped_at.us);
        bind_int(&x, row->erase_at.us);
        bind_text(&x, row->reason);
        bind_int(&x, row->wanted);
        return run(s, &x);
}

int store_del_workspace(struct store *s, const char *id)
{
        struct cursor x = bind_start(s, ST_ERASED);
        int r;

        bind_text(&x, counter_names[STORE_GENERATION]);
        bind_text(&x, id);
        r = run(s, &x);
        if (r < 0)
                return r;
        x = bind_start(s, ST_DEL_WORKSPACE);
        bind_text(&x, id);
        return run(s, &x);
}

int store_put_task(struct store *s, const struct task_row *row)
{
        struct cursor x = bind_start(s, ST_PUT_TASK);

        bind_text(&x, row->id);
        bind_text(&x, row->type);
        bind_text(&x, task_state_name(row->state));
        bind_int(&x, (int64_t)row->generation);
        bind_text(&x, row->workspace);
        bind_text(&x, row->nonce);
        bind_text(&x, row->addr);
        bind_int(&x, row->launched_at.us);
        bind_int(&x, row->state_at.us);
        bind_text(&x, row->reason);
        bind_int(&x, row->claimed_at.us);
        return run(s, &x);
}

int store_del_task(struct store *s, const char *id)
{
        struct cursor x = bind_start(s, ST_DEL_TASK);

        bind_text(&x, id);
        return run(s, &x);
}

int store_raise_counter(struct store *s, enum store_counter which, uint64_t value)
{
        struct cursor x = bind_start(s, ST_COUNTER);

        bind_text(&x, counter_names[which]);
        bind_int(&x, (int64_t)value);
        return run(s, &x);
}

int store_audit(struct store *s, const struct audit_row *row)
{
        struct cursor x = bind_start(s, ST_AUDIT);
        int r;

        bind_int(&x, (int64_t)row->seq);
        bind_int(&x, row->at.us);
        bind_text(&x, row->workspace);
        bind_text(&x, row->task);
        bind_text(&x, row->actor);
        bind_text(&x, row->what);
        bind_text(&x, row->detail);
        r = run(s, &x);
        return r < 0 ? r : store_raise_counter(s, STORE_AUDIT_SEQ, row->seq);
}

/* ---- the history ---- */

static int each_audit(struct store *s, struct cursor *x, store_audit_fn fn, void *ctx)
{
        int r;

        while ((r = next_row(s, x)) > 0) {
                struct audit_row row = {0};

                row.seq = get_u64(x);
                row.at.us = get_int(x);
                GET_TEXT(x, row.workspace);
                GET_TEXT(x, row.task);
                GET_TEXT(x, row.actor);
                GET_TEXT(x, row.what);
                GET_TEXT(x, row.detail);
                if (x->bad) {
                        r = bad_row(s, "audit", row.what);
                        break;
                }
                fn(ctx, &row);
        }
        (void)sqlite3_reset(x->st);
        return r;
}

static void bind_workspace_or_null(struct cursor *x, const char *workspace)
{
        if (workspace)
                bind_text(x, workspace);
        else
                (void)sqlite3_bind_null(x->st, ++x->col);
}

int store_audit_after(struct store *s, uint64_t after_seq, const char *workspace, uint32_t limit,
                      store_audit_fn fn, void *ctx)
{
        struct cursor x = bind_start(s, ST_AUDIT_AFTER);

        bind_int(&x, (int64_t)after_seq);
        bind_workspace_or_null(&x, workspace);
        bind_int(&x, limit);
        return each_audit(s, &x, fn, ctx);
}

int store_audit_newest(struct store *s, const char *workspace, uint32_t limit, store_audit_fn fn,
                       void *ctx)
{
        struct cursor x = bind_start(s, ST_AUDIT_NEWEST);

        bind_workspace_or_null(&x, workspace);
        bind_int(&x, limit);
        return each_audit(s, &x, fn, ctx);
}

int store_audit_prune(struct store *s, utc_t before)
{
        struct cursor x = bind_start(s, ST_PRUNE);

        bind_int(&x, before.us);
        bind_int(&x, PRUNE_ROWS_MAX);
        return run(s, &x);
}
