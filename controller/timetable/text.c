#include "timetable/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "wire/json.h"

#define STUDENTS_MAX 100000

static int wrong(char *dst, int i, const char *field, const char *fmt, ...) PRINTF_LIKE(4, 5);

static int wrong(char *dst, int i, const char *field, const char *fmt, ...)
{
        va_list ap;
        int n = snprintf(dst, TIMETABLE_ERROR_SIZE, "classes[%d].%s: ", i, field);

        va_start(ap, fmt);
        (void)vsnprintf(dst + n, TIMETABLE_ERROR_SIZE - (size_t)n, fmt, ap);
        va_end(ap);
        return -EINVAL;
}

static int digits(const char **p, int n)
{
        int v = 0;

        for (; n > 0; n--, (*p)++) {
                if (**p < '0' || **p > '9')
                        return -1;
                v = v * 10 + **p - '0';
        }
        return v;
}

static bool sign(const char **p, char c)
{
        return *(*p) == c && (*p)++;
}

/* "Z" or "+02:00", in seconds */
static bool zone_of(const char **p, int *ret_s)
{
        int direction = **p == '-' ? -1 : 1;
        int h, m;

        *ret_s = 0;
        if (sign(p, 'Z'))
                return true;
        if (!sign(p, '+') && !sign(p, '-'))
                return false;
        h = digits(p, 2);
        m = h >= 0 && sign(p, ':') ? digits(p, 2) : -1;
        *ret_s = direction * (h * 3600 + m * 60);
        return h >= 0 && h <= 14 && m >= 0 && m <= 59;
}

/* "2026-09-01T10:00:00+02:00", the seconds may be left out */
static bool parse_time(const char *p, utc_t *ret_at)
{
        struct tm tm = {0}, again;
        int zone_s;
        time_t t;

        tm.tm_year = digits(&p, 4) - 1900;
        tm.tm_mon = sign(&p, '-') ? digits(&p, 2) - 1 : -1;
        tm.tm_mday = sign(&p, '-') ? digits(&p, 2) : -1;
        tm.tm_hour = sign(&p, 'T') ? digits(&p, 2) : -1;
        tm.tm_min = sign(&p, ':') ? digits(&p, 2) : -1;
        if (sign(&p, ':'))
                tm.tm_sec = digits(&p, 2);
        if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_hour < 0 ||
            tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 59 ||
            !zone_of(&p, &zone_s) || *p)
                return false;
        again = tm;
        t = timegm(&again);
        if (again.tm_mday != tm.tm_mday || again.tm_mon != tm.tm_mon)
                return false;
        *ret_at = (utc_t){((int64_t)t - zone_s) * US_PER_S};
        return true;
}

static int take_name(const cJSON *o, int i, const char *field, char *dst, size_t size, char *error)
{
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, field);

        if (!cJSON_IsString(v) || !name_valid(v->valuestring, size - 1))
                return wrong(
                        error, i, field,
                        "it is missing or not a name; give 1 to %zu of A-Z a-z 0-9 . _ @ + : -",
                        size - 1);
        return str_copy(dst, size, v->valuestring);
}

static int known_fields(const cJSON *o, int i, char *error)
{
        static const char *const fields[] = {"id", "course", "workspace_type", "start", "students"};
        const cJSON *v;

        if (!cJSON_IsObject(o))
                return wrong(error, i, "*", "it is not an object; give {\"id\":…}");
        cJSON_ArrayForEach(v, o)
        {
                size_t k = 0;

                while (k < ARRAY_LEN(fields) && strcmp(fields[k], v->string) != 0)
                        k++;
                if (k == ARRAY_LEN(fields))
                        return wrong(error, i, v->string,
                                     "no such field; give id, course, workspace_type, start and "
                                     "students");
        }
        return 0;
}

static int parse_class(const cJSON *o, int i, const struct core_config *config, char *error,
                       struct timetable_class *k)
{
        const cJSON *start = cJSON_GetObjectItemCaseSensitive(o, "start");
        const cJSON *students = cJSON_GetObjectItemCaseSensitive(o, "students");
        char why[TIMETABLE_ERROR_SIZE];
        int r = known_fields(o, i, error);

