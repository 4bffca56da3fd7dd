#include "in/http_exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "in/timetable_api.h"

#define LIST_MAX 1000
#define EVENTS_PER_ANSWER 200

/*
 * Prefer: wait=30 (RFC 7240); what is not there or can not be read is ignored, as that text asks.
 */
static void preferred_wait(const char *prefer, int64_t *ret_ms)
{
        const char *at = strcasestr(prefer, "wait=");
        char number[8];
        size_t n;
        uint64_t s;

        if (!at || (at > prefer && !strchr(" ,;\t", at[-1])))
                return;
        at += 5;
        n = strspn(at, "0123456789");
        if (n == 0 || n >= sizeof(number))
                return;
        memcpy(number, at, n);
        number[n] = 0;
        if (num_parse_u64(number, 0, 9999999, &s) == 0)
                *ret_ms = (int64_t)MIN(s, HTTP_WAIT_S_MAX) * 1000;
}

/* Kept for the message, should the core not know the type. */
void http_keep_type(struct http_exchange *x, const char *type)
{
        STR_CUT(x->req.params[0].name, "workspace_type");
        STR_CUT(x->req.params[0].value, type);
        x->req.n_params = 1;
}

/* 0 and *ret_value untouched when absent; > 0 answered. */
static int number_param(struct http_exchange *x, const char *name, uint64_t max,
                        uint64_t *ret_value)
{
        const char *text = http_param(&x->req, name);

        if (!text || num_parse_u64(text, 0, max, ret_value) == 0)
                return 0;
        site_refuse(x, VIEW_ERROR_BAD_FIELD, "%s: must be a whole number from 0 to %llu", name,
                    (unsigned long long)max);
        return 1;
}

/* 0; > 0 answered: a filter that can not be. */
static int state_param(struct http_exchange *x, struct view_filter *f)
{
        const char *state = http_param(&x->req, "state");
        const char *trouble = http_param(&x->req, "trouble");

        if (state && !ws_state_parse(state, &f->state)) {
                site_refuse(x, VIEW_ERROR_BAD_FIELD,
                            "state: is none of stopped, starting, running, saving, attention, "
                            "recovering, deleted");
                return 1;
        }
        f->has_state = state != NULL;
        if (trouble && strcmp(trouble, "true") != 0 && strcmp(trouble, "false") != 0) {
                site_refuse(x, VIEW_ERROR_BAD_FIELD, "trouble: must be true or false");
                return 1;
        }
        f->trouble = trouble && trouble[0] == 't';
        return 0;
}

static int name_param(struct http_exchange *x, const char *name, char *dst, size_t size)
{
        const char *text = http_param(&x->req, name);

        if (!text)
                return 0;
        if (!name_valid(text, size - 1) || str_copy(dst, size, text) < 0) {
                site_refuse(x, VIEW_ERROR_BAD_FIELD,
                            "%s: 1 to %zu of A-Z a-z 0-9 . _ @ + : - are allowed", name, size - 1);
                return 1;
        }
        return 0;
}

static bool is_printable(const char *text)
{
        const char *p = text;

        while (*p >= ' ' && *p <= '~')
                p++;
        return p > text && *p == 0;
}

static int order_params(struct http_exchange *x, struct view_filter *f)
{
        const char *text = http_param(&x->req, "q");
        const char *sort = http_param(&x->req, "sort");

        if (text && (!is_printable(text) || STR_SET(f->text, text) < 0)) {
                site_refuse(x, VIEW_ERROR_BAD_FIELD,
                            "q: must be 1 to %d printable ASCII characters", VIEW_TEXT_SIZE - 1);
                return 1;
        }
        if (sort && !view_sort_parse(sort, &f->sort, &f->descending)) {
                site_refuse(x, VIEW_ERROR_BAD_FIELD,
                            "sort: is none of id, user_id, workspace_type, state, since, idle, "
                            "unsaved, with - before it to turn it round");
                return 1;
        }
        return 0;
}

