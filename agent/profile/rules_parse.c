/*
 * The form of presence rules. The texts are not copied: the object keeps the JSON tree and the
 * rules point into it.
 */
#include "profile/rules_parse.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "profile/strict.h"

#define REFRESH_MAX_MS (60 * 60 * INT64_C(1000))
#define WORDS_MAX 256

const struct rules rules_empty = {
        .editor_query = "",
        .job_key = "",
        .log_path = "",
        .log_field = "",
        .log_key = "",
        .log_refresh = "",
};

struct rules_file {
        struct rules rules;
        cJSON *json;
};

struct parse {
        struct strict at;
};

#define fail(s, ...) strict_fail(&(s)->at, __VA_ARGS__)

typedef int (*member_fn)(struct parse *s, const cJSON *v, void *dst);

/* One key of an object: who reads it, and into what. */
struct member {
        const char *key;
        member_fn read;
        size_t offset;
        bool required;
};

/* ---- objects ---- */

static int fail_unknown(struct parse *s, const struct member *members, size_t n)
{
        char known[PROFILE_ERROR_MAX / 2] = "";
        size_t len = 0;

        for (size_t i = 0; i < n && len < sizeof(known); i++)
                len += (size_t)snprintf(known + len, sizeof(known) - len, " %s", members[i].key);
        return fail(s, "unknown key; known here:%s", known);
}

static int read_member(struct parse *s, const struct member *members, size_t n, const cJSON *v,
                       void *dst)
{
        for (size_t i = 0; i < n; i++) {
                if (strcmp(members[i].key, v->string) == 0)
                        return members[i].read(s, v, (char *)dst + members[i].offset);
        }
        return fail_unknown(s, members, n);
}

static int read_object(struct parse *s, const struct member *members, size_t n, const cJSON *v,
                       void *dst)
{
        const cJSON *item;

        if (!cJSON_IsObject(v))
                return fail(s, "must be an object");
        cJSON_ArrayForEach(item, v)
        {
                size_t where =
                        strict_enter(&s->at, "%s%s", s->at.where[0] ? "." : "", item->string);
                int r = cJSON_GetObjectItemCaseSensitive(v, item->string) == item
                                ? read_member(s, members, n, item, dst)
                                : fail(s, "stands here twice");

                if (r < 0)
                        return r;
                strict_leave(&s->at, where);
        }
        for (size_t i = 0; i < n; i++) {
                if (members[i].required && !cJSON_GetObjectItemCaseSensitive(v, members[i].key))
                        return fail(s, "the key \"%s\" is missing", members[i].key);
        }
        return 0;
}

/* ---- texts ---- */

static bool visible(const char *text)
{
        for (; *text; text++) {
                if (*text <= ' ' || *text > '~')
                        return false;
        }
        return true;
}

/* Names, paths and words: visible ASCII without blanks, so that what is written is what is meant.
 */
static int read_word(struct parse *s, const cJSON *v, void *dst)
{
        const char *text = cJSON_IsString(v) ? v->valuestring : "";

        if (!text[0] || strlen(text) > RULES_NAME_MAX || !visible(text))
                return fail(s, "must be a text of 1 to %d visible characters, without blanks",
                            RULES_NAME_MAX);
        *(const char **)dst = text;
        return 0;
}

static int read_path(struct parse *s, const cJSON *v, void *dst)
{
        int r = read_word(s, v, dst);

        if (r == 0 && v->valuestring[0] != '/' && v->valuestring[0] != '*')
                return fail(s, "must start with \"/\" (or \"*\" for any text)");
        return r;
}

static int read_plain_path(struct parse *s, const cJSON *v, void *dst)
{
        int r = read_word(s, v, dst);

        if (r == 0 && (v->valuestring[0] != '/' || strpbrk(v->valuestring, "*?")))
                return fail(s, "must be one path: it starts with \"/\" and has no \"*\", no \"?\"");
        return r;
}

