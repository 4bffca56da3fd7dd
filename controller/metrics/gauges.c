/* The gauges, and the counters that are integrals over time: read from the core's views. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "metrics/internal.h"

static void set_pool(struct metrics_watch *w, uint32_t i, const struct pool_view *p)
{
        bool open = !mono_is_never(p->breaker_until) &&
                    mono_before(loop_now(w->loop), p->breaker_until);

        metrics_set(w->m, METRIC_POOL_TARGET, i, 0, p->target);
        metrics_set(w->m, METRIC_POOL_READY, i, 0, p->warm);
        metrics_set(w->m, METRIC_POOL_LAUNCHING, i, 0, p->launching);
        metrics_set(w->m, METRIC_POOL_CLAIMED, i, 0, p->claimed);
        metrics_set(w->m, METRIC_POOL_WAITING, i, 0, p->waiting);
        metrics_set(w->m, METRIC_BREAKER_OPEN, i, 0, open);
        /* Another core counts from 0 again. */
        if (p->hits < w->hits[i] || p->misses < w->misses[i])
                w->hits[i] = w->misses[i] = 0;
        metrics_add(w->m, METRIC_LAUNCH_REQUESTS, i, LABEL(START, WARM),
                    (double)(p->hits - w->hits[i]));
        metrics_add(w->m, METRIC_LAUNCH_REQUESTS, i, LABEL(START, COLD),
                    (double)(p->misses - w->misses[i]));
        w->hits[i] = p->hits;
        w->misses[i] = p->misses;
}

static void set_stops(struct metrics_watch *w)
{
        struct core_stops s;

        core_stops(shell_core(w->shell), loop_now(w->loop), &s);
        metrics_set(w->m, METRIC_STOPS_WAITING, 0, 0, s.waiting);
        metrics_set(w->m, METRIC_STOPS_UNDER_WAY, 0, 0, s.under_way);
        if (s.eta_ms >= 0)
                metrics_set(w->m, METRIC_STOPS_ETA, 0, 0, (double)s.eta_ms / 1000);
}

static void set_pools(struct metrics_watch *w)
{
        struct pool_view p;

        for (uint32_t i = 0; core_pool(shell_core(w->shell), i, &p); i++)
                set_pool(w, i, &p);
}

static uint32_t use_ready(const struct metrics_watch *w, const struct task_row *t,
                          const struct task_live *live)
{
        mono_t now = loop_now(w->loop);
        struct core_idle idle;

        if (!core_idle(shell_core(w->shell), t->workspace, now, &idle))
                return LABEL(USE, STARTING);
        if (mono_before(now, mono_add_ms(idle.facts.person_at, METRICS_IDLE_MS)))
                return LABEL(USE, PERSON);
        return live && mono_before(now, live->busy_until) ? LABEL(USE, JOB) : LABEL(USE, IDLE);
}

static uint32_t use_of(const struct metrics_watch *w, const struct task_row *t,
                       const struct task_live *live)
{
        switch (t->state) {
        case TASK_LAUNCHING:
                return LABEL(USE, LAUNCHING);
        case TASK_WARM:
                return LABEL(USE, WARM);
        case TASK_CLAIMED:
                return LABEL(USE, STARTING);
        case TASK_READY:
                return use_ready(w, t, live);
        case TASK_STOPPING:
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_GONE:
        case TASK_LOST:
        case TASK_FAILED:
        case TASK_STATE_MAX:
                break;
        }
        return LABEL(USE, ENDING);
}

static void raise_to(struct metrics *m, enum metric id, uint32_t type, double v)
{
        if (!(metrics_value(m, id, type, 0) >= v))
                metrics_set(m, id, type, 0, v);
}

static void set_live(struct metrics_watch *w, uint32_t type, const struct task_row *t,
                     const struct task_live *live)
{
        double silent = (double)mono_diff_ms(live->heard_at, loop_now(w->loop)) / 1000;
        bool claimed =
                t->state == TASK_CLAIMED || t->state == TASK_READY || t->state == TASK_STOPPING;

        if (t->nonce[0] && live->heard_at.us > 0 && (claimed || t->state == TASK_WARM))
                raise_to(w->m, METRIC_HEARTBEAT_AGE_MAX, type, fmax(silent, 0));
        if (claimed && live->unsaved_age_ms > 0)
                raise_to(w->m, METRIC_UNSAVED_MAX, type,
                         (double)live->unsaved_age_ms / 1000 + fmax(silent, 0));
        for (uint32_t i = 0; i < live->n_signals; i++) {
                if (strcmp(live->signals[i].source, "undecoded") == 0 && live->signals[i].count > 0)
                        metrics_add(w->m, METRIC_UNDECODED, type, 0,
                                    (double)live->signals[i].count);
        }
}

