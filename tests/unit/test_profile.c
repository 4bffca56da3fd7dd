/* Profiles: what is accepted, what the errors say, what the patterns match. */
#include <errno.h>

#include "base/macro.h"
#include "presence/rules.h"
#include "profile/profile.h"
#include "test.h"

#define APP "\"name\":\"x\",\"app\":{\"argv\":[\"sh\"]},\"health\":{\"path\":\"/\"}"

static struct profile *parse(const char *text)
{
        char error[PROFILE_ERROR_MAX] = "";
        struct profile *p = NULL;

        if (profile_parse(text, strlen(text), error, &p) < 0)
                fprintf(stderr, "%s\n", error);
        CHECK(p);
        return p;
}

static void smallest_profile_has_defaults(void)
{
        AUTO_PROFILE p = parse("{" APP "}\n");

        CHECK_STR(p->argv.items[0], "sh");
        CHECK_STR(p->prime_path, "");
        CHECK_STR(p->path, "/usr/local/bin:/usr/bin:/bin");
        CHECK_INT(p->save_after_ms, 20000);
        CHECK_INT(p->save_include.n, 1);
        CHECK(profile_saves(p, "a/b"));
        CHECK_INT(p->processes, 4096);
        CHECK_INT(p->files, 0);
        CHECK_STR(p->presence_name, "");
        CHECK(p->presence && p->presence->methods.n == 0 && !p->presence->editor_query[0]);
}

static void errors_name_the_key(void)
{
        static const struct {
                const char *json, *says;
        } cases[] = {
                {"", "not JSON"},
                {"[]", "must be an object"},
                {"{\"a\":\n\n1,,}", "line 3"},
                {"{" APP "} x", "behind"},
                {"{}", "\"name\" is missing"},
                {"{" APP ",\"nmae\":1}", "nmae: unknown key; known here: name app"},
                {"{" APP ",\"save\":{\"exlude\":[]}}", "save.exlude: unknown key"},
                {"{" APP ",\"name\":\"y\"}", "name: stands here twice"},
                {"{" APP ",\"save\":{\"exclude\":[\"a\",\"/b\"]}}", "save.exclude[1]: must be"},
                {"{" APP ",\"save\":{\"exclude\":[\"a/../b\"]}}", "save.exclude[0]"},
                {"{" APP ",\"save\":{\"exclude\":[\"a/\"]}}", "save.exclude[0]"},
                {"{" APP ",\"save\":{\"include\":\"x\"}}", "save.include: must be a list"},
                {"{" APP ",\"stop_grace\":20}", "stop_grace: must be a duration"},
                {"{" APP ",\"stop_grace\":\"2h\"}", "stop_grace: must be a duration"},
                {"{" APP ",\"prime\":{}}", "prime: the key \"path\" is missing"},
                {"{" APP ",\"prime\":{\"path\":\"x\"}}", "prime.path: must be a path"},
                {"{" APP ",\"presence\":\"../x.json\"}", "presence: must be the name of a file"},
                {"{" APP ",\"presence\":\"\"}", "presence: must be the name of a file"},
                {"{\"name\":\"a b\"}", "name: must be a name"},
                {"{" APP ",\"limits\":{\"processes\":-1}}",
                 "limits.processes: must be a whole number"},
                {"{" APP ",\"limits\":{\"files\":1.5}}", "limits.files: must be a whole number"},
                {"{" APP ",\"limits\":{\"memory\":1}}", "limits.memory: unknown key"},
                {"{\"name\":\"x\",\"app\":{\"write\":[\"var\"]}}",
                 "app.write[0]: must be absolute"},
                {"{\"name\":\"x\",\"app\":{\"write\":[\"/a/../b\"]}}",
                 "app.write[0]: must be absolute"},
                {"{\"name\":\"x\",\"app\":{\"argv\":[]}}", "app.argv: must be a list"},
                {"{\"name\":\"x\",\"app\":{\"ahead\":\"sh\"}}", "app.ahead: must be a list"},
                {"{\"name\":\"x\",\"app\":{\"argv\":[\"\"]}}", "app.argv[0]: must be a text"},
                {"{\"name\":\"x\",\"app\":{\"argv\":[\"a\\u0000b\"]}}", "NUL"},
                {"{\"name\":\"x\",\"app\":{\"env\":{\"A-B\":\"1\"}}}", "app.env.A-B: is not"},
                {"{\"name\":\"x\",\"app\":{\"defaults\":{\"../x\":\"1\"}}}", "app.defaults.../x:"},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char error[PROFILE_ERROR_MAX] = "";
                struct profile *p = NULL;

                CHECK_INT(profile_parse(cases[i].json, strlen(cases[i].json), error, &p), -EINVAL);
                CHECK(!p);
                if (!strstr(error, cases[i].says)) {
                        fprintf(stderr, "%s: \"%s\" does not say \"%s\"\n", cases[i].json, error,
                                cases[i].says);
                        exit(1);
                }
        }
}