/* A misspelt type would look like one that nobody has. */
static int type_param(struct http_exchange *x, struct view_filter *f)
{
        struct pool_view pool;

        if (name_param(x, "workspace_type", f->type, sizeof(f->type)) > 0)
                return 1;
        for (uint32_t i = 0; f->type[0] && core_pool(shell_core(x->site->shell), i, &pool); i++) {
                if (strcmp(pool.type, f->type) == 0)
                        return 0;
        }
        if (!f->type[0])
                return 0;
        site_refuse(x, VIEW_ERROR_UNKNOWN_TYPE, "workspace_type: there is no type \"%s\"", f->type);
        return 1;
}

void http_api_list(struct http_exchange *x, const char *id)
{
        struct view v = http_view(x);
        struct view_filter f = {.limit = LIST_MAX};

        (void)id;
        if (state_param(x, &f) > 0 || name_param(x, "user_id", f.user_id, sizeof(f.user_id)) > 0 ||
            type_param(x, &f) > 0 || order_params(x, &f) > 0 ||
            number_param(x, "limit", LIST_MAX, &f.limit) > 0 ||
            number_param(x, "offset", UINT32_MAX, &f.offset) > 0)
                return;
        if (f.limit == 0)
                f.limit = LIST_MAX;
        http_answer_json(x, 200, view_workspaces(&v, &f, &x->res.body));
}

/* The row, or NULL when answered with 404. */
static const struct workspace_row *row_or_404(struct http_exchange *x, const char *id)
{
        const struct workspace_row *w = core_workspace(shell_core(x->site->shell), id);

        if (!w)
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE, "there is no workspace %s", id);
        return w;
}

static void answer_workspace(struct http_exchange *x, int status, const char *id)
{
        struct view v = http_view(x);
        const struct workspace_row *w = row_or_404(x, id);

        if (w)
                http_answer_json(x, status, view_workspace(&v, w, &x->res.body));
}

bool http_refused(struct http_exchange *x, enum pending_end end, const char *subject)
{
        struct view_error e;

        switch (end) {
        case PENDING_REACHED:
        case PENDING_ACCEPTED:
                return false;
        case PENDING_REFUSED:
                view_error_reply(&e, x->pending.status, subject);
                pending_error(&x->pending, &e);
                http_answer_error(x, &e);
                return true;
        case PENDING_NO_STORE:
                site_refuse(
                        x, VIEW_ERROR_STORE_UNAVAILABLE,
                        "the decision could not be stored in time; it may still be carried out");
                return true;
        }
        return false;
}

static void on_launched(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);
        struct view v = http_view(x);
        const struct workspace_row *w = core_workspace(v.core, p->workspace);
        const char *type = http_param(&x->req, "workspace_type");

        if (http_refused(x, end, p->status == REPLY_BAD_TYPE && type ? type : p->workspace))
                return;
        if (!w) {
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE, "workspace %s is gone", p->workspace);
                return;
        }
        (void)snprintf(x->res.location, sizeof(x->res.location), "/v1/workspaces/%s", w->id);
        http_answer_json(x, view_ready(&v, w) ? 200 : 202,
                         view_launched(&v, w, mono_diff_ms(p->started, v.now), &x->res.body));
}

void http_wait_for(struct http_exchange *x, enum pending_kind kind, const char *id,
                   const struct view_launch *launch, pending_fn done)
{
        x->pending.kind = kind;
        x->pending.actor = x->actor;
        x->pending.launch = launch;
        preferred_wait(x->req.prefer, &x->pending.wait_ms);
        STR_CUT(x->pending.workspace, id);
        http_wait(x, done);
}

void http_api_create(struct http_exchange *x, const char *id)
{
        struct view_launch launch;
        struct view_error e;

        (void)id;
        if (view_launch_parse((const char *)x->req.body.data, x->req.body.len, &launch, &e) != 0) {
                http_answer_error(x, &e);
                return;
        }
        http_keep_type(x, launch.key.type);
        http_wait_for(x, PENDING_LAUNCH, launch.id, &launch, on_launched);
}

void http_api_launch(struct http_exchange *x, const char *id)
{
        if (row_or_404(x, id))
                http_wait_for(x, PENDING_LAUNCH, id, NULL, on_launched);
}

void http_api_get(struct http_exchange *x, const char *id)
{
        answer_workspace(x, 200, id);
}

