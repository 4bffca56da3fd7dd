/* What the dashboard asks for beyond the workspaces: the fleet, its day, who asks, a history. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "in/day.h"
#include "in/http_exchange.h"

#define HISTORY_MAX 200
#define STEP_MAX 60

void http_api_whoami(struct http_exchange *x, const char *id)
{
        static const struct {
                unsigned bit;
                const char *name;
        } all[] = {
#define HTTP_ROLE(id, bit, name, doc) {1u << (bit), name},
#include "in/http_role.def"
#undef HTTP_ROLE
        };
        const char *roles[ARRAY_LEN(all)];
        uint32_t n = 0;

        (void)id;
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
                if (x->roles & all[i].bit)
                        roles[n++] = all[i].name;
        }
        http_answer_json(x, 200, view_whoami(x->actor, roles, n, &x->res.body));
}

void http_api_overview(struct http_exchange *x, const char *id)
{
        const struct http_site *s = x->site;
        struct view v = http_view(x);

        (void)id;
        (void)http_site_stopped(x->site);
        http_answer_json(x, 200,
                         view_overview(&v, shell_writable(s->shell), shell_lead(s->shell),
                                       s->config.day, s->audited, &x->res.body));
}

/* Minutes are counted by the one that leads. */
void http_api_day(struct http_exchange *x, const char *id)
{
        const char *text = http_param(&x->req, "step");
        struct view v = http_view(x);
        struct view_error e;
        uint64_t step = 5;

        (void)id;
        if (text && (num_parse_u64(text, 1, STEP_MAX, &step) < 0 || 60 % step != 0))
                site_refuse(x, VIEW_ERROR_BAD_FIELD,
                            "step: must be minutes that divide an hour, 1 to %d", STEP_MAX);
        else if (view_not_leader(shell_lead(x->site->shell), &e))
                http_answer_error(x, &e);
        else
                http_answer_json(x, 200,
                                 view_day(&v, x->site->config.day, (uint32_t)step, &x->res.body));
}

/* ---- the history of one workspace, from the store ---- */

/* Lives until the store has answered, which may be when whoever asked has gone. */
struct http_history {
        struct http_exchange *x; /* NULL: gone */
        struct view_events *events;
        int result;
};

void http_history_cancel(struct http_exchange *x)
{
        if (x->history)
                x->history->x = NULL;
        x->history = NULL;
}

static void on_row(void *ctx, const struct audit_row *row)
{
        struct http_history *h = ctx;

        if (h->x && h->result == 0)
                h->result = view_events_add(h->events, row);
}

static void on_rows(void *ctx, int result)
{
        struct http_history *h = ctx;
        struct http_exchange *x = h->x;

        if (x) {
                x->history = NULL;
                if (result < 0)
                        site_refuse(x, VIEW_ERROR_STORE_UNAVAILABLE,
                                    "the history can not be read: %s", strerror(-result));
                else
                        http_answer_json(x, 200,
                                         h->result < 0
                                                 ? h->result
                                                 : view_events_end(h->events, 0, &x->res.body));
        }
        view_events_free(h->events);
        free(h);
}

static void ask_store(struct http_exchange *x, const char *id, uint32_t limit)
{
        const struct http_config *c = &x->site->config;
        struct http_history *h = calloc(1, sizeof(*h));
        int r = -ENOMEM;

        if (h)
                h->events = view_events_new();
        if (h && h->events) {
                h->x = x;
                x->history = h;
                x->waited = true;
                r = c->history(c->store, id, limit, on_row, on_rows, h);
        }
        if (r == 0)
                return;
        x->history = NULL;
        if (h)
                view_events_free(h->events);
        free(h);
        site_refuse(x, r == -EBUSY ? VIEW_ERROR_BUSY : VIEW_ERROR_STORE_UNAVAILABLE,
                    "the history can not be read: %s", strerror(-r));
}

/* Without a store: what is kept in memory. */
static void answer_newest(struct http_exchange *x, const char *id, uint32_t limit)
{
        struct view_events *events = view_events_new();
        const struct audit_row *row;
        uint64_t at = 0;
        uint32_t n = 0, skip;
        int r = events ? 0 : -ENOMEM;

        while ((row = shell_audit_after(x->site->shell, at))) {
                n += strcmp(row->workspace, id) == 0;
                at = row->seq;
        }
        skip = n > limit ? n - limit : 0;
        at = 0;
        while (r == 0 && (row = shell_audit_after(x->site->shell, at))) {
                at = row->seq;
                if (strcmp(row->workspace, id) != 0)
                        continue;
                if (skip > 0)
                        skip--;
                else
                        r = view_events_add(events, row);
        }
        http_answer_json(x, 200, r < 0 ? r : view_events_end(events, 0, &x->res.body));
        view_events_free(events);
}

void http_api_history(struct http_exchange *x, const char *id)
{
        const char *text = http_param(&x->req, "limit");
        uint64_t limit = HISTORY_MAX;

        if (text && num_parse_u64(text, 1, HISTORY_MAX, &limit) < 0)
                site_refuse(x, VIEW_ERROR_BAD_FIELD, "limit: must be a whole number from 1 to %d",
                            HISTORY_MAX);
        else if (!core_workspace(shell_core(x->site->shell), id))
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE, "there is no workspace %s", id);
        else if (x->site->config.history)
                ask_store(x, id, (uint32_t)limit);
        else
                answer_newest(x, id, (uint32_t)limit);
}
