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
#include "in/http.h"
#include "in/http_replay.h"
#include "in/http_tokens.h"
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
        char cookie[HTTP_URI_MAX];
        char site[24]; /* Sec-Fetch-Site */
        char mode[24]; /* Sec-Fetch-Mode */
        char user[8];  /* Sec-Fetch-User */
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
        char cache[96]; /* Cache-Control; "": no-store */
        char upstream[CORE_ADDR_SIZE];
        char workspace_key[KEYS_HEX];
        uint32_t retry_after_s;
        struct buf body;
};

struct http_site;

enum http_stream { HTTP_STREAM_NONE, HTTP_STREAM_SSE, HTTP_STREAM_WS };

enum http_save_use { HTTP_SAVE_RESTORE, HTTP_SAVE_EXPORT, HTTP_SAVE_PIN, HTTP_SAVE_UNPIN };

struct http_exchange {
        struct http_request req;
        struct http_response res;
        mono_t began; /* when its head was there */
        bool waited;  /* for a workspace or the core's reply */
        bool answered;
        bool close; /* do not keep the connection: the request was not read to its end */
        struct pending pending;
        struct stored_question question;
        struct http_history *history; /* what the store is asked for, or NULL */
        enum http_save_use save_use;  /* of a request for one save */
        struct stored_at at;          /* ... and for which */
        char request_id[65];          /* the client's (X-Request-Id), or made by take */
        char idempotency_key[HTTP_REPLAY_KEY_SIZE + 2]; /* as it was sent; "" was not */
        bool bad_key;                                   /* it was sent, and does not fit */
        uint64_t ticket; /* where the answer is kept for who asks again; 0: nowhere */
        bool replayed;
        char actor[CORE_NAME_SIZE]; /* whose token it came with; "" without one */
        unsigned roles;             /* of that token (enum http_role) */
        bool action;                /* errors in the shape that a caller of /v1/actions expects */
        bool was_ready;             /* the workspace, when it was asked to be resumed */
        bool by_link;               /* who resumes came by a link: it stays that one */
        bool page; /* a browser's form, not a program: answer with redirects and pages */
        /* a stream of events (http_stream.c) */
        bool upgrade;           /* the client asks for a WebSocket */
        char last_event_id[24]; /* as it was sent */
        enum http_stream stream;
        uint64_t stream_at;                  /* the last row that was given to it, or passed over */
        char stream_workspace[CORE_ID_SIZE]; /* rows of this one only, or "" */
        bool stream_runs;                    /* it has been given something to read once */
        mono_t stream_said;
        uint64_t token_version;
        uint8_t token_digest[32];
        struct http_exchange *stream_next;
        struct http_site *site;
        void *owner; /* of http_lws.c; NULL: its client has gone */
        struct http_exchange *next_;
};

NODISCARD int http_exchange_new(void *owner, struct http_exchange **ret_exchange);
/* Cancels what it waits for. */
struct http_exchange *http_exchange_free(struct http_exchange *x);
/*
 * Its client has gone. As free; but what was begun with an Idempotency-Key goes on without an
 * owner, so that the client finds the answer when it asks again.
 */
struct http_exchange *http_exchange_leave(struct http_exchange *x);

typedef void (*http_answer_fn)(void *ctx, struct http_exchange *x);

/* What handlers need. */
struct http_site {
        struct loop *loop;
        struct shell *shell;
        struct http_config config;
        struct view_links links;
        struct pending_set *pendings;
        char public_host[256]; /* host_suffix without the port */
        struct http_tokens *tokens;
        struct http_replay *replay;
        utc_t started;
        uint64_t audited; /* rows of the history up to here are counted in `stopped` */
        uint64_t stopped;
        struct http_exchange *orphans;                            /* whose clients have gone */
        char gateway_key[KEYS_HEX], gateway_key_before[KEYS_HEX]; /* before: or "" */
        bool warned; /* that somebody still uses the one before */
        struct loop_timer stream_timer;
        struct http_exchange *streams;
        unsigned n_streams;
        http_answer_fn on_answer;
        http_answer_fn on_stream; /* a stream may have more to send */
        void *ctx;
};

/*
 * 0, -EINVAL, -ENOMEM. `on_answer` is called once per taken exchange, maybe from within take; for
 * one that became a stream `on_stream` follows whenever there may be more to send.
 */
void http_site_rekey(struct http_site *s);
NODISCARD int http_site_new(struct loop *l, struct shell *sh, const struct http_config *config,
                            http_answer_fn on_answer, http_answer_fn on_stream, void *ctx,
                            struct http_site **ret_site);
struct http_site *http_site_free(struct http_site *s);

