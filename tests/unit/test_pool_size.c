/*
 * Properties of the size whatever the demand: monotone, never above ceiling or budget, still on
 * constant demand. Each property is a checker that counts what is wrong, and each checker is shown
 * a rule with that very defect.
 */
#include "pool_seed.h"

#include <math.h>

#include "../bench/pool_policies.h"
#include "base/macro.h"

#include "pool/scalein.h"
#include "pool/sizer.h"
#include "test.h"

/* ---- monotone in demand and factor ---- */

typedef double size_rule(struct demand background, double factor, struct demand classes,
                         double class_factor);

static double falls_with_demand(struct demand background, double factor, struct demand classes,
                                double class_factor)
{
        return demand_size(background, factor, classes, class_factor) -
               1.5 * fmax(0, background.mean - 20);
}

static double falls_with_factor(struct demand background, double factor, struct demand classes,
                                double class_factor)
{
        return demand_size(background, factor > 6 ? 1 : factor, classes, class_factor);
}

static int not_monotone(size_rule *rule)
{
        uint64_t seed = pool_seed();
        int wrong = 0;

        for (int i = 0; i < 20000; i++) {
                struct demand b = {60 * random_unit(&seed), 0};
                struct demand c = {60 * random_unit(&seed), 0};
                double f = 8 * random_unit(&seed);
                double g = 8 * random_unit(&seed);
                struct demand more;
                double size;

                b.var = b.mean * (1 + 3 * random_unit(&seed));
                c.var = c.mean * (1 + 3 * random_unit(&seed));
                size = rule(b, f, c, g);
                more = (struct demand){b.mean + random_unit(&seed), b.var + random_unit(&seed)};
                wrong += rule(more, f, c, g) < size;
                more = (struct demand){c.mean + random_unit(&seed), c.var + random_unit(&seed)};
                wrong += rule(b, f, more, g) < size;
                wrong += rule(b, f + random_unit(&seed), c, g) < size;
                wrong += rule(b, f, c, g + random_unit(&seed)) < size;
        }
        return wrong;
}

static void test_monotone(void)
{
        CHECK_INT(not_monotone(demand_size), 0);
        CHECK(not_monotone(falls_with_demand) > 0);
        CHECK(not_monotone(falls_with_factor) > 0);
}

/* ---- a sizer and what it is fed ---- */

static const struct schedule always = {.from_min = 0, .to_min = 1440, .weekdays = 0x7F};

static struct sizer_config config_of(double hit, uint32_t ceiling)
{
        return (struct sizer_config){.floor = 1,
                                     .ceiling = ceiling,
                                     .hit_rate = hit,
                                     .forecast = true,
                                     .lead_ms = 60000,
                                     .schedule = &always};
}

#define T0 INT64_C(1700000000)

static const struct sizer_size *step(struct sizer *s, int64_t t, uint32_t budget)
{
        return sizer_advance(s, (utc_t){(T0 + t) * US_PER_S}, (mono_t){t * US_PER_S}, NULL, budget);
}

static void arrive(struct sizer *s, int64_t t, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                sizer_arrived(s, (utc_t){(T0 + t) * US_PER_S}, TIMETABLE_NONE);
}

/* Expected demand, when one of two otherwise equal worlds sees arrivals that the other does not. */
static void test_more_people_more_demand(void)
{
        uint64_t seed = pool_seed();
        struct sizer_config config = config_of(0.99, 1000);
        static struct sizer less, more;

        sizer_init(&less, &config);
        sizer_init(&more, &config);
        for (int64_t t = 0; t < 40000; t++) {
                uint32_t n = random_unit(&seed) < 0.05 * (1 + sin((double)t / 3000));

                (void)step(&less, t, UINT32_MAX);
                (void)step(&more, t, UINT32_MAX);
                arrive(&less, t, n);
                arrive(&more, t, n + (random_unit(&seed) < 0.01));
                CHECK(more.size.demand.mean >= less.size.demand.mean - 1e-9);
                CHECK(more.size.demand.var >= less.size.demand.var - 1e-9);
        }
}

/* The same arrivals at rising hit rates. */
static void test_monotone_in_hit_rate(void)
{
        static const double rates[] = {0.5, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999};
        static struct sizer s[ARRAY_LEN(rates)];
        uint64_t seed = pool_seed();

        for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
                struct sizer_config config = config_of(rates[i], 1000);

                sizer_init(&s[i], &config);
        }
        for (int64_t t = 0; t < (test_full() ? 400000 : 60000); t++) {
                uint32_t n = random_unit(&seed) < 0.03;

                for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
                        (void)step(&s[i], t, UINT32_MAX);
                        arrive(&s[i], t, n);
                        /* One of hysteresis. */
                        CHECK(i == 0 || s[i].size.size + 1 >= s[i - 1].size.size);
                        CHECK(i == 0 ||
                              calibrate_factor(&s[i].forecast.alone, rates[i]) >=
                                      calibrate_factor(&s[i - 1].forecast.alone, rates[i - 1]));
                }
        }
}

