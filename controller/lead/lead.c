#include "lead/lead.h"

#include "base/macro.h"

/* The first answer may make it needless. */
#define LEAD_FIRST_LOAD_MS 200
/* Loading takes a tenth of the time at most. */
#define LEAD_LOAD_SHARE 10

/* Defects that the test must catch. */
#ifdef LEAD_PLANTED_KEEPS_LEADING
#define GIVES_WAY false
#else
#define GIVES_WAY true
#endif

const char *lead_state_name(enum lead_state s)
{
        static const char *const names[] = {
                [LEAD_FOLLOWING] = "follower",
                [LEAD_TAKING] = "taking",
                [LEAD_LEADING] = "leader",
                [LEAD_ENDED] = "ended",
        };

        return names[s];
}

static int64_t random_ms(struct lead *l, int64_t bound)
{
        l->random ^= l->random << 13;
        l->random ^= l->random >> 7;
        l->random ^= l->random << 17;
        return (int64_t)((l->random >> 11) % (uint64_t)(bound + 1));
}

/* A third of the lease, and up to a sixth of that more or less. */
static int64_t period_ms(struct lead *l)
{
        int64_t third = l->lease_ms / 3;

        return third - third / 6 + random_ms(l, third / 3);
}

void lead_init(struct lead *l, int64_t lease_ms, uint64_t seed, mono_t now)
{
        *l = (struct lead){
                .state = LEAD_FOLLOWING,
                .lease_ms = lease_ms,
                .random = seed | 1,
                .ask_at = now,
                .load_at = mono_add_ms(now, LEAD_FIRST_LOAD_MS),
                .until = MONO_NEVER,
                .why = "",
        };
}

static bool holds(const struct lead *l)
{
        return l->state == LEAD_TAKING || l->state == LEAD_LEADING;
}

bool lead_may_act(const struct lead *l, mono_t now)
{
#ifdef LEAD_PLANTED_NO_END
        return l->state == LEAD_LEADING && now.us > 0;
#else
        return l->state == LEAD_LEADING && mono_before(now, l->until);
#endif
}

static unsigned end(struct lead *l, bool lost, const char *why)
{
        l->state = LEAD_ENDED;
        l->lost = lost;
        l->why = why;
        return LEAD_TELL | LEAD_END;
}

static unsigned taken(struct lead *l, const struct lead_event *ev)
{
        bool first = l->state == LEAD_FOLLOWING;

        if (GIVES_WAY && !first && ev->epoch != l->epoch)
                return end(l, true, "the lease was lost and taken anew: others may have led");
        l->epoch = ev->epoch;
        l->until = ev->until;
        l->paused = false;
        if (!first)
                return LEAD_TELL;
        l->state = LEAD_TAKING;
        return LEAD_TELL | LEAD_BOOT;
}

static unsigned on_lease(struct lead *l, const struct lead_event *ev, mono_t now)
{
        l->asking = false;
        l->ask_at = mono_add_ms(now, period_ms(l));
        if (ev->mine)
                return taken(l, ev);
        if (GIVES_WAY && holds(l))
                return end(l, true, "another controller leads");
        l->epoch = ev->epoch;
        l->until = ev->until;
        if (!mono_is_never(ev->until))
                l->ask_at = mono_min(l->ask_at,
                                     mono_add_ms(ev->until, 1 + random_ms(l, LEAD_SNATCH_MS)));
        return LEAD_TELL;
}

static unsigned on_time(struct lead *l, mono_t now)
{
        unsigned todo = 0;

        if (l->state == LEAD_LEADING && !l->paused && !mono_before(now, l->until)) {
                l->paused = true;
                todo |= LEAD_TELL;
        }
        /* A question that went down with its connection is never answered. */
        if (l->asking && mono_diff_ms(l->asked_at, now) >= l->lease_ms)
                l->asking = false;
        if (l->up && !l->asking && mono_due(l->ask_at, now)) {
                l->asking = true;
                l->asked_at = now;
                l->ask_at = mono_add_ms(now, period_ms(l));
                todo |= LEAD_ASK;
        }
        if (l->up && l->state == LEAD_FOLLOWING && !l->loading && mono_due(l->load_at, now)) {
                l->loading = true;
                l->load_from = now;
                todo |= LEAD_LOAD;
        }
        return todo;
}

unsigned lead_step(struct lead *l, const struct lead_event *ev, mono_t now)
{
        unsigned todo = 0;

        if (l->state == LEAD_ENDED)
                return 0;
        switch (ev->type) {
        case LEAD_EV_UP:
                l->up = true;
                l->asking = false;
                l->ask_at = now;
                break;
        case LEAD_EV_LEASE:
                todo = on_lease(l, ev, now);
                break;
        case LEAD_EV_BOOTED:
                if (l->state == LEAD_TAKING) {
                        l->state = LEAD_LEADING;
                        todo = LEAD_TELL;
                }
                break;
        case LEAD_EV_FAILED:
                todo = end(l, false, "the stored state cannot be loaded");
                break;
        case LEAD_EV_LOADED:
                l->loading = false;
                l->load_at = mono_add_ms(
                        now, MAX(LEAD_LOAD_MS, LEAD_LOAD_SHARE * mono_diff_ms(l->load_from, now)));
                break;
        case LEAD_EV_FENCED:
                todo = end(l, true, "the store takes nothing from us any more");
                break;
        case LEAD_EV_DEADLINE:
                break;
        }
        return l->state == LEAD_ENDED ? todo : todo | on_time(l, now);
}

mono_t lead_deadline(const struct lead *l)
{
        mono_t due = MONO_NEVER;

        if (l->state == LEAD_ENDED)
                return due;
        if (l->state == LEAD_LEADING && !l->paused)
                due = l->until;
        if (l->asking)
                due = mono_min(due, mono_add_ms(l->asked_at, l->lease_ms));
        else if (l->up)
                due = mono_min(due, l->ask_at);
        if (l->up && l->state == LEAD_FOLLOWING && !l->loading)
                due = mono_min(due, l->load_at);
        return due;
}
