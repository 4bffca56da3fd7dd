#include "in/view.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "core/idle_words.h"
#include "in/agents.h"
#include "in/view_print.h"

/*
 * Memory that runs out while a tree is built shows as a missing field; to keep the builders short,
 * only the root and the printed text are checked: an answer lacking a field is refused by nobody.
 */
int view_print(const cJSON *json, struct buf *out)
{
        char *text = json ? cJSON_PrintUnformatted(json) : NULL;
        int r;

        if (!text)
                return -ENOMEM;
        r = buf_append_str(out, text);
        cJSON_free(text);
        return r;
}

static void add_str(cJSON *obj, const char *key, const char *value)
{
        if (value && value[0])
                cJSON_AddStringToObject(obj, key, value);
        else
                cJSON_AddNullToObject(obj, key);
}

static void add_count(cJSON *obj, const char *key, uint64_t value)
{
        cJSON_AddNumberToObject(obj, key, (double)value);
}

/* Seconds with millisecond resolution; negative ages mean "not known". */
void view_add_seconds(cJSON *obj, const char *key, int64_t ms)
{
        if (ms < 0)
                cJSON_AddNullToObject(obj, key);
        else
                cJSON_AddNumberToObject(obj, key, (double)ms / 1000);
}

void view_add_time(cJSON *obj, const char *key, utc_t at)
{
        time_t s = (time_t)(at.us / US_PER_S);
        struct tm tm;
        char text[64];

        if (at.us <= 0 || !gmtime_r(&s, &tm)) {
                cJSON_AddNullToObject(obj, key);
                return;
        }
        (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                       (int)(at.us / US_PER_MS % 1000));
        cJSON_AddStringToObject(obj, key, text);
}

static void add_labels(cJSON *obj, const char *labels)
{
        cJSON *parsed = labels[0] ? cJSON_Parse(labels) : NULL;

        if (!cJSON_IsObject(parsed)) {
                cJSON_Delete(parsed);
                parsed = cJSON_CreateObject();
        }
        cJSON_AddItemToObject(obj, "labels", parsed);
}

static void add_save(cJSON *obj, const char *key, const struct save_ref *s)
{
        cJSON *save;

        if (s->seq == 0) {
                cJSON_AddNullToObject(obj, key);
                return;
        }
        save = cJSON_AddObjectToObject(obj, key);
        add_count(save, "generation", s->generation);
        add_count(save, "seq", s->seq);
        add_count(save, "bytes", s->data_length);
        view_add_time(save, "at", s->at);
}

/* An age that was `ms` when the agent was heard, now; -1 stays -1. */
int64_t view_age_now(const struct view *v, const struct task_live *live, int64_t ms)
{
        if (ms < 0 || live->heard_at.us <= 0)
                return -1;
        return ms + MAX(mono_diff_ms(live->heard_at, v->now), 0);
}

int64_t view_unsaved_now(const struct view *v, const struct task_live *live)
{
        return live->unsaved_age_ms == 0 && live->heard_at.us > 0
                       ? 0
                       : view_age_now(v, live, live->unsaved_age_ms);
}

/* What is being brought, before the app or beside it; null when nothing is. */
static void add_restore(cJSON *obj, const struct task_live *live)
{
        cJSON *restore;

        if (!live || live->restore_total == 0) {
                cJSON_AddNullToObject(obj, "restore");
                return;
        }
        restore = cJSON_AddObjectToObject(obj, "restore");
        add_count(restore, "done_bytes", live->restore_done);
        add_count(restore, "total_bytes", live->restore_total);
}

static void add_live(const struct view *v, cJSON *obj, const struct task_live *live)
{
        add_str(obj, "phase", live && live->heard_at.us > 0 ? agent_phase_name(live->phase) : NULL);
        view_add_seconds(obj, "idle_s", live ? view_age_now(v, live, live->person_age_ms) : -1);
        view_add_seconds(obj, "unsaved_s", live ? view_unsaved_now(v, live) : -1);
        cJSON_AddBoolToObject(obj, "unsaved_alarm", live && live->unsaved_alarm);
        view_add_seconds(obj, "heard_s", live ? view_age_now(v, live, 0) : -1);
        add_str(obj, "agent_error", live ? live->error : NULL);
        add_restore(obj, live);
}

