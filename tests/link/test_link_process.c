/*
 * The role `link` as a process: real sockets to a played init, gate and sense, a real nng
 * connection to a played controller. What link decides is tested in unit/test_link_state.c; here it
 * is that the bytes go where they should, through restarts of both ends of the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/util/platform.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/mono.h"
#include "base/str.h"
#include "channel.h"
#include "init/control.h"
#include "roles.h"
#include "test.h"
#include "wire/blob.h"
#include "wire/wire.h"

#define DEADLINE_MS 20000
#define SECRET "5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7"

extern char **environ;

static char run_dir[64], url[64];
static int control[2], gate[2], sense[2]; /* [0] ours, [1] link's */
static pid_t child;
static nng_socket server;
static nng_msg *parked; /* the await */
static uint64_t parked_seq;
static struct wire_msg in, out;
static struct wire_hello hello;
static struct wire_report report;
static struct wire_saved saved;
static bool refuse, mute, claimed;
static uint32_t hellos;

/* ---- the controller ---- */

static void reply(nng_msg *m)
{
        AUTO_BUF b = BUF_INIT(WIRE_MESSAGE_MAX);

        CHECK_INT(wire_encode(&out, &b), 0);
        nng_msg_clear(m);
        CHECK_INT(nng_msg_append(m, b.data, b.len), 0);
        if (nng_sendmsg(server, m, 0) != 0)
                nng_msg_free(m);
}

static void fill_claim(struct wire_claim *c)
{
        struct blob_save_request q = {.workspace = "ws-a", .generation = 1, .max_bytes = 1000};
        AUTO_BUF b = BUF_INIT(BLOB_REQUEST_MAX);

        CHECK_INT(STR_SET(c->workspace, "ws-a"), 0);
        c->generation = 1;
        CHECK_INT(STR_SET(c->host, "ws-a.localhost:8080"), 0);
        memset(c->gate_key, 'a', sizeof(c->gate_key) - 1);
        CHECK_INT(STR_SET(c->restore, "{\"workspace\":\"ws-a\"}"), 0);
        for (c->n_saves = 0; c->n_saves < 3; c->n_saves++) {
                struct wire_save *s = &c->saves[c->n_saves];

                q.seq = s->seq = c->n_saves + 1;
                q.grants.n = 1;
                CHECK_INT(STR_SET(q.grants.url[0], "http://127.0.0.1:1/g/x"), 0);
                buf_clear(&b);
                CHECK_INT(blob_save_request_encode(&q, &b), 0);
                CHECK_INT(buf_terminate(&b), 0);
                CHECK_INT(STR_SET(s->request, (const char *)b.data), 0);
        }
}

static void on_hello(nng_msg *m)
{
        hello = in.hello;
        hellos++;
        if (refuse) {
                out.type = WIRE_REFUSED;
                out.refused.re = hello.seq;
                CHECK_INT(STR_SET(out.refused.code, "nonce-mismatch"), 0);
                reply(m);
                return;
        }
        out.type = WIRE_WELCOME;
        out.welcome.re = hello.seq;
        out.welcome.v = 1;
        out.welcome.heartbeat_ms = 50;
        if (claimed)
                fill_claim(&out.welcome.claim);
        reply(m);
}

static void on_message(nng_msg *m)
{
        char reason[WIRE_REASON_SIZE];

        CHECK_INT(wire_decode(nng_msg_body(m), nng_msg_len(m), &in, reason), 0);
        memset(&out, 0, sizeof(out));
        if (in.type == WIRE_HELLO) {
                on_hello(m);
        } else if (in.type == WIRE_REPORT) {
                report = in.report;
                out.type = WIRE_OK;
                out.ok.re = report.seq;
                out.ok.heartbeat_ms = 50;
                reply(m);
        } else if (in.type == WIRE_SAVED) {
                saved = in.saved;
                out.type = WIRE_SAVED_ACK;
                out.saved_ack.re = saved.seq;
                out.saved_ack.generation = saved.generation;
                out.saved_ack.save_seq = saved.save_seq;
                out.saved_ack.commit = WIRE_COMMIT_COMMITTED;
                reply(m);
        } else {
                CHECK_INT(in.type, WIRE_AWAIT);
                if (parked)
                        nng_msg_free(parked);
                parked = m;
                parked_seq = in.await.seq;
        }
}

