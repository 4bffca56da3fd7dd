#include "gate/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"

#define HEAD_MS 10000   /* from the first byte of a head, or the connection, to its end */
#define IDLE_MS 75000   /* between two requests; longer than a front door keeps its own */
#define ANSWER_MS 10000 /* for the client to take an answer of ours */
#define LINGER_MS 2000
#define HALF_OPEN_MS (5 * 60 * 1000) /* no byte in a tunnel that one side has closed */
#define CONNECT_MAX_MS 5000

static void run(struct conn *c);

/* --- what is counted --- */

static void count_relay(struct conn *c, bool on)
{
        struct gate *g = c->gate;

        if (c->counted == on)
                return;
        c->counted = on;
        if (on) {
                g->relays++;
                g->requests++;
                g->ever_open = true;
        } else {
                g->relays--;
        }
        g->last_open = loop_now(g->loop);
}

static void count_bytes(struct conn *c)
{
        c->gate->bytes_in += c->up.written;
        c->gate->bytes_out += c->down.written;
        if (c->up.written || c->down.written)
                c->progress = loop_now(c->gate->loop);
        c->up.written = c->down.written = 0;
}

/* --- what is seen --- */

/*
 * What the app has been given is shown to the observer, and only then: a byte is on its way before
 * anybody looks at it, and what the observer makes of it cannot come back here.
 */
static void on_written(void *ctx, const void *data, size_t len)
{
        struct conn *c = ctx;
        mono_t now = loop_now(c->gate->loop);

        if (!c->watch)
                return;
        if (c->state == CONN_TUNNEL)
                watch_stream(c->watch, data, len, now);
        else
                watch_body(c->watch, data, len, now);
        report_seen(c->gate);
}

static void watch_begin(struct conn *c)
{
        c->watch = observer_request(c->gate->observer, &c->request, loop_now(c->gate->loop));
        report_seen(c->gate);
}

static void watch_over(struct conn *c)
{
        if (!c->watch)
                return;
        c->watch = watch_end(c->watch, loop_now(c->gate->loop));
        report_seen(c->gate);
}

/* The client says no more. What the app has yet to take of it is seen now. */
static void watch_close(struct conn *c)
{
        if (c->up.pass > 0)
                on_written(c, c->up.in.data, c->up.pass);
        watch_over(c);
}

/* --- sockets and life --- */

static void count_websocket(struct conn *c, bool open)
{
        if (c->counts_websocket == open)
                return;
        c->counts_websocket = open;
        c->gate->websockets += open ? 1U : -1U;
}

void conn_leave_app(struct conn *c)
{
        loop_fd_del(&c->app_src);
        c->app_fd = fd_close(c->app_fd);
        watch_over(c);
        count_websocket(c, false);
        count_relay(c, false);
        buf_clear(&c->up.own);
        buf_clear(&c->down.in);
        c->up.pass = c->down.pass = 0;
        c->up.shut = false;
        c->down.eof = false;
}

void conn_free(struct conn *c)
{
        struct gate *g = c->gate;

        conn_leave_app(c);
        loop_timer_cancel(&c->timer);
        loop_fd_del(&c->client_src);
        fd_close(c->client_fd);
        lane_deinit(&c->up);
        lane_deinit(&c->down);
        if (c->prev)
                c->prev->next = c->next;
        else
                g->conns = c->next;
        if (c->next)
                c->next->prev = c->prev;
        if (c->notice)
                notice_left(g);
        else
                g->n_conns--;
        free(c);
}

static void enter_head(struct conn *c)
{
        c->state = CONN_HEAD;
        http_head_init(&c->request, HTTP_REQUEST);
        loop_timer_set_in(&c->timer, c->seen_request && c->up.in.len == 0 ? IDLE_MS : HEAD_MS);
}

/* --- answers of our own --- */

static struct page_form form_of(const struct conn *c)
{
        return (struct page_form){
                .html = c->verdict.html,
                .to_head = c->verdict.to_head,
                .keep_alive = c->keep_alive,
        };
}

static int begin_answer(struct conn *c, int r)
{
        if (r < 0)
                return r;
        c->state = CONN_ANSWER;
        loop_timer_set_in(&c->timer, ANSWER_MS);
        return CONN_AGAIN;
}

int conn_refuse(struct conn *c, uint16_t status, const char *reason)
{
        conn_leave_app(c);
        c->keep_alive = false;
        return begin_answer(c, page_write_refusal(&c->down.own, status, reason, form_of(c)));
}