/* The job that wants it now: for how long, and how long jobs may hold it yet. */
static void add_job(const struct view *v, cJSON *obj, const struct workspace_row *w,
                    const struct task_live *live)
{
        struct core_idle idle;
        cJSON *job;
        int64_t holds_ms;

        if (!live || !core_idle(v->core, w->id, v->now, &idle) || idle.facts.busy_ms <= 0) {
                cJSON_AddNullToObject(obj, "job");
                return;
        }
        holds_ms = mono_diff_ms(v->now, mono_add_ms(idle.facts.person_at, idle.limits.job_ms));
        job = cJSON_AddObjectToObject(obj, "job");
        add_str(job, "name", live->job);
        view_add_seconds(job, "wants_s", idle.facts.busy_ms);
        view_add_seconds(job, "holds_s", MAX(holds_ms, 0));
}

/* An older save was restored, because the newest is damaged; else null. */
static void add_fell_back(cJSON *obj, const struct task_live *live)
{
        char name[48];
        cJSON *o;

        if (!live || !live->fell_back) {
                cJSON_AddNullToObject(obj, "fell_back");
                return;
        }
        o = cJSON_AddObjectToObject(obj, "fell_back");
        (void)snprintf(name, sizeof(name), "%llu-%llu",
                       (unsigned long long)live->restored_generation,
                       (unsigned long long)live->restored_seq);
        add_str(o, "restored", name);
        add_str(o, "why", live->restored_why);
}

static int64_t claim_to_ready_ms(const struct task_live *live)
{
        if (!live || live->claimed_at.us <= 0 || live->ready_at.us <= 0)
                return -1;
        return mono_diff_ms(live->claimed_at, live->ready_at);
}

static const char *status_name(const struct view *v, const struct workspace_row *w)
{
        if (view_ready(v, w))
                return "ready";
        return w->state == WS_RUNNING ? "starting" : ws_state_name(w->state);
}

utc_t view_since(const struct view *v, const struct workspace_row *w)
{
        const struct task_row *t = w->task[0] ? core_task(v->core, w->task) : NULL;

        if (t)
                return t->state_at;
        return w->stopped_at.us > 0 ? w->stopped_at : w->created_at;
}

/* The limit by which something was stopped, of its reason; null for other reasons. */
static void add_rule(cJSON *obj, const char *key, const char *reason)
{
        enum idle_rule rule = idle_rule_of_reason(reason);

        add_str(obj, key, rule == IDLE_RULE_NONE ? NULL : idle_rule_name(rule));
}

/* In the queue for a task; null when it does not wait. */
static void add_place(cJSON *obj, uint32_t place)
{
        if (place)
                add_count(obj, "place", place);
        else
                cJSON_AddNullToObject(obj, "place");
}

/* Its turn to be stopped, while it waits for it or is being saved; else null. */
static void add_stop(const struct view *v, cJSON *obj, const struct workspace_row *w)
{
        struct core_stop s;
        cJSON *stop;

        if (!core_stop(v->core, w->id, v->now, &s)) {
                cJSON_AddNullToObject(obj, "stop");
                return;
        }
        stop = cJSON_AddObjectToObject(obj, "stop");
        add_str(stop, "kind", core_stop_kind_name(s.kind));
        add_place(stop, s.place);
        view_add_seconds(stop, "eta_s", s.eta_ms);
        add_str(stop, "why", s.why);
}