static void listen_here(const char *where)
{
        nng_listener l;
        nng_sockaddr sa;

        CHECK_INT(nng_rep0_open_raw(&server), 0);
        CHECK_INT(nng_socket_set_ms(server, NNG_OPT_RECVTIMEO, 20), 0);
        /* The port of a server that just ended may be taken for a moment. */
        for (int i = 0; nng_listen(server, where, &l, 0) != 0; i++) {
                CHECK(i < 1000);
                nng_msleep(10);
        }
        CHECK_INT(nng_listener_get_addr(l, NNG_OPT_LOCADDR, &sa), 0);
        snprintf(url, sizeof(url), "tcp://127.0.0.1:%u",
                 (unsigned)((sa.s_in.sa_port & 0xff) << 8 | sa.s_in.sa_port >> 8));
}

static void close_server(void)
{
        if (parked)
                nng_msg_free(parked);
        parked = NULL;
        nng_close(server);
}

static void turn(void)
{
        nng_msg *m;

        if (nng_recvmsg(server, &m, 0) != 0)
                return;
        if (mute)
                nng_msg_free(m);
        else
                on_message(m);
}

#define UNTIL(cond)                                                                                \
        do {                                                                                       \
                mono_t end_ = mono_add_ms(mono_read(), DEADLINE_MS);                               \
                while (!(cond)) {                                                                  \
                        if (mono_due(end_, mono_read())) {                                         \
                                fprintf(stderr, "waiting for %s\n", #cond);                        \
                                CHECK(!"in time");                                                 \
                        }                                                                          \
                        turn();                                                                    \
                }                                                                                  \
        } while (0)

/* ---- init, gate, sense ---- */

static struct control_msg order;
static char order_blob[ROLE_BLOB_MAX + 1];

static bool got_order(uint32_t type)
{
        uint8_t data[sizeof(order) + ROLE_BLOB_MAX];
        ssize_t n = recv(control[0], data, sizeof(data), MSG_DONTWAIT);

        if (n < (ssize_t)sizeof(order))
                return false;
        memcpy(&order, data, sizeof(order));
        CHECK_INT(sizeof(order) + order.len, n);
        memcpy(order_blob, data + sizeof(order), order.len);
        order_blob[order.len] = '\0';
        return order.type == type;
}

static struct channel_msg told;

static bool got_channel(int fd, uint32_t type)
{
        return recv(fd, &told, sizeof(told), MSG_DONTWAIT) == (ssize_t)sizeof(told) &&
               told.type == type;
}

static void tell_control(uint32_t type, enum control_app_state app, bool primed, uint32_t flags,
                         const char *blob)
{
        struct control_msg m = {.type = type,
                                .flags = flags,
                                .app_state = app,
                                .busy = app == CONTROL_APP_RUNNING && !primed ? 8 : 0,
                                .app_primed = primed,
                                .len = (uint32_t)strlen(blob)};
        uint8_t data[sizeof(m) + 2048];

        memcpy(data, &m, sizeof(m));
        memcpy(data + sizeof(m), blob, m.len);
        CHECK_INT(send(control[0], data, sizeof(m) + m.len, 0), sizeof(m) + m.len);
}

static void app_up(void)
{
        struct channel_msg m = {.type = CHANNEL_GATE_APP_UP};

        m.u.app_up.id = told.u.probe.id;
        CHECK_INT(send(gate[0], &m, sizeof(m), 0), sizeof(m));
}

static void start_link(void)
{
        char *argv[] = {getenv("LINK_ROLE"), NULL};
        posix_spawn_file_actions_t fa;

        CHECK(argv[0]);
        setenv("WS_CONTROLLER", url, 1);
        setenv("WS_TASK_SECRET", SECRET, 1);
        setenv("WS_TASK_ID", "t-0000000001", 1);
        setenv("WS_RUN_DIR", run_dir, 1);
        setenv("WS_PROFILE", getenv("LINK_PROFILE"), 1);
        posix_spawn_file_actions_init(&fa);
        CHECK_INT(posix_spawn_file_actions_adddup2(&fa, control[1], ROLE_FD_CONTROL), 0);
        CHECK_INT(posix_spawn_file_actions_adddup2(&fa, gate[1], ROLE_FD_GATE), 0);
        CHECK_INT(posix_spawn_file_actions_adddup2(&fa, sense[1], ROLE_FD_SENSE), 0);
        CHECK_INT(posix_spawn(&child, argv[0], &fa, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&fa);
}

static void kill_link(void)
{
        CHECK_INT(kill(child, SIGKILL), 0);
        CHECK_INT(waitpid(child, NULL, 0), child);
}

static void pair(int fds[2])
{
        int raw[2];

        CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, raw), 0);
        /* Out of the way of the numbers that the child gets. */
        for (int i = 0; i < 2; i++) {
                fds[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, 20);
                CHECK(fds[i] >= 0);
                close(raw[i]);
        }
}

