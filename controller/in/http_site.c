#include "in/http_exchange.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"

#define HTTP_TOKEN_EDGE 1
#define HTTP_PENDING_MAX 200
#define TIMETABLE_PATH "/v1/timetable"

/* Which roles may; 0 is for everybody (own Host and Origin only). */
#define ACCESS_PUBLIC 0
#define ACCESS_ANY HTTP_ROLES_ALL
#define ACCESS_LAUNCH HTTP_ROLE_LAUNCH
#define ACCESS_OPERATE HTTP_ROLE_OPERATE
#define ACCESS_EITHER (HTTP_ROLE_LAUNCH | HTTP_ROLE_OPERATE)
#define ACCESS_GATEWAY 0 /* the gateway's key, whatever the Host: check_access */
#define BODY_NONE false
#define BODY_JSON true
#define BODY_TEXT false /* any, or none */

static const struct route {
        enum http_method method;
        const char *path;
        unsigned roles;
        bool json_body;
        void (*fn)(struct http_exchange *x, const char *id);
} routes[] = {
#define HTTP_ROUTE(method, path, access, body, fn)                                                 \
        {HTTP_##method, path, ACCESS_##access, BODY_##body, fn},
#include "in/http_route.def"
#undef HTTP_ROUTE
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
        stored_cancel(&x->question);
        http_history_cancel(x);
        http_stream_end(x);
        buf_deinit(&x->req.body);
        buf_deinit(&x->res.body);
        explicit_bzero(x, sizeof(*x));
        free(x);
        return NULL;
}

struct http_exchange *http_exchange_leave(struct http_exchange *x)
{
        if (!x || !x->ticket || x->answered)
                return http_exchange_free(x);
        x->owner = NULL;
        x->next_ = x->site->orphans;
        x->site->orphans = x;
        return NULL;
}

/* Those that are answered, or all. Never from within an answer: its maker may look at it yet. */
static void free_orphans(struct http_site *s, bool all)
{
        struct http_exchange **p = &s->orphans, *x;

        while ((x = *p)) {
                if (!all && !x->answered) {
                        p = &x->next_;
                        continue;
                }
                *p = x->next_;
                http_exchange_free(x);
        }
}

uint64_t http_site_stopped(struct http_site *s)
{
        const struct audit_row *row;

        while ((row = shell_audit_after(s->shell, s->audited))) {
                s->audited = row->seq;
                s->stopped += row->at.us >= s->started.us && strcmp(row->what, "stopped") == 0 &&
                              idle_rule_of_reason(row->detail) != IDLE_RULE_NONE;
        }
        return s->stopped;
}

/* Looked at while the rows are there: the shell keeps only the newest. */
static void on_change(void *ctx, const char *workspace, const char *task)
{
        (void)workspace;
        (void)task;
        (void)http_site_stopped(ctx);
        http_streams_wake(ctx);
}

int http_site_new(struct loop *l, struct shell *sh, const struct http_config *config,
                  http_answer_fn on_answer, http_answer_fn on_stream, void *ctx,
                  struct http_site **ret_site)
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
                .links = {config->public_scheme, config->host_suffix, config->keys,
                          config->ticket_ms, config->paths},
                .on_answer = on_answer,
                .on_stream = on_stream,
                .ctx = ctx,
                .started = loop_utc(l),
        };
        STR_CUT(s->public_host, config->host_suffix);
        colon = strrchr(s->public_host, ':');
        if (colon)
                s->public_host[colon - s->public_host] = 0;
        http_site_rekey(s);
        r = pending_set_new(l, sh, HTTP_TOKEN_EDGE, HTTP_PENDING_MAX, &s->pendings);
        if (r == 0)
                r = http_replay_new(&s->replay);
        if (r == 0)
                r = http_tokens_new(l, config->api_token, config->token_file, config->rate,
                                    config->burst, &s->tokens);
        if (r < 0) {
                http_site_free(s);
                return r;
        }
        http_streams_init(s);
        shell_watch(sh, on_change, s);
        *ret_site = s;
        return 0;
}

