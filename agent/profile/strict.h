/*
 * What the readers of a profile's files share: JSON text in, and errors that say where and what.
 * `where` is the way to the key that is read now, "save.exclude[2]"; who goes one step deeper
 * keeps its length and puts it back. Uses the profile's PROFILE_ERROR_MAX.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"

struct cJSON;

#define STRICT_WHERE_MAX 160

struct strict {
        char *error; /* PROFILE_ERROR_MAX */
        char where[STRICT_WHERE_MAX];
};

/* Write the error, behind where it is. -EINVAL. */
PRINTF_LIKE(2, 3) int strict_fail(struct strict *s, const char *fmt, ...);
/* One step deeper; the length to give to strict_leave. */
PRINTF_LIKE(2, 3) size_t strict_enter(struct strict *s, const char *fmt, ...);
void strict_leave(struct strict *s, size_t where);
/* The whole text is one JSON value, without NUL bytes. 0 and the caller's, or an error. */
NODISCARD int strict_read(struct strict *s, const char *text, size_t len, struct cJSON **ret_json);
