#include "shell.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "core/trace.h"
#include "store/store.h"

/* Effects that may wait for a commit. Beyond it a restart is the better recovery. */
#define QUEUE_MAX 16384
/* While nothing is committed, heartbeats are not stepped any more from here on: they come again. */
#define QUEUE_SHED (QUEUE_MAX / 2)
#define COMMIT_RETRY_MS 1000
#define HANDLERS_MAX 64
#define WATCHERS_MAX 8
#define EARLY_MAX 2
#define CHANGES_MAX 256
#define AUDIT_KEEP_DAYS 90 /* until shell_keep_history */
#define PRUNE_EVERY_MS (60 * 60 * 1000)
#define PRUNE_MORE_MS 1000

struct handler {
        enum core_effect_type type;
        effect_fn fn;
        void *ctx;
};

struct watcher {
        change_fn fn;
        void *ctx;
};

struct early {
        early_fn fn;
        void *ctx;
};

struct change {
        char workspace[CORE_ID_SIZE];
        char task[CORE_ID_SIZE];
};

struct boot;

struct queue {
        struct core_effect *v;
        size_t n, cap;
};

struct shell {
        struct loop *loop;
        struct core *core;
        struct store *store;
        struct loop_timer deadline, retry, prune;
        struct loop_timer answer; /* set: the commit waits for answers to be written */
        bool answered;            /* it has waited */
        bool writable;
        bool committing; /* the store has `batch` and will tell */
        bool acting;     /* a handler runs */
        bool broken; /* effects were lost, or we do not lead: nothing more is committed or done */
        struct shell_lead lead;
        int64_t keep_days;
        struct core_effects step; /* of the step that runs */
        struct queue queue;       /* not given to the store yet */
        struct queue batch;       /* given to the store as one transaction, not carried out yet */
        struct queue running;     /* committed, being carried out */
        size_t at;                /* in `running`: what comes next */
        struct boot *boot;
        struct shell_observer observer;
        mono_t commit_from; /* when `batch` was given to the store; NEVER: it did not need it */
        shell_fn on_fenced;
        void *on_fenced_ctx;
        struct handler handlers[HANDLERS_MAX];
        size_t n_handlers;
        struct watcher watchers[WATCHERS_MAX];
        size_t n_watchers;
        struct early early[EARLY_MAX];
        size_t n_early;
        struct change changes[CHANGES_MAX]; /* of this turn, told after the commit */
        size_t n_changes;
        struct change told[CHANGES_MAX]; /* of the batch */
        size_t n_told;
        uint64_t dropped;                         /* heartbeats, while commits fail */
        struct audit_row audit[SHELL_EVENTS_MAX]; /* slot seq % SHELL_EVENTS_MAX */
        uint64_t audit_newest;
};

static bool is_stored(enum core_effect_type type)
{
        switch (type) {
        case FX_PUT_WORKSPACE:
        case FX_DEL_WORKSPACE:
        case FX_PUT_TASK:
        case FX_DEL_TASK:
        case FX_PUT_SETTING:
        case FX_AUDIT:
                return true;
        case FX_LAUNCH_TASK:
        case FX_STOP_TASK:
        case FX_REMOVE_TASK:
        case FX_ATTACH_HOME:
        case FX_REMOVE_HOME:
        case FX_WELCOME:
        case FX_REFUSE:
        case FX_COMMAND:
        case FX_SAVE_ACK:
        case FX_VERIFY_SAVE:
        case FX_SALVAGE:
        case FX_SWEEP:
        case FX_PIN:
        case FX_ERASE:
        case FX_REPLY:
        case FX_DRAINED:
        case FX_MAX:
                break;
        }
        return false;
}

/* ---- the queue ---- */

