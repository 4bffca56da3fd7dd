/* wsagent-worker rules: check presence rules for people, and say what they hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/fd.h"
#include "profile/profile.h"
#include "profile/rules_parse.h"
#include "roles.h"

#define EXIT_USAGE 64

static void usage(FILE *to)
{
        fprintf(to,
                "usage: wsagent-worker rules --check FILE\n"
                "\n"
                "Check presence rules (presence.json), or those that a profile names, and say\n"
                "how many there are of each kind.\n"
                "\n"
                "exit status: 0 good, 1 wrong (standard error says where and what), 64 usage\n");
}

static void counts_print(const char *what, const size_t counts[RULE_VERDICT_MAX], size_t n)
{
        printf("%-12s %4zu ", what, n);
        for (int v = 0; v < RULE_VERDICT_MAX; v++) {
                if (counts[v] > 0)
                        printf("  %zu %s", counts[v], rules_verdict_word((enum rule_verdict)v));
        }
        printf("\n");
}

static void names_print(const char *what, const struct rule_names *l)
{
        size_t counts[RULE_VERDICT_MAX] = {0};

        for (size_t i = 0; i < l->n; i++)
                counts[l->items[i].verdict]++;
        counts_print(what, counts, l->n);
}

static void requests_print(const char *what, const struct rule_requests *l)
{
        size_t counts[RULE_VERDICT_MAX] = {0};

        for (size_t i = 0; i < l->n; i++)
                counts[l->items[i].verdict]++;
        counts_print(what, counts, l->n);
}

static void words_print(const char *what, const struct rule_words *l)
{
        printf("%-12s %4zu ", what, l->n);
        for (size_t i = 0; i < l->n; i++)
                printf(" %s", l->items[i]);
        printf("\n");
}

static void rules_print(const struct rules *r)
{
        printf("%-12s %s\n", "editor",
               r->editor_query[0] ? r->editor_query : "none: its WebSockets are not read");
        names_print("methods", &r->methods);
        names_print("commands", &r->commands);
        requests_print("upgrades", &r->upgrades);
        requests_print("requests", &r->requests);
        printf("%-12s %s\n", "log", r->log_path[0] ? r->log_path : "none");
        names_print("log events", &r->log_events);
        words_print("terminals", &r->app_terminals);
        words_print("no jobs", &r->job_ignore);
        words_print("kernels", &r->job_kernels);
}

/* A profile is known by a key that it must have and rules do not. */
static bool is_profile(const char *path)
{
        AUTO_BUF text = BUF_INIT(PROFILE_SIZE_MAX);
        cJSON *json;
        bool yes;

        if (file_read(path, &text) < 0)
                return false;
        json = cJSON_ParseWithLength((const char *)text.data, text.len);
        yes = cJSON_GetObjectItemCaseSensitive(json, "app") != NULL;
        cJSON_Delete(json);
        return yes;
}

static int check_profile(const char *path)
{
        AUTO_PROFILE p = NULL;

        if (profile_load(path, &p) < 0)
                return 1; /* it has said why */
        printf("%-12s %s\n", "rules",
               p->presence_name[0] ? p->presence_name : "none: the profile has no \"presence\"");
        rules_print(p->presence);
        return 0;
}

static int check_rules(const char *path)
{
        char error[PROFILE_ERROR_MAX];
        struct rules_file *f;

        if (rules_load(path, error, &f) < 0) {
                fprintf(stderr, "%s: %s\n", path, error);
                return 1;
        }
        rules_print(rules_of(f));
        rules_free(f);
        return 0;
}

int role_rules_main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], "--help") == 0) {
                usage(stdout);
                return 0;
        }
        if (argc != 3 || strcmp(argv[1], "--check") != 0) {
                usage(stderr);
                return EXIT_USAGE;
        }
        return is_profile(argv[2]) ? check_profile(argv[2]) : check_rules(argv[2]);
}
