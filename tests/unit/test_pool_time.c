/* Hours, budgets, buckets, lead times and idle limits: figures worked out by hand. */
#include "pool_seed.h"

#include <math.h>

#include "base/macro.h"
#include "pool/bucket.h"
#include "pool/budget.h"
#include "pool/idlelimit.h"
#include "pool/leadtime.h"
#include "pool/schedule.h"
#include "test.h"

static utc_t utc(int64_t s)
{
        return (utc_t){s * US_PER_S};
}

/* Berlin, 2026: summer time from 29 March 01:00 UTC to 25 October 01:00 UTC. */
#define MARCH_29 INT64_C(1774746000)
#define OCTOBER_25 INT64_C(1792890000)

static struct schedule berlin(void)
{
        struct schedule s;

        schedule_init(&s);
        s.weekdays = SCHEDULE_WORKDAYS;
        s.zone.n = 3;
        s.zone.steps[0].offset_s = 3600;
        s.zone.steps[1].from = utc(MARCH_29);
        s.zone.steps[1].offset_s = 7200;
        s.zone.steps[2].from = utc(OCTOBER_25);
        s.zone.steps[2].offset_s = 3600;
        return s;
}

static void test_days(void)
{
        CHECK_INT(day_weekday(0), 3); /* a Thursday */
        CHECK_INT(day_weekday(-4), 6);
        CHECK_INT(day_month(0), 0);
        CHECK_INT(day_month(-1), -1);
        CHECK_INT(day_month(59), 2);              /* 1 March 1970 */
        CHECK_INT(day_month(20514), 56 * 12 + 2); /* 2 March 2026 */
        CHECK_INT(day_month(11016), 30 * 12 + 1); /* 29 February 2000 */
        CHECK_INT(day_month(11017), 30 * 12 + 2);
}

static void test_peak(void)
{
        struct schedule s = berlin();
        int64_t monday = MARCH_29 - 3600 + 86400; /* 30 March, 00:00 UTC */

        CHECK(!schedule_peak(&s, utc(monday + 7 * 3600 - 1)));
        CHECK(schedule_peak(&s, utc(monday + 7 * 3600))); /* 9:00 in summer */
        CHECK(schedule_peak(&s, utc(monday + 19 * 3600 - 1)));
        CHECK(!schedule_peak(&s, utc(monday + 19 * 3600)));
        CHECK(!schedule_peak(&s, utc(monday - 3 * 86400 + 8 * 3600 - 1))); /* Friday, winter */
        CHECK(schedule_peak(&s, utc(monday - 3 * 86400 + 8 * 3600)));
        CHECK(!schedule_peak(&s, utc(monday - 86400 + 12 * 3600))); /* Sunday */
        /* From Friday evening: Monday at nine, which is an hour earlier in UTC. */
        CHECK_INT(schedule_next(&s, utc(monday - 3 * 86400 + 20 * 3600)).us / US_PER_S,
                  monday + 7 * 3600);
        s.holidays[s.n_holidays++] = zone_day(&s.zone, utc(monday));
        CHECK(!schedule_peak(&s, utc(monday + 12 * 3600)));
        CHECK_INT(schedule_next(&s, utc(monday)).us / US_PER_S, monday + (24 + 7) * 3600);
        s.weekdays = 0;
        CHECK(schedule_next(&s, utc(monday)).us == INT64_MAX);
}

/* Where the clock is when the next change is said to be, it changes: every hour of a year. */
static void test_next_is_a_change(void)
{
        struct schedule s = berlin();

        for (int64_t t = MARCH_29 - 90 * 86400; t < OCTOBER_25 + 60 * 86400; t += 3571) {
                utc_t next = schedule_next(&s, utc(t));

                CHECK(next.us > utc(t).us);
                CHECK(schedule_peak(&s, next) != schedule_peak(&s, (utc_t){next.us - 1}));
                CHECK(schedule_peak(&s, utc(t)) == schedule_peak(&s, (utc_t){next.us - 1}));
        }
}

static void test_budget(void)
{
        struct zone z = {0};
        struct budget b;
        int64_t t = INT64_C(20514) * 86400 - 86400; /* 1 March 2026 */
        uint32_t peak = 0;

        budget_init(&b, 40000, 0, 0); /* 4 cents an hour */
        CHECK(budget_pool_max(&b, 1000) == UINT32_MAX);
        budget_init(&b, 40000, 1000000, 2500000); /* a dollar a day, 2.50 a month */
        budget_spend(&b, &z, utc(t), 0);
        CHECK_INT(budget_pool_max(&b, 5), 20); /* 25 for the next hour */
        CHECK_INT(budget_pool_max(&b, 30), 0);
        /* As many as are paid for, all month: never above, and nearly all is used. */
        for (int day = 0; day < 5; day++) {
                for (int i = 0; i < 1440; i++, t += 60) {
                        uint32_t n = budget_pool_max(&b, 0);

                        peak = MAX(peak, n);
                        budget_spend(&b, &z, utc(t + 60), n);
                        CHECK(b.day_spent <= 1000000 && b.month_spent <= 2500000);
                }
        }
        CHECK_INT(peak, 25);
        CHECK(b.month_spent > 2400000);
        t += 27 * INT64_C(86400); /* April */
        budget_spend(&b, &z, utc(t), 0);
        CHECK_INT(budget_pool_max(&b, 0), 25);
}

