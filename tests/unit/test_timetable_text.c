/* A timetable in JSON: what it takes, and that an error names the field, the cause and the cure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "test.h"
#include "timetable/text.h"

#define NOW_S INT64_C(1787000000) /* 2026-08-17T20:53:20Z */

static struct core_config config = {
        .n_types = 2,
        .types = {{.name = "vscode", .sizing = {.forecast = true}}, {.name = "fixed"}}};
static char error[TIMETABLE_ERROR_SIZE];
static struct timetable_text t;

static int parse(const char *text)
{
        error[0] = 0;
        return timetable_parse(text, strlen(text), &config, (utc_t){NOW_S * US_PER_S}, error, &t);
}

#define HEAD "{\"classes\":[{\"id\":\"b\",\"course\":\"cs\",\"workspace_type\":\"vscode\","
#define FULL HEAD "\"students\":30,\"start\":"

static void test_takes(void)
{
        static const struct {
                const char *text;
                int64_t at_s;
        } times[] = {{"1970-01-02T00:00:00Z", 86400},
                     {"1970-01-02T00:00Z", 86400},
                     {"1970-01-02T02:00+02:00", 86400},
                     {"1970-01-01T20:30:05-03:30", 86405},
                     {"2028-02-29T12:00:00Z", 1835438400}};
        char text[512];

        for (size_t i = 0; i < ARRAY_LEN(times); i++) {
                (void)snprintf(text, sizeof(text),
                               FULL
                               "\"%s\"},{\"id\":\"a\",\"course\":\"cs\","
                               "\"workspace_type\":\"vscode\",\"students\":1,\"start\":\"%s\"}]}\n",
                               times[i].text, times[i].text);
                CHECK_INT(parse(text), 0);
                CHECK_INT(t.n, 2);
                CHECK_STR(t.classes[0].id, "a"); /* sorted */
                CHECK_STR(t.classes[1].course, "cs");
                CHECK_STR(t.classes[1].type, "vscode");
                CHECK_INT(t.classes[1].students, 30);
                CHECK_INT(t.classes[1].start.us, times[i].at_s * US_PER_S);
                free(t.classes);
        }
        CHECK_INT(parse("{\"classes\":[]}"), 0);
        CHECK_INT(t.n, 0);
        free(t.classes);
}

static void test_refuses(void)
{
        static const struct {
                const char *text, *says;
        } wrong[] = {
                {"", "not JSON at byte 0"},
                {"{\"classes\":[}", "not JSON at byte 12"},
                {"{\"classes\":[]} x", "not JSON at byte 15"},
                {"[]", "give one object"},
                {"{\"classes\":{}}", "give one object"},
                {"{\"classes\":[],\"more\":1}", "give one object"},
                {"{\"classes\":[7]}", "classes[0].*: it is not an object"},
                {"{\"classes\":[{}]}", "classes[0].id: it is missing"},
                {HEAD "\"room\":1}]}", "classes[0].room: no such field"},
                {HEAD "\"students\":30}]}", "classes[0].start: it is missing"},
                {FULL "\"tomorrow\"}]}", "classes[0].start: it is missing or not a time; give one"},
                {FULL "\"2026-02-29T10:00:00Z\"}]}", "classes[0].start"},
                {FULL "\"2026-02-28T24:00:00Z\"}]}", "classes[0].start"},
                {FULL "\"2026-02-28T10:00:00\"}]}", "classes[0].start"},
                {FULL "\"2026-02-28T10:00:00Z \"}]}", "classes[0].start"},
                {FULL "\"2026-02-28T10:00:00+2:00\"}]}", "classes[0].start"},
                {FULL "17}]}", "classes[0].start"},
                {HEAD "\"start\":\"2026-02-28T10:00:00Z\",\"students\":0}]}", "from 1 to 100000"},
                {HEAD "\"start\":\"2026-02-28T10:00:00Z\",\"students\":1.5}]}", "a whole number"},
                {HEAD "\"start\":\"2026-02-28T10:00:00Z\",\"students\":\"3\"}]}",
                 "classes[0].students"},
                {"{\"classes\":[{\"id\":\"b\",\"course\":\"c d\"}]}",
                 "classes[0].course: it is missing"},
                {"{\"classes\":[{\"id\":\"b\",\"course\":\"c\",\"workspace_type\":\"fixed\"}]}",
                 "\"fixed\" is no type with pool_policy = forecast"},
                {"{\"classes\":[{\"id\":\"b\",\"course\":\"c\",\"workspace_type\":\"other\"}]}",
                 "\"other\" is no type"},
                {FULL
                 "\"2026-02-28T10:00:00Z\"},{\"id\":\"b\",\"course\":\"c\","
                 "\"workspace_type\":\"vscode\",\"students\":1,\"start\":\"2026-03-01T10:00Z\"}]}",
                 "the id \"b\" is there twice"},
        };

        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                CHECK_INT(parse(wrong[i].text), -EINVAL);
                if (!strstr(error, wrong[i].says)) {
                        fprintf(stderr, "expected \"%s\" in \"%s\"\n", wrong[i].says, error);
                        exit(1);
                }
        }
}

int main(void)
{
        RUN(test_takes);
        RUN(test_refuses);
        return 0;
}
