/*
 * A calendar as a timetable: which classes it gives, hour by hour over the changes of clocks, and
 * that an error names the line and the cure. recur_days is compared with a second implementation in
 * tests/unit/ical_oracle (python3-dateutil).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "timetable/hours.h"
#include "test.h"
#include "timetable/text.h"

static struct core_config config = {
        .n_types = 2,
        .types = {{.name = "vscode", .sizing = {.forecast = true}}, {.name = "fixed"}}};
static char error[TIMETABLE_ERROR_SIZE];
static struct timetable_text t;

static utc_t at(const char *iso)
{
        struct tm tm = {0};

        CHECK(strptime(iso, "%Y-%m-%dT%H:%M:%SZ", &tm));
        return (utc_t){timegm(&tm) * US_PER_S};
}

static int parse_at(const char *now, const char *body)
{
        char text[8192];

        (void)snprintf(text, sizeof(text), "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n%sEND:VCALENDAR\r\n",
                       body);
        error[0] = 0;
        return timetable_parse(text, strlen(text), &config, at(now), error, &t);
}

/* The starts, in order, as one line. */
static const char *starts(void)
{
        static char line[4096];
        size_t n = 0;

        line[0] = 0;
        for (size_t i = 0; i < t.n; i++) {
                time_t s = (time_t)(t.classes[i].start.us / US_PER_S);
                struct tm tm;

                CHECK(gmtime_r(&s, &tm));
                n += strftime(line + n, sizeof(line) - n, i ? " %m%dT%H%M" : "%m%dT%H%M", &tm);
        }
        free(t.classes);
        t.classes = NULL;
        return line;
}

#define EVENT(uid, lines)                                                                          \
        "BEGIN:VEVENT\r\nUID:" uid "\r\nX-WS-ROSTER:30\r\nCATEGORIES:cs101\r\n" lines              \
        "END:VEVENT\r\n"
#define BERLIN(stamp) "DTSTART;TZID=Europe/Berlin:" stamp "\r\n"

static void gives(const char *now, const char *body, const char *expected)
{
        CHECK_INT(parse_at(now, body), 0);
        CHECK_STR(starts(), expected);
}

static void test_zones(void)
{
        /* The clocks of Berlin change on 2026-10-25 at 01:00Z and on 2027-03-28 at 01:00Z. */
        gives("2026-10-20T00:00:00Z",
              EVENT("a", BERLIN("20261022T100000") "RRULE:FREQ=WEEKLY;COUNT=2\r\n"),
              "1022T0800 1029T0900");
        gives("2027-03-20T00:00:00Z",
              EVENT("a", BERLIN("20270326T100000") "RRULE:FREQ=DAILY;COUNT=4\r\n"),
              "0326T0900 0327T0900 0328T0800 0329T0800");
        /* 02:30 comes twice, the first is meant; and not at all: by the offset before. */
        gives("2026-10-20T00:00:00Z",
              EVENT("a", BERLIN("20261024T023000") "RRULE:FREQ=DAILY;COUNT=3\r\n"),
              "1024T0030 1025T0030 1026T0130");
        gives("2027-03-20T00:00:00Z",
              EVENT("a", BERLIN("20270327T023000") "RRULE:FREQ=DAILY;COUNT=3\r\n"),
              "0327T0130 0328T0130 0329T0030");
        /* The same hour of UTC through the year; and floating, in the zone of the type. */
        gives("2026-10-20T00:00:00Z",
              EVENT("a", "DTSTART:20261022T100000Z\r\nRRULE:FREQ=WEEKLY;COUNT=2\r\n"),
              "1022T1000 1029T1000");
        CHECK(hours_parse_zone("America/New_York", &config.types[0].sizing.schedule.zone));
        gives("2026-10-20T00:00:00Z",
              EVENT("a", "DTSTART:20261030T100000\r\nRRULE:FREQ=WEEKLY;COUNT=2\r\n"),
              "1030T1400 1106T1500");
        config.types[0].sizing.schedule.zone = (struct zone){0};
        /* Its own VTIMEZONE is passed over, DTSTART inside of it too. */
        gives("2026-10-20T00:00:00Z",
              "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:"
              "19701025T030000\r\nTZOFFSETTO:+0900\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n" EVENT(
                      "a", "DTSTART;TZID=\"Europe/Berlin\":20261026T100000\r\n"),
              "1026T0900");
}

