#include "pool/calibrate.h"

#include <math.h>

/* Weights grow instead of old ones shrinking, until a float would lose small ones. */
#define WEIGHT_MAX 1e6
#define DAY_S 86400.0
#define LN_100 4.605170185988091

void calibrate_init(struct calibrate *c, double z99)
{
        double above = 1; /* P(u > left edge) */

        *c = (struct calibrate){.weight = 1};
        for (int i = 0; i < CALIBRATE_BINS; i++) {
                double next = exp(-LN_100 * (i + 1) * CALIBRATE_WIDTH / z99);

                if (i == CALIBRATE_BINS - 1)
                        next = 0;
                c->bins[i] = (float)(CALIBRATE_PRIOR * (above - next));
                c->total += c->bins[i];
                above = next;
        }
}

static void fade(struct calibrate *c, int64_t now_s)
{
        double days = (double)(now_s - c->faded_s) / DAY_S;

        if (c->faded_s == 0 || days < 0)
                days = 0;
        if (days < 1.0 / 24 && c->faded_s != 0)
                return;
        c->faded_s = now_s;
        c->weight *= exp2(days / CALIBRATE_HALF_LIFE_DAYS);
        if (c->weight < WEIGHT_MAX)
                return;
        c->total = 0;
        for (int i = 0; i < CALIBRATE_BINS; i++) {
                c->bins[i] = (float)(c->bins[i] / c->weight);
                c->total += c->bins[i];
        }
        c->weight = 1;
}

void calibrate_seen(struct calibrate *c, int64_t now_s, double u)
{
        int bin = u <= 0 ? 0 : (int)fmin(u / CALIBRATE_WIDTH, (double)(CALIBRATE_BINS - 1));

        fade(c, now_s);
        c->bins[bin] += (float)c->weight;
        c->total += c->weight;
}

double calibrate_factor(const struct calibrate *c, double hit_rate)
{
        double wanted = hit_rate * c->total;
        double sum = 0;

        for (int i = 0; i < CALIBRATE_BINS; i++) {
                if (sum + c->bins[i] >= wanted)
                        return CALIBRATE_WIDTH *
                               (i + (c->bins[i] > 0 ? (wanted - sum) / c->bins[i] : 0));
                sum += c->bins[i];
        }
        return CALIBRATE_BINS * CALIBRATE_WIDTH;
}
