/* The saves of a workspace, and going back to one of them. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "in/http_exchange.h"

/* The row, when the storage has answered. NULL: answered. */
static const struct workspace_row *row_of(struct http_exchange *x, int result)
{
        struct view_error e;
        const struct workspace_row *w =
                view_saves_row(shell_core(x->site->shell), x->pending.workspace, result, &e);

        if (!w)
                http_answer_error(x, &e);
        return w;
}

static void asked(struct http_exchange *x, int r)
{
        struct view_error e;

        if (r >= 0) {
                x->waited = true;
                return;
        }
        view_saves_not_asked(r, &e);
        http_answer_error(x, &e);
}

static void ask_storage(struct http_exchange *x, const char *id, stored_list_fn fn)
{
        struct stored *stored = x->site->config.stored;

        if (!core_workspace(shell_core(x->site->shell), id)) {
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE, "there is no workspace %s", id);
                return;
        }
        x->question = (struct stored_question){.fn = fn, .ctx = x};
        STR_CUT(x->pending.workspace, id);
        asked(x, stored ? stored_ask(stored, id, &x->question) : -ENOSYS);
}

static void on_saves(void *ctx, int result, const struct stored_save *saves, uint32_t n)
{
        struct http_exchange *x = ctx;
        struct view v = http_view(x);
        const struct workspace_row *w = row_of(x, result);

        if (w)
                http_answer_json(x, 200, view_saves(&v, w, saves, n, &x->res.body));
}

void http_api_saves(struct http_exchange *x, const char *id)
{
        ask_storage(x, id, on_saves);
}

static void on_restored(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);
        const struct workspace_row *w;
        struct view v = http_view(x);

        if (http_refused(x, end, p->workspace))
                return;
        w = row_of(x, 0);
        if (w)
                http_answer_json(x, 200, view_workspace(&v, w, &x->res.body));
}

static void answer_export(struct http_exchange *x, const struct workspace_row *w,
                          const struct stored_save *s)
{
        struct view v = http_view(x);
        char grant[STORED_URL_SIZE];
        int r = stored_grant(x->site->config.stored, w->id, s->save.generation, grant);

        if (r == 0)
                r = view_export(&v, w, s, grant, &x->res.body);
        http_answer_json(x, 200, r);
}

static void on_whole(void *ctx, int result, const struct stored_save *s, uint32_t n)
{
        struct http_exchange *x = ctx;
        const struct workspace_row *w = row_of(x, result);

        (void)n;
        if (!w)
                return;
        if (x->save_use == HTTP_SAVE_EXPORT) {
                answer_export(x, w, s);
                return;
        }
        x->pending.save = &s->save;
        http_wait_for(x, PENDING_RESTORE, w->id, NULL, on_restored);
}

static void on_pinned(void *ctx, int result, const struct stored_save *s, uint32_t n)
{
        struct http_exchange *x = ctx;
        const struct workspace_row *w = row_of(x, result);

        (void)s, (void)n;
        if (!w)
                return;
        x->question = (struct stored_question){.fn = on_saves, .ctx = x};
        asked(x, stored_ask(x->site->config.stored, w->id, &x->question));
}

/* Of all there are, the one that is meant is looked at, or pinned. */
static void on_listed(void *ctx, int result, const struct stored_save *saves, uint32_t n)
{
        struct http_exchange *x = ctx;
        struct stored *stored = x->site->config.stored;
        const struct workspace_row *w = row_of(x, result);
        bool pins = x->save_use == HTTP_SAVE_PIN || x->save_use == HTTP_SAVE_UNPIN;
        const struct stored_save *s;
        struct view_error e;

        if (!w)
                return;
        s = view_saves_pick(w, saves, n, &x->at, &e);
        if (!s) {
                http_answer_error(x, &e);
                return;
        }
        x->question = (struct stored_question){.fn = pins ? on_pinned : on_whole, .ctx = x};
        asked(x, pins ? stored_pin(stored, w->id, s->save.generation, s->save.seq,
                                   x->save_use == HTTP_SAVE_PIN, &x->question)
                      : stored_ask_whole(stored, w->id, s->save.generation, s->save.seq,
                                         &x->question));
}

/* Only an export may leave out which save it is for: then it is the head. */
static bool takes_at(struct http_exchange *x, enum http_save_use use)
{
        struct view_error e;

        x->save_use = use;
        if (view_at_parse((const char *)x->req.body.data, x->req.body.len, use != HTTP_SAVE_EXPORT,
                          &x->at, &e) == 0)
                return true;
        http_answer_error(x, &e);
        return false;
}

void http_api_export(struct http_exchange *x, const char *id)
{
        if (takes_at(x, HTTP_SAVE_EXPORT))
                ask_storage(x, id, on_listed);
}

void http_api_restore(struct http_exchange *x, const char *id)
{
        const struct workspace_row *w = core_workspace(shell_core(x->site->shell), id);
        struct view_error e;

        if (!takes_at(x, HTTP_SAVE_RESTORE))
                return;
        /* Before storage is asked: what its life has had swept is gone when it is looked at. */
        if (w && w->state != WS_STOPPED && w->state != WS_DELETED) {
                view_error_reply(&e, REPLY_NOT_STOPPED, id);
                http_answer_error(x, &e);
        } else
                ask_storage(x, id, on_listed);
}

void http_api_pin(struct http_exchange *x, const char *id)
{
        if (takes_at(x, HTTP_SAVE_PIN))
                ask_storage(x, id, on_listed);
}

void http_api_unpin(struct http_exchange *x, const char *id)
{
        if (takes_at(x, HTTP_SAVE_UNPIN))
                ask_storage(x, id, on_listed);
}
