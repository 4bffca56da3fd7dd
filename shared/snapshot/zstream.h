/*
 * zstd streams, by libzstd, which appears in zstream.c only: bytes go in, compressed bytes come out
 * at a function (writer), and the other way (reader). Bounded memory: the writer's window is that
 * of level 1, the reader refuses frames that ask for more than 8 MiB. A stream may be several
 * frames. Owned by who made it; single-threaded (the writer may be given a thread of its own).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* Takes compressed bytes. 0, or anything else, which ends the call that led here with that. */
typedef int (*zstream_sink)(void *ctx, const void *data, size_t len);

struct zstream_writer;

/* `threads`: 0 compresses in the caller, 1 beside it. NULL when memory is short. */
struct zstream_writer *zstream_writer_new(int threads, zstream_sink sink, void *ctx);
struct zstream_writer *zstream_writer_free(struct zstream_writer *w);
/* 0, -EIO (libzstd failed), what the sink returned. */
NODISCARD int zstream_write(struct zstream_writer *w, const void *data, size_t len);
/* End the frame; all of it has then been given to the sink. What is written next begins another. */
NODISCARD int zstream_writer_end(struct zstream_writer *w);

/* Gives some compressed bytes, valid until it is called again. Their number, 0 at the end, -errno.
 */
typedef ssize_t (*zstream_source)(void *ctx, const void **ret_data);

struct zstream_reader;

/* NULL when memory is short. */
struct zstream_reader *zstream_reader_new(zstream_source source, void *ctx);
struct zstream_reader *zstream_reader_free(struct zstream_reader *r);
/*
 * Up to `n` bytes. Their number; 0 at the end of the last frame; -EBADMSG: not zstd, damaged, cut
 * off in the middle, or a window of more than 8 MiB; else what the source returned.
 */
NODISCARD ssize_t zstream_read(struct zstream_reader *r, void *dst, size_t n);
/* Has everything of the frames so far been given, and nothing of the next one? */
bool zstream_reader_between(const struct zstream_reader *r);
