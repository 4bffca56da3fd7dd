/*
 * What the pool benchmark plays policies against: arrivals by the second, a pool in virtual time,
 * and the yardsticks that know the future.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DAY_S 86400
#define REVIEW_S 10
#define SIZE_MAX_TRIED 2048

/* One series of arrivals, from a UTC midnight on. */
struct series {
        const char *name;
        int64_t start_s; /* since 1970 */
        int64_t n_s;
        uint16_t *at; /* arrivals in each second */
};

struct burst {
        int64_t start_s; /* from the series' start */
        uint32_t people;
};

struct bursts {
        struct burst *list;
        uint32_t n;
};

struct score {
        double arrivals, hits, wait_s, idle_s, wasted_s;
        int64_t seconds;
};

/* A policy: told of time and arrivals, asked for the size (free tasks, launching ones included,
 * less people waiting). It never sees what is to come. */
struct policy {
        const char *name;
        void *state;
        uint32_t (*size)(void *state, int64_t t);
        void (*arrived)(void *state, int64_t t);
        double (*rate)(void *state, int64_t t); /* arrivals a second, for the scale-in rule */
};

/* Splittable, seeded: the same seed gives the same world on every machine. */
uint64_t random_next(uint64_t *state);
double random_unit(uint64_t *state); /* [0, 1) */

/*
 * Play seconds [0, to), score those from `from` on. Lead time fixed; replacements are ordered at
 * once, sizes reviewed every REVIEW_S; people who find nothing wait for the next task (backorder);
 * launches through the provider's bucket (100, then 20 a second); surplus ended by
 * pool/scalein.h, each task ended unused costs a lead time.
 */
struct score world_play(const struct series *s, int64_t from, int64_t to, uint32_t lead_s,
                        const struct policy *p);

static inline double score_hit(const struct score *s)
{
        return s->arrivals > 0 ? s->hits / s->arrivals : 1;
}

static inline double score_cost(const struct score *s)
{
        return s->idle_s + s->wasted_s;
}

/* Idle cost and hits of every constant size, in hindsight. */
struct curve {
        double arrivals;
        double idle_s[SIZE_MAX_TRIED];
        double hits[SIZE_MAX_TRIED];
};

void curve_static(const struct series *s, int64_t from, int64_t to, uint32_t lead_s,
                  struct curve *ret_curve);
/* Cost of the best constant size at exactly that hit rate (between two sizes: both, in turn). */
double curve_cost(const struct curve *c, double hit);
uint32_t curve_size(const struct curve *c, double hit);
/* Cost of the best size for each `window_s` on its own, arrivals known, at that hit rate overall:
 * S_k = argmin idle_k(S) - price x hits_k(S), the price bisected; between two prices: both, in
 * turn. */
double bound_cost(const struct series *s, int64_t from, int64_t to, uint32_t lead_s,
                  int64_t window_s, double hit);
