/* What the agents' edge refuses, bounds and survives. */
#include "agents_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "in/agents_session.h"

static void expect_refused(struct client *c, const struct wire_msg *m, const char *code)
{
        struct wire_msg *got;

        ask_msg(&c->report, m);
        got = ask_answer(&c->report);
        CHECK_INT(got->type, WIRE_REFUSED);
        CHECK_STR(got->refused.code, code);
}

static void test_wrong_secret(void)
{
        struct client c;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        m = client_hello(&c);
        m->hello.secret[63] = m->hello.secret[63] == '0' ? '1' : '0';
        expect_refused(&c, m, "bad-secret");
        /* Another task's secret is no better. */
        m = client_hello(&c);
        keys_task_secret(&fixture.keys, "t-0000000002", m->hello.secret);
        expect_refused(&c, m, "bad-secret");
        CHECK_INT(fixture_counters().bad_secrets, 2);
        CHECK_INT(fixture.n_events, 0); /* the core never hears of it */
        (void)client_enrol(&c);
        client_down(&c);
}

/* A follower takes nothing, whoever asks, and says who leads. */
static void test_follower(void)
{
        struct wire_msg *got;
        struct client c;

        client_up(&c, "t-0000000001", 'a');
        agents_follow(fixture.agents, "tcp://127.0.0.1:7799");
        expect_refused(&c, client_hello(&c), "not-leader");
        expect_refused(&c, client_report(&c), "not-leader");
        expect_refused(&c, client_await(&c, 0), "not-leader");
        expect_refused(&c, client_saved(&c, 7, 1), "not-leader");
        CHECK_INT(fixture.n_events, 0);
        CHECK_INT(fixture_counters().not_leader, 4);
        ask_msg(&c.report, client_hello(&c));
        got = ask_answer(&c.report);
        CHECK_INT(got->refused.re, c.seq);
        CHECK_STR(got->refused.leader, "tcp://127.0.0.1:7799");
        CHECK(got->refused.retry_ms >= 1000);
        /* It takes over, on the same connection. */
        agents_lead(fixture.agents, 8);
        got = client_enrol(&c);
        CHECK_INT(got->welcome.epoch, 8);
        CHECK_INT(got->welcome.reconnect_ms, 1234);
        ask_msg(&c.report, client_report(&c));
        got = ask_answer(&c.report);
        CHECK_INT(got->type, WIRE_OK);
        CHECK_INT(got->ok.reconnect_ms, 1234);
        fixture_claim("t-0000000001", 5, 31);
        ask_msg(&c.await, client_await(&c, 0));
        got = ask_answer(&c.await);
        CHECK_INT(got->type, WIRE_COMMAND);
        CHECK_INT(got->command.epoch, 8);
        client_down(&c);
}

static void test_second_nonce(void)
{
        struct client c, thief;

        client_up(&c, "t-0000000001", 'a');
        client_up(&thief, "t-0000000001", 'b');
        (void)client_enrol(&c);
        expect_refused(&thief, client_hello(&thief), "nonce-mismatch");
        expect_refused(&thief, client_report(&thief), "not-enrolled");
        expect_refused(&thief, client_await(&thief, 0), "not-enrolled");
        expect_refused(&thief, client_saved(&thief, 7, 1), "not-enrolled");
        CHECK_INT(fixture_counters().not_enrolled, 3);
        /* The first is not disturbed. */
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        CHECK_INT(fixture_count(EV_AGENT_REPORT), 1);
        client_down(&c);
        client_down(&thief);
}

static void test_version(void)
{
        struct client c;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        m = client_hello(&c);
        m->hello.v_min = WIRE_V_MAX + 1;
        m->hello.v_max = WIRE_V_MAX + 2;
        ask_msg(&c.report, m);
        m = ask_answer(&c.report);
        CHECK_STR(m->refused.code, "version");
        CHECK_INT(m->refused.v_min, WIRE_V_MIN);
        CHECK_INT(m->refused.v_max, WIRE_V_MAX);
        CHECK_INT(fixture.n_events, 0);
        /* A task that is enrolled already is never locked out for its version. */
        (void)client_enrol(&c);
        m = client_hello(&c);
        m->hello.v_min = WIRE_V_MAX + 1;
        m->hello.v_max = WIRE_V_MAX + 2;
        ask_msg(&c.report, m);
        m = ask_answer(&c.report);
        CHECK_INT(m->type, WIRE_WELCOME);
        CHECK_INT(m->welcome.v, WIRE_V_MAX);
        client_down(&c);
}

