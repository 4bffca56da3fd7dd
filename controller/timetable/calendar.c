/*
 * A calendar as a timetable. Of RFC 5545 is read: unfolding, VEVENT with UID, DTSTART (UTC, TZID,
 * floating), DTEND, DURATION, RRULE (recur.h), EXDATE, RECURRENCE-ID, STATUS, and what
 * says that it is a class:
 *
 *   roster   X-WS-ROSTER:30, or "roster=30" in the DESCRIPTION; an event without one is no class
 *   type     X-WS-TYPE:vscode, or "type=vscode" there, or the only type that classes may name
 *   course   X-WS-COURSE:cs101, or "course=cs101" there, or the first of CATEGORIES, or SUMMARY
 *
 * Zones are those of the system, by the name in TZID; what a VTIMEZONE says is not read. A time
 * without a zone is local to the type's time_zone. Local times that are skipped or come twice when
 * clocks change are taken as the RFC says (3.3.5).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/str.h"
#include "timetable/ical.h"
#include "timetable/recur.h"
#include "timetable/text.h"

#define DAY_S INT64_C(86400)
#define STUDENTS_MAX 100000
#define UID_SHOWN 36

struct calendar {
        struct ical ical;
        const struct core_config *config;
        utc_t from, to;
        struct timetable_text *out;
        size_t out_cap;
};

/* ---- what says that it is a class ---- */

/* What is too long is "?", which is neither a name nor a number. */
static void take_text(const char *text, size_t len, char *dst, size_t size)
{
        if (len >= size) {
                str_copy_cut(dst, size, "?");
                return;
        }
        memcpy(dst, text, len);
        dst[len] = 0;
}

/* The value of "name=value" in a DESCRIPTION; escapes and blanks end it. */
static bool described(struct calendar *c, const struct ical_event *e, const char *name, char *dst,
                      size_t size)
{
        const struct ical_property *p = ical_one(&c->ical, e, "DESCRIPTION");
        size_t n = strlen(name);

        for (const char *at = p ? p->value : ""; *at; at++) {
                size_t len;
                bool begins = at == p->value || strchr(" \t,;", at[-1]) ||
                              (at >= p->value + 2 && at[-2] == '\\' && strchr("nN", at[-1]));

                if (!begins || strncasecmp(at, name, n) != 0 || at[n] != '=')
                        continue;
                len = strcspn(at + n + 1, " \t,;\\<");
                take_text(at + n + 1, len, dst, size);
                return true;
        }
        return false;
}

/* X-WS-NAME, or name= in the description; of the event, or else of the series it is one of. */
static bool told(struct calendar *c, const struct ical_event *e, const struct ical_event *series,
                 const char *property, const char *name, char *dst, size_t size)
{
        const struct ical_property *p = ical_one(&c->ical, e, property);

        if (p) {
                take_text(p->value, strlen(p->value), dst, size);
                return true;
        }
        if (described(c, e, name, dst, size))
                return true;
        return series && series != e && told(c, series, NULL, property, name, dst, size);
}

/* Text of people as a name: other characters become '-', at the ends they go. */
static void name_from(const char *text, size_t len, char *dst, size_t size)
{
        size_t n = 0;

        for (size_t i = 0; i < len && n + 1 < size; i++) {
                char one_char[3] = {'a', text[i], 0};

                if (name_valid(one_char, 2))
                        dst[n++] = text[i];
                else if (n > 0 && dst[n - 1] != '-')
                        dst[n++] = '-';
                while (n == 1 && (dst[0] == '.' || dst[0] == '-'))
                        n = 0;
        }
        while (n > 0 && dst[n - 1] == '-')
                n--;
        dst[n] = 0;
}

static int take_course(struct calendar *c, const struct ical_event *e,
                       const struct ical_event *series, char *dst, size_t size)
{
        const struct ical_property *p;

        dst[0] = 0;
        if (told(c, e, series, "X-WS-COURSE", "course", dst, size)) {
                if (name_valid(dst, size - 1))
                        return 0;
                return ical_wrong(&c->ical, e->line,
                                  "course: \"%.40s\" is no name of A-Z a-z 0-9 . _ @ + : -", dst);
        }
        p = ical_one(&c->ical, e, "CATEGORIES");
        if (!p && series)
                p = ical_one(&c->ical, series, "CATEGORIES");
        if (p)
                name_from(p->value, strcspn(p->value, ","), dst, size);
        p = ical_one(&c->ical, e, "SUMMARY");
        if (!dst[0] && p)
                name_from(p->value, strlen(p->value), dst, size);
        if (dst[0])
                return 0;
        return ical_wrong(&c->ical, e->line,
                          "the event has no course; give X-WS-COURSE, CATEGORIES or SUMMARY");
}

