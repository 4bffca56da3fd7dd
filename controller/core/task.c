/*
 * The task machine.
 *
 *   launching -> warm -> claimed -> ready -> stopping -> saved -> terminating -> gone
 *   launching, warm, claimed without a restore -> failed -> gone
 *   claimed, ready, stopping, and the task is gone -> lost -> gone
 *
 * A task that may hold work is asked to end only from `saved`. One that is warm and stays silent
 * holds none and is ended.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

bool task_is_silent(const struct core *c, const struct task *t, int64_t ms)
{
        return mono_diff_ms(t->live.heard_at, c->now) > ms;
}

bool task_may_hold_work(const struct task *t)
{
        switch (t->row.state) {
        case TASK_CLAIMED:
        case TASK_READY:
        case TASK_STOPPING:
        case TASK_LOST:
                return true;
        case TASK_LAUNCHING:
        case TASK_WARM:
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_GONE:
        case TASK_FAILED:
        case TASK_STATE_MAX:
                break;
        }
        return false;
}

/* No order to stop is open: the agent has taken the last one on, or none was given. */
bool task_stop_answered(const struct task *t)
{
        return t->acted || t->command_id == 0 || t->command != COMMAND_PREPARE_STOP;
}

/* ---- what it asks for ---- */

static void ask_launch(struct core *c, struct task *t)
{
        struct core_effect *fx = fx_add(c, FX_LAUNCH_TASK);

        STR_CUT(fx->launch_task.task, t->row.id);
        STR_CUT(fx->launch_task.type, t->row.type);
        fx->launch_task.epoch = c->epoch;
        t->ask_at = mono_add_ms(c->now, LAUNCH_AGAIN_MS);
}

static void ask_stop(struct core *c, struct task *t)
{
        struct core_effect *fx;

        if (!pace_may_end(c, t))
                return;
        fx = fx_add(c, FX_STOP_TASK);
        t->ended_at = mono_min(t->ended_at, c->now);
        STR_CUT(fx->stop_task.task, t->row.id);
        STR_CUT(fx->stop_task.reason, t->row.reason);
        fx->stop_task.epoch = c->epoch;
        fx->stop_task.at_once =
                t->empty || mono_due(mono_add_ms(t->ended_at, END_PATIENCE_MS), c->now);
        t->ask_at = mono_add_ms(c->now, STOP_AGAIN_MS);
#ifdef CORE_PLANTED_STOPS_ONCE
        t->ask_at = MONO_NEVER;
#endif
}

static void ask_command(struct core *c, struct task *t)
{
        const struct workspace *w = workspace_of(c, t);
        struct core_effect *fx = fx_add(c, FX_COMMAND);

        STR_CUT(fx->command.task, t->row.id);
        fx->command.id = t->command_id;
        fx->command.generation = t->row.generation;
        fx->command.epoch = c->epoch;
        fx->command.verb = t->command;
        fx->command.recheck = t->recheck;
        fx->command.recheck_ms = t->recheck ? t->recheck_ms : 0;
        STR_CUT(fx->command.workspace, t->row.workspace);
        STR_CUT(fx->command.reason, t->command_reason);
        if (w && t->command == COMMAND_CLAIM) {
                /* What is in its home is newer than any save of it. */
                if (w->row.home != HOME_THERE) {
                        fx->command.head = w->row.head;
                        fx->command.previous = w->row.previous;
                }
        }
        t->ask_at = mono_add_ms(c->now, COMMAND_AGAIN_MS);
}

void task_command(struct core *c, struct task *t, enum command_verb verb, bool recheck,
                  const char *reason)
{
        t->command_id = ++c->command_id;
        t->command = verb;
        t->recheck = recheck;
        t->acted = false;
        STR_CUT(t->command_reason, reason);
        ask_command(c, t);
        pace_account(c, t);
        task_arm(c, t);
}

/* ---- states ---- */

void task_audit(struct core *c, const struct task *t, const char *what, const char *detail)
{
        fx_audit(c, t->row.workspace, t->row.id, "core", what, detail);
}

static void audit_task_ms(struct core *c, const struct task *t, const char *what, int64_t ms)
{
        char detail[48];

        (void)snprintf(detail, sizeof(detail), "after %lld ms", (long long)ms);
        task_audit(c, t, what, detail);
}

