/*
 * What nginx asks for a workspace's host name: where to (resolve), and what to show when there is
 * nowhere to go (page). Both carry the gateway's key; of the browser's own headers those arrive
 * that the configuration passes on.
 */
#include "in/http_exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "in/http_visitor.h"
#include "in/pages.h"

#define MB UINT64_C(1000000)

/* How long the gateway uses a route without asking, and at most while nobody can be asked. */
#define ROUTE_FRESH_S 2
#define ROUTE_AWAY_S 86400

/* The workspace that was asked for; NULL when the name is not one or it is unknown. */
static const struct workspace_row *asked_row(const struct http_exchange *x)
{
        if (!workspace_id_valid(x->req.workspace))
                return NULL;
        return core_workspace(shell_core(x->site->shell), x->req.workspace);
}

/*
 * While it is being saved, what is open goes on to the gate: the editor sends its last unsaved text
 * that way, and the gate answers new visitors itself; who has a link to the next life waits for
 * that.
 */
static bool has_route(const struct http_exchange *x, const struct workspace_row *w)
{
        struct view v = http_view(x);

        return view_ready(&v, w) || (w->state == WS_SAVING && !visitor_later(x, w));
}

/*
 * Only says where: whom the workspace lets in is its gate's matter, which asks for the cookie. The
 * gateway may use the answer again: for a moment without asking, and longer while no controller
 * answers. What is gone by then does not answer, and the gate of another life refuses the key, so
 * that nothing outlives its gate.
 */
void http_gateway_resolve(struct http_exchange *x, const char *id)
{
        const struct workspace_row *w = asked_row(x);
        const struct task_row *t;

        (void)id;
        if (!workspace_id_valid(x->req.workspace)) {
                site_refuse(x, VIEW_ERROR_NO_ACCESS, "this is no workspace's name");
                return;
        }
        t = w && w->task[0] ? core_task(shell_core(x->site->shell), w->task) : NULL;
        if (!w || !t || !t->addr[0] || !has_route(x, w)) {
                struct view_error e;

                /* A follower's rows are seconds old: what it knows is good, what it does not is
                 * the leader's to say. */
                if (view_not_leader(shell_lead(x->site->shell), &e)) {
                        http_answer_error(x, &e);
                        return;
                }
                /* 403, not 404: nginx takes anything but 2xx, 401 and 403 for a failure. */
                x->res.content_type = NULL;
                http_answer(x, 403);
                return;
        }
        (void)snprintf(x->res.cache, sizeof(x->res.cache),
                       "max-age=%d, stale-while-revalidate=%d, stale-if-error=%d", ROUTE_FRESH_S,
                       ROUTE_FRESH_S, ROUTE_AWAY_S);
        STR_CUT(x->res.upstream, t->addr);
        keys_gate(x->site->config.keys, w->id, w->generation, x->res.workspace_key);
        http_answer(x, 200);
}

static enum page_id page_of(const struct http_exchange *x, const struct workspace_row *w)
{
        struct view v = http_view(x);

        if (!w)
                return PAGE_UNKNOWN;
        switch (w->state) {
        case WS_STOPPED:
                return PAGE_STOPPED;
        case WS_STARTING:
                return core_place(shell_core(x->site->shell), w->id) ? PAGE_QUEUED : PAGE_STARTING;
        case WS_RUNNING:
                return view_ready(&v, w) ? PAGE_CONNECTING : PAGE_STARTING;
        case WS_SAVING:
                return PAGE_SAVING;
        case WS_ATTENTION:
                return PAGE_ATTENTION;
        case WS_RECOVERING:
                return PAGE_RECOVERING;
        case WS_DELETED:
                return PAGE_DELETED;
        case WS_STATE_MAX:
                break;
        }
        return PAGE_UNKNOWN;
}

static bool is_get(const struct http_exchange *x)
{
        const char *m = x->req.original_method;

        return !m[0] || strcmp(m, "GET") == 0 || strcmp(m, "HEAD") == 0;
}

