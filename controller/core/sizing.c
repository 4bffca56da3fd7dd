/*
 * How large each pool should be: by an event from outside, by its own forecast (pool/sizer.h), or
 * as configured, in this order. Here are the facts that the sizer needs, its time, and which warm
 * tasks are worth ending.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/internal.h"

static struct sizer_config sizer_config_of(const struct core_type *t)
{
        return (struct sizer_config){
                .floor = t->sizing.floor,
                .floor_quiet = t->sizing.floor_quiet,
                .ceiling = t->sizing.ceiling,
                .hit_rate = t->sizing.hit_rate,
                .forecast = true,
                .lead_ms = LEAD_UNKNOWN_MS,
                .schedule = &t->sizing.schedule,
        };
}

int sizing_new(struct core *c)
{
        bucket_init(&c->launches, c->config.launch_burst, c->config.launch_rate, (mono_t){0});
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                const struct core_type *t = &c->config.types[i];
                struct pool *p = &c->pools[i];
                struct sizer_config config = sizer_config_of(t);

                scalein_init(&p->scalein);
                bucket_init(&p->refill, MAX(t->refill_per_min, 1), t->refill_per_min / 60,
                            (mono_t){0});
                p->budget_max = UINT32_MAX;
                p->size_due = p->learned_due = MONO_NEVER;
                if (t->sizing.forecast || t->warm_age_ms > 0)
                        p->size_due = (mono_t){0};
                if (!t->sizing.forecast)
                        continue;
                p->classes = classes_new(&config.timetable);
                p->sizer = malloc(sizeof(*p->sizer));
                p->stored = calloc(1, sizeof(*p->stored));
                if (!p->sizer || !p->stored || !p->classes)
                        return -ENOMEM;
                sizer_init(p->sizer, &config);
                budget_init(&p->budget, t->sizing.task_hour, t->sizing.day_max,
                            t->sizing.month_max);
        }
        return 0;
}

void sizing_free(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                free(c->pools[i].sizer);
                free(c->pools[i].stored);
                free(c->pools[i].classes);
        }
}

/* ---- time ---- */

static void spend(struct core *c, uint32_t type)
{
        struct pool *p = &c->pools[type];
        uint32_t in_use = p->n[CLASS_CLAIMED] + p->n[CLASS_SERVING] + p->n[CLASS_ENDING];
        uint32_t all = in_use + p->n[CLASS_LAUNCHING] + p->n[CLASS_WARM] + p->n[CLASS_UNHEARD] +
                       p->n[CLASS_SILENT];

        budget_spend(&p->budget, &c->config.types[type].sizing.schedule.zone, c->utc, all);
        p->budget_max = budget_pool_max(&p->budget, in_use);
#ifdef CORE_PLANTED_NO_BUDGET
        p->budget_max = UINT32_MAX;
#endif
}

static void advance(struct core *c, struct pool *p)
{
        struct bucket *slowest = c->launches.per_s > 0 ? &c->launches : NULL;

        /* Classes begin as much earlier as the slower of the two asks for. */
        if (p->refill.per_s > 0 && (!slowest || p->refill.per_s < slowest->per_s))
                slowest = &p->refill;
        (void)sizer_advance(p->sizer, c->utc, c->now, slowest, p->budget_max);
}

/* With the steps of the forecast, which are of UTC. */
static mono_t next_step(const struct core *c)
{
        int64_t step_us = (int64_t)FORECAST_STEP_S * US_PER_S;
        int64_t in_step_us = ((c->utc.us % step_us) + step_us) % step_us;

        return (mono_t){c->now.us + step_us - in_step_us};
}

/* The first time comes LEARNED_MS after the start: then there is something to be remembered. */
static void learn(struct core *c, uint32_t type)
{
        struct pool *p = &c->pools[type];

        if (mono_is_never(p->learned_due))
                p->learned_due = mono_add_ms(c->now, LEARNED_MS);
        else if (mono_due(p->learned_due, c->now) && learned_store(c, type))
                p->learned_due = mono_add_ms(c->now, LEARNED_MS);
}

void sizing_run(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                struct pool *p = &c->pools[i];

                if (mono_due(p->size_due, c->now)) {
                        p->size_due = next_step(c);
                        if (p->sizer) {
                                spend(c, i);
                                advance(c, p);
                                classes_run(c, i);
                                learn(c, i);
                        }
                }
                c->pool_due = mono_min(c->pool_due, p->size_due);
        }
}

