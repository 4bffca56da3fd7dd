/* The gate's pure half: the door's rules, rebuilt heads, answers, redirects. */
#include "test.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "base/str.h"
#include "channel.h"
#include "gate/door.h"
#include "gate/page.h"
#include "gate/redirect.h"

/* tests/gate/gate.py builds these records by hand. */
static_assert(sizeof(struct channel_msg) == 856, "size");
static_assert(offsetof(struct channel_msg, u) == 8, "union");
static_assert(offsetof(struct channel_msg, u.config.key) == 48, "key");
static_assert(offsetof(struct channel_msg, u.config.message) == 233, "message");
static_assert(offsetof(struct channel_msg, u.config.key_old) == 393, "old key");
static_assert(offsetof(struct channel_msg, u.config.platform) == 652, "platform");
static_assert(offsetof(struct channel_msg, u.config.cookie_s) == 844, "lifetime");
static_assert(offsetof(struct channel_msg, u.config.clock_off_s) == 848, "clock");
static_assert(offsetof(struct channel_msg, u.probe.prime_path) == 272, "prime path");
static_assert(offsetof(struct channel_msg, u.traffic.open_age_ms) == 48, "open age");
static_assert(offsetof(struct channel_msg, u.evidence.unknown) == 32, "unknown");
static_assert(offsetof(struct channel_msg, u.evidence.notes) == 40, "notes");
static_assert(sizeof(struct channel_note) == 16, "note");
static_assert(offsetof(struct channel_msg, u.notice.rule) == 16, "rule");
static_assert(CHANNEL_NOTES_MAX == 24, "notes");
static_assert(CHANNEL_GATE_NOTICE == 4 && CHANNEL_GATE_TELL == 5 && CHANNEL_GATE_EVIDENCE == 35,
              "numbers");

#define ACCESS_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define ACCESS_2 "2222222222222222222222222222222222222222222222222222222222222222"
#define GENERATION 7
#define NOW_S 1000
#define COOKIE_S 100

static const struct door_rules up = {
        .configured = true,
        .app_up = true,
        .key = "k3y",
        .host = "ws-a.localhost:8080",
        .admit = {.key = {ACCESS_1},
                  .generation = GENERATION,
                  .now_s = NOW_S,
                  .cookie_s = COOKIE_S,
                  .cookie = "; SameSite=Lax"},
};

#define KEY "X-Workspace-Key: k3y\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: WebSocket\r\n"
#define GOOD_ORIGIN "Origin: http://ws-a.localhost:8080\r\n"

static void parse(struct http_head *h, enum http_kind kind, const char *text)
{
        http_head_init(h, kind);
        CHECK_INT(http_head_parse(h, text, strlen(text)), 0);
}

static const char *made(char text[static ACCESS_SIZE], enum access_kind kind, const char *key,
                        uint64_t generation, uint64_t expires)
{
        struct access a = {.generation = generation,
                           .expires = expires,
                           .id = "00112233445566778899aabbccddeeff"};

        access_write(&a, kind, key, text);
        return text;
}

/* Without a cookie of ours. */
static struct door_verdict judge_stranger(const struct door_rules *rules, const char *line,
                                          const char *headers)
{
        static char text[4096];
        struct http_head h;

        (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, headers);
        parse(&h, HTTP_REQUEST, text);
        return door_judge(&h, rules);
}

static struct door_verdict judge(const struct door_rules *rules, const char *line,
                                 const char *headers)
{
        char text[2048], cookie[ACCESS_SIZE];

        made(cookie, ACCESS_COOKIE, ACCESS_1, GENERATION, NOW_S + COOKIE_S);
        (void)snprintf(text, sizeof(text), "%sCookie: a=b; ws_access=%s\r\n", headers, cookie);
        return judge_stranger(rules, line, text);
}

