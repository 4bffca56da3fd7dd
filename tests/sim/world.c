/* Randomness, the list of what comes, faults, and what a broken rule does. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "state.h"

const char *invariant_name(enum invariant i)
{
        static const char *const names[] = {
#define INVARIANT(id, name) [INV_##id] = name,
#include "invariant.def"
#undef INVARIANT
        };

        _Static_assert(ARRAY_LEN(names) == INV_MAX, "a name per invariant");
        return names[i];
}

const char *fault_name(enum fault f)
{
        static const char *const names[] = {
#define FAULT(id, most, doc) [FAULT_##id] = #id,
#include "fault.def"
#undef FAULT
        };

        _Static_assert(ARRAY_LEN(names) == FAULT_MAX, "a name per fault");
        return names[f];
}

const char *moment_name(enum moment m)
{
        static const char *const names[] = {
                [MOMENT_DECIDED] = "decided",   [MOMENT_COMMITTED] = "committed",
                [MOMENT_TAKEN] = "taken on",    [MOMENT_APP_ENDED] = "app ended",
                [MOMENT_UPLOADED] = "uploaded", [MOMENT_ANNOUNCED] = "announced",
                [MOMENT_SAVED] = "saved",       [MOMENT_ACKNOWLEDGED] = "acknowledged",
                [MOMENT_ENDING] = "ending",     [MOMENT_ENDED] = "ended",
        };

        _Static_assert(ARRAY_LEN(names) == MOMENT_MAX, "a name per moment");
        return names[m];
}

/* splitmix64: small, and the same everywhere. */
uint64_t sim_random(struct sim *s)
{
        uint64_t z = (s->rng += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

uint64_t sim_below(struct sim *s, uint64_t n)
{
        return sim_random(s) % n;
}

int64_t sim_about(struct sim *s, int64_t ms)
{
        return ms / 2 + (int64_t)sim_below(s, (uint64_t)MAX(ms, 1));
}

bool sim_fault(struct sim *s, enum fault f)
{
        bool now = s->faults[f] && sim_below(s, 1000) < s->faults[f];

        s->result.faults[f] += now;
        return now;
}

int64_t sim_delay(struct sim *s)
{
        if (sim_fault(s, FAULT_SLOW_NETWORK))
                return sim_about(s, 4 * SIM_S);
        return sim_about(s, s->timing.network_ms);
}

/* ---- what comes ---- */

static bool earlier(const struct sim *s, uint16_t a, uint16_t b)
{
        const struct note *x = &s->notes[a], *y = &s->notes[b];

        return x->at_ms != y->at_ms ? x->at_ms < y->at_ms : x->order < y->order;
}

static void sift_up(struct sim *s, size_t i)
{
        while (i > 0 && earlier(s, s->heap[i], s->heap[(i - 1) / 2])) {
                uint16_t t = s->heap[i];

                s->heap[i] = s->heap[(i - 1) / 2];
                s->heap[(i - 1) / 2] = t;
                i = (i - 1) / 2;
        }
}

static void sift_down(struct sim *s)
{
        size_t i = 0;

        for (;;) {
                size_t least = i;
                uint16_t t;

                for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < s->n_heap; k++) {
                        if (earlier(s, s->heap[k], s->heap[least]))
                                least = k;
                }
                if (least == i)
                        return;
                t = s->heap[i];
                s->heap[i] = s->heap[least];
                s->heap[least] = t;
                i = least;
        }
}

struct note *sim_note(struct sim *s, enum what what, int64_t in_ms)
{
        uint16_t slot;
        struct note *n;

        assert(s->n_free > 0);
        slot = s->free_[--s->n_free];
        n = &s->notes[slot];
        *n = (struct note){.at_ms = s->now_ms + MAX(in_ms, 0),
                           .order = ++s->order,
                           .what = what,
                           .ctl = -1,
                           .body = -1,
                           .person = -1};
        s->heap[s->n_heap++] = slot;
        sift_up(s, s->n_heap - 1);
        return n;
}

void sim_defer(struct sim *s, const struct note *n, int64_t in_ms)
{
        struct note *again = sim_note(s, n->what, in_ms);
        int64_t at_ms = again->at_ms;
        uint64_t order = again->order;

        *again = *n;
        again->at_ms = at_ms;
        again->order = order;
}

int64_t sim_next_ms(const struct sim *s)
{
        return s->n_heap ? s->notes[s->heap[0]].at_ms : NEVER_MS;
}

bool sim_next(struct sim *s, int64_t until_ms, struct note *ret_note)
{
        uint16_t slot;

        if (sim_next_ms(s) > until_ms)
                return false;
        slot = s->heap[0];
        *ret_note = s->notes[slot];
        s->free_[s->n_free++] = slot;
        s->heap[0] = s->heap[--s->n_heap];
        sift_down(s);
        return true;
}

/* ---- telling ---- */

void sim_say(struct sim *s, const char *fmt, ...)
{
        va_list ap;

        if (!s->trace)
                return;
        fprintf(s->trace, "%9.3f ", (double)s->now_ms / 1000);
        va_start(ap, fmt);
        vfprintf(s->trace, fmt, ap);
        va_end(ap);
        fputc('\n', s->trace);
}

void sim_hash(struct sim *s, uint64_t value)
{
        s->result.hash = (s->result.hash ^ value) * UINT64_C(1099511628211);
}

void sim_broken(struct sim *s, enum invariant i, const char *fmt, ...)
{
        va_list ap;

        s->result.broken = true;
        s->result.invariant = i;
        s->result.at_ms = s->now_ms;
        va_start(ap, fmt);
        (void)vsnprintf(s->result.detail, sizeof(s->result.detail), fmt, ap);
        va_end(ap);
        sim_say(s, "BROKEN %s: %s", invariant_name(i), s->result.detail);
        longjmp(s->broken, 1);
}
