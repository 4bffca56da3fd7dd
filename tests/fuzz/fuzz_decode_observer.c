/*
 * A script of connections over the whole observer. Each step is an opcode, a connection and a
 * length, then bytes: an upgrade (of which kind, compressed, again), bytes of its stream as they
 * are, one WebSocket frame, one message of the editor in a frame, a request, a log body, time, the
 * end. Sums must hold, and what was counted stays counted.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "decode/observer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNECTIONS 4

static const struct rule_name methods[] = {
        {"$accept", "\"source\":\"keyboard\"", RULE_PERSON},
        {"$accept", "", RULE_SCROLL},
        {"$active", "[true]", RULE_ACTIVE},
        {"$active", "[false]", RULE_INACTIVE},
        {"$begin", "", RULE_JOB},
        {"$change", "", RULE_CHANGE},
        {"$end", "", RULE_JOB_END},
        {"$typed", "", RULE_TYPED},
};
static const struct rule_name commands[] = {
        {"fs.*", "", RULE_MACHINE},
        {"term.$input", "", RULE_TYPED},
};
static const struct rule_name log_events[] = {
        {"go", "", RULE_PERSON},
        {"refresh", "", RULE_MACHINE},
};
static const struct rule_request requests[] = {
        {.method = "GET", .path = "/w", .query = "", .without = "", .verdict = RULE_WEAK},
        {.method = "",
         .path = "/",
         .query = "",
         .without = "",
         .navigation = true,
         .verdict = RULE_PERSON},
};
static const struct rules rules = {
        .editor_query = "tok",
        .methods = {methods, ARRAY_LEN(methods)},
        .commands = {commands, ARRAY_LEN(commands)},
        .requests = {requests, ARRAY_LEN(requests)},
        .job_key = "",
        .log_path = "/log",
        .log_field = "events",
        .log_key = "event_name",
        .log_events = {log_events, ARRAY_LEN(log_events)},
        .log_refresh = "refresh",
        .log_refresh_ms = 10000,
};

struct connection {
        struct watch *w;
        bool upgraded, body;
};

struct world {
        struct observer *o;
        struct connection c[CONNECTIONS];
        mono_t now;
        uint64_t fed;
        struct observer_tally last;
};

static struct watch *ask(struct world *v, const char *text)
{
        static struct http_head h;

        http_head_init(&h, HTTP_REQUEST);
        if (http_head_parse(&h, text, strlen(text)) != 0)
                return NULL;
        return observer_request(v->o, &h, v->now);
}

static void end(struct world *v, struct connection *c)
{
        c->w = watch_end(c->w, v->now);
        c->upgraded = c->body = false;
}

static void feed(struct world *v, struct connection *c, const void *data, size_t len)
{
        if (!c->upgraded)
                return;
        watch_stream(c->w, data, len, v->now);
        v->fed += len;
}

static void frame(struct world *v, struct connection *c, uint8_t first, const uint8_t *data,
                  size_t len)
{
        uint8_t head[8] = {first, (uint8_t)(0x80 | (len < 126 ? len : 126))};
        size_t n = 2;

        if (len >= 126) {
                head[n++] = (uint8_t)(len >> 8);
                head[n++] = (uint8_t)len;
        }
        feed(v, c, head, n + 4); /* the mask is 0 */
        feed(v, c, data, len);
}

static void message(struct world *v, struct connection *c, uint8_t type, uint8_t id,
                    const void *body, size_t len)
{
        uint8_t m[13 + 256] = {type, 0, 0, 0, id};

        assert(len <= 256);
        m[11] = (uint8_t)(len >> 8);
        m[12] = (uint8_t)len;
        memcpy(m + 13, body, len);
        frame(v, c, 0x82, m, 13 + len);
}