static void test_rules_up(void)
{
        static const struct {
                const char *line, *headers;
                enum door_way way;
                int status;
        } t[] = {
                {"GET /", KEY, DOOR_PASS, 0},
                {"GET /", "", DOOR_REFUSE, 403},
                {"GET /", "X-Workspace-Key: k3z\r\n", DOOR_REFUSE, 403},
                {"GET /", "X-Workspace-Key: k3\r\n", DOOR_REFUSE, 403},
                {"GET /", "X-Workspace-Key: k3y2\r\n", DOOR_REFUSE, 403},
                {"GET /", "X-Workspace-Key:\r\n", DOOR_REFUSE, 403},
                {"GET /", KEY KEY, DOOR_REFUSE, 403},
                {"GET /_workspace/health", "", DOOR_HEALTH, 0},
                {"HEAD /_workspace/health?x", "", DOOR_HEALTH, 0},
                {"POST /_workspace/health", "", DOOR_REFUSE, 405},
                {"GET /_workspace/status", KEY, DOOR_STATUS, 0},
                {"GET /_workspace/status", "", DOOR_REFUSE, 403},
                {"DELETE /_workspace/status", KEY, DOOR_REFUSE, 405},
                {"GET /_workspace/other", KEY, DOOR_REFUSE, 404},
                {"GET /_workspaces", KEY, DOOR_PASS, 0},
                {"GET /x?/_workspace/health", "", DOOR_REFUSE, 403},

                {"POST /_workspace/keep", KEY, DOOR_KEEP, 0},
                {"POST /_workspace/keep?x", KEY GOOD_ORIGIN, DOOR_KEEP, 0},
                {"POST /_workspace/keep", "", DOOR_REFUSE, 403},
                {"POST /_workspace/keep", "X-Workspace-Key: x\r\n", DOOR_REFUSE, 403},
                {"POST /_workspace/keep", KEY "Origin: http://evil.example\r\n", DOOR_REFUSE, 403},
                {"POST /_workspace/keep", KEY "Origin: null\r\n", DOOR_REFUSE, 403},
                {"POST /_workspace/keep", KEY GOOD_ORIGIN GOOD_ORIGIN, DOOR_REFUSE, 403},
                {"GET /_workspace/keep", KEY, DOOR_REFUSE, 405},
                {"HEAD /_workspace/keep", KEY, DOOR_REFUSE, 405},
                {"POST /_workspace/keeper", KEY, DOOR_REFUSE, 405},
                {"POST /_workspace/resume?life=3", KEY, DOOR_LEAD, 0},
                {"GET /_workspace/resume?life=3", KEY, DOOR_LEAD, 0},
                {"POST /_workspace/resume", "", DOOR_REFUSE, 403},
                {"DELETE /_workspace/resume", KEY, DOOR_REFUSE, 405},
                {"POST /_workspace/resumed", KEY, DOOR_REFUSE, 405},

                {"POST /", KEY, DOOR_PASS, 0},
                {"POST /", KEY GOOD_ORIGIN, DOOR_PASS, 0},
                {"POST /", KEY "Origin: https://WS-A.localhost:8080\r\n", DOOR_PASS, 0},
                {"POST /", KEY "Origin: http://ws-a.localhost\r\n", DOOR_REFUSE, 403},
                {"POST /", KEY "Origin: http://ws-a.localhost:80801\r\n", DOOR_REFUSE, 403},
                {"POST /", KEY "Origin: http://ws-a.localhost:8080/\r\n", DOOR_REFUSE, 403},
                {"POST /", KEY "Origin: ftp://ws-a.localhost:8080\r\n", DOOR_REFUSE, 403},
                {"POST /", KEY "Origin: http://evil.example\r\n", DOOR_REFUSE, 403},
                {"POST /", KEY "Origin: null\r\n", DOOR_REFUSE, 403},
                {"POST /", KEY "Origin:\r\n", DOOR_REFUSE, 403},
                {"POST /", KEY GOOD_ORIGIN GOOD_ORIGIN, DOOR_REFUSE, 403},
                {"OPTIONS /", KEY "Origin: http://evil.example\r\n", DOOR_REFUSE, 403},
                {"GET /", KEY "Origin: http://evil.example\r\n", DOOR_PASS, 0},
                {"GET /", KEY UPGRADE, DOOR_PASS, 0},
                {"GET /", KEY UPGRADE GOOD_ORIGIN, DOOR_PASS, 0},
                {"GET /", KEY UPGRADE "Origin: http://evil.example\r\n", DOOR_REFUSE, 403},
                {"GET /", KEY UPGRADE "X-Forwarded-Host: evil\r\nOrigin: http://evil\r\n",
                 DOOR_REFUSE, 403},
        };

        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                struct door_verdict v = judge(&up, t[i].line, t[i].headers);

                if (v.way != t[i].way || v.status != t[i].status)
                        fprintf(stderr, "case %zu: %s\n", i, t[i].line);
                CHECK_INT(v.way, t[i].way);
                CHECK_INT(v.status, t[i].status);
                CHECK((v.way == DOOR_REFUSE) == (v.reason != NULL));
        }
}

