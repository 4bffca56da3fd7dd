#include "in/view.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "wire/json.h"

#define LABELS_MAX 16

static void text_freep(char **p)
{
        cJSON_free(*p);
}

static size_t utf8_length(const uint8_t *s, size_t room)
{
        uint32_t min, c;
        size_t n;

        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xc2 && s[0] <= 0xdf)
                n = 2, min = 0x80, c = s[0] & 0x1fu;
        else if ((s[0] & 0xf0) == 0xe0)
                n = 3, min = 0x800, c = s[0] & 0x0fu;
        else if (s[0] >= 0xf0 && s[0] <= 0xf4)
                n = 4, min = 0x10000, c = s[0] & 0x07u;
        else
                return 0;
        if (n > room)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3fu);
        }
        return c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static bool utf8_valid(const char *text, size_t len)
{
        for (size_t i = 0; i < len;) {
                size_t n = utf8_length((const uint8_t *)text + i, len - i);
                if (n == 0)
                        return false;
                i += n;
        }
        return true;
}

/*
 * One JSON object and nothing behind it. NUL is refused in both spellings: the JSON library would
 * cut the text there, and "alice\u0000x" would become alice.
 */
static cJSON *parse_object(const char *text, size_t len, struct view_error *ret_error)
{
        AUTO_JSON *json = NULL;
        const char *end = NULL;

        if (len == 0) {
                view_error_set(ret_error, VIEW_ERROR_BAD_JSON, "the body is empty");
                return NULL;
        }
        if (!utf8_valid(text, len)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_JSON, "the body is not valid UTF-8");
                return NULL;
        }
        if (memchr(text, 0, len) || memmem(text, len, "\\u0000", 6)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_JSON, "a NUL character is not allowed");
                return NULL;
        }
        json = cJSON_ParseWithLengthOpts(text, len, &end, 0);
        if (!json) {
                size_t at = end && end >= text ? (size_t)(end - text) : 0;
                view_error_set(ret_error, VIEW_ERROR_BAD_JSON, "not valid JSON near byte %zu",
                               MIN(at, len));
                return NULL;
        }
        while (end < text + len && strchr(" \t\r\n", *end))
                end++;
        if (end < text + len) {
                view_error_set(ret_error, VIEW_ERROR_BAD_JSON, "text behind the JSON at byte %zu",
                               (size_t)(end - text));
                return NULL;
        }
        if (!cJSON_IsObject(json)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_JSON, "the JSON is not an object");
                return NULL;
        }
        return STEAL(json, NULL);
}

static void say_name_rule(struct view_error *e, const char *field, const char *value, size_t max)
{
        size_t len = strlen(value), at = 0;
        char one[4] = "";

        if (len == 0) {
                view_error_set(e, VIEW_ERROR_BAD_FIELD, "%s: must not be empty", field);
                return;
        }
        if (len > max) {
                view_error_set(e, VIEW_ERROR_BAD_FIELD,
                               "%s: is %zu characters long, at most %zu are allowed", field, len,
                               max);
                return;
        }
        /* Find the first character that makes it invalid, by the one rule itself. */
        for (; at < len; at++) {
                char c[3] = {'a', value[at], 0};
                if (!name_valid(at == 0 ? c + 1 : c, 2))
                        break;
        }
        (void)snprintf(one, sizeof(one), "'%c'", at < len ? value[at] : '?');
        view_error_set(e, VIEW_ERROR_BAD_FIELD,
                       "%s: %s is not allowed at position %zu; allowed are A-Z a-z 0-9 . _ @ + "
                       ": - and no . or - in front",
                       field,
                       value[at] == ' '                      ? "a space"
                       : value[at] > ' ' && value[at] < 0x7f ? one
                                                             : "what stands there",
                       at + 1);
}

/* A name into `dst`; `fallback` NULL: it must be there. */
static int take_name(const cJSON *obj, const char *field, const char *fallback, char *dst,
                     size_t size, struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, field);

        if (!item && fallback)
                return str_copy(dst, size, fallback);
        if (!item) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD, "%s: is missing", field);
                return 1;
        }
        if (!cJSON_IsString(item)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD, "%s: must be a string", field);
                return 1;
        }
        if (!name_valid(item->valuestring, size - 1)) {
                say_name_rule(ret_error, field, item->valuestring, size - 1);
                return 1;
        }
        return str_copy(dst, size, item->valuestring);
}

