/*
 * A pax archive in one zstd stream, by libarchive, which appears in archive_write.c and
 * archive_read.c only. Plain archives: `tar --zstd -xf` reads them. The same content gives the same
 * bytes: no owner, no access or change times, no inode numbers.
 *
 * Kept: names (any bytes), content, holes, modes without set-id and sticky bits, mtimes to the
 * nanosecond, symbolic links, hard links, folders, extended attributes user.*. Not kept: owner,
 * ACLs, other attributes. Single-threaded; zstd may have a thread of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "crypto/digest.h"
#include "snapshot/zstream.h"

#define ARCHIVE_FILE_MAX (INT64_C(64) << 30) /* a file that claims to be longer is left out */

/*
 * A file with a longer path is written without a map of its holes, because libarchive (3.6) cuts
 * the name that it puts beside the map; who reads finds the holes by looking for zeros.
 */
#define ARCHIVE_SPARSE_PATH_MAX 90

/* What calls here return besides 0: what the sink returned, or one of these, or -errno. */
enum archive_refusal {
        ARCHIVE_READ_ERROR = 100, /* the disk that holds the files */
        ARCHIVE_DAMAGED,          /* reading: not an archive, or one that we did not make */
        ARCHIVE_DISK_FULL,        /* reading: where the files are to be written */
};

struct archive_writer;

/* 0, -ENOMEM. */
NODISCARD int archive_writer_open(zstream_sink sink, void *ctx, struct archive_writer **ret);
struct archive_writer *archive_writer_free(struct archive_writer *w);
/* Write the end of the archive; the sink has then been given everything. */
NODISCARD int archive_writer_close(struct archive_writer *w);

/* Of one entry. */
struct archive_item {
        const char *path;
        const struct stat *st; /* type, mode, mtime, and size of a file */
        const char *target;    /* of a symbolic link */
        const char *hardlink;  /* path of the file that this is another name of */
        int fd;                /* file: its content; folder: for attributes; else -1 */
};

/* What was found while the content was written. */
struct archive_content {
        uint8_t sha256[SHA256_LEN]; /* of what is in the archive */
        bool changed;               /* the file became shorter meanwhile: padded with zeros */
};

/* One entry. `ret` is set for files that are not hard links. */
NODISCARD int archive_writer_add(struct archive_writer *w, const struct archive_item *item,
                                 struct archive_content *ret);

/* The hash that archive_writer_add would give, without an archive. 0 or as above. */
NODISCARD int archive_hash(int fd, const struct stat *st, struct archive_content *ret);

/*
 * A hash of the user.* attributes of an open file or folder into ret_hash. 1 there are some, 0 none
 * (or the file system has none).
 */
int archive_xattrs(int fd, uint8_t ret_hash[static 8]);

/* -EIO and what else a disk says of itself is ARCHIVE_READ_ERROR; anything else as it is. */
int archive_input_fault(int r);
