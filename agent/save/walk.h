/*
 * The walk over the part of the student's home that is saved: in a fixed order (names sorted by
 * bytes, folders before what is in them), never through a symbolic link, never out of the root. The
 * home may change during the walk; what vanishes is skipped. Sockets, fifos and devices are not
 * given, nor what a .workspaceignore leaves out (such files themselves are given). Single-threaded;
 * nothing is kept between calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/macro.h"
#include "profile/profile.h"
#include "snapshot/manifest.h"

#define WALK_DEPTH_MAX 500
#define WALK_PATH_MAX 4000
#define WALK_ENTRIES_MAX SNAPSHOT_ENTRIES_MAX

/* At the root of the home: where a restore unpacks before it moves things into place; never saved.
 */
#define WALK_STAGING ".ws-restore"

struct walk_entry {
        const char *path; /* relative to the root, "a/b"; valid during the call */
        int dir_fd;       /* of the folder that holds it */
        const char *name; /* in that folder */
        struct stat st;   /* by lstat */
};

/* What was left out. Never a reason to fail: the rest of the home is saved. */
struct walk_notes {
        uint64_t unreadable;
        char first[128];            /* path of the first, cut */
        char closed[WALK_PATH_MAX]; /* the last folder that could not be entered */
        uint64_t special;           /* sockets, fifos, devices */
        char first_special[128];
        uint64_t fullest; /* names in the folder that has most */
        char fullest_path[128];
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
