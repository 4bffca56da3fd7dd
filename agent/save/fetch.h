/*
 * Brings objects here, verified: each stands in a nameless file and has been found to be as long
 * and to have the hash that was asked for before anyone sees a byte of it. Parts of archives come
 * as one stream after the other while a few threads are some parts ahead; memory is that of the
 * list of parts, the disk holds at most FETCH_AHEAD parts.
 *
 * Patience: what the network refuses is tried again for `patience_ms`; an object that is not there
 * three times; a wrong hash once more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "save/job.h"
#include "snapshot/manifest.h"
#include "wire/blob.h"

#define FETCH_AHEAD 4

/* `name` within the workspace, into `fd`. 0, a transfer_refusal (t->error says more), -errno. */
NODISCARD int fetch_object(struct transfer *t, const struct job *job,
                           const struct blob_grants *grants, int64_t patience_ms, const char *name,
                           int fd, uint64_t length, const char *sha256);

struct fetch;

/*
 * The parts of those archives of the header for which wanted[] is set, in the header's order.
 * Everything is kept by reference. 0, -ENOMEM, -errno.
 */
NODISCARD int fetch_open(const struct job *job, const struct blob_grants *grants,
                         int64_t patience_ms, const struct snapshot_header *h, const bool *wanted,
                         struct fetch **ret);
struct fetch *fetch_free(struct fetch *f);
/* The next wanted archive, from its first byte; what is left of the one before is skipped. */
void fetch_archive(struct fetch *f);
/* A zstream_source for this archive; after a failure -ECANCELED, and fetch_why says more. */
ssize_t fetch_source(void *fetch, const void **ret_data);
/* Bytes that fetch_source has given so far, of all archives. */
uint64_t fetch_given(const struct fetch *f);
/* Called by fetch_source, in its thread, each time that it has given some. */
void fetch_on_given(struct fetch *f, void (*fn)(void *ctx), void *ctx);
/* The transfer_refusal or -errno of the first failure (0: none), and its sentence. */
int fetch_why(struct fetch *f, const char **ret_error);
