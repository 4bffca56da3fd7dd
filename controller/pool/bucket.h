/*
 * A token bucket: how many launches a provider takes at once and how many a second after that
 * (Fargate: 100, then 20 a second), or how fast an operator wants a pool refilled. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/mono.h"

#define BUCKET_BURST 100
#define BUCKET_PER_S 20

struct bucket {
        double burst;
        double per_s; /* 0: unlimited */
        double tokens;
        mono_t at;
};

void bucket_init(struct bucket *b, double burst, double per_s, mono_t now);
/* How many may be taken now. */
uint32_t bucket_has(struct bucket *b, mono_t now);
/* When the next may be taken: now, or later. */
mono_t bucket_next(struct bucket *b, mono_t now);
/* Take them; more than it has is a debt. */
void bucket_take(struct bucket *b, mono_t now, uint32_t n);
/* How much earlier than a lead time to begin, so that `need` launches are all made in time when
 * `has` can be made at once. Seconds, rounded up. */
uint32_t bucket_early_s(const struct bucket *b, uint32_t has, double need);

/*
 * Of `wanted` launches, `waiting` of which are for people who wait: how many may be made now, by
 * the provider's bucket and, for the others, by the operator's refill limit. Takes them.
 * `ret_limit` (may be NULL) says what held the rest back: "launch rate", "refill rate", or NULL.
 */
uint32_t bucket_launches(struct bucket *launches, struct bucket *refill, mono_t now,
                         uint32_t wanted, uint32_t waiting, const char **ret_limit);
