/*
 * The storage edge: carries out VERIFY_SAVE, SALVAGE, SWEEP and ERASE on the storage, answers what
 * people ask about saves, and hands out the addresses where restores and saves are granted objects.
 * Several worker threads do what takes time, never two for one workspace; for one workspace, jobs
 * are done in the order in which they came. Results come back to the loop and are posted as
 * SAVE_VERIFIED, SALVAGED and ERASED. A job that waits or runs already is not taken twice; when
 * STORAGE_JOBS_MAX wait, the answer is "try again" at once. All functions: the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/types.h"
#include "keys.h"
#include "loop/loop.h"
#include "out/s3.h"
#include "out/saves.h"
#include "out/storage_proc.h"
#include "out/storage_server.h"
#include "shell.h"
#include "wire/blob.h"

#define STORAGE_JOBS_MAX 256

struct storage_config {
        const char *root;           /* the folder that the storage server serves; made if missing */
        const struct s3_config *s3; /* in its place a bucket; or NULL */
        const char *url;         /* "http://127.0.0.1:7702", as agents reach the server; several of
                                    the same folder are separated by commas or spaces */
        const struct keys *keys; /* kept by pointer */
        uint64_t max_bytes;      /* largest archive of a save */
        int64_t url_ttl_s;       /* how long a granted URL works */
        struct retention_rule retention;
        uint32_t sweep_batch; /* a SWEEP waits until so many saves may go; 0: it never waits */
};

struct storage;

/* 0, -errno. Strings are copied. */
NODISCARD int storage_new(struct loop *l, struct shell *shell, const struct storage_config *config,
                          struct storage **ret_storage);
/*
 * Ends the workers: a job that runs is waited for (in a bucket it is broken off within a second or
 * so), those that wait are dropped.
 */
struct storage *storage_free(struct storage *s);

/*
 * Append a request document (wire/blob.h) with fresh addresses where its objects are granted; the
 * first argument is the storage, so that they fit agents_config. `head` and `previous` may have seq
 * 0: not there. `parent` is a committed save of an earlier life that this one may build upon, or
 * NULL. 0, -EINVAL (not a workspace, zero generation or seq), -ENOBUFS, -ENOMEM.
 */
NODISCARD int storage_restore_request(void *storage, const char *workspace, uint64_t generation,
                                      const struct save_ref *head, const struct save_ref *previous,
                                      struct buf *ret_json);
NODISCARD int storage_save_request(void *storage, const char *workspace, uint64_t generation,
                                   uint64_t seq, const struct save_ref *parent,
                                   struct buf *ret_json);
/*
 * An address where every object of the workspace up to this generation is granted for reading, for
 * an operator's export: works for `ttl_s` seconds. As the two above.
 */
NODISCARD int storage_export_grant(struct storage *s, const char *workspace, uint64_t generation,
                                   int64_t ttl_s, char ret_url[static BLOB_GRANT_URL_SIZE]);

/*
 * Each SALVAGE is shown to `before` first; true: it is not carried out now, but when the core asks
 * again or storage_salvage is called. `after` is called with each answer to one, before the core
 * has it; `refused`: a newer manifest was there, and is not that of a good save.
 */
struct storage_salvages {
        bool (*before)(void *ctx, const struct core_effect *fx);
        void (*after)(void *ctx, const struct core_effect *fx, bool refused);
        void *ctx;
};
void storage_watch_salvages(struct storage *s, const struct storage_salvages *watch);
void storage_salvage(struct storage *s, const struct core_effect *fx);

/* ---- what is there ---- */

/*
 * The answers come from the loop, exactly once each, except that storage_free drops what waits.
 * `result`: 0 or -errno (-EAGAIN: too much waits already). What pointers point at is gone after the
 * call.
 */
typedef void (*storage_saves_fn)(void *ctx, int result, const struct storage_save *saves,
                                 uint32_t n_saves);
/* Every save with a readable manifest, newest first; none is fine. 0, -EINVAL, -EAGAIN. */
NODISCARD int storage_list_saves(struct storage *s, const char *workspace, storage_saves_fn fn,
                                 void *ctx);
/*
 * Is this save complete, with every object that it refers to? result 0: yes, `saves` has one with
 * length and hash of its manifest as they are; 1: no, `reason` says why. 0, -EINVAL, -EAGAIN.
 */
typedef void (*storage_inspect_fn)(void *ctx, int result, const char *reason,
                                   const struct storage_save *save);
NODISCARD int storage_inspect(struct storage *s, const char *workspace, uint64_t generation,
                              uint64_t seq, storage_inspect_fn fn, void *ctx);
/* Keep this save whatever its age, or no longer. result 1: there is no such save. */
NODISCARD int storage_pin(struct storage *s, const char *workspace, uint64_t generation,
                          uint64_t seq, bool pinned, storage_inspect_fn fn, void *ctx);
