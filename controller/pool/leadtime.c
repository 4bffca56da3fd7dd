#include "pool/leadtime.h"

#include <math.h>

#include "base/macro.h"

#define FIRST_MS 500.0
#define STEP 1.05
#define GROWTH 1.003472 /* doubles in 200 launches */

void leadtime_init(struct leadtime *l, uint32_t expected_ms)
{
        *l = (struct leadtime){.expected_ms = expected_ms, .weight = 1};
}

void leadtime_seen(struct leadtime *l, int64_t ms)
{
        double bin = (double)ms <= FIRST_MS ? 0 : ceil(log((double)ms / FIRST_MS) / log(STEP));
        int i = (int)fmin(bin, LEADTIME_BINS - 1);

        l->bins[i] += (float)l->weight;
        l->total += l->weight;
        l->weight *= GROWTH;
        if (l->seen < UINT32_MAX)
                l->seen++;
        if (l->weight < 1e6)
                return;
        l->total = 0;
        for (i = 0; i < LEADTIME_BINS; i++) {
                l->bins[i] = (float)(l->bins[i] / l->weight);
                l->total += l->bins[i];
        }
        l->weight = 1;
}

uint32_t leadtime_ms(const struct leadtime *l)
{
        double sum = 0;
        uint32_t ms = 0;
        int i = 0;

        while (l->total > 0 && i < LEADTIME_BINS - 1 &&
               sum + l->bins[i] < LEADTIME_QUANTILE * l->total)
                sum += l->bins[i++];
        if (l->total > 0)
                ms = (uint32_t)lround(FIRST_MS * pow(STEP, i));
        return l->seen < LEADTIME_ENOUGH ? MAX(ms, l->expected_ms) : ms;
}

uint32_t leadtime_s(const struct leadtime *l)
{
        return MAX(1, (leadtime_ms(l) + 999) / 1000);
}
