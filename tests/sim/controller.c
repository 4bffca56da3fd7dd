/*
 * The shell around a core, as controller/shell.c does it, with a lease: lead, boot, step, commit,
 * carry out. It dies and freezes between any two effects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace.h"
#include "state.h"

#define RETRY_MS SIM_S
/* Heartbeats are not stepped any more while so many effects wait for the store. */
#define SHED (CORE_EFFECTS_MAX / 2)

void controller_free(struct sim *s, int ctl)
{
        s->ctl[ctl].core = core_free(s->ctl[ctl].core);
}

/* What it had in memory is gone; what is on its way to it finds nobody. */
static void forget(struct sim *s, int ctl, enum role role)
{
        struct controller *c = &s->ctl[ctl];
        struct core_effects *fill = c->fill, *batch = c->batch;
        uint32_t life = ++s->lives;
        bool frozen = c->frozen;
        int64_t thaw_ms = c->thaw_ms;

        controller_free(s, ctl);
        *c = (struct controller){.role = role,
                                 .life = life,
                                 .fill = fill,
                                 .batch = batch,
                                 .frozen = frozen,
                                 .thaw_ms = thaw_ms,
                                 .due = MONO_NEVER,
                                 .writable = true};
        fill->n = batch->n = 0;
        for (size_t i = 0; i < SIM_WORKSPACES; i++)
                s->truth[i].wait_order[ctl] = 0;
}

static void die(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        if (!c->retry)
                store_last_words(s, ctl);
        sim_say(s, "controller %d: dies", ctl);
        s->result.crashes++;
        c->frozen = false;
        forget(s, ctl, ROLE_DOWN);
        sim_note(s, W_RESTART, s->healing ? SIM_S : sim_about(s, 15 * SIM_S))->ctl = ctl;
}

static void freeze(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];
        int64_t ms = sim_about(s, 2 * s->timing.lease_ms);

        sim_say(s, "controller %d: freezes for %lld ms", ctl, (long long)ms);
        s->result.freezes++;
        c->frozen = c->unchecked = true;
        c->thaw_ms = s->now_ms + ms;
        sim_note(s, W_THAW, ms)->ctl = ctl;
}

static void step_down(struct sim *s, int ctl)
{
        sim_say(s, "controller %d: leads no more", ctl);
        forget(s, ctl, ROLE_FOLLOWER);
        sim_note(s, W_LEASE, sim_about(s, RETRY_MS))->ctl = ctl;
}

void controller_start(struct sim *s, int ctl)
{
        forget(s, ctl, ROLE_FOLLOWER);
        sim_say(s, "controller %d: starts", ctl);
        sim_note(s, W_LEASE, sim_about(s, RETRY_MS))->ctl = ctl;
}

int controller_leader(const struct sim *s)
{
        for (int i = 0; i < s->n_ctl; i++) {
                const struct controller *c = &s->ctl[i];

                if (c->role == ROLE_LEADER && c->epoch == s->store.epoch && !c->frozen)
                        return i;
        }
        return -1;
}

/* ---- stepping ---- */

static void trace_step(struct sim *s, int ctl, const struct core_event *ev, size_t from)
{
        const struct core_effects *fx = s->ctl[ctl].fill;
        char line[TRACE_LINE_SIZE];

        if (!s->trace)
                return;
        trace_event(ev, line, sizeof(line));
        sim_say(s, "controller %d: > %s", ctl, line);
        for (size_t i = from; i < fx->n; i++) {
                trace_effect(&fx->v[i], line, sizeof(line));
                sim_say(s, "controller %d: < %s", ctl, line);
        }
}

void controller_post(struct sim *s, int ctl, struct core_event *ev)
{
        struct controller *c = &s->ctl[ctl];
        size_t from = c->fill->n;

        if (c->doomed || !c->core)
                return;
        if (from + CORE_STEP_ROOM > CORE_EFFECTS_MAX) {
                sim_say(s, "controller %d: too many effects wait for the store", ctl);
                c->doomed = true;
                return;
        }
        ev->now = (mono_t){s->now_ms * US_PER_MS};
        ev->utc = (utc_t){(s->now_ms + s->utc_offset_ms) * US_PER_MS};
        core_step(c->core, ev, c->fill);
        s->result.steps++;
        s->result.effects += c->fill->n - from;
        sim_hash(s, (uint64_t)ev->type * 1000 + (c->fill->n - from));
        for (size_t i = from; i < c->fill->n; i++)
                sim_hash(s, (uint64_t)c->fill->v[i].type);
        trace_step(s, ctl, ev, from);
        check_step(s, ctl, &c->fill->v[from], c->fill->n - from);
        c->due = core_next_deadline(c->core);
        if (sim_fault(s, FAULT_CRASH_STEP))
                c->doomed = true;
}

