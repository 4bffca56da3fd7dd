/* Presence rules from JSON: what is accepted, what the errors say, which rules can never fire. */
#include <errno.h>

#include "base/macro.h"
#include "profile/profile.h"
#include "profile/rules_parse.h"
#include "test.h"

#define METHODS(text) "{\"editor\":{\"query\":\"t\",\"methods\":{" text "}}}"
#define COMMANDS(text) "{\"editor\":{\"query\":\"t\",\"commands\":{" text "}}}"
#define LOG(text) "{\"log\":{\"path\":\"/l/\",\"field\":\"f\",\"key\":\"k\"," text "}}"

static const struct {
        const char *json, *says;
} wrong[] = {
        {"", "not JSON"},
        {"[]", "must be an object"},
        {"{} {}", "behind"},
        {"{\"edtor\":{}}", "edtor: unknown key; known here: editor upgrades"},
        {"{\"editor\":{}}", "editor: the key \"query\" is missing"},
        {"{\"editor\":{\"query\":\"t\",\"query\":\"t\"}}", "editor.query: stands here twice"},
        {"{\"editor\":{\"query\":\"a b\"}}", "editor.query: must be a text of 1 to 128"},
        {METHODS("\"humn\":[]"), "editor.methods.humn: \"humn\" is none of machine, person"},
        {METHODS("\"undecoded\":[]"), "editor.methods.undecoded: \"undecoded\" is none of"},
        {METHODS("\"rules\":[{\"name\":\"$a\",\"verdict\":\"humn\"}]"),
         "editor.methods.rules[0].verdict: \"humn\" is none of machine, person, weak"},
        {METHODS("\"rules\":[{\"name\":\"$a\"}]"),
         "editor.methods.rules[0]: the key \"verdict\" is missing"},
        {METHODS("\"rules\":[{\"name\":\"$a\",\"verdict\":\"weak\",\"hat\":\"x\"}]"),
         "editor.methods.rules[0].hat: unknown key; known here: name has verdict"},
        {METHODS("\"rules\":[{\"name\":\"$a\",\"has\":\"\",\"verdict\":\"weak\"}]"),
         "editor.methods.rules[0].has: must be a text"},
        {METHODS("\"person\":[\"$a\",\"b\"]"),
         "editor.methods.person[1]: \"b\" is not the name of a method"},
        {METHODS("\"person\":[\"$a\",7]"), "editor.methods.person[1]: must be a text"},
        {METHODS("\"person\":{}"), "editor.methods.person: must be a list of names"},
        {METHODS("\"rules\":{}"), "editor.methods.rules: must be a list of rules"},
        {METHODS("\"person\":[],\"person\":[]"), "editor.methods.person: stands here twice"},
        {METHODS("\"person\":[\"$a\",\"$a\"]"),
         "editor.methods.person[1]: \"$a\" can never fire: an earlier rule (person)"},
        {METHODS("\"person\":[\"$a\"],\"weak\":[\"$a\"]"),
         "editor.methods.weak[0]: \"$a\" can never fire: an earlier rule (person)"},
        {METHODS("\"rules\":[{\"name\":\"$a\",\"verdict\":\"weak\"}],\"person\":[\"$a\"]"),
         "editor.methods.person[0]: \"$a\" can never fire: an earlier rule (weak)"},
        {METHODS("\"rules\":[{\"name\":\"$a\",\"has\":\"x\",\"verdict\":\"weak\"},"
                 "{\"name\":\"$a\",\"has\":\"yxz\",\"verdict\":\"person\"}]"),
         "editor.methods.rules[1]: \"$a\" can never fire: an earlier rule (weak, has x)"},
        {COMMANDS("\"person\":[\"input\"]"), "is not \"channel.command\" or \"channel.*\""},
        {COMMANDS("\"person\":[\"a.b*\"]"), "is not \"channel.command\""},
        {COMMANDS("\"person\":[\".b\"]"), "is not \"channel.command\""},
        {"{\"upgrades\":[{\"path\":\"/x\"}]}", "upgrades[0]: the key \"verdict\""},
        {"{\"upgrades\":[{\"path\":\"x\",\"verdict\":\"machine\"}]}",
         "upgrades[0].path: must start with"},
        {"{\"upgrades\":[{\"navigation\":true,\"verdict\":\"machine\"}]}",
         "upgrades[0].navigation: unknown key"},
        {"{\"upgrades\":[{\"path\":\"/a*\",\"verdict\":\"machine\"},"
         "{\"path\":\"/ab\",\"verdict\":\"undecoded\"}]}",
         "upgrades[1]: can never fire: entry 0 takes all of it"},
        {"{\"requests\":[{\"verdict\":\"typed\"}]}",
         "requests[0].verdict: \"typed\" is none of machine, person, weak, hint"},
        {"{\"requests\":[{\"method\":\"get\",\"verdict\":\"weak\"}]}",
         "requests[0].method: must be a method in capitals"},
        {"{\"requests\":[{\"navigation\":1,\"verdict\":\"weak\"}]}",
         "requests[0].navigation: must be true or false"},
        {"{\"requests\":[{\"navigation\":true,\"plain\":true,\"verdict\":\"weak\"}]}",
         "requests[0]: can never fire: its own conditions"},
        {"{\"requests\":[{\"query\":\"ab\",\"without\":\"b\",\"verdict\":\"weak\"}]}",
         "requests[0]: can never fire: its own conditions"},
        {"{\"requests\":[{\"verdict\":\"weak\"},{\"path\":\"/\",\"verdict\":\"weak\"}]}",
         "requests[1]: can never fire: entry 0"},
        {"{\"requests\":{}}", "requests: must be a list of rules"},
        {"{\"log\":{\"path\":\"/l/\"}}", "log: the key \"field\" is missing"},
        {"{\"log\":{\"path\":\"/l/*\"}}", "log.path: must be one path"},
        {LOG("\"events\":{\"person\":[\"a*\"]}"), "log.events.person[0]: \"a*\" is not"},
        {LOG("\"events\":{\"typed\":[\"a\"]}"), "log.events.typed: \"typed\" is none of"},
        {LOG("\"refresh\":\"a\",\"events\":{}"), "log: \"refresh\" and \"refresh_window\""},
        {LOG("\"refresh\":\"a\",\"refresh_window\":\"2h\",\"events\":{}"),
         "log.refresh_window: must be a duration"},
        {LOG("\"refresh\":\"a\",\"refresh_window\":\"1s\",\"events\":{\"person\":[\"a\"]}"),
         "log: refresh: \"a\" must be among the events, as \"machine\""},
        {"{\"jobs\":{\"ignore\":[\"a\",\"a\"]}}", "jobs.ignore[1]: \"a\" stands here twice"},
        {"{\"jobs\":{\"ignore\":\"a\"}}", "jobs.ignore: must be a list"},
        {"{\"terminals\":{\"app\":[\"a b\"]}}", "terminals.app[0]: must be a text"},
};

