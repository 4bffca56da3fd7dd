/* The gate's pure half: the door's rules, rebuilt heads, answers, redirects. */
#include "test.h"

#include <assert.h>
#include <stddef.h>

#include "channel.h"
#include "gate/door.h"
#include "gate/page.h"
#include "gate/redirect.h"

/* tests/gate/gate.py builds these records by hand. */
static_assert(sizeof(struct channel_msg) == 528, "size");
static_assert(offsetof(struct channel_msg, u) == 8, "union");
static_assert(offsetof(struct channel_msg, u.config.key) == 48, "key");
static_assert(offsetof(struct channel_msg, u.config.message) == 233, "message");
static_assert(offsetof(struct channel_msg, u.probe.prime_path) == 272, "prime path");
static_assert(offsetof(struct channel_msg, u.traffic.open_age_ms) == 48, "open age");
static_assert(offsetof(struct channel_msg, u.evidence.unknown) == 32, "unknown");
static_assert(offsetof(struct channel_msg, u.evidence.notes) == 40, "notes");
static_assert(sizeof(struct channel_note) == 16, "note");
static_assert(offsetof(struct channel_msg, u.notice.rule) == 16, "rule");
static_assert(CHANNEL_NOTES_MAX == 24, "notes");
static_assert(CHANNEL_GATE_NOTICE == 4 && CHANNEL_GATE_TELL == 5 && CHANNEL_GATE_EVIDENCE == 35,
              "numbers");

static const struct door_rules up = {
        .configured = true,
        .app_up = true,
        .key = "k3y",
        .host = "ws-a.localhost:8080",
};

#define KEY "X-Workspace-Key: k3y\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: WebSocket\r\n"
#define GOOD_ORIGIN "Origin: http://ws-a.localhost:8080\r\n"

static void parse(struct http_head *h, enum http_kind kind, const char *text)
{
        http_head_init(h, kind);
        CHECK_INT(http_head_parse(h, text, strlen(text)), 0);
}

static struct door_verdict judge(const struct door_rules *rules, const char *line,
                                 const char *headers)
{
        char text[1024];
        struct http_head h;

        (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, headers);
        parse(&h, HTTP_REQUEST, text);
        return door_judge(&h, rules);
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

static void response(const char *in, bool keep, const char *want)
{
        AUTO_BUF out = BUF_INIT(8192);
        struct http_head h;

        parse(&h, HTTP_RESPONSE, in);
        CHECK_INT(door_write_response(&h, keep, &out), 0);
        CHECK_INT(buf_terminate(&out), 0);
        CHECK_STR((char *)out.data, want);
}

static void test_response_head(void)
{
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
        RUN(test_redirects);
        return 0;
}
