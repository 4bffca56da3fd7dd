/*
 * Watches the workspace and the home folder, with all folders below them, by inotify.
 *
 * The rules that make this complete (inotify(7), and what other watchers got wrong):
 *  - first the watch, then the listing; whatever the listing finds is treated as new
 *  - a folder that was moved in is watched and listed; one that was moved away and does not appear
 *    again within TREE_MOVE_MS is forgotten with all below it
 *  - events lost (queue overflow) or folders that cannot be watched (watch budget, ENOSPC) are told
 *    as `lossy`: assume that anything changed. After an overflow all watches are made anew; folders
 *    without a watch are compared by a walk every `scan_ms`, less often above 60,000 entries
 *  - symbolic links are never followed
 *
 * Work is done in small steps from the loop; memory is bounded by the budget. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "loop/loop.h"

#define TREE_MOVE_MS 1000
#define TREE_MOVES_MAX 256

enum tree_area {
        TREE_WORKSPACE, /* in the workspace folder, also when that lies inside home */
        TREE_HOME,      /* elsewhere in home */
        TREE_AREA_MAX
};

struct tree_config {
        const char *workspace; /* absolute, no trailing slash; copied */
        const char *home;
        size_t budget;             /* folders watched at most */
        int64_t scan_ms;           /* between walks, and between rebuilds after overflows; 30 s */
        uint64_t scan_entries_max; /* per root and walk */
        /*
         * Whether a path is of no interest: relative to home, or absolute where it is outside of
         * home. A folder left out is neither watched nor walked.
         */
        bool (*skip)(void *ctx, const char *path, bool is_dir);
        /* `n` > 0 things changed. */
        void (*changed)(void *ctx, enum tree_area area, uint32_t n);
        /* Something may have changed that was not seen. Also when the first listing is complete. */
        void (*lossy)(void *ctx);
        void *ctx;
};

struct tree_stats {
        size_t watched;
        bool settled;    /* no listing and no walk is under way */
        bool incomplete; /* some folders have no watch: walks are made */
        uint64_t rebuilds, walks, overflows;
};

struct tree;

/* 0 or -errno (-EMFILE: no inotify instance left, -ENOMEM). Missing roots are waited for. */
NODISCARD int tree_new(struct loop *l, const struct tree_config *config, struct tree **ret_tree);
struct tree *tree_free(struct tree *t);
void tree_get_stats(const struct tree *t, struct tree_stats *ret_stats);
/* A quarter of what the kernel allows this user, at most TREE_BUDGET_MAX. */
size_t tree_default_budget(void);
#define TREE_BUDGET_MAX 65536
