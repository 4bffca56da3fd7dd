#include "client.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <string.h>

static int result_of(int nng_error)
{
        switch (nng_error) {
        case 0:
                return 0;
        case NNG_ETIMEDOUT:
                return CLIENT_SILENT;
        case NNG_ENOMEM:
                return -ENOMEM;
        case NNG_EADDRINVAL:
        case NNG_EINVAL:
        case NNG_ENOTSUP:
                return -EINVAL;
        default:
                return CLIENT_UNREACHABLE;
        }
}

static int ask_on(nng_socket socket, const char *url, const char *request, int64_t timeout_ms,
                  struct buf *out)
{
        nng_msg *msg = NULL;
        int r;

        /* No resend: an order must reach the controller once. */
        r = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
        if (r == 0)
                r = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, CLIENT_ANSWER_MAX);
        if (r == 0)
                r = nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, 5000);
        if (r == 0)
                r = nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, (nng_duration)timeout_ms);
        if (r == 0)
                r = nng_dial(socket, url, NULL, 0);
        if (r == 0)
                r = nng_msg_alloc(&msg, 0);
        if (r == 0)
                r = nng_msg_append(msg, request, strlen(request));
        if (r == 0) {
                r = nng_sendmsg(socket, msg, 0);
                if (r == 0)
                        msg = NULL;
        }
        if (r == 0)
                r = nng_recvmsg(socket, &msg, 0);
        if (r == 0 && buf_append(out, nng_msg_body(msg), nng_msg_len(msg)) < 0)
                r = NNG_ENOMEM;
        if (msg)
                nng_msg_free(msg);
        return result_of(r);
}

int client_ask(const char *url, const char *request, int64_t timeout_ms, struct buf *out)
{
        nng_socket socket;
        int r = nng_req0_open(&socket);

        if (r != 0)
                return result_of(r);
        r = ask_on(socket, url, request, timeout_ms, out);
        nng_close(socket);
        return r;
}
