/*
 * POST /v1/actions: the events of the first design, a function that a platform's backend already
 * calls, answered in its shape: launch, monitor, terminate.
 */
#include "in/http_exchange.h"

#include <string.h>

#include "base/str.h"

/* A caller of a function waits for its result. */
#define ACTION_WAIT_MS 30000

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
        http_answer_json(
                x, view_ready(&v, w) ? 200 : 202,
                view_action_launched(&v, w, mono_diff_ms(p->started, v.now), &x->res.body));
}

static void on_terminated(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);
        const struct workspace_row *w = core_workspace(shell_core(x->site->shell), p->workspace);

        if (http_refused(x, end, p->workspace))
                return;
        if (end == PENDING_ACCEPTED && w && w->state == WS_ATTENTION) {
                site_refuse(x, VIEW_ERROR_NOT_SAVED, "its last save failed, and it is kept: %s",
                            w->reason);
                return;
        }
        http_answer_json(
                x, end == PENDING_REACHED ? 200 : 202,
                view_action_status(end == PENDING_REACHED ? "terminated" : "saving", &x->res.body));
}

static void launch(struct http_exchange *x, const struct view_launch *launch)
{
        http_keep_type(x, launch->key.type);
        x->pending.wait_ms = ACTION_WAIT_MS;
        http_wait_for(x, PENDING_LAUNCH, launch->id, launch, on_launched);
}

/* The id of a task, alone or at the end of an ARN, or of a workspace. */
static const struct workspace_row *workspace_of(const struct core *c, const char *arn)
{
        const char *slash = strrchr(arn, '/');
        const char *id = slash ? slash + 1 : arn;
        const struct task_row *t = core_task(c, id);

        return core_workspace(c, t ? t->workspace : id);
}

static void terminate(struct http_exchange *x, const char *arn)
{
        const struct workspace_row *w = workspace_of(shell_core(x->site->shell), arn);

        if (!w) {
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE,
                            "task_arn: there is no task \"%.64s\" that has a workspace", arn);
                return;
        }
        x->pending.wait_ms = ACTION_WAIT_MS;
        http_wait_for(x, PENDING_STOP, w->id, NULL, on_terminated);
}

/* Idle workspaces are stopped without being asked; this says how many since this token asked last.
 */
static void monitor(struct http_exchange *x)
{
        struct view v = http_view(x);
        struct http_token *t = http_tokens_named(x->site->tokens, x->actor);
        uint64_t total = http_site_stopped(x->site);
        uint64_t stopped = t ? total - t->stopped_told : 0;

        if (t)
                t->stopped_told = total;
        http_answer_json(x, 200, view_action_monitored(&v, stopped, &x->res.body));
}

void http_action(struct http_exchange *x, const char *id)
{
        struct view_action action;
        struct view_error e;

        (void)id;
        if (view_action_parse((const char *)x->req.body.data, x->req.body.len, &action, &e) != 0) {
                http_answer_error(x, &e);
                return;
        }
        switch (action.kind) {
        case VIEW_ACTION_LAUNCH:
                if (http_role_missing(x, HTTP_ROLE_LAUNCH))
                        return;
                launch(x, &action.launch);
                return;
        case VIEW_ACTION_MONITOR:
                monitor(x);
                return;
        case VIEW_ACTION_TERMINATE:
                if (http_role_missing(x, HTTP_ROLE_LAUNCH | HTTP_ROLE_OPERATE))
                        return;
                terminate(x, action.task_arn);
                return;
        }
}
