/*
 * One HTTP request and its answer, free of any socket: http_lws.c fills the request and sends the
 * answer, http_site.c and its handlers do everything between. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "crypto/digest.h"
#include "in/http.h"
#include "in/pending.h"
#include "in/view.h"

#define HTTP_BODY_MAX (16u * 1024)
#define HTTP_TIMETABLE_MAX (256u * 1024) /* the body of PUT /v1/timetable */
#define HTTP_URI_MAX 8400
#define HTTP_PARAMS_MAX 8
#define HTTP_WAIT_S_MAX 60

enum http_method {
        HTTP_GET,
        HTTP_HEAD,
        HTTP_POST,
        HTTP_PUT,
        HTTP_PATCH,
        HTTP_DELETE,
        HTTP_OPTIONS,
        HTTP_OTHER,
};

struct http_param {
        char name[32];
        char value[160];
};

/* Text that was not sent is "". */
struct http_request {
        enum http_method method;
        char path[512]; /* decoded, without the query */
        uint32_t n_params;
        struct http_param params[HTTP_PARAMS_MAX];
        bool too_long;   /* a part did not fit, or came twice where once is allowed */
        bool transfer;   /* Transfer-Encoding was sent */
        bool has_length; /* Content-Length was sent */
        char length[24];
        char host[280];
        char origin[300];
        char authorization[300];
        char content_type[128];
        char prefer[160];
        char if_match[80];
        char accept[512];
        char cookie[256];
        char site[24]; /* Sec-Fetch-Site */
        /* from the gateway */
        char try_next[4]; /* the status that makes it ask another controller */
        char gateway_key[KEYS_HEX + 1];
        char workspace[CORE_ID_SIZE];
        char original_method[16];
        char original_host[280];
        char original_uri[HTTP_URI_MAX];
        struct buf body;
};

struct http_response {
        int status;
        const char *content_type; /* NULL: no body */
        const char *csp;          /* Content-Security-Policy, or NULL */
        char csp_text[240];
        char allow[64];
        char etag[48];
        char location[HTTP_URI_MAX];
        char set_cookie[240];
        char upstream[CORE_ADDR_SIZE];
        char workspace_key[KEYS_HEX];
        uint32_t retry_after_s;
        struct buf body;
};

struct http_site;

struct http_exchange {
        struct http_request req;
        struct http_response res;
        bool answered;
        bool close; /* do not keep the connection: the request was not read to its end */
        struct pending pending;
        bool page; /* a browser's form, not a program: answer with redirects and pages */
        struct http_site *site;
        void *owner; /* of http_lws.c */
        struct http_exchange *next_;
};

NODISCARD int http_exchange_new(void *owner, struct http_exchange **ret_exchange);
/* Cancels what it waits for. */
struct http_exchange *http_exchange_free(struct http_exchange *x);

typedef void (*http_answer_fn)(void *ctx, struct http_exchange *x);

/* What handlers need. */
struct http_site {
        struct loop *loop;
        struct shell *shell;
        struct http_config config;
        struct view_links links;
        struct pending_set *pendings;
        char public_host[256]; /* host_suffix without the port */
        uint8_t token_digest[SHA256_LEN];
        char gateway_key[KEYS_HEX];
        http_answer_fn on_answer;
        void *ctx;
};

/* 0, -EINVAL, -ENOMEM. `on_answer` is called once per taken exchange, maybe from within take. */
NODISCARD int http_site_new(struct loop *l, struct shell *sh, const struct http_config *config,
                            http_answer_fn on_answer, void *ctx, struct http_site **ret_site);
struct http_site *http_site_free(struct http_site *s);

/* Check the exchange and route it. In a turn of the loop only. */
void http_site_take(struct http_site *s, struct http_exchange *x);
/* How many bytes of a body are taken. */
size_t http_body_max(const struct http_site *s, const struct http_request *q);
/* Is there a body of 1 to `max` bytes to read before the request is complete? */
bool http_wants_body(const struct http_request *q, size_t max, size_t *ret_length);

/* ---- for handlers ---- */

struct view http_view(const struct http_site *s);
/* Send status and body as they are in x->res. */
void http_answer(struct http_exchange *x, int status);
void http_answer_json(struct http_exchange *x, int status, int render_result);
void http_answer_error(struct http_exchange *x, const struct view_error *e);
void site_refuse(struct http_exchange *x, enum view_error_id id, const char *fmt, ...)
        PRINTF_LIKE(3, 4);
const char *http_param(const struct http_request *q, const char *name);
/* Give the pending to the core; refusals are answered. */
void http_wait(struct http_exchange *x, pending_fn done);

/* "<expires>.<hex>" is an access to this workspace that still holds. */
bool http_access_valid(const struct http_site *s, const char *workspace, const char *access,
                       uint64_t *ret_expires);

/* http_api.c */
void http_api_list(struct http_exchange *x, const char *id);
void http_api_create(struct http_exchange *x, const char *id);
void http_api_get(struct http_exchange *x, const char *id);
void http_api_delete(struct http_exchange *x, const char *id);
void http_api_stop(struct http_exchange *x, const char *id);
void http_api_launch(struct http_exchange *x, const char *id);
void http_api_abandon(struct http_exchange *x, const char *id);
void http_api_modes(struct http_exchange *x, const char *id);
void http_api_mode(struct http_exchange *x, const char *id);
void http_api_timetable(struct http_exchange *x, const char *id);
void http_api_timetable_put(struct http_exchange *x, const char *id);
void http_api_why(struct http_exchange *x, const char *id);
void http_api_pools(struct http_exchange *x, const char *id);
void http_api_tasks(struct http_exchange *x, const char *id);
void http_api_events(struct http_exchange *x, const char *id);
void http_api_healthz(struct http_exchange *x, const char *id);
void http_api_readyz(struct http_exchange *x, const char *id);
/* http_gateway.c */
void http_gateway_resolve(struct http_exchange *x, const char *id);
void http_gateway_page(struct http_exchange *x, const char *id);
