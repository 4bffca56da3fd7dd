/*
 * The walk over the part of the student's home that is saved: in a fixed order (names sorted by
 * bytes, folders before what is in them), never through a symbolic link, never out of the root. The
 * home may change during the walk; what vanishes is skipped. Sockets, fifos and devices are not
 * given. Single-threaded; nothing is kept between calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/macro.h"
#include "crypto/digest.h"
#include "profile/profile.h"

#define WALK_DEPTH_MAX 500
#define WALK_PATH_MAX 4000
#define WALK_ENTRIES_MAX (4 << 20)

/* At the root of the home: where a restore unpacks before it moves things into place; never saved.
 */
#define WALK_STAGING ".ws-restore"

struct walk_entry {
        const char *path; /* relative to the root, "a/b"; valid during the call */
        int dir_fd;       /* of the folder that holds it */
        const char *name; /* in that folder */
        struct stat st;   /* by lstat */
};

/* What could not be looked at. Never a reason to fail: the rest of the home is saved. */
struct walk_notes {
        uint64_t unreadable;
        char first[128]; /* path of the first, cut */
};

void walk_note_unreadable(struct walk_notes *notes, const char *path);

/* 0, or < 0 to end the walk with that. */
typedef int (*walk_fn)(void *ctx, const struct walk_entry *e);

/*
 * `unlock`: a folder of one's own that its mode closes is opened for the time of the walk (the last
 * save does that: no process of the student is left to see it). 0, -E2BIG (more than
 * WALK_ENTRIES_MAX entries), -EIO and the like from the disk, or what `fn` returned.
 */
NODISCARD int walk_tree(int root_fd, const struct profile *p, bool unlock, walk_fn fn, void *ctx,
                        struct walk_notes *notes);

struct walk_fingerprint {
        char hex[SHA256_HEX];
        /*
         * A file changed so shortly before or during the walk that a later change need not show in
         * its times: equal fingerprints would prove nothing.
         */
        bool racy;
};

/*
 * One SHA-256 over path, type, mode and, except for folders, size, mtime, ctime and inode. A
 * folder's own times are left out: excluded files in it change them. 0 or as walk_tree.
 */
NODISCARD int walk_fingerprint(int root_fd, const struct profile *p, struct walk_fingerprint *ret);
