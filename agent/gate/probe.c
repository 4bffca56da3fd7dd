#include "gate/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "gate/app.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "gate/redirect.h"
#include "gate/relay.h"

/*
 * The next attempt comes after an eighth of the time so far: an app that is quick is seen at once.
 * To look for a socket that is not there yet costs next to nothing, to ask an app costs it work.
 * inotify would tell when the socket appears, and was tried: the gate then wakes while the app is
 * about to listen, and where both cores are busy the app waits for its next turn, 8 ms and more.
 */
#define PROBE_AGAIN_PART 8
#define PROBE_AGAIN_MS_MIN 1
#define PROBE_ABSENT_MS_MAX 10
#define PROBE_AGAIN_MS_MAX 50
#define PROBE_HEALTH_MS 2000
#define PROBE_PRIME_MS 20000
#define PROBE_HOST "localhost"

enum probe_state {
        PROBE_IDLE,
        PROBE_PAUSE,  /* until the next attempt */
        PROBE_HEALTH, /* a health request is out */
        PROBE_PRIME,  /* the page is being fetched */
};

struct probe {
        struct loop *loop;
        const char *app_socket;
        probe_up_fn fn;
        void *ctx;
        enum probe_state state;
        uint32_t id;
        bool prime;
        bool redirected;
        char health_path[REDIRECT_PATH_MAX];
        char page_path[REDIRECT_PATH_MAX];
        mono_t begun;
        int fd;
        struct loop_fd src;
        struct loop_timer timer;
        struct lane lane; /* own: the request, in: the answer */
        struct http_head head;
        bool head_done;
};

static void hang_up(struct probe *p)
{
        loop_fd_del(&p->src);
        p->fd = fd_close(p->fd);
        lane_deinit(&p->lane);
        loop_timer_cancel(&p->timer);
}

void probe_cancel(struct probe *p)
{
        hang_up(p);
        p->state = PROBE_IDLE;
}

static void finish(struct probe *p)
{
        uint32_t waited = (uint32_t)MIN(mono_diff_ms(p->begun, loop_now(p->loop)), UINT32_MAX);

        probe_cancel(p);
        p->fn(p->ctx, p->id, waited, p->prime);
}

/* This attempt came to nothing. A page that cannot be fetched does not keep the app down. */
static void attempt_failed(struct probe *p)
{
        int64_t again_ms, max_ms = p->fd < 0 ? PROBE_ABSENT_MS_MAX : PROBE_AGAIN_MS_MAX;

        if (p->state == PROBE_PRIME) {
                log_warn("the app's page could not be fetched while priming");
                finish(p);
                return;
        }
        hang_up(p);
        p->state = PROBE_PAUSE;
        again_ms = mono_diff_ms(p->begun, loop_now(p->loop)) / PROBE_AGAIN_PART;
        again_ms = MIN(MAX(again_ms, PROBE_AGAIN_MS_MIN), max_ms);
        loop_timer_set_in(&p->timer, again_ms);
}

static void on_app(void *ctx, uint32_t events);

static void ask(struct probe *p, enum probe_state state, const char *path)
{
        int r;

        hang_up(p);
        p->state = state;
        p->head_done = false;
        http_head_init(&p->head, HTTP_RESPONSE);
        lane_init(&p->lane);
        r = app_connect(p->app_socket, &p->fd);
        if (r == 0)
                r = buf_printf(&p->lane.own,
                               "GET %s HTTP/1.1\r\nHost: " PROBE_HOST "\r\n"
                               "Accept: text/html, */*\r\nConnection: close\r\n\r\n",
                               path);
        if (r == 0)
                r = loop_fd_add(p->loop, &p->src, p->fd, EPOLLIN | EPOLLOUT, on_app, p);
        if (r < 0)
                attempt_failed(p);
        else
                loop_timer_set_in(&p->timer,
                                  state == PROBE_PRIME ? PROBE_PRIME_MS : PROBE_HEALTH_MS);
}

