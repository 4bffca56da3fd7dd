/* The observer over plain requests and the page's own event log. */
#include "base/macro.h"
#include "decode_bytes.h"
#include "test.h"

#define S INT64_C(1000) /* ms */

static const struct rule_request requests[] = {
        {.method = "GET", .path = "/health", .query = "", .without = "", .verdict = RULE_MACHINE},
        {.method = "GET",
         .path = "",
         .query = "",
         .without = "",
         .navigation = true,
         .verdict = RULE_PERSON},
        {.method = "GET",
         .path = "/",
         .query = "",
         .without = "",
         .plain = true,
         .verdict = RULE_WEAK},
        {.method = "POST",
         .path = "/api/v1/chart/data",
         .query = "",
         .without = "force=true",
         .verdict = RULE_WEAK},
        {.method = "", .path = "/api/*", .query = "", .without = "", .verdict = RULE_MACHINE},
        {.method = "PUT", .path = "/tab", .query = "", .without = "", .verdict = RULE_TYPED},
        {.method = "DELETE", .path = "/tab", .query = "", .without = "", .verdict = RULE_HINT},
};
static const struct rule_name log_events[] = {
        {"load_chart", "", RULE_MACHINE},
        {"mount_dashboard", "", RULE_WEAK},
        {"periodic_render_dashboard", "", RULE_MACHINE},
        {"spa_navigation", "", RULE_PERSON},
};
static const struct rules rules = {
        .editor_query = "",
        .requests = {requests, ARRAY_LEN(requests)},
        .job_key = "",
        .log_path = "/superset/log/",
        .log_field = "events",
        .log_key = "event_name",
        .log_events = {log_events, ARRAY_LEN(log_events)},
        .log_refresh = "periodic_render_dashboard",
        .log_refresh_ms = 10000,
};

#define HOST " HTTP/1.1\r\nHost: a"
#define USER "\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1"

static uint64_t events(struct observer *o, int64_t ms, enum presence_source s, enum presence_kind k)
{
        struct observer_tally t;

        observer_tally(o, at_ms(ms), &t);
        return t.note[s][k].events;
}

static void heads_are_judged(void)
{
        static const struct {
                const char *head;
                int kind; /* -1: unknown, a machine's */
        } rows[] = {
                {"GET /health" HOST, PRESENCE_KIND_MACHINE},
                {"GET /" HOST USER, PRESENCE_KIND_PERSON},
                {"GET /any/thing?x" HOST USER, PRESENCE_KIND_PERSON},
                {"GET /" HOST, PRESENCE_KIND_WEAK},
                {"GET /" HOST "\r\nsec-fetch-mode: cors", -1},
                {"GET /x" HOST "\r\nSec-Fetch-Mode: navigate", -1},
                {"GET /x" HOST "\r\nSec-Fetch-User: ?1", -1},
                {"GET /x" HOST "\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Mode: no-cors", -1},
                {"GET /x" HOST "\r\nSec-Fetch-User: ?0\r\nSec-Fetch-Mode: navigate", -1},
                {"POST /api/v1/chart/data?force=true" HOST, PRESENCE_KIND_MACHINE},
                {"POST /api/v1/chart/data" HOST, PRESENCE_KIND_WEAK},
                {"GET /api/v1/async_event/?last_id=1" HOST, PRESENCE_KIND_MACHINE},
                /* What makes no sense for a request is no evidence. */
                {"PUT /tab" HOST, PRESENCE_KIND_MACHINE},
                {"DELETE /tab" HOST, PRESENCE_KIND_HINT},
                {"GET /other" HOST, -1},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                int kind = rows[i].kind < 0 ? PRESENCE_KIND_MACHINE : rows[i].kind;
                struct observer_tally t;
                struct observer *o;

                CHECK(observer_new(&rules, &o) == 0);
                CHECK(!ask(o, rows[i].head, 0));
                observer_tally(o, at_ms(10 * S), &t);
                CHECK_INT(t.note[PRESENCE_REQUEST][kind].events, 1);
                CHECK_INT(t.note[PRESENCE_REQUEST][kind].at.us, at_ms(0).us);
                CHECK_INT(t.unknown, rows[i].kind < 0);
                CHECK_INT(t.websockets, 0);
                o = observer_free(o);
        }
}

static void log_entry(struct observer *o, const char *name, int64_t ms)
{
        char head[512], body[256];
        struct watch *w;

        (void)snprintf(body, sizeof(body), "[{\"event_name\":\"%s\",\"ts\":1}]", name);
        (void)snprintf(head, sizeof(head),
                       "POST /superset/log/?explode=events" HOST
                       "\r\nContent-Type: application/json\r\nContent-Length: %zu",
                       strlen(body));
        w = ask(o, head, ms);
        CHECK(w);
        watch_body(w, body, 3, at_ms(ms));
        watch_body(w, body + 3, strlen(body) - 3, at_ms(ms));
        w = watch_end(w, at_ms(ms));
}

