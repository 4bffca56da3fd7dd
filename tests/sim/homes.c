/*
 * Home folders: they outlive the containers that they are shown in. Two containers that live never
 * have the same; one that was lived in is never taken for a new one.
 */
#include <errno.h>
#include <string.h>

#include "state.h"

bool homes_used(const struct sim *s, const char *type)
{
        return s->config.types[type_of(s, type)].home;
}

/* ... one that is lost is ended for certain. */
bool homes_task(struct sim *s, const char *task)
{
        const struct task_row *row = store_task(s, task);

        return row && homes_used(s, row->type);
}

static void answer(struct sim *s, const struct note *n, enum what what, int result)
{
        struct note *m;

        if (sim_fault(s, FAULT_LOSE_ANSWER))
                return;
        m = sim_note(s, what, sim_about(s, s->timing.provider_ms));
        m->ctl = n->ctl;
        m->life = n->life;
        m->generation = n->generation;
        m->kind = result;
        STR_CUT(m->id, n->id);
        STR_CUT(m->nonce, n->nonce);
}

static const struct body *other_with(const struct sim *s, const char *workspace,
                                     const struct body *b)
{
        for (int i = 0; i < SIM_BODIES; i++) {
                const struct body *o = &s->bodies[i];

                if (o != b && o->used && o->alive && strcmp(o->home, workspace) == 0)
                        return o;
        }
        return NULL;
}

static void attach(struct sim *s, const struct note *n)
{
        struct body *b = provider_body(s, n->id);
        const struct body *other;
        struct truth *t;

        if (!b || !b->alive)
                return;
        t = check_truth(s, n->nonce);
        other = other_with(s, n->nonce, b);
        if (other)
                sim_broken(s, INV_ONE_HOME, "%s in %s, while %s lives with it (%s)", n->nonce,
                           b->id, other->id, agent_phase_name(other->phase));
        if (n->flag && !t->home) {
                answer(s, n, W_HOME_ATTACHED, 1);
                return;
        }
        if (!b->home[0] && !n->flag && !n->flag2 && t->home && t->home_content.length > 0)
                sim_broken(s, INV_HOME_KEPT, "%s: %llu writes are taken for nothing", n->nonce,
                           (unsigned long long)t->home_content.length);
        if (n->flag2 && t->home_aside != n->generation) {
                t->home_content = (struct content){0};
                t->home_aside = n->generation;
        }
        sim_say(s, "provider: %s has the home of %s", b->id, n->nonce);
        STR_CUT(b->home, n->nonce);
        t->home = true;
        t->home_generation = MAX(t->home_generation, n->generation);
        answer(s, n, W_HOME_ATTACHED, 0);
}

static void remove_home(struct sim *s, const struct note *n)
{
        struct truth *t = check_truth(s, n->nonce);

        if (t->home && t->home_generation <= n->generation) {
                const struct body *b = other_with(s, n->nonce, NULL);

                if (b)
                        sim_broken(s, INV_ONE_HOME, "%s is removed under %s", n->nonce, b->id);
                t->home = false;
                t->home_content = (struct content){0};
        }
        answer(s, n, W_HOME_REMOVED, 0);
}

void homes_note(struct sim *s, const struct note *n)
{
        if (sim_fault(s, FAULT_THROTTLE))
                answer(s, n, n->what == W_CALL_ATTACH ? W_HOME_ATTACHED : W_HOME_REMOVED, -EAGAIN);
        else if (n->what == W_CALL_ATTACH)
                attach(s, n);
        else
                remove_home(s, n);
}

void homes_claimed(struct sim *s, const struct body *b)
{
        if (homes_used(s, b->type) && strcmp(b->home, b->workspace) != 0)
                sim_broken(s, INV_ONE_HOME, "%s is told to be %s and has no home", b->id,
                           b->workspace);
}

void homes_in_place(struct sim *s, struct body *b)
{
        struct truth *t = check_truth(s, b->workspace);

        /* What was restored does not replace what is newer. */
        if (b->content.length > t->home_content.length)
                t->home_content = b->content;
        b->base = b->content = b->committed = t->home_content;
}

void homes_written(struct sim *s, const struct body *b)
{
        if (b->home[0])
                check_truth(s, b->home)->home_content = b->content;
}
