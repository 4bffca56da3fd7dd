#include "metrics/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "metrics/internal.h"

#define TICK_MS 5000
/* Workspaces looked at in one turn of the loop: there may be a million. */
#define SCAN_STEP 512
#define SCAN_EVERY_MS 5000
#define SCAN_NEXT_MS 20
#define DAY_US (INT64_C(86400) * US_PER_S)

/* ---- what is counted as it happens ---- */

uint32_t watch_type(const struct metrics_watch *w, const char *type)
{
        return metrics_label_find(w->m, DOMAIN_TYPE, type);
}

static double seconds(mono_t from, mono_t to)
{
        return (double)(to.us - from.us) / (double)US_PER_S;
}

static uint32_t type_of_workspace(const struct metrics_watch *w, const char *id)
{
        const struct workspace_row *row = core_workspace(shell_core(w->shell), id);

        return row ? watch_type(w, row->key.type) : METRICS_TYPES_MAX;
}

static void on_launched(struct metrics_watch *w, const struct audit_row *row, mono_t now)
{
        struct slot *t = slots_put(w->tasks, row->task);

        if (!t)
                return;
        t->type = watch_type(w, row->detail);
        t->from = now;
        metrics_add(w->m, METRIC_LAUNCHES, t->type, 0, 1);
}

static void on_warm(struct metrics_watch *w, const struct audit_row *row, mono_t now)
{
        struct slot *t = slots_find(w->tasks, row->task);

        if (t && !mono_is_never(t->from))
                metrics_observe(w->m, METRIC_LEAD_SECONDS, t->type, 0, seconds(t->from, now));
}

static void on_requested(struct metrics_watch *w, const struct audit_row *row, mono_t now)
{
        struct slot *s = slots_put(w->starts, row->workspace);

        if (!s)
                return;
        s->type = type_of_workspace(w, row->workspace);
        s->from = now;
        s->note = LABEL(START, COLD);
}

static void settle(struct metrics_watch *w, const char *task)
{
        struct slot *t = slots_find(w->tasks, task);

        if (t)
                t->settled = true;
}

/* Claimed in the same step as it was asked for: a warm task was there. */
static void on_claimed(struct metrics_watch *w, const struct audit_row *row, mono_t now)
{
        struct slot *s = slots_find(w->starts, row->workspace);

        settle(w, row->task);
        if (s && s->from.us == now.us)
                s->note = LABEL(START, WARM);
}

static void on_ready(struct metrics_watch *w, const struct audit_row *row, mono_t now)
{
        struct slot *s = slots_find(w->starts, row->workspace);

        if (!s)
                return;
        metrics_observe(w->m, METRIC_CLAIM_SECONDS, s->type, s->note, seconds(s->from, now));
        slots_remove(w->starts, row->workspace);
}

static uint32_t stop_reason(const struct metrics_watch *w, const struct core_event *ev,
                            const char *text)
{
        char rule[32];

        if (ev->type == EV_REQ_STOP)
                return LABEL(REASON, REQUESTED);
        if (ev->type == EV_REQ_DELETE)
                return LABEL(REASON, DELETED);
        if (ev->type == EV_TASK_NOTICE)
                return LABEL(REASON, NOTICE);
        if (ev->type == EV_REQ_SHUTDOWN || str_starts(text, "the controller shuts down"))
                return LABEL(REASON, SHUTDOWN);
        (void)snprintf(rule, sizeof(rule), "%.*s", (int)MIN(strcspn(text, ":"), sizeof(rule) - 1),
                       text);
        return MIN(metrics_label_find(w->m, DOMAIN_REASON, rule), LABEL(REASON, OTHER));
}

static void on_stopping(struct metrics_watch *w, const struct core_event *ev,
                        const struct audit_row *row)
{
        struct slot *t = slots_find(w->tasks, row->task);

        if (!t)
                return;
        if (mono_is_never(t->stop_at))
                t->stop_at = ev->now;
        t->note = stop_reason(w, ev, row->detail);
}

