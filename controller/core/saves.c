/*
 * From "uploaded" to "committed": announce -> verify -> commit, acknowledge, sweep. The committed
 * last save is what lets a task end.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

void saves_forget(struct workspace *w)
{
        memset(&w->save, 0, sizeof(w->save));
        w->save.ask_at = MONO_NEVER;
}

static void ack_to(struct core *c, const struct task *t, uint64_t conn, uint64_t generation,
                   uint64_t seq, bool committed, const char *reason)
{
        struct core_effect *fx = fx_add(c, FX_SAVE_ACK);

        fx->save_ack.conn = conn;
        STR_CUT(fx->save_ack.task, t->row.id);
        fx->save_ack.generation = generation;
        fx->save_ack.seq = seq;
        fx->save_ack.committed = committed;
        STR_CUT(fx->save_ack.reason, reason);
}

static void ack(struct core *c, const struct core_event *ev, const struct task *t, bool committed,
                const char *reason)
{
        ack_to(c, t, ev->saved.conn, ev->saved.generation, ev->saved.seq, committed, reason);
}

static void ack_pending(struct core *c, const struct task *t, const struct pending_save *p,
                        bool committed, const char *reason)
{
        ack_to(c, t, p->conn, p->ref.generation, p->ref.seq, committed, reason);
        if (p->unchanged_final)
                ack_to(c, t, p->unchanged_conn, p->ref.generation, p->unchanged_seq, committed,
                       reason);
}

void saves_verify(struct core *c, struct workspace *w)
{
        struct core_effect *fx = fx_add(c, FX_VERIFY_SAVE);

        STR_CUT(fx->verify.workspace, w->row.id);
        fx->verify.save = w->save.ref;
        w->save.ask_at = mono_add_ms(c->now, VERIFY_AGAIN_MS);
}

void saves_commit(struct core *c, struct workspace *w, const struct save_ref *ref)
{
        w->row.previous = w->row.head;
        w->row.head = *ref;
        fx_put_workspace(c, w);
}

static void pin(struct core *c, const struct workspace *w, const struct save_ref *save)
{
        struct core_effect *fx = fx_add(c, FX_PIN);

        STR_CUT(fx->pin.workspace, w->row.id);
        fx->pin.generation = save->generation;
        fx->pin.seq = save->seq;
}

void saves_sweep(struct core *c, struct workspace *w)
{
        const struct task *t = task_of(c, w);
        struct core_effect *fx;

        if (t && t->damaged.seq) /* the order before may have been lost */
                pin(c, w, &t->damaged);
        fx = fx_add(c, FX_SWEEP);

        w->sweep_at = mono_add_ms(c->now, SWEEP_MS);
        STR_CUT(fx->sweep.workspace, w->row.id);
        fx->sweep.keep[fx->sweep.n_keep++] = w->row.head;
        if (w->row.previous.seq)
                fx->sweep.keep[fx->sweep.n_keep++] = w->row.previous;
        if (t && t->damaged.seq)
                fx->sweep.keep[fx->sweep.n_keep++] = t->damaged;
        /* What is newer may be an upload that has not been announced yet. */
        fx->sweep.before_generation = w->row.head.generation;
        fx->sweep.before_seq = w->row.head.seq;
}

static bool is_save(const struct save_ref *a, uint64_t generation, uint64_t seq)
{
        return a->seq && a->generation == generation && a->seq == seq;
}

void saves_go_back(struct core *c, struct workspace *w, const struct save_ref *save,
                   const char *actor)
{
        const struct save_ref *head = &w->row.head;
        char text[CORE_REASON_SIZE];

        if (is_save(head, save->generation, save->seq))
                return;
        (void)snprintf(text, sizeof(text), "from the save %llu-%llu on; it was %llu-%llu",
                       (unsigned long long)save->generation, (unsigned long long)save->seq,
                       (unsigned long long)head->generation, (unsigned long long)head->seq);
        saves_commit(c, w, save);
        /* One that waits would keep what was the head. */
        saves_sweep(c, w);
        fx_audit(c, w->row.id, "", actor, "restored-to", text);
}

