/* What each event means: find whom it concerns, refuse what cannot be, hand it to the machine. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

static void ignore(struct core *c)
{
        c->ignored++;
}

/* ---- start-up ---- */

/* How long ago that was, in the time that runs; false for a time that cannot be. */
static bool seen_at(const struct core *c, utc_t at, mono_t *ret_at)
{
        int64_t age_us = c->utc.us - at.us;

        if (age_us <= 0 || age_us > c->now.us)
                return false;
        *ret_at = (mono_t){c->now.us - age_us};
        return true;
}

static void boot_workspace(struct core *c, const struct core_event *ev)
{
        const struct workspace_row *row = &ev->workspace_row;
        struct workspace *w;

        if (c->booted || !row->id[0] || (size_t)row->state >= WS_STATE_MAX ||
            workspace_find(c, row->id)) {
                ignore(c);
                return;
        }
        w = workspace_add(c, row);
        if (!w) {
                ignore(c);
                return;
        }
        saves_forget(w);
        w->active_stored = row->active_at;
        if (seen_at(c, row->active_at, &w->person_at))
                w->human_at = w->person_at;
        /* The time for which requests may keep it does not begin anew. */
        if (row->human_at.us > 0)
                (void)seen_at(c, row->human_at, &w->human_at);
}

static void boot_task(struct core *c, const struct core_event *ev)
{
        const struct task_row *row = &ev->task_row;
        int64_t age_us = c->utc.us - row->claimed_at.us;
        struct task *t;

        if (c->booted || !row->id[0] || (size_t)row->state >= TASK_STATE_MAX ||
            task_find(c, row->id) || !(t = task_add(c, row))) {
                ignore(c);
                return;
        }
        /* How far it had come is not stored; its agent may speak before the inventory is in. */
        t->app_started = task_may_hold_work(t);
        if (row->claimed_at.us > 0 && age_us > 0 && age_us <= c->now.us)
                t->live.claimed_at = (mono_t){c->now.us - age_us};
        c->task_number = MAX(c->task_number, core_task_number(row->id));
}

static void boot_done(struct core *c, const struct core_event *ev)
{
        char text[32];

        if (c->booted) {
                ignore(c);
                return;
        }
        c->booted = true;
        c->epoch = ev->boot.epoch;
        c->task_number = MAX(c->task_number, ev->boot.task_number_max);
        c->audit_seq = MAX(c->audit_seq, ev->boot.audit_seq_max);
        c->command_id = MAX(c->command_id, ev->boot.command_id_max);
        c->generation_erased = MAX(c->generation_erased, ev->boot.generation_max);
        /* What follows in the history was decided by this lead, up to the next such row. */
        if (c->epoch > 0) {
                (void)snprintf(text, sizeof(text), "epoch %llu", (unsigned long long)c->epoch);
                fx_audit(c, "", "", "core", "leading", text);
        }
        learned_booted(c);
        document_booted(c);
        adaptive_booted(c);
        versions_booted(c);
}

/*
 * The table is full: it is ended without a row of its own, at every list anew until it is gone. The
 * row in the history is what a leader that is none any more cannot store.
 */
static void stop_unlisted(struct core *c, const char *task)
{
        struct core_effect *fx;

        if (!fx_room(c))
                return;
        fx_audit(c, "", task, "core", "orphan", "the store does not know this task");
        fx = fx_add(c, FX_STOP_TASK);
        STR_CUT(fx->stop_task.task, task);
        STR_CUT(fx->stop_task.reason, "the store does not know this task");
        fx->stop_task.epoch = c->epoch;
}

static void task_seen(struct core *c, const struct core_event *ev)
{
        struct task_row row = {.launched_at = c->utc};
        struct task *t = task_find(c, ev->task_seen.task);

        if (!c->booted || !ev->task_seen.task[0]) {
                ignore(c);
                return;
        }
#ifdef CORE_PLANTED_IGNORES_ORPHANS
        if (!t)
                return;
#endif
        if (!t) {
                /*
                 * Everything of ours is stored before it is launched, so this one is of a store
                 * that is gone. It is ended gently: its agent makes its own last save.
                 */
                STR_CUT(row.id, ev->task_seen.task);
                t = task_add(c, &row);
                if (!t) {
                        stop_unlisted(c, row.id);
                        return;
                }
                c->task_number = MAX(c->task_number, core_task_number(row.id));
                fx_audit(c, "", row.id, "core", "orphan", "the store does not know this task");
                task_enter(c, t, TASK_TERMINATING, "the store does not know this task");
        }
        t->seen = t->launched = true;
}