static void drop_gone(struct core *c, struct task *t)
{
        struct core_effect *fx = fx_add(c, FX_DEL_TASK);

        STR_CUT(fx->id.id, t->row.id);
        task_audit(c, t, "gone", t->row.reason);
        provider_remove(c, t->row.id);
        task_drop(c, t);
}

void task_enter(struct core *c, struct task *t, enum task_state state, const char *reason)
{
        int64_t in_state_ms = mono_diff_ms(t->since, c->now);
        char why[CORE_REASON_SIZE];

        STR_CUT(why, reason); /* it may be the row's own text */
        t->row.state = state;
        t->row.state_at = c->utc;
        STR_CUT(t->row.reason, why);
        t->since = c->now;
        t->ask_at = MONO_NEVER;
        c->pool_dirty = true;
        if (state == TASK_GONE) {
                drop_gone(c, t);
                return;
        }
        pools_account(c, t);
        pace_account(c, t);
        fx_put_task(c, t);
        switch (state) {
        case TASK_LAUNCHING:
                task_audit(c, t, "launched", t->row.type);
                ask_launch(c, t);
                break;
        case TASK_WARM:
                audit_task_ms(c, t, "warm", in_state_ms);
                break;
        case TASK_CLAIMED:
                t->live.claimed_at = c->now;
                t->live.browser = BROWSER_UNKNOWN;
                t->live.came = false;
                audit_task_ms(c, t, "claimed", in_state_ms);
                home_claim(c, t);
                break;
        case TASK_READY:
                t->live.ready_at = c->now;
                t->app_started = true;
                break;
        case TASK_STOPPING:
                break;
        case TASK_SAVED:
                t->ask_at = mono_add_ms(c->now, SAVED_WAIT_MS);
                break;
        case TASK_TERMINATING:
                ask_stop(c, t);
                break;
        case TASK_LOST:
                task_audit(c, t, "lost", why);
                break;
        case TASK_FAILED:
                task_audit(c, t, "failed", why);
                ask_stop(c, t);
                break;
        case TASK_GONE:
        case TASK_STATE_MAX:
                break;
        }
        task_arm(c, t);
}

void task_launch(struct core *c, uint32_t type)
{
        struct task_row row = {.state = TASK_LAUNCHING, .launched_at = c->utc};
        struct task *t;

        (void)snprintf(row.id, sizeof(row.id), "t-%010llu", (unsigned long long)c->task_number + 1);
        STR_CUT(row.type, c->config.types[type].name);
        t = task_add(c, &row);
        assert(t); /* no more are planned than there is room for */
        c->task_number++;
        t->empty = true;
        task_enter(c, t, TASK_LAUNCHING, "");
}

void task_end_surely(struct core *c, struct task *t)
{
        t->empty = true; /* what it had is in its home */
        ask_stop(c, t);
        task_arm(c, t);
}

/* ---- what its agent says ---- */

static bool phase_after_restore(enum agent_phase phase)
{
        switch (phase) {
        case AGENT_APP_STARTING:
        case AGENT_READY:
        case AGENT_STOPPING:
        case AGENT_SAVING:
        case AGENT_SAVED:
        case AGENT_SAVE_FAILED:
                return true;
        case AGENT_STARTING:
        case AGENT_PRIMING:
        case AGENT_WARM:
        case AGENT_RESTORING:
        case AGENT_FAILED:
        case AGENT_PHASE_MAX:
                break;
        }
        return false;
}

/* All files are in place: none of the others follows only from that. */
static bool phase_lived_in(enum agent_phase phase)
{
        return phase == AGENT_APP_STARTING || phase == AGENT_READY;
}

/* When the oldest change that is in no save will be too old. */
static mono_t unsaved_due(const struct core *c, const struct task *t)
{
        int64_t limit_ms = type_config(c, t->type)->unsaved_alarm_ms;
        const struct task_live *l = &t->live;

        if (limit_ms == 0 || l->unsaved_age_ms <= 0 || t->row.state != TASK_READY)
                return MONO_NEVER;
        return mono_add_ms(l->heard_at, limit_ms - l->unsaved_age_ms);
}

