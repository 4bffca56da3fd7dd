/*
 * The form of a profile: one table row for each key, with its type, its place and its limits.
 * Unknown keys, wrong types and values out of range are errors that name the key.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/num.h"
#include "base/str.h"
#include "profile/profile.h"
#include "profile/record.h"
#include "profile/rules_parse.h"
#include "profile/strict.h"

enum kind {
        KIND_SECTION,   /* an object with rows of its own */
        KIND_NAME,      /* char[65] */
        KIND_TEXT,      /* char *, not empty */
        KIND_URL_PATH,  /* char[PROFILE_PATH_MAX], "/..." */
        KIND_FILE_NAME, /* char[65], beside the profile */
        KIND_COUNT,     /* uint32_t */
        KIND_DURATION,  /* int64_t ms, "20s" */
        KIND_STRINGS,   /* struct profile_list, not empty strings */
        KIND_FOLDERS,   /* struct profile_list, absolute or from a variable */
        KIND_PATTERNS,  /* struct profile_list, paths below home */
        KIND_ENV,       /* struct profile_pairs, NAME -> text */
        KIND_FILES,     /* struct profile_pairs, path below home -> text, or JSON written as text */
};

struct row {
        const char *section; /* "" at the top */
        const char *key;
        enum kind kind;
        size_t offset;
        bool required;
        size_t max; /* entries, or milliseconds */
};

#define AT(member) offsetof(struct profile, member)
#define HOUR_MS (60 * 60 * 1000)
#define PATTERNS_MAX 256

static const struct row rows[] = {
        {"", "name", KIND_NAME, AT(name), true, 64},
        {"", "app", KIND_SECTION, 0, true, 0},
        {"", "health", KIND_SECTION, 0, true, 0},
        {"", "prime", KIND_SECTION, 0, false, 0},
        {"", "save", KIND_SECTION, 0, false, 0},
        {"", "watch", KIND_SECTION, 0, false, 0},
        {"", "limits", KIND_SECTION, 0, false, 0},
        {"", "presence", KIND_FILE_NAME, AT(presence_name), false, 0},
        {"", "save_after", KIND_DURATION, AT(save_after_ms), false, HOUR_MS},
        {"", "stop_grace", KIND_DURATION, AT(stop_grace_ms), false, HOUR_MS},
        {"", "kill_grace", KIND_DURATION, AT(kill_grace_ms), false, HOUR_MS},
        {"app", "argv", KIND_STRINGS, AT(argv), true, RECORD_ARGV_MAX},
        {"app", "ahead", KIND_STRINGS, AT(ahead), false, RECORD_ARGV_MAX},
        {"app", "env", KIND_ENV, AT(env), false, RECORD_ENV_MAX},
        {"app", "path", KIND_TEXT, AT(path), false, 0},
        {"app", "defaults", KIND_FILES, AT(defaults), false, RECORD_FILES_MAX},
        {"app", "write", KIND_FOLDERS, AT(write), false, RECORD_WRITE_MAX},
        {"limits", "processes", KIND_COUNT, AT(processes), false, 1000000},
        {"limits", "files", KIND_COUNT, AT(files), false, 1000000},
        {"health", "path", KIND_URL_PATH, AT(health_path), true, 0},
        {"prime", "path", KIND_URL_PATH, AT(prime_path), true, 0},
        {"save", "include", KIND_PATTERNS, AT(save_include), false, PATTERNS_MAX},
        {"save", "exclude", KIND_PATTERNS, AT(save_exclude), false, PATTERNS_MAX},
        {"save", "later", KIND_PATTERNS, AT(save_later), false, PATTERNS_MAX},
        {"watch", "exclude", KIND_PATTERNS, AT(watch_exclude), false, PATTERNS_MAX},
};

struct parse {
        struct profile *p;
        struct strict at;
};

#define fail(s, ...) strict_fail(&(s)->at, __VA_ARGS__)

static const char *text_of(const cJSON *v)
{
        return cJSON_IsString(v) && v->valuestring[0] ? v->valuestring : NULL;
}

/* A path below home: no way out of it, and one spelling only. */
static bool path_inside(const char *path)
{
        if (strcmp(path, ".") == 0)
                return true;
        for (const char *part = path;; part++) {
                size_t len = strcspn(part, "/");

                if (len == 0 || (len == 1 && part[0] == '.') ||
                    (len == 2 && part[0] == '.' && part[1] == '.'))
                        return false;
                part += len;
                if (!*part)
                        return strlen(path) < PROFILE_PATH_MAX;
        }
}

static int parse_path(struct parse *s, const char *text, char **ret_copy)
{
        if (!text || !path_inside(text))
                return fail(s,
                            "must be a path below the home folder: not empty, no \"/\" at either "
                            "end, no \"..\", shorter than %d bytes",
                            PROFILE_PATH_MAX);
        *ret_copy = strdup(text);
        return *ret_copy ? 0 : -ENOMEM;
}

