/*
 * What the controller needs of a storage, whatever it is: a folder (objects_folder.h) or a bucket
 * (s3.h). Names are whole object names ("ws-a/3-2/0-00000.tar.zst", "ws-a/3-2/pinned"). Blocking;
 * several threads may use one backend at the same time. Results: 0, -ENOENT (no such object) or
 * -errno: it could not be found out or done, and was tried often enough.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "crypto/digest.h"
#include "wire/blob.h"

struct objects_info {
        char name[BLOB_OBJECT_SIZE];
        uint64_t length;
        utc_t at; /* when it was stored */
};

struct objects_stat {
        uint64_t length;
        char sha256[SHA256_HEX]; /* of what is there, by who stores it */
};

/* 0, or < 0 to end with that. */
typedef int (*objects_list_fn)(void *ctx, const struct objects_info *info);

struct objects_ops {
        /* Every object of the workspace, in any order; none is fine. */
        int (*list)(void *impl, const char *workspace, objects_list_fn fn, void *ctx);
        int (*stat)(void *impl, const char *name, struct objects_stat *ret);
        /* Up to `length` bytes from the beginning, appended to `fd`; fewer when it is shorter. */
        int (*read)(void *impl, const char *name, uint64_t length, int fd);
        /* Gone for good when it returns 0; those that are not there are fine. */
        int (*remove)(void *impl, const char *const *names, size_t n);
        /* Small; replaces. */
        int (*put)(void *impl, const char *name, const void *data, size_t len);
};

/* By value; who made it frees it. */
struct objects {
        const struct objects_ops *ops;
        void *impl;
};