static void tell_fell_back(struct core *c, const struct workspace *w, const struct task *t)
{
        const struct task_live *l = &t->live;
        char text[CORE_REASON_SIZE];

        (void)snprintf(
                text, sizeof(text), "the save %llu-%llu is damaged, %llu-%llu is restored: %.90s",
                (unsigned long long)t->damaged.generation, (unsigned long long)t->damaged.seq,
                (unsigned long long)l->restored_generation, (unsigned long long)l->restored_seq,
                l->restored_why[0] ? l->restored_why : "it was not told why");
        fx_audit(c, w->row.id, t->row.id, "core", "fell-back", text);
}

void saves_fell_back(struct core *c, struct workspace *w, struct task *t,
                     const struct core_event *ev)
{
        uint64_t generation = ev->report.restored_generation, seq = ev->report.restored_seq;
        struct save_ref *head = &w->row.head, *previous = &w->row.previous;
        bool known = is_save(head, generation, seq);

        if (t->damaged.seq || seq == 0)
                return;
        /* The damaged one: where a restart has forgotten it, or a save of this life came first, it
         * is the one before. */
        if (known || head->generation == t->row.generation)
                t->damaged = *previous;
        else
                t->damaged = *head;
        if (t->damaged.seq == 0 || t->damaged.generation == t->row.generation ||
            is_save(&t->damaged, generation, seq)) {
                t->damaged.seq = 0;
                return;
        }
        pin(c, w, &t->damaged);
        if (known)
                return;
        tell_fell_back(c, w, t);
#ifndef CORE_PLANTED_KEEPS_DAMAGED
        if (head->generation != t->row.generation && is_save(previous, generation, seq)) {
                *head = *previous;
                *previous = t->damaged;
                fx_put_workspace(c, w);
        }
#endif
}

/* The last save is committed (or there was nothing to save): the task has done its duty. */
static void finish(struct core *c, struct workspace *w, struct task *t, uint64_t bytes)
{
        char reason[CORE_REASON_SIZE];

        pace_saved(c, t, bytes);

        STR_CUT(reason, t->row.state == TASK_STOPPING ? t->row.reason : "it ended by itself");
        task_enter(c, t, TASK_SAVED, reason);
        if (w->row.state != WS_SAVING)
                workspace_enter(c, w, WS_SAVING, reason);
        fx_audit(c, w->row.id, t->row.id, "core", "saved", reason);
        if (w->row.head.seq)
                saves_sweep(c, w);
}

/*
 * After a cancelled stop a last save that was on its way is an ordinary one, and may arrive after
 * the next stop has begun. From then on only the agent's own word that all is saved ends the task.
 */
static bool ends_it(const struct task *t)
{
#ifdef CORE_PLANTED_FORGETS_RESUME
        return true;
#endif
        return !t->resumed;
}

static bool may_save(const struct task *t)
{
        return t->row.state == TASK_CLAIMED || t->row.state == TASK_READY ||
               t->row.state == TASK_STOPPING;
}

static bool is_head(const struct workspace *w, const struct core_event *ev)
{
        const struct save_ref *head = &w->row.head;

        return head->seq && head->generation == ev->saved.generation &&
               head->seq == ev->saved.seq && strcmp(head->sha256, ev->saved.sha256) == 0;
}

/* NULL when it may be looked at, else why not. */
static const char *objection(const struct core_event *ev, const struct task *t,
                             const struct workspace *w)
{
        if (!w)
                return "the task has no workspace";
#ifndef CORE_PLANTED_OLD_SAVE
        if (ev->saved.generation != t->row.generation || t->row.generation != w->row.generation)
                return "not of the current generation";
#endif
        if (is_head(w, ev))
                return NULL;
        if (!may_save(t))
                return "the task is not in a state that saves";
        if (ev->saved.unchanged)
                return NULL;
        if (ev->saved.seq == 0)
                return "a save needs a number";
        if (w->row.head.generation == ev->saved.generation && ev->saved.seq <= w->row.head.seq)
                return "older than the committed save";
        if (w->save.active && ev->saved.seq < w->save.ref.seq)
                return "older than the save that is being checked";
        /* Storage answers for a number, so there is one upload for each while it is asked. */
        if (w->save.active && ev->saved.seq == w->save.ref.seq &&
            strcmp(ev->saved.sha256, w->save.ref.sha256) != 0)
                return "another save with this number is being checked";
        return NULL;
}

