/*
 * The increment: what of the home differs from the save that this one builds upon, by joining two
 * streams in the order of the walk, the home itself and the index of that save. Out come a new
 * manifest, a new index, and archives with what is new. Memory does not grow with the number of
 * entries (but for files of several names, links.h).
 *
 * Unchanged is what has the type, mode, size, times and inode of the index; what differs in less
 * than content is read and compared by hash. An entry that a restore has yet to bring is inherited:
 * its absence is not a deletion.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "save/job.h"
#include "save/pack.h"
#include "save/walk.h"
#include "profile/profile.h"
#include "snapshot/manifest.h"
#include "wire/blob.h"

enum increment_refusal {
        INCREMENT_ENTRIES = 300, /* too many entries, or too long a manifest */
        INCREMENT_PENDING,       /* what a restore has yet to bring stands in the way: later */
        INCREMENT_PARENT,        /* the parent's index is damaged; increment_error says how */
};

struct increment;

struct increment_parts {
        struct job *job;
        const struct blob_save_request *request;
        const struct profile *profile;
        int parent_fd;             /* index of the parent; -1: everything is new */
        const struct buf *arrived; /* index.h */
        bool whole;                /* the restore is over: nothing is pending any more */
        bool last;                 /* the last save of this life */
        int manifest_fd, index_fd; /* empty files for the entries */
        struct parts *parts;
        uint64_t at_ms;
};

/* `q` and what it points to are kept by reference. 0, INCREMENT_PARENT, -errno. */
NODISCARD int increment_open(const struct increment_parts *q, struct increment **ret);
struct increment *increment_free(struct increment *i);

/* 0, an increment_refusal, parts_refusal, archive_refusal, -errno. */
NODISCARD int increment_run(struct increment *i);

/* After increment_run: */
bool increment_changed(const struct increment *i);   /* worth a new save */
bool increment_refreshed(const struct increment *i); /* the index knows more than the parent's */
bool increment_racy(const struct increment *i);      /* something changed while it was read */
/* End the archives, upload them. 0 or as increment_run. */
NODISCARD int increment_close(struct increment *i);
/*
 * Manifest and index, whole, into these files; `as` stands in them: the new save, or the parent to
 * replace its index. `notes` goes into the manifest. -1 for a file that is not wanted. 0 or -errno.
 */
NODISCARD int increment_write(struct increment *i, struct snapshot_save as, const char *notes,
                              int manifest_fd, int index_fd);

const struct walk_notes *increment_walk_notes(const struct increment *i);
const struct pack_notes *increment_pack_notes(const struct increment *i);
uint64_t increment_entries(const struct increment *i);
/* Bytes of the archives that this save brings. */
uint64_t increment_data_length(const struct increment *i);
/* The save that it builds upon; 0, 0: none. */
struct snapshot_save increment_parent(const struct increment *i);
const char *increment_error(const struct increment *i);
