/* Plans, prices and traces from files: what is taken, and what is said of what is not. */
#include <stdint.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fd.h"
#include "ctl/plan_read.h"
#include "ctl/plan_trace.h"
#include "test.h"

static struct plan plan;
static struct plan_error error;

static int read_text(const char *text)
{
        plan_init(&plan);
        error.text[0] = 0;
        return plan_read(text, strlen(text), &plan, &error);
}

#define REFUSED(json, said)                                                                        \
        do {                                                                                       \
                CHECK(read_text(json) < 0);                                                        \
                CHECK_STR(error.text, said);                                                       \
        } while (0)

static void test_good(void)
{
        CHECK(read_text("{\"students\": 500, \"arrival\": \"poisson\", \"weekdays\": \"mon-fri\","
                        "\"types\": [{\"name\": \"a\", \"pool\": 7}, {\"name\": \"b\", \"arch\": "
                        "\"arm\", \"vcpu\": 2}],"
                        "\"classes\": [{\"course\": \"cs101\", \"type\": \"b\", \"roster\": 30, "
                        "\"start\": \"10:15\", \"days\": \"tue\"}]}") == 0);
        CHECK_INT(plan.students, 500);
        CHECK_INT(plan.arrival, ARRIVAL_POISSON);
        CHECK_INT(plan.weekdays, 0x1f);
        CHECK_INT(plan.n_types, 2);
        CHECK_INT(plan.types[0].pool, 7);
        CHECK(!plan.types[0].arm && plan.types[1].arm && !plan.arm);
        CHECK_INT(plan.types[1].vcpu, 2);
        CHECK_INT(plan.types[1].pool, 3);
        CHECK_INT(plan.n_classes, 1);
        CHECK_INT(plan.classes[0].type, 1);
        CHECK_INT(plan.classes[0].start_min, 615);
        CHECK_INT(plan.classes[0].days, 2);
        CHECK_INT(plan.sessions_per_day, 0); /* classes alone */
        CHECK(plan_check(&plan, &error) == 0);
        CHECK(read_text("{\"classes\": [{\"course\": \"a\", \"roster\": 30, \"start\": \"10:00\"},"
                        "{\"course\": \"a\", \"roster\": 30, \"start\": \"12:00\"},"
                        "{\"course\": \"b\", \"roster\": 20, \"start\": \"12:00\"}]}") == 0);
        CHECK_INT(plan.students, 50);
        CHECK(read_text("{\"title\": \"a\\u001b[1m\\u0007\\u00e4\"}") == 0);
        CHECK_STR(plan.title, "a?[1m?\xc3\xa4");
        CHECK(read_text("{\"title\": \"\xff\xed\xa0\x80\xc3\"}") == 0);
        CHECK_STR(plan.title, "?????");
}

static void test_refused(void)
{
        REFUSED("", "plan: not a JSON object; give {\"students\": 100, …}");
        REFUSED("[1]", "plan: not a JSON object; give {\"students\": 100, …}");
        REFUSED("{\"studnets\": 3}", "studnets: no such field; wsctl plan --help lists them");
        REFUSED("{\"students\": [3]}",
                "students: neither a number nor a text; see wsctl plan --help");
        REFUSED("{\"students\": 1e99}",
                "students: 1e+99 is out of range; give 1 to 200000 (students)");
        REFUSED("{\"types\": {}}", "types: not a list; give [ {…}, {…} ]");
        REFUSED("{\"types\": [3]}", "types: not an object; give {…}");
        REFUSED("{\"types\": [{\"name\": \"a b\"}]}",
                "types[0].name: not a name; give 1 to 32 of A-Z a-z 0-9 . _ -");
        REFUSED("{\"types\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}",
                "types[1].name: there is a type of this name already; give another");
        REFUSED("{\"types\": [{\"name\": \"a\", \"students\": 3}]}",
                "types[0].students: no such field of a type; give name, vcpu, gb, arch, "
                "spot_share, price_per_hour or pool");
        REFUSED("{\"classes\": [{\"course\": \"a\", \"start\": \"10:00\"}]}",
                "classes[0].roster: not given as a number; give one");
        REFUSED("{\"classes\": [{\"course\": \"a\", \"roster\": 3}]}",
                "classes[0].start: not a time of day; give one like \"10:00\"");
        REFUSED("{\"classes\": [{\"course\": \"a\", \"roster\": 3, \"start\": \"10:00\", "
                "\"type\": \"x\"}]}",
                "classes[0].type: no such type; give the name of one under \"types\"");
        REFUSED("{\"classes\": [{\"course\": \"a\", \"roster\": 3, \"start\": \"10:00\", "
                "\"attendance\": 30}]}",
                "classes[0].attendance: 30 is out of range; give 0 to 1");
}

