/* One request and its response, head by head and body by body. */
#include <errno.h>

#include "gate/app.h"
#include "gate/conn.h"

#define CONNECT_AGAIN_MS 20

/*
 * Let more bytes of the lane pass, as far as they belong to the body. 0, or HTTP_REFUSED when the
 * chunked coding is broken (what was good before may pass).
 */
static int body_vet(struct conn_body *b, struct lane *l)
{
        size_t fresh = l->in.len - l->pass;
        size_t used = 0;
        int r = HTTP_MORE;

        if (b->complete)
                return 0;
        switch (b->kind) {
        case HTTP_BODY_NONE:
                r = 0;
                break;
        case HTTP_BODY_LENGTH:
                used = b->left < fresh ? (size_t)b->left : fresh;
                b->left -= used;
                if (b->left == 0)
                        r = 0;
                break;
        case HTTP_BODY_CHUNKED:
                r = http_chunk_scan(&b->chunk, l->in.data + l->pass, fresh, &used);
                break;
        case HTTP_BODY_CLOSE:
        case HTTP_BODY_TUNNEL:
                used = fresh;
                if (l->eof)
                        r = 0;
                break;
        }
        l->pass += used;
        if (r == 0)
                b->complete = true;
        return r == HTTP_CHUNK_REFUSED ? HTTP_REFUSED : 0;
}

static void body_begin(struct conn_body *b, enum http_body kind, const struct http_head *h)
{
        *b = (struct conn_body){
                .kind = kind,
                .left = kind == HTTP_BODY_LENGTH ? h->content_length : 0,
        };
}

int exchange_begin(struct conn *c)
{
        struct gate *g = c->gate;
        int r = app_connect(g->app_socket, &c->app_fd);

        if (r == -EAGAIN && mono_before(loop_now(g->loop), c->connect_until)) {
                c->state = CONN_CONNECT;
                loop_timer_set_in(&c->timer, CONNECT_AGAIN_MS);
                return CONN_WAIT;
        }
        if (r == -EAGAIN || r == -EMFILE || r == -ENFILE || r == -ENOMEM)
                return conn_refuse(c, 503, "the workspace is too busy");
        if (r < 0) {
                g->app_silent = true;
                return conn_answer_wait(c, 502);
        }
        g->app_silent = false;
        r = door_write_request(&c->request, c->verdict.websocket, &c->up.own);
        if (r == 0)
                r = conn_watch_app(c);
        if (r < 0)
                return r;
        body_begin(&c->request_body, c->request.body, &c->request);
        c->keep_alive = c->request.keep_alive;
        c->response_head = c->app_deaf = false;
        c->up.shut = false;
        lane_drop(&c->up, c->request.length);
        http_head_init(&c->response, HTTP_RESPONSE);
        c->state = CONN_EXCHANGE;
        loop_timer_set_in(&c->timer, CONN_STALL_MS);
        return CONN_AGAIN;
}

/* Client to app. CONN_WAIT to go on with the response, else as exchange_step. */
static int relay_request(struct conn *c)
{
        struct lane *up = &c->up;

        if (c->app_deaf) {
                /* The app has hung up; it may have answered before. The rest goes nowhere. */
                c->keep_alive = false;
                buf_clear(&up->own);
                up->pass = 0;
                return CONN_WAIT;
        }
        if (body_vet(&c->request_body, up) == HTTP_REFUSED) {
                c->gate->refused++;
                if (c->response_head)
                        return -EPROTO;
                return conn_refuse(c, 400, c->request_body.chunk.reason);
        }
        if (lane_write(up, c->app_fd) < 0) {
                c->app_deaf = true;
                return relay_request(c);
        }
        if (!up->eof || lane_has_work(up))
                return CONN_WAIT;
        if (!c->request_body.complete)
                return -ECONNRESET;
        /* The client has said all it will say; the app decides whether it still wants the answer.
         */
        if (up->in.len == 0)
                lane_shut(up, c->app_fd);
        return CONN_WAIT;
}

/* A complete response head is at the front of the lane. */
static int take_response_head(struct conn *c)
{
        struct http_head *h = &c->response;
        bool interim = h->status < 200 && h->status != 101;
        enum http_body kind = http_response_body(h, c->verdict.to_head);
        char cookie[ADMIT_COOKIE_SIZE] = "";
        int r = 0;

        if (kind == HTTP_BODY_TUNNEL && !c->verdict.websocket)
                return conn_refuse(c, 502, "the application switched protocols unasked");
        if (kind == HTTP_BODY_CLOSE)
                c->keep_alive = false;
        if (!interim && c->verdict.admit.renew)
                admit_cookie(&c->gate->rules.admit, cookie);
        if (!interim || c->request.minor == 1)
                r = door_write_response(h, c->keep_alive, cookie[0] ? cookie : NULL, &c->down.own);
        if (r < 0)
                return r;
        if (kind == HTTP_BODY_TUNNEL && c->watch)
                watch_upgraded(c->watch, h, loop_now(c->gate->loop));
        lane_drop(&c->down, h->length);
        if (interim) {
                http_head_init(h, HTTP_RESPONSE);
                return CONN_AGAIN;
        }
        c->response_head = true;
        body_begin(&c->response_body, kind, h);
        return kind == HTTP_BODY_TUNNEL ? conn_begin_tunnel(c) : CONN_WAIT;
}

/* Until the final head is through. An interim head is written before the next one is looked at. */
static int relay_response_head(struct conn *c)
{
        int r;

        if (c->down.own.len > 0)
                return CONN_WAIT;
        r = http_head_parse(&c->response, c->down.in.data, c->down.in.len);
        if (r == HTTP_REFUSED)
                return conn_refuse(c, 502, "the application's answer is not proper HTTP");
        if (r == 0)
                return take_response_head(c);
        if (!c->down.eof)
                return CONN_WAIT;
        return conn_answer_wait(c, 502);
}

static int relay_response(struct conn *c)
{
        struct lane *down = &c->down;
        bool broken;

        /* An interim head that waits. */
        if (lane_write(down, c->client_fd) < 0)
                return -ECONNRESET;
        if (!c->response_head) {
                int r = relay_response_head(c);

                if (r || !c->response_head)
                        return r;
        }
        broken = body_vet(&c->response_body, down) == HTTP_REFUSED;
        if (lane_write(down, c->client_fd) < 0)
                return -ECONNRESET;
        if (lane_has_work(down))
                return CONN_WAIT;
        if (c->response_body.complete)
                return conn_exchange_done(c);
        /* Cut off, so that the client sees that it does not have all. */
        return broken || down->eof ? -ECONNRESET : CONN_WAIT;
}

int exchange_step(struct conn *c)
{
        int r = relay_request(c);

        return r ? r : relay_response(c);
}
