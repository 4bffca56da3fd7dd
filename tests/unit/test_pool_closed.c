/*
 * The closed formulas against figures worked out elsewhere, and the benchmark's pool in virtual
 * time against the formulas: if either lies, they part.
 */
#include "pool_seed.h"

#include <math.h>

#include "../bench/pool_policies.h"
#include "pool/closed.h"
#include "test.h"

static bool near(double a, double b, double by)
{
        return fabs(a - b) <= by;
}

/* lambda 0.2/s, L 60 s, S 22: the formulas' reference values (4, 4 and 3 digits). */
static void test_reference(void)
{
        CHECK(near(closed_hit(12, 22), 0.9939, 5e-5));
        CHECK(near(closed_idle(12, 22), 10.01, 5e-3));
        CHECK(near(60 * closed_wait(12, 22), 0.029, 5e-4));
        CHECK(near(1 - closed_erlang_b(12, 22), 0.9970, 5e-5));
        CHECK(near(22 - 12 * (1 - closed_erlang_b(12, 22)), 10.04, 5e-3));
        CHECK_INT(closed_size(12, 0.9939), 22);
        CHECK(near(closed_poisson(800, 2000), 1, 1e-9)); /* no underflow */
}

static void test_overdispersed(void)
{
        double mean = 0;
        double square = 0;
        double before = 0;

        for (uint32_t k = 0; k < 2000; k++) {
                double now = closed_negative_binomial(7, 20, k);

                mean += k * (now - before);
                square += (double)k * k * (now - before);
                before = now;
        }
        CHECK(near(mean, 7, 1e-6));
        CHECK(near(square - mean * mean, 20, 1e-5));
        CHECK_INT(closed_size_overdispersed(7, 7, 0.99), closed_size(7, 0.99));
        CHECK(closed_size_overdispersed(7, 20, 0.99) > closed_size(7, 0.99));
        for (double h = 0.5; h < 0.999; h += 0.01) {
                CHECK(closed_size(7, h) <= closed_size(7, h + 0.001));
                CHECK(closed_size(7, h) <= closed_size(7.5, h));
        }
}

static struct series poisson_world(double per_s, int64_t days, uint64_t *seed)
{
        struct series s = {.name = "poisson", .n_s = days * DAY_S};
        double p = per_s / 8; /* eight chances a second */

        s.at = calloc((size_t)s.n_s, sizeof(*s.at));
        CHECK(s.at);
        for (int64_t t = 0; t < s.n_s; t++) {
                for (int k = 0; k < 8; k++)
                        s.at[t] = (uint16_t)(s.at[t] + (random_unit(seed) < p));
        }
        return s;
}

/*
 * Constant demand: hits and idle tasks within 1 % of the formulas. In a world of seconds an arrival
 * does not see those later in its own second: on average half a second of the lead time is missing.
 */
static bool agrees(const struct score *got, double load, uint32_t size)
{
        double idle = got->idle_s / (double)got->seconds;
        double hit = closed_hit(load * 59.5 / 60, size);

        return near(score_hit(got), hit, 0.01 * hit) &&
               near(idle, closed_idle(load, size), 0.01 * closed_idle(load, size));
}

static void test_world_agrees(void)
{
        uint64_t seed = pool_seed();
        struct series s = poisson_world(0.05, 300, &seed);
        struct curve curve;

        curve_static(&s, DAY_S, s.n_s, 60, &curve);
        for (uint32_t size = 3; size <= 8; size++) {
                struct constant c = {size};
                struct policy p = policy_constant("constant", &c);
                struct score got = world_play(&s, DAY_S, s.n_s, 60, &p);

                CHECK(agrees(&got, 3, size));
                CHECK(!agrees(&got, 3.2, size)); /* the comparison can fail */
                CHECK(near(curve.idle_s[size], got.idle_s, 0.001 * got.idle_s));
                CHECK(near(curve.hits[size], got.hits, 1));
        }
        free(s.at);
}

/* The bound on one window is the constant size that misses nobody; more windows never cost more; on
 * a world of three windows it is what trying every choice finds. */
static void test_bound(void)
{
        enum { window = 30, lead = 5, sizes = 7 };
        uint64_t seed = pool_seed();
        uint16_t at[3 * window] = {0};
        struct series s = {"small", 0, 3 * window, at};
        static struct curve whole;
        static struct curve part[3];
        double least = INFINITY;
        double hits;

        for (int i = 0; i < 3 * window; i++)
                at[i] = random_unit(&seed) < (i < window ? 0.1 : i < 2 * window ? 0.8 : 0.3);
        curve_static(&s, 0, s.n_s, lead, &whole);
        for (int k = 0; k < 3; k++)
                curve_static(&s, k * window, (k + 1) * window, lead, &part[k]);
        for (uint32_t size = 1; size <= 4; size++) {
                double hit = whole.hits[size] / whole.arrivals;

                CHECK(bound_cost(&s, 0, s.n_s, lead, window, hit) <= whole.idle_s[size] + 1e-3);
        }
        CHECK(near(bound_cost(&s, 0, s.n_s, lead, s.n_s, 1), curve_cost(&whole, 1), 1e-3));
        for (int i = 0; i < sizes * sizes * sizes; i++) {
                int a = i % sizes, b = i / sizes % sizes, c = i / sizes / sizes;

                hits = part[0].hits[a] + part[1].hits[b] + part[2].hits[c];
                if (hits == whole.arrivals)
                        least = fmin(least,
                                     part[0].idle_s[a] + part[1].idle_s[b] + part[2].idle_s[c]);
        }
        CHECK(near(bound_cost(&s, 0, s.n_s, lead, window, 1), least, 1e-3));
}

int main(void)
{
        RUN(test_reference);
        RUN(test_overdispersed);
        RUN(test_world_agrees);
        RUN(test_bound);
        return 0;
}
