/* The pools: who waits, which warm task to give, what to launch or end. Numbers: pool/pool.c. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

void pools_wait(struct core *c, struct workspace *w)
{
        struct pool *p = &c->pools[w->type];

        if (w->waiting || w->type >= c->config.n_types)
                return;
        w->waiting = true;
        w->wait_next = INDEX_NONE;
        if (p->wait_tail == INDEX_NONE)
                p->wait_head = w->slot;
        else
                c->workspaces[p->wait_tail].wait_next = w->slot;
        p->wait_tail = w->slot;
        p->waiting++;
        c->pool_dirty = true;
}

void pools_unwait(struct core *c, struct workspace *w)
{
        struct pool *p = &c->pools[w->type];
        uint32_t before = INDEX_NONE;
        uint32_t slot;

        if (!w->waiting)
                return;
        for (slot = p->wait_head; slot != w->slot; slot = c->workspaces[slot].wait_next)
                before = slot;
        if (before == INDEX_NONE)
                p->wait_head = w->wait_next;
        else
                c->workspaces[before].wait_next = w->wait_next;
        if (p->wait_tail == w->slot)
                p->wait_tail = before;
        p->waiting--;
        w->waiting = false;
        w->wait_next = INDEX_NONE;
        c->pool_dirty = true;
}

void pools_launch_failed(struct core *c, uint32_t type, const char *reason)
{
        if (type >= c->config.n_types)
                return;
        pool_breaker_failed(&c->pools[type].breaker, c->now);
        STR_CUT(c->pools[type].failure, reason);
        c->pool_dirty = true;
}

void pools_launch_succeeded(struct core *c, uint32_t type)
{
        if (type >= c->config.n_types)
                return;
        pool_breaker_succeeded(&c->pools[type].breaker);
        c->pool_dirty = true;
}

/* A warm task whose agent is silent is neither given to anybody nor counted. */
static bool claimable(const struct core *c, const struct task *t)
{
        return t->row.state == TASK_WARM && t->heard &&
               !task_is_silent(c, t, c->config.agent_lost_ms);
}

/* The one that became warm first, so that tasks do not grow old in the pool. */
static struct task *oldest_warm(const struct core *c, uint32_t type)
{
        struct task *best = NULL;

        for (uint32_t i = 0; i < c->config.tasks_max; i++) {
                struct task *t = &c->tasks[i];

                if (!t->row.id[0] || t->type != type || !claimable(c, t))
                        continue;
                if (!best || strcmp(t->row.id, best->row.id) < 0)
                        best = t;
        }
        return best;
}

bool pools_has_warm(const struct core *c, uint32_t type)
{
        return oldest_warm(c, type) != NULL;
}

void pools_count(const struct core *c, uint32_t type, struct pool_view *view)
{
        view->warm = view->launching = view->claimed = 0;
        for (uint32_t i = 0; i < c->config.tasks_max; i++) {
                const struct task *t = &c->tasks[i];

                if (!t->row.id[0] || t->type != type)
                        continue;
                switch (t->row.state) {
                case TASK_LAUNCHING:
                        view->launching++;
                        break;
                case TASK_WARM:
                        if (!task_is_silent(c, t, c->config.agent_lost_ms))
                                view->warm++;
                        break;
                case TASK_CLAIMED:
                case TASK_READY:
                case TASK_STOPPING:
                        view->claimed++;
                        break;
                case TASK_SAVED:
                case TASK_TERMINATING:
                case TASK_GONE:
                case TASK_LOST:
                case TASK_FAILED:
                case TASK_STATE_MAX:
                        break;
                }
        }
}

static void serve_waiting(struct core *c, uint32_t type)
{
        struct pool *p = &c->pools[type];

        while (p->wait_head != INDEX_NONE) {
                struct task *t = oldest_warm(c, type);

                if (!t)
                        return;
                if (!fx_room(c)) {
                        c->pool_due = c->now;
                        return;
                }
                workspace_claim(c, &c->workspaces[p->wait_head], t);
        }
}

static void carry_out(struct core *c, uint32_t type, const struct pool_plan *plan)
{
        for (uint32_t i = 0; i < plan->launch; i++) {
                if (!fx_room(c)) {
                        c->pool_due = c->now;
                        return;
                }
                task_launch(c, type);
        }
        for (uint32_t i = 0; i < plan->stop; i++) {
                struct task *t = oldest_warm(c, type);

                if (!t)
                        return;
                if (!fx_room(c)) {
                        c->pool_due = c->now;
                        return;
                }
                task_enter(c, t, TASK_TERMINATING, "more warm than wanted");
        }
}

/*
 * Until when a refill should leave the machine to a claim that runs; NEVER when none does. A claim
 * that takes long is not waited for.
 */
static mono_t claim_until(const struct core *c, uint32_t type)
{
        mono_t until = MONO_NEVER;

        for (uint32_t i = 0; i < c->config.tasks_max; i++) {
                const struct task *t = &c->tasks[i];
                mono_t end = mono_add_ms(t->since, CLAIM_FIRST_MS);

                if (!t->row.id[0] || t->type != type || t->row.state != TASK_CLAIMED ||
                    mono_due(end, c->now))
                        continue;
                if (mono_is_never(until) || mono_before(until, end))
                        until = end;
        }
        return until;
}

/* `refill`: also what nobody waits for. */
static void pool_run(struct core *c, uint32_t type, bool refill)
{
        struct pool *p = &c->pools[type];
        struct pool_view view;
        struct pool_input in;
        struct pool_plan plan;
        char reason[sizeof(p->reason)];
        mono_t claim = claim_until(c, type);

        pools_count(c, type, &view);
        in = (struct pool_input){
                .size = refill ? c->config.types[type].pool_size : 0,
                .waiting = p->waiting,
                .warm = view.warm,
                .launching = view.launching,
                .capacity = c->task_index.n_free,
                .claiming = !mono_is_never(claim),
                .draining = c->draining,
                .breaker = &p->breaker,
                .now = c->now,
        };
        pool_plan(&in, &plan);
        if (!refill)
                plan.stop = 0;
        carry_out(c, type, &plan);
        if (!refill)
                return;
        p->target = plan.target;
        (void)snprintf(reason, sizeof(reason), "%s%s%s", plan.reason,
                       mono_is_never(p->breaker.until) ? "" : ": ",
                       mono_is_never(p->breaker.until) ? "" : p->failure);
        STR_CUT(p->reason, reason);
        c->pool_due = mono_min(c->pool_due, claim);
        /* A half-open breaker waits for its probe, not for a time. */
        if (!mono_is_never(p->breaker.until) && mono_before(c->now, p->breaker.until))
                c->pool_due = mono_min(c->pool_due, p->breaker.until);
}

void pools_run(struct core *c)
{
        c->pool_dirty = false;
        c->pool_due = MONO_NEVER;
        if (!c->open)
                return;
        if (!c->draining) {
                for (uint32_t i = 0; i < c->config.n_types; i++)
                        serve_waiting(c, i);
                for (uint32_t i = 0; i < c->config.n_types; i++) {
                        if (c->pools[i].waiting)
                                pool_run(c, i, false);
                }
        }
        for (uint32_t i = 0; i < c->config.n_types; i++)
                pool_run(c, i, true);
        /* Claims and ends have marked it again; they were just counted. */
        c->pool_dirty = false;
}
