/* What must hold in the end, when all faults have been healed for a while. */
#include <stdio.h>
#include <string.h>

#include "state.h"

struct verdict {
        enum invariant invariant;
        char *detail;
        size_t size;
};

static bool no(struct verdict *v, enum invariant i, const char *what, const char *state)
{
        v->invariant = i;
        (void)snprintf(v->detail, v->size, "%s: %s", what, state);
        return false;
}

/* With fewer tasks than people and pools want together, some wait: that is no fault. */
static uint32_t tasks_wanted(const struct sim *s)
{
        uint32_t wanted = (uint32_t)s->n_people;

        for (uint32_t i = 0; i < s->config.n_types; i++)
                wanted += s->config.types[i].sizing.forecast ? s->config.types[i].sizing.ceiling
                                                             : s->config.types[i].pool_size;
        return wanted;
}

static bool few_tasks(const struct sim *s)
{
        return s->config.tasks_max < tasks_wanted(s);
}

/* A new task comes before an old one goes: so many more, for a moment. Nobody waits for these. */
static uint32_t tasks_replacing(const struct sim *s)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < s->config.n_types; i++)
                n += s->config.types[i].warm_age_ms > 0 ? 2 : 0;
        return n;
}

static bool waits(const struct workspace_row *row)
{
        return row->state == WS_STARTING && !row->task[0];
}

/* Somebody who has as many running as one may have waits for one of them to end. */
static bool at_limit(struct sim *s, const struct person *p)
{
        uint32_t n = 0;

        for (int i = 0; i < s->n_people; i++) {
                const struct workspace_row *row = store_workspace(s, s->people[i].workspace);

                n += row && strcmp(s->people[i].user, p->user) == 0 && row->state != WS_STOPPED &&
                     row->state != WS_DELETED;
        }
        return s->config.user_running_max && n >= s->config.user_running_max;
}

static bool person_served(struct sim *s, const struct person *p, struct verdict *v)
{
        const struct workspace_row *row = store_workspace(s, p->workspace);

        if (p->mood == MOOD_ABSENT) {
                if (!row || row->state == WS_STOPPED || row->state == WS_DELETED)
                        return true;
                if (waits(row) && few_tasks(s))
                        return true;
                return no(v, row->state == WS_RUNNING ? INV_IDLE_STOPPED : INV_SETTLED, row->id,
                          ws_state_name(row->state));
        }
        if ((!row || row->state == WS_STOPPED) && (at_limit(s, p) || few_tasks(s)))
                return true;
        if (!row)
                return no(v, INV_WANTED, p->workspace, "is not there");
        if (row->erase_at.us) /* the last thing that was asked for */
                return true;
        if (waits(row) && few_tasks(s))
                return true;
        if (row->state != WS_RUNNING)
                return no(v, INV_WANTED, row->id, ws_state_name(row->state));
        if (!person_body(s, p->workspace))
                return no(v, INV_WANTED, row->id, "no task serves it");
        return true;
}

static bool body_justified(struct sim *s, const struct body *b, struct verdict *v)
{
        const struct task_row *row = store_task(s, b->id);

        if (!row)
                return no(v, INV_ORPHAN, b->id, agent_phase_name(b->phase));
        if (row->state != TASK_LAUNCHING && row->state != TASK_WARM && row->state != TASK_CLAIMED &&
            row->state != TASK_READY)
                return no(v, INV_PAID_FOR, b->id, task_state_name(row->state));
        if (b->generation && !store_workspace(s, b->workspace))
                return no(v, INV_PAID_FOR, b->id, "its workspace is gone");
        return true;
}

/*
 * A pool that follows a forecast keeps one task above its target while the last hour's arrivals
 * make its use likely (pool/scalein.h). One whose tasks grow old soon is always replacing some:
 * what is on its way counts, and the old ones go as fast as the cap on stops lets them.
 */
static bool pools_filled(const struct sim *s, const struct core *c, struct verdict *v)
{
        bool few = s->config.tasks_max < tasks_wanted(s) + tasks_replacing(s);
        struct pool_view p;

        for (uint32_t i = 0; core_pool(c, i, &p); i++) {
                const struct core_type *t = &s->config.types[i];
                bool ages = t->warm_age_ms > 0;
                uint32_t kept = (t->sizing.forecast ? 1 : 0) + (ages ? 2 : 0);
                uint32_t coming = ages ? p.launching : 0;

                if (p.warm > p.target + kept)
                        return no(v, INV_PAID_FOR, "more warm than wanted", p.type);
                if (p.warm + coming < p.target && !few)
                        return no(v, INV_POOL, p.type, p.reason);
        }
        return true;
}

/* What is stored as running has a task that lives. */
static bool tasks_live(struct sim *s, struct verdict *v)
{
        for (size_t i = 0; i < ARRAY_LEN(s->store.tasks); i++) {
                const struct task_row *row = &s->store.tasks[i];
                const struct body *b = row->id[0] ? provider_body(s, row->id) : NULL;

                if (row->id[0] && (!b || !b->alive))
                        return no(v, INV_SETTLED, row->id, task_state_name(row->state));
        }
        return true;
}

bool check_settled(struct sim *s, enum invariant *ret_invariant, char *ret_detail, size_t size)
{
        struct verdict v = {.detail = ret_detail, .size = size};
        int leader = controller_leader(s);
        bool ok = leader >= 0 || no(&v, INV_LED, "nobody leads", "");

        for (int i = 0; ok && i < s->n_people; i++)
                ok = person_served(s, &s->people[i], &v);
        for (int i = 0; ok && i < SIM_BODIES; i++) {
                if (s->bodies[i].alive)
                        ok = body_justified(s, &s->bodies[i], &v);
        }
        if (ok)
                ok = pools_filled(s, s->ctl[leader].core, &v) && tasks_live(s, &v);
        *ret_invariant = v.invariant;
        return ok;
}
