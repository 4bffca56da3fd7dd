#include "agents_fixture.h"

#include <errno.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define DEADLINE_MS 20000

struct fixture fixture;

static effect_fn handlers[FX_MAX];
static void *handler_ctx;
static change_fn watcher;
static int done_fd = -1; /* written by nng's threads when an answer is there */
static struct wire_msg to_send, received;

/* ---- the shell and the core, as far as the edge sees them ---- */

static struct core_effect *next_effect(enum core_effect_type type)
{
        struct core_effect *fx = &fixture.effects[fixture.n_effects++];

        CHECK(fixture.n_effects <= ARRAY_LEN(fixture.effects));
        *fx = (struct core_effect){.type = type};
        return fx;
}

static void decide_hello(const struct core_event *ev)
{
        struct task_row *t = fixture_task(ev->hello.task);
        struct core_effect *fx;

        if (t->nonce[0] && strcmp(t->nonce, ev->hello.nonce) != 0) {
                fx = next_effect(FX_REFUSE);
                fx->refuse.conn = ev->hello.conn;
                CHECK_INT(STR_SET(fx->refuse.task, ev->hello.task), 0);
                CHECK_INT(STR_SET(fx->refuse.code, "nonce-mismatch"), 0);
                return;
        }
        CHECK_INT(STR_SET(t->nonce, ev->hello.nonce), 0);
        fx = next_effect(FX_WELCOME);
        fx->welcome.reconnect_ms = 1234;
        fx->welcome.conn = ev->hello.conn;
        fx->welcome.generation = t->generation;
        fx->welcome.heartbeat_ms = 5000;
        CHECK_INT(STR_SET(fx->welcome.task, t->id), 0);
        CHECK_INT(STR_SET(fx->welcome.workspace, t->workspace), 0);
}

void shell_post(struct shell *s, struct core_event *ev)
{
        (void)s;
        CHECK(fixture.n_events < FIXTURE_EVENTS_MAX);
        fixture.events[fixture.n_events++] = *ev;
        if (ev->type == EV_AGENT_HELLO && !fixture.silent)
                decide_hello(ev);
}

bool shell_writable(const struct shell *s)
{
        (void)s;
        return !fixture.read_only;
}

const struct core *shell_core(const struct shell *s)
{
        (void)s;
        return NULL;
}

void shell_handle(struct shell *s, enum core_effect_type type, effect_fn fn, void *ctx)
{
        (void)s;
        handlers[type] = fn;
        handler_ctx = ctx;
}

void shell_watch(struct shell *s, change_fn fn, void *ctx)
{
        (void)s;
        CHECK(ctx == handler_ctx);
        watcher = fn;
}

const struct workspace_row *core_workspace(const struct core *c, const char *id)
{
        (void)c;
        return strcmp(id, fixture.workspace.id) == 0 ? &fixture.workspace : NULL;
}

const struct task_row *core_task(const struct core *c, const char *id)
{
        (void)c;
        for (size_t i = 0; i < fixture.n_tasks; i++) {
                if (strcmp(fixture.tasks[i].id, id) == 0)
                        return &fixture.tasks[i];
        }
        return NULL;
}

bool core_idle(const struct core *c, const char *workspace, mono_t now, struct core_idle *ret_idle)
{
        (void)c;
        if (!fixture.running || strcmp(workspace, fixture.workspace.id) != 0)
                return false;
        *ret_idle = (struct core_idle){.stop = {.rule = IDLE_RULE_DISCONNECTED},
                                       .due = mono_add_ms(now, 90000),
                                       .heard = fixture.n_events > 0};
        return true;
}

static int restore_request(void *ctx, const char *workspace, uint64_t generation,
                           const struct save_ref *head, const struct save_ref *previous,
                           struct buf *ret_json)
{
        CHECK(ctx == &fixture);
        (void)previous;
        if (fixture.grants_fail)
                return -EIO;
        return buf_printf(ret_json, "{\"workspace\":\"%s\",\"generation\":%d,\"head\":%d}",
                          workspace, (int)generation, (int)head->seq);
}