static void test_address(void)
{
        struct client c;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        m = client_hello(&c);
        STR_CUT(m->hello.addr, "169.254.169.254:80"); /* the front door would be led there */
        expect_refused(&c, m, "bad-addr");
        m = client_hello(&c);
        STR_CUT(m->hello.addr, "[::1]:80");
        expect_refused(&c, m, "bad-addr");
        m = client_hello(&c);
        STR_CUT(m->hello.addr, "0.0.0.0:8080");
        ask_msg(&c.report, m);
        CHECK_INT(ask_answer(&c.report)->type, WIRE_WELCOME);
        CHECK_STR(fixture_last(EV_AGENT_HELLO)->hello.addr, "127.0.0.1:8080");
        client_down(&c);
}

static void test_garbage(void)
{
        static const char *const garbage[] = {"",
                                              "x",
                                              "{}",
                                              "{\"type\":\"hello\"}",
                                              "{\"type\":\"launch\"}",
                                              "[[[[[[[[[[[[[[[[[[",
                                              "\xff\xfe\x00",
                                              "{\"type\":\"none\",\"re\":1}",
                                              "{\"type\":\"welcome\",\"re\":1,\"v\":1}"};
        static char longest[WIRE_FRAME_MAX - 64];
        struct client c;

        client_up(&c, "t-0000000001", 'a');
        for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
                struct wire_msg *m;

                ask_bytes(&c.report, garbage[i], strlen(garbage[i]));
                m = ask_answer(&c.report);
                CHECK_INT(m->type, WIRE_REFUSED);
                CHECK_STR(m->refused.code, "bad-message");
                CHECK(m->refused.reason[0]);
        }
        memset(longest, '[', sizeof(longest));
        ask_bytes(&c.report, longest, sizeof(longest));
        CHECK_STR(ask_answer(&c.report)->refused.code, "bad-message");
        CHECK_INT(fixture_counters().bad_messages, ARRAY_LEN(garbage) + 1);
        CHECK_INT(fixture.n_events, 0);
        (void)client_enrol(&c);
        client_down(&c);
}

/* The frame that is too long costs its connection, and nobody else anything. */
static void test_huge_frame(void)
{
        static char huge[WIRE_FRAME_MAX + 1];
        struct client c, other;

        client_up(&c, "t-0000000001", 'a');
        client_up(&other, "t-0000000002", 'a');
        (void)client_enrol(&other);
        memset(huge, ' ', sizeof(huge));
        ask_bytes(&c.report, huge, sizeof(huge));
        fixture_until(&c.report.done);
        CHECK_INT(c.report.rv, NNG_ECONNRESET);
        ask_msg(&other.report, client_report(&other));
        CHECK_INT(ask_answer(&other.report)->type, WIRE_OK);
        CHECK_INT(fixture_counters().messages, 2);
        client_down(&c);
        client_down(&other);
}

static struct sockaddr_in edge_address(void)
{
        struct sockaddr_in sa = {.sin_family = AF_INET};
        char host[64];
        char *colon;
        uint64_t port = 0;

        STR_CUT(host, fixture.url + strlen("tcp://"));
        colon = strchr(host, ':');
        CHECK(colon);
        *colon = 0;
        CHECK_INT(num_parse_u64(colon + 1, 1, 65535, &port), 0);
        CHECK_INT(inet_pton(AF_INET, host, &sa.sin_addr), 1);
        sa.sin_port = htons((uint16_t)port);
        return sa;
}