static void test_rules_not_up(void)
{
        struct door_rules rules = up;
        struct door_rules none = {0};

        rules.app_up = false;
        CHECK_INT(judge(&rules, "GET /", KEY).way, DOOR_WAIT);
        CHECK_INT(judge(&rules, "GET /", "").way, DOOR_REFUSE);
        CHECK_INT(judge(&rules, "GET /?reconnection=true", KEY UPGRADE).way, DOOR_WAIT);
        CHECK_INT(judge(&rules, "GET /_workspace/status", KEY).way, DOOR_STATUS);
        rules.stopping = true;
        CHECK_INT(judge(&rules, "GET /", KEY).way, DOOR_WAIT);
        CHECK_INT(judge(&rules, "GET /", KEY UPGRADE).way, DOOR_WAIT);
        CHECK_INT(judge(&rules, "GET /x?a=b&reconnection=true", KEY UPGRADE).way, DOOR_PASS);
        CHECK_INT(judge(&rules, "GET /x?reconnection=true&c", KEY UPGRADE).way, DOOR_PASS);
        CHECK_INT(judge(&rules, "GET /x?reconnection=true", KEY).way, DOOR_WAIT);
        CHECK_INT(judge(&rules, "GET /x?reconnection=truely", KEY UPGRADE).way, DOOR_WAIT);
        CHECK_INT(judge(&rules, "GET /x?areconnection=true", KEY UPGRADE).way, DOOR_WAIT);
        CHECK_INT(judge(&rules, "GET /x?reconnection=tru", KEY UPGRADE).way, DOOR_WAIT);

        CHECK_INT(judge(&none, "GET /", "").way, DOOR_WAIT);
        CHECK_INT(judge(&none, "GET /_workspace/status", "").way, DOOR_STATUS);
        none.configured = none.app_up = true;
        /* No key for access: nobody is let in. */
        CHECK_INT(judge(&none, "GET /", "").way, DOOR_DENY);
        CHECK_INT(judge(&none, "GET /", "").admit.denial, ADMIT_NO_KEY);
        none.admit = up.admit;
        CHECK_INT(judge(&none, "GET /", "").way, DOOR_PASS);
        CHECK_INT(judge(&none, "POST /", "Origin: http://\r\n").way, DOOR_REFUSE);
}

/* The Unix socket: two paths, no key, never the app. */
static void test_notice_door(void)
{
        static const struct {
                const char *text;
                enum door_way way;
                int status;
        } t[] = {
                {"GET /_workspace/status", DOOR_STATUS, 0},
                {"HEAD /_workspace/status?x", DOOR_STATUS, 0},
                {"POST /_workspace/status", DOOR_REFUSE, 405},
                {"POST /_workspace/keep", DOOR_KEEP, 0},
                {"GET /_workspace/keep", DOOR_REFUSE, 405},
                {"GET /_workspace/health", DOOR_REFUSE, 404},
                {"GET /", DOOR_REFUSE, 404},
                {"POST /", DOOR_REFUSE, 404},
                {"GET /_workspace/statuses", DOOR_REFUSE, 404},
        };
        const struct door_rules none = {0};

        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char text[256];
                struct http_head h;
                struct door_verdict v;

                (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: a\r\n\r\n", t[i].text);
                parse(&h, HTTP_REQUEST, text);
                v = door_judge_notice(&h, &up);
                CHECK_INT(v.way, t[i].way);
                CHECK_INT(v.status, t[i].status);
                /* Before the gate serves a workspace there is nothing to keep. */
                CHECK_INT(door_judge_notice(&h, &none).way,
                          t[i].way == DOOR_KEEP ? DOOR_WAIT : t[i].way);
        }
        CHECK_INT(judge(&none, "POST /_workspace/keep", "").way, DOOR_WAIT);
}

