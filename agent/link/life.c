/* Phases, what init and gate are told, and what commands do. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "link/internal.h"
#include "wire/blob.h"

/*
 * A step on the way up is told when it lasts so long. One report is under way at a time, and that
 * of a step of a few milliseconds would hold up the one that says "ready".
 */
#define STEP_TOLD_MS INT64_C(50)
/* Watching begins so long after the files are there: the app comes up first. */
#define SENSE_WAIT_MS INT64_C(1000)

/* ---- telling the gate ---- */

void life_tell(struct state *s, struct state_actions *fx)
{
        struct state_action *a;

        /* Before the claim there is no key that a request could be held to. */
        if (s->generation == 0)
                return;
        a = state_act(fx, STATE_ACT_GATE);
        a->channel.type = CHANNEL_GATE_CONFIG;
        a->channel.u.config.generation = s->generation;
        STR_CUT(a->channel.u.config.workspace, s->claim.workspace);
        STR_CUT(a->channel.u.config.key, s->claim.gate_key);
        STR_CUT(a->channel.u.config.host, s->claim.host);
        STR_CUT(a->channel.u.config.key_old, s->claim.gate_key_old);
        STR_CUT(a->channel.u.config.access, s->claim.access_key);
        STR_CUT(a->channel.u.config.access_old, s->claim.access_key_old);
        STR_CUT(a->channel.u.config.cookie, s->claim.cookie);
        STR_CUT(a->channel.u.config.platform, s->claim.platform);
        a->channel.u.config.cookie_s =
                (uint32_t)MIN(s->claim.cookie_ms / 1000, (int64_t)UINT32_MAX);
        a->channel.u.config.clock_off_s = s->clock_told_s = s->clock_off_s;
        STR_CUT(a->channel.u.config.phase, wire_phase_name(s->phase));
        if (s->phase == WIRE_PHASE_STOPPING || s->phase == WIRE_PHASE_SAVING)
                STR_CUT(a->channel.u.config.message, "saving your work");
        else
                restore_describe(s, a->channel.u.config.message,
                                 sizeof(a->channel.u.config.message));
}

void life_tell_notices(struct state *s, struct state_actions *fx)
{
        struct state_action *a = state_act(fx, STATE_ACT_GATE);

        s->notices_new = false;
        a->channel.type = CHANNEL_GATE_TELL;
        for (int i = 0; i < STATE_NOTICE_MAX; i++)
                STR_CUT(a->channel.u.tell.text[i], s->notices[i]);
}

static void tell_probe(struct state *s, struct state_actions *fx)
{
        struct state_action *a = state_act(fx, STATE_ACT_GATE);

        a->channel.type = CHANNEL_GATE_PROBE;
        a->channel.u.probe.id = ++s->probe_id;
        a->channel.u.probe.prime = s->phase == WIRE_PHASE_PRIMING;
        STR_CUT(a->channel.u.probe.health_path, s->config.health_path);
        STR_CUT(a->channel.u.probe.prime_path, s->config.prime_path);
}

static void tell_down(struct state_actions *fx)
{
        state_act(fx, STATE_ACT_GATE)->channel.type = CHANNEL_GATE_APP_DOWN;
}

static void tell_sense(struct state *s, struct state_actions *fx)
{
        struct state_action *a = state_act(fx, STATE_ACT_SENSE);

        a->channel.type = CHANNEL_SENSE_BEGIN;
        STR_CUT(a->channel.u.begin.workspace, s->config.workspace);
        STR_CUT(a->channel.u.begin.home, s->config.home);
        s->sense_at = MONO_NEVER;
        /* Until the watches stand nobody sees a change. */
        backup_change(s);
}

static void report_step(struct state *s)
{
        s->report_at = mono_min(s->report_at, mono_add_ms(s->now, STEP_TOLD_MS));
}

void life_enter(struct state *s, enum wire_phase phase, struct state_actions *fx)
{
        s->phase = phase;
        if (phase == WIRE_PHASE_RESTORING || phase == WIRE_PHASE_APP_STARTING)
                report_step(s);
        else
                s->report_at = s->now;
        life_tell(s, fx);
}

/* ---- the way up ---- */

