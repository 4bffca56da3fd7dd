#include "link/session.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum line_state {
        LINE_IDLE,
        LINE_HELD,     /* the question waits for another line's to be written */
        LINE_ASKING,   /* the answer is waited for */
        LINE_DRAINING, /* cancelled; its end is still to come */
};

#define HELD_MS 10

struct line {
        struct session *session;
        enum line_state state;
        nng_ctx ctx;
        /*
         * The question goes out at once or not at all, and nobody is woken to hear that it did: of
         * an idle agent's wake-ups that is every fifth.
         */
        nng_aio *question;
        nng_aio *aio; /* for the answer */
        bool done;    /* under the lock: the aio has ended */
        int timeout_ms;
        struct loop_timer timer;
        mono_t give_up; /* while held */
};

struct session {
        struct loop *loop;
        struct session_config config;
        nng_socket socket;
        struct line lines[STATE_LINE_MAX];
        bool connected;
        nng_dialer dialer;
        bool dialer_open;
        bool dial_thread;
        pthread_t thread;

        /* written by nng's threads and the dialling one, under the lock */
        pthread_mutex_t lock;
        uint32_t added, removed; /* pipes, ever */
        bool dialled;
        int dial_result;

        uint32_t seen_removed;
        struct loop_timer hung_up; /* runs from hanging up until the connection is gone */
};

/*
 * How many processors nng sees: it starts two threads for callbacks and one for timeouts for each.
 * Where nng's archive is at hand the linker hands the question to us
 * (shared/cmake/dependencies.cmake); one small message every few seconds needs no more, and of many
 * idle threads each step wakes another.
 */
int __wrap_nni_plat_ncpu(void);

int __wrap_nni_plat_ncpu(void)
{
        return 1;
}

/* ---- in other threads: note and wake ---- */

static void on_aio(void *arg)
{
        struct line *line = arg;

        pthread_mutex_lock(&line->session->lock);
        line->done = true;
        pthread_mutex_unlock(&line->session->lock);
        loop_wake(line->session->loop);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
        struct session *s = arg;

        (void)pipe;
        pthread_mutex_lock(&s->lock);
        if (ev == NNG_PIPE_EV_ADD_POST)
                s->added++;
        else
                s->removed++;
        pthread_mutex_unlock(&s->lock);
        loop_wake(s->loop);
}

/* Only a synchronous start says at once that the dialling failed, so it has a thread. */
static void *dial(void *arg)
{
        struct session *s = arg;
        int r = nng_dialer_start(s->dialer, 0);

        pthread_mutex_lock(&s->lock);
        s->dialled = true;
        s->dial_result = r;
        pthread_mutex_unlock(&s->lock);
        loop_wake(s->loop);
        return NULL;
}

/* ---- dialling ---- */

static void close_dialer(struct session *s)
{
        if (s->dialer_open)
                nng_dialer_close(s->dialer);
        s->dialer_open = false;
}

/* In the loop's thread, when no thread dials. */
static void dial_refused(struct session *s, int result)
{
        pthread_mutex_lock(&s->lock);
        s->dialled = true;
        s->dial_result = result;
        pthread_mutex_unlock(&s->lock);
        loop_wake(s->loop);
}

void session_dial(struct session *s, const char *url)
{
        int r;

        if (s->dial_thread || s->connected)
                return;
        close_dialer(s);
        r = nng_dialer_create(&s->dialer, s->socket, url);
        if (r != 0) {
                dial_refused(s, r);
                return;
        }
        s->dialer_open = true;
        /* A peer that vanished without a word; not every transport has it. */
        (void)nng_dialer_set_bool(s->dialer, NNG_OPT_TCP_KEEPALIVE, true);
        if (pthread_create(&s->thread, NULL, dial, s) != 0)
                dial_refused(s, NNG_ENOMEM);
        else
                s->dial_thread = true;
}

