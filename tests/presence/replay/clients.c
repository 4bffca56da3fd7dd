#include "clients.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "gate/door.h"
#include "http/chunk.h"

enum client_state {
        CLIENT_HEAD,
        CLIENT_BODY,
        CLIENT_WAIT, /* an upgrade is asked for, and not answered yet */
        CLIENT_STREAM,
        CLIENT_OVER, /* what comes is of no interest */
};

struct client {
        uint32_t number;
        enum client_state state;
        struct buf in; /* not looked at yet */
        struct http_head head;
        struct http_chunk chunk;
        uint64_t left; /* of a body with a length */
        struct watch *watch;
        struct client *next;
};

struct clients {
        struct observer *observer;
        struct client *list;
        struct clients_counts counts;
};

struct clients *clients_new(struct observer *o)
{
        struct clients *c = calloc(1, sizeof(*c));

        if (c)
                c->observer = o;
        return c;
}

static void leave(struct client *c, mono_t now)
{
        c->watch = watch_end(c->watch, now);
        c->state = CLIENT_OVER;
}

static void enter_head(struct client *c, mono_t now)
{
        c->watch = watch_end(c->watch, now);
        c->state = CLIENT_HEAD;
        http_head_init(&c->head, HTTP_REQUEST);
}

struct clients *clients_free(struct clients *c, mono_t now)
{
        if (!c)
                return NULL;
        while (c->list) {
                struct client *first = c->list;

                c->list = first->next;
                leave(first, now);
                buf_deinit(&first->in);
                free(first);
        }
        free(c);
        return NULL;
}

/* The head with the cookie of somebody who was let in; recordings have none. False: too long. */
static bool let_in(const struct http_head *h, const struct admit_rules *admit, struct buf *in,
                   struct http_head *ret_head)
{
        char cookie[ADMIT_COOKIE_SIZE];

        admit_cookie(admit, cookie);
        cookie[strcspn(cookie, ";")] = 0;
        http_head_init(ret_head, HTTP_REQUEST);
        return buf_append(in, h->base, h->length - strlen("\r\n")) == 0 &&
               buf_printf(in, "Cookie: %s\r\n\r\n", cookie) == 0 &&
               http_head_parse(ret_head, in->data, in->len) == 0;
}

/* As the gate's own configuration: the workspace's address is the one that is asked for. */
static bool passes(const struct http_head *h)
{
        static const char key[] =
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        struct door_rules rules = {.configured = true,
                                   .app_up = true,
                                   .admit = {.generation = 1, .now_s = 1, .cookie_s = 1000}};
        AUTO_BUF in = BUF_INIT(2 * HTTP_HEAD_MAX);
        struct http_head head;

        STR_CUT(rules.admit.key[0], key);
        if (h->host.len < sizeof(rules.host))
                memcpy(rules.host, h->host.at, h->host.len);
        return let_in(h, &rules.admit, &in, &head) && door_judge(&head, &rules).way == DOOR_PASS;
}

/* Each step returns whether there may be more to do with the bytes that are there. */
static bool step_head(struct clients *all, struct client *c, mono_t now)
{
        size_t length;
        int r;

        if (c->in.len == 0)
                return false;
        r = http_head_parse(&c->head, c->in.data, c->in.len);
        if (r == HTTP_MORE)
                return false;
        length = c->head.length;
        if (r == HTTP_REFUSED || !passes(&c->head)) {
                all->counts.refused++;
                if (r == HTTP_REFUSED || c->head.body != HTTP_BODY_NONE || c->head.upgrade) {
                        leave(c, now);
                        return false;
                }
                buf_consume(&c->in, length);
                enter_head(c, now);
                return true;
        }
        all->counts.requests++;
        c->watch = observer_request(all->observer, &c->head, now);
        c->chunk = HTTP_CHUNK_INIT;
        c->left = c->head.body == HTTP_BODY_LENGTH ? c->head.content_length : 0;
        c->state = c->head.upgrade ? CLIENT_WAIT : CLIENT_BODY;
        buf_consume(&c->in, length);
        return true;
}

