/*
 * The fallback where folders cannot be watched: walk both roots and sum up names, sizes and times.
 * A sum that differs from the last one means that something changed. No clock is compared, so a
 * clock that jumps does no harm.
 *
 * A walk is made in steps so that it blocks nobody, holds at most WALK_DEPTH_MAX descriptors and
 * looks at most at `entries_max` entries. Never follows a symbolic link.
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define WALK_DEPTH_MAX 64
#define WALK_PATH_MAX 4096

/* Whether this entry (absolute path) is left out, with everything below it. */
typedef bool (*walk_skip_fn)(void *ctx, const char *path, bool is_dir);

struct walk_sum {
        uint64_t sum; /* of all entries, in any order */
        uint64_t entries;
        bool cut; /* entries_max or the depth was reached: there is more */
};

struct walk {
        DIR *stack[WALK_DEPTH_MAX];
        size_t path_len[WALK_DEPTH_MAX]; /* of the folder at this depth */
        size_t depth;
        char path[WALK_PATH_MAX];
        uint64_t entries_max;
        walk_skip_fn skip;
        void *ctx;
        struct walk_sum sum;
};

/* Begin at `root`. 0 or -errno (-ENOENT, -ENOTDIR, -EACCES, -ENAMETOOLONG). */
NODISCARD int walk_begin(struct walk *w, const char *root, uint64_t entries_max, walk_skip_fn skip,
                         void *ctx);
/* Look at up to `n` entries. 1: more to do; 0: done, see w->sum. */
NODISCARD int walk_step(struct walk *w, size_t n);
/* Close what is open; ended or zeroed walks are fine. */
void walk_end(struct walk *w);
