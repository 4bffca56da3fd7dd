#include "init/app.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "init/spawn.h"

/* Work ahead of time must not slow the claim that made room for it. */
#define AHEAD_NICE 15

static struct spawn spawn_of(const struct start *s, const struct app_plan *p)
{
        return (struct spawn){
                .argv = p->record.argv,
                .env = p->env.vars,
                .path = p->record.path,
                .cwd = p->workspace,
                .user = s->config.student,
                .death_signal = s->config.pid1 ? 0 : SIGTERM, /* with PID 1 the kernel ends all */
                .home = p->home,
                .record = &p->record,
                .confine = &p->confine,
        };
}

/* Who has become less nice stays so, unless we may change that (CAP_SYS_NICE: not in Docker). */
static bool may_hurry(void)
{
        int now = getpriority(PRIO_PROCESS, 0);

        if (setpriority(PRIO_PROCESS, 0, now - 1) < 0)
                return false;
        return setpriority(PRIO_PROCESS, 0, now) == 0;
}

/* Back to what the app has when it is started by its argv: all of its threads, and its session. */
static void hurry(pid_t pid)
{
        char path[64];
        AUTO_CLOSE fd = -1;

        if (getpriority(PRIO_PROCESS, (id_t)pid) != AHEAD_NICE)
                return;
        (void)snprintf(path, sizeof(path), "/proc/%d/autogroup", pid);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && write(fd, "0", 1) < 0)
                log_debug("session's priority not raised", LOG_ERR(errno));
        if (setpriority(PRIO_PGRP, (id_t)pid, 0) < 0)
                log_warn("priority of the app not raised", LOG_ERR(errno));
}

int app_ahead_start(struct app_ahead *a, const struct start *s, mono_t now)
{
        struct spawn spawn = spawn_of(s, &s->prime);
        int pair[2], r;
        struct stat home;
        AUTO_CLOSE theirs = -1;

        if (a->pid || !s->prime.record.head.n_ahead)
                return 0;
        if (stat(s->app.home, &home) < 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        theirs = pair[1];
        spawn.argv = s->prime.record.ahead;
        spawn.env = s->ahead_env.vars;
        spawn.confine = &s->app.confine; /* it cannot be changed later */
        spawn.home = NULL;               /* priming has written these */
        spawn.fds = (const struct spawn_fd[]){{theirs, START_AHEAD_FD}};
        spawn.n_fds = 1;
        spawn.nice = may_hurry() ? AHEAD_NICE : 0;
        r = spawn_start(&spawn, &a->pid);
        if (r < 0) {
                (void)fd_close(pair[0]);
                return r;
        }
        a->fd = pair[0];
        a->loaded = false;
        a->started = now;
        a->home_dev = home.st_dev;
        a->home_ino = home.st_ino;
        log_info("app started ahead", LOG_INT("pid", a->pid));
        return 0;
}

int app_ahead_fd(const struct app_ahead *a)
{
        return a->loaded ? -1 : a->fd;
}

void app_ahead_read(struct app_ahead *a, mono_t now)
{
        char word;
        ssize_t n;

        if (app_ahead_fd(a) < 0)
                return;
        n = recv(a->fd, &word, 1, MSG_DONTWAIT);
        a->loaded = n == 1;
        if (n == 1)
                log_info("app has loaded ahead", LOG_INT("ms", mono_diff_ms(a->started, now)));
        else if (n == 0) /* it will never say so */
                app_ahead_dismiss(a);
}

void app_ahead_dismiss(struct app_ahead *a)
{
        if (!a->pid || a->fd < 0)
                return;
        (void)kill(-a->pid, SIGKILL);
        (void)kill(a->pid, SIGKILL); /* it may not have its group yet */
        a->fd = fd_close(a->fd);
}

void app_ahead_end(struct app_ahead *a, int code)
{
        if (a->fd >= 0)
                log_warn("the app that was loaded ahead ended; it will be started by its argv",
                         LOG_INT("code", code));
        a->fd = fd_close(a->fd);
        a->pid = 0;
}

/* NULL when it can be handed over to, or why not. */
static const char *unfit(const struct app_ahead *a, const struct start *s)
{
        struct stat home;

        if (!a->loaded)
                return "it has not loaded yet";
        if (stat(s->app.home, &home) < 0 || home.st_dev != a->home_dev ||
            home.st_ino != a->home_ino)
                return "the home is another folder than it may write to";
        return NULL;
}

static bool hand_over(struct app_ahead *a, const struct start *s, const struct spawn *app)
{
        const char *why = unfit(a, s);
        int r = why ? 0 : spawn_give(app, a->fd);

        if (why)
                log_warn("what was started ahead cannot become the app", LOG_STR("why", why));
        else if (r < 0)
                log_error("no process for handing over to what was loaded ahead", LOG_ERR(r));
        if (why || r < 0) {
                app_ahead_dismiss(a);
                return false;
        }
        hurry(a->pid);
        a->fd = fd_close(a->fd);
        return true;
}

int app_start(struct app_ahead *a, const struct start *s, bool prime, pid_t *ret_pid)
{
        struct spawn spawn = spawn_of(s, prime ? &s->prime : &s->app);

        spawn.nice = prime ? AHEAD_NICE : 0;
        /* What an app that was killed left behind; a new one would not bind. */
        (void)unlink(s->config.app_socket);
        if (prime || !a->pid || a->fd < 0 || !hand_over(a, s, &spawn))
                return spawn_start(&spawn, ret_pid);
        *ret_pid = a->pid;
        a->pid = 0;
        return 1;
}
