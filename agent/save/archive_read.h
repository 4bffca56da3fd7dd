/*
 * Reads the archives that archive_write.h makes, entry by entry, by libarchive. Nothing is put
 * anywhere but into the descriptor that the caller opened: names and types in the archive are the
 * caller's to judge. Single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "save/archive_write.h"
#include "snapshot/zstream.h"

struct archive_reader;

/* Compressed bytes come from `source`. 0, -ENOMEM. */
NODISCARD int archive_reader_open(zstream_source source, void *ctx, struct archive_reader **ret);
struct archive_reader *archive_reader_free(struct archive_reader *r);
/*
 * 1: the next entry, *ret_path is its name until the next call; 0: the end; ARCHIVE_DAMAGED (then
 * archive_reader_error says how), or what the source returned.
 */
NODISCARD int archive_reader_next(struct archive_reader *r, const char **ret_path);
/*
 * Content (of a file) and attributes user.* of the entry into `fd`, which is an empty file, or a
 * folder. It must have exactly `size` bytes. 0, as above, ARCHIVE_DISK_FULL, -errno.
 */
NODISCARD int archive_reader_extract(struct archive_reader *r, int fd, bool file, uint64_t size);
const char *archive_reader_error(const struct archive_reader *r);
