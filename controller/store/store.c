/* Which kind of store a URL names, and the way from each verb to it. */
#include "store/store.h"

#include "base/str.h"
#include "store/backend.h"

const char *const store_counter_names[STORE_COUNTER_MAX] = {
        [STORE_TASK_NUMBER] = "task_number",
        [STORE_AUDIT_SEQ] = "audit_seq",
        [STORE_COMMAND_ID] = "command_id",
        [STORE_GENERATION] = "generation",
};

int store_open(struct loop *l, const struct store_config *config, const struct store_hooks *hooks,
               char ret_error[static STORE_ERROR_SIZE], struct store **ret_store)
{
        if (str_starts(config->url, "postgresql://") || str_starts(config->url, "postgres://"))
                return store_postgres_open(l, config, hooks, ret_error, ret_store);
        return store_sqlite_open(l, config, hooks, ret_error, ret_store);
}

struct store *store_free(struct store *s)
{
        return s ? s->class->free(s) : NULL;
}

const char *store_error(const struct store *s)
{
        return s->class->error(s);
}

bool store_up(const struct store *s)
{
        return s->class->up(s);
}

int store_lease_take(struct store *s)
{
        return s->class->lease_take(s);
}

void store_lease_release(struct store *s)
{
        s->class->lease_release(s);
}

int store_load(struct store *s, const struct store_visitor *v, store_done_fn done, void *ctx)
{
        return s->class->load(s, v, done, ctx);
}

int store_begin(struct store *s)
{
        return s->class->begin(s);
}

int store_put_workspace(struct store *s, const struct workspace_row *row)
{
        return s->class->put_workspace(s, row);
}

int store_del_workspace(struct store *s, const char *id)
{
        return s->class->del_workspace(s, id);
}

int store_put_task(struct store *s, const struct task_row *row)
{
        return s->class->put_task(s, row);
}

int store_del_task(struct store *s, const char *id)
{
        return s->class->del_task(s, id);
}

int store_put_setting(struct store *s, const struct setting_row *row)
{
        return s->class->put_setting(s, row);
}

int store_audit(struct store *s, const struct audit_row *row)
{
        return s->class->audit(s, row);
}

int store_raise_counter(struct store *s, enum store_counter which, uint64_t value)
{
        return s->class->raise_counter(s, which, value);
}

int store_commit(struct store *s, store_done_fn done, void *ctx)
{
        return s->class->commit(s, done, ctx);
}

void store_rollback(struct store *s)
{
        s->class->rollback(s);
}

int store_audit_after(struct store *s, uint64_t after_seq, const char *workspace, uint32_t limit,
                      store_audit_fn fn, store_done_fn done, void *ctx)
{
        return s->class->audit_after(s, after_seq, workspace, limit, fn, done, ctx);
}

int store_audit_newest(struct store *s, const char *workspace, uint32_t limit, store_audit_fn fn,
                       store_done_fn done, void *ctx)
{
        return s->class->audit_newest(s, workspace, limit, fn, done, ctx);
}

int store_audit_prune(struct store *s, utc_t before, store_done_fn done, void *ctx)
{
        return s->class->audit_prune(s, before, done, ctx);
}
