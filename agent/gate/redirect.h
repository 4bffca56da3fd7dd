/* Where a redirect leads, as long as it stays on the same host. Pure. */
#pragma once

#include "http/head.h"

#define REDIRECT_PATH_MAX 1024

/*
 * The target (path and query) that `location` means, seen from the target `from`. `host` is the
 * Host that the request named: an absolute URL is followed for it alone. 0, -EINVAL (another host
 * or no proper target), -ENAMETOOLONG.
 */
NODISCARD int redirect_resolve(const char *from, struct http_span location, const char *host,
                               char ret_target[static REDIRECT_PATH_MAX]);
