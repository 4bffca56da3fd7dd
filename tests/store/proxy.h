/*
 * A TCP relay between a store and its server, in the test's loop, that does to one connection what
 * networks do: after so many bytes it cuts, stands still, or loses the client and delivers what it
 * had late.
 */
#pragma once

#include <stdint.h>

enum proxy_fault {
        PROXY_NONE,
        PROXY_CUT,  /* both sides see the end */
        PROXY_HOLD, /* nothing more goes this way, nobody sees an end */
        PROXY_LATE, /* the client sees the end; what was read of it is kept for the server */
};

struct proxy;

struct proxy *proxy_new(uint16_t upstream_port, uint16_t *ret_port);
void proxy_free(struct proxy *p);
/* The next `bytes` in this direction pass, then the fault happens, once. */
void proxy_arm_up(struct proxy *p, enum proxy_fault fault, long bytes);
void proxy_arm_down(struct proxy *p, enum proxy_fault fault, long bytes);
/* How often a fault has happened. */
unsigned proxy_faults(const struct proxy *p);
/* Send what PROXY_LATE has kept to the server, and wait until it has answered or hung up. */
void proxy_deliver(struct proxy *p);