void sizing_arrived(struct core *c, uint32_t type, const char *course)
{
        struct pool *p = &c->pools[type];

        if (!p->sizer)
                return;
        advance(c, p);
        sizer_arrived(p->sizer, c->utc, classes_lesson(c, type, course));
}

/* ---- old ones ---- */

bool sizing_replaces(const struct core *c, const struct task *t)
{
        int64_t age_ms = c->config.types[t->type].warm_age_ms;

        return versions_outdated(c, t) ||
               (age_ms > 0 && c->utc.us - t->row.launched_at.us >= age_ms * US_PER_MS);
}

/* The list is by age, nearly; an old one behind a young one has its turn after that one. */
uint32_t sizing_outdated(const struct core *c, uint32_t type)
{
        uint32_t slot = c->pools[type].warm.head;
        uint32_t n = 0;

        for (; slot != INDEX_NONE && sizing_replaces(c, &c->tasks[slot]); n++)
                slot = c->tasks[slot].list_next;
        return n;
}

static uint32_t warm_of(const struct pool *p)
{
        return p->n[CLASS_WARM] + p->n[CLASS_UNHEARD];
}

static uint32_t plain_size(const struct core *c, uint32_t type, const char **ret_why)
{
        const struct pool *p = &c->pools[type];

#ifdef CORE_PLANTED_NO_SIZING
        return c->config.types[type].pool_size;
#endif
        *ret_why = p->set     ? p->set_why
                   : p->sized ? p->size_why
                   : p->sizer ? p->sizer->size.why
                              : NULL;
        return p->set     ? p->set_size
               : p->sized ? p->size
               : p->sizer ? p->sizer->size.size
                          : c->config.types[type].pool_size;
}

const char *sizing_limit(const struct core *c, uint32_t type)
{
        const struct pool *p = &c->pools[type];

        if (!p->sizer || p->sized || p->set || p->sizer->size.size == p->sizer->size.wanted)
                return "";
        return p->sizer->size.size == c->config.types[type].sizing.ceiling ? "pool_max" : "budget";
}

/*
 * How much larger a pool is while old tasks of it are replaced: never beyond its ceilings, nor more
 * than there is room for, or they would wait for each other.
 */
static uint32_t extra(const struct core *c, uint32_t type, uint32_t size)
{
        const struct pool *p = &c->pools[type];
        uint32_t most = p->sizer ? MIN(c->config.types[type].sizing.ceiling, p->budget_max)
                                 : c->config.tasks_max;
        uint32_t room = warm_of(p) + p->n[CLASS_LAUNCHING] + c->task_index.n_free;
        uint32_t n = 0;

        (void)replace_stop(sizing_outdated(c, type), warm_of(p), size, &n);
#ifdef CORE_PLANTED_BEYOND_CEILING
        return n;
#endif
        most = MIN(most, room);
        return MIN(n, most > size ? most - size : 0);
}

uint32_t sizing_size(const struct core *c, uint32_t type, const char **ret_why)
{
        uint32_t size = plain_size(c, type, ret_why);

        return size == 0 ? 0 : size + extra(c, type, size);
}

uint32_t sizing_stop(struct core *c, uint32_t type, uint32_t target, uint32_t stop)
{
        struct pool *p = &c->pools[type];
        const char *why;
        uint32_t size = plain_size(c, type, &why);
        uint32_t warm = warm_of(p);
        uint32_t old = sizing_outdated(c, type);
        uint32_t unused;

        if (c->draining || modes_get(c, MODE_DRAIN, type))
                return stop;
        if (p->sizer && !p->sized && !p->set)
                stop = MIN(stop,
                           scalein_stop(&p->scalein, c->now, warm, warm + p->n[CLASS_LAUNCHING],
                                        target, sizer_rate(p->sizer, c->utc),
                                        leadtime_s(&p->sizer->lead)));
        if (old == 0 || p->waiting || modes_get(c, MODE_PAUSE, type))
                return stop;
        /* Where there is no room for a new one first, the old one goes first. */
        if (extra(c, type, size) == 0 && warm == size && p->n[CLASS_LAUNCHING] == 0)
                return MAX(stop, 1);
        return MAX(stop, replace_stop(old, warm, size, &unused));
}
