/* The core object: its tables, its one step, its views. Decisions are in the other files. */
#include "core/core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

static bool limits_valid(const struct idle_limits *l)
{
        return l->idle_ms >= 0 && l->never_connected_ms >= 0 && l->disconnected_ms >= 0 &&
               l->job_ms >= 0 && l->lifetime_ms >= 0;
}

static int config_check(const struct core_config *config)
{
        if (config->n_types == 0 || config->n_types > CORE_TYPES_MAX)
                return -EINVAL;
        if (config->workspaces_max == 0 || config->tasks_max == 0)
                return -EINVAL;
        if (config->workspaces_max >= INDEX_NONE || config->tasks_max >= INDEX_NONE)
                return -EINVAL;
        if (config->heartbeat_ms <= 0 || config->retry_save_ms <= 0 || config->stops_per_min == 0)
                return -EINVAL;
        if (config->quiet_ms < 0 || config->agent_lost_ms <= 0 || config->erase_delay_ms < 0)
                return -EINVAL;
        for (uint32_t i = 0; i < config->n_types; i++) {
                const struct core_type *t = &config->types[i];

                if (!name_valid(t->name, CORE_TYPE_SIZE - 1) || !limits_valid(&t->limits))
                        return -EINVAL;
                if (t->launch_timeout_ms <= 0 || t->claim_timeout_ms <= 0 ||
                    t->stop_timeout_ms <= 0)
                        return -EINVAL;
                for (uint32_t k = 0; k < i; k++) {
                        if (strcmp(config->types[k].name, t->name) == 0)
                                return -EINVAL;
                }
        }
        return 0;
}

static mono_t *due_table(uint32_t n)
{
        mono_t *due = malloc(sizeof(*due) * n);

        for (uint32_t i = 0; due && i < n; i++)
                due[i] = MONO_NEVER;
        return due;
}

static int tables_new(struct core *c)
{
        uint32_t n_ws = c->config.workspaces_max;
        uint32_t n_tasks = c->config.tasks_max;
        int r;

        c->workspaces = calloc(n_ws, sizeof(*c->workspaces));
        c->tasks = calloc(n_tasks, sizeof(*c->tasks));
        c->workspace_due = due_table(n_ws);
        c->task_due = due_table(n_tasks);
        if (!c->workspaces || !c->tasks || !c->workspace_due || !c->task_due)
                return -ENOMEM;
        r = index_init(&c->workspace_index, n_ws, c->workspaces[0].row.id, sizeof(*c->workspaces));
        if (r < 0)
                return r;
        return index_init(&c->task_index, n_tasks, c->tasks[0].row.id, sizeof(*c->tasks));
}

int core_new(const struct core_config *config, struct core **ret_core)
{
        struct core *c;
        int r = config_check(config);

        if (r < 0)
                return r;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->config = *config;
        c->fallback = (struct core_type){
                .launch_timeout_ms = 60000, .claim_timeout_ms = 60000, .stop_timeout_ms = 120000};
        c->pool_due = c->drain_due = c->drain_until = MONO_NEVER;
        for (uint32_t i = 0; i < CORE_TYPES_MAX; i++) {
                pool_breaker_init(&c->pools[i].breaker);
                c->pools[i].wait_head = c->pools[i].wait_tail = INDEX_NONE;
        }
        r = tables_new(c);
        if (r < 0) {
                core_free(c);
                return r;
        }
        *ret_core = c;
        return 0;
}

struct core *core_free(struct core *c)
{
        if (!c)
                return NULL;
        index_deinit(&c->workspace_index);
        index_deinit(&c->task_index);
        free(c->workspaces);
        free(c->tasks);
        free(c->workspace_due);
        free(c->task_due);
        free(c);
        return NULL;
}

/* ---- effects ---- */

bool fx_room(const struct core *c)
{
        return c->fx->n + ENTITY_EFFECTS_MAX <= CORE_EFFECTS_MAX;
}