static void resume_task(struct core *c, struct task *t)
{
        struct workspace *w = workspace_of(c, t);

        t->launched = true;
        switch (t->row.state) {
        case TASK_STOPPING:
                if (!w || (w->row.wanted && workspace_resume(c, w, "a request before the restart")))
                        break;
                task_command(c, t, COMMAND_PREPARE_STOP, w->row.erase_at.us == 0, t->row.reason);
                break;
        case TASK_SAVED:
        case TASK_TERMINATING:
        case TASK_FAILED:
                t->ask_at = c->now;
                break;
        case TASK_LOST:
                if (!w)
                        break;
                /* The provider was wrong when it said that it had ended: save it. */
                task_enter(c, t, TASK_STOPPING, "it was taken for lost");
                workspace_enter(c, w, WS_SAVING, "its task was taken for lost");
                task_command(c, t, COMMAND_PREPARE_STOP, true, t->row.reason);
                break;
        case TASK_GONE:
                task_enter(c, t, TASK_GONE, t->row.reason);
                break;
        case TASK_LAUNCHING:
        case TASK_WARM:
        case TASK_CLAIMED:
        case TASK_READY:
        case TASK_STATE_MAX:
                break;
        }
        if (task_may_hold_work(t) && !w)
                task_enter(c, t, TASK_TERMINATING, "its workspace does not know it");
        task_arm(c, t);
}

static void resume_unseen(struct core *c, struct task *t)
{
        char gone[CORE_REASON_SIZE] = "it was gone when the controller came back";
        bool certain = c->certain || t->end_sure;

        if (t->end_sure && t->doubt[0]) /* the provider has said how */
                STR_CUT(gone, t->doubt);
        if (t->row.state == TASK_LAUNCHING && !certain)
                t->ask_at = c->now; /* it may be on its way: the same is asked again */
        else if (t->row.state == TASK_LAUNCHING)
                task_enter(c, t, TASK_GONE, "it was not launched before the restart");
        else if (t->row.state == TASK_WARM) /* no failed launch: the machine may be a new one */
                task_enter(c, t, TASK_GONE, gone);
        else if (t->row.state == TASK_LOST && !workspace_of(c, t))
                task_enter(c, t, TASK_GONE, t->row.reason);
        else if (certain)
                provider_gone(c, t, gone);
        else
                provider_end_said(c, t, gone, true);
        if (t->doubted)
                resume_task(c, t);
}

static void resume_workspace(struct core *c, struct workspace *w)
{
        struct task *t = task_of(c, w);

        switch (w->row.state) {
        case WS_STARTING:
                if (t || (!w->row.task[0] && w->type < c->config.n_types))
                        break;
                if (w->row.task[0])
                        workspace_enter(c, w, WS_RECOVERING, "its task is unknown");
                else
                        workspace_enter(c, w, WS_STOPPED, "its type is not configured any more");
                break;
        case WS_RUNNING:
        case WS_SAVING:
                if (!t)
                        workspace_enter(c, w, WS_RECOVERING, "its task is unknown");
                break;
        case WS_ATTENTION:
                if (!t)
                        workspace_enter(c, w, WS_RECOVERING, "its task is unknown");
                else
                        workspace_attention_again(c, w);
                break;
        case WS_RECOVERING:
        case WS_DELETED:
                w->ask_at = c->now;
                break;
        case WS_STOPPED:
        case WS_STATE_MAX:
                break;
        }
        if (w->row.state == WS_STARTING && !w->row.task[0])
                pools_wait(c, w);
        /* The stop that it means may not have reached everybody before the restart. */
        w->drain = modes_hard_drain(c, w->type) && w->row.state != WS_STOPPED &&
                   w->row.state != WS_DELETED;
        pace_resume(c, w);
        workspace_arm(c, w);
}

static void inventory_done(struct core *c, const struct core_event *ev)
{
        if (!c->booted) {
                ignore(c);
                return;
        }
        c->certain = ev->inventory.certain;
        c->own_machines = ev->inventory.own_machines;
        if (!c->open)
                c->quiet_until = mono_add_ms(c->now, MAX(c->config.quiet_ms, core_reconnect_ms(c)));
        for (uint32_t i = 0; i < c->config.tasks_max; i++) {
                struct task *t = &c->tasks[i];

                if (!t->row.id[0])
                        continue;
                t->resume = !c->open;
                t->missing = !t->seen && (!c->open || t->launched);
                if (t->seen)
                        provider_listed(c, t);
                t->seen = false;
                pace_account(c, t); /* what was under way before the start */
                if (t->resume || t->missing)
                        timers_set(&c->task_timers, i, c->now);
        }
        for (uint32_t i = 0; !c->open && i < c->config.workspaces_max; i++) {
                if (!c->workspaces[i].row.id[0])
                        continue;
                c->workspaces[i].resume = true;
                timers_set(&c->workspace_timers, i, c->now);
        }
        c->open = true;
        c->pool_dirty = true;
        events_deadlines(c);
}

/* ---- agents ---- */

