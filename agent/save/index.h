/*
 * What a task remembers of its saves, in the scratch folder: the local index of each save that may
 * become the parent of the next, which save was restored and how far, and which archives the rest
 * of a restore has brought. Lost with the task. restore writes the notes, save the indexes; both
 * may run at the same time.
 *
 *   <generation>-<seq>.index   snapshot/manifest.h, local form
 *   restored                   "begun", or "<generation>-<seq> rest|whole <length> <sha256>" (of
 *                              its manifest: later requests need not name that save any more)
 *   arrived                    ids of archives, one a line
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "save/job.h"
#include "snapshot/manifest.h"
#include "wire/blob.h"

enum index_restored {
        INDEX_NONE,  /* nothing was restored */
        INDEX_BEGUN, /* a restore has begun and not ended */
        INDEX_REST,  /* the essentials are there, the rest is not */
        INDEX_WHOLE,
};

/* The index of a save, for reading. -errno; -ENOENT: there is none. */
NODISCARD int index_open(const struct job *j, struct snapshot_save save);
/* A new file to be filled and then put or dropped; `ret_name` is for those. -errno. */
#define INDEX_TEMP_SIZE 1100
NODISCARD int index_temp(const struct job *j, char ret_path[static INDEX_TEMP_SIZE]);
/* The filled file becomes the index of `save`, in place of one that was there. 0 or -errno. */
NODISCARD int index_put(const struct job *j, const char *path, struct snapshot_save save);
void index_drop(const struct job *j, struct snapshot_save save);
/* Remove indexes that can no longer be a parent: older than `committed`; and files left by kills.
 */
void index_sweep(const struct job *j, struct snapshot_save committed);

/* 0 or -errno. `save` counts for INDEX_REST and INDEX_WHOLE, else it may be NULL. */
NODISCARD int index_note_restored(const struct job *j, enum index_restored state,
                                  const struct blob_restore_save *save);
enum index_restored index_restored(const struct job *j, struct blob_restore_save *ret_save);
/* 0 or -errno. */
NODISCARD int index_note_arrived(const struct job *j, const char *id);
/* A new restore begins: nothing has arrived. */
void index_forget_arrived(const struct job *j);
/* All ids, as text with newlines, for index_has_arrived. */
NODISCARD int index_arrived(const struct job *j, struct buf *ret);
bool index_has_arrived(const struct buf *arrived, const char *id);
