#include "in/http_exchange.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "in/web_files.h"

#define HTTP_TOKEN_EDGE 1
#define HTTP_PENDING_MAX 200
#define TIMETABLE_PATH "/v1/timetable"

/* Nothing from elsewhere, no inline script, nobody may frame it. */
static const char page_csp[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                               "connect-src 'self'; img-src data:; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'";

enum access {
        ACCESS_PUBLIC,  /* own Host and Origin only */
        ACCESS_TOKEN,   /* and the API token */
        ACCESS_GATEWAY, /* the gateway's key, whatever the Host */
};

static void page_index(struct http_exchange *x, const char *id);
static void page_script(struct http_exchange *x, const char *id);
static void page_style(struct http_exchange *x, const char *id);

/* "*" stands for one path segment, handed to the handler as `id`. */
static const struct route {
        enum http_method method;
        const char *path;
        enum access access;
        bool json_body;
        void (*fn)(struct http_exchange *x, const char *id);
} routes[] = {
        {HTTP_GET, "/v1/workspaces", ACCESS_TOKEN, false, http_api_list},
        {HTTP_POST, "/v1/workspaces", ACCESS_TOKEN, true, http_api_create},
        {HTTP_GET, "/v1/workspaces/*", ACCESS_TOKEN, false, http_api_get},
        {HTTP_DELETE, "/v1/workspaces/*", ACCESS_TOKEN, false, http_api_delete},
        {HTTP_POST, "/v1/workspaces/*/stop", ACCESS_TOKEN, false, http_api_stop},
        {HTTP_POST, "/v1/workspaces/*/launch", ACCESS_TOKEN, false, http_api_launch},
        {HTTP_GET, "/v1/workspaces/*/why", ACCESS_TOKEN, false, http_api_why},
        {HTTP_POST, "/v1/workspaces/*/abandon", ACCESS_TOKEN, true, http_api_abandon},
        {HTTP_GET, "/v1/modes", ACCESS_TOKEN, false, http_api_modes},
        {HTTP_PUT, "/v1/modes/*", ACCESS_TOKEN, true, http_api_mode},
        {HTTP_GET, TIMETABLE_PATH, ACCESS_TOKEN, false, http_api_timetable},
        {HTTP_PUT, TIMETABLE_PATH, ACCESS_TOKEN, false, http_api_timetable_put},
        {HTTP_GET, "/v1/pools", ACCESS_TOKEN, false, http_api_pools},
        {HTTP_GET, "/v1/tasks", ACCESS_TOKEN, false, http_api_tasks},
        {HTTP_GET, "/v1/events", ACCESS_TOKEN, false, http_api_events},
        {HTTP_GET, "/healthz", ACCESS_PUBLIC, false, http_api_healthz},
        {HTTP_GET, "/readyz", ACCESS_PUBLIC, false, http_api_readyz},
        {HTTP_GET, "/", ACCESS_PUBLIC, false, page_index},
        {HTTP_GET, "/app.js", ACCESS_PUBLIC, false, page_script},
        {HTTP_GET, "/style.css", ACCESS_PUBLIC, false, page_style},
        {HTTP_GET, "/internal/resolve", ACCESS_GATEWAY, false, http_gateway_resolve},
        {HTTP_GET, "/internal/page", ACCESS_GATEWAY, false, http_gateway_page},
};

int http_exchange_new(void *owner, struct http_exchange **ret_exchange)
{
        struct http_exchange *x = calloc(1, sizeof(*x));

        if (!x)
                return -ENOMEM;
        x->owner = owner;
        x->req.body = BUF_INIT(HTTP_TIMETABLE_MAX + 1);
        x->res.body = BUF_INIT(VIEW_ANSWER_MAX);
        *ret_exchange = x;
        return 0;
}

struct http_exchange *http_exchange_free(struct http_exchange *x)
{
        if (!x)
                return NULL;
        pending_cancel(&x->pending);
        buf_deinit(&x->req.body);
        buf_deinit(&x->res.body);
        explicit_bzero(x, sizeof(*x));
        free(x);
        return NULL;
}

int http_site_new(struct loop *l, struct shell *sh, const struct http_config *config,
                  http_answer_fn on_answer, void *ctx, struct http_site **ret_site)
{
        struct http_site *s;
        const char *colon;
        int r;

        if (!config->api_token || strlen(config->api_token) < 16 || !config->host_suffix ||
            !config->public_scheme || !config->keys)
                return -EINVAL;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        *s = (struct http_site){
                .loop = l,
                .shell = sh,
                .config = *config,
                .links = {config->public_scheme, config->host_suffix, config->keys},
                .on_answer = on_answer,
                .ctx = ctx,
        };
        STR_CUT(s->public_host, config->host_suffix);
        colon = strrchr(s->public_host, ':');
        if (colon)
                s->public_host[colon - s->public_host] = 0;
        sha256_of(config->api_token, strlen(config->api_token), s->token_digest);
        keys_gateway(config->keys, s->gateway_key);
        r = pending_set_new(l, sh, HTTP_TOKEN_EDGE, HTTP_PENDING_MAX, &s->pendings);
        if (r < 0)
                return free(s), r;
        *ret_site = s;
        return 0;
}

struct http_site *http_site_free(struct http_site *s)
{
        if (!s)
                return NULL;
        s->pendings = pending_set_free(s->pendings);
        explicit_bzero(s, sizeof(*s));
        free(s);
        return NULL;
}

struct view http_view(const struct http_site *s)
{
        return (struct view){
                .core = shell_core(s->shell),
                .links = &s->links,
                .now = loop_now(s->loop),
                .utc = loop_utc(s->loop),
        };
}

void http_answer(struct http_exchange *x, int status)
{
        x->res.status = status;
        x->answered = true;
        x->site->on_answer(x->site->ctx, x);
}

static uint32_t retry_after_s(enum view_error_id id)
{
        return id == VIEW_ERROR_DRAINING ? 30 : id == VIEW_ERROR_NOT_LEADER ? 1 : 5;
}

void http_answer_error(struct http_exchange *x, const struct view_error *e)
{
        int status = view_error_status(e->id);
        uint64_t try_next;

        buf_clear(&x->res.body);
        x->res.content_type = "application/json";
        if (view_error_json(e, &x->res.body) < 0)
                x->res.content_type = NULL;
        if (e->id == VIEW_ERROR_NOT_LEADER &&
            num_parse_u64(x->req.try_next, 400, 599, &try_next) == 0)
                status = (int)try_next;
        if (status == 503)
                x->res.retry_after_s = retry_after_s(e->id);
        if (e->retry_s)
                x->res.retry_after_s = e->retry_s;
        http_answer(x, status);
}

void site_refuse(struct http_exchange *x, enum view_error_id id, const char *fmt, ...)
{
        struct view_error e = {.id = id};
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(e.message, sizeof(e.message), fmt, ap);
        va_end(ap);
        http_answer_error(x, &e);
}

void http_answer_json(struct http_exchange *x, int status, int render_result)
{
        if (render_result < 0) {
                site_refuse(x, VIEW_ERROR_INTERNAL, "the answer could not be made");
                return;
        }
        x->res.content_type = "application/json";
        http_answer(x, status);
}

const char *http_param(const struct http_request *q, const char *name)
{
        for (uint32_t i = 0; i < q->n_params; i++) {
                if (strcmp(q->params[i].name, name) == 0)
                        return q->params[i].value;
        }
        return NULL;
}

void http_wait(struct http_exchange *x, pending_fn done)
{
        struct view_error e;

        x->pending.done = done;
        if (pending_start(x->site->pendings, &x->pending, &e) > 0)
                http_answer_error(x, &e);
}

/* "name", "name:port", "[::1]:port" -> is the name one of ours and the port a number? */
static bool authority_ours(const struct http_site *s, const char *authority)
{
        const char *names[] = {"localhost", "127.0.0.1", "[::1]", s->public_host};
        uint64_t port;

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                size_t n = strlen(names[i]);
                if (n == 0 || strncasecmp(authority, names[i], n) != 0)
                        continue;
                if (authority[n] == 0)
                        return true;
                if (authority[n] == ':' && num_parse_u64(authority + n + 1, 1, 65535, &port) == 0)
                        return true;
        }
        return false;
}

