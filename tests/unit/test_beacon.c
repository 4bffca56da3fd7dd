/* Names out of the page's event log, in every form and every split in which it may come. */
#include <errno.h>

#include "base/macro.h"
#include "decode/beacon.h"
#include "test.h"

static const struct rules rules = {.log_field = "events", .log_key = "event_name"};

struct got {
        char text[4096];
        size_t n;
};

static void collect(void *ctx, const char *name, size_t len)
{
        struct got *g = ctx;
        size_t at = strlen(g->text);

        CHECK(len <= RULES_NAME_MAX);
        (void)snprintf(g->text + at, sizeof(g->text) - at, "%.*s,", (int)len, name);
        g->n++;
}

/* The body in pieces of `piece` bytes. */
static void run(const char *type, const char *body, size_t len, bool chunked, size_t piece,
                struct got *g)
{
        struct beacon *b = NULL;

        *g = (struct got){0};
        CHECK_INT(beacon_new(&rules, type, strlen(type), chunked, collect, g, &b), 0);
        for (size_t i = 0; i < len; i += piece)
                beacon_feed(b, body + i, MIN(piece, len - i));
        CHECK(!beacon_free(b));
}

static void check(const char *type, const char *body, bool chunked, const char *names)
{
        struct got g;

        for (size_t piece = 1; piece <= strlen(body) + 1; piece += piece < 20 ? 1 : 97) {
                run(type, body, strlen(body), chunked, piece, &g);
                CHECK_STR(g.text, names);
        }
}

#define EVENTS                                                                                     \
        "[{\"source\":\"dashboard\",\"source_id\":1,\"impression_id\":\"W_4l\",\"version\":"       \
        "\"v2\","                                                                                  \
        "\"ts\":1795434613105,\"event_name\":\"load_chart\",\"event_type\":\"timing\","            \
        "\"duration\":"                                                                            \
        "12.5e1,\"slice\":{\"event_name\":\"inner\",\"a\":[1,{\"event_name\":\"deep\"}]},"         \
        "\"ok\":true,\"x\":null},{\"event_type\":\"user\",\"event_name\":\"force_refresh_chart\"}" \
        "]"
#define NAMES "load_chart,force_refresh_chart,"

#define BOUNDARY "----WebKitFormBoundary7MA4YWxkTrZu0gW"
#define MULTIPART "multipart/form-data; boundary=" BOUNDARY
#define PART(name) "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define END "--" BOUNDARY "--\r\n"

static void multipart_as_chromium_forms_it(void)
{
        check(MULTIPART, PART("events") EVENTS "\r\n" END, false, NAMES);
        check(MULTIPART,
              PART("guest_token") "[{\"event_name\":\"no\"}]\r\n" PART("events") EVENTS "\r\n" END,
              false, NAMES);
        check(MULTIPART,
              PART("events") "[{\"event_name\":\"a\"}]\r\n" PART(
                      "events") "[{\"event_name\":\"b\"}]\r\n" END,
              false, "a,b,");
        check("Multipart/Form-Data; charset=x; Boundary=\"" BOUNDARY "\"",
              PART("events") EVENTS "\r\n" END, false, NAMES);
        check(MULTIPART,
              "--" BOUNDARY "\r\nX: y\r\ncontent-disposition: form-data; filename=\"z\";"
              "name=\"events\"\r\nContent-Type: text/plain\r\n\r\n" EVENTS,
              false, NAMES);
        /* what only looks like a delimiter is data: here, blanks of the JSON */
        check(MULTIPART, PART("events") "[\r\n\r{\"event_name\":\r\r\n\"a\"}]\r\n" END, false,
              "a,");
        check(MULTIPART, "preamble\r\n" PART("events") EVENTS, false, NAMES);
}

static void multipart_that_is_none(void)
{
        check(MULTIPART, PART("event") EVENTS "\r\n" END, false, "");
        check(MULTIPART, PART("eventss") EVENTS "\r\n" END, false, "");
        check(MULTIPART,
              "--" BOUNDARY
              "\r\nContent-Disposition: form-data; filename=\"events\"\r\n\r\n" EVENTS,
              false, "");
        check(MULTIPART, END PART("events") EVENTS, false, "");
        check(MULTIPART, EVENTS, false, "");
        check(MULTIPART, "--" BOUNDARY "x\r\n" EVENTS, false, "");
        check(MULTIPART,
              "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"events\"\n\n" EVENTS, false,
              "");
        check(MULTIPART, "", false, "");
}

static void other_forms(void)
{
        check("application/x-www-form-urlencoded",
              "a=1&events=%5B%7B%22event_name%22%3A%22x%5Fy%22%7D%2C+%7b%22event_name%22:%22z%22}]&"
              "b",
              false, "x_y,z,");
        check("application/x-www-form-urlencoded; charset=UTF-8",
              "event%73=[{\"event_name\":\"a\"}]", false, "a,");
        check("application/x-www-form-urlencoded", "events=[{\"event_name\":\"%2\"}]", false, "");
        check("application/x-www-form-urlencoded", "xevents=[{\"event_name\":\"a\"}]", false, "");
        check("application/json", EVENTS, false, NAMES);
        check("application/json; charset=utf-8",
              "{\"a\":[1],\"events\":" EVENTS ",\"c\":[{"
              "\"event_name\":\"d\"}]}",
              false, NAMES);
        check("text/plain;charset=UTF-8", " \t\r\n" EVENTS, false, NAMES);
        check("application/json", "{\"event\":" EVENTS "}", false, "");
        check("application/json", "{\"a\":{\"events\":" EVENTS "}}", false, "");
        check("application/json", "{\"events\":\"[]\",\"x\":1}", false, "");
}