/* Check the exchange and route it. In a turn of the loop only. */
void http_site_take(struct http_site *s, struct http_exchange *x);
/* How many bytes of a body are taken. */
size_t http_body_max(const struct http_site *s, const struct http_request *q);
/* Is there a body of 1 to `max` bytes to read before the request is complete? */
bool http_wants_body(const struct http_request *q, size_t max, size_t *ret_length);

/* ---- for handlers ---- */

/* What is shown to this one: the links that open a workspace only to the role `launch`. */
struct view http_view(const struct http_exchange *x);
/* Send status and body as they are in x->res. */
void http_answer(struct http_exchange *x, int status);
void http_answer_json(struct http_exchange *x, int status, int render_result);
void http_answer_error(struct http_exchange *x, const struct view_error *e);
void site_refuse(struct http_exchange *x, enum view_error_id id, const char *fmt, ...)
        PRINTF_LIKE(3, 4);
const char *http_param(const struct http_request *q, const char *name);
/* Give the pending to the core; refusals are answered. */
void http_wait(struct http_exchange *x, pending_fn done);

/*
 * The core or the store said no: answered, and true. `subject` is what the message speaks of. For
 * `done` of a pending.
 */
bool http_refused(struct http_exchange *x, enum pending_end end, const char *subject);
/* Give the core a request about this workspace, and wait as the client prefers (else as set). */
void http_wait_for(struct http_exchange *x, enum pending_kind kind, const char *id,
                   const struct view_launch *launch, pending_fn done);
/* For the message of a type that the core does not know: http_param "workspace_type". */
void http_keep_type(struct http_exchange *x, const char *type);
/* The token has none of these roles: answered with 403, and true. */
bool http_role_missing(struct http_exchange *x, unsigned roles);
/* Workspaces that were stopped for idleness since the start. */
uint64_t http_site_stopped(struct http_site *s);

/* http_api.c */
void http_api_list(struct http_exchange *x, const char *id);
void http_api_create(struct http_exchange *x, const char *id);
void http_api_get(struct http_exchange *x, const char *id);
void http_api_delete(struct http_exchange *x, const char *id);
void http_api_stop(struct http_exchange *x, const char *id);
void http_api_launch(struct http_exchange *x, const char *id);
void http_api_abandon(struct http_exchange *x, const char *id);
void http_api_restart(struct http_exchange *x, const char *id);
void http_api_keep(struct http_exchange *x, const char *id);
void http_api_pool(struct http_exchange *x, const char *id);
void http_api_modes(struct http_exchange *x, const char *id);
void http_api_mode(struct http_exchange *x, const char *id);
void http_api_timetable(struct http_exchange *x, const char *id);
void http_api_timetable_put(struct http_exchange *x, const char *id);
void http_api_why(struct http_exchange *x, const char *id);
void http_api_pools(struct http_exchange *x, const char *id);
void http_api_tasks(struct http_exchange *x, const char *id);
void http_api_status(struct http_exchange *x, const char *id);
void http_api_config(struct http_exchange *x, const char *id);
void http_api_kpi(struct http_exchange *x, const char *id);
void http_api_events(struct http_exchange *x, const char *id);
void http_api_healthz(struct http_exchange *x, const char *id);
void http_api_readyz(struct http_exchange *x, const char *id);
/* http_saves.c */
void http_api_saves(struct http_exchange *x, const char *id);
void http_api_export(struct http_exchange *x, const char *id);
void http_api_restore(struct http_exchange *x, const char *id);
void http_api_pin(struct http_exchange *x, const char *id);
void http_api_unpin(struct http_exchange *x, const char *id);
/* http_fleet.c */
void http_api_overview(struct http_exchange *x, const char *id);
void http_api_day(struct http_exchange *x, const char *id);
void http_api_whoami(struct http_exchange *x, const char *id);
void http_api_history(struct http_exchange *x, const char *id);
/* Its store may answer later; http_exchange_free does this. */
void http_history_cancel(struct http_exchange *x);
/* http_stream.c */
void http_stream_sse(struct http_exchange *x, const char *id);
void http_stream_ws(struct http_exchange *x, const char *id);
void http_streams_init(struct http_site *s);
void http_streams_wake(struct http_site *s);
/*
 * What the client is to be sent next: several events of a text/event-stream, or one message of a
 * WebSocket; nothing when there is nothing. < 0: end it.
 */
NODISCARD int http_stream_more(struct http_exchange *x, struct buf *out);
/* Forget it; http_exchange_free does this. */
void http_stream_end(struct http_exchange *x);
/* http_actions.c */
void http_action(struct http_exchange *x, const char *id);
/* http_page.c */
void http_page_index(struct http_exchange *x, const char *id);
void http_page_file(struct http_exchange *x, const char *name);
void http_page_openapi(struct http_exchange *x, const char *id);
/* http_gateway.c */
void http_gateway_resolve(struct http_exchange *x, const char *id);
void http_gateway_page(struct http_exchange *x, const char *id);