static int take_labels(const cJSON *obj, char *dst, size_t size, struct view_error *ret_error)
{
        const cJSON *labels = cJSON_GetObjectItemCaseSensitive(obj, "labels"), *item;
        CLEANUP(text_freep) char *text = NULL;

        if (!labels)
                return str_copy(dst, size, "{}");
        if (!cJSON_IsObject(labels)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD, "labels: must be an object");
                return 1;
        }
        if (cJSON_GetArraySize(labels) > LABELS_MAX) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD, "labels: at most %d are allowed",
                               LABELS_MAX);
                return 1;
        }
        cJSON_ArrayForEach(item, labels)
        {
                if (!cJSON_IsString(item) && !cJSON_IsNumber(item) && !cJSON_IsBool(item)) {
                        view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                                       "labels: each value must be a string, a number or a "
                                       "boolean");
                        return 1;
                }
        }
        text = cJSON_PrintUnformatted(labels);
        if (!text || str_copy(dst, size, text) < 0) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "labels: longer than %zu bytes as JSON", size - 1);
                return 1;
        }
        return 0;
}

static int launch_from(const cJSON *obj, struct view_launch *ret_launch,
                       struct view_error *ret_error)
{
        struct view_launch l = {0};
        int r;

        r = take_name(obj, "user_id", NULL, l.key.user_id, sizeof(l.key.user_id), ret_error);
        if (r == 0)
                r = take_name(obj, "workspace_type", NULL, l.key.type, sizeof(l.key.type),
                              ret_error);
        if (r == 0)
                r = take_name(obj, "name", "default", l.key.name, sizeof(l.key.name), ret_error);
        if (r == 0)
                r = take_name(obj, "tenant", "default", l.key.tenant, sizeof(l.key.tenant),
                              ret_error);
        if (r == 0)
                r = take_labels(obj, l.labels, sizeof(l.labels), ret_error);
        if (r != 0)
                return r;
        workspace_id(&l.key, l.id);
        *ret_launch = l;
        return 0;
}

void view_course(const char *labels, char ret_course[static CORE_NAME_SIZE])
{
        AUTO_JSON *o = labels[0] ? cJSON_Parse(labels) : NULL;
        const char *course = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "course"));

        ret_course[0] = 0;
        if (course && name_valid(course, CORE_NAME_SIZE - 1))
                str_copy_cut(ret_course, CORE_NAME_SIZE, course);
}

int view_launch_parse(const char *text, size_t len, struct view_launch *ret_launch,
                      struct view_error *ret_error)
{
        AUTO_JSON *obj = parse_object(text, len, ret_error);

        return obj ? launch_from(obj, ret_launch, ret_error) : 1;
}

/* A platform's number of a person is a name as well. */
static void name_number(cJSON *obj, const char *field)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, field);
        double v = cJSON_IsNumber(item) ? item->valuedouble : -1;
        char text[24];

        if (!(v >= 0 && v <= 9007199254740992.0) || (double)(uint64_t)v != v)
                return;
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
        cJSON_ReplaceItemInObjectCaseSensitive(obj, field, cJSON_CreateString(text));
}

static int take_arn(const cJSON *obj, char *dst, size_t size, struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, "task_arn");

        if (cJSON_IsString(item) && item->valuestring[0] &&
            str_copy(dst, size, item->valuestring) == 0)
                return 0;
        view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                       "task_arn: must be a text of 1 to %zu bytes", size - 1);
        return 1;
}

int view_action_parse(const char *text, size_t len, struct view_action *ret_action,
                      struct view_error *ret_error)
{
        AUTO_JSON *obj = parse_object(text, len, ret_error);
        struct view_action a = {0};
        char action[24];
        int r;

        if (!obj)
                return 1;
        r = take_name(obj, "action", NULL, action, sizeof(action), ret_error);
        if (r != 0)
                return r;
        if (strcmp(action, "launch") == 0) {
                a.kind = VIEW_ACTION_LAUNCH;
                name_number(obj, "user_id");
                r = launch_from(obj, &a.launch, ret_error);
        } else if (strcmp(action, "monitor") == 0) {
                a.kind = VIEW_ACTION_MONITOR;
        } else if (strcmp(action, "terminate") == 0) {
                a.kind = VIEW_ACTION_TERMINATE;
                r = take_arn(obj, a.task_arn, sizeof(a.task_arn), ret_error);
        } else {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "action: is none of launch, monitor, terminate");
                r = 1;
        }
        if (r == 0)
                *ret_action = a;
        return r;
}

