/* The pools: who waits, which warm task to give, what to launch or end. Numbers: pool/pool.c. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

/* ---- who waits ---- */

void pools_wait(struct core *c, struct workspace *w)
{
        struct pool *p = &c->pools[w->type];

        assert(w->type < c->config.n_types);
        if (w->waiting)
                return; /* it came before the inventory was in */
        w->waiting = true;
        w->wait_next = INDEX_NONE;
        w->wait_prev = p->wait_tail;
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

        if (!w->waiting)
                return;
        if (w->wait_prev == INDEX_NONE)
                p->wait_head = w->wait_next;
        else
                c->workspaces[w->wait_prev].wait_next = w->wait_next;
        if (w->wait_next == INDEX_NONE)
                p->wait_tail = w->wait_prev;
        else
                c->workspaces[w->wait_next].wait_prev = w->wait_prev;
        p->waiting--;
        w->waiting = false;
        w->wait_next = w->wait_prev = INDEX_NONE;
        c->pool_dirty = true;
}

uint32_t pools_place(const struct core *c, const struct workspace *w)
{
        const struct pool *p = &c->pools[w->type];
        uint32_t place = 1;

        if (!w->waiting)
                return 0;
        /* Who came last asks most often: from the end where that is nearer. */
        if (p->wait_tail == w->slot)
                place = p->waiting;
        else
                for (uint32_t slot = p->wait_head; slot != w->slot;
                     slot = c->workspaces[slot].wait_next)
                        place++;
        return place > p->n[CLASS_WARM] ? place - p->n[CLASS_WARM] : 0;
}

/* ---- which tasks there are ---- */

static enum task_class class_of(const struct task *t)
{
        switch (t->row.state) {
        case TASK_LAUNCHING:
                return CLASS_LAUNCHING;
        case TASK_WARM:
                return t->silent ? CLASS_SILENT : t->heard ? CLASS_WARM : CLASS_UNHEARD;
        case TASK_CLAIMED:
                return CLASS_CLAIMED;
        case TASK_READY:
        case TASK_STOPPING:
                return CLASS_SERVING;
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_FAILED:
                return CLASS_ENDING;
        case TASK_LOST:
                return CLASS_LOST;
        case TASK_GONE:
        case TASK_STATE_MAX:
                break;
        }
        return CLASS_NONE;
}

static struct task_list *list_of(struct pool *p, enum task_class class)
{
        return class == CLASS_WARM ? &p->warm : class == CLASS_CLAIMED ? &p->claimed : NULL;
}

static void list_append(struct core *c, struct task_list *l, struct task *t)
{
        t->list_next = INDEX_NONE;
        t->list_prev = l->tail;
        if (l->tail == INDEX_NONE)
                l->head = t->slot;
        else
                c->tasks[l->tail].list_next = t->slot;
        l->tail = t->slot;
}

static void list_remove(struct core *c, struct task_list *l, const struct task *t)
{
        if (t->list_prev == INDEX_NONE)
                l->head = t->list_next;
        else
                c->tasks[t->list_prev].list_next = t->list_next;
        if (t->list_next == INDEX_NONE)
                l->tail = t->list_prev;
        else
                c->tasks[t->list_next].list_prev = t->list_prev;
}

/* 0: none was seen yet. */
static void average(int64_t *average_ms, int64_t ms)
{
        *average_ms = *average_ms ? (3 * *average_ms + ms) / 4 : ms;
}

static void reclass(struct core *c, struct task *t, enum task_class class)
{
        struct pool *p = &c->pools[t->type];
        struct task_list *from = list_of(p, t->class);
        struct task_list *to = list_of(p, class);

        if (t->class == class)
                return;
        if (t->class == CLASS_CLAIMED && t->row.state == TASK_READY)
                average(&p->ready_ms, mono_diff_ms(t->live.claimed_at, c->now));
        if (from)
                list_remove(c, from, t);
        if (t->class == CLASS_LAUNCHING)
                pool_backoff_answered(&p->backoff);
        if (t->class != CLASS_NONE) {
                p->n[t->class]--;
                c->n[t->class]--;
        }
        t->class = class;
        if (class != CLASS_NONE) {
                p->n[class]++;
                c->n[class]++;
        }
        if (to)
                list_append(c, to, t);
}

void pools_account(struct core *c, struct task *t)
{
        reclass(c, t, class_of(t));
}

void pools_forget(struct core *c, struct task *t)
{
        reclass(c, t, CLASS_NONE);
}

/* ---- how many there should be ---- */

void pools_target(struct core *c, const struct core_event *ev)
{
        uint32_t type = type_find(c, ev->pool_target.type);
        struct pool *p = &c->pools[type];

        if (type >= c->config.n_types) {
                c->ignored++;
                return;
        }
        c->pool_dirty |= !p->sized || p->size != ev->pool_target.size;
        p->sized = true;
        p->size = ev->pool_target.size;
        STR_CUT(p->size_why, ev->pool_target.reason);
}

/* ---- launches that work and that do not ---- */

