/*
 * The role `link`: own user. Wires the state machine to init, gate, sense and the controller. All
 * decisions are in state.h; this file only carries bytes and writes the log.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "link/control.h"
#include "link/identity.h"
#include "link/session.h"
#include "link/state.h"
#include "profile/profile.h"
#include "roles.h"
#include "wire/blob.h"

#ifndef LINK_AGENT
#define LINK_AGENT "wsagent 0.1.0"
#endif

struct link {
        struct loop *loop;
        struct loop_timer timer;
        struct loop_fd gate, sense;
        struct control_link control;
        struct session *session;
        struct state_actions actions;
        struct wire_msg msg_in, msg_out;
        struct state state;
        /* what was logged last */
        enum wire_phase phase;
        char error[WIRE_TEXT_SIZE];
        char refused[WIRE_CODE_SIZE];
        char unreached[96]; /* why a dialling failed */
        uint64_t epoch, superseded;
        unsigned not_leader;
        bool clock_off;
};

/* ---- carrying out ---- */

static void do_control(struct link *k, const struct state_action *a)
{
        struct control_msg msg = {
                .type = a->control.type, .id = a->control.id, .flags = a->control.flags};
        AUTO_BUF b = BUF_INIT(ROLE_BLOB_MAX);
        bool save = a->control.type == CONTROL_SAVE || a->control.type == CONTROL_HOLD;
        const char *blob = a->control.blob;
        int r = 0;

        if (blob && save)
                r = blob_save_request_set_committed(blob, strlen(blob), a->control.committed_seq,
                                                    &b);
        if (blob && (!save || r < 0)) {
                /* What cannot be read here is refused by the worker, which says why. */
                buf_clear(&b);
                r = buf_append_str(&b, blob);
        }
        msg.len = (uint32_t)b.len;
        if (r == 0)
                r = control_link_send(&k->control, &msg, b.data);
        if (r < 0)
                log_error("an order to init was lost", LOG_INT("type", msg.type), LOG_ERR(r));
}