static int queue_append(struct queue *q, const struct core_effect *v, size_t n)
{
        size_t cap = q->cap ? q->cap : 64;
        struct core_effect *grown;

        if (q->n + n > QUEUE_MAX)
                return -ENOBUFS;
        if (q->n + n > q->cap) {
                while (cap < q->n + n)
                        cap *= 2;
                grown = realloc(q->v, cap * sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                q->v = grown;
                q->cap = cap;
        }
        if (n)
                memcpy(q->v + q->n, v, n * sizeof(*v));
        q->n += n;
        return 0;
}

static void note_change(struct shell *s, const char *workspace, const char *task)
{
        struct change *last = s->n_changes ? &s->changes[s->n_changes - 1] : NULL;

        if (last && strcmp(last->workspace, workspace) == 0 && strcmp(last->task, task) == 0)
                return;
        if (s->n_changes == CHANGES_MAX) {
                /* Too many to name: "" says that anything may have changed. */
                s->changes[0] = (struct change){0};
                s->n_changes = 1;
                return;
        }
        last = &s->changes[s->n_changes++];
        STR_CUT(last->workspace, workspace);
        STR_CUT(last->task, task);
}

static void note_changes(struct shell *s, const struct core_event *ev)
{
        const struct task_row *t;

        for (size_t i = 0; i < s->step.n; i++) {
                const struct core_effect *fx = &s->step.v[i];

                if (fx->type == FX_PUT_WORKSPACE)
                        note_change(s, fx->workspace_row.id, fx->workspace_row.task);
                else if (fx->type == FX_DEL_WORKSPACE)
                        note_change(s, fx->id.id, "");
                else if (fx->type == FX_PUT_TASK)
                        note_change(s, fx->task_row.workspace, fx->task_row.id);
                else if (fx->type == FX_DEL_TASK)
                        note_change(s, "", fx->id.id);
        }
        if (ev->type == EV_AGENT_REPORT) {
                t = core_task(s->core, ev->report.task);
                if (t)
                        note_change(s, t->workspace, t->id);
        }
}

/* ---- stepping ---- */

static void trace_step(const struct shell *s, const struct core_event *ev)
{
        char line[TRACE_LINE_SIZE];

        if (!log_enabled(LOG_DEBUG_LEVEL))
                return;
        trace_event(ev, line, sizeof(line));
        log_debug("event", LOG_STR("event", line));
        for (size_t i = 0; i < s->step.n; i++) {
                trace_effect(&s->step.v[i], line, sizeof(line));
                log_debug("effect", LOG_STR("effect", line));
        }
}

static void step(struct shell *s, struct core_event *ev)
{
        int r;

        if (s->broken)
                return;
        ev->now = loop_now(s->loop);
        ev->utc = loop_utc(s->loop);
        s->step.n = 0;
        core_step(s->core, ev, &s->step);
        trace_step(s, ev);
        note_changes(s, ev);
        if (s->observer.stepped)
                s->observer.stepped(s->observer.ctx, ev, &s->step);
        r = queue_append(&s->queue, s->step.v, s->step.n);
        if (r < 0) {
                /* What is lost in memory is in the store and in the provider: start again. */
                log_error("too many effects wait for the store; ending, a restart recovers",
                          LOG_ERR(r), LOG_INT("waiting", s->queue.n));
                s->broken = true;
                loop_exit(s->loop, 1);
        }
}

void shell_post(struct shell *s, struct core_event *ev)
{
        if (s->queue.n > QUEUE_SHED && ev->type == EV_AGENT_REPORT &&
            (s->committing || !shell_writable(s))) {
                s->dropped++;
                if (s->observer.dropped)
                        s->observer.dropped(s->observer.ctx);
                return;
        }
        step(s, ev);
        if (s->queue.n || s->n_changes)
                loop_wake(s->loop);
}

static void on_deadline(void *ctx)
{
        struct shell *s = ctx;
        struct core_event ev = {.type = EV_DEADLINE};

        /* While commits fail nothing new is begun because of time alone. */
        if (shell_writable(s))
                step(s, &ev);
}

/* ---- committing ---- */

static int store_effect(struct store *store, const struct core_effect *fx)
{
        switch (fx->type) {
        case FX_PUT_WORKSPACE:
                return store_put_workspace(store, &fx->workspace_row);
        case FX_DEL_WORKSPACE:
                return store_del_workspace(store, fx->id.id);
        case FX_PUT_TASK:
                return store_put_task(store, &fx->task_row);
        case FX_DEL_TASK:
                return store_del_task(store, fx->id.id);
        case FX_PUT_SETTING:
                return store_put_setting(store, &fx->setting_row);
        case FX_AUDIT:
                return store_audit(store, &fx->audit_row);
        case FX_LAUNCH_TASK:
                return store_raise_counter(store, STORE_TASK_NUMBER,
                                           core_task_number(fx->launch_task.task));
        case FX_COMMAND:
                return store_raise_counter(store, STORE_COMMAND_ID, fx->command.id);
        case FX_STOP_TASK:
        case FX_REMOVE_TASK:
        case FX_ATTACH_HOME:
        case FX_REMOVE_HOME:
        case FX_WELCOME:
        case FX_REFUSE:
        case FX_SAVE_ACK:
        case FX_VERIFY_SAVE:
        case FX_SALVAGE:
        case FX_SWEEP:
        case FX_PIN:
        case FX_ERASE:
        case FX_REPLY:
        case FX_DRAINED:
        case FX_MAX:
                break;
        }
        return 0;
}

static bool needs_store(const struct queue *q)
{
        for (size_t i = 0; i < q->n; i++) {
                enum core_effect_type type = q->v[i].type;

                if (is_stored(type) || type == FX_LAUNCH_TASK || type == FX_COMMAND)
                        return true;
        }
        return false;
}

static void on_committed(void *ctx, int r);

static int commit(struct shell *s)
{
        int r;

        s->commit_from = MONO_NEVER;
        if (!needs_store(&s->batch))
                return 0;
        s->commit_from = loop_clock(s->loop);
        r = store_begin(s->store);
        for (size_t i = 0; r == 0 && i < s->batch.n; i++)
                r = store_effect(s->store, &s->batch.v[i]);
        if (r == 0)
                r = store_commit(s->store, on_committed, s);
        if (r < 0)
                store_rollback(s->store);
        return r;
}

static void audit_remember(struct shell *s, const struct audit_row *row)
{
        s->audit[row->seq % SHELL_EVENTS_MAX] = *row;
        if (row->seq > s->audit_newest)
                s->audit_newest = row->seq;
}

static void audit_committed(struct shell *s, const struct audit_row *row)
{
        audit_remember(s, row);
        log_info("history", LOG_STR("what", row->what), LOG_STR("workspace", row->workspace),
                 LOG_STR("task", row->task), LOG_STR("actor", row->actor),
                 LOG_STR("detail", row->detail));
}

static void carry_out(struct shell *s, const struct core_effect *fx)
{
        if (fx->type == FX_AUDIT)
                audit_committed(s, &fx->audit_row);
        for (size_t i = 0; i < s->n_handlers; i++) {
                if (s->handlers[i].type == fx->type)
                        s->handlers[i].fn(s->handlers[i].ctx, fx);
        }
}

static void tell_watchers(struct shell *s)
{
        size_t n = s->n_told;

        s->n_told = 0;
        for (size_t i = 0; i < n; i++) {
                for (size_t k = 0; k < s->n_watchers; k++)
                        s->watchers[k].fn(s->watchers[k].ctx, s->told[i].workspace,
                                          s->told[i].task);
        }
}

static void commit_failed(struct shell *s, int r)
{
        if (s->writable)
                log_error("the store cannot be written; nothing is decided until it can",
                          LOG_ERR(r), LOG_STR("detail", store_error(s->store)));
        s->writable = false;
        loop_timer_set_in(&s->retry, COMMIT_RETRY_MS);
}

static void commit_succeeded(struct shell *s)
{
        if (s->writable)
                return;
        log_info("the store can be written again", LOG_INT("effects", s->queue.n + s->batch.n),
                 LOG_INT("heartbeats_dropped", s->dropped));
        s->writable = true;
        s->dropped = 0;
        loop_timer_cancel(&s->retry);
}

/* Somebody else decides from now on: whatever waits here is theirs to find and to do. */
static void commit_fenced(struct shell *s)
{
        log_error("the lease of this controller is lost; nothing more is carried out",
                  LOG_STR("detail", store_error(s->store)));
        s->writable = false;
        s->broken = true;
        if (s->on_fenced)
                s->on_fenced(s->on_fenced_ctx);
}

/* As of this very moment: the process may have been frozen since the loop read the clock. */
static bool may_act(const struct shell *s)
{
        return s->lead.leads &&
               (mono_is_never(s->lead.until) || mono_before(loop_clock(s->loop), s->lead.until));
}

static void carry_on(struct shell *s)
{
        while (s->at < s->running.n) {
                if (!may_act(s))
                        return;
                s->acting = true;
                carry_out(s, &s->running.v[s->at++]);
                s->acting = false;
        }
        s->running.n = s->at = 0;
        tell_watchers(s);
        if (s->queue.n || s->n_changes)
                loop_wake(s->loop);
}

static void act(struct shell *s)
{
        struct queue running = s->batch;

        /* What handlers post now waits in the queue for the next turn. */
        s->batch = s->running;
        s->batch.n = 0;
        s->running = running;
        carry_on(s);
}

static void commit_result(struct shell *s, int r)
{
        if (r != STORE_PENDING && s->observer.committed && !mono_is_never(s->commit_from))
                s->observer.committed(s->observer.ctx, loop_clock(s->loop).us - s->commit_from.us,
                                      r);
        if (r == STORE_PENDING) {
                s->committing = true;
        } else if (r == STORE_FENCED) {
                commit_fenced(s);
        } else if (r < 0) {
                commit_failed(s, r);
        } else {
                commit_succeeded(s);
                act(s);
        }
}

static void on_committed(void *ctx, int r)
{
        struct shell *s = ctx;

        s->committing = false;
        commit_result(s, r);
}

/* The batch that failed, or what has come together since the last one. */
static void next_batch(struct shell *s)
{
        struct queue empty = s->batch;

        if (s->broken || s->committing || s->running.n || !may_act(s))
                return;
        if (s->batch.n == 0 && s->n_told == 0) {
                s->batch = s->queue;
                s->queue = empty;
                memcpy(s->told, s->changes, s->n_changes * sizeof(s->told[0]));
                s->n_told = s->n_changes;
                s->n_changes = 0;
        }
        commit_result(s, commit(s));
}

static void tell_early(struct shell *s)
{
        bool told = false;

        if (s->n_changes == 0 || !shell_writable(s) || !may_act(s))
                return;
        for (size_t i = 0; i < s->n_early; i++)
                told |= s->early[i].fn(s->early[i].ctx);
        if (told && !s->answered && mono_is_never(s->answer.due))
                loop_timer_set_in(&s->answer, SHELL_ANSWER_MS);
}

static void on_answered(void *ctx)
{
        struct shell *s = ctx;

        s->answered = true;
}

static void on_after(void *ctx)
{
        struct shell *s = ctx;

        /* A handler that turned the loop by itself would lose the effects behind its own. */
        assert(!s->acting);
        if (s->running.n && !s->broken)
                carry_on(s);
        tell_early(s);
        if (s->writable && (s->queue.n || s->n_changes) && mono_is_never(s->answer.due)) {
                s->answered = false;
                next_batch(s);
        }
        loop_timer_set(&s->deadline, shell_writable(s) ? core_next_deadline(s->core) : MONO_NEVER);
}

static void on_retry(void *ctx)
{
        struct shell *s = ctx;

        next_batch(s);
        /* Without the lease it was not tried. */
        if (!s->writable && !s->committing && !s->broken)
                loop_timer_set_in(&s->retry, COMMIT_RETRY_MS);
}

static void on_pruned(void *ctx, int r)
{
        struct shell *s = ctx;

        if (r < 0)
                log_warn("old history could not be removed", LOG_ERR(r),
                         LOG_STR("detail", store_error(s->store)));
        loop_timer_set_in(&s->prune, r == STORE_MORE ? PRUNE_MORE_MS : PRUNE_EVERY_MS);
}

static void on_prune(void *ctx)
{
        struct shell *s = ctx;
        utc_t before = {loop_utc(s->loop).us - s->keep_days * INT64_C(86400) * US_PER_S};
        int r;

        if (s->committing) { /* its turn comes: a commit takes milliseconds */
                loop_timer_set_in(&s->prune, PRUNE_MORE_MS);
                return;
        }
        r = store_audit_prune(s->store, before, on_pruned, s);
        if (r < 0)
                on_pruned(s, r);
}

/* ---- life ---- */

int shell_new(struct loop *l, struct core *core, struct store *store, struct shell **ret_shell)
{
        struct shell *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->core = core;
        s->store = store;
        s->writable = true;
        s->keep_days = AUDIT_KEEP_DAYS;
        s->lead = (struct shell_lead){.leads = true, .until = MONO_NEVER};
        loop_timer_init(l, &s->deadline, on_deadline, s);
        loop_timer_init(l, &s->retry, on_retry, s);
        loop_timer_init(l, &s->prune, on_prune, s);
        loop_timer_init(l, &s->answer, on_answered, s);
        loop_after(l, on_after, s);
        *ret_shell = s;
        return 0;
}

struct shell *shell_free(struct shell *s)
{
        if (!s)
                return NULL;
        loop_timer_cancel(&s->deadline);
        loop_timer_cancel(&s->retry);
        loop_timer_cancel(&s->prune);
        loop_timer_cancel(&s->answer);
        loop_after(s->loop, NULL, NULL);
        free(s->queue.v);
        free(s->batch.v);
        free(s->running.v);
        free(s->boot);
        free(s);
        return NULL;
}

struct boot {
        struct shell *shell;
        shell_boot_fn done;
        void *ctx;
        size_t workspaces, tasks;
        bool full;
        struct core_event last; /* BOOT_DONE */
};

static void boot_workspace(void *ctx, const struct workspace_row *row)
{
        struct boot *b = ctx;
        struct core_event ev = {.type = EV_BOOT_WORKSPACE, .workspace_row = *row};

        step(b->shell, &ev);
        b->workspaces++;
        b->full |= !core_workspace(b->shell->core, row->id);
}

static void boot_task(void *ctx, const struct task_row *row)
{
        struct boot *b = ctx;
        struct core_event ev = {.type = EV_BOOT_TASK, .task_row = *row};

        step(b->shell, &ev);
        b->tasks++;
        b->full |= !core_task(b->shell->core, row->id);
}

static void boot_setting(void *ctx, const struct setting_row *row)
{
        struct boot *b = ctx;
        struct core_event ev = {.type = EV_BOOT_SETTING, .setting_row = *row};

        step(b->shell, &ev);
}

static void boot_counters(void *ctx, const uint64_t counters[static STORE_COUNTER_MAX])
{
        struct boot *b = ctx;

        b->last.boot.task_number_max = counters[STORE_TASK_NUMBER];
        b->last.boot.audit_seq_max = counters[STORE_AUDIT_SEQ];
        b->last.boot.command_id_max = counters[STORE_COMMAND_ID];
        b->last.boot.generation_max = counters[STORE_GENERATION];
}

static void boot_audit(void *ctx, const struct audit_row *row)
{
        struct boot *b = ctx;

        audit_remember(b->shell, row);
}

static void boot_end(struct boot *b, int r)
{
        shell_boot_fn done = b->done;
        void *ctx = b->ctx;

        if (r < 0 && r != -ENOSPC)
                log_error("the store cannot be read", LOG_ERR(r),
                          LOG_STR("detail", store_error(b->shell->store)));
        b->shell->boot = NULL;
        free(b);
        done(ctx, r);
}

static void on_boot_history(void *ctx, int r)
{
        struct boot *b = ctx;
        struct shell *s = b->shell;

        if (r == 0) {
                b->last.boot.epoch = s->lead.epoch;
                step(s, &b->last);
                loop_timer_set_in(&s->prune, COMMIT_RETRY_MS);
                log_info("state loaded", LOG_INT("workspaces", b->workspaces),
                         LOG_INT("tasks", b->tasks));
        }
        boot_end(b, r);
}

static void on_boot_rows(void *ctx, int r)
{
        struct boot *b = ctx;

        if (r == 0 && b->full) {
                log_error("the store has more rows than workspaces_max or tasks_max; raise them",
                          LOG_INT("workspaces", b->workspaces), LOG_INT("tasks", b->tasks));
                r = -ENOSPC;
        }
        if (r == 0) {
                r = store_audit_newest(b->shell->store, NULL, SHELL_EVENTS_MAX, boot_audit,
                                       on_boot_history, b);
                if (r == 0)
                        return;
        }
        boot_end(b, r);
}

int shell_boot(struct shell *s, shell_boot_fn done, void *ctx)
{
        struct boot *b;
        struct store_visitor v = {.workspace = boot_workspace,
                                  .task = boot_task,
                                  .setting = boot_setting,
                                  .counters = boot_counters};
        int r;

        assert(!s->boot);
        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        *b = (struct boot){.shell = s, .done = done, .ctx = ctx, .last = {.type = EV_BOOT_DONE}};
        s->boot = v.ctx = b;
        r = store_load(s->store, &v, on_boot_rows, b);
        if (r < 0) {
                s->boot = NULL;
                free(b);
        }
        return r;
}

bool shell_writable(const struct shell *s)
{
        return s->writable && s->lead.leads && mono_before(loop_now(s->loop), s->lead.until) &&
               store_up(s->store);
}

void shell_set_lead(struct shell *s, const struct shell_lead *lead)
{
        s->lead = *lead;
        loop_wake(s->loop);
}

const struct shell_lead *shell_lead(const struct shell *s)
{
        return &s->lead;
}

struct core *shell_swap_core(struct shell *s, struct core *core)
{
        struct core *old = s->core;

        assert(s->queue.n == 0 && s->batch.n == 0 && s->running.n == 0);
        s->core = core;
        return old;
}

void shell_show_audit(struct shell *s, const struct audit_row *row)
{
        audit_remember(s, row);
}

void shell_keep_history(struct shell *s, int64_t days)
{
        s->keep_days = days;
}

void shell_on_fenced(struct shell *s, shell_fn fn, void *ctx)
{
        s->on_fenced = fn;
        s->on_fenced_ctx = ctx;
}

void shell_observe(struct shell *s, const struct shell_observer *o)
{
        s->observer = *o;
}

const struct core *shell_core(const struct shell *s)
{
        return s->core;
}

void shell_handle(struct shell *s, enum core_effect_type type, effect_fn fn, void *ctx)
{
        assert(s->n_handlers < HANDLERS_MAX);
        s->handlers[s->n_handlers++] = (struct handler){.type = type, .fn = fn, .ctx = ctx};
}

void shell_watch(struct shell *s, change_fn fn, void *ctx)
{
        assert(s->n_watchers < WATCHERS_MAX);
        s->watchers[s->n_watchers++] = (struct watcher){.fn = fn, .ctx = ctx};
}

void shell_tell_early(struct shell *s, early_fn fn, void *ctx)
{
        assert(s->n_early < EARLY_MAX);
        s->early[s->n_early++] = (struct early){.fn = fn, .ctx = ctx};
}

const struct audit_row *shell_audit_after(const struct shell *s, uint64_t after_seq)
{
        uint64_t oldest =
                s->audit_newest > SHELL_EVENTS_MAX ? s->audit_newest - SHELL_EVENTS_MAX + 1 : 1;

        for (uint64_t seq = MAX(after_seq + 1, oldest); seq <= s->audit_newest; seq++) {
                const struct audit_row *row = &s->audit[seq % SHELL_EVENTS_MAX];

                if (row->seq == seq)
                        return row;
        }
        return NULL;
}