int conn_answer_wait(struct conn *c, uint16_t status)
{
        struct page_state state = gate_page_state(c->gate);

        conn_leave_app(c);
        if (status == 502) {
                c->keep_alive = false;
                state.ready = false;
        }
        return begin_answer(c, page_write_wait(&c->down.own, status, &state, form_of(c)));
}

/* --- HEAD --- */

static int deny(struct conn *c, enum admit_denial denial)
{
        c->gate->refused++;
        c->keep_alive = false;
        log_debug("not let in", LOG_STR("why", page_denial_code(denial)));
        return begin_answer(c,
                            page_write_denial(&c->down.own, denial, c->gate->platform, form_of(c)));
}

/* A link is opened: its ticket is used up before the browser has anything in its place. */
static int admit(struct conn *c, const struct buf *to)
{
        const struct admit_verdict *v = &c->verdict.admit;
        struct gate *g = c->gate;
        char cookie[ADMIT_COOKIE_SIZE];
        int r = v->ticket ? used_add(g->used, &v->access, g->rules.admit.now_s) : 0;

        if (r < 0 && !v->cookie)
                return deny(c, r == -EEXIST ? ADMIT_USED : ADMIT_FULL);
        if (!v->ticket || r < 0)
                return begin_answer(c, page_write_redirect(&c->down.own, (const char *)to->data,
                                                           NULL, form_of(c)));
        admit_cookie(&g->rules.admit, cookie);
        r = page_write_redirect(&c->down.own, (const char *)to->data, cookie, form_of(c));
        explicit_bzero(cookie, sizeof(cookie));
        return begin_answer(c, r);
}

static int answer_here(struct conn *c)
{
        struct page_state state = gate_page_state(c->gate);
        const struct door_verdict *v = &c->verdict;
        AUTO_BUF to = BUF_INIT(HTTP_HEAD_MAX);

        /* A body that nobody reads ends the connection; so does a handshake not granted. */
        c->keep_alive = c->request.keep_alive && c->request.body == HTTP_BODY_NONE &&
                        !c->request.upgrade && !c->up.eof;
        if (v->way == DOOR_ADMIT || v->way == DOOR_LEAD) {
                int r = v->way == DOOR_LEAD ? admit_lead(c->request.target, &to)
                                            : admit_clean(c->request.target, &to);

                if (r == 0)
                        r = buf_terminate(&to);
                if (r < 0)
                        return r;
        }
        lane_drop(&c->up, c->request.length);
        switch (v->way) {
        case DOOR_HEALTH:
                return begin_answer(c, page_write_health(&c->down.own, form_of(c)));
        case DOOR_STATUS:
                return begin_answer(c, page_write_status(&c->down.own, &state, form_of(c)));
        case DOOR_KEEP:
                observer_keep(c->gate->observer, loop_now(c->gate->loop));
                report_keep(c->gate);
                return begin_answer(c, page_write_done(&c->down.own, form_of(c)));
        case DOOR_WAIT:
                return conn_answer_wait(c, 503);
        case DOOR_LEAD:
                return begin_answer(c, page_write_redirect(&c->down.own, (const char *)to.data,
                                                           NULL, form_of(c)));
        case DOOR_ADMIT:
                return admit(c, &to);
        case DOOR_DENY:
                return deny(c, v->admit.denial);
        case DOOR_REFUSE:
        case DOOR_PASS:
                break;
        }
        c->gate->refused++;
        return conn_refuse(c, v->status, v->reason);
}

/* By the controller's clock, which links and cookies have their time from. */
static uint64_t now_s(const struct gate *g)
{
        return (uint64_t)MAX(loop_utc(g->loop).us / US_PER_S + g->clock_off_s, 0);
}

static int step_head(struct conn *c)
{
        int r;

        if (c->up.in.len == 0)
                return c->up.eof ? -ECONNRESET : CONN_WAIT;
        r = http_head_parse(&c->request, c->up.in.data, c->up.in.len);
        if (r == HTTP_MORE)
                return c->up.eof ? -ECONNRESET : CONN_WAIT;
        c->verdict = (struct door_verdict){0};
        if (r == HTTP_REFUSED) {
                c->gate->refused++;
                return conn_refuse(c, c->request.refuse_status, c->request.refuse_reason);
        }
        c->seen_request = true;
        c->gate->rules.admit.now_s = now_s(c->gate);
        c->verdict = c->notice ? door_judge_notice(&c->request, &c->gate->rules)
                               : door_judge(&c->request, &c->gate->rules);
        if (c->verdict.way != DOOR_PASS)
                return answer_here(c);
        watch_begin(c);
        c->connect_until = mono_add_ms(loop_now(c->gate->loop), CONNECT_MAX_MS);
        count_relay(c, true);
        return exchange_begin(c);
}