static void json_is_strict(void)
{
        static const struct {
                const char *json, *names;
        } cases[] = {
                {"[{\"event_name\":\"a\\u0062\\n\\\"\"}]", "ab\n\","},
                {"[{\"event_name\":\"a\\u00e4\"}]", "a\x7f,"},
                {"[{\"event\\u005fname\":\"a\"}]", "a,"},
                {"[{\"event_name\":\"a\",\"event_name\":\"b\"}]", "a,"},
                {"[{\"event_name\":1},{\"event_name\":\"b\"}]", "b,"},
                {"[{\"event_name\":[\"x\"]},{\"event_name\":{\"event_name\":\"y\"}}]", ""},
                {"[\"event_name\",\"a\",{\"event_name\":\"b\"}]", "b,"},
                {"[[{\"event_name\":\"a\"}]]", ""},
                {"[]", ""},
                {"[{}]", ""},
                {"\"event_name\"", ""},
                {"17", ""},
                {"[{\"event_name\":\"a\"}],[{\"event_name\":\"b\"}]", "a,"},
                {"[{\"event_name\":\"a\"},]", "a,"},
                /* not JSON: nothing behind the mistake counts */
                {"[{event_name:\"a\"}]", ""},
                {"[{\"event_name\" \"a\"}]", ""},
                {"[{\"event_name\":\"a\\x\"}]", ""},
                {"[{\"event_name\":\"a\nb\"}]", ""},
                {"[{\"event_name\":\"\\u12g4\"}]", ""},
                {"[{\"x\":tru,\"event_name\":\"a\"}]", ""},
                {"[{\"x\":1}},{\"event_name\":\"a\"}]", ""},
                {"[{\"x\":1],{\"event_name\":\"a\"}]", ""},
                {"[,{\"event_name\":\"a\"}]", ""},
                {"[{,\"event_name\":\"a\"}]", ""},
                {"{\"event_name\":\"a\"}", ""},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
                check("application/json", cases[i].json, false, cases[i].names);
}

static void chunked_is_undone(void)
{
        check("application/json", "5\r\n[{\"ev\r\n10\r\nent_name\":\"a\"}]  \r\n0\r\n\r\n", true,
              "a,");
        check("application/json", "5\r\n[{\"evX\n10\r\nent_name\":\"a\"}]  \r\n0\r\n\r\n", true,
              "");
        check("application/json", "0\r\n\r\n" EVENTS, true, "");
}

static void hostile_input_is_bounded(void)
{
        size_t len = BEACON_BYTES_MAX + 1000;
        char *text = malloc(len);
        static const char entry[] = "[{\"event_name\":\"a\"}]";
        struct got g;

        CHECK(text);
        /* the last entry that ends inside is given, what is behind is not looked at */
        memset(text, ' ', len);
        memcpy(text + BEACON_BYTES_MAX - sizeof(entry) + 1, entry, sizeof(entry) - 1);
        run("application/json", text, len, false, 4096, &g);
        CHECK_STR(g.text, "a,");
        memset(text, ' ', len);
        memcpy(text + BEACON_BYTES_MAX - sizeof(entry) + 3, entry, sizeof(entry) - 1);
        run("application/json", text, len, false, 4096, &g);
        CHECK_INT(g.n, 1);
        memset(text, ' ', len);
        memcpy(text + BEACON_BYTES_MAX, entry, sizeof(entry) - 1);
        run("application/json", text, len, false, 4096, &g);
        CHECK_INT(g.n, 0);
        /* depth */
        memset(text, '[', len);
        run("application/json", text, len, false, 4096, &g);
        CHECK_INT(g.n, 0);
        /* a name that is too long is none */
        memset(text, 'x', len);
        memcpy(text, "[{\"event_name\":\"", 16);
        memcpy(text + 16 + RULES_NAME_MAX + 1, "\"},{\"event_name\":\"b\"}]", 23);
        run("application/json", text, 16 + RULES_NAME_MAX + 1 + 22, false, 7, &g);
        CHECK_STR(g.text, "b,");
        free(text);
}

static void other_types_are_not_read(void)
{
        static const char *const types[] = {
                "",
                "image/png",
                "multipart/form-data",
                "multipart/form-data; boundary=",
                "multipart/form-data; boundary=\"",
                "multipart/form-data; boundary=\"a",
                "multipart/form-data; boundary=a\rb",
                "application/jsonx",
                "application/jso",
                ("multipart/form-data; boundary="
                 "0123456789012345678901234567890123456789012345678901234567890123456789x"),
        };

        for (size_t i = 0; i < ARRAY_LEN(types); i++) {
                struct beacon *b = NULL;

                CHECK_INT(beacon_new(&rules, types[i], strlen(types[i]), false, collect, NULL, &b),
                          -ENOTSUP);
                CHECK(!b);
        }
}

int main(void)
{
        RUN(multipart_as_chromium_forms_it);
        RUN(multipart_that_is_none);
        RUN(other_forms);
        RUN(json_is_strict);
        RUN(chunked_is_undone);
        RUN(hostile_input_is_bounded);
        RUN(other_types_are_not_read);
        return 0;
}
