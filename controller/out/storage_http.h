/*
 * One connection of the storage server, from its first byte to its end. Blocking; one thread each.
 */
#pragma once

#include "keys.h"
#include "out/s3.h"
#include "out/storage_pace.h"

struct storage_site {
        int root_fd;          /* of the folder, or -1 */
        struct s3 *s3;        /* or NULL */
        const char *key_file; /* read for each connection: the keys may change */
        struct storage_pace pace;
};

/* Serve requests until the peer ends, misbehaves or is too slow; closes `fd`. */
void storage_http_serve(struct storage_site *site, int fd);
