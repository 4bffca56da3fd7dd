/*
 * The rules of the images against what their pages send: tables in tests/unit/data, and half an
 * hour of a Superset dashboard that refreshes itself while nobody is there.
 */
#include "base/buf.h"
#include "base/fd.h"
#include "base/macro.h"
#include "decode/observer.h"
#include "profile/profile.h"
#include "profile/rules_parse.h"
#include "test.h"

#define TABLE_MAX (64 * 1024)

static struct rules_file *load(const char *path)
{
        char error[PROFILE_ERROR_MAX] = "";
        struct rules_file *f = NULL;

        if (rules_load(path, error, &f) < 0)
                fprintf(stderr, "%s: %s\n", path, error);
        CHECK(f);
        return f;
}

/* ---- tables ---- */

static enum rule_fetch fetch_of(const char *word)
{
        if (strcmp(word, "navigation") == 0)
                return RULE_FETCH_NAVIGATION;
        if (strcmp(word, "plain") == 0)
                return RULE_FETCH_PLAIN;
        CHECK_STR(word, "other");
        return RULE_FETCH_OTHER;
}

static const char *word(char **rest)
{
        char *w = strsep(rest, " ");

        CHECK(w && *w);
        return w;
}

/* One line of a table: false when the rules say something else. */
static bool line_holds(const struct rules *r, char *line)
{
        const char *kind = word(&line), *name, *target, *expected, *args;
        enum rule_verdict v = RULE_VERDICT_MAX;
        enum rule_fetch fetch;
        bool found;

        if (strcmp(kind, "request") == 0) {
                name = word(&line);
                target = word(&line);
                fetch = fetch_of(word(&line));
                expected = word(&line);
                found = rules_find_request(&r->requests, name, strlen(name), target, strlen(target),
                                           fetch, &v);
        } else {
                const struct rule_names *l = strcmp(kind, "method") == 0    ? &r->methods
                                             : strcmp(kind, "command") == 0 ? &r->commands
                                                                            : &r->log_events;

                CHECK(l != &r->log_events || strcmp(kind, "event") == 0);
                name = word(&line);
                expected = word(&line);
                args = line ? line : "";
                found = rules_find(l, name, strlen(name), args, strlen(args), &v);
        }
        return strcmp(expected, found ? rules_verdict_word(v) : "unknown") == 0;
}

/* How many lines of the table do not hold. */
static size_t table_run(const struct rules *r, const char *path, bool quiet)
{
        AUTO_BUF text = BUF_INIT(TABLE_MAX);
        char *rest, *line;
        size_t n = 0, bad = 0;

        CHECK_INT(file_read(path, &text), 0);
        CHECK_INT(buf_append(&text, "", 1), 0);
        rest = (char *)text.data;
        while ((line = strsep(&rest, "\n"))) {
                char shown[200];

                if (!line[0] || line[0] == '#')
                        continue;
                n++;
                (void)snprintf(shown, sizeof(shown), "%s", line);
                if (line_holds(r, line))
                        continue;
                bad++;
                if (!quiet)
                        fprintf(stderr, "does not hold: %s\n", shown);
        }
        CHECK(n > 60);
        return bad;
}

static void editor_table_holds(void)
{
        struct rules_file *f = load(WS_PROFILES "/code-server/presence.json");

        CHECK_INT(table_run(rules_of(f), WS_DATA "/code-server-messages.txt", false), 0);
        rules_free(f);
}

static void superset_table_holds(void)
{
        struct rules_file *f = load(WS_PROFILES "/superset/presence.json");

        CHECK_INT(table_run(rules_of(f), WS_DATA "/superset-requests.txt", false), 0);
        rules_free(f);
}

/* The table notices the one planted mistake, and only that. */
static void planted_mistake_is_noticed(void)
{
        struct rules_file *f = load(WS_PLANTED "/wrong-rules.json");

        CHECK_INT(table_run(rules_of(f), WS_DATA "/code-server-messages.txt", true), 1);
        rules_free(f);
}

/* ---- a dashboard that refreshes itself ---- */

#define BOUNDARY "----WebKitFormBoundarykQxZ0aWb3rT2yVnU"
#define MINUTES 30

static mono_t at(int64_t ms)
{
        return mono_add_ms((mono_t){1000000}, ms);
}

/* One request through the observer, its body in two pieces. */
static void ask(struct observer *o, const char *request, const char *fetch, const char *type,
                const char *body, int64_t ms)
{
        char text[2048];
        struct http_head h;
        struct watch *w;
        size_t half = strlen(body) / 2;
        int n = snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: ws\r\n%s%s%s", request, fetch,
                         type[0] ? "Content-Type: " : "", type);

        n += snprintf(text + n, sizeof(text) - (size_t)n, "%sContent-Length: %zu\r\n\r\n",
                      type[0] ? "\r\n" : "", strlen(body));
        http_head_init(&h, HTTP_REQUEST);
        CHECK_INT(http_head_parse(&h, text, (size_t)n), 0);
        w = observer_request(o, &h, at(ms));
        if (w) {
                watch_body(w, body, half, at(ms));
                watch_body(w, body + half, strlen(body) - half, at(ms + 1));
        }
        watch_end(w, at(ms + 2));
}

#define OWN "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"