/* nng notes a pipe before it says that dialling succeeded; `up` is of the same moment. */
static void after_dial(struct session *s, int result, bool up)
{
        if (s->dial_thread)
                pthread_join(s->thread, NULL);
        s->dial_thread = false;
        if (result == 0 && (up || s->connected))
                return;
        close_dialer(s);
        s->config.dial_failed(s->config.ctx,
                              result ? nng_strerror(result) : "the connection did not last");
}

/* ---- lines ---- */

static void free_message(nng_aio *aio)
{
        nng_msg *msg = nng_aio_get_msg(aio);

        if (msg)
                nng_msg_free(msg);
        nng_aio_set_msg(aio, NULL);
}

static void drain(struct session *s)
{
        for (int i = 0; i < STATE_LINE_MAX; i++) {
                struct line *line = &s->lines[i];

                loop_timer_cancel(&line->timer);
                if (line->state == LINE_HELD) {
                        free_message(line->question);
                        line->state = LINE_IDLE;
                } else if (line->state == LINE_ASKING) {
                        line->state = LINE_DRAINING;
                        nng_aio_cancel(line->aio);
                }
        }
}

/* Sends what is in `question`, or holds it. */
static void ask(struct line *line)
{
        nng_ctx_send(line->ctx, line->question);
        nng_aio_wait(line->question); /* it has ended */
        if (nng_aio_result(line->question) != 0) {
                line->state = LINE_HELD;
                loop_timer_set_in(&line->timer, HELD_MS);
                return;
        }
        line->state = LINE_ASKING;
        loop_timer_set_in(&line->timer, line->timeout_ms);
        nng_ctx_recv(line->ctx, line->aio);
}

static void no_answer(struct session *s, struct line *line, const char *reason)
{
        line->state = LINE_IDLE;
        log_debug("no answer", LOG_STR("reason", reason));
        if (s->connected)
                s->config.failed(s->config.ctx, (enum state_line)(line - s->lines));
}

/* Every timeout is the loop's: one that nng keeps wakes a thread when it begins and one when it
 * ends. */
static void on_timeout(void *ctx)
{
        struct line *line = ctx;

        if (line->state != LINE_HELD) {
                nng_aio_cancel(line->aio);
        } else if (!mono_due(line->give_up, loop_now(line->session->loop))) {
                ask(line);
        } else {
                free_message(line->question);
                no_answer(line->session, line, "the question could not be sent");
        }
}

static void line_answered(struct session *s, struct line *line)
{
        nng_msg *msg = nng_aio_get_msg(line->aio);

        nng_aio_set_msg(line->aio, NULL);
        line->state = LINE_IDLE;
        s->config.answer(s->config.ctx, (enum state_line)(line - s->lines), nng_msg_body(msg),
                         nng_msg_len(msg));
        nng_msg_free(msg);
}

static void line_done(struct session *s, struct line *line)
{
        int result = (int)nng_aio_result(line->aio);

        if (line->state != LINE_HELD)
                loop_timer_cancel(&line->timer);
        switch (line->state) {
        case LINE_IDLE:
        case LINE_HELD:
                return;
        case LINE_DRAINING:
                free_message(line->aio); /* an answer that nobody wants */
                line->state = LINE_IDLE;
                return;
        case LINE_ASKING:
                if (result == 0)
                        line_answered(s, line);
                else
                        no_answer(s, line, nng_strerror(result));
                return;
        }
}

/* ---- the loop's side ---- */

static void set_connected(struct session *s, bool connected)
{
        if (s->connected == connected)
                return;
        s->connected = connected;
        loop_timer_cancel(&s->hung_up);
        if (connected) {
                s->config.connected(s->config.ctx);
                return;
        }
        drain(s);
        close_dialer(s);
        s->config.disconnected(s->config.ctx);
}

