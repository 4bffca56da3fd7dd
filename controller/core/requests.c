/* What people and operators ask for: launch, stop, delete, abandon, modes, shutdown. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

static const char *actor_of(const char *actor)
{
        return actor[0] ? actor : "core";
}

/*
 * The same key may have had a workspace that was erased. What was signed for that one, upload
 * addresses and keys of its gate, names workspace and generation: they must not fit again.
 */
static struct workspace *create(struct core *c, const struct core_event *ev)
{
        struct workspace_row row = {
                .state = WS_STOPPED, .generation = c->generation_erased, .created_at = c->utc};
        struct workspace *w;

        STR_CUT(row.id, ev->launch.id);
        row.key = ev->launch.key;
        STR_CUT(row.labels, ev->launch.labels);
        w = workspace_add(c, &row);
        if (w)
                saves_forget(w);
        return w;
}

/* What becomes of a request that was admitted. */
static enum reply_status launch_known(struct core *c, struct workspace *w,
                                      const struct core_event *ev)
{
        struct pool *p = &c->pools[w->type];

        switch (w->row.state) {
        case WS_STOPPED:
                w->requested_at = c->now;
                if (c->open && pools_has_warm(c, w->type) && p->waiting == 0)
                        p->hits++;
                else
                        p->misses++;
                sizing_arrived(c, w->type, ev->launch.course);
                w->row.active_at = w->active_stored = c->utc;
                fx_audit(c, w->row.id, "", actor_of(ev->launch.actor), "requested", "");
                workspace_enter(c, w, WS_STARTING, "");
                break;
        case WS_RUNNING:
                idle_evidence(c, w, 0, "claim");
                pace_cancel(c, w, actor_of(ev->launch.actor));
                break;
        case WS_SAVING:
        case WS_ATTENTION:
        case WS_RECOVERING:
                if (workspace_resume(c, w, actor_of(ev->launch.actor)) || w->row.wanted)
                        break;
                /* It would be a new launch, once it is stopped. */
                if (modes_get(c, MODE_DRAIN, w->type))
                        return REPLY_CLOSED;
                sizing_arrived(c, w->type, ev->launch.course);
                workspace_want(c, w);
                break;
        case WS_STARTING:
                pace_cancel(c, w, actor_of(ev->launch.actor));
                break;
        case WS_DELETED:
        case WS_STATE_MAX:
                break;
        }
        workspace_arm(c, w);
        return REPLY_OK;
}

/* When the next of this queue may have its turn: a launch lasts about as long as the last ones. */
static int64_t retry_ms(const struct pool *p)
{
        return p->lead_ms ? MIN(MAX(p->lead_ms, RETRY_MIN_MS), RETRY_MAX_MS) : RETRY_DEFAULT_MS;
}

/* A workspace that wants a task, and has none: may it? `w` is NULL for a new one. */
static enum reply_status admit(const struct core *c, const struct workspace *w, uint32_t type,
                               const struct ws_key *key)
{
        const struct pool *p = &c->pools[type];
        uint32_t queue_max = c->config.types[type].queue_max;
        uint32_t user_max = c->config.user_running_max;

        /* What such a drain stops is not promised to be back. */
        if (w && modes_hard_drain(c, type) &&
            (w->row.state == WS_SAVING || w->row.state == WS_ATTENTION ||
             w->row.state == WS_RECOVERING))
                return REPLY_CLOSED;
        if (w && w->row.state != WS_STOPPED)
                return REPLY_OK;
        if (modes_get(c, MODE_DRAIN, type))
                return REPLY_CLOSED;
        if (user_max && user_running(c, w ? &w->row.key : key) >= user_max)
                return REPLY_USER_LIMIT;
        if (queue_max && p->waiting >= queue_max && p->waiting >= p->n[CLASS_WARM])
                return REPLY_QUEUE_FULL;
        return REPLY_OK;
}