static void test_rules(void)
{
        const char *now = "2026-09-01T00:00:00Z"; /* a Tuesday */

        gives(now,
              EVENT("a", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;"
                         "UNTIL=20260929T100000Z\r\n"),
              "0901T1000 0903T1000 0915T1000 0917T1000 0929T1000");
        gives(now,
              EVENT("a", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=WEEKLY;UNTIL=20260915\r\n"
                         "EXDATE:20260908T100000Z\r\n"),
              "0901T1000 0915T1000");
        gives(now,
              EVENT("a", BERLIN("20260901T100000") "RRULE:FREQ=DAILY;BYDAY=MO,WE;COUNT=3\r\n"
                                                   "EXDATE;VALUE=DATE:20260902\r\n"),
              "0907T0800 0909T0800");
        /* A week that begins on Sunday: RFC 5545, 3.8.5.3, the example of WKST. */
        gives("2021-08-01T00:00:00Z",
              EVENT("a", "DTSTART:20210803T090000Z\r\nRRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY="
                         "TU,SU;WKST=SU\r\n"),
              "0803T0900 0815T0900 0817T0900 0829T0900");
        /* What began years ago goes on; what is more than 60 days ahead is not looked at yet. */
        gives("2026-09-01T00:00:00Z",
              EVENT("a", "DTSTART:20200107T100000Z\r\nRRULE:FREQ=WEEKLY;INTERVAL=4\r\n"),
              "0908T1000 1006T1000");
}

static void test_overrides(void)
{
#define SERIES EVENT("s", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\n")
        const char *now = "2026-09-01T00:00:00Z";

        /* Moved; it has no roster of its own, and it comes before its series. */
        CHECK_INT(parse_at(now, "BEGIN:VEVENT\r\nUID:s\r\nRECURRENCE-ID:20260908T100000Z\r\n"
                                "DTSTART:20260909T120000Z\r\nEND:VEVENT\r\n" SERIES),
                  0);
        CHECK_INT(t.n, 3);
        CHECK_STR(t.classes[1].id, "s-20260908T1000"); /* stays that class */
        CHECK_INT(t.classes[1].students, 30);
        CHECK_STR(t.classes[1].course, "cs101");
        CHECK_STR(t.classes[1].type, "vscode");
        CHECK_STR(starts(), "0901T1000 0909T1200 0915T1000");
        gives(now,
              SERIES "BEGIN:VEVENT\r\nUID:s\r\nRECURRENCE-ID:20260908T100000Z\r\n"
                     "DTSTART:20260908T100000Z\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\n",
              "0901T1000 0915T1000");
        gives(now, EVENT("c", "DTSTART:20260901T100000Z\r\nSTATUS:CANCELLED\r\n"), "");
        /* Another's exception does not concern it. */
        gives(now,
              SERIES "BEGIN:VEVENT\r\nUID:other\r\nRECURRENCE-ID:20260908T100000Z\r\n"
                     "DTSTART:20260908T100000Z\r\nEND:VEVENT\r\n",
              "0901T1000 0908T1000 0915T1000");
}

