/* Random numbers for plans: the same seed, the same numbers, everywhere. */
#pragma once

#include <math.h>
#include <stdint.h>

struct plan_random {
        uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood 2014): one word of state, passes BigCrush. */
static inline uint64_t random_next(struct plan_random *r)
{
        uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
}

/* In (0, 1). */
static inline double random_unit(struct plan_random *r)
{
        return ((double)(random_next(r) >> 11) + 0.5) / 9007199254740992.0;
}

static inline double random_normal(struct plan_random *r)
{
        double u = random_unit(r);

        return sqrt(-2 * log(u)) * cos(6.283185307179586 * random_unit(r));
}

/* Lognormal with that mean and coefficient of variation; cv 0: the mean. */
static inline double random_lognormal(struct plan_random *r, double mean, double cv)
{
        double s2 = log(1 + cv * cv);

        return cv > 0 ? mean * exp(sqrt(s2) * random_normal(r) - s2 / 2) : mean;
}
