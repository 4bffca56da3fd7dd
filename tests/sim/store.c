/*
 * The store: rows, counters and one lease row. A commit is applied as a whole or not at all, when
 * it arrives and if its epoch is the newest; whether the controller hears of it is another matter.
 * What was acknowledged is never lost: that is the contract of the real stores (controller/store).
 */
#include <string.h>

#include "state.h"

struct workspace_row *store_workspace(struct sim *s, const char *id)
{
        for (size_t i = 0; i < ARRAY_LEN(s->store.workspaces); i++) {
                if (strcmp(s->store.workspaces[i].id, id) == 0 && id[0])
                        return &s->store.workspaces[i];
        }
        return NULL;
}

struct task_row *store_task(struct sim *s, const char *id)
{
        for (size_t i = 0; i < ARRAY_LEN(s->store.tasks); i++) {
                if (strcmp(s->store.tasks[i].id, id) == 0 && id[0])
                        return &s->store.tasks[i];
        }
        return NULL;
}

int64_t store_now_ms(const struct sim *s)
{
        return s->now_ms + s->store.clock_ms;
}

/* ---- the lease ---- */

int store_lease(struct sim *s, int ctl)
{
        struct store *st = &s->store;
        struct controller *c = &s->ctl[ctl];
        bool mine = st->holder == ctl && st->holder_life == c->life && st->epoch == c->epoch;

        if (st->away)
                return -1;
        if (mine && c->role >= ROLE_BOOTING && store_now_ms(s) < st->expires_ms) {
                st->expires_ms = store_now_ms(s) + s->timing.lease_ms;
                return 1;
        }
        if (c->role >= ROLE_BOOTING || store_now_ms(s) < st->expires_ms)
                return 0;
        st->epoch++;
        st->holder = ctl;
        st->holder_life = c->life;
        st->expires_ms = store_now_ms(s) + s->timing.lease_ms;
        c->epoch = st->epoch;
        st->life_of[st->epoch % SIM_EPOCHS] = c->life;
        sim_say(s, "store: controller %d leads, epoch %llu", ctl, (unsigned long long)st->epoch);
        return 1;
}

/* ---- commits ---- */

static void put_workspace(struct sim *s, const struct workspace_row *row)
{
        struct workspace_row *old = store_workspace(s, row->id);

        check_put_workspace(s, old, row);
        for (size_t i = 0; !old && i < ARRAY_LEN(s->store.workspaces); i++) {
                if (!s->store.workspaces[i].id[0])
                        old = &s->store.workspaces[i];
        }
        if (!old)
                sim_broken(s, INV_LIMITS, "more workspaces than there may be: %s", row->id);
        *old = *row;
}

static void del_workspace(struct sim *s, const char *id)
{
        struct workspace_row *row = store_workspace(s, id);
        struct truth *t = check_truth(s, id);

        if (!row)
                return;
        s->store.generation = MAX(s->store.generation, row->generation);
        memset(row, 0, sizeof(*row));
        t->head = (struct content){0};
        for (int i = 0; i < SIM_BODIES; i++)
                s->bodies[i].disowned |= strcmp(s->bodies[i].workspace, id) == 0;
        t->acknowledged = 0;
        t->wish = false;
}

static void put_task(struct sim *s, const struct task_row *row)
{
        struct task_row *old = store_task(s, row->id);

        check_put_task(s, row);
        for (size_t i = 0; !old && i < ARRAY_LEN(s->store.tasks); i++) {
                if (!s->store.tasks[i].id[0])
                        old = &s->store.tasks[i];
        }
        if (!old)
                sim_broken(s, INV_LIMITS, "more tasks than there may be: %s", row->id);
        *old = *row;
        s->store.task_number = MAX(s->store.task_number, core_task_number(row->id));
}

static void put_setting(struct sim *s, const struct setting_row *row)
{
        struct setting_row *old = NULL;

        for (size_t i = 0; i < ARRAY_LEN(s->store.settings); i++) {
                struct setting_row *at = &s->store.settings[i];

                if (strcmp(at->name, row->name) == 0 || (!old && !at->name[0]))
                        old = at;
        }
        if (!old)
                sim_broken(s, INV_LIMITS, "more settings than there may be: %s", row->name);
        *old = row->value[0] ? *row : (struct setting_row){0};
}

