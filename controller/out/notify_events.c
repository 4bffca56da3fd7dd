/* What history says, and who is about to be stopped. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "out/notify_internal.h"

/* How long before its stop a student is told; of a short limit its last third, as the editor does.
 */
#define WARN_MS (5 * 60 * 1000)

void notify_name(const struct notify *n, struct notice *notice, const char *tail)
{
        (void)snprintf(notice->id, sizeof(notice->id), "%.100s:%s:%.200s", n->config.source,
                       notice_kind_name(notice->kind), tail);
}

void notify_begin(const struct notify *n, enum notice_kind kind, const char *workspace,
                  struct notice *ret_notice)
{
        const struct workspace_row *w = core_workspace(shell_core(n->shell), workspace);

        *ret_notice = (struct notice){.kind = kind, .at = loop_utc(n->loop)};
        STR_CUT(ret_notice->workspace, workspace);
        if (w)
                ret_notice->key = w->key;
}

static bool kind_of(const struct audit_row *row, enum notice_kind *ret_kind)
{
        static const struct {
                const char *what;
                enum notice_kind kind;
        } known[] = {{"stopped", NOTICE_SAVED_AND_STOPPED},
                     {"lost", NOTICE_TASK_LOST},
                     {"kept", NOTICE_TASK_KEPT},
                     {"attention", NOTICE_SAVE_FAILED}};

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
                if (strcmp(row->what, known[i].what) == 0) {
                        *ret_kind = known[i].kind;
                        return true;
                }
        }
        return false;
}

/* What ends an alarm about a save. */
static bool settles(const struct audit_row *row)
{
        static const char *const whats[] = {"saved", "ready", "resumed", "abandoned", "recovered"};

        for (size_t i = 0; i < ARRAY_LEN(whats); i++) {
                if (strcmp(row->what, whats[i]) == 0)
                        return true;
        }
        return false;
}

static void announce(struct notify *n, const struct audit_row *row, enum notice_kind kind,
                     bool resolved)
{
        struct notice notice;
        char seq[24];

        notify_begin(n, kind, row->workspace, &notice);
        notice.resolved = resolved;
        notice.seq = row->seq;
        notice.at = row->at;
        STR_CUT(notice.task, row->task);
        STR_CUT(notice.detail, row->detail);
        (void)snprintf(seq, sizeof(seq), "%llu", (unsigned long long)row->seq);
        notify_name(n, &notice, seq);
        (void)snprintf(notice.dedup, sizeof(notice.dedup), "%s:%s", notice_kind_name(kind),
                       row->workspace);
        notify_put(n, &notice);
}

/* The workspaces whose failed save was announced; others have nothing to be settled. */
static void take(struct notify *n, const struct audit_row *row)
{
        enum notice_kind kind;
        char key[CORE_ID_SIZE + 8];

        if (row->seq <= n->seen)
                return;
        n->seen = row->seq;
        if (strcmp(row->what, "stopped") == 0)
                slots_remove(n->warned, row->workspace); /* nobody is to be warned any more */
        (void)snprintf(key, sizeof(key), "failed:%s", row->workspace);
        if (kind_of(row, &kind)) {
                /* Without room its end is not told; its beginning always is. */
                if (kind == NOTICE_SAVE_FAILED)
                        (void)slots_put(n->warned, key);
                announce(n, row, kind, false);
        } else if (settles(row) && slots_find(n->warned, key)) {
                slots_remove(n->warned, key);
                announce(n, row, NOTICE_SAVE_FAILED, true);
        }
}

static void on_audit(void *ctx, const struct core_effect *fx)
{
        struct notify *n = ctx;

        if (n->leads)
                take(n, &fx->audit_row);
}

void notify_events_start(struct notify *n)
{
        shell_handle(n->shell, FX_AUDIT, on_audit, n);
}

/* Their end is announced, also when another controller has announced the beginning. */
static void remember_attention(struct notify *n)
{
        const struct workspace_row *w;
        char key[CORE_ID_SIZE + 8];
        size_t pos = 0;

        while ((w = core_next_workspace(shell_core(n->shell), &pos))) {
                if (w->state != WS_ATTENTION)
                        continue;
                (void)snprintf(key, sizeof(key), "failed:%s", w->id);
                (void)slots_put(n->warned, key);
        }
}

void notify_events_replay(struct notify *n)
{
        int64_t back_s = n->cursor ? NOTIFY_REPLAY_S : NOTIFY_REPLAY_BLIND_S;
        utc_t oldest = {loop_utc(n->loop).us - back_s * US_PER_S};
        const struct audit_row *row;
        uint64_t seq = MAX(n->cursor, n->seen);

        while ((row = shell_audit_after(n->shell, seq))) {
                seq = row->seq;
                if (row->at.us >= oldest.us)
                        take(n, row);
        }
        n->seen = MAX(n->seen, seq);
        remember_attention(n);
}

/* Once for each time that a person has gone: active_at is stored, so it is the same for all. */
static void warn(struct notify *n, const struct workspace_row *w, int64_t left_ms)
{
        uint32_t since = (uint32_t)(w->active_at.us / US_PER_S);
        struct slot *slot = slots_find(n->warned, w->id);
        struct notice notice;
        char tail[64];

        if (slot && slot->note == since)
                return;
        slot = slots_put(n->warned, w->id);
        if (!slot)
                return;
        slot->note = since;
        notify_begin(n, NOTICE_STOP_WARNING, w->id, &notice);
        STR_CUT(notice.task, w->task);
        (void)snprintf(notice.detail, sizeof(notice.detail), "in %lld s",
                       (long long)(left_ms / 1000));
        (void)snprintf(tail, sizeof(tail), "%s:%u", w->id, since);
        notify_name(n, &notice, tail);
        notify_put(n, &notice);
}

static int64_t warn_ms(const struct core_idle *idle)
{
        return idle->stop.rule == IDLE_RULE_LIFETIME ? WARN_MS
                                                     : MIN(WARN_MS, idle->stop.absent_ms / 3);
}

void notify_events_tick(struct notify *n)
{
        const struct core *core = shell_core(n->shell);
        const struct task_row *t;
        size_t pos = 0;

        while ((t = core_next_task(core, &pos))) {
                const struct workspace_row *w = core_workspace(core, t->workspace);
                struct core_idle idle;
                int64_t left;

                if (t->state != TASK_READY || !w ||
                    !core_idle(core, w->id, loop_now(n->loop), &idle) || mono_is_never(idle.due))
                        continue;
                left = mono_diff_ms(loop_now(n->loop), idle.due);
                if (left > 0 && left <= warn_ms(&idle))
                        warn(n, w, left);
                else if (left > 0)
                        slots_remove(n->warned, w->id);
        }
}
