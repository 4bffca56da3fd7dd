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

static bool sizing_valid(const struct core_sizing *s)
{
        if (!s->forecast)
                return true;
        return s->floor <= s->ceiling && s->floor_quiet <= s->ceiling && s->hit_rate > 0 &&
               s->hit_rate < 1 && s->task_hour >= 0 && s->day_max >= 0 && s->month_max >= 0 &&
               s->schedule.zone.n <= ZONE_STEPS_MAX &&
               s->schedule.n_holidays <= SCHEDULE_HOLIDAYS_MAX;
}

static bool adaptive_valid(const struct core_type *t)
{
        const struct core_adaptive *a = &t->adaptive;

        return !a->on || (a->idle_ms_min > 0 && a->idle_ms_min <= a->idle_ms_max &&
                          a->value_of_time >= 0 && t->sizing.task_hour > 0);
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
        if (config->launch_rate < 0 || (config->launch_rate > 0 && config->launch_burst < 1))
                return -EINVAL;
        if (config->stop_rate < 0 || (config->stop_rate > 0 && config->stop_burst < 1))
                return -EINVAL;
        if (config->quiet_ms < 0 || config->agent_lost_ms <= 0 || config->erase_delay_ms < 0)
                return -EINVAL;
        for (uint32_t i = 0; i < config->n_types; i++) {
                const struct core_type *t = &config->types[i];

                if (!name_valid(t->name, CORE_TYPE_SIZE - 1) || !limits_valid(&t->limits))
                        return -EINVAL;
                if (t->launch_timeout_ms <= 0 || t->claim_timeout_ms <= 0 ||
                    t->stop_timeout_ms <= 0 || t->warm_age_ms < 0 || t->refill_per_min < 0)
                        return -EINVAL;
                if (!sizing_valid(&t->sizing) || !adaptive_valid(t))
                        return -EINVAL;
                for (uint32_t k = 0; k < i; k++) {
                        if (strcmp(config->types[k].name, t->name) == 0)
                                return -EINVAL;
                }
        }
        return 0;
}

static int users_new(struct core *c)
{
        c->n_user_buckets = 16;
        while (c->n_user_buckets < c->config.workspaces_max)
                c->n_user_buckets *= 2;
        c->user_buckets = malloc(sizeof(*c->user_buckets) * c->n_user_buckets);
        for (uint32_t i = 0; c->user_buckets && i < c->n_user_buckets; i++)
                c->user_buckets[i] = INDEX_NONE;
        return c->user_buckets ? 0 : -ENOMEM;
}

