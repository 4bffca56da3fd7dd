#include "in/agents_socket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "in/rep_socket.h"
#include "wire/wire.h"

#define LISTEN_RETRY_MS 200
#define SENDERS 64         /* answers given to nng at the same time */
#define OUTBOX_MAX 65536   /* more than all questions that can be parked or just read */
#define TAKEN_PER_TURN 128 /* requests, so that timers and other sources get their turn */

/* A FIFO of messages with a fixed capacity. */
struct queue {
        nng_msg **ring;
        size_t cap, head, n;
};

struct sender {
        struct agents_socket *socket;
        nng_aio *aio;
        struct sender *next;
};

struct agents_socket {
        nng_socket sock;
        bool opened;
        nng_listener listener;
        agents_request_fn on_request;
        void *ctx;
        int event_fd;
        struct loop_fd event_src;
        nng_aio *recv_aio;
        atomic_int pipes;

        /* Under `lock`, which is never held while nng is called: nng calls back under its own. */
        pthread_mutex_t lock;
        struct queue inbox, outbox;
        bool stalled; /* the inbox was full: the loop starts receiving again */
        bool closing;
        struct sender senders[SENDERS];
        struct sender *idle;
};

static bool queue_push(struct queue *q, nng_msg *m)
{
        if (q->n == q->cap)
                return false;
        q->ring[(q->head + q->n++) % q->cap] = m;
        return true;
}

static nng_msg *queue_pop(struct queue *q)
{
        nng_msg *m;

        if (q->n == 0)
                return NULL;
        m = q->ring[q->head];
        q->head = (q->head + 1) % q->cap;
        q->n--;
        return m;
}

static void queue_deinit(struct queue *q)
{
        nng_msg *m;

        while ((m = queue_pop(q)))
                nng_msg_free(m);
        free(q->ring);
}

static void wake(struct agents_socket *s)
{
        uint64_t one = 1;
        ssize_t n;

        do
                n = write(s->event_fd, &one, sizeof(one));
        while (n < 0 && errno == EINTR);
}

/* In a thread of nng. */
static void on_received(void *arg)
{
        struct agents_socket *s = arg;
        int rv = nng_aio_result(s->recv_aio);
        nng_msg *m = NULL;
        bool again;

        if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
                return;
        if (rv == 0)
                m = nng_aio_get_msg(s->recv_aio);
        pthread_mutex_lock(&s->lock);
        if (m && !queue_push(&s->inbox, m))
                assert(false); /* receiving stops at the last free place */
        s->stalled = s->inbox.n == s->inbox.cap;
        again = !s->stalled && !s->closing;
        pthread_mutex_unlock(&s->lock);
        if (m)
                wake(s);
        if (again)
                nng_recv_aio(s->sock, s->recv_aio);
}

static nng_msg *take_request(struct agents_socket *s)
{
        nng_msg *m;
        bool again;

        pthread_mutex_lock(&s->lock);
        m = queue_pop(&s->inbox);
        again = s->stalled && s->inbox.n <= s->inbox.cap / 2;
        if (again)
                s->stalled = false;
        pthread_mutex_unlock(&s->lock);
        if (again)
                nng_recv_aio(s->sock, s->recv_aio);
        return m;
}

static void on_event(void *ctx, uint32_t events)
{
        struct agents_socket *s = ctx;
        uint64_t count;

        (void)events;
        while (read(s->event_fd, &count, sizeof(count)) < 0 && errno == EINTR)
                ;
        for (int i = 0; i < TAKEN_PER_TURN; i++) {
                nng_msg *m = take_request(s);

                if (!m)
                        return;
                s->on_request(s->ctx, (struct agents_request *)m, nng_msg_body(m), nng_msg_len(m));
        }
        wake(s); /* there may be more, and the counter was read */
}

static void send_now(struct sender *sender, nng_msg *m)
{
        nng_aio_set_msg(sender->aio, m);
        nng_send_aio(sender->socket->sock, sender->aio);
}

/* In a thread of nng. */
static void on_sent(void *arg)
{
        struct sender *sender = arg;
        struct agents_socket *s = sender->socket;
        nng_msg *m;

        if (nng_aio_result(sender->aio) != 0) {
                nng_msg_free(nng_aio_get_msg(sender->aio));
                nng_aio_set_msg(sender->aio, NULL);
        }
        pthread_mutex_lock(&s->lock);
        m = s->closing ? NULL : queue_pop(&s->outbox);
        if (!m) {
                sender->next = s->idle;
                s->idle = sender;
        }
        pthread_mutex_unlock(&s->lock);
        if (m)
                send_now(sender, m);
}

int agents_socket_peers(struct agents_socket *s)
{
        return atomic_load(&s->pipes);
}

void agents_socket_answer(struct agents_socket *s, struct agents_request *rq, const void *data,
                          size_t len)
{
        nng_msg *m = (nng_msg *)rq;
        struct sender *sender;
        bool queued = true;

        /* The header stays: it holds the connection and the request's number. */
        nng_msg_clear(m);
        if (nng_msg_append(m, data, len) != 0) {
                nng_msg_free(m);
                return;
        }
        pthread_mutex_lock(&s->lock);
        sender = s->idle;
        if (sender)
                s->idle = sender->next;
        else
                queued = queue_push(&s->outbox, m);
        pthread_mutex_unlock(&s->lock);
        if (sender)
                send_now(sender, m);
        else if (!queued)
                nng_msg_free(m); /* the agent asks again */
}

void agents_socket_drop(struct agents_request *rq)
{
        if (rq)
                nng_msg_free((nng_msg *)rq);
}