/* All that are being saved for the last time, or wait for it. */
void view_add_stops(const struct view *v, cJSON *obj)
{
        cJSON *stops = cJSON_AddObjectToObject(obj, "stops");
        struct core_stops s;

        core_stops(v->core, v->now, &s);
        add_count(stops, "parallel", s.parallel);
        add_count(stops, "under_way", s.under_way);
        add_count(stops, "waiting", s.waiting);
        view_add_seconds(stops, "eta_s", s.eta_ms);
        view_add_seconds(stops, "save_s", s.save_ms);
        if (s.bytes_s < 0)
                cJSON_AddNullToObject(stops, "bytes_s");
        else
                add_count(stops, "bytes_s", (uint64_t)s.bytes_s);
        add_count(stops, "saved", s.saved);
        add_count(stops, "bytes", s.bytes);
}

cJSON *view_workspace_tree(const struct view *v, const struct workspace_row *w)
{
        const struct task_live *live = w->task[0] ? core_task_live(v->core, w->task) : NULL;
        AUTO_BUF url = BUF_INIT(1024);
        cJSON *o = cJSON_CreateObject();

        add_str(o, "id", w->id);
        add_str(o, "status", status_name(v, w));
        add_str(o, "state", ws_state_name(w->state));
        add_str(o, "reason", w->reason);
        add_rule(o, "stop_rule", w->reason);
        add_place(o, core_place(v->core, w->id));
        add_stop(v, o, w);
        add_str(o, "tenant", w->key.tenant);
        add_str(o, "user_id", w->key.user_id);
        add_str(o, "name", w->key.name);
        add_str(o, "workspace_type", w->key.type);
        add_labels(o, w->labels);
        add_str(o, "task", w->task);
        add_count(o, "generation", w->generation);
        add_live(v, o, live);
        add_job(v, o, w, live);
        add_fell_back(o, live);
        view_add_seconds(o, "claim_to_ready_s", claim_to_ready_ms(live));
        view_add_time(o, "since", view_since(v, w));
        view_add_time(o, "created_at", w->created_at);
        view_add_time(o, "active_at", w->active_at);
        view_add_time(o, "stopped_at", w->stopped_at);
        view_add_time(o, "erase_at", w->erase_at);
        add_save(o, "save", &w->head);
        if (v->links && w->state != WS_DELETED && view_access_url(v, w, &url) == 0 &&
            buf_terminate(&url) == 0)
                add_str(o, "url", (const char *)url.data);
        return o;
}

int view_workspace(const struct view *v, const struct workspace_row *w, struct buf *out)
{
        AUTO_JSON *o = view_workspace_tree(v, w);

        return view_print(o, out);
}

int view_launched(const struct view *v, const struct workspace_row *w, int64_t waited_ms,
                  struct buf *out)
{
        AUTO_JSON *o = view_workspace_tree(v, w);
        char href[64];

        if (!o)
                return -ENOMEM;
        if (view_ready(v, w)) {
                view_add_seconds(o, "startup_time", MAX(waited_ms, 0));
        } else if (w->state != WS_ATTENTION && w->state != WS_STOPPED && w->state != WS_DELETED) {
                /* Whatever it does at the moment, it is on its way to being ready. */
                cJSON_ReplaceItemInObject(o, "status", cJSON_CreateString("starting"));
        }
        (void)snprintf(href, sizeof(href), "/v1/workspaces/%s", w->id);
        add_str(o, "href", href);
        return view_print(o, out);
}

static cJSON *task_json(const struct view *v, const struct task_row *t)
{
        const struct task_live *live = core_task_live(v->core, t->id);
        cJSON *o = cJSON_CreateObject();

        add_str(o, "id", t->id);
        add_str(o, "workspace_type", t->type);
        add_str(o, "state", task_state_name(t->state));
        add_str(o, "reason", t->reason);
        add_str(o, "workspace", t->workspace);
        add_count(o, "generation", t->generation);
        add_str(o, "addr", t->addr);
        view_add_time(o, "launched_at", t->launched_at);
        view_add_time(o, "since", t->state_at);
        add_live(v, o, live);
        return o;
}

