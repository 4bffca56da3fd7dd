#include "in/timetable_api.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "in/view_print.h"

/* Classes are shown so long after their start: people still come. */
#define RUNNING_S INT64_C(3600)

void timetable_api_none(struct view_error *ret_error)
{
        view_error_set(ret_error, VIEW_ERROR_NOT_FOUND, "this controller has no timetables");
}

/* ---- showing ---- */

static void put_text(cJSON *o, const char *key, const char *value)
{
        if (value[0])
                cJSON_AddStringToObject(o, key, value);
        else
                cJSON_AddNullToObject(o, key);
}

static void put_time(cJSON *o, const char *key, utc_t at)
{
        time_t s = (time_t)(at.us / US_PER_S);
        struct tm tm;
        char text[32] = "";

        if (at.us > 0 && gmtime_r(&s, &tm))
                (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        put_text(o, key, text);
}

static const char *source_name(enum timetable_source source)
{
        switch (source) {
        case TIMETABLE_API:
                return "api";
        case TIMETABLE_FILE:
                return "file";
        }
        return "";
}

static double tenths(double v)
{
        return round(v * 10) / 10;
}

/* What is expected of it, and whether there will be enough. */
static void put_outlook(const struct view *v, cJSON *o, const struct timetable_entry *e)
{
        const struct timetable_class *k = &e->class;
        struct core_class x;
        char reason[160];
        const char *state = "covered";

        if (e->replaced) {
                cJSON_AddStringToObject(o, "state", "replaced");
                cJSON_AddStringToObject(o, "reason", "the API has a class with this id");
                return;
        }
        if (!core_class(v->core, k->type, k->id, k->course, k->start, k->students, &x)) {
                cJSON_AddStringToObject(o, "state", "short");
                cJSON_AddStringToObject(o, "reason", "its type is not sized by forecast");
                return;
        }
        cJSON_AddNumberToObject(o, "expected", tenths(x.share * k->students));
        cJSON_AddNumberToObject(o, "deviation", tenths(x.deviation * k->students));
        cJSON_AddNumberToObject(o, "classes_seen", x.classes);
        put_time(o, "warm_from", x.warm_from);
        cJSON_AddNumberToObject(o, "need", x.need);
        cJSON_AddNumberToObject(o, "may", x.may);
        if (k->start.us <= v->utc.us)
                state = "running";
        else if (x.need > x.may)
                state = "short";
        (void)snprintf(reason, sizeof(reason),
                       "needs %u warm tasks at its worst moment, and there may be %u%s%s", x.need,
                       x.may, x.need > x.may ? "; raise " : "", x.need > x.may ? x.by : "");
        cJSON_AddStringToObject(o, "state", state);
        cJSON_AddStringToObject(o, "reason", reason);
}

static void put_class(const struct view *v, cJSON *list, const struct timetable_entry *e)
{
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "id", e->class.id);
        cJSON_AddStringToObject(o, "source", source_name(e->source));
        cJSON_AddStringToObject(o, "course", e->class.course);
        cJSON_AddStringToObject(o, "workspace_type", e->class.type);
        put_time(o, "start", e->class.start);
        cJSON_AddNumberToObject(o, "students", e->class.students);
        put_outlook(v, o, e);
        cJSON_AddItemToArray(list, o);
}

static int by_start(const void *a, const void *b)
{
        const struct timetable_entry *x = *(const struct timetable_entry *const *)a;
        const struct timetable_entry *y = *(const struct timetable_entry *const *)b;

        if (x->class.start.us != y->class.start.us)
                return x->class.start.us < y->class.start.us ? -1 : 1;
        return timetable_compare(&x->class, &y->class);
}