static void test_bucket(void)
{
        struct bucket b, refill;
        const char *limit;
        mono_t t = {0};

        bucket_init(&b, BUCKET_BURST, BUCKET_PER_S, t);
        bucket_init(&refill, 5, 1, t);
        CHECK_INT(bucket_has(&b, t), 100);
        bucket_take(&b, t, 100);
        CHECK_INT(bucket_has(&b, t), 0);
        t = mono_add_ms(t, 500);
        CHECK_INT(bucket_has(&b, t), 10);
        t = mono_add_ms(t, 60000);
        CHECK_INT(bucket_has(&b, t), 100);
        CHECK_INT(bucket_early_s(&b, 100, 300), 10);
        CHECK_INT(bucket_early_s(&b, 100, 100), 0);
        CHECK_INT(bucket_early_s(&b, 100, 101), 1);
        /* People who wait are not held back by the refill limit. */
        CHECK_INT(bucket_launches(&b, &refill, t, 20, 8, &limit), 13);
        CHECK_STR(limit, "refill rate");
        CHECK_INT(bucket_launches(&b, &refill, t, 200, 200, &limit), 87);
        CHECK_STR(limit, "launch rate");
        t = mono_add_ms(t, 1000);
        CHECK_INT(bucket_launches(&b, &refill, t, 1, 0, &limit), 1);
        CHECK(limit == NULL);
        bucket_init(&refill, 0, 0, t);
        CHECK(bucket_has(&refill, t) == UINT32_MAX);
}

static void test_lead_time(void)
{
        struct leadtime l;

        leadtime_init(&l, 60000);
        CHECK_INT(leadtime_s(&l), 60);
        leadtime_seen(&l, 80000);
        CHECK(leadtime_ms(&l) >= 80000 && leadtime_ms(&l) < 84001);
        for (int i = 0; i < 1000; i++)
                leadtime_seen(&l, i % 50 == 0 ? 9000 : 2000);
        CHECK(leadtime_ms(&l) >= 9000 && leadtime_ms(&l) < 9451); /* one in fifty is slow */
        for (int i = 0; i < 3000; i++)
                leadtime_seen(&l, 2000);
        CHECK(leadtime_ms(&l) >= 2000 && leadtime_ms(&l) < 2101); /* forgotten */
        leadtime_seen(&l, -5);
        leadtime_seen(&l, INT64_MAX);
}

static void test_idle_limit(void)
{
        struct idlelimit_cost c = {
                .task_hour = 49320, .value_of_time = 1400000, .wait_ms = 60000, .launch = 1300};
        int64_t b = idlelimit_break_even_ms(&c);
        int64_t minute = 60000;
        struct gaps g;
        double best;

        CHECK(llabs(b - 30 * minute) < minute); /* what thirty minutes mean */
        gaps_init(&g);
        CHECK_INT(idlelimit_ms(&g, &c, 5 * minute, 120 * minute), b);
        CHECK_INT(idlelimit_ms(&g, &c, 40 * minute, 120 * minute), 40 * minute);
        CHECK_INT(idlelimit_ms(&g, &c, 5 * minute, 20 * minute), 20 * minute);
        gaps_seen(&g, 3 * minute);
        CHECK_INT(idlelimit_ms(&g, &c, 5 * minute, 120 * minute), b); /* one gap says nothing */
        /* Short breaks and nights: a few minutes are enough. */
        for (int i = 0; i < 500; i++)
                gaps_seen(&g, i % 2 ? 4 * minute : 900 * minute);
        CHECK(idlelimit_ms(&g, &c, 2 * minute, 120 * minute) <= 6 * minute);
        CHECK_INT(idlelimit_ms(&g, &c, 15 * minute, 120 * minute), 15 * minute);
        /* Breaks of 35 to 40 minutes: worth waiting for. */
        gaps_init(&g);
        for (int i = 0; i < 500; i++)
                gaps_seen(&g, i % 10 ? (35 + i % 6) * minute : 2 * minute);
        CHECK(idlelimit_ms(&g, &c, 2 * minute, 30 * minute) < 5 * minute);
        c.value_of_time = 4 * c.value_of_time;
        CHECK(idlelimit_ms(&g, &c, 2 * minute, 300 * minute) >= 40 * minute);
        /* No other minute is cheaper by more than it takes to move. */
        best = idlelimit_cost(&g, &c, idlelimit_ms(&g, &c, minute, 600 * minute));
        for (int64_t m = 1; m < 600; m++)
                CHECK(idlelimit_cost(&g, &c, m * minute) > 0.85 * best);
        c.value_of_time = 0;
        c.launch = 0;
        CHECK_INT(idlelimit_ms(&g, &c, 5 * minute, 120 * minute), 5 * minute);
        c.task_hour = 0;
        CHECK(idlelimit_break_even_ms(&c) == INT64_MAX);
}

int main(void)
{
        RUN(test_days);
        RUN(test_peak);
        RUN(test_next_is_a_change);
        RUN(test_budget);
        RUN(test_bucket);
        RUN(test_lead_time);
        RUN(test_idle_limit);
        return 0;
}