/* ---- the story ---- */

static void enrols_and_primes(void)
{
        start_link();
        tell_control(CONTROL_STATE, CONTROL_APP_NONE, false, 0, "");
        UNTIL(hellos == 1);
        CHECK_STR(hello.secret, SECRET);
        CHECK_STR(hello.task, "t-0000000001");
        CHECK_STR(hello.addr, "127.0.0.1:4321");
        UNTIL(got_order(CONTROL_APP_START));
        CHECK_INT(order.flags, CONTROL_PRIME);
        UNTIL(got_channel(gate[0], CHANNEL_GATE_PROBE));
        CHECK_STR(told.u.probe.health_path, "/healthz");
        app_up();
        UNTIL(got_order(CONTROL_APP_STOP));
        tell_control(CONTROL_APP_STOPPED, CONTROL_APP_NONE, true, 0, "");
        UNTIL(report.phase == WIRE_PHASE_WARM);
        UNTIL(got_order(CONTROL_RESTORE));
        CHECK_INT(order.flags, CONTROL_AHEAD);
        CHECK_STR(order_blob, "");
}

static void hides_the_secret(void)
{
        AUTO_BUF b = BUF_INIT(1 << 20);
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/environ", child);
        /* Without the right to look the secret is hidden well enough. */
        if (file_read(path, &b) < 0)
                return;
        CHECK(memmem(b.data, b.len, "WS_TASK_ID", 10));
        CHECK(!memmem(b.data, b.len, SECRET, 64));
}

static void command(enum wire_verb verb, uint64_t id)
{
        UNTIL(parked);
        memset(&out, 0, sizeof(out));
        out.type = WIRE_COMMAND;
        out.command.re = parked_seq;
        out.command.id = id;
        out.command.generation = 1;
        out.command.verb = verb;
        if (verb == WIRE_VERB_CLAIM)
                fill_claim(&out.command.claim);
        reply(parked);
        parked = NULL;
}

static void is_claimed(void)
{
        command(WIRE_VERB_CLAIM, 7);
        claimed = true;
        UNTIL(got_order(CONTROL_RESTORE));
        CHECK_STR(order_blob, "{\"workspace\":\"ws-a\"}");
        tell_control(CONTROL_RESTORE_DONE, CONTROL_APP_NONE, true, 0,
                     "{\"ok\":true,\"seq\":0,\"generation\":0,\"files\":0,\"bytes\":0,\"ms\":1,"
                     "\"fell_back\":false}");
        UNTIL(got_order(CONTROL_HOLD));
        CHECK(strstr(order_blob, "\"seq\":3"));
        UNTIL(got_order(CONTROL_APP_START));
        CHECK_INT(order.flags, 0);
        UNTIL(got_channel(sense[0], CHANNEL_SENSE_BEGIN));
        UNTIL(got_channel(gate[0], CHANNEL_GATE_PROBE));
        app_up();
        UNTIL(report.phase == WIRE_PHASE_READY);
        CHECK_INT(report.acted_id, 7);
        CHECK_INT(report.generation, 1);
}

