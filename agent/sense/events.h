/*
 * The bytes of an inotify descriptor -> events. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct sense_event {
        int wd; /* -1 with IN_Q_OVERFLOW */
        uint32_t mask;
        uint32_t cookie;
        const char *name; /* inside the buffer, NUL-terminated; "" when the event has none */
};

/*
 * The event at *offset of `data`, and *offset behind it. 1; 0 at the end; -EBADMSG when the bytes
 * are no whole inotify records (inotify(7)): cut off, a name without NUL or with a slash.
 */
NODISCARD int events_next(const uint8_t *data, size_t len, size_t *offset,
                          struct sense_event *ret_event);
