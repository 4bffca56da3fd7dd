/*
 * Stops in their turn: never more last saves than may run, nobody waits beside a free place, who
 * should have been stopped earlier is, what was asked for is not forgotten; ends at the provider's
 * rate.
 */
#include <string.h>

#include "state.h"

/* By the rows; one whose person has returned may be starting again. */
static uint32_t saves_under_way(const struct core *core)
{
        const struct task_row *t;
        uint32_t n = 0;
        size_t pos = 0;

        while ((t = core_next_task(core, &pos))) {
                const struct workspace_row *w = core_workspace(core, t->workspace);

                n += t->state == TASK_STOPPING && w && w->state == WS_SAVING && !w->wanted;
        }
        return n;
}

static bool is_notice(const struct audit_row *row)
{
        return str_starts(row->detail, "it will be ended in ");
}

/* Stops that were cancelled and are ordered again, as by a drain: these do not wait. */
static uint32_t ordered_again(const struct core_effect *fx, size_t n)
{
        uint32_t orders = 0, begun = 0;

        for (size_t i = 0; i < n; i++) {
                orders += fx[i].type == FX_COMMAND && fx[i].command.verb == COMMAND_PREPARE_STOP;
                begun += fx[i].type == FX_AUDIT && strcmp(fx[i].audit_row.what, "stopping") == 0;
        }
        return orders - begun;
}

/* What has just begun to stop, and why it waited before; 0 when it did not. */
static void check_begun(struct sim *s, int ctl, const struct audit_row *row, uint32_t again)
{
        const struct core *core = s->ctl[ctl].core;
        const struct workspace_row *w = core_workspace(core, row->workspace);
        const struct stop_seen *seen = &check_truth(s, row->workspace)->stop[ctl];
        bool idle = idle_rule_of_reason(row->detail) != IDLE_RULE_NONE;
        mono_t now = {s->now_ms * US_PER_MS};
        struct core_stops all;
        struct core_stop other;

        if (is_notice(row) || !w || w->state != WS_SAVING)
                return;
        core_stops(core, now, &all);
        if (all.parallel && saves_under_way(core) > all.parallel + again)
                sim_broken(s, INV_SAVES_PACED, "%s makes it %u of %u", w->id, saves_under_way(core),
                           all.parallel);
        if (seen->kind == STOP_NONE || idle != (seen->kind == STOP_IDLE))
                return; /* it did not wait, or somebody wanted it stopped while it was idle */
        for (int i = 0; i < SIM_WORKSPACES; i++) {
                const char *id = s->truth[i].id;

                if (core_stop(core, id, now, &other) && other.kind == seen->kind &&
                    mono_before(other.since, seen->since))
                        sim_broken(s, INV_STOP_ORDER, "%s before %s", w->id, id);
        }
}

/* The provider's rate, counted beside the core. */
static void check_ends(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct controller *c = &s->ctl[ctl];
        double filled = (double)(s->now_ms - c->ends_ms) / 1000 * s->config.stop_rate;

        if (s->config.stop_rate <= 0 || !core_task(c->core, fx->stop_task.task))
                return; /* an orphan that has no row of its own is ended out of turn */
        c->ends = MIN(s->config.stop_burst, c->ends + filled) - 1;
        c->ends_ms = s->now_ms;
        if (c->late) /* a turn that was due while it was frozen is of the rate of then */
                c->ends = MAX(c->ends + 1, 0);
        if (c->ends < -0.01)
                sim_broken(s, INV_ENDS_PACED, "%s", fx->stop_task.task);
}

