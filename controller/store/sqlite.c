/*
 * The store in one SQLite file. The contract is in store.h; SQLite is used here only. Everything is
 * answered before the call returns. The lease is the file itself: main.c lets one process open it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "loop/loop.h"
#include "store/backend.h"
#include "store/schema.h"

/* Somebody looks at the file with a tool of theirs: wait a little, the loop stands meanwhile. */
#define BUSY_TIMEOUT_MS 200
/*
 * SQLite would take the log's pages to the file within the commit that fills it, and one launch in
 * twenty would wait for that. Here it comes later, when that launch has had its answer.
 */
#define CHECKPOINT_PAGES 1000
#define CHECKPOINT_WAIT_MS 100

enum statement {
#define STATEMENT(id, text) ST_##id,
#include "store/sqlite_statement.def"
#undef STATEMENT
        ST_MAX
};

static const char *const statements[ST_MAX] = {
#define STATEMENT(id, text) [ST_##id] = text,
#include "store/sqlite_statement.def"
#undef STATEMENT
};

struct sqlite {
        struct store base;
        struct store_hooks hooks;
        struct store_lease lease; /* ours from the first store_lease_take on */
        bool released;            /* for good */
        sqlite3 *db;
        sqlite3_stmt *st[ST_MAX];
        struct loop_timer checkpoint;
        char error[STORE_ERROR_SIZE];
};

static struct sqlite *sqlite_of(struct store *s)
{
        return container_of(s, struct sqlite, base);
}

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

