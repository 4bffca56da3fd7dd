/*
 * How agents come back when their controller is killed and started again: N played agents in one
 * process, each with the product's own choice of when to dial (agent/link/route.c), against the
 * real agents' edge, shell, core and SQLite store in another. See tests/bench/reconnect.
 *
 *   reconnect_load AGENTS FOLDER
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "in/agents.h"
#include "lead/leader.h"
#include "link/route.h"
#include "wire/wire.h"

#define AGENTS_MAX 4000
#define DOWN_MS 1000 /* between the kill and the next start */
#define SLOTS 400    /* of 100 ms */

static const struct keys keys; /* all zero: nobody else is here */
static int n_agents;

_Noreturn static void die(const char *what)
{
        fprintf(stderr, "reconnect_load: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* ---- the controller ---- */

static struct {
        struct loop *loop;
        struct leader *leader;
        struct agents *agents;
        struct core_config core;
        int ready_fd;
} ctl;

static void name_task(int i, char dst[static CORE_ID_SIZE])
{
        (void)snprintf(dst, CORE_ID_SIZE, "t-%010d", i + 1);
}

static void on_lead(void *ctx, uint64_t epoch)
{
        struct shell *shell = leader_shell(ctl.leader);
        struct core_event done = {.type = EV_INVENTORY_DONE, .inventory = {.certain = true}};

        (void)ctx;
        agents_lead(ctl.agents, epoch);
        for (int i = 0; i < n_agents; i++) {
                struct core_event ev = {.type = EV_TASK_SEEN};

                name_task(i, ev.task_seen.task);
                shell_post(shell, &ev);
        }
        shell_post(shell, &done);
        if (write(ctl.ready_fd, "1", 1) != 1)
                die("telling that it is up");
}

static void on_follow(void *ctx)
{
        (void)ctx;
}

static void on_pause(void *ctx, bool paused)
{
        (void)ctx, (void)paused;
}

static void on_end(void *ctx, bool lost)
{
        (void)ctx, (void)lost;
        exit(3);
}

static int no_grant(void *ctx, const char *workspace, uint64_t generation, uint64_t seq,
                    const struct save_ref *parent, struct buf *ret_json)
{
        (void)ctx, (void)parent, (void)workspace, (void)generation, (void)seq, (void)ret_json;
        return -EIO;
}

static int no_restore(void *ctx, const char *workspace, uint64_t generation,
                      const struct save_ref *head, const struct save_ref *previous,
                      struct buf *ret_json)
{
        (void)ctx, (void)workspace, (void)generation, (void)head, (void)previous, (void)ret_json;
        return -EIO;
}

static void configure_core(void)
{
        ctl.core = (struct core_config){.workspaces_max = 100,
                                        .tasks_max = AGENTS_MAX + 96,
                                        .heartbeat_ms = 5000,
                                        .quiet_ms = 60000,
                                        .agent_lost_ms = 60000,
                                        .retry_save_ms = 60000,
                                        .erase_delay_ms = 60000,
                                        .stops_per_min = 30,
                                        .n_types = 1};
        STR_CUT(ctl.core.types[0].name, "light");
        ctl.core.types[0].pool_size = (uint32_t)n_agents;
        ctl.core.types[0].launch_timeout_ms = 600000;
        ctl.core.types[0].claim_timeout_ms = 120000;
        ctl.core.types[0].stop_timeout_ms = 120000;
}

_Noreturn static void control(const char *url, const char *db, int ready_fd)
{
        struct agents_config config = {.url = url,
                                       .host_suffix = "localhost:8080",
                                       .keys = &keys,
                                       .heartbeat_ms = 5000,
                                       .restore_request = no_restore,
                                       .save_request = no_grant,
                                       .core = &ctl.core};
        struct leader_config leader = {.url = db,
                                       .password_file = "",
                                       .lease_ms = 5000,
                                       .http = "",
                                       .agents = url,
                                       .core = &ctl.core};
        struct leader_hooks hooks = {
                .lead = on_lead, .follow = on_follow, .pause = on_pause, .end = on_end};

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* The agents' sockets would live on here. */
        if (dup2(ready_fd, 3) < 0 || close_range(4, ~0U, 0) < 0)
                die("descriptors");
        ready_fd = 3;
        log_init("controller", LOG_ERROR_LEVEL);
        ctl.ready_fd = ready_fd;
        configure_core();
        if (loop_new(&ctl.loop) < 0 || leader_new(ctl.loop, &leader, &hooks, &ctl.leader) < 0 ||
            agents_new(ctl.loop, leader_shell(ctl.leader), &config, &ctl.agents) < 0)
                die("the controller cannot start");
        leader_start(ctl.leader);
        exit(loop_run(ctl.loop));
}

static pid_t controller_start(const char *url, const char *db)
{
        int fds[2];
        char c;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                die("pipe");
        pid = fork();
        if (pid < 0)
                die("fork");
        if (pid == 0)
                control(url, db, fds[1]);
        close(fds[1]);
        if (read(fds[0], &c, 1) != 1)
                die("the controller did not come up");
        close(fds[0]);
        return pid;
}

/* ---- rows of tasks that are warm ---- */

static void on_lease(void *ctx, const struct store_lease *lease)
{
        (void)ctx, (void)lease;
}

static void fill_store(const char *db)
{
        struct store_config config = {.url = db,
                                      .password_file = "",
                                      .holder = "fill",
                                      .addresses = "",
                                      .lease_ms = 5000};
        struct store_hooks hooks = {.lease = on_lease};
        char error[STORE_ERROR_SIZE] = "";
        struct loop *loop;
        struct store *store;
        int r = loop_new(&loop);

        if (r < 0 || store_open(loop, &config, &hooks, error, &store) < 0) {
                fprintf(stderr, "%s\n", error);
                die("the store");
        }
        r = store_lease_take(store);
        if (r == 0)
                r = store_begin(store);
        for (int i = 0; r == 0 && i < n_agents; i++) {
                struct task_row row = {.state = TASK_WARM, .launched_at = loop_utc(loop)};

                name_task(i, row.id);
                STR_CUT(row.type, "light");
                (void)snprintf(row.nonce, sizeof(row.nonce), "%032x", i + 1);
                STR_CUT(row.addr, "127.0.0.1:4444");
                r = store_put_task(store, &row);
        }
        if (r == 0)
                r = store_raise_counter(store, STORE_TASK_NUMBER, (uint64_t)n_agents);
        if (r == 0)
                r = store_commit(store, NULL, NULL);
        if (r != 0)
                die("filling the store");
        store_free(store);
        loop_free(loop);
}

/* ---- the agents ---- */

enum phase { WAITING, CONNECTING, GREETING, ASKING, ENROLLED };

struct agent {
        enum phase phase;
        int fd;
        struct route route;
        mono_t at; /* dial then, or give up then */
        mono_t asked;
        size_t n;
        uint8_t in[4096];
        int64_t lost_to_dial, lost_to_welcome, hello_took;
};

static struct agent *agents;
static int epoll_fd, enrolled;
static mono_t lost_at;
static struct sockaddr_in address;
static bool use_window;
static unsigned dials, refused;

static void hang_up(struct agent *a)
{
        if (a->phase == ENROLLED)
                enrolled--;
        a->fd = fd_close(a->fd);
        a->phase = WAITING;
        a->n = 0;
}

static void lost(struct agent *a, mono_t now)
{
        hang_up(a);
        if (!use_window)
                a->route.window_ms = 0;
        a->at = mono_add_ms(now, route_lost(&a->route, now));
}

static void failed(struct agent *a, mono_t now)
{
        refused++;
        hang_up(a);
        a->at = mono_add_ms(now, route_failed(&a->route, now));
}

static void dial(struct agent *a, mono_t now)
{
        struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = a};

        dials++;
        a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (a->fd < 0)
                die("a socket");
        if (a->lost_to_dial < 0)
                a->lost_to_dial = mono_diff_ms(lost_at, now);
        a->phase = CONNECTING;
        a->at = mono_add_ms(now, 10000);
        if (connect(a->fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
            errno != EINPROGRESS)
                failed(a, now);
        /* Not before: a socket that was never connected counts as hung up. */
        else if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, a->fd, &ev) < 0)
                die("epoll");
}