static void on_timer(void *ctx)
{
        struct probe *p = ctx;

        if (p->state == PROBE_PAUSE)
                ask(p, PROBE_HEALTH, p->health_path);
        else
                attempt_failed(p);
}

/* The health request has an answer. */
static void on_health(struct probe *p)
{
        if (p->head.status != 200)
                attempt_failed(p);
        else if (p->page_path[0])
                ask(p, PROBE_PRIME, p->page_path);
        else
                finish(p);
}

/* The page's head is here. True when a redirect is followed: the connection is another one now. */
static bool follow_redirect(struct probe *p)
{
        struct http_span location;

        if (p->redirected || p->head.status < 301 || p->head.status > 308 ||
            !http_head_find(&p->head, "Location", &location) ||
            redirect_resolve(p->page_path, location, PROBE_HOST, p->page_path) < 0)
                return false;
        p->redirected = true;
        ask(p, PROBE_PRIME, p->page_path);
        return true;
}

static void on_answer(struct probe *p)
{
        if (!p->head_done) {
                int r = http_head_parse(&p->head, p->lane.in.data, p->lane.in.len);

                if (r == HTTP_REFUSED || (r == HTTP_MORE && p->lane.eof)) {
                        attempt_failed(p);
                        return;
                }
                if (r == HTTP_MORE)
                        return;
                p->head_done = true;
                if (p->state == PROBE_HEALTH) {
                        on_health(p);
                        return;
                }
                if (follow_redirect(p))
                        return;
                if (p->head.status >= 400)
                        log_warn("the app's page is an error", LOG_INT("status", p->head.status));
        }
        /* The whole page, so that the app has done all the work that a browser would cause. */
        lane_drop(&p->lane, p->lane.in.len);
        if (p->lane.eof)
                finish(p);
}

static void on_app(void *ctx, uint32_t events)
{
        struct probe *p = ctx;
        int r = lane_write(&p->lane, p->fd);

        if (r == 0 && !lane_has_work(&p->lane))
                r = loop_fd_events(&p->src, EPOLLIN);
        if (r == 0 && (events & ~(uint32_t)EPOLLOUT))
                r = lane_read(&p->lane, p->fd);
        if (r < 0)
                attempt_failed(p);
        else if (p->lane.in.len > 0 || p->lane.eof)
                on_answer(p);
}

static bool path_ok(const char *path)
{
        for (const char *s = path; *s; s++) {
                if (*s <= ' ' || *s > '~' || *s == '#')
                        return false;
        }
        return path[0] == '/';
}

int probe_start(struct probe *p, uint32_t id, bool prime, const char *health_path,
                const char *prime_path)
{
        /* A profile may name no page: then the app has run once, and that is all. */
        bool page = prime && prime_path[0];

        if (!path_ok(health_path) || (page && !path_ok(prime_path)))
                return -EINVAL;
        probe_cancel(p);
        STR_CUT(p->health_path, health_path);
        STR_CUT(p->page_path, page ? prime_path : "");
        p->id = id;
        p->prime = prime;
        p->redirected = false;
        p->begun = loop_now(p->loop);
        ask(p, PROBE_HEALTH, p->health_path);
        return 0;
}

int probe_new(struct loop *loop, const char *app_socket, probe_up_fn fn, void *ctx,
              struct probe **ret_probe)
{
        struct probe *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->loop = loop;
        p->app_socket = app_socket;
        p->fn = fn;
        p->ctx = ctx;
        p->fd = -1;
        p->src = LOOP_FD_NULL;
        lane_init(&p->lane);
        loop_timer_init(loop, &p->timer, on_timer, p);
        *ret_probe = p;
        return 0;
}

struct probe *probe_free(struct probe *p)
{
        if (!p)
                return NULL;
        hang_up(p);
        free(p);
        return NULL;
}
