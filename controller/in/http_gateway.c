/*
 * What nginx asks for a workspace's host name: where to (resolve), and what to show when there is
 * nowhere to go (page). Both carry the gateway's key; the browser's own headers never arrive here
 * but for those that the configuration passes on.
 */
#include "in/http_exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "in/pages.h"

#define MB UINT64_C(1000000)

static const char access_name[] = "ws_access";

/* The value of a cookie. true when it is there and fits. */
static bool cookie_value(const char *cookies, const char *name, char *ret_value, size_t size)
{
        size_t n = strlen(name);

        for (const char *p = cookies; *p;) {
                size_t len;
                p += strspn(p, "; ");
                len = strcspn(p, ";");
                if (len > n && strncmp(p, name, n) == 0 && p[n] == '=' && len - n - 1 < size) {
                        memcpy(ret_value, p + n + 1, len - n - 1);
                        ret_value[len - n - 1] = 0;
                        return true;
                }
                p += len;
        }
        return false;
}

/* The first ws_access of an address's query. true when it is there and fits. */
static bool link_value(const char *uri, char *ret_value, size_t size)
{
        const size_t n = sizeof(access_name) - 1;

        for (const char *p = strchr(uri, '?'); p; p = strchr(p, '&')) {
                size_t len;

                p++;
                len = strcspn(p, "&");
                if (len > n && strncmp(p, access_name, n) == 0 && p[n] == '=' &&
                    len - n - 1 < size) {
                        memcpy(ret_value, p + n + 1, len - n - 1);
                        ret_value[len - n - 1] = 0;
                        return true;
                }
        }
        return false;
}

/* Made by us (or by a gate for us) for one of the generations from `first` to `last`, and good? */
static bool access_good(const struct http_exchange *x, const char *text, enum access_kind kind,
                        uint64_t first, uint64_t last)
{
        uint64_t now = (uint64_t)(loop_utc(x->site->loop).us / US_PER_S);
        struct access a;
        char key[KEYS_HEX];
        struct keys other;
        bool good;

        if (access_read(text, strlen(text), &a) < 0 || a.generation < first || a.generation > last)
                return false;
        keys_access(x->site->config.keys, x->req.workspace, a.generation, key);
        good = access_check(text, strlen(text), kind, key, now) == 0;
        if (!good && keys_other(x->site->config.keys, &other)) {
                keys_access(&other, x->req.workspace, a.generation, key);
                good = access_check(text, strlen(text), kind, key, now) == 0;
                explicit_bzero(&other, sizeof(other));
        }
        explicit_bzero(key, sizeof(key));
        return good;
}

/*
 * Who is shown the pages of a workspace that does not run, and may resume it: a browser that was in
 * its last life (or in the one before, while it starts), and who has a link to this one. A cookie
 * opens nothing of a later life: that takes the ticket that resuming gives. The gate is not asked
 * whether a link was used: used or not, it leads to the gate in the end.
 */
static bool visitor_known(const struct http_exchange *x, const struct workspace_row *w)
{
        char text[ACCESS_SIZE];

        if (!w)
                return false;
        if (cookie_value(x->req.cookie, access_name, text, sizeof(text)) &&
            access_good(x, text, ACCESS_COOKIE, w->generation > 0 ? w->generation - 1 : 0,
                        view_access_generation(w)))
                return true;
        return link_value(x->req.original_uri, text, sizeof(text)) &&
               access_good(x, text, ACCESS_TICKET, w->generation, view_access_generation(w));
}

/* The workspace that was asked for; NULL when the name is not one or it is unknown. */
static const struct workspace_row *asked_row(const struct http_exchange *x)
{
        if (!workspace_id_valid(x->req.workspace))
                return NULL;
        return core_workspace(shell_core(x->site->shell), x->req.workspace);
}

/*
 * While it is being saved, what is open goes on to the gate: the editor sends its last unsaved text
 * that way, and the gate answers new visitors itself.
 */
static bool has_route(const struct http_exchange *x, const struct workspace_row *w)
{
        struct view v = http_view(x);

        return view_ready(&v, w) || w->state == WS_SAVING;
}

/* Only says where: whom the workspace lets in is its gate's matter, which asks for the cookie. */
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
                return PAGE_STARTING;
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
        case PAGE_UNKNOWN:
                return VIEW_ERROR_UNKNOWN_WORKSPACE;
        case PAGE_DELETED:
                return VIEW_ERROR_GONE;
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

#define DETAIL_SIZE CORE_REASON_SIZE

