/*
 * Moves what a restore unpacked into the home. Each file moves whole, by rename(2), so a restore
 * that is killed leaves no half file in the home, and the next one starts over.
 */
#pragma once

#include "base/macro.h"

/*
 * Move everything in the folder `name` of `dir_fd` into `dir_fd`. Folders that exist are entered
 * and take the mode and time of the one that comes; of two files the newer stays, of equal ones the
 * one that comes. `name` is gone afterwards. 0 or -errno.
 */
NODISCARD int merge_into_parent(int dir_fd, const char *name);
/* Remove a folder and all in it; one that is not there is fine. 0 or -errno. */
NODISCARD int merge_remove(int dir_fd, const char *name);