static int read_method(struct parse *s, const cJSON *v, void *dst)
{
        int r = read_word(s, v, dst);

        if (r == 0 && v->valuestring[strspn(v->valuestring, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
                return fail(s, "must be a method in capitals, such as \"GET\"");
        return r;
}

/* Any text that may occur in arguments. */
static int read_has(struct parse *s, const cJSON *v, void *dst)
{
        if (!cJSON_IsString(v) || !v->valuestring[0] || strlen(v->valuestring) > RULES_NAME_MAX)
                return fail(s, "must be a text of 1 to %d bytes", RULES_NAME_MAX);
        *(const char **)dst = v->valuestring;
        return 0;
}

static int read_flag(struct parse *s, const cJSON *v, void *dst)
{
        if (!cJSON_IsBool(v))
                return fail(s, "must be true or false");
        *(bool *)dst = cJSON_IsTrue(v);
        return 0;
}

static int read_duration(struct parse *s, const cJSON *v, void *dst)
{
        int64_t ms;

        if (!cJSON_IsString(v) || num_parse_duration_ms(v->valuestring, &ms) < 0 ||
            ms > REFRESH_MAX_MS)
                return fail(s, "must be a duration such as \"10s\" or \"1500ms\", 1 h at most");
        *(int64_t *)dst = ms;
        return 0;
}

static int read_words(struct parse *s, const cJSON *v, void *dst)
{
        struct rule_words *words = dst;
        size_t n = cJSON_IsArray(v) ? (size_t)cJSON_GetArraySize(v) : WORDS_MAX + 1;
        const char **items;
        const cJSON *item;

        if (n > WORDS_MAX)
                return fail(s, "must be a list of texts, %d at most", WORDS_MAX);
        items = calloc(n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        words->items = items;
        cJSON_ArrayForEach(item, v)
        {
                size_t where = strict_enter(&s->at, "[%zu]", words->n);
                int r = read_word(s, item, &items[words->n]);

                for (size_t i = 0; r == 0 && i < words->n; i++) {
                        if (strcmp(items[i], items[words->n]) == 0)
                                r = fail(s, "\"%s\" stands here twice", items[i]);
                }
                if (r < 0)
                        return r;
                words->n++;
                strict_leave(&s->at, where);
        }
        return 0;
}

/* ---- verdicts ---- */

/* What has a meaning where. */
#define BIT(v) (UINT32_C(1) << (v))
#define PLAIN_VERDICTS (BIT(RULE_MACHINE) | BIT(RULE_PERSON) | BIT(RULE_WEAK) | BIT(RULE_HINT))
#define UPGRADE_VERDICTS (PLAIN_VERDICTS | BIT(RULE_UNDECODED))
#define MESSAGE_VERDICTS ((BIT(RULE_VERDICT_MAX) - 1) & ~BIT(RULE_UNDECODED))

static int parse_verdict(struct parse *s, const char *word, uint32_t allowed,
                         enum rule_verdict *ret_verdict)
{
        char words[PROFILE_ERROR_MAX / 2] = "";
        size_t len = 0;
        enum rule_verdict v;

        if (rules_verdict_parse(word, strlen(word), &v) && (BIT(v) & allowed)) {
                *ret_verdict = v;
                return 0;
        }
        for (int i = 0; i < RULE_VERDICT_MAX; i++) {
                if (BIT(i) & allowed && len < sizeof(words))
                        len += (size_t)snprintf(words + len, sizeof(words) - len, "%s%s",
                                                len ? ", " : "",
                                                rules_verdict_word((enum rule_verdict)i));
        }
        return fail(s, "\"%.40s\" is none of %s", word, words);
}

static int read_verdict(struct parse *s, const cJSON *v, uint32_t allowed, void *dst)
{
        if (!cJSON_IsString(v))
                return fail(s, "must be a word such as \"person\"");
        return parse_verdict(s, v->valuestring, allowed, dst);
}

static int read_verdict_message(struct parse *s, const cJSON *v, void *dst)
{
        return read_verdict(s, v, MESSAGE_VERDICTS, dst);
}

static int read_verdict_plain(struct parse *s, const cJSON *v, void *dst)
{
        return read_verdict(s, v, PLAIN_VERDICTS, dst);
}

static int read_verdict_upgrade(struct parse *s, const cJSON *v, void *dst)
{
        return read_verdict(s, v, UPGRADE_VERDICTS, dst);
}

/* ---- lists of names ---- */

/* A name list while it is read: the rules with conditions first, then the plain ones. */
struct names {
        struct parse *s;
        struct rule_name *items;
        size_t n;
        uint32_t allowed;
        const struct member *rule; /* members of an entry of "rules" */
        const char *form;          /* what a name looks like */
        bool (*valid)(const char *name);
};

static bool method_valid(const char *name)
{
        return name[0] == '$' && name[1] && !strchr(name, '*');
}

/* "channel.command", or "channel.*" */
static bool command_valid(const char *name)
{
        const char *dot = strchr(name, '.'), *star = strchr(name, '*');

        return dot && dot > name && dot[1] && (!star || strcmp(dot, ".*") == 0);
}

static bool event_valid(const char *name)
{
        return !strchr(name, '*');
}

static const struct member message_rule[] = {
        {"name", read_word, offsetof(struct rule_name, name), true},
        {"has", read_has, offsetof(struct rule_name, has), false},
        {"verdict", read_verdict_message, offsetof(struct rule_name, verdict), true},
};
static const struct member event_rule[] = {
        {"name", read_word, offsetof(struct rule_name, name), true},
        {"has", read_has, offsetof(struct rule_name, has), false},
        {"verdict", read_verdict_plain, offsetof(struct rule_name, verdict), true},
};
static_assert(ARRAY_LEN(message_rule) == ARRAY_LEN(event_rule), "names take either");

static int name_check(struct names *l, const struct rule_name *rule)
{
        if (!l->valid(rule->name))
                return fail(l->s, "\"%s\" is not %s", rule->name, l->form);
        for (size_t i = 0; i < l->n; i++) {
                const struct rule_name *before = &l->items[i];

                /* Where this one's text occurs, the text of the one before occurs too. */
                if (strcmp(before->name, rule->name) == 0 && strstr(rule->has, before->has))
                        return fail(l->s,
                                    "\"%s\" can never fire: an earlier rule (%s%s%s) takes all "
                                    "of it",
                                    rule->name, rules_verdict_word(before->verdict),
                                    before->has[0] ? ", has " : "", before->has);
        }
        return 0;
}

static int name_add(struct names *l, const struct rule_name *rule)
{
        int r = name_check(l, rule);

        if (r == 0)
                l->items[l->n++] = *rule;
        return r;
}

static int read_name_rule(struct names *l, const cJSON *v)
{
        struct rule_name rule = {.name = "", .has = ""};
        int r = read_object(l->s, l->rule, ARRAY_LEN(message_rule), v, &rule);

        return r < 0 ? r : name_add(l, &rule);
}

/* `rules`: objects; otherwise names of one verdict. */
static int read_name_list(struct names *l, const cJSON *list, bool with_rules)
{
        struct rule_name rule = {.name = "", .has = ""};
        const cJSON *item;
        size_t i = 0;
        int r = 0;

        if (!cJSON_IsArray(list))
                return fail(l->s, "must be a list of %s", with_rules ? "rules" : "names");
        if (!with_rules)
                r = parse_verdict(l->s, list->string, l->allowed, &rule.verdict);
        if (r < 0)
                return r;
        cJSON_ArrayForEach(item, list)
        {
                size_t where = strict_enter(&l->s->at, "[%zu]", i++);

                if (with_rules) {
                        r = read_name_rule(l, item);
                } else {
                        r = read_word(l->s, item, &rule.name);
                        if (r == 0)
                                r = name_add(l, &rule);
                }
                if (r < 0)
                        return r;
                strict_leave(&l->s->at, where);
        }
        return 0;
}

static int read_names_pass(struct names *l, const cJSON *v, bool with_rules)
{
        const cJSON *list;

        cJSON_ArrayForEach(list, v)
        {
                size_t where = strict_enter(&l->s->at, ".%s", list->string);
                int r = 0;

                if (cJSON_GetObjectItemCaseSensitive(v, list->string) != list)
                        return fail(l->s, "stands here twice");
                if ((strcmp(list->string, "rules") == 0) == with_rules)
                        r = read_name_list(l, list, with_rules);
                if (r < 0)
                        return r;
                strict_leave(&l->s->at, where);
        }
        return 0;
}

/* Rules of one name must keep their order, and qsort does not: sort by their places, too. */
static int by_name(const void *a, const void *b)
{
        const struct rule_name *const *x = a, *const *y = b;
        int r = strcmp((*x)->name, (*y)->name);

        return r ? r : (*x > *y) - (*x < *y);
}

static int names_sort(const struct names *l, struct rule_names *dst)
{
        const struct rule_name **order = calloc(l->n + 1, sizeof(void *));
        struct rule_name *sorted = calloc(l->n + 1, sizeof(*sorted));

        if (!order || !sorted) {
                free(order);
                free(sorted);
                return -ENOMEM;
        }
        for (size_t i = 0; i < l->n; i++)
                order[i] = &l->items[i];
        qsort(order, l->n, sizeof(*order), by_name);
        for (size_t i = 0; i < l->n; i++)
                sorted[i] = *order[i];
        free(order);
        *dst = (struct rule_names){sorted, l->n};
        return 0;
}

static int read_names(struct names *l, const cJSON *v, struct rule_names *dst)
{
        const cJSON *list;
        size_t n = 0;
        int r;

        if (!cJSON_IsObject(v))
                return fail(l->s, "must be an object of lists");
        cJSON_ArrayForEach(list, v) n += (size_t)cJSON_GetArraySize(list);
        if (n > RULES_LIST_MAX)
                return fail(l->s, "has %zu rules, at most %d", n, RULES_LIST_MAX);
        l->items = calloc(n + 1, sizeof(*l->items));
        if (!l->items)
                return -ENOMEM;
        r = read_names_pass(l, v, true);
        if (r == 0)
                r = read_names_pass(l, v, false);
        if (r == 0)
                r = names_sort(l, dst);
        free(l->items);
        return r;
}

static int read_methods(struct parse *s, const cJSON *v, void *dst)
{
        struct names l = {.s = s,
                          .allowed = MESSAGE_VERDICTS,
                          .rule = message_rule,
                          .form = "the name of a method: it starts with \"$\"",
                          .valid = method_valid};

        return read_names(&l, v, dst);
}

static int read_commands(struct parse *s, const cJSON *v, void *dst)
{
        struct names l = {.s = s,
                          .allowed = MESSAGE_VERDICTS,
                          .rule = message_rule,
                          .form = "\"channel.command\" or \"channel.*\"",
                          .valid = command_valid};

        return read_names(&l, v, dst);
}

static int read_events(struct parse *s, const cJSON *v, void *dst)
{
        struct names l = {.s = s,
                          .allowed = PLAIN_VERDICTS,
                          .rule = event_rule,
                          .form = "the name of an event: no \"*\"",
                          .valid = event_valid};

        return read_names(&l, v, dst);
}

/* ---- requests ---- */

static const struct member request_rule[] = {
        {"method", read_method, offsetof(struct rule_request, method), false},
        {"path", read_path, offsetof(struct rule_request, path), false},
        {"query", read_word, offsetof(struct rule_request, query), false},
        {"without", read_word, offsetof(struct rule_request, without), false},
        {"navigation", read_flag, offsetof(struct rule_request, navigation), false},
        {"plain", read_flag, offsetof(struct rule_request, plain), false},
        {"verdict", read_verdict_plain, offsetof(struct rule_request, verdict), true},
};
static const struct member upgrade_rule[] = {
        {"path", read_path, offsetof(struct rule_request, path), false},
        {"query", read_word, offsetof(struct rule_request, query), false},
        {"without", read_word, offsetof(struct rule_request, without), false},
        {"verdict", read_verdict_upgrade, offsetof(struct rule_request, verdict), true},
};

static int request_check(struct parse *s, const struct rule_requests *before,
                         const struct rule_request *rule)
{
        if ((rule->navigation && rule->plain) ||
            (rule->without[0] && strstr(rule->query, rule->without)))
                return fail(s, "can never fire: its own conditions exclude each other");
        for (size_t i = 0; i < before->n; i++) {
                if (rules_request_covers(&before->items[i], rule))
                        return fail(s, "can never fire: entry %zu takes all of it", i);
        }
        return 0;
}

static int read_request_list(struct parse *s, const struct member *members, size_t n_members,
                             const cJSON *v, struct rule_requests *dst)
{
        size_t n = cJSON_IsArray(v) ? (size_t)cJSON_GetArraySize(v) : RULES_LIST_MAX + 1;
        struct rule_request *items;
        const cJSON *item;

        if (n > RULES_LIST_MAX)
                return fail(s, "must be a list of rules, %d at most", RULES_LIST_MAX);
        items = calloc(n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        dst->items = items;
        cJSON_ArrayForEach(item, v)
        {
                size_t where = strict_enter(&s->at, "[%zu]", dst->n);
                struct rule_request *rule = &items[dst->n];
                int r;

                *rule = (struct rule_request){.method = "", .path = "", .query = "", .without = ""};
                r = read_object(s, members, n_members, item, rule);
                if (r == 0)
                        r = request_check(s, dst, rule);
                if (r < 0)
                        return r;
                dst->n++;
                strict_leave(&s->at, where);
        }
        return 0;
}

static int read_requests(struct parse *s, const cJSON *v, void *dst)
{
        return read_request_list(s, request_rule, ARRAY_LEN(request_rule), v, dst);
}

static int read_upgrades(struct parse *s, const cJSON *v, void *dst)
{
        return read_request_list(s, upgrade_rule, ARRAY_LEN(upgrade_rule), v, dst);
}

/* ---- the whole ---- */

#define AT(member) offsetof(struct rules, member)

static const struct member editor_members[] = {
        {"query", read_word, AT(editor_query), true},
        {"job_key", read_word, AT(job_key), false},
        {"methods", read_methods, AT(methods), false},
        {"commands", read_commands, AT(commands), false},
};
static const struct member log_members[] = {
        {"path", read_plain_path, AT(log_path), true},
        {"field", read_word, AT(log_field), true},
        {"key", read_word, AT(log_key), true},
        {"refresh", read_word, AT(log_refresh), false},
        {"refresh_window", read_duration, AT(log_refresh_ms), false},
        {"events", read_events, AT(log_events), true},
};
static const struct member terminals_members[] = {
        {"app", read_words, AT(app_terminals), false},
};
static const struct member jobs_members[] = {
        {"ignore", read_words, AT(job_ignore), false},
        {"kernels", read_words, AT(job_kernels), false},
};

static int read_editor(struct parse *s, const cJSON *v, void *dst)
{
        return read_object(s, editor_members, ARRAY_LEN(editor_members), v, dst);
}

static int read_log(struct parse *s, const cJSON *v, void *dst)
{
        struct rules *rules = dst;
        int r = read_object(s, log_members, ARRAY_LEN(log_members), v, dst);
        enum rule_verdict verdict = RULE_VERDICT_MAX;

        if (r < 0)
                return r;
        if ((rules->log_refresh[0] != 0) != (rules->log_refresh_ms > 0))
                return fail(s, "\"refresh\" and \"refresh_window\" (more than 0) go together");
        if (rules->log_refresh[0] && (!rules_find(&rules->log_events, rules->log_refresh,
                                                  strlen(rules->log_refresh), "", 0, &verdict) ||
                                      verdict != RULE_MACHINE))
                return fail(s, "refresh: \"%s\" must be among the events, as \"machine\"",
                            rules->log_refresh);
        return 0;
}

static int read_terminals(struct parse *s, const cJSON *v, void *dst)
{
        return read_object(s, terminals_members, ARRAY_LEN(terminals_members), v, dst);
}

static int read_jobs(struct parse *s, const cJSON *v, void *dst)
{
        return read_object(s, jobs_members, ARRAY_LEN(jobs_members), v, dst);
}

static const struct member top_members[] = {
        {"editor", read_editor, 0, false},
        {"upgrades", read_upgrades, AT(upgrades), false},
        {"requests", read_requests, AT(requests), false},
        {"log", read_log, 0, false},
        {"terminals", read_terminals, 0, false},
        {"jobs", read_jobs, 0, false},
};

int rules_parse(const char *text, size_t len, char error[PROFILE_ERROR_MAX],
                struct rules_file **ret_file)
{
        struct rules_file *f = calloc(1, sizeof(*f));
        struct parse s = {.at = {.error = error}};
        int r;

        error[0] = 0;
        if (!f) {
                (void)fail(&s, "out of memory");
                return -ENOMEM;
        }
        f->rules = rules_empty;
        r = strict_read(&s.at, text, len, &f->json);
        if (r == 0)
                r = read_object(&s, top_members, ARRAY_LEN(top_members), f->json, &f->rules);
        if (r < 0) {
                if (r != -EINVAL)
                        (void)fail(&s, "out of memory");
                rules_free(f);
                return r;
        }
        *ret_file = f;
        return 0;
}

int rules_load(const char *path, char error[PROFILE_ERROR_MAX], struct rules_file **ret_file)
{
        AUTO_BUF text = BUF_INIT(PROFILE_SIZE_MAX);
        int r = file_read(path, &text);

        if (r < 0) {
                r = r == -ENOBUFS ? -EFBIG : r;
                (void)snprintf(error, PROFILE_ERROR_MAX, "cannot be read: %s", strerror(-r));
                return r;
        }
        return rules_parse((const char *)text.data, text.len, error, ret_file);
}

const struct rules *rules_of(const struct rules_file *f)
{
        return &f->rules;
}

struct rules_file *rules_free(struct rules_file *f)
{
        if (!f)
                return NULL;
        free((void *)(uintptr_t)f->rules.methods.items);
        free((void *)(uintptr_t)f->rules.commands.items);
        free((void *)(uintptr_t)f->rules.upgrades.items);
        free((void *)(uintptr_t)f->rules.requests.items);
        free((void *)(uintptr_t)f->rules.log_events.items);
        free((void *)(uintptr_t)f->rules.app_terminals.items);
        free((void *)(uintptr_t)f->rules.job_ignore.items);
        free((void *)(uintptr_t)f->rules.job_kernels.items);
        cJSON_Delete(f->json);
        free(f);
        return NULL;
}
