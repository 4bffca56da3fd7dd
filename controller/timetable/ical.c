#include "timetable/ical.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "timetable/hours.h"

#define DAY_S INT64_C(86400)
#define DEPTH_MAX 8

int ical_wrong(const struct ical *c, int line, const char *fmt, ...)
{
        va_list ap;
        int n = snprintf(c->error, c->error_size, "line %d: ", line);

        va_start(ap, fmt);
        (void)vsnprintf(c->error + n, c->error_size - (size_t)n, fmt, ap);
        va_end(ap);
        return -EINVAL;
}

/* ---- lines ---- */

int ical_grow(void **array, size_t n, size_t *cap, size_t size)
{
        size_t more = *cap ? 2 * *cap : 64;
        void *grown;

        if (n < *cap)
                return 0;
        grown = realloc(*array, more * size);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *cap = more;
        return 0;
}

/* "NAME;PARAMS:VALUE", in place; the colon may be inside quotes before. False: it is none. */
static bool split(char *line, struct ical_property *p)
{
        bool quoted = false;
        char *at = line;

        while (isalnum((unsigned char)*at) || *at == '-')
                at++;
        if (at == line || (*at != ';' && *at != ':'))
                return false;
        p->name = line;
        p->params = *at == ';' ? at + 1 : at;
        for (; *at && (quoted || *at != ':'); at++)
                quoted ^= *at == '"';
        if (!*at)
                return false;
        p->value = at + 1;
        *at = 0;
        if (p->params > line && p->params[-1] == ';')
                p->params[-1] = 0;
        return true;
}

static int take_property(struct ical *c, const struct ical_property *p)
{
        int r = ical_grow((void **)&c->props, c->n_props, &c->props_cap, sizeof(*c->props));

        if (r == 0)
                c->props[c->n_props++] = *p;
        return r;
}

static int begin_event(struct ical *c, int line)
{
        int r = ical_grow((void **)&c->events, c->n_events, &c->events_cap, sizeof(*c->events));

        if (c->n_events == ICAL_EVENTS_MAX)
                return ical_wrong(c, line, "more than %d events; leave out what is over",
                                  ICAL_EVENTS_MAX);
        if (r == 0)
                c->events[c->n_events++] = (struct ical_event){.first = c->n_props, .line = line};
        return r;
}

/* What is open, from the outside in. */
struct nest {
        const char *names[DEPTH_MAX];
        int depth, event; /* `event`: the depth inside which an event's own lines are; 0: none */
        bool ended;
};

static int nest_begin(struct ical *c, struct nest *x, const struct ical_property *p)
{
        if (x->depth == DEPTH_MAX || x->ended)
                return ical_wrong(c, p->line, "BEGIN:%.40s behind the end, or too deep", p->value);
        if (x->depth == 0 && strcasecmp(p->value, "VCALENDAR") != 0)
                return ical_wrong(c, p->line, "BEGIN:%.40s outside of a VCALENDAR", p->value);
        x->names[x->depth++] = p->value;
        if (x->depth != 2 || strcasecmp(p->value, "VEVENT") != 0)
                return 0;
        x->event = 2;
        return begin_event(c, p->line);
}

static int nest_end(const struct ical *c, struct nest *x, const struct ical_property *p)
{
        if (x->depth == 0 || strcasecmp(x->names[x->depth - 1], p->value) != 0)
                return ical_wrong(c, p->line, "END:%.40s, but BEGIN:%.40s is open", p->value,
                                  x->depth ? x->names[x->depth - 1] : "nothing");
        x->depth--;
        x->ended = x->depth == 0;
        if (x->event > x->depth)
                x->event = 0;
        return 0;
}

static int take_line(struct ical *c, struct nest *x, char *line, int number)
{
        struct ical_property p = {.line = number};
        int r = 0;

        if (!*line)
                return 0;
        if (!split(line, &p))
                return ical_wrong(c, number, "\"%.40s\" is no NAME:VALUE", line);
        if (strcasecmp(p.name, "BEGIN") == 0)
                return nest_begin(c, x, &p);
        if (strcasecmp(p.name, "END") == 0)
                return nest_end(c, x, &p);
        if (x->event && x->depth == x->event) {
                r = take_property(c, &p);
                c->events[c->n_events - 1].n++;
        }
        return r;
}

static int take_lines(struct ical *c, char *text)
{
        struct nest x = {0};
        int number = 1, first = 1;
        char *in = text, *out = text, *line = text;
        int r = 0;

        if (strncmp(in, "\xef\xbb\xbf", 3) == 0)
                line = out = in += 3;
        while (r == 0 && *in) {
                if (in[0] == '\r' && in[1] == '\n')
                        in++;
                if (*in != '\n') {
                        if ((unsigned char)*in < ' ' && *in != '\t')
                                return ical_wrong(c, number, "a control character (%d); remove it",
                                                  *in);
                        *out++ = *in++;
                        continue;
                }
                number++;
                in++;
                if (*in == ' ' || *in == '\t') {
                        in++;
                        continue;
                }
                *out++ = 0;
                r = take_line(c, &x, line, first);
                line = out;
                first = number;
        }
        *out = 0;
        if (r == 0)
                r = take_line(c, &x, line, first);
        if (r == 0 && !x.ended)
                r = ical_wrong(c, number, "the calendar is cut off; END:%.40s is missing",
                               x.depth ? x.names[x.depth - 1] : "VCALENDAR");
        return r;
}

/* ---- properties ---- */

const struct ical_property *ical_next(const struct ical *c, const struct ical_event *e,
                                      const char *name, const struct ical_property *after)
{
        const struct ical_property *end = c->props + e->first + e->n;

        for (const struct ical_property *p = after ? after + 1 : c->props + e->first; p < end;
             p++) {
                if (strcasecmp(p->name, name) == 0)
                        return p;
        }
        return NULL;
}