static void test_what_is_a_class(void)
{
        const char *now = "2026-09-01T00:00:00Z";

        CHECK_INT(parse_at(now,
                           "BEGIN:VEVENT\r\nUID:x\r\nDTSTART:20260902T100000Z\r\nSUMMARY:CS 101:"
                           " Lab\r\nDESCRIPTION:Room 3\\nroster=25 type=vscode\\, bring "
                           "laptops\r\nBEGIN:VALARM\r\nX-WS-ROSTER:7\r\nEND:VALARM\r\n"
                           "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:party\r\nDTSTART;VALUE=DATE:"
                           "20260903\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\n"),
                  0);
        CHECK_INT(t.n, 1);
        CHECK_INT(t.skipped, 1);
        CHECK(t.calendar);
        CHECK_INT(t.classes[0].students, 25);
        CHECK_STR(t.classes[0].course, "CS-101:-Lab");
        free(t.classes);
        /* Folded in the middle of a value and of a character, a BOM, bare newlines. */
        {
                static const char folded[] =
                        "\xef\xbb\xbf"
                        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:gr\xc3\n \xb6n\nX-WS-ROS\n"
                        "\tTER:3\n 0\nDTSTART:20260902T100000Z\nX-WS-COURSE:a\nEND:VEVENT\n"
                        "END:VCALENDAR";

                CHECK_INT(timetable_parse(folded, sizeof(folded) - 1, &config, at(now), error, &t),
                          0);
                CHECK_INT(t.classes[0].students, 30);
                CHECK(strlen(t.classes[0].id) < CORE_NAME_SIZE &&
                      name_valid(t.classes[0].id, CORE_NAME_SIZE - 1));
                free(t.classes);
        }
}

static void test_refuses(void)
{
        static const struct {
                const char *body, *says;
        } wrong[] = {
                {"BEGIN:VEVENT\r\nUID", "line 5: the calendar is cut off"},
                {"BEGIN:VEVENT\r\nEND:VTODO\r\n", "line 4: END:VTODO, but BEGIN:VEVENT is open"},
                {"END:VCALENDAR\r\nBEGIN:VEVENT\r\n", "line 4: BEGIN:VEVENT behind the end"},
                {"BEGIN:VEVENT\r\nUID:\001\r\n", "line 4: a control character (1)"},
                {"hello\r\n", "line 3: \"hello\" is no NAME:VALUE"},
                {EVENT("a", ""), "line 3: the event has no DTSTART"},
                {EVENT("a", "DTSTART:2026-09-01\r\n"),
                 "line 7: DTSTART: \"2026-09-01\" is no time"},
                {EVENT("a", "DTSTART:20260231T100000Z\r\n"), "line 7: DTSTART"},
                {EVENT("a", "DTSTART;VALUE=DATE:20260901\r\n"),
                 "line 7: DTSTART: a class begins at"},
                {EVENT("a", "DTSTART;TZID=W. Europe Standard Time:20260901T100000\r\n"),
                 "line 7: DTSTART: the time zone \"W. Europe Standard Time\" is not known here"},
                {EVENT("a", "DTSTART;TZID=../../etc/passwd:20260901T100000\r\n"),
                 "is not known here"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nDTEND:20260901T090000Z\r\n"),
                 "line 8: DTEND: it ends before it begins"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nDURATION:90 min\r\n"), "line 8: DURATION"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=MONTHLY\r\n"),
                 "line 8: RRULE: FREQ=MONTHLY is not taken; give DAILY or WEEKLY"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=WEEKLY;BYDAY=1MO\r\n"),
                 "RRULE: BYDAY=1MO is not taken"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=WEEKLY;BYSETPOS=1\r\n"),
                 "RRULE: BYSETPOS=1 is not taken"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=DAILY;INTERVAL=0\r\n"),
                 "RRULE: INTERVAL=0"},
                {EVENT("a",
                       "DTSTART:20260901T100000Z\r\nRRULE:FREQ=DAILY;COUNT=2;UNTIL=20261001\r\n"),
                 "COUNT or UNTIL, not both"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nRRULE:FREQ=DAILY\r\nEXDATE:x\r\n"),
                 "line 9: EXDATE: \"x\" is no time"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nRDATE:20260902T100000Z\r\n"),
                 "line 8: RDATE is not taken"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\n")
                         EVENT("a", "DTSTART:20260902T100000Z\r\n"),
                 "line 9: the UID \"a\" is there twice"},
                {EVENT("a", "DTSTART:20260901T100000Z\r\nX-WS-TYPE:fixed\r\n"),
                 "line 3: \"fixed\" is no type with pool_policy"},
                {"BEGIN:VEVENT\r\nUID:a\r\nX-WS-ROSTER:many\r\nEND:VEVENT\r\n",
                 "line 3: roster: \"many\" is no whole number"},
                {"BEGIN:VEVENT\r\nUID:a\r\nX-WS-ROSTER:99999999999999999999999999999999\r\n"
                 "END:VEVENT\r\n",
                 "line 3: roster: \"?\" is no whole number"},
                {"BEGIN:VEVENT\r\nX-WS-ROSTER:3\r\nEND:VEVENT\r\n", "the event has no UID"},
                {"BEGIN:VEVENT\r\nUID:a\r\nX-WS-ROSTER:3\r\nEND:VEVENT\r\n", "has no course"},
        };

        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                CHECK_INT(parse_at("2026-09-01T00:00:00Z", wrong[i].body), -EINVAL);
                if (!strstr(error, wrong[i].says)) {
                        fprintf(stderr, "expected \"%s\" in \"%s\"\n", wrong[i].says, error);
                        exit(1);
                }
        }
        /* Cut off anywhere it is an error, never a shorter timetable. */
        {
                static const char whole[] =
                        "BEGIN:VCALENDAR\r\n" EVENT("a", "DTSTART:20260901T100000Z\r\n")
                                EVENT("b", "DTSTART:20260902T100000Z\r\n") "END:VCALENDAR";

                for (size_t len = 15; len < sizeof(whole) - 1; len++)
                        CHECK_INT(timetable_parse(whole, len, &config, at("2026-09-01T00:00:00Z"),
                                                  error, &t),
                                  -EINVAL);
        }
}

