/*
 * Files with more than one name, by inode, while a save walks: the first name in the order of the
 * walk holds the content, the others are said to be the same. A file leaves the table when all its
 * names have come. Memory: one struct and the path for each file some of whose names are still
 * missing.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "base/macro.h"

struct link {
        dev_t dev;
        ino_t ino;
        nlink_t left;          /* names that have not come yet */
        struct timespec ctime; /* when the first name was read */
        char *path;            /* of the first name; owned */
        uint64_t size;
        uint8_t sha256[32];
        uint32_t archive;
        int has_xattrs;
        uint8_t xattrs[8];
};

struct links {
        struct link **slots; /* open addressing, a power of two */
        size_t n, cap;
};

void links_deinit(struct links *l);
/* The file's first name, or NULL when this is it. */
struct link *links_find(const struct links *l, const struct stat *st);
/* Note the first name of a file; `first` is copied. 0 or -ENOMEM. */
NODISCARD int links_add(struct links *l, const struct link *first);
/* Another name has come; the last one frees it. */
void links_named(struct links *l, struct link *link);
