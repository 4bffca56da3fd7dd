/*
 * The workspace machine.
 *
 *   stopped -> starting -> running -> saving -> stopped
 *   starting, running, saving -> attention (kept, retried) -> running or saving
 *   starting, running, saving, attention, and the task is gone -> recovering -> stopped
 *   stopped -> deleted -> erased
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

static void audit_workspace(struct core *c, const struct workspace *w, const char *what,
                            const char *detail)
{
        fx_audit(c, w->row.id, w->row.task, "core", what, detail);
}

/*
 * More than any save? What a home folder has is safe where it is. Whether its app had started is no
 * reason: the report that says so may have been lost with the task.
 */
static bool may_hold_more(const struct core *c, const struct workspace *w)
{
#ifdef CORE_PLANTED_NO_RESCUE
        return false;
#endif
        return !home_used(c, w);
}

static void ask_salvage(struct core *c, struct workspace *w)
{
        struct core_effect *fx = fx_add(c, FX_SALVAGE);

        STR_CUT(fx->salvage.workspace, w->row.id);
        fx->salvage.generation = w->row.generation;
        fx->salvage.has_saves = w->row.head.seq != 0;
        if (may_hold_more(c, w)) {
                STR_CUT(fx->salvage.task, w->row.task);
                STR_CUT(fx->salvage.type, w->row.key.type);
        }
        if (w->row.head.generation == w->row.generation)
                fx->salvage.after_seq = w->row.head.seq;
        w->ask_at = mono_add_ms(c->now, SALVAGE_AGAIN_MS);
}

/* When the next attempt to save is made in attention; each pause is twice the one before. */
static mono_t attention_next(const struct core *c, struct workspace *w)
{
        int64_t ms = c->config.retry_save_ms << MIN(w->tries, ATTENTION_DOUBLINGS);

        w->tries++;
        return mono_add_ms(c->now, ms);
}

/* The operator is told, and told again while it lasts; the same at most so often. */
static void attention_alert(struct core *c, struct workspace *w)
{
        char detail[CORE_REASON_SIZE];
        int64_t since_s = (c->utc.us - w->attention_at.us) / US_PER_S;

        if (!mono_due(w->alert_at, c->now) && strcmp(w->alerted, w->row.reason) == 0)
                return;
        STR_CUT(w->alerted, w->row.reason);
        w->alert_at = mono_add_ms(c->now, ATTENTION_ALERT_MS);
        if (since_s > 0)
                (void)snprintf(detail, sizeof(detail), "for %lld s: %.120s", (long long)since_s,
                               w->row.reason);
        else
                STR_CUT(detail, w->row.reason);
        audit_workspace(c, w, "attention", detail);
}

/* The erasure time is a date; it is looked at again when the date may have come. */
static mono_t erase_due(const struct core *c, const struct workspace *w)
{
        int64_t left_us = w->row.erase_at.us - c->utc.us;

        return left_us <= 0 ? c->now : (mono_t){c->now.us + left_us};
}

static void after_stop(struct core *c, struct workspace *w, bool wanted)
{
        if (w->row.erase_at.us)
                workspace_enter(c, w, WS_DELETED, "waits for its erasure");
        else if (wanted && !c->draining && !modes_hard_drain(c, w->type) &&
                 w->type < c->config.n_types)
                workspace_enter(c, w, WS_STARTING, "it was asked for while it was being stopped");
}

void workspace_enter(struct core *c, struct workspace *w, enum ws_state state, const char *reason)
{
#ifdef CORE_PLANTED_FORGETS_WISH
        bool wanted = false;
#else
        bool wanted = w->row.wanted;
#endif
        char why[CORE_REASON_SIZE];

        STR_CUT(why, reason); /* it may be the row's own text */
        pools_unwait(c, w);
        w->row.state = state;
        STR_CUT(w->row.reason, why);
        w->ask_at = MONO_NEVER;
        w->tries = 0;
        if (state == WS_STOPPED || state == WS_RUNNING)
                w->row.wanted = false;
        if (state == WS_STOPPED) {
                w->row.stopped_at = c->utc;
                w->row.task[0] = 0;
                saves_forget(w);
        }
        fx_put_workspace(c, w);
        switch (state) {
        case WS_STOPPED:
                audit_workspace(c, w, "stopped", why);
                after_stop(c, w, wanted);
                break;
        case WS_STARTING:
                pools_wait(c, w);
                break;
        case WS_RUNNING:
        case WS_SAVING:
                break;
        case WS_ATTENTION:
                w->attention_at = c->utc;
                attention_alert(c, w);
                w->ask_at = attention_next(c, w);
                break;
        case WS_RECOVERING:
                saves_forget(w);
                ask_salvage(c, w);
                break;
        case WS_DELETED:
                audit_workspace(c, w, "deleted", why);
                w->ask_at = erase_due(c, w);
                break;
        case WS_STATE_MAX:
                break;
        }
        if (task_of(c, w))
                pace_account(c, task_of(c, w));
        workspace_arm(c, w);
}

