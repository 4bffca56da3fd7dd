#include "out/saves_retention.h"

#include "base/macro.h"

#define US_PER_DAY (INT64_C(86400) * US_PER_S)

static int64_t day_of(utc_t at)
{
        return at.us / US_PER_DAY;
}

static bool older(const struct retention_save *s, uint64_t generation, uint64_t seq)
{
        return s->generation != generation ? s->generation < generation : s->seq < seq;
}

void retention_apply(const struct retention_rule *rule, uint64_t before_generation,
                     uint64_t before_seq, utc_t now, struct retention_save *saves, size_t n)
{
        int64_t oldest_day = day_of(now) - (int64_t)rule->keep_days + 1;
        int64_t day = INT64_MAX; /* the last one that has its save; times fall with the order */
        uint32_t generations = 0;

        for (size_t i = 0; i < n; i++) {
                struct retention_save *s = &saves[i];
                bool first = i == 0 || saves[i - 1].generation != s->generation;
                int64_t today = day_of(s->at);

                s->keep = s->pinned || i < rule->keep_last ||
                          !older(s, before_generation, before_seq);
                if (first && generations++ < RETENTION_GENERATIONS)
                        s->keep = true;
                if (today < day && today >= oldest_day && rule->keep_days > 0) {
                        day = today;
                        s->keep = true;
                }
        }
}
