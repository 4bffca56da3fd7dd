/*
 * The addresses that controller and storage server agree on (shared/wire/STORAGE.md): where grants
 * are asked for, and objects of a local folder. Text <-> structs and signatures; no I/O.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "http/head.h"
#include "keys.h"
#include "wire/blob.h"

#define STORAGE_TARGET_MAX 512 /* bytes of the part behind the host */

/* ---- grants: /g/<workspace>/<generation>-<seq>?op=put&…, /g/<workspace>/<generation>?op=get&… */

struct storage_grant {
        enum blob_op op;
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation;
        uint64_t seq; /* put */
        uint64_t expires;
        uint64_t max_bytes; /* put */
};

/* Append path and query, signed. 0, -EINVAL, -ENOBUFS, -ENOMEM. */
NODISCARD int storage_grant_write(const struct keys *k, const struct storage_grant *g,
                                  struct buf *b);
/* Only the canonical form is taken. 0, -EINVAL, -EPERM (the signature is wrong). */
NODISCARD int storage_grant_read(const struct keys *k, struct http_span target,
                                 struct storage_grant *ret);

/* ---- objects of a local folder: /o/<object>?op=put&exp=&len=&sha256=&sig=, ?op=get&exp=&sig= */

struct storage_object {
        enum blob_op op;
        struct blob_object_ref ref;
        uint64_t expires;
        uint64_t length;               /* put */
        char sha256[BLOB_SHA256_SIZE]; /* put */
};

/* As the two above. */
NODISCARD int storage_object_write(const struct keys *k, const struct storage_object *o,
                                   struct buf *b);
NODISCARD int storage_object_read(const struct keys *k, struct http_span target,
                                  struct storage_object *ret);