static void unsaved_note(struct core *c, struct task *t)
{
        bool late = mono_due(unsaved_due(c, t), c->now);
        char text[CORE_REASON_SIZE];

        if (late == t->live.unsaved_alarm)
                return;
        t->live.unsaved_alarm = late;
        if (!late) {
                task_audit(c, t, "unsaved-ended", "its changes are saved again");
                return;
        }
        (void)snprintf(
                text, sizeof(text), "its oldest change that is in no save is %lld s old%s%.80s",
                (long long)((t->live.unsaved_age_ms + mono_diff_ms(t->live.heard_at, c->now)) /
                            1000),
                t->live.error[0] ? ": " : "", t->live.error);
        task_audit(c, t, "unsaved", text);
}

static int64_t within(int64_t ms, int64_t most)
{
        return MIN(MAX(ms, 0), most);
}

static void report_note(struct core *c, struct task *t, const struct core_event *ev)
{
        struct task_live *l = &t->live;

        if (t->silent)
                audit_task_ms(c, t, "agent-back", mono_diff_ms(l->heard_at, c->now));
        /* Silent also where that has not been noted yet: a pool may have passed it over. */
        if (t->silent || !t->heard || task_is_silent(c, t, c->config.agent_lost_ms)) {
                t->silent = false;
                t->heard = true;
                pools_account(c, t);
                c->pool_dirty |= t->row.state == TASK_WARM;
        }
        provider_heard(c, t);
        l->heard_at = c->now;
        l->phase = ev->report.phase;
        l->person_age_ms = ev->report.person_age_ms;
        l->unsaved_age_ms = ev->report.unsaved_age_ms;
        l->n_signals = MIN(ev->report.n_signals, CORE_SIGNALS_MAX);
        memcpy(l->signals, ev->report.signals, sizeof(l->signals));
        l->busy_until = mono_add_ms(c->now, within(ev->report.busy_ms, BUSY_MS_MAX));
        STR_CUT(l->job, ev->report.job);
        STR_CUT(l->confidence, ev->report.confidence);
        l->unknown = ev->report.unknown;
        l->restore_done = MIN(ev->report.restore_done, ev->report.restore_total);
        l->restore_total = ev->report.restore_total;
        STR_CUT(l->error, ev->report.error);
        l->fell_back = ev->report.fell_back;
        l->restored_generation = ev->report.restored_generation;
        l->restored_seq = ev->report.restored_seq;
        STR_CUT(l->restored_why, ev->report.restored_why);
}

/*
 * An agent whose link was restarted has forgotten that there was a browser; we have not. A browser
 * that is not there any more then has left when we hear of it, at the latest.
 */
static void browser_note(struct core *c, struct task *t, const struct core_event *ev)
{
        struct task_live *l = &t->live;
        int64_t left_ms = within(ev->report.disconnected_ms, c->now.us / US_PER_MS);

        if (!ev->report.never_connected && left_ms == 0) {
                l->browser = BROWSER_CONNECTED;
        } else if (!ev->report.never_connected) {
                l->browser = BROWSER_LEFT;
                l->browser_left_at = mono_add_ms(c->now, -left_ms);
        } else if (l->browser == BROWSER_CONNECTED) {
                l->browser = BROWSER_LEFT;
                l->browser_left_at = c->now;
        } else if (l->browser == BROWSER_UNKNOWN) {
                l->browser = BROWSER_NEVER;
        }
}

static const char *report_error(const struct core_event *ev, const char *otherwise)
{
        return ev->report.error[0] ? ev->report.error : otherwise;
}

static void warmup_failed(struct core *c, struct task *t, const char *reason)
{
        pools_launch_failed(c, t->type, reason);
        task_enter(c, t, TASK_FAILED, reason);
}