/* Random demand, random ceilings and budgets. */
static void test_never_above_the_limits(void)
{
        uint64_t seed = pool_seed();
        int held = 0;

        for (int round = 0; round < 40; round++) {
                uint32_t ceiling = (uint32_t)(random_next(&seed) % 30);
                struct sizer_config config = config_of(0.99, ceiling);
                static struct sizer s;

                config.floor = (uint32_t)(random_next(&seed) % 40);
                sizer_init(&s, &config);
                for (int64_t t = 0; t < 5000; t++) {
                        uint32_t budget = (uint32_t)(random_next(&seed) % 40);
                        const struct sizer_size *r = step(&s, t, budget);

                        CHECK(r->size <= ceiling && r->size <= budget && r->size <= r->wanted);
                        held += r->size < r->wanted;
                        arrive(&s, t, random_unit(&seed) < 0.3);
                }
        }
        CHECK(held > 1000); /* the limits were met, not missed */
}

/* ---- stillness ---- */

/* One arrival every `every` seconds for two days; how often the size changes on the second, and how
 * many tasks are ended. `flicker`: a rule without hysteresis at the edge of two sizes. */
static void changes(int every, bool flicker, int *ret_changes, int *ret_ended)
{
        struct sizer_config config = config_of(0.99, 1000);
        static struct sizer s;
        struct scalein scalein;
        uint32_t before = 0;

        *ret_changes = *ret_ended = 0;
        sizer_init(&s, &config);
        scalein_init(&scalein);
        for (int64_t t = 0; t < INT64_C(2) * DAY_S; t++) {
                uint32_t size = step(&s, t, UINT32_MAX)->size;

                if (flicker)
                        size += t / REVIEW_S % 50 < 25 ? 4 : 0;
                if (t > DAY_S) {
                        *ret_changes += size != before;
                        if (t % REVIEW_S == 0)
                                *ret_ended += (int)scalein_stop(&scalein, (mono_t){t * US_PER_S},
                                                                100, size > before ? size : before,
                                                                size, 1.0 / every, 60);
                }
                before = size;
                arrive(&s, t, t % every == 0);
        }
}

static void test_still_on_constant_demand(void)
{
        static const int every[] = {1, 3, 7, 11, 20, 45, 60, 150, 400};
        int n, ended;

        for (size_t i = 0; i < ARRAY_LEN(every); i++) {
                changes(every[i], false, &n, &ended);
                fprintf(stderr, "    every %d s: %d changes\n", every[i], n);
                CHECK(n <= 2); /* the factor still learns; it never goes back and forth */
                CHECK_INT(ended, 0);
        }
        changes(20, true, &n, &ended);
        CHECK(n > 2);
}

/* Evenings: a pool without a floor, and fewer and fewer people. */
typedef uint32_t evening_rule(const struct sizer *s, uint32_t before);

static uint32_t as_sized(const struct sizer *s, uint32_t before)
{
        (void)before;
        return s->size.size;
}

/* With a line of one person in a hundred lead times alone. */
static uint32_t by_line_alone(const struct sizer *s, uint32_t before)
{
        (void)before;
        return s->size.demand.mean >= 0.01;
}

/* As if nobody was ever expected for certain. */
static uint32_t never_sure(const struct sizer *s, uint32_t before)
{
        (void)before;
        return s->size.size > 0 && s->size.demand.mean < 0.05;
}

struct evenings {
        int wakes;  /* from none to some */
        int short_; /* that ended within a quarter of an hour */
        int asleep; /* steps without a task although somebody surely comes */
};

/* Four weeks; people by day, thinning out from 18 to 24, which the weekly profile learns. */
static struct evenings evenings_of(evening_rule *rule)
{
        struct sizer_config config = config_of(0.99, 1000);
        uint64_t seed = pool_seed();
        static struct sizer s;
        struct evenings e = {0};
        uint32_t before = 0;
        int64_t woke = 0;

        config.floor = config.floor_quiet = 0;
        sizer_init(&s, &config);
        for (int64_t t = 0; t < INT64_C(28) * DAY_S; t += 10) {
                double hour = (double)((T0 + t) % DAY_S) / 3600;
                double rate = hour < 7 ? 0 : hour < 18 ? 0.01 : 0.01 * exp(-1.2 * (hour - 18));
                uint32_t size;

                (void)step(&s, t, UINT32_MAX);
                size = rule(&s, before);
                if (size > 0 && before == 0) {
                        e.wakes++;
                        woke = t;
                }
                e.short_ += size == 0 && before > 0 && t - woke < 900;
                e.asleep += size == 0 && s.size.demand.mean >= 0.05;
                before = size;
                arrive(&s, t, random_unit(&seed) < 10 * rate);
        }
        return e;
}

