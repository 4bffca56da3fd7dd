/*
 * Reading RFC 5545: lines unfolded, events with their properties, moments and zones. Knows nothing
 * of classes. Errors name the line. Not beside threads that read TZ (hours.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"
#include "base/mono.h"
#include "pool/schedule.h"

#define ICAL_EVENTS_MAX 4096
#define ICAL_ZONES_MAX 32
#define ICAL_YEAR_MIN 2000
#define ICAL_YEAR_MAX 2055 /* hours.h knows the zones until then */

/* Texts are inside of the calendar's own copy, unfolded, with escapes as they were. */
struct ical_property {
        char *name, *params, *value; /* `params`: "" or "A=b;C=d" */
        int line;
};

struct ical_event {
        size_t first, n; /* properties */
        int line;
        const char *uid;                           /* "" for none */
        const struct ical_property *recurrence_id; /* or NULL */
};

/* A moment as it is written. */
struct ical_when {
        int32_t day; /* local, since 1970 */
        int32_t second;
        bool date_only;
        const struct zone *zone;
};

struct ical {
        char *error; /* of the caller, as large as `error_size` */
        size_t error_size;
        /* The rest is its own. */
        char *text;
        struct ical_property *props;
        size_t n_props, props_cap;
        struct ical_event *events;
        size_t n_events, events_cap;
        struct {
                char name[64];
                struct zone zone;
        } zones[ICAL_ZONES_MAX];
        size_t n_zones;
};

/* All of one VCALENDAR, into a zeroed struct but for `error`. 0, -EINVAL (and error), -ENOMEM. */
NODISCARD int ical_read(struct ical *c, const char *text, size_t len);
/* After ical_read, whatever it returned. */
void ical_deinit(struct ical *c);
/* "line 7: …" into the error; returns -EINVAL. */
int ical_wrong(const struct ical *c, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The first property of an event by that name, and the next behind `after`; NULL: none. */
const struct ical_property *ical_one(const struct ical *c, const struct ical_event *e,
                                     const char *name);
const struct ical_property *ical_next(const struct ical *c, const struct ical_event *e,
                                      const char *name, const struct ical_property *after);
/* A parameter without its quotes; false: it is not there, or does not fit. */
bool ical_param(const struct ical_property *p, const char *name, char *dst, size_t size);
/*
 * One value of a property with moments: `text` inside of it, `len` long. One without a zone is in
 * `floating`. 0, or -EINVAL and error.
 */
NODISCARD int ical_when(struct ical *c, const struct ical_property *p, const char *text, size_t len,
                        const struct zone *floating, struct ical_when *ret_when);
/* The same time of a day, as RFC 5545, 3.3.5: of two the first; one that is skipped by the offset
 * before. */
utc_t ical_utc(const struct ical_when *w, int32_t day);
/* Make room for one more in an array of `size` each. 0 or -ENOMEM. */
NODISCARD int ical_grow(void **array, size_t n, size_t *cap, size_t size);