static void test_flags(void)
{
        CHECK(judge(&up, "GET /", KEY UPGRADE).websocket);
        CHECK(!judge(&up, "POST /", KEY UPGRADE).websocket);
        CHECK(!judge(&up, "GET /", KEY "Connection: Upgrade\r\nUpgrade: h2c\r\n").websocket);
        CHECK(judge(&up, "HEAD /", KEY).to_head);
        CHECK(judge(&up, "GET /", "Accept: a/b, text/html;q=0.9\r\n").html);
        CHECK(!judge(&up, "GET /", "Accept: */*\r\n").html);
}

static void test_request_head(void)
{
        AUTO_BUF out = BUF_INIT(8192);
        struct http_head h;

        parse(&h, HTTP_REQUEST,
              "POST /a?b HTTP/1.1\r\nHost: ws-a\r\nx-workspace-key: k3y\r\nX-FORWARDED-HOST: e\r\n"
              "forwarded: host=e\r\nCookie: ws_access=1; a=b\r\nConnection: keep-alive, te\r\n"
              "Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Forwarded-Proto: https\r\n"
              "Content-Length: 2\r\n\r\nhi");
        CHECK_INT(door_write_request(&h, false, &out), 0);
        CHECK_INT(buf_terminate(&out), 0);
        CHECK_STR((char *)out.data,
                  "POST /a?b HTTP/1.1\r\nHost: ws-a\r\nCookie: a=b\r\nX-Forwarded-Proto: https\r\n"
                  "Content-Length: 2\r\nConnection: close\r\n\r\n");
        buf_clear(&out);
        parse(&h, HTTP_REQUEST,
              "GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE "Sec-WebSocket-Key: x\r\n\r\n");
        CHECK_INT(door_write_request(&h, true, &out), 0);
        CHECK_INT(buf_terminate(&out), 0);
        CHECK_STR((char *)out.data, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n"
                                    "Sec-WebSocket-Key: x\r\nConnection: Upgrade\r\n\r\n");
}

static void response_with(const char *in, bool keep, const char *cookie, const char *want)
{
        AUTO_BUF out = BUF_INIT(8192);
        struct http_head h;

        parse(&h, HTTP_RESPONSE, in);
        CHECK_INT(door_write_response(&h, keep, cookie, &out), 0);
        CHECK_INT(buf_terminate(&out), 0);
        CHECK_STR((char *)out.data, want);
}

static void response(const char *in, bool keep, const char *want)
{
        response_with(in, keep, NULL, want);
}

static void test_response_head(void)
{
        response_with("HTTP/1.1 200 OK\r\nSet-Cookie: x=y\r\n\r\n", true, "a=b; HttpOnly",
                      "HTTP/1.1 200 OK\r\nSet-Cookie: x=y\r\nConnection: keep-alive\r\n"
                      "Set-Cookie: a=b; HttpOnly\r\n\r\n");
        response_with("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", true,
                      "a=b",
                      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Set-Cookie: a=b\r\n\r\n");
        response("HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: x\r\nA: b\r\n\r\n", true,
                 "HTTP/1.1 200 OK\r\nA: b\r\nConnection: keep-alive\r\n\r\n");
        response("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nA: b\r\n\r\n", false,
                 "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n");
        response("HTTP/1.1 100 Continue\r\nConnection: x\r\n\r\n", true,
                 "HTTP/1.1 100 Continue\r\n\r\n");
        response("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", true,
                 "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

/* The body of an answer, with its head checked by the strict parser. */
static void check_answer(struct buf *out, int status, bool to_head, bool keep, const char *type)
{
        struct http_head h;
        struct http_span v;

        CHECK_INT(buf_terminate(out), 0);
        http_head_init(&h, HTTP_RESPONSE);
        CHECK_INT(http_head_parse(&h, out->data, out->len), 0);
        CHECK_INT(h.status, status);
        CHECK(h.keep_alive == keep && h.content_length > 0);
        CHECK_INT(out->len - h.length, to_head ? 0 : h.content_length);
        CHECK(http_head_find(&h, "Content-Type", &v) && v.len > strlen(type) &&
              memcmp(v.at, type, strlen(type)) == 0);
}

static void test_pages(void)
{
        struct page_state s = {.phase = "restoring",
                               .message = "<b>\"5 & \n'\\",
                               .generation = 7,
                               .stop_in_s = -1,
                               .warn_s = 300};
        struct page_form json = {.keep_alive = true};
        struct page_form html = {.html = true};
        AUTO_BUF out = BUF_INIT(65536);

        CHECK_INT(page_write_status(&out, &s, json), 0);
        check_answer(&out, 200, false, true, "application/json;");
        CHECK(strstr((char *)out.data,
                     "{\"phase\":\"restoring\",\"text\":\"Your files are being put "
                     "in place.\",\"message\":\"<b>\\\"5 & \\u000a'\\\\\","
                     "\"generation\":7,\"ready\":false,\"notices\":[],"
                     "\"stop_in_s\":null,\"stop_rule\":null,\"warn_s\":300}\n"));
        buf_clear(&out);
        s.stop_in_s = 0;
        s.stop_rule = "id\"le";
        s.notices[0] = "";
        s.notices[1] = "not \"saved\"";
        CHECK_INT(page_write_status(&out, &s, json), 0);
        check_answer(&out, 200, false, true, "application/json;");
        CHECK(strstr(
                (char *)out.data,
                "\"notices\":[\"not "
                "\\\"saved\\\"\"],\"stop_in_s\":0,\"stop_rule\":\"id\\\"le\",\"warn_s\":300}\n"));
        buf_clear(&out);
        CHECK_INT(page_write_done(&out, json), 0);
        CHECK(strstr((char *)out.data, "HTTP/1.1 204 No Content\r\n") == (char *)out.data);
        CHECK(memcmp(out.data + out.len - 4, "\r\n\r\n", 4) == 0);
        CHECK(!strstr((char *)out.data, "Content-"));
        buf_clear(&out);
        CHECK_INT(page_write_wait(&out, 503, &s, html), 0);
        check_answer(&out, 503, false, false, "text/html;");
        CHECK(strstr((char *)out.data,
                     "<p id=\"message\">&#60;b&#62;&#34;5 &#38; &#32;&#39;\\</p>"));
        CHECK(strstr((char *)out.data, "Your files are being put in place."));
        buf_clear(&out);
        html.to_head = true;
        CHECK_INT(page_write_wait(&out, 503, &s, html), 0);
        check_answer(&out, 503, true, false, "text/html;");
        buf_clear(&out);
        CHECK_INT(page_write_health(&out, json), 0);
        check_answer(&out, 200, false, true, "application/json;");
        buf_clear(&out);
        CHECK_INT(page_write_refusal(&out, 431, "too \"big\"", json), 0);
        check_answer(&out, 431, false, false, "application/json;");
        CHECK(strstr((char *)out.data, "\r\n\r\n{\"status\":431,\"error\":\"too \\\"big\\\"\"}\n"));
}

/* --- access --- */

static enum admit_denial denial_of(const struct door_rules *rules, const char *line,
                                   const char *headers)
{
        struct door_verdict v = judge_stranger(rules, line, headers);

        CHECK((v.way == DOOR_DENY) == (v.admit.denial != ADMIT_OK));
        return v.admit.denial;
}

static void test_cookies(void)
{
        static const struct {
                const char *key;
                uint64_t generation, expires;
                enum access_kind kind;
                enum admit_denial denial;
        } t[] = {
                {ACCESS_1, GENERATION, NOW_S + 1, ACCESS_COOKIE, ADMIT_OK},
                {ACCESS_1, GENERATION, NOW_S, ACCESS_COOKIE, ADMIT_ENDED},
                {ACCESS_1, GENERATION, NOW_S + 99, ACCESS_TICKET, ADMIT_ENDED},
                {ACCESS_1, GENERATION - 1, NOW_S + 99, ACCESS_COOKIE, ADMIT_ENDED},
                {ACCESS_1, GENERATION + 1, NOW_S + 99, ACCESS_COOKIE, ADMIT_ENDED},
                /* A neighbour's. */
                {ACCESS_2, GENERATION, NOW_S + 99, ACCESS_COOKIE, ADMIT_ENDED},
        };
        struct door_rules two = up;
        char text[ACCESS_SIZE], headers[1024], many[8192];

        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                made(text, t[i].kind, t[i].key, t[i].generation, t[i].expires);
                (void)snprintf(headers, sizeof(headers), KEY "Cookie: ws_access=%s\r\n", text);
                if (denial_of(&up, "GET /", headers) != t[i].denial)
                        fprintf(stderr, "case %zu\n", i);
                CHECK_INT(denial_of(&up, "GET /", headers), t[i].denial);
                CHECK_INT(denial_of(&up, "POST /_workspace/keep", headers), t[i].denial);
                CHECK_INT(denial_of(&up, "GET /_workspace/status", headers), t[i].denial);
                (void)snprintf(headers, sizeof(headers), KEY UPGRADE "Cookie: ws_access=%s\r\n",
                               text);
                CHECK_INT(denial_of(&up, "GET /", headers), t[i].denial);
        }
        CHECK_INT(denial_of(&up, "GET /", KEY), ADMIT_NO_ACCESS);
        CHECK_INT(denial_of(&up, "GET /", KEY "Cookie: ws_access=\r\n"), ADMIT_ENDED);
        CHECK_INT(denial_of(&up, "GET /", KEY "Cookie: xws_access=1\r\n"), ADMIT_NO_ACCESS);
        /* The good one is found behind those that a neighbour's page has set. */
        made(text, ACCESS_COOKIE, ACCESS_1, GENERATION, NOW_S + 99);
        (void)snprintf(
                many, sizeof(many),
                KEY "Cookie: ws_access=1.2.3.4; ws_access=x;a=b\r\nCookie: c ;ws_access=%s; d\r\n",
                text);
        CHECK_INT(denial_of(&up, "GET /", many), ADMIT_OK);
        /* Both keys are good while they change; the older one's cookies are replaced. */
        CHECK(!judge(&up, "GET /", KEY).admit.renew);
        STR_CUT(two.admit.key[0], ACCESS_2);
        STR_CUT(two.admit.key[1], ACCESS_1);
        CHECK_INT(judge(&two, "GET /", KEY).way, DOOR_PASS);
        CHECK(judge(&two, "GET /", KEY).admit.renew);
        two.admit.key[1][0] = 0;
        CHECK_INT(judge(&two, "GET /", KEY).way, DOOR_DENY);
        /* One that is half over is replaced, too. */
        two = up;
        two.admit.now_s = NOW_S + COOKIE_S / 2 + 1;
        CHECK(judge(&two, "GET /", KEY).admit.renew);
        /* And both keys of the front door. */
        two = up;
        STR_CUT(two.key, "n3w");
        CHECK_INT(judge(&two, "GET /", KEY).way, DOOR_REFUSE);
        STR_CUT(two.key_old, "k3y");
        CHECK_INT(judge(&two, "GET /", KEY).way, DOOR_PASS);
}

static void test_tickets(void)
{
        struct door_rules rules = up;
        char text[ACCESS_SIZE], line[512], headers[1024];
        struct door_verdict v;
        struct used *used = NULL;

        CHECK_INT(used_open(-1, &used), 1);
        rules.admit.used = used;
        made(text, ACCESS_TICKET, ACCESS_1, GENERATION, NOW_S + 1);
        (void)snprintf(line, sizeof(line), "GET /a?b&ws_access=%s&c=d", text);
        v = judge_stranger(&rules, line, KEY);
        CHECK_INT(v.way, DOOR_ADMIT);
        CHECK(v.admit.ticket && v.admit.link && !v.admit.cookie);
        CHECK_INT(v.admit.access.generation, GENERATION);
        (void)snprintf(line, sizeof(line), "POST /a?ws_access=%s", text);
        CHECK_INT(judge_stranger(&rules, line, KEY).way, DOOR_REFUSE);
        (void)snprintf(line, sizeof(line), "HEAD /a?ws_access=%s", text);
        CHECK_INT(judge_stranger(&rules, line, KEY).way, DOOR_REFUSE);
        (void)snprintf(line, sizeof(line), "GET /a?ws_access=%s", text);
        CHECK_INT(judge_stranger(&rules, line, KEY UPGRADE).way, DOOR_REFUSE);
        /* Without the front door's key it is worth nothing. */
        CHECK_INT(judge_stranger(&rules, line, "").way, DOOR_REFUSE);
        /* While the app is not there it is shown to the page that waits, and not used up. */
        rules.app_up = false;
        CHECK_INT(judge_stranger(&rules, line, KEY).way, DOOR_WAIT);
        (void)snprintf(line, sizeof(line), "GET /_workspace/status?ws_access=%s", text);
        CHECK_INT(judge_stranger(&rules, line, KEY).way, DOOR_STATUS);
        rules.app_up = true;
        /* Used: refused, but for who is in already. */
        CHECK_INT(used_add(used, &v.admit.access, NOW_S), 0);
        CHECK_INT(used_add(used, &v.admit.access, NOW_S), -EEXIST);
        (void)snprintf(line, sizeof(line), "GET /a?ws_access=%s", text);
        CHECK_INT(denial_of(&rules, line, KEY), ADMIT_USED);
        CHECK_INT(judge(&rules, line, KEY).way, DOOR_ADMIT);
        CHECK(!judge(&rules, line, KEY).admit.ticket);
        (void)snprintf(line, sizeof(line), "GET /_workspace/status?ws_access=%s", text);
        CHECK_INT(denial_of(&rules, line, KEY), ADMIT_USED);

        made(text, ACCESS_TICKET, ACCESS_1, GENERATION, NOW_S);
        (void)snprintf(line, sizeof(line), "GET /?ws_access=%s", text);
        CHECK_INT(denial_of(&up, line, KEY), ADMIT_EXPIRED);
        made(text, ACCESS_TICKET, ACCESS_1, GENERATION - 1, NOW_S + 9);
        (void)snprintf(line, sizeof(line), "GET /?ws_access=%s", text);
        CHECK_INT(denial_of(&up, line, KEY), ADMIT_EARLIER);
        made(text, ACCESS_TICKET, ACCESS_2, GENERATION, NOW_S + 9);
        (void)snprintf(line, sizeof(line), "GET /?ws_access=%s", text);
        CHECK_INT(denial_of(&up, line, KEY), ADMIT_FORGED);
        made(text, ACCESS_COOKIE, ACCESS_1, GENERATION, NOW_S + 9);
        (void)snprintf(line, sizeof(line), "GET /?ws_access=%s", text);
        CHECK_INT(denial_of(&up, line, KEY), ADMIT_FORGED);
        CHECK_INT(denial_of(&up, "GET /?ws_access=", KEY), ADMIT_FORGED);
        CHECK_INT(denial_of(&up, "GET /?xws_access=1", KEY), ADMIT_NO_ACCESS);
        (void)headers;
        used = used_close(used);
}

static void test_every_byte_counts(void)
{
        char text[ACCESS_SIZE], line[512];

        made(text, ACCESS_TICKET, ACCESS_1, GENERATION, NOW_S + 9);
        for (size_t i = 0; text[i]; i++) {
                char was = text[i];

                for (const char *c = "0123456789abcdefG.-+%"; *c; c++) {
                        if (*c == was)
                                continue;
                        text[i] = *c;
                        (void)snprintf(line, sizeof(line), "GET /?ws_access=%s", text);
                        CHECK_INT(judge_stranger(&up, line, KEY).way, DOOR_DENY);
                }
                text[i] = 0;
                (void)snprintf(line, sizeof(line), "GET /?ws_access=%s", text);
                CHECK_INT(judge_stranger(&up, line, KEY).way, DOOR_DENY);
                text[i] = was;
        }
}

static void test_used(void)
{
        struct used *used = NULL;
        struct access a = {.generation = 1, .expires = NOW_S + 600};
        int n = 0, r;

        CHECK_INT(used_open(-1, &used), 1);
        do {
                access_new_id(a.id);
                r = used_add(used, &a, NOW_S);
                n += r == 0;
        } while (r == 0);
        CHECK_INT(r, -ENOSPC);
        CHECK_INT(n, 1024);
        /* Its room is given away long after it could have been used. */
        CHECK_INT(used_add(used, &a, NOW_S + 600), -ENOSPC);
        CHECK_INT(used_add(used, &a, NOW_S + 600 + 3600), 0);
        CHECK(used_has(used, a.id));
        used = used_close(used);
}

static void test_clean_addresses(void)
{
        static const struct {
                const char *target, *want;
        } t[] = {
                {"/?ws_access=1", "/"},
                {"/a%20b/?x=1&ws_access=2&y=2", "/a%20b/?x=1&y=2"},
                {"/p?ws_access=1&ws_access=2", "/p"},
                {"/p?ws_access=1&&a", "/p?a"},
                {"//evil.example/?ws_access=1", "/evil.example/"},
                {"/\\evil.example/?ws_access=1", "/evil.example/"},
                {"/\\/evil?a=//b&ws_access=1", "/evil?a=//b"},
                {"/?", "/"},
                {"/?xws_access=1", "/?xws_access=1"},
        };

        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                AUTO_BUF out = BUF_INIT(512);

                CHECK_INT(admit_clean((struct http_span){t[i].target, strlen(t[i].target)}, &out),
                          0);
                CHECK_INT(buf_terminate(&out), 0);
                CHECK_STR((char *)out.data, t[i].want);
        }
}

static void test_access_pages(void)
{
        char cookie[ADMIT_COOKIE_SIZE];
        AUTO_BUF out = BUF_INIT(65536);
        struct page_form html = {.html = true}, json = {0};
        struct http_head h;
        struct http_span v;

        admit_cookie(&up.admit, cookie);
        CHECK(strstr(cookie, "ws_access=7.1100.") == cookie);
        CHECK(strstr(cookie, "; Path=/; Max-Age=100; HttpOnly; SameSite=Lax"));
        CHECK(!strstr(cookie, "Domain"));
        CHECK_INT(page_write_redirect(&out, "/x?y", cookie, html), 0);
        http_head_init(&h, HTTP_RESPONSE);
        CHECK_INT(http_head_parse(&h, out.data, out.len), 0);
        CHECK_INT(h.status, 303);
        CHECK(http_head_find(&h, "Location", &v) && http_span_is(v, "/x?y"));
        CHECK(http_head_find(&h, "Set-Cookie", &v) && http_span_is(v, cookie));
        CHECK(http_head_find(&h, "Referrer-Policy", &v) && http_span_is(v, "no-referrer"));
        CHECK(http_head_find(&h, "Cache-Control", &v) && http_span_is(v, "no-store"));
        for (int d = ADMIT_OK + 1; d < ADMIT_DENIAL_MAX; d++) {
                buf_clear(&out);
                CHECK_INT(page_write_denial(&out, (enum admit_denial)d, "https://l\"ms/<x>", html),
                          0);
                check_answer(&out, 403, false, false, "text/html;");
                CHECK(strstr((char *)out.data, "<a href=\"https://l&#34;ms/&#60;x&#62;\">"));
                buf_clear(&out);
                CHECK_INT(page_write_denial(&out, (enum admit_denial)d, "", html), 0);
                CHECK_INT(buf_terminate(&out), 0);
                CHECK(!strstr((char *)out.data, "href"));
                buf_clear(&out);
                CHECK_INT(page_write_denial(&out, (enum admit_denial)d, "", json), 0);
                check_answer(&out, 403, false, false, "application/json;");
        }
}

static void test_redirects(void)
{
        static const struct {
                const char *from, *location, *want; /* NULL: not followed */
        } t[] = {
                {"/", "./?folder=/home/s", "/?folder=/home/s"},
                {"/a/b?c", "./d", "/a/d"},
                {"/a/b?c", "d?e", "/a/d?e"},
                {"/a/b?c", "?x", "/a/b?x"},
                {"/a/b?c", "", "/a/b"},
                {"/a", "/z#frag", "/z"},
                {"/a", "http://localhost/z", "/z"},
                {"/a", "//localhost/z", "/z"},
                {"/a", "http://localhost.evil/z", NULL},
                {"/a", "http://localhost", NULL},
                {"/a", "//evil/z", NULL},
                {"/a", "https://localhost/z", NULL},
                {"/a", "javascript:x", NULL},
                {"/a", "../z", NULL},
                {"/a", "/a b", NULL},
        };

        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char got[REDIRECT_PATH_MAX] = "-";
                struct http_span l = {t[i].location, strlen(t[i].location)};
                int r = redirect_resolve(t[i].from, l, "localhost", got);

                CHECK_STR(got, t[i].want ? t[i].want : "-");
                CHECK_INT(r < 0, t[i].want == NULL);
        }
}

int main(void)
{
        RUN(test_rules_up);
        RUN(test_rules_not_up);
        RUN(test_notice_door);
        RUN(test_flags);
        RUN(test_request_head);
        RUN(test_response_head);
        RUN(test_pages);
        RUN(test_cookies);
        RUN(test_tickets);
        RUN(test_every_byte_counts);
        RUN(test_used);
        RUN(test_clean_addresses);
        RUN(test_access_pages);
        RUN(test_redirects);
        return 0;
}
