/* Classes: what is expected of them, what is learned, and one of 300 on a school's first day. */
#include "pool_seed.h"

#include <math.h>

#include "../bench/pool_data.h"
#include "../bench/pool_policies.h"
#include "base/macro.h"
#include "pool/timetable.h"
#include "test.h"

#define TEN INT64_C(36000)

static utc_t utc(int64_t s)
{
        return (utc_t){s * US_PER_S};
}

static struct lesson memory[8];
static struct course courses[2];

static struct timetable table(double attendance, double deviation)
{
        struct timetable t;

        timetable_init(&t, memory, ARRAY_LEN(memory), courses, ARRAY_LEN(courses), attendance,
                       deviation);
        return t;
}

static void test_list(void)
{
        struct timetable t = table(0.8, 0.1);

        CHECK_INT(timetable_put(&t, 1, 2, utc(TEN), 30), 2);
        for (uint32_t i = 0; i < 8; i++)
                CHECK_INT(timetable_put(&t, i, 0, utc(TEN - 100 * (int64_t)i), 30), 0);
        CHECK_INT(timetable_put(&t, 8, 0, utc(TEN), 30), 1);
        CHECK_INT(timetable_put(&t, 7, 1, utc(TEN + 50), 31), 0); /* moved */
        for (uint32_t i = 1; i < t.n; i++)
                CHECK(t.lessons[i - 1].start.us <= t.lessons[i].start.us);
        CHECK_INT(t.lessons[7].id, 7);
        CHECK_INT(timetable_next(&t, utc(TEN))->id, 7);
        CHECK(!timetable_drop(&t, 9));
        CHECK(timetable_drop(&t, 7));
        CHECK(timetable_next(&t, utc(TEN)) == NULL);
        timetable_advance(&t, utc(TEN + 10000));
        CHECK_INT(t.n, 0);
}

/* Over the whole time, as many are expected as the course's attendance says; before, nobody. */
static void test_expects(void)
{
        struct timetable t = table(0.8, 0.05);
        struct demand d;

        CHECK_INT(timetable_put(&t, 1, 0, utc(TEN), 100), 0);
        timetable_advance(&t, utc(TEN - 3600));
        CHECK(timetable_demand(&t, 600).mean == 0);
        d = timetable_demand(&t, 4 * 3600);
        CHECK(fabs(d.mean - 80) < 4);
        CHECK(d.var > 80);
        CHECK(timetable_running(&t, 0) == TIMETABLE_NONE);
        timetable_advance(&t, utc(TEN));
        CHECK_INT(timetable_running(&t, 0), 1);
        CHECK(timetable_running(&t, 1) == TIMETABLE_NONE);
        CHECK(timetable_demand(&t, 60).mean > 0.3);
        CHECK(timetable_demand(&t, 300).mean > timetable_demand(&t, 60).mean);
        CHECK_INT(timetable_put(&t, 2, 1, utc(TEN), 100), 0);
        CHECK(fabs(timetable_demand(&t, 4 * 3600).mean - 160) < 8);
}

/* A class in which only `share` come, each known by course; what is expected of the next one. */
static double learned(struct timetable *t, int classes, double share, uint64_t *seed)
{
        int64_t start = TEN;

        for (int k = 0; k < classes; k++, start += 4 * 3600) {
                uint32_t people = (uint32_t)lround(100 * share);

                CHECK_INT(timetable_put(t, (uint32_t)k, 0, utc(start), 100), 0);
                for (int64_t s = -600; s < 4800; s++) {
                        timetable_advance(t, utc(start + s));
                        if (s >= 0 && s % 10 == 0 && people > 0 && random_unit(seed) < 0.7) {
                                people--;
                                CHECK(timetable_arrived(t, (uint32_t)k, 0.1) == 1);
                        }
                }
        }
        timetable_advance(t, utc(start));
        return t->courses[0].came / (t->courses[0].came + t->courses[0].missed);
}

static void test_learns_attendance(void)
{
        uint64_t seed = pool_seed();
        struct timetable t = table(0.8, 0.1);
        double other = courses[1].came;

        CHECK(fabs(learned(&t, 12, 0.3, &seed) - 0.3) < 0.06);
        CHECK(t.courses[1].came == other); /* each course for itself */
}

/* Nobody has come ten minutes after the announced start: it is cancelled; many have: it is not. */
static void test_moves_with_what_comes(void)
{
        struct timetable t = table(0.7, 0.15);
        double quiet, busy;

        CHECK_INT(timetable_put(&t, 1, 0, utc(TEN), 100), 0);
        for (int64_t s = -600; s <= 600; s++)
                timetable_advance(&t, utc(TEN + s));
        quiet = timetable_demand(&t, 300).mean;
        t = table(0.7, 0.15);
        CHECK_INT(timetable_put(&t, 1, 0, utc(TEN), 100), 0);
        for (int64_t s = -600; s <= 600; s++) {
                timetable_advance(&t, utc(TEN + s));
                if (s >= 0 && s % 15 == 0)
                        CHECK(timetable_arrived(&t, TIMETABLE_NONE, 0.002) > 0.5);
        }
        busy = timetable_demand(&t, 300).mean;
        fprintf(stderr, "    expected in 5 min: %.1f after nobody, %.1f after forty\n", quiet,
                busy);
        CHECK(quiet < 0.5 * busy);
        /* Far from any class an arrival is background. */
        timetable_advance(&t, utc(TEN + 6000));
        CHECK(timetable_arrived(&t, TIMETABLE_NONE, 0.002) == 0);
        CHECK(timetable_arrived(&t, 99, 0.002) == 0); /* an unknown lesson too */
}