int view_tasks(const struct view *v, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(o, "tasks");
        const struct task_row *t;
        size_t pos = 0;

        while ((t = core_next_task(v->core, &pos)))
                cJSON_AddItemToArray(list, task_json(v, t));
        return view_print(o, out);
}

static void add_limit(cJSON *obj, const char *key, int64_t ms)
{
        view_add_seconds(obj, key, ms > 0 ? ms : -1);
}

void view_add_pools(const struct view *v, cJSON *o)
{
        cJSON *list = cJSON_AddArrayToObject(o, "pools");
        struct pool_view p;

        for (uint32_t i = 0; core_pool(v->core, i, &p); i++) {
                bool open = !mono_is_never(p.breaker_until) && mono_before(v->now, p.breaker_until);
                cJSON *pool = cJSON_CreateObject();
                add_str(pool, "workspace_type", p.type);
                add_count(pool, "target", p.target);
                add_count(pool, "warm", p.warm);
                add_count(pool, "launching", p.launching);
                add_count(pool, "claimed", p.claimed);
                add_count(pool, "waiting", p.waiting);
                add_count(pool, "outdated", p.outdated);
                add_count(pool, "hits", p.hits);
                add_count(pool, "misses", p.misses);
                add_str(pool, "policy", p.policy);
                add_str(pool, "reason", p.reason);
                view_add_time(pool, "next_change",
                              p.next_change.us == INT64_MAX ? (utc_t){0} : p.next_change);
                if (p.spent >= 0)
                        cJSON_AddNumberToObject(pool, "spent_today", (double)p.spent / 1e6);
                add_limit(pool, "idle_s", p.idle_ms);
                add_str(pool, "idle_why", p.idle_why);
                view_add_seconds(pool, "lead_s", p.lead_ms > 0 ? p.lead_ms : -1);
                view_add_seconds(pool, "paused_s",
                                 open ? mono_diff_ms(v->now, p.breaker_until) : -1);
                cJSON_AddItemToArray(list, pool);
        }
}

static void add_mode(const struct view *v, cJSON *list, enum core_mode mode, const char *type)
{
        const char *why;
        bool hard;
        cJSON *o;

        if (!core_mode_on(v->core, mode, type, &hard, &why))
                return;
        o = cJSON_CreateObject();
        add_str(o, "mode", core_mode_name(mode));
        add_str(o, "workspace_type", type);
        cJSON_AddBoolToObject(o, "hard", hard);
        add_str(o, "why", why);
        cJSON_AddItemToArray(list, o);
}

void view_add_modes(const struct view *v, cJSON *o)
{
        cJSON *list = cJSON_AddArrayToObject(o, "modes");
        struct pool_view p;

        for (unsigned m = 0; m < MODE_MAX; m++) {
                add_mode(v, list, (enum core_mode)m, "");
                for (uint32_t i = 0; core_pool(v->core, i, &p); i++)
                        add_mode(v, list, (enum core_mode)m, p.type);
        }
}

int view_modes(const struct view *v, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        view_add_modes(v, o);
        view_add_stops(v, o);
        return view_print(o, out);
}

int view_pools(const struct view *v, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        view_add_pools(v, o);
        return view_print(o, out);
}

/* ---- why ---- */

/* From an agent that does not say what its person's age is from: the youngest evidence. */
static const char *youngest(const struct task_live *live)
{
        const struct signal_age *best = NULL;

        for (uint32_t i = 0; live && i < live->n_signals && i < CORE_SIGNALS_MAX; i++) {
                const struct signal_age *s = &live->signals[i];
                if (s->age_ms >= 0 && !s->kind[0] && (!best || s->age_ms < best->age_ms))
                        best = s;
        }
        return best ? best->source : "";
}

static void add_signals(const struct view *v, cJSON *o, const struct task_live *live)
{
        cJSON *list = cJSON_AddArrayToObject(o, "signals");

        for (uint32_t i = 0; live && i < live->n_signals && i < CORE_SIGNALS_MAX; i++) {
                const struct signal_age *s = &live->signals[i];
                cJSON *signal = cJSON_CreateObject();
                add_str(signal, "source", s->source);
                add_str(signal, "kind", s->kind);
                view_add_seconds(signal, "age_s", view_age_now(v, live, s->age_ms));
                cJSON_AddNumberToObject(signal, "count", (double)s->count);
                cJSON_AddItemToArray(list, signal);
        }
}