/* --- EXCHANGE, TUNNEL --- */

static int linger(struct conn *c)
{
        c->state = CONN_LINGER;
        buf_clear(&c->up.in);
        lane_shut(&c->down, c->client_fd);
        loop_timer_set_in(&c->timer, LINGER_MS);
        return CONN_AGAIN;
}

int conn_exchange_done(struct conn *c)
{
        bool whole = c->request_body.complete && !lane_has_work(&c->up);

        conn_leave_app(c);
        if (!c->keep_alive || !whole)
                return linger(c);
        enter_head(c);
        return CONN_AGAIN;
}

int conn_begin_tunnel(struct conn *c)
{
        c->state = CONN_TUNNEL;
        count_websocket(c, true);
        c->progress = loop_now(c->gate->loop);
        loop_timer_cancel(&c->timer);
        return CONN_AGAIN;
}

static int step_tunnel(struct conn *c)
{
        struct lane *up = &c->up, *down = &c->down;

        up->pass = up->in.len;
        down->pass = down->in.len;
        if (!c->app_deaf && lane_write(up, c->app_fd) < 0)
                c->app_deaf = true;
        if (c->app_deaf) {
                /* What the app said before it went still reaches the client. */
                buf_clear(&up->in);
                up->pass = 0;
        }
        if (lane_write(down, c->client_fd) < 0)
                return -ECONNRESET;
        /* The client has gone; the app may keep its side for half a minute, with nobody there. */
        if (up->eof) {
                watch_close(c);
                count_websocket(c, false);
        }
        if (up->eof && !lane_has_work(up))
                lane_shut(up, c->app_fd);
        if (down->eof && !lane_has_work(down))
                lane_shut(down, c->client_fd);
        if (down->shut && (up->shut || c->app_deaf))
                return -ECONNRESET;
        if ((up->eof || down->eof) && mono_is_never(c->timer.due))
                loop_timer_set_in(&c->timer, HALF_OPEN_MS);
        return CONN_WAIT;
}

/* --- ANSWER, LINGER --- */

static int step_answer(struct conn *c)
{
        if (lane_write(&c->down, c->client_fd) < 0)
                return -ECONNRESET;
        if (lane_has_work(&c->down))
                return CONN_WAIT;
        if (!c->keep_alive)
                return linger(c);
        enter_head(c);
        return CONN_AGAIN;
}

static int step_linger(struct conn *c)
{
        buf_clear(&c->up.in);
        return c->up.eof ? -ECONNRESET : CONN_WAIT;
}

static int step(struct conn *c)
{
        switch (c->state) {
        case CONN_HEAD:
                return step_head(c);
        case CONN_CONNECT:
                return CONN_WAIT;
        case CONN_EXCHANGE:
                return exchange_step(c);
        case CONN_TUNNEL:
                return step_tunnel(c);
        case CONN_ANSWER:
                return step_answer(c);
        case CONN_LINGER:
                return step_linger(c);
        }
        return -EINVAL;
}

/* --- events --- */

static bool wants_client_bytes(const struct conn *c)
{
        const struct lane *up = &c->up;

        switch (c->state) {
        case CONN_HEAD:
        case CONN_TUNNEL:
        case CONN_LINGER:
                return lane_has_room(up);
        case CONN_EXCHANGE:
                /* Behind its request the client may have sent the next one: a head's worth. */
                if (c->app_deaf)
                        return false;
                return lane_has_room(up) &&
                       (!c->request_body.complete || up->in.len - up->pass < HTTP_HEAD_MAX);
        case CONN_CONNECT:
        case CONN_ANSWER:
                break;
        }
        return false;
}

static bool wants_app_bytes(const struct conn *c)
{
        return (c->state == CONN_EXCHANGE || c->state == CONN_TUNNEL) && lane_has_room(&c->down);
}

static void on_client(void *ctx, uint32_t events)
{
        struct conn *c = ctx;
        bool was_empty = c->up.in.len == 0;

        if ((events & ~(uint32_t)EPOLLOUT) && wants_client_bytes(c)) {
                if (lane_read(&c->up, c->client_fd) < 0) {
                        conn_free(c);
                        return;
                }
                if (c->state == CONN_HEAD && c->seen_request && was_empty)
                        loop_timer_set_in(&c->timer, HEAD_MS);
        }
        run(c);
}

