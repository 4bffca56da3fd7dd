#include "out/storage_peers.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* ---- who is it? ---- */

struct question {
        struct nlmsghdr head;
        struct inet_diag_req_v2 diag;
};

/* The other end's view: its address is the source. */
static bool fill(struct question *q, const struct sockaddr_storage *peer,
                 const struct sockaddr_storage *here)
{
        struct inet_diag_sockid *id = &q->diag.id;

        if (peer->ss_family == AF_INET && here->ss_family == AF_INET) {
                const struct sockaddr_in *a = (const void *)peer, *b = (const void *)here;

                id->idiag_sport = a->sin_port;
                id->idiag_dport = b->sin_port;
                id->idiag_src[0] = a->sin_addr.s_addr;
                id->idiag_dst[0] = b->sin_addr.s_addr;
        } else if (peer->ss_family == AF_INET6 && here->ss_family == AF_INET6) {
                const struct sockaddr_in6 *a = (const void *)peer, *b = (const void *)here;

                id->idiag_sport = a->sin6_port;
                id->idiag_dport = b->sin6_port;
                memcpy(id->idiag_src, &a->sin6_addr, sizeof(a->sin6_addr));
                memcpy(id->idiag_dst, &b->sin6_addr, sizeof(b->sin6_addr));
        } else {
                return false;
        }
        q->diag.sdiag_family = (uint8_t)peer->ss_family;
        id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
        return true;
}

static uid_t ask(int diag_fd, const struct question *q)
{
        union {
                struct nlmsghdr head;
                char bytes[4096];
        } a;
        const struct inet_diag_msg *m;
        ssize_t n = send(diag_fd, q, sizeof(*q), 0);

        if (n != (ssize_t)sizeof(*q))
                return STORAGE_PEER_NONE;
        n = recv(diag_fd, &a, sizeof(a), 0);
        if (n < 0 || !NLMSG_OK(&a.head, (size_t)n) || a.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
                return STORAGE_PEER_NONE;
        m = NLMSG_DATA(&a.head);
        return m->idiag_uid;
}

static uid_t peer_uid(int diag_fd, int fd)
{
        struct sockaddr_storage peer = {0}, here = {0};
        socklen_t peer_len = sizeof(peer), here_len = sizeof(here);
        struct question q = {
                .head = {.nlmsg_len = sizeof(q),
                         .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                         .nlmsg_flags = NLM_F_REQUEST},
                .diag = {.sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0U},
        };

        if (diag_fd < 0 || getpeername(fd, (void *)&peer, &peer_len) < 0 ||
            getsockname(fd, (void *)&here, &here_len) < 0 || !fill(&q, &peer, &here))
                return STORAGE_PEER_NONE;
        return ask(diag_fd, &q);
}

/* ---- counting ---- */

void storage_peers_init(struct storage_peers *p)
{
        struct timeval limit = {.tv_sec = 1};

        *p = (struct storage_peers){.lock = PTHREAD_MUTEX_INITIALIZER};
        p->diag_fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (p->diag_fd < 0 ||
            setsockopt(p->diag_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
                log_warn("the kernel does not say who connects: one user may hold all connections",
                         LOG_ERR(errno));
}

bool storage_peers_enter(struct storage_peers *p, int fd, uid_t *ret_uid)
{
        uid_t uid = peer_uid(p->diag_fd, fd);
        size_t at = STORAGE_PEERS_MAX;
        bool may = true;

        /* Ours is everybody's where tasks have no users of their own. */
        if (uid == STORAGE_PEER_NONE || uid == geteuid()) {
                *ret_uid = STORAGE_PEER_NONE;
                return true;
        }
        (void)pthread_mutex_lock(&p->lock);
        for (size_t i = 0; i < STORAGE_PEERS_MAX; i++) {
                if (p->peers[i].n > 0 && p->peers[i].uid == uid) {
                        at = i;
                        break;
                }
                if (p->peers[i].n == 0 && at == STORAGE_PEERS_MAX)
                        at = i;
        }
        if (at < STORAGE_PEERS_MAX) {
#ifndef STORAGE_PLANTED_ONE_HOLDS_ALL
                may = p->peers[at].n < STORAGE_PEER_CONNECTIONS;
#endif
                p->peers[at].uid = uid;
                p->peers[at].n += may;
        }
        (void)pthread_mutex_unlock(&p->lock);
        *ret_uid = at < STORAGE_PEERS_MAX ? uid : STORAGE_PEER_NONE;
        return may;
}

void storage_peers_leave(struct storage_peers *p, uid_t uid)
{
        if (uid == STORAGE_PEER_NONE)
                return;
        (void)pthread_mutex_lock(&p->lock);
        for (size_t i = 0; i < STORAGE_PEERS_MAX; i++) {
                if (p->peers[i].n == 0 || p->peers[i].uid != uid)
                        continue;
                p->peers[i].n--;
                break;
        }
        (void)pthread_mutex_unlock(&p->lock);
}