/* One sentence: the rule that keeps the workspace as it is. */
static void describe_hold(const struct workspace_row *w, const struct core_idle *idle,
                          const struct idle_tale *tale, char *dst, size_t size)
{
        size_t len;

        if (!idle) {
                (void)snprintf(dst, size, "it is %s%s: %s", w->state == WS_ATTENTION ? "in " : "",
                               ws_state_name(w->state),
                               w->reason[0]                             ? w->reason
                               : w->state == WS_STARTING && !w->task[0] ? "waits for a warm task"
                                                                        : "no reason was given");
                return;
        }
        if (!idle->heard) {
                (void)snprintf(dst, size,
                               "its agent was not heard since the controller's start, "
                               "which does not mean that nobody is there");
                return;
        }
        idle_hold(&idle->limits, &idle->facts, &idle->stop, tale, idle->due, dst, size);
        len = strlen(dst);
        if (idle->wait[0] && len < size)
                (void)snprintf(dst + len, size - len, "%s%s",
                               mono_is_never(idle->due) ? "; it is kept: "
                                                        : "; not sooner because ",
                               idle->wait);
}

/* As they apply: a limit that is not set is the idle limit's, or none. */
static void add_limits(cJSON *o, const struct idle_limits *l, const char *idle_why)
{
        cJSON *limits = cJSON_AddObjectToObject(o, "limits");

        add_limit(limits, "idle_s", l->idle_ms);
        add_str(limits, "idle_why", idle_why);
        add_limit(limits, "never_connected_s",
                  l->never_connected_ms ? l->never_connected_ms : l->idle_ms);
        add_limit(limits, "disconnected_s", l->disconnected_ms ? l->disconnected_ms : l->idle_ms);
        add_limit(limits, "job_s", l->job_ms);
        add_limit(limits, "lifetime_s", l->lifetime_ms);
}

static void add_browser(const struct view *v, cJSON *o, const struct task_live *live)
{
        static const char *const names[] = {[BROWSER_UNKNOWN] = NULL,
                                            [BROWSER_NEVER] = "never",
                                            [BROWSER_CONNECTED] = "connected",
                                            [BROWSER_LEFT] = "left"};
        enum browser_state state = live ? live->browser : BROWSER_UNKNOWN;

        add_str(o, "browser", names[state]);
        view_add_seconds(o, "browser_left_s",
                         state == BROWSER_LEFT ? MAX(mono_diff_ms(live->browser_left_at, v->now), 0)
                                               : -1);
}

