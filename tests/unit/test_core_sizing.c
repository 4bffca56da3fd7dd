/* Pools that size themselves, in a running core: what they follow, and what they never exceed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sizing_world.h"
#include "test.h"

#define MIN_S 60
#define HOUR_S 3600

static struct sizing_world w;

static void within_ceiling(const struct sizing_world *x)
{
        CHECK(x->pool.target <= x->pool.waiting + x->config.types[0].sizing.ceiling);
}

/* A fixed pool has nothing to do as time goes on. */
static void test_fixed_sleeps(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.forecast = false;
        w.config.types[0].pool_size = 2;
        sizing_open(&w);
        sizing_run_until(&w, 10 * MIN_S, 0);
        CHECK_STR(w.pool.reason, "fixed size 2");
        CHECK_STR(w.pool.policy, "fixed");
        CHECK(w.pool.next_change.us == INT64_MAX);
        CHECK_INT(w.pool.warm, 2);
        CHECK(mono_is_never(core_next_deadline(w.core)) ||
              core_next_deadline(w.core).us > w.now_us + INT64_C(3600) * US_PER_S);
        sizing_close(&w);
}

static void test_follows(void)
{
        sizing_defaults(&w);
        w.look = within_ceiling;
        sizing_open(&w);
        sizing_run_until(&w, 5 * MIN_S, 0);
        CHECK_INT(w.pool.target, 1);
        CHECK_STR(w.pool.reason, "size 1: floor 1");
        sizing_run_until(&w, 2 * HOUR_S, 20);
        /* Three come in a lead time: three are needed, and something for chance. */
        CHECK(w.pool.target >= 4 && w.pool.target <= 9);
        CHECK(strstr(w.pool.reason, "forecast: 3."));
        CHECK(w.pool.hits > 19 * w.pool.misses);
        sizing_run_until(&w, 6 * HOUR_S, 0);
        CHECK_INT(w.pool.target, 1);
        CHECK_INT(w.pool.warm, 1);
        CHECK(w.stops > 0);
        sizing_close(&w);
}

static void test_ceiling(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.ceiling = 4;
        w.look = within_ceiling;
        sizing_open(&w);
        sizing_run_until(&w, HOUR_S, 5);
        CHECK_INT(w.pool.target - w.pool.waiting, 4);
        CHECK(strstr(w.pool.reason, "ceiling 4"));
        sizing_close(&w);
}

static void test_peak_hours(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 3;
        w.config.types[0].sizing.schedule.from_min = 9 * 60;
        w.config.types[0].sizing.schedule.to_min = 10 * 60;
        sizing_open(&w);
        sizing_run_until(&w, 8 * HOUR_S, 0);
        CHECK_INT(w.pool.warm, 0);
        CHECK_INT(w.pool.next_change.us, (w.utc_s + 9 * HOUR_S) * US_PER_S);
        sizing_run_until(&w, 9 * HOUR_S + 5 * MIN_S, 0);
        CHECK_INT(w.pool.warm, 3);
        CHECK_INT(w.pool.next_change.us, (w.utc_s + 10 * HOUR_S) * US_PER_S);
        sizing_run_until(&w, 10 * HOUR_S + 10 * MIN_S, 0);
        CHECK_INT(w.pool.warm, 0);
        sizing_close(&w);
}

/*
 * What is kept warm is paid for an hour ahead; counted here anew, within a step of the forecast:
 * before that, who has just come is not counted yet.
 */
static void within_budget(const struct sizing_world *x)
{
        double left = (double)x->config.types[0].sizing.day_max / 1e6 - x->spent;
        double kept = x->pool.target - x->pool.waiting;

        if (kept > 0 && x->pool.waiting == 0 && x->now_us > x->came_us + 10 * US_PER_S)
                CHECK(kept + x->pool.claimed <= left + 0.02 * (kept + x->pool.claimed) + 0.02);
}

static void test_budget(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 5;
        w.config.types[0].sizing.day_max = 20 * INT64_C(1000000);
        w.look = within_budget;
        sizing_open(&w);
        sizing_run_until(&w, HOUR_S, 0);
        CHECK_INT(w.pool.warm, 5);
        sizing_run_until(&w, 23 * HOUR_S, 0);
        CHECK(w.pool.warm < 2);
        CHECK(strstr(w.pool.reason, "budget"));
        CHECK(w.spent <= 20 && w.spent > 15);
        CHECK(w.pool.spent > (int64_t)(0.98 * 1e6 * w.spent) &&
              w.pool.spent < (int64_t)(1.02 * 1e6 * w.spent));
        sizing_run_until(&w, 25 * HOUR_S, 0);
        CHECK_INT(w.pool.warm, 5); /* another day */
        /* People are served, whatever it costs. */
        sizing_run_until(&w, 26 * HOUR_S, 60);
        CHECK(w.people >= 59);
        sizing_run_until(&w, 27 * HOUR_S, 0);
        CHECK_INT(w.pool.waiting, 0);
        CHECK_INT(w.pool.claimed, w.people);
        sizing_close(&w);
}