static enum view_error_id error_of(enum page_id page)
{
        switch (page) {
        case PAGE_NO_ACCESS:
                return VIEW_ERROR_NO_ACCESS;
        case PAGE_NOT_YOURS:
                return VIEW_ERROR_NOT_YOURS;
        case PAGE_UNKNOWN:
                return VIEW_ERROR_UNKNOWN_WORKSPACE;
        case PAGE_DELETED:
                return VIEW_ERROR_GONE;
        case PAGE_QUEUE_FULL:
                return VIEW_ERROR_QUEUE_FULL;
        case PAGE_USER_LIMIT:
                return VIEW_ERROR_USER_LIMIT;
        case PAGE_CLOSED:
                return VIEW_ERROR_CLOSED;
        case PAGE_QUEUED:
        case PAGE_STARTING:
        case PAGE_CONNECTING:
        case PAGE_SAVING:
        case PAGE_RECOVERING:
        case PAGE_STOPPED:
        case PAGE_ATTENTION:
        case PAGE_MAX:
                break;
        }
        return VIEW_ERROR_NOT_RUNNING;
}

/* What a page and what it polls say beside their text. */
struct saying {
        char base[CORE_ID_SIZE + 8];
        char detail[CORE_REASON_SIZE];
        uint32_t place;
        unsigned step;
        int permille;
};

/* How far the files are, in MB, where there are that many. */
static void say_restore(const struct task_live *live, struct saying *s)
{
        if (!live || live->restore_total < MB)
                return;
        (void)snprintf(s->detail, sizeof(s->detail), "Restored %llu of %llu MB.",
                       (unsigned long long)(live->restore_done / MB),
                       (unsigned long long)(live->restore_total / MB));
        s->permille =
                (int)(MIN(live->restore_done, live->restore_total) * 1000 / live->restore_total);
}

static void say_saving(const struct http_exchange *x, const struct workspace_row *w,
                       struct saying *s)
{
        struct core_stop stop;

        if (!core_stop(shell_core(x->site->shell), w->id, loop_now(x->site->loop), &stop) ||
            stop.eta_ms < 1000)
                return;
        (void)snprintf(s->detail, sizeof(s->detail), "About %lld s to go.",
                       (long long)(stop.eta_ms / 1000));
}

static void describe(const struct http_exchange *x, enum page_id page,
                     const struct workspace_row *w, struct saying *ret_saying)
{
        const struct core *core = shell_core(x->site->shell);
        const struct task_live *live = w && w->task[0] ? core_task_live(core, w->task) : NULL;

        *ret_saying = (struct saying){.permille = -1};
        if (x->site->config.paths)
                (void)snprintf(ret_saying->base, sizeof(ret_saying->base), "/w/%s",
                               x->req.workspace);
        if (!w)
                return;
        ret_saying->place = core_place(core, w->id);
        if (page == PAGE_ATTENTION)
                STR_CUT(ret_saying->detail, w->reason);
        if (page == PAGE_SAVING)
                say_saving(x, w, ret_saying);
        if (page != PAGE_STARTING)
                return;
        ret_saying->step = !live ? 1 : live->phase == AGENT_APP_STARTING ? 3 : 2;
        if (ret_saying->step == 2)
                say_restore(live, ret_saying);
}

static void answer_html(struct http_exchange *x, enum page_id page, const struct workspace_row *w)
{
        struct saying s;
        char nonce[PAGE_NONCE_SIZE], ticket[ACCESS_SIZE];
        uint8_t random[16];
        struct page_view v = {.name = w ? w->key.name : "", .nonce = nonce, .ticket = ticket};

        describe(x, page, w, &s);
        v.base = s.base;
        visitor_ticket(x, ticket);
        v.detail = s.detail;
        v.life = w ? w->generation : 0;
        v.place = s.place;
        v.step = s.step;
        v.permille = s.permille;
        random_bytes(random, sizeof(random));
        hex_encode(random, sizeof(random), nonce);
        if (page_render(page, &v, &x->res.body) < 0) {
                site_refuse(x, VIEW_ERROR_INTERNAL, "the page could not be made");
                return;
        }
        (void)snprintf(x->res.csp_text, sizeof(x->res.csp_text),
                       "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
                       "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                       "frame-ancestors 'none'",
                       nonce, nonce);
        x->res.csp = x->res.csp_text;
        x->res.content_type = "text/html; charset=utf-8";
        if (!x->res.retry_after_s)
                x->res.retry_after_s = page_retry_s(page);
        http_answer(x, page_status(page));
}

