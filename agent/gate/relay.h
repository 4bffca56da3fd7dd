/*
 * A lane: one direction of a relay. Bytes are read from one socket and written to the other; heads
 * and answers of the gate's own go first. Bounded: while a lane is full nothing more is read, so
 * that a slow reader slows the sender. Embedded by value; owns its buffers, not the sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define LANE_MAX 65536
/* Less room than this and the lane waits: small reads into a nearly full buffer would move it. */
#define LANE_READ_MIN 16384

/* Sees bytes of `in` behind their writing: it cannot change them, nor hold back what it is shown.
 */
typedef void (*lane_tap_fn)(void *ctx, const void *data, size_t len);

struct lane {
        struct buf own;   /* written first: rebuilt heads, answers */
        struct buf in;    /* read and not yet written */
        size_t pass;      /* bytes at the front of `in` that may be written */
        bool eof;         /* the reading side has ended */
        bool shut;        /* the writing side was told so */
        uint64_t written; /* bytes of `in` written, in total */
        lane_tap_fn tap;  /* NULL none */
        void *tap_ctx;
};

void lane_init(struct lane *l);
void lane_deinit(struct lane *l);
/* Give back memory that holds nothing. */
void lane_trim(struct lane *l);

static inline bool lane_has_room(const struct lane *l)
{
        return !l->eof && l->in.len <= LANE_MAX - LANE_READ_MIN;
}

static inline bool lane_has_work(const struct lane *l)
{
        return l->own.len > 0 || l->pass > 0;
}

/* Read what is there, as far as there is room. 0 (also at the end: see eof), -errno. */
NODISCARD int lane_read(struct lane *l, int fd);
/* Write own, then what may pass. 0 (perhaps not all: see lane_has_work), -errno. */
NODISCARD int lane_write(struct lane *l, int fd);
/* Tell the writing side that no more comes, once. */
void lane_shut(struct lane *l, int fd);
/* Forget the first `n` bytes of `in`, which were not for the other side. */
void lane_drop(struct lane *l, size_t n);
