/*
 * A platform says that somebody is there: it sees what no browser shows us, an exam that is being
 * read, a meeting. It counts as a person by "api", but not for ever: a script that forgot to stop
 * must not hold a workspace over the night.
 */
#include <string.h>

#include "core/internal.h"

void requests_keep(struct core *c, const struct core_event *ev)
{
        struct workspace *w = workspace_find(c, ev->req_workspace.id);
        uint64_t token = ev->req_workspace.token;
        bool first;

        if (!w) {
                fx_reply(c, token, REPLY_NOT_FOUND, ev->req_workspace.id);
                return;
        }
        if (w->row.state != WS_RUNNING) {
                fx_reply(c, token, REPLY_NOT_RUNNING, w->row.id);
                return;
        }
        if (mono_diff_ms(w->human_at, c->now) >= KEEP_MAX_MS) {
                fx_reply(c, token, REPLY_KEPT_LONG, w->row.id);
                return;
        }
        first = strcmp(w->person_by, KEEP_SOURCE) != 0;
        idle_evidence(c, w, 0, KEEP_SOURCE);
        if (first)
                fx_audit(c, w->row.id, w->row.task,
                         ev->req_workspace.actor[0] ? ev->req_workspace.actor : "core", "kept",
                         ev->req_workspace.reason);
        workspace_arm(c, w);
        fx_reply(c, token, REPLY_OK, w->row.id);
}
