#include "out/providers/engine.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

#define CONNECTIONS_MAX 16L
#define CONNECT_TIMEOUT_MS 5000L
#define CALL_TIMEOUT_MS 60000L
#define FINISH_POLL_MS 50
#define ANSWER_MAX (16u << 20)
#define LINES_MAX (4u << 20) /* of a stream, that come at once */

struct call {
        struct engine *engine;
        struct call *next, *prev;
        CURL *curl;
        struct curl_slist *headers;
        char *body;
        struct buf answer;
        engine_fn fn;
        engine_line_fn line; /* of a stream */
        void *ctx;
        bool too_long;
        char tag[ENGINE_TAG_SIZE];
};

/* A socket of curl's that the loop watches. */
struct watch {
        struct loop_fd fd;
        struct engine *engine;
        struct watch *next;
};

struct engine {
        struct loop *loop;
        CURLM *multi;
        struct loop_timer timer;
        struct call *calls;
        struct watch *watches;
        uint32_t n_calls;
        bool inside; /* curl is working: it must not be entered again */
        char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

const char *engine_socket(const struct engine *e)
{
        return e->socket;
}

void engine_explain(const char *socket, int error, char dst[static ENGINE_ERROR_SIZE])
{
        const char *cure = "is it running?";

        if (error == ENOENT)
                cure = "start Docker, or correct docker_socket";
        else if (error == EACCES || error == EPERM)
                cure = "add the controller's user to the group docker";
        else if (error == ECONNREFUSED)
                cure = "nobody listens there: start Docker";
        (void)snprintf(dst, ENGINE_ERROR_SIZE, "no container engine at %.60s: %s; %s", socket,
                       error ? strerrordesc_np(error) : "no answer", cure);
}

void engine_escape(const char *text, char *dst, size_t size)
{
        static const char plain[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
        size_t n = 0;

        for (; *text && n + 4 <= size; text++) {
                if (strchr(plain, *text))
                        dst[n++] = *text;
                else
                        n += (size_t)snprintf(dst + n, 4, "%%%02X", (unsigned char)*text);
        }
        dst[n] = 0;
}

/* ---- one call ---- */

static void call_free(struct call *c)
{
        struct engine *e = c->engine;

        if (c->prev)
                c->prev->next = c->next;
        else
                e->calls = c->next;
        if (c->next)
                c->next->prev = c->prev;
        e->n_calls--;
        (void)curl_multi_remove_handle(e->multi, c->curl);
        curl_easy_cleanup(c->curl);
        curl_slist_free_all(c->headers);
        free(c->body);
        buf_deinit(&c->answer);
        free(c);
}

/* Outside of curl, because what is told may call again. */
static void lines_give(struct call *c)
{
        long status = 0;
        uint8_t *end;

        (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status != 200)
                return;
        while ((end = c->answer.len ? memchr(c->answer.data, '\n', c->answer.len) : NULL)) {
                *end = 0;
                c->line(c->ctx, (const char *)c->answer.data);
                buf_consume(&c->answer, (size_t)(end - c->answer.data) + 1);
        }
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
        struct call *c = ctx;

        if (buf_append(&c->answer, data, size * n) < 0) {
                c->too_long = true;
                return 0;
        }
        return size * n;
}

static void call_finish(struct call *c, CURLcode code)
{
        struct engine_answer a = {.body = ""};
        long error = 0;
        engine_fn fn = c->fn;
        void *ctx = c->ctx;

        (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &a.status);
        (void)curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &error);
        STR_CUT(a.tag, c->tag);
        a.reached = code != CURLE_COULDNT_CONNECT;
        if (code == CURLE_COULDNT_CONNECT)
                engine_explain(c->engine->socket, (int)error, a.error);
        else if (code != CURLE_OK)
                (void)snprintf(a.error, sizeof(a.error), "the container engine broke off: %.100s",
                               c->too_long ? "its answer is too long" : curl_easy_strerror(code));
        if (code != CURLE_OK)
                a.status = 0;
        if (buf_terminate(&c->answer) == 0)
                a.body = (const char *)c->answer.data;
        /* It may call again, also with the same tag. */
        fn(ctx, &a);
        call_free(c);
}

/* ---- curl in the loop ---- */

static void finished_take(struct engine *e)
{
        CURLMsg *msg;
        int left;

        while ((msg = curl_multi_info_read(e->multi, &left))) {
                struct call *c = NULL;
                CURLcode code = msg->data.result;

                if (msg->msg != CURLMSG_DONE)
                        continue;
                (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&c);
                call_finish(c, code);
        }
}

static void act(struct engine *e, curl_socket_t fd, int events)
{
        int running;

        assert(!e->inside);
        e->inside = true;
        (void)curl_multi_socket_action(e->multi, fd, events, &running);
        e->inside = false;
        for (struct call *c = e->calls; c; c = c->next) {
                if (c->line)
                        lines_give(c);
        }
        finished_take(e);
}

static void on_timer(void *ctx)
{
        act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(void *ctx, uint32_t events)
{
        struct watch *w = ctx;
        int what = 0;

        if (events & (EPOLLIN | EPOLLHUP))
                what |= CURL_CSELECT_IN;
        if (events & EPOLLOUT)
                what |= CURL_CSELECT_OUT;
        if (events & EPOLLERR)
                what |= CURL_CSELECT_ERR;
        act(w->engine, w->fd.fd, what);
}

static int on_curl_timer(CURLM *m, long ms, void *ctx)
{
        struct engine *e = ctx;

        (void)m;
        if (ms < 0)
                loop_timer_cancel(&e->timer);
        else
                loop_timer_set_in(&e->timer, ms);
        return 0;
}

static void watch_free(struct watch *w)
{
        struct watch **at = &w->engine->watches;

        while (*at != w)
                at = &(*at)->next;
        *at = w->next;
        loop_fd_del(&w->fd);
        free(w);
}

static int watch_new(struct engine *e, curl_socket_t fd, uint32_t events)
{
        struct watch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->engine = e;
        w->fd = LOOP_FD_NULL;
        w->next = e->watches;
        e->watches = w;
        r = loop_fd_add(e->loop, &w->fd, fd, events, on_ready, w);
        if (r < 0) {
                watch_free(w);
                return r;
        }
        (void)curl_multi_assign(e->multi, fd, w);
        return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
        struct engine *e = ctx;
        struct watch *w = assigned;
        uint32_t events = 0;
        int r = 0;

        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                if (w)
                        watch_free(w);
                return 0;
        }
        if (what & CURL_POLL_IN)
                events |= EPOLLIN;
        if (what & CURL_POLL_OUT)
                events |= EPOLLOUT;
        r = w ? loop_fd_events(&w->fd, events) : watch_new(e, fd, events);
        if (r < 0)
                log_error("the engine's socket cannot be watched", LOG_ERR(r));
        return r < 0 ? -1 : 0;
}

/* ---- asking ---- */

static int call_prepare(struct call *c, const char *method, const char *path)
{
        CURL *h = c->curl;
        char url[4096];

        if ((size_t)snprintf(url, sizeof(url), "http://docker%s", path) >= sizeof(url))
                return -ENAMETOOLONG;
        c->headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (!c->headers)
                return -ENOMEM;
        curl_easy_setopt(h, CURLOPT_URL, url);
        curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->engine->socket);
        curl_easy_setopt(h, CURLOPT_PROXY, "");
        curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
        curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
        if (!c->line)
                curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers);
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
        curl_easy_setopt(h, CURLOPT_PRIVATE, c);
        if (c->body) {
                curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body);
                curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(c->body));
        } else if (strcmp(method, "POST") == 0) {
                curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
        }
        return 0;
}

