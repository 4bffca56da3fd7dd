/* What an agent says, when, and what may go wrong with it or its machine meanwhile. */
#include <string.h>

#include "state.h"

#define HELLO_AGAIN_MS (3 * SIM_S)
/* Without an answer for so long it looks for another controller. */
#define UNANSWERED_MS (15 * SIM_S)
#define SAVE_EVERY_MS (25 * SIM_S)
#define SPOT_GRACE_MS (60 * SIM_S)

bool agent_cut(const struct sim *s, const struct body *b)
{
        return s->now_ms < b->cut_until_ms;
}

static struct note *say(struct sim *s, struct body *b, enum what what)
{
        struct note *n;

        if (agent_cut(s, b) || sim_fault(s, FAULT_LOSE_REPORT))
                return NULL;
        n = sim_note(s, what, sim_delay(s));
        n->ctl = b->ctl;
        n->life = what == W_HELLO ? 0 : b->session;
        n->body = body_index(s, b);
        n->body_life = b->life;
        n->generation = b->generation;
        n->ms = s->now_ms;
        STR_CUT(n->id, b->id);
        STR_CUT(n->nonce, b->nonce);
        return n;
}

void agent_hello(struct sim *s, struct body *b)
{
        struct note *n = say(s, b, W_HELLO);

        if (n && b->forgot)
                n->generation = 0;
}

void agent_report(struct sim *s, struct body *b)
{
        struct note *n = b->session && !b->forgot ? say(s, b, W_REPORT) : NULL;

        if (!n)
                return;
        n->number = ++b->said;
        n->phase = b->phase;
        n->acted = b->acted;
        n->flag = b->declined;
        n->flag2 = b->content.hash != b->committed.hash && !b->home[0];
        n->told = b->now;
        n->kind = b->fell_back;
        n->ref = b->fell_back ? b->claim_previous : b->claim_head;
}

void agent_tell(struct sim *s, struct body *b)
{
        struct note *n;
        const struct out *out = NULL;

        for (int i = 0; !out && i < b->n_outs; i++) {
                if (b->outs[i].uploaded)
                        out = &b->outs[i];
        }
        b->tell_ms = s->now_ms + 12 * SIM_S;
        if (!out || !b->session || b->forgot)
                return;
        n = say(s, b, W_SAVED);
        if (!n)
                return;
        n->number = out->seq;
        n->flag = out->final;
        n->flag2 = out->unchanged;
        n->ref = out->ref;
        if (out->final)
                person_tempted(s, b->workspace, MOMENT_ANNOUNCED);
}

/* What a new link does not know is found out again, from init and from the welcome. */
static void link_restart(struct sim *s, struct body *b)
{
        sim_say(s, "%s: its link restarts", b->id);
        b->session = 0;
        b->acted = 0;
        b->seq += 64;
        b->declined = b->resume_wanted = b->stop_wanted = false;
        b->n_outs = 0;
        b->forgot = true;
        b->now.person_ms = s->now_ms;
        if (b->phase == AGENT_SAVED || b->phase == AGENT_SAVE_FAILED || b->phase == AGENT_SAVING) {
                b->final_wanted = true;
                if (b->restored) {
                        agent_enter(s, b, AGENT_SAVING, -1);
                        agent_final(s, b);
                } else {
                        agent_nothing(s, b);
                }
        }
}

/* A stranger with a stolen id, or a liar: what it says must change nothing. */
static void hostile(struct sim *s, struct body *b)
{
        struct note *n;

        switch (sim_below(s, 3)) {
        case 0:
                n = say(s, b, W_HELLO);
                if (!n)
                        return;
                STR_CUT(n->nonce, "ffffffffffffffffffffffffffffffff");
                n->flag = true;
                break;
        case 1:
                n = say(s, b, W_HELLO);
                if (!n)
                        return;
                n->flag = true;
                n->generation = b->generation > 1 ? b->generation - 1 : 77;
                break;
        default:
                n = say(s, b, W_SAVED);
                if (!n)
                        return;
                n->generation = b->generation > 1 ? b->generation - 1 : 77;
                n->number = b->seq + 1;
                n->flag = true;
                n->flag2 = sim_below(s, 2);
                break;
        }
}

static void misfortune(struct sim *s, struct body *b)
{
        struct note *n;

        if (sim_fault(s, FAULT_DIE)) {
                provider_end(s, b, "by itself");
                return;
        }
        if (!b->term && sim_fault(s, FAULT_SPOT)) {
                sim_say(s, "%s: its machine is taken back", b->id);
                n = sim_note(s, W_BODY_END, sim_about(s, SPOT_GRACE_MS));
                n->body = body_index(s, b);
                n->body_life = b->life;
                if (sim_below(s, 2)) {
                        int64_t left_ms = n->at_ms - s->now_ms;

                        n = sim_note(s, W_NOTICE, sim_about(s, s->timing.provider_ms));
                        n->ms = left_ms;
                        STR_CUT(n->id, b->id);
                }
                /* Some are told by SIGTERM, some only find themselves dead. */
                if (sim_below(s, 2))
                        agent_term(s, b);
        }
        if (sim_fault(s, FAULT_CUT)) {
                b->cut_until_ms = s->now_ms + sim_about(s, SIM_MIN);
                sim_say(s, "%s: cut off until %lld", b->id, (long long)b->cut_until_ms);
        }
        if (b->generation && !b->term && sim_fault(s, FAULT_LINK_RESTART))
                link_restart(s, b);
        if (b->generation && sim_fault(s, FAULT_HOSTILE))
                hostile(s, b);
}

void agent_beat(struct sim *s, struct body *b)
{
        struct note *n;

        misfortune(s, b);
        if (!b->alive)
                return;
        if (b->session && s->now_ms - b->heard_ms > UNANSWERED_MS + s->config.heartbeat_ms) {
                b->session = 0;
                b->ctl = (b->ctl + 1) % s->n_ctl;
                b->heard_ms = s->now_ms;
        }
        if (b->session) {
                agent_report(s, b);
        } else {
                b->ctl = (int)sim_below(s, (uint64_t)s->n_ctl);
                agent_hello(s, b);
        }
        if (s->now_ms >= b->tell_ms)
                agent_tell(s, b);
        if (b->phase == AGENT_READY && b->content.hash != b->committed.hash &&
            s->now_ms >= b->save_at_ms && !agent_uploading(b) && b->n_outs < SIM_OUTS - 1) {
                b->save_at_ms = s->now_ms + sim_about(s, SAVE_EVERY_MS);
                agent_save(s, b, false);
        }
        if (b->phase == AGENT_SAVING && b->final_wanted)
                agent_final(s, b);
        n = sim_note(s, W_BODY_BEAT, b->session ? s->config.heartbeat_ms : HELLO_AGAIN_MS);
        n->body = body_index(s, b);
        n->body_life = b->life;
}