static void on_saved(struct metrics_watch *w, const struct audit_row *row, mono_t now)
{
        struct slot *t = slots_find(w->tasks, row->task);

        if (!t)
                return;
        metrics_add(w->m, METRIC_STOPS, t->type,
                    mono_is_never(t->stop_at) ? LABEL(REASON, OTHER) : t->note, 1);
        if (!mono_is_never(t->stop_at))
                metrics_observe(w->m, METRIC_STOP_SAVE_SECONDS, t->type, 0,
                                seconds(t->stop_at, now));
}

static void on_kept(struct metrics_watch *w, const struct audit_row *row)
{
        struct slot *t = slots_find(w->tasks, row->task);

        if (t)
                t->stop_at = MONO_NEVER;
        if (t && strcmp(row->what, "declined") == 0)
                metrics_add(w->m, METRIC_STOP_DECLINES, t->type, 0, 1);
}

static void count_task(struct metrics_watch *w, const struct audit_row *row, enum metric id,
                       uint32_t l2)
{
        struct slot *t = slots_find(w->tasks, row->task);

        if (t)
                metrics_add(w->m, id, t->type, l2, 1);
}

/* Became FAILED: not warm, or not ready, in time. */
static void on_failed(struct metrics_watch *w, const struct audit_row *row)
{
        struct slot *t = slots_find(w->tasks, row->task);

        if (!t)
                return;
        t->settled = true;
        metrics_add(w->m, METRIC_LAUNCH_FAILURES, t->type, LABEL(FAILURE, LATE), 1);
}

/* Nobody had it, nobody ended it: it could not be launched, or ended by itself. */
static void on_gone(struct metrics_watch *w, const struct core_event *ev,
                    const struct audit_row *row)
{
        const struct slot *t = slots_find(w->tasks, row->task);
        uint32_t how = LABEL(FAILURE, BROKEN);

        if (t && !t->settled) {
                if (ev->type == EV_TASK_LAUNCHED && ev->task_result.failure < LAUNCH_UNKNOWN)
                        how = (uint32_t)ev->task_result.failure;
                metrics_add(w->m, METRIC_LAUNCH_FAILURES, t->type, how, 1);
        }
        slots_remove(w->tasks, row->task);
}

static void on_audit(struct metrics_watch *w, const struct core_event *ev,
                     const struct audit_row *row)
{
        const char *what = row->what;

        if (strcmp(what, "launched") == 0)
                on_launched(w, row, ev->now);
        else if (strcmp(what, "warm") == 0)
                on_warm(w, row, ev->now);
        else if (strcmp(what, "requested") == 0)
                on_requested(w, row, ev->now);
        else if (strcmp(what, "claimed") == 0)
                on_claimed(w, row, ev->now);
        else if (strcmp(what, "ready") == 0)
                on_ready(w, row, ev->now);
        else if (strcmp(what, "stopping") == 0)
                on_stopping(w, ev, row);
        else if (strcmp(what, "saved") == 0)
                on_saved(w, row, ev->now);
        else if (strcmp(what, "declined") == 0 || strcmp(what, "resumed") == 0)
                on_kept(w, row);
        else if (strcmp(what, "failed") == 0)
                on_failed(w, row);
        else if (strcmp(what, "lost") == 0)
                count_task(w, row, METRIC_TASKS_LOST, 0);
        else if (strcmp(what, "kept") == 0)
                metrics_add(w->m, METRIC_TASKS_KEPT, 0, 0, 1);
        else if (strcmp(what, "gone") == 0)
                on_gone(w, ev, row);
        else if (strcmp(what, "stopped") == 0)
                slots_remove(w->starts, row->workspace);
        else if (strcmp(what, "save-refused") == 0)
                count_task(w, row, METRIC_SAVE_FAILURES, LABEL(FAULT, REFUSED));
        else if (strcmp(what, "attention") == 0 && !str_starts(row->detail, "for "))
                count_task(w, row, METRIC_SAVE_FAILURES, LABEL(FAULT, ATTENTION));
}

static void on_report(struct metrics_watch *w, const struct core_event *ev)
{
        struct slot *t = slots_find(w->tasks, ev->report.task);

        if (!t)
                return;
        if (!mono_is_never(t->heard_at))
                metrics_observe(w->m, METRIC_HEARTBEAT_LAG, t->type, 0,
                                seconds(mono_add_ms(t->heard_at, w->core->heartbeat_ms), ev->now));
        t->heard_at = ev->now;
        if (ev->report.generation && ev->report.unsaved_age_ms >= 0)
                metrics_observe(w->m, METRIC_UNSAVED_SECONDS, t->type, 0,
                                (double)ev->report.unsaved_age_ms / 1000);
}

