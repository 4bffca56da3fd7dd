/* The observer over an editor's connections: what counts, for whom, and what is held. */
#include "base/macro.h"
#include "decode_bytes.h"
#include "test.h"

#define S INT64_C(1000) /* ms */

static const struct rule_name methods[] = {
        {"$acceptEditorPropertiesChanged", "\"source\":\"keyboard\"", RULE_PERSON},
        {"$acceptEditorPropertiesChanged", "\"visibleRanges\"", RULE_SCROLL},
        {"$acceptModelChanged", "", RULE_CHANGE},
        {"$acceptProcessInput", "", RULE_TYPED},
        {"$acceptTabOperation", "", RULE_WEAK},
        {"$cellBegins", "", RULE_JOB},
        {"$cellEnds", "", RULE_JOB_END},
        {"$executeContributedCommand", "", RULE_HINT},
        {"$onDidChangeWindowActive", "[true]", RULE_ACTIVE},
        {"$onDidChangeWindowActive", "[false]", RULE_INACTIVE},
        {"$onFileEvent", "", RULE_MACHINE},
        {"$undo", "", RULE_GESTURE},
};
static const struct rule_name commands[] = {
        {"remoteFilesystem.*", "", RULE_MACHINE},
        {"remoteterminal.$input", "", RULE_TYPED},
        {"remoteterminal.$shutdown", "", RULE_GESTURE},
        {"telemetry.logTelemetry", "\"workbenchActionExecuted\"", RULE_PERSON},
};
static const struct rule_request upgrades[] = {
        {.method = "", .path = "/proxy/*", .query = "", .without = "", .verdict = RULE_MACHINE},
};
static const struct rule_request requests[] = {
        {.method = "",
         .path = "",
         .query = "",
         .without = "",
         .navigation = true,
         .verdict = RULE_PERSON},
};
static const struct rules rules = {
        .requests = {requests, ARRAY_LEN(requests)},
        .editor_query = "reconnectionToken",
        .methods = {methods, ARRAY_LEN(methods)},
        .commands = {commands, ARRAY_LEN(commands)},
        .upgrades = {upgrades, ARRAY_LEN(upgrades)},
        .job_key = "",
        .log_path = "",
        .log_field = "",
        .log_key = "",
        .log_refresh = "",
};

static struct observer *observe(void)
{
        struct observer *o;

        CHECK(observer_new(&rules, &o) == 0);
        return o;
}

static struct observer_tally tally(struct observer *o, int64_t ms)
{
        struct observer_tally t;

        observer_tally(o, at_ms(ms), &t);
        return t;
}

static uint64_t events(struct observer *o, enum presence_source s, enum presence_kind k)
{
        return tally(o, 0).note[s][k].events;
}

/* All that may mean a person, of any source. */
static uint64_t persons(struct observer *o)
{
        struct observer_tally t = tally(o, 0);
        uint64_t n = 0;

        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                for (int k = PRESENCE_KIND_PERSON; k < PRESENCE_KIND_MACHINE; k++)
                        n += t.note[s][k].events;
        }
        return n;
}

#define PERSON PRESENCE_KIND_PERSON
#define WEAK PRESENCE_KIND_WEAK
#define MACHINE PRESENCE_KIND_MACHINE

#define KEYBOARD "[\"id\",{\"selections\":{\"selections\":[],\"source\":\"keyboard\"}}]"

static void send_active(struct tab *t, bool active, int64_t ms)
{
        tab_method(t, "$onDidChangeWindowActive", active ? "[true]" : "[false]", ms);
}