static bool step_body(struct client *c, mono_t now)
{
        size_t used = 0;
        int r = 0;

        if (c->head.body == HTTP_BODY_CHUNKED) {
                r = http_chunk_scan(&c->chunk, c->in.data, c->in.len, &used);
        } else {
                used = MIN(c->left, c->in.len);
                c->left -= used;
                r = c->left > 0 ? HTTP_MORE : 0;
        }
        if (c->watch && used > 0)
                watch_body(c->watch, c->in.data, used, now);
        buf_consume(&c->in, used);
        if (r == HTTP_MORE)
                return false;
        if (r != 0) {
                leave(c, now);
                return false;
        }
        enter_head(c, now);
        return true;
}

static bool step_stream(struct client *c, mono_t now)
{
        if (c->watch && c->in.len > 0)
                watch_stream(c->watch, c->in.data, c->in.len, now);
        buf_clear(&c->in);
        return false;
}

static bool step(struct clients *all, struct client *c, mono_t now)
{
        switch (c->state) {
        case CLIENT_HEAD:
                return step_head(all, c, now);
        case CLIENT_BODY:
                return step_body(c, now);
        case CLIENT_STREAM:
                return step_stream(c, now);
        case CLIENT_OVER:
                buf_clear(&c->in);
                return false;
        case CLIENT_WAIT:
                return false;
        }
        return false;
}

static void run(struct clients *all, struct client *c, mono_t now)
{
        while (step(all, c, now))
                ;
}

/* The beginning of an answer: only whether an upgrade was granted matters. */
static void answer(struct clients *all, struct client *c, const char *text, mono_t now)
{
        struct http_head head;
        char whole[HTTP_HEAD_MAX];
        int n = snprintf(whole, sizeof(whole), "%s\r\n\r\n", text);

        if (c->state != CLIENT_WAIT || text[0] == 0)
                return;
        http_head_init(&head, HTTP_RESPONSE);
        if (n < 0 || (size_t)n >= sizeof(whole) || http_head_parse(&head, whole, (size_t)n) != 0) {
                leave(c, now);
                return;
        }
        if (head.status < 200 && head.status != 101)
                return;
        if (head.status == 101) {
                all->counts.upgrades++;
                c->state = CLIENT_STREAM;
                if (c->watch)
                        watch_upgraded(c->watch, &head, now);
        } else {
                enter_head(c, now);
        }
        run(all, c, now);
}

static struct client *open_client(struct clients *all, uint32_t number)
{
        struct client *c = calloc(1, sizeof(*c));

        if (!c)
                abort();
        c->number = number;
        c->in = BUF_INIT(64U << 20);
        http_head_init(&c->head, HTTP_REQUEST);
        c->next = all->list;
        all->list = c;
        all->counts.connections++;
        return c;
}

static void close_client(struct clients *all, struct client **at, mono_t now)
{
        struct client *c = *at;

        (void)all;
        *at = c->next;
        leave(c, now);
        buf_deinit(&c->in);
        free(c);
}

void clients_event(struct clients *all, const struct event *e, mono_t now)
{
        struct client **at = &all->list;

        if (e->kind == EVENT_OPEN) {
                open_client(all, e->connection);
                return;
        }
        while (*at && (*at)->number != e->connection)
                at = &(*at)->next;
        if (!*at)
                return;
        if (e->kind == EVENT_UP) {
                if (buf_append(&(*at)->in, e->data, e->len) < 0)
                        abort();
                run(all, *at, now);
        } else if (e->kind == EVENT_DOWN) {
                answer(all, *at, event_text(e, "head", ""), now);
        } else if (e->kind == EVENT_END) {
                leave(*at, now);
        } else if (e->kind == EVENT_CLOSE) {
                close_client(all, at, now);
        }
}

struct clients_counts clients_count(const struct clients *c)
{
        return c->counts;
}
