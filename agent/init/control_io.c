#include "init/control_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Answers that a link can leave unread: one each of save, restore, its rest, stop, and one to
 * spare. */
#define UNREAD_MAX 5

struct datagram {
        struct control_msg msg;
        uint8_t blob[ROLE_BLOB_MAX];
};

static struct datagram in;

int control_io_open(struct control_io *c)
{
        int fds[2];

        /* Blocking for link, if it likes that; our own calls all say MSG_DONTWAIT. */
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        *c = (struct control_io){.ours = fds[0], .links = fds[1]};
        return 0;
}

int control_io_send(struct control_io *c, const struct control_msg *m, const void *blob)
{
        struct control_msg head = *m;
        struct iovec iov[2] = {
                {.iov_base = &head, .iov_len = sizeof(head)},
                {.iov_base = (void *)(uintptr_t)blob, .iov_len = m->len},
        };
        struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = m->len ? 2 : 1};

        return sendmsg(c->ours, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool control_io_read(const struct control_io *c)
{
        int waiting = 0;

        return ioctl(c->ours, SIOCOUTQ, &waiting) == 0 && waiting == 0;
}

/* 1, 0 when nothing waits, -EBADMSG, -errno. */
static int receive(int fd, struct datagram *d)
{
        ssize_t n = recv(fd, d, sizeof(*d), MSG_DONTWAIT | MSG_TRUNC);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if ((size_t)n < sizeof(d->msg) || (size_t)n > sizeof(*d) ||
            d->msg.len != (size_t)n - sizeof(d->msg))
                return -EBADMSG;
        return 1;
}

int control_io_receive(struct control_io *c, struct control_msg *ret_msg, const void **ret_blob)
{
        int r = receive(c->ours, &in);

        if (r <= 0)
                return r;
        *ret_msg = in.msg;
        *ret_blob = in.blob;
        return 1;
}

static bool obsolete(uint32_t type)
{
        return type == CONTROL_STATE || type == CONTROL_APP_EXITED || type == CONTROL_REFUSED ||
               type == CONTROL_PROGRESS;
}

int control_io_renew(struct control_io *c, const struct control_msg *state)
{
        static struct datagram unread[UNREAD_MAX];
        size_t n = 0;
        int r;

        while ((r = receive(c->links, &unread[n % UNREAD_MAX])) == 1) {
                if (!obsolete(unread[n % UNREAD_MAX].msg.type))
                        n++;
        }
        if (r < 0)
                return r;
        r = control_io_send(c, state, NULL);
        for (size_t i = n > UNREAD_MAX ? n - UNREAD_MAX : 0; i < n && r == 0; i++)
                r = control_io_send(c, &unread[i % UNREAD_MAX].msg, unread[i % UNREAD_MAX].blob);
        return r;
}