bool agents_socket_peer(const struct agents_request *rq, char ret_ip[static AGENTS_PEER_SIZE])
{
        nng_pipe pipe = nng_msg_get_pipe((const nng_msg *)rq);
        nng_sockaddr sa;

        if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &sa) != 0)
                return false;
        ret_ip[0] = 0;
        if (sa.s_family == NNG_AF_INET)
                (void)inet_ntop(AF_INET, &sa.s_in.sa_addr, ret_ip, AGENTS_PEER_SIZE);
        else if (sa.s_family == NNG_AF_INET6)
                (void)inet_ntop(AF_INET6, &sa.s_in6.sa_addr, ret_ip, AGENTS_PEER_SIZE);
        return true;
}

/* In a thread of nng. REM_POST comes for every pipe that had ADD_POST, and for no other. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
        struct agents_socket *s = arg;

        if (ev == NNG_PIPE_EV_ADD_PRE && atomic_load(&s->pipes) >= AGENTS_PIPES_MAX)
                nng_pipe_close(pipe);
        else if (ev == NNG_PIPE_EV_ADD_POST)
                atomic_fetch_add(&s->pipes, 1);
        else if (ev == NNG_PIPE_EV_REM_POST)
                atomic_fetch_sub(&s->pipes, 1);
}

static int start_listening(struct agents_socket *s, const char *url, int64_t listen_ms)
{
        const struct timespec pause = {.tv_nsec = LISTEN_RETRY_MS * 1000000L};
        int rv;

        rv = nng_listener_create(&s->listener, s->sock, url);
        if (rv == 0)
                rv = nng_listener_set_bool(s->listener, NNG_OPT_TCP_KEEPALIVE, true);
        if (rv == NNG_ENOTSUP) /* not a TCP transport */
                rv = 0;
        if (rv != 0)
                return rep_socket_errno(rv);
        for (int64_t waited = 0;; waited += LISTEN_RETRY_MS) {
                rv = nng_listener_start(s->listener, 0);
                if (rv != NNG_EADDRINUSE || waited >= listen_ms)
                        return rep_socket_errno(rv);
                (void)nanosleep(&pause, NULL);
        }
}

static int open_socket(struct agents_socket *s)
{
        int rv = rep_socket_open(&s->sock);

        if (rv < 0)
                return rv;
        s->opened = true;
        /* Before the listener: connections take it over when they are made. The default is none. */
        rv = nng_socket_set_size(s->sock, NNG_OPT_RECVMAXSZ, WIRE_FRAME_MAX);
        if (rv == 0)
                rv = nng_aio_alloc(&s->recv_aio, on_received, s);
        for (int i = 0; rv == 0 && i < SENDERS; i++) {
                struct sender *sender = &s->senders[i];

                rv = nng_aio_alloc(&sender->aio, on_sent, sender);
                sender->socket = s;
                sender->next = s->idle;
                s->idle = sender;
        }
        for (nng_pipe_ev ev = NNG_PIPE_EV_ADD_PRE; rv == 0 && ev < NNG_PIPE_EV_NUM; ev++)
                rv = nng_pipe_notify(s->sock, ev, on_pipe, s);
        return rep_socket_errno(rv);
}

int agents_socket_new(struct loop *l, const char *url, int64_t listen_ms,
                      agents_request_fn on_request, void *ctx, struct agents_socket **ret_socket)
{
        struct agents_socket *s = calloc(1, sizeof(*s));
        int r = 0;

        if (!s)
                return -ENOMEM;
        (void)pthread_mutex_init(&s->lock, NULL);
        s->on_request = on_request;
        s->ctx = ctx;
        s->inbox = (struct queue){.ring = calloc(AGENTS_INBOX_MAX, sizeof(nng_msg *)),
                                  .cap = AGENTS_INBOX_MAX};
        s->outbox =
                (struct queue){.ring = calloc(OUTBOX_MAX, sizeof(nng_msg *)), .cap = OUTBOX_MAX};
        s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->event_fd < 0)
                r = -errno;
        if (!s->inbox.ring || !s->outbox.ring)
                r = -ENOMEM;
        if (r == 0)
                r = loop_fd_add(l, &s->event_src, s->event_fd, EPOLLIN, on_event, s);
        if (r == 0)
                r = open_socket(s);
        if (r == 0)
                r = start_listening(s, url, listen_ms);
        if (r < 0) {
                agents_socket_free(s);
                return r;
        }
        nng_recv_aio(s->sock, s->recv_aio);
        *ret_socket = s;
        return 0;
}

struct agents_socket *agents_socket_free(struct agents_socket *s)
{
        if (!s)
                return NULL;
        pthread_mutex_lock(&s->lock);
        s->closing = true;
        pthread_mutex_unlock(&s->lock);
        /*
         * Nothing may be under way on the socket when it is closed: with 1.5.2, a receive that a
         * callback starts again during nng_close stays registered with a queue that is gone, and
         * nng_aio_free panics. Stopping waits for the callback, and nothing can be started after.
         */
        nng_aio_stop(s->recv_aio);
        for (int i = 0; i < SENDERS; i++)
                nng_aio_stop(s->senders[i].aio);
        if (s->opened)
                nng_close(s->sock);
        nng_aio_free(s->recv_aio);
        for (int i = 0; i < SENDERS; i++)
                nng_aio_free(s->senders[i].aio);
        queue_deinit(&s->inbox);
        queue_deinit(&s->outbox);
        loop_fd_del(&s->event_src);
        fd_close(s->event_fd);
        (void)pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}
