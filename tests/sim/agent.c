/*
 * An agent as the controller meets it: phases and commands, after agent/link/life.c. What it says
 * is in agent_talk.c, its saves in agent_save.c.
 */
#include <string.h>

#include "state.h"

bool agent_serves(const struct body *b)
{
        return b->alive && b->phase == AGENT_READY;
}

void agent_enter(struct sim *s, struct body *b, enum agent_phase phase, int64_t then_ms)
{
        b->phase = phase;
        b->step++;
        sim_say(s, "%s: %s", b->id, agent_phase_name(phase));
        if (then_ms >= 0) {
                struct note *n;

                if (sim_fault(s, FAULT_SLOW_AGENT))
                        then_ms = sim_about(s, 3 * SIM_MIN);
                n = sim_note(s, W_BODY_STEP, then_ms);
                n->body = body_index(s, b);
                n->body_life = b->life;
                n->number = b->step;
        }
        if (b->session)
                agent_report(s, b);
}

void agent_start(struct sim *s, struct body *b)
{
        struct note *n = sim_note(s, W_BODY_UP, sim_about(s, s->timing.boot_ms));

        n->body = body_index(s, b);
        n->body_life = b->life;
}

/* ---- the way up ---- */

static void begin_claim(struct sim *s, struct body *b)
{
        agent_enter(s, b, AGENT_RESTORING, sim_about(s, s->timing.restore_ms));
}

static void start_app(struct sim *s, struct body *b)
{
        b->final_wanted = b->resume_wanted = false;
        b->app = true;
        agent_enter(s, b, AGENT_APP_STARTING, sim_about(s, s->timing.app_ms));
}

static void start_stop(struct sim *s, struct body *b)
{
        b->final_wanted = true;
        b->stop_wanted = b->resume_wanted = false;
        person_tempted(s, b->workspace, MOMENT_TAKEN);
        agent_enter(s, b, AGENT_STOPPING, sim_about(s, s->timing.stop_ms));
}

void agent_claim(struct sim *s, struct body *b, const struct note *n)
{
        if (b->generation || !n->generation || !n->id[0])
                return;
        b->generation = n->generation;
        STR_CUT(b->workspace, n->id);
        homes_claimed(s, b);
        b->claim_head = n->ref;
        b->claim_previous = n->ref2;
        b->now = (struct told){.person_ms = s->now_ms, .browser = BROWSER_NEVER};
        if (b->phase == AGENT_WARM)
                begin_claim(s, b);
}

/* Is the newest damaged, and is there one before it that is not? */
static bool falls_back(struct sim *s, struct body *b)
{
        struct object *o = b->claim_head.seq ? storage_find(s, b->workspace, &b->claim_head) : NULL;
        const struct object *before =
                b->claim_previous.seq ? storage_find(s, b->workspace, &b->claim_previous) : NULL;

        if (!o || !before || before->damaged)
                return false;
        o->damaged |= sim_fault(s, FAULT_RESTORE_DAMAGED);
        return o->damaged;
}

/* The files of the newest committed save that can be restored, or none. */
static void files_in_place(struct sim *s, struct body *b)
{
        const struct save_ref *from = &b->claim_head;
        const struct object *o;

        b->fell_back = falls_back(s, b);
        if (b->fell_back)
                from = &b->claim_previous;
        o = from->seq ? storage_find(s, b->workspace, from) : NULL;
        if (b->fell_back)
                check_fell_back(s, b);
        else if (!b->home[0])
                check_restored(s, b, from);
        b->restored = true;
        b->base = b->content = b->committed = o ? o->content : (struct content){0};
        if (b->home[0])
                homes_in_place(s, b);
        if (b->stop_wanted)
                start_stop(s, b);
        else
                start_app(s, b);
}

static void primed(struct sim *s, struct body *b)
{
        if (sim_fault(s, FAULT_WARM_FAILS))
                agent_enter(s, b, AGENT_FAILED, -1);
        else if (b->generation)
                begin_claim(s, b);
        else
                agent_enter(s, b, AGENT_WARM, -1);
}

static void restored(struct sim *s, struct body *b)
{
        if (!sim_fault(s, FAULT_RESTORE_FAILS)) {
                files_in_place(s, b);
        } else if (b->stop_wanted) {
                b->stop_wanted = false;
                agent_nothing(s, b);
        } else {
                agent_enter(s, b, AGENT_FAILED, -1);
        }
}

static void app_stopped(struct sim *s, struct body *b)
{
        /* The editor sends its last unsaved text while it is being ended. */
        if (STEAL(b->app, false) && sim_below(s, 3) == 0)
                person_write(s, b);
        if (b->resume_wanted && !b->term) {
                start_app(s, b);
                return;
        }
        person_tempted(s, b->workspace, MOMENT_APP_ENDED);
        agent_enter(s, b, AGENT_SAVING, -1);
        agent_final(s, b);
}

static void step(struct sim *s, struct body *b)
{
        switch (b->phase) {
        case AGENT_STARTING:
                agent_enter(s, b, AGENT_PRIMING, sim_about(s, s->timing.prime_ms));
                break;
        case AGENT_PRIMING:
                primed(s, b);
                break;
        case AGENT_RESTORING:
                restored(s, b);
                break;
        case AGENT_APP_STARTING:
                b->app = !sim_fault(s, FAULT_APP_FAILS);
                agent_enter(s, b, b->app ? AGENT_READY : AGENT_FAILED, -1);
                break;
        case AGENT_STOPPING:
                app_stopped(s, b);
                break;
        case AGENT_WARM:
        case AGENT_READY:
        case AGENT_SAVING:
        case AGENT_SAVED:
        case AGENT_SAVE_FAILED:
        case AGENT_FAILED:
        case AGENT_PHASE_MAX:
                break;
        }
}