static void reply_launch(struct core *c, const struct core_event *ev, enum reply_status status,
                         const struct workspace *w, uint32_t type)
{
        const struct pool *p = &c->pools[type];
        struct core_effect *fx;

        if (ev->launch.token == 0)
                return;
        fx_reply(c, ev->launch.token, status, ev->launch.id);
        fx = &c->fx->v[c->fx->n - 1];
        if (status == REPLY_QUEUE_FULL) {
                fx->reply.place = p->waiting + 1;
                fx->reply.retry_ms = retry_ms(p);
        } else if (status == REPLY_OK) {
                fx->reply.place = pools_place(c, w);
        }
}

void requests_launch(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->launch.id);
        uint64_t token = ev->launch.token;
        const char *id = ev->launch.id;
        enum reply_status status;
        uint32_t type;

        if (!c->booted || c->draining) {
                fx_reply(c, token, REPLY_DRAINING, id);
                return;
        }
        if (!id[0] || (!w && !ev->launch.key.type[0])) {
                fx_reply(c, token, REPLY_NOT_FOUND, id);
                return;
        }
        type = w ? w->type : type_find(c, ev->launch.key.type);
        if (type >= c->config.n_types) {
                fx_reply(c, token, REPLY_BAD_TYPE, id);
                return;
        }
        if (w && (w->row.state == WS_DELETED || w->row.erase_at.us)) {
                fx_reply(c, token, REPLY_DELETED, id);
                return;
        }
        status = admit(c, w, type, &ev->launch.key);
        if (status != REPLY_OK) {
                reply_launch(c, ev, status, w, type);
                return;
        }
        if (!w)
                w = create(c, ev);
        else if (ev->launch.key.type[0] && strcmp(w->row.labels, ev->launch.labels) != 0) {
                STR_CUT(w->row.labels, ev->launch.labels);
                fx_put_workspace(c, w);
        }
        if (!w) {
                fx_reply(c, token, REPLY_FULL, id);
                return;
        }
        adaptive_back(c, w);
        status = launch_known(c, w, ev);
        reply_launch(c, ev, status, w, type);
}

/* May it be stopped in order to be launched again? */
static enum reply_status may_restart(const struct core *c, const struct workspace *w)
{
        if (!c->booted || c->draining)
                return REPLY_DRAINING;
        if (w->row.erase_at.us)
                return REPLY_DELETED;
        if (w->row.state != WS_RUNNING && w->row.state != WS_SAVING && w->row.state != WS_ATTENTION)
                return REPLY_NOT_RUNNING;
        return modes_get(c, MODE_DRAIN, w->type) ? REPLY_CLOSED : REPLY_OK;
}

void requests_stop(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->req_workspace.id);
        enum reply_status may;
        char reason[CORE_REASON_SIZE];

        if (!w) {
                fx_reply(c, ev->req_workspace.token, REPLY_NOT_FOUND, ev->req_workspace.id);
                return;
        }
        may = ev->req_workspace.again ? may_restart(c, w) : REPLY_OK;
        if (may != REPLY_OK) {
                fx_reply(c, ev->req_workspace.token, may, w->row.id);
                return;
        }
        if (ev->req_workspace.reason[0])
                STR_CUT(reason, ev->req_workspace.reason);
        else
                (void)snprintf(reason, sizeof(reason), "%s asked for it",
                               actor_of(ev->req_workspace.actor));
        fx_audit(c, w->row.id, w->row.task, actor_of(ev->req_workspace.actor),
                 ev->req_workspace.again ? "restart-requested" : "stop-requested", reason);
        workspace_stop(c, w, STOP_ASKED, reason);
        /* Stored with the row: it is launched again also when the controller dies meanwhile. */
        if (ev->req_workspace.again)
                workspace_want(c, w);
        fx_reply(c, ev->req_workspace.token, REPLY_OK, w->row.id);
}

void requests_delete(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->req_workspace.id);

        if (!w) {
                fx_reply(c, ev->req_workspace.token, REPLY_NOT_FOUND, ev->req_workspace.id);
                return;
        }
        if (w->row.erase_at.us == 0) {
                w->row.erase_at = (utc_t){c->utc.us + c->config.erase_delay_ms * US_PER_MS};
                fx_put_workspace(c, w);
                fx_audit(c, w->row.id, w->row.task, actor_of(ev->req_workspace.actor),
                         "delete-requested", ev->req_workspace.reason);
                if (w->row.state == WS_STOPPED)
                        workspace_enter(c, w, WS_DELETED, "waits for its erasure");
                else
                        workspace_stop(c, w, STOP_ASKED, "it is deleted");
        }
        fx_reply(c, ev->req_workspace.token, REPLY_OK, w->row.id);
}