/*
 * A page of another site (a workspace's own included: it has another host) must not reach the API
 * with a browser of someone who holds the token.
 */
static bool origin_ours(const struct http_request *q)
{
        const char *rest = NULL;

        if (!q->origin[0])
                return true;
        if (str_starts(q->origin, "http://"))
                rest = q->origin + 7;
        else if (str_starts(q->origin, "https://"))
                rest = q->origin + 8;
        return rest && strcasecmp(rest, q->host) == 0;
}

static bool token_right(const struct http_site *s, const struct http_request *q)
{
        static const char scheme[] = "bearer ";
        uint8_t digest[SHA256_LEN];
        const char *token;

        if (strncasecmp(q->authorization, scheme, sizeof(scheme) - 1) != 0)
                return false;
        token = q->authorization + sizeof(scheme) - 1;
        while (*token == ' ')
                token++;
        sha256_of(token, strlen(token), digest);
        return secret_equal(digest, s->token_digest, sizeof(digest));
}

static bool path_matches(const char *pattern, const char *path, char *ret_id, size_t size)
{
        const char *star = strchr(pattern, '*');
        size_t head, len;

        if (!star)
                return strcmp(pattern, path) == 0;
        head = (size_t)(star - pattern);
        if (strncmp(pattern, path, head) != 0)
                return false;
        len = strcspn(path + head, "/");
        if (len == 0 || len >= size || strcmp(path + head + len, star + 1) != 0)
                return false;
        memcpy(ret_id, path + head, len);
        ret_id[len] = 0;
        return true;
}