static void errors_say_where(void)
{
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                char error[PROFILE_ERROR_MAX] = "";
                struct rules_file *f = NULL;

                CHECK_INT(rules_parse(wrong[i].json, strlen(wrong[i].json), error, &f), -EINVAL);
                CHECK(!f);
                if (!strstr(error, wrong[i].says)) {
                        fprintf(stderr, "%s: \"%s\" does not say \"%s\"\n", wrong[i].json, error,
                                wrong[i].says);
                        exit(1);
                }
        }
}

static void lists_are_bounded(void)
{
        static char text[20 * RULES_LIST_MAX];
        char error[PROFILE_ERROR_MAX];
        struct rules_file *f = NULL;
        size_t n = (size_t)snprintf(text, sizeof(text),
                                    "{\"editor\":{\"query\":\"t\",\"methods\":{\"weak\":[\"$x\"");

        for (int i = 1; i < RULES_LIST_MAX; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"$%d\"", i);
        (void)snprintf(text + n, sizeof(text) - n, "]}}}");
        CHECK_INT(rules_parse(text, strlen(text), error, &f), 0);
        CHECK_INT(rules_of(f)->methods.n, RULES_LIST_MAX);
        rules_free(f);
        f = NULL;
        (void)snprintf(text + n, sizeof(text) - n, ",\"$more\"]}}}");
        CHECK_INT(rules_parse(text, strlen(text), error, &f), -EINVAL);
        CHECK(strstr(error, "editor.methods: has 1025 rules, at most 1024"));
}

