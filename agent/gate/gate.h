/* The gate's state, for its own files. One thread; everything lives as long as the process. */
#pragma once

#include <stdint.h>

#include "base/mono.h"
#include "channel.h"
#include "decode/observer.h"
#include "gate/door.h"
#include "loop/loop.h"
#include "gate/notice.h"
#include "gate/page.h"
#include "gate/report.h"

#define GATE_CONNS_MAX 1024

struct conn;
struct probe;
struct profile;

struct gate {
        struct loop *loop;
        const char *app_socket;
        struct door_rules rules;
        uint64_t generation;
        char phase[24];
        char message[160];
        int32_t clock_off_s; /* the controller's clock is so far ahead of this machine's */
        char platform[192];  /* where a new link is to be had; "" not known */
        struct used *used;
        char notices[CHANNEL_NOTICES_MAX][160];
        bool app_silent; /* the app refused a connection since it was last reached */

        struct conn *conns; /* list */
        uint32_t n_conns;   /* of clients; those of the notice socket are counted there */

        struct profile *profile; /* NULL without one: then there are no presence rules */
        struct observer *observer;
        struct report report;
        struct notice notice;

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
};

/* What the status page says now. */
struct page_state gate_page_state(struct gate *g);
/* A record for link. Link may be away; one that finds no room is lost and comes again. */
void gate_tell_link(struct gate *g, const struct channel_msg *m);
