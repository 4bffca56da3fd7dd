/* The gate's state, for its own files. One thread; everything lives as long as the process. */
#pragma once

#include <stdint.h>

#include "base/mono.h"
#include "gate/door.h"
#include "loop/loop.h"
#include "gate/page.h"

#define GATE_CONNS_MAX 1024

struct conn;
struct probe;

struct gate {
        struct loop *loop;
        const char *app_socket;
        struct door_rules rules;
        uint64_t generation;
        char phase[24];
        char message[160];
        bool app_silent; /* the app refused a connection since it was last reached */

        struct conn *conns; /* list */
        uint32_t n_conns;

        /* for CHANNEL_GATE_TRAFFIC */
        uint32_t relays;     /* requests being relayed and open tunnels */
        uint32_t websockets; /* of them tunnels */
        uint64_t requests, bytes_in, bytes_out, refused;
        bool ever_open;
        mono_t last_open; /* when the last relay ended */

        struct probe *probe;
        struct loop_fd channel_src, listen_src;
        int channel_fd, listen_fd;
        bool starving;                  /* accepting failed last time */
        struct loop_timer accept_timer; /* out of descriptors: accept again then */
        struct loop_timer traffic_timer;
        mono_t traffic_sent;
        uint64_t traffic_sum; /* what was sent last, to see a change */
        uint32_t traffic_relays, traffic_websockets;
};

/* What the status page says now. */
struct page_state gate_page_state(struct gate *g);
