/*
 * With http_lws_head.c the one that knows libwebsockets. It parses requests into exchanges, queues
 * them for the loop's next turn (clocks are fresh there, and what handlers post is committed at its
 * end), and sends the answers. libwebsockets hosts the loop: the loop's epoll descriptor is one raw
 * file.
 */
#include "in/http_exchange.h"

#include <errno.h>
#include <libwebsockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "in/http_lws.h"

#define CONNECTIONS_MAX 512
#define HEAD_MAX (20u * 1024)
#define READ_TIMEOUT_S 10
#define WRITE_TIMEOUT_S 30
#define KEEPALIVE_S 75 /* longer than the gateway keeps its side: it must be the one who closes */
#define SEND_MAX 16384
/* A WebSocket that is silent is asked, and ended when it does not answer. */
#define PING_S 20
#define PONG_S 40
/* Rounds of the library without a call of ours, after which a held connection is to blame, and how
 * long each further one waits for something to do. */
#define IDLE_ROUNDS_MAX 50
#define IDLE_PAUSE_MS 2
/* Of a body that is too large this much is read away, so that the answer arrives. */
#define DISCARD_MAX (1024u * 1024)

struct http {
        struct loop *loop;
        struct http_site *site;
        struct lws_context *lws;
        struct lws_vhost *vhost;
        int turn_result;
        unsigned connections, held, idle_rounds;
        int inbox_fd;
        struct loop_fd inbox_src;
        struct http_exchange *inbox, **inbox_end;
};

/* Per connection; zeroed by the library. */
struct session {
        struct http_exchange *x;
        struct http *http;
        struct lws *wsi;
        struct loop_fd gone; /* watches for the client's end while nothing is read of it */
        bool over;           /* the client has gone */
        bool held;           /* reading is held back: an answer is not there yet */
        size_t sent;
        bool head_sent;
        bool reading; /* the body */
        bool discard; /* and throw it away */
        bool queued;  /* in the inbox */
        bool counted;
};

static void inbox_put(struct http *h, struct session *s)
{
        uint64_t one = 1;

        s->queued = true;
        s->x->next_ = NULL;
        *h->inbox_end = s->x;
        h->inbox_end = &s->x->next_;
        if (write(h->inbox_fd, &one, sizeof(one)) < 0)
                log_warn("http inbox can not be signalled", LOG_ERR(errno));
}

/* Held back, the library would not write either. */
static void release_client(struct session *s)
{
        if (!s->gone.loop)
                return;
        loop_fd_del(&s->gone);
        if (!STEAL(s->held, false))
                return;
        s->http->held--;
        (void)lws_rx_flow_control(s->wsi, 1);
}

/*
 * The client closed its side while it was waiting. libwebsockets can not say so, because reading is
 * held back meanwhile: a request that came early would keep the socket readable.
 */
