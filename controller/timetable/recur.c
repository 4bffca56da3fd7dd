#include "timetable/recur.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "pool/schedule.h"

#define INTERVAL_MAX 1000
#define COUNT_MAX 100000

struct part {
        const char *name, *value;
        size_t name_len, len;
};

static bool is(const struct part *p, const char *name)
{
        return strlen(name) == p->name_len && strncasecmp(p->name, name, p->name_len) == 0;
}

static bool number(const struct part *p, uint64_t most, uint32_t *ret_value)
{
        char text[16];
        uint64_t v;

        if (p->len == 0 || p->len >= sizeof(text))
                return false;
        memcpy(text, p->value, p->len);
        text[p->len] = 0;
        if (num_parse_u64(text, 1, most, &v) < 0)
                return false;
        *ret_value = (uint32_t)v;
        return true;
}

/* "MO" -> 0; -1 for what is none. */
static int weekday(const char *text, size_t len)
{
        static const char names[][3] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

        for (int i = 0; i < 7 && len == 2; i++) {
                if (strncasecmp(text, names[i], 2) == 0)
                        return i;
        }
        return -1;
}

static bool by_day(const struct part *p, uint8_t *ret_days)
{
        const char *at = p->value, *end = p->value + p->len;

        while (at <= end) {
                const char *comma = memchr(at, ',', (size_t)(end - at));
                const char *stop = comma ? comma : end;
                int day = weekday(at, (size_t)(stop - at));

                if (day < 0)
                        return false;
                *ret_days |= (uint8_t)(1U << day);
                at = stop + 1;
        }
        return true;
}

static int refuse(const struct part *p, const char *cure, char *ret_error, size_t size)
{
        (void)snprintf(ret_error, size, "RRULE: %.*s=%.*s is not taken; %s",
                       (int)MIN(p->name_len, 20), p->name, (int)MIN(p->len, 40), p->value, cure);
        return -EINVAL;
}

static int take(struct recur *r, const struct part *p, bool *ret_freq, char *ret_error, size_t size)
{
        int day;

        if (is(p, "FREQ")) {
                r->weekly = p->len == 6 && strncasecmp(p->value, "WEEKLY", 6) == 0;
                *ret_freq = r->weekly || (p->len == 5 && strncasecmp(p->value, "DAILY", 5) == 0);
                return *ret_freq ? 0
                                 : refuse(p, "give DAILY or WEEKLY, or each class as an event",
                                          ret_error, size);
        }
        if (is(p, "INTERVAL"))
                return number(p, INTERVAL_MAX, &r->interval)
                               ? 0
                               : refuse(p, "give 1 to 1000", ret_error, size);
        if (is(p, "COUNT"))
                return number(p, COUNT_MAX, &r->count)
                               ? 0
                               : refuse(p, "give 1 to 100000", ret_error, size);
        if (is(p, "BYDAY"))
                return by_day(p, &r->days) ? 0
                                           : refuse(p, "give MO,TU,WE,TH,FR,SA,SU without numbers",
                                                    ret_error, size);
        if (is(p, "WKST")) {
                day = weekday(p->value, p->len);
                r->week_start = (uint8_t)day;
                return day >= 0 ? 0 : refuse(p, "give MO to SU", ret_error, size);
        }
        if (is(p, "UNTIL")) {
                r->until = p->value;
                r->until_len = p->len;
                return 0;
        }
        return refuse(p, "only FREQ, INTERVAL, BYDAY, WKST, COUNT and UNTIL are", ret_error, size);
}

int recur_parse(const char *text, struct recur *ret_recur, char *ret_error, size_t size)
{
        struct recur r = {.interval = 1};
        bool has_freq = false;
        int result = 0;

        while (*text && result == 0) {
                size_t len = strcspn(text, ";");
                const char *equals = memchr(text, '=', len);
                struct part p = {.name = text};

                if (!equals) {
                        (void)snprintf(ret_error, size, "RRULE: \"%.*s\" is no NAME=VALUE",
                                       (int)MIN(len, 40), text);
                        return -EINVAL;
                }
                p.value = equals + 1;
                p.name_len = (size_t)(equals - text);
                p.len = len - p.name_len - 1;
                result = take(&r, &p, &has_freq, ret_error, size);
                text += len + (text[len] == ';');
        }
        if (result == 0 && (!has_freq || (r.count && r.until))) {
                (void)snprintf(ret_error, size, "RRULE: %s",
                               has_freq ? "give COUNT or UNTIL, not both" : "FREQ is missing");
                return -EINVAL;
        }
        if (result == 0)
                *ret_recur = r;
        return result;
}

static int32_t week_of(const struct recur *r, int32_t day)
{
        int in_week = (day_weekday(day) - r->week_start + 7) % 7;

#ifdef RECUR_PLANTED_MONDAY
        in_week = day_weekday(day);
#endif
        return (day - in_week) / 7;
}

static bool matches(const struct recur *r, int32_t start_day, int32_t day)
{
        uint8_t bit = (uint8_t)(1U << day_weekday(day));

        if (!r->weekly)
                return (uint32_t)(day - start_day) % r->interval == 0 &&
                       (!r->days || (r->days & bit));
        return (uint32_t)(week_of(r, day) - week_of(r, start_day)) % r->interval == 0 &&
               (r->days ? (r->days & bit) != 0 : day_weekday(day) == day_weekday(start_day));
}

void recur_days(const struct recur *r, int32_t start_day, int32_t to_day,
                bool (*fn)(void *ctx, int32_t day), void *ctx)
{
        uint32_t n = 0;

        for (int32_t day = start_day; day <= to_day; day++) {
                if (!matches(r, start_day, day))
                        continue;
                if (!fn(ctx, day) || ++n == r->count)
                        return;
        }
}
