/*
 * One file of the home into one of the archives of a save, or only its hash. Databases are copied
 * by SQLite first, so that what is packed is whole. Single-threaded; belongs to one save.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "save/archive_write.h"
#include "save/job.h"
#include "save/parts.h"
#include "save/walk.h"

#define PACK_ARCHIVES 2 /* 0 the essentials, 1 what may come later */

/* What a student is told besides; each is counted, the first is named. */
struct pack_notes {
        uint64_t plain_databases; /* copied as files, because SQLite could not */
        char first_database[128];
        uint64_t largest; /* bytes of the largest file that was packed */
        char largest_path[128];
};

struct pack {
        const struct job *job;
        struct parts *parts;
        bool last; /* no process of the student is left */
        struct walk_notes *walk_notes;
        struct pack_notes notes;
        struct {
                struct archive_writer *writer; /* NULL: nothing was packed */
                struct part_stream *stream;
                uint64_t bytes; /* sum of sizes */
        } out[PACK_ARCHIVES];
};

/* A file of the home, open. */
struct pack_file {
        int fd;         /* of what is to be packed: the file, or the copy of a database */
        struct stat st; /* its size; type, mode, times and inode are always those of the file */
        bool sqlite;    /* a database (and a copy of it, or one that nobody has open) */
        bool changing;  /* a database with a write-ahead log: its times prove nothing */
        int own_fd;     /* of the file itself; the same as fd but for copies */
        int64_t opened_us;
        bool has_xattrs;
        uint8_t xattrs[8];
};

/* 0; 1: gone, or become something else; 2: not readable, and noted; -errno, archive_refusal. */
enum { PACK_GONE = 1, PACK_UNREADABLE = 2 };
NODISCARD int pack_open_file(struct pack *k, const struct walk_entry *e, struct pack_file *ret);
void pack_close_file(struct pack_file *f);
/* Read it: into archive `number`, or for its hash alone. 0 or as archive_writer_add. */
NODISCARD int pack_file(struct pack *k, struct pack_file *f, const char *path, uint32_t number,
                        struct archive_content *ret);
NODISCARD int pack_hash(struct pack *k, struct pack_file *f, struct archive_content *ret);
/* After it was read: may its times be trusted from now on? */
bool pack_settled(const struct pack_file *f, const struct archive_content *content);

/* A folder (fd: open, or -1), a symbolic link (target), or another name (hardlink). As pack_file.
 */
NODISCARD int pack_other(struct pack *k, const struct archive_item *item, uint32_t number);

/* Has the database a write-ahead log now? Then it may have changed without a trace in its times. */
bool pack_has_log(const struct walk_entry *e);

/* "x.db-shm" of a database: made anew by who opens it, and by looking at it. Never saved. */
bool pack_is_log_index(const struct walk_entry *e);

/* End the archives and wait for their parts. `a[number]` gets length and parts (n_parts 0: none).
 */
NODISCARD int pack_close(struct pack *k, struct snapshot_archive a[static PACK_ARCHIVES]);
void pack_deinit(struct pack *k);