static void on_stopped(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);

        if (!http_refused(x, end, p->workspace))
                answer_workspace(x, end == PENDING_REACHED ? 200 : 202, p->workspace);
}

void http_api_stop(struct http_exchange *x, const char *id)
{
        if (row_or_404(x, id))
                http_wait_for(x, PENDING_STOP, id, NULL, on_stopped);
}

static void on_restarted(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);

        if (!http_refused(x, end, p->workspace))
                answer_workspace(x, end == PENDING_REACHED ? 200 : 202, p->workspace);
}

void http_api_restart(struct http_exchange *x, const char *id)
{
        const struct workspace_row *w = row_or_404(x, id);

        if (!w)
                return;
        x->pending.generation = w->generation;
        http_wait_for(x, PENDING_RESTART, id, NULL, on_restarted);
}

static void on_kept(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);

        if (!http_refused(x, end, p->workspace))
                answer_workspace(x, 200, p->workspace);
}

void http_api_keep(struct http_exchange *x, const char *id)
{
        if (row_or_404(x, id))
                http_wait_for(x, PENDING_KEEP, id, NULL, on_kept);
}

static void on_deleted(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);

        if (http_refused(x, end, p->workspace))
                return;
        if (!core_workspace(shell_core(x->site->shell), p->workspace)) {
                http_answer(x, 204);
                return;
        }
        answer_workspace(x, 202, p->workspace);
}

void http_api_delete(struct http_exchange *x, const char *id)
{
        if (row_or_404(x, id))
                http_wait_for(x, PENDING_DELETE, id, NULL, on_deleted);
}

static void on_abandoned(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);

        if (!http_refused(x, end, p->workspace))
                answer_workspace(x, 202, p->workspace);
}

void http_api_abandon(struct http_exchange *x, const char *id)
{
        char reason[CORE_REASON_SIZE];
        struct view_error e;

        if (!row_or_404(x, id))
                return;
        if (view_reason_parse((const char *)x->req.body.data, x->req.body.len, reason, &e) != 0) {
                http_answer_error(x, &e);
                return;
        }
        x->pending.reason = reason;
        http_wait_for(x, PENDING_ABANDON, id, NULL, on_abandoned);
}

void http_api_modes(struct http_exchange *x, const char *id)
{
        struct view v = http_view(x);

        (void)id;
        http_answer_json(x, 200, view_modes(&v, &x->res.body));
}

static void on_mode(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);
        const char *type = http_param(&x->req, "workspace_type");

        if (!http_refused(x, end, type ? type : ""))
                http_api_modes(x, "");
}

void http_api_mode(struct http_exchange *x, const char *id)
{
        struct view_mode mode;
        struct view_error e;

        if (view_mode_parse(id, (const char *)x->req.body.data, x->req.body.len, &mode, &e) != 0) {
                http_answer_error(x, &e);
                return;
        }
        http_keep_type(x, mode.type);
        x->pending.mode = &mode;
        http_wait_for(x, PENDING_MODE, "", NULL, on_mode);
}

static void answer_timetable(struct http_exchange *x)
{
        struct view v = http_view(x);

        timetables_etag(v.core, x->res.etag);
        http_answer_json(x, 200, timetable_api_show(&v, x->site->config.timetables, &x->res.body));
}

/* What is expected of classes is known to the leader alone. */
static bool has_timetables(struct http_exchange *x)
{
        struct view_error e;

        if (!x->site->config.timetables)
                timetable_api_none(&e);
        else if (!view_not_leader(shell_lead(x->site->shell), &e))
                return true;
        http_answer_error(x, &e);
        return false;
}

void http_api_timetable(struct http_exchange *x, const char *id)
{
        (void)id;
        if (has_timetables(x))
                answer_timetable(x);
}

static void on_timetable(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);

        if (!http_refused(x, end, ""))
                answer_timetable(x);
}