/* What else there is to say: how far the files are, or what is wrong. */
static void describe(const struct http_exchange *x, enum page_id page,
                     const struct workspace_row *w, char ret_detail[static DETAIL_SIZE])
{
        const struct core *core = shell_core(x->site->shell);
        const struct task_live *live = w && w->task[0] ? core_task_live(core, w->task) : NULL;

        ret_detail[0] = 0;
        if (w && page == PAGE_ATTENTION)
                str_copy_cut(ret_detail, DETAIL_SIZE, w->reason);
        else if (page == PAGE_STARTING && live && live->restore_total >= MB)
                (void)snprintf(ret_detail, DETAIL_SIZE, "Restored %llu of %llu MB.",
                               (unsigned long long)(live->restore_done / MB),
                               (unsigned long long)(live->restore_total / MB));
}

/* A page for people, an error for programs. */
static void answer_page(struct http_exchange *x, enum page_id page, const struct workspace_row *w)
{
        char detail[DETAIL_SIZE];
        char nonce[PAGE_NONCE_SIZE];
        uint8_t random[16];

        if (!is_get(x) || !strcasestr(x->req.accept, "text/html")) {
                site_refuse(x, error_of(page), "%s", page_text(page));
                return;
        }
        describe(x, page, w, detail);
        random_bytes(random, sizeof(random));
        hex_encode(random, sizeof(random), nonce);
        if (page_render(page, w ? w->key.name : "", detail, nonce, &x->res.body) < 0) {
                site_refuse(x, VIEW_ERROR_INTERNAL, "the page could not be made");
                return;
        }
        (void)snprintf(x->res.csp_text, sizeof(x->res.csp_text),
                       "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
                       "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                       "frame-ancestors 'self'",
                       nonce, nonce);
        x->res.csp = x->res.csp_text;
        x->res.content_type = "text/html; charset=utf-8";
        http_answer(x, page_status(page));
}

static void answer_status(struct http_exchange *x, enum page_id page, const struct workspace_row *w)
{
        char detail[DETAIL_SIZE];

        describe(x, page, w, detail);
        x->res.retry_after_s = 1;
        http_answer_json(x, 200,
                         view_page_status(page_phase(page), w ? ws_state_name(w->state) : "",
                                          page_text(page), detail, w ? w->generation : 0,
                                          &x->res.body));
}

/* Only the workspace's own page may resume it: other sites can post forms, too. */
static bool same_origin(const struct http_request *q)
{
        const char *rest = NULL;

        /* A form of our own page says "null", because the page has Referrer-Policy: no-referrer
         * (Fetch, "append a request Origin header"); what a browser adds itself tells. */
        if (!q->origin[0] || strcmp(q->origin, "null") == 0)
                return strcmp(q->site, "same-origin") == 0;
        if (str_starts(q->origin, "http://"))
                rest = q->origin + 7;
        else if (str_starts(q->origin, "https://"))
                rest = q->origin + 8;
        return rest && q->original_host[0] && strcasecmp(rest, q->original_host) == 0;
}

/* Where a browser goes that has resumed: the new life needs a ticket of its own. */
static void resumed_at(struct http_exchange *x, const struct workspace_row *w)
{
        char ticket[ACCESS_SIZE];

        STR_CUT(x->res.location, "/");
        if (!w || x->was_ready)
                return;
        view_ticket(&x->site->links, loop_utc(x->site->loop), w, ticket);
        (void)snprintf(x->res.location, sizeof(x->res.location), "/?%s=%s", access_name, ticket);
}

static void on_resumed(struct pending *p, enum pending_end end)
{
        struct http_exchange *x = container_of(p, struct http_exchange, pending);
        const struct workspace_row *w = asked_row(x);
        struct view_error e;

        if (end == PENDING_NO_STORE) {
                site_refuse(x, VIEW_ERROR_STORE_UNAVAILABLE, "the store can not be written");
                return;
        }
        if (end == PENDING_REFUSED) {
                view_error_reply(&e, p->status, p->workspace);
                http_answer_error(x, &e);
                return;
        }
        if (x->page) {
                resumed_at(x, w);
                http_answer(x, 303);
                return;
        }
        answer_status(x, page_of(x, w), w);
}

static void resume(struct http_exchange *x, const struct workspace_row *w)
{
        struct view v;

        if (strcmp(x->req.original_method, "POST") != 0) {
                STR_CUT(x->res.allow, "POST");
                site_refuse(x, VIEW_ERROR_BAD_METHOD, "this address takes POST");
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
        /* Who is not in already does not get in by pressing the button. */
        v = http_view(x);
        x->was_ready = view_ready(&v, w);
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
        if (!visitor_known(x, w)) {
                answer_page(x, PAGE_NO_ACCESS, NULL);
                return;
        }
        if (path_is(x->req.original_uri, "/_workspace/status"))
                answer_status(x, page_of(x, w), w);
        else if (path_is(x->req.original_uri, "/_workspace/resume"))
                resume(x, w);
        else
                answer_page(x, page_of(x, w), w);
}
