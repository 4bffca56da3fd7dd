#include "pool_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/macro.h"

#define DAYS_MAX 1200
#define BURSTS_MAX 65536

static void *need(void *p)
{
        if (!p) {
                fprintf(stderr, "pool bench: out of memory\n");
                exit(1);
        }
        return p;
}

static void refuse(const char *path, int line, const char *why)
{
        fprintf(stderr, "%s:%d: %s\n", path, line, why);
        exit(1);
}

/* Howard Hinnant's days_from_civil. */
static int64_t days_from_civil(int64_t y, int m, int d)
{
        int64_t era, yoe, doy, doe;

        y -= m <= 2;
        era = (y >= 0 ? y : y - 399) / 400;
        yoe = y - era * 400;
        doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
        doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        return era * 146097 + doe - 719468;
}

struct row {
        int64_t day;
        int minute, n, class;
};

/* False at the end. Lines whose first character is no digit are headings. */
static bool row_read(gzFile f, const char *path, int *line, struct row *ret)
{
        char text[256];
        int y, m, d;
        int got;

        do {
                if (!gzgets(f, text, sizeof(text)))
                        return false;
                (*line)++;
        } while (text[0] < '0' || text[0] > '9');
        ret->class = 0;
        got = sscanf(text, "%d-%d-%d,%d,%d,%d", &y, &m, &d, &ret->minute, &ret->n, &ret->class);
        if (got < 5 || ret->minute < 0 || ret->minute >= 1440 || ret->n < 0 || ret->class < 0)
                refuse(path, *line, "expected date,minute,count[,count]");
        ret->day = days_from_civil(y, m, d);
        return true;
}

static gzFile file_open(const char *path)
{
        gzFile f = gzopen(path, "r");

        if (!f) {
                fprintf(stderr, "pool bench: %s cannot be read\n", path);
                exit(1);
        }
        return f;
}

static struct series series_new(const char *name, int64_t start_s, int64_t n_s)
{
        return (struct series){name, start_s, n_s, need(calloc((size_t)n_s, sizeof(uint16_t)))};
}

static void add(struct series *s, int64_t t)
{
        if (t >= 0 && t < s->n_s && s->at[t] < UINT16_MAX)
                s->at[t]++;
}

/* The data has minutes; the second is drawn. A class launch is one of all launches. */
static void spread(struct data *d, const struct row *r, const struct data_options *o,
                   uint64_t *seed)
{
        int64_t minute_s = (r->day * DAY_S + r->minute * 60) - d->all.start_s + o->shift_s;

        for (int i = 0; i < r->n; i++) {
                double copies = o->scale;

                for (; copies > 0; copies -= 1) {
                        int64_t t = minute_s + (int64_t)(random_unit(seed) * 60);

                        if (copies < 1 && random_unit(seed) >= copies)
                                break;
                        add(&d->all, t);
                        if (i < r->class)
                                add(&d->class, t);
                }
        }
}

static void bursts_load(struct data *d, const struct data_options *o)
{
        gzFile f = file_open(o->bursts);
        struct row r;
        int line = 0;

        d->bursts.list = need(calloc(BURSTS_MAX, sizeof(*d->bursts.list)));
        while (d->bursts.n < BURSTS_MAX && row_read(f, o->bursts, &line, &r)) {
                int64_t t = r.day * DAY_S + r.minute * 60 - d->all.start_s + o->shift_s;

                if (t >= 0 && t < d->all.n_s)
                        d->bursts.list[d->bursts.n++] =
                                (struct burst){t, (uint32_t)lround(fmax(1, r.n * o->scale))};
        }
        gzclose(f);
}

/* A file without the fourth column: the classes are among all launches. */
static void class_or_all(struct data *d)
{
        for (int64_t t = 0; t < d->class.n_s; t++) {
                if (d->class.at[t])
                        return;
        }
        memcpy(d->class.at, d->all.at, (size_t)d->all.n_s * sizeof(*d->all.at));
        d->class.name = "with classes";
}