/* The next ones by start. */
static int put_classes(const struct view *v, const struct timetables *t, cJSON *o)
{
        size_t n, n_next = 0;
        const struct timetable_entry *all = timetables_entries(t, &n);
        const struct timetable_entry **next = calloc(n + 1, sizeof(const struct timetable_entry *));
        cJSON *list = cJSON_AddArrayToObject(o, "classes");

        if (!next)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (all[i].class.start.us > v->utc.us - RUNNING_S * US_PER_S)
                        next[n_next++] = &all[i];
        }
        qsort(next, n_next, sizeof(const struct timetable_entry *), by_start);
        for (size_t i = 0; i < MIN(n_next, TIMETABLE_SHOWN_MAX); i++)
                put_class(v, list, next[i]);
        cJSON_AddNumberToObject(o, "total", (double)n_next);
        free(next);
        return 0;
}

/* An object where it is JSON, so that it can be changed and sent back; else the calendar's text. */
static int put_document(const struct core *core, cJSON *o)
{
        AUTO_BUF text = BUF_INIT(CORE_TIMETABLE_BYTES);
        cJSON *parsed;
        int r = timetables_text(core, &text);

        if (r < 0 || text.len == 0) {
                cJSON_AddNullToObject(o, "document");
                return r;
        }
        parsed = cJSON_ParseWithLength((const char *)text.data, text.len);
        if (!parsed && (r = buf_append(&text, "", 1)) == 0)
                parsed = cJSON_CreateString((const char *)text.data);
        cJSON_AddItemToObject(o, "document", parsed);
        return r;
}

int timetable_api_show(const struct view *v, const struct timetables *t, struct buf *out)
{
        const struct core_timetable *h = core_timetable(v->core);
        AUTO_JSON *o = cJSON_CreateObject();
        char etag[TIMETABLE_ETAG_SIZE];
        cJSON *file;
        int r;

        if (!o)
                return -ENOMEM;
        timetables_etag(v->core, etag);
        cJSON_AddStringToObject(o, "etag", etag);
        cJSON_AddNumberToObject(o, "revision", (double)h->revision);
        put_time(o, "updated_at", h->at);
        put_text(o, "updated_by", h->actor);
        put_text(o, "document_error", timetables_error(t, TIMETABLE_API));
        file = cJSON_AddObjectToObject(o, "file");
        put_text(file, "path", timetables_path(t));
        put_text(file, "error", timetables_error(t, TIMETABLE_FILE));
        r = put_classes(v, t, o);
        if (r == 0)
                r = put_document(v->core, o);
        return r < 0 ? r : view_print(o, out);
}

/* ---- taking ---- */

static int read_text(const struct timetables *t, const char *text, size_t len,
                     struct timetable_text *ret_text, struct view_error *ret_error)
{
        char why[TIMETABLE_ERROR_SIZE] = "out of memory";
        int r = timetables_check(t, text, len, why, ret_text);

        if (r < 0)
                view_error_set(ret_error,
                               r == -EINVAL ? VIEW_ERROR_BAD_TIMETABLE : VIEW_ERROR_INTERNAL, "%s",
                               why);
        return r < 0;
}

int timetable_api_check(const struct timetables *t, const struct core *core, const char *if_match,
                        const char *text, size_t len, struct view_error *ret_error)
{
        struct timetable_text read;
        char etag[TIMETABLE_ETAG_SIZE];

        timetables_etag(core, etag);
        if (!if_match[0]) {
                view_error_set(ret_error, VIEW_ERROR_NEEDS_MATCH,
                               "If-Match is missing: it says which timetable is to be replaced");
                return 1;
        }
        if (strcmp(if_match, "*") != 0 && strcmp(if_match, etag) != 0) {
                view_error_set(ret_error, VIEW_ERROR_CHANGED,
                               "the timetable was changed by %.64s since; it is %s now",
                               core_timetable(core)->actor[0] ? core_timetable(core)->actor
                                                              : "nobody",
                               etag);
                return 1;
        }
        if (read_text(t, text, len, &read, ret_error) > 0)
                return 1;
        free(read.classes);
        return 0;
}

int timetable_api_try(const struct timetables *t, const char *text, size_t len, struct buf *out,
                      struct view_error *ret_error)
{
        struct timetable_text read;

        if (read_text(t, text, len, &read, ret_error) > 0)
                return 1;
        free(read.classes);
        return buf_printf(out, "{\"good\":true,\"classes\":%zu,\"skipped\":%zu}", read.n,
                          read.skipped);
}
