/*
 * The header of a manifest (STORAGE.md): its first zstd frame, which says what the save is and
 * which parts its archives have. Bytes <-> structs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "wire/blob.h"

#define SAVE_HEAD_FORMAT 2
#define SAVE_HEAD_TEXT_MAX (64u << 20)
#define SAVE_HEAD_ARCHIVES_MAX 4096

struct save_part {
        uint64_t length;
        char sha256[BLOB_SHA256_SIZE];
};

struct save_archive {
        uint64_t generation, seq; /* of the save that brought it */
        uint32_t index;
        uint64_t length, live;
        bool later;
        uint32_t n_parts;
        struct save_part *parts;
};

struct save_head {
        uint64_t format;
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation, seq, at_ms;
        uint64_t parent_generation, parent_seq; /* 0: the first save */
        uint64_t entries, bytes;
        uint32_t n_archives;
        struct save_archive *archives;
};

/*
 * 0; 1: a format that is not known (ret->format says which, nothing else is set); -EBADMSG;
 * -ENOMEM. `data` may go on behind the header. Free with save_head_deinit.
 */
NODISCARD int save_head_read(const void *data, size_t len, struct save_head *ret);
/* Append header and an empty second frame. 0, -ENOBUFS, -ENOMEM. */
NODISCARD int save_head_write(const struct save_head *h, struct buf *b);
void save_head_deinit(struct save_head *h);
