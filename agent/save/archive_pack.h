/*
 * tar + zstd, by libarchive, which appears in archive_pack.c only. Plain pax archives: `tar --zstd
 * -xf` reads them. The same content gives the same bytes: no owner, no access or change times, no
 * inode numbers, entries in the order of the walk.
 *
 * Kept: names (any bytes), content, holes, modes without set-id and sticky bits, mtimes to the
 * nanosecond, symbolic links, hard links, empty folders. Not kept: owner, ACLs, extended
 * attributes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "crypto/digest.h"
#include "profile/profile.h"
#include "save/walk.h"

#define PACK_FILE_MAX (INT64_C(1) << 40) /* a file that claims to be longer is left out */

enum pack_refusal {
        PACK_TOO_BIG = 1, /* more than max_bytes, or too many entries */
        PACK_DISK_FULL,   /* where the archive or the files are to be written */
        PACK_READ_ERROR,  /* the disk that holds the files */
        PACK_DAMAGED,     /* extract: not an archive, or one that we did not make */
};

struct pack_info {
        uint64_t length; /* of the archive */
        char sha256[SHA256_HEX];
        uint64_t files;   /* entries */
        uint64_t bytes;   /* of content */
        uint64_t changed; /* files that changed while they were read: cut or padded with zeros */
        struct walk_notes notes;
};

/*
 * Write what the profile saves of the folder `root_fd` to `out_fd`. `last`: no process of the
 * student is left, so files of one's own that their mode closes are opened for the moment.
 * 0, a pack_refusal, -errno.
 */
NODISCARD int archive_pack(int root_fd, const struct profile *p, bool last, int out_fd,
                           uint64_t max_bytes, struct pack_info *ret_info);

/*
 * Unpack from `in_fd` (at its start) into the current folder, which should be empty. Refused: names
 * that leave it, and writing through symbolic links; devices and fifos are left out and counted in
 * notes. Call only with an archive whose hash was verified. 0, a pack_refusal, -errno; then
 * `error` says what, and some files may be there.
 */
#define PACK_ERROR_SIZE 200
NODISCARD int archive_unpack(int in_fd, struct pack_info *ret_info,
                             char error[static PACK_ERROR_SIZE]);
