#include "timetable/hours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"

#define DAY_S 86400
#define DAY_MIN 1440
#define ZONE_FROM_S INT64_C(1735689600) /* 2025-01-01 */
#define ZONE_TO_S INT64_C(2713910400)   /* 2056-01-01 */

static bool two_digits(const char **p, int most, int *ret_value)
{
        const char *s = *p;

        if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
                return false;
        *ret_value = (s[0] - '0') * 10 + s[1] - '0';
        *p += 2;
        return *ret_value <= most;
}

/* "09:30" -> 570 */
static bool clock_min(const char **p, int *ret_min)
{
        int h, m;

        if (!two_digits(p, 24, &h) || *(*p)++ != ':' || !two_digits(p, 59, &m))
                return false;
        *ret_min = h * 60 + m;
        return *ret_min <= DAY_MIN;
}

bool hours_parse_peak(const char *text, struct schedule *s)
{
        int from = 0, to = 0;

        if (strcmp(text, "never") != 0) {
                if (!clock_min(&text, &from) || *text++ != '-' || !clock_min(&text, &to) || *text ||
                    from >= to)
                        return false;
        }
        s->from_min = (uint16_t)from;
        s->to_min = (uint16_t)to;
        return true;
}

static bool weekday(const char **p, int *ret_day)
{
        static const char names[][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                if (strncmp(*p, names[i], 3) == 0) {
                        *p += 3;
                        *ret_day = (int)i;
                        return true;
                }
        }
        return false;
}

bool hours_parse_weekdays(const char *text, struct schedule *s)
{
        unsigned days = 0;
        int from, to;

        do {
                if (!weekday(&text, &from))
                        return false;
                to = from;
                if (*text == '-') {
                        text++;
                        if (!weekday(&text, &to))
                                return false;
                }
                for (int d = from; d != to; d = (d + 1) % 7)
                        days |= 1U << d;
                days |= 1U << to;
        } while (*text++ == ',');
        if (text[-1])
                return false;
        s->weekdays = (uint8_t)days;
        return true;
}

/* "2026-12-24" -> days since 1970 */
static bool date(const char **p, int32_t *ret_day)
{
        int century, year, month, day;
        struct tm tm, again;
        time_t t;

        if (!two_digits(p, 99, &century) || !two_digits(p, 99, &year) || *(*p)++ != '-' ||
            !two_digits(p, 12, &month) || *(*p)++ != '-' || !two_digits(p, 31, &day))
                return false;
        tm = (struct tm){
                .tm_year = century * 100 + year - 1900, .tm_mon = month - 1, .tm_mday = day};
        t = timegm(&tm);
        if (!gmtime_r(&t, &again) || t < 0 || again.tm_mon != month - 1 || again.tm_mday != day)
                return false;
        *ret_day = (int32_t)(t / DAY_S);
        return true;
}

bool hours_parse_holidays(const char *text, struct schedule *s)
{
        int32_t days[SCHEDULE_HOLIDAYS_MAX];
        uint32_t n = 0;

        while (*text) {
                int32_t from, to;

                if (!date(&text, &from))
                        return false;
                to = from;
                if (strncmp(text, "..", 2) == 0) {
                        text += 2;
                        if (!date(&text, &to) || to < from)
                                return false;
                }
                for (; from <= to; from++) {
                        if (n == SCHEDULE_HOLIDAYS_MAX)
                                return false;
                        days[n++] = from;
                }
                if (*text && (*text++ != ',' || !*text))
                        return false;
        }
        memcpy(s->holidays, days, n * sizeof(*days));
        s->n_holidays = n;
        return true;
}

/* ---- zones ---- */

static bool fixed_zone(const char *text, struct zone *ret_zone)
{
        int sign = *text == '-' ? -1 : 1;
        int min;

        if (strcmp(text, "UTC") == 0) {
                *ret_zone = (struct zone){0};
                return true;
        }
        if (*text != '+' && *text != '-')
                return false;
        text++;
        if (!clock_min(&text, &min) || *text || min > 14 * 60)
                return false;
        *ret_zone = (struct zone){.n = 1};
        ret_zone->steps[0].offset_s = sign * min * 60;
        return true;
}

static bool zone_known(const char *name)
{
        const char *folder = getenv("TZDIR");
        char path[512];

        if (!*name || *name == '/' || strstr(name, ".."))
                return false;
        (void)snprintf(path, sizeof(path), "%.255s/%.200s", folder ? folder : "/usr/share/zoneinfo",
                       name);
        return access(path, R_OK) == 0;
}

static int32_t offset_at(int64_t at_s)
{
        time_t t = (time_t)at_s;
        struct tm tm;

        return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

/* With TZ set. No zone changes twice within a day. */
static void collect(struct zone *z)
{
        int32_t offset = offset_at(ZONE_FROM_S);

        *z = (struct zone){.n = 1};
        z->steps[0].from.us = ZONE_FROM_S * US_PER_S;
        z->steps[0].offset_s = offset;
        for (int64_t day = ZONE_FROM_S; day < ZONE_TO_S; day += DAY_S) {
                int64_t from = day, to = day + DAY_S;

                if (offset_at(to) == offset)
                        continue;
                while (to - from > 1) {
                        int64_t mid = from + (to - from) / 2;

                        if (offset_at(mid) == offset)
                                from = mid;
                        else
                                to = mid;
                }
                if (z->n == ZONE_STEPS_MAX)
                        return; /* the last one holds for ever */
                offset = offset_at(to);
                z->steps[z->n].from.us = to * US_PER_S;
                z->steps[z->n++].offset_s = offset;
        }
}

bool hours_parse_zone(const char *text, struct zone *ret_zone)
{
        const char *old = getenv("TZ");
        char *saved;
        char tz[256];
        bool ok;

        if (fixed_zone(text, ret_zone))
                return true;
        if (!zone_known(text))
                return false;
        saved = old ? strdup(old) : NULL;
        (void)snprintf(tz, sizeof(tz), ":%.250s", text);
        ok = setenv("TZ", tz, 1) == 0;
        if (ok) {
                tzset();
                collect(ret_zone);
        }
        if (saved)
                (void)setenv("TZ", saved, 1);
        else
                (void)unsetenv("TZ");
        tzset();
        free(saved);
        return ok;
}

void hours_prepare(void)
{
        (void)setenv("TZ", ":/etc/localtime", 0);
}