struct core_effect *fx_add(struct core *c, enum core_effect_type type)
{
        struct core_effect *fx;

        assert(c->fx->n < CORE_EFFECTS_MAX);
        fx = &c->fx->v[c->fx->n++];
        memset(fx, 0, sizeof(*fx));
        fx->type = type;
        return fx;
}

void fx_audit(struct core *c, const char *workspace, const char *task, const char *actor,
              const char *what, const char *detail)
{
        struct audit_row *row = &fx_add(c, FX_AUDIT)->audit_row;

        row->seq = ++c->audit_seq;
        row->at = c->utc;
        STR_CUT(row->workspace, workspace);
        STR_CUT(row->task, task);
        STR_CUT(row->actor, actor[0] ? actor : "core");
        STR_CUT(row->what, what);
        STR_CUT(row->detail, detail);
}

void fx_reply(struct core *c, uint64_t token, enum reply_status status, const char *workspace)
{
        struct core_effect *fx;

        if (token == 0)
                return;
        fx = fx_add(c, FX_REPLY);
        fx->reply.token = token;
        fx->reply.status = status;
        STR_CUT(fx->reply.workspace, workspace);
}

void fx_put_workspace(struct core *c, const struct workspace *w)
{
        fx_add(c, FX_PUT_WORKSPACE)->workspace_row = w->row;
}

void fx_put_task(struct core *c, const struct task *t)
{
        fx_add(c, FX_PUT_TASK)->task_row = t->row;
}

/* ---- tables ---- */

const struct core_type *type_config(const struct core *c, uint32_t type)
{
        return type < c->config.n_types ? &c->config.types[type] : &c->fallback;
}

uint32_t type_find(const struct core *c, const char *name)
{
        uint32_t i = 0;

        while (i < c->config.n_types && strcmp(c->config.types[i].name, name) != 0)
                i++;
        return i;
}

struct workspace *workspace_find(const struct core *c, const char *id)
{
        uint32_t slot = id[0] ? index_find(&c->workspace_index, id) : INDEX_NONE;

        return slot == INDEX_NONE ? NULL : &c->workspaces[slot];
}

struct task *task_find(const struct core *c, const char *id)
{
        uint32_t slot = id[0] ? index_find(&c->task_index, id) : INDEX_NONE;

        return slot == INDEX_NONE ? NULL : &c->tasks[slot];
}

struct workspace *workspace_add(struct core *c, const struct workspace_row *row)
{
        uint32_t slot = index_take(&c->workspace_index);
        struct workspace *w;

        if (slot == INDEX_NONE)
                return NULL;
        w = &c->workspaces[slot];
        memset(w, 0, sizeof(*w));
        w->row = *row;
        w->slot = slot;
        w->type = type_find(c, row->key.type);
        w->wait_next = INDEX_NONE;
        w->ask_at = MONO_NEVER;
        w->requested_at = w->person_at = w->hold_until = c->now;
        w->hold_why = "";
        index_link(&c->workspace_index, slot);
        return w;
}

void workspace_drop(struct core *c, struct workspace *w)
{
        uint32_t slot = w->slot;

        pools_unwait(c, w);
        index_drop(&c->workspace_index, slot);
        memset(w, 0, sizeof(*w));
        c->workspace_due[slot] = MONO_NEVER;
}

struct task *task_add(struct core *c, const struct task_row *row)
{
        uint32_t slot = index_take(&c->task_index);
        struct task *t;

        if (slot == INDEX_NONE)
                return NULL;
        t = &c->tasks[slot];
        memset(t, 0, sizeof(*t));
        t->row = *row;
        t->slot = slot;
        t->type = type_find(c, row->type);
        t->since = t->alert_at = c->now;
        t->ask_at = MONO_NEVER;
        t->live.heard_at = t->live.claimed_at = t->live.ready_at = c->now;
        t->live.person_age_ms = t->live.unsaved_age_ms = -1;
        index_link(&c->task_index, slot);
        return t;
}