static int call_new(struct engine *e, const char *body, struct call **ret_call)
{
        struct call *c;

        if (e->n_calls >= ENGINE_CALLS_MAX)
                return -ENOBUFS;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->engine = e;
        c->curl = curl_easy_init();
        c->body = body ? strdup(body) : NULL;
        if (!c->curl || (body && !c->body)) {
                curl_easy_cleanup(c->curl);
                free(c->body);
                free(c);
                return -ENOMEM;
        }
        c->next = e->calls;
        if (e->calls)
                e->calls->prev = c;
        e->calls = c;
        e->n_calls++;
        *ret_call = c;
        return 0;
}

/* Under way: curl sets a timer of 0, so that nothing is called back before we return. */
static int call_start(struct call *c, const char *method, const char *path)
{
        int r = call_prepare(c, method, path);

        if (r == 0 && curl_multi_add_handle(c->engine->multi, c->curl) != CURLM_OK)
                r = -ENOMEM;
        if (r < 0)
                call_free(c);
        return r;
}

int engine_call(struct engine *e, const char *method, const char *path, const char *body,
                const char *tag, engine_fn fn, void *ctx)
{
        struct call *c;
        int r = call_new(e, body, &c);

        if (r < 0)
                return r;
        c->answer = BUF_INIT(ANSWER_MAX);
        c->fn = fn;
        c->ctx = ctx;
        STR_CUT(c->tag, tag);
        return call_start(c, method, path);
}

int engine_stream(struct engine *e, const char *path, engine_line_fn line, engine_fn end, void *ctx)
{
        struct call *c;
        int r = call_new(e, NULL, &c);

        if (r < 0)
                return r;
        c->answer = BUF_INIT(LINES_MAX);
        c->fn = end;
        c->line = line;
        c->ctx = ctx;
        return call_start(c, "GET", path);
}

static bool is_busy(const struct engine *e)
{
        const struct call *c = e->calls;

        while (c && c->line)
                c = c->next;
        return c != NULL;
}

void engine_finish(struct engine *e, int64_t ms)
{
        mono_t limit = mono_add_ms(mono_read(), ms);
        int running;

        while (is_busy(e) && !mono_due(limit, mono_read())) {
                (void)curl_multi_perform(e->multi, &running);
                finished_take(e);
                (void)curl_multi_poll(e->multi, NULL, 0, FINISH_POLL_MS, NULL);
        }
}

/* ---- its life ---- */

int engine_new(struct loop *l, const char *socket, struct engine **ret_engine)
{
        struct engine *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        r = STR_SET(e->socket, socket);
        if (r == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                r = -ENOMEM;
        e->multi = r == 0 ? curl_multi_init() : NULL;
        if (!e->multi) {
                free(e);
                return r < 0 ? r : -ENOMEM;
        }
        e->loop = l;
        loop_timer_init(l, &e->timer, on_timer, e);
        curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
        curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
        curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
        curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
        curl_multi_setopt(e->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX);
        *ret_engine = e;
        return 0;
}

struct engine *engine_free(struct engine *e)
{
        if (!e)
                return NULL;
        while (e->calls)
                call_free(e->calls);
        curl_multi_cleanup(e->multi);
        while (e->watches)
                watch_free(e->watches);
        loop_timer_cancel(&e->timer);
        free(e);
        return NULL;
}
