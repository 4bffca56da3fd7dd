/*
 * init's side of control.h: datagrams in and out, never blocking. Both ends of the socket pair stay
 * open here, so that a new link finds what waited for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "init/control.h"

struct control_io {
        int ours;
        int links; /* the end that each link gets as ROLE_FD_CONTROL */
};

#define CONTROL_IO_NULL ((struct control_io){-1, -1})

NODISCARD int control_io_open(struct control_io *c);
/* Send one report. 0; -EAGAIN when the socket is full (nobody reads); -errno. */
NODISCARD int control_io_send(struct control_io *c, const struct control_msg *m, const void *blob);
/* Whether link has read all that was sent (unix(7), SIOCOUTQ). */
bool control_io_read(const struct control_io *c);
/*
 * The next order: 1 with *ret_msg and *ret_blob (valid until the next call), 0 when there is none,
 * -EBADMSG for one that is malformed (it is gone).
 */
NODISCARD int control_io_receive(struct control_io *c, struct control_msg *ret_msg,
                                 const void **ret_blob);
/*
 * For a new link, before it starts: `state` first, then what its predecessor left unread, without
 * the reports that `state` makes obsolete. 0 or -errno.
 */
NODISCARD int control_io_renew(struct control_io *c, const struct control_msg *state);
