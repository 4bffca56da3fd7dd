/*
 * The storage edge: carries out VERIFY_SAVE, SALVAGE, SWEEP and ERASE on the storage folder, and
 * grants URLs for restores and saves. File work is done by one worker thread, one job after the
 * other; results come back to the loop and are posted as SAVE_VERIFIED, SALVAGED and ERASED. A job
 * that waits or runs already is not taken twice; when STORAGE_JOBS_MAX wait, the answer is "try
 * again" at once. All functions: the loop's thread.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "core/types.h"
#include "keys.h"
#include "loop/loop.h"
#include "out/storage_proc.h"
#include "out/storage_server.h"
#include "shell.h"

#define STORAGE_JOBS_MAX 256

struct storage_config {
        const char *root;        /* the folder that the storage server serves; made if missing */
        const char *url;         /* "http://127.0.0.1:7702", as agents reach the server */
        const struct keys *keys; /* kept by pointer */
        uint64_t max_bytes;      /* largest data object */
        int64_t url_ttl_s;       /* how long a granted URL works */
};

struct storage;

/* 0, -errno. Strings are copied. */
NODISCARD int storage_new(struct loop *l, struct shell *shell, const struct storage_config *config,
                          struct storage **ret_storage);
/* Ends the worker: a job that runs is waited for, those that wait are dropped. */
struct storage *storage_free(struct storage *s);

/*
 * Append a request document (wire/blob.h) with freshly signed URLs; the first argument is the
 * storage, so that they fit agents_config. `head` and `previous` may have seq 0: not there.
 * 0, -EINVAL (not a workspace, zero generation or seq), -ENOBUFS, -ENOMEM.
 */
NODISCARD int storage_restore_request(void *storage, const char *workspace, uint64_t generation,
                                      const struct save_ref *head, const struct save_ref *previous,
                                      struct buf *ret_json);
NODISCARD int storage_save_request(void *storage, const char *workspace, uint64_t generation,
                                   uint64_t seq, struct buf *ret_json);
