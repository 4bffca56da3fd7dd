/* When is a running workspace without a person? And may it be stopped now? */
#include "core/internal.h"

#include <stdio.h>

mono_t idle_due(const struct core *c, const struct workspace *w)
{
        int64_t idle_ms = type_config(c, w->type)->idle_ms;
        mono_t due;

        if (w->row.state != WS_RUNNING || idle_ms == 0 || c->draining)
                return MONO_NEVER;
        due = mono_add_ms(w->person_at, idle_ms);
        if (mono_before(due, c->quiet_until))
                due = c->quiet_until;
        return mono_before(due, w->hold_until) ? w->hold_until : due;
}

/*
 * The newest evidence counts. An agent whose link was restarted may have forgotten what it said
 * before; what it says now can only make the person younger.
 */
void idle_evidence(struct core *c, struct workspace *w, int64_t person_age_ms)
{
        mono_t at;
        utc_t at_utc;

        if (person_age_ms < 0 || person_age_ms > c->now.us / US_PER_MS)
                return;
        at = mono_add_ms(c->now, -person_age_ms);
        if (mono_before(w->person_at, at))
                w->person_at = at;
        at_utc = (utc_t){c->utc.us - person_age_ms * US_PER_MS};
        if (at_utc.us <= w->row.active_at.us)
                return;
        w->row.active_at = at_utc;
        if (at_utc.us - w->active_stored.us < ACTIVE_STORE_MS * US_PER_MS)
                return;
        w->active_stored = at_utc;
        fx_put_workspace(c, w);
}

/* Too many idle stops at once would be felt by everybody who is still there. */
static bool stop_allowed(struct core *c)
{
        if (mono_diff_ms(c->stops_window, c->now) >= 60000 || c->stops == 0) {
                c->stops_window = c->now;
                c->stops = 0;
        }
        if (c->stops >= c->config.stops_per_min)
                return false;
        c->stops++;
        return true;
}

void idle_deadline(struct core *c, struct workspace *w)
{
        const struct task *t = task_of(c, w);
        char reason[CORE_REASON_SIZE];

        /* Silence is no evidence of absence, nor is not having been heard since a restart. */
        if (!t || !t->heard || task_is_silent(c, t, c->config.heartbeat_ms * SILENT_HEARTBEATS)) {
                w->hold_until = mono_add_ms(c->now, c->config.heartbeat_ms);
                return;
        }
        if (!stop_allowed(c)) {
                w->hold_until = mono_add_ms(c->stops_window, 60000);
                return;
        }
        (void)snprintf(reason, sizeof(reason), "nobody was there for %lld s",
                       (long long)(mono_diff_ms(w->person_at, c->now) / 1000));
        workspace_stop(c, w, true, reason);
}
