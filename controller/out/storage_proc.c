#include "out/storage_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define BACKOFF_MS 100
#define BACKOFF_MS_MAX 10000
#define SETTLED_MS 30000
#define ARGS_MAX 24

struct storage_proc {
        struct loop *loop;
        char *argv[ARGS_MAX + 1]; /* owned; ended by NULL */
        uint32_t n_args;
        bool full; /* memory was short, or too many */
        pid_t pid; /* 0 while none runs */
        int pidfd;
        struct loop_fd src;
        struct loop_timer timer;
        mono_t started_at;
        int64_t backoff_ms;
};

/* Between fork and exec: async-signal-safe calls only. */
static _Noreturn void child_exec(const struct storage_proc *p, pid_t parent)
{
        sigset_t none;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(127);
        /* Ctrl-C is for the controller: the last saves still need a storage. */
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || setpgid(0, 0) < 0)
                _exit(127);
        execv(p->argv[0], p->argv);
        _exit(127);
}

static void retry_later(struct storage_proc *p)
{
        if (mono_diff_ms(p->started_at, loop_now(p->loop)) >= SETTLED_MS)
                p->backoff_ms = BACKOFF_MS;
        loop_timer_set_in(&p->timer, p->backoff_ms);
        p->backoff_ms = MIN(p->backoff_ms * 2, BACKOFF_MS_MAX);
}

static void child_forget(struct storage_proc *p)
{
        loop_fd_del(&p->src);
        p->pidfd = fd_close(p->pidfd);
        p->pid = 0;
}

static void on_exit_seen(void *ctx, uint32_t events)
{
        struct storage_proc *p = ctx;
        siginfo_t info = {0};

        (void)events;
        if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
                return;
        log_error("the storage server has ended", LOG_INT("pid", p->pid),
                  LOG_INT("status", info.si_status));
        child_forget(p);
        retry_later(p);
}

static void child_kill(struct storage_proc *p)
{
        siginfo_t info;

        if (p->pid <= 0)
                return;
        (void)kill(p->pid, SIGKILL);
        while (waitid(P_PID, (id_t)p->pid, &info, WEXITED) < 0 && errno == EINTR)
                ;
        child_forget(p);
}

static int child_start(struct storage_proc *p)
{
        pid_t parent = getpid();
        pid_t pid = fork();
        int r;

        if (pid < 0)
                return -errno;
        if (pid == 0)
                child_exec(p, parent);
        p->pid = pid;
        p->started_at = loop_now(p->loop);
        p->pidfd = pidfd_open(pid, 0);
        r = p->pidfd < 0 ? -errno
                         : loop_fd_add(p->loop, &p->src, p->pidfd, EPOLLIN, on_exit_seen, p);
        if (r < 0) {
                child_kill(p);
                return r;
        }
        log_info("storage server started", LOG_INT("pid", pid));
        return 0;
}

static void on_timer(void *ctx)
{
        struct storage_proc *p = ctx;
        int r = child_start(p);

        if (r == 0)
                return;
        log_error("cannot start the storage server", LOG_ERR(r));
        retry_later(p);
}

static void arg(struct storage_proc *p, const char *text)
{
        char *copy = p->n_args < ARGS_MAX ? strdup(text) : NULL;

        if (copy)
                p->argv[p->n_args++] = copy;
        else
                p->full = true;
}

/* An option that is not set is not named. */
static void option(struct storage_proc *p, const char *name, const char *value)
{
        if (!value || !value[0])
                return;
        arg(p, name);
        arg(p, value);
}

static void args_set(struct storage_proc *p, const char *self_exe,
                     const struct storage_server_options *o)
{
        char number[24];

        arg(p, self_exe);
        arg(p, "storage");
        option(p, "--listen", o->listen);
        option(p, "--key-file", o->key_file);
        option(p, "--root", o->s3 ? NULL : o->root);
        option(p, "--s3", o->s3);
        option(p, "--endpoint", o->endpoint);
        option(p, "--region", o->region);
        option(p, "--credentials", o->credentials);
        option(p, "--path-style", o->path_style ? "on" : NULL);
        (void)snprintf(number, sizeof(number), "%" PRIu64, o->bandwidth);
        option(p, "--bandwidth", o->bandwidth > 0 ? number : NULL);
}

int storage_spawn(struct loop *l, const char *self_exe, const struct storage_server_options *o,
                  struct storage_proc **ret_proc)
{
        struct storage_proc *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->loop = l;
        p->pidfd = -1;
        p->src = LOOP_FD_NULL;
        p->backoff_ms = BACKOFF_MS;
        loop_timer_init(l, &p->timer, on_timer, p);
        args_set(p, self_exe, o);
        r = p->full ? -ENOMEM : child_start(p);
        if (r < 0) {
                storage_proc_free(p);
                return r;
        }
        *ret_proc = p;
        return 0;
}

struct storage_proc *storage_proc_free(struct storage_proc *p)
{
        if (!p)
                return NULL;
        child_kill(p);
        loop_timer_cancel(&p->timer);
        for (uint32_t i = 0; i < p->n_args; i++)
                free(p->argv[i]);
        free(p);
        return NULL;
}