static void announce_unchanged(struct core *c, const struct core_event *ev, struct task *t,
                               struct workspace *w, bool final)
{
        if (w->save.active && final) {
                /* Unchanged since an upload that is not committed yet. */
                w->save.unchanged_final = true;
                w->save.unchanged_conn = ev->saved.conn;
                w->save.unchanged_seq = ev->saved.seq;
                return;
        }
        if (w->save.active) {
                ack(c, ev, t, false, "the save before it is still being checked");
                return;
        }
        if (final)
                finish(c, w, t, 0);
        ack(c, ev, t, true, "");
}

static void announce_upload(struct core *c, const struct core_event *ev, struct task *t,
                            struct workspace *w, bool final)
{
        struct pending_save *p = &w->save;

        if (p->active && p->ref.seq == ev->saved.seq) {
                p->final |= final;
                p->conn = ev->saved.conn;
                return; /* the question to storage is open */
        }
        if (p->active)
                ack_pending(c, t, p, false, "a newer save came before it was checked");
        saves_forget(w);
        p->active = true;
        p->final = final;
        p->conn = ev->saved.conn;
        p->ref = (struct save_ref){.generation = ev->saved.generation,
                                   .seq = ev->saved.seq,
                                   .length = ev->saved.length,
                                   .data_length = ev->saved.data_length,
                                   .at = c->utc};
        STR_CUT(p->ref.sha256, ev->saved.sha256);
        if (p->final && t->row.state != TASK_STOPPING) {
                task_enter(c, t, TASK_STOPPING, "it ends by itself");
                workspace_enter(c, w, WS_SAVING, "it ends by itself");
        }
        saves_verify(c, w);
}

void saves_announced(struct core *c, const struct core_event *ev)
{
        struct task *t = task_find(c, ev->saved.task);
        struct workspace *w;
        const char *no;
        bool final;

        if (!t) {
                c->ignored++;
                return; /* the edge has refused it: it is not enrolled */
        }
        w = workspace_of(c, t);
        no = objection(ev, t, w);
        if (no) {
                c->ignored++;
                ack(c, ev, t, false, no);
                return;
        }
        t->app_started = true;
        final = ev->saved.final && ends_it(t);
        if (is_head(w, ev)) {
                /* It was committed; the answer got lost. */
                if (final && may_save(t))
                        finish(c, w, t, w->row.head.data_length);
                ack(c, ev, t, true, "");
        } else if (ev->saved.unchanged) {
                announce_unchanged(c, ev, t, w, final);
        } else {
#ifdef CORE_PLANTED_STOP_BEFORE_COMMIT
                if (ev->saved.final)
                        task_enter(c, t, TASK_TERMINATING, "planted");
#endif
                announce_upload(c, ev, t, w, final);
        }
        task_arm(c, t);
        workspace_arm(c, w);
}

void saves_agent_saved(struct core *c, struct workspace *w, struct task *t)
{
        if (!w->save.active)
                finish(c, w, t, 0);
}

static void refused(struct core *c, struct workspace *w, struct task *t, const char *reason)
{
        struct pending_save p = w->save;
        bool final = p.final || p.unchanged_final;

        saves_forget(w);
        fx_audit(c, w->row.id, t->row.id, "core", "save-refused", reason);
        if (final)
                workspace_task_failed(c, w, t, reason);
        ack_pending(c, t, &p, false, reason);
}

static void accepted(struct core *c, struct workspace *w, struct task *t)
{
        struct pending_save p = w->save;

        saves_forget(w);
        saves_commit(c, w, &p.ref);
        if (p.final || p.unchanged_final)
                finish(c, w, t, p.ref.data_length);
        else if (mono_due(w->sweep_at, c->now))
                saves_sweep(c, w);
        ack_pending(c, t, &p, true, "");
}

void saves_verified(struct core *c, struct workspace *w, const struct core_event *ev)
{
        struct task *t = task_of(c, w);
        struct pending_save *p = &w->save;
        const char *reason =
                ev->verified.reason[0] ? ev->verified.reason : "storage refuses the save";

        if (!p->active || !t || !may_save(t) || p->ref.generation != ev->verified.generation ||
            p->ref.seq != ev->verified.seq) {
                c->ignored++;
                return;
        }
        if (ev->verified.result < 0 && p->final)
                pace_trouble(c, w, "storage cannot be asked");
        if (ev->verified.result < 0)
                p->ask_at = mono_add_ms(c->now, backoff_ms(p->tries++));
        else if (ev->verified.result > 0)
                refused(c, w, t, reason);
        else
                accepted(c, w, t);
        workspace_arm(c, w);
        task_arm(c, t);
}
