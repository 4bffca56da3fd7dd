#include "pool/idlelimit.h"

#include <math.h>

#include "base/macro.h"

#define FIRST_MS 60000.0
#define STEP 1.14
#define GROWTH 1.0014 /* doubles in 500 gaps */
#define HOUR_MS 3600000.0

void gaps_init(struct gaps *g)
{
        *g = (struct gaps){.weight = 1};
}

/* The upper edge; gaps in a bin are taken to be at its middle. */
static double edge_ms(int bin)
{
        return FIRST_MS * pow(STEP, bin);
}

void gaps_seen(struct gaps *g, int64_t ms)
{
        double bin = (double)ms <= FIRST_MS ? 0 : ceil(log((double)ms / FIRST_MS) / log(STEP));
        int i = (int)fmin(bin, IDLELIMIT_BINS - 1);

        g->bins[i] += (float)g->weight;
        g->total += g->weight;
        g->weight *= GROWTH;
        if (g->weight < 1e6)
                return;
        g->total = 0;
        for (i = 0; i < IDLELIMIT_BINS; i++) {
                g->bins[i] = (float)(g->bins[i] / g->weight);
                g->total += g->bins[i];
        }
        g->weight = 1;
}

static double wrong_stop(const struct idlelimit_cost *c)
{
        return (double)c->value_of_time * c->wait_ms / HOUR_MS + (double)c->launch;
}

int64_t idlelimit_break_even_ms(const struct idlelimit_cost *c)
{
        if (c->task_hour <= 0)
                return INT64_MAX;
        return (int64_t)(wrong_stop(c) / (double)c->task_hour * HOUR_MS);
}

double idlelimit_cost(const struct gaps *g, const struct idlelimit_cost *c, int64_t limit_ms)
{
        double hold = (double)c->task_hour / HOUR_MS;
        double cost = 0;

        for (int i = 0; i < IDLELIMIT_BINS; i++) {
                double gap = i == 0 ? edge_ms(0) / 2 : (edge_ms(i - 1) + edge_ms(i)) / 2;
                double kept = fmin(gap, (double)limit_ms);

                cost += g->bins[i] * (hold * kept + (gap > kept ? wrong_stop(c) : 0));
        }
        return g->total > 0 ? cost / g->total : 0;
}

int64_t idlelimit_ms(const struct gaps *g, const struct idlelimit_cost *c, int64_t floor_ms,
                     int64_t ceiling_ms)
{
        int64_t limit = MIN(MAX(idlelimit_break_even_ms(c), floor_ms), ceiling_ms);
        double n = g->total / g->weight;
        double prior = IDLELIMIT_PRIOR * wrong_stop(c); /* whatever the limit */
        double best = idlelimit_cost(g, c, limit) * n + prior;
        double least = best * (1 - IDLELIMIT_GAIN);

        for (int i = -1; i <= IDLELIMIT_BINS; i++) {
                int64_t at = i < 0                 ? floor_ms
                             : i == IDLELIMIT_BINS ? ceiling_ms
                                                   : (int64_t)edge_ms(i);
                double cost;

                if (at < floor_ms || at > ceiling_ms)
                        continue;
                cost = idlelimit_cost(g, c, at) * n + prior;
                if (cost < least) {
                        least = cost;
                        limit = at;
                }
        }
        return limit;
}
