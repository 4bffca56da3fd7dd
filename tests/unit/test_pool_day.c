/*
 * A day with two classes, told line by line: when the size changes, and why. Compared to
 * data/pool_day.txt; `test_pool_day --update` writes it anew, to be read before it is kept.
 *
 * Peak hours 9 to 18 with a floor of 2 (quiet: 0); mathematics at 10:00 with 60 on the roster and
 * physics at 14:00 with 120, which is cancelled; a few others between; a ceiling of 40. The world
 * and the seed are fixed: this is a story, not a property.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/pool_data.h"
#include "base/macro.h"
#include "pool/sizer.h"
#include "test.h"

#define HOUR INT64_C(3600)
#define MONDAY (INT64_C(20514) * DAY_S) /* 2 March 2026 */

static struct lesson lessons[4];
static struct course courses[2];
static uint16_t others[DAY_S];
static uint16_t class[DAY_S];

static void make_world(void)
{
        uint64_t seed = 2026;
        struct series s = {"class", 0, DAY_S, class};

        class_arrive(&s, 10 * HOUR + 40, 50, 1.2, &seed);
        for (int64_t t = 8 * HOUR; t < 20 * HOUR; t++)
                others[t] = random_unit(&seed) < 1.0 / 300;
}

static void tell(FILE *f, int64_t t, const struct sizer_size *r, const char *next)
{
        fprintf(f, "%02d:%02d:%02d %3u  %s%s%s\n", (int)(t / HOUR), (int)(t / 60 % 60),
                (int)(t % 60), r->size, r->why, r->class_short ? ", class short" : "", next);
}

static void play(FILE *f)
{
        struct timetable t;
        struct schedule hours = {.from_min = 540, .to_min = 1080, .weekdays = SCHEDULE_WORKDAYS};
        struct sizer_config config = {.floor = 2,
                                      .ceiling = 40,
                                      .hit_rate = 0.99,
                                      .forecast = true,
                                      .lead_ms = 60000,
                                      .schedule = &hours,
                                      .timetable = &t};
        static struct sizer s;
        uint32_t told = UINT32_MAX;

        timetable_init(&t, lessons, ARRAY_LEN(lessons), courses, ARRAY_LEN(courses), 0.8, 0.1);
        CHECK_INT(timetable_put(&t, 1, 0, (utc_t){(MONDAY + 10 * HOUR) * US_PER_S}, 60), 0);
        CHECK_INT(timetable_put(&t, 2, 1, (utc_t){(MONDAY + 14 * HOUR) * US_PER_S}, 120), 0);
        sizer_init(&s, &config);
        for (int64_t at = 0; at < DAY_S; at++) {
                utc_t now = {(MONDAY + at) * US_PER_S};
                const struct sizer_size *r =
                        sizer_advance(&s, now, (mono_t){at * US_PER_S}, NULL, UINT32_MAX);

                if (r->size != told && (r->size + 2 < told || r->size > told + 2 || at % 1800 == 0))
                        tell(f, at, r, "");
                if (r->size + 2 < told || r->size > told + 2 || at % 1800 == 0)
                        told = r->size;
                for (int i = 0; i < others[at]; i++)
                        sizer_arrived(&s, now, TIMETABLE_NONE);
                for (int i = 0; i < class[at]; i++)
                        sizer_arrived(&s, now, 1);
                if (at % (6 * HOUR) == 0)
                        fprintf(f, "%02d:00    next change at %02lld:%02lld\n", (int)(at / HOUR),
                                (long long)(r->next_change.us / US_PER_S - MONDAY) / HOUR,
                                (long long)(r->next_change.us / US_PER_S / 60 % 60));
        }
        fprintf(f, "mathematics: %.0f %% attend\n",
                100 * courses[0].came / (courses[0].came + courses[0].missed));
        fprintf(f, "physics: %.0f %% attend\n",
                100 * courses[1].came / (courses[1].came + courses[1].missed));
}

static char *slurp(FILE *f)
{
        static char text[2][65536];
        static int which;
        char *to = text[which++ % 2];

        rewind(f);
        to[fread(to, 1, sizeof(text[0]) - 1, f)] = '\0';
        return to;
}

/* The number of the first line that differs; 0: none. */
static int differs(const char *a, const char *b)
{
        int line = 1;

        for (; *a && *a == *b; a++, b++)
                line += *a == '\n';
        return *a == *b ? 0 : line;
}

int main(int argc, char **argv)
{
        const char *path = TEST_DATA "/pool_day.txt";
        bool update = argc > 1 && strcmp(argv[1], "--update") == 0;
        FILE *f = update ? fopen(path, "we") : tmpfile();
        FILE *golden;
        const char *now;
        int line;

        CHECK(f);
        make_world();
        play(f);
        if (update)
                return fclose(f);
        golden = fopen(path, "re");
        CHECK(golden);
        now = slurp(f);
        line = differs(now, slurp(golden));
        if (line)
                fprintf(stderr, "%s:%d differs; now:\n%s", path, line, now);
        CHECK_INT(differs("a\nb\n", "a\nc\n"), 2);
        CHECK(differs("a\n", "a\nb\n") != 0);
        (void)fclose(f);
        (void)fclose(golden);
        return line ? 1 : 0;
}
