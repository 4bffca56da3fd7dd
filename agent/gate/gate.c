/* The role's main: the listening socket, the channel to link, the profile's presence rules. */
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
#include "profile/profile.h"
#include "profile/rules_parse.h"
#include "roles.h"

#define ACCEPT_BATCH 16
#define ACCEPT_AGAIN_MS 100

struct page_state gate_page_state(struct gate *g)
{
        struct page_state s;
        bool ready = g->rules.configured && g->rules.app_up && !g->rules.stopping;

        if (ready && g->app_silent) {
                AUTO_CLOSE fd = -1;

                ready = app_connect(g->app_socket, &fd) == 0;
                g->app_silent = !ready;
        }
        s = (struct page_state){
                .phase = g->phase,
                .message = g->message,
                .notices = {g->notices[0], g->notices[1]},
                .generation = g->generation,
                .ready = ready,
        };
        notice_show(g, &s);
        return s;
}

/* --- to link --- */

void gate_tell_link(struct gate *g, const struct channel_msg *m)
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
        gate_tell_link(g, &m);
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
        gate_tell_link(g, &m);
}

/* The controller's words for Set-Cookie end up in a head: nothing that could end a line. */
static bool cookie_words_valid(const char *text)
{
        for (; *text; text++) {
                if (*text < ' ' || *text > '~')
                        return false;
        }
        return true;
}

static void take_access(struct gate *g, struct channel_msg *m)
{
        struct admit_rules *a = &g->rules.admit;

        m->u.config.key_old[sizeof(m->u.config.key_old) - 1] = 0;
        m->u.config.access[sizeof(m->u.config.access) - 1] = 0;
        m->u.config.access_old[sizeof(m->u.config.access_old) - 1] = 0;
        m->u.config.cookie[sizeof(m->u.config.cookie) - 1] = 0;
        m->u.config.platform[sizeof(m->u.config.platform) - 1] = 0;
        STR_CUT(g->rules.key_old, m->u.config.key_old);
        STR_CUT(a->key[0], m->u.config.access);
        STR_CUT(a->key[1], m->u.config.access_old);
        STR_CUT(a->cookie, cookie_words_valid(m->u.config.cookie) ? m->u.config.cookie : "");
        STR_CUT(g->platform, m->u.config.platform);
        a->generation = m->u.config.generation;
        a->cookie_s = m->u.config.cookie_s;
        g->clock_off_s = m->u.config.clock_off_s;
        a->used = g->used;
}

static void take_config(struct gate *g, struct channel_msg *m)
{
        /* Text of a broken peer is cut, not trusted. */
        m->u.config.key[sizeof(m->u.config.key) - 1] = 0;
        m->u.config.host[sizeof(m->u.config.host) - 1] = 0;
        m->u.config.phase[sizeof(m->u.config.phase) - 1] = 0;
        m->u.config.message[sizeof(m->u.config.message) - 1] = 0;
        take_access(g, m);
        if (!g->rules.configured || g->generation != m->u.config.generation) {
                g->rules.app_up = false;
                g->rules.stopping = false;
                notice_forget(g);
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

static void take_tell(struct gate *g, struct channel_msg *m)
{
        for (int i = 0; i < CHANNEL_NOTICES_MAX; i++) {
                m->u.tell.text[i][sizeof(m->u.tell.text[i]) - 1] = 0;
                STR_CUT(g->notices[i], m->u.tell.text[i]);
        }
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
        case CHANNEL_GATE_NOTICE:
                m->u.notice.rule[sizeof(m->u.notice.rule) - 1] = 0;
                notice_set(g, m->u.notice.stop_in_ms, m->u.notice.rule);
                return;
        case CHANNEL_GATE_TELL:
                take_tell(g, m);
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
                if (g->n_conns >= GATE_CONNS_MAX || conn_new(g, fd, false) < 0)
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

/* The variable, else `file` in the task's folder; "" when that is too long for a socket. */
static const char *socket_path(char path[static 108], const char *variable, const char *file)
{
        const char *s = role_env(variable, "");
        int n;

        if (*s)
                return s;
        n = snprintf(path, 108, "%s/%s", role_env("WS_RUN_DIR", ROLE_RUN_DIR), file);
        return n > 0 && n < 108 ? path : "";
}

/* Without rules every WebSocket is one that cannot be read: cautious, and said. */
static int set_up_observer(struct gate *g)
{
        const char *path = role_env("WS_PROFILE", "");
        int r;

        if (*path) {
                r = profile_load(path, &g->profile);
                if (r < 0)
                        log_error("no presence rules: every page counts as one that cannot be read",
                                  LOG_STR("profile", path), LOG_ERR(r));
        }
        return observer_new(g->profile ? g->profile->presence : &rules_empty, &g->observer);
}

/* The editor can do without; nobody else uses it. */
static void set_up_notice(struct gate *g)
{
        char buffer[108];
        const char *path = socket_path(buffer, "WS_NOTICE_SOCKET", "notice/notice.sock");
        int r = notice_open(g, path);

        if (r < 0)
                log_warn("no notice socket: the editor cannot warn of a stop",
                         LOG_STR("path", path), LOG_ERR(r));
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
                r = set_up_observer(g);
        if (r == 0)
                r = fd_nonblock(g->listen_fd);
        if (r < 0)
                return r;
        loop_timer_init(g->loop, &g->accept_timer, on_accept_again, g);
        r = loop_fd_add(g->loop, &g->listen_src, g->listen_fd, EPOLLIN, on_listen, g);
        if (r < 0)
                return r;
        /* Without a channel the gate still answers health and the status page. */
        r = loop_fd_add(g->loop, &g->channel_src, g->channel_fd, EPOLLIN, on_channel, g);
        if (r < 0) {
                log_warn("no channel to link", LOG_ERR(r));
                g->channel_fd = -1;
        }
        set_up_notice(g);
        r = used_open(ROLE_FD_USED, &g->used);
        if (r < 0)
                return r;
        if (r > 0)
                log_warn("no memory from init for used links: a restart of the gate forgets them");
        send_hello(g);
        report_init(g);
        loop_after(g->loop, report_look, g);
        return 0;
}

static void tear_down(struct gate *g)
{
        notice_close(g);
        while (g->conns)
                conn_free(g->conns);
        g->observer = observer_free(g->observer);
        g->profile = profile_free(g->profile);
        g->probe = probe_free(g->probe);
        g->used = used_close(g->used);
        loop_fd_del(&g->listen_src);
        loop_fd_del(&g->channel_src);
        g->loop = loop_free(g->loop);
        explicit_bzero(&g->rules, sizeof(g->rules));
}

int role_gate_main(int argc, char **argv)
{
        char app_socket[108];
        struct gate g = {
                .app_socket = socket_path(app_socket, "WS_APP_SOCKET", "app/app.sock"),
                .phase = "starting",
                .channel_fd = ROLE_FD_GATE,
                .listen_fd = ROLE_FD_LISTEN,
                .channel_src = LOOP_FD_NULL,
                .listen_src = LOOP_FD_NULL,
        };
        int r;

        (void)argc;
        (void)argv;
        notice_init(&g.notice);
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
