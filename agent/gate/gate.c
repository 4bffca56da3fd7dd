/* The role's main: the listening socket, the channel to link, the records about traffic. */
#include "gate/gate.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/app.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "channel.h"
#include "gate/conn.h"
#include "gate/probe.h"
#include "roles.h"

#define ACCEPT_BATCH 16
#define ACCEPT_AGAIN_MS 100
#define TRAFFIC_MIN_MS 1000
#define TRAFFIC_MAX_MS 10000

struct page_state gate_page_state(struct gate *g)
{
        bool ready = g->rules.configured && g->rules.app_up && !g->rules.stopping;

        if (ready && g->app_silent) {
                AUTO_CLOSE fd = -1;

                ready = app_connect(g->app_socket, &fd) == 0;
                g->app_silent = !ready;
        }
        return (struct page_state){
                .phase = g->phase,
                .message = g->message,
                .generation = g->generation,
                .ready = ready,
        };
}

/* --- to link --- */

/* Link may be away; a record that finds no room is lost and comes again. */
static void tell_link(struct gate *g, const struct channel_msg *m)
{
        if (g->channel_fd >= 0)
                (void)send(g->channel_fd, m, sizeof(*m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_hello(struct gate *g)
{
        struct channel_msg m = {.type = CHANNEL_GATE_HELLO};
        struct sockaddr_storage at = {0};
        socklen_t len = sizeof(at);

        if (getsockname(g->listen_fd, (struct sockaddr *)&at, &len) == 0) {
                if (at.ss_family == AF_INET)
                        m.u.hello.port = ntohs(((struct sockaddr_in *)&at)->sin_port);
                else if (at.ss_family == AF_INET6)
                        m.u.hello.port = ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
        }
        tell_link(g, &m);
}

static void send_traffic(struct gate *g)
{
        mono_t now = loop_now(g->loop);
        int64_t age = !g->ever_open ? -1 : g->relays > 0 ? 0 : mono_diff_ms(g->last_open, now);
        struct channel_msg m = {
                .type = CHANNEL_GATE_TRAFFIC,
                .u.traffic = {.connections = g->relays,
                              .websockets = g->websockets,
                              .requests = g->requests,
                              .bytes_in = g->bytes_in,
                              .bytes_out = g->bytes_out,
                              .refused = g->refused,
                              .open_age_ms = age},
        };

        tell_link(g, &m);
        g->traffic_sent = now;
}

/* Looks once a second; sends when a count has changed, and every 10 s. */
static void on_traffic(void *ctx)
{
        struct gate *g = ctx;
        uint64_t sum = g->requests + g->bytes_in + g->bytes_out + g->refused;
        bool changed = sum != g->traffic_sum || g->relays != g->traffic_relays ||
                       g->websockets != g->traffic_websockets;

        if (changed || mono_diff_ms(g->traffic_sent, loop_now(g->loop)) >= TRAFFIC_MAX_MS)
                send_traffic(g);
        g->traffic_sum = sum;
        g->traffic_relays = g->relays;
        g->traffic_websockets = g->websockets;
        loop_timer_set_in(&g->traffic_timer, TRAFFIC_MIN_MS);
}

/* --- from link --- */

static void on_app_up(void *ctx, uint32_t id, uint32_t waited_ms, bool primed)
{
        struct gate *g = ctx;
        struct channel_msg m = {.type = CHANNEL_GATE_APP_UP,
                                .u.app_up = {.id = id, .waited_ms = waited_ms}};

        log_info("app answers", LOG_INT("waited_ms", waited_ms), LOG_INT("primed", primed));
        /* The priming run is nobody's workspace. */
        if (!primed) {
                g->rules.app_up = true;
                g->rules.stopping = false;
                g->app_silent = false;
        }
        tell_link(g, &m);
}

static void take_config(struct gate *g, struct channel_msg *m)
{
        /* Text of a broken peer is cut, not trusted. */
        m->u.config.key[sizeof(m->u.config.key) - 1] = 0;
        m->u.config.host[sizeof(m->u.config.host) - 1] = 0;
        m->u.config.phase[sizeof(m->u.config.phase) - 1] = 0;
        m->u.config.message[sizeof(m->u.config.message) - 1] = 0;
        if (!g->rules.configured || g->generation != m->u.config.generation) {
                g->rules.app_up = false;
                g->rules.stopping = false;
                log_info("serving", LOG_INT("generation", m->u.config.generation));
        }
        g->rules.configured = true;
        g->generation = m->u.config.generation;
        STR_CUT(g->rules.key, m->u.config.key);
        STR_CUT(g->rules.host, m->u.config.host);
        STR_CUT(g->phase, m->u.config.phase);
        STR_CUT(g->message, m->u.config.message);
        /* A gate that was started again learns from the phase that the app is up. */
        if (strcmp(g->phase, "ready") == 0 && !g->rules.stopping)
                g->rules.app_up = true;
}

static void take_probe(struct gate *g, struct channel_msg *m)
{
        m->u.probe.health_path[CHANNEL_PATH_MAX - 1] = 0;
        m->u.probe.prime_path[CHANNEL_PATH_MAX - 1] = 0;
        if (probe_start(g->probe, m->u.probe.id, m->u.probe.prime != 0, m->u.probe.health_path,
                        m->u.probe.prime_path) < 0)
                log_error("probe refused: not a path",
                          LOG_STR("health_path", m->u.probe.health_path));
}

static void take_message(struct gate *g, struct channel_msg *m)
{
        switch (m->type) {
        case CHANNEL_GATE_CONFIG:
                take_config(g, m);
                return;
        case CHANNEL_GATE_PROBE:
                take_probe(g, m);
                return;
        case CHANNEL_GATE_APP_DOWN:
                probe_cancel(g->probe);
                g->rules.app_up = false;
                g->rules.stopping = true;
                return;
        }
        log_warn("unknown message on the channel", LOG_INT("type", m->type));
}

static void on_channel(void *ctx, uint32_t events)
{
        struct gate *g = ctx;
        struct channel_msg m;
        ssize_t n;

        (void)events;
        for (int i = 0; i < ACCEPT_BATCH; i++) {
                n = recv(g->channel_fd, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n <= 0) {
                        /* Nobody holds the other end: what is open goes on without it. */
                        log_warn("channel closed");
                        loop_fd_del(&g->channel_src);
                        break;
                }
                if ((size_t)n == sizeof(m))
                        take_message(g, &m);
                else
                        log_warn("message of a wrong size on the channel", LOG_INT("bytes", n));
        }
        explicit_bzero(&m, sizeof(m));
}

/* --- clients --- */

/* The last resort: one line, unbuffered, and what was sent so far is read away once. */
static void turn_away(struct gate *g, int fd)
{
        static const struct page_form form = {0};
        AUTO_BUF b = BUF_INIT(4096);
        char sink[2048];

        g->refused++;
        if (page_write_refusal(&b, 503, "too many connections", form) == 0)
                (void)send(fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        (void)recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
        fd_close(fd);
}

static void on_listen(void *ctx, uint32_t events)
{
        struct gate *g = ctx;

        (void)events;
        for (int i = 0; i < ACCEPT_BATCH; i++) {
                int fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
                        continue;
                if (fd < 0 && errno == EAGAIN)
                        return;
                if (fd < 0) {
                        /* Out of descriptors or memory: waiting in the queue is better than
                         * spinning. */
                        if (!g->starving)
                                log_warn("accept paused", LOG_ERR(-errno));
                        g->starving = true;
                        loop_fd_del(&g->listen_src);
                        loop_timer_set_in(&g->accept_timer, ACCEPT_AGAIN_MS);
                        return;
                }
                g->starving = false;
                if (g->n_conns >= GATE_CONNS_MAX || conn_new(g, fd) < 0)
                        turn_away(g, fd);
        }
}

static void on_accept_again(void *ctx)
{
        struct gate *g = ctx;

        if (loop_fd_add(g->loop, &g->listen_src, g->listen_fd, EPOLLIN, on_listen, g) < 0)
                loop_timer_set_in(&g->accept_timer, ACCEPT_AGAIN_MS);
}

/* --- start and end --- */

static void on_signal(void *ctx, const struct signalfd_siginfo *info)
{
        struct gate *g = ctx;

        (void)info;
        loop_exit(g->loop, 0);
}

/* Two descriptors for each client and a few for the gate itself. */
static void raise_descriptor_limit(void)
{
        struct rlimit lim;

        if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= lim.rlim_max)
                return;
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim);
}

/* The gate holds the workspace's key: no other process of its user may look into it. */
static void hide_memory(void)
{
#ifndef __SANITIZE_ADDRESS__ /* its leak check looks into the process itself */
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static const char *app_socket_path(void)
{
        static char path[108];
        const char *s = role_env("WS_APP_SOCKET", "");
        int n;

        if (*s)
                return s;
        n = snprintf(path, sizeof(path), "%s/app/app.sock", role_env("WS_RUN_DIR", ROLE_RUN_DIR));
        return n > 0 && (size_t)n < sizeof(path) ? path : "";
}

static int set_up(struct gate *g)
{
        static const struct sigaction ignore = {.sa_handler = SIG_IGN};
        sigset_t signals;
        int r;

        (void)sigaction(SIGPIPE, &ignore, NULL);
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        r = loop_new(&g->loop);
        if (r == 0)
                r = loop_signals(g->loop, &signals, on_signal, g);
        if (r == 0)
                r = probe_new(g->loop, g->app_socket, on_app_up, g, &g->probe);
        if (r == 0)
                r = fd_nonblock(g->listen_fd);
        if (r < 0)
                return r;
        loop_timer_init(g->loop, &g->accept_timer, on_accept_again, g);
        loop_timer_init(g->loop, &g->traffic_timer, on_traffic, g);
        r = loop_fd_add(g->loop, &g->listen_src, g->listen_fd, EPOLLIN, on_listen, g);
        if (r < 0)
                return r;
        /* Without a channel the gate still answers health and the status page. */
        r = loop_fd_add(g->loop, &g->channel_src, g->channel_fd, EPOLLIN, on_channel, g);
        if (r < 0) {
                log_warn("no channel to link", LOG_ERR(r));
                g->channel_fd = -1;
        }
        send_hello(g);
        loop_timer_set_in(&g->traffic_timer, TRAFFIC_MIN_MS);
        return 0;
}

static void tear_down(struct gate *g)
{
        while (g->conns)
                conn_free(g->conns);
        g->probe = probe_free(g->probe);
        loop_fd_del(&g->listen_src);
        loop_fd_del(&g->channel_src);
        g->loop = loop_free(g->loop);
        explicit_bzero(&g->rules, sizeof(g->rules));
}

int role_gate_main(int argc, char **argv)
{
        struct gate g = {
                .app_socket = app_socket_path(),
                .phase = "starting",
                .channel_fd = ROLE_FD_GATE,
                .listen_fd = ROLE_FD_LISTEN,
                .channel_src = LOOP_FD_NULL,
                .listen_src = LOOP_FD_NULL,
        };
        int r;

        (void)argc;
        (void)argv;
        hide_memory();
        raise_descriptor_limit();
        r = set_up(&g);
        if (r < 0)
                log_error("gate cannot start", LOG_ERR(r));
        else
                r = loop_run(g.loop);
        tear_down(&g);
        return r < 0 ? 1 : r;
}