static void put(struct agent *a, const void *data, size_t len, mono_t now)
{
        if (a->fd >= 0 && send(a->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
                failed(a, now);
}

/* SP: a greeting of 8 bytes (REQ is 0x30), then messages behind their length. */
static void greet(struct agent *a, mono_t now)
{
        static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = a};

        (void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, a->fd, &ev);
        a->phase = GREETING;
        put(a, hello, sizeof(hello), now);
}

static void say_hello(struct agent *a, mono_t now)
{
        static struct wire_hello m;
        AUTO_BUF body = BUF_INIT(WIRE_MESSAGE_MAX);
        uint8_t frame[2048];
        uint64_t length;
        uint32_t id = htobe32(0x80000001U);

        m = (struct wire_hello){.v_min = 1, .v_max = 1, .seq = (uint64_t)now.us};
        name_task((int)(a - agents), m.task);
        (void)snprintf(m.nonce, sizeof(m.nonce), "%032x", (int)(a - agents) + 1);
        keys_task_secret(&keys, m.task, m.secret);
        STR_CUT(m.addr, "127.0.0.1:4444");
        m.phase = WIRE_PHASE_WARM;
        if (wire_encode_hello(&m, &body) < 0 || body.len + 12 > sizeof(frame))
                die("a hello");
        length = htobe64(body.len + 4);
        memcpy(frame, &length, 8);
        memcpy(frame + 8, &id, 4);
        memcpy(frame + 12, body.data, body.len);
        a->phase = ASKING;
        a->asked = now;
        put(a, frame, body.len + 12, now);
}

static void on_answer(struct agent *a, const void *data, size_t len, mono_t now)
{
        static struct wire_msg m;
        char reason[WIRE_REASON_SIZE];

        if (wire_decode(data, len, &m, reason) != 0)
                die("an answer");
        if (m.type != WIRE_WELCOME) {
                if (strcmp(m.refused.code, "busy") != 0) {
                        fprintf(stderr, "%s: %s %s\n", wire_type_name(m.type), m.refused.code,
                                m.refused.reason);
                        exit(1);
                }
                failed(a, now);
                return;
        }
        route_welcomed(&a->route);
        a->route.window_ms = m.welcome.reconnect_ms;
        a->phase = ENROLLED;
        a->hello_took = mono_diff_ms(a->asked, now);
        a->lost_to_welcome = mono_diff_ms(lost_at, now);
        enrolled++;
}

static void take_input(struct agent *a, mono_t now)
{
        uint64_t length;

        if (a->phase == GREETING && a->n >= 8) {
                memmove(a->in, a->in + 8, a->n -= 8);
                say_hello(a, now);
        }
        if (a->phase != ASKING || a->n < 12)
                return;
        memcpy(&length, a->in, 8);
        length = be64toh(length);
        if (a->n < 8 + length)
                return;
        a->n = 0;
        on_answer(a, a->in + 12, length - 4, now);
}

static void on_ready(struct agent *a, uint32_t events, mono_t now)
{
        ssize_t n;

        if (a->fd < 0)
                return;
        if (a->phase == CONNECTING && events & (EPOLLERR | EPOLLHUP)) {
                failed(a, now);
                return;
        }
        if (a->phase == CONNECTING && events & EPOLLOUT)
                greet(a, now);
        if (a->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return;
        n = recv(a->fd, a->in + a->n, sizeof(a->in) - a->n, 0);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                if (a->phase == ENROLLED)
                        lost(a, now);
                else
                        failed(a, now);
                return;
        }
        a->n += (size_t)n;
        take_input(a, now);
}

static void turn(void)
{
        struct epoll_event ev[256];
        int n = epoll_wait(epoll_fd, ev, ARRAY_LEN(ev), 2);
        mono_t now = mono_read();

        for (int i = 0; i < n; i++)
                on_ready(ev[i].data.ptr, ev[i].events, now);
        for (int i = 0; i < n_agents; i++) {
                struct agent *a = &agents[i];

                if (a->phase == ENROLLED || !mono_due(a->at, now))
                        continue;
                if (a->phase == WAITING)
                        dial(a, now);
                else
                        failed(a, now);
        }
}

static void run_until(int want, int64_t ms)
{
        mono_t end = mono_add_ms(mono_read(), ms);

        while (enrolled != want) {
                turn();
                if (mono_due(end, mono_read())) {
                        fprintf(stderr, "%d of %d agents\n", enrolled, want);
                        errno = ETIMEDOUT;
                        die("agents");
                }
        }
}

/* ---- the story ---- */

static int by_value(const void *a, const void *b)
{
        const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return x < y ? -1 : x > y;
}

static int64_t percentile(size_t field, int per_mille)
{
        int64_t *v = calloc((size_t)n_agents, sizeof(*v)), got;

        for (int i = 0; v && i < n_agents; i++)
                memcpy(&v[i], (const uint8_t *)&agents[i] + field, sizeof(v[i]));
        if (!v)
                die("memory");
        qsort(v, (size_t)n_agents, sizeof(*v), by_value);
        got = v[(size_t)per_mille * (size_t)(n_agents - 1) / 1000];
        free(v);
        return got;
}

static void report(const char *name)
{
        int dialled[SLOTS] = {0}, most = 0, last = 0;

        for (int i = 0; i < n_agents; i++) {
                int64_t slot = agents[i].lost_to_dial / 100;

                dialled[slot < SLOTS ? slot : SLOTS - 1]++;
        }
        for (int i = 0; i < SLOTS; i++) {
                most = dialled[i] > most ? dialled[i] : most;
                last = dialled[i] ? i : last;
        }
        printf("bench reconnect %-14s first dials over %4.1f s, at most %4d in 100 ms; %5u dials, "
               "%5u "
               "in vain; hello answered in %lld ms (median), %lld ms (99 %%), %lld ms (longest); "
               "all back after %.1f s\n",
               name, (last + 1) / 10.0, most, dials, refused,
               (long long)percentile(offsetof(struct agent, hello_took), 500),
               (long long)percentile(offsetof(struct agent, hello_took), 990),
               (long long)percentile(offsetof(struct agent, hello_took), 1000),
               (double)percentile(offsetof(struct agent, lost_to_welcome), 1000) / 1000);
        for (int s = 0; s * 10 <= last; s++) {
                int n = 0;

                for (int i = 10 * s; i < 10 * s + 10 && i < SLOTS; i++)
                        n += dialled[i];
                printf("  %2d..%2d s %5d ", s, s + 1, n);
                for (int i = 0; i < n * 60 / n_agents; i++)
                        putchar('#');
                putchar('\n');
        }
        (void)fflush(stdout);
}

static void story(const char *name, bool window, const char *url, const char *db)
{
        pid_t pid = controller_start(url, db);
        mono_t now = mono_read();

        use_window = window;
        for (int i = 0; i < n_agents; i++) {
                agents[i] = (struct agent){.fd = -1, .at = mono_add_ms(now, i)};
                if (route_init(&agents[i].route, url, (uint64_t)(i + 1) * 7919) < 0)
                        die("a route");
        }
        enrolled = 0;
        run_until(n_agents, 120000);
        for (int i = 0; i < n_agents; i++)
                agents[i].lost_to_dial = -1;
        dials = refused = 0;
        lost_at = mono_read();
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        now = mono_add_ms(lost_at, DOWN_MS);
        while (!mono_due(now, mono_read()))
                turn();
        pid = controller_start(url, db);
        run_until(n_agents, 120000);
        report(name);
        for (int i = 0; i < n_agents; i++)
                hang_up(&agents[i]);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
        struct rlimit files = {AGENTS_MAX + 200, AGENTS_MAX + 200};
        char url[64], db[512];
        uint64_t n = 0;
        socklen_t len = sizeof(address);
        int probe;

        if (argc != 3 || num_parse_u64(argv[1], 1, AGENTS_MAX, &n) < 0)
                return 2;
        n_agents = (int)n;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        agents = calloc((size_t)n_agents, sizeof(*agents));
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address = (struct sockaddr_in){.sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (!agents || epoll_fd < 0 || bind(probe, (struct sockaddr *)&address, len) < 0 ||
            getsockname(probe, (struct sockaddr *)&address, &len) < 0)
                die("start");
        close(probe);
        (void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", ntohs(address.sin_port));
        (void)snprintf(db, sizeof(db), "%s/state.db", argv[2]);
        fill_store(db);
        story("with a window", true, url, db);
        story("without", false, url, db);
        return 0;
}