        if (r == 0)
                r = take_name(o, i, "id", k->id, sizeof(k->id), error);
        if (r == 0)
                r = take_name(o, i, "course", k->course, sizeof(k->course), error);
        if (r == 0)
                r = take_name(o, i, "workspace_type", k->type, sizeof(k->type), error);
        if (r < 0)
                return r;
        if (!timetable_type(config, k->type, why, sizeof(why)))
                return wrong(error, i, "workspace_type", "%.200s", why);
        if (!cJSON_IsString(start) || !parse_time(start->valuestring, &k->start))
                return wrong(error, i, "start",
                             "it is missing or not a time; give one such as "
                             "2026-09-01T10:00:00+02:00");
        if (!cJSON_IsNumber(students) || !(students->valuedouble >= 1) ||
            students->valuedouble > STUDENTS_MAX ||
            floor(students->valuedouble) < students->valuedouble)
                return wrong(error, i, "students", "give a whole number from 1 to %d",
                             STUDENTS_MAX);
        k->students = (uint32_t)students->valuedouble;
        return 0;
}

bool timetable_type(const struct core_config *config, const char *name, char *ret_why, size_t size)
{
        uint32_t i = 0;

        while (config && i < config->n_types && strcmp(config->types[i].name, name) != 0)
                i++;
        if (!config || (i < config->n_types && config->types[i].sizing.forecast))
                return true;
        (void)snprintf(
                ret_why, size,
                "\"%s\" is no type with pool_policy = forecast; set it, or name another type",
                name);
        return false;
}

int timetable_compare(const void *a, const void *b)
{
        return strcmp(((const struct timetable_class *)a)->id,
                      ((const struct timetable_class *)b)->id);
}

static int parse_list(const cJSON *list, const struct core_config *config, char *error,
                      struct timetable_class *classes)
{
        const cJSON *o;
        int i = 0;
        int r = 0;

        cJSON_ArrayForEach(o, list)
        {
                r = parse_class(o, i, config, error, &classes[i]);
                if (r < 0)
                        return r;
                i++;
        }
        return 0;
}

static int parse_json(const char *text, size_t len, const struct core_config *config, char *error,
                      struct timetable_text *ret_text)
{
        const char *end = text;
        AUTO_JSON *o = cJSON_ParseWithLengthOpts(text, len, &end, false);
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "classes");
        int n, r;

        while (o && end < text + len && strchr(" \t\r\n", *end) && *end)
                end++;
        if (!o || end < text + len) {
                (void)snprintf(error, TIMETABLE_ERROR_SIZE,
                               "it is not JSON at byte %zu, and no calendar; correct it there",
                               (size_t)(end - text));
                return -EINVAL;
        }
        n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;
        if (n < 0 || n > TIMETABLE_CLASSES_MAX || cJSON_GetArraySize(o) != 1) {
                (void)snprintf(error, TIMETABLE_ERROR_SIZE,
                               "give one object {\"classes\":[…]} with at most %d classes",
                               TIMETABLE_CLASSES_MAX);
                return -EINVAL;
        }
        ret_text->classes = calloc((size_t)n + 1, sizeof(*ret_text->classes));
        if (!ret_text->classes)
                return -ENOMEM;
        ret_text->n = (size_t)n;
        r = parse_list(list, config, error, ret_text->classes);
        return r;
}

static int sort(struct timetable_text *t, char *error)
{
        if (t->n > 0)
                qsort(t->classes, t->n, sizeof(*t->classes), timetable_compare);
        for (size_t i = 1; i < t->n; i++) {
                if (strcmp(t->classes[i - 1].id, t->classes[i].id) != 0)
                        continue;
                (void)snprintf(error, TIMETABLE_ERROR_SIZE,
                               "classes: the id \"%s\" is there twice; give each class of each day "
                               "its own",
                               t->classes[i].id);
                return -EINVAL;
        }
        return 0;
}

static bool is_calendar(const char *text, size_t len)
{
        static const char begin[] = "BEGIN:VCALENDAR";
        size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

        while (at < len && strchr(" \t\r\n", text[at]) && text[at])
                at++;
        return len - at >= sizeof(begin) - 1 &&
               strncasecmp(text + at, begin, sizeof(begin) - 1) == 0;
}

int timetable_parse(const char *text, size_t len, const struct core_config *config, utc_t now,
                    char ret_error[static TIMETABLE_ERROR_SIZE], struct timetable_text *ret_text)
{
        struct timetable_text t = {.calendar = is_calendar(text, len)};
        int r = t.calendar ? timetable_parse_ical(text, len, config, now, ret_error, &t)
                           : parse_json(text, len, config, ret_error, &t);

        if (r == 0)
                r = sort(&t, ret_error);
        if (r < 0) {
                free(t.classes);
                return r;
        }
        *ret_text = t;
        return 0;
}
