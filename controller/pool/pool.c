#include "pool/pool.h"

#include <stdio.h>

void pool_breaker_init(struct pool_breaker *b)
{
        *b = (struct pool_breaker){.until = MONO_NEVER};
}

void pool_breaker_failed(struct pool_breaker *b, mono_t now)
{
        bool open = !mono_is_never(b->until);

        if (open && mono_before(now, b->until))
                return;
        if (b->failures < UINT32_MAX)
                b->failures++;
        if (b->failures < POOL_BREAKER_FAILURES)
                return;
        b->pause_ms = open ? MIN(b->pause_ms * 2, POOL_BREAKER_MAX_MS) : POOL_BREAKER_MIN_MS;
        b->until = mono_add_ms(now, b->pause_ms);
}

void pool_breaker_succeeded(struct pool_breaker *b)
{
        pool_breaker_init(b);
}

uint32_t pool_breaker_allows(const struct pool_breaker *b, mono_t now, uint32_t launching)
{
        if (mono_is_never(b->until))
                return UINT32_MAX;
        if (mono_before(now, b->until))
                return 0;
        return launching == 0 ? 1 : 0;
}

static void explain(const struct pool_input *in, uint32_t wanted, struct pool_plan *plan)
{
        char *dst = plan->reason;
        int n = 0;

        if (in->draining) {
                (void)snprintf(dst, sizeof(plan->reason), "shutting down");
                return;
        }
        n = snprintf(dst, sizeof(plan->reason), "fixed size %u", in->size);
        if (in->waiting)
                n += snprintf(dst + n, sizeof(plan->reason) - (size_t)n, ", %u waiting",
                              in->waiting);
        if (plan->launch == wanted)
                return;
        if (in->claiming && in->waiting == 0)
                (void)snprintf(dst + n, sizeof(plan->reason) - (size_t)n,
                               ", after the claim that runs");
        else if (!mono_is_never(in->breaker->until))
                (void)snprintf(dst + n, sizeof(plan->reason) - (size_t)n,
                               ", paused after %u failed launches", in->breaker->failures);
        else
                (void)snprintf(dst + n, sizeof(plan->reason) - (size_t)n, ", held by tasks_max");
}

void pool_plan(const struct pool_input *in, struct pool_plan *ret_plan)
{
        struct pool_plan plan = {0};
        uint32_t have = in->warm + in->launching;
        uint32_t wanted;

        plan.target = in->draining ? 0 : in->size + in->waiting;
        wanted = plan.target > have ? plan.target - have : 0;
        plan.launch = MIN(wanted, in->capacity);
        if (in->claiming && in->waiting == 0)
                plan.launch = 0;
        plan.launch = MIN(plan.launch, pool_breaker_allows(in->breaker, in->now, in->launching));
        if (in->warm > plan.target && in->waiting == 0)
                plan.stop = in->warm - plan.target;
        explain(in, wanted, &plan);
        *ret_plan = plan;
}