void pools_launch_failed(struct core *c, uint32_t type, const char *reason)
{
        pool_breaker_failed(&c->pools[type].breaker, c->now);
        STR_CUT(c->pools[type].failure, reason);
        c->pool_dirty = true;
}

void pools_launch_refused(struct core *c, uint32_t type, const char *reason)
{
        pool_backoff_failed(&c->pools[type].backoff, c->now);
        STR_CUT(c->pools[type].failure, reason);
        c->pool_dirty = true;
}

void pools_launch_accepted(struct core *c, uint32_t type)
{
        pool_backoff_init(&c->pools[type].backoff);
        c->pool_dirty = true;
}

void pools_launch_succeeded(struct core *c, uint32_t type, int64_t lead_ms)
{
        struct pool *p = &c->pools[type];

        pool_breaker_succeeded(&p->breaker);
        if (p->sizer)
                sizer_lead_seen(p->sizer, lead_ms);
        average(&p->lead_ms, lead_ms);
        c->pool_dirty = true;
}

/*
 * The one that can be given away for longest, so that tasks do not grow old in the pool. One whose
 * agent is silent is given to nobody, also when that has not been noted yet.
 */
static struct task *oldest_warm(const struct core *c, uint32_t type)
{
        uint32_t slot = c->pools[type].warm.head;

        while (slot != INDEX_NONE && task_is_silent(c, &c->tasks[slot], c->config.agent_lost_ms))
                slot = c->tasks[slot].list_next;
        return slot == INDEX_NONE ? NULL : &c->tasks[slot];
}

bool pools_has_warm(const struct core *c, uint32_t type)
{
        return oldest_warm(c, type) != NULL;
}

static void serve_waiting(struct core *c, uint32_t type)
{
        struct pool *p = &c->pools[type];

        while (p->wait_head != INDEX_NONE) {
                struct task *t = oldest_warm(c, type);

                if (!t)
                        return;
#ifdef CORE_PLANTED_REFILL_FIRST
                if (p->n[CLASS_WARM] <= c->config.types[type].pool_size)
                        return;
#endif
                if (!fx_room(c)) {
                        c->pool_due = c->now;
                        return;
                }
#ifdef CORE_PLANTED_JUMPS_QUEUE
                workspace_claim(c, &c->workspaces[p->wait_tail], t);
                continue;
#endif
                workspace_claim(c, &c->workspaces[p->wait_head], t);
        }
}

/* May one more be launched? Takes it of both buckets; what nobody waits for is of the second. */
static bool launch_allowed(struct core *c, struct pool *p, bool refill)
{
        if (bucket_has(&c->launches, c->now) == 0) {
                p->rate_held = true;
                c->pool_due = mono_min(c->pool_due, bucket_next(&c->launches, c->now));
                return false;
        }
        if (refill && bucket_has(&p->refill, c->now) == 0) {
                p->refill_held = true;
                c->pool_due = mono_min(c->pool_due, bucket_next(&p->refill, c->now));
                return false;
        }
        bucket_take(&c->launches, c->now, 1);
        if (refill)
                bucket_take(&p->refill, c->now, 1);
        return true;
}

static void launch(struct core *c, uint32_t type, uint32_t n, bool refill)
{
        struct pool *p = &c->pools[type];

        p->rate_held = p->refill_held = false;
        for (uint32_t i = 0; i < n; i++) {
                if (!fx_room(c)) {
                        c->pool_due = c->now;
                        return;
                }
                if (!launch_allowed(c, p, refill))
                        return;
                pool_backoff_probed(&p->backoff);
                task_launch(c, type);
        }
}

static void carry_out(struct core *c, uint32_t type, const struct pool_plan *plan, bool refill)
{
        launch(c, type, plan->launch, refill);
        for (uint32_t i = 0; i < plan->stop; i++) {
                struct task *t = oldest_warm(c, type);

                if (!t)
                        return;
                if (!fx_room(c)) {
                        c->pool_due = c->now;
                        return;
                }
                /* What an operator or a shutdown asks for is not counted. */
                if (!c->draining && !modes_get(c, MODE_DRAIN, type) && !stops_allowed(c)) {
                        c->pool_due = mono_min(c->pool_due, stops_again(c));
                        return;
                }
                task_enter(c, t, TASK_TERMINATING,
                           sizing_replaces(c, t) ? "replaced: it was of another version, or too old"
                                                 : "more warm than wanted");
        }
}

/*
 * Until when a refill should leave the machine to a claim that runs; NEVER when none does. A claim
 * that takes long is not waited for. The last of the list began last.
 */
static mono_t claim_until(const struct core *c, uint32_t type)
{
        uint32_t slot = c->pools[type].claimed.tail;
        mono_t end;

        if (slot == INDEX_NONE || c->own_machines)
                return MONO_NEVER;
        end = mono_add_ms(c->tasks[slot].since, CLAIM_FIRST_MS);
        return mono_due(end, c->now) ? MONO_NEVER : end;
}