/* navigator.sendBeacon of a FormData, as Chromium forms it. */
static void beacon(struct observer *o, const char *events, int64_t ms)
{
        char body[2048];

        (void)snprintf(body, sizeof(body),
                       "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"events\"\r\n\r\n"
                       "%s\r\n--" BOUNDARY "--\r\n",
                       events);
        ask(o, "POST /superset/log/?explode=events&dashboard_id=3",
            "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n",
            "multipart/form-data; boundary=" BOUNDARY, body, ms);
}

#define EVENT(name, type)                                                                          \
        "{\"source\":\"dashboard\",\"source_id\":3,\"impression_id\":\"s5K\",\"version\":\"v2\","  \
        "\"ts\":1795434613105,\"event_name\":\"" name "\",\"event_type\":\"" type "\","            \
        "\"event_id\":\"e1\",\"visibility\":\"visible\"}"

static void refresh(struct observer *o, bool force, int64_t interval, int64_t ms)
{
        char request[200];

        for (int chart = 0; chart < 8; chart++) {
                (void)snprintf(request, sizeof(request),
                               "POST /api/v1/chart/data?form_data=%%7B%%22slice_id%%22%%3A%d%%7D"
                               "&dashboard_id=3%s",
                               chart, force ? "&force=true" : "");
                ask(o, request, OWN, "application/json", "{\"queries\":[{}]}",
                    ms + chart * interval / 40);
        }
        beacon(o, "[" EVENT("periodic_render_dashboard", "user") "]", ms + 1000);
        beacon(o, "[" EVENT("load_chart", "timing") "," EVENT("render_chart", "timing") "]",
               ms + interval / 5 + 1500);
}

/* The newest person's evidence after half an hour that begins with a visit, in ms; -1 none. */
static int64_t untouched(const struct rules *r, bool force, int64_t interval, const char *extra,
                         int64_t extra_ms)
{
        const int64_t end = MINUTES * INT64_C(60000);
        struct observer *o = NULL;
        struct observer_tally t;
        struct presence p = {0};
        struct presence_verdict v;

        CHECK_INT(observer_new(r, &o), 0);
        presence_restart(&p, at(0));
        ask(o, "GET /superset/dashboard/3/",
            "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n"
            "Sec-Fetch-Dest: document\r\n",
            "", "", 0);
        beacon(o, "[" EVENT("mount_dashboard", "user") "]", 2000);
        for (int64_t ms = 0, next = interval; ms < end; ms += 1000) {
                if (ms >= next) {
                        refresh(o, force, interval, ms);
                        next += interval;
                }
                if (ms % 5000 == 0)
                        ask(o, "GET /health", "", "", "", ms);
                if (ms % 30000 < 2000)
                        ask(o, "GET /api/v1/async_event/?last_id=1-0", OWN, "", "", ms + 10);
                if (extra && ms == extra_ms)
                        beacon(o, extra, ms);
                observer_tally(o, at(ms), &t);
                for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                        for (int k = 0; k < PRESENCE_KIND_MAX; k++) {
                                if (t.note[s][k].events > 0)
                                        presence_note(&p, (enum presence_source)s,
                                                      (enum presence_kind)k, t.note[s][k].at, 1);
                        }
                }
        }
        CHECK_INT(t.unknown, 0);
        CHECK(t.note[PRESENCE_EVENT][PRESENCE_KIND_MACHINE].events > 10);
        presence_judge(&p, at(end), &v);
        observer_free(o);
        return end - v.person_age_ms;
}

static void refreshing_dashboard_is_nobody(void)
{
        static const int64_t intervals[] = {10000, 30000, 60000, 300000};
        struct rules_file *f = load(WS_PROFILES "/superset/presence.json");

        for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
                for (int force = 0; force < 2; force++) {
                        int64_t last = untouched(rules_of(f), force, intervals[i], NULL, 0);

                        /* the visit itself: navigation, and the page's mounting behind it */
                        if (last > 5000)
                                fprintf(stderr, "a person %lld ms after the visit\n",
                                        (long long)last);
                        CHECK(last <= 5000);
                }
        }
        /* and a person is one */
        CHECK_INT(untouched(rules_of(f), true, 30000,
                            "[" EVENT("change_dashboard_filter", "user") "]", 900000),
                  900001);
        rules_free(f);
}

/* The same with rules that take the refresh for a person must show one. */
static void planted_refresh_is_noticed(void)
{
        AUTO_BUF text = BUF_INIT(PROFILE_SIZE_MAX);
        char error[PROFILE_ERROR_MAX];
        struct rules_file *f = NULL;
        char *machine, *person;

        CHECK_INT(file_read(WS_PROFILES "/superset/presence.json", &text), 0);
        CHECK_INT(buf_append(&text, "", 1), 0);
        machine = strstr((char *)text.data, "\"load_chart\"");
        person = strstr((char *)text.data, "\"spa_navigation\"");
        CHECK(machine && person);
        memcpy(machine, "\"unload_it1\"", 12);
        memcpy(person, "\"load_chart\"    ", 16);
        CHECK_INT(rules_parse((const char *)text.data, text.len - 1, error, &f), 0);
        CHECK(untouched(rules_of(f), true, 30000, NULL, 0) > (MINUTES - 2) * 60000);
        rules_free(f);
}

int main(void)
{
        RUN(editor_table_holds);
        RUN(superset_table_holds);
        RUN(planted_mistake_is_noticed);
        RUN(refreshing_dashboard_is_nobody);
        RUN(planted_refresh_is_noticed);
        return 0;
}