struct http_site *http_site_free(struct http_site *s)
{
        if (!s)
                return NULL;
        free_orphans(s, true);
        loop_timer_cancel(&s->stream_timer);
        s->replay = http_replay_free(s->replay);
        s->tokens = http_tokens_free(s->tokens);
        s->pendings = pending_set_free(s->pendings);
        explicit_bzero(s, sizeof(*s));
        free(s);
        return NULL;
}

struct view http_view(const struct http_exchange *x)
{
        const struct http_site *s = x->site;

        return (struct view){
                .core = shell_core(s->shell),
                .links = x->roles & HTTP_ROLE_LAUNCH ? &s->links : NULL,
                .now = loop_now(s->loop),
                .utc = loop_utc(s->loop),
        };
}

static const char *method_name(enum http_method m)
{
        static const char *const names[] = {
                [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
                [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
                [HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = "other",
        };

        return names[m];
}

/* What changes something is in the log; what is only looked at when debugging. */
static void log_answer(const struct http_exchange *x)
{
        bool looks = x->req.method == HTTP_GET || x->req.method == HTTP_HEAD;
        int64_t ms = mono_diff_ms(x->began, loop_now(x->site->loop));

        if (!str_starts(x->req.path, "/v1/") || (looks && !log_enabled(LOG_DEBUG_LEVEL)))
                return;
        log_write(looks ? LOG_DEBUG_LEVEL : LOG_INFO_LEVEL, "api",
                  LOG_FIELDS(LOG_STR("method", method_name(x->req.method)),
                             LOG_STR("path", x->req.path), LOG_INT("status", x->res.status),
                             LOG_STR("actor", x->actor), LOG_STR("request", x->request_id),
                             LOG_INT("ms", ms)));
}

/* What may be otherwise in a moment is not kept. */
static void keep_answer(struct http_exchange *x)
{
        const struct http_response *res = &x->res;
        struct http_replay_answer a = {.status = res->status,
                                       .content_type = res->content_type,
                                       .retry_after_s = res->retry_after_s,
                                       .body = res->body.data,
                                       .body_len = res->body.len};

        if (res->status >= 500 || res->status == 429 || STR_SET(a.location, res->location) < 0)
                http_replay_drop(x->site->replay, x->ticket);
        else
                http_replay_put(x->site->replay, x->ticket, &a);
}

void http_answer(struct http_exchange *x, int status)
{
        const struct http_site *s = x->site;

        x->res.status = status;
        x->answered = true;
        if (s->config.observed)
                s->config.observed(s->config.observed_ctx, x->req.path, status, x->waited,
                                   loop_clock(s->loop).us - x->began.us);
        log_answer(x);
        if (x->ticket)
                keep_answer(x);
        if (x->owner)
                s->on_answer(s->ctx, x);
}

static uint32_t retry_after_s(enum view_error_id id)
{
        /* A stopped workspace is not there later by itself. */
        if (id == VIEW_ERROR_NOT_RUNNING)
                return 0;
        return id == VIEW_ERROR_DRAINING                                     ? 30
               : id == VIEW_ERROR_NOT_LEADER || id == VIEW_ERROR_KEY_RUNNING ? 1
                                                                             : 5;
}

void http_answer_error(struct http_exchange *x, const struct view_error *e)
{
        int status = view_error_status(e->id);
        uint64_t try_next;

        if (e->id == VIEW_ERROR_NOT_LEADER &&
            num_parse_u64(x->req.try_next, 400, 599, &try_next) == 0)
                status = (int)try_next;
        buf_clear(&x->res.body);
        x->res.content_type = x->action ? "application/json" : "application/problem+json";
        if ((x->action ? view_action_error(e, x->request_id, &x->res.body)
                       : view_problem_json(e, status, x->request_id, &x->res.body)) < 0)
                x->res.content_type = NULL;
        if (status == 503 || e->id == VIEW_ERROR_KEY_RUNNING)
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

        x->waited = true;
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

/* NULL: none was sent, or nobody's. */
static struct http_token *token_of(const struct http_site *s, const struct http_request *q)
{
        static const char scheme[] = "bearer ";
        const char *token;

        if (strncasecmp(q->authorization, scheme, sizeof(scheme) - 1) != 0)
                return NULL;
        token = q->authorization + sizeof(scheme) - 1;
        while (*token == ' ')
                token++;
        return http_tokens_find(s->tokens, token);
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
                n += (size_t)snprintf(allow + n, sizeof(allow) - n, "%s%s%s", n ? ", " : "",
                                      method_name(routes[i].method),
                                      routes[i].method == HTTP_GET ? ", HEAD" : "");
        }
        if (allow[0]) {
                STR_CUT(x->res.allow, allow);
                site_refuse(x, VIEW_ERROR_BAD_METHOD, "this address takes %s", allow);
                return NULL;
        }
        site_refuse(x, VIEW_ERROR_NOT_FOUND, "there is nothing at this address");
        return NULL;
}

/* More is kept for nobody who may not set it. */
size_t http_body_max(const struct http_site *s, const struct http_request *q)
{
        bool timetable = q->method == HTTP_PUT && strcmp(q->path, TIMETABLE_PATH) == 0;
        const struct http_token *t = timetable ? token_of(s, q) : NULL;

        return t && t->roles & HTTP_ROLE_OPERATE ? HTTP_TIMETABLE_MAX : HTTP_BODY_MAX;
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

/* 0; > 0 answered: this token has asked too often. */
static int check_rate(struct http_exchange *x, struct http_token *t)
{
        const struct http_config *c = &x->site->config;
        struct view_error e;
        uint32_t retry_s;

        if (http_tokens_take(x->site->tokens, t, &retry_s) == 0)
                return 0;
        view_error_set(&e, VIEW_ERROR_RATE_LIMIT,
                       "the token \"%s\" makes more than %.0f requests a second (%.0f at once)",
                       t->name, c->rate, c->burst);
        e.retry_s = retry_s;
        http_answer_error(x, &e);
        return 1;
}

static int check_token(struct http_exchange *x)
{
        struct http_token *t = token_of(x->site, &x->req);

        if (!t) {
                site_refuse(x, VIEW_ERROR_UNAUTHORIZED, "%s",
                            x->req.authorization[0] ? "the API token is wrong"
                                                    : "the API token is missing");
                return 1;
        }
        STR_CUT(x->actor, t->name);
        x->roles = t->roles;
        x->token_version = http_tokens_version(x->site->tokens);
        memcpy(x->token_digest, t->digest, sizeof(x->token_digest));
        return check_rate(x, t);
}

/* A gateway whose configuration has not been written anew since the key changed is let in, too. */
static bool gateway_known(struct http_site *s, const char *key)
{
        if (keys_equal(key, s->gateway_key))
                return true;
        if (!s->gateway_key_before[0] || !keys_equal(key, s->gateway_key_before))
                return false;
        if (!s->warned)
                log_warn("a gateway has a key of before the last change: write its configuration "
                         "anew with `wsctl nginx-config` and reload it");
        s->warned = true;
        return true;
}

void http_site_rekey(struct http_site *s)
{
        const struct keys *k = s->config.keys;
        struct keys before;

        keys_gateway(k, s->gateway_key);
        s->gateway_key_before[0] = 0;
        s->warned = false;
        if (!keys_before(k, &before))
                return;
        keys_gateway(&before, s->gateway_key_before);
        explicit_bzero(&before, sizeof(before));
}

static int check_access(struct http_exchange *x)
{
        if (str_starts(x->req.path, "/internal/")) {
                if (gateway_known(x->site, x->req.gateway_key))
                        return 0;
                site_refuse(x, VIEW_ERROR_BAD_GATEWAY_KEY, "this address is the gateway's");
                return 1;
        }
        if (check_host(x) > 0)
                return 1;
        /* What describes the API is no secret. */
        if (!str_starts(x->req.path, "/v1/") || strcmp(x->req.path, "/v1/openapi.json") == 0)
                return 0;
        return check_token(x);
}

/* The token is right; is it good for this? */
bool http_role_missing(struct http_exchange *x, unsigned roles)
{
        char needed[64];

        if (!roles || x->roles & roles)
                return false;
        http_roles_text(roles, needed, sizeof(needed));
        site_refuse(x, VIEW_ERROR_FORBIDDEN, "the token \"%s\" has not the role for this: %s",
                    x->actor, needed);
        return true;
}

static bool is_json(const char *content_type)
{
        static const char json[] = "application/json";
        size_t n = sizeof(json) - 1;

        return strncasecmp(content_type, json, n) == 0 &&
               (content_type[n] == 0 || content_type[n] == ';' || content_type[n] == ' ');
}

/* As it was, but for the link of a launch, which is good for some minutes only. */
static int replay_body(struct http_exchange *x, const struct http_replay_answer *a)
{
        struct view v = http_view(x);
        int r = view_link_anew(&v, a->body, a->body_len, &x->res.body);

        return r > 0 ? buf_append(&x->res.body, a->body, a->body_len) : r;
}

static void replay(struct http_exchange *x, const struct http_replay_answer *a)
{
        x->replayed = true;
        x->res.content_type = a->content_type;
        x->res.retry_after_s = a->retry_after_s;
        STR_CUT(x->res.location, a->location);
        if (a->body_len && replay_body(x, a) < 0)
                site_refuse(x, VIEW_ERROR_INTERNAL, "the answer could not be made");
        else
                http_answer(x, a->status);
}

/* All that must be the same for the same answer. */
static int digest_of(const struct http_request *q, uint8_t ret_digest[static SHA256_LEN])
{
        struct sha256 *h = sha256_new();

        if (!h)
                return -ENOMEM;
        sha256_update(h, method_name(q->method), strlen(method_name(q->method)) + 1);
        sha256_update(h, q->path, strlen(q->path) + 1);
        sha256_update(h, q->body.data, q->body.len);
        sha256_final(h, ret_digest);
        sha256_free(h);
        return 0;
}

/* 0: it is to be done; > 0 answered: it was done before, or cannot be done like this. */
static int check_replay(struct http_exchange *x)
{
        struct http_replay_answer known;
        char key[HTTP_REPLAY_KEY_SIZE];
        uint8_t digest[SHA256_LEN];

        if (x->req.method != HTTP_POST || (!x->idempotency_key[0] && !x->bad_key))
                return 0;
        if (x->bad_key || !http_replay_key(x->idempotency_key, key)) {
                site_refuse(x, VIEW_ERROR_BAD_FIELD,
                            "Idempotency-Key: must be 1 to %d of A-Z a-z 0-9 . _ : -",
                            HTTP_REPLAY_KEY_SIZE - 1);
                return 1;
        }
        if (digest_of(&x->req, digest) < 0) {
                site_refuse(x, VIEW_ERROR_BUSY, "the controller is short of memory");
                return 1;
        }
        switch (http_replay_begin(x->site->replay, x->began, x->actor, key, digest, &x->ticket,
                                  &known)) {
        case HTTP_REPLAY_NEW:
                return 0;
        case HTTP_REPLAY_KNOWN:
                replay(x, &known);
                return 1;
        case HTTP_REPLAY_RUNNING:
                site_refuse(x, VIEW_ERROR_KEY_RUNNING,
                            "the request that came first with this Idempotency-Key still waits");
                return 1;
        case HTTP_REPLAY_DIFFERENT:
                site_refuse(x, VIEW_ERROR_KEY_REUSED,
                            "this Idempotency-Key came with another request before");
                return 1;
        case HTTP_REPLAY_FULL:
                site_refuse(x, VIEW_ERROR_BUSY, "no more answers can be kept at the moment");
                return 1;
        }
        return 0;
}

/* The client's own id of this request, when it can stand in a log and in an answer; else ours. */
static void name_request(struct http_exchange *x)
{
        static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-";
        uint8_t random[8];
        char hex[2 * sizeof(random) + 1];

        if (x->request_id[0] && !x->request_id[strspn(x->request_id, allowed)])
                return;
        random_bytes(random, sizeof(random));
        hex_encode(random, sizeof(random), hex);
        (void)snprintf(x->request_id, sizeof(x->request_id), "req-%s", hex);
}

void http_site_take(struct http_site *s, struct http_exchange *x)
{
        const struct route *route;
        char id[64] = "";

        free_orphans(s, false);
        x->site = s;
        x->action = strcmp(x->req.path, "/v1/actions") == 0;
        name_request(x);
        if (check_framing(x) > 0 || check_access(x) > 0)
                return;
        route = find_route(x, id, sizeof(id));
        if (!route || http_role_missing(x, route->roles))
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
        if (check_replay(x) == 0)
                route->fn(x, id);
}
