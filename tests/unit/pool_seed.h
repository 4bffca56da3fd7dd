/* The pool tests' seed: WS_TEST_SEED, or one that rotates with the clock; printed once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mono.h"

static inline uint64_t pool_seed(void)
{
        static uint64_t seed;
        const char *given = getenv("WS_TEST_SEED");

        if (seed == 0) {
                seed = given ? strtoull(given, NULL, 10) + 1 : (uint64_t)utc_read().us;
                fprintf(stderr, "seed %llu\n", (unsigned long long)seed - 1);
        }
        return seed;
}