/* A page for people, an error for programs, an editor that connects again among them. */
static void answer_page(struct http_exchange *x, enum page_id page, const struct workspace_row *w)
{
        struct view_error e;

        if (is_get(x) && strcasestr(x->req.accept, "text/html")) {
                answer_html(x, page, w);
                return;
        }
        view_error_set(&e, error_of(page), "%s", page_text(page));
        e.retry_s = page_retry_s(page);
        if (w && page == PAGE_QUEUED)
                e.place = core_place(shell_core(x->site->shell), w->id);
        http_answer_error(x, &e);
}

static void answer_status(struct http_exchange *x, enum page_id page, const struct workspace_row *w)
{
        struct view_page_status v;
        char ticket[ACCESS_SIZE] = "";
        struct saying s;

        describe(x, page, w, &s);
        if (page_waits(page))
                visitor_renew(x, w, ticket);
        v = (struct view_page_status){
                .phase = page_phase(page),
                .state = w ? ws_state_name(w->state) : "",
                .message = page_text(page),
                .detail = s.detail,
                .generation = w ? w->generation : 0,
                .place = s.place,
                .step = s.step,
                .permille = s.permille,
                .ticket = ticket,
        };
        x->res.retry_after_s = 1;
        http_answer_json(x, 200, view_page_status(&v, &x->res.body));
}

/* Only the workspace's own page may resume it: other sites can post forms, too. */
static bool same_origin(const struct http_request *q)
{
        const char *rest = NULL;

        /* Of a page without a referrer; what a browser adds itself tells. */
        if (!q->origin[0] || strcmp(q->origin, "null") == 0)
                return strcmp(q->site, "same-origin") == 0;
        if (str_starts(q->origin, "http://"))
                rest = q->origin + 7;
        else if (str_starts(q->origin, "https://"))
                rest = q->origin + 8;
        return rest && q->original_host[0] && strcasecmp(rest, q->original_host) == 0;
}

/* A browser says what a request comes from: a script's is no click, nor a form that it sends. */
static bool clicked(const struct http_request *q)
{
        return !q->mode[0] || (strcmp(q->mode, "navigate") == 0 && strcmp(q->user, "?1") == 0);
}

/* The form is of this life: one that was sent before, or is left from before, resumes nothing. */
static bool of_this_life(const struct http_request *q, const struct workspace_row *w)
{
        static const char name[] = "?life=";
        const char *at = strstr(q->original_uri, name);
        char text[24];
        uint64_t life;
        size_t n;

        if (!at)
                return true;
        at += sizeof(name) - 1;
        n = strcspn(at, "&");
        if (n >= sizeof(text))
                return false;
        memcpy(text, at, n);
        text[n] = 0;
        return num_parse_u64(text, 0, UINT64_MAX, &life) == 0 && life == w->generation;
}

/*
 * Where a browser goes that has resumed: the new life needs a ticket of its own. Who is in already
 * gets none, nor one whose form resumed nothing; the link that they came by stays theirs, and is
 * still one link, however often they press.
 */
static void resumed_at(struct http_exchange *x, const struct workspace_row *w, bool resumed)
{
        const char *base = x->site->config.paths ? "/w/" : "";
        char ticket[ACCESS_SIZE];
        struct access a;

        visitor_ticket(x, ticket);
        if (w && resumed && !x->was_ready) {
                if (!x->by_link || access_read(ticket, strlen(ticket), &a) < 0)
                        access_new_id(a.id);
                view_ticket_of(&x->site->links, loop_utc(x->site->loop), w, a.id, ticket);
        }
        (void)snprintf(x->res.location, sizeof(x->res.location), "%s%s/%s%s%s", base,
                       base[0] ? x->req.workspace : "", ticket[0] ? "?" : "",
                       ticket[0] ? VISITOR_QUERY : "", ticket);
}