static int failed(struct sqlite *s, int rc, const char *doing)
{
        (void)snprintf(s->error, sizeof(s->error), "%s: %s", doing,
                       s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
        return sqlite_errno(rc);
}

static int exec(struct sqlite *s, const char *sql)
{
        int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : failed(s, rc, "database");
}

static int query_int(struct sqlite *s, const char *sql, int *ret_value)
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

static int migrate(struct sqlite *s)
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

/* Where a reader stops it half-way, the next one goes on; what is committed is safe in the log. */
static void on_checkpoint(void *db)
{
        (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static int on_wal(void *timer, sqlite3 *db, const char *name, int pages)
{
        (void)db, (void)name;
        if (pages >= CHECKPOINT_PAGES && mono_is_never(((struct loop_timer *)timer)->due))
                loop_timer_set_in(timer, CHECKPOINT_WAIT_MS);
        return SQLITE_OK;
}

static int open_checked(struct sqlite *s, const char *path)
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

static struct sqlite *sqlite_free(struct sqlite *s)
{
        if (!s)
                return NULL;
        loop_timer_cancel(&s->checkpoint);
        for (int i = 0; i < ST_MAX; i++)
                sqlite3_finalize(s->st[i]);
        (void)sqlite3_close(s->db);
        free(s);
        return NULL;
}

/* ---- binding and reading columns in order ---- */

struct cursor {
        sqlite3_stmt *st;
        int col;
        bool bad; /* a text that is too long, a name that is none */
};

/* The statement is reset before it is bound, so texts may be borrowed until it was stepped. */
static struct cursor bind_start(struct sqlite *s, enum statement which)
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

static int run(struct sqlite *s, struct cursor *x)
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
        row->home = (enum home_state)get_int(x);
        if ((size_t)row->home >= HOME_STATE_MAX)
                x->bad = true;
        row->human_at.us = get_int(x);
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

static int bad_row(struct sqlite *s, const char *table, const char *id)
{
        (void)snprintf(s->error, sizeof(s->error), "the row \"%.40s\" of the table %s is not valid",
                       id, table);
        return -EUCLEAN;
}

/* 1 a row is there, 0 the end, -errno. */
static int next_row(struct sqlite *s, struct cursor *x)
{
        int rc = sqlite3_step(x->st);

        x->col = 0;
        if (rc == SQLITE_ROW)
                return 1;
        if (rc == SQLITE_DONE)
                return 0;
        return failed(s, rc, "read");
}

/* Reads one row and, if it can be, gives it away. */
typedef void (*row_fn)(struct cursor *x, const void *to);

static int each_row(struct sqlite *s, struct cursor *x, const char *table, row_fn fn,
                    const void *to)
{
        int r;

        while ((r = next_row(s, x)) > 0) {
                fn(x, to);
                if (x->bad) {
                        r = bad_row(s, table, (const char *)sqlite3_column_text(x->st, 0));
                        break;
                }
        }
        (void)sqlite3_reset(x->st);
        return r;
}

static int each_of(struct sqlite *s, enum statement which, const char *table, row_fn fn,
                   const void *to)
{
        struct cursor x = bind_start(s, which);

        return each_row(s, &x, table, fn, to);
}

static void give_workspace(struct cursor *x, const void *to)
{
        const struct store_visitor *v = to;
        struct workspace_row row = {0};

        read_workspace(x, &row);
        if (!x->bad && v->workspace)
                v->workspace(v->ctx, &row);
}

static void give_task(struct cursor *x, const void *to)
{
        const struct store_visitor *v = to;
        struct task_row row = {0};

        read_task(x, &row);
        if (!x->bad && v->task)
                v->task(v->ctx, &row);
}

/* What store_visitor.brief leaves out. */
static bool is_leaders(const char *name)
{
        return str_starts(name, "pool.") || str_starts(name, "course.") ||
               str_starts(name, "timetable.") || strcmp(name, "timetable") == 0;
}

static void give_setting(struct cursor *x, const void *to)
{
        const struct store_visitor *v = to;
        struct setting_row row = {0};

        GET_TEXT(x, row.name);
        GET_TEXT(x, row.value);
        if (!x->bad && v->setting && !(v->brief && is_leaders(row.name)))
                v->setting(v->ctx, &row);
}

static int load_counters(struct sqlite *s, const struct store_visitor *v)
{
        struct cursor x = bind_start(s, ST_COUNTERS);
        uint64_t counters[STORE_COUNTER_MAX] = {0};
        int r;

        while ((r = next_row(s, &x)) > 0) {
                char name[CORE_NAME_SIZE] = "";

                GET_TEXT(&x, name);
                for (int i = 0; i < STORE_COUNTER_MAX; i++) {
                        if (strcmp(name, store_counter_names[i]) == 0)
                                counters[i] = (uint64_t)sqlite3_column_int64(x.st, 1);
                }
        }
        (void)sqlite3_reset(x.st);
        if (r == 0 && v->counters)
                v->counters(v->ctx, counters);
        return r;
}

static int sqlite_load(struct store *base, const struct store_visitor *v, store_done_fn done,
                       void *ctx)
{
        struct sqlite *s = sqlite_of(base);
        int r = each_of(s, ST_LOAD_WORKSPACES, "workspace", give_workspace, v);

        if (r == 0)
                r = each_of(s, ST_LOAD_TASKS, "task", give_task, v);
        if (r == 0)
                r = each_of(s, ST_LOAD_SETTINGS, "setting", give_setting, v);
        if (r == 0)
                r = load_counters(s, v);
        done(ctx, r);
        return 0;
}

/* ---- writing ---- */

static int run_plain(struct sqlite *s, enum statement which)
{
        struct cursor x = bind_start(s, which);

        return run(s, &x);
}

static int sqlite_begin(struct store *base)
{
        return run_plain(sqlite_of(base), ST_BEGIN);
}

static void sqlite_rollback(struct store *base)
{
        struct sqlite *s = sqlite_of(base);

        /* SQLite rolls back by itself after some failures (disk full). */
        if (!sqlite3_get_autocommit(s->db))
                (void)run_plain(s, ST_ROLLBACK);
}

static int sqlite_commit(struct store *base, store_done_fn done, void *ctx)
{
        struct sqlite *s = sqlite_of(base);

        (void)done;
        (void)ctx;
        if (s->lease.mine)
                return run_plain(s, ST_COMMIT);
        sqlite_rollback(base);
        return STORE_FENCED;
}

static int sqlite_put_workspace(struct store *base, const struct workspace_row *row)
{
        struct sqlite *s = sqlite_of(base);
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
        bind_int(&x, row->home);
        bind_int(&x, row->human_at.us);
        return run(s, &x);
}

static int sqlite_del_workspace(struct store *base, const char *id)
{
        struct sqlite *s = sqlite_of(base);
        struct cursor x = bind_start(s, ST_ERASED);
        int r;

        bind_text(&x, store_counter_names[STORE_GENERATION]);
        bind_text(&x, id);
        r = run(s, &x);
        if (r < 0)
                return r;
        x = bind_start(s, ST_DEL_WORKSPACE);
        bind_text(&x, id);
        return run(s, &x);
}

static int sqlite_put_task(struct store *base, const struct task_row *row)
{
        struct sqlite *s = sqlite_of(base);
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

static int sqlite_del_task(struct store *base, const char *id)
{
        struct sqlite *s = sqlite_of(base);
        struct cursor x = bind_start(s, ST_DEL_TASK);

        bind_text(&x, id);
        return run(s, &x);
}

static int sqlite_put_setting(struct store *base, const struct setting_row *row)
{
        struct sqlite *s = sqlite_of(base);
        struct cursor x = bind_start(s, row->value[0] ? ST_PUT_SETTING : ST_DEL_SETTING);

        bind_text(&x, row->name);
        if (row->value[0])
                bind_text(&x, row->value);
        return run(s, &x);
}

static int sqlite_raise_counter(struct store *base, enum store_counter which, uint64_t value)
{
        struct sqlite *s = sqlite_of(base);
        struct cursor x = bind_start(s, ST_COUNTER);

        bind_text(&x, store_counter_names[which]);
        bind_int(&x, (int64_t)value);
        return run(s, &x);
}

static int sqlite_audit(struct store *base, const struct audit_row *row)
{
        struct sqlite *s = sqlite_of(base);
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
        return r < 0 ? r : sqlite_raise_counter(base, STORE_AUDIT_SEQ, row->seq);
}

/* ---- the history ---- */

struct audit_sink {
        store_audit_fn fn;
        void *ctx;
};

static void give_audit(struct cursor *x, const void *to)
{
        const struct audit_sink *sink = to;
        struct audit_row row = {0};

        row.seq = get_u64(x);
        row.at.us = get_int(x);
        GET_TEXT(x, row.workspace);
        GET_TEXT(x, row.task);
        GET_TEXT(x, row.actor);
        GET_TEXT(x, row.what);
        GET_TEXT(x, row.detail);
        if (!x->bad)
                sink->fn(sink->ctx, &row);
}

static void bind_workspace_or_null(struct cursor *x, const char *workspace)
{
        if (workspace)
                bind_text(x, workspace);
        else
                (void)sqlite3_bind_null(x->st, ++x->col);
}

static int sqlite_audit_after(struct store *base, uint64_t after_seq, const char *workspace,
                              uint32_t limit, store_audit_fn fn, store_done_fn done, void *ctx)
{
        struct sqlite *s = sqlite_of(base);
        struct cursor x = bind_start(s, ST_AUDIT_AFTER);

        bind_int(&x, (int64_t)after_seq);
        bind_workspace_or_null(&x, workspace);
        bind_int(&x, limit);
        done(ctx, each_row(s, &x, "audit", give_audit, &(struct audit_sink){fn, ctx}));
        return 0;
}

static int sqlite_audit_newest(struct store *base, const char *workspace, uint32_t limit,
                               store_audit_fn fn, store_done_fn done, void *ctx)
{
        struct sqlite *s = sqlite_of(base);
        struct cursor x = bind_start(s, ST_AUDIT_NEWEST);

        bind_workspace_or_null(&x, workspace);
        bind_int(&x, limit);
        done(ctx, each_row(s, &x, "audit", give_audit, &(struct audit_sink){fn, ctx}));
        return 0;
}

static int sqlite_audit_prune(struct store *base, utc_t before, store_done_fn done, void *ctx)
{
        struct sqlite *s = sqlite_of(base);
        struct cursor x = bind_start(s, ST_PRUNE);
        int r = STORE_FENCED;

        bind_int(&x, before.us);
        bind_int(&x, STORE_PRUNE_ROWS_MAX);
        if (s->lease.mine)
                r = run(s, &x);
        if (r == 0 && sqlite3_changes(s->db) == STORE_PRUNE_ROWS_MAX)
                r = STORE_MORE;
        done(ctx, r);
        return 0;
}

/* ---- the lease: who has the file has it ---- */

static int next_epoch(struct sqlite *s)
{
        struct cursor x = bind_start(s, ST_EPOCH);
        int r = next_row(s, &x);

        if (r > 0) {
                s->lease.epoch = get_u64(&x);
                r = next_row(s, &x); /* to its end, or it is not committed */
        }
        (void)sqlite3_reset(x.st);
        return r;
}

static int sqlite_lease_take(struct store *base)
{
        struct sqlite *s = sqlite_of(base);
        int r;

        if (!s->lease.mine && !s->released) {
                r = next_epoch(s);
                if (r < 0)
                        return r;
                s->lease.mine = true;
        }
        if (s->hooks.lease)
                s->hooks.lease(s->hooks.ctx, &s->lease);
        return 0;
}

static void sqlite_lease_release(struct store *base)
{
        struct sqlite *s = sqlite_of(base);

        s->lease.mine = false;
        s->released = true;
}

/* ---- life ---- */

static struct store *sqlite_free_base(struct store *base)
{
        sqlite_free(sqlite_of(base));
        return NULL;
}

static const char *sqlite_error(const struct store *base)
{
        const struct sqlite *s = (const void *)base; /* it begins with its base */

        return s->error;
}

static bool sqlite_up(const struct store *base)
{
        (void)base;
        return true;
}

static const struct store_class sqlite_class = {
        .free = sqlite_free_base,
        .error = sqlite_error,
        .up = sqlite_up,
        .lease_take = sqlite_lease_take,
        .lease_release = sqlite_lease_release,
        .load = sqlite_load,
        .begin = sqlite_begin,
        .put_workspace = sqlite_put_workspace,
        .del_workspace = sqlite_del_workspace,
        .put_task = sqlite_put_task,
        .del_task = sqlite_del_task,
        .put_setting = sqlite_put_setting,
        .audit = sqlite_audit,
        .raise_counter = sqlite_raise_counter,
        .commit = sqlite_commit,
        .rollback = sqlite_rollback,
        .audit_after = sqlite_audit_after,
        .audit_newest = sqlite_audit_newest,
        .audit_prune = sqlite_audit_prune,
};

int store_sqlite_open(struct loop *l, const struct store_config *config,
                      const struct store_hooks *hooks, char ret_error[static STORE_ERROR_SIZE],
                      struct store **ret_store)
{
        struct sqlite *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->base.class = &sqlite_class;
        s->lease.until = MONO_NEVER;
        STR_CUT(s->lease.holder, config->holder ? config->holder : "");
        STR_CUT(s->lease.addresses, config->addresses ? config->addresses : "");
        if (hooks)
                s->hooks = *hooks;
        r = open_checked(s, config->url);
        if (r < 0) {
                (void)snprintf(ret_error, STORE_ERROR_SIZE, "%.200s: %.200s; %s", config->url,
                               s->error, advice(r));
                sqlite_free(s);
                return r;
        }
        loop_timer_init(l, &s->checkpoint, on_checkpoint, s->db);
        (void)sqlite3_wal_hook(s->db, on_wal, &s->checkpoint);
        *ret_store = &s->base;
        return 0;
}