/* A bool into *ret_value, which stays as it is when the field is absent. */
static int take_bool(const cJSON *obj, const char *field, bool *ret_value,
                     struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, field);

        if (!item)
                return 0;
        if (!cJSON_IsBool(item)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD, "%s: must be true or false", field);
                return 1;
        }
        *ret_value = cJSON_IsTrue(item);
        return 0;
}

static size_t utf8_count(const char *text)
{
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char)*text & 0xc0) != 0x80;
        return n;
}

/* As many whole characters as there is room for. */
static void copy_cut_utf8(char *dst, size_t size, const char *text)
{
        size_t len = strnlen(text, size - 1);

        while (len > 0 && text[len] && ((unsigned char)text[len] & 0xc0) == 0x80)
                len--;
        memcpy(dst, text, len);
        dst[len] = 0;
}

/*
 * Why an operator does something: a line for people, counted in characters; of one that has many
 * of several bytes the end may be missing.
 */
static int take_reason(const cJSON *obj, bool needed, char *dst, size_t size,
                       struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, "reason");
        const char *text = cJSON_IsString(item) ? item->valuestring : NULL;

        if (!item && !needed)
                return 0;
        if (!text || !*text || utf8_count(text) > size - 1) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "reason: must be a text of 1 to %zu characters", size - 1);
                return 1;
        }
        copy_cut_utf8(dst, size, text);
        for (; *text; text++) {
                if ((unsigned char)*text >= ' ' && *text != 0x7f)
                        continue;
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "reason: control characters are not allowed");
                return 1;
        }
        return 0;
}

static int mode_from(const cJSON *obj, const char *mode, struct view_mode *ret_mode,
                     struct view_error *ret_error)
{
        struct view_mode m = {.on = true};
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(obj, "workspace_type");
        int r = 0;

        if (!core_mode_parse(mode, &m.mode)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "mode: is none of pause, maintenance, drain");
                return 1;
        }
        if (type && !cJSON_IsNull(type))
                r = take_name(obj, "workspace_type", NULL, m.type, sizeof(m.type), ret_error);
        if (r == 0)
                r = take_bool(obj, "on", &m.on, ret_error);
        if (r == 0)
                r = take_bool(obj, "hard", &m.hard, ret_error);
        if (r == 0)
                r = take_reason(obj, m.on, m.reason, sizeof(m.reason), ret_error);
        if (r == 0)
                *ret_mode = m;
        return r;
}

int view_mode_parse(const char *mode, const char *text, size_t len, struct view_mode *ret_mode,
                    struct view_error *ret_error)
{
        AUTO_JSON *obj = parse_object(text, len, ret_error);

        return obj ? mode_from(obj, mode, ret_mode, ret_error) : 1;
}

int view_reason_parse(const char *text, size_t len, char ret_reason[static CORE_REASON_SIZE],
                      struct view_error *ret_error)
{
        AUTO_JSON *obj = parse_object(text, len, ret_error);

        return obj ? take_reason(obj, true, ret_reason, CORE_REASON_SIZE, ret_error) : 1;
}

/* A whole number up to `max`; absent leaves *ret_value alone and returns 0 as well. */
static int take_count(const cJSON *obj, const char *field, uint64_t max, uint64_t *ret_value,
                      bool *ret_given, struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, field);
        double v;

        if (!item)
                return 0;
        v = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(v >= 0 && v <= (double)max) || (double)(uint64_t)v != v) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "%s: must be a whole number from 0 to %llu", field,
                               (unsigned long long)max);
                return 1;
        }
        *ret_value = (uint64_t)v;
        *ret_given = true;
        return 0;
}

int view_pool_parse(const char *type, const char *text, size_t len, struct view_pool_size *ret_pool,
                    struct view_error *ret_error)
{
        AUTO_JSON *obj = parse_object(text, len, ret_error);
        const cJSON *size = cJSON_GetObjectItemCaseSensitive(obj, "size");
        struct view_pool_size p = {.set = !cJSON_IsNull(size)};
        bool given = false;
        uint64_t n = 0;
        int r;