static void answer_resumed(struct http_exchange *x, bool resumed)
{
        const struct workspace_row *w = asked_row(x);

        if (!x->page) {
                answer_status(x, page_of(x, w), w);
                return;
        }
        resumed_at(x, w, resumed);
        http_answer(x, 303);
}

static void answer_refused(struct http_exchange *x, const struct view_error *e)
{
        x->res.retry_after_s = e->retry_s;
        if (!x->page)
                http_answer_error(x, e);
        else if (e->id == VIEW_ERROR_QUEUE_FULL)
                answer_html(x, PAGE_QUEUE_FULL, asked_row(x));
        else if (e->id == VIEW_ERROR_USER_LIMIT)
                answer_html(x, PAGE_USER_LIMIT, asked_row(x));
        else if (view_error_status(e->id) == 503)
                answer_html(x, PAGE_CLOSED, asked_row(x));
        else
                http_answer_error(x, e);
}

static void on_resumed(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);
        struct view_error e;

        if (end == PENDING_NO_STORE) {
                view_error_set(&e, VIEW_ERROR_STORE_UNAVAILABLE, "the store can not be written");
                answer_refused(x, &e);
        } else if (end == PENDING_REFUSED) {
                view_error_reply(&e, p->status, p->workspace);
                pending_error(p, &e);
                answer_refused(x, &e);
        } else {
                answer_resumed(x, true);
        }
}

/* Who only looks wakes nothing: the link may have been used in the life that it was for. */
static void resume(struct http_exchange *x, const struct workspace_row *w, enum visitor visitor)
{
        struct view v;

        if (strcmp(x->req.original_method, "POST") != 0) {
                STR_CUT(x->res.allow, "POST");
                site_refuse(x, VIEW_ERROR_BAD_METHOD, "this address takes POST");
                return;
        }
        if (!clicked(&x->req)) {
                site_refuse(x, VIEW_ERROR_BAD_ORIGIN,
                            "a click resumes a workspace, a script does not");
                return;
        }
        if (!same_origin(&x->req)) {
                site_refuse(x, VIEW_ERROR_BAD_ORIGIN, "requests from other sites are refused");
                return;
        }
        if (!w) {
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE, "there is no such workspace");
                return;
        }
        x->page = strcasestr(x->req.accept, "text/html") != NULL;
        if (visitor == VISITOR_LOOKS || !of_this_life(&x->req, w)) {
                answer_resumed(x, false);
                return;
        }
        /* Who is not in already does not get in by pressing the button. */
        v = http_view(x);
        x->was_ready = view_ready(&v, w);
        x->by_link = visitor == VISITOR_LINK;
        x->pending.kind = PENDING_LAUNCH;
        x->pending.actor = "student";
        STR_CUT(x->pending.workspace, w->id);
        http_wait(x, on_resumed);
}

static bool path_is(const char *uri, const char *path)
{
        size_t n = strlen(path);

        return strncmp(uri, path, n) == 0 && (uri[n] == 0 || uri[n] == '?');
}

void http_gateway_page(struct http_exchange *x, const char *id)
{
        const struct workspace_row *w = asked_row(x);
        enum visitor visitor;
        enum page_id page;
        struct view_error e;

        (void)id;
        if (view_not_leader(shell_lead(x->site->shell), &e)) {
                http_answer_error(x, &e);
                return;
        }
        if (!workspace_id_valid(x->req.workspace)) {
                answer_page(x, PAGE_UNKNOWN, NULL);
                return;
        }
        visitor = visitor_of(x, w);
        page = page_of(x, w);
        /* There is nothing to see for who may not press its button. */
        if (visitor == VISITOR_NONE || (visitor == VISITOR_LOOKS && page == PAGE_STOPPED)) {
                answer_page(x, visitor_brought(x) ? PAGE_NO_ACCESS : PAGE_NOT_YOURS, NULL);
                return;
        }
        if (path_is(x->req.original_uri, "/_workspace/status"))
                answer_status(x, page, w);
        else if (path_is(x->req.original_uri, "/_workspace/resume"))
                resume(x, w, visitor);
        else
                answer_page(x, page, w);
}