static void start_prime(struct state *s, struct state_actions *fx)
{
        life_enter(s, WIRE_PHASE_PRIMING, fx);
        state_order(s, fx, CONTROL_APP_START, CONTROL_PRIME);
        tell_probe(s, fx);
}

static void stop_prime(struct state *s, struct state_actions *fx)
{
        s->prime_stopping = true;
        state_order(s, fx, CONTROL_APP_STOP, 0);
}

static void start_app(struct state *s, struct state_actions *fx)
{
        s->final_wanted = s->resume_wanted = false;
        life_enter(s, WIRE_PHASE_APP_STARTING, fx);
        state_order(s, fx, CONTROL_APP_START, 0);
        tell_probe(s, fx);
        restore_rest_begin(s);
}

static void start_stop(struct state *s, struct state_actions *fx)
{
        if (!mono_is_never(s->sense_at))
                tell_sense(s, fx);
        backup_new_final(s);
        s->stop_wanted = s->resume_wanted = false;
        life_enter(s, WIRE_PHASE_STOPPING, fx);
        tell_down(fx);
        state_order(s, fx, CONTROL_APP_STOP, 0);
}

void life_files_in_place(struct state *s, struct state_actions *fx)
{
        s->restored = true;
        s->save_started = s->save_at = s->now;
        backup_hold(s, fx);
        backup_change(s);
        s->sense_at = mono_add_ms(s->now, SENSE_WAIT_MS);
        if (s->stop_wanted)
                start_stop(s, fx);
        else
                start_app(s, fx);
}

void life_deadline(struct state *s, struct state_actions *fx)
{
        if (mono_due(s->sense_at, s->now))
                tell_sense(s, fx);
}

static void begin_claim(struct state *s, struct state_actions *fx)
{
        life_enter(s, WIRE_PHASE_RESTORING, fx);
        if (s->claim.restore[0])
                restore_begin(s, fx);
        else
                life_files_in_place(s, fx);
}

void life_claim(struct state *s, const struct wire_claim *claim)
{
        s->claim = *claim;
        restore_request(s, claim->restore);
        backup_claim(s);
        s->generation = claim->generation;
        presence_restart(&s->presence, s->now);
}

void life_keys(struct state *s, const struct wire_claim *claim, struct state_actions *fx)
{
        STR_CUT(s->claim.gate_key, claim->gate_key);
        STR_CUT(s->claim.gate_key_old, claim->gate_key_old);
        STR_CUT(s->claim.access_key, claim->access_key);
        STR_CUT(s->claim.access_key_old, claim->access_key_old);
        STR_CUT(s->claim.cookie, claim->cookie);
        STR_CUT(s->claim.platform, claim->platform);
        s->claim.cookie_ms = claim->cookie_ms;
        life_tell(s, fx);
}

void life_begin(struct state *s, struct state_actions *fx)
{
        if (s->generation > 0 && s->phase == WIRE_PHASE_WARM)
                begin_claim(s, fx);
}

static void primed(struct state *s, struct state_actions *fx)
{
        s->prime_stopping = false;
        if (s->generation > 0) {
                begin_claim(s, fx);
        } else {
                life_enter(s, WIRE_PHASE_WARM, fx);
                /* Whoever comes back will not wait for a program to start. */
                state_order(s, fx, CONTROL_RESTORE, CONTROL_AHEAD);
        }
}

/* 126 and 127 come from init: the app's program could not be executed. */
static void describe_exit(int status, char *dst, size_t size)
{
        (void)snprintf(dst, size, "exit status %d%s", status,
                       status == 127   ? ", its program was not found"
                       : status == 126 ? ", its program cannot be executed"
                                       : "");
}

static void prime_failed(struct state *s, int status, struct state_actions *fx)
{
        char text[64];

        describe_exit(status, text, sizeof(text));
        state_trouble(s, STATE_TROUBLE_APP, "the app ended while it was primed", text);
        life_enter(s, WIRE_PHASE_FAILED, fx);
}

/* ---- taking up a life that an earlier link led ---- */