/* Never more than the burst, and what has come in since. */
static void within_rate(const struct sizing_world *x)
{
        CHECK(x->launches <=
              x->config.launch_burst + x->config.launch_rate * (double)x->now_us / 1e6 + 1e-6);
}

static void test_launch_rate(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 10;
        w.config.launch_rate = 0.5;
        w.config.launch_burst = 3;
        w.look = within_rate;
        sizing_open(&w);
        CHECK_INT(w.launches, 3);
        CHECK(strstr(w.pool.reason, "the provider takes no more at once"));
        sizing_run_until(&w, 13, 0);
        CHECK_INT(w.launches, 9);
        sizing_run_until(&w, 5 * MIN_S, 0);
        CHECK_INT(w.pool.warm, 10);
        CHECK(!strstr(w.pool.reason, "at once"));
        sizing_close(&w);
}

/* A refill leaves the machine to the claim that runs, unless each task has one of its own. */
static void test_claim_first(void)
{
        for (int own = 0; own <= 1; own++) {
                sizing_defaults(&w);
                w.config.types[0].sizing.forecast = false;
                w.config.types[0].pool_size = 2;
                w.claim_s = 8;
                w.own_machines = own;
                sizing_open(&w);
                sizing_run_until(&w, 2 * MIN_S, 0);
                CHECK_INT(w.launches, 2);
                sizing_run_until(&w, 2 * MIN_S + 5, 5);
                CHECK_INT(w.people, 1);
                CHECK_INT(w.launches, own ? 3 : 2);
                CHECK(own || strstr(w.pool.reason, "after the claim that runs"));
                sizing_run_until(&w, 2 * MIN_S + 20, 0);
                CHECK_INT(w.launches, 3);
                sizing_close(&w);
        }
}

static uint32_t least_warm;

static void keeps_warm(const struct sizing_world *x)
{
        if (x->now_us > INT64_C(120) * US_PER_S)
                least_warm = MIN(least_warm, x->pool.warm);
}

/* Old ones are replaced, the new one first where there is room for it. */
static void test_replaces(void)
{
        for (uint32_t tasks_max = 3; tasks_max <= 4; tasks_max++) {
                sizing_defaults(&w);
                w.config.types[0].sizing.forecast = false;
                w.config.types[0].pool_size = 3;
                w.config.types[0].warm_age_ms = 10 * MIN_S * 1000;
                w.config.tasks_max = tasks_max;
                least_warm = UINT32_MAX;
                w.look = keeps_warm;
                sizing_open(&w);
                sizing_run_until(&w, 2 * HOUR_S, 0);
                CHECK_INT(least_warm, tasks_max - 1);
                CHECK(w.launches > 20);
                /* Three in turn, each a launch and a step. */
                CHECK(w.warm_age_us_max < (10 * MIN_S + 4 * (60 + 20)) * US_PER_S);
                sizing_close(&w);
        }
}

/* Another image: one after the other, the new one first, whatever the policy. */
static void test_new_version(void)
{
        for (int forecast = 0; forecast <= 1; forecast++) {
                sizing_defaults(&w);
                w.config.types[0].sizing.forecast = forecast;
                w.config.types[0].sizing.floor = 5;
                w.config.types[0].pool_size = 5;
                STR_CUT(w.config.types[0].version, "1");
                least_warm = UINT32_MAX;
                w.look = keeps_warm;
                sizing_open(&w);
                sizing_run_until(&w, 10 * MIN_S, 0);
                CHECK_INT(w.launches, 5);
                CHECK_INT(w.pool.outdated, 0);
                w.in_flight_max = 0;
                sizing_version(&w, "2");
                CHECK_INT(w.pool.outdated, 5);
                CHECK(strstr(w.pool.reason, "replacing 5 old"));
                sizing_version(&w, "2"); /* the same again is no other */
                sizing_run_until(&w, 30 * MIN_S, 0);
                CHECK_INT(w.launches, 10);
                CHECK_INT(w.stops, 5);
                CHECK_INT(w.pool.outdated, 0);
                CHECK_INT(w.pool.warm, 5);
                CHECK_INT(least_warm, 5);
                CHECK_INT(w.in_flight_max, 1);
                CHECK(!strstr(w.pool.reason, "replacing"));
                sizing_close(&w);
        }
}