/* Said after the plan's own reason: whose doing it is. */
static const char *explanation(const struct core *c, uint32_t type)
{
        const struct pool *p = &c->pools[type];
        const struct mode *drain = modes_get(c, MODE_DRAIN, type);
        const struct mode *pause = modes_get(c, MODE_PAUSE, type);

        if (c->draining)
                return "";
        if (drain || pause)
                return drain ? drain->why : pause->why;
        if (p->rate_held)
                return "the provider takes no more at once";
        if (p->refill_held)
                return "more would be above pool_refill_rate";
        return mono_is_never(p->breaker.until) && mono_is_never(p->backoff.until) ? "" : p->failure;
}

/* What room there is, is theirs: a refill of another type would take it. */
static bool people_refused(const struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                const struct pool *p = &c->pools[i];

                if (p->waiting > p->n[CLASS_LAUNCHING] && !mono_is_never(p->backoff.until))
                        return true;
        }
        return false;
}

static struct pool_input input_of(const struct core *c, uint32_t type, bool refill)
{
        const struct pool *p = &c->pools[type];
        const struct mode *pause = modes_get(c, MODE_PAUSE, type);

        const char *why = NULL;
        uint32_t size = sizing_size(c, type, &why);

        return (struct pool_input){
                .size = refill ? size : 0,
                .why = why,
                .waiting = p->waiting,
                .warm = p->n[CLASS_WARM] + p->n[CLASS_UNHEARD],
                .launching = p->n[CLASS_LAUNCHING],
                .capacity = c->task_index.n_free,
                .claiming = !mono_is_never(claim_until(c, type)),
                .refused = people_refused(c),
                .draining = c->draining,
                .drained = modes_get(c, MODE_DRAIN, type) != NULL,
                .paused = pause != NULL,
                .held = pause && pause->hard,
                .breaker = &p->breaker,
                .backoff = &p->backoff,
                .now = c->now,
        };
}

/* `refill`: also what nobody waits for. */
static void pool_run(struct core *c, uint32_t type, bool refill)
{
        struct pool *p = &c->pools[type];
        struct pool_input in = input_of(c, type, refill);
        struct pool_plan plan;
        const char *why;
        char reason[sizeof(p->reason)], replaced[POOL_REPLACED_SIZE];
        uint32_t old;

        pool_plan(&in, &plan);
        plan.stop = refill ? sizing_stop(c, type, plan.target, plan.stop) : 0;
        carry_out(c, type, &plan, refill);
        if (!refill)
                return;
        p->target = plan.target;
        why = explanation(c, type);
        old = sizing_outdated(c, type);
        (void)snprintf(replaced, sizeof(replaced), ", replacing %u old", old);
        (void)snprintf(reason, sizeof(reason), "%s%s%s%s", plan.reason, old ? replaced : "",
                       *why ? ": " : "", why);
        STR_CUT(p->reason, reason);
        c->pool_due = mono_min(c->pool_due, claim_until(c, type));
        /* A half-open breaker waits for its probe, not for a time; so does a backoff. */
        if (!mono_is_never(p->breaker.until) && mono_before(c->now, p->breaker.until))
                c->pool_due = mono_min(c->pool_due, p->breaker.until);
        if (!mono_is_never(p->backoff.until) && mono_before(c->now, p->backoff.until))
                c->pool_due = mono_min(c->pool_due, p->backoff.until);
}

/*
 * People before refill, also across types: where every task is taken and somebody waits, a warm
 * task of a type that nobody waits for makes room.
 */
static void make_room(struct core *c)
{
        uint32_t wanted = 0;

        if (c->task_index.n_free > 0)
                return;
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                const struct pool *p = &c->pools[i];
                const struct mode *pause = modes_get(c, MODE_PAUSE, i);

                if (!(pause && pause->hard) && p->waiting > p->n[CLASS_LAUNCHING])
                        wanted += p->waiting - p->n[CLASS_LAUNCHING];
        }
        for (uint32_t i = 0; i < c->config.n_types && wanted > c->n[CLASS_ENDING]; i++) {
                struct task *t = c->pools[i].waiting ? NULL : oldest_warm(c, i);

                if (!t)
                        continue;
                if (!fx_room(c) || !stops_allowed(c)) {
                        c->pool_due = fx_room(c) ? stops_again(c) : c->now;
                        return;
                }
                task_enter(c, t, TASK_TERMINATING, "somebody waits for another type");
                i--; /* this type may have more */
        }
}

void pools_run(struct core *c)
{
        c->pool_dirty = false;
        c->pool_due = MONO_NEVER;
        if (!c->open)
                return;
        sizing_run(c);
        adaptive_run(c);
        if (!c->draining) {
                for (uint32_t i = 0; i < c->config.n_types; i++)
                        serve_waiting(c, i);
                for (uint32_t i = 0; i < c->config.n_types; i++) {
                        if (c->pools[i].waiting)
                                pool_run(c, i, false);
                }
                make_room(c);
        }
        for (uint32_t i = 0; i < c->config.n_types; i++)
                pool_run(c, i, true);
        /* Claims and ends have marked it again; they were just counted. */
        c->pool_dirty = false;
}