void workspace_claim(struct core *c, struct workspace *w, struct task *t)
{
        pools_unwait(c, w);
#ifndef CORE_PLANTED_SAME_GENERATION
        w->row.generation++;
#endif
        STR_CUT(w->row.task, t->row.id);
        w->row.state = WS_STARTING;
        w->row.reason[0] = 0;
        w->person_at = w->human_at = c->now;
        w->row.human_at = c->utc;
        STR_CUT(w->person_by, "claim");
        w->hold_until = c->now;
        t->row.claimed_at = c->utc;
        t->row.generation = w->row.generation;
        STR_CUT(t->row.workspace, w->row.id);
        t->empty = false;
        t->app_started = t->attached = false;
        t->tries = 0;
#ifdef CORE_PLANTED_ACT_FIRST
        task_command(c, t, COMMAND_CLAIM, false, "");
#endif
        fx_put_workspace(c, w);
        task_enter(c, t, TASK_CLAIMED, "");
        workspace_arm(c, w);
}

/* ---- stopping ---- */

static void order_stop(struct core *c, struct workspace *w, struct task *t, bool recheck,
                       const char *reason)
{
        char why[CORE_REASON_SIZE];

        STR_CUT(why, reason);
        if (t->row.state != TASK_STOPPING)
                task_enter(c, t, TASK_STOPPING, why);
        if (w->row.state != WS_ATTENTION)
                workspace_enter(c, w, WS_SAVING, why);
        audit_workspace(c, w, "stopping", why);
        task_command(c, t, COMMAND_PREPARE_STOP, recheck, why);
}

/* In attention: try the last save again, unless a question is still open. */
static void retry_stop(struct core *c, struct workspace *w, struct task *t, const char *reason)
{
        w->ask_at = attention_next(c, w);
        if (w->save.active)
                return;
        if (t->row.state == TASK_CLAIMED || t->row.state == TASK_READY)
                order_stop(c, w, t, false, reason);
        else if (t->row.state == TASK_STOPPING && task_stop_answered(t))
                task_command(c, t, COMMAND_PREPARE_STOP, false, reason);
}

static void stop_saving(struct core *c, struct workspace *w, struct task *t, const char *reason)
{
        if (t->row.state != TASK_STOPPING)
                return;
        /* The agent may not decline any more, if it has not been asked that way already. */
        if (task_is_resuming(t) || (t->recheck && !w->save.active))
                task_command(c, t, COMMAND_PREPARE_STOP, false, reason);
}

/* ---- and not stopping after all ---- */

bool task_is_resuming(const struct task *t)
{
        return t->row.state == TASK_STOPPING && t->command_id && t->command == COMMAND_RESUME;
}

void workspace_want(struct core *c, struct workspace *w)
{
        w->row.wanted = true;
        w->requested_at = c->now;
        fx_put_workspace(c, w);
}

void workspace_want_another(struct core *c, struct workspace *w)
{
        if (!w->row.wanted && !w->row.erase_at.us && !c->draining)
                workspace_want(c, w);
}

bool workspace_resume(struct core *c, struct workspace *w, const char *by)
{
        struct task *t = task_of(c, w);

        if (!t || t->row.state != TASK_STOPPING || t->noticed || c->draining ||
            w->row.erase_at.us || modes_hard_drain(c, w->type))
                return false;
        if (w->row.state != WS_SAVING && w->row.state != WS_ATTENTION)
                return false;
        if (task_is_resuming(t) && w->row.wanted)
                return true;
        /* Until its app runs again it is wanted: should it be too late, it is launched anew. */
        workspace_want(c, w);
        audit_workspace(c, w, "resuming", by);
        /* What it has uploaded as its last save is an ordinary one now. */
#ifndef CORE_PLANTED_FORGETS_RESUME
        w->save.final = w->save.unchanged_final = false;
#endif
        t->since = c->now;
        t->resumed = true;
        task_command(c, t, COMMAND_RESUME, false, by);
        return true;
}

void workspace_task_resumed(struct core *c, struct workspace *w, struct task *t)
{
        task_enter(c, t, TASK_READY, "");
        w->person_at = mono_max(w->person_at, w->requested_at);
        w->hold_until = mono_add_ms(c->now, DECLINE_HOLD_MS);
        w->hold_why = "it was just asked for again";
        workspace_enter(c, w, WS_RUNNING, "");
        audit_workspace(c, w, "resumed", "the stop was cancelled");
}

