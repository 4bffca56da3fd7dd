/*
 * The one file of the ops socket that knows nng. Raw REP: a message keeps its route in its header,
 * so several askers can wait at once and be answered in any order. The socket's readable descriptor
 * is a source of the loop; nng's threads run only the ends of sends.
 */
#include "in/ops_socket.h"

#include <errno.h>
#include <nng/nng.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "in/rep_socket.h"

/* Twice what is answered: larger requests get a clear answer, huge ones lose the connection. */
#define RECEIVE_MAX (2 * OPS_REQUEST_MAX + 64)
#define SENDS_MAX 64
#define SEND_TIMEOUT_MS 5000
#define LAST_SENDS_MS 1000

struct send {
        nng_aio *aio;
        atomic_bool busy;
};

struct ops_socket {
        nng_socket socket;
        bool open;
        struct loop_fd src;
        ops_message_fn fn;
        void *ctx;
        struct send sends[SENDS_MAX];
};

/* On a thread of nng. */
static void on_sent(void *ctx)
{
        struct send *s = ctx;

        if (nng_aio_result(s->aio) != 0)
                nng_msg_free(nng_aio_get_msg(s->aio));
        nng_aio_set_msg(s->aio, NULL);
        atomic_store(&s->busy, false);
}

static void on_readable(void *ctx, uint32_t events)
{
        struct ops_socket *s = ctx;
        nng_msg *msg;

        (void)events;
        while (nng_recvmsg(s->socket, &msg, NNG_FLAG_NONBLOCK) == 0)
                s->fn(s->ctx, (struct ops_message *)msg, nng_msg_body(msg), nng_msg_len(msg));
}

static int open_socket(struct ops_socket *s, struct loop *l, const char *url)
{
        nng_listener listener;
        int r, fd;

        r = rep_socket_open(&s->socket);
        if (r < 0)
                return r;
        s->open = true;
        for (size_t i = 0; i < SENDS_MAX && r == 0; i++) {
                r = nng_aio_alloc(&s->sends[i].aio, on_sent, &s->sends[i]);
                if (r == 0)
                        nng_aio_set_timeout(s->sends[i].aio, SEND_TIMEOUT_MS);
        }
        if (r == 0)
                r = nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, RECEIVE_MAX);
        if (r == 0)
                r = nng_listener_create(&listener, s->socket, url);
        if (r == 0 && strncmp(url, "ipc://", 6) == 0)
                r = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
        if (r == 0)
                r = nng_listener_start(listener, 0);
        if (r == 0)
                r = nng_socket_get_int(s->socket, NNG_OPT_RECVFD, &fd);
        return r != 0 ? rep_socket_errno(r) : loop_fd_add(l, &s->src, fd, EPOLLIN, on_readable, s);
}

int ops_socket_new(struct loop *l, const char *url, ops_message_fn fn, void *ctx,
                   struct ops_socket **ret_socket)
{
        struct ops_socket *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->src = LOOP_FD_NULL;
        s->fn = fn;
        s->ctx = ctx;
        r = open_socket(s, l, url);
        if (r < 0) {
                ops_socket_free(s);
                return r;
        }
        *ret_socket = s;
        return 0;
}

struct ops_socket *ops_socket_free(struct ops_socket *s)
{
        if (!s)
                return NULL;
        loop_fd_del(&s->src);
        for (size_t i = 0; i < SENDS_MAX; i++) {
                if (!s->sends[i].aio)
                        continue;
                if (atomic_load(&s->sends[i].busy)) {
                        nng_aio_set_timeout(s->sends[i].aio, LAST_SENDS_MS);
                        nng_aio_wait(s->sends[i].aio);
                }
                nng_aio_free(s->sends[i].aio);
        }
        if (s->open)
                nng_close(s->socket);
        free(s);
        return NULL;
}

void ops_socket_answer(struct ops_socket *s, struct ops_message *m, const void *data, size_t len)
{
        nng_msg *msg = (nng_msg *)m;
        struct send *free_send = NULL;

        for (size_t i = 0; i < SENDS_MAX && !free_send; i++) {
                if (!atomic_load(&s->sends[i].busy))
                        free_send = &s->sends[i];
        }
        nng_msg_clear(msg);
        if (!free_send || nng_msg_append(msg, data, len) != 0) {
                log_warn("ops answer dropped", LOG_STR("why", free_send ? "memory" : "all busy"));
                nng_msg_free(msg);
                return;
        }
        atomic_store(&free_send->busy, true);
        nng_aio_set_msg(free_send->aio, msg);
        nng_send_aio(s->socket, free_send->aio);
}

struct ops_message *ops_message_free(struct ops_message *m)
{
        if (m)
                nng_msg_free((nng_msg *)m);
        return NULL;
}