/* The only type that classes may name, or "". */
static const char *only_type(const struct core_config *config)
{
        const char *only = "";

        for (uint32_t i = 0; config && i < config->n_types; i++) {
                if (!config->types[i].sizing.forecast)
                        continue;
                if (*only)
                        return "";
                only = config->types[i].name;
        }
        return only;
}

static int take_type(struct calendar *c, const struct ical_event *e,
                     const struct ical_event *series, char *dst, size_t size)
{
        char why[TIMETABLE_ERROR_SIZE];

        if (!told(c, e, series, "X-WS-TYPE", "type", dst, size))
                str_copy_cut(dst, size, only_type(c->config));
        if (!dst[0] && c->config)
                return ical_wrong(&c->ical, e->line,
                                  "the event has no type; give X-WS-TYPE, or type= in DESCRIPTION");
        if (!dst[0]) /* it will be found out where the types are known */
                return 0;
        if (!name_valid(dst, size - 1))
                return ical_wrong(&c->ical, e->line, "type: \"%.40s\" is no name", dst);
        return timetable_type(c->config, dst, why, sizeof(why))
                       ? 0
                       : ical_wrong(&c->ical, e->line, "%.200s", why);
}

/* *ret_roster 0: it is no class. */
static int take_roster(struct calendar *c, const struct ical_event *e,
                       const struct ical_event *series, uint32_t *ret_roster)
{
        char text[24];
        uint64_t v;

        *ret_roster = 0;
        if (!told(c, e, series, "X-WS-ROSTER", "roster", text, sizeof(text)))
                return 0;
        if (num_parse_u64(text, 1, STUDENTS_MAX, &v) < 0)
                return ical_wrong(&c->ical, e->line,
                                  "roster: \"%s\" is no whole number from 1 to %d", text,
                                  STUDENTS_MAX);
        *ret_roster = (uint32_t)v;
        return 0;
}

static const struct zone *zone_of_type(const struct core_config *config, const char *type)
{
        static const struct zone utc = {0};

        for (uint32_t i = 0; config && i < config->n_types; i++) {
                if (strcmp(config->types[i].name, type) == 0)
                        return &config->types[i].sizing.schedule.zone;
        }
        return &utc;
}

/* ---- classes ---- */

struct series {
        struct calendar *c;
        const struct ical_event *e;
        struct timetable_class class;
        const struct zone *floating;
        const char *uid;
        struct ical_when start;
        struct recur recur;
        bool recurs, until_date;
        utc_t until;
        int32_t until_day;
        int r;
};

static bool is_status(struct calendar *c, const struct ical_event *e, const char *value)
{
        const struct ical_property *p = ical_one(&c->ical, e, "STATUS");

        return p && strcasecmp(p->value, value) == 0;
}

/* Is this moment one of EXDATE's? > 0 yes. */
static int excluded(struct series *s, int32_t day, utc_t at)
{
        const struct ical_property *p = ical_one(&s->c->ical, s->e, "EXDATE");

        for (; p; p = ical_next(&s->c->ical, s->e, "EXDATE", p)) {
                for (const char *v = p->value; *v;) {
                        size_t len = strcspn(v, ",");
                        struct ical_when w;
                        int r = ical_when(&s->c->ical, p, v, len, s->floating, &w);

                        if (r < 0)
                                return r;
                        if (w.date_only ? w.day == day : ical_utc(&w, w.day).us == at.us)
                                return 1;
                        v += len + (v[len] == ',');
                }
        }
        return 0;
}

/* The event that stands for the one of a series at `at`; NULL: none does. */
static int overridden(struct series *s, int32_t day, utc_t at, bool *ret_is)
{
        struct calendar *c = s->c;

        *ret_is = false;
        for (size_t i = 0; i < c->ical.n_events && !*ret_is; i++) {
                const struct ical_event *e = &c->ical.events[i];
                const struct ical_property *p = e->recurrence_id;
                struct ical_when w;
                int r;

                if (!p || strcmp(e->uid, s->uid) != 0)
                        continue;
                r = ical_when(&c->ical, p, p->value, strlen(p->value), s->floating, &w);
                if (r < 0)
                        return r;
                *ret_is = w.date_only ? w.day == day : ical_utc(&w, w.day).us == at.us;
        }
        return 0;
}

