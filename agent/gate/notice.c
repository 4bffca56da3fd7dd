#include "gate/notice.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "gate/conn.h"
#include "gate/gate.h"

#define ACCEPT_AGAIN_MS 100
/* A stop so far overdue does not come: link or the controller is away. */
#define OVERDUE_MS (60 * 1000)

/* --- the stop --- */

void notice_init(struct notice *n)
{
        *n = (struct notice){.stop_at = MONO_NEVER, .src = LOOP_FD_NULL, .fd = -1};
}

void notice_forget(struct gate *g)
{
        g->notice.stop_at = MONO_NEVER;
        g->notice.longest_ms = 0;
}

void notice_set(struct gate *g, int64_t stop_in_ms, const char *rule)
{
        struct notice *n = &g->notice;

        if (stop_in_ms < 0) {
                n->stop_at = MONO_NEVER;
                return;
        }
        stop_in_ms = MIN(stop_in_ms, INT64_MAX / US_PER_S / 2);
        n->stop_at = mono_add_ms(loop_now(g->loop), stop_in_ms);
        n->longest_ms = MAX(n->longest_ms, stop_in_ms);
        STR_CUT(n->rule, rule);
}

void notice_show(const struct gate *g, struct page_state *ret_state)
{
        const struct notice *n = &g->notice;
        int64_t warn_ms =
                n->longest_ms > 0 ? MIN(n->longest_ms / 3, NOTICE_WARN_MS) : NOTICE_WARN_MS;
        int64_t left_ms = -OVERDUE_MS;

        if (!mono_is_never(n->stop_at) && !g->rules.stopping)
                left_ms = mono_diff_ms(loop_now(g->loop), n->stop_at);
        ret_state->warn_s = warn_ms / 1000;
        ret_state->stop_in_s = left_ms <= -OVERDUE_MS ? -1 : MAX(left_ms, 0) / 1000;
        ret_state->stop_rule = ret_state->stop_in_s < 0 ? NULL : n->rule;
}

/* --- the socket --- */

static void on_listen(void *ctx, uint32_t events)
{
        struct gate *g = ctx;
        struct notice *n = &g->notice;

        (void)events;
        while (n->n_conns < NOTICE_CONNS_MAX) {
                int fd = accept4(n->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
                        continue;
                if (fd < 0 && errno == EAGAIN)
                        return;
                if (fd < 0 || conn_new(g, fd, true) < 0) {
                        fd_close(fd);
                        loop_timer_set_in(&n->again, ACCEPT_AGAIN_MS);
                        break;
                }
                n->n_conns++;
        }
        /* Who waits in the queue is let in when somebody leaves, or when there are descriptors. */
        loop_fd_del(&n->src);
}

static void listen_again(void *ctx)
{
        struct gate *g = ctx;
        struct notice *n = &g->notice;

        if (n->fd < 0 || n->src.loop)
                return;
        if (loop_fd_add(g->loop, &n->src, n->fd, EPOLLIN, on_listen, g) < 0)
                loop_timer_set_in(&n->again, ACCEPT_AGAIN_MS);
}

void notice_left(struct gate *g)
{
        g->notice.n_conns--;
        listen_again(g);
}

/* Only a socket is in the way by right. */
static int remove_stale(const char *path)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EADDRINUSE;
        return unlink(path) < 0 ? -errno : 0;
}

int notice_open(struct gate *g, const char *path)
{
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        AUTO_CLOSE fd = -1;
        int r = STR_SET(at.sun_path, path);

        if (r == 0)
                r = remove_stale(path);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* The folder keeps others away; the app is another user, so the file must not. */
        if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
            chmod(path, 0666) < 0 || listen(fd, NOTICE_CONNS_MAX) < 0)
                return -errno;
        loop_timer_init(g->loop, &g->notice.again, listen_again, g);
        r = loop_fd_add(g->loop, &g->notice.src, fd, EPOLLIN, on_listen, g);
        if (r < 0)
                return r;
        g->notice.fd = STEAL(fd, -1);
        return 0;
}

void notice_close(struct gate *g)
{
        if (g->notice.fd < 0)
                return;
        loop_fd_del(&g->notice.src);
        loop_timer_cancel(&g->notice.again);
        g->notice.fd = fd_close(g->notice.fd);
}