/* No text of chance crashes it or hangs it; what it takes is within its bounds. */
static void test_hostile(void)
{
        static const char *const words[] = {"BEGIN:",
                                            "END:",
                                            "VEVENT\n",
                                            "VCALENDAR\n",
                                            "UID:a\n",
                                            "UID:b\n",
                                            "X-WS-ROSTER:",
                                            "9\n",
                                            "DTSTART:",
                                            "20260901",
                                            "T100000",
                                            "Z\n",
                                            "RRULE:",
                                            "FREQ=DAILY",
                                            ";COUNT=3",
                                            "\n",
                                            " ",
                                            "EXDATE:",
                                            ";BYDAY=MO",
                                            ":",
                                            "\"",
                                            ";TZID=",
                                            "Europe/Berlin",
                                            "RECURRENCE-ID:",
                                            "CATEGORIES:c\n",
                                            "DESCRIPTION:roster=3\n"};
        unsigned long seed = (unsigned long)time(NULL);
        unsigned n = getenv("WS_TEST_FULL") ? 300000 : 20000;
        unsigned taken = 0;

        printf("seed %lu\n", seed);
        srandom((unsigned)seed);
        for (unsigned i = 0; i < n; i++) {
                char text[2048] =
                        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:z\nX-WS-ROSTER:3\nCATEGORIES:c\n";
                size_t len = strlen(text);
                unsigned count = (unsigned)random() % 24;

                for (unsigned k = 0; k < count; k++)
                        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                                words[(size_t)random() % ARRAY_LEN(words)]);
                if (random() % 2)
                        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                                "\nDTSTART:20260902T080000Z\nEND:VEVENT\n"
                                                "END:VCALENDAR\n");
                if (timetable_parse(text, len, &config, at("2026-09-01T00:00:00Z"), error, &t) < 0)
                        continue;
                taken++;
                CHECK(t.n <= TIMETABLE_CLASSES_MAX);
                free(t.classes);
        }
        CHECK(taken > n / 100); /* else the words do not make calendars */
}

/* For tests/unit/ical_oracle: the starts of the calendar on standard input, as of a time. */
static int print_starts(const char *now)
{
        static char text[65536];
        size_t len = fread(text, 1, sizeof(text), stdin);

        if (timetable_parse(text, len, &config, at(now), error, &t) < 0) {
                puts(error);
                return 1;
        }
        puts(starts());
        return 0;
}

int main(int argc, char **argv)
{
        if (argc == 3 && strcmp(argv[1], "--starts") == 0)
                return print_starts(argv[2]);
        RUN(test_zones);
        RUN(test_rules);
        RUN(test_overrides);
        RUN(test_what_is_a_class);
        RUN(test_refuses);
        RUN(test_hostile);
        return 0;
}
