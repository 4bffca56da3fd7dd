/*
 * A day with two classes in a running core, told when the target of the pool changes, and why.
 * Compared to data/core_day.txt; `test_core_day --update` writes it anew, to be read before it is
 * kept.
 *
 * Peak hours 9 to 18 with a floor of 2, a ceiling of 5, the launch rate of a small provider;
 * mathematics at 10:00 with 30 on the roster, all of whom but five come, and physics at 14:00,
 * which is cancelled at 13:00; a visitor every quarter of an hour from 8 to 18.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sizing_world.h"
#include "test.h"

#define HOUR_S 3600
#define QUARTER_S 900

static struct sizing_world w;
static FILE *out;
static uint32_t told;
static bool told_held; /* by the ceiling */

static void tell(const struct sizing_world *x)
{
        int64_t s = x->now_us / US_PER_S;
        uint32_t target = x->pool.target - x->pool.waiting;
        bool held = strstr(x->pool.reason, "ceiling") != NULL;

        CHECK(target <= x->config.types[0].sizing.ceiling);
        if (target == told && held == told_held)
                return;
        told = target;
        told_held = held;
        fprintf(out, "%02lld:%02lld:%02lld %2u  %s\n", (long long)(s / HOUR_S),
                (long long)(s / 60 % 60), (long long)(s % 60), target, x->pool.reason);
}

static void day(FILE *f)
{
        out = f;
        told = UINT32_MAX;
        told_held = false;
        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 2;
        w.config.types[0].sizing.floor_quiet = 0;
        w.config.types[0].sizing.ceiling = 5;
        w.config.types[0].sizing.hit_rate = 0.99;
        w.config.types[0].sizing.schedule.from_min = 9 * 60;
        w.config.types[0].sizing.schedule.to_min = 18 * 60;
        w.config.launch_rate = 1;
        w.config.launch_burst = 5;
        w.look = tell;
        sizing_open(&w);
        sizing_class(&w, "math-1", "mathematics", 10 * HOUR_S, 30);
        sizing_class(&w, "physics-1", "physics", 14 * HOUR_S, 60);
        sizing_run_until(&w, 8 * HOUR_S, 0);
        sizing_run_until(&w, 10 * HOUR_S, QUARTER_S);
        sizing_run_until(&w, 10 * HOUR_S + 500, 20);
        sizing_run_until(&w, 13 * HOUR_S, QUARTER_S);
        sizing_class(&w, "physics-1", "physics", 14 * HOUR_S, 0);
        sizing_run_until(&w, 18 * HOUR_S, QUARTER_S);
        sizing_run_until(&w, 24 * HOUR_S - 10, 0);
        fprintf(f, "%llu of %u found a warm task; %u launches, $%.2f\n",
                (unsigned long long)w.pool.hits, w.people, w.launches, w.spent);
        sizing_close(&w);
}

static char *slurp(FILE *f)
{
        static char text[3][65536];
        static int which;
        char *to = text[which++ % 3];

        rewind(f);
        to[fread(to, 1, sizeof(text[0]) - 1, f)] = '\0';
        return to;
}

int main(int argc, char **argv)
{
        const char *path = TEST_DATA "/core_day.txt";
        FILE *f = tmpfile(), *again = tmpfile(), *golden;
        char *is, *was;

        CHECK(f && again);
        day(f);
        day(again);
        is = slurp(f);
        CHECK_STR(is, slurp(again)); /* the same events, the same day */
        if (argc > 1 && strcmp(argv[1], "--update") == 0) {
                golden = fopen(path, "we");
                CHECK(golden && fputs(is, golden) >= 0 && fclose(golden) == 0);
                return 0;
        }
        golden = fopen(path, "re");
        CHECK(golden);
        was = slurp(golden);
        CHECK_STR(is, was);
        CHECK(strstr(was, "class:") && strstr(was, "ceiling"));
        return 0;
}
