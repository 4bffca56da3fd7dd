/* The virtual world: time, the provider's launch rate, and the account of container time. */
#include "plan/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define STEPS_AT_ONCE_MAX 10000000 /* of deadlines, while the clock stands still */
#define PROGRESS_EVERY 4096
#define MINUTE_US (60 * US_PER_S)
#define DAY_US (PLAN_DAY_MIN * MINUTE_US)
/* Nobody is silent here, so there are no heartbeats. */
#define NEVER_MS (INT64_C(366) * 86400 * 1000 * 10)
#define ANNOUNCED_US (6 * 60 * MINUTE_US) /* a class is known so long before */

/* ---- the account ---- */

static void account_minute(struct world *w, size_t minute, int64_t us)
{
        struct plan_minute *m = &w->result->minutes[minute];
        double all = 0;

        for (size_t u = 0; u < USE_MAX; u++) {
                m->mean[u] += w->n[u] * (double)us;
                all += w->n[u];
        }
        m->most = MAX(m->most, all);
        w->result->peak = MAX(w->result->peak, all);
}

/* Up to now nothing has changed since the last call. */
static void account(struct world *w)
{
        int64_t at = MAX(w->accounted_us, WORLD_BEFORE_US);
        int64_t to = MIN(w->now_us, w->end_us);

        while (at < to) {
                int64_t since = at - WORLD_BEFORE_US;
                int64_t next = MIN(to, at - since % MINUTE_US + MINUTE_US);

                account_minute(w, (size_t)(since % DAY_US / MINUTE_US), next - at);
                at = next;
        }
        w->accounted_us = w->now_us;
}

static double measured_s(const struct world *w, int64_t from_us, int64_t to_us)
{
        int64_t from = MAX(from_us, WORLD_BEFORE_US), to = MIN(to_us, w->end_us);

        return to > from ? (double)(to - from) / 1e6 : 0;
}

void world_use(struct world *w, struct body *b, enum plan_use use)
{
        double s = measured_s(w, b->since_us, w->now_us), life;

        account(w);
        if (b->use != USE_MAX) {
                w->n[b->use]--;
                w->result->seconds[b->type][b->use] += s;
#ifdef PLAN_PLANTED_IDLE_TWICE
                if (b->use == USE_WARM)
                        w->result->seconds[b->type][USE_WARM] += s;
#endif
        }
        if (use != USE_MAX)
                w->n[use]++;
        if (use == USE_MAX && b->use != USE_MAX && b->launched_us >= WORLD_BEFORE_US) {
                life = (double)(w->now_us - b->launched_us) / 1e6;
                w->result->rounding_s[b->type] += life < 60 ? 60 - life : 0;
        }
        b->use = use;
        b->since_us = w->now_us;
}

/* ---- what happens when ---- */

