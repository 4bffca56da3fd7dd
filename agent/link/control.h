/*
 * The control socket to init, seen from link: datagrams of a header and a blob. Orders must not be
 * lost, so what the socket does not take waits here, in order.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/macro.h"
#include "init/control.h"
#include "loop/loop.h"

#define CONTROL_LINK_WAITING_MAX 32

struct control_link {
        int fd;
        struct loop_fd src;
        void (*report)(void *ctx, const struct control_msg *msg, const void *blob);
        void (*ended)(void *ctx); /* init is gone */
        void *ctx;
        size_t first, n;
        struct buf waiting[CONTROL_LINK_WAITING_MAX];
        uint8_t in[sizeof(struct control_msg) + ROLE_BLOB_MAX + 1];
};

/* `fd` is not owned. The caller has set report, ended and ctx. 0 or -errno. */
NODISCARD int control_link_open(struct control_link *c, struct loop *l, int fd);
void control_link_close(struct control_link *c);
/* `msg->len` bytes of blob. 0; -ENOBUFS when too many wait; -ENOMEM; -errno of the socket. */
NODISCARD int control_link_send(struct control_link *c, const struct control_msg *msg,
                                const void *blob);
