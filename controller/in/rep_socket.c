#include "in/rep_socket.h"

#include <errno.h>
#include <nng/protocol/reqrep0/rep.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A symbol in the program goes before the one in libc, so these two are what every library here
 * calls.
 *
 * nng asks for a backlog of 128 and has no option for it. When a controller comes back, thousands
 * of agents dial within a second; with 128 the last of 5,000 waited 8.1 s, with 4096 0.27 s. The
 * kernel cuts it at net.core.somaxconn, and a longer backlog harms no other listener.
 */
int listen(int fd, int backlog)
{
        return (int)syscall(SYS_listen, fd, backlog < 4096 ? 4096 : backlog);
}

/*
 * nng 1.5.2 makes NNG_ECLOSED of EPIPE. When the peer has gone before nng could send its 8 bytes of
 * greeting, the error of that one connection ends the accept (ipc_pipe_neg_cb), and there
 * NNG_ECLOSED means that the listener itself was closed: it takes nobody in any more
 * (listener_accept_cb, src/core/listener.c). ECONNRESET says the same of the peer and goes on.
 */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
        ssize_t n = syscall(SYS_sendmsg, fd, message, flags);

        if (n < 0 && errno == EPIPE)
                errno = ECONNRESET;
        return n;
}

int rep_socket_errno(int nng_error)
{
        switch (nng_error) {
        case 0:
                return 0;
        case NNG_ENOMEM:
                return -ENOMEM;
        case NNG_EINVAL:
        case NNG_EADDRINVAL:
        case NNG_ENOTSUP:
                return -EINVAL;
        case NNG_EADDRINUSE:
                return -EADDRINUSE;
        case NNG_EPERM:
                return -EACCES;
        case NNG_ENOENT:
                return -ENOENT;
        case NNG_ENOFILES:
                return -EMFILE;
        default:
                /* System errors travel as NNG_ESYSERR + errno. */
                return nng_error & NNG_ESYSERR ? -(nng_error & ~NNG_ESYSERR) : -EIO;
        }
}

int rep_socket_open(nng_socket *ret_socket)
{
        return rep_socket_errno(nng_rep0_open_raw(ret_socket));
}