static bool sooner(const struct moment *a, const struct moment *b)
{
        return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

void world_at(struct world *w, int64_t at_us, enum moment_kind kind, uint32_t who, uint32_t turn)
{
        struct moment m = {at_us, w->seq++, kind, who, turn};
        size_t max = w->max_heap ? 2 * w->max_heap : 4096, i = w->n_heap;
        struct moment *heap;

        if (w->n_heap == w->max_heap) {
                heap = realloc(w->heap, max * sizeof(*heap));
                if (!heap) {
                        w->error = -ENOMEM;
                        return;
                }
                w->heap = heap;
                w->max_heap = max;
        }
        for (w->n_heap++; i > 0 && sooner(&m, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
                w->heap[i] = w->heap[(i - 1) / 2];
        w->heap[i] = m;
}

static struct moment take_first(struct world *w)
{
        struct moment first = w->heap[0], last = w->heap[--w->n_heap];
        size_t i = 0;

        for (;;) {
                size_t child = 2 * i + 1;

                if (child >= w->n_heap)
                        break;
                if (child + 1 < w->n_heap && sooner(&w->heap[child + 1], &w->heap[child]))
                        child++;
                if (!sooner(&w->heap[child], &last))
                        break;
                w->heap[i] = w->heap[child];
                i = child;
        }
        w->heap[i] = last;
        return first;
}

/* ---- the core ---- */

void world_give(struct world *w, struct core_event *ev)
{
        ev->now = (mono_t){w->now_us + US_PER_S};
        ev->utc = (utc_t){PLAN_FIRST_US - WORLD_BEFORE_US + w->now_us};
        w->fx->n = 0;
        core_step(w->core, ev, w->fx);
        w->result->steps++;
        for (size_t i = 0; i < w->fx->n; i++)
                agent_effect(w, &w->fx->v[i]);
}

static int64_t core_due_us(const struct world *w)
{
        mono_t due = core_next_deadline(w->core);

        return mono_is_never(due) ? INT64_MAX : MAX(due.us - US_PER_S, w->now_us);
}

/* ---- the pools ---- */

static uint32_t size_now(const struct world *w, uint32_t type, char *why, size_t size)
{
        const struct plan *p = w->plan;
        int64_t since = w->now_us - WORLD_BEFORE_US;
        double hour = (double)((since % DAY_US + DAY_US) % DAY_US) / 3600e6;

        if (hour >= p->pool_from_hour && hour < p->pool_to_hour) {
                (void)snprintf(why, size, "within the pool's hours");
                return (uint32_t)p->types[type].pool;
        }
        (void)snprintf(why, size, "outside of the pool's hours");
        return (uint32_t)p->pool_quiet;
}

static void size_pools(struct world *w)
{
        for (uint32_t i = 0; i < w->plan->n_types; i++) {
                struct core_event ev = {.type = EV_POOL_TARGET};
                uint32_t size = size_now(w, i, ev.pool_target.reason, CORE_REASON_SIZE);

                if (size == w->sizes[i])
                        continue;
                w->sizes[i] = size;
                ev.pool_target.size = size;
                STR_CUT(ev.pool_target.type, w->plan->types[i].name);
                world_give(w, &ev);
        }
}

static void announce(struct world *w, const struct plan_class *class, int64_t day, int64_t start_us)
{
        struct core_event ev = {.type = EV_CLASS_SET, .class_set = {.roster = class->roster}};

        (void)snprintf(ev.class_set.id, sizeof(ev.class_set.id), "class-%u-%lld",
                       (unsigned)(class - w->plan->classes), (long long)day);
        STR_CUT(ev.class_set.type, w->plan->types[class->type].name);
        STR_CUT(ev.class_set.course, class->course);
        ev.class_set.start = (utc_t){PLAN_FIRST_US + start_us};
        world_give(w, &ev);
}

/* Classes become known as the plan goes on: the core keeps a limited number of them. */
static void announce_classes(struct world *w)
{
        const struct plan *p = w->plan;
        int64_t until_us = w->now_us - WORLD_BEFORE_US + ANNOUNCED_US;

        if (until_us < w->announced_us + 60 * MINUTE_US)
                return;
        for (int64_t day = w->announced_us / DAY_US; day <= until_us / DAY_US; day++) {
                for (uint32_t i = 0; i < p->n_classes && day < (int64_t)p->days; i++) {
                        const struct plan_class *c = &p->classes[i];
                        int64_t start_us = day * DAY_US + c->start_min * MINUTE_US;

                        if ((c->days & 1u << day % 7) && start_us >= w->announced_us &&
                            start_us < until_us)
                                announce(w, c, day, start_us);
                }
        }
        w->announced_us = until_us;
}

static void look_at_budgets(struct world *w)
{
        struct plan_result *r = w->result;
        struct pool_view view;

        if (w->now_us < WORLD_BEFORE_US)
                return;
        for (uint32_t i = 0; core_pool(w->core, i, &view); i++) {
                r->spent_day_most[i] = MAX(r->spent_day_most[i], (double)view.spent / 1e6);
                r->budget_held_s[i] += strcmp(view.limit, "budget") == 0 ? 60 : 0;
        }
}

static void minute(struct world *w)
{
        if (w->plan->forecast) {
                announce_classes(w);
                look_at_budgets(w);
        } else {
                size_pools(w);
        }
        w->next_minute_us = w->now_us + MINUTE_US;
}

/* As the options of a controller with pool_policy = forecast. */
static struct core_sizing sizing_of(const struct plan *p, const struct plan_type *t)
{
        struct core_sizing s = {.forecast = true,
                                .floor = (uint32_t)t->pool,
                                .floor_quiet = (uint32_t)p->pool_quiet,
                                .ceiling = (uint32_t)p->ceiling,
                                .hit_rate = p->hit_rate,
                                .task_hour = (int64_t)(t->hour * 1e6),
                                .day_max = (int64_t)(p->budget_day * 1e6),
                                .month_max = (int64_t)(p->budget_month * 1e6)};

        schedule_init(&s.schedule);
        s.schedule.from_min = (uint16_t)(p->pool_from_hour * 60);
        s.schedule.to_min = (uint16_t)(p->pool_to_hour * 60);
        if (s.schedule.from_min >= s.schedule.to_min)
                s.schedule.from_min = s.schedule.to_min = 0;
        return s;
}

static struct core_type type_of(const struct plan *p, const struct plan_type *t)
{
        struct core_type c = {.pool_size = (uint32_t)t->pool,
                              .limits = {.idle_ms = (int64_t)(p->idle_limit_min * 60000)},
                              .launch_timeout_ms =
                                      100 * (int64_t)(p->lead_time_s * 1000) + NEVER_MS / 100,
                              .claim_timeout_ms = (int64_t)(p->ready_s * 1000) + NEVER_MS / 100,
                              .stop_timeout_ms = (int64_t)(p->save_s * 1000) + NEVER_MS / 100};

        STR_CUT(c.name, t->name);
        if (p->forecast)
                c.sizing = sizing_of(p, t);
        return c;
}

static struct core_config config_of(const struct world *w)
{
        const struct plan *p = w->plan;
        struct core_config c = {
                .workspaces_max = w->n_seats,
                .n_types = p->n_types,
                .heartbeat_ms = NEVER_MS,
                .agent_lost_ms = NEVER_MS,
                .retry_save_ms = 60000,
                .stops_per_min = (uint32_t)p->stops_per_minute,
                .launch_rate = p->launch_burst > 0 ? p->launch_per_s : 0,
                .launch_burst = p->launch_burst,
        };
        double tasks = w->n_seats + 1000.0;

        for (uint32_t i = 0; i < p->n_types; i++) {
                c.types[i] = type_of(p, &p->types[i]);
                tasks += 2 * MAX(p->types[i].pool, p->pool_quiet);
        }
        c.tasks_max = (uint32_t)tasks;
        return c;
}

static int begin(struct world *w)
{
        struct core_config config = config_of(w);
        struct core_event done = {.type = EV_BOOT_DONE, .boot = {.epoch = 1}};
        struct core_event inventory = {.type = EV_INVENTORY_DONE,
                                       .inventory = {.certain = true, .own_machines = true}};
        int r = core_new(&config, &w->core);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < CORE_TYPES_MAX; i++)
                w->sizes[i] = UINT32_MAX;
        world_give(w, &done);
        minute(w);
        world_give(w, &inventory);
        return 0;
}

/* The next thing that happens. False at the end. */
static bool turn(struct world *w, const struct plan_sessions *s, size_t *next)
{
        struct core_event deadline = {.type = EV_DEADLINE};
        int64_t due = core_due_us(w);
        int64_t heap = w->n_heap ? w->heap[0].at_us : INT64_MAX;
        int64_t person = *next < s->n ? s->v[*next].start_us + WORLD_BEFORE_US : INT64_MAX;
        int64_t at = MIN(MIN(due, heap), MIN(person, w->next_minute_us));

        if (at >= w->end_us) {
                w->now_us = w->end_us;
                account(w);
                return false;
        }
        w->now_us = at;
        if (heap == at) {
                struct moment m = take_first(w);

                agent_moment(w, &m);
        } else if (due == at) {
                world_give(w, &deadline);
        } else if (person == at) {
                person_comes(w, &s->v[(*next)++]);
        } else {
                minute(w);
        }
        return true;
}

static int loop(struct world *w, const struct plan_sessions *s, plan_progress_fn *progress,
                void *arg)
{
        int64_t last_us = -1;
        uint32_t at_once = 0;
        size_t next = 0;

        for (uint64_t i = 0; turn(w, s, &next) && w->error == 0; i++) {
                at_once = w->now_us == last_us ? at_once + 1 : 0;
                last_us = w->now_us;
                if (at_once > STEPS_AT_ONCE_MAX)
                        return -ELOOP;
                if (progress && i % PROGRESS_EVERY == 0 &&
                    !progress(arg, (double)w->now_us / (double)w->end_us))
                        return -ECANCELED;
        }
        return w->error;
}

/* ---- the result ---- */

static int by_wait(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

static double quantile(const struct world *w, double q)
{
        size_t i = (size_t)(q * (double)w->n_waits);

        return w->n_waits ? w->waits[MIN(i, w->n_waits - 1)] : 0;
}

static void finish(struct world *w)
{
        struct plan_result *r = w->result;
        double sum = 0;

        for (size_t i = 0; i < w->n_bodies; i++) {
                if (w->bodies[i].use != USE_MAX)
                        w->result->seconds[w->bodies[i].type][w->bodies[i].use] +=
                                measured_s(w, w->bodies[i].since_us, w->now_us);
        }
        for (uint32_t i = 0; i < w->n_seats; i++)
                r->unserved += w->seats[i].waiting && w->seats[i].counted;
        for (size_t i = 0; i < w->n_waits; i++)
                sum += w->waits[i];
        if (w->n_waits) {
                qsort(w->waits, w->n_waits, sizeof(*w->waits), by_wait);
                r->wait_mean_s = sum / (double)w->n_waits;
                r->wait_p50_s = quantile(w, .50);
                r->wait_p95_s = quantile(w, .95);
                r->wait_p99_s = quantile(w, .99);
                r->wait_max_s = w->waits[w->n_waits - 1];
        }
        r->days = w->plan->days;
        for (size_t m = 0; m < PLAN_DAY_MIN; m++) {
                r->minutes[m].launches /= r->days;
                for (size_t u = 0; u < USE_MAX; u++)
                        r->minutes[m].mean[u] /= r->days * (double)MINUTE_US;
        }
}

static void world_deinit(struct world *w)
{
        core_free(w->core);
        free(w->fx);
        free(w->heap);
        free(w->bodies);
        free(w->seats);
        free(w->waits);
        plan_result_free(w->result);
}

int plan_run(const struct plan *p, const struct plan_sessions *s, plan_progress_fn *progress,
             void *arg, struct plan_result **ret_result)
{
        struct world w = {
                .plan = p,
                .random = {(uint64_t)p->seed ^ UINT64_C(0x5DEECE66D)},
                .end_us = WORLD_BEFORE_US + (int64_t)p->days * DAY_US,
                .tokens = p->launch_burst,
                .n_seats = MAX(s->students, 1u) * p->n_types,
        };
        int r = -ENOMEM;

        w.result = calloc(1, sizeof(*w.result));
        w.fx = malloc(sizeof(*w.fx));
        w.seats = calloc(w.n_seats, sizeof(*w.seats));
        if (w.result && w.fx && w.seats) {
                for (uint32_t i = 0; i < w.n_seats; i++)
                        w.seats[i].body = NOBODY;
                r = begin(&w);
        }
        if (r == 0)
                r = loop(&w, s, progress, arg);
        if (r == 0) {
                finish(&w);
                *ret_result = STEAL(w.result, NULL);
        }
        world_deinit(&w);
        return r;
}

struct plan_result *plan_result_free(struct plan_result *r)
{
        free(r);
        return NULL;
}

double plan_hit_rate(const struct plan_result *r)
{
        return r->launches ? (double)r->hits / (double)r->launches : 1;
}

double plan_seconds(const struct plan_result *r, enum plan_use use)
{
        double s = 0;

        for (uint32_t i = 0; i < CORE_TYPES_MAX; i++)
                s += r->seconds[i][use];
        return s;
}