/* The same evidence however the bytes are split, compressed or not. */
static void layers_and_splits_make_no_difference(void)
{
        for (size_t step = 0; step < 40; step++) {
                for (int compress = 0; compress < 2; compress++) {
                        struct observer *o = observe();
                        struct tab host = {.step = step, .compress = compress};
                        struct tab manager = {.step = step, .compress = compress};

                        tab_open(&manager, o, EDITOR_MANAGEMENT, "m", false, 0);
                        tab_open(&host, o, EDITOR_EXTENSION_HOST, "h", false, 0);
                        tab_regular(&manager, 0, "\x05\x02{}", 4, 1);
                        tab_regular(&host, 0, "{\"commit\":1}", 12, 1);
                        tab_keep_alive(&host, 2);
                        tab_method(&host, "$acceptEditorPropertiesChanged", KEYBOARD, 3);
                        tab_method(&host, "$acceptTabOperation", "[]", 4);
                        tab_method(&host, "$executeContributedCommand", "[]", 4);
                        tab_method(&host, "$onFileEvent", "[{}]", 5);
                        tab_type(&manager, "l", 6);
                        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 1);
                        CHECK_INT(events(o, PRESENCE_INPUT, WEAK), 1);
                        CHECK_INT(events(o, PRESENCE_INPUT, PRESENCE_KIND_HINT), 1);
                        CHECK_INT(events(o, PRESENCE_INPUT, MACHINE), 1);
                        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 1);
                        CHECK_INT(tally(o, 0).note[PRESENCE_TYPED][PERSON].at.us, at_ms(6).us);
                        CHECK_INT(tally(o, 0).websockets, 2);
                        CHECK_INT(tally(o, 0).undecoded, 0);
                        CHECK_INT(tally(o, 0).unknown, 0);
                        CHECK_INT(tally(o, 0).bytes_undecoded, 0);
                        tab_close(&host, 7);
                        tab_close(&manager, 7);
                        CHECK_INT(tally(o, 7).websockets, 0);
                        o = observer_free(o);
                }
        }
}

static void what_was_sent_before_does_not_count_again(void)
{
        struct observer *o = observe();
        struct tab t = {.compress = true};
        AUTO_BUF key = BUF_INIT(1000);

        put_request(&key, 1, "$acceptEditorPropertiesChanged", KEYBOARD);
        tab_open(&t, o, EDITOR_EXTENSION_HOST, "token", false, 0);
        tab_regular(&t, 1, "{}", 2, 1);
        tab_regular(&t, 2, key.data, key.len, 1);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 1);
        tab_close(&t, 5 * S);
        for (int i = 1; i < 5; i++) {
                tab_open(&t, o, EDITOR_EXTENSION_HOST, "token", true, i * 10 * S);
                tab_regular(&t, 1, "{}", 2, i * 10 * S);
                tab_regular(&t, 2, key.data, key.len, i * 10 * S);
                tab_close(&t, i * 10 * S + 1);
        }
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 1);
        tab_open(&t, o, EDITOR_EXTENSION_HOST, "token", true, 60 * S);
        tab_regular(&t, 2, key.data, key.len, 60 * S);
        tab_regular(&t, 3, key.data, key.len, 60 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 2);
        tab_close(&t, 60 * S);
        /* The same token for another kind, and another token: other pages. */
        tab_open(&t, o, EDITOR_EXTENSION_HOST, "other", false, 61 * S);
        tab_regular(&t, 2, key.data, key.len, 61 * S);
        tab_close(&t, 61 * S);
        tab_open(&t, o, EDITOR_MANAGEMENT, "token", false, 62 * S);
        buf_clear(&key);
        put_header(&key, 100, 1, "telemetry", "logTelemetry");
        put_text(&key, "{\"eventName\":\"workbenchActionExecuted\"}");
        tab_regular(&t, 1, key.data, key.len, 62 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 4);
        tab_close(&t, 62 * S);
        o = observer_free(o);
}

/* More pages than are remembered, and more open at once. */
static void many_pages_are_bounded(void)
{
        static struct tab tabs[80];
        struct observer *o = observe();
        char token[16];

        memset(tabs, 0, sizeof(tabs));
        for (size_t i = 0; i < ARRAY_LEN(tabs); i++) {
                (void)snprintf(token, sizeof(token), "t%zu", i);
                tab_open(&tabs[i], o, EDITOR_EXTENSION_HOST, token, false, 0);
                send_active(&tabs[i], true, 1);
        }
        CHECK_INT(tally(o, 2).active, 80);
        CHECK_INT(tally(o, 2).undecoded, 0);
        for (size_t i = 0; i < ARRAY_LEN(tabs); i++)
                tab_close(&tabs[i], 3);
        CHECK_INT(tally(o, 3).active, 0);
        for (size_t i = 0; i < 1000; i++) {
                struct tab t = {0};

                (void)snprintf(token, sizeof(token), "u%zu", i);
                tab_open(&t, o, EDITOR_EXTENSION_HOST, token, false, 4);
                tab_close(&t, 4);
        }
        o = observer_free(o);
}

