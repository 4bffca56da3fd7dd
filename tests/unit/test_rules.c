/* Presence rules: lookups by name, by arguments, by request. */
#include "base/macro.h"
#include "presence/rules.h"
#include "test.h"

static const struct rule_name names[] = {
        {"$a", "[true]", RULE_ACTIVE},    {"$a", "[false]", RULE_INACTIVE},
        {"$ab", "", RULE_PERSON},         {"$b", "x", RULE_WEAK},
        {"$b", "", RULE_CHANGE},          {"fs.*", "", RULE_MACHINE},
        {"fs.write", "/home", RULE_HINT}, {"term.$input", "", RULE_TYPED},
};
static const struct rule_names list = {names, ARRAY_LEN(names)};

/* -1: unknown */
static int find(const char *name, const char *args)
{
        enum rule_verdict v;

        return rules_find(&list, name, strlen(name), args, strlen(args), &v) ? (int)v : -1;
}

static void first_that_fits_wins(void)
{
        CHECK_INT(find("$a", "[true]"), RULE_ACTIVE);
        CHECK_INT(find("$a", "[false]"), RULE_INACTIVE);
        CHECK_INT(find("$a", "[]"), RULE_MACHINE);
        CHECK_INT(find("$a", ""), RULE_MACHINE);
        CHECK_INT(find("$b", "axb"), RULE_WEAK);
        CHECK_INT(find("$b", "ab"), RULE_CHANGE);
        CHECK_INT(find("$ab", ""), RULE_PERSON);
}

static void names_are_whole(void)
{
        static const char *const unknown[] = {"",      "$",         "$aa",   "$abc", "$c",
                                              "fs",    "fsx.write", "fs*",   "*.*",  "term.$inpu",
                                              "term.", ".",         "term.*"};
        char with_nul[] = "$ab\0";
        char wide[RULES_NAME_MAX + 10] = "fs.";
        enum rule_verdict v;

        for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
                CHECK_INT(find(unknown[i], ""), -1);
        CHECK(!rules_find(&list, with_nul, 4, "", 0, &v));
        memset(wide + 3, 'x', sizeof(wide) - 3);
        CHECK(rules_find(&list, wide, RULES_NAME_MAX, "", 0, &v) && v == RULE_MACHINE);
        CHECK(!rules_find(&list, wide, RULES_NAME_MAX + 1, "", 0, &v));
        CHECK(!rules_find(&(struct rule_names){NULL, 0}, "x", 1, "", 0, &v));
}

static void channel_covers_what_is_not_named(void)
{
        CHECK_INT(find("fs.stat", ""), RULE_MACHINE);
        CHECK_INT(find("fs.a.b", ""), RULE_MACHINE);
        CHECK_INT(find("fs.write", "{/home}"), RULE_HINT);
        CHECK_INT(find("fs.write", "{/tmp}"), RULE_MACHINE);
        CHECK_INT(find("term.$input", ""), RULE_TYPED);
}

static void arguments_are_bounded(void)
{
        static char args[RULES_ARGS_MAX + 6];
        enum rule_verdict v;

        memset(args, '.', sizeof(args));
        memcpy(args + RULES_ARGS_MAX - 6, "[true]", 6);
        CHECK(rules_find(&list, "$a", 2, args, sizeof(args), &v) && v == RULE_ACTIVE);
        memmove(args + RULES_ARGS_MAX - 5, args + RULES_ARGS_MAX - 6, 6);
        args[RULES_ARGS_MAX - 6] = '.';
        CHECK(rules_find(&list, "$a", 2, args, sizeof(args), &v) && v == RULE_MACHINE);
        CHECK(rules_want_args(&list, "$a", 2) && rules_want_args(&list, "$b", 2));
        CHECK(rules_want_args(&list, "fs.write", 8));
        CHECK(!rules_want_args(&list, "$ab", 3) && !rules_want_args(&list, "$zz", 3));
        CHECK(!rules_want_args(&list, "fs.stat", 7));
}

static void words_go_both_ways(void)
{
        enum rule_verdict v;

        for (int i = 0; i < RULE_VERDICT_MAX; i++) {
                const char *word = rules_verdict_word((enum rule_verdict)i);

                CHECK(rules_verdict_parse(word, strlen(word), &v));
                CHECK_INT(v, i);
        }
        CHECK(!rules_verdict_parse("job-", 4, &v) && !rules_verdict_parse("", 0, &v));
        CHECK_STR(rules_verdict_word(RULE_JOB_END), "job-end");
}