static void refuse(struct core *c, uint64_t conn, const char *task, const char *code,
                   const char *reason)
{
        struct core_effect *fx = fx_add(c, FX_REFUSE);

        fx->refuse.conn = conn;
        STR_CUT(fx->refuse.task, task);
        STR_CUT(fx->refuse.code, code);
        STR_CUT(fx->refuse.reason, reason);
}

/* A refusal that an operator should see; a flood of them is one line a minute. */
static void refuse_alert(struct core *c, struct task *t, uint64_t conn, const char *code,
                         const char *reason)
{
        if (mono_due(t->alert_at, c->now)) {
                fx_audit(c, t->row.workspace, t->row.id, "core", code, reason);
                t->alert_at = mono_add_ms(c->now, ALERT_AGAIN_MS);
        }
        c->ignored++;
        refuse(c, conn, t->row.id, code, reason);
}

static void agent_hello(struct core *c, const struct core_event *ev)
{
        struct task *t = task_find(c, ev->hello.task);
        uint64_t conn = ev->hello.conn;
        struct core_effect *fx;
        bool changed;

        if (!t) {
                ignore(c);
                refuse(c, conn, ev->hello.task, "unknown-task", "this task is not known here");
                return;
        }
        if (t->row.nonce[0] && strcmp(t->row.nonce, ev->hello.nonce) != 0) {
                refuse_alert(c, t, conn, "nonce-mismatch",
                             "another instance has enrolled as this task");
                return;
        }
        if (!ev->hello.nonce[0] || t->row.state == TASK_LOST || t->row.state == TASK_FAILED) {
                ignore(c);
                refuse(c, conn, t->row.id, "ending", "this task is being ended");
                return;
        }
        if (ev->hello.generation && ev->hello.generation != t->row.generation) {
                refuse_alert(c, t, conn, "old-generation", "not the generation this task has");
                return;
        }
        /* A welcome brings the claim: the agent asks again when its home is there. */
        if (ev->hello.generation == 0 && home_await(c, t))
                return;
        changed = strcmp(t->row.nonce, ev->hello.nonce) || strcmp(t->row.addr, ev->hello.addr);
        STR_CUT(t->row.nonce, ev->hello.nonce);
        STR_CUT(t->row.addr, ev->hello.addr);
        if (changed)
                fx_put_task(c, t);
        t->live.heard_at = c->now;
        t->launched = true; /* also when the provider's answer got lost */
        fx = fx_add(c, FX_WELCOME);
        fx->welcome.conn = conn;
        STR_CUT(fx->welcome.task, t->row.id);
        fx->welcome.generation = t->row.generation;
        STR_CUT(fx->welcome.workspace, t->row.workspace);
        fx->welcome.heartbeat_ms = c->config.heartbeat_ms;
        fx->welcome.reconnect_ms = core_reconnect_ms(c);
        fx->welcome.epoch = c->epoch;
        task_arm(c, t);
}

static void agent_report(struct core *c, const struct core_event *ev)
{
        struct task *t = task_find(c, ev->report.task);
        uint64_t conn = ev->report.conn;
        struct workspace *w;

        if (!t) {
                ignore(c);
                refuse(c, conn, ev->report.task, "unknown-task", "this task is not known here");
                return;
        }
        if (!t->row.nonce[0]) {
                ignore(c);
                refuse(c, conn, t->row.id, "nonce-mismatch", "this instance has not enrolled");
                return;
        }
        if (strcmp(t->row.nonce, ev->report.nonce) != 0) {
                refuse_alert(c, t, conn, "nonce-mismatch",
                             "another instance has enrolled as this task");
                return;
        }
        if (ev->report.generation && ev->report.generation != t->row.generation) {
                refuse_alert(c, t, conn, "old-generation", "not the generation this task has");
                return;
        }
        if ((size_t)ev->report.phase >= AGENT_PHASE_MAX) {
                ignore(c);
                return;
        }
        task_report(c, t, ev);
        w = workspace_find(c, t->row.workspace);
        if (w)
                workspace_arm(c, w);
}

/* ---- time ---- */

static void task_turn(struct core *c, struct task *t)
{
        bool missing = t->missing;

        if (!t->resume) {
                task_deadline(c, t);
                return;
        }
        t->resume = t->missing = false;
        if (missing)
                resume_unseen(c, t);
        else
                resume_task(c, t);
        task_arm(c, t);
}

static void workspace_turn(struct core *c, struct workspace *w)
{
        if (w->resume) {
                w->resume = false;
                resume_workspace(c, w);
        } else {
                workspace_deadline(c, w);
        }
}

