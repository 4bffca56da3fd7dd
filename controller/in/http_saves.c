/* The saves of a workspace, and going back to one of them. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "in/http_exchange.h"

/* The row, when the storage has answered. NULL: answered. */
static const struct workspace_row *row_of(struct http_exchange *x, int result)
{
        const char *id = x->pending.workspace;
        const struct workspace_row *w = core_workspace(shell_core(x->site->shell), id);

        if (!w)
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE, "workspace %s is gone", id);
        else if (result == -EBADMSG)
                site_refuse(x, VIEW_ERROR_NO_SAVE, "that save of %s is not whole", id);
        else if (result < 0)
                site_refuse(x, VIEW_ERROR_STORAGE_UNAVAILABLE,
                            "the saves of %s can not be read: %s", id, strerror(-result));
        return w && result == 0 ? w : NULL;
}

static void asked(struct http_exchange *x, int r)
{
        if (r < 0)
                site_refuse(x, r == -EAGAIN ? VIEW_ERROR_BUSY : VIEW_ERROR_STORAGE_UNAVAILABLE,
                            "the storage is not asked: %s", strerror(-r));
        else
                x->waited = true;
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
        if (x->exports) {
                answer_export(x, w, s);
                return;
        }
        x->pending.save = &s->save;
        http_wait_for(x, PENDING_RESTORE, w->id, NULL, on_restored);
}

static void refuse_save(struct http_exchange *x, const struct workspace_row *w,
                        const struct stored_save *old)
{
        if (old)
                site_refuse(x, VIEW_ERROR_NO_SAVE, STORED_OLD_WORDS,
                            (unsigned long long)old->save.generation,
                            (unsigned long long)old->save.seq, w->id);
        else
                site_refuse(x, VIEW_ERROR_NO_SAVE, "workspace %s has no such save", w->id);
}

static void on_found(void *ctx, int result, const struct stored_save *saves, uint32_t n)
{
        struct http_exchange *x = ctx;
        const struct workspace_row *w = row_of(x, result);
        const struct stored_save *s = w ? stored_pick(saves, n, &x->at, &w->head) : NULL;

        if (!w)
                return;
        if (!s || s->old) {
                refuse_save(x, w, s);
                return;
        }
        x->question = (struct stored_question){.fn = on_whole, .ctx = x};
        asked(x, stored_ask_whole(x->site->config.stored, w->id, s->save.generation, s->save.seq,
                                  &x->question));
}

void http_api_export(struct http_exchange *x, const char *id)
{
        struct view_error e;

        if (view_at_parse((const char *)x->req.body.data, x->req.body.len, false, &x->at, &e) !=
            0) {
                http_answer_error(x, &e);
                return;
        }
        x->exports = true;
        ask_storage(x, id, on_found);
}

void http_api_restore(struct http_exchange *x, const char *id)
{
        const struct workspace_row *w = core_workspace(shell_core(x->site->shell), id);
        struct view_error e;

        if (view_at_parse((const char *)x->req.body.data, x->req.body.len, true, &x->at, &e) != 0)
                http_answer_error(x, &e);
        /* Before storage is asked: what its life has had swept is gone when it is looked at. */
        else if (w && w->state != WS_STOPPED && w->state != WS_DELETED) {
                view_error_reply(&e, REPLY_NOT_STOPPED, id);
                http_answer_error(x, &e);
        } else
                ask_storage(x, id, on_found);
}

/* ---- pin ---- */

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

static void on_to_pin(void *ctx, int result, const struct stored_save *saves, uint32_t n)
{
        struct http_exchange *x = ctx;
        const struct workspace_row *w = row_of(x, result);
        const struct stored_save *s = w ? stored_pick(saves, n, &x->at, &w->head) : NULL;

        if (!w)
                return;
        if (!s || s->old) {
                refuse_save(x, w, s);
                return;
        }
        x->question = (struct stored_question){.fn = on_pinned, .ctx = x};
        asked(x, stored_pin(x->site->config.stored, w->id, s->save.generation, s->save.seq, x->pin,
                            &x->question));
}

static void pin(struct http_exchange *x, const char *id, bool on)
{
        struct view_error e;

        x->pin = on;
        if (view_at_parse((const char *)x->req.body.data, x->req.body.len, true, &x->at, &e) != 0)
                http_answer_error(x, &e);
        else
                ask_storage(x, id, on_to_pin);
}

void http_api_pin(struct http_exchange *x, const char *id)
{
        pin(x, id, true);
}

void http_api_unpin(struct http_exchange *x, const char *id)
{
        pin(x, id, false);
}
