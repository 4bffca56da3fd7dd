/* An environment for children in fixed memory, built once at start. */
#pragma once

#include <stddef.h>

#include "base/macro.h"

#define ENV_VARS_MAX 160
#define ENV_BYTES_MAX 32768

struct env {
        char *vars[ENV_VARS_MAX + 1]; /* ends with NULL; hand it to exec */
        size_t n;
        char bytes[ENV_BYTES_MAX];
        size_t used;
};

/* Set NAME=value, replacing an earlier one. 0 or -ENOBUFS. */
NODISCARD int env_set(struct env *e, const char *name, const char *value);
/* As above from one "NAME=value". */
NODISCARD int env_put(struct env *e, const char *assignment);
/* Copy every variable of our own environment whose name starts with `prefix`. 0 or -ENOBUFS. */
NODISCARD int env_copy(struct env *e, const char *prefix);
