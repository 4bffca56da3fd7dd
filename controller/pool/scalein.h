/*
 * When a warm task that is not needed any more is worth ending, and when warm tasks are replaced
 * because they are old. Pure.
 *
 * The n-th task above the target is used after about n / rate. Ending it pays when that is longer
 * than a launch takes (a launch is paid from its beginning, and has to be made again later), so
 * surplus up to rate x lead time stays. What is above that goes
 *
 *   after SCALEIN_PATIENCE_S as far as it is above max(1, 0.15 x target) as well,
 *   after twice the lead time (at least SCALEIN_SLOW_S) for the rest,
 *
 * counted from when the surplus was last smaller: a target that moves up and down by one ends
 * nothing, and a task that nobody comes for does not stay for ever.
 */
#pragma once

#include <stdint.h>

#include "base/mono.h"

#define SCALEIN_PATIENCE_S 30
#define SCALEIN_SLOW_S 120

/* Since when there is so much surplus; MONO_NEVER: there is not. */
struct scalein {
        mono_t large;
        mono_t any;
};

void scalein_init(struct scalein *s);
/* How many warm tasks to end now. `have` counts warm and launching; `rate` is arrivals a second.
 * Monotone: a higher rate or target never ends more. */
uint32_t scalein_stop(struct scalein *s, mono_t now, uint32_t warm, uint32_t have, uint32_t target,
                      double rate, double lead_s);

/*
 * Replacement of warm tasks that are outdated (another image version, older than the maximum age):
 * a few at a time, the new one first. `ret_extra`: how much larger the target has to be for it;
 * returned: how many outdated ones to end now.
 */
uint32_t replace_stop(uint32_t outdated, uint32_t warm, uint32_t target, uint32_t *ret_extra);