/* Seventeen types are one too many, also in a file of good ones. */
static void test_too_many(void)
{
        char text[2048] = "{\"types\": [";
        size_t len = strlen(text);

        for (int i = 0; i < 17; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s{\"name\": \"t%d\"}",
                                        i ? "," : "", i);
        (void)snprintf(text + len, sizeof(text) - len, "]}");
        REFUSED(text, "types: more than there may be; give fewer");
}

static void test_prices(void)
{
        char text[16384];
        struct price_list l;
        FILE *f = fopen(PRICES_FILE, "re");
        size_t len;

        CHECK(f != NULL);
        len = fread(text, 1, sizeof(text) - 1, f);
        text[len] = 0;
        (void)fclose(f);
        CHECK(price_list_read(text, len, &l, &error) == 0);
        CHECK_STR(l.region, "us-east-1");
        CHECK(l.prices.fargate_x86_vcpu_hour > 0.0404 && l.prices.fargate_x86_vcpu_hour < 0.0405);
        memcpy(strstr(text, "nat_hour"), "not_hour", 8);
        CHECK(price_list_read(text, len, &l, &error) < 0);
        CHECK_STR(error.text, "nat_hour: no price; give {\"usd\": …}, dollars from 0 to 1,000,000");
        CHECK(price_list_read("{}", 2, &l, &error) < 0);
}

/* ---- traces ---- */

static char path[] = "/tmp/test_plan_read.XXXXXX";

static int trace(const char *text, bool zipped, struct trace *ret)
{
        gzFile f = gzopen(path, zipped ? "wb" : "wT");

        CHECK(f && gzwrite(f, text, (unsigned)strlen(text)) == (int)strlen(text));
        CHECK(gzclose(f) == Z_OK);
        return trace_read(path, 3, ret, &error);
}

static void test_trace(void)
{
        struct trace t = {0};

        for (int zipped = 0; zipped < 2; zipped++) {
                CHECK(trace("date,minute,all\n2020-02-28,5,3\n2020-03-01,1439,2\n", zipped, &t) ==
                      0);
                CHECK_INT(t.n, 3 * PLAN_DAY_MIN); /* a leap year */
                CHECK_INT(t.per_minute[5], 3);
                CHECK_INT(t.per_minute[3 * PLAN_DAY_MIN - 1], 2);
                CHECK_STR(t.first, "2020-02-28");
                trace_deinit(&t);
        }
        CHECK(trace("date,minute,all\n", false, &t) < 0);
        CHECK(trace("h\n2020-02-28,1440,3\n", false, &t) < 0);
        CHECK(strstr(error.text, ":2: not date,minute of the day,count"));
        CHECK(trace("h\n2020-02-28,5\n", false, &t) < 0);
        CHECK(trace("h\n2020-02-28,5,-3\n", false, &t) < 0);
        CHECK(trace("h\n2020-02-28,5,3\n2019-02-28,5,3\n", false, &t) < 0);
        CHECK(trace("h\n2020-02-28,5,3\n2030-02-28,5,3\n", false, &t) < 0);
        CHECK(trace("h\n2020-13-28,5,3\n", false, &t) < 0);
        CHECK(t.per_minute == NULL);
}

/* A file that was cut off is not taken for a short one. */
static void test_cut_off(void)
{
        struct trace t = {0};

        CHECK(trace("h\n2020-02-28,5,3\n2020-02-28,6,3\n2020-02-28,7,9\n", true, &t) == 0);
        trace_deinit(&t);
        CHECK(truncate(path, 30) == 0);
        CHECK(trace_read(path, 3, &t, &error) < 0);
}

int main(void)
{
        int fd = mkstemp(path);

        CHECK(fd >= 0);
        close(fd);
        RUN(test_good);
        RUN(test_refused);
        RUN(test_too_many);
        RUN(test_prices);
        RUN(test_trace);
        RUN(test_cut_off);
        unlink(path);
        return 0;
}