static void on_event(struct metrics_watch *w, const struct core_event *ev)
{
        struct slot *t;

        metrics_add(w->m, METRIC_CORE_STEPS, (uint32_t)ev->type, 0, 1);
        if (ev->type == EV_AGENT_REPORT) {
                on_report(w, ev);
        } else if (ev->type == EV_AGENT_SAVED) {
                t = slots_find(w->tasks, ev->saved.task);
                if (t && mono_is_never(t->saved_at))
                        t->saved_at = ev->now;
        } else if (ev->type == EV_SAVE_VERIFIED && ev->verified.result < 0) {
                metrics_add(w->m, METRIC_SAVE_FAILURES,
                            type_of_workspace(w, ev->verified.workspace), LABEL(FAULT, STORAGE), 1);
        } else if (ev->type == EV_BOOT_TASK) {
                t = slots_put(w->tasks, ev->task_row.id);
                if (t) {
                        t->type = watch_type(w, ev->task_row.type);
                        t->settled = ev->task_row.claimed_at.us != 0;
                }
        }
}

static void on_save_ack(struct metrics_watch *w, const struct core_effect *fx, mono_t now)
{
        struct slot *t = slots_find(w->tasks, fx->save_ack.task);

        if (!t || mono_is_never(t->saved_at))
                return;
        if (fx->save_ack.committed) {
                metrics_add(w->m, METRIC_SAVES, t->type, 0, 1);
                metrics_observe(w->m, METRIC_SAVE_COMMIT_SECONDS, t->type, 0,
                                seconds(t->saved_at, now));
        }
        t->saved_at = MONO_NEVER;
}

static void stepped(void *ctx, const struct core_event *ev, const struct core_effects *fx)
{
        struct metrics_watch *w = ctx;

        on_event(w, ev);
        for (size_t i = 0; i < fx->n; i++) {
                if (fx->v[i].type == FX_AUDIT)
                        on_audit(w, ev, &fx->v[i].audit_row);
                else if (fx->v[i].type == FX_SAVE_ACK)
                        on_save_ack(w, &fx->v[i], ev->now);
                else if (fx->v[i].type == FX_STOP_TASK)
                        settle(w, fx->v[i].stop_task.task);
        }
}

static void committed(void *ctx, int64_t us, int result)
{
        struct metrics_watch *w = ctx;

        metrics_observe(w->m, METRIC_STORE_COMMIT_SECONDS, 0, 0, (double)us / (double)US_PER_S);
        if (result != 0)
                metrics_add(w->m, METRIC_STORE_FAILURES, 0, 0, 1);
}

static void dropped(void *ctx)
{
        struct metrics_watch *w = ctx;

        metrics_add(w->m, METRIC_EVENTS_DROPPED, 0, 0, 1);
}

void metrics_watch_http(void *ctx, const char *path, int status, bool waited, int64_t us)
{
        struct metrics_watch *w = ctx;
        uint32_t side = str_starts(path, "/v1/")         ? LABEL(SIDE, API)
                        : str_starts(path, "/internal/") ? LABEL(SIDE, GATEWAY)
                                                         : LABEL(SIDE, PAGE);

        metrics_observe(w->m, METRIC_HTTP_SECONDS, side,
                        waited ? LABEL(WAITED, YES) : LABEL(WAITED, NO),
                        (double)us / (double)US_PER_S);
        if (status >= 200 && status < 600)
                metrics_add(w->m, METRIC_HTTP_REQUESTS, side, (uint32_t)(status / 100 - 2), 1);
}

/* ---- workspaces and people, a few at a time ---- */

static const int64_t windows_us[] = {DAY_US, 7 * DAY_US, 30 * DAY_US};

static void scan_begin(struct metrics_watch *w)
{
        slots_clear(w->users);
        memset(w->active, 0, sizeof(w->active));
        memset(w->states, 0, sizeof(w->states));
        w->scan_at = 0;
}