        if (!obj)
                return 1;
        if (STR_SET(p.type, type) < 0 || !name_valid(type, sizeof(p.type) - 1)) {
                view_error_set(ret_error, VIEW_ERROR_UNKNOWN_TYPE,
                               "workspace_type: there is no type \"%.64s\"", type);
                return 1;
        }
        r = p.set ? take_count(obj, "size", VIEW_POOL_SIZE_MAX, &n, &given, ret_error) : 0;
        if (r == 0 && p.set && !given) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "size: is missing; give a number, or null for what the policy says");
                r = 1;
        }
        if (r == 0)
                r = take_reason(obj, p.set, p.reason, sizeof(p.reason), ret_error);
        p.size = (uint32_t)n;
        if (r == 0)
                *ret_pool = p;
        return r;
}

static int take_prefix(const cJSON *obj, char *dst, size_t size, struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, "workspace");

        if (!item)
                return 0;
        if (!cJSON_IsString(item)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD, "workspace: must be a string");
                return 1;
        }
        if (!name_valid(item->valuestring, WORKSPACE_ID_LEN)) {
                say_name_rule(ret_error, "workspace", item->valuestring, WORKSPACE_ID_LEN);
                return 1;
        }
        return str_copy(dst, size, item->valuestring);
}

static const char *text_of(const cJSON *obj, const char *field)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(obj, field));

        return text ? text : "";
}

static int take_at(const cJSON *obj, bool needed, struct stored_at *ret_at,
                   struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, "at");
        const char *text = text_of(obj, "at");

        if ((item ? text[0] != 0 : !needed) && stored_at_parse(text, ret_at))
                return 0;
        view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                       "at: %s%.40s; name a save, such as 3-7, or a time in UTC, such as "
                       "2026-01-31 14:00",
                       item ? "is neither a save nor a time: " : "is missing", text);
        return 1;
}

int view_at_parse(const char *text, size_t len, bool needed, struct stored_at *ret_at,
                  struct view_error *ret_error)
{
        AUTO_JSON *obj = parse_object(text, len, ret_error);

        return obj ? take_at(obj, needed, ret_at, ret_error) : 1;
}

/* "text", "check", "if_match" of a timetable. */
static int timetable_from(const cJSON *obj, struct view_command *c, struct view_error *ret_error)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, "text");
        int r = take_bool(obj, "check", &c->check, ret_error);

        if (r != 0)
                return r;
        if (item && !cJSON_IsString(item)) {
                view_error_set(ret_error, VIEW_ERROR_BAD_FIELD,
                               "text: must be a string, the whole timetable; \"\" clears it");
                return 1;
        }
        STR_CUT(c->if_match, text_of(obj, "if_match"));
        c->text = item ? strdup(item->valuestring) : NULL;
        return 0;
}

static bool names_save(const char *cmd)
{
        return strcmp(cmd, "restore") == 0 || strcmp(cmd, "export") == 0 ||
               strcmp(cmd, "pin") == 0 || strcmp(cmd, "unpin") == 0;
}

int view_command_parse(const char *text, size_t len, struct view_command *ret_command,
                       struct view_error *ret_error)
{
        AUTO_JSON *obj = parse_object(text, len, ret_error);
        struct view_command c = {0};
        bool has_wait = false;
        int r;

        if (!obj)
                return 1;
        r = take_name(obj, "cmd", NULL, c.cmd, sizeof(c.cmd), ret_error);
        if (r == 0)
                r = take_prefix(obj, c.workspace, sizeof(c.workspace), ret_error);
        /* 2^53: the largest whole number that JSON carries exactly. */
        if (r == 0)
                r = take_count(obj, "after", UINT64_C(1) << 53, &c.after, &c.has_after, ret_error);
        if (r == 0)
                r = take_count(obj, "wait_ms", VIEW_WAIT_MS_MAX, &c.wait_ms, &has_wait, ret_error);
        if (r == 0 && strcmp(c.cmd, "launch") == 0 && !c.workspace[0])
                r = launch_from(obj, &c.launch, ret_error);
        if (r == 0 && strcmp(c.cmd, "mode") == 0)
                r = mode_from(obj, text_of(obj, "mode"), &c.mode, ret_error);
        if (r == 0 && strcmp(c.cmd, "abandon") == 0)
                r = take_reason(obj, true, c.reason, sizeof(c.reason), ret_error);
        if (r == 0 && names_save(c.cmd))
                r = take_at(obj, strcmp(c.cmd, "export") != 0, &c.at, ret_error);
        if (r == 0 && strcmp(c.cmd, "timetable") == 0)
                r = timetable_from(obj, &c, ret_error);
        if (r != 0)
                return r;
        *ret_command = c;
        return 0;
}