static void add_hint(cJSON *list, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add_hint(cJSON *list, const char *fmt, ...)
{
        char text[256];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

static void add_confidence(cJSON *o, const struct workspace_row *w, const struct task_live *live)
{
        cJSON *hints = cJSON_AddArrayToObject(o, "hints");
        const char *confidence = live ? live->confidence : "";
        uint64_t unknown = live ? live->unknown : 0;

        if (w->state == WS_ATTENTION)
                add_hint(hints,
                         "mend what the reason names: a file or .workspaceignore, room in the "
                         "storage, storage_max_bytes. It tries again each save_retry; "
                         "`wsctl abandon` ends it; what is in no save is then rescued or kept");
        add_str(o, "confidence", confidence);
        add_count(o, "unknown", unknown);
        if (strcmp(confidence, "low") == 0)
                add_hint(hints, "not all that is open can be read, or a page does not say whether "
                                "it is used: weaker evidence counts too, and a person may be "
                                "presumed for a while; see wsagent(8)");
        if (unknown > 0)
                add_hint(hints,
                         "%llu messages of unknown names: the editor may be newer than the rules; "
                         "see wsagent(8)",
                         (unsigned long long)unknown);
}

/* What is planned, or for one that does not run, what was. */
static void add_plan(const struct view *v, cJSON *o, const struct workspace_row *w,
                     const struct core_idle *idle)
{
        bool planned = idle && idle->heard && !mono_is_never(idle->due);
        int64_t left = planned ? MAX(mono_diff_ms(v->now, idle->due), 0) : -1;

        if (planned)
                add_str(o, "stop_rule", idle_rule_name(idle->stop.rule));
        else
                add_rule(o, "stop_rule", w->reason);
        view_add_seconds(o, "stops_in_s", left);
        if (left >= 0)
                view_add_time(o, "stops_at", (utc_t){v->utc.us + left * US_PER_MS});
        else
                cJSON_AddNullToObject(o, "stops_at");
}

int view_why(const struct view *v, const struct workspace_row *w, struct buf *out)
{
        const struct task_live *live = w->task[0] ? core_task_live(v->core, w->task) : NULL;
        struct core_idle plan;
        const struct core_idle *idle = core_idle(v->core, w->id, v->now, &plan) ? &plan : NULL;
        struct idle_tale tale = {.person_by = idle ? plan.person_by : "",
                                 .job = live ? live->job : "",
                                 .confidence = live ? live->confidence : ""};
        AUTO_JSON *o = cJSON_CreateObject();
        const char *held_by = NULL;
        char text[512];

        if (idle && !tale.person_by[0])
                tale.person_by = youngest(live);
        if (idle)
                held_by = plan.stop.rule == IDLE_RULE_JOB ? "job" : tale.person_by;
        cJSON_AddItemToObject(o, "workspace", view_workspace_tree(v, w));
        add_signals(v, o, live);
        add_str(o, "held_by", held_by);
        describe_hold(w, idle, &tale, text, sizeof(text));
        add_str(o, "rule", text);
        add_plan(v, o, w, idle);
        view_add_seconds(o, "person_age_s",
                         idle ? MAX(mono_diff_ms(plan.facts.person_at, v->now), 0) : -1);
        add_str(o, "person_by", tale.person_by);
        add_browser(v, o, live);
        add_confidence(o, w, live);
        if (idle)
                add_limits(o, &plan.limits, plan.idle_why);
        else
                cJSON_AddNullToObject(o, "limits");
        return view_print(o, out);
}

void view_add_counts(const struct view *v, cJSON *o)
{
        uint64_t ws[WS_STATE_MAX] = {0}, tasks[TASK_STATE_MAX] = {0};
        cJSON *w = cJSON_AddObjectToObject(o, "workspaces");
        cJSON *t = cJSON_AddObjectToObject(o, "tasks");
        const struct workspace_row *wr;
        const struct task_row *tr;
        size_t pos = 0;

        while ((wr = core_next_workspace(v->core, &pos)))
                ws[wr->state]++;
        pos = 0;
        while ((tr = core_next_task(v->core, &pos)))
                tasks[tr->state]++;
        for (unsigned i = 0; i < WS_STATE_MAX; i++)
                add_count(w, ws_state_name((enum ws_state)i), ws[i]);
        for (unsigned i = 0; i < TASK_STATE_MAX; i++)
                add_count(t, task_state_name((enum task_state)i), tasks[i]);
}

/* What the agents' door has seen since the start: a wrong secret is somebody trying. */
static void add_agents(const struct about *about, cJSON *o)
{
        struct agents_counters n;
        cJSON *a = about && about->agents ? cJSON_AddObjectToObject(o, "agents") : NULL;

        if (!a)
                return;
        about->agents(about->ctx, &n);
        add_count(a, "sessions", n.sessions);
        add_count(a, "messages", n.messages);
        add_count(a, "bad-messages", n.bad_messages);
        add_count(a, "bad-secrets", n.bad_secrets);
        add_count(a, "not-leader", n.not_leader);
        add_count(a, "not-enrolled", n.not_enrolled);
        add_count(a, "refused", n.refused);
}

void view_add_lead(const struct shell_lead *lead, cJSON *o)
{
        cJSON *l;

        add_str(o, "role", lead->leads ? "leader" : "follower");
        add_count(o, "epoch", lead->epoch);
        l = cJSON_AddObjectToObject(o, "leader");
        add_str(l, "http", lead->http);
        add_str(l, "agents", lead->agents);
        add_str(l, "holder", lead->holder);
}

int view_status(const struct view *v, const struct about *a, bool writable,
                const struct shell_lead *lead, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        add_str(o, "version", a ? a->version : NULL);
        view_add_lead(lead, o);
        cJSON_AddBoolToObject(o, "store_writable", writable);
        cJSON_AddBoolToObject(o, "draining", core_draining(v->core));
        view_add_counts(v, o);
        add_agents(a, o);
        view_add_modes(v, o);
        view_add_stops(v, o);
        view_add_pools(v, o);
        return view_print(o, out);
}

int view_gateway(const char *controller, const struct view_links *links, const char *gateway_key,
                 struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        add_str(o, "controller", controller);
        add_str(o, "host_suffix", links->host_suffix);
        add_str(o, "scheme", links->scheme);
        cJSON_AddBoolToObject(o, "paths", links->paths);
        add_str(o, "gateway_key", gateway_key);
        return view_print(o, out);
}

int view_page_status(const struct view_page_status *v, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        add_str(o, "phase", v->phase);
        add_str(o, "state", v->state);
        add_str(o, "message", v->message);
        add_str(o, "detail", v->detail);
        add_count(o, "generation", v->generation);
        add_place(o, v->place);
        if (v->step)
                add_count(o, "step", v->step);
        else
                cJSON_AddNullToObject(o, "step");
        if (v->permille >= 0)
                cJSON_AddNumberToObject(o, "progress", v->permille / 1000.0);
        else
                cJSON_AddNullToObject(o, "progress");
        if (v->ticket[0])
                add_str(o, "ticket", v->ticket);
        else
                cJSON_AddNullToObject(o, "ticket");
        return view_print(o, out);
}

/* The list under construction is the JSON tree itself. */
struct view_events *view_events_new(void)
{
        return (struct view_events *)cJSON_CreateArray();
}

struct view_events *view_events_free(struct view_events *e)
{
        cJSON_Delete((cJSON *)e);
        return NULL;
}

static bool tells_stop(const struct audit_row *row)
{
        return strcmp(row->what, "stopping") == 0 || strcmp(row->what, "saved") == 0 ||
               strcmp(row->what, "stopped") == 0;
}

cJSON *view_event_tree(const struct audit_row *row)
{
        cJSON *o = cJSON_CreateObject();

        add_count(o, "seq", row->seq);
        view_add_time(o, "at", row->at);
        add_str(o, "workspace", row->workspace);
        add_str(o, "task", row->task);
        add_str(o, "actor", row->actor);
        add_str(o, "what", row->what);
        add_str(o, "detail", row->detail);
        add_rule(o, "rule", tells_stop(row) ? row->detail : "");
        return o;
}

int view_event(const struct audit_row *row, struct buf *out)
{
        AUTO_JSON *o = view_event_tree(row);

        return view_print(o, out);
}

int view_events_add(struct view_events *e, const struct audit_row *row)
{
        cJSON *o = view_event_tree(row);

        if (!o)
                return -ENOMEM;
        cJSON_AddItemToArray((cJSON *)e, o);
        return 0;
}

int view_events_end(struct view_events *e, uint64_t after, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        const cJSON *last = NULL, *item;

        cJSON_ArrayForEach(item, (cJSON *)e) last = item;
        item = cJSON_GetObjectItemCaseSensitive(last, "seq");
        add_count(o, "last", item ? (uint64_t)item->valuedouble : after);
        cJSON_AddItemReferenceToObject(o, "events", (cJSON *)e);
        return view_print(o, out);
}