static void report_claimed(struct core *c, struct task *t, struct workspace *w,
                           const struct core_event *ev)
{
        if (ev->report.generation != t->row.generation) {
                /* After a restart of ours: it is there, and has not had its claim. */
                if (t->command_id == 0 && mono_is_never(t->ask_at))
                        home_claim(c, t);
                return;
        }
        t->acted = true;
        if (ev->report.phase == AGENT_READY)
                workspace_task_ready(c, w, t);
        else if (ev->report.phase == AGENT_FAILED && !t->app_started)
                workspace_task_useless(c, w, t, report_error(ev, "the restore failed"));
        else if (ev->report.phase == AGENT_FAILED)
                workspace_task_failed(c, w, t, report_error(ev, "the app could not be started"));
        else if (ev->report.phase == AGENT_SAVE_FAILED)
                workspace_task_failed(c, w, t, report_error(ev, "the save failed"));
}

static void report_ready(struct core *c, struct task *t, struct workspace *w,
                         const struct core_event *ev)
{
        idle_evidence(c, w, ev->report.person_age_ms, ev->report.person_by);
        if (ev->report.phase == AGENT_FAILED)
                workspace_task_failed(c, w, t, report_error(ev, "the app ended"));
        else if (ev->report.phase == AGENT_SAVE_FAILED)
                workspace_task_failed(c, w, t, report_error(ev, "the save failed"));
        else if (ev->report.phase == AGENT_SAVED) /* by itself: the machine is taken away */
                saves_agent_saved(c, w, t);
        else if (ev->report.phase == AGENT_READY && w->row.state == WS_ATTENTION)
                workspace_task_ready(c, w, t);
}

/* Since the stop began somebody did something. */
static bool was_here_since(const struct task *t, const struct workspace *w,
                           const struct core_event *ev)
{
        return ev->report.person_by[0] && strcmp(ev->report.person_by, "claim") != 0 &&
               mono_before(t->since, w->person_at);
}

/* Stopped for idleness, and since then somebody did something. */
static bool back_again(const struct task *t, const struct workspace *w, const struct core_event *ev)
{
        return t->command == COMMAND_PREPARE_STOP && t->recheck && t->acted &&
               was_here_since(t, w, ev);
}

static void report_resuming(struct core *c, struct task *t, struct workspace *w,
                            const struct core_event *ev)
{
        if (!t->acted)
                return;
        if (ev->report.phase == AGENT_READY)
                workspace_task_resumed(c, w, t);
        else if (ev->report.phase == AGENT_SAVED) /* too late: all is saved and has ended */
                saves_agent_saved(c, w, t);
        else if (ev->report.phase == AGENT_FAILED)
                workspace_task_failed(c, w, t, report_error(ev, "the app could not be started"));
}

static void report_stopping(struct core *c, struct task *t, struct workspace *w,
                            const struct core_event *ev)
{
        bool answered = task_stop_answered(t);

        if (ev->report.generation != t->row.generation) {
                /* It has taken on the stop and not the claim before it: now it never will. */
                if (!t->app_started && t->command_id && t->acted)
                        workspace_task_useless(c, w, t, t->row.reason);
                return;
        }
        idle_evidence(c, w, ev->report.person_age_ms, ev->report.person_by);
        if (ev->report.declined && t->command_id && t->acted && t->recheck)
                workspace_task_declined(c, w, t);
        else if (task_is_resuming(t))
                report_resuming(c, t, w, ev);
        else if (ev->report.phase == AGENT_SAVED && answered)
                saves_agent_saved(c, w, t);
        else if (ev->report.phase == AGENT_SAVE_FAILED && answered)
                workspace_task_failed(c, w, t, report_error(ev, "the last save failed"));
        else if (back_again(t, w, ev))
                (void)workspace_resume(c, w, w->person_by);
        else if (t->noticed && was_here_since(t, w, ev))
                workspace_want_another(c, w); /* this machine goes; another is given */
}

