/* The app's Unix socket. */
#pragma once

#include "base/macro.h"

/*
 * A new connection, non-blocking. 0; -EAGAIN when the app's queue is full (try again soon),
 * -ENOENT or -ECONNREFUSED when nobody listens, other -errno.
 */
NODISCARD int app_connect(const char *path, int *ret_fd);
