/*
 * What a provider says of a task, and how far it is believed. Its lists may be late and its answers
 * may be lost: a task that holds work is gone when the provider and the silence of its agent agree.
 */
#include <stdio.h>

#include "base/str.h"
#include "core/internal.h"

/* ---- launches ---- */

/* The provider has no room, or was asked too often: nothing is wrong with the image. */
static bool is_refusal(enum launch_failure failure)
{
        return failure == LAUNCH_CAPACITY || failure == LAUNCH_THROTTLED;
}

static void launch_failed(struct core *c, struct task *t, const struct core_event *ev)
{
        const char *reason = ev->task_result.reason;

#ifdef CORE_PLANTED_REUSES_TOKEN
        t->ask_at = mono_add_ms(c->now, 1);
        task_arm(c, t);
        return;
#endif
        /* It may be there all the same, by a launch whose answer was lost. */
        if (t->row.state != TASK_LAUNCHING && home_of_task(c, t))
                return;
        if (is_refusal(ev->task_result.failure)) {
                /* It does not exist; the next attempt is another task. */
                pools_launch_refused(c, t->type, reason);
                if (t->row.state == TASK_LAUNCHING)
                        task_enter(c, t, TASK_GONE, reason);
                else
                        task_ended(c, t, reason);
                return;
        }
        if (t->row.state == TASK_LAUNCHING)
                fx_audit(c, "", t->row.id, "core", "launch-failed", reason);
        task_ended(c, t, reason);
}

void provider_launched(struct core *c, const struct core_event *ev)
{
        struct task *t = task_find(c, ev->task_result.task);
        bool ending;

        if (!t) {
                c->ignored++;
                return;
        }
        if (ev->task_result.ok) {
                t->launched = true;
                pools_launch_accepted(c, t->type);
                return;
        }
        ending = t->row.state == TASK_TERMINATING || t->row.state == TASK_FAILED;
        /* An unknown outcome is no answer: the same is asked again, with the same id. */
        if (ev->task_result.failure < LAUNCH_UNKNOWN && (ending || t->row.state == TASK_LAUNCHING))
                launch_failed(c, t, ev);
        else
                c->ignored++;
}

/* ---- ends ---- */

/* How long an agent must be silent before a provider is believed that says it has ended. */
mono_t provider_doubt_due(const struct core *c, const struct task *t)
{
        int64_t ms = c->config.heartbeat_ms * SILENT_HEARTBEATS;

        if (!t->doubted || t->unlisted)
                return MONO_NEVER;
        /* After a start it may take so long until it is back. */
        if (!t->heard)
                ms = MAX(ms, core_reconnect_ms(c));
        return mono_add_ms(t->live.heard_at, ms + 1);
}

void provider_heard(struct core *c, struct task *t)
{
        /* Before that, what it said may have been on its way when the provider spoke. */
        if (!t->doubted ||
            mono_diff_ms(t->doubted_at, c->now) <= c->config.heartbeat_ms * SILENT_HEARTBEATS)
                return;
        t->doubted = false;
        task_audit(c, t, "end-refuted", "its agent is heard; the provider was wrong");
}

void provider_listed(struct core *c, struct task *t)
{
        if (!t->doubted || !t->unlisted)
                return;
        t->doubted = false;
        if (fx_room(c)) /* a list concerns many at once */
                task_audit(c, t, "end-refuted", "the provider has it again");
        task_arm(c, t);
}

static void doubt(struct core *c, struct task *t, const char *reason, bool unlisted)
{
        bool again = t->doubted;

        /* One list may be late; when those of a minute lack it, it is not that. */
        t->unlisted =
                unlisted &&
                (!again || (t->unlisted && mono_diff_ms(t->doubted_at, c->now) < LIST_LATE_MS));

#ifdef CORE_PLANTED_ONE_LIST
        t->unlisted = false;
#endif
        if (!again) {
                t->doubted = true;
                t->doubted_at = c->now;
                STR_CUT(t->doubt, reason);
        }
        if (mono_due(provider_doubt_due(c, t), c->now))
                task_ended(c, t, t->doubt);
        else if (!again)
                task_audit(c, t, "end-doubted", reason);
}

void provider_end_said(struct core *c, struct task *t, const char *reason, bool unlisted)
{
        bool doubtful =
                t->row.state == TASK_WARM || (t->row.state != TASK_LOST && task_may_hold_work(t));

        t->missing = false;
        /* Asked to end, and asked again until the provider is certain. */
        if (home_of_task(c, t) && (t->row.state == TASK_SAVED || t->row.state == TASK_TERMINATING ||
                                   t->row.state == TASK_FAILED)) {
                if (mono_is_never(t->ask_at))
                        t->ask_at = c->now;
                task_arm(c, t);
                return;
        }
#ifdef CORE_PLANTED_BELIEVES_LISTS
        doubtful = false;
#endif
#ifdef CORE_PLANTED_TWO_ON_A_HOME
        doubtful &= !workspace_of(c, t) || !home_used(c, workspace_of(c, t));
#endif
        if (doubtful)
                doubt(c, t, reason, unlisted);
        else
                task_ended(c, t, reason);
        task_arm(c, t);
}