void task_drop(struct core *c, struct task *t)
{
        uint32_t slot = t->slot;

        index_drop(&c->task_index, slot);
        memset(t, 0, sizeof(*t));
        c->task_due[slot] = MONO_NEVER;
}

struct task *task_of(const struct core *c, const struct workspace *w)
{
        return task_find(c, w->row.task);
}

/* Both sides must agree: a row from a store that was repaired by hand may point anywhere. */
struct workspace *workspace_of(const struct core *c, const struct task *t)
{
        struct workspace *w = workspace_find(c, t->row.workspace);

        return w && strcmp(w->row.task, t->row.id) == 0 ? w : NULL;
}

int64_t backoff_ms(uint32_t tries)
{
        int64_t ms = STORAGE_PAUSE_MIN_MS;

        while (tries-- > 0 && ms < STORAGE_PAUSE_MAX_MS)
                ms *= 2;
        return MIN(ms, STORAGE_PAUSE_MAX_MS);
}

/* ---- the step ---- */

void core_step(struct core *c, const struct core_event *ev, struct core_effects *fx)
{
        /* Outside of EV_DEADLINE's loop an event concerns one entity and the pools. */
        assert(fx->n + CORE_STEP_ROOM <= CORE_EFFECTS_MAX);
        assert(!mono_before(ev->now, c->now));
        c->now = ev->now;
        c->utc = ev->utc;
        c->fx = fx;
        events_dispatch(c, ev);
        if (c->pool_dirty || mono_due(c->pool_due, c->now))
                pools_run(c);
        c->fx = NULL;
}

mono_t core_next_deadline(const struct core *c)
{
        mono_t due = mono_min(c->pool_due, c->drain_due);

        if (!c->open)
                return MONO_NEVER;
        for (uint32_t i = 0; i < c->config.tasks_max; i++)
                due = mono_min(due, c->task_due[i]);
        for (uint32_t i = 0; i < c->config.workspaces_max; i++)
                due = mono_min(due, c->workspace_due[i]);
        return due;
}

/* ---- views ---- */

const struct workspace_row *core_workspace(const struct core *c, const char *id)
{
        const struct workspace *w = workspace_find(c, id);

        return w ? &w->row : NULL;
}

const struct task_row *core_task(const struct core *c, const char *id)
{
        const struct task *t = task_find(c, id);

        return t ? &t->row : NULL;
}

const struct task_live *core_task_live(const struct core *c, const char *id)
{
        const struct task *t = task_find(c, id);

        return t ? &t->live : NULL;
}

const struct workspace_row *core_next_workspace(const struct core *c, size_t *pos)
{
        while (*pos < c->config.workspaces_max) {
                const struct workspace *w = &c->workspaces[(*pos)++];

                if (w->row.id[0])
                        return &w->row;
        }
        return NULL;
}

const struct task_row *core_next_task(const struct core *c, size_t *pos)
{
        while (*pos < c->config.tasks_max) {
                const struct task *t = &c->tasks[(*pos)++];

                if (t->row.id[0])
                        return &t->row;
        }
        return NULL;
}

bool core_pool(const struct core *c, uint32_t i, struct pool_view *ret_view)
{
        const struct pool *p;

        if (i >= c->config.n_types)
                return false;
        p = &c->pools[i];
        *ret_view = (struct pool_view){.type = c->config.types[i].name,
                                       .target = p->target,
                                       .waiting = p->waiting,
                                       .hits = p->hits,
                                       .misses = p->misses,
                                       .reason = p->reason,
                                       .breaker_until = p->breaker.until};
        pools_count(c, i, ret_view);
        return true;
}

bool core_draining(const struct core *c)
{
        return c->draining;
}

uint64_t core_ignored(const struct core *c)
{
        return c->ignored;
}
