#include "pool/scalein.h"

#include <math.h>
#include <stdbool.h>

#include "base/macro.h"

#define KEEP_SHARE 0.15
#define REPLACE_SHARE 10 /* one in so many at a time */

void scalein_init(struct scalein *s)
{
        s->large = s->any = MONO_NEVER;
}

/* How long `is` has been so, in seconds; -1: it is not. */
static double lasting(mono_t *since, bool is, mono_t now)
{
        if (!is)
                *since = MONO_NEVER;
        else if (mono_is_never(*since))
                *since = now;
        return is ? (double)mono_diff_ms(*since, now) / 1000 : -1;
}

uint32_t scalein_stop(struct scalein *s, mono_t now, uint32_t warm, uint32_t have, uint32_t target,
                      double rate, double lead_s)
{
        double surplus = have > target ? have - target : 0;
        double used = rate * lead_s;
        double keep = fmax(fmax(1, KEEP_SHARE * target), used);
        double large = lasting(&s->large, surplus > keep, now);
        double any = lasting(&s->any, surplus > used, now);

        if (any >= fmax(SCALEIN_SLOW_S, 2 * lead_s))
                return MIN(warm, (uint32_t)ceil(surplus - used));
        if (large >= SCALEIN_PATIENCE_S)
                return MIN(warm, (uint32_t)ceil(surplus - keep));
        return 0;
}

uint32_t replace_stop(uint32_t outdated, uint32_t warm, uint32_t target, uint32_t *ret_extra)
{
        uint32_t surplus = warm > target ? warm - target : 0;
        uint32_t stop = MIN(outdated, surplus);

        *ret_extra = MIN(outdated, MAX(1, target / REPLACE_SHARE));
        return stop;
}
