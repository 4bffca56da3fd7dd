/*
 * Terminals: something read what was typed. A watch on the folder of the terminals tells when one
 * comes or goes; each terminal has a watch of its own for IN_ACCESS, because the kernel reports
 * reads of devices on the device alone. Where that watch fails, its access time is compared every
 * `poll_ms` (tty_update_time in the kernel moves it in steps of 8 s).
 *
 * Only terminals of the caller's own user count. One thread; at most PTS_MAX terminals.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "loop/loop.h"

#define PTS_MAX 256

struct pts_config {
        const char *dir; /* "/dev/pts"; kept by pointer */
        int64_t poll_ms; /* 30 s */
        void (*typed)(void *ctx, uint32_t events);
        void *ctx;
};

struct pts;

/* 0 or -errno. */
NODISCARD int pts_new(struct loop *l, const struct pts_config *config, struct pts **ret_pts);
struct pts *pts_free(struct pts *p);
/* Whether /dev/pts/<number> is among those that are looked after, by a watch or by polling. */
bool pts_knows(const struct pts *p, uint32_t number, bool *ret_watched);
