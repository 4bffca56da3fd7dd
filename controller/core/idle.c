/* When is a running workspace without a person? And may it be stopped now? */
#include <string.h>

#include "base/str.h"
#include "core/idle_words.h"
#include "core/internal.h"

static struct idle_limits limits_of(const struct core *c, const struct workspace *w,
                                    const char **ret_why)
{
        struct idle_limits l = type_config(c, w->type)->limits;

        l.idle_ms = adaptive_idle_ms(c, w->type, ret_why);
        return l;
}

static struct idle_facts facts_of(const struct workspace *w, const struct task *t, mono_t now)
{
        struct idle_facts f = {
                .now = now, .person_at = w->person_at, .claim_at = w->person_at, .connected = true};
        const struct task_live *l = t ? &t->live : NULL;
        if (!l)
                return f;
        f.claim_at = l->claimed_at;
        f.busy_ms = MAX(mono_diff_ms(now, l->busy_until), 0);
        f.never_connected = l->browser == BROWSER_NEVER && !l->came;
        f.connected = l->browser != BROWSER_LEFT && !f.never_connected;
        f.disconnected_at = l->browser_left_at;
        return f;
}

static struct core_idle plan_of(const struct core *c, const struct workspace *w, mono_t now)
{
#ifdef CORE_PLANTED_NO_MAINTENANCE
        const struct mode *frozen = NULL;
#else
        const struct mode *frozen = modes_get(c, MODE_MAINTENANCE, w->type);
#endif
        const struct task *t = task_of(c, w);
        const char *idle_why;
        struct core_idle p = {.limits = limits_of(c, w, &idle_why),
                              .facts = facts_of(w, t, now),
                              .wait = "",
                              .person_by = w->person_by,
                              .heard = t && t->heard};

        p.idle_why = idle_why;
        p.stop = idle_stop_of(&p.limits, &p.facts);
        p.due = p.stop.due;
        if (c->draining)
                p.due = MONO_NEVER;
#ifndef CORE_PLANTED_NO_QUIET
        if (mono_before(p.due, c->quiet_until)) {
                p.due = c->quiet_until;
                p.wait = "the controller has just started";
        }
#endif
        if (mono_before(p.due, w->hold_until)) {
                p.due = w->hold_until;
                p.wait = w->hold_why;
        }
        if (frozen && !mono_is_never(p.due)) {
                p.due = MONO_NEVER;
                p.wait = frozen->wait;
        }
        return p;
}

bool core_idle(const struct core *c, const char *workspace, mono_t now, struct core_idle *ret_idle)
{
        const struct workspace *w = workspace_find(c, workspace);

        if (!w || w->row.state != WS_RUNNING)
                return false;
        *ret_idle = plan_of(c, w, now);
        return true;
}

mono_t idle_due(const struct core *c, const struct workspace *w)
{
        return plan_of(c, w, c->now).due;
}

/*
 * The newest evidence counts. An agent whose link was restarted may have forgotten what it said
 * before; what it says now can only make the person younger.
 */
void idle_evidence(struct core *c, struct workspace *w, int64_t person_age_ms, const char *by)
{
        struct task *t = task_of(c, w);
        mono_t at;
        utc_t at_utc;
        bool newer;

        if (person_age_ms < 0 || person_age_ms > c->now.us / US_PER_MS)
                return;
        /*
         * Whoever works without a WebSocket has come, although no browser is connected; also when
         * the newest is a claim again, of somebody who asks for it or of a link that has forgotten.
         */
        if (t && by[0] && strcmp(by, "claim") != 0)
                t->live.came = true;
        at = mono_add_ms(c->now, -person_age_ms);
        newer = mono_before(w->person_at, at);
        /* What keeps it alive by a request is nobody who comes back. */
        if (newer && strcmp(by, KEEP_SOURCE) != 0)
                adaptive_gap(c, w->type, mono_diff_ms(w->person_at, at));
        if (strcmp(by, KEEP_SOURCE) != 0)
                w->human_at = mono_max(w->human_at, at);
        /* What is as new may know better where it is from. */
        if (newer || (by[0] && (!w->person_by[0] || !mono_before(at, w->person_at))))
                STR_CUT(w->person_by, by);
#ifndef CORE_PLANTED_FORGETS_PERSON
        if (newer)
                w->person_at = at;
#endif
        at_utc = (utc_t){c->utc.us - person_age_ms * US_PER_MS};
        /* Stored with the next row: what a fail-over loses of it is no more than of active_at. */
        if (strcmp(by, KEEP_SOURCE) != 0)
                w->row.human_at.us = MAX(w->row.human_at.us, at_utc.us);
        if (at_utc.us <= w->row.active_at.us)
                return;
        w->row.active_at = at_utc;
        if (at_utc.us - w->active_stored.us < ACTIVE_STORE_MS * US_PER_MS)
                return;
        w->active_stored = at_utc;
        fx_put_workspace(c, w);
}

/* Silence is no evidence of absence, nor is not having been heard since a restart. */
static bool is_heard(struct core *c, struct workspace *w)
{
        const struct task *t = task_of(c, w);

        if (t && t->heard && !task_is_silent(c, t, c->config.heartbeat_ms * SILENT_HEARTBEATS))
                return true;
        w->hold_until = mono_add_ms(c->now, c->config.heartbeat_ms);
        w->hold_why = "its agent is not heard, which does not mean that nobody is there";
        return false;
}

bool idle_still(struct core *c, struct workspace *w)
{
        return mono_due(idle_due(c, w), c->now) && is_heard(c, w);
}

void idle_deadline(struct core *c, struct workspace *w)
{
        if (is_heard(c, w))
                (void)pace_admit(c, w, STOP_IDLE, plan_of(c, w, c->now).stop.due, "");
}

void idle_stop(struct core *c, struct workspace *w)
{
        struct task *t = task_of(c, w);
        struct core_idle p = plan_of(c, w, c->now);
        struct idle_tale tale = {.person_by = w->person_by, .job = "", .confidence = ""};
        char reason[CORE_REASON_SIZE];

        tale.job = t->live.job;
        tale.confidence = t->live.confidence;
        idle_reason(&p.limits, &p.facts, &p.stop, &tale, reason, sizeof(reason));
        t->recheck_ms = p.stop.absent_ms;
        workspace_begin_stop(c, w, true, reason);
}