static void jobs_are_told_apart(void)
{
        static const struct {
                const char *args, *key;
        } cases[] = {
                {"{\"index\":0,\"executionId\":\"6c8f-1\",\"x\":1}", "6c8f-1"},
                {"{\"executionIds\":1,\"executionId\":\"a\"}", "a"},
                {"{\"text\":\"executionId\",\"executionId\":\"b\"}", "b"},
                {"{\"executionId\":\"\"}", ""},
                {"{\"executionId\":7}", ""},
                {"{\"executionId\":\"never ends", ""},
                {"executionId\":\"a\"}", ""},
                {"\"executionId", ""},
                {"", ""},
        };
        struct rules r = {.job_key = "executionId"};

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                const char *key = NULL;
                size_t n = rules_job_key(&r, cases[i].args, strlen(cases[i].args), &key);

                CHECK_INT(n, strlen(cases[i].key));
                CHECK(n == 0 || memcmp(key, cases[i].key, n) == 0);
        }
        r.job_key = "";
        CHECK_INT(rules_job_key(&r, cases[0].args, strlen(cases[0].args), &(const char *){NULL}),
                  0);
}

static const struct rule_request requests[] = {
        {.method = "",
         .path = "/proxy/*",
         .query = "",
         .without = "",
         .navigation = true,
         .verdict = RULE_PERSON},
        {.method = "", .path = "/proxy/*", .query = "", .without = "", .verdict = RULE_MACHINE},
        {.method = "POST",
         .path = "*/data",
         .query = "force=true",
         .without = "",
         .verdict = RULE_HINT},
        {.method = "POST", .path = "*/data", .query = "", .without = "id=", .verdict = RULE_WEAK},
        {.method = "", .path = "/a*b*c", .query = "", .without = "", .verdict = RULE_TYPED},
        {.method = "GET",
         .path = "/",
         .query = "",
         .without = "",
         .plain = true,
         .verdict = RULE_SCROLL},
};

static void requests_fit_in_all_parts(void)
{
        static const struct {
                const char *method, *target;
                enum rule_fetch fetch;
                int verdict; /* -1 none */
        } cases[] = {
                {"GET", "/proxy/3000/", RULE_FETCH_NAVIGATION, RULE_PERSON},
                {"GET", "/proxy/3000/", RULE_FETCH_OTHER, RULE_MACHINE},
                {"GET", "/proxy", RULE_FETCH_OTHER, -1},
                {"GET", "/xproxy/1", RULE_FETCH_OTHER, -1},
                {"GET", "/x?/proxy/1", RULE_FETCH_OTHER, -1},
                {"POST", "/v1/data?a=1&force=true", RULE_FETCH_OTHER, RULE_HINT},
                {"POST", "/v1/data?a=1", RULE_FETCH_OTHER, RULE_WEAK},
                {"POST", "/v1/data", RULE_FETCH_OTHER, RULE_WEAK},
                {"POST", "/v1/data?id=3", RULE_FETCH_OTHER, -1},
                {"GET", "/v1/data?force=true", RULE_FETCH_OTHER, -1},
                {"PO", "/v1/data", RULE_FETCH_OTHER, -1},
                {"X", "/abc", RULE_FETCH_OTHER, RULE_TYPED},
                {"X", "/axxbybzcc", RULE_FETCH_OTHER, RULE_TYPED},
                {"X", "/acb", RULE_FETCH_OTHER, -1},
                {"GET", "/", RULE_FETCH_PLAIN, RULE_SCROLL},
                {"GET", "/?folder=/x", RULE_FETCH_PLAIN, RULE_SCROLL},
                {"GET", "/", RULE_FETCH_NAVIGATION, -1},
                {"GET", "", RULE_FETCH_PLAIN, -1},
        };
        struct rule_requests l = {requests, ARRAY_LEN(requests)};

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                enum rule_verdict v;
                bool found = rules_find_request(&l, cases[i].method, strlen(cases[i].method),
                                                cases[i].target, strlen(cases[i].target),
                                                cases[i].fetch, &v);

                if ((found ? (int)v : -1) != cases[i].verdict) {
                        fprintf(stderr, "case %zu %s\n", i, cases[i].target);
                        exit(1);
                }
        }
}

/* A pattern that is slow for a matcher that tries every way. */
static void many_stars_are_no_trap(void)
{
        static char target[16000];
        struct rule_request r = {.method = "",
                                 .path = "/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                                 .query = "",
                                 .without = ""};
        struct rule_requests l = {&r, 1};
        enum rule_verdict v;

        memset(target, 'a', sizeof(target));
        target[0] = '/';
        CHECK(!rules_find_request(&l, "GET", 3, target, sizeof(target), RULE_FETCH_OTHER, &v));
}

int main(void)
{
        RUN(first_that_fits_wins);
        RUN(names_are_whole);
        RUN(channel_covers_what_is_not_named);
        RUN(arguments_are_bounded);
        RUN(words_go_both_ways);
        RUN(jobs_are_told_apart);
        RUN(requests_fit_in_all_parts);
        RUN(many_stars_are_no_trap);
        return 0;
}
