/*
 * Whose connections a storage server has: no user of this machine but its own may hold more than a
 * share of them, so that one task cannot keep all others from saving. The kernel says who is at the
 * other end of a local TCP connection (sock_diag(7)); who comes from another machine is not
 * counted. enter: the thread that accepts; leave: any.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

#define STORAGE_PEERS_MAX 1024      /* users at a time; at least as many as connections */
#define STORAGE_PEER_CONNECTIONS 64 /* of one user; a save and a restore take less than ten */
#define STORAGE_PEER_NONE ((uid_t)-1)

struct storage_peers {
        pthread_mutex_t lock;
        int diag_fd; /* -1: nobody is counted */
        struct {
                uid_t uid;
                uint32_t n; /* connections; 0: free */
        } peers[STORAGE_PEERS_MAX];
};

void storage_peers_init(struct storage_peers *p);
/* False: this user holds too many. True: leave must follow, with the uid (or _NONE) given here. */
bool storage_peers_enter(struct storage_peers *p, int fd, uid_t *ret_uid);
void storage_peers_leave(struct storage_peers *p, uid_t uid);