static void rules_stand_before_lists(void)
{
        static const char text[] =
                "{\"editor\":{\"query\":\"t\",\"job_key\":\"id\",\"methods\":{\"weak\":[\"$b\",\"$"
                "a\"],"
                "\"rules\":[{\"name\":\"$a\",\"has\":\"2\",\"verdict\":\"typed\"},"
                "{\"name\":\"$a\",\"has\":\"1\",\"verdict\":\"person\"}]},"
                "\"commands\":{\"machine\":[\"c.*\"]}},"
                "\"upgrades\":[{\"verdict\":\"undecoded\"}],\"requests\":[{\"verdict\":\"hint\"}],"
                "\"log\":{\"path\":\"/"
                "l\",\"field\":\"f\",\"key\":\"k\",\"events\":{\"hint\":[\"e\"]}},"
                "\"terminals\":{\"app\":[\"w\"]},\"jobs\":{\"ignore\":[\"i\"],\"kernels\":[\"k\"]}"
                "}";
        char error[PROFILE_ERROR_MAX];
        struct rules_file *f = NULL;
        const struct rules *r;
        enum rule_verdict v;

        CHECK_INT(rules_parse(text, strlen(text), error, &f), 0);
        r = rules_of(f);
        CHECK_STR(r->editor_query, "t");
        CHECK_STR(r->job_key, "id");
        CHECK(rules_find(&r->methods, "$a", 2, "2", 1, &v) && v == RULE_TYPED);
        CHECK(rules_find(&r->methods, "$a", 2, "1", 1, &v) && v == RULE_PERSON);
        CHECK(rules_find(&r->methods, "$a", 2, "12", 2, &v) && v == RULE_TYPED);
        CHECK(rules_find(&r->methods, "$a", 2, "3", 1, &v) && v == RULE_WEAK);
        CHECK(rules_find(&r->methods, "$b", 2, "", 0, &v) && v == RULE_WEAK);
        CHECK(rules_find(&r->commands, "c.x", 3, "", 0, &v) && v == RULE_MACHINE);
        CHECK(rules_find_request(&r->upgrades, "GET", 3, "/", 1, RULE_FETCH_OTHER, &v) &&
              v == RULE_UNDECODED);
        CHECK_STR(r->log_refresh, "");
        CHECK_STR(r->app_terminals.items[0], "w");
        CHECK_STR(r->job_kernels.items[0], "k");
        CHECK_INT(r->job_ignore.n, 1);
        rules_free(f);
}

static void profile_brings_its_rules(void)
{
        AUTO_PROFILE p = NULL;
        char error[PROFILE_ERROR_MAX], dir[] = "/tmp/ws-rules.XXXXXX", path[64];
        struct rules_file *none = NULL;
        FILE *f;

        CHECK_INT(profile_load(WS_PROFILES "/code-server/profile.json", &p), 0);
        CHECK_STR(p->presence_name, "presence.json");
        CHECK(p->presence->methods.n > 400);
        CHECK_STR(p->presence->editor_query, "reconnectionToken");
        CHECK_INT(rules_load("/nonexistent/x.json", error, &none), -ENOENT);
        CHECK(!none && strstr(error, "No such file"));

        CHECK(mkdtemp(dir));
        (void)snprintf(path, sizeof(path), "%s/p.json", dir);
        f = fopen(path, "w");
        CHECK(f);
        fputs("{\"name\":\"x\",\"app\":{\"argv\":[\"sh\"]},\"health\":{\"path\":\"/\"},"
              "\"presence\":\"gone.json\"}",
              f);
        CHECK_INT(fclose(f), 0);
        p = profile_free(p);
        CHECK_INT(profile_load(path, &p), -ENOENT);
        CHECK(!p);
        CHECK_INT(remove(path), 0);
        CHECK_INT(remove(dir), 0);
}

int main(void)
{
        RUN(errors_say_where);
        RUN(lists_are_bounded);
        RUN(rules_stand_before_lists);
        RUN(profile_brings_its_rules);
        return 0;
}
