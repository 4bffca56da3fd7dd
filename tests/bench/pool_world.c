#include "pool_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "pool/bucket.h"
#include "pool/scalein.h"

uint64_t random_next(uint64_t *state)
{
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

double random_unit(uint64_t *state)
{
        return (double)(random_next(state) >> 11) * 0x1p-53;
}

static void *need(void *p)
{
        if (!p) {
                fprintf(stderr, "pool bench: out of memory\n");
                exit(1);
        }
        return p;
}

/* ---- a pool in virtual time ---- */

struct pool_state {
        uint32_t lead_s;
        uint32_t *coming; /* launches by the second they are warm, modulo lead_s */
        int64_t warm, launching, waiting;
        struct bucket launches;
        struct scalein scalein;
};

static mono_t mono_at(int64_t t)
{
        return (mono_t){t * US_PER_S};
}

static void order(struct pool_state *w, int64_t t, int64_t size)
{
        int64_t missing = size - (w->warm + w->launching - w->waiting);
        uint32_t n;

        if (missing <= 0)
                return;
        n = (uint32_t)MIN(missing, (int64_t)bucket_has(&w->launches, mono_at(t)));
        bucket_take(&w->launches, mono_at(t), n);
        w->coming[t % w->lead_s] += n;
        w->launching += n;
}

static void land(struct pool_state *w, int64_t t)
{
        uint32_t n = w->coming[t % w->lead_s];
        int64_t served;

        w->coming[t % w->lead_s] = 0;
        w->launching -= n;
        w->warm += n;
        served = MIN(w->waiting, w->warm);
        w->waiting -= served;
        w->warm -= served;
}

static uint32_t shrink(struct pool_state *w, int64_t t, uint32_t size, double rate)
{
        int64_t have = w->warm + w->launching - w->waiting;
        uint32_t n = scalein_stop(&w->scalein, mono_at(t), (uint32_t)w->warm,
                                  (uint32_t)MAX(have, 0), size, rate, w->lead_s);

        w->warm -= n;
        return n;
}

struct score world_play(const struct series *s, int64_t from, int64_t to, uint32_t lead_s,
                        const struct policy *p)
{
        struct score r = {.seconds = to - from};
        struct pool_state w = {.lead_s = lead_s, .coming = need(calloc(lead_s, sizeof(*w.coming)))};
        uint32_t size = 0;

        bucket_init(&w.launches, BUCKET_BURST, BUCKET_PER_S, mono_at(0));
        scalein_init(&w.scalein);
        for (int64_t t = 0; t < to; t++) {
                bool counts = t >= from;
                bool review = t % REVIEW_S == 0;

                land(&w, t);
                if (review)
                        size = p->size(p->state, t);
                for (uint32_t i = 0; i < s->at[t]; i++) {
                        if (p->arrived)
                                p->arrived(p->state, t);
                        if (w.warm > 0)
                                w.warm--;
                        else
                                w.waiting++;
                        r.hits += counts && w.waiting == 0;
                        r.arrivals += counts;
                }
                order(&w, t, size);
                if (review) {
                        uint32_t n = shrink(&w, t, size, p->rate(p->state, t));

                        r.wasted_s += counts ? (double)n * lead_s : 0;
                }
                r.idle_s += counts ? (double)w.warm : 0;
                r.wait_s += counts ? (double)w.waiting : 0;
        }
        free(w.coming);
        return r;
}

/* ---- yardsticks that know the future ---- */

/* Calls of `each` see how many arrived in the lead time before: per second, and per arrival. */
struct counts {
        double *seconds; /* by demand */
        double *arrivals;
        int64_t n;
};

static void count(const struct series *s, int64_t t, uint32_t lead_s, int64_t first, uint32_t *d,
                  struct counts *c)
{
        if (t - lead_s >= first)
                *d -= s->at[t - lead_s];
        for (uint32_t i = 0; i < s->at[t]; i++, (*d)++) {
                if (c)
                        c->arrivals[MIN((int64_t)*d, c->n - 1)]++;
        }
        if (c)
                c->seconds[MIN((int64_t)*d, c->n - 1)]++;
}

void curve_static(const struct series *s, int64_t from, int64_t to, uint32_t lead_s,
                  struct curve *ret_curve)
{
        static double seconds[SIZE_MAX_TRIED];
        static double arrivals[SIZE_MAX_TRIED];
        struct counts c = {seconds, arrivals, SIZE_MAX_TRIED};
        int64_t first = MAX(from - lead_s, 0);
        uint32_t d = 0;
        double below = 0;
        double idle = 0;
        double hits = 0;

        memset(seconds, 0, sizeof(seconds));
        memset(arrivals, 0, sizeof(arrivals));
        for (int64_t t = first; t < to; t++)
                count(s, t, lead_s, first, &d, t >= from ? &c : NULL);
        memset(ret_curve, 0, sizeof(*ret_curve));
        for (int size = 1; size < SIZE_MAX_TRIED; size++) {
                below += seconds[size - 1];
                idle += below;
                hits += arrivals[size - 1];
                ret_curve->idle_s[size] = idle;
                ret_curve->hits[size] = hits;
        }
        ret_curve->arrivals = hits + arrivals[SIZE_MAX_TRIED - 1];
}

uint32_t curve_size(const struct curve *c, double hit)
{
        uint32_t size = 0;

        while (size < SIZE_MAX_TRIED - 1 && c->hits[size] < hit * c->arrivals)
                size++;
        return size;
}

double curve_cost(const struct curve *c, double hit)
{
        uint32_t size = curve_size(c, hit);
        double more, part;

        if (size == 0)
                return 0;
        more = c->hits[size] - c->hits[size - 1];
        part = more > 0 ? (hit * c->arrivals - c->hits[size - 1]) / more : 1;
        return c->idle_s[size - 1] + fmin(part, 1) * (c->idle_s[size] - c->idle_s[size - 1]);
}

#define BOUND_SIZES 1024

struct window {
        uint16_t sizes; /* demand never reaches it */
        float *idle_s;  /* by size */
        float *hits;
};

static void window_make(struct window *w, const double *seconds, const double *arrivals)
{
        double below = 0;
        double idle = 0;
        double hits = 0;
        int top = BOUND_SIZES - 1;

        while (top > 0 && seconds[top - 1] == 0 && arrivals[top - 1] == 0)
                top--;
        w->sizes = (uint16_t)(top + 1);
        w->idle_s = need(calloc(w->sizes, sizeof(float)));
        w->hits = need(calloc(w->sizes, sizeof(float)));
        for (int size = 1; size <= top; size++) {
                below += seconds[size - 1];
                idle += below;
                hits += arrivals[size - 1];
                w->idle_s[size] = (float)idle;
                w->hits[size] = (float)hits;
        }
}

static void best(const struct window *w, int64_t n, double price, double *ret_idle,
                 double *ret_hits)
{
        *ret_idle = *ret_hits = 0;
        for (int64_t k = 0; k < n; k++) {
                double least = 0;
                int size = 0;

                for (int i = 1; i < w[k].sizes; i++) {
                        double cost = w[k].idle_s[i] - price * w[k].hits[i];

                        if (cost < least) {
                                least = cost;
                                size = i;
                        }
                }
                *ret_idle += w[k].idle_s[size];
                *ret_hits += w[k].hits[size];
        }
}

static double bound_solve(const struct window *w, int64_t n, double wanted)
{
        double low = 0;
        double high = 1e7;
        double idle[2] = {0, 0};
        double hits[2] = {0, 0};

        best(w, n, high, &idle[1], &hits[1]);
        for (int i = 0; i < 60; i++) {
                double price = (low + high) / 2;
                double at_idle, at_hits;

                best(w, n, price, &at_idle, &at_hits);
                if (at_hits >= wanted) {
                        high = price;
                        idle[1] = at_idle;
                        hits[1] = at_hits;
                } else {
                        low = price;
                        idle[0] = at_idle;
                        hits[0] = at_hits;
                }
        }
        if (hits[1] <= hits[0] || wanted >= hits[1])
                return idle[1];
        return idle[0] + (wanted - hits[0]) / (hits[1] - hits[0]) * (idle[1] - idle[0]);
}

double bound_cost(const struct series *s, int64_t from, int64_t to, uint32_t lead_s,
                  int64_t window_s, double hit)
{
        int64_t n = (to - from + window_s - 1) / window_s;
        struct window *w = need(calloc((size_t)n, sizeof(*w)));
        double seconds[BOUND_SIZES] = {0};
        double arrivals[BOUND_SIZES] = {0};
        struct counts c = {seconds, arrivals, BOUND_SIZES};
        int64_t first = MAX(from - lead_s, 0);
        double all = 0;
        double cost;
        uint32_t d = 0;

        for (int64_t t = first; t < to; t++) {
                count(s, t, lead_s, first, &d, t >= from ? &c : NULL);
                if (t < from)
                        continue;
                all += s->at[t];
                if ((t + 1 - from) % window_s != 0 && t + 1 != to)
                        continue;
                window_make(&w[(t - from) / window_s], seconds, arrivals);
                memset(seconds, 0, sizeof(seconds));
                memset(arrivals, 0, sizeof(arrivals));
        }
        cost = bound_solve(w, n, hit * all);
        for (int64_t k = 0; k < n; k++) {
                free(w[k].idle_s);
                free(w[k].hits);
        }
        free(w);
        return cost;
}
