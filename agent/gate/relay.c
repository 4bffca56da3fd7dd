#include "gate/relay.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

void lane_init(struct lane *l)
{
        *l = (struct lane){.own = BUF_INIT(LANE_MAX), .in = BUF_INIT(LANE_MAX)};
}

void lane_deinit(struct lane *l)
{
        buf_deinit(&l->own);
        buf_deinit(&l->in);
        l->pass = 0;
}

void lane_trim(struct lane *l)
{
        if (l->own.len == 0)
                buf_deinit(&l->own);
        if (l->in.len == 0)
                buf_deinit(&l->in);
}

int lane_read(struct lane *l, int fd)
{
        while (lane_has_room(l)) {
                size_t room;
                ssize_t n;
                int r = buf_reserve(&l->in, LANE_READ_MIN);

                if (r < 0)
                        return r;
                room = MIN(buf_room(&l->in), LANE_MAX - l->in.len);
                do
                        n = recv(fd, l->in.data + l->in.len, room, MSG_DONTWAIT);
                while (n < 0 && errno == EINTR);
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                if (n == 0) {
                        l->eof = true;
                        return 0;
                }
                l->in.len += (size_t)n;
                if ((size_t)n < room)
                        return 0;
        }
        return 0;
}

/* Bytes sent, 0 when the socket is full, -errno. */
static ssize_t send_some(int fd, const void *data, size_t len)
{
        ssize_t n;

        do
                n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        return n;
}

int lane_write(struct lane *l, int fd)
{
        while (lane_has_work(l)) {
                bool own = l->own.len > 0;
                ssize_t n = own ? send_some(fd, l->own.data, l->own.len)
                                : send_some(fd, l->in.data, l->pass);

                if (n < 0)
                        return (int)n;
                if (n == 0)
                        return 0;
                if (own) {
                        buf_consume(&l->own, (size_t)n);
                } else {
                        if (l->tap)
                                l->tap(l->tap_ctx, l->in.data, (size_t)n);
                        buf_consume(&l->in, (size_t)n);
                        l->pass -= (size_t)n;
                        l->written += (uint64_t)n;
                }
        }
        return 0;
}

void lane_shut(struct lane *l, int fd)
{
        if (l->shut)
                return;
        l->shut = true;
        (void)shutdown(fd, SHUT_WR);
}

void lane_drop(struct lane *l, size_t n)
{
        assert(l->pass == 0);
        buf_consume(&l->in, n);
}