static void apply(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct task_row *task;

        switch ((int)fx->type) {
        case FX_PUT_WORKSPACE:
                put_workspace(s, &fx->workspace_row);
                break;
        case FX_DEL_WORKSPACE:
                del_workspace(s, fx->id.id);
                break;
        case FX_PUT_TASK:
                put_task(s, &fx->task_row);
                break;
        case FX_DEL_TASK:
                task = store_task(s, fx->id.id);
                check_task(s, fx->id.id)->gone_batch = s->ctl[ctl].batch_id;
                if (task)
                        memset(task, 0, sizeof(*task));
                break;
        case FX_PUT_SETTING:
                put_setting(s, &fx->setting_row);
                break;
        case FX_AUDIT:
                if (fx->audit_row.seq <= s->store.audit_seq)
                        sim_broken(s, INV_HISTORY_GROWS, "%s: %llu after %llu", fx->audit_row.what,
                                   (unsigned long long)fx->audit_row.seq,
                                   (unsigned long long)s->store.audit_seq);
                s->store.audit_seq = fx->audit_row.seq;
                break;
        case FX_COMMAND:
                s->store.command_id = MAX(s->store.command_id, fx->command.id);
                break;
        case FX_LAUNCH_TASK:
                s->store.task_number =
                        MAX(s->store.task_number, core_task_number(fx->launch_task.task));
                break;
        default: /* the others are not stored */
                break;
        }
}

bool store_has_effects(const struct core_effects *fx)
{
        for (size_t i = 0; i < fx->n; i++) {
                switch ((int)fx->v[i].type) {
                case FX_PUT_WORKSPACE:
                case FX_DEL_WORKSPACE:
                case FX_PUT_TASK:
                case FX_DEL_TASK:
                case FX_PUT_SETTING:
                case FX_AUDIT:
                case FX_COMMAND:
                case FX_LAUNCH_TASK:
                        return true;
                default: /* the others are not stored */
                        break;
                }
        }
        return false;
}

/* 1 it is in, 0 it is not (an old epoch). */
static int apply_batch(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        if (c->epoch != s->store.epoch) {
#ifndef SIM_PLANTED_NO_EPOCH_IN_COMMIT
                return 0;
#endif
        }
        if (c->epoch != s->store.epoch || s->store.holder != ctl || s->store.holder_life != c->life)
                sim_broken(s, INV_ONE_LEADER,
                           "controller %d commits with epoch %llu, the newest is %llu", ctl,
                           (unsigned long long)c->epoch, (unsigned long long)s->store.epoch);
        for (size_t i = 0; i < c->batch->n; i++)
                apply(s, ctl, &c->batch->v[i]);
        check_batch(s);
        s->store.applied[ctl] = c->batch_id;
        return 1;
}

/* kind of the answer: 1 in, 0 refused for its epoch, -1 failed, -2 nothing is known. */
static void answer(struct sim *s, const struct note *n, int kind)
{
        struct note *m = sim_note(s, W_COMMITTED, sim_about(s, s->timing.commit_ms));

        m->ctl = n->ctl;
        m->life = n->life;
        m->number = n->number;
        m->kind = kind;
}

static void go_away(struct sim *s)
{
        s->store.away = true;
        sim_say(s, "store: away");
        sim_note(s, W_STORE_BACK, sim_about(s, 40 * SIM_S));
}

void store_commit(struct sim *s, const struct note *n)
{
        struct controller *c = &s->ctl[n->ctl];

        if (c->life != n->life || c->batch_id != n->number)
                return; /* its last words were heard already */
        if (!s->store.away && sim_fault(s, FAULT_STORE_AWAY))
                go_away(s);
        if (s->store.away) {
                answer(s, n, sim_below(s, 2) ? -1 : -2);
        } else if (sim_fault(s, FAULT_COMMIT_FAILS)) {
                sim_say(s, "store: the commit of controller %d fails", n->ctl);
                answer(s, n, -1);
        } else if (sim_fault(s, FAULT_COMMIT_UNKNOWN)) {
                bool in = sim_below(s, 2);

                sim_say(s, "store: the outcome of controller %d is not told (%s)", n->ctl,
                        in ? "it is in" : "it is not in");
                if (in)
                        (void)apply_batch(s, n->ctl);
                answer(s, n, -2);
        } else {
                answer(s, n, apply_batch(s, n->ctl));
        }
}

int store_read_back(struct sim *s, int ctl)
{
        if (s->store.away)
                return -1;
        return s->store.applied[ctl] == s->ctl[ctl].batch_id;
}

void store_last_words(struct sim *s, int ctl)
{
        struct controller *c = &s->ctl[ctl];

        if (!c->committing || s->store.away || s->store.applied[ctl] == c->batch_id ||
            sim_below(s, 2))
                return;
        sim_say(s, "store: the last commit of controller %d comes in", ctl);
        (void)apply_batch(s, ctl);
}
