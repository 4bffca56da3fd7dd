/*
 * The folders of ended tasks that no rescue could save. They stay for an operator: as long as the
 * configuration says, or until `wsctl kept --remove` has marked one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/providers/folder.h"
#include "out/providers/process_internal.h"
#include "out/providers/rescue.h"

#define LOOK_MS 20000
#define DAY_S (24 * 3600)

static void post_kept(const struct entry *e, const char *where)
{
        struct core_event ev = {.type = EV_TASK_KEPT};

        STR_CUT(ev.task_kept.task, e->task);
        STR_CUT(ev.task_kept.workspace, e->workspace);
        (void)snprintf(ev.task_kept.where, sizeof(ev.task_kept.where),
                       "what it had is not saved; its folder: %.100s", where);
        shell_post(e->process->shell, &ev);
}

/* A rename within the state folder: it is in the one place or in the other. */
void process_keep(struct entry *e)
{
        const struct process *p = e->process;
        char to[PATH_MAX + 96];
        int r = dir_make(p->kept, 0700);

        (void)snprintf(to, sizeof(to), "%s/%s-g%llu-%s", p->kept, e->workspace,
                       (unsigned long long)e->generation, e->task);
        if (r == 0 && rename(e->path, to) < 0)
                r = -errno;
        if (r < 0) {
                log_error("what a task left unsaved cannot be moved; it stays where it is",
                          LOG_STR("folder", e->path), LOG_STR("to", to), LOG_ERR(r));
                return;
        }
        /* Its age counts from now. */
        if (utimensat(AT_FDCWD, to, NULL, AT_SYMLINK_NOFOLLOW) < 0)
                log_warn("the age of a kept folder is that of its task", LOG_STR("folder", to));
        log_warn("what a task left unsaved is kept", LOG_STR("task", e->task),
                 LOG_STR("folder", to));
        post_kept(e, to);
        process_entry_free(e);
}

/* ---- what may go ---- */

struct oldest {
        char name[256];
        int64_t at_s; /* of its keeping; 0: an operator has marked it */
        uint32_t n;   /* how many there are */
};

static int look(const struct process *p, struct oldest *ret)
{
        DIR *d = opendir(p->kept);
        const struct dirent *e;
        struct stat st;

        *ret = (struct oldest){.at_s = INT64_MAX};
        if (!d)
                return -errno;
        while ((e = readdir(d))) {
                bool marked = str_starts(e->d_name, PROCESS_KEPT_MARK);

                if (e->d_name[0] == '.' ||
                    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISDIR(st.st_mode))
                        continue;
                ret->n++;
                if (!marked && st.st_mtim.tv_sec >= ret->at_s)
                        continue;
                ret->at_s = marked ? 0 : st.st_mtim.tv_sec;
                STR_CUT(ret->name, e->d_name);
        }
        closedir(d);
        return 0;
}

/* NULL: it stays. */
static const char *why_go(const struct process *p, const struct oldest *o)
{
        int64_t now_s = loop_utc(p->loop).us / US_PER_S;

        if (o->n == 0)
                return NULL;
        if (o->at_s == 0)
                return "an operator has removed it";
        if (p->config.kept_ms_max > 0 && now_s - o->at_s > p->config.kept_ms_max / 1000)
                return "it is older than kept_max_age";
        /* Somebody shall have had a day to see it. */
        return p->config.kept_max > 0 && o->n > p->config.kept_max && now_s - o->at_s > DAY_S
                       ? "there are more than kept_max"
                       : NULL;
}

static void on_gone(void *ctx, uint32_t events)
{
        struct process *p = ctx;

        (void)events;
        if (process_errand_ended(&p->kept_end, &p->kept_errand))
                loop_timer_set_in(&p->kept_timer, LOOK_MS);
}

static int go(struct process *p, const char *name)
{
        static struct folder_errand errand;
        pid_t pid;
        int r, n = snprintf(errand.path, sizeof(errand.path), "%s/%s", p->kept, name);

        if (n < 0 || (size_t)n >= sizeof(errand.path))
                return -ENAMETOOLONG;
        errand.sweep[0] = '\0';
        pid = launch_errand(folder_remove, &errand, -1, &p->kept_errand);
        if (pid < 0)
                return pid;
        r = loop_fd_add(p->loop, &p->kept_end, p->kept_errand, EPOLLIN, on_gone, p);
        if (r < 0)
                p->kept_errand = fd_close(p->kept_errand);
        return r;
}

static void on_look(void *ctx)
{
        struct process *p = ctx;
        struct oldest oldest;
        const char *why = look(p, &oldest) == 0 ? why_go(p, &oldest) : NULL;

        if (why)
                log_warn("what a task left unsaved is removed", LOG_STR("folder", oldest.name),
                         LOG_STR("why", why));
        if (!why || go(p, oldest.name) < 0)
                loop_timer_set_in(&p->kept_timer, LOOK_MS);
}

/* What a workspace has had goes with it; asked again until the storage has done its part. */
static void on_erase(void *ctx, const struct core_effect *fx)
{
        struct process *p = ctx;
        DIR *d = opendir(p->kept);
        const struct dirent *e;
        char to[sizeof(PROCESS_KEPT_MARK) + 256];

        while (d && (e = readdir(d))) {
                if (!rescue_name_is_of(e->d_name, fx->erase.workspace, fx->erase.generation))
                        continue;
                (void)snprintf(to, sizeof(to), PROCESS_KEPT_MARK "%s", e->d_name);
                if (renameat(dirfd(d), e->d_name, dirfd(d), to) < 0)
                        log_error("what is kept of an erased workspace stays",
                                  LOG_STR("folder", e->d_name), LOG_ERR(errno));
        }
        if (d)
                closedir(d);
}

void process_kept_init(struct process *p)
{
        shell_handle(p->shell, FX_ERASE, on_erase, p);
        p->kept_errand = -1;
        p->kept_end = LOOP_FD_NULL;
        loop_timer_init(p->loop, &p->kept_timer, on_look, p);
        loop_timer_set_in(&p->kept_timer, 0);
}

void process_kept_finish(struct process *p)
{
        loop_timer_cancel(&p->kept_timer);
        loop_fd_del(&p->kept_end);
        p->kept_errand = fd_close(p->kept_errand);
}