static int tables_new(struct core *c)
{
        uint32_t n_ws = c->config.workspaces_max;
        uint32_t n_tasks = c->config.tasks_max;
        int r;

        c->workspaces = calloc(n_ws, sizeof(*c->workspaces));
        c->tasks = calloc(n_tasks, sizeof(*c->tasks));
        if (!c->workspaces || !c->tasks)
                return -ENOMEM;
        r = users_new(c);
        if (r == 0)
                r = timers_init(&c->workspace_timers, n_ws);
        if (r == 0)
                r = timers_init(&c->task_timers, n_tasks);
        if (r < 0)
                return r;
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
        for (uint32_t i = 0; i <= CORE_TYPES_MAX; i++) {
                struct pool *p = &c->pools[i];

                pool_breaker_init(&p->breaker);
                pool_backoff_init(&p->backoff);
                p->wait_head = p->wait_tail = INDEX_NONE;
                p->warm = p->claimed = (struct task_list){INDEX_NONE, INDEX_NONE};
        }
        r = tables_new(c);
        pace_new(c);
        if (r == 0)
                r = sizing_new(c);
        if (r == 0)
                r = adaptive_new(c);
        c->document = document_new();
        if (!c->document)
                r = -ENOMEM;
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
        sizing_free(c);
        free(c->document);
        adaptive_free(c);
        index_deinit(&c->workspace_index);
        index_deinit(&c->task_index);
        free(c->workspaces);
        free(c->tasks);
        timers_deinit(&c->workspace_timers);
        timers_deinit(&c->task_timers);
        free(c->user_buckets);
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

/*
 * Nothing idle is paid for, so a class of a thousand must not take half an hour to go; and what a
 * wrong verdict could do in the minute in which somebody notices stays a part of all.
 */
uint32_t stops_limit(const struct core *c)
{
        return MAX(c->config.stops_per_min, (uint32_t)(c->stops_base * c->config.stops_share));
}

/* As many as there were in the last minutes: it must not shrink as fast as they go. */
static void stops_count_base(struct core *c)
{
        uint32_t n = c->config.tasks_max - c->task_index.n_free;

        c->stops_base = MAX(n, c->stops_base - c->stops_base / STOPS_BASE_FADES);
}

bool stops_allowed(struct core *c)
{
#ifdef CORE_PLANTED_NO_CAP
        return true;
#endif
        if (mono_diff_ms(c->stops_window, c->now) >= STOPS_WINDOW_MS || c->stops == 0) {
                c->stops_window = c->now;
                c->stops = 0;
                stops_count_base(c);
        }
        if (c->stops >= stops_limit(c))
                return false;
        c->stops++;
        return true;
}

mono_t stops_again(const struct core *c)
{
        return mono_add_ms(c->stops_window, STOPS_WINDOW_MS);
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

static uint32_t *user_bucket(const struct core *c, const struct ws_key *key)
{
        return &c->user_buckets[str_hash(key->user_id) & (c->n_user_buckets - 1)];
}

static bool same_user(const struct ws_key *a, const struct ws_key *b)
{
        return strcmp(a->user_id, b->user_id) == 0 && strcmp(a->tenant, b->tenant) == 0;
}

uint32_t user_running(const struct core *c, const struct ws_key *key)
{
        uint32_t n = 0;

        for (uint32_t slot = *user_bucket(c, key); slot != INDEX_NONE;
             slot = c->workspaces[slot].user_next) {
                const struct workspace *w = &c->workspaces[slot];

                n += same_user(&w->row.key, key) && w->row.state != WS_STOPPED &&
                     w->row.state != WS_DELETED;
        }
        return n;
}

static void user_link(struct core *c, struct workspace *w)
{
        uint32_t *bucket = user_bucket(c, &w->row.key);

        w->user_next = *bucket;
        *bucket = w->slot;
}

static void user_unlink(struct core *c, const struct workspace *w)
{
        uint32_t *link = user_bucket(c, &w->row.key);

        while (*link != w->slot) {
                assert(*link != INDEX_NONE);
                link = &c->workspaces[*link].user_next;
        }
        *link = w->user_next;
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
        w->wait_next = w->wait_prev = w->stop.next = w->stop.prev = INDEX_NONE;
        w->ask_at = MONO_NEVER;
        w->requested_at = w->person_at = w->human_at = w->hold_until = w->alert_at = c->now;
        w->hold_why = "";
        w->sweep_at = mono_add_ms(c->now, SWEEP_MS);
        index_link(&c->workspace_index, slot);
        user_link(c, w);
        return w;
}

void workspace_drop(struct core *c, struct workspace *w)
{
        uint32_t slot = w->slot;

        pools_unwait(c, w);
        pace_leave(c, w);
        index_drop(&c->workspace_index, slot);
        user_unlink(c, w);
        memset(w, 0, sizeof(*w));
        timers_set(&c->workspace_timers, slot, MONO_NEVER);
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
        t->ask_at = t->notice_at = t->ended_at = MONO_NEVER;
        t->hold_until = c->now;
        t->live.heard_at = t->live.claimed_at = t->live.ready_at = c->now;
        t->live.person_age_ms = t->live.unsaved_age_ms = -1;
        index_link(&c->task_index, slot);
        pools_account(c, t);
        return t;
}

void task_drop(struct core *c, struct task *t)
{
        uint32_t slot = t->slot;

        pools_forget(c, t);
        pace_forget(c, t);
        index_drop(&c->task_index, slot);
        memset(t, 0, sizeof(*t));
        timers_set(&c->task_timers, slot, MONO_NEVER);
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
#ifdef CORE_PLANTED_ALLOCATES
        void *volatile planted = malloc(1); /* volatile, or the pair is optimised away */
        free(planted);
#endif
        events_dispatch(c, ev);
        if (c->pace.dirty || mono_due(c->pace.due, c->now))
                pace_run(c);
        if (c->pool_dirty || mono_due(c->pool_due, c->now))
                pools_run(c);
        c->fx = NULL;
}

mono_t core_next_deadline(const struct core *c)
{
        mono_t own = mono_min(c->pace.due, mono_min(c->pool_due, c->drain_due));

        if (!c->open)
                return MONO_NEVER;
        return mono_min(own,
                        mono_min(timers_next(&c->task_timers), timers_next(&c->workspace_timers)));
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
        const char *idle_why;
        int64_t idle_ms;

        if (i >= c->config.n_types)
                return false;
        p = &c->pools[i];
        idle_ms = adaptive_idle_ms(c, i, &idle_why);
        *ret_view =
                (struct pool_view){.policy = p->set     ? "set"
                                             : p->sized ? "plan"
                                             : p->sizer ? "forecast"
                                                        : "fixed",
                                   .next_change = p->sizer && !p->sized ? p->sizer->size.next_change
                                                                        : (utc_t){INT64_MAX},
                                   .spent = p->sizer ? (int64_t)p->budget.day_spent : -1,
                                   .limit = sizing_limit(c, i),
                                   .idle_ms = idle_ms,
                                   .outdated = sizing_outdated(c, i),
                                   .idle_why = idle_why,
                                   .type = c->config.types[i].name,
                                   .target = p->target,
                                   .waiting = p->waiting,
                                   .hits = p->hits,
                                   .misses = p->misses,
                                   .reason = p->reason,
                                   .breaker_until = p->breaker.until,
                                   .warm = p->n[CLASS_WARM] + p->n[CLASS_UNHEARD],
                                   .launching = p->n[CLASS_LAUNCHING],
                                   .claimed = p->n[CLASS_CLAIMED] + p->n[CLASS_SERVING],
                                   .lead_ms = p->lead_ms};
        return true;
}

bool core_draining(const struct core *c)
{
        return c->draining;
}

uint64_t core_epoch(const struct core *c)
{
        return c->epoch;
}

int64_t core_reconnect_ms(const struct core *c)
{
        uint32_t live = c->config.tasks_max - c->task_index.n_free - c->n[CLASS_LOST];
        int64_t ms = (int64_t)live * 1000 / RECONNECTS_PER_S;

        return MIN(MAX(ms, RECONNECT_MIN_MS), RECONNECT_MAX_MS);
}

uint32_t core_place(const struct core *c, const char *workspace)
{
        const struct workspace *w = workspace_find(c, workspace);

        return w ? pools_place(c, w) : 0;
}

uint64_t core_ignored(const struct core *c)
{
        return c->ignored;
}