static void on_app(void *ctx, uint32_t events)
{
        struct conn *c = ctx;

        /* A reset of the app's is the end of what it says; what came before still counts. */
        if ((events & ~(uint32_t)EPOLLOUT) && wants_app_bytes(c) &&
            lane_read(&c->down, c->app_fd) < 0)
                c->down.eof = true;
        run(c);
}

/*
 * A hang-up is reported for as long as a descriptor is watched, whatever it is watched for. So one
 * that nothing is wanted of is not watched at all.
 */
static int watch(struct conn *c, struct loop_fd *src, int fd, uint32_t events, loop_fd_fn fn)
{
        if (events == 0) {
                loop_fd_del(src);
                return 0;
        }
        if (src->loop)
                return loop_fd_events(src, events);
        return loop_fd_add(c->gate->loop, src, fd, events, fn, c);
}

static int watch_both(struct conn *c)
{
        uint32_t client = 0, app = 0;
        int r;

        if (wants_client_bytes(c))
                client |= EPOLLIN;
        if (lane_has_work(&c->down))
                client |= EPOLLOUT;
        if (wants_app_bytes(c))
                app |= EPOLLIN;
        if (!c->app_deaf && lane_has_work(&c->up))
                app |= EPOLLOUT;
        r = watch(c, &c->client_src, c->client_fd, client, on_client);
        if (r == 0 && c->app_fd >= 0)
                r = watch(c, &c->app_src, c->app_fd, app, on_app);
        return r;
}

int conn_watch_app(struct conn *c)
{
        return watch(c, &c->app_src, c->app_fd, EPOLLIN, on_app);
}

/* Go on until nothing more can be done now. Frees the connection when it is over. */
static void run(struct conn *c)
{
        int r;

        do
                r = step(c);
        while (r == CONN_AGAIN);
        count_bytes(c);
        if (r == 0) {
                lane_trim(&c->up);
                lane_trim(&c->down);
                r = watch_both(c);
        }
        if (r < 0)
                conn_free(c);
}

/* True when bytes have moved in time; then the timer waits for the rest. */
static bool still_moving(struct conn *c, int64_t limit_ms)
{
        mono_t due = mono_add_ms(c->progress, limit_ms);

        if (mono_due(due, loop_now(c->gate->loop)))
                return false;
        loop_timer_set(&c->timer, due);
        return true;
}

static void on_timer(void *ctx)
{
        struct conn *c = ctx;
        int r = -ETIMEDOUT;

        switch (c->state) {
        case CONN_HEAD:
                if (c->up.in.len > 0) {
                        c->verdict = (struct door_verdict){0};
                        c->gate->refused++;
                        r = conn_refuse(c, 408, "the request's head did not come in time");
                }
                break;
        case CONN_CONNECT:
                r = exchange_begin(c);
                break;
        case CONN_EXCHANGE:
                if (still_moving(c, CONN_STALL_MS))
                        return;
                break;
        case CONN_TUNNEL:
                if (still_moving(c, HALF_OPEN_MS))
                        return;
                break;
        case CONN_ANSWER:
        case CONN_LINGER:
                break;
        }
        if (r < 0)
                conn_free(c);
        else
                run(c);
}

/* A peer whose machine is gone says nothing: the kernel finds out. */
static void set_options(int fd)
{
        static const struct {
                int level, name, value;
        } options[] = {
                {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
                {IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 15},
                {IPPROTO_TCP, TCP_KEEPCNT, 4},
        };

        for (size_t i = 0; i < ARRAY_LEN(options); i++)
                (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                                 sizeof(int));
}

int conn_new(struct gate *g, int fd, bool notice)
{
        struct conn *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->gate = g;
        c->client_fd = fd;
        c->app_fd = -1;
        c->client_src = c->app_src = LOOP_FD_NULL;
        c->progress = loop_now(g->loop);
        lane_init(&c->up);
        lane_init(&c->down);
        c->up.tap = on_written;
        c->up.tap_ctx = c;
        c->notice = notice;
        loop_timer_init(g->loop, &c->timer, on_timer, c);
        r = loop_fd_add(g->loop, &c->client_src, fd, EPOLLIN, on_client, c);
        if (r < 0) {
                free(c);
                return r;
        }
        if (!notice)
                set_options(fd);
        enter_head(c);
        c->next = g->conns;
        if (c->next)
                c->next->prev = c;
        g->conns = c;
        if (!notice)
                g->n_conns++;
        return 0;
}
