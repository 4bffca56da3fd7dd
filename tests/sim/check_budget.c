/*
 * What a pool costs, counted beside the core: every task of a type from launch to end, since this
 * controller began to lead. Nothing is launched for a pool whose day or month has cost its ceiling.
 */
#include <string.h>

#include "state.h"

#define HOUR_MS (60.0 * SIM_MIN)
/* The core counts every ten seconds what is there then. */
#define STEP_MS (2 * 10 * SIM_S)
#define SHARE 0.05

static uint32_t tasks_of(const struct core *c, const char *type)
{
        const struct task_row *row;
        uint32_t n = 0;
        size_t pos = 0;

        while ((row = core_next_task(c, &pos)))
                n += strcmp(row->type, type) == 0 && row->state != TASK_LOST;
        return n;
}

/* Up to now there were as many as at the last time. */
static void spend(const struct sim *s, const struct core_type *t, struct spending *b)
{
        utc_t utc = {(s->now_ms + s->utc_offset_ms) * US_PER_MS};
        int32_t day = zone_day(&t->sizing.schedule.zone, utc);
        double cost = (double)t->sizing.task_hour * b->tasks * (double)(s->now_ms - b->at_ms);

        if (day != b->day)
                b->day_spent = 0;
        if (day_month(day) != b->month)
                b->month_spent = 0;
        b->day = day;
        b->month = day_month(day);
        b->at_ms = s->now_ms;
        b->day_spent += cost / HOUR_MS;
        b->month_spent += cost / HOUR_MS;
}

static bool beyond(const struct sim *s, const struct core_type *t, double spent, int64_t most)
{
        double doubt = SHARE * (double)most +
                       (double)t->sizing.task_hour * s->config.tasks_max * STEP_MS / HOUR_MS;

        return most > 0 && spent > (double)most + doubt;
}

void check_budget(struct sim *s, int ctl, const struct core_effect *fx, size_t n)
{
        struct controller *c = &s->ctl[ctl];
        struct pool_view v;

        for (uint32_t i = 0; c->role == ROLE_LEADER && core_pool(c->core, i, &v); i++) {
                const struct core_type *t = &s->config.types[i];
                struct spending *b = &c->spending[i];
                bool launched = false;

                if (t->sizing.day_max == 0 && t->sizing.month_max == 0)
                        continue;
                spend(s, t, b);
                b->tasks = tasks_of(c->core, v.type);
                for (size_t k = 0; k < n; k++)
                        launched |= fx[k].type == FX_AUDIT &&
                                    strcmp(fx[k].audit_row.what, "launched") == 0 &&
                                    strcmp(fx[k].audit_row.detail, v.type) == 0;
                /* More than wait, so that one at least is nobody's. */
                if (!launched || strcmp(v.policy, "forecast") != 0 ||
                    v.warm + v.launching <= v.waiting)
                        continue;
                if (beyond(s, t, b->day_spent, t->sizing.day_max) ||
                    beyond(s, t, b->month_spent, t->sizing.month_max))
                        sim_broken(s, INV_BUDGET, "%s: %.2f spent, and %s", v.type,
                                   MAX(b->day_spent, b->month_spent) / 1e6, v.reason);
        }
}
