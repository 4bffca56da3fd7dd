/*
 * A growing list of paths in the order of the walk (snapshot_path_compare), to be asked whether one
 * is among them. Embedded by value; zeroed is empty. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

struct paths {
        char **all;
        size_t n, room;
};

/* `path` is copied; not before the one that was added last. 0 or -ENOMEM. */
NODISCARD int paths_add(struct paths *p, const char *path);
bool paths_have(const struct paths *p, const char *path);
void paths_deinit(struct paths *p);
