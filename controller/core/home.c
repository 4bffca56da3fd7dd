/*
 * Mode `home`: the files of a workspace stay in a folder that outlives its tasks. A task is warm
 * without one, so the folder is attached at the claim, and only then is the agent given the claim.
 *
 * Two tasks on one folder would destroy it. So the workspace keeps its task until the end of that
 * is certain (a provider that cannot say so must not be used with this mode), and the provider
 * refuses to attach a folder while another task that lives has it.
 */
#include <stdio.h>

#include "base/str.h"
#include "core/internal.h"

bool home_used(const struct core *c, const struct workspace *w)
{
        return w->row.home == HOME_THERE || type_config(c, w->type)->home;
}

bool home_of_task(const struct core *c, const struct task *t)
{
        const struct workspace *w = workspace_of(c, t);

#ifdef CORE_PLANTED_TWO_ON_A_HOME
        return false;
#endif
        return w && home_used(c, w);
}

/* ---- attach ---- */

static void ask_attach(struct core *c, struct task *t, const struct workspace *w)
{
        struct core_effect *fx = fx_add(c, FX_ATTACH_HOME);

        STR_CUT(fx->home.task, t->row.id);
        STR_CUT(fx->home.workspace, w->row.id);
        fx->home.generation = t->row.generation;
        fx->home.epoch = c->epoch;
        fx->home.must_exist = w->row.home == HOME_THERE;
        fx->home.replace = w->row.home == HOME_REPLACE;
        t->ask_at = mono_add_ms(c->now, ATTACH_AGAIN_MS);
        task_arm(c, t);
}

void home_claim(struct core *c, struct task *t)
{
        const struct workspace *w = workspace_of(c, t);

        if (w && home_used(c, w) && !t->attached)
                ask_attach(c, t, w);
        else
                task_command(c, t, COMMAND_CLAIM, false, "");
}

static bool may_have_home(const struct task *t)
{
        return t->row.state == TASK_CLAIMED || t->row.state == TASK_READY ||
               t->row.state == TASK_STOPPING;
}

bool home_await(struct core *c, struct task *t)
{
        const struct workspace *w = workspace_of(c, t);

        if (!w || t->attached || !may_have_home(t) || !home_used(c, w))
                return false;
        ask_attach(c, t, w);
        return true;
}

void home_lived_in(struct core *c, struct workspace *w)
{
        if (!home_used(c, w) || w->row.home == HOME_THERE)
                return;
        w->row.home = HOME_THERE;
        fx_put_workspace(c, w);
}

static void attach_failed(struct core *c, struct workspace *w, struct task *t,
                          const struct core_event *ev)
{
        const char *why = ev->home.reason[0] ? ev->home.reason : "its home cannot be attached";

        if (ev->home.result > 0 && t->row.state == TASK_CLAIMED && t->command_id == 0) {
                workspace_task_useless(c, w, t, why);
                return;
        }
        if (ev->home.result > 0) { /* it may have been there, before a restart of ours */
                workspace_task_failed(c, w, t, why);
                return;
        }
        if (t->tries == 0)
                fx_audit(c, w->row.id, t->row.id, "core", "home-waits", why);
        STR_CUT(t->live.error, why); /* the reason, should the claim take too long */
        t->ask_at = mono_add_ms(c->now, backoff_ms(t->tries++));
}

void home_attached(struct core *c, const struct core_event *ev)
{
        struct task *t = task_find(c, ev->home.task);
        struct workspace *w = t ? workspace_of(c, t) : NULL;

        if (!w || !may_have_home(t) || t->row.generation != ev->home.generation || t->attached) {
                c->ignored++;
                return;
        }
        if (ev->home.result != 0) {
                attach_failed(c, w, t, ev);
        } else {
                t->attached = true;
                t->live.error[0] = 0;
                /* With a save to begin from it is complete when that was restored. */
                if (w->row.home == HOME_NONE && w->row.head.seq == 0)
                        home_lived_in(c, w);
                if (t->row.state == TASK_CLAIMED && t->command_id == 0)
                        home_claim(c, t);
        }
        task_arm(c, t);
        workspace_arm(c, w);
}

/* ---- erase ---- */

bool home_erase(struct core *c, struct workspace *w)
{
        struct core_effect *fx;

        if (w->home_removed || (w->row.home == HOME_NONE && !home_used(c, w)))
                return true;
        fx = fx_add(c, FX_REMOVE_HOME);
        STR_CUT(fx->home.workspace, w->row.id);
        fx->home.generation = w->row.generation;
        fx->home.epoch = c->epoch;
        return false;
}

void home_removed(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->home.workspace);

        if (!w || w->row.state != WS_DELETED || ev->home.result != 0) {
                c->ignored++; /* it is asked for again */
                return;
        }
        w->home_removed = true;
        w->ask_at = c->now;
        workspace_arm(c, w);
}