static const char *method_name(enum http_method m)
{
        switch (m) {
        case HTTP_GET:
                return "GET, HEAD";
        case HTTP_POST:
                return "POST";
        case HTTP_DELETE:
                return "DELETE";
        case HTTP_PUT:
                return "PUT";
        case HTTP_HEAD:
        case HTTP_PATCH:
        case HTTP_OPTIONS:
        case HTTP_OTHER:
                break;
        }
        return "";
}

/* NULL: answered with 404 or 405 already. */
static const struct route *find_route(struct http_exchange *x, char *ret_id, size_t size)
{
        enum http_method m = x->req.method == HTTP_HEAD ? HTTP_GET : x->req.method;
        char allow[64] = "";
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
                if (!path_matches(routes[i].path, x->req.path, ret_id, size))
                        continue;
                if (routes[i].method == m)
                        return &routes[i];
                n += (size_t)snprintf(allow + n, sizeof(allow) - n, "%s%s", n ? ", " : "",
                                      method_name(routes[i].method));
        }
        if (allow[0]) {
                STR_CUT(x->res.allow, allow);
                site_refuse(x, VIEW_ERROR_BAD_METHOD, "this address takes %s", allow);
                return NULL;
        }
        site_refuse(x, VIEW_ERROR_NOT_FOUND, "there is nothing at this address");
        return NULL;
}

/* More is kept for nobody who does not hold the token. */
size_t http_body_max(const struct http_site *s, const struct http_request *q)
{
        bool timetable = q->method == HTTP_PUT && strcmp(q->path, TIMETABLE_PATH) == 0;

        return timetable && token_right(s, q) ? HTTP_TIMETABLE_MAX : HTTP_BODY_MAX;
}

/* 0 good; > 0 answered. */
static int check_framing(struct http_exchange *x)
{
        const struct http_request *q = &x->req;
        uint64_t length = 0;

        if (q->transfer && q->has_length) {
                site_refuse(x, VIEW_ERROR_BAD_REQUEST,
                            "Content-Length and Transfer-Encoding exclude each other");
                return 1;
        }
        if (q->transfer) {
                site_refuse(x, VIEW_ERROR_LENGTH_REQUIRED,
                            "a body in chunks is not taken, send Content-Length");
                return 1;
        }
        if (q->has_length && num_parse_u64(q->length, 0, UINT64_MAX, &length) < 0) {
                site_refuse(x, VIEW_ERROR_BAD_REQUEST, "Content-Length is not one number");
                return 1;
        }
        if (length > http_body_max(x->site, q)) {
                site_refuse(x, VIEW_ERROR_TOO_LARGE,
                            "the body has %llu bytes, at most %zu are taken",
                            (unsigned long long)length, http_body_max(x->site, q));
                return 1;
        }
        if (q->too_long) {
                site_refuse(x, VIEW_ERROR_BAD_REQUEST,
                            "a header or parameter is too long or was sent twice");
                return 1;
        }
        return 0;
}

bool http_wants_body(const struct http_request *q, size_t max, size_t *ret_length)
{
        uint64_t length;

        if (q->transfer || !q->has_length || num_parse_u64(q->length, 1, max, &length) < 0)
                return false;
        *ret_length = (size_t)length;
        return true;
}

