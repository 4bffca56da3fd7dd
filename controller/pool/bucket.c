#include "pool/bucket.h"

#include <math.h>

#include "base/macro.h"

void bucket_init(struct bucket *b, double burst, double per_s, mono_t now)
{
        *b = (struct bucket){.burst = burst, .per_s = per_s, .tokens = burst, .at = now};
}

static void fill(struct bucket *b, mono_t now)
{
        double s = (double)(now.us - b->at.us) / US_PER_S;

        if (s <= 0)
                return;
        b->at = now;
        b->tokens = fmin(b->burst, b->tokens + s * b->per_s);
}

uint32_t bucket_has(struct bucket *b, mono_t now)
{
        if (b->per_s <= 0)
                return UINT32_MAX;
        fill(b, now);
        return b->tokens < 1 ? 0 : (uint32_t)b->tokens;
}

mono_t bucket_next(struct bucket *b, mono_t now)
{
        if (bucket_has(b, now) > 0)
                return now;
        return (mono_t){now.us + (int64_t)ceil((1 - b->tokens) / b->per_s * US_PER_S)};
}

void bucket_take(struct bucket *b, mono_t now, uint32_t n)
{
        fill(b, now);
        if (b->per_s > 0)
                b->tokens -= n;
}

uint32_t bucket_early_s(const struct bucket *b, uint32_t has, double need)
{
        if (b->per_s <= 0 || need <= has)
                return 0;
        return (uint32_t)fmin(ceil((need - has) / b->per_s), 86400);
}

uint32_t bucket_launches(struct bucket *launches, struct bucket *refill, mono_t now,
                         uint32_t wanted, uint32_t waiting, const char **ret_limit)
{
        uint32_t people = MIN(wanted, waiting);
        uint32_t others = MIN(wanted - people, bucket_has(refill, now));
        uint32_t n = MIN(people + others, bucket_has(launches, now));

        if (ret_limit)
                *ret_limit = n < people + others ? "launch rate"
                             : n < wanted        ? "refill rate"
                                                 : NULL;
        bucket_take(launches, now, n);
        bucket_take(refill, now, n > people ? n - people : 0);
        return n;
}