static int save_request(void *ctx, const char *workspace, uint64_t generation, uint64_t seq,
                        const struct save_ref *parent, struct buf *ret_json)
{
        CHECK(ctx == &fixture && !parent);
        if (fixture.grants_fail)
                return -EIO;
        return buf_printf(ret_json, "{\"workspace\":\"%s\",\"generation\":%d,\"seq\":%d}",
                          workspace, (int)generation, (int)seq);
}

/* ---- the fixture ---- */

static void start_edge(void)
{
        struct agents_config config = {.url = fixture.url,
                                       .host_suffix = "localhost:8080",
                                       .keys = &fixture.keys,
                                       .heartbeat_ms = 5000,
                                       .grants_ctx = &fixture,
                                       .restore_request = restore_request,
                                       .save_request = save_request,
                                       .core = &fixture.core};

        CHECK_INT(agents_new(fixture.loop, NULL, &config, &fixture.agents), 0);
}

/*
 * An address of this process alone: connections to 127/8 come from 127.0.0.1, so no ephemeral port
 * can be in the way, and two tests at the same time have different ones.
 */
static void choose_address(void)
{
        static int n;
        unsigned pid = (unsigned)getpid();

        (void)snprintf(fixture.url, sizeof(fixture.url), "tcp://127.%u.%u.%u:%d",
                       1 + (pid >> 14 & 0x7f), pid >> 7 & 0x7f, 1 + (pid & 0x7f), 7700 + n++);
}

void fixture_up(void)
{
        free(fixture.events);
        memset(&fixture, 0, sizeof(fixture));
        fixture.events = calloc(FIXTURE_EVENTS_MAX, sizeof(*fixture.events));
        CHECK(fixture.events);
        memset(fixture.keys.master, 7, sizeof(fixture.keys.master));
        choose_address();
        CHECK_INT(STR_SET(fixture.workspace.id, "ws-one"), 0);
        fixture.core.n_types = 1;
        CHECK_INT(STR_SET(fixture.core.types[0].name, "vscode"), 0);
        fixture.core.types[0].limits.idle_ms = 1800000;
        CHECK_INT(loop_new(&fixture.loop), 0);
        if (done_fd < 0)
                done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        CHECK(done_fd >= 0);
        start_edge();
}

void fixture_down(void)
{
        fixture.agents = agents_free(fixture.agents);
        fixture.loop = loop_free(fixture.loop);
        free(fixture.events);
        fixture.events = NULL;
}

void fixture_restart_edge(void)
{
        fixture.agents = agents_free(fixture.agents);
        start_edge();
}

static void give_effects(void)
{
        static struct core_effect now[ARRAY_LEN(fixture.effects)];
        size_t n = fixture.n_effects;

        memcpy(now, fixture.effects, n * sizeof(*now));
        fixture.n_effects = 0;
        for (size_t i = 0; i < n; i++) {
                CHECK(handlers[now[i].type]);
                handlers[now[i].type](handler_ctx, &now[i]);
        }
}

static void turn(void)
{
        struct pollfd fds[2] = {{.fd = loop_fileno(fixture.loop), .events = POLLIN},
                                {.fd = done_fd, .events = POLLIN}};
        uint64_t count;
        int n = fixture.n_effects ? 0 : poll(fds, 2, 1000);

        CHECK(n >= 0 || errno == EINTR);
        while (read(done_fd, &count, sizeof(count)) > 0)
                ;
        CHECK_INT(loop_turn(fixture.loop), 0);
        give_effects();
}

static void check_deadline(mono_t since)
{
        if (mono_diff_ms(since, mono_read()) > DEADLINE_MS) {
                fprintf(stderr, "nothing came in %d ms\n", DEADLINE_MS);
                exit(1);
        }
}

void fixture_until(const atomic_bool *done)
{
        mono_t since = mono_read();

        while (!atomic_load(done)) {
                turn();
                check_deadline(since);
        }
}