/* After a step: who waits, and why. */
static void check_waiting(struct sim *s, int ctl, struct truth *t, const struct core_stops *all)
{
        const struct core *core = s->ctl[ctl].core;
        mono_t now = {s->now_ms * US_PER_MS};
        const struct workspace_row *w = t->id[0] ? core_workspace(core, t->id) : NULL;
        const struct task_row *task = w ? core_task(core, w->task) : NULL;
        bool room = !all->parallel || all->under_way < all->parallel;
        struct stop_seen *seen = &t->stop[ctl];
        struct core_stop v;
        bool waits = w && core_stop(core, t->id, now, &v) && v.place > 0;

        if (t->stop_promised && task &&
            (task->state == TASK_CLAIMED || task->state == TASK_READY) &&
            (w->state == WS_RUNNING || w->state == WS_STARTING) && !(waits && v.kind == STOP_ASKED))
                sim_broken(s, INV_STOP_KEPT, "%s is %s", t->id, ws_state_name(w->state));
        if (!waits) {
                *seen = (struct stop_seen){.room_ms = s->now_ms};
                return;
        }
        if (room && v.kind != STOP_IDLE)
                sim_broken(s, INV_STOP_TURN, "%s, %u of %u under way", t->id, all->under_way,
                           all->parallel);
        if (!room || seen->kind == STOP_NONE || v.place > 1)
                seen->room_ms = s->now_ms;
        /* Warm tasks count for the cap, too: with one stop in a minute they may have had all. */
        if (s->config.stops_per_min > 1 && s->now_ms - seen->room_ms > 5 * SIM_MIN)
                sim_broken(s, INV_STOP_TURN, "%s: %s", t->id, v.why);
        seen->kind = v.kind;
        seen->since = v.since;
}

void check_stops(struct sim *s, int ctl, const struct core_effect *fx, size_t n)
{
        struct controller *c = &s->ctl[ctl];
        struct core_stops all;

        /* It froze, or waited for the store: a deadline was not given in time. */
        if (c->stepped_ms != s->now_ms)
                c->late = c->due.us / US_PER_MS + 1 < s->now_ms;
        c->stepped_ms = s->now_ms;
        if (c->role != ROLE_LEADER)
                return;
        for (size_t i = 0; i < n; i++) {
                if (fx[i].type == FX_AUDIT && strcmp(fx[i].audit_row.what, "stopping") == 0)
                        check_begun(s, ctl, &fx[i].audit_row, ordered_again(fx, n));
                else if (fx[i].type == FX_STOP_TASK)
                        check_ends(s, ctl, &fx[i]);
        }
        core_stops(c->core, (mono_t){s->now_ms * US_PER_MS}, &all);
        if (all.under_way < saves_under_way(c->core))
                sim_broken(s, INV_SAVES_PACED, "%u are counted, there are %u", all.under_way,
                           saves_under_way(c->core));
        if (mono_due(core_next_deadline(c->core), (mono_t){s->now_ms * US_PER_MS}))
                return;
        for (int i = 0; i < SIM_WORKSPACES; i++)
                check_waiting(s, ctl, &s->truth[i], &all);
}

/* ---- what was asked for ---- */

void check_stop_asked(struct truth *t, const struct note *n)
{
        t->stop_promised = false;
        t->stop_token = n->kind == EV_REQ_STOP ? n->number : 0;
}

void check_stop_replied(struct sim *s, struct truth *t, uint64_t token)
{
        const struct workspace_row *row = store_workspace(s, t->id);

        if (token != t->stop_token)
                return;
        t->stop_token = 0;
        t->stop_promised =
                row && row->task[0] && (row->state == WS_RUNNING || row->state == WS_STARTING);
}

void check_stop_put(struct truth *t, const struct workspace_row *row)
{
        if (row->state != WS_RUNNING && row->state != WS_STARTING)
                t->stop_promised = false;
}

/* Its buckets are full, and nobody waits. */
void check_stops_boot(struct sim *s, int ctl)
{
        s->ctl[ctl].ends = s->config.stop_burst;
        s->ctl[ctl].ends_ms = s->now_ms;
        for (int i = 0; i < SIM_WORKSPACES; i++)
                s->truth[i].stop[ctl] = (struct stop_seen){.room_ms = s->now_ms};
}
