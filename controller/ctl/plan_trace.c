#include "plan_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/num.h"
#include "base/str.h"

#define LINE_SIZE 256
#define DAYS_MAX 366
#define COUNT_MAX 100000

void trace_deinit(struct trace *t)
{
        free(t->per_minute);
        *t = (struct trace){0};
}

static int wrong(struct plan_error *e, const char *path, size_t line, const char *text)
{
        (void)snprintf(e->text, sizeof(e->text), "%.90s:%zu: %.120s", path, line, text);
        return -EINVAL;
}

/* Days since 1970-01-01 of "2018-11-03" (Howard Hinnant's days_from_civil); -1: no date. */
static int64_t day_of(const char *text)
{
        int64_t v[3], y, m, era, yoe, doy;
        char part[3][5] = {{0}};

        if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
                return -1;
        memcpy(part[0], text, 4);
        memcpy(part[1], text + 5, 2);
        memcpy(part[2], text + 8, 2);
        for (int i = 0; i < 3; i++) {
                const char *digits = part[i];

                while (digits[0] == '0' && digits[1])
                        digits++;
                if (num_parse_i64(digits, 0, 9999, &v[i]) < 0)
                        return -1;
        }
        if (v[0] < 1970 || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31)
                return -1;
        y = v[0] - (v[1] <= 2);
        m = v[1];
        era = y / 400;
        yoe = y - era * 400;
        doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + v[2] - 1;
        return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* Cuts the line at its commas. */
static size_t split(char *line, char **fields, size_t max)
{
        size_t n = 0;

        line[strcspn(line, "\r\n")] = 0;
        while (n < max) {
                fields[n++] = line;
                line = strchr(line, ',');
                if (!line)
                        break;
                *line++ = 0;
        }
        return n;
}

static int take_line(char *line, uint32_t column, struct trace *t, int64_t *first_day,
                     const char **ret_why)
{
        char *fields[16];
        size_t n = split(line, fields, ARRAY_LEN(fields));
        uint64_t minute, count;
        int64_t day;

        *ret_why = "not date,minute of the day,count; give a date like 2018-11-03, 0 to 1439, and "
                   "at most 100000";
        if (n < column || (day = day_of(fields[0])) < 0 ||
            num_parse_u64(fields[1], 0, PLAN_DAY_MIN - 1, &minute) < 0 ||
            num_parse_u64(fields[column - 1], 0, COUNT_MAX, &count) < 0)
                return -EINVAL;
        if (*first_day < 0) {
                *first_day = day;
                STR_CUT(t->first, fields[0]);
        }
        *ret_why = "a day before the first, or more than 366 days after it; sort or cut the file";
        if (day < *first_day || day - *first_day >= DAYS_MAX)
                return -EINVAL;
        t->per_minute[(size_t)(day - *first_day) * PLAN_DAY_MIN + minute] += (uint32_t)count;
        t->n = MAX(t->n, (size_t)(day - *first_day + 1) * PLAN_DAY_MIN);
        return 0;
}

int trace_read(const char *path, uint32_t column, struct trace *ret_trace,
               struct plan_error *ret_error)
{
        struct trace t = {.per_minute = calloc((size_t)DAYS_MAX * PLAN_DAY_MIN, sizeof(uint32_t))};
        gzFile file = gzopen(path, "rbe");
        char line[LINE_SIZE];
        const char *why = "";
        int64_t first_day = -1;
        size_t n = 0;
        int r = 0;

        if (!file || !t.per_minute) {
                r = file ? -ENOMEM : errno ? -errno : -ENOMEM;
                (void)snprintf(ret_error->text, sizeof(ret_error->text),
                               "%.90s: cannot be read: %s; give a CSV file, plain or gzip", path,
                               strerror(-r));
        }
        while (r == 0 && gzgets(file, line, sizeof(line))) {
                if (n++ > 0 && take_line(line, column, &t, &first_day, &why) < 0)
                        r = wrong(ret_error, path, n, why);
        }
        if (r == 0 && (t.n == 0 || !gzeof(file)))
                r = wrong(ret_error, path, n, "no launches, or the file is cut off; give another");
        if (file)
                gzclose(file);
        if (r < 0) {
                trace_deinit(&t);
                return r;
        }
        *ret_trace = t;
        return 0;
}