static void saves_in_the_background(void)
{
        UNTIL(got_order(CONTROL_SAVE));
        CHECK(strstr(order_blob, "\"seq\":1"));
        tell_control(CONTROL_SAVE_DONE, CONTROL_APP_RUNNING, false, 0,
                     "{\"ok\":true,\"seq\":1,\"final\":false,\"unchanged\":false,\"length\":9,"
                     "\"sha256\":\"" SECRET "\",\"data_length\":5,\"files\":1,\"ms\":1}");
        UNTIL(saved.save_seq == 1);
        UNTIL(report.saved_seq == 1);
        CHECK_INT(report.unsaved_age_ms, 0);
}

static void survives_its_own_death(void)
{
        struct wire_hello before = hello;
        uint64_t last = report.seq;

        kill_link();
        tell_control(CONTROL_STATE, CONTROL_APP_RUNNING, false, 0, "");
        start_link();
        UNTIL(hellos == 2);
        CHECK_STR(hello.nonce, before.nonce);
        CHECK(hello.seq > last);
        CHECK_INT(hello.generation, 0);
        UNTIL(got_channel(gate[0], CHANNEL_GATE_CONFIG));
        UNTIL(got_channel(gate[0], CHANNEL_GATE_PROBE));
        app_up();
        UNTIL(report.phase == WIRE_PHASE_READY && report.seq > last);
}

static void survives_the_controllers_death(void)
{
        char where[64];
        uint32_t n = hellos;
        mono_t start;

        snprintf(where, sizeof(where), "%s", url);
        close_server();
        /* A change while it is away is still saved. */
        CHECK_INT(send(sense[0], &(struct channel_msg){.type = CHANNEL_SENSE_HELLO},
                       sizeof(struct channel_msg), 0),
                  sizeof(struct channel_msg));
        listen_here(where);
        start = mono_read();
        UNTIL(hellos > n);
        CHECK_INT(hello.generation, 1);
        fprintf(stderr, "    back after %lld ms\n", (long long)mono_diff_ms(start, mono_read()));
        UNTIL(report.phase == WIRE_PHASE_READY);
        CHECK_INT(waitpid(child, NULL, WNOHANG), 0);
        /* The new link cannot know that the first request is used up; the worker tells it. */
        UNTIL(got_order(CONTROL_SAVE));
        CHECK(strstr(order_blob, "\"seq\":1"));
        tell_control(
                CONTROL_SAVE_DONE, CONTROL_APP_RUNNING, false, 0,
                "{\"ok\":false,\"seq\":1,\"code\":\"exists\",\"message\":\"\",\"retry\":true}");
        UNTIL(got_order(CONTROL_SAVE));
        CHECK(strstr(order_blob, "\"seq\":2"));
        tell_control(CONTROL_SAVE_DONE, CONTROL_APP_RUNNING, false, 0,
                     "{\"ok\":true,\"seq\":2,\"final\":false,\"unchanged\":false,\"length\":9,"
                     "\"sha256\":\"" SECRET "\",\"data_length\":5,\"files\":1,\"ms\":1}");
        UNTIL(report.saved_seq == 2 && report.unsaved_age_ms == 0);
}