static void do_channel(int fd, const struct channel_msg *msg, const char *to)
{
        /* Full: nobody reads. When somebody does again it says hello, and is told everything. */
        if (send(fd, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                log_warn("a message was lost", LOG_STR("to", to), LOG_INT("type", msg->type),
                         LOG_ERR(errno));
}

static void do_action(struct link *k, const struct state_action *a)
{
        switch (a->type) {
        case STATE_ACT_CONTROL:
                do_control(k, a);
                return;
        case STATE_ACT_GATE:
                do_channel(ROLE_FD_GATE, &a->channel, "gate");
                return;
        case STATE_ACT_SENSE:
                do_channel(ROLE_FD_SENSE, &a->channel, "sense");
                return;
        case STATE_ACT_DIAL:
                session_dial(k->session, a->url);
                return;
        case STATE_ACT_HANG_UP:
                session_hang_up(k->session);
                return;
        }
}

static const char *cure(const char *code)
{
        static const struct {
                const char *code, *cure;
        } cures[] = {
                {"bad-secret", "WS_TASK_SECRET is not the one of this task: end this task and let "
                               "the controller launch another"},
                {"nonce-mismatch", "another instance has enrolled as this task: end this one"},
                {"unknown-task", "the controller at WS_CONTROLLER does not know this task: end it, "
                                 "or correct WS_CONTROLLER"},
                {"version", "agent and controller are too far apart: update the older one"},
        };

        for (size_t i = 0; i < ARRAY_LEN(cures); i++) {
                if (strcmp(cures[i].code, code) == 0)
                        return cures[i].cure;
        }
        return "see the controller's log";
}

static void log_lead(struct link *k)
{
        const struct state *s = &k->state;

        if (k->superseded != s->superseded)
                log_warn("a superseded controller is not obeyed",
                         LOG_INT("messages", s->superseded), LOG_INT("epoch", s->epoch));
        if (k->epoch != s->epoch)
                log_info("epoch", LOG_INT("from", k->epoch), LOG_INT("to", s->epoch));
        if (s->not_leader == 1 && k->not_leader == 0)
                log_info("this controller follows and its leader cannot be dialled; asking again");
        k->superseded = s->superseded;
        k->epoch = s->epoch;
        k->not_leader = s->not_leader;
}

/* Once, not at each report. */
static void log_clock(struct link *k)
{
        int64_t off_s = k->state.clock_off_s;

        if (k->clock_off == (off_s != 0))
                return;
        k->clock_off = off_s != 0;
        if (k->clock_off)
                log_warn("this machine's clock is not the controller's: links would be refused as "
                         "expired, or last too long, if they were judged by it",
                         LOG_INT("behind_s", off_s),
                         LOG_STR("meanwhile", "they are judged by the controller's"),
                         LOG_STR("cure", "set both clocks by the same source (chrony, ntpd, "
                                         "systemd-timesyncd)"));
        else
                log_info("this machine's clock is the controller's again");
}

static void log_changes(struct link *k)
{
        const struct state *s = &k->state;

        log_lead(k);
        log_clock(k);

        if (strcmp(k->refused, s->refused_code) != 0) {
                STR_CUT(k->refused, s->refused_code);
                if (*k->refused)
                        log_error("the controller refuses this agent; asking again slowly",
                                  LOG_STR("code", s->refused_code),
                                  LOG_STR("reason", s->refused_reason),
                                  LOG_STR("cure", cure(s->refused_code)));
        }
        if (k->phase != s->phase) {
                log_info("phase", LOG_STR("from", wire_phase_name(k->phase)),
                         LOG_STR("to", wire_phase_name(s->phase)),
                         LOG_STR("workspace", s->claim.workspace),
                         LOG_INT("generation", s->generation));
                k->phase = s->phase;
        }
        if (strcmp(k->error, s->error) != 0) {
                STR_CUT(k->error, s->error);
                if (*k->error)
                        log_warn("trouble", LOG_STR("what", s->error));
        }
}

static void step(struct link *k, const struct state_event *ev);

static bool send_line(struct link *k, enum state_line line)
{
        AUTO_BUF b = BUF_INIT(WIRE_MESSAGE_MAX);
        int r;

        if (!state_message(&k->state, line, loop_now(k->loop), &k->msg_out))
                return false;
        r = wire_encode(&k->msg_out, &b);
        if (r == 0)
                r = session_send(k->session, line, b.data, b.len);
        if (k->msg_out.type == WIRE_HELLO)
                explicit_bzero(b.data, b.len);
        if (r < 0) {
                log_warn("a message could not be sent", LOG_INT("line", line), LOG_ERR(r));
                step(k, &(struct state_event){.type = STATE_NO_ANSWER, .answer.line = line});
        }
        return true;
}

static void step(struct link *k, const struct state_event *ev)
{
        k->actions.n = 0;
        state_step(&k->state, ev, loop_now(k->loop), &k->actions);
        for (size_t i = 0; i < k->actions.n; i++)
                do_action(k, &k->actions.v[i]);
        log_changes(k);
}

static void take(struct link *k, const struct state_event *ev)
{
        step(k, ev);
        /* Before the session exists there is no connection, so nothing to send. */
        for (int line = 0; line < STATE_LINE_MAX; line++)
                (void)send_line(k, (enum state_line)line);
        loop_timer_set(&k->timer, state_deadline(&k->state));
}

/* ---- what comes in ---- */

static void on_timer(void *ctx)
{
        take(ctx, &(struct state_event){.type = STATE_DEADLINE});
}

static void on_report(void *ctx, const struct control_msg *msg, const void *blob)
{
        take(ctx, &(struct state_event){
                          .type = STATE_CONTROL, .control.msg = msg, .control.blob = blob});
}

static void on_init_ended(void *ctx)
{
        struct link *k = ctx;

        loop_exit(k->loop, 0);
}

/* Where the gate can be reached: what init wrote, else this machine and the port. */
static void find_addr(struct link *k, uint32_t port)
{
        AUTO_BUF b = BUF_INIT(WIRE_ADDR_SIZE);
        const char *run_dir = role_env("WS_RUN_DIR", ROLE_RUN_DIR);
        char path[CHANNEL_PATH_MAX], text[WIRE_ADDR_SIZE] = "";
        int n = snprintf(path, sizeof(path), "%s/gate.addr", run_dir);

        if (n < (int)sizeof(path) && file_read(path, &b) == 0 && b.len > 0) {
                STR_CUT(text, (const char *)b.data);
                text[strcspn(text, "\r\n ")] = '\0';
        }
        if (!*text && port > 0)
                (void)snprintf(text, sizeof(text), "127.0.0.1:%u", port);
        if (*text)
                state_set_addr(&k->state, text);
}

static void on_channel(struct link *k, int fd, uint32_t events)
{
        struct channel_msg msg;
        ssize_t n = recv(fd, &msg, sizeof(msg), MSG_DONTWAIT);

        if (n == 0 || (events & (EPOLLHUP | EPOLLERR))) {
                on_init_ended(k);
                return;
        }
        if (n != (ssize_t)sizeof(msg))
                return;
        if (msg.type == CHANNEL_GATE_HELLO)
                find_addr(k, msg.u.hello.port);
        take(k, &(struct state_event){.type = STATE_GATE, .channel = &msg});
}

static void on_gate(void *ctx, uint32_t events)
{
        on_channel(ctx, ROLE_FD_GATE, events);
}

static void on_sense(void *ctx, uint32_t events)
{
        on_channel(ctx, ROLE_FD_SENSE, events);
}

static void on_connected(void *ctx)
{
        struct link *k = ctx;

        log_info("connected to a controller", LOG_STR("url", route_url(&k->state.route)));
        k->unreached[0] = '\0';
        take(k, &(struct state_event){.type = STATE_CONNECTED});
}

static void on_dial_failed(void *ctx, const char *reason)
{
        struct link *k = ctx;

        /* Once for each reason: attempts go on for as long as it takes. */
        if (strcmp(k->unreached, reason) != 0)
                log_warn("a controller cannot be reached; all are tried again and again",
                         LOG_STR("url", route_url(&k->state.route)), LOG_STR("reason", reason));
        STR_CUT(k->unreached, reason);
        take(k, &(struct state_event){.type = STATE_DIAL_FAILED});
}

static void on_disconnected(void *ctx)
{
        log_warn("no connection to a controller any more");
        take(ctx, &(struct state_event){.type = STATE_DISCONNECTED});
}

static void on_answer(void *ctx, enum state_line line, const void *data, size_t len)
{
        struct link *k = ctx;
        struct state_event ev = {.type = STATE_ANSWER, .answer.line = line};
        char reason[WIRE_REASON_SIZE];
        int r = wire_decode(data, len, &k->msg_in, reason);

        ev.answer.msg = &k->msg_in;
        ev.answer.utc_ms = loop_utc(k->loop).us / US_PER_MS;
        if (r != 0) {
                log_warn("the controller's answer cannot be read",
                         LOG_STR("reason", r > 0 ? reason : "out of memory"));
                ev.type = STATE_NO_ANSWER;
        } else if (k->msg_in.type == WIRE_OK && k->msg_in.ok.notice[0]) {
                log_info("the controller says", LOG_STR("notice", k->msg_in.ok.notice));
        }
        take(k, &ev);
}

static void on_failed(void *ctx, enum state_line line)
{
        take(ctx, &(struct state_event){.type = STATE_NO_ANSWER, .answer.line = line});
}

static void on_stuck(void *ctx)
{
        struct link *k = ctx;

        log_error("the connection to the controller cannot be ended: starting anew",
                  LOG_INT("ms", SESSION_STUCK_MS));
        loop_exit(k->loop, -ETIMEDOUT);
}

/* ---- start ---- */

static int load_profile(struct state_config *c)
{
        AUTO_PROFILE p = NULL;
        const char *path = getenv("WS_PROFILE");
        int r;

        if (!path) {
                log_error("WS_PROFILE is not set");
                return -EINVAL;
        }
        r = profile_load(path, &p);
        if (r < 0)
                return r;
        STR_CUT(c->health_path, p->health_path);
        STR_CUT(c->prime_path, p->prime_path);
        c->save_after_ms = p->save_after_ms;
        return 0;
}

static int load_config(struct state_config *c)
{
        const char *task = role_env("WS_TASK_ID", "");
        char workspace[CHANNEL_PATH_MAX];
        const char *home = role_env("WS_HOME", ROLE_HOME);
        int r = identity_take_secret(c->secret);

        if (r < 0) {
                log_error("WS_TASK_SECRET must be 64 hex digits", LOG_ERR(r));
                return r;
        }
        if (!name_valid(task, sizeof(c->task) - 1)) {
                log_error("WS_TASK_ID is missing or not a task id");
                return -EINVAL;
        }
        STR_CUT(c->task, task);
        STR_CUT(c->agent, LINK_AGENT);
        if (snprintf(workspace, sizeof(workspace), "%s/workspace", home) >=
                    (int)sizeof(workspace) ||
            STR_SET(c->home, home) < 0 ||
            STR_SET(c->workspace, role_env("WS_WORKSPACE", workspace)) < 0) {
                log_error("WS_HOME or WS_WORKSPACE is too long", LOG_INT("max", CHANNEL_PATH_MAX));
                return -ENAMETOOLONG;
        }
        r = identity_nonce(c->task, c->nonce);
        if (r < 0) {
                log_error("the start time of init cannot be read from /proc", LOG_ERR(r));
                return r;
        }
        random_bytes(&c->seed, sizeof(c->seed));
        return load_profile(c);
}

static int load_route(struct state_config *c)
{
        const char *list = role_env("WS_CONTROLLER", "");
        int r = route_init(&c->route, list, c->seed);

        for (uint32_t i = 0; r == 0 && i < c->route.n; i++)
                r = session_url_valid(c->route.url[i]) ? 0 : -EINVAL;
        if (r < 0)
                log_error("WS_CONTROLLER must be a URL such as tcp://127.0.0.1:7700, or several "
                          "with commas between them",
                          LOG_STR("value", list), LOG_INT("max", ROUTE_MAX));
        return r;
}

static int open_session(struct link *k)
{
        bool several = k->state.config.route.n > 1;
        struct session_config config = {
                .report_timeout_ms =
                        several ? SESSION_REPORT_TIMEOUT_SEVERAL_MS : SESSION_REPORT_TIMEOUT_MS,
                .connected = on_connected,
                .dial_failed = on_dial_failed,
                .disconnected = on_disconnected,
                .answer = on_answer,
                .failed = on_failed,
                .stuck = on_stuck,
                .ctx = k,
        };
        int r = session_new(k->loop, &config, &k->session);

        /* The first dialling. */
        if (r == 0)
                loop_timer_set(&k->timer, state_deadline(&k->state));
        return r;
}

static int start(struct link *k)
{
        struct state_config config = {0};
        int r = load_config(&config);

        if (r == 0)
                r = load_route(&config);
        if (r == 0)
                r = loop_new(&k->loop);
        if (r < 0)
                return r;
        /* Microseconds since boot: above all numbers that an earlier link of this instance used. */
        config.first_seq = (uint64_t)loop_now(k->loop).us;
        state_init(&k->state, &config, loop_now(k->loop));
        explicit_bzero(config.secret, sizeof(config.secret));
        k->phase = k->state.phase;
        find_addr(k, 0);
        loop_timer_init(k->loop, &k->timer, on_timer, k);
        k->control.report = on_report;
        k->control.ended = on_init_ended;
        k->control.ctx = k;
        r = control_link_open(&k->control, k->loop, ROLE_FD_CONTROL);
        if (r == 0)
                r = loop_fd_add(k->loop, &k->gate, ROLE_FD_GATE, EPOLLIN, on_gate, k);
        if (r == 0)
                r = loop_fd_add(k->loop, &k->sense, ROLE_FD_SENSE, EPOLLIN, on_sense, k);
        return r < 0 ? r : open_session(k);
}

int role_link_main(int argc, char **argv)
{
        static struct link k; /* kept to the end of the process, as its session is */
        int r;

        (void)argc, (void)argv;
        /* Not to outlive init where it is not PID 1. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        r = start(&k);
        if (r == 0)
                r = loop_run(k.loop);
        explicit_bzero(k.state.config.secret, sizeof(k.state.config.secret));
        if (r < 0)
                log_error("link ends", LOG_ERR(r));
        return r == 0 ? 0 : 1;
}