const struct ical_property *ical_one(const struct ical *c, const struct ical_event *e,
                                     const char *name)
{
        return e->n ? ical_next(c, e, name, NULL) : NULL;
}

bool ical_param(const struct ical_property *p, const char *name, char *dst, size_t size)
{
        size_t n = strlen(name);

        for (const char *at = p->params; *at;) {
                const char *end = at;
                bool quoted = false;

                for (; *end && (quoted || *end != ';'); end++)
                        quoted ^= *end == '"';
                if (strncasecmp(at, name, n) == 0 && at[n] == '=') {
                        const char *v = at + n + 1;
                        size_t len = (size_t)(end - v);

                        if (len >= 2 && v[0] == '"' && v[len - 1] == '"') {
                                v++;
                                len -= 2;
                        }
                        if (len >= size)
                                return false;
                        memcpy(dst, v, len);
                        dst[len] = 0;
                        return true;
                }
                at = end + (*end == ';');
        }
        return false;
}

/* ---- moments ---- */

static bool digits(const char *text, int n, int *ret_value)
{
        *ret_value = 0;
        for (int i = 0; i < n; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return false;
                *ret_value = *ret_value * 10 + text[i] - '0';
        }
        return true;
}

/* "20260901" or "20260901T100000[Z]", `len` long. */
static bool parse_when(const char *text, size_t len, struct ical_when *w, bool *ret_utc)
{
        int year, month, day, h = 0, m = 0, s = 0;
        struct tm tm, again;
        time_t t;

        *ret_utc = len == 16 && (text[15] == 'Z' || text[15] == 'z');
        w->date_only = len == 8;
        if ((len != 8 && len != 15 && !*ret_utc) || !digits(text, 4, &year) ||
            !digits(text + 4, 2, &month) || !digits(text + 6, 2, &day))
                return false;
        if (len > 8 && ((text[8] != 'T' && text[8] != 't') || !digits(text + 9, 2, &h) ||
                        !digits(text + 11, 2, &m) || !digits(text + 13, 2, &s)))
                return false;
        if (year < ICAL_YEAR_MIN || year > ICAL_YEAR_MAX || h > 23 || m > 59 || s > 60)
                return false;
        tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
        t = timegm(&tm);
        if (!gmtime_r(&t, &again) || again.tm_mon != month - 1 || again.tm_mday != day)
                return false;
        w->day = (int32_t)(t / DAY_S);
        w->second = h * 3600 + m * 60 + MIN(s, 59);
        return true;
}

static const struct zone *zone_of(struct ical *c, const char *name)
{
        size_t i = 0;

        while (i < c->n_zones && strcmp(c->zones[i].name, name) != 0)
                i++;
        if (i == ICAL_ZONES_MAX)
                return NULL;
        if (i == c->n_zones) {
                if (STR_SET(c->zones[i].name, name) < 0 ||
                    !hours_parse_zone(name, &c->zones[i].zone))
                        return NULL;
                c->n_zones++;
        }
        return &c->zones[i].zone;
}

int ical_when(struct ical *c, const struct ical_property *p, const char *text, size_t len,
              const struct zone *floating, struct ical_when *ret_when)
{
        static const struct zone utc = {0};
        struct ical_when w = {.zone = floating};
        char tzid[64] = "";
        bool is_utc, has_zone = ical_param(p, "TZID", tzid, sizeof(tzid));

        if (!parse_when(text, len, &w, &is_utc))
                return ical_wrong(c, p->line,
                                  "%.20s: \"%.*s\" is no time of %d to %d; give one such as "
                                  "20260901T100000Z",
                                  p->name, (int)MIN(len, 40), text, ICAL_YEAR_MIN, ICAL_YEAR_MAX);
        if (is_utc) {
                w.zone = &utc;
        } else if (has_zone) {
                w.zone = zone_of(c, tzid[0] == '/' ? tzid + 1 : tzid);
                if (!w.zone)
                        return ical_wrong(
                                c, p->line,
                                "%.20s: the time zone \"%s\" is not known here; give a name "
                                "such as Europe/Berlin",
                                p->name, tzid);
        }
        *ret_when = w;
        return 0;
}

utc_t ical_utc(const struct ical_when *w, int32_t day)
{
        int64_t local_s = day * DAY_S + w->second;
        int32_t before = zone_offset(w->zone, (utc_t){(local_s - DAY_S) * US_PER_S});
        int32_t after = zone_offset(w->zone, (utc_t){(local_s + DAY_S) * US_PER_S});
        utc_t at = {(local_s - before) * US_PER_S};
        utc_t other = {(local_s - after) * US_PER_S};

        if (zone_offset(w->zone, at) != before && zone_offset(w->zone, other) == after)
                return other;
        return at;
}

/* ---- life ---- */

int ical_read(struct ical *c, const char *text, size_t len)
{
        int r;

        c->text = malloc(len + 1);
        if (!c->text)
                return -ENOMEM;
        memcpy(c->text, text, len);
        c->text[len] = 0;
        if (strlen(c->text) != len)
                return ical_wrong(c, 1, "it holds a NUL byte; remove it");
        r = take_lines(c, c->text);
        for (size_t i = 0; r == 0 && i < c->n_events; i++) {
                struct ical_event *e = &c->events[i];
                const struct ical_property *uid = ical_one(c, e, "UID");

                e->uid = uid ? uid->value : "";
                e->recurrence_id = ical_one(c, e, "RECURRENCE-ID");
        }
        return r;
}

void ical_deinit(struct ical *c)
{
        free(c->text);
        free(c->props);
        free(c->events);
}