static void set_presence(struct metrics_watch *w, const struct task_row *t)
{
        struct core_idle idle;
        uint32_t source = LABEL(SOURCE, NONE);

        if (!core_idle(shell_core(w->shell), t->workspace, loop_now(w->loop), &idle))
                return;
        if (idle.person_by[0])
                source = MIN(metrics_label_find(w->m, DOMAIN_SOURCE, idle.person_by),
                             LABEL(SOURCE, OTHER));
        metrics_add(w->m, METRIC_PRESENCE, source, 0, 1);
}

static void clear_gauges(struct metrics_watch *w)
{
        static const enum metric summed[] = {METRIC_TASKS,       METRIC_PRESENCE,
                                             METRIC_UNDECODED,   METRIC_COST_RATE,
                                             METRIC_UNSAVED_MAX, METRIC_HEARTBEAT_AGE_MAX};

        for (size_t i = 0; i < ARRAY_LEN(summed); i++)
                metrics_fill(w->m, summed[i], 0);
}

/* A controller that follows has rows only: what would be said of them, the one that leads says. */
static void forget_gauges(struct metrics_watch *w)
{
        static const enum metric known[] = {
                METRIC_POOL_TARGET,  METRIC_POOL_READY,   METRIC_POOL_LAUNCHING,
                METRIC_POOL_CLAIMED, METRIC_POOL_WAITING, METRIC_BREAKER_OPEN,
                METRIC_TASKS,        METRIC_PRESENCE,     METRIC_UNDECODED,
                METRIC_COST_RATE,    METRIC_UNSAVED_MAX,  METRIC_HEARTBEAT_AGE_MAX,
                METRIC_ACTIVE_USERS, METRIC_WORKSPACES};

        for (size_t i = 0; i < ARRAY_LEN(known); i++)
                metrics_fill(w->m, known[i], NAN);
        w->integrated = MONO_NEVER;
}

/* Each task's time since the last look counts for what it is used for now. */
static void set_task(struct metrics_watch *w, const struct task_row *t, double dt)
{
        uint32_t type = watch_type(w, t->type);
        const struct task_live *live = core_task_live(shell_core(w->shell), t->id);
        double price =
                type < w->core->n_types ? (double)w->core->types[type].sizing.task_hour / 1e6 : 0;
        uint32_t use = use_of(w, t, live);

        metrics_add(w->m, METRIC_TASKS, type, use, 1);
        metrics_add(w->m, METRIC_TASK_SECONDS, type, use, dt);
        metrics_add(w->m, METRIC_COST_RATE, type, 0, price);
        metrics_add(w->m, METRIC_COST, type, 0, price * dt / 3600);
        if (live)
                set_live(w, type, t, live);
        if (t->state == TASK_READY)
                set_presence(w, t);
}

static void set_tasks(struct metrics_watch *w)
{
        mono_t now = loop_now(w->loop);
        double dt = mono_is_never(w->integrated)
                            ? 0
                            : (double)(now.us - w->integrated.us) / (double)US_PER_S;
        const struct task_row *t;
        size_t pos = 0;

        w->integrated = now;
        while ((t = core_next_task(shell_core(w->shell), &pos)))
                set_task(w, t, dt);
}

/* Pages, the second number of /proc/self/statm. */
static double resident_bytes(void)
{
        unsigned long long size, resident = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        if (!f)
                return NAN;
        if (fscanf(f, "%llu %llu", &size, &resident) != 2) /* NOLINT: the kernel wrote it */
                resident = 0;
        (void)fclose(f);
        return resident ? (double)resident * (double)sysconf(_SC_PAGESIZE) : NAN;
}

static void set_process(struct metrics_watch *w)
{
        struct rusage use;
        double cpu;

        metrics_set(w->m, METRIC_START_TIME, 0, 0, (double)w->started.us / (double)US_PER_S);
        metrics_set(w->m, METRIC_MEMORY, 0, 0, resident_bytes());
        if (getrusage(RUSAGE_SELF, &use) < 0)
                return;
        cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
              (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
        metrics_add(w->m, METRIC_CPU, 0, 0, fmax(cpu - w->cpu, 0));
        w->cpu = cpu;
}

void metrics_watch_refresh(struct metrics_watch *w)
{
        const struct core *core = shell_core(w->shell);

        set_process(w);
        if (shell_lead(w->shell)->leads) {
                clear_gauges(w);
                set_pools(w);
                set_stops(w);
                set_tasks(w);
        } else {
                forget_gauges(w);
        }
        metrics_set(w->m, METRIC_LEADER, 0, 0, shell_lead(w->shell)->leads);
        metrics_set(w->m, METRIC_EPOCH, 0, 0, (double)shell_lead(w->shell)->epoch);
        metrics_set(w->m, METRIC_STORE_WRITABLE, 0, 0, shell_writable(w->shell));
        metrics_set(w->m, METRIC_CORE_IGNORED, 0, 0, (double)core_ignored(core));
}