void provider_remove(struct core *c, const char *task)
{
        struct core_effect *fx;

        if (!task[0])
                return;
        fx = fx_add(c, FX_REMOVE_TASK);
        STR_CUT(fx->remove_task.task, task);
        fx->remove_task.epoch = c->epoch;
}

/*
 * An ended task without a row. Either that was dropped with everything in order, and the order to
 * remove what is left has been lost; or a workspace still names it, whose recovery decides.
 */
static void unknown_ended(struct core *c, const char *task)
{
        c->ignored++;
        if (!c->booted)
                return;
        for (uint32_t i = 0; i < c->config.workspaces_max; i++) {
                if (c->workspaces[i].row.id[0] && strcmp(c->workspaces[i].row.task, task) == 0)
                        return;
        }
        provider_remove(c, task);
}

void provider_kept(struct core *c, const struct core_event *ev)
{
        fx_audit(c, ev->task_kept.workspace, ev->task_kept.task, "core", "kept",
                 ev->task_kept.where);
}

void provider_ended(struct core *c, const struct core_event *ev)
{
        struct task *t = task_find(c, ev->task_ended.task);
        char why[CORE_REASON_SIZE];

        if (!t) {
                unknown_ended(c, ev->task_ended.task);
                return;
        }
        if (ev->task_ended.exit_status >= 0)
                (void)snprintf(why, sizeof(why), "it ended with status %d: %.100s",
                               ev->task_ended.exit_status, ev->task_ended.reason);
        else
                (void)snprintf(why, sizeof(why), "it ended: %.100s", ev->task_ended.reason);
        if (ev->task_ended.certain && !c->open) { /* the inventory says what becomes of it */
                t->seen = false;
                t->end_sure = true;
                STR_CUT(t->doubt, why);
        } else if (ev->task_ended.certain) {
                provider_gone(c, t, why);
        } else {
                provider_end_said(c, t, why, false);
        }
}

void provider_gone(struct core *c, struct task *t, const char *reason)
{
        t->end_sure = true;
        task_ended(c, t, reason);
}

void provider_missing(struct core *c, struct task *t)
{
        static const char gone[] = "the provider does not have it any more";

        if (c->certain)
                provider_gone(c, t, gone);
        else if (t->row.state != TASK_LAUNCHING)
                provider_end_said(c, t, gone, true);
        else /* its launch has a time limit of its own */
                t->missing = false;
}

/* ---- it will end soon ---- */

void provider_notice_stop(struct core *c, struct task *t)
{
        struct workspace *w = workspace_of(c, t);
        char why[CORE_REASON_SIZE];

        t->notice_at = MONO_NEVER;
        if (!w)
                return;
        STR_CUT(why, t->notice);
        workspace_stop(c, w, STOP_NONE, why);
        /* Whoever was there a moment ago gets another task. */
        if (mono_diff_ms(w->person_at, c->now) < NOTICE_PERSON_MS)
                workspace_want_another(c, w);
}

static void notice_serving(struct core *c, struct task *t, int64_t left_ms)
{
        if (left_ms > NOTICE_STOP_MS) {
                t->notice_at = mono_add_ms(c->now, left_ms - NOTICE_STOP_MS);
                if (t->row.state == TASK_READY)
                        task_command(c, t, COMMAND_SAVE_NOW, false, t->notice);
        } else {
                provider_notice_stop(c, t);
        }
}

void provider_noticed(struct core *c, const struct core_event *ev)
{
        struct task *t = task_find(c, ev->task_notice.task);
        int64_t left_ms = MIN(MAX(ev->task_notice.left_ms, 0), NOTICE_MS_MAX);

        if (!t) {
                c->ignored++;
                return;
        }
        switch (t->row.state) {
        case TASK_LAUNCHING:
        case TASK_WARM:
                task_audit(c, t, "notice", ev->task_notice.reason);
                task_enter(c, t, TASK_TERMINATING, ev->task_notice.reason);
                break;
        case TASK_CLAIMED:
        case TASK_READY:
                if (t->noticed &&
                    !mono_before(mono_add_ms(c->now, left_ms - NOTICE_STOP_MS), t->notice_at))
                        break; /* the same again */
                (void)snprintf(t->notice, sizeof(t->notice), "it will be ended in %lld s: %.100s",
                               (long long)(left_ms / 1000), ev->task_notice.reason);
                t->noticed = true;
                task_audit(c, t, "notice", t->notice);
                notice_serving(c, t, left_ms);
                break;
        case TASK_STOPPING:
                t->noticed = true;
                break;
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_GONE:
        case TASK_LOST:
        case TASK_FAILED:
        case TASK_STATE_MAX:
                c->ignored++;
                break;
        }
        task_arm(c, t);
}