/* 1,000 students in one minute: 100 at once and 20/s cannot do it in a lead time, so it begins
 * earlier, and says so where the ceiling is too low. */
static void test_begins_earlier(void)
{
        struct timetable t = table(0.9, 0.05);
        struct schedule always = {.from_min = 0, .to_min = 1440, .weekdays = 0x7F};
        struct sizer_config config = {.ceiling = 5000,
                                      .hit_rate = 0.99,
                                      .lead_ms = 60000,
                                      .schedule = &always,
                                      .timetable = &t};
        static struct sizer s;
        struct bucket b;
        uint32_t early = 0;
        int64_t first = 0;
        bool short_of = false;

        for (int i = 0; i < TIMETABLE_LAW_MIN; i++)
                t.law_sum[i + 1] = i >= TIMETABLE_BEFORE_MIN;
        t.start_spread_s = 1;
        CHECK_INT(timetable_put(&t, 1, 0, utc(TEN), 1000), 0);
        sizer_init(&s, &config);
        for (int64_t at = TEN - 900; at < TEN; at++) {
                mono_t mono = {at * US_PER_S};
                const struct sizer_size *r;

                if (at == TEN - 900)
                        bucket_init(&b, BUCKET_BURST, BUCKET_PER_S, mono);
                r = sizer_advance(&s, utc(at), mono, &b, UINT32_MAX);
                early = MAX(early, r->early_s);
                if (first == 0 && r->size > 900)
                        first = at;
                CHECK(!r->class_short);
        }
        CHECK(early >= 40 && early <= 120); /* (900 - 100) / 20 = 40 s, and a margin */
        CHECK(first != 0 && first <= TEN - 60 - 20);
        config.ceiling = 200;
        timetable_init(&t, memory, 8, courses, 2, 0.9, 0.05);
        CHECK_INT(timetable_put(&t, 1, 0, utc(TEN), 10000), 0);
        sizer_init(&s, &config);
        for (int64_t at = TEN - 900; at < TEN + 300; at += 10)
                short_of |= sizer_advance(&s, utc(at), (mono_t){at * US_PER_S}, NULL, UINT32_MAX)
                                    ->class_short;
        CHECK(short_of);
}

/*
 * The class: 300 at ten, 60 s of lead time, the default bucket, nothing learned, attendance
 * known within 30 % and the start within 3 min. Over worlds by seed; `fixed` plays a pool of three.
 */
static void first_day(bool fixed, int worlds, double *ret_hit, double *ret_ratio)
{
        uint64_t seed = pool_seed();
        double hit = 0;
        double cost = 0;
        double bound = 0;

        for (int i = 0; i < worlds; i++) {
                static uint16_t at[DAY_S];
                struct series s = {"class", 0, DAY_S, at};
                struct burst burst = {TEN, 300};
                struct bursts bursts = {&burst, 1};
                struct ours_options o = {60, 0.99, 0.3, 180, random_next(&seed)};
                struct constant three = {3};
                static struct ours ours;
                struct policy p = policy_ours(&ours, &s, &bursts, &o);
                struct score got;

                if (fixed)
                        p = policy_constant("three", &three);
                memset(at, 0, sizeof(at));
                class_arrive(&s, TEN, 300, 1, &seed);
                got = world_play(&s, 0, DAY_S, 60, &p);
                hit += score_hit(&got) / worlds;
                cost += score_cost(&got);
                bound += bound_cost(&s, 0, DAY_S, 60, 900, score_hit(&got));
                ours_free(&ours);
        }
        *ret_hit = hit;
        *ret_ratio = cost / bound;
}

static void test_class_of_300(void)
{
        int worlds = test_full() ? 200 : 40;
        double hit, ratio;

        first_day(false, worlds, &hit, &ratio);
        fprintf(stderr, "    %d worlds: %.4f found a warm task, idle %.2f x the bound\n", worlds,
                hit, ratio);
        CHECK(hit >= 0.99);
        CHECK(ratio <= 3);
        first_day(true, 5, &hit, &ratio);
        CHECK(hit < 0.5); /* what a fixed pool of three does */
}

int main(void)
{
        RUN(test_list);
        RUN(test_expects);
        RUN(test_learns_attendance);
        RUN(test_moves_with_what_comes);
        RUN(test_begins_earlier);
        RUN(test_class_of_300);
        return 0;
}