static bool path_absolute(const char *text)
{
        return text && (text[0] == '/' || str_starts(text, "${")) && !strstr(text, "..");
}

static int parse_list(struct parse *s, const struct row *row, const cJSON *v,
                      struct profile_list *dst)
{
        const cJSON *item;

        if (!cJSON_IsArray(v) || (size_t)cJSON_GetArraySize(v) > row->max ||
            (row->required && cJSON_GetArraySize(v) == 0))
                return fail(s, "must be a list of %s, %zu at most%s",
                            row->kind == KIND_PATTERNS ? "paths" : "texts", row->max,
                            row->required ? ", one at least" : "");
        dst->items = calloc((size_t)cJSON_GetArraySize(v) + 1, sizeof(*dst->items));
        if (!dst->items)
                return -ENOMEM;
        cJSON_ArrayForEach(item, v)
        {
                size_t where = strict_enter(&s->at, "[%zu]", dst->n);
                char *copy = NULL;
                int r = 0;

                if (row->kind == KIND_PATTERNS)
                        r = parse_path(s, text_of(item), &copy);
                else if (row->kind == KIND_FOLDERS && !path_absolute(text_of(item)))
                        r = fail(s, "must be absolute, or begin with a variable such as "
                                    "${RUN_DIR}");
                else if (!text_of(item))
                        r = fail(s, "must be a text that is not empty");
                else if (!(copy = strdup(text_of(item))))
                        r = -ENOMEM;
                if (r < 0)
                        return r;
                dst->items[dst->n++] = copy;
                strict_leave(&s->at, where);
        }
        return 0;
}

static bool env_name_valid(const char *name)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
        static const char more[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

        return name[0] && strchr(letters, name[0]) && name[strspn(name, more)] == 0;
}

static int pair_parse(struct parse *s, enum kind kind, const cJSON *v, struct profile_pair *pair)
{
        if (kind == KIND_ENV) {
                if (!env_name_valid(v->string))
                        return fail(s, "is not a name for a variable: letters, digits and _");
                if (!cJSON_IsString(v))
                        return fail(s, "must be a text");
        }
        if (kind == KIND_ENV) {
                pair->key = strdup(v->string);
        } else {
                int r = parse_path(s, v->string, &pair->key);
                if (r < 0)
                        return r;
        }
        pair->value = cJSON_IsString(v) ? strdup(v->valuestring) : cJSON_Print(v);
        return pair->key && pair->value ? 0 : -ENOMEM;
}

static int parse_pairs(struct parse *s, const struct row *row, const cJSON *v,
                       struct profile_pairs *dst)
{
        const cJSON *item;

        if (!cJSON_IsObject(v) || (size_t)cJSON_GetArraySize(v) > row->max)
                return fail(s, "must be an object with %zu entries at most", row->max);
        dst->items = calloc((size_t)cJSON_GetArraySize(v) + 1, sizeof(*dst->items));
        if (!dst->items)
                return -ENOMEM;
        cJSON_ArrayForEach(item, v)
        {
                size_t where = strict_enter(&s->at, ".%s", item->string);
                int r = pair_parse(s, row->kind, item, &dst->items[dst->n++]);

                if (r < 0)
                        return r;
                strict_leave(&s->at, where);
        }
        return 0;
}

static int parse_duration(struct parse *s, const struct row *row, const cJSON *v, int64_t *dst)
{
        int64_t ms;

        if (!cJSON_IsString(v) || num_parse_duration_ms(v->valuestring, &ms) < 0 ||
            ms > (int64_t)row->max)
                return fail(s, "must be a duration such as \"20s\" or \"1500ms\", 1 h at most");
        *dst = ms;
        return 0;
}

static int parse_count(struct parse *s, const struct row *row, const cJSON *v, uint32_t *dst)
{
        if (!cJSON_IsNumber(v) || v->valuedouble < 0 || v->valuedouble > (double)row->max ||
            v->valuedouble != (double)(uint32_t)v->valuedouble)
                return fail(s, "must be a whole number from 0 (no limit) to %zu", row->max);
        *dst = (uint32_t)v->valuedouble;
        return 0;
}

static int parse_name(struct parse *s, const cJSON *v, char *dst)
{
        if (!cJSON_IsString(v) || !name_valid(v->valuestring, 64))
                return fail(s, "must be a name: 1 to 64 of A-Z a-z 0-9 . _ @ + : -");
        return str_copy(dst, 65, v->valuestring);
}