/* ---- carrying out ---- */

/* What it believes of its lease; it asks again when the time is over. */
static bool may_act(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];
        int r;

        if (STEAL(c->unchecked, false))
                return true; /* it had looked before it froze */
        if (s->now_ms < c->lease_until_ms)
                return true;
        r = store_lease(s, ctl);
        if (r == 0) {
                step_down(s, ctl);
        } else if (r < 0) {
                sim_note(s, W_TURN, RETRY_MS)->ctl = ctl;
        } else {
                c->lease_until_ms = s->now_ms + s->timing.lease_ms;
                return true;
        }
        return false;
}

static void carry_out(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        c->carrying = true;
        while (c->carried < c->batch->n) {
                const struct core_effect *fx;

                if (!c->unchecked && sim_fault(s, FAULT_FREEZE_EFFECT))
                        freeze(s, ctl);
                if (c->frozen || !may_act(s, ctl))
                        return;
                fx = &c->batch->v[c->carried++];
                check_act(s, ctl, fx);
                edge_carry_out(s, ctl, fx);
                if (sim_fault(s, FAULT_CRASH_EFFECT)) {
                        die(s, ctl);
                        return;
                }
        }
        c->carrying = false;
        c->batch->n = c->carried = 0;
}

static void send_commit(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];
        struct note *n = sim_note(s, W_COMMIT, sim_about(s, s->timing.commit_ms));

        n->ctl = ctl;
        n->life = c->life;
        n->number = c->batch_id;
        c->committing = true;
        if (sim_fault(s, FAULT_CRASH_COMMIT))
                c->doomed = true;
}

/* The end of a turn of its loop: one transaction, then the effects. */
static void turn(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        for (;;) {
                struct core_effects *t = c->fill;

                if (c->doomed) {
                        die(s, ctl);
                        return;
                }
                if (c->carrying)
                        carry_out(s, ctl);
                if (c->frozen || c->committing || c->carrying || c->fill->n == 0)
                        return;
                c->fill = c->batch;
                c->batch = t;
                c->batch_id = ++s->batches;
#ifdef SIM_PLANTED_ACT_BEFORE_COMMIT
                for (size_t i = 0; i < c->batch->n; i++) {
                        check_act(s, ctl, &c->batch->v[i]);
                        edge_carry_out(s, ctl, &c->batch->v[i]);
                }
#endif
                if (store_has_effects(c->batch)) {
                        send_commit(s, ctl);
                } else {
                        c->carrying = true;
                        c->carried = 0;
                }
        }
}

static void again(struct sim *s, int ctl, bool unknown)
{
        struct controller *c = &s->ctl[ctl];
        struct note *n = sim_note(s, W_TURN, RETRY_MS);

        n->ctl = ctl;
        n->life = c->life;
        c->writable = false;
        c->retry = true;
        c->unknown = unknown;
}

static void is_in(struct controller *c)
{
        c->committing = false;
        c->writable = c->carrying = true;
        c->carried = 0;
#ifdef SIM_PLANTED_ACT_BEFORE_COMMIT
        c->carried = c->batch->n;
#endif
}

/* The outcome is not known: it is read back before anything else is tried. */
static void read_back(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];
        int r = store_read_back(s, ctl);

#if defined SIM_PLANTED_UNKNOWN_IS_DONE
        r = 1;
#elif defined SIM_PLANTED_UNKNOWN_IS_NOTHING
        c->batch->n = 0;
        r = 1;
#endif
        if (r > 0)
                is_in(c);
        else if (r < 0)
                again(s, ctl, true);
        else
                send_commit(s, ctl);
}

static void committed(struct sim *s, const struct note *n)
{
        struct controller *c = &s->ctl[n->ctl];

        if (n->number != c->batch_id || !c->committing)
                return;
        if (n->kind == -2)
                read_back(s, n->ctl);
        else if (n->kind < 0)
                again(s, n->ctl, false);
        else if (n->kind == 0)
                step_down(s, n->ctl);
        else
                is_in(c);
}

static void try_again(struct sim *s, int ctl)
{
        if (STEAL(s->ctl[ctl].unknown, false))
                read_back(s, ctl);
        else
                send_commit(s, ctl);
}

