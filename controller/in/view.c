#include "in/view.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "crypto/digest.h"

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

void workspace_id(const struct ws_key *key, char ret_id[static CORE_ID_SIZE])
{
        char text[sizeof(struct ws_key) + 4];
        uint8_t digest[SHA256_LEN];
        uint32_t bits = 0, n_bits = 0;
        size_t at = 0;
        int n;

        /* No part can hold a newline (name_valid), so different keys make different texts. */
        n = snprintf(text, sizeof(text), "%s\n%s\n%s\n%s", key->tenant, key->user_id, key->name,
                     key->type);
        sha256_of(text, (size_t)n, digest);
        memcpy(ret_id, "ws-", 3);
        for (size_t i = 3; i < WORKSPACE_ID_LEN; i++) {
                if (n_bits < 5) {
                        bits = bits << 8 | digest[at++];
                        n_bits += 8;
                }
                n_bits -= 5;
                ret_id[i] = base32[bits >> n_bits & 31];
        }
        ret_id[WORKSPACE_ID_LEN] = 0;
}

bool workspace_id_valid(const char *id)
{
        if (!str_starts(id, "ws-") || strnlen(id, WORKSPACE_ID_LEN + 1) != WORKSPACE_ID_LEN)
                return false;
        for (const char *p = id + 3; *p; p++) {
                if (!((*p >= 'a' && *p <= 'z') || (*p >= '2' && *p <= '7')))
                        return false;
        }
        return true;
}

static const struct {
        const char *code;
        int status;
        const char *hint;
} errors[] = {
#define VIEW_ERROR(id, code, status, hint) [VIEW_ERROR_##id] = {code, status, hint},
#include "in/view_error.def"
#undef VIEW_ERROR
};

static_assert(ARRAY_LEN(errors) == VIEW_ERROR_MAX, "one entry per error");

const char *view_error_code(enum view_error_id id)
{
        return errors[id].code;
}

int view_error_status(enum view_error_id id)
{
        return errors[id].status;
}

const char *view_error_hint(enum view_error_id id)
{
        return errors[id].hint;
}

void view_error_set(struct view_error *e, enum view_error_id id, const char *fmt, ...)
{
        va_list ap;

        *e = (struct view_error){.id = id};
        va_start(ap, fmt);
        (void)vsnprintf(e->message, sizeof(e->message), fmt, ap);
        va_end(ap);
}

bool view_not_leader(const struct shell_lead *lead, struct view_error *ret_error)
{
        if (lead->leads)
                return false;
        view_error_set(ret_error, VIEW_ERROR_NOT_LEADER,
                       lead->http[0] ? "this controller follows; %s leads"
                                     : "no controller leads at the moment%s",
                       lead->http);
        STR_CUT(ret_error->leader, lead->http);
        return true;
}

void view_error_reply(struct view_error *e, enum reply_status status, const char *subject)
{
        switch (status) {
        case REPLY_OK:
        case REPLY_STATUS_MAX:
                view_error_set(e, VIEW_ERROR_INTERNAL, "unexpected answer of the core");
                return;
        case REPLY_NOT_FOUND:
                view_error_set(e, VIEW_ERROR_UNKNOWN_WORKSPACE, "there is no workspace %s",
                               subject);
                return;
        case REPLY_BAD_TYPE:
                view_error_set(e, VIEW_ERROR_UNKNOWN_TYPE,
                               "workspace_type: there is no type \"%s\"", subject);
                return;
        case REPLY_FULL:
                view_error_set(e, VIEW_ERROR_FULL, "the controller keeps no more workspaces");
                return;
        case REPLY_DELETED:
                view_error_set(e, VIEW_ERROR_DELETED, "workspace %s is deleted", subject);
                return;
        case REPLY_DRAINING:
                view_error_set(e, VIEW_ERROR_DRAINING, "the controller is shutting down");
                return;
        case REPLY_CLOSED:
                view_error_set(e, VIEW_ERROR_CLOSED, "no workspace of this type is started now");
                return;
        case REPLY_USER_LIMIT:
                view_error_set(e, VIEW_ERROR_USER_LIMIT,
                               "this person has as many workspaces running as one may have");
                return;
        case REPLY_QUEUE_FULL:
                view_error_set(e, VIEW_ERROR_QUEUE_FULL,
                               "too many people wait for a workspace of this type");
                return;
        case REPLY_NOT_RUNNING:
                view_error_set(e, VIEW_ERROR_NOT_ALIVE,
                               "workspace %s does not run: only what runs is kept or restarted",
                               subject);
                return;
        case REPLY_KEPT_LONG:
                view_error_set(e, VIEW_ERROR_KEPT_LONG,
                               "nothing but keep-alive has spoken for a person in workspace %s for "
                               "4 hours",
                               subject);
                return;
        case REPLY_NOT_STOPPED:
                view_error_set(e, VIEW_ERROR_NOT_STOPPED,
                               "workspace %s is not stopped: what runs would save over it",
                               subject);
                return;
        case REPLY_NOT_ATTENTION:
                view_error_set(e, VIEW_ERROR_NOT_ATTENTION,
                               "workspace %s is not in attention: only what cannot save is ended "
                               "unsaved",
                               subject);
                return;
        }
}

bool view_ready(const struct view *v, const struct workspace_row *w)
{
        const struct task_row *t;

        if (w->state != WS_RUNNING || !w->task[0])
                return false;
        t = core_task(v->core, w->task);
        return t && t->state == TASK_READY;
}
