#include "in/pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "timetable/timetables.h"

/* How long a decision may take to be stored before the caller is told that it can not be. */
#define STORE_WAIT_MS 5000
/* Audit rows can come without a change of state; waiting readers look at least this often. */
#define LOOK_AGAIN_MS 1000

struct pending_set {
        struct loop *loop;
        struct shell *shell;
        struct pending list; /* head */
        struct loop_timer timer;
        uint64_t edge;
        uint64_t counter;
        uint32_t n, max;
};

static const struct workspace_row *row_of(const struct pending *p)
{
        return core_workspace(shell_core(p->set->shell), p->workspace);
}

static bool goal_reached(const struct pending *p)
{
        const struct pending_set *s = p->set;
        const struct view v = {.core = shell_core(s->shell)};
        const struct workspace_row *w;

        switch (p->kind) {
        case PENDING_LAUNCH:
                w = row_of(p);
                return w && view_ready(&v, w);
        case PENDING_RESTART:
                w = row_of(p);
                return w && w->generation > p->generation && view_ready(&v, w);
        case PENDING_STOP:
                w = row_of(p);
                return !w || w->state == WS_STOPPED || w->state == WS_DELETED;
        case PENDING_DELETE:
        case PENDING_ABANDON:
        case PENDING_KEEP:
        case PENDING_POOL:
        case PENDING_RESTORE:
        case PENDING_MODE:
        case PENDING_TIMETABLE:
        case PENDING_SHUTDOWN:
                return true;
        case PENDING_EVENTS:
                return shell_audit_after(s->shell, p->after) != NULL;
        }
        return false;
}

/*
 * A stop that failed, or a workspace that needs an operator, will not get better by waiting; nor
 * does a launch that was accepted and led back to "stopped": its files cannot be restored, or
 * somebody stopped it.
 */
static bool hopeless(const struct pending *p)
{
        const struct workspace_row *w = row_of(p);

        if (p->kind == PENDING_LAUNCH)
                return !w || w->state == WS_STOPPED || w->state == WS_DELETED;
        if (p->kind == PENDING_RESTART && (!w || w->state == WS_STOPPED || w->state == WS_DELETED))
                return true;
        return (p->kind == PENDING_STOP || p->kind == PENDING_RESTART) && w &&
               w->state == WS_ATTENTION;
}

static void finish(struct pending *p, enum pending_end end)
{
        pending_cancel(p);
        p->done(p, end);
}

/* Look at one; true when it ended (and may be gone). */
static bool look_at(struct pending *p)
{
        bool due = mono_due(p->due, loop_now(p->set->loop));

        if (!p->replied) {
                if (due)
                        finish(p, PENDING_NO_STORE);
                return due;
        }
        if (p->status != REPLY_OK) {
                finish(p, PENDING_REFUSED);
                return true;
        }
        if (goal_reached(p)) {
                finish(p, PENDING_REACHED);
                return true;
        }
        if (due || hopeless(p)) {
                finish(p, PENDING_ACCEPTED);
                return true;
        }
        return false;
}

static void arm(struct pending_set *s)
{
        mono_t due = MONO_NEVER;

        for (struct pending *p = s->list.next_; p != &s->list; p = p->next_) {
                due = mono_min(due, p->due);
                if (p->kind == PENDING_EVENTS)
                        due = mono_min(due, mono_add_ms(loop_now(s->loop), LOOK_AGAIN_MS));
        }
        loop_timer_set(&s->timer, due);
}

/* A `done` may cancel or start others, so begin again after each one that ended. */
static void look_at_all(struct pending_set *s)
{
        struct pending *p = s->list.next_;

        while (p != &s->list)
                p = look_at(p) ? s->list.next_ : p->next_;
        arm(s);
}

static void on_timer(void *ctx)
{
        look_at_all(ctx);
}

static void on_change(void *ctx, const char *workspace, const char *task)
{
        (void)workspace;
        (void)task;
        look_at_all(ctx);
}

/*
 * Ready, and not stored yet. A launch is asked for and answered between two commits; that of its
 * claim has to come first, and this one nobody has to wait for (shell.h).
 */
static bool on_early(void *ctx)
{
        struct pending_set *s = ctx;
        struct pending *p = s->list.next_;
        bool told = false;

        while (p != &s->list) {
                bool ready = (p->kind == PENDING_LAUNCH || p->kind == PENDING_RESTART) &&
                             p->replied && p->status == REPLY_OK && goal_reached(p);

                if (ready)
                        finish(p, PENDING_REACHED);
                told |= ready;
                p = ready ? s->list.next_ : p->next_;
        }
        return told;
}

static void on_reply(void *ctx, const struct core_effect *fx)
{
        struct pending_set *s = ctx;

        if (fx->reply.token >> 56 != s->edge)
                return;
        for (struct pending *p = s->list.next_; p != &s->list; p = p->next_) {
                if (p->token != fx->reply.token || p->replied)
                        continue;
                p->replied = true;
                p->status = fx->reply.status;
                p->place = fx->reply.place;
                p->retry_ms = fx->reply.retry_ms;
                p->due = mono_add_ms(p->started, p->wait_ms);
                (void)look_at(p);
                break;
        }
        arm(s);
}

int pending_set_new(struct loop *l, struct shell *sh, uint8_t edge, uint32_t max,
                    struct pending_set **ret_set)
{
        struct pending_set *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->shell = sh;
        s->edge = edge;
        s->max = max;
        s->list.next_ = s->list.prev_ = &s->list;
        loop_timer_init(l, &s->timer, on_timer, s);
        shell_handle(sh, FX_REPLY, on_reply, s);
        shell_watch(sh, on_change, s);
        shell_tell_early(sh, on_early, s);
        *ret_set = s;
        return 0;
}

