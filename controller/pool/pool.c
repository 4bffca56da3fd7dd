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

void pool_backoff_init(struct pool_backoff *b)
{
        *b = (struct pool_backoff){.until = MONO_NEVER};
}

void pool_backoff_failed(struct pool_backoff *b, mono_t now)
{
        int64_t pause_ms = POOL_BACKOFF_MIN_MS;

        if (!mono_is_never(b->until) && !b->probing)
                return;
        for (uint32_t i = 0; i < b->tries && pause_ms < POOL_BACKOFF_MAX_MS; i++)
                pause_ms *= 2;
        b->tries++;
        b->probing = false;
        b->until = mono_add_ms(now, MIN(pause_ms, POOL_BACKOFF_MAX_MS));
}

void pool_backoff_probed(struct pool_backoff *b)
{
        b->probing = !mono_is_never(b->until);
}

void pool_backoff_answered(struct pool_backoff *b)
{
        b->probing = false;
}

uint32_t pool_backoff_allows(const struct pool_backoff *b, mono_t now)
{
        if (mono_is_never(b->until))
                return UINT32_MAX;
        return b->probing || mono_before(now, b->until) ? 0 : 1;
}

/* NULL: the breaker. */
static const char *limit_of(const struct pool_input *in)
{
        if (in->held)
                return "";
        if (in->claiming && in->waiting == 0)
                return ", after the claim that runs";
        if (in->refused)
                return ", after those whom the provider has no room for";
        if (!mono_is_never(in->backoff->until))
                return ", the provider has no room now";
        if (!mono_is_never(in->breaker->until))
                return NULL;
        return ", held by tasks_max";
}

static void explain(const struct pool_input *in, uint32_t wanted, struct pool_plan *plan)
{
        char *dst = plan->reason;
        size_t size = sizeof(plan->reason);
        const char *limit = limit_of(in);
        int n = 0;

        if (in->draining)
                n = snprintf(dst, size, "shutting down");
        else if (in->drained)
                n = snprintf(dst, size, "drained");
        else if (in->paused)
                n = snprintf(dst, size, in->held ? "paused, for people too" : "paused");
        else if (in->why)
                n = snprintf(dst, size, "size %u: %.*s", in->size, POOL_WHY_SIZE - 1, in->why);
        else
                n = snprintf(dst, size, "fixed size %u", in->size);
        if (in->draining)
                return;
        if (in->waiting)
                n += snprintf(dst + n, size - (size_t)n, ", %u waiting", in->waiting);
        if (plan->launch == wanted)
                return;
        if (limit)
                (void)snprintf(dst + n, size - (size_t)n, "%s", limit);
        else
                (void)snprintf(dst + n, size - (size_t)n, ", paused after %u failed launches",
                               in->breaker->failures);
}

void pool_plan(const struct pool_input *in, struct pool_plan *ret_plan)
{
        struct pool_plan plan = {0};
        uint32_t have = in->warm + in->launching;
        uint32_t size = in->paused || in->drained ? 0 : in->size;
        uint32_t wanted;

        plan.target = in->draining ? 0 : size + in->waiting;
        wanted = plan.target > have ? plan.target - have : 0;
        plan.launch = MIN(wanted, in->capacity);
        if (in->held || (in->claiming && in->waiting == 0))
                plan.launch = 0;
        if (in->refused) /* no more than for those who wait */
                plan.launch = MIN(plan.launch, in->waiting > have ? in->waiting - have : 0);
        plan.launch = MIN(plan.launch, pool_breaker_allows(in->breaker, in->now, in->launching));
        plan.launch = MIN(plan.launch, pool_backoff_allows(in->backoff, in->now));
        if (in->warm > plan.target && in->waiting == 0 &&
            (in->draining || in->drained || !in->paused))
                plan.stop = in->warm - plan.target;
        explain(in, wanted, &plan);
        *ret_plan = plan;
}
