/*
 * The verbs of store.h for a PostgreSQL database: what is put is text that waits for the commit,
 * what is asked waits in line. The connection is in postgres.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "store/postgres.h"
#include "store/postgres_text.h"

#define RELEASE_MS 1000

static struct postgres *postgres_of(struct store *s)
{
        return container_of(s, struct postgres, base);
}

static int postgres_lease_take(struct store *base)
{
        struct postgres *s = postgres_of(base);

        if (!s->up)
                return -ENOTCONN;
        if (s->want_lease || s->asking == ASK_LEASE)
                return -EBUSY;
        s->want_lease = true;
        postgres_ask_next(s);
        return 0;
}

static void postgres_lease_release(struct store *base)
{
        struct postgres *s = postgres_of(base);
        mono_t end = mono_add_ms(mono_read(), RELEASE_MS);
        char sql[SQL_SIZE];

        if (!s->up || s->epoch == 0 || s->lost)
                return;
        (void)snprintf(sql, sizeof(sql),
                       "UPDATE lease SET expires_at = clock_timestamp(), holder = ''"
                       " WHERE epoch = %llu",
                       (unsigned long long)s->epoch);
        s->lost = true;
        postgres_ask_last(s, sql, end);
}

static int put_in_line(struct postgres *s, const struct question *q)
{
        if (!s->up)
                return -ENOTCONN;
        if (s->n_waiting == QUESTIONS_MAX)
                return -EBUSY;
        s->waiting[s->n_waiting++] = *q;
        postgres_ask_next(s);
        return 0;
}

static int postgres_load(struct store *base, const struct store_visitor *v, store_done_fn done,
                         void *ctx)
{
        struct question q = {.ask = ASK_LOAD, .visitor = *v, .done = done, .ctx = ctx};

        return put_in_line(postgres_of(base), &q);
}

static int ask_audit(struct postgres *s, const char *head, const char *workspace, const char *tail,
                     struct question *q)
{
        AUTO_BUF sql = BUF_INIT(SQL_SIZE);
        int r = buf_append_str(&sql, head);

        if (r == 0 && workspace)
                r = buf_append_str(&sql, " AND workspace = ");
        if (r == 0 && workspace)
                r = pg_quote(&sql, workspace);
        if (r == 0)
                r = buf_append_str(&sql, tail);
        if (r == 0)
                r = buf_terminate(&sql);
        if (r < 0)
                return r;
        q->ask = ASK_AUDIT;
        STR_CUT(q->sql, (const char *)sql.data);
        return put_in_line(s, q);
}

static int postgres_audit_after(struct store *base, uint64_t after_seq, const char *workspace,
                                uint32_t limit, store_audit_fn fn, store_done_fn done, void *ctx)
{
        struct question q = {.audit = fn, .audit_ctx = ctx, .done = done, .ctx = ctx};
        char head[128], tail[64];

        (void)snprintf(head, sizeof(head), PG_SELECT_AUDIT " WHERE seq > %lld",
                       (long long)after_seq);
        (void)snprintf(tail, sizeof(tail), " ORDER BY seq LIMIT %u", limit);
        return ask_audit(postgres_of(base), head, workspace, tail, &q);
}

static int postgres_audit_newest(struct store *base, const char *workspace, uint32_t limit,
                                 store_audit_fn fn, store_done_fn done, void *ctx)
{
        struct question q = {.audit = fn, .audit_ctx = ctx, .done = done, .ctx = ctx};
        char tail[80];

        (void)snprintf(tail, sizeof(tail), " ORDER BY seq DESC LIMIT %u) newest ORDER BY seq",
                       limit);
        return ask_audit(postgres_of(base), "SELECT * FROM (" PG_SELECT_AUDIT " WHERE true",
                         workspace, tail, &q);
}

static int postgres_audit_prune(struct store *base, utc_t before, store_done_fn done, void *ctx)
{
        struct postgres *s = postgres_of(base);
        struct question q = {.ask = ASK_PRUNE, .done = done, .ctx = ctx};

        (void)snprintf(q.sql, sizeof(q.sql), "SELECT audit_prune(%llu,%lld,%d)",
                       (unsigned long long)s->epoch, (long long)before.us, STORE_PRUNE_ROWS_MAX);
        return put_in_line(s, &q);
}

static int postgres_begin(struct store *base)
{
        struct postgres *s = postgres_of(base);

        if (s->want_commit || s->unresolved || s->asking == ASK_COMMIT)
                return -EBUSY;
        buf_clear(&s->batch);
        s->number++;
        return buf_printf(&s->batch, "SELECT batch_begin(%llu,%llu);\n",
                          (unsigned long long)s->epoch, (unsigned long long)s->number);
}

static int postgres_put_workspace(struct store *base, const struct workspace_row *row)
{
        return pg_put_workspace(&postgres_of(base)->batch, row);
}

static int postgres_del_workspace(struct store *base, const char *id)
{
        return pg_del_workspace(&postgres_of(base)->batch, id);
}

static int postgres_put_task(struct store *base, const struct task_row *row)
{
        return pg_put_task(&postgres_of(base)->batch, row);
}

static int postgres_del_task(struct store *base, const char *id)
{
        return pg_del_task(&postgres_of(base)->batch, id);
}

static int postgres_put_setting(struct store *base, const struct setting_row *row)
{
        return pg_put_setting(&postgres_of(base)->batch, row);
}

static int postgres_raise_counter(struct store *base, enum store_counter which, uint64_t value)
{
        return pg_raise_counter(&postgres_of(base)->batch, store_counter_names[which], value);
}

static int postgres_audit(struct store *base, const struct audit_row *row)
{
        int r = pg_audit(&postgres_of(base)->batch, row);

        return r < 0 ? r : postgres_raise_counter(base, STORE_AUDIT_SEQ, row->seq);
}

static int postgres_commit(struct store *base, store_done_fn done, void *ctx)
{
        struct postgres *s = postgres_of(base);
        int r;

        if (s->epoch == 0 || s->lost)
                return STORE_FENCED;
        if (!s->up)
                return -ENOTCONN;
        r = buf_terminate(&s->batch);
        if (r < 0)
                return r;
        s->committed = done;
        s->committed_ctx = ctx;
        s->want_commit = true;
        postgres_ask_next(s);
        return STORE_PENDING;
}

static void postgres_rollback(struct store *base)
{
        struct postgres *s = postgres_of(base);

        if (!s->want_commit && !s->unresolved && s->asking != ASK_COMMIT)
                buf_clear(&s->batch);
}

static const char *postgres_error(const struct store *base)
{
        const struct postgres *s = (const void *)base; /* it begins with its base */

        return s->error;
}

