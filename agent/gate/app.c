#include "gate/app.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

int app_connect(const char *path, int *ret_fd)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        AUTO_CLOSE fd = -1;
        int r = STR_SET(to.sun_path, path);

        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
                return -errno;
        *ret_fd = STEAL(fd, -1);
        return 0;
}

static void on_appeared(void *ctx, uint32_t events)
{
        struct app_watch *w = ctx;
        char names[1024]; /* what they are is no matter */

        (void)events;
        while (read(w->fd, names, sizeof(names)) > 0)
                ;
        w->fn(w->ctx);
}

int app_watch_open(struct app_watch *w, struct loop *l, const char *path, loop_fn fn, void *ctx)
{
        const char *slash = strrchr(path, '/');
        char dir[PATH_MAX];
        AUTO_CLOSE fd = -1;
        int r;

        if (!slash || slash - path >= (ptrdiff_t)sizeof(dir))
                return -EINVAL;
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
        fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (fd < 0 || inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
                return -errno;
        app_watch_close(w);
        r = loop_fd_add(l, &w->src, fd, EPOLLIN, on_appeared, w);
        if (r < 0)
                return r;
        w->fd = STEAL(fd, -1);
        w->fn = fn;
        w->ctx = ctx;
        return 0;
}

bool app_watch_is_open(const struct app_watch *w)
{
        return w->fd >= 0;
}

void app_watch_close(struct app_watch *w)
{
        loop_fd_del(&w->src);
        w->fd = fd_close(w->fd);
}