static void sync_unclaimed(struct state *s, struct state_actions *fx)
{
        /* Somebody's files are here: this must never look like a warm task. */
        if (s->app_ran) {
                state_trouble(s, STATE_TROUBLE_APP, "a student worked here, but no claim is known",
                              "");
                life_enter(s, WIRE_PHASE_FAILED, fx);
                return;
        }
        switch (s->app) {
        case CONTROL_APP_NONE:
                if (s->app_primed)
                        primed(s, fx);
                else
                        start_prime(s, fx);
                return;
        case CONTROL_APP_RUNNING:
                life_enter(s, WIRE_PHASE_PRIMING, fx);
                tell_probe(s, fx);
                return;
        case CONTROL_APP_BACKOFF:
        case CONTROL_APP_STOPPING:
                life_enter(s, WIRE_PHASE_PRIMING, fx);
                stop_prime(s, fx);
                return;
        }
}

/* The student's app runs, ran or is being stopped, so the essentials were in place. */
static void sync_running(struct state *s, struct state_actions *fx)
{
        s->restored = true;
        s->rest_wanted = s->claim.restore[0] != '\0';
        restore_rest_begin(s);
        backup_hold(s, fx);
        backup_missed(s);
        tell_sense(s, fx);
        switch (s->app) {
        case CONTROL_APP_RUNNING:
        case CONTROL_APP_BACKOFF:
                life_enter(s, WIRE_PHASE_APP_STARTING, fx);
                tell_probe(s, fx);
                return;
        case CONTROL_APP_STOPPING:
                /* By our order of an earlier life: the last save follows. */
                start_stop(s, fx);
                return;
        case CONTROL_APP_NONE:
                backup_new_final(s);
                life_enter(s, WIRE_PHASE_SAVING, fx);
                backup_begin_final(s, fx);
                return;
        }
}

void life_sync(struct state *s, struct state_actions *fx)
{
        if (s->synced || !s->have_control || !s->welcomed)
                return;
        s->synced = true;
        if (s->terminating) {
                s->restored = s->generation > 0 && s->app_ran;
                life_enter(s, WIRE_PHASE_STOPPING, fx);
        } else if (s->generation == 0) {
                sync_unclaimed(s, fx);
        } else if (s->restoring) {
                life_enter(s, WIRE_PHASE_RESTORING, fx);
        } else if (s->app_ran) {
                sync_running(s, fx);
        } else if (s->app == CONTROL_APP_NONE) {
                begin_claim(s, fx);
        } else {
                life_enter(s, WIRE_PHASE_PRIMING, fx);
                stop_prime(s, fx);
        }
}

/* ---- init ---- */

static void on_app_exited(struct state *s, int status, struct state_actions *fx)
{
        char text[64];

        if (s->phase == WIRE_PHASE_PRIMING && !s->prime_stopping) {
                prime_failed(s, status, fx);
                return;
        }
        if (s->phase != WIRE_PHASE_READY && s->phase != WIRE_PHASE_APP_STARTING)
                return;
        describe_exit(status, text, sizeof(text));
        state_trouble(s, STATE_TROUBLE_APP, "the app ended and is being started again", text);
        life_enter(s, WIRE_PHASE_APP_STARTING, fx);
        tell_probe(s, fx);
}

static void on_app_stopped(struct state *s, struct state_actions *fx)
{
        if (s->terminating)
                return;
        if (s->phase == WIRE_PHASE_PRIMING) {
                primed(s, fx);
                return;
        }
        if (s->phase != WIRE_PHASE_STOPPING)
                return;
        if (s->resume_wanted) {
                start_app(s, fx);
                return;
        }
        life_enter(s, WIRE_PHASE_SAVING, fx);
        backup_begin_final(s, fx);
}

static void on_terminating(struct state *s, struct state_actions *fx)
{
        s->terminating = true;
        s->final_wanted = s->resume_wanted = s->stop_wanted = false;
        s->restore_at = s->sense_at = MONO_NEVER;
        if (s->phase == WIRE_PHASE_SAVED || !s->synced)
                return;
        life_enter(s, WIRE_PHASE_STOPPING, fx);
        tell_down(fx);
}