/* UIDs may hold anything; an id is a name that stays the same when the calendar is read again. */
static void make_id(const char *uid, utc_t original, char *dst, size_t size)
{
        char shown[UID_SHOWN + 1];
        char hash[12] = "";
        char moment[16];
        time_t t = (time_t)(original.us / US_PER_S);
        struct tm tm;

        name_from(uid, strlen(uid), shown, sizeof(shown));
        if (strcmp(shown, uid) != 0)
                (void)snprintf(hash, sizeof(hash), "%s%08x", shown[0] ? "-" : "",
                               (uint32_t)str_hash(uid));
        (void)gmtime_r(&t, &tm);
        (void)strftime(moment, sizeof(moment), "%Y%m%dT%H%M", &tm);
        (void)snprintf(dst, size, "%s%s-%s", shown, hash, moment);
}

/* `original`: the moment that the series had for it. */
static int put_class(struct series *s, utc_t at, utc_t original)
{
        struct timetable_text *t = s->c->out;
        int r;

        if (at.us < s->c->from.us || at.us > s->c->to.us)
                return 0;
        if (t->n == TIMETABLE_CLASSES_MAX)
                return ical_wrong(&s->c->ical, s->e->line, "more than %d classes within %d days",
                                  TIMETABLE_CLASSES_MAX, (int)(TIMETABLE_AHEAD_S / DAY_S));
        r = ical_grow((void **)&t->classes, t->n, &s->c->out_cap, sizeof(*t->classes));
        if (r < 0)
                return r;
        t->classes[t->n] = s->class;
        t->classes[t->n].start = at;
        make_id(s->uid, original, t->classes[t->n].id, sizeof(t->classes[t->n].id));
        t->n++;
        return 0;
}

static bool on_day(void *ctx, int32_t day)
{
        struct series *s = ctx;
        utc_t at = ical_utc(&s->start, day);
        bool is;

        if (s->recur.until && (s->until_date ? day > s->until_day : at.us > s->until.us))
                return false;
        if (at.us < s->c->from.us - DAY_S * US_PER_S)
                return true; /* it counts, no more */
        s->r = excluded(s, day, at);
        if (s->r == 0)
                s->r = overridden(s, day, at, &is);
        else if (s->r > 0)
                return s->r = 0, true;
        if (s->r == 0 && !is)
                s->r = put_class(s, at, at);
        return s->r == 0;
}

static int take_rule(struct series *s)
{
        const struct ical_property *p = ical_one(&s->c->ical, s->e, "RRULE");
        char why[TIMETABLE_ERROR_SIZE];
        struct ical_when w;
        int r;

        s->recurs = p != NULL;
        s->recur = (struct recur){.interval = 1, .count = 1};
        if (!p)
                return 0;
        if (ical_next(&s->c->ical, s->e, "RRULE", p))
                return ical_wrong(&s->c->ical, p->line,
                                  "RRULE: more than one is not taken; give two events");
        r = recur_parse(p->value, &s->recur, why, sizeof(why));
        if (r < 0)
                return ical_wrong(&s->c->ical, p->line, "%.200s", why);
        if (!s->recur.until)
                return 0;
        r = ical_when(&s->c->ical, p, s->recur.until, s->recur.until_len, s->start.zone, &w);
        if (r == 0) {
                s->until_date = w.date_only;
                s->until_day = w.day;
                s->until = ical_utc(&w, w.day);
        }
        return r;
}

/* What is not used is still to be what it should be. */
static int check_end(struct series *s)
{
        const struct ical_property *p = ical_one(&s->c->ical, s->e, "DTEND");
        struct ical_when w;
        int r;

        if (p) {
                r = ical_when(&s->c->ical, p, p->value, strlen(p->value), s->floating, &w);
                if (r == 0 && ical_utc(&w, w.day).us <= ical_utc(&s->start, s->start.day).us)
                        r = ical_wrong(&s->c->ical, p->line, "DTEND: it ends before it begins");
                return r;
        }
        p = ical_one(&s->c->ical, s->e, "DURATION");
        if (p && (p->value[0] != 'P' || !p->value[1] ||
                  strspn(p->value + 1, "0123456789WDTHMS") != strlen(p->value + 1)))
                return ical_wrong(&s->c->ical, p->line,
                                  "DURATION: \"%.40s\" is none; give one such as PT1H30M",
                                  p->value);
        return 0;
}