void task_report(struct core *c, struct task *t, const struct core_event *ev)
{
        struct workspace *w = workspace_of(c, t);
        bool current = ev->report.generation == t->row.generation;

        report_note(c, t, ev);
        if (t->command_id && ev->report.acted_id >= t->command_id)
                t->acted = true;
        unsaved_note(c, t);
        if (current && t->row.generation && phase_after_restore(ev->report.phase))
                t->app_started = true;
        if (current && t->row.generation && w && phase_lived_in(ev->report.phase))
                home_lived_in(c, w);
        if (current && t->row.generation && ev->report.phase == AGENT_READY)
                browser_note(c, t, ev);
        if (current && t->row.generation && w && ev->report.fell_back && task_may_hold_work(t))
                saves_fell_back(c, w, t, ev);
        switch (t->row.state) {
        case TASK_LAUNCHING:
                if (ev->report.phase == AGENT_WARM) {
                        pools_launch_succeeded(c, t->type, mono_diff_ms(t->since, c->now));
                        task_enter(c, t, TASK_WARM, "");
                } else if (ev->report.phase == AGENT_FAILED) {
                        warmup_failed(c, t, report_error(ev, "it could not warm up"));
                }
                break;
        case TASK_WARM:
                if (ev->report.phase == AGENT_FAILED)
                        warmup_failed(c, t, report_error(ev, "it failed while warm"));
                break;
        case TASK_CLAIMED:
                if (w)
                        report_claimed(c, t, w, ev);
                break;
        case TASK_READY:
                if (w && current)
                        report_ready(c, t, w, ev);
                break;
        case TASK_STOPPING:
                if (w)
                        report_stopping(c, t, w, ev);
                break;
        case TASK_SAVED:
                if (ev->report.phase == AGENT_SAVED)
                        task_enter(c, t, TASK_TERMINATING, t->row.reason);
                break;
        case TASK_TERMINATING:
        case TASK_GONE:
        case TASK_LOST:
        case TASK_FAILED:
        case TASK_STATE_MAX:
                break;
        }
        task_arm(c, t);
}

/* ---- the provider says it is gone ---- */

void task_ended(struct core *c, struct task *t, const char *reason)
{
        struct workspace *w = workspace_of(c, t);
        char why[CORE_REASON_SIZE];

        t->missing = t->doubted = false;
        switch (t->row.state) {
        case TASK_LAUNCHING:
        case TASK_WARM:
                pools_launch_failed(c, t->type, reason);
                task_enter(c, t, TASK_GONE, reason);
                break;
        case TASK_CLAIMED:
        case TASK_READY:
        case TASK_STOPPING:
                if (w)
                        workspace_task_lost(c, w, t, reason);
                else
                        task_enter(c, t, TASK_GONE, reason);
                break;
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_FAILED:
                STR_CUT(why, t->row.reason[0] ? t->row.reason : reason);
                if (w)
                        workspace_task_gone(c, w, t);
                task_enter(c, t, TASK_GONE, why);
                break;
        case TASK_LOST: /* its workspace still looks for its saves, or waits for this */
                if (w && t->end_sure && w->row.state == WS_RECOVERING && home_of_task(c, t)) {
                        w->ask_at = c->now;
                        workspace_arm(c, w);
                }
                break;
        case TASK_GONE:
        case TASK_STATE_MAX:
                break;
        }
}

/* ---- time ---- */

/* The later of the state's own limit and the next repetition comes from here; NEVER: no limit. */
static mono_t state_limit(const struct core *c, const struct task *t)
{
        const struct core_type *type = type_config(c, t->type);
        const struct workspace *w;

        switch (t->row.state) {
        case TASK_LAUNCHING:
                return mono_add_ms(t->since, type->launch_timeout_ms);
        case TASK_CLAIMED:
                w = workspace_of(c, t);
                return w && w->row.state == WS_STARTING
                               ? mono_add_ms(t->since, type->claim_timeout_ms)
                               : MONO_NEVER;
        case TASK_STOPPING:
                w = workspace_of(c, t);
                return w && w->row.state == WS_SAVING ? mono_add_ms(t->since, type->stop_timeout_ms)
                                                      : MONO_NEVER;
        case TASK_WARM:
                return t->silent ? mono_max(t->hold_until,
                                            mono_add_ms(t->live.heard_at,
                                                        c->config.agent_lost_ms +
                                                                type->launch_timeout_ms))
                                 : MONO_NEVER;
        case TASK_READY:
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_GONE:
        case TASK_LOST:
        case TASK_FAILED:
        case TASK_STATE_MAX:
                break;
        }
        return MONO_NEVER;
}

static bool has_agent(const struct task *t)
{
        switch (t->row.state) {
        case TASK_WARM:
        case TASK_CLAIMED:
        case TASK_READY:
        case TASK_STOPPING:
                return true;
        case TASK_LAUNCHING:
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_GONE:
        case TASK_LOST:
        case TASK_FAILED:
        case TASK_STATE_MAX:
                break;
        }
        return false;
}

