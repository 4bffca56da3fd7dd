/*
 * Which controller to dial, and when. Pure: a `now` and an outcome go in, a waiting time comes out.
 *
 * One controller leads and the others follow, so that addresses are tried in the order of the list
 * until one welcomes us. Two things are kept: who is there to lead is found within a bounded time,
 * and thousands of agents that lose one controller do not come back together.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "wire/wire.h"

#define ROUTE_MAX 8
/* Between two addresses of one pass through the list: at most, uniformly random. */
#define ROUTE_STEP_MS INT64_C(250)
/* After a whole pass in vain: from .. to, doubling, a half of it random. */
#define ROUTE_PASS_MS_MIN INT64_C(200)
#define ROUTE_PASS_MS_MAX INT64_C(10000)
/* An address that failed is not dialled again for so long only because a follower names it: the
 * follower learns of a dead leader when its lease ends, and we know already. */
#define ROUTE_SHUN_MS INT64_C(6000)

struct route {
        uint32_t n;
        uint32_t at; /* dialled next, or connected to */
        char url[ROUTE_MAX][WIRE_URL_SIZE];
        mono_t failed_at[ROUTE_MAX];
        unsigned failures; /* since the last welcome */
        int64_t window_ms; /* told by the controller */
        uint64_t random;
};

/*
 * "tcp://a:7700,tcp://b:7700"; blanks around an address are ignored. 0; -EINVAL for an empty list
 * or entry, -E2BIG for more than ROUTE_MAX, -ENAMETOOLONG.
 */
NODISCARD int route_init(struct route *r, const char *list, uint64_t seed);

const char *route_url(const struct route *r);

/* Each of these chooses the next address and returns how long to wait before it is dialled, in ms.
 */

/* An established connection is gone. */
int64_t route_lost(struct route *r, mono_t now);
/* It cannot be reached, or does not answer, or has been superseded. */
int64_t route_failed(struct route *r, mono_t now);
/* A follower names the leader; -1: not ours to follow, ask here again. `leader` may be "". */
int64_t route_redirect(struct route *r, const char *leader, mono_t now);
/* A follower knows of no leader for too long. */
int64_t route_next(struct route *r);

/* This controller has welcomed us. */
void route_welcomed(struct route *r);
/* 0 to `bound`, uniformly. */
int64_t route_random_ms(struct route *r, int64_t bound);