static void a_page_is_active_between_its_edges(void)
{
        struct observer *o = observe();
        struct tab t = {.compress = true};

        tab_open(&t, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        CHECK_INT(tally(o, 1).active, 0);
        send_active(&t, true, 1 * S);
        CHECK_INT(events(o, PRESENCE_ACTIVE, PERSON), 1);
        for (int64_t ms = 1 * S; ms < 60 * S; ms += 5 * S) {
                tab_keep_alive(&t, ms);
                CHECK_INT(tally(o, ms).active, 1);
        }
        send_active(&t, false, 60 * S);
        CHECK_INT(tally(o, 60 * S).active, 0);
        CHECK_INT(events(o, PRESENCE_ACTIVE, MACHINE), 1);
        CHECK_INT(events(o, PRESENCE_ACTIVE, PERSON), 1);
        tab_close(&t, 61 * S);
        o = observer_free(o);
}

static void a_silent_page_is_dead_and_wakes_unknown(void)
{
        struct observer *o = observe();
        struct tab t = {0};

        tab_open(&t, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        send_active(&t, true, 1 * S);
        CHECK_INT(tally(o, 21 * S).active, 1);
        CHECK_INT(tally(o, 21 * S + 1).active, 0);
        CHECK_INT(tally(o, 21 * S + 1).websockets, 1);
        tab_keep_alive(&t, 3600 * S);
        CHECK_INT(tally(o, 3600 * S).active, 0);
        CHECK(tally(o, 3600 * S).tracked);
        send_active(&t, true, 3601 * S);
        CHECK_INT(tally(o, 3601 * S).active, 1);
        tab_close(&t, 3602 * S);
        o = observer_free(o);
}

static void a_reconnect_keeps_the_state(void)
{
        struct observer *o = observe();
        struct tab old = {.compress = true}, t = {.compress = true};

        tab_open(&old, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        send_active(&old, true, 1 * S);
        tab_close(&old, 2 * S);
        CHECK_INT(tally(o, 2 * S).active, 0);
        tab_open(&old, o, EDITOR_EXTENSION_HOST, "h", true, 7 * S);
        CHECK_INT(tally(o, 7 * S).active, 1);
        /* The old connection may linger: it is one page all the same. */
        tab_open(&t, o, EDITOR_EXTENSION_HOST, "h", true, 8 * S);
        CHECK_INT(tally(o, 8 * S).active, 1);
        CHECK_INT(tally(o, 8 * S).websockets, 2);
        tab_close(&old, 9 * S);
        CHECK_INT(tally(o, 9 * S).active, 1);
        tab_close(&t, 10 * S);
        /* After a long absence nobody knows. */
        tab_open(&t, o, EDITOR_EXTENSION_HOST, "h", true, 60 * S);
        CHECK_INT(tally(o, 60 * S).active, 0);
        tab_close(&t, 61 * S);
        o = observer_free(o);
}

static void two_pages_are_two(void)
{
        struct observer *o = observe();
        struct tab a = {0}, b = {.compress = true};

        tab_open(&a, o, EDITOR_EXTENSION_HOST, "a", false, 0);
        tab_open(&b, o, EDITOR_EXTENSION_HOST, "b", false, 0);
        send_active(&a, true, 1 * S);
        send_active(&b, true, 1 * S);
        CHECK_INT(tally(o, 1 * S).active, 2);
        send_active(&a, false, 2 * S);
        CHECK_INT(tally(o, 2 * S).active, 1);
        /* "03": the page is being closed, whether or not its connection is. */
        tab_regular(&b, 0, "\x03", 1, 3 * S);
        CHECK_INT(tally(o, 3 * S).active, 0);
        CHECK_INT(tally(o, 3 * S).websockets, 2);
        tab_close(&a, 4 * S);
        tab_close(&b, 4 * S);
        o = observer_free(o);
}

static void an_old_page_without_a_tracker_is_not_tracked(void)
{
        struct observer *o = observe();
        struct tab host = {0}, manager = {0};

        CHECK(tally(o, 0).tracked);
        tab_open(&manager, o, EDITOR_MANAGEMENT, "m", false, 0);
        tab_open(&host, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        tab_keep_alive(&host, OBSERVER_TRACKER_MS);
        tab_keep_alive(&manager, OBSERVER_TRACKER_MS);
        CHECK(tally(o, OBSERVER_TRACKER_MS).tracked);
        CHECK(!tally(o, OBSERVER_TRACKER_MS + 1).tracked);
        /* A dead one is nobody's question. */
        CHECK(tally(o, OBSERVER_TRACKER_MS + OBSERVER_DEAD_MS + 1).tracked);
        send_active(&host, false, OBSERVER_TRACKER_MS + 2);
        CHECK(tally(o, OBSERVER_TRACKER_MS + 2).tracked);
        tab_close(&host, OBSERVER_TRACKER_MS + 3);
        tab_close(&manager, OBSERVER_TRACKER_MS + 3);
        o = observer_free(o);
}

/* Keys from the very beginning make no edge; that the tracker gives up late tells of them. */
static void a_page_busy_from_the_start_was_touched(void)
{
        static const struct {
                int64_t asleep_from, asleep_until, inactive_at, events;
        } cases[] = {
                {0, 0, 67 * S, 0},             /* nobody touched it */
                {0, 0, 87 * S, 0},             /* the same, as recorded on a busy computer */
                {0, 0, 125 * S, 1},            /* a key between 55 and 85 s */
                {10 * S, 900 * S, 938 * S, 0}, /* it slept, and nobody was there when it woke */
                {10 * S, 900 * S, 990 * S, 1}, /* somebody was */
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct observer *o = observe();
                struct tab host = {.compress = true};

                tab_open(&host, o, EDITOR_EXTENSION_HOST, "h", false, 0);
                for (int64_t t = 5 * S; t < cases[i].inactive_at; t += 5 * S)
                        if (t < cases[i].asleep_from || t >= cases[i].asleep_until)
                                tab_keep_alive(&host, t);
                send_active(&host, false, cases[i].inactive_at);
                CHECK_INT(events(o, PRESENCE_ACTIVE, PERSON), cases[i].events);
                if (cases[i].events > 0)
                        CHECK_INT(tally(o, cases[i].inactive_at)
                                          .note[PRESENCE_ACTIVE][PRESENCE_KIND_PERSON]
                                          .at.us,
                                  at_ms(cases[i].inactive_at - 40 * S).us);
                /* The next one is an ordinary edge. */
                send_active(&host, false, cases[i].inactive_at + 100 * S);
                CHECK_INT(events(o, PRESENCE_ACTIVE, PERSON), cases[i].events);
                tab_close(&host, cases[i].inactive_at + 101 * S);
                o = observer_free(o);
        }
}

#define GESTURE "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1"

/* Who opened a page is taken to have stayed until the tracker gives up; a machine is not. */
static void who_opens_a_page_stays_a_moment(void)
{
        static const struct {
                const char *navigation;
                int64_t at;
                bool cell;
                int64_t events;
        } cases[] = {
                {"GET / HTTP/1.1\r\nHost: a" GESTURE, 0, false, 1},
                {"GET / HTTP/1.1\r\nHost: a" GESTURE, -29 * S, false, 1},
                {"GET / HTTP/1.1\r\nHost: a" GESTURE, -60 * S, false, 0},
                {"GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate", 0, false, 0},
                {"GET / HTTP/1.1\r\nHost: a" GESTURE, 0, true, 0},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct observer *o = observe();
                struct tab host = {.compress = true};

                CHECK(!ask(o, cases[i].navigation, cases[i].at));
                tab_open(&host, o, EDITOR_EXTENSION_HOST, "h", false, 4 * S);
                for (int64_t t = 5 * S; t < 68 * S; t += 5 * S)
                        tab_keep_alive(&host, t);
                if (cases[i].cell)
                        tab_method(&host, "$cellBegins", "[]", 30 * S);
                send_active(&host, false, 68 * S);
                CHECK_INT(events(o, PRESENCE_ACTIVE, PERSON), cases[i].events);
                tab_close(&host, 70 * S);
                o = observer_free(o);
        }
}

/* An extension may run what keys run, but it presses none. */
static void what_no_key_has_done_is_weak(void)
{
        struct observer *o = observe();
        struct tab a = {.compress = true}, b = {0};

        tab_open(&a, o, EDITOR_EXTENSION_HOST, "a", false, 0);
        tab_open(&b, o, EDITOR_EXTENSION_HOST, "b", false, 0);
        tab_method(&a, "$acceptEditorPropertiesChanged", KEYBOARD, 1 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 1);
        send_active(&a, false, 67 * S);
        tab_method(&a, "$acceptEditorPropertiesChanged", KEYBOARD, 90 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 1);
        CHECK_INT(events(o, PRESENCE_INPUT, WEAK), 1);
        tab_method(&a, "$undo", "[]", 90 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, WEAK), 1);
        /* Another page's tracker is not this one's. */
        tab_method(&b, "$acceptEditorPropertiesChanged", KEYBOARD, 91 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 2);
        tab_method(&b, "$undo", "[]", 91 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, WEAK), 2);
        send_active(&a, true, 92 * S);
        tab_method(&a, "$acceptEditorPropertiesChanged", KEYBOARD, 92 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 3);
        tab_close(&a, 93 * S);
        tab_close(&b, 93 * S);
        o = observer_free(o);
}

static void replies_of_the_terminal_are_no_keys(void)
{
        static const struct {
                const char *text;
                enum presence_source source;
                enum presence_kind kind;
        } rows[] = {
                {"l", PRESENCE_TYPED, PERSON},
                {"\r", PRESENCE_TYPED, PERSON},
                {"\x1b[A", PRESENCE_TYPED, PERSON},
                {"\x1b[9;1R", PRESENCE_TYPED, MACHINE},
                {"\x1b[?1;2c", PRESENCE_TYPED, MACHINE},
                {"\x1b]10;rgb:3b3b/3b3b/3b3b\x1b\\", PRESENCE_TYPED, MACHINE},
                {"\x1b[9;1R\x1b[?1;2c", PRESENCE_TYPED, MACHINE},
                {"\x1b[9;1Rl", PRESENCE_TYPED, PERSON},
                {"\x1b[I", PRESENCE_SCROLL, WEAK},
                {"\x1b[O", PRESENCE_SCROLL, WEAK},
                {"", PRESENCE_TYPED, MACHINE},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct observer *o = observe();
                struct tab t = {.compress = true};

                tab_open(&t, o, EDITOR_MANAGEMENT, "m", false, 0);
                tab_type(&t, rows[i].text, 1);
                CHECK_INT(events(o, rows[i].source, rows[i].kind), 1);
                CHECK_INT(persons(o), rows[i].kind != MACHINE);
                tab_close(&t, 2);
                o = observer_free(o);
        }
}

/*
 * A program that asks for focus reports (DECSET 1004) is answered at once with how it is. One that
 * asks again and again in an abandoned page hears the same each time; a person changes it.
 */
static void only_a_changed_focus_may_be_a_person(void)
{
        static const struct {
                const char *text;
                bool weak;
        } rows[] = {
                {"\x1b[O", true},  {"\x1b[O", false}, {"\x1b[1;1R\x1b[O", false},
                {"\x1b[I", true},  {"\x1b[I", false}, {"\x1b[I\x1b[O", true},
                {"\x1b[O", false},
        };
        struct observer *o = observe();
        struct tab t = {.compress = true};
        uint64_t weak = 0;

        tab_open(&t, o, EDITOR_MANAGEMENT, "m", false, 0);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                /* What was said before a reconnect is not news behind it. */
                if (i == 4) {
                        tab_close(&t, 400);
                        tab_open(&t, o, EDITOR_MANAGEMENT, "m", true, 401);
                }
                tab_type(&t, rows[i].text, 500);
                weak += rows[i].weak;
                CHECK_INT(events(o, PRESENCE_SCROLL, WEAK), weak);
                CHECK_INT(events(o, PRESENCE_TYPED, MACHINE), i + 1 - weak);
        }
        CHECK_INT(persons(o), weak);
        tab_close(&t, 501);
        o = observer_free(o);
}

/* sendText: a whole line at once, while no page has seen a key. */
static void a_line_while_nobody_is_active_is_a_program(void)
{
        struct observer *o = observe();
        struct tab host = {0}, other = {0}, manager = {0};

        tab_open(&manager, o, EDITOR_MANAGEMENT, "m", false, 0);
        tab_open(&host, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        tab_type(&manager, "source .venv/bin/activate\r", 1 * S); /* nobody knows yet */
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 1);
        send_active(&host, false, 2 * S);
        tab_type(&manager, "source .venv/bin/activate\r", 3 * S);
        tab_type(&manager, "make\r\n", 3 * S);
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 1);
        CHECK_INT(events(o, PRESENCE_TYPED, MACHINE), 2);
        tab_type(&manager, "\r", 4 * S);   /* one key */
        tab_type(&manager, "make", 4 * S); /* no line */
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 3);
        send_active(&host, true, 5 * S);
        tab_type(&manager, "make\r", 5 * S);
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 4);
        send_active(&host, false, 6 * S);
        tab_open(&other, o, EDITOR_EXTENSION_HOST, "o", false, 6 * S);
        tab_type(&manager, "make\r", 7 * S); /* of the other page nobody knows */
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 5);
        send_active(&other, false, 8 * S);
        tab_type(&manager, "make\r", 9 * S);
        CHECK_INT(events(o, PRESENCE_TYPED, MACHINE), 3);
        /* No page is alive to say so. */
        tab_type(&manager, "make\r", 60 * S);
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 6);
        /* An extension's own terminal: the same by JSON. */
        tab_keep_alive(&host, 61 * S);
        tab_keep_alive(&other, 61 * S);
        tab_method(&host, "$acceptProcessInput", "[4,\"make\\r\"]", 61 * S);
        tab_method(&host, "$acceptProcessInput", "[4,\"\\u001b[1;1R\"]", 61 * S);
        CHECK_INT(events(o, PRESENCE_TYPED, MACHINE), 5);
        tab_method(&host, "$acceptProcessInput", "[4,\"m\"]", 61 * S);
        tab_method(&host, "$acceptProcessInput", "[{}]", 61 * S);
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 8);
        tab_close(&host, 62 * S);
        tab_close(&other, 62 * S);
        tab_close(&manager, 62 * S);
        o = observer_free(o);
}