/*
 * An operator gives up what a task holds and no save has; whoever does that has looked, and has
 * copied what is worth it. A finished save that was not committed is still looked for.
 */
void requests_abandon(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->req_workspace.id);
        uint64_t token = ev->req_workspace.token;
        struct task *t;
        char why[CORE_REASON_SIZE];
        bool may;

        if (!w) {
                fx_reply(c, token, REPLY_NOT_FOUND, ev->req_workspace.id);
                return;
        }
        t = task_of(c, w);
        may = w->row.state == WS_ATTENTION;
#ifdef CORE_PLANTED_ABANDONS_ANYTHING
        may = true;
#endif
        if (!may || !t) {
                fx_reply(c, token, REPLY_NOT_ATTENTION, w->row.id);
                return;
        }
        (void)snprintf(why, sizeof(why), "abandoned by %s: %.80s",
                       actor_of(ev->req_workspace.actor), ev->req_workspace.reason);
        fx_audit(c, w->row.id, w->row.task, actor_of(ev->req_workspace.actor), "abandoned",
                 ev->req_workspace.reason);
        if (t->row.state != TASK_TERMINATING)
                task_enter(c, t, TASK_TERMINATING, why);
        STR_CUT(w->row.reason, why);
        fx_put_workspace(c, w);
        fx_reply(c, token, REPLY_OK, w->row.id);
}

void requests_restore(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->req_restore.id);
        const struct save_ref *save = &ev->req_restore.save;
        enum reply_status status = REPLY_OK;

        if (!w || save->seq == 0 || save->generation > w->row.generation)
                status = REPLY_NOT_FOUND;
        else if (w->row.state == WS_DELETED || w->row.erase_at.us)
                status = REPLY_DELETED;
        else if (w->row.state != WS_STOPPED)
                status = REPLY_NOT_STOPPED;
        else
                saves_go_back(c, w, save, actor_of(ev->req_restore.actor));
        if (status == REPLY_OK && w->row.home == HOME_THERE) {
                w->row.home = HOME_REPLACE;
                fx_put_workspace(c, w);
        }
        fx_reply(c, ev->req_restore.token, status, ev->req_restore.id);
}

void requests_erased(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->req_workspace.id);
        struct core_effect *fx;

        if (!w || w->row.state != WS_DELETED || !w->erasing) {
                c->ignored++;
                return;
        }
        c->generation_erased = MAX(c->generation_erased, w->row.generation);
        fx = fx_add(c, FX_DEL_WORKSPACE);
        STR_CUT(fx->id.id, w->row.id);
        fx_audit(c, w->row.id, "", "core", "erased", "");
        workspace_drop(c, w);
}

void requests_shutdown(struct core *c, const struct core_event *ev)
{
        fx_reply(c, ev->req_plain.token, REPLY_OK, "");
        if (c->draining)
                return;
        c->draining = true;
        c->pool_dirty = true;
        c->drain_until = c->drain_due = c->now;
        pace_goes_on(c);
        fx_audit(c, "", "", actor_of(ev->req_plain.actor), "shutdown", "");
        for (uint32_t i = 0; i < c->config.tasks_max; i++) {
                if (!c->tasks[i].row.id[0])
                        continue;
                c->tasks[i].drain = true;
                timers_set(&c->task_timers, i, c->now);
        }
        for (uint32_t i = 0; i < c->config.workspaces_max; i++) {
                struct workspace *w = &c->workspaces[i];

                if (!w->row.id[0] || w->row.state == WS_STOPPED || w->row.state == WS_DELETED)
                        continue;
                w->drain = true;
                timers_set(&c->workspace_timers, i, c->now);
        }
        events_deadlines(c);
}
