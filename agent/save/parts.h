/*
 * The way of a save's archives into the storage: each stream of bytes is cut into parts, every part
 * stands in a nameless file until it is whole, and is hashed and uploaded then by one of two
 * threads while the next is being filled. The files are used again: at most five parts are on the
 * disk here, and memory does not depend on the size of anything. One thread fills; which part
 * failed first decides.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "save/job.h"
#include "snapshot/manifest.h"
#include "wire/blob.h"

enum parts_refusal {
        PARTS_TOO_BIG = 200, /* all streams together are above max_bytes */
        PARTS_UPLOAD,        /* parts_why says what */
};

struct parts;
struct part_stream;

/* `job` and `request` are kept by reference. 0 or -ENOMEM. */
NODISCARD int parts_open(struct job *job, const struct blob_save_request *request,
                         struct parts **ret);
/* Ends uploads that are under way, without waiting for an answer beyond the current step. */
struct parts *parts_free(struct parts *p);

/* A stream for archive `number` (0, 1) of the save; owned by `p`. NULL when memory is short. */
struct part_stream *part_stream_open(struct parts *p, uint32_t number);
/* A zstream_sink. 0, a parts_refusal, -errno of the disk here. */
NODISCARD int part_stream_write(void *stream, const void *data, size_t len);
/* The last part. As above. */
NODISCARD int part_stream_end(struct part_stream *s);

/* Wait until everything is acknowledged. 0, PARTS_UPLOAD, -errno. */
NODISCARD int parts_wait(struct parts *p);
/* After it has returned 0: sets length and parts of *a; a->parts is the caller's. */
void part_stream_take(struct part_stream *s, struct snapshot_archive *a);
/*
 * One object from `fd` by the caller's thread, with patience: also for the manifest. `name` within
 * the save. 0, a transfer_refusal (t->error says more), -errno.
 */
NODISCARD int parts_put(struct transfer *t, const struct blob_save_request *request,
                        const char *name, int fd, uint64_t length, const char *sha256);
/* After PARTS_UPLOAD: the transfer_refusal or -errno, and the sentence that belongs to it. */
int parts_why(const struct parts *p, const char **ret_error);