static void on_wake(void *ctx)
{
        struct session *s = ctx;
        bool done[STATE_LINE_MAX], dialled, lost, up;
        int dial_result;

        pthread_mutex_lock(&s->lock);
        for (int i = 0; i < STATE_LINE_MAX; i++) {
                done[i] = s->lines[i].done;
                s->lines[i].done = false;
        }
        dialled = s->dialled;
        dial_result = s->dial_result;
        s->dialled = false;
        lost = s->removed != s->seen_removed;
        s->seen_removed = s->removed;
        up = s->added != s->removed;
        pthread_mutex_unlock(&s->lock);

        for (int i = 0; i < STATE_LINE_MAX; i++) {
                if (done[i])
                        line_done(s, &s->lines[i]);
        }
        if (dialled)
                after_dial(s, dial_result, up && !lost);
        if (lost)
                set_connected(s, false);
        /* nng dials again by itself when it loses a connection; that one was just closed. */
        else if (up)
                set_connected(s, true);
}

static void on_still_there(void *ctx)
{
        struct session *s = ctx;

        s->config.stuck(s->config.ctx);
}

static int open_line(struct session *s, enum state_line which, int timeout_ms)
{
        struct line *line = &s->lines[which];
        int r;

        line->session = s;
        line->timeout_ms = timeout_ms;
        loop_timer_init(s->loop, &line->timer, on_timeout, line);
        r = nng_aio_alloc(&line->aio, on_aio, line);
        if (r == 0)
                r = nng_aio_alloc(&line->question, NULL, NULL);
        if (r == 0)
                nng_aio_set_timeout(line->question, NNG_DURATION_ZERO);
        if (r == 0)
                r = nng_ctx_open(&line->ctx, s->socket);
        if (r != 0)
                return r;
        /* nng would send an unanswered request again by itself after a minute. */
        return nng_ctx_set_ms(line->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
}

static int open_all(struct session *s)
{
        int r = nng_req0_open(&s->socket);

        if (r != 0)
                return r;
        r = nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, WIRE_FRAME_MAX);
        if (r == 0)
                r = nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_POST, on_pipe, s);
        if (r == 0)
                r = nng_pipe_notify(s->socket, NNG_PIPE_EV_REM_POST, on_pipe, s);
        if (r == 0)
                r = open_line(s, STATE_REPORT_LINE, s->config.report_timeout_ms);
        if (r == 0)
                r = open_line(s, STATE_AWAIT_LINE, SESSION_AWAIT_TIMEOUT_MS);
        if (r == 0)
                r = open_line(s, STATE_SAVED_LINE, SESSION_SAVED_TIMEOUT_MS);
        return r;
}

bool session_url_valid(const char *url)
{
        nng_url *parsed;

        if (nng_url_parse(&parsed, url) != 0)
                return false;
        nng_url_free(parsed);
        return true;
}

int session_new(struct loop *l, const struct session_config *config, struct session **ret_session)
{
        struct session *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->config = *config;
        pthread_mutex_init(&s->lock, NULL);
        loop_timer_init(l, &s->hung_up, on_still_there, s);
        *ret_session = s;
        loop_on_wake(l, on_wake, s);
        return open_all(s) == 0 ? 0 : -ENOMEM;
}

int session_send(struct session *s, enum state_line which, const void *data, size_t len)
{
        struct line *line = &s->lines[which];
        nng_msg *msg;

        if (!s->connected)
                return -ENOTCONN;
        if (line->state != LINE_IDLE)
                return -EBUSY;
        if (len > WIRE_MESSAGE_MAX)
                return -EMSGSIZE;
        if (nng_msg_alloc(&msg, 0) != 0)
                return -ENOMEM;
        if (nng_msg_append(msg, data, len) != 0) {
                nng_msg_free(msg);
                return -ENOMEM;
        }
        nng_aio_set_msg(line->question, msg);
        line->give_up = mono_add_ms(loop_now(s->loop), SESSION_REPORT_TIMEOUT_MS);
        ask(line);
        return 0;
}

void session_hang_up(struct session *s)
{
        /* The pipe goes with its dialer, and that is noticed like any lost connection; a dialling
         * thread comes back with an error. */
        if (s->connected || s->dial_thread)
                close_dialer(s);
        else if (s->dialer_open) /* nng dials again by itself, unasked */
                dial_refused(s, NNG_ECLOSED);
        if (s->connected)
                loop_timer_set_in(&s->hung_up, SESSION_STUCK_MS);
}