static void entries_of_the_log_are_judged(void)
{
        struct observer *o;
        uint64_t count;

        CHECK(observer_new(&rules, &o) == 0);
        log_entry(o, "spa_navigation", 1);
        log_entry(o, "mount_dashboard", 1);
        log_entry(o, "load_chart", 1);
        log_entry(o, "novelty", 1);
        CHECK_INT(events(o, 1, PRESENCE_EVENT, PRESENCE_KIND_PERSON), 1);
        CHECK_INT(events(o, 1, PRESENCE_EVENT, PRESENCE_KIND_WEAK), 1);
        CHECK_INT(events(o, 1, PRESENCE_EVENT, PRESENCE_KIND_MACHINE), 2);
        CHECK_INT(events(o, 1, PRESENCE_REQUEST, PRESENCE_KIND_MACHINE), 4);
        CHECK_STR(observer_unknown(o, 0, &count), "novelty");
        /* Without a body, of another type, by another method or path: no entries. */
        CHECK(!ask(o, "POST /superset/log/" HOST, 2));
        CHECK(!ask(o, "POST /superset/log/" HOST "\r\nContent-Type: image/png\r\nContent-Length: 3",
                   2));
        CHECK(!ask(o, "GET /superset/log/" HOST, 2));
        CHECK(!ask(o, "POST /superset/log/x" HOST "\r\nContent-Length: 3", 2));
        o = observer_free(o);
}

static void chart(struct observer *o, int64_t ms)
{
        CHECK(!ask(o, "POST /api/v1/chart/data" HOST, ms));
}

#define WEAK PRESENCE_REQUEST, PRESENCE_KIND_WEAK
#define MACHINE PRESENCE_REQUEST, PRESENCE_KIND_MACHINE

static void a_refresh_makes_requests_a_machines(void)
{
        struct observer *o;

        CHECK(observer_new(&rules, &o) == 0);
        /* The requests come first, the log entry is a second behind. */
        chart(o, 100 * S);
        chart(o, 100 * S + 200);
        log_entry(o, "periodic_render_dashboard", 101 * S + 100);
        chart(o, 102 * S);
        chart(o, 111 * S);
        CHECK_INT(events(o, 120 * S, WEAK), 0);
        CHECK_INT(events(o, 120 * S, MACHINE), 5);
        /* Later ones are nobody's. */
        chart(o, 111 * S + 100);
        CHECK_INT(events(o, 112 * S, WEAK), 0);
        CHECK_INT(events(o, 115 * S, WEAK), 1);
        o = observer_free(o);
}

static void without_a_refresh_they_count_soon(void)
{
        struct observer_tally t;
        struct observer *o;

        CHECK(observer_new(&rules, &o) == 0);
        for (int i = 0; i < 10; i++)
                chart(o, i * S);
        /* At one a second what is older than three seconds counts. */
        CHECK(events(o, 9 * S, WEAK) >= 4);
        log_entry(o, "load_chart", 9 * S); /* no refresh */
        CHECK_INT(events(o, 20 * S, WEAK), 10);
        observer_tally(o, at_ms(20 * S), &t);
        CHECK_INT(t.note[PRESENCE_REQUEST][PRESENCE_KIND_WEAK].at.us, at_ms(9 * S).us);
        o = observer_free(o);
}

static void keep_is_a_person(void)
{
        struct observer *o;

        CHECK(observer_new(&rules, &o) == 0);
        observer_keep(o, at_ms(5));
        CHECK_INT(events(o, 5, PRESENCE_KEEP, PRESENCE_KIND_PERSON), 1);
        o = observer_free(o);
}

struct seen {
        char text[512];
};

static void on_sighting(void *ctx, const struct observer_sighting *s)
{
        struct seen *seen = ctx;
        size_t at = strlen(seen->text);

        (void)snprintf(seen->text + at, sizeof(seen->text) - at, "%u %s %.*s %d %s %s\n",
                       s->connection, s->from, (int)s->name_len, s->name, s->known,
                       presence_source_name(s->source), presence_kind_name(s->kind));
}

static void a_trace_sees_each_judgement(void)
{
        struct seen seen = {0};
        struct observer *o;

        CHECK(observer_new(&rules, &o) == 0);
        observer_set_trace(o, on_sighting, &seen);
        (void)ask(o, "GET /health?probe" HOST, 0);
        log_entry(o, "spa_navigation", 0);
        (void)ask(o, "GET /x" HOST, 0);
        CHECK_STR(seen.text, "1 request /health 1 request machine\n"
                             "2 request /superset/log/ 1 request machine\n"
                             "2 event spa_navigation 1 event person\n"
                             "3 request /x 0 request machine\n");
        o = observer_free(o);
}

int main(void)
{
        RUN(heads_are_judged);
        RUN(entries_of_the_log_are_judged);
        RUN(a_refresh_makes_requests_a_machines);
        RUN(without_a_refresh_they_count_soon);
        RUN(keep_is_a_person);
        RUN(a_trace_sees_each_judgement);
        return 0;
}
