/*
 * Which saves of a workspace are kept. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"

struct retention_rule {
        uint32_t keep_last; /* the newest so many */
        uint32_t keep_days; /* and the newest of each of so many days (UTC), today among them */
};

#define RETENTION_GENERATIONS 3 /* the newest save of each of the last so many lives */

struct retention_save {
        uint64_t generation, seq;
        utc_t at;
        bool pinned; /* or named by who asks: head and previous */
        bool keep;   /* the result */
};

/*
 * Sets `keep` of `n` saves, which are sorted newest first: by generation, then seq. Kept is what
 * the rule says, what is pinned, and everything that is not older than (before_generation,
 * before_seq).
 */
void retention_apply(const struct retention_rule *rule, uint64_t before_generation,
                     uint64_t before_seq, utc_t now, struct retention_save *saves, size_t n);