static void test_no_flicker_at_none(void)
{
        struct evenings e = evenings_of(as_sized);

        fprintf(stderr, "    in 28 evenings: %d wakes, %d short\n", e.wakes, e.short_);
        CHECK(e.wakes >= 14); /* it does sleep at night, most nights */
        CHECK_INT(e.short_, 0);
        CHECK_INT(e.asleep, 0);
        e = evenings_of(by_line_alone);
        fprintf(stderr, "    by the line alone: %d wakes, %d short\n", e.wakes, e.short_);
        CHECK(e.short_ > 0);
        CHECK(evenings_of(never_sure).asleep > 0);
}

/* ---- the margin learns ---- */

/* Demand whose rate jumps about: after learning, the share of lead times that were enough is the
 * hit rate, whatever it is. */
static void test_margin_finds_the_hit_rate(void)
{
        static const double wanted[] = {0.9, 0.99};
        uint64_t seed = pool_seed();
        struct series s = {.name = "made", .n_s = INT64_C(60) * DAY_S};
        double rate = 0.05;

        s.at = calloc((size_t)s.n_s, sizeof(*s.at));
        CHECK(s.at);
        for (int64_t t = 0; t < s.n_s; t++) {
                if (t % 700 == 0)
                        rate = 0.01 + 0.2 * random_unit(&seed) * random_unit(&seed);
                s.at[t] = random_unit(&seed) < rate;
        }
        for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
                struct ours_options o = {.lead_s = 60, .hit = wanted[i]};
                static struct ours ours;
                struct policy p = policy_ours(&ours, &s, NULL, &o);
                struct score got = world_play(&s, s.n_s / 3, s.n_s, 60, &p);
                double missed = 1 - score_hit(&got);

                fprintf(stderr, "    %.3f wanted, %.4f\n", wanted[i], score_hit(&got));
                CHECK(missed < 1.3 * (1 - wanted[i]));
                CHECK(missed > 0.4 * (1 - wanted[i])); /* nor by wasting */
        }
        free(s.at);
}

static void test_scale_in(void)
{
        struct scalein s;
        mono_t t = {0};
        uint32_t extra;

        scalein_init(&s);
        CHECK_INT(scalein_stop(&s, t, 20, 20, 10, 0.1, 60), 0);
        t = mono_add_ms(t, 29000);
        CHECK_INT(scalein_stop(&s, t, 20, 20, 10, 0.1, 60), 0);
        t = mono_add_ms(t, 1000);
        CHECK_INT(scalein_stop(&s, t, 20, 20, 10, 0.1, 60), 4); /* six are used within a launch */
        CHECK_INT(scalein_stop(&s, t, 20, 20, 10, 1, 60), 0);   /* soon used */
        CHECK_INT(scalein_stop(&s, t, 20, 20, 10, 0.1, 60), 0); /* counted anew */
        /* One too many stays a while, but not for ever. */
        scalein_init(&s);
        CHECK_INT(scalein_stop(&s, t, 1, 1, 0, 0, 60), 0);
        t = mono_add_ms(t, 119000);
        CHECK_INT(scalein_stop(&s, t, 1, 1, 0, 0, 60), 0);
        t = mono_add_ms(t, 1000);
        CHECK_INT(scalein_stop(&s, t, 1, 1, 0, 0, 60), 1);
        CHECK_INT(scalein_stop(&s, t, 0, 1, 0, 0, 60), 0); /* it is still being launched */
        CHECK_INT(replace_stop(5, 10, 10, &extra), 0);
        CHECK_INT(extra, 1);
        CHECK_INT(replace_stop(5, 12, 10, &extra), 2);
        CHECK_INT(replace_stop(0, 10, 10, &extra), 0);
        CHECK_INT(extra, 0);
}

static void test_says_why(void)
{
        struct sizer_config config = config_of(0.99, 3);
        static struct sizer s;

        config.floor = 2;
        sizer_init(&s, &config);
        CHECK_STR(step(&s, 0, UINT32_MAX)->why, "floor 2");
        for (int64_t t = 1; t < 600; t++) {
                (void)step(&s, t, UINT32_MAX);
                arrive(&s, t, t % 10 == 0);
        }
        CHECK_INT(s.size.size, 3);
        fprintf(stderr, "    %s\n", s.size.why);
        CHECK(strncmp(s.size.why, "forecast: 6.", 12) == 0);
        CHECK(strstr(s.size.why, "in a lead time of 60 s, "));
        CHECK(strstr(s.size.why, "wanted, ceiling 3"));
        CHECK(strstr(step(&s, 600, 1)->why, "budget 1"));
        /* A clock that is set back by a minute changes nothing; by a day, it forgets the rates. */
        CHECK(step(&s, 540, 1)->demand.mean > 5);
        CHECK(step(&s, -DAY_S, 1)->demand.mean < 0.1);
}

int main(void)
{
        RUN(test_monotone);
        RUN(test_more_people_more_demand);
        RUN(test_monotone_in_hit_rate);
        RUN(test_never_above_the_limits);
        RUN(test_still_on_constant_demand);
        RUN(test_no_flicker_at_none);
        RUN(test_margin_finds_the_hit_rate);
        RUN(test_scale_in);
        RUN(test_says_why);
        return 0;
}
