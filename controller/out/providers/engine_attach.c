#include "out/providers/engine_attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

#define TIMEOUT_MS 30000
#define HEAD_SIZE 4096

struct attach {
        int fd;
        struct loop_fd source;
        struct loop_timer timer;
        attach_fn done;
        void *ctx;
        size_t len;
        char head[HEAD_SIZE];
        char text[ATTACH_TEXT_SIZE];
};

static void finish(struct attach *a, const char *error, const char *refusal)
{
        attach_fn done = a->done;

        loop_fd_del(&a->source);
        loop_timer_cancel(&a->timer);
        explicit_bzero(a->text, sizeof(a->text));
        a->done = NULL;
        if (done)
                done(a->ctx, error, refusal); /* may free us */
}

static void on_timeout(void *ctx)
{
        finish(ctx, "the container engine did not attach in time", NULL);
}

/* "HTTP/1.1 101 UPGRADED": 200 comes from engines that do not know of the upgrade. */
static long head_status(const char *head)
{
        uint64_t status = 0;
        char digits[4];

        if (!str_starts(head, "HTTP/1.") || strlen(head) < 12)
                return 0;
        (void)snprintf(digits, sizeof(digits), "%.3s", head + 9);
        return num_parse_u64(digits, 100, 599, &status) == 0 ? (long)status : 0;
}

static void on_head(void *ctx, uint32_t events)
{
        struct attach *a = ctx;
        ssize_t n = recv(a->fd, a->head + a->len, sizeof(a->head) - 1 - a->len, 0);
        const char *body;
        long status;

        (void)events;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                finish(a, "the container engine broke off while attaching", NULL);
                return;
        }
        a->len += (size_t)n;
        a->head[a->len] = 0;
        body = strstr(a->head, "\r\n\r\n");
        if (!body) {
                if (a->len == sizeof(a->head) - 1)
                        finish(a, "the container engine's answer to attach is too long", NULL);
                return;
        }
        status = head_status(a->head);
        if (status != 101 && status != 200) {
                finish(a, "the container engine does not attach", body + 4);
                return;
        }
        n = send(a->fd, a->text, strlen(a->text), MSG_NOSIGNAL);
        if (n != (ssize_t)strlen(a->text)) {
                finish(a, "the container engine does not take the standard input", NULL);
                return;
        }
        finish(a, "", NULL);
}

static int open_socket(const char *path, int *ret_fd)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        AUTO_CLOSE fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (STR_SET(address.sun_path, path) < 0)
                return -ENAMETOOLONG;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        *ret_fd = STEAL(fd, -1);
        return 0;
}

static int ask(struct attach *a, const char *container)
{
        char request[512];
        int n = snprintf(request, sizeof(request),
                         "POST /containers/%.128s/attach?stream=1&stdin=1 HTTP/1.1\r\n"
                         "Host: docker\r\nContent-Length: 0\r\n"
                         "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
                         container);

        return send(a->fd, request, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EIO;
}

int attach_new(struct loop *l, const char *socket, const char *container, const char *text,
               attach_fn done, void *ctx, struct attach **ret_attach)
{
        struct attach *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        *a = (struct attach){.fd = -1, .source = LOOP_FD_NULL, .done = done, .ctx = ctx};
        loop_timer_init(l, &a->timer, on_timeout, a);
        r = STR_SET(a->text, text);
        if (r == 0)
                r = open_socket(socket, &a->fd);
        if (r == 0)
                r = ask(a, container);
        if (r == 0)
                r = loop_fd_add(l, &a->source, a->fd, EPOLLIN, on_head, a);
        if (r < 0) {
                attach_free(a);
                return r;
        }
        loop_timer_set_in(&a->timer, TIMEOUT_MS);
        *ret_attach = a;
        return 0;
}

struct attach *attach_free(struct attach *a)
{
        if (!a)
                return NULL;
        loop_fd_del(&a->source);
        loop_timer_cancel(&a->timer);
        explicit_bzero(a->text, sizeof(a->text));
        fd_close(a->fd);
        free(a);
        return NULL;
}