/* What was launched before a restart is of the version that was configured then. */
static void test_version_through_restart(void)
{
        sizing_defaults(&w);
        STR_CUT(w.config.types[0].version, "1");
        sizing_open(&w);
        CHECK_INT(w.n_put, 1);
        CHECK_STR(w.rows[0].name, "version.code");
        CHECK_STR(w.rows[0].value, "0 1");
        sizing_reopen(&w, 600);
        CHECK_INT(w.n_put, 1);
        STR_CUT(w.config.types[0].version, "2");
        sizing_reopen(&w, 1200);
        CHECK_INT(w.n_put, 2);
        CHECK_STR(w.rows[0].value, "0 2"); /* this world's task numbers begin anew */
        STR_CUT(w.config.types[0].version, "");
        sizing_reopen(&w, 1800);
        CHECK_INT(w.n_put, 2);
        sizing_close(&w);
}

/* So many a minute, and as many at once; whoever waits is not kept waiting for it. */
static void test_refill_rate(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.forecast = false;
        w.config.types[0].pool_size = 12;
        w.config.types[0].refill_per_min = 3;
        w.own_machines = true;
        sizing_open(&w);
        CHECK_INT(w.launches, 3);
        CHECK(strstr(w.pool.reason, "above pool_refill_rate"));
        sizing_run_until(&w, 61, 0);
        CHECK_INT(w.launches, 6);
        sizing_run_until(&w, 10 * MIN_S, 0);
        CHECK_INT(w.pool.warm, 12);
        CHECK(!strstr(w.pool.reason, "refill"));
        sizing_close(&w);
        w.config.types[0].pool_size = 1;
        sizing_defaults(&w);
        w.config.types[0].sizing.forecast = false;
        w.config.types[0].pool_size = 0;
        w.config.types[0].refill_per_min = 1;
        sizing_open(&w);
        sizing_run_until(&w, 30, 1);
        CHECK(w.launches >= 29);
        sizing_close(&w);
}

/* Forty come from 10:00 on within 10 minutes, and the same again at 14:00. */
static void a_class(bool known)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 0;
        w.config.types[0].sizing.ceiling = 60;
        w.config.types[0].sizing.hit_rate = 0.99;
        w.look = within_ceiling;
        sizing_open(&w);
        if (known) {
                sizing_class(&w, "math-1", "math", 10 * HOUR_S, 50);
                sizing_class(&w, "math-2", "math", 14 * HOUR_S, 50);
                sizing_class(&w, "never", "math", 12 * HOUR_S, 50);
                sizing_class(&w, "never", "math", 12 * HOUR_S, 0);
        }
}

static void test_two_classes(void)
{
        uint64_t hits, misses;

        a_class(false);
        sizing_run_until(&w, 10 * HOUR_S, 0);
        CHECK_INT(w.pool.warm, 0);
        sizing_run_until(&w, 10 * HOUR_S + 10 * MIN_S, 15);
        misses = w.pool.misses;
        CHECK(misses > 3);
        sizing_close(&w);
        a_class(true);
        sizing_run_until(&w, 9 * HOUR_S, 0);
        CHECK_INT(w.pool.warm, 0);
        CHECK(w.pool.next_change.us > (w.utc_s + 9 * HOUR_S + 30 * MIN_S) * US_PER_S &&
              w.pool.next_change.us < (w.utc_s + 10 * HOUR_S) * US_PER_S);
        sizing_run_until(&w, 10 * HOUR_S, 0);
        CHECK(w.pool.warm >= 5);
        CHECK(strstr(w.pool.reason, "class:"));
        sizing_run_until(&w, 10 * HOUR_S + 10 * MIN_S, 15);
        CHECK(w.pool.misses == 0);
        hits = w.pool.hits;
        sizing_run_until(&w, 12 * HOUR_S + 20 * MIN_S, 0);
        CHECK_INT(w.pool.warm, 0); /* the one at twelve was cancelled */
        sizing_run_until(&w, 14 * HOUR_S, 0);
        sizing_run_until(&w, 14 * HOUR_S + 10 * MIN_S, 15);
        CHECK(w.pool.misses == 0 && w.pool.hits == 2 * hits);
        sizing_run_until(&w, 18 * HOUR_S, 0);
        CHECK_INT(w.pool.warm, 0);
        CHECK_INT(w.class_short, 0);
        sizing_close(&w);
}

