#include "sense/typing.h"

#include "base/macro.h"

static bool within(bool known, mono_t since, mono_t now, int64_t ms)
{
        return known && mono_diff_ms(since, now) < ms;
}

void typing_watch(struct typing *t, mono_t now)
{
        /* It may have been printed to until this moment. */
        if (t->pause_ms > 0)
                t->output = now;
        t->watched = true;
        t->watched_at = now;
        if (!t->has_sure)
                t->sure = now;
        t->has_sure = true;
}

int64_t typing_output(struct typing *t, mono_t now)
{
        bool goes_on = t->pause_ms > 0 && within(true, t->watched_at, now, TYPING_REPLY_MS);

        t->pause_ms = goes_on ? MIN(t->pause_ms * 2, TYPING_PAUSE_MAX_MS) : TYPING_PAUSE_MIN_MS;
        t->has_output = true;
        t->watched = false;
        t->output = now;
        return t->pause_ms;
}

static bool floods(const struct typing *t, mono_t now)
{
        /* Not known to have stopped. */
        return t->pause_ms > TYPING_REPLY_MS &&
               (!t->watched || within(true, t->watched_at, now, TYPING_REPLY_MS));
}

/* The third read of those that keys may be. */
static bool is_third(struct typing *t, mono_t now)
{
        if (t->n_reads > 0 && within(true, t->reads[0], now, TYPING_APART_MS))
                return false;
        if (t->n_reads == 2 && within(true, t->reads[1], now, TYPING_FLOOD_MS)) {
                t->n_reads = 0;
                return true;
        }
        t->reads[1] = t->reads[0];
        t->reads[0] = now;
        t->n_reads = MIN(t->n_reads + 1, 2U);
        return false;
}

bool typing_read(struct typing *t, mono_t now)
{
        bool key;

        if (floods(t, now)) {
                key = is_third(t, now) && within(t->has_sure, t->sure, now, TYPING_HOLD_MS);
        } else {
                t->n_reads = 0;
                key = !within(t->has_output, t->output, now, TYPING_REPLY_MS);
                if (key)
                        t->sure = now;
        }
#ifdef TYPING_PLANTED_PROLONGS
        key = key || within(t->has_key, t->key, now, TYPING_BURST_MS);
#endif
        if (key) {
                t->has_key = true;
                t->key = now;
        }
        return key || within(t->has_key, t->key, now, TYPING_BURST_MS);
}