void workspace_begin_stop(struct core *c, struct workspace *w, bool recheck, const char *reason)
{
        struct task *t = task_of(c, w);

        if (t && (t->row.state == TASK_CLAIMED || t->row.state == TASK_READY))
                order_stop(c, w, t, recheck, reason);
        pace_goes_on(c);
        workspace_arm(c, w);
}

void workspace_stop(struct core *c, struct workspace *w, enum core_stop_kind kind,
                    const char *reason)
{
        struct task *t = task_of(c, w);

        if (STEAL(w->row.wanted, false))
                fx_put_workspace(c, w);
        switch (w->row.state) {
        case WS_STARTING:
        case WS_RUNNING:
                if (!t && w->row.state == WS_STARTING)
                        workspace_enter(c, w, WS_STOPPED, reason);
                else if (t && (t->row.state == TASK_CLAIMED || t->row.state == TASK_READY) &&
                         pace_admit(c, w, kind, c->now, reason))
                        workspace_begin_stop(c, w, false, reason);
                break;
        case WS_SAVING:
                if (t)
                        stop_saving(c, w, t, reason);
                break;
        case WS_ATTENTION:
                w->tries = 0;
                if (t)
                        retry_stop(c, w, t, reason);
                break;
        case WS_STOPPED:
        case WS_RECOVERING:
        case WS_DELETED:
        case WS_STATE_MAX:
                break;
        }
        workspace_arm(c, w);
}

/* ---- what happens to its task ---- */

void workspace_task_ready(struct core *c, struct workspace *w, struct task *t)
{
        char detail[64];

        if (t->row.state == TASK_CLAIMED) {
                task_enter(c, t, TASK_READY, "");
                if (mono_before(w->person_at, c->now))
                        w->person_at = c->now;
        }
        workspace_enter(c, w, WS_RUNNING, "");
        (void)snprintf(detail, sizeof(detail), "%lld ms after it was asked for",
                       (long long)mono_diff_ms(w->requested_at, c->now));
        audit_workspace(c, w, "ready", detail);
        /* It serves, and yet something is wrong: an older save was restored. */
        if (t->live.error[0])
                audit_workspace(c, w, "trouble", t->live.error);
}

void workspace_task_declined(struct core *c, struct workspace *w, struct task *t)
{
        task_enter(c, t, TASK_READY, "");
        w->hold_until = mono_add_ms(c->now, DECLINE_HOLD_MS);
        w->hold_why = "its agent declined a stop";
        workspace_enter(c, w, WS_RUNNING, "");
        audit_workspace(c, w, "declined", "its agent sees a person");
}

void workspace_task_failed(struct core *c, struct workspace *w, struct task *t, const char *reason)
{
        if (t->saving)
                pace_trouble(c, w, reason);
        if (w->row.state != WS_ATTENTION) {
                workspace_enter(c, w, WS_ATTENTION, reason);
        } else if (strcmp(w->row.reason, reason) != 0) {
                STR_CUT(w->row.reason, reason);
                fx_put_workspace(c, w);
        }
}

void workspace_task_useless(struct core *c, struct workspace *w, struct task *t, const char *reason)
{
        /* It stays with its workspace until it is gone, so that there is never a second one. */
        STR_CUT(w->row.reason, reason);
        fx_put_workspace(c, w);
        t->empty = true;
        task_enter(c, t, TASK_FAILED, reason);
}

void workspace_task_lost(struct core *c, struct workspace *w, struct task *t, const char *reason)
{
        char why[CORE_REASON_SIZE];
        int64_t unsaved_ms = t->live.unsaved_age_ms;

        if (unsaved_ms > 0)
                (void)snprintf(
                        why, sizeof(why), "unsaved changes may be %lld s old: %.100s",
                        (long long)((unsaved_ms + mono_diff_ms(t->live.heard_at, c->now)) / 1000),
                        reason);
        else
                STR_CUT(why, reason);
        task_enter(c, t, TASK_LOST, why);
        workspace_enter(c, w, WS_RECOVERING, why);
}

void workspace_task_gone(struct core *c, struct workspace *w, const struct task *t)
{
        char why[CORE_REASON_SIZE];

        if (w->row.state == WS_ATTENTION) { /* it was abandoned */
                workspace_enter(c, w, WS_RECOVERING, t->row.reason);
                return;
        }
        /* A save that failed is not the reason any more; a start that failed still is. */
        STR_CUT(why, w->row.state == WS_STARTING ? w->row.reason : t->row.reason);
        workspace_enter(c, w, WS_STOPPED, why);
}

