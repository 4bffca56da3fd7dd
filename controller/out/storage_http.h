/*
 * One connection of the storage server, from its first byte to its end. Blocking; one thread each.
 */
#pragma once

#include "keys.h"

struct storage_site {
        int root_fd;
        struct keys keys;
};

/* Serve requests until the peer ends, misbehaves or is too slow; closes `fd`. */
void storage_http_serve(const struct storage_site *site, int fd);