static int parse_url_path(struct parse *s, const cJSON *v, char *dst)
{
        const char *text = text_of(v);
        bool plain = text != NULL;

        for (const char *c = text; plain && *c; c++)
                plain = *c > ' ' && *c < 0x7f && *c != '#';
        if (!plain || text[0] != '/' || str_copy(dst, PROFILE_PATH_MAX, text) < 0)
                return fail(s, "must be a path of a URL such as \"/healthz\", without spaces");
        return 0;
}

static int parse_section(struct parse *s, const char *section, const cJSON *v);

static int parse_value(struct parse *s, const struct row *row, const cJSON *v)
{
        void *dst = (char *)s->p + row->offset;

        switch (row->kind) {
        case KIND_SECTION:
                return parse_section(s, row->key, v);
        case KIND_NAME:
                return parse_name(s, v, dst);
        case KIND_TEXT:
                if (!text_of(v))
                        return fail(s, "must be a text that is not empty");
                free(*(char **)dst);
                *(char **)dst = strdup(text_of(v));
                return *(char **)dst ? 0 : -ENOMEM;
        case KIND_URL_PATH:
                return parse_url_path(s, v, dst);
        case KIND_FILE_NAME:
                if (!cJSON_IsString(v) || !name_valid(v->valuestring, 64))
                        return fail(s, "must be the name of a file beside this one, no path");
                return str_copy(dst, sizeof(s->p->presence_name), v->valuestring);
        case KIND_DURATION:
                return parse_duration(s, row, v, dst);
        case KIND_COUNT:
                return parse_count(s, row, v, dst);
        case KIND_STRINGS:
        case KIND_FOLDERS:
        case KIND_PATTERNS:
                return parse_list(s, row, v, dst);
        case KIND_ENV:
        case KIND_FILES:
                return parse_pairs(s, row, v, dst);
        }
        return -EINVAL;
}

static const struct row *row_find(const char *section, const char *key)
{
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (strcmp(rows[i].section, section) == 0 && strcmp(rows[i].key, key) == 0)
                        return &rows[i];
        }
        return NULL;
}

static int fail_unknown(struct parse *s, const char *section)
{
        char allowed[PROFILE_ERROR_MAX / 2] = "";
        size_t len = 0;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (strcmp(rows[i].section, section) == 0 && len < sizeof(allowed))
                        len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, " %s",
                                                rows[i].key);
        }
        return fail(s, "unknown key; known here:%s", allowed);
}

static int check_required(struct parse *s, const char *section, const cJSON *v)
{
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (strcmp(rows[i].section, section) == 0 && rows[i].required &&
                    !cJSON_GetObjectItemCaseSensitive(v, rows[i].key))
                        return fail(s, "the key \"%s\" is missing", rows[i].key);
        }
        return 0;
}

static int parse_section(struct parse *s, const char *section, const cJSON *v)
{
        const char *dot = s->at.where[0] ? "." : "";
        const cJSON *item;

        if (!cJSON_IsObject(v))
                return fail(s, "must be an object");
        cJSON_ArrayForEach(item, v)
        {
                const struct row *row = row_find(section, item->string);
                size_t where = strict_enter(&s->at, "%s%s", dot, item->string);
                int r;

                if (!row)
                        return fail_unknown(s, section);
                if (cJSON_GetObjectItemCaseSensitive(v, item->string) != item)
                        return fail(s, "stands here twice");
                r = parse_value(s, row, item);
                if (r < 0)
                        return r;
                strict_leave(&s->at, where);
        }
        return check_required(s, section, v);
}

static int defaults_set(struct profile *p)
{
        p->presence = &rules_empty;
        p->save_after_ms = 20 * 1000;
        p->stop_grace_ms = 20 * 1000;
        p->kill_grace_ms = 5 * 1000;
        p->processes = 4096;
        p->path = strdup("/usr/local/bin:/usr/bin:/bin");
        return p->path ? 0 : -ENOMEM;
}

static int include_default(struct profile *p)
{
        if (p->save_include.items)
                return 0;
        p->save_include.items = calloc(1, sizeof(char *));
        if (!p->save_include.items || !(p->save_include.items[0] = strdup(".")))
                return -ENOMEM;
        p->save_include.n = 1;
        return 0;
}

int profile_parse(const char *text, size_t len, char error[PROFILE_ERROR_MAX],
                  struct profile **ret_profile)
{
        AUTO_PROFILE p = calloc(1, sizeof(*p));
        struct parse s = {.p = p, .at = {.error = error}};
        cJSON *json;
        int r;

        if (!p)
                return -ENOMEM;
        r = strict_read(&s.at, text, len, &json);
        if (r < 0)
                return r;
        r = defaults_set(p);
        if (r == 0)
                r = parse_section(&s, "", json);
        cJSON_Delete(json);
        if (r == 0)
                r = include_default(p);
        if (r < 0)
                return r;
        *ret_profile = STEAL(p, NULL);
        return 0;
}