static int take_start(struct series *s)
{
        const struct ical_property *p = ical_one(&s->c->ical, s->e, "DTSTART");
        int r;

        if (!p)
                return ical_wrong(&s->c->ical, s->e->line, "the event has no DTSTART");
        r = ical_when(&s->c->ical, p, p->value, strlen(p->value), s->floating, &s->start);
        if (r == 0 && s->start.date_only)
                r = ical_wrong(&s->c->ical, p->line,
                               "DTSTART: a class begins at a time, not on a whole day");
        return r;
}

static int expand(struct series *s)
{
        const struct ical_property *p = s->e->recurrence_id;
        char range[24];
        struct ical_when w;
        int r = 0;

        if (p) {
                if (ical_param(p, "RANGE", range, sizeof(range)))
                        return ical_wrong(&s->c->ical, p->line,
                                          "RECURRENCE-ID: RANGE is not taken");
                r = ical_when(&s->c->ical, p, p->value, strlen(p->value), s->floating, &w);
                if (r == 0 && !is_status(s->c, s->e, "CANCELLED"))
                        r = put_class(s, ical_utc(&s->start, s->start.day), ical_utc(&w, w.day));
                return r;
        }
        if (is_status(s->c, s->e, "CANCELLED"))
                return 0;
        if (ical_one(&s->c->ical, s->e, "RDATE"))
                return ical_wrong(&s->c->ical, ical_one(&s->c->ical, s->e, "RDATE")->line,
                                  "RDATE is not taken; give those classes as events");
        if (!s->recurs)
                return put_class(s, ical_utc(&s->start, s->start.day),
                                 ical_utc(&s->start, s->start.day));
        recur_days(&s->recur, s->start.day, (int32_t)(s->c->to.us / US_PER_S / DAY_S) + 1, on_day,
                   s);
        return s->r;
}

/* The event with the same UID that others are exceptions of. */
static const struct ical_event *series_of(struct calendar *c, const struct ical_event *e)
{
        for (size_t i = 0; i < c->ical.n_events; i++) {
                if (&c->ical.events[i] != e && !c->ical.events[i].recurrence_id &&
                    strcmp(c->ical.events[i].uid, e->uid) == 0)
                        return &c->ical.events[i];
        }
        return NULL;
}

static int take_event(struct calendar *c, const struct ical_event *e)
{
        struct series s = {.c = c, .e = e, .uid = e->uid};
        const struct ical_event *other = s.uid[0] ? series_of(c, e) : NULL;
        const struct ical_event *series = e->recurrence_id ? other : NULL;
        int r = take_roster(c, e, series, &s.class.students);

        if (r < 0)
                return r;
        if (s.class.students == 0) {
                c->out->skipped++;
                return 0;
        }
        if (!s.uid[0])
                return ical_wrong(&c->ical, e->line, "the event has no UID");
        if (other && !series)
                return ical_wrong(&c->ical, MAX(e->line, other->line),
                                  "the UID \"%.60s\" is there twice", s.uid);
        r = take_type(c, e, series, s.class.type, sizeof(s.class.type));
        if (r == 0)
                r = take_course(c, e, series, s.class.course, sizeof(s.class.course));
        s.floating = zone_of_type(c->config, s.class.type);
        if (r == 0)
                r = take_start(&s);
        if (r == 0)
                r = check_end(&s);
        if (r == 0)
                r = take_rule(&s);
        return r < 0 ? r : expand(&s);
}

int timetable_parse_ical(const char *text, size_t len, const struct core_config *config, utc_t now,
                         char ret_error[static TIMETABLE_ERROR_SIZE],
                         struct timetable_text *ret_text)
{
        struct calendar *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->config = config;
        c->from.us = now.us - TIMETABLE_BACK_S * US_PER_S;
        c->to.us = now.us + TIMETABLE_AHEAD_S * US_PER_S;
        c->ical.error = ret_error;
        c->ical.error_size = TIMETABLE_ERROR_SIZE;
        c->out = ret_text;
        r = ical_read(&c->ical, text, len);
        for (size_t i = 0; r == 0 && i < c->ical.n_events; i++)
                r = take_event(c, &c->ical.events[i]);
        ical_deinit(&c->ical);
        free(c);
        return r;
}