static int check_host(struct http_exchange *x)
{
        if (!authority_ours(x->site, x->req.host)) {
                site_refuse(x, VIEW_ERROR_MISDIRECTED, "this host name is not the controller's");
                return 1;
        }
        if (!origin_ours(&x->req)) {
                site_refuse(x, VIEW_ERROR_BAD_ORIGIN, "requests from other sites are refused");
                return 1;
        }
        return 0;
}

static int check_access(struct http_exchange *x)
{
        if (str_starts(x->req.path, "/internal/")) {
                if (keys_equal(x->req.gateway_key, x->site->gateway_key))
                        return 0;
                site_refuse(x, VIEW_ERROR_BAD_GATEWAY_KEY, "this address is the gateway's");
                return 1;
        }
        if (check_host(x) > 0)
                return 1;
        if (str_starts(x->req.path, "/v1/") && !token_right(x->site, &x->req)) {
                site_refuse(x, VIEW_ERROR_UNAUTHORIZED, "%s",
                            x->req.authorization[0] ? "the API token is wrong"
                                                    : "the API token is missing");
                return 1;
        }
        return 0;
}

static bool is_json(const char *content_type)
{
        static const char json[] = "application/json";
        size_t n = sizeof(json) - 1;

        return strncasecmp(content_type, json, n) == 0 &&
               (content_type[n] == 0 || content_type[n] == ';' || content_type[n] == ' ');
}

void http_site_take(struct http_site *s, struct http_exchange *x)
{
        const struct route *route;
        char id[64] = "";

        x->site = s;
        if (check_framing(x) > 0 || check_access(x) > 0)
                return;
        route = find_route(x, id, sizeof(id));
        if (!route)
                return;
        if (route->json_body && !is_json(x->req.content_type)) {
                site_refuse(x, VIEW_ERROR_BAD_MEDIA_TYPE, "Content-Type must be application/json");
                return;
        }
        if (str_starts(route->path, "/v1/workspaces/") && !workspace_id_valid(id)) {
                site_refuse(x, VIEW_ERROR_UNKNOWN_WORKSPACE,
                            "a workspace id is \"ws-\" and 12 characters of a-z 2-7");
                return;
        }
        route->fn(x, id);
}

bool http_access_valid(const struct http_site *s, const char *workspace, const char *access,
                       uint64_t *ret_expires)
{
        const char *dot = strchr(access, '.');
        uint64_t now = (uint64_t)(loop_utc(s->loop).us / US_PER_S), expires;
        char number[24], hex[KEYS_HEX];

        if (!dot || (size_t)(dot - access) >= sizeof(number) || strlen(dot + 1) != KEYS_HEX - 1)
                return false;
        memcpy(number, access, (size_t)(dot - access));
        number[dot - access] = 0;
        if (num_parse_u64(number, now, UINT32_MAX, &expires) < 0)
                return false;
        keys_access(s->config.keys, workspace, expires, hex);
        if (!keys_equal(hex, dot + 1))
                return false;
        *ret_expires = expires;
        return true;
}

/* A file of the page: built in, or read anew each time when a folder was configured. */
static void answer_file(struct http_exchange *x, const char *name, const char *content_type,
                        const unsigned char *data, size_t len)
{
        char path[512];
        int r;

        if (x->site->config.web_dir) {
                (void)snprintf(path, sizeof(path), "%s/%s", x->site->config.web_dir, name);
                r = file_read(path, &x->res.body);
        } else {
                r = buf_append(&x->res.body, data, len);
        }
        if (r < 0) {
                site_refuse(x, VIEW_ERROR_INTERNAL, "%s can not be read", name);
                return;
        }
        x->res.content_type = content_type;
        x->res.csp = page_csp;
        http_answer(x, 200);
}

static void page_index(struct http_exchange *x, const char *id)
{
        (void)id;
        answer_file(x, "index.html", "text/html; charset=utf-8", web_index_html,
                    web_index_html_len);
}

static void page_script(struct http_exchange *x, const char *id)
{
        (void)id;
        answer_file(x, "app.js", "text/javascript; charset=utf-8", web_app_js, web_app_js_len);
}

static void page_style(struct http_exchange *x, const char *id)
{
        (void)id;
        answer_file(x, "style.css", "text/css; charset=utf-8", web_style_css, web_style_css_len);
}