static void survives_nonsense(void)
{
        uint64_t last;

        UNTIL(parked);
        nng_msg_clear(parked);
        CHECK_INT(nng_msg_append(parked, "\x00{\"type\":[[[[", 13), 0);
        CHECK_INT(nng_sendmsg(server, parked, 0), 0);
        parked = NULL;
        last = report.seq;
        UNTIL(parked && report.seq > last);
        CHECK_INT(send(control[0], "xx", 2, 0), 2);
        CHECK_INT(send(gate[0], "yy", 2, 0), 2);
        CHECK_INT(send(sense[0], "zz", 2, 0), 2);
        last = report.seq;
        UNTIL(report.seq > last + 5);
        CHECK_INT(report.phase, WIRE_PHASE_READY);
}

static void is_refused_and_goes_on(void)
{
        uint32_t n = hellos;
        char where[64];

        refuse = true;
        snprintf(where, sizeof(where), "%s", url);
        close_server();
        listen_here(where);
        UNTIL(hellos > n);
        CHECK_INT(waitpid(child, NULL, WNOHANG), 0);
        CHECK(!got_order(CONTROL_APP_STOP));
        refuse = false;
        UNTIL(hellos > n + 1); /* after 10 s */
}

static void stops_and_saves(void)
{
        command(WIRE_VERB_PREPARE_STOP, 9);
        UNTIL(got_channel(gate[0], CHANNEL_GATE_APP_DOWN));
        UNTIL(got_order(CONTROL_APP_STOP));
        tell_control(CONTROL_APP_STOPPED, CONTROL_APP_NONE, false, 0, "");
        UNTIL(got_order(CONTROL_SAVE));
        CHECK_INT(order.flags, CONTROL_FINAL);
        CHECK(strstr(order_blob, "\"committed_seq\":2"));
        tell_control(CONTROL_SAVE_DONE, CONTROL_APP_NONE, false, CONTROL_FINAL,
                     "{\"ok\":true,\"seq\":3,\"final\":true,\"unchanged\":false,\"length\":9,"
                     "\"sha256\":\"" SECRET "\",\"data_length\":5,\"files\":1,\"ms\":1}");
        UNTIL(saved.final);
        UNTIL(got_order(CONTROL_SAVED));
        UNTIL(report.phase == WIRE_PHASE_SAVED);
}

static void check_ends(int64_t within_ms, int code)
{
        int status;
        mono_t end = mono_add_ms(mono_read(), within_ms);

        while (waitpid(child, &status, WNOHANG) == 0) {
                CHECK(!mono_due(end, mono_read()));
                turn();
        }
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), code);
}

/* nng that does not let go of a connection (planted in link_role.c): the next process has its own.
 */
static void ends_when_nng_is_stuck(void)
{
        uint32_t n = hellos;

        kill_link();
        setenv("LINK_PLANT", "stuck", 1);
        start_link();
        UNTIL(hellos > n);
        mute = true;
        check_ends(60000, 1);
        mute = false;
        unsetenv("LINK_PLANT");
        n = hellos;
        start_link();
        UNTIL(hellos > n);
}

static void ends_with_init(void)
{
        close(control[0]);
        close(control[1]);
        check_ends(DEADLINE_MS, 0);
}

int main(void)
{
        char path[96];

        snprintf(run_dir, sizeof(run_dir), "/tmp/ws-link-XXXXXX");
        CHECK(mkdtemp(run_dir));
        snprintf(path, sizeof(path), "%s/gate.addr", run_dir);
        CHECK_INT(file_write_atomic(path, "127.0.0.1:4321\n", 15, 0644), 0);
        pair(control);
        pair(gate);
        pair(sense);
        listen_here("tcp://127.0.0.1:0");
        RUN(enrols_and_primes);
        RUN(hides_the_secret);
        RUN(is_claimed);
        RUN(saves_in_the_background);
        RUN(survives_its_own_death);
        RUN(survives_the_controllers_death);
        RUN(survives_nonsense);
        RUN(is_refused_and_goes_on);
        RUN(stops_and_saves);
        RUN(ends_when_nng_is_stuck);
        RUN(ends_with_init);
        close_server();
        unlink(path);
        rmdir(run_dir);
        return 0;
}