/* ---- leading ---- */

static void boot(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        /* In some seeds every third leader has another image. */
        if (s->seed / 128 % 2)
                (void)snprintf(s->config.types[0].version, CORE_VERSION_SIZE, "v%llu",
                               (unsigned long long)s->result.takeovers / 3);
        if (core_new(&s->config, &c->core) < 0)
                abort();
        c->role = ROLE_BOOTING;
        s->result.takeovers++;
        check_boot(s);
        check_stops_boot(s, ctl);
        edge_boot(s, ctl);
}

static void call_list(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];
        struct note *n;

        if (s->now_ms < c->list_ms)
                return;
        c->list_ms = s->now_ms + (c->role == ROLE_LEADER ? s->timing.inventory_ms : 5 * SIM_S);
        if (sim_fault(s, FAULT_LOSE_CALL))
                return;
        n = sim_note(s, W_CALL_LIST, sim_about(s, s->timing.provider_ms));
        n->ctl = ctl;
        n->life = c->life;
}

static void lease(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];
        int64_t sent_ms = s->now_ms;
        int r;

        if (c->role == ROLE_DOWN)
                return;
        if (sim_fault(s, FAULT_FREEZE)) {
                freeze(s, ctl);
                sim_note(s, W_LEASE, c->thaw_ms - s->now_ms + sim_about(s, 2 * SIM_S))->ctl = ctl;
                return;
        }
        r = store_lease(s, ctl);
        if (r == 0 && c->role >= ROLE_BOOTING) {
                step_down(s, ctl);
                return;
        }
        if (r > 0) {
                c->lease_until_ms = sent_ms + s->timing.lease_ms - SIM_S;
                if (sim_fault(s, FAULT_LEASE_BELIEVED)) /* its clock is slow */
                        c->lease_until_ms += 4 * s->timing.lease_ms;
                if (c->role == ROLE_FOLLOWER)
                        boot(s, ctl);
        }
        if (c->role >= ROLE_BOOTING)
                call_list(s, ctl);
        sim_note(s, W_LEASE,
                 c->role >= ROLE_BOOTING ? s->timing.lease_ms / 3 : sim_about(s, RETRY_MS))
                ->ctl = ctl;
}

/* ---- what comes ---- */

int64_t controller_due_ms(const struct sim *s, int ctl)
{
        const struct controller *c = &s->ctl[ctl];

        if (!c->core || c->frozen || !c->writable || mono_is_never(c->due))
                return NEVER_MS;
        /* Rounded up: a deadline that is given too early comes again. */
        return MAX((c->due.us + US_PER_MS - 1) / US_PER_MS, s->now_ms);
}

void controller_deadline(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        if (c->stuck_ms != s->now_ms)
                c->stuck = 0;
        c->stuck_ms = s->now_ms;
        if (++c->stuck > 300)
                sim_broken(s, INV_DEADLINE, "controller %d", ctl);
        s->ev.type = EV_DEADLINE;
        controller_post(s, ctl, &s->ev);
        turn(s, ctl);
}

static void own_note(struct sim *s, const struct note *n)
{
        struct controller *c = &s->ctl[n->ctl];

        if (n->what == W_LEASE)
                lease(s, n->ctl);
        else if (n->what == W_COMMITTED)
                committed(s, n);
        else if (n->what == W_TURN && STEAL(c->retry, false))
                try_again(s, n->ctl);
}

void controller_note(struct sim *s, const struct note *n)
{
        struct controller *c = &s->ctl[n->ctl];

        if (n->what == W_RESTART) {
                if (c->role == ROLE_DOWN)
                        controller_start(s, n->ctl);
                return;
        }
        if (n->what == W_THAW && c->frozen) {
                sim_say(s, "controller %d: wakes up", n->ctl);
                c->frozen = false;
        } else if (c->frozen) {
                /* What it looks at first when it wakes up is not said. */
                sim_defer(s, n,
                          c->thaw_ms - s->now_ms +
                                  (n->what == W_LEASE ? sim_about(s, 2 * SIM_S) : 0));
                return;
        }
        if (n->life && n->life != c->life) {
                edge_disconnected(s, n);
                return;
        }
        if (n->what == W_LEASE || n->what == W_COMMITTED || n->what == W_TURN)
                own_note(s, n);
        else if (n->what != W_THAW)
                edge_receive(s, n);
        if (c->role >= ROLE_BOOTING)
                turn(s, n->ctl);
}