void fixture_until_events(size_t n)
{
        mono_t since = mono_read();

        while (fixture.n_events < n) {
                turn();
                check_deadline(since);
        }
}

struct core_event *fixture_last(enum core_event_type type)
{
        for (size_t i = fixture.n_events; i > 0; i--) {
                if (fixture.events[i - 1].type == type)
                        return &fixture.events[i - 1];
        }
        fprintf(stderr, "no %d event\n", (int)type);
        exit(1);
}

size_t fixture_count(enum core_event_type type)
{
        size_t n = 0;

        for (size_t i = 0; i < fixture.n_events; i++)
                n += fixture.events[i].type == type;
        return n;
}

void fixture_give(const struct core_effect *fx)
{
        *next_effect(fx->type) = *fx;
}

struct task_row *fixture_task(const char *id)
{
        struct task_row *t;

        for (size_t i = 0; i < fixture.n_tasks; i++) {
                if (strcmp(fixture.tasks[i].id, id) == 0)
                        return &fixture.tasks[i];
        }
        CHECK(fixture.n_tasks < FIXTURE_TASKS_MAX);
        t = &fixture.tasks[fixture.n_tasks++];
        CHECK_INT(STR_SET(t->id, id), 0);
        CHECK_INT(STR_SET(t->type, "vscode"), 0);
        return t;
}

void fixture_claim(const char *task, uint64_t generation, uint64_t command_id)
{
        struct task_row *t = fixture_task(task);
        struct core_effect fx = {.type = FX_COMMAND};

        t->generation = generation;
        CHECK_INT(STR_SET(t->workspace, fixture.workspace.id), 0);
        fx.command.id = command_id;
        fx.command.generation = generation;
        fx.command.verb = COMMAND_CLAIM;
        fx.command.head = fixture.workspace.head;
        fx.command.previous = fixture.workspace.previous;
        CHECK_INT(STR_SET(fx.command.task, task), 0);
        CHECK_INT(STR_SET(fx.command.workspace, fixture.workspace.id), 0);
        CHECK_INT(STR_SET(fx.command.reason, "launched"), 0);
        fixture_give(&fx);
}

struct agents_counters fixture_counters(void)
{
        struct agents_counters c;

        agents_counters(fixture.agents, &c);
        return c;
}

/* ---- agents ---- */