/* A person counts once, by the newest evidence of all their workspaces so far. */
static void scan_one(struct metrics_watch *w, const struct workspace_row *row)
{
        char who[CORE_NAME_SIZE + CORE_USER_SIZE];
        int64_t age = loop_utc(w->loop).us - row->active_at.us;
        struct slot *s;

        w->states[row->state]++;
        if (row->active_at.us <= 0 || age >= windows_us[ARRAY_LEN(windows_us) - 1])
                return;
        (void)snprintf(who, sizeof(who), "%s\n%s", row->key.tenant, row->key.user_id);
        s = slots_put(w->users, who);
        if (!s)
                return;
        for (uint32_t i = 0; i < ARRAY_LEN(windows_us); i++) {
                if (age < windows_us[i] && !(s->note & 1u << i)) {
                        s->note |= 1u << i;
                        w->active[i]++;
                }
        }
}

static void scan_end(struct metrics_watch *w)
{
        if (!shell_lead(w->shell)->leads)
                return scan_begin(w);
        for (uint32_t k = 0; k < ARRAY_LEN(windows_us); k++)
                metrics_set(w->m, METRIC_ACTIVE_USERS, k, 0, w->active[k]);
        for (uint32_t k = 0; k < WS_STATE_MAX; k++)
                metrics_set(w->m, METRIC_WORKSPACES, k, 0, w->states[k]);
        scan_begin(w);
}

static void on_scan(void *ctx)
{
        struct metrics_watch *w = ctx;
        const struct core *core = shell_core(w->shell);
        const struct workspace_row *row;

        for (uint32_t i = 0; i < SCAN_STEP; i++) {
                row = core_next_workspace(core, &w->scan_at);
                if (row) {
                        scan_one(w, row);
                        continue;
                }
                scan_end(w);
                loop_timer_set_in(&w->scan, SCAN_EVERY_MS);
                return;
        }
        loop_timer_set_in(&w->scan, SCAN_NEXT_MS);
}

static void on_tick(void *ctx)
{
        struct metrics_watch *w = ctx;

        metrics_watch_refresh(w);
        loop_timer_set_in(&w->tick, TICK_MS);
}

/* ---- life ---- */

static int allocate(struct metrics_watch *w)
{
        struct metrics_config config = {.n_types = w->core->n_types};
        int r;

        for (uint32_t i = 0; i < config.n_types; i++)
                config.types[i] = w->core->types[i].name;
        r = metrics_new(&config, &w->m);
        if (r == 0)
                r = slots_new(w->core->tasks_max, &w->tasks);
        if (r == 0)
                r = slots_new(w->core->workspaces_max, &w->starts);
        return r == 0 ? slots_new(w->core->workspaces_max, &w->users) : r;
}

int metrics_watch_new(struct loop *l, struct shell *s, const struct core_config *core,
                      struct metrics_watch **ret_watch)
{
        struct metrics_watch *w = calloc(1, sizeof(*w));
        struct shell_observer o = {
                .ctx = w, .stepped = stepped, .committed = committed, .dropped = dropped};
        int r;

        if (!w)
                return -ENOMEM;
        w->loop = l;
        w->shell = s;
        w->core = core;
        w->integrated = MONO_NEVER;
        w->started = loop_utc(l);
        loop_timer_init(l, &w->tick, on_tick, w);
        loop_timer_init(l, &w->scan, on_scan, w);
        r = allocate(w);
        if (r < 0) {
                metrics_watch_free(w);
                return r;
        }
        metrics_set(w->m, METRIC_NOTICES_WAITING, 0, 0, 0);
        shell_observe(s, &o);
        loop_timer_set_in(&w->tick, TICK_MS);
        loop_timer_set_in(&w->scan, SCAN_NEXT_MS);
        *ret_watch = w;
        return 0;
}

struct metrics_watch *metrics_watch_free(struct metrics_watch *w)
{
        if (!w)
                return NULL;
        shell_observe(w->shell, &(struct shell_observer){0});
        loop_timer_cancel(&w->tick);
        loop_timer_cancel(&w->scan);
        slots_free(w->users);
        slots_free(w->starts);
        slots_free(w->tasks);
        metrics_free(w->m);
        free(w);
        return NULL;
}

struct metrics *metrics_watch_metrics(struct metrics_watch *w)
{
        return w->m;
}