void workspace_salvaged(struct core *c, struct workspace *w, const struct core_event *ev)
{
        const struct save_ref *found = &ev->salvaged.found;
        const struct save_ref *head = &w->row.head;
        struct task *t = task_of(c, w);
        char detail[CORE_REASON_SIZE];

        if (ev->salvaged.result < 0) {
                w->ask_at = mono_add_ms(c->now, backoff_ms(w->tries++));
                workspace_arm(c, w);
                return;
        }
#ifdef CORE_PLANTED_NO_SALVAGE
        found = head;
#endif
        if (found->seq && found->generation == w->row.generation &&
            (head->generation < found->generation || head->seq < found->seq)) {
                saves_commit(c, w, found);
                (void)snprintf(detail, sizeof(detail), "found the save %llu-%llu",
                               (unsigned long long)found->generation,
                               (unsigned long long)found->seq);
        } else {
                (void)snprintf(detail, sizeof(detail), "nothing newer than the save %llu-%llu",
                               (unsigned long long)head->generation, (unsigned long long)head->seq);
        }
        /* Nobody is given its home before that is certain: see task_ended. */
        if (t && home_of_task(c, t) && !t->end_sure) {
                w->ask_at = MONO_NEVER;
                task_end_surely(c, t);
                workspace_arm(c, w);
                return;
        }
        audit_workspace(c, w, "recovered", detail);
        if (t && t->row.state == TASK_LOST)
                task_enter(c, t, TASK_GONE, t->row.reason);
        else if (!t)
                provider_remove(c, w->row.task);
        workspace_enter(c, w, WS_STOPPED, w->row.reason);
}

/* ---- time ---- */

void workspace_arm(struct core *c, struct workspace *w)
{
        mono_t due = w->ask_at;

        pace_check(c, w);
        /* One that waits for its turn is looked at when that comes. */
        if (w->row.state == WS_RUNNING && w->stop.kind == STOP_NONE)
                due = mono_min(due, idle_due(c, w));
        if (w->save.active)
                due = mono_min(due, w->save.ask_at);
        if (w->drain || w->resume)
                due = c->now;
        timers_set(&c->workspace_timers, w->slot, due);
}

void workspace_attention_again(struct core *c, struct workspace *w)
{
        w->attention_at = c->utc;
        STR_CUT(w->alerted, w->row.reason);
        w->alert_at = mono_add_ms(c->now, ATTENTION_ALERT_MS);
        w->ask_at = attention_next(c, w);
}

static void attention_deadline(struct core *c, struct workspace *w)
{
        const struct task *t = task_of(c, w);
        /* Late is not failed: a restore that still runs is waited for. */
        bool late = t && (t->row.state == TASK_CLAIMED || t->row.state == TASK_READY) &&
                    t->live.phase != AGENT_FAILED && t->live.phase != AGENT_SAVE_FAILED;

        attention_alert(c, w);
        if (t && !late)
                retry_stop(c, w, task_of(c, w), w->row.reason);
        else
                w->ask_at = attention_next(c, w);
}

static void deleted_deadline(struct core *c, struct workspace *w)
{
        struct core_effect *fx;

        if (c->utc.us < w->row.erase_at.us) {
                w->ask_at = erase_due(c, w);
                return;
        }
        w->ask_at = mono_add_ms(c->now, ERASE_AGAIN_MS);
        if (!home_erase(c, w))
                return;
        fx = fx_add(c, FX_ERASE);
        STR_CUT(fx->erase.workspace, w->row.id);
        fx->erase.generation = w->row.generation;
        w->erasing = true;
}

static void drain_deadline(struct core *c, struct workspace *w)
{
        const struct mode *drain = modes_get(c, MODE_DRAIN, w->type);

        w->drain = false;
        workspace_stop(c, w, STOP_ORDERED,
                       c->draining || !drain ? "the controller shuts down" : drain->wait);
}

void workspace_deadline(struct core *c, struct workspace *w)
{
        if (w->drain) {
                drain_deadline(c, w);
                return;
        }
        if (w->save.active && mono_due(w->save.ask_at, c->now)) {
                if (w->save.final && w->save.tries == 0 && !w->save.slow) {
                        w->save.slow = true;
                        pace_trouble(c, w, "storage does not answer");
                }
                saves_verify(c, w);
        }
        switch (w->row.state) {
        case WS_RUNNING:
                if (w->stop.kind == STOP_NONE && mono_due(idle_due(c, w), c->now))
                        idle_deadline(c, w);
                break;
        case WS_ATTENTION:
                if (mono_due(w->ask_at, c->now))
                        attention_deadline(c, w);
                break;
        case WS_RECOVERING:
                if (mono_due(w->ask_at, c->now))
                        ask_salvage(c, w);
                break;
        case WS_DELETED:
                if (mono_due(w->ask_at, c->now))
                        deleted_deadline(c, w);
                break;
        case WS_STOPPED:
        case WS_STARTING:
        case WS_SAVING:
        case WS_STATE_MAX:
                break;
        }
        workspace_arm(c, w);
}