static void on_client_gone(void *ctx, uint32_t events)
{
        struct session *s = ctx;

        (void)events;
        release_client(s);
        s->over = true; /* a stream that is just being written to takes timeouts back */
        lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static bool watch_client(struct http *h, struct session *s)
{
        if (s->gone.loop)
                return false;
        if (loop_fd_add(h->loop, &s->gone, lws_get_socket_fd(s->wsi), EPOLLRDHUP, on_client_gone,
                        s) == 0)
                return true;
        log_warn("http client can not be watched", LOG_ERR(errno));
        return false;
}

static void hold_client(struct http *h, struct session *s)
{
        if (!watch_client(h, s))
                return;
        s->held = true;
        (void)lws_rx_flow_control(s->wsi, 0);
        h->held++;
}

static void inbox_remove(struct http *h, struct http_exchange *x)
{
        for (struct http_exchange **p = &h->inbox; *p; p = &(*p)->next_) {
                if (*p != x)
                        continue;
                *p = x->next_;
                if (h->inbox_end == &x->next_)
                        h->inbox_end = p;
                return;
        }
}

/* In a turn of the loop. */
static void on_inbox(void *ctx, uint32_t events)
{
        struct http *h = ctx;
        uint64_t n;

        (void)events;
        if (read(h->inbox_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
                log_warn("http inbox can not be read", LOG_ERR(errno));
        while (h->inbox) {
                struct http_exchange *x = h->inbox;
                struct session *s = x->owner;
                h->inbox = x->next_;
                if (!h->inbox)
                        h->inbox_end = &h->inbox;
                s->queued = false;
                http_site_take(h->site, x);
                /* Held from within the writable callback: a wish to write that came earlier would
                 * keep a held connection's descriptor busy. */
                if (!x->answered)
                        lws_callback_on_writable(s->wsi);
        }
}

static void on_answer(void *ctx, struct http_exchange *x)
{
        struct session *s = x->owner;

        (void)ctx;
        release_client(s);
        lws_callback_on_writable(s->wsi);
}

static void on_stream(void *ctx, struct http_exchange *x)
{
        struct session *s = x->owner;

        (void)ctx;
        lws_callback_on_writable(s->wsi);
}

static void session_end(struct http *h, struct session *s)
{
        if (STEAL(s->held, false))
                h->held--;
        loop_fd_del(&s->gone);
        if (s->queued)
                inbox_remove(h, s->x);
        s->queued = false;
        s->x = http_exchange_leave(s->x);
}

/* The request is complete. */
static void dispatch(struct http *h, struct session *s)
{
        s->reading = false;
        lws_set_timeout(s->wsi, NO_PENDING_TIMEOUT, 0);
        inbox_put(h, s);
}

/* The head is there. < 0 closes the connection. */
static int begin_request(struct http *h, struct lws *wsi, struct session *s)
{
        size_t length = 0, most;
        bool body_method;

        session_end(h, s);
        if (http_exchange_new(s, &s->x) < 0)
                return -1;
        s->x->began = loop_clock(h->loop);
        s->wsi = wsi;
        s->http = h;
        s->sent = 0;
        s->over = false;
        s->head_sent = s->reading = false;
        http_lws_head(wsi, s->x);
        body_method = s->x->req.method == HTTP_POST || s->x->req.method == HTTP_PUT ||
                      s->x->req.method == HTTP_PATCH;
        most = http_body_max(h->site, &s->x->req);
        if (http_wants_body(&s->x->req, DISCARD_MAX, &length) && (body_method || length <= most)) {
                s->discard = length > most;
                s->reading = true;
                lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, READ_TIMEOUT_S);
                return 0;
        }
        /*
         * Without Content-Length the library would wait for 100 MB, and of a refused body it has
         * read nothing: the connection can not be used again.
         */
        s->x->close = s->x->req.transfer ||
                      (s->x->req.has_length ? strcmp(s->x->req.length, "0") != 0 : body_method);
        dispatch(h, s);
        return 0;
}

static int take_body(struct session *s, const void *data, size_t len)
{
        if (!s->x || !s->reading || s->discard)
                return 0;
        return buf_append(&s->x->req.body, data, len) < 0 ? -1 : 0;
}

static int end_body(struct http *h, struct session *s)
{
        if (s->x && s->reading)
                dispatch(h, s);
        return 0;
}

struct head {
        struct lws *wsi;
        unsigned char *at, *end;
        bool failed;
};

static void put(struct head *o, const char *name, const char *value)
{
        if (!value || !value[0] || o->failed)
                return;
        o->failed = lws_add_http_header_by_name(o->wsi, (const unsigned char *)name,
                                                (const unsigned char *)value, (int)strlen(value),
                                                &o->at, o->end) != 0;
}

static void put_headers(struct head *o, const struct http_exchange *x)
{
        const struct http_response *res = &x->res;
        char number[24];

        put(o, "content-type:", res->content_type);
        put(o, "cache-control:", res->cache[0] ? res->cache : "no-store");
        put(o, "x-content-type-options:", "nosniff");
        /* With none at all a page's own form would say "Origin: null" (Fetch, "append a request
         * Origin header"), and nothing else tells where it is from by plain http. Never the
         * address: a link's ticket may stand in it. */
        put(o, "referrer-policy:",
            str_starts(x->req.path, "/internal/") ? "strict-origin" : "no-referrer");
        put(o, "content-security-policy:", res->csp);
        put(o, "x-request-id:", x->request_id);
        put(o, "idempotency-replayed:", x->replayed ? "true" : NULL);
        put(o, "allow:", res->allow);
        put(o, "etag:", res->etag);
        put(o, "location:", res->location);
        put(o, "set-cookie:", res->set_cookie);
        put(o, "x-upstream:", res->upstream);
        put(o, "x-workspace-key:", res->workspace_key);
        if (res->status == 401 && str_starts(x->req.path, "/v1/"))
                put(o, "www-authenticate:", "Bearer realm=\"workspaces\"");
        if (res->retry_after_s) {
                (void)snprintf(number, sizeof(number), "%u", res->retry_after_s);
                put(o, "retry-after:", number);
        }
        if (x->close)
                put(o, "connection:", "close");
}

static int send_head(struct lws *wsi, struct session *s)
{
        /* Location and a few fixed lines are the longest that can come. */
        unsigned char room[LWS_PRE + HTTP_URI_MAX + 2048];
        struct head o = {.wsi = wsi, .at = room + LWS_PRE, .end = room + sizeof(room)};
        const struct http_response *res = &s->x->res;
        bool bodyless = res->status == 204 || res->status == 304;

        if (lws_add_http_header_status(wsi, (unsigned)res->status, &o.at, o.end) != 0)
                return -1;
        put_headers(&o, s->x);
        bodyless = bodyless || s->x->stream != HTTP_STREAM_NONE;
        if (o.failed || (!bodyless &&
                         lws_add_http_header_content_length(wsi, res->body.len, &o.at, o.end) != 0))
                return -1;
        if (lws_finalize_write_http_header(wsi, room + LWS_PRE, &o.at, o.end) != 0)
                return -1;
        s->head_sent = true;
        return 0;
}

static int end_answer(struct http *h, struct lws *wsi, struct session *s)
{
        bool close = s->x->close;

        session_end(h, s);
        if (close)
                return -1;
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
        return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/*
 * A request behind a stream would never be answered, and the library goes round without rest over
 * what it does not read: such a client is ended.
 */
static bool has_more(struct lws *wsi)
{
        char one;

        return recv(lws_get_socket_fd(wsi), &one, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* What a stream has next. < 0 ends the connection. */
static int send_more(struct lws *wsi, struct session *s)
{
        AUTO_BUF out = BUF_INIT(LWS_PRE + 4u * SEND_MAX);
        bool is_ws = s->x->stream == HTTP_STREAM_WS;
        static const char room[LWS_PRE];

        if (buf_append(&out, room, LWS_PRE) < 0 || s->over || (!is_ws && has_more(wsi)))
                return -1;
        {
                AUTO_BUF more = BUF_INIT(4u * SEND_MAX);

                if (http_stream_more(s->x, &more) < 0 || buf_append(&out, more.data, more.len) < 0)
                        return -1;
        }
        if (out.len == LWS_PRE) {
                lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
                return 0;
        }
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, WRITE_TIMEOUT_S);
        if (lws_write(wsi, out.data + LWS_PRE, out.len - LWS_PRE,
                      is_ws ? LWS_WRITE_TEXT : LWS_WRITE_HTTP) < 0)
                return -1;
        /* Again when this is out: for more, or to forget the timeout. */
        lws_callback_on_writable(wsi);
        return 0;
}

static int send_some(struct http *h, struct lws *wsi, struct session *s)
{
        unsigned char room[LWS_PRE + SEND_MAX];
        struct buf *body;
        size_t n;
        bool last;

        if (s->x && !s->x->answered && !s->reading && !s->queued)
                hold_client(h, s);
        if (!s->x || !s->x->answered)
                return 0;
        if (s->head_sent && s->x->stream != HTTP_STREAM_NONE)
                return send_more(wsi, s);
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, WRITE_TIMEOUT_S);
        if (!s->head_sent) {
                if (send_head(wsi, s) < 0)
                        return -1;
                if (s->x->stream != HTTP_STREAM_NONE)
                        (void)watch_client(h, s);
                if (s->x->req.method == HTTP_HEAD ||
                    (s->x->res.body.len == 0 && s->x->stream == HTTP_STREAM_NONE))
                        return end_answer(h, wsi, s);
                lws_callback_on_writable(wsi);
                return 0;
        }
        body = &s->x->res.body;
        n = MIN(body->len - s->sent, SEND_MAX);
        last = s->sent + n == body->len;
        memcpy(room + LWS_PRE, body->data + s->sent, n);
        if (lws_write(wsi, room + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
                return -1;
        s->sent += n;
        if (last)
                return end_answer(h, wsi, s);
        lws_callback_on_writable(wsi);
        return 0;
}

/* ---- WebSocket ---- */

/* The refusal of an upgrade, at once and whole: it is short. > 0 as the library wants it. */
static int refuse_upgrade(struct lws *wsi, struct http_exchange *x)
{
        AUTO_BUF room = BUF_INIT(LWS_PRE + SEND_MAX);
        static const char pre[LWS_PRE];
        struct session once = {.x = x};
        const struct buf *body = &x->res.body;

        x->close = true;
        if (!x->answered || send_head(wsi, &once) < 0 || buf_append(&room, pre, LWS_PRE) < 0 ||
            buf_append(&room, body->data, body->len) < 0 ||
            lws_write(wsi, room.data + LWS_PRE, body->len, LWS_WRITE_HTTP_FINAL) < 0)
                return -1;
        return 1;
}

/*
 * A head that asks for a WebSocket. 0: it may. There is no session yet: the exchange waits at the
 * connection for its own.
 */
static int check_upgrade(struct http *h, struct lws *wsi)
{
        struct http_exchange *x;
        int r = -1;

        if (http_exchange_new(NULL, &x) < 0)
                return -1;
        x->began = loop_clock(h->loop);
        http_lws_head(wsi, x);
        x->upgrade = true;
        if (http_lws_protocols(wsi, &x->req)) {
                http_site_take(h->site, x);
                if (x->stream == HTTP_STREAM_WS) {
                        http_exchange_free(lws_get_opaque_user_data(wsi));
                        lws_set_opaque_user_data(wsi, x);
                        return 0;
                }
                r = refuse_upgrade(wsi, x);
        }
        http_exchange_free(x);
        return r;
}

static int begin_socket(struct http *h, struct lws *wsi, struct session *s)
{
        struct http_exchange *x = lws_get_opaque_user_data(wsi);

        if (!x)
                return -1;
        lws_set_opaque_user_data(wsi, NULL);
        *s = (struct session){
                .x = x, .http = h, .wsi = wsi, .head_sent = true, .counted = s->counted};
        x->owner = s;
        if (!s->counted)
                h->connections++;
        s->counted = true;
        lws_callback_on_writable(wsi);
        return 0;
}

static int on_socket(struct http *h, struct lws *wsi, struct session *s, int reason)
{
        if (reason == LWS_CALLBACK_ESTABLISHED)
                return begin_socket(h, wsi, s);
        if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
                return s->x ? send_more(wsi, s) : -1;
        if (reason == LWS_CALLBACK_CLOSED) {
                session_end(h, s);
                if (s->counted)
                        h->connections--;
                s->counted = false;
                return 0;
        }
        /* A message: there is nothing that a client could say here. */
        lws_close_reason(wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, NULL, 0);
        return -1;
}

static bool is_socket_reason(int r)
{
        return r == LWS_CALLBACK_ESTABLISHED || r == LWS_CALLBACK_SERVER_WRITEABLE ||
               r == LWS_CALLBACK_CLOSED || r == LWS_CALLBACK_RECEIVE;
}

static struct http *http_of(struct lws *wsi)
{
        return lws_context_user(lws_get_context(wsi));
}

/* The library's enumeration has some ninety values; only these are ours to answer. */
static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
        struct session *s = user;
        int r = (int)reason;

        http_of(wsi)->idle_rounds = 0;
        if (r == LWS_CALLBACK_FILTER_NETWORK_CONNECTION)
                return http_of(wsi)->connections >= CONNECTIONS_MAX;
        if (r == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE) /* no h2c */
                return in && strcmp(in, "websocket") == 0 ? check_upgrade(http_of(wsi), wsi) : -1;
        if (r == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION)
                return lws_get_opaque_user_data(wsi) ? 0 : -1;
        if (r == LWS_CALLBACK_WSI_DESTROY)
                lws_set_opaque_user_data(wsi, http_exchange_free(lws_get_opaque_user_data(wsi)));
        if (s && is_socket_reason(r))
                return on_socket(http_of(wsi), wsi, s, r);
        if (!s)
                return lws_callback_http_dummy(wsi, reason, user, in, len);
        if (r == LWS_CALLBACK_HTTP_BIND_PROTOCOL && !s->counted) {
                s->counted = true;
                http_of(wsi)->connections++;
                return 0;
        }
        if (r == LWS_CALLBACK_HTTP)
                return begin_request(http_of(wsi), wsi, s);
        if (r == LWS_CALLBACK_HTTP_BODY)
                return take_body(s, in, len);
        if (r == LWS_CALLBACK_HTTP_BODY_COMPLETION)
                return end_body(http_of(wsi), s);
        if (r == LWS_CALLBACK_HTTP_WRITEABLE)
                return send_some(http_of(wsi), wsi, s);
        if (r == LWS_CALLBACK_CLOSED_HTTP || r == LWS_CALLBACK_HTTP_DROP_PROTOCOL) {
                session_end(http_of(wsi), s);
                if (s->counted)
                        http_of(wsi)->connections--;
                s->counted = false;
                return 0;
        }
        return lws_callback_http_dummy(wsi, reason, user, in, len);
}

static int on_loop(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
        struct http *h;

        (void)user;
        (void)in;
        (void)len;
        if ((int)reason != LWS_CALLBACK_RAW_RX_FILE)
                return 0;
        h = http_of(wsi);
        if (h->turn_result == 0)
                h->turn_result = loop_turn(h->loop);
        h->idle_rounds = 0;
        return 0;
}

static const struct lws_protocols protocols[] = {
        {.name = "http", .callback = on_http, .per_session_data_size = sizeof(struct session)},
        {.name = "loop", .callback = on_loop},
        {.name = WS_PROTOCOL,
         .callback = on_http,
         .per_session_data_size = sizeof(struct session),
         .rx_buffer_size = 1024},
        {.name = NULL},
};

static void on_lws_log(int level, const char *line)
{
        char text[256];

        STR_CUT(text, line);
        text[strcspn(text, "\n")] = 0;
        if (level == LLL_ERR)
                log_error("libwebsockets", LOG_STR("text", text));
        else
                log_warn("libwebsockets", LOG_STR("text", text));
}

static const lws_retry_bo_t liveness = {.secs_since_valid_ping = PING_S,
                                        .secs_since_valid_hangup = PONG_S};

static int listen_on(struct http *h, const struct http_config *config)
{
        bool any = !config->address[0] || strcmp(config->address, "0.0.0.0") == 0;
        struct lws_context_creation_info info = {
                .port = config->port,
                .iface = any ? NULL : config->address,
                .protocols = protocols,
                .vhost_name = "controller",
                .server_string = "wscontroller",
                .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                           LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
                .gid = (gid_t)-1,
                .uid = (uid_t)-1,
                .max_http_header_data = HEAD_MAX,
                .max_http_header_pool = CONNECTIONS_MAX,
                .timeout_secs = READ_TIMEOUT_S,
                .keepalive_timeout = KEEPALIVE_S,
                .retry_and_idle_policy = &liveness,
                .user = h,
        };
        lws_sock_file_fd_type fd = {.filefd = loop_fileno(h->loop)};

        if (!strchr(config->address, ':'))
                info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
        h->lws = lws_create_context(&info);
        if (!h->lws)
                return -ENOMEM;
        errno = 0;
        h->vhost = lws_create_vhost(h->lws, &info);
        if (!h->vhost)
                return errno ? -errno : -EADDRINUSE;
        if (!lws_adopt_descriptor_vhost(h->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "loop", NULL))
                return -EIO;
        return 0;
}

int http_new(struct loop *l, struct shell *sh, const struct http_config *config,
             struct http **ret_http)
{
        struct http *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return -ENOMEM;
        h->loop = l;
        h->inbox_end = &h->inbox;
        h->inbox_src = LOOP_FD_NULL;
        lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
        h->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = h->inbox_fd < 0 ? -errno
                            : http_site_new(l, sh, config, on_answer, on_stream, h, &h->site);
        if (r == 0)
                r = loop_fd_add(l, &h->inbox_src, h->inbox_fd, EPOLLIN, on_inbox, h);
        if (r == 0)
                r = listen_on(h, config);
        if (r < 0) {
                log_error("http can not listen", LOG_STR("address", config->address),
                          LOG_INT("port", config->port), LOG_ERR(r));
                http_free(h);
                return r;
        }
        log_info("http listens", LOG_STR("address", config->address),
                 LOG_INT("port", http_port(h)));
        *ret_http = h;
        return 0;
}

/*
 * A request that came in one piece with one that waits makes the library go round without rest
 * (4.1.6: held back, it asks for a writable callback that it then does not give). The wait goes on,
 * and so do all others; only the rounds get a rest.
 */
static void rest_between_rounds(struct http *h)
{
        struct pollfd loop = {.fd = loop_fileno(h->loop), .events = POLLIN};

        if (h->held > 0 && ++h->idle_rounds > IDLE_ROUNDS_MAX)
                (void)poll(&loop, 1, IDLE_PAUSE_MS);
}

int http_run(struct http *h)
{
        /* Timers that were set before have to be armed by a first turn. */
        h->turn_result = loop_turn(h->loop);
        while (h->turn_result == 0) {
                if (lws_service(h->lws, 0) < 0)
                        return -EIO;
                rest_between_rounds(h);
        }
        return h->turn_result < 0 ? h->turn_result : loop_exit_code(h->loop);
}

struct http *http_free(struct http *h)
{
        if (!h)
                return NULL;
        if (h->lws)
                lws_context_destroy(h->lws);
        loop_fd_del(&h->inbox_src);
        h->inbox_fd = fd_close(h->inbox_fd);
        h->site = http_site_free(h->site);
        free(h);
        return NULL;
}

void http_rekey(struct http *h)
{
        http_site_rekey(h->site);
}

uint16_t http_port(const struct http *h)
{
        return (uint16_t)lws_get_vhost_listen_port(h->vhost);
}

const struct http_config *http_config_of(const struct http *h)
{
        return &h->site->config;
}