static mono_t silence_limit(const struct core *c, const struct task *t)
{
        if (t->silent || !has_agent(t))
                return MONO_NEVER;
        /* One millisecond more: silent is "longer than". */
        return mono_add_ms(t->live.heard_at, c->config.agent_lost_ms + 1);
}

void task_arm(struct core *c, const struct task *t)
{
        mono_t due = mono_min(t->ask_at, mono_min(state_limit(c, t), silence_limit(c, t)));

        if (!t->row.id[0])
                return; /* it was dropped on the way */
        due = mono_min(due, mono_min(provider_doubt_due(c, t), t->notice_at));
        if (!t->live.unsaved_alarm)
                due = mono_min(due, unsaved_due(c, t));
        if (t->missing || t->drain || t->resume)
                due = c->now;
        timers_set(&c->task_timers, t->slot, due);
}

static void repeat(struct core *c, struct task *t)
{
        switch (t->row.state) {
        case TASK_LAUNCHING:
                t->ask_at = MONO_NEVER;
                if (!t->launched)
                        ask_launch(c, t);
                break;
        case TASK_CLAIMED:
        case TASK_READY:
        case TASK_STOPPING:
                t->ask_at = MONO_NEVER;
                if (t->command_id && !t->acted)
                        ask_command(c, t);
                else if (t->command_id == 0 && t->row.state == TASK_CLAIMED)
                        home_claim(c, t);
                break;
        case TASK_SAVED:
                task_enter(c, t, TASK_TERMINATING, t->row.reason);
                break;
        case TASK_TERMINATING:
        case TASK_FAILED:
                ask_stop(c, t);
                break;
        case TASK_LOST:
                if (home_of_task(c, t) && !t->end_sure)
                        ask_stop(c, t);
                else
                        t->ask_at = MONO_NEVER;
                break;
        case TASK_WARM:
        case TASK_GONE:
        case TASK_STATE_MAX:
                t->ask_at = MONO_NEVER;
                break;
        }
}

static void over_limit(struct core *c, struct task *t)
{
        const char *error = t->live.error;

        if (t->row.state == TASK_LAUNCHING)
                warmup_failed(c, t, "it did not become warm in time");
        else if (t->row.state == TASK_WARM && !stops_allowed(c))
                t->hold_until = stops_again(c);
        else if (t->row.state == TASK_WARM)
                warmup_failed(c, t, "its agent is not heard any more");
        else if (t->row.state == TASK_CLAIMED)
                workspace_task_failed(c, workspace_of(c, t), t,
                                      error[0] ? error : "it is not ready in the expected time");
        else /* stopping; the two have a limit with their workspace only */
                workspace_task_failed(c, workspace_of(c, t), t,
                                      error[0] ? error
                                               : "the last save is not done in the expected time");
}

void task_deadline(struct core *c, struct task *t)
{
        if (t->missing) {
                provider_missing(c, t);
                task_arm(c, t);
                return;
        }
        if (mono_due(provider_doubt_due(c, t), c->now)) {
                task_ended(c, t, t->doubt);
                return;
        }
        if (t->drain) {
                t->drain = false;
                if (t->row.state == TASK_LAUNCHING || t->row.state == TASK_WARM)
                        task_enter(c, t, TASK_TERMINATING, "shutting down");
                task_arm(c, t);
                return;
        }
        if (mono_due(t->notice_at, c->now))
                provider_notice_stop(c, t);
        unsaved_note(c, t);
        if (mono_due(silence_limit(c, t), c->now)) {
                t->silent = true;
                pools_account(c, t);
                task_audit(c, t, "agent-silent",
                           t->row.state == TASK_WARM ? "it is given to nobody"
                                                     : "it is kept; silence alone ends nothing");
                c->pool_dirty |= t->row.state == TASK_WARM;
        }
        if (mono_due(state_limit(c, t), c->now))
                over_limit(c, t);
        else if (mono_due(t->ask_at, c->now))
                repeat(c, t);
        task_arm(c, t);
}
