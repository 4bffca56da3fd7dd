/*
 * Recurrence rules of RFC 5545, as far as classes need them: DAILY and WEEKLY with INTERVAL, BYDAY,
 * WKST, COUNT and UNTIL. Pure: days of local time, no zones. Anything else is refused with its
 * name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct recur {
        bool weekly; /* otherwise daily */
        uint32_t interval;
        uint8_t days;       /* BYDAY, bit 0 is Monday; 0: not given */
        uint8_t week_start; /* 0 is Monday */
        uint32_t count;     /* occurrences in all; 0: no limit */
        const char *until;  /* inside the text of the rule, `until_len` long; NULL: for ever */
        size_t until_len;
};

/* 0, or -EINVAL and why. The text is kept by pointer (UNTIL). */
NODISCARD int recur_parse(const char *text, struct recur *ret_recur, char *ret_error, size_t size);

/* Every day of the rule from `start_day` (its first) to `to_day`, until `fn` says false. */
void recur_days(const struct recur *r, int32_t start_day, int32_t to_day,
                bool (*fn)(void *ctx, int32_t day), void *ctx);
