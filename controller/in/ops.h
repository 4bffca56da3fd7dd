/*
 * The ops socket: JSON questions and orders of wsctl over nng request/reply on a Unix socket
 * (shared/wire/OPS.md). Who may open the socket is an operator; there is no other check. nng is in
 * ops_nng.c alone. Loop thread only.
 */
#pragma once

#include "base/macro.h"
#include "loop/loop.h"
#include "shell.h"

struct http;

struct about;
struct stored;
struct timetables;

struct ops_config {
        const char *url; /* "ipc:///var/lib/wscontroller/ops.sock"; its folder becomes 0700 */
        const struct http *http;   /* for URLs in answers and the gateway's settings; may be NULL */
        const struct about *about; /* of the program; kept by pointer. NULL: nothing */
        struct stored *stored;     /* the saves; NULL: not told of */
        struct timetables *timetables; /* NULL: it has none */
};

struct ops;

/* 0, -EADDRINUSE (another controller answers there), -EINVAL, -ENOMEM, … (logged). */
NODISCARD int ops_new(struct loop *l, struct shell *sh, struct store *store,
                      const struct ops_config *config, struct ops **ret_ops);
/* Answers that are on their way are sent first, within a second. */
struct ops *ops_free(struct ops *o);
