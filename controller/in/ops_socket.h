/* The transport of the ops socket: whole messages in, one answer to each out, in any order. */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "loop/loop.h"

/* A timetable as a JSON string, every byte of it escaped, fits. */
#define OPS_REQUEST_MAX (640u * 1024)

struct ops_socket;
struct ops_message; /* a request that waits for its answer */

/* `m` is the callee's until ops_socket_answer or ops_message_free. */
typedef void (*ops_message_fn)(void *ctx, struct ops_message *m, const char *text, size_t len);

NODISCARD int ops_socket_new(struct loop *l, const char *url, ops_message_fn fn, void *ctx,
                             struct ops_socket **ret_socket);
struct ops_socket *ops_socket_free(struct ops_socket *s);
/* Takes `m`. That the asker is gone is no error. */
void ops_socket_answer(struct ops_socket *s, struct ops_message *m, const void *data, size_t len);
struct ops_message *ops_message_free(struct ops_message *m);
