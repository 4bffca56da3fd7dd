/*
 * Moves what a restore unpacked into the home. Each file moves whole, by rename(2), so a restore
 * that is killed leaves no half file in the home, and the next one starts over.
 */
#pragma once

#include "base/macro.h"

enum merge_rule {
        /*
         * Before the app starts: folders that exist take the mode and time of the one that comes;
         * of two files the newer stays, of equal ones the one that comes; a file where a folder
         * belongs, or the other way, gives way.
         */
        MERGE_NEWER,
        /*
         * Beside a person who works: what exists stays as it is, folders with mode and time, and no
         * file ever replaces another, not even one that appears in this moment.
         */
        MERGE_KEEP,
};

/*
 * Move everything in the folder `name` of `dir_fd` into `dir_fd`. `name` is gone afterwards. 0 or
 * -errno.
 */
NODISCARD int merge_into_parent(int dir_fd, const char *name, enum merge_rule rule);
/* Remove a folder and all in it; one that is not there is fine. 0 or -errno. */
NODISCARD int merge_remove(int dir_fd, const char *name);
