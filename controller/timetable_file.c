#include "timetable_file.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"
#include "shell.h"
#include "wire/json.h"

#define LOOK_MS 10000
/* The core has room for so many classes of a type: it is told of those of the next two days. */
#define AHEAD_S (2 * 86400)
#define AGAIN_S 3600
#define STUDENTS_MAX 100000

struct timetable_file {
        struct shell *shell;
        const char *path;
        const struct core_config *config;
        struct loop_timer timer;
        struct timetable_class *classes; /* as read last */
        size_t n;
        struct timespec changed; /* of what was read last */
        off_t size;
        bool failed; /* it was logged that it cannot be read */
        utc_t told;
};

/* ---- parsing ---- */

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
        uint32_t type = 0;
        int r = known_fields(o, i, error);

        if (r == 0)
                r = take_name(o, i, "id", k->id, sizeof(k->id), error);
        if (r == 0)
                r = take_name(o, i, "course", k->course, sizeof(k->course), error);
        if (r == 0)
                r = take_name(o, i, "workspace_type", k->type, sizeof(k->type), error);
        if (r < 0)
                return r;
        while (type < config->n_types && strcmp(config->types[type].name, k->type) != 0)
                type++;
        if (type == config->n_types || !config->types[type].sizing.forecast)
                return wrong(error, i, "workspace_type",
                             "\"%s\" is no type with pool_policy = forecast; set it, or name "
                             "another type",
                             k->type);
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

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct timetable_class *)a)->id,
                      ((const struct timetable_class *)b)->id);
}

static int parse_list(const cJSON *list, const struct core_config *config, char *error,
                      struct timetable_class *classes)
{
        const cJSON *o;
        int i = 0;
        int r;

        cJSON_ArrayForEach(o, list)
        {
                r = parse_class(o, i, config, error, &classes[i]);
                if (r < 0)
                        return r;
                i++;
        }
        qsort(classes, (size_t)i, sizeof(*classes), by_id);
        for (int k = 1; k < i; k++) {
                if (strcmp(classes[k - 1].id, classes[k].id) == 0) {
                        (void)snprintf(error, TIMETABLE_ERROR_SIZE,
                                       "classes: the id \"%s\" is there twice; give each class of "
                                       "each day its own",
                                       classes[k].id);
                        return -EINVAL;
                }
        }
        return 0;
}

int timetable_parse(const char *text, size_t len, const struct core_config *config,
                    char ret_error[static TIMETABLE_ERROR_SIZE],
                    struct timetable_class **ret_classes, size_t *ret_n)
{
        const char *end = text;
        AUTO_JSON *o = cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "classes");
        struct timetable_class *classes;
        int n, r;

        if (!o) {
                (void)snprintf(ret_error, TIMETABLE_ERROR_SIZE,
                               "it is not JSON at byte %zu; correct it there",
                               (size_t)(end - text));
                return -EINVAL;
        }
        n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;
        if (n < 0 || n > TIMETABLE_FILE_MAX || cJSON_GetArraySize(o) != 1) {
                (void)snprintf(ret_error, TIMETABLE_ERROR_SIZE,
                               "give one object {\"classes\":[…]} with at most %d classes",
                               TIMETABLE_FILE_MAX);
                return -EINVAL;
        }
        classes = calloc((size_t)n + 1, sizeof(*classes));
        if (!classes)
                return -ENOMEM;
        r = parse_list(list, config, ret_error, classes);
        if (r < 0) {
                free(classes);
                return r;
        }
        *ret_classes = classes;
        *ret_n = (size_t)n;
        return 0;
}

/* ---- telling the core ---- */

static void tell(struct timetable_file *f, const struct timetable_class *k, uint32_t roster)
{
        struct core_event ev = {.type = EV_CLASS_SET,
                                .class_set = {.start = k->start, .roster = roster}};

        STR_CUT(ev.class_set.id, k->id);
        STR_CUT(ev.class_set.type, k->type);
        STR_CUT(ev.class_set.course, k->course);
        shell_post(f->shell, &ev);
}

static void tell_all(struct timetable_file *f)
{
        utc_t now = utc_read();

        f->told = now;
        for (size_t i = 0; i < f->n; i++) {
                int64_t in_s = (f->classes[i].start.us - now.us) / US_PER_S;

                if (in_s > -AGAIN_S && in_s < AHEAD_S)
                        tell(f, &f->classes[i], f->classes[i].students);
        }
}

static void replace(struct timetable_file *f, struct timetable_class *classes, size_t n)
{
        for (size_t i = 0; i < f->n; i++) {
                const struct timetable_class *old = &f->classes[i];
                const struct timetable_class *new =
                        bsearch(old, classes, n, sizeof(*classes), by_id);

                if (!new || strcmp(new->type, old->type) != 0)
                        tell(f, old, 0);
        }
        free(f->classes);
        f->classes = classes;
        f->n = n;
        tell_all(f);
}

static void read_it(struct timetable_file *f)
{
        AUTO_BUF text = BUF_INIT(TIMETABLE_FILE_BYTES);
        char error[TIMETABLE_ERROR_SIZE] = "";
        struct timetable_class *classes = NULL;
        size_t n = 0;
        int r = file_read(f->path, &text);

        if (r == 0)
                r = timetable_parse((const char *)text.data, text.len, f->config, error, &classes,
                                    &n);
        f->failed = r < 0;
        if (r < 0) {
                log_error("the timetable is not taken; the one before stays",
                          LOG_STR("file", f->path), LOG_ERR(r), LOG_STR("detail", error));
                return;
        }
        log_info("timetable read", LOG_STR("file", f->path), LOG_INT("classes", (int64_t)n));
        replace(f, classes, n);
}

static void look(void *ctx)
{
        struct timetable_file *f = ctx;
        struct stat st;

        loop_timer_set_in(&f->timer, LOOK_MS);
        if (stat(f->path, &st) < 0) {
                if (!f->failed)
                        log_error("the timetable cannot be read; what was known stays",
                                  LOG_STR("file", f->path), LOG_ERR(-errno));
                f->failed = true;
                f->size = -1;
                return;
        }
        if (st.st_size != f->size || st.st_mtim.tv_sec != f->changed.tv_sec ||
            st.st_mtim.tv_nsec != f->changed.tv_nsec) {
                f->size = st.st_size;
                f->changed = st.st_mtim;
                read_it(f);
        } else if (utc_read().us - f->told.us > AGAIN_S * US_PER_S) {
                tell_all(f);
        }
}

int timetable_file_new(struct loop *l, struct shell *shell, const char *path,
                       const struct core_config *config, struct timetable_file **ret_file)
{
        struct timetable_file *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        *f = (struct timetable_file){.shell = shell, .path = path, .config = config, .size = -1};
        loop_timer_init(l, &f->timer, look, f);
        *ret_file = f;
        return 0;
}

struct timetable_file *timetable_file_free(struct timetable_file *f)
{
        if (!f)
                return NULL;
        loop_timer_cancel(&f->timer);
        free(f->classes);
        free(f);
        return NULL;
}

void timetable_file_lead(struct timetable_file *f)
{
        f->size = -1;
        look(f);
}

void timetable_file_follow(struct timetable_file *f)
{
        loop_timer_cancel(&f->timer);
}