struct pending_set *pending_set_free(struct pending_set *s)
{
        if (!s)
                return NULL;
        loop_timer_cancel(&s->timer);
        free(s);
        return NULL;
}

/* As the request says, or else the workspace that is resumed. */
static void set_course(const struct pending *p, struct core_event *ev)
{
        const struct workspace_row *w = p->launch ? NULL : row_of(p);

        if (p->launch)
                view_course(p->launch->labels, ev->launch.course);
        else if (w)
                view_course(w->labels, ev->launch.course);
}

static void post(struct pending_set *s, struct pending *p)
{
        struct core_event ev = {0};

        switch (p->kind) {
        case PENDING_LAUNCH:
                ev.type = EV_REQ_LAUNCH;
                ev.launch.token = p->token;
                STR_CUT(ev.launch.id, p->workspace);
                STR_CUT(ev.launch.actor, p->actor);
                if (p->launch) {
                        ev.launch.key = p->launch->key;
                        STR_CUT(ev.launch.labels, p->launch->labels);
                }
                set_course(p, &ev);
                break;
        case PENDING_STOP:
        case PENDING_DELETE:
        case PENDING_ABANDON:
        case PENDING_RESTART:
        case PENDING_KEEP:
                ev.type = p->kind == PENDING_DELETE    ? EV_REQ_DELETE
                          : p->kind == PENDING_ABANDON ? EV_REQ_ABANDON
                          : p->kind == PENDING_KEEP    ? EV_REQ_KEEP
                                                       : EV_REQ_STOP;
                ev.req_workspace.again = p->kind == PENDING_RESTART;
                ev.req_workspace.token = p->token;
                STR_CUT(ev.req_workspace.id, p->workspace);
                STR_CUT(ev.req_workspace.actor, p->actor);
                STR_CUT(ev.req_workspace.reason, p->reason ? p->reason : "");
                break;
        case PENDING_MODE:
                ev.type = EV_REQ_MODE;
                ev.req_mode.token = p->token;
                ev.req_mode.mode = p->mode->mode;
                ev.req_mode.on = p->mode->on;
                ev.req_mode.hard = p->mode->hard;
                STR_CUT(ev.req_mode.type, p->mode->type);
                STR_CUT(ev.req_mode.reason, p->mode->reason);
                STR_CUT(ev.req_mode.actor, p->actor);
                break;
        case PENDING_RESTORE:
                ev.type = EV_REQ_RESTORE;
                ev.req_restore.token = p->token;
                ev.req_restore.save = *p->save;
                STR_CUT(ev.req_restore.id, p->workspace);
                STR_CUT(ev.req_restore.actor, p->actor);
                break;
        case PENDING_TIMETABLE:
                timetables_put(p->timetables, p->text, p->text_len, p->token, p->actor);
                return;
        case PENDING_POOL:
                ev.type = EV_REQ_POOL;
                ev.req_pool.token = p->token;
                ev.req_pool.set = p->pool->set;
                ev.req_pool.size = p->pool->size;
                STR_CUT(ev.req_pool.type, p->pool->type);
                STR_CUT(ev.req_pool.reason, p->pool->reason);
                STR_CUT(ev.req_pool.actor, p->actor);
                break;
        case PENDING_SHUTDOWN:
                ev.type = EV_REQ_SHUTDOWN;
                ev.req_plain.token = p->token;
                STR_CUT(ev.req_plain.actor, p->actor);
                break;
        case PENDING_EVENTS:
                return;
        }
        shell_post(s->shell, &ev);
}

int pending_start(struct pending_set *s, struct pending *p, struct view_error *ret_error)
{
        bool asks = p->kind != PENDING_EVENTS;

        if (s->n >= s->max) {
                view_error_set(ret_error, VIEW_ERROR_BUSY, "%u requests are waiting already", s->n);
                return 1;
        }
        if (asks && view_not_leader(shell_lead(s->shell), ret_error))
                return 1;
        if (asks && !shell_writable(s->shell)) {
                view_error_set(ret_error, VIEW_ERROR_STORE_UNAVAILABLE,
                               "the store can not be written at the moment");
                return 1;
        }
        p->set = s;
        p->started = loop_now(s->loop);
        p->replied = !asks;
        p->status = REPLY_OK;
        p->due = mono_add_ms(p->started, asks ? STORE_WAIT_MS : p->wait_ms);
        p->token = s->edge << 56 | ++s->counter;
        p->next_ = &s->list;
        p->prev_ = s->list.prev_;
        p->prev_->next_ = p->next_->prev_ = p;
        s->n++;
        post(s, p);
        p->launch = NULL;
        p->mode = NULL;
        p->save = NULL;
        p->pool = NULL;
        p->reason = NULL;
        p->text = NULL;
        if (!asks)
                (void)look_at(p);
        arm(s);
        return 0;
}

void pending_error(const struct pending *p, struct view_error *e)
{
        e->place = p->place;
        e->retry_s = (uint32_t)((p->retry_ms + 999) / 1000);
}

void pending_cancel(struct pending *p)
{
        if (!p->next_)
                return;
        p->next_->prev_ = p->prev_;
        p->prev_->next_ = p->next_;
        p->next_ = p->prev_ = NULL;
        p->set->n--;
}

int pending_events(const struct shell *sh, uint64_t after, uint32_t max, struct buf *out)
{
        struct view_events *e = view_events_new();
        const struct audit_row *row;
        uint64_t at = after;
        int r = e ? 0 : -ENOMEM;

        for (uint32_t n = 0; r == 0 && n < max && (row = shell_audit_after(sh, at)); n++) {
                at = row->seq;
                r = view_events_add(e, row);
        }
        if (r == 0)
                r = view_events_end(e, after, out);
        view_events_free(e);
        return r;
}
