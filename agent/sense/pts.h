/*
 * Terminals: something read what was typed. A watch on the folder of the terminals tells when one
 * comes or goes; each terminal has a watch of its own for IN_ACCESS, because the kernel reports
 * reads of devices on the device alone. Where that watch fails, its access time is compared every
 * `poll_ms` (tty_update_time in the kernel moves it in steps of 8 s).
 *
 * What was read is told apart: keys and answers (typing.h), and terminals of the app, whose keys
 * the page shows better.
 *
 * Only terminals of the caller's own user count. One thread; at most PTS_MAX terminals.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "loop/loop.h"
#include "sense/procs.h"

#define PTS_MAX 256

struct pts_reads {
        uint32_t events;     /* of terminals that are not the app's */
        uint32_t replies;    /* of them, answers to a program */
        uint32_t app_events; /* of the app's terminals, without answers */
};

struct pts_config {
        const char *dir; /* "/dev/pts"; kept by pointer */
        int64_t poll_ms; /* 30 s */
        void (*read)(void *ctx, const struct pts_reads *reads);
        /* Whose it is; asked once, and while the answer is "unknown" at most once a second. */
        enum procs_terminal (*whose)(void *ctx, dev_t device);
        void *ctx;
};

struct pts;

/* 0 or -errno. */
NODISCARD int pts_new(struct loop *l, const struct pts_config *config, struct pts **ret_pts);
struct pts *pts_free(struct pts *p);
/* Whether /dev/pts/<number> is among those that are looked after, by a watch or by polling. */
bool pts_knows(const struct pts *p, uint32_t number, bool *ret_watched);