static void a_long_paste_is_a_person(void)
{
        struct observer *o = observe();
        struct tab host = {.compress = true}, manager = {.compress = true};
        static char paste[20000];

        memset(paste, 'x', sizeof(paste) - 2);
        paste[sizeof(paste) - 2] = '\r';
        tab_open(&manager, o, EDITOR_MANAGEMENT, "m", false, 0);
        tab_open(&host, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        send_active(&host, false, 1);
        tab_type(&manager, paste, 2);
        CHECK_INT(events(o, PRESENCE_TYPED, PERSON), 1);
        tab_close(&host, 3);
        tab_close(&manager, 3);
        o = observer_free(o);
}

static void a_running_cell_is_a_job_and_not_a_person(void)
{
        struct observer *o = observe();
        struct tab t = {0};

        tab_open(&t, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        send_active(&t, true, 1 * S);
        CHECK_INT(tally(o, 1 * S).active, 1);
        tab_method(&t, "$cellBegins", "[]", 2 * S);
        tab_method(&t, "$cellBegins", "[]", 2 * S);
        CHECK_INT(tally(o, 2 * S).active, 0);
        CHECK_INT(tally(o, 2 * S).jobs, 2);
        CHECK_INT(events(o, PRESENCE_JOB, MACHINE), 2);
        tab_method(&t, "$cellEnds", "[]", 3 * S);
        CHECK_INT(tally(o, 3 * S).jobs, 1);
        /* The tracker is held by the cell: also its edge does not hold. */
        send_active(&t, true, 4 * S);
        CHECK_INT(tally(o, 4 * S).active, 0);
        tab_method(&t, "$cellEnds", "[]", 5 * S);
        tab_method(&t, "$cellEnds", "[]", 5 * S);
        CHECK_INT(tally(o, 5 * S).jobs, 0);
        CHECK_INT(tally(o, 5 * S).active, 0);
        send_active(&t, false, 6 * S);
        send_active(&t, true, 7 * S);
        CHECK_INT(tally(o, 7 * S).active, 1);
        tab_method(&t, "$cellBegins", "[]", 8 * S);
        CHECK_INT(tally(o, 8 * S).jobs, 1);
        CHECK_INT(tally(o, 8 * S + OBSERVER_DEAD_MS + 1).jobs, 0);
        tab_close(&t, 60 * S);
        CHECK_INT(tally(o, 60 * S).jobs, 0);
        o = observer_free(o);
}

static void unknown_names_are_kept_and_counted(void)
{
        struct observer *o = observe();
        struct tab host = {0}, manager = {0};
        AUTO_BUF b = BUF_INIT(1000);
        char name[32];
        uint64_t count;

        tab_open(&host, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        tab_open(&manager, o, EDITOR_MANAGEMENT, "m", false, 0);
        for (int i = 0; i < 3; i++)
                tab_method(&host, "$brandNew", "[]", 1);
        put_header(&b, 100, 1, "novelty", "ask");
        tab_regular(&manager, 0, b.data, b.len, 1);
        buf_clear(&b);
        put_header(&b, 102, 1, "novelty", "onDidAsk"); /* listening is not unknown */
        tab_regular(&manager, 0, b.data, b.len, 1);
        buf_clear(&b);
        put_header(&b, 100, 1, "remoteFilesystem", "stat"); /* nor is its channel's rest */
        tab_regular(&manager, 0, b.data, b.len, 1);
        CHECK_STR(observer_unknown(o, 0, &count), "$brandNew");
        CHECK_INT(count, 3);
        CHECK_STR(observer_unknown(o, 1, &count), "novelty.ask");
        CHECK(!observer_unknown(o, 2, &count));
        CHECK_INT(tally(o, 1).unknown, 4);
        CHECK_INT(events(o, PRESENCE_INPUT, MACHINE), 6);
        for (int i = 0; i < 100; i++) {
                (void)snprintf(name, sizeof(name), "$new%d", i);
                tab_method(&host, name, "[]", 1);
        }
        CHECK(observer_unknown(o, OBSERVER_UNKNOWN_MAX - 1, &count));
        CHECK(!observer_unknown(o, OBSERVER_UNKNOWN_MAX, &count));
        CHECK_INT(tally(o, 1).unknown, 104);
        CHECK_INT(persons(o), 0);
        tab_close(&host, 2);
        tab_close(&manager, 2);
        o = observer_free(o);
}

static void a_tunnel_is_read_no_further(void)
{
        struct observer *o = observe();
        struct tab t = {.compress = true};

        tab_open(&t, o, EDITOR_TUNNEL, "t", false, 0);
        tab_send(&t, "GET / HTTP/1.1\r\n\r\n", 18, 1);
        watch_stream(t.watch, "\xff\xff\xff", 3, at_ms(2));
        CHECK_INT(tally(o, 2).undecoded, 0);
        CHECK_INT(tally(o, 2).websockets, 1);
        CHECK_INT(persons(o), 0);
        tab_close(&t, 3);
        o = observer_free(o);
}

#define UPGRADE                                                                                    \
        " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"                    \
        "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13"

/* Upgrade to this target, these lines in the 101, then these bytes: decoded? */
static void expect_decoded(const char *target, const char *lines, const void *bytes, size_t len,
                           bool decoded)
{
        for (size_t cut = 0; cut <= len; cut++) {
                struct observer *o = observe();
                struct observer_tally t;
                struct watch *w;
                char head[512];

                (void)snprintf(head, sizeof(head), "GET %s" UPGRADE, target);
                w = ask(o, head, 0);
                CHECK(w);
                CHECK_INT(tally(o, 0).websockets, 0);
                answer(w, lines, 1);
                watch_stream(w, bytes, cut, at_ms(2));
                watch_stream(w, (const char *)bytes + cut, len - cut, at_ms(3));
                t = tally(o, 3);
                CHECK_INT(t.websockets, 1);
                CHECK_INT(t.undecoded, !decoded);
                CHECK_INT(t.bytes, len);
                if (decoded)
                        CHECK_INT(t.bytes_undecoded, 0);
                else
                        CHECK(len == 0 || t.bytes_undecoded > 0);
                CHECK_INT(persons(o), 0);
                w = watch_end(w, at_ms(4));
                CHECK_INT(tally(o, 4).undecoded, 0);
                o = observer_free(o);
        }
}

#define EDITOR "/stable-1?reconnectionToken=2f&reconnection=false&skipWebSocketFrames=false"
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate"
#define AUTH "{\"type\":\"auth\",\"auth\":\"0\"}"

/* One WebSocket message around one or two messages of the editor. */
static void put_stream(struct buf *out, bool framed, const struct buf *messages)
{
        if (framed)
                put_frame(out, WS_FIN | WS_BINARY, messages->data, messages->len);
        else
                CHECK(buf_append(out, messages->data, messages->len) == 0);
}

static void garbage_in_any_layer_is_undecoded(void)
{
        static const char garbage[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage";
        AUTO_BUF m = BUF_INIT(10000);
        AUTO_BUF b = BUF_INIT(10000);

        /* WebSocket */
        expect_decoded(EDITOR, "", garbage, sizeof(garbage), false);
        /* deflate */
        put_frame(&b, WS_FIN | WS_RSV1 | WS_BINARY, "\x07garbage", 8);
        expect_decoded(EDITOR, DEFLATE, b.data, b.len, false);
        expect_decoded(EDITOR, "", b.data, b.len, false);
        /* the editor's messages */
        buf_clear(&b);
        put_frame(&b, WS_FIN | WS_BINARY, garbage, sizeof(garbage));
        expect_decoded(EDITOR, DEFLATE, b.data, b.len, false);
        /* its handshake */
        buf_clear(&b);
        put_message(&m, EDITOR_CONTROL, 0, "{\"type\":\"novelty\"}", 18);
        put_stream(&b, true, &m);
        expect_decoded(EDITOR, "", b.data, b.len, false);
        buf_clear(&b);
        buf_clear(&m);
        put_message(&m, EDITOR_KEEP_ALIVE, 0, "", 0);
        put_stream(&b, true, &m);
        expect_decoded(EDITOR, "", b.data, b.len, false);
        buf_clear(&b);
        buf_clear(&m);
        put_message(&m, EDITOR_CONTROL, 0, AUTH, strlen(AUTH));
        put_message(&m, EDITOR_REGULAR, 1, "{}", 2);
        put_stream(&b, true, &m);
        expect_decoded(EDITOR, "", b.data, b.len, false);
        /* and what is good */
        buf_clear(&b);
        buf_clear(&m);
        put_message(&m, EDITOR_CONTROL, 0, AUTH, strlen(AUTH));
        put_message(&m, EDITOR_KEEP_ALIVE, 0, "", 0);
        put_stream(&b, true, &m);
        expect_decoded(EDITOR, DEFLATE, b.data, b.len, true);
        buf_clear(&b);
        put_stream(&b, false, &m);
        expect_decoded(EDITOR, "", b.data, b.len, false);
        expect_decoded("/?reconnectionToken=2f&skipWebSocketFrames=true", "", b.data, b.len, true);
}

static void calls_that_are_none_are_undecoded(void)
{
        for (int kind = EDITOR_MANAGEMENT; kind <= EDITOR_EXTENSION_HOST; kind++) {
                struct observer *o = observe();
                struct tab t = {.compress = true};

                tab_open(&t, o, (enum editor_kind)kind, "t", false, 0);
                tab_regular(&t, 0, "{}", 2, 1);
                CHECK_INT(tally(o, 1).undecoded, kind == EDITOR_MANAGEMENT);
                tab_regular(&t, 0, "\x07garbage", 8, 2);
                tab_regular(&t, 0, "\xfegarbage", 8, 2);
                CHECK_INT(tally(o, 2).undecoded, 1);
                /* It stays so, whatever comes. */
                tab_method(&t, "$acceptEditorPropertiesChanged", KEYBOARD, 3);
                CHECK_INT(persons(o), 0);
                CHECK(tally(o, 3).bytes_undecoded > 0);
                CHECK_INT(tally(o, 3).active, 0);
                tab_close(&t, 4);
                CHECK_INT(tally(o, 4).undecoded, 0);
                o = observer_free(o);
        }
}

static void other_upgrades_follow_their_rules(void)
{
        static const char long_token[] = "/?reconnectionToken=0123456789012345678901234567890123456"
                                         "789012345678901234567890123456789";

        expect_decoded("/proxy/3000/hmr", "", "anything", 8, true);
        expect_decoded("/proxy/3000/hmr", "Sec-WebSocket-Extensions: novelty", "anything", 8, true);
        expect_decoded("/other", "", "anything", 8, false);
        expect_decoded("/other?xreconnectionToken=1", "", "anything", 8, false);
        expect_decoded(EDITOR, "Sec-WebSocket-Extensions: novelty", "", 0, false);
        expect_decoded("/?reconnectionToken=", "", "", 0, false);
        expect_decoded("/?reconnectionToken=1&reconnectionToken=2", "", "", 0, false);
        expect_decoded(long_token, "", "", 0, false);
}

static void an_upgrade_that_is_refused_leaves_nothing(void)
{
        struct observer *o = observe();
        struct watch *w = ask(o, "GET " EDITOR UPGRADE, 0);

        CHECK_INT(tally(o, 1).websockets, 0);
        w = watch_end(w, at_ms(1));
        CHECK(!w && !watch_end(NULL, at_ms(1)));
        /* A reconnection by itself is a machine's. */
        CHECK_INT(events(o, PRESENCE_REQUEST, MACHINE), 1);
        CHECK_INT(persons(o), 0);
        o = observer_free(o);
        CHECK(!observer_free(NULL));
}

int main(void)
{
        RUN(layers_and_splits_make_no_difference);
        RUN(what_was_sent_before_does_not_count_again);
        RUN(many_pages_are_bounded);
        RUN(a_page_is_active_between_its_edges);
        RUN(a_silent_page_is_dead_and_wakes_unknown);
        RUN(a_reconnect_keeps_the_state);
        RUN(two_pages_are_two);
        RUN(an_old_page_without_a_tracker_is_not_tracked);
        RUN(a_page_busy_from_the_start_was_touched);
        RUN(who_opens_a_page_stays_a_moment);
        RUN(what_no_key_has_done_is_weak);
        RUN(replies_of_the_terminal_are_no_keys);
        RUN(only_a_changed_focus_may_be_a_person);
        RUN(a_line_while_nobody_is_active_is_a_program);
        RUN(a_long_paste_is_a_person);
        RUN(a_running_cell_is_a_job_and_not_a_person);
        RUN(unknown_names_are_kept_and_counted);
        RUN(a_tunnel_is_read_no_further);
        RUN(garbage_in_any_layer_is_undecoded);
        RUN(calls_that_are_none_are_undecoded);
        RUN(other_upgrades_follow_their_rules);
        RUN(an_upgrade_that_is_refused_leaves_nothing);
        return 0;
}