static bool postgres_up(const struct store *base)
{
        const struct postgres *s = (const void *)base;

        return s->up;
}

/* ---- life ---- */

static struct store *postgres_free(struct store *base)
{
        struct postgres *s = postgres_of(base);

        postgres_disconnect(s);
        loop_timer_cancel(&s->retry);
        buf_deinit(&s->batch);
        free(s);
        return NULL;
}

static const struct store_class postgres_class = {
        .free = postgres_free,
        .error = postgres_error,
        .up = postgres_up,
        .lease_take = postgres_lease_take,
        .lease_release = postgres_lease_release,
        .load = postgres_load,
        .begin = postgres_begin,
        .put_workspace = postgres_put_workspace,
        .del_workspace = postgres_del_workspace,
        .put_task = postgres_put_task,
        .del_task = postgres_del_task,
        .put_setting = postgres_put_setting,
        .audit = postgres_audit,
        .raise_counter = postgres_raise_counter,
        .commit = postgres_commit,
        .rollback = postgres_rollback,
        .audit_after = postgres_audit_after,
        .audit_newest = postgres_audit_newest,
        .audit_prune = postgres_audit_prune,
};

static int copy_config(struct postgres *s, const struct store_config *c)
{
        int r = STR_SET(s->url, c->url);

        if (r == 0)
                r = STR_SET(s->password_file, c->password_file ? c->password_file : "");
        if (r == 0)
                r = STR_SET(s->holder, c->holder ? c->holder : "");
        if (r == 0)
                r = STR_SET(s->addresses, c->addresses ? c->addresses : "");
        if (r < 0 || !s->holder[0] || c->lease_ms <= 0) {
                (void)snprintf(s->error, sizeof(s->error),
                               "a name is too long or missing; shorten the store's URL, the "
                               "password file's path, the holder or its addresses");
                return -EINVAL;
        }
        s->lease_ms = c->lease_ms;
        return postgres_check_url(s);
}

int store_postgres_open(struct loop *l, const struct store_config *config,
                        const struct store_hooks *hooks, char ret_error[static STORE_ERROR_SIZE],
                        struct store **ret_store)
{
        struct postgres *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->base.class = &postgres_class;
        s->loop = l;
        s->io = LOOP_FD_NULL;
        s->batch = BUF_INIT(BATCH_BYTES_MAX);
        if (hooks)
                s->hooks = *hooks;
        r = copy_config(s, config);
        if (r < 0) {
                str_copy_cut(ret_error, STORE_ERROR_SIZE, s->error);
                postgres_free(&s->base);
                return r;
        }
        postgres_connect(s);
        *ret_store = &s->base;
        return 0;
}
