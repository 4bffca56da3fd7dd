#include "out/providers/homes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/providers/folder.h"
#include "out/providers/home_folder.h"
#include "out/providers/launch.h"

struct errand {
        struct homes *homes;
        int pidfd; /* -1: free */
        struct loop_fd end;
        struct core_event answer; /* as far as it is known */
};

struct homes {
        struct loop *loop;
        struct shell *shell;
        struct homes_config config;
        struct errand errands[HOMES_ERRANDS_MAX];
};

static const char *attach_words(int status)
{
        switch (status) {
        case HOME_EXIT_DEEP:
                return "its folders are nested too deep to be given to the task";
        case HOME_EXIT_MOUNT:
                return "it cannot be mounted in the task: the controller must be root on a Linux "
                       "that has mount_setattr (5.12)";
        case HOME_EXIT_AT:
                return "the task has no place for it";
        default:
                return strerror(status);
        }
}

static void answer(struct errand *e, int status)
{
        struct core_event *ev = &e->answer;

        if (status == 0) {
                ev->home.result = 0;
        } else {
                ev->home.result =
                        ev->type == EV_HOME_ATTACHED && status == HOME_EXIT_DEEP ? 1 : -EAGAIN;
                (void)snprintf(ev->home.reason, sizeof(ev->home.reason), "its home folder: %s",
                               ev->type == EV_HOME_ATTACHED ? attach_words(status)
                                                            : "it cannot be removed");
                log_warn("home folder", LOG_STR("workspace", ev->home.workspace),
                         LOG_STR("reason", ev->home.reason));
        }
        shell_post(e->homes->shell, ev);
}

static void on_end(void *ctx, uint32_t events)
{
        struct errand *e = ctx;
        siginfo_t info = {0};

        (void)events;
        if (waitid(P_PIDFD, (id_t)e->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
                return;
        loop_fd_del(&e->end);
        e->pidfd = fd_close(e->pidfd);
        answer(e, info.si_code == CLD_EXITED ? info.si_status : EINTR);
}

/* One that does the same already, or a free one, or NULL. */
static struct errand *errand_find(struct homes *h, const char *workspace, bool *ret_runs)
{
        struct errand *found = NULL;

        *ret_runs = false;
        for (size_t i = 0; i < HOMES_ERRANDS_MAX; i++) {
                struct errand *e = &h->errands[i];

                if (e->pidfd < 0)
                        found = e;
                else if (strcmp(e->answer.home.workspace, workspace) == 0)
                        *ret_runs = true;
        }
        return found;
}

static void errand_start(struct errand *e, int (*fn)(const void *ctx), const void *arg, int keep)
{
        pid_t pid = launch_errand(fn, arg, keep, &e->pidfd);
        int r = pid < 0 ? (int)pid : 0;

        if (r == 0)
                r = loop_fd_add(e->homes->loop, &e->end, e->pidfd, EPOLLIN, on_end, e);
        if (r < 0) {
                e->pidfd = fd_close(e->pidfd);
                answer(e, -r);
        }
}

static void refuse(struct homes *h, struct core_event *ev, int result, const char *reason)
{
        log_warn("a home folder is not attached", LOG_STR("workspace", ev->home.workspace),
                 LOG_STR("task", ev->home.task), LOG_STR("reason", reason));
        ev->home.result = result;
        STR_CUT(ev->home.reason, reason);
        shell_post(h->shell, ev);
}

static void on_attach(void *ctx, const struct core_effect *fx)
{
        struct homes *h = ctx;
        static struct home_errand arg;
        char reason[HOME_REASON] = "";
        struct process_task task;
        struct core_event ev = {.type = EV_HOME_ATTACHED, .home.generation = fx->home.generation};
        const struct home_request q = {.homes = h->config.dir,
                                       .tasks = h->config.tasks,
                                       .workspace = fx->home.workspace,
                                       .task = fx->home.task,
                                       .generation = fx->home.generation,
                                       .must_exist = fx->home.must_exist,
                                       .replace = fx->home.replace};
        bool runs;
        struct errand *e = errand_find(h, fx->home.workspace, &runs);
        int r;

        STR_CUT(ev.home.task, fx->home.task);
        STR_CUT(ev.home.workspace, fx->home.workspace);
        if (runs || !e)
                return; /* asked for again */
        if (!process_may_attach(h->config.process)) {
                refuse(h, &ev, 1, "storage_mode = home needs a controller that is root");
                return;
        }
        if (process_find(h->config.process, fx->home.task, &task) < 0)
                return; /* its end is told, or its launch */
        r = home_prepare(&q, reason);
        if (r != 0) {
                refuse(h, &ev, r, reason);
                return;
        }
        e->answer = ev;
        (void)snprintf(arg.dir, sizeof(arg.dir), "%s/%s", h->config.dir, fx->home.workspace);
        arg.student = task.student;
        errand_start(e, home_attach, &arg, task.pidfd);
}

static void on_remove(void *ctx, const struct core_effect *fx)
{
        struct homes *h = ctx;
        static struct folder_errand arg;
        struct core_event ev = {.type = EV_HOME_REMOVED};
        struct stat st;
        bool runs;
        struct errand *e = errand_find(h, fx->home.workspace, &runs);

        STR_CUT(ev.home.workspace, fx->home.workspace);
        if (runs || !e)
                return;
        (void)snprintf(arg.path, sizeof(arg.path), "%s/%s", h->config.dir, fx->home.workspace);
        arg.sweep[0] = '\0';
        if ((stat(h->config.dir, &st) == 0 && lstat(arg.path, &st) < 0 && errno == ENOENT) ||
            !home_removable(h->config.dir, fx->home.workspace, fx->home.generation)) {
                shell_post(h->shell, &ev);
                return;
        }
        e->answer = ev;
        errand_start(e, folder_remove, &arg, -1);
}

int homes_new(struct loop *l, struct shell *s, const struct homes_config *config,
              struct homes **ret_homes)
{
        struct homes *h = calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;
        h->loop = l;
        h->shell = s;
        h->config = *config;
        for (size_t i = 0; i < HOMES_ERRANDS_MAX; i++)
                h->errands[i] = (struct errand){.homes = h, .pidfd = -1, .end = LOOP_FD_NULL};
        shell_handle(s, FX_ATTACH_HOME, on_attach, h);
        shell_handle(s, FX_REMOVE_HOME, on_remove, h);
        *ret_homes = h;
        return 0;
}

struct homes *homes_free(struct homes *h)
{
        if (!h)
                return NULL;
        for (size_t i = 0; i < HOMES_ERRANDS_MAX; i++) {
                loop_fd_del(&h->errands[i].end);
                (void)fd_close(h->errands[i].pidfd);
        }
        free(h);
        return NULL;
}
