#include "metrics/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "http/head.h"
#include "http/write.h"

#define TOKEN_MAX 512

struct peer {
        struct metrics_serve *serve;
        int fd; /* -1: free */
        bool local;
        struct loop_fd src;
        struct loop_timer timeout;
        struct http_head head;
        struct buf in, out;
        bool answering;
};

struct metrics_serve {
        struct loop *loop;
        struct metrics_watch *watch;
        struct metrics_serve_config config;
        int fd;
        struct loop_fd src;
        struct peer peers[SERVE_CONNECTIONS_MAX];
};

static void peer_close(struct peer *p)
{
        loop_fd_del(&p->src);
        loop_timer_cancel(&p->timeout);
        p->fd = fd_close(p->fd);
        buf_deinit(&p->in);
        buf_deinit(&p->out);
}

static void on_timeout(void *ctx)
{
        peer_close(ctx);
}

/* ---- who may ask ---- */

static bool host_is_plain(struct http_span host)
{
        char name[64];
        struct in6_addr a6;
        struct in_addr a4;
        size_t n = host.len;

        if (n >= sizeof(name))
                return false;
        memcpy(name, host.at, n);
        name[n] = 0;
        if (name[0] == '[') {
                name[strcspn(name, "]")] = 0;
                return inet_pton(AF_INET6, name + 1, &a6) == 1;
        }
        name[strcspn(name, ":")] = 0;
        return strcmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &a4) == 1;
}

static bool token_right(const struct metrics_serve *s, struct http_span given)
{
        AUTO_BUF file = BUF_INIT(TOKEN_MAX);
        uint8_t a[SHA256_LEN], b[SHA256_LEN];
        size_t n;

        if (!http_span_starts(given, "Bearer ") || file_read(s->config.token_file, &file) < 0)
                return false;
        n = file.len;
        while (n > 0 && (file.data[n - 1] == '\n' || file.data[n - 1] == ' '))
                n--;
        sha256_of(file.data, n, a);
        sha256_of(given.at + 7, given.len - 7, b);
        explicit_bzero(file.data, file.len);
        return n >= 16 && secret_equal(a, b, sizeof(a));
}

/* NULL: yes. */
static const char *refusal(const struct peer *p)
{
        const struct metrics_serve *s = p->serve;
        struct http_span given = {.at = ""};

        if (!s->config.token_file[0]) {
                if (!p->local)
                        return "only this machine may ask; set metrics_token_file for others\n";
                return host_is_plain(p->head.host) ? NULL
                                                   : "the Host is no address of this machine\n";
        }
        (void)http_head_find(&p->head, "authorization", &given);
        return token_right(s, given) ? NULL
                                     : "send the token of metrics_token_file as Bearer; it has at "
                                       "least 16 characters\n";
}

/* ---- answers ---- */

static int put_answer(struct peer *p, int status, const char *type, const void *body, size_t len)
{
        int r = buf_printf(&p->out,
                           "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                           "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                           "Connection: close\r\n\r\n",
                           status, http_reason((uint16_t)status), type, len);

        return r == 0 && !http_span_is(p->head.method, "HEAD") ? buf_append(&p->out, body, len) : r;
}

static int put_refusal(struct peer *p, int status, const char *why)
{
        metrics_add(metrics_watch_metrics(p->serve->watch), METRIC_SCRAPES_REFUSED, 0, 0, 1);
        return put_answer(p, status, "text/plain; charset=utf-8", why, strlen(why));
}