static void patterns_match(void)
{
        AUTO_PROFILE p = parse("{" APP ",\"save\":{\"include\":[\"work\",\"a/*/c\"],"
                               "\"exclude\":[\"work/tmp\",\"**/*.sock\",\"**/.git/objects\"]}}");

        CHECK(profile_saves(p, "work"));
        CHECK(profile_saves(p, "work/x/y"));
        CHECK(!profile_saves(p, "worker"));
        CHECK(!profile_saves(p, "work/tmp"));
        CHECK(!profile_saves(p, "work/tmp/deep/file"));
        CHECK(profile_saves(p, "work/x/tmp"));
        CHECK(!profile_saves(p, "work/x.sock"));
        CHECK(!profile_saves(p, "work/a/b/x.sock"));
        CHECK(!profile_saves(p, "work/repo/.git/objects/ab/cd"));
        CHECK(profile_saves(p, "work/repo/.git/HEAD"));
        CHECK(profile_saves(p, "a/b/c/d"));
        CHECK(!profile_saves(p, "a/b/d"));

        CHECK(profile_enters(p, ""));
        CHECK(profile_enters(p, "a"));
        CHECK(profile_enters(p, "a/b"));
        CHECK(!profile_enters(p, "b"));
        CHECK(!profile_enters(p, "a/b/d"));
        CHECK(profile_enters(p, "work/x"));
        CHECK(!profile_enters(p, "work/tmp"));
}

static void shipped_profile_is_valid(void)
{
        AUTO_PROFILE p = NULL;

        CHECK_INT(profile_load(WS_PROFILES "/code-server/profile.json", &p), 0);
        CHECK_STR(p->name, "code-server");
        CHECK_STR(p->health_path, "/healthz");
        CHECK_STR(p->prime_path, "/");
        CHECK(profile_saves(p, ".local/share/code-server/User/Backups/1a2b/file/x"));
        CHECK(profile_saves(p, ".local/share/code-server/User/settings.json"));
        CHECK(profile_saves(p, ".local/share/code-server/machineid"));
        CHECK(profile_saves(p, ".bash_history"));
        CHECK(profile_saves(p, "workspace/.vscode/settings.json"));
        CHECK(!profile_saves(p, ".local/share/code-server/logs/x/y.log"));
        CHECK(!profile_saves(p, ".local/share/code-server/heartbeat"));
        CHECK(!profile_saves(p, ".local/share/code-server/code-server-ipc.sock"));
        CHECK(!profile_saves(p, ".local/share/code-server/User/workspaceStorage/a/vscode.lock"));
        CHECK(!profile_saves(p, ".cache/x"));
}

int main(void)
{
        RUN(smallest_profile_has_defaults);
        RUN(errors_name_the_key);
        RUN(patterns_match);
        RUN(shipped_profile_is_valid);
        return 0;
}