static void on_control_refused(struct state *s, const struct control_msg *msg,
                               struct state_actions *fx)
{
        if (s->terminating)
                return;
        switch (msg->count) {
        case CONTROL_RESTORE:
                restore_refused(s, msg, fx);
                return;
        case CONTROL_SAVE:
                backup_refused(s, fx);
                return;
        case CONTROL_APP_STOP:
                /* Nothing to stop is as good as stopped; a stop under way reports its end. */
                if (s->app == CONTROL_APP_NONE)
                        on_app_stopped(s, fx);
                return;
        case CONTROL_APP_START:
                if (s->app != CONTROL_APP_RUNNING && s->app != CONTROL_APP_BACKOFF) {
                        state_trouble(s, STATE_TROUBLE_APP, "init refused to start the app", "");
                        life_enter(s, WIRE_PHASE_FAILED, fx);
                }
                return;
        default: /* orders that are never refused; the number comes from another process */
                return;
        }
}

static void on_control_state(struct state *s, const struct control_msg *msg,
                             struct state_actions *fx)
{
        if (s->have_control)
                return;
        s->have_control = true;
        s->foreign_save = (msg->busy & 1) != 0;
        s->restoring = (msg->busy & 2) != 0;
        s->terminating = (msg->busy & 4) != 0;
        s->app_ran = (msg->busy & 8) != 0;
        s->rest_runs = (msg->busy & 16) != 0;
        life_sync(s, fx);
}

void life_control(struct state *s, const struct control_msg *msg, const void *blob,
                  struct state_actions *fx)
{
        s->app = (enum control_app_state)msg->app_state;
        s->app_primed = msg->app_primed != 0;
        switch (msg->type) {
        case CONTROL_STATE:
                on_control_state(s, msg, fx);
                return;
        case CONTROL_APP_EXITED:
                on_app_exited(s, msg->status, fx);
                return;
        case CONTROL_APP_STOPPED:
                on_app_stopped(s, fx);
                return;
        case CONTROL_RESTORE_DONE:
                restore_done(s, msg, blob, fx);
                return;
        case CONTROL_PROGRESS:
                restore_progress(s, msg, blob, fx);
                return;
        case CONTROL_SAVE_DONE:
                backup_done(s, msg, blob, fx);
                return;
        case CONTROL_TERMINATING:
                on_terminating(s, fx);
                return;
        case CONTROL_REFUSED:
                on_control_refused(s, msg, fx);
                return;
        default: /* the number comes from another process */
                return;
        }
}

/* ---- gate and sense ---- */

static bool app_is_expected(const struct state *s)
{
        return s->phase == WIRE_PHASE_APP_STARTING || s->phase == WIRE_PHASE_READY ||
               (s->phase == WIRE_PHASE_PRIMING && !s->prime_stopping);
}

static void on_gate_hello(struct state *s, struct state_actions *fx)
{
        life_tell(s, fx);
        life_tell_notices(s, fx);
        evidence_gate_hello(s, fx);
        if (app_is_expected(s))
                tell_probe(s, fx);
        else if (s->generation > 0)
                tell_down(fx);
}

static void on_app_up(struct state *s, uint32_t id, struct state_actions *fx)
{
        /* The answer to an older question may speak of an app that has ended since. */
        if (id != s->probe_id)
                return;
        if (s->phase == WIRE_PHASE_PRIMING && !s->prime_stopping) {
                stop_prime(s, fx);
        } else if (s->phase == WIRE_PHASE_APP_STARTING) {
                state_fine(s, STATE_TROUBLE_APP);
                life_enter(s, WIRE_PHASE_READY, fx);
                restore_rest_ready(s);
        }
}

static void on_files(struct state *s, const struct channel_msg *m)
{
        if (!s->restored)
                return;
        if (m->u.files.lossy)
                backup_missed(s);
        else
                backup_change(s);
}

void life_channel(struct state *s, const struct channel_msg *m, struct state_actions *fx)
{
        switch (m->type) {
        case CHANNEL_GATE_HELLO:
                on_gate_hello(s, fx);
                return;
        case CHANNEL_GATE_APP_UP:
                on_app_up(s, m->u.app_up.id, fx);
                return;
        case CHANNEL_SENSE_HELLO:
                if (s->restored && s->phase != WIRE_PHASE_SAVED) {
                        backup_missed(s);
                        tell_sense(s, fx);
                }
                return;
        case CHANNEL_SENSE_FILES:
                on_files(s, m);
                break;
        default: /* the number comes from another process */
                break;
        }
        evidence_channel(s, m);
}