/* Bytes that are no message of nng: the connection is closed. Without any, it is closed in time. */
static void test_not_nng(void)
{
        static const char *const first[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                            "\0SP\0\0\x31\0\0" /* REP to REP */};
        struct sockaddr_in sa = edge_address();

        for (size_t i = 0; i < ARRAY_LEN(first); i++) {
                AUTO_CLOSE fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                struct pollfd p = {.fd = fd, .events = POLLRDHUP};

                CHECK_INT(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
                CHECK_INT(fd_write_all(fd, first[i], i == 0 ? strlen(first[0]) : 8), 0);
                CHECK_INT(poll(&p, 1, 20000), 1);
        }
}

/* The core says no to a report: what follows is nobody's until the next hello. */
static void test_core_refuses_report(void)
{
        struct client c;
        struct core_effect fx = {.type = FX_REFUSE};
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.await, client_await(&c, 0));
        do {
                ask_msg(&c.report, client_report(&c));
                CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        } while (fixture_counters().parked == 0);
        fx.refuse.conn = fixture_last(EV_AGENT_REPORT)->report.conn;
        STR_CUT(fx.refuse.task, c.task);
        STR_CUT(fx.refuse.code, "stale-generation");
        fixture_give(&fx);
        m = ask_answer(&c.await);
        CHECK_STR(m->refused.code, "not-enrolled");
        expect_refused(&c, client_report(&c), "not-enrolled");
        (void)client_enrol(&c);
        /* Of connections that are over, or never were: nothing happens. */
        fx.refuse.conn = 0;
        fixture_give(&fx);
        fx.refuse.conn = UINT64_MAX;
        fixture_give(&fx);
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        client_down(&c);
}

static void test_task_removed(void)
{
        struct client c;
        struct core_effect fx = {.type = FX_DEL_TASK};
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.await, client_await(&c, 0));
        do {
                ask_msg(&c.report, client_report(&c));
                (void)ask_answer(&c.report);
        } while (fixture_counters().parked == 0);
        STR_CUT(fx.id.id, c.task);
        fixture_give(&fx);
        fixture_give(&fx);
        m = ask_answer(&c.await);
        CHECK_STR(m->refused.code, "unknown-task");
        CHECK_INT(fixture_counters().sessions, 0);
        CHECK_INT(fixture_counters().parked, 0);
        expect_refused(&c, client_report(&c), "not-enrolled");
        client_down(&c);
}

/* Effects for questions that have gone find nothing, also when their place is used again. */
static void test_old_conn(void)
{
        struct client c, other;
        struct core_effect fx = {.type = FX_WELCOME};

        fixture.silent = true;
        client_up(&c, "t-0000000001", 'a');
        client_up(&other, "t-0000000002", 'b');
        ask_msg(&c.report, client_hello(&c));
        fixture_until_events(1);
        fx.welcome.conn = fixture_last(EV_AGENT_HELLO)->hello.conn;
        fx.welcome.heartbeat_ms = 1000;
        STR_CUT(fx.welcome.task, c.task);
        fixture_give(&fx);
        CHECK_INT(ask_answer(&c.report)->type, WIRE_WELCOME);
        ask_msg(&other.report, client_hello(&other)); /* takes the same place */
        fixture_until_events(2);
        fixture_give(&fx);
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        CHECK(!atomic_load(&other.report.done));
        client_down(&c);
        client_down(&other);
}

/* More questions than the inbox holds, sent while the loop stands still: all are answered. */
static void test_burst(void)
{
        /* nng drops answers beyond 64 unread ones per connection, so none gets more than 40. */
        static struct client c[40];
        static struct ask asks[1600];

        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                client_up(&c[i], "t-0000000001", 'a');
        for (size_t i = 0; i < ARRAY_LEN(asks); i++)
                ask_up(&asks[i], c[i % ARRAY_LEN(c)].sock);
        for (size_t i = 0; i < ARRAY_LEN(asks); i++)
                ask_bytes(&asks[i], "?", 1);
        for (size_t i = 0; i < ARRAY_LEN(asks); i++)
                CHECK_STR(ask_answer(&asks[i])->refused.code, "bad-message");
        for (size_t i = 0; i < ARRAY_LEN(asks); i++)
                ask_down(&asks[i]);
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                client_down(&c[i]);
}

static void on_nothing(void *ctx, struct agents_request *rq, const void *data, size_t len)
{
        (void)ctx, (void)data, (void)len;
        agents_socket_drop(rq);
}

static void *release_later(void *arg)
{
        const struct timespec pause = {.tv_nsec = 500 * 1000000L};
        int *fd = arg;

        (void)nanosleep(&pause, NULL); /* the result does not depend on how long */
        *fd = fd_close(*fd);
        return NULL;
}

