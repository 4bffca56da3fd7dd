/*
 * The provider: containers, idempotency tokens, lists that lag behind. A token is the task's id; a
 * launch with a token that is still known gives the first container again, alive or not.
 */
#include <stdio.h>
#include <string.h>

#include "state.h"

#define TERM_GRACE_MS (30 * SIM_S)
/* Lists get there in the end: none forgets the same task again before this. */
#define FORGET_AGAIN_MS (10 * SIM_MIN)

int body_index(const struct sim *s, const struct body *b)
{
        return (int)(b - s->bodies);
}

struct body *provider_body(struct sim *s, const char *id)
{
        for (int i = 0; i < SIM_BODIES; i++) {
                if (s->bodies[i].used && strcmp(s->bodies[i].id, id) == 0)
                        return &s->bodies[i];
        }
        return NULL;
}

static void say_ended(struct sim *s, const char *id)
{
        struct note *n;

        if (sim_fault(s, FAULT_LOSE_ENDED))
                return;
        n = sim_note(s, W_ENDED, sim_about(s, s->timing.provider_ms));
        STR_CUT(n->id, id);
}

void provider_end(struct sim *s, struct body *b, const char *why)
{
        if (!b->alive)
                return;
        sim_say(s, "provider: %s ended: %s", b->id, why);
        b->alive = b->up = false;
        b->ended_ms = s->now_ms;
        say_ended(s, b->id);
        if (b->workspace[0])
                person_tempted(s, b->workspace, MOMENT_ENDED);
}

/* ---- launch ---- */

/* A free place, or that of the one that has been dead for longest; its token must be forgotten. */
static struct body *place(struct sim *s)
{
        struct body *oldest = NULL;

        for (int i = 0; i < SIM_BODIES; i++) {
                struct body *b = &s->bodies[i];

                if (!b->used)
                        return b;
                if (!b->alive && s->now_ms - b->launched_ms > s->timing.token_ms &&
                    (!oldest || b->ended_ms < oldest->ended_ms))
                        oldest = b;
        }
        return oldest;
}

static void answer_launch(struct sim *s, const struct note *n, bool ok, enum launch_failure no)
{
        struct note *m;

        if (sim_fault(s, FAULT_LOSE_ANSWER)) {
                if (sim_below(s, 2))
                        return;
                ok = false;
                no = LAUNCH_UNKNOWN;
        }
        m = sim_note(s, W_LAUNCHED, sim_about(s, s->timing.provider_ms));
        m->ctl = n->ctl;
        m->life = n->life;
        m->flag = ok;
        m->kind = (int)no;
        STR_CUT(m->id, n->id);
}

static void launch(struct sim *s, const struct note *n)
{
        struct body *b = provider_body(s, n->id);

        if (sim_fault(s, FAULT_THROTTLE)) {
                if (sim_below(s, 2))
                        answer_launch(s, n, false, LAUNCH_THROTTLED);
                return;
        }
        if (b) {
                answer_launch(s, n, true, LAUNCH_UNKNOWN);
                return;
        }
        if (sim_fault(s, FAULT_BROKEN)) {
                answer_launch(s, n, false, LAUNCH_BROKEN);
                return;
        }
        b = sim_fault(s, FAULT_CAPACITY) ? NULL : place(s);
        if (!b) {
                answer_launch(s, n, false, LAUNCH_CAPACITY);
                return;
        }
        *b = (struct body){.used = true,
                           .alive = true,
                           .life = ++s->body_life,
                           .launched_ms = s->now_ms,
                           .phase = AGENT_STARTING,
                           .ctl = (int)sim_below(s, (uint64_t)s->n_ctl)};
        STR_CUT(b->id, n->id);
        STR_CUT(b->type, n->nonce);
        (void)snprintf(b->nonce, sizeof(b->nonce), "%032x", b->life);
        sim_say(s, "provider: %s starts", b->id);
        answer_launch(s, n, true, LAUNCH_UNKNOWN);
        agent_start(s, b);
}

/* ---- stop ---- */

static void stop(struct sim *s, const struct note *n)
{
        struct body *b = provider_body(s, n->id);

        if (sim_fault(s, FAULT_THROTTLE))
                return;
        if (!b || !b->alive) {
                say_ended(s, n->id);
                return;
        }
        check_end(s, b);
        person_tempted(s, b->workspace, MOMENT_ENDING);
        if (n->flag) {
                provider_end(s, b, "stopped at once");
        } else if (!b->term) {
                struct note *end;

                agent_term(s, b);
                end = sim_note(s, W_BODY_END,
                               b->phase == AGENT_SAVED ? SIM_S : sim_about(s, TERM_GRACE_MS));
                end->body = body_index(s, b);
                end->body_life = b->life;
        }
}

/* ---- list ---- */

/* Recent starts and ends may not show; some lists leave out what runs. */
static bool listed(struct sim *s, struct body *b)
{
        int64_t lag_ms = s->timing.lag_ms;

        if (s->certain)
                return b->alive;
        if (b->alive && s->now_ms - b->launched_ms < lag_ms && sim_fault(s, FAULT_LIST_LAGS)) {
                b->forget_ms = s->now_ms + FORGET_AGAIN_MS;
                return false;
        }
        if (b->alive && s->now_ms >= b->forget_ms && sim_fault(s, FAULT_LIST_FORGETS)) {
                b->forget_ms = s->now_ms + FORGET_AGAIN_MS;
                return false;
        }
        if (!b->alive && s->now_ms - b->ended_ms < lag_ms && sim_fault(s, FAULT_LIST_LAGS))
                return true;
        return b->alive;
}

void provider_list(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        c->list.n = 0;
        for (int i = 0; i < SIM_BODIES; i++) {
                if (s->bodies[i].used && listed(s, &s->bodies[i]))
                        STR_CUT(c->list.ids[c->list.n++], s->bodies[i].id);
        }
}

static void list(struct sim *s, const struct note *n)
{
        struct note *m;

        if (s->ctl[n->ctl].life != n->life || sim_fault(s, FAULT_THROTTLE))
                return;
        provider_list(s, n->ctl);
        if (sim_fault(s, FAULT_LOSE_ANSWER))
                return;
        m = sim_note(s, W_LISTED, sim_about(s, s->timing.provider_ms));
        m->ctl = n->ctl;
        m->life = n->life;
}

void provider_note(struct sim *s, const struct note *n)
{
        struct body *b = n->body >= 0 ? &s->bodies[n->body] : NULL;

        if (n->what == W_CALL_LAUNCH)
                launch(s, n);
        else if (n->what == W_CALL_STOP)
                stop(s, n);
        else if (n->what == W_CALL_LIST)
                list(s, n);
        else if (b && b->used && b->life == n->body_life)
                provider_end(s, b, "its time is over");
}