void data_load(struct data *d, const struct data_options *o)
{
        gzFile f = file_open(o->launches);
        int64_t first = INT64_MAX;
        int64_t last = INT64_MIN;
        uint64_t seed = o->seed;
        struct row r;
        int line = 0;

        *d = (struct data){0};
        while (row_read(f, o->launches, &line, &r)) {
                first = MIN(first, r.day);
                last = MAX(last, r.day);
        }
        if (line == 0 || last - first >= DAYS_MAX)
                refuse(o->launches, line, "no launches, or more than 1,200 days");
        d->days = last - first + 1;
        d->all = series_new("all launches", first * DAY_S, d->days * DAY_S);
        d->class = series_new("class-like", first * DAY_S, d->days * DAY_S);
        gzrewind(f);
        while (row_read(f, o->launches, &line, &r))
                spread(d, &r, o, &seed);
        gzclose(f);
        class_or_all(d);
        if (o->bursts)
                bursts_load(d, o);
}

void data_free(struct data *d)
{
        free(d->all.at);
        free(d->class.at);
        free(d->bursts.list);
        *d = (struct data){0};
}

/* ---- worlds from a seed ---- */

static double normal(uint64_t *seed)
{
        return sqrt(-2 * log(1 - random_unit(seed))) * cos(6.283185307179586 * random_unit(seed));
}

/* Seconds after the first arrival by which a share has come: the reference's table C. */
static double law_inverse(double share)
{
        static const struct {
                double minute, share;
        } law[] = {{0, 0},    {1, .04},  {2, .08},  {3, .15}, {5, .29},
                   {10, .59}, {15, .78}, {30, .92}, {60, 1}};
        size_t i = 1;

        while (i < ARRAY_LEN(law) - 1 && law[i].share < share)
                i++;
        return 60 *
               (law[i - 1].minute + (share - law[i - 1].share) / (law[i].share - law[i - 1].share) *
                                            (law[i].minute - law[i - 1].minute));
}

void class_arrive(struct series *s, int64_t start_s, uint32_t people, double pace, uint64_t *seed)
{
        for (uint32_t i = 0; i < people; i++)
                add(s, start_s + (int64_t)(law_inverse(random_unit(seed)) / pace));
}

static void make_day(struct data *d, int64_t day, double size, uint64_t *seed)
{
        bool work = (day + 3) % 7 < 5;
        double swing = exp(0.3 * normal(seed));

        for (int64_t t = 0; t < DAY_S; t++) {
                double hour = (double)t / 3600;
                double bump = exp(-pow((hour - 20) / 3, 2)) + 0.6 * exp(-pow((hour - 14) / 4, 2));
                double rate = size * swing * (0.05 + bump * (work ? 1 : 0.5)) / 3600;

                if (random_unit(seed) < rate) {
                        add(&d->all, day * DAY_S + t);
                        add(&d->class, day * DAY_S + t);
                }
        }
        for (int k = 0; work && k < 10; k++) {
                int64_t start = day * DAY_S + (8 + k) * 3600 + (int64_t)(random_unit(seed) * 300);
                uint32_t people = (uint32_t)(20 + 60 * random_unit(seed) * random_unit(seed));
                double pace = exp(0.5 * normal(seed));

                if (random_unit(seed) > 0.4)
                        continue;
                class_arrive(&d->all, start, people, pace, seed);
                class_arrive(&d->class, start, people, pace, seed);
                if (d->bursts.n < BURSTS_MAX)
                        d->bursts.list[d->bursts.n++] = (struct burst){start, people};
        }
}

void data_make(struct data *d, uint64_t seed, int64_t days)
{
        double size = 20 + 200 * random_unit(&seed);

        *d = (struct data){.days = days};
        d->all = series_new("made, all", 0, days * DAY_S);
        d->class = series_new("made, classes", 0, days * DAY_S);
        d->bursts.list = need(calloc(BURSTS_MAX, sizeof(*d->bursts.list)));
        for (int64_t day = 0; day < days; day++)
                make_day(d, day, size, &seed);
}
