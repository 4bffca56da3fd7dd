/*
 * The manifest of a save, and the agent's local index of it: text in the manner of mtree(5), read
 * and written entry by entry (wire/STORAGE.md has the format). Memory is that of the header (its
 * archives and their parts), never that of the entries. Reading is strict and bounded: a file that
 * this reader takes to its end has at most SNAPSHOT_ENTRIES_MAX entries in the order of the walk,
 * each with a path that stays below the root, no entry below one that is not a folder, no archive
 * without its line. What is wrong is said with the number of the line.
 *
 * Ownership: readers and writers belong to who opened them, descriptors stay the caller's. What an
 * entry points to is valid until the next call. Single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

#define SNAPSHOT_FORMAT 2
#define SNAPSHOT_ENTRIES_MAX 1000000
#define SNAPSHOT_TEXT_MAX (UINT64_C(256) << 20)
#define SNAPSHOT_PATH_MAX 4096              /* bytes of a path or a target, with NUL */
#define SNAPSHOT_PART_BYTES (8u << 20)      /* as they are made */
#define SNAPSHOT_PART_BYTES_MAX (32u << 20) /* as they were made */
#define SNAPSHOT_PARTS_MAX 65536            /* of one archive, 512 GiB */
#define SNAPSHOT_NUMBERS_MAX 2 /* archives that one save brings, as objects are named (blob.h) */
#define SNAPSHOT_ARCHIVES_MAX 1024
#define SNAPSHOT_ID_SIZE 48 /* "3-2/0" */
#define SNAPSHOT_NUMBER_MAX (INT64_C(1) << 53)
#define SNAPSHOT_ERROR_SIZE 160
#define SNAPSHOT_NOTES_SIZE 256

struct snapshot_save {
        uint64_t generation, seq; /* 0, 0: none */
};

struct snapshot_part {
        uint64_t length;
        uint8_t sha256[32];
};

struct snapshot_archive {
        char id[SNAPSHOT_ID_SIZE]; /* filled in by snapshot_header_add */
        struct snapshot_save save; /* that brought it */
        uint32_t number;           /* 0 essentials, 1 later */
        bool later;
        uint64_t length; /* of all parts */
        uint64_t bytes;  /* sum of the sizes of the entries it was made with */
        uint64_t live;   /* of those that still refer to it */
        uint32_t n_parts;
        struct snapshot_part *parts; /* owned by the header */
};

struct snapshot_header {
        char workspace[32];
        struct snapshot_save save, parent;
        uint64_t at_ms;
        uint64_t entries, bytes;
        char notes[SNAPSHOT_NOTES_SIZE];
        uint32_t n_archives;
        struct snapshot_archive *archives; /* owned */
};

void snapshot_header_deinit(struct snapshot_header *h);
/* A copy of `a` behind the others; `parts` is taken over. 0, -ENOMEM, -ENOBUFS (too many). */
NODISCARD int snapshot_header_add(struct snapshot_header *h, const struct snapshot_archive *a);
void snapshot_id(const struct snapshot_archive *a, char ret_id[static SNAPSHOT_ID_SIZE]);

enum snapshot_type { SNAPSHOT_FILE, SNAPSHOT_DIR, SNAPSHOT_LINK };

struct snapshot_entry {
        const char *path; /* "a/b", without the "./" of the text */
        enum snapshot_type type;
        uint32_t mode; /* 0 to 07777 */
        int64_t mtime_s;
        uint32_t mtime_ns;
        uint64_t size;      /* files */
        uint8_t sha256[32]; /* files: of the content */
        bool has_xattrs;
        uint8_t xattrs[8]; /* of extended attributes, when there are any: enough to see a change */
        const char *link;  /* links: the target, else NULL */
        const char *hardlink; /* files: the earlier entry that is the same file, or NULL */
        uint32_t archive;     /* place in the header's archives */
        /* Of the index only; absent in a manifest. */
        bool has_ctime; /* ino and ctime are known */
        uint64_t ino;
        int64_t ctime_s;
        uint32_t ctime_ns;
        bool life;    /* read by a save of this life */
        bool pending; /* a restore has yet to bring it */
        bool sqlite;  /* was copied as a database */
};

/* The order of the walk: < 0, 0, > 0. */
int snapshot_path_compare(const char *a, const char *b);

/* ---- writing ---- */

/* Both append one line. 0, -ENOBUFS, -ENOMEM. `id` is that of the entry's archive. */
NODISCARD int snapshot_entry_write(const struct snapshot_entry *e, const char *id, bool local,
                                   struct buf *b);
/* All lines of the header. */
NODISCARD int snapshot_header_write(const struct snapshot_header *h, struct buf *b);

struct snapshot_writer;

/*
 * Entries go to `fd` as they come; the header, which is known last, stands first in the finished
 * file. `local`: the index (plain text, with what only the agent knows), else a manifest (zstd).
 * 0, -ENOMEM.
 */
NODISCARD int snapshot_writer_open(int fd, bool local, struct snapshot_writer **ret);
struct snapshot_writer *snapshot_writer_free(struct snapshot_writer *w);
/* 0, -E2BIG (too many entries or too much text), -errno. */
NODISCARD int snapshot_writer_add(struct snapshot_writer *w, const struct snapshot_entry *e,
                                  const char *id);
/* End the entries and write header and entries to `out_fd`. The header's `entries` must be right.
 */
NODISCARD int snapshot_writer_finish(struct snapshot_writer *w, const struct snapshot_header *h,
                                     int out_fd);

/* ---- reading ---- */

struct snapshot_reader;

/*
 * From `fd`, from offset 0 by pread(2); both forms are told apart by their first bytes. Reads the
 * header. 0; -EBADMSG, then `error` says what and in which line; -errno of the file; -ENOMEM.
 */
NODISCARD int snapshot_reader_open(int fd, char error[static SNAPSHOT_ERROR_SIZE],
                                   struct snapshot_reader **ret);
struct snapshot_reader *snapshot_reader_free(struct snapshot_reader *r);
const struct snapshot_header *snapshot_reader_header(const struct snapshot_reader *r);
/* 1: the next entry; 0: the end, and as many came as the header says; < 0 as above. */
NODISCARD int snapshot_reader_next(struct snapshot_reader *r, struct snapshot_entry *ret_entry);
/* Start again with the first entry. As open. */
NODISCARD int snapshot_reader_rewind(struct snapshot_reader *r);
/* What the last call that returned -EBADMSG found: "line 12: the path leaves the root". */
const char *snapshot_reader_error(const struct snapshot_reader *r);
