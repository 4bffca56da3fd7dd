#include "link/control.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void read_report(struct control_link *c)
{
        ssize_t n = recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT);
        struct control_msg msg;

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                c->ended(c->ctx);
                return;
        }
        if (n < (ssize_t)sizeof(msg))
                return;
        memcpy(&msg, c->in, sizeof(msg));
        if ((size_t)n - sizeof(msg) == msg.len)
                c->report(c->ctx, &msg, c->in + sizeof(msg));
}

static int send_now(const struct control_link *c, const struct buf *b)
{
        ssize_t n;

        do
                n = send(c->fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static void send_waiting(struct control_link *c)
{
        while (c->n > 0) {
                struct buf *b = &c->waiting[c->first];
                int r = send_now(c, b);

                if (r == -EAGAIN)
                        break;
                buf_deinit(b);
                c->first = (c->first + 1) % CONTROL_LINK_WAITING_MAX;
                c->n--;
        }
        /* Cannot fail for a descriptor that is being watched. */
        if (loop_fd_events(&c->src, c->n > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN) < 0)
                c->ended(c->ctx);
}

static void on_ready(void *ctx, uint32_t events)
{
        struct control_link *c = ctx;

        if (events & EPOLLOUT)
                send_waiting(c);
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_report(c);
}

int control_link_open(struct control_link *c, struct loop *l, int fd)
{
        c->fd = fd;
        c->first = c->n = 0;
        return loop_fd_add(l, &c->src, fd, EPOLLIN, on_ready, c);
}

void control_link_close(struct control_link *c)
{
        loop_fd_del(&c->src);
        for (; c->n > 0; c->n--) {
                buf_deinit(&c->waiting[c->first]);
                c->first = (c->first + 1) % CONTROL_LINK_WAITING_MAX;
        }
}

int control_link_send(struct control_link *c, const struct control_msg *msg, const void *blob)
{
        struct buf *b;
        int r;

        if (c->n == CONTROL_LINK_WAITING_MAX)
                return -ENOBUFS;
        b = &c->waiting[(c->first + c->n) % CONTROL_LINK_WAITING_MAX];
        *b = BUF_INIT(sizeof(*msg) + ROLE_BLOB_MAX);
        r = buf_append(b, msg, sizeof(*msg));
        if (r == 0 && msg->len > 0)
                r = buf_append(b, blob, msg->len);
        if (r < 0) {
                buf_deinit(b);
                return r;
        }
        c->n++;
        send_waiting(c);
        return 0;
}