/* While draining: DRAINED when nothing is left, or when what is left will not go by itself. */
static void drain_check(struct core *c)
{
        bool left = c->task_index.n_free + c->n[CLASS_LOST] < c->config.tasks_max;

        if (left && mono_before(c->now, c->drain_until)) {
                c->drain_due = c->drain_until;
                return;
        }
        if (c->drain_told && mono_before(c->now, c->drain_due))
                return;
        if (left && !c->drain_told) {
                for (uint32_t i = 0; i < c->config.tasks_max && fx_room(c); i++) {
                        const struct task *t = &c->tasks[i];

                        if (t->row.id[0] && t->row.state != TASK_LOST)
                                fx_audit(c, t->row.workspace, t->row.id, "core", "left-running",
                                         t->row.reason);
                }
        }
        c->drain_told = true;
        (void)fx_add(c, FX_DRAINED);
        c->drain_due = mono_add_ms(c->now, DRAINED_AGAIN_MS);
}

void events_deadlines(struct core *c)
{
        if (!c->open)
                return;
        c->turn++;
        /* Tasks first: what they tell their workspaces comes before what those do by themselves. */
        while (mono_due(timers_next(&c->task_timers), c->now)) {
                struct task *t = &c->tasks[timers_first(&c->task_timers)];

                /* One that is due again at once has its turn in the next step. */
                if (t->turn == c->turn)
                        break;
                if (!fx_room(c))
                        return;
                t->turn = c->turn;
                task_turn(c, t);
        }
        while (mono_due(timers_next(&c->workspace_timers), c->now)) {
                struct workspace *w = &c->workspaces[timers_first(&c->workspace_timers)];

                if (w->turn == c->turn)
                        break;
                if (!fx_room(c))
                        return;
                w->turn = c->turn;
                workspace_turn(c, w);
        }
}

static void with_workspace(struct core *c, const struct core_event *ev, const char *id,
                           uint64_t generation, enum ws_state needs,
                           void (*fn)(struct core *, struct workspace *, const struct core_event *))
{
        struct workspace *w = workspace_find(c, id);

        if (!w || (needs != WS_STATE_MAX && w->row.state != needs) ||
            w->row.generation != generation)
                ignore(c);
        else
                fn(c, w, ev);
}

static void save_verified(struct core *c, const struct core_event *ev)
{
        with_workspace(c, ev, ev->verified.workspace, ev->verified.generation, WS_STATE_MAX,
                       saves_verified);
}

static void salvaged(struct core *c, const struct core_event *ev)
{
        with_workspace(c, ev, ev->salvaged.workspace, ev->salvaged.generation, WS_RECOVERING,
                       workspace_salvaged);
}

static void deadline(struct core *c, const struct core_event *ev)
{
        (void)ev;
        events_deadlines(c);
}

static void (*const handlers[])(struct core *c, const struct core_event *ev) = {
        [EV_BOOT_WORKSPACE] = boot_workspace,
        [EV_BOOT_TASK] = boot_task,
        [EV_BOOT_SETTING] = modes_boot,
        [EV_BOOT_DONE] = boot_done,
        [EV_TASK_SEEN] = task_seen,
        [EV_INVENTORY_DONE] = inventory_done,
        [EV_REQ_LAUNCH] = requests_launch,
        [EV_REQ_STOP] = requests_stop,
        [EV_REQ_DELETE] = requests_delete,
        [EV_REQ_ABANDON] = requests_abandon,
        [EV_REQ_KEEP] = requests_keep,
        [EV_REQ_RESTORE] = requests_restore,
        [EV_REQ_MODE] = modes_request,
        [EV_REQ_POOL] = pool_set_request,
        [EV_POOL_TARGET] = pools_target,
        [EV_CLASS_SET] = classes_set,
        [EV_TIMETABLE_PIECE] = document_piece,
        [EV_TIMETABLE_SET] = document_set,
        [EV_ALARM] = alarms_set,
        [EV_VERSION_SET] = versions_set,
        [EV_REQ_SHUTDOWN] = requests_shutdown,
        [EV_TASK_LAUNCHED] = provider_launched,
        [EV_TASK_ENDED] = provider_ended,
        [EV_TASK_KEPT] = provider_kept,
        [EV_HOME_ATTACHED] = home_attached,
        [EV_HOME_REMOVED] = home_removed,
        [EV_TASK_NOTICE] = provider_noticed,
        [EV_AGENT_HELLO] = agent_hello,
        [EV_AGENT_REPORT] = agent_report,
        [EV_AGENT_SAVED] = saves_announced,
        [EV_SAVE_VERIFIED] = save_verified,
        [EV_SALVAGED] = salvaged,
        [EV_ERASED] = requests_erased,
        [EV_DEADLINE] = deadline,
};

static_assert(ARRAY_LEN(handlers) == EV_MAX, "a handler per event");

void events_dispatch(struct core *c, const struct core_event *ev)
{
        if ((size_t)ev->type < EV_MAX)
                handlers[ev->type](c, ev);
        else
                ignore(c);
        if (c->draining)
                drain_check(c);
}