static void test_address_taken(void)
{
        struct sockaddr_in sa = edge_address();
        struct agents_socket *s = NULL;
        struct agents_config config = {.url = fixture.url, .host_suffix = "x"};
        pthread_t thread;
        int on = 1;
        int fd;

        CHECK_INT(agents_socket_new(fixture.loop, fixture.url, 0, on_nothing, NULL, &s),
                  -EADDRINUSE);
        CHECK(!s);
        CHECK_INT(agents_socket_new(fixture.loop, "nonsense", 0, on_nothing, NULL, &s), -EINVAL);
        fixture.agents = agents_free(fixture.agents);

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(fd >= 0);
        CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
        CHECK_INT(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
        CHECK_INT(listen(fd, 1), 0);
        CHECK_INT(pthread_create(&thread, NULL, release_later, &fd), 0);
        CHECK_INT(agents_new(fixture.loop, NULL, &config, &fixture.agents), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
}

/* Thousands of agents come back at once: the backlog is what the kernel allows, not 128. */
static void test_backlog(void)
{
        AUTO_BUF text = BUF_INIT(64);
        uint64_t somaxconn = 0;
        unsigned found = 0;

        CHECK_INT(file_read("/proc/sys/net/core/somaxconn", &text), 0);
        text.data[strcspn((char *)text.data, "\n")] = 0;
        CHECK_INT(num_parse_u64((char *)text.data, 1, INT32_MAX, &somaxconn), 0);
        for (int fd = 3; fd < 256; fd++) {
                struct tcp_info info;
                socklen_t len = sizeof(info);

                if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
                    info.tcpi_state != TCP_LISTEN)
                        continue;
                found++;
                CHECK_INT(info.tcpi_sacked, MIN(somaxconn, 4096)); /* for a listener: its backlog */
        }
        CHECK_INT(found, 1);
}

static void test_tables_are_bounded(void)
{
        struct agents_tables *t;
        struct agents_session *s, *first;
        struct parked *p, *q;
        uint64_t handle;
        uint32_t pos = 0;

        CHECK_INT(agents_tables_new(2, 1, &t), 0);
        first = session_get(t, "t-1");
        CHECK(first && session_get(t, "t-1") == first);
        s = session_get(t, "t-2");
        CHECK(s && s != first);
        CHECK(!session_get(t, "t-3"));
        handle = session_handle(t, first);
        CHECK(session_by_handle(t, handle) == first);
        session_drop(t, first);
        CHECK(!session_find(t, "t-1") && session_find(t, "t-2") == s);
        CHECK(!session_by_handle(t, handle));
        CHECK(session_get(t, "t-3") == first); /* the place, with another handle */
        CHECK(!session_by_handle(t, handle));
        CHECK(!session_by_handle(t, 0) && !session_by_handle(t, UINT64_MAX));

        p = parked_new(t, PARKED_HELLO, NULL, NULL, 1, MONO_NEVER);
        CHECK(p && !parked_new(t, PARKED_HELLO, NULL, NULL, 1, MONO_NEVER));
        CHECK(parked_new(t, PARKED_AWAIT, s, NULL, 2, MONO_NEVER) == s->await);
        CHECK(parked_new(t, PARKED_SAVED, s, NULL, 3, MONO_NEVER) == s->saved);
        CHECK(parked_new(t, PARKED_AWAIT, first, NULL, 4, MONO_NEVER));
        CHECK(parked_new(t, PARKED_SAVED, first, NULL, 5, MONO_NEVER));
        CHECK_INT(parked_count(t), 5);
        handle = parked_handle(t, p);
        CHECK(parked_find(t, handle, PARKED_HELLO) == p);
        CHECK(!parked_find(t, handle, PARKED_SAVED));
        while ((q = parked_next(t, &pos)))
                (void)parked_take(t, q);
        CHECK_INT(parked_count(t), 0);
        CHECK(!s->await && !s->saved && !parked_find(t, handle, PARKED_HELLO));
        p = parked_new(t, PARKED_HELLO, NULL, NULL, 1, MONO_NEVER);
        CHECK(p && parked_handle(t, p) != handle);
        agents_tables_free(t);
}

int main(void)
{
        static void (*const cases[])(void) = {
                test_wrong_secret,  test_follower, test_second_nonce,
                test_version,       test_address,  test_garbage,
                test_huge_frame,    test_not_nng,  test_core_refuses_report,
                test_task_removed,  test_old_conn, test_burst,
                test_address_taken, test_backlog,  test_tables_are_bounded,
        };

        log_init("test_agents", LOG_ERROR_LEVEL);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                fprintf(stderr, "  case %zu\n", i);
                fixture_up();
                cases[i]();
                fixture_down();
        }
        return 0;
}
