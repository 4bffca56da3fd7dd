/*
 * From archives to files, by the manifest: what is put into the folder is what the manifest names
 * for these archives, with its type, mode and times; an archive gives nothing but content. Made for
 * an empty folder, from which all is moved into place when it is whole (merge.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "save/fetch.h"
#include "snapshot/manifest.h"

#define EXTRACT_ERROR_SIZE 256

/* What a first reading of the manifest finds. */
struct extract_plan {
        bool *needed; /* by archive: something in it is wanted, so it has to be fetched. Owned. */
        uint64_t entries[2], bytes[2]; /* of essentials, of what comes later */
};

/*
 * Read all of it: nothing is put anywhere that does not stand in a manifest without a fault. 0,
 * -EBADMSG (then `error`), -errno. Free `needed`.
 */
NODISCARD int extract_check(struct snapshot_reader *m, struct extract_plan *ret,
                            char error[static EXTRACT_ERROR_SIZE]);

struct extract_counts {
        uint64_t entries, bytes;
};

/*
 * The entries of archive `which` into `dir_fd`. `fetch`: at the archive; NULL when it is not
 * needed. 0, ARCHIVE_DAMAGED and ARCHIVE_DISK_FULL (archive_write.h), -ECANCELED (the fetch
 * failed), -errno; then `error`.
 */
NODISCARD int extract_archive(struct snapshot_reader *m, uint32_t which, int dir_fd,
                              struct fetch *fetch, struct extract_counts *counts,
                              char error[static EXTRACT_ERROR_SIZE]);
/* Modes and times of all folders of the manifest that are in `dir_fd`. 0 or -errno. */
NODISCARD int extract_folders(struct snapshot_reader *m, int dir_fd);
