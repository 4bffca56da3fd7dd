#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"
#include "test.h"

#define PAIRS_MAX 256 /* those that are held stay open, and the store connects again */
#define CHUNK 65536

struct pair;

struct side {
        struct loop_fd io;
        struct pair *pair;
        bool is_client;
        bool held;
};

struct pair {
        struct proxy *proxy;
        struct side client, server;
        bool open;
};

struct arm {
        enum proxy_fault fault;
        long left;
};

struct proxy {
        struct loop_fd io;
        uint16_t upstream;
        struct pair pairs[PAIRS_MAX];
        struct arm up, down;
        unsigned faults;
        int late_fd;
        char late[CHUNK];
        size_t late_len;
};

static void shut(int *fd, struct loop_fd *io)
{
        loop_fd_del(io);
        if (*fd >= 0)
                (void)close(*fd);
        *fd = -1;
}

static void pair_close(struct pair *pair)
{
        int client = pair->client.io.fd, server = pair->server.io.fd;

        shut(&client, &pair->client.io);
        shut(&server, &pair->server.io);
        pair->open = false;
}

static void send_all(int fd, const char *data, size_t n)
{
        while (n > 0) {
                ssize_t w = send(fd, data, n, MSG_NOSIGNAL);

                if (w <= 0)
                        return; /* it has hung up; its own end will be seen */
                data += w;
                n -= (size_t)w;
        }
}

static void keep_late(struct pair *pair, const char *data, size_t n)
{
        struct proxy *p = pair->proxy;
        int client = pair->client.io.fd;

        p->late_fd = pair->server.io.fd;
        memcpy(p->late, data, n);
        p->late_len = n;
        loop_fd_del(&pair->server.io);
        shut(&client, &pair->client.io);
        pair->open = false;
}

static void fault_happens(struct side *from, struct arm *arm, const char *rest, size_t n)
{
        enum proxy_fault fault = arm->fault;

        arm->fault = PROXY_NONE;
        from->pair->proxy->faults++;
        if (fault == PROXY_CUT)
                pair_close(from->pair);
        else if (fault == PROXY_LATE)
                keep_late(from->pair, rest, n);
        else
                from->held = loop_fd_events(&from->io, 0) == 0;
}

static void on_data(void *ctx, uint32_t events)
{
        struct side *from = ctx;
        struct pair *pair = from->pair;
        struct side *to = from->is_client ? &pair->server : &pair->client;
        struct arm *arm = from->is_client ? &pair->proxy->up : &pair->proxy->down;
        char chunk[CHUNK];
        ssize_t n = from->held ? 0 : recv(from->io.fd, chunk, sizeof(chunk), 0);
        size_t pass = n > 0 ? (size_t)n : 0;

        (void)events;
        if (n <= 0) {
                pair_close(pair);
                return;
        }
        if (arm->fault != PROXY_NONE) {
                pass = (long)pass > arm->left ? (size_t)arm->left : pass;
                arm->left -= (long)pass;
        }
        send_all(to->io.fd, chunk, pass);
        if (arm->fault != PROXY_NONE && pass < (size_t)n)
                fault_happens(from, arm, chunk + pass, (size_t)n - pass);
}

static void on_accept(void *ctx, uint32_t events)
{
        struct proxy *p = ctx;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->upstream)};
        int client = accept4(p->io.fd, NULL, NULL, SOCK_CLOEXEC);
        int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct pair *pair = p->pairs;

        (void)events;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        while (pair < p->pairs + PAIRS_MAX && pair->open)
                pair++;
        CHECK(pair < p->pairs + PAIRS_MAX);
        if (connect(server, (struct sockaddr *)&to, sizeof(to)) < 0) {
                (void)close(client);
                (void)close(server);
                return;
        }
        *pair = (struct pair){.proxy = p, .open = true};
        pair->client = (struct side){.pair = pair, .is_client = true};
        pair->server = (struct side){.pair = pair};
        CHECK(loop_fd_add(loop, &pair->client.io, client, EPOLLIN, on_data, &pair->client) == 0);
        CHECK(loop_fd_add(loop, &pair->server.io, server, EPOLLIN, on_data, &pair->server) == 0);
}

struct proxy *proxy_new(uint16_t upstream_port, uint16_t *ret_port)
{
        struct proxy *p = calloc(1, sizeof(*p));
        struct sockaddr_in at = {.sin_family = AF_INET};
        socklen_t len = sizeof(at);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK(p && fd >= 0);
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
        CHECK(listen(fd, 16) == 0);
        CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
        p->upstream = upstream_port;
        p->late_fd = -1;
        CHECK(loop_fd_add(loop, &p->io, fd, EPOLLIN, on_accept, p) == 0);
        *ret_port = ntohs(at.sin_port);
        return p;
}

void proxy_free(struct proxy *p)
{
        int fd = p->io.fd;

        for (size_t i = 0; i < PAIRS_MAX; i++) {
                if (p->pairs[i].open)
                        pair_close(&p->pairs[i]);
        }
        shut(&fd, &p->io);
        if (p->late_fd >= 0)
                (void)close(p->late_fd);
        free(p);
}

void proxy_arm_up(struct proxy *p, enum proxy_fault fault, long bytes)
{
        p->up = (struct arm){fault, bytes};
}

void proxy_arm_down(struct proxy *p, enum proxy_fault fault, long bytes)
{
        p->down = (struct arm){fault, bytes};
}

unsigned proxy_faults(const struct proxy *p)
{
        return p->faults;
}

void proxy_deliver(struct proxy *p)
{
        struct pollfd at = {.fd = p->late_fd, .events = POLLIN};
        char answer[4096];

        CHECK(p->late_fd >= 0 && p->late_len > 0);
        send_all(p->late_fd, p->late, p->late_len);
        CHECK(poll(&at, 1, 10000) == 1);
        CHECK(recv(p->late_fd, answer, sizeof(answer), 0) >= 0);
        (void)close(p->late_fd);
        p->late_fd = -1;
}