static void test_class_short(void)
{
        a_class(false);
        sizing_close(&w);
        w.config.types[0].sizing.ceiling = 4;
        sizing_open(&w);
        sizing_class(&w, "math-1", "math", HOUR_S, 50);
        sizing_run_until(&w, 30 * MIN_S, 0);
        CHECK_INT(w.class_short, 0);
        sizing_run_until(&w, HOUR_S, 0);
        CHECK_INT(w.pool.warm, 4);
        sizing_run_until(&w, HOUR_S + 5 * MIN_S, 15);
        CHECK(w.class_short > 0 && w.class_short < 10);
        sizing_close(&w);
}

#define WEEK_S (7 * 24 * HOUR_S)

static void a_week(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 0;
        w.config.types[0].sizing.day_max = 500 * INT64_C(1000000);
        sizing_open(&w);
        sizing_run_until(&w, 8 * HOUR_S, 0);
        sizing_run_until(&w, 10 * HOUR_S, 20);
}

/* A new core knows what the old one has learned, ten minutes of it at most missing. */
static void test_remembers(void)
{
        uint32_t rows = 0;
        int64_t spent;

        a_week();
        spent = w.pool.spent;
        CHECK(spent > 0);
        sizing_run_until(&w, 10 * HOUR_S + 11 * MIN_S, 0);
        for (size_t i = 0; i < SIZING_ROWS; i++) {
                CHECK(!w.rows[i].name[0] || strncmp(w.rows[i].name, "pool.code.", 10) == 0);
                rows += w.rows[i].name[0] != 0;
        }
        CHECK(rows > 10);
        CHECK(w.n_put < 62 * 30); /* what has changed, not all of it each time */
        sizing_reopen(&w, 10 * HOUR_S + 12 * MIN_S);
        CHECK(w.pool.spent >= spent);
        sizing_reopen(&w, WEEK_S + 9 * HOUR_S);
        sizing_run_until(&w, WEEK_S + 9 * HOUR_S + 20, 0);
        CHECK(w.pool.target > 0);
        CHECK(strstr(w.pool.reason, "forecast"));
        CHECK_INT(w.forgot, 0);
        sizing_close(&w);
}

static void spoilt(size_t which)
{
        char *digit = &w.rows[which].value[20];

        *digit = *digit == '0' ? '1' : '0';
}

/* Damaged, of another layout, or lost: it begins anew, and says so. */
static void test_forgets(void)
{
        for (int how = 0; how < 3; how++) {
                a_week();
                for (size_t i = 0; how == 0 && i < 1; i++)
                        spoilt(i);
                for (size_t i = 0; i < SIZING_ROWS; i++) {
                        if (how == 1 && strcmp(w.rows[i].name, "pool.code.0") == 0)
                                w.rows[i].value[0] ^= 1; /* the version */
                        if (how == 2)
                                w.rows[i].name[0] = 0;
                }
                sizing_reopen(&w, WEEK_S + 9 * HOUR_S);
                sizing_run_until(&w, WEEK_S + 9 * HOUR_S + 20, 0);
                CHECK_INT(w.pool.target, 0);
                CHECK_INT(w.forgot, how < 2);
                sizing_close(&w);
        }
}

static void test_configurations(void)
{
        struct core *core = NULL;

        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 11;
        CHECK_INT(core_new(&w.config, &core), -EINVAL);
        sizing_defaults(&w);
        w.config.types[0].sizing.hit_rate = 1;
        CHECK_INT(core_new(&w.config, &core), -EINVAL);
        sizing_defaults(&w);
        w.config.launch_rate = 1;
        CHECK_INT(core_new(&w.config, &core), -EINVAL);
        CHECK(!core);
}

int main(void)
{
        RUN(test_configurations);
        RUN(test_fixed_sleeps);
        RUN(test_follows);
        RUN(test_ceiling);
        RUN(test_peak_hours);
        RUN(test_budget);
        RUN(test_launch_rate);
        RUN(test_claim_first);
        RUN(test_replaces);
        RUN(test_new_version);
        RUN(test_version_through_restart);
        RUN(test_refill_rate);
        RUN(test_two_classes);
        RUN(test_class_short);
        RUN(test_remembers);
        RUN(test_forgets);
        return 0;
}