void http_api_timetable_put(struct http_exchange *x, const char *id)
{
        const char *text = x->req.body.len ? (const char *)x->req.body.data : "";
        struct view_error e;

        (void)id;
        if (!has_timetables(x))
                return;
        if (timetable_api_check(x->site->config.timetables, shell_core(x->site->shell),
                                x->req.if_match, text, x->req.body.len, &e) > 0) {
                http_answer_error(x, &e);
                return;
        }
        x->pending.timetables = x->site->config.timetables;
        x->pending.text = text;
        x->pending.text_len = x->req.body.len;
        http_wait_for(x, PENDING_TIMETABLE, "", NULL, on_timetable);
}

void http_api_why(struct http_exchange *x, const char *id)
{
        struct view v = http_view(x);
        const struct workspace_row *w = row_or_404(x, id);

        if (w)
                http_answer_json(x, 200, view_why(&v, w, &x->res.body));
}

void http_api_pools(struct http_exchange *x, const char *id)
{
        struct view v = http_view(x);

        (void)id;
        http_answer_json(x, 200, view_pools(&v, &x->res.body));
}

static void on_pool(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);
        const char *type = http_param(&x->req, "workspace_type");

        if (!http_refused(x, end, type ? type : ""))
                http_api_pools(x, "");
}

void http_api_pool(struct http_exchange *x, const char *id)
{
        struct view_pool_size pool;
        struct view_error e;

        if (view_pool_parse(id, (const char *)x->req.body.data, x->req.body.len, &pool, &e) != 0) {
                http_answer_error(x, &e);
                return;
        }
        http_keep_type(x, pool.type);
        x->pending.pool = &pool;
        http_wait_for(x, PENDING_POOL, "", NULL, on_pool);
}

void http_api_tasks(struct http_exchange *x, const char *id)
{
        struct view v = http_view(x);

        (void)id;
        http_answer_json(x, 200, view_tasks(&v, &x->res.body));
}

void http_api_status(struct http_exchange *x, const char *id)
{
        struct view v = http_view(x);
        struct shell *sh = x->site->shell;

        (void)id;
        http_answer_json(x, 200,
                         view_status(&v, x->site->config.about, shell_writable(sh), shell_lead(sh),
                                     &x->res.body));
}

void http_api_config(struct http_exchange *x, const char *id)
{
        (void)id;
        http_answer_json(x, 200, view_config(x->site->config.about, &x->res.body));
}

void http_api_kpi(struct http_exchange *x, const char *id)
{
        (void)id;
        http_answer_json(x, 200, view_kpi(x->site->config.about, &x->res.body));
}

static void on_events(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);

        (void)end;
        http_answer_json(x, 200,
                         pending_events(x->site->shell, p->after, EVENTS_PER_ANSWER, &x->res.body));
}

void http_api_events(struct http_exchange *x, const char *id)
{
        uint64_t after = 0, wait_s = 0;

        (void)id;
        if (number_param(x, "after", UINT64_C(1) << 53, &after) > 0 ||
            number_param(x, "wait", HTTP_WAIT_S_MAX, &wait_s) > 0)
                return;
        x->pending.kind = PENDING_EVENTS;
        x->pending.after = after;
        x->pending.wait_ms = (int64_t)wait_s * 1000;
        http_wait(x, on_events);
}

void http_api_healthz(struct http_exchange *x, const char *id)
{
        (void)id;
        http_answer_json(x, 200, buf_append_str(&x->res.body, "{\"status\":\"alive\"}"));
}

/* The program takes requests only after the stored rows and the provider's inventory are in. */
void http_api_readyz(struct http_exchange *x, const char *id)
{
        const struct shell_lead *lead = shell_lead(x->site->shell);
        struct view_error e;

        (void)id;
        if (view_not_leader(lead, &e)) {
                http_answer_error(x, &e);
                return;
        }
        if (!shell_writable(x->site->shell)) {
                site_refuse(x, VIEW_ERROR_STORE_UNAVAILABLE, "the store can not be written");
                return;
        }
        if (core_draining(shell_core(x->site->shell))) {
                site_refuse(x, VIEW_ERROR_DRAINING, "the controller is shutting down");
                return;
        }
        http_answer_json(x, 200,
                         buf_printf(&x->res.body,
                                    "{\"status\":\"ready\",\"role\":\"leader\",\"epoch\":%llu}",
                                    (unsigned long long)lead->epoch));
}
