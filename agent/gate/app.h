/* The app's Unix socket. */
#pragma once

#include "base/macro.h"
#include "loop/loop.h"

/*
 * A new connection, non-blocking. 0; -EAGAIN when the app's queue is full (try again soon),
 * -ENOENT or -ECONNREFUSED when nobody listens, other -errno.
 */
NODISCARD int app_connect(const char *path, int *ret_fd);

/* Says when something appears beside the app's socket, so that nobody has to look for it. */
struct app_watch {
        struct loop_fd src;
        int fd;
        loop_fn fn;
        void *ctx;
};

#define APP_WATCH_NULL ((struct app_watch){.src = LOOP_FD_NULL, .fd = -1})

/*
 * Watch the folder of `path`: `fn` is called, from the loop, when a file is made there; a socket is
 * there before it takes connections. 0 or -errno: -EACCES (the folder may not be read), -ENOENT,
 * -EMFILE and -ENOSPC (no more watches for this user). A watch that is open is replaced.
 */
NODISCARD int app_watch_open(struct app_watch *w, struct loop *l, const char *path, loop_fn fn,
                             void *ctx);
bool app_watch_is_open(const struct app_watch *w);
/* One that is not open is fine. */
void app_watch_close(struct app_watch *w);
