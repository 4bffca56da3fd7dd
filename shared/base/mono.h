/*
 * Time as types of their own, so that seconds, milliseconds, deadlines and dates cannot be mixed.
 *
 * mono_t  microseconds of CLOCK_BOOTTIME: deadlines and ages. It counts while the machine sleeps.
 * utc_t   microseconds since 1970-01-01 UTC: what is stored and shown. It may jump.
 *
 * Only shared/loop reads the clocks (mono_read and utc_read are for it, for short-lived tools
 * without a loop, and for logs). Everything else is handed one `now` per event.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
        int64_t us;
} mono_t;

typedef struct {
        int64_t us;
} utc_t;

#define US_PER_MS INT64_C(1000)
#define US_PER_S INT64_C(1000000)

/* "No deadline": later than every time. */
#define MONO_NEVER ((mono_t){INT64_MAX})

mono_t mono_read(void);
utc_t utc_read(void);

static inline bool mono_is_never(mono_t t)
{
        return t.us == INT64_MAX;
}

/* `t` plus `ms` milliseconds; NEVER stays NEVER. `ms` may be negative. */
static inline mono_t mono_add_ms(mono_t t, int64_t ms)
{
        return mono_is_never(t) ? t : (mono_t){t.us + ms * US_PER_MS};
}

/* Milliseconds from `from` until `to`, rounded down; negative when `to` is earlier. */
static inline int64_t mono_diff_ms(mono_t from, mono_t to)
{
        return (to.us - from.us) / US_PER_MS;
}

static inline bool mono_before(mono_t a, mono_t b)
{
        return a.us < b.us;
}

/* True when a deadline has come: `due <= now`. */
static inline bool mono_due(mono_t due, mono_t now)
{
        return due.us <= now.us;
}

static inline mono_t mono_min(mono_t a, mono_t b)
{
        return a.us < b.us ? a : b;
}

static inline mono_t mono_max(mono_t a, mono_t b)
{
        return a.us < b.us ? b : a;
}