/* SIGTERM from outside: init ends everything and makes the last save by itself. */
void agent_term(struct sim *s, struct body *b)
{
        if (b->term || !b->up)
                return;
        b->term = true;
        if (b->phase == AGENT_SAVED || !b->restored || b->phase == AGENT_STOPPING ||
            b->phase == AGENT_SAVING)
                return;
        start_stop(s, b);
}

/* ---- commands ---- */

static bool declines(const struct body *b, int64_t now_ms, int64_t recheck_ms)
{
        return now_ms - b->now.person_ms < MAX(recheck_ms, 1) ||
               b->now.person_ms > b->reported_ms ||
               (b->now.browser == BROWSER_CONNECTED && !b->reported_connected);
}

static void prepare_stop(struct sim *s, struct body *b, const struct note *n)
{
        switch (b->phase) {
        case AGENT_APP_STARTING:
        case AGENT_READY:
                if (n->flag && declines(b, s->now_ms, n->ms))
                        b->declined = true;
                else
                        start_stop(s, b);
                break;
        case AGENT_RESTORING:
                b->stop_wanted = true;
                break;
        case AGENT_STOPPING:
                b->resume_wanted = false;
                break;
        case AGENT_SAVE_FAILED:
                b->final_wanted = true;
                agent_enter(s, b, AGENT_SAVING, -1);
                agent_final(s, b);
                break;
        case AGENT_FAILED:
                if (b->restored)
                        start_stop(s, b);
                else
                        agent_nothing(s, b);
                break;
        case AGENT_STARTING:
        case AGENT_PRIMING:
        case AGENT_WARM:
                agent_nothing(s, b);
                break;
        case AGENT_SAVING:
                if (b->resume_wanted) {
                        b->resume_wanted = false;
                        b->final_wanted = true;
                }
                break;
        case AGENT_SAVED:
        case AGENT_PHASE_MAX:
                break;
        }
}

static void resume(struct sim *s, struct body *b)
{
        b->now.person_ms = s->now_ms;
        b->stop_wanted = false;
        if (b->phase == AGENT_STOPPING) {
                b->resume_wanted = true;
        } else if ((b->phase == AGENT_SAVING || b->phase == AGENT_SAVE_FAILED) && b->restored) {
                agent_unfinal(b);
                if (agent_uploading(b))
                        b->resume_wanted = true;
                else
                        start_app(s, b);
        }
}

static void command(struct sim *s, struct body *b, const struct note *n)
{
        if (n->number <= b->acted)
                return;
        b->acted = n->number;
        if (n->kind != COMMAND_CLAIM && n->generation != b->generation)
                return;
        b->declined = false;
        if (b->term)
                return;
        sim_say(s, "%s: takes on %s %llu", b->id, command_verb_name((enum command_verb)n->kind),
                (unsigned long long)n->number);
        switch ((enum command_verb)n->kind) {
        case COMMAND_CLAIM:
                agent_claim(s, b, n);
                break;
        case COMMAND_PREPARE_STOP:
                if (b->generation)
                        prepare_stop(s, b, n);
                break;
        case COMMAND_RESUME:
                resume(s, b);
                break;
        case COMMAND_SAVE_NOW:
                b->save_at_ms = s->now_ms;
                break;
        case COMMAND_VERB_MAX:
                break;
        }
        agent_report(s, b);
}

static void welcome(struct sim *s, struct body *b, const struct note *n)
{
        b->ctl = n->ctl;
        b->session = n->life;
        b->heard_ms = s->now_ms;
        b->forgot = false;
        if (n->generation && !b->generation)
                agent_claim(s, b, n);
        agent_report(s, b);
}

static void from_controller(struct sim *s, struct body *b, const struct note *n)
{
        bool old = n->epoch < b->epoch;

        if (agent_cut(s, b))
                return;
        if (n->what == W_REFUSE) {
                b->session = 0;
                return;
        }
#ifndef SIM_PLANTED_AGENT_TAKES_OLD_EPOCH
        if (old)
                return;
#endif
        if (n->what != W_WELCOME && (b->session != n->life || b->ctl != n->ctl))
                return; /* that connection is closed */
        if (old)
                sim_broken(s, INV_OLD_EPOCH, "%s obeys epoch %llu after %llu", b->id,
                           (unsigned long long)n->epoch, (unsigned long long)b->epoch);
        b->epoch = MAX(b->epoch, n->epoch);
        if (n->what == W_WELCOME)
                welcome(s, b, n);
        else if (n->what == W_ACK)
                agent_ack(s, b, n);
        else
                command(s, b, n);
}

void agent_note(struct sim *s, const struct note *n)
{
        struct body *b = &s->bodies[n->body];

        if (!b->used || b->life != n->body_life || !b->alive)
                return;
        if (n->what == W_BODY_UP) {
                b->up = true;
                step(s, b);
                agent_beat(s, b);
        } else if (!b->up) {
                return;
        } else if (n->what == W_BODY_STEP) {
                if (n->number == b->step)
                        step(s, b);
        } else if (n->what == W_BODY_BEAT) {
                agent_beat(s, b);
        } else if (n->what == W_BODY_UPLOAD) {
                agent_uploaded(s, b, n->number);
        } else {
                from_controller(s, b, n);
        }
}
