/*
 * The listening socket of the agents' edge: requests in, answers out, in any order and at any time.
 * The only user of nng on this edge. Its threads copy, enqueue and wake; on_request and all verbs
 * run in the loop's thread. reference: nng raw REP (nng_rep(7), "Raw Mode").
 *
 * A request is owned by who got it, until it is answered or dropped. An answer to a peer that has
 * gone is thrown away silently: that an answer was given does not mean that it arrived.
 *
 * Bounds: requests not yet taken by the loop AGENTS_INBOX_MAX (beyond it, nothing is read from the
 * connections), one frame WIRE_FRAME_MAX (longer ones close the connection), connections
 * AGENTS_PIPES_MAX (further ones are closed at once).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

#define AGENTS_INBOX_MAX 1024
#define AGENTS_PIPES_MAX 21000
#define AGENTS_PEER_SIZE 46 /* numeric IP address */

struct agents_socket;
struct agents_request; /* never defined: what nng calls a message, with the way back in it */

typedef void (*agents_request_fn)(void *ctx, struct agents_request *rq, const void *data,
                                  size_t len);

/* Listen at `url`; blocks up to `listen_ms` while the address is taken. 0 or -errno. */
NODISCARD int agents_socket_new(struct loop *l, const char *url, int64_t listen_ms,
                                agents_request_fn on_request, void *ctx,
                                struct agents_socket **ret_socket);
/* Requests still held by others must be dropped before. */
struct agents_socket *agents_socket_free(struct agents_socket *s);

/* Connections now. */
int agents_socket_peers(struct agents_socket *s);
/* Answer and give up the request. */
void agents_socket_answer(struct agents_socket *s, struct agents_request *rq, const void *data,
                          size_t len);
/* Give it up without an answer. NULL is fine. */
void agents_socket_drop(struct agents_request *rq);
/* The IP address it came from; "" when the transport has none. False when the peer has gone. */
bool agents_socket_peer(const struct agents_request *rq, char ret_ip[static AGENTS_PEER_SIZE]);