static int put_metrics(struct peer *p)
{
        AUTO_BUF text = BUF_INIT(METRICS_TEXT_MAX);
        int r;

        metrics_watch_refresh(p->serve->watch);
        r = metrics_write(metrics_watch_metrics(p->serve->watch), &text);
        if (r < 0)
                return put_refusal(p, 500, "the metrics do not fit\n");
        return put_answer(p, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
}

static int answer(struct peer *p)
{
        const char *why;

        if (p->head.body != HTTP_BODY_NONE)
                return put_refusal(p, 400, "no body is taken\n");
        why = refusal(p);
        if (why)
                return put_refusal(p, p->serve->config.token_file[0] ? 401 : 403, why);
        if (!http_span_is(p->head.target, "/metrics") &&
            !http_span_starts(p->head.target, "/metrics?"))
                return put_refusal(p, 404, "there is /metrics\n");
        if (!http_span_is(p->head.method, "GET") && !http_span_is(p->head.method, "HEAD"))
                return put_refusal(p, 405, "GET or HEAD\n");
        return put_metrics(p);
}

/* ---- the connection ---- */

/* False: it is over. */
static bool peer_send(struct peer *p)
{
        while (p->out.len > 0) {
                ssize_t n = send(p->fd, p->out.data, p->out.len, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return loop_fd_events(&p->src, EPOLLOUT) == 0;
                if (n <= 0)
                        return false;
                buf_consume(&p->out, (size_t)n);
        }
        /* The client closes, so that the answer is not lost to a reset (RFC 9112, 9.6). */
        (void)shutdown(p->fd, SHUT_WR);
        return loop_fd_events(&p->src, EPOLLIN) == 0;
}

/* What comes behind the request is not looked at. False: the client has closed. */
static bool peer_drain(struct peer *p)
{
        char bytes[1024];
        ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);

        return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool peer_read(struct peer *p)
{
        char bytes[4096];
        ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);
        int r;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return true;
        if (n <= 0 || buf_append(&p->in, bytes, (size_t)n) < 0)
                return false;
        r = http_head_parse(&p->head, p->in.data, p->in.len);
        if (r == HTTP_MORE)
                return true;
        p->answering = true;
        r = r == 0 ? answer(p) : put_refusal(p, p->head.refuse_status, p->head.refuse_reason);
        return r == 0 && peer_send(p);
}

static void on_peer(void *ctx, uint32_t events)
{
        struct peer *p = ctx;
        bool go_on;

        if (events & EPOLLERR)
                go_on = false;
        else if (p->out.len > 0)
                go_on = peer_send(p);
        else if (p->answering)
                go_on = peer_drain(p);
        else
                go_on = peer_read(p);
        if (!go_on)
                peer_close(p);
}

static bool is_local(const struct sockaddr_storage *a)
{
        const struct sockaddr_in6 *v6 = (const void *)a;
        const struct sockaddr_in *v4 = (const void *)a;

        if (a->ss_family == AF_INET)
                return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static void on_accept(void *ctx, uint32_t events)
{
        struct metrics_serve *s = ctx;
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof(from);
        int fd = accept4(s->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct peer *p = NULL;

        (void)events;
        if (fd < 0)
                return;
        for (size_t i = 0; i < ARRAY_LEN(s->peers) && !p; i++)
                p = s->peers[i].fd < 0 ? &s->peers[i] : NULL;
        if (!p) {
                metrics_add(metrics_watch_metrics(s->watch), METRIC_SCRAPES_REFUSED, 0, 0, 1);
                (void)close(fd);
                return;
        }
        p->fd = fd;
        p->local = is_local(&from);
        p->answering = false;
        p->in = BUF_INIT(HTTP_HEAD_MAX + 4096);
        p->out = BUF_INIT(METRICS_TEXT_MAX + 4096);
        http_head_init(&p->head, HTTP_REQUEST);
        loop_timer_set_in(&p->timeout, SERVE_TIMEOUT_MS);
        if (loop_fd_add(s->loop, &p->src, fd, EPOLLIN, on_peer, p) < 0)
                peer_close(p);
}

/* ---- life ---- */

static int listen_on(struct metrics_serve *s)
{
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(s->config.port)};
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(s->config.port)};
        const struct sockaddr *a = (const void *)&v4;
        socklen_t len = sizeof(v4);
        int one = 1;

        if (inet_pton(AF_INET, s->config.address, &v4.sin_addr) != 1) {
                if (inet_pton(AF_INET6, s->config.address, &v6.sin6_addr) != 1)
                        return -EINVAL;
                a = (const void *)&v6;
                len = sizeof(v6);
        }
        s->fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->fd < 0)
                return -errno;
        (void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(s->fd, a, len) < 0 || listen(s->fd, SERVE_CONNECTIONS_MAX) < 0)
                return -errno;
        return loop_fd_add(s->loop, &s->src, s->fd, EPOLLIN, on_accept, s);
}

int metrics_serve_new(struct loop *l, struct metrics_watch *w,
                      const struct metrics_serve_config *config, struct metrics_serve **ret_serve)
{
        struct metrics_serve *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->watch = w;
        s->config = *config;
        s->fd = -1;
        s->src = LOOP_FD_NULL;
        for (size_t i = 0; i < ARRAY_LEN(s->peers); i++) {
                s->peers[i] = (struct peer){.serve = s, .fd = -1, .src = LOOP_FD_NULL};
                loop_timer_init(l, &s->peers[i].timeout, on_timeout, &s->peers[i]);
        }
        r = listen_on(s);
        if (r < 0) {
                log_error("metrics can not be served; is the port of listen_metrics taken, is its "
                          "address one of this machine?",
                          LOG_STR("address", config->address), LOG_INT("port", config->port),
                          LOG_ERR(r));
                metrics_serve_free(s);
                return r;
        }
        log_info("metrics are served", LOG_STR("address", config->address),
                 LOG_INT("port", metrics_serve_port(s)));
        *ret_serve = s;
        return 0;
}

struct metrics_serve *metrics_serve_free(struct metrics_serve *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < ARRAY_LEN(s->peers); i++)
                peer_close(&s->peers[i]);
        loop_fd_del(&s->src);
        fd_close(s->fd);
        free(s);
        return NULL;
}

uint16_t metrics_serve_port(const struct metrics_serve *s)
{
        struct sockaddr_storage a = {0};
        socklen_t len = sizeof(a);

        if (getsockname(s->fd, (struct sockaddr *)&a, &len) < 0)
                return 0;
        return ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&a)->sin_port
                                            : ((struct sockaddr_in6 *)(void *)&a)->sin6_port);
}