static void open_connection(struct world *v, struct connection *c, const uint8_t *arg, size_t len)
{
        static struct http_head h;
        char text[256];
        uint8_t how = len > 0 ? arg[0] : 1;
        int n;

        end(v, c);
        (void)snprintf(text, sizeof(text),
                       "GET /%s=%d&reconnection=%s%s HTTP/1.1\r\nHost: a\r\n"
                       "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                       how & 128 ? "p?x" : "?tok", how >> 2 & 3, how & 16 ? "true" : "false",
                       how & 64 ? "&skipWebSocketFrames=true" : "");
        c->w = ask(v, text);
        assert(c->w);
        n = snprintf(text, sizeof(text),
                     "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n",
                     how & 32 ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
        http_head_init(&h, HTTP_RESPONSE);
        if (http_head_parse(&h, text, (size_t)n) != 0)
                abort();
        watch_upgraded(c->w, &h, v->now);
        c->upgraded = true;
        if ((how & 3) == 0)
                return;
        message(v, c, 2, 0, "{\"type\":\"auth\"}", 15);
        n = snprintf(text, sizeof(text),
                     "{\"type\":\"connectionType\",\"desiredConnectionType\":%d}", how & 3);
        message(v, c, 2, 0, text, (size_t)n);
}

static void open_log(struct world *v, struct connection *c, const uint8_t *arg, size_t len)
{
        end(v, c);
        c->w = ask(v, len > 0 && arg[0] & 1
                              ? "POST /log?x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
                                "Content-Type: application/json\r\n\r\n"
                              : "POST /log HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                "Content-Type: multipart/form-data; boundary=B\r\n\r\n");
        c->body = c->w != NULL;
}

static void check(struct world *v)
{
        struct observer_tally t;
        uint32_t open = 0;

        observer_tally(v->o, v->now, &t);
        for (int i = 0; i < CONNECTIONS; i++)
                open += v->c[i].upgraded;
        assert(t.websockets == open && t.undecoded <= open && t.active <= open);
        assert(t.bytes == v->fed && t.bytes_undecoded <= t.bytes);
        assert(t.unknown >= v->last.unknown);
        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                for (int k = 0; k < PRESENCE_KIND_MAX; k++) {
                        assert(t.note[s][k].events >= v->last.note[s][k].events);
                        assert(t.note[s][k].events == 0 || t.note[s][k].at.us <= v->now.us);
                }
        }
        v->last = t;
}

static void step(struct world *v, uint8_t op, struct connection *c, const uint8_t *arg, size_t len)
{
        char text[400];

        switch (op % 8) {
        case 0:
                open_connection(v, c, arg, len);
                break;
        case 1:
                feed(v, c, arg, len);
                break;
        case 2:
                if (len > 0)
                        frame(v, c, arg[0], arg + 1, len - 1);
                break;
        case 3:
                if (len > 1)
                        message(v, c, arg[0], arg[1], arg + 2, len - 2);
                break;
        case 4:
                v->now = mono_add_ms(v->now, len > 0 ? arg[0] * 250 : 1);
                break;
        case 5:
                end(v, c);
                break;
        case 6:
                (void)snprintf(text, sizeof(text), "GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n",
                               (int)len, (const char *)arg);
                if (!memchr(arg, '\r', len))
                        (void)ask(v, text);
                break;
        case 7:
                if (!c->body)
                        open_log(v, c, arg, len);
                else
                        watch_body(c->w, arg, len, v->now);
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct world v = {.now = {1000000}};
        size_t at = 0;

        if (observer_new(&rules, &v.o) < 0)
                abort();
        while (size - at >= 2) {
                size_t len = MIN((size_t)data[at + 1], size - at - 2);

                step(&v, data[at], &v.c[data[at] / 8 % CONNECTIONS], data + at + 2, len);
                check(&v);
                at += 2 + len;
        }
        for (int i = 0; i < CONNECTIONS; i++)
                end(&v, &v.c[i]);
        check(&v);
        v.o = observer_free(v.o);
        return 0;
}