static void on_ask(void *arg)
{
        struct ask *k = arg;
        uint64_t one = 1;

        k->rv = nng_aio_result(k->aio);
        if (k->rv != 0 && k->sending)
                nng_msg_free(nng_aio_get_msg(k->aio));
        if (k->rv == 0 && k->sending) {
                k->sending = false;
                nng_ctx_recv(k->ctx, k->aio);
                return;
        }
        if (k->rv == 0)
                k->reply = nng_aio_get_msg(k->aio);
        atomic_store(&k->done, true);
        CHECK(write(done_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

void ask_up(struct ask *k, nng_socket sock)
{
        memset(k, 0, sizeof(*k));
        CHECK_INT(nng_ctx_open(&k->ctx, sock), 0);
        CHECK_INT(nng_ctx_set_ms(k->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE), 0);
        CHECK_INT(nng_aio_alloc(&k->aio, on_ask, k), 0);
}

void ask_down(struct ask *k)
{
        nng_aio_stop(k->aio);
        nng_ctx_close(k->ctx);
        nng_aio_free(k->aio);
        if (k->reply)
                nng_msg_free(k->reply);
        k->reply = NULL;
}

void client_up(struct client *c, const char *task, char nonce_digit)
{
        memset(c, 0, sizeof(*c));
        CHECK_INT(STR_SET(c->task, task), 0);
        memset(c->nonce, nonce_digit, sizeof(c->nonce) - 1);
        CHECK_INT(nng_req0_open(&c->sock), 0);
        CHECK_INT(nng_socket_set_ms(c->sock, NNG_OPT_RECONNMINT, 20), 0);
        CHECK_INT(nng_socket_set_ms(c->sock, NNG_OPT_RECONNMAXT, 20), 0);
        ask_up(&c->report, c->sock);
        ask_up(&c->await, c->sock);
        CHECK_INT(nng_dial(c->sock, fixture.url, NULL, NNG_FLAG_NONBLOCK), 0);
}

void client_down(struct client *c)
{
        ask_down(&c->report);
        ask_down(&c->await);
        nng_close(c->sock);
}

void ask_bytes(struct ask *k, const void *data, size_t len)
{
        nng_msg *m;

        nng_aio_wait(k->aio);
        if (k->reply)
                nng_msg_free(k->reply);
        k->reply = NULL;
        atomic_store(&k->done, false);
        CHECK_INT(nng_msg_alloc(&m, 0), 0);
        CHECK_INT(nng_msg_append(m, data, len), 0);
        k->sending = true;
        nng_aio_set_msg(k->aio, m);
        nng_ctx_send(k->ctx, k->aio);
}

void ask_msg(struct ask *k, const struct wire_msg *m)
{
        AUTO_BUF b = BUF_INIT(WIRE_FRAME_MAX);

        CHECK_INT(wire_encode(m, &b), 0);
        ask_bytes(k, b.data, b.len);
}

struct wire_msg *ask_answer(struct ask *k)
{
        char why[WIRE_REASON_SIZE] = "";

        fixture_until(&k->done);
        CHECK_INT(k->rv, 0);
        if (wire_decode(nng_msg_body(k->reply), nng_msg_len(k->reply), &received, why) != 0) {
                fprintf(stderr, "answer: %s: %.*s\n", why, (int)nng_msg_len(k->reply),
                        (char *)nng_msg_body(k->reply));
                exit(1);
        }
        return &received;
}

struct wire_msg *client_hello(struct client *c)
{
        to_send.type = WIRE_HELLO;
        to_send.hello = (struct wire_hello){.v_min = 1,
                                            .v_max = 1,
                                            .seq = ++c->seq,
                                            .addr = "127.0.0.1:41234",
                                            .agent = "test"};
        STR_CUT(to_send.hello.task, c->task);
        STR_CUT(to_send.hello.nonce, c->nonce);
        keys_task_secret(&fixture.keys, c->task, to_send.hello.secret);
        return &to_send;
}

struct wire_msg *client_report(struct client *c)
{
        to_send.type = WIRE_REPORT;
        to_send.report = (struct wire_report){.seq = ++c->seq,
                                              .phase = WIRE_PHASE_WARM,
                                              .person_age_ms = -1,
                                              .grants_left = WIRE_SAVES_MAX};
        STR_CUT(to_send.report.task, c->task);
        STR_CUT(to_send.report.nonce, c->nonce);
        return &to_send;
}

struct wire_msg *client_await(struct client *c, uint64_t acted_id)
{
        to_send.type = WIRE_AWAIT;
        to_send.await = (struct wire_await){.seq = ++c->seq, .acted_id = acted_id};
        STR_CUT(to_send.await.task, c->task);
        STR_CUT(to_send.await.nonce, c->nonce);
        return &to_send;
}

struct wire_msg *client_saved(struct client *c, uint64_t generation, uint64_t save_seq)
{
        to_send.type = WIRE_SAVED;
        to_send.saved = (struct wire_saved){.seq = ++c->seq,
                                            .generation = generation,
                                            .save_seq = save_seq,
                                            .length = 400,
                                            .data_length = 5000,
                                            .grants_left = WIRE_SAVES_MAX};
        STR_CUT(to_send.saved.task, c->task);
        STR_CUT(to_send.saved.nonce, c->nonce);
        memset(to_send.saved.sha256, 'a', sizeof(to_send.saved.sha256) - 1);
        return &to_send;
}

struct wire_msg *client_enrol(struct client *c)
{
        struct wire_msg *m;

        ask_msg(&c->report, client_hello(c));
        m = ask_answer(&c->report);
        CHECK_INT(m->type, WIRE_WELCOME);
        return m;
}