/* ---- commands ---- */

static void prepare_stop(struct state *s, const struct wire_command *cmd, struct state_actions *fx)
{
        switch (s->phase) {
        case WIRE_PHASE_APP_STARTING:
        case WIRE_PHASE_READY:
                if (cmd->recheck &&
                    evidence_declines(s, cmd->idle_ms > 0 ? cmd->idle_ms : s->claim.idle_ms))
                        s->declined = true;
                else
                        start_stop(s, fx);
                return;
        case WIRE_PHASE_RESTORING:
                /* What is on disk is not the student's home yet: let it become that first. */
                if (s->restoring)
                        s->stop_wanted = true;
                else
                        backup_nothing(s, fx);
                return;
        case WIRE_PHASE_STOPPING:
                s->resume_wanted = false;
                return;
        case WIRE_PHASE_SAVE_FAILED:
                backup_new_final(s);
                life_enter(s, WIRE_PHASE_SAVING, fx);
                backup_begin_final(s, fx);
                return;
        case WIRE_PHASE_FAILED:
                if (s->restored)
                        start_stop(s, fx);
                else
                        backup_nothing(s, fx);
                return;
        case WIRE_PHASE_STARTING:
        case WIRE_PHASE_PRIMING:
        case WIRE_PHASE_WARM:
                backup_nothing(s, fx);
                return;
        case WIRE_PHASE_SAVING:
                /* A resume was waiting for a save to end: now a last one follows that instead. */
                if (s->resume_wanted) {
                        s->resume_wanted = false;
                        backup_new_final(s);
                }
                return;
        case WIRE_PHASE_SAVED:
        case WIRE_PHASE_MAX:
                return;
        }
}

static void resume(struct state *s, struct state_actions *fx)
{
        /* Someone asked for the workspace again. */
        presence_restart(&s->presence, s->now);
        evidence_no_stop(s, fx);
        s->stop_wanted = false;
        if (s->phase == WIRE_PHASE_STOPPING) {
                s->resume_wanted = true;
        } else if ((s->phase == WIRE_PHASE_SAVING || s->phase == WIRE_PHASE_SAVE_FAILED) &&
                   s->restored) {
                backup_unfinal(s);
                /* A last save that runs has the files for itself. */
                if (backup_running(s))
                        s->resume_wanted = true;
                else
                        start_app(s, fx);
        }
}

void life_saved(struct state *s, struct state_actions *fx)
{
        if (s->phase == WIRE_PHASE_SAVING && s->resume_wanted && !s->terminating)
                start_app(s, fx);
}

static void claim(struct state *s, const struct wire_command *cmd, struct state_actions *fx)
{
        if (s->generation != 0 || !cmd->claim.workspace[0])
                return;
        life_claim(s, &cmd->claim);
        backup_grant(s, cmd->claim.saves, cmd->claim.n_saves, fx);
        /* While priming: as soon as that has ended. */
        life_begin(s, fx);
}

void life_command(struct state *s, const struct wire_command *cmd, struct state_actions *fx)
{
        s->acted_id = MAX(s->acted_id, cmd->id);
        /* That a claim was taken on is said by the next await, at once. */
        if (cmd->verb == WIRE_VERB_CLAIM)
                report_step(s);
        else
                s->report_at = s->now;
        /* Of another life: taken on, or it would be given for ever, and without effect. */
        if (cmd->verb != WIRE_VERB_CLAIM && cmd->generation != s->generation)
                return;
        s->declined = false;
        /* init ends everything by itself already. */
        if (s->terminating)
                return;
        switch (cmd->verb) {
        case WIRE_VERB_CLAIM:
                claim(s, cmd, fx);
                return;
        case WIRE_VERB_PREPARE_STOP:
                if (s->generation > 0)
                        prepare_stop(s, cmd, fx);
                return;
        case WIRE_VERB_SAVE_NOW:
                s->save_forced = s->backup_asked = true;
                backup_change(s);
                return;
        case WIRE_VERB_RESUME:
                resume(s, fx);
                return;
        case WIRE_VERB_MAX:
                return;
        }
}
