#include "link/route.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

static bool blank(char c)
{
        return c == ' ' || c == '\t';
}

static int add(struct route *r, const char *from, size_t len)
{
        while (len > 0 && blank(*from))
                from++, len--;
        while (len > 0 && blank(from[len - 1]))
                len--;
        if (len == 0)
                return -EINVAL;
        if (len >= WIRE_URL_SIZE)
                return -ENAMETOOLONG;
        if (r->n == ROUTE_MAX)
                return -E2BIG;
        memcpy(r->url[r->n], from, len);
        r->failed_at[r->n] = MONO_NEVER;
        r->n++;
        return 0;
}

int route_init(struct route *r, const char *list, uint64_t seed)
{
        *r = (struct route){.random = seed | 1};
        for (;;) {
                size_t len = strcspn(list, ",");
                int error = add(r, list, len);

                if (error < 0 || list[len] == '\0')
                        return error;
                list += len + 1;
        }
}

const char *route_url(const struct route *r)
{
        return r->url[r->at];
}

/* xorshift64*: its high bits are as good as a uniform draw needs. */
int64_t route_random_ms(struct route *r, int64_t bound)
{
        r->random ^= r->random >> 12;
        r->random ^= r->random << 25;
        r->random ^= r->random >> 27;
        return (int64_t)((r->random * UINT64_C(0x2545f4914f6cdd1d) >> 11) % (uint64_t)(bound + 1));
}

static void step(struct route *r)
{
        r->at = (r->at + 1) % r->n;
}

/* How long to wait after so many failures. */
static int64_t backoff(struct route *r)
{
        unsigned passes = r->failures / r->n;
        int64_t ms = ROUTE_PASS_MS_MIN;

        if (r->failures % r->n != 0)
                return route_random_ms(r, ROUTE_STEP_MS);
        while (passes-- > 1 && ms < ROUTE_PASS_MS_MAX)
                ms *= 2;
        ms = MIN(ms, ROUTE_PASS_MS_MAX);
        return ms / 2 + route_random_ms(r, ms / 2);
}

int64_t route_lost(struct route *r, mono_t now)
{
        r->failed_at[r->at] = now;
        step(r);
        /* Lost again and again before any welcome: that is a failure like another. */
        if (r->failures > 0) {
                r->failures++;
                return backoff(r);
        }
#ifndef LINK_PLANTED_NO_WINDOW
        if (r->window_ms > 0)
                return route_random_ms(r, r->window_ms);
#endif
        return ROUTE_PASS_MS_MIN / 2 + route_random_ms(r, ROUTE_PASS_MS_MIN / 2);
}

int64_t route_failed(struct route *r, mono_t now)
{
        r->failed_at[r->at] = now;
        r->failures++;
        step(r);
        return backoff(r);
}

int64_t route_redirect(struct route *r, const char *leader, mono_t now)
{
        for (uint32_t i = 0; i < r->n; i++) {
                if (i == r->at || strcmp(r->url[i], leader) != 0)
                        continue;
                if (!mono_is_never(r->failed_at[i]) &&
                    mono_diff_ms(r->failed_at[i], now) < ROUTE_SHUN_MS)
                        return -1;
                r->at = i;
                /* Two that send us to each other are not followed at full speed. */
                return r->failures++ < r->n ? route_random_ms(r, ROUTE_STEP_MS) : backoff(r);
        }
        return -1;
}

int64_t route_next(struct route *r)
{
        r->failures++;
        step(r);
        return backoff(r);
}

void route_welcomed(struct route *r)
{
        r->failures = 0;
        r->failed_at[r->at] = MONO_NEVER;
}
