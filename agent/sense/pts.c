#include "sense/pts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "sense/events.h"
#include "sense/typing.h"

/* After a process has opened it, its session needs a moment to make it its own. */
#define ASK_AGAIN_MS 1000

struct terminal {
        bool used;
        uint32_t number;
        int wd; /* -1: the watch failed, compare atime */
        int64_t atime_s;
        dev_t device;
        enum procs_terminal whose;
        mono_t ask_at; /* while that is unknown */
        struct typing typing;
        mono_t resume_at; /* output is watched again; NEVER while it is */
};

struct pts {
        struct loop *loop;
        struct pts_config config;
        int fd, dir_fd;
        int dir_wd;
        struct loop_fd src;
        struct loop_timer poll, resume;
        struct terminal terminals[PTS_MAX];
};

static struct terminal *find_number(struct pts *p, uint32_t number)
{
        for (size_t i = 0; i < PTS_MAX; i++) {
                if (p->terminals[i].used && p->terminals[i].number == number)
                        return &p->terminals[i];
        }
        return NULL;
}

static struct terminal *find_watch(struct pts *p, int wd)
{
        for (size_t i = 0; i < PTS_MAX; i++) {
                if (p->terminals[i].used && p->terminals[i].wd == wd)
                        return &p->terminals[i];
        }
        return NULL;
}

static struct terminal *find_free(struct pts *p)
{
        for (size_t i = 0; i < PTS_MAX; i++) {
                if (!p->terminals[i].used)
                        return &p->terminals[i];
        }
        return NULL;
}

static void drop_terminal(struct pts *p, struct terminal *t)
{
        if (t->wd >= 0)
                (void)inotify_rm_watch(p->fd, t->wd);
        t->used = false;
}

/* Ours, and a terminal: st. */
static bool own_terminal(const struct pts *p, const char *name, struct stat *ret_st)
{
        return fstatat(p->dir_fd, name, ret_st, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISCHR(ret_st->st_mode) && ret_st->st_uid == geteuid();
}

/* The watch descriptor, or -1. */
static int set_watch(const struct pts *p, const struct terminal *t, uint32_t mask)
{
        char path[512];

        if (snprintf(path, sizeof(path), "%s/%u", p->config.dir, t->number) >= (int)sizeof(path))
                return -1;
        return inotify_add_watch(p->fd, path, mask | IN_DONT_FOLLOW);
}

static void add_terminal(struct pts *p, const char *name)
{
        uint64_t number;
        struct stat st;
        struct terminal *t;

        /* "ptmx" is no number */
        if (num_parse_u64(name, 0, UINT32_MAX, &number) < 0 || !own_terminal(p, name, &st))
                return;
        t = find_number(p, (uint32_t)number);
        /* The number of one that went may be used again at once: watch the new one. */
        if (t)
                drop_terminal(p, t);
        t = find_free(p);
        if (!t)
                return;
        *t = (struct terminal){.used = true,
                               .number = (uint32_t)number,
                               .device = st.st_rdev,
                               .atime_s = (int64_t)st.st_atim.tv_sec,
                               .ask_at = loop_now(p->loop),
                               .resume_at = MONO_NEVER};
        t->wd = set_watch(p, t, IN_ACCESS | IN_MODIFY);
        typing_watch(&t->typing, loop_now(p->loop));
}

static void list_terminals(struct pts *p)
{
        AUTO_CLOSE fd = openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *e;

        if (!dir)
                return;
        fd = -1; /* now the DIR's */
        while ((e = readdir(dir))) {
                uint64_t number;

                if (num_parse_u64(e->d_name, 0, UINT32_MAX, &number) == 0 &&
                    !find_number(p, (uint32_t)number))
                        add_terminal(p, e->d_name);
        }
        closedir(dir);
}

/* Whether it is still there and was read since the last look; for those without a watch. */
static bool poll_terminal(struct pts *p, struct terminal *t)
{
        char name[16];
        struct stat st;

        (void)snprintf(name, sizeof(name), "%u", t->number);
        if (!own_terminal(p, name, &st)) {
                drop_terminal(p, t);
                return false;
        }
        if (t->wd >= 0 || st.st_atim.tv_sec == t->atime_s)
                return false;
        t->atime_s = (int64_t)st.st_atim.tv_sec;
        return true;
}

static bool is_app(struct pts *p, struct terminal *t)
{
        mono_t now = loop_now(p->loop);

        if (t->whose == PROCS_TERMINAL_UNKNOWN && p->config.whose && mono_due(t->ask_at, now)) {
                t->whose = p->config.whose(p->config.ctx, t->device);
                t->ask_at = mono_add_ms(now, ASK_AGAIN_MS);
        }
        return t->whose == PROCS_TERMINAL_APP;
}

static void count_read(struct pts *p, struct terminal *t, bool key, struct pts_reads *reads)
{
        if (is_app(p, t)) {
                reads->app_events += key;
        } else {
                reads->events++;
                reads->replies += !key;
        }
}

static void tell(struct pts *p, const struct pts_reads *reads)
{
        if (reads->events > 0 || reads->app_events > 0)
                p->config.read(p->config.ctx, reads);
}

static void on_poll(void *ctx)
{
        struct pts *p = ctx;
        struct pts_reads reads = {0};

        loop_timer_set_in(&p->poll, p->config.poll_ms);
        for (size_t i = 0; i < PTS_MAX; i++) {
                struct terminal *t = &p->terminals[i];

                /* Without a watch nothing tells keys from answers. */
                if (t->used && poll_terminal(p, t))
                        count_read(p, t, true, &reads);
        }
        /* Also finds what was created without the folder's watch, or chowned to us later. */
        list_terminals(p);
        tell(p, &reads);
}

static void arm_resume(struct pts *p)
{
        mono_t due = MONO_NEVER;

        for (size_t i = 0; i < PTS_MAX; i++) {
                if (p->terminals[i].used)
                        due = mono_min(due, p->terminals[i].resume_at);
        }
        loop_timer_set(&p->resume, due);
}

/* A change of the mask keeps the watch descriptor, unless another terminal has the number now. */
static bool change_watch(struct pts *p, struct terminal *t, uint32_t mask)
{
        int wd = set_watch(p, t, mask);

        if (wd == t->wd)
                return true;
        if (wd >= 0)
                (void)inotify_rm_watch(p->fd, wd);
        drop_terminal(p, t);
        return false;
}

static void on_resume(void *ctx)
{
        struct pts *p = ctx;
        mono_t now = loop_now(p->loop);
        bool lost = false;

        for (size_t i = 0; i < PTS_MAX; i++) {
                struct terminal *t = &p->terminals[i];

                if (!t->used || !mono_due(t->resume_at, now))
                        continue;
                t->resume_at = MONO_NEVER;
                if (change_watch(p, t, IN_ACCESS | IN_MODIFY))
                        typing_watch(&t->typing, now);
                else
                        lost = true;
        }
        if (lost)
                list_terminals(p);
        arm_resume(p);
}

/* Whoever prints without end would wake us without end: look away for a while. */
static void on_output(struct pts *p, struct terminal *t)
{
        mono_t now = loop_now(p->loop);

        if (!t->typing.watched)
                return; /* was in the queue already */
        t->resume_at = mono_add_ms(now, typing_output(&t->typing, now));
        (void)change_watch(p, t, IN_ACCESS);
        arm_resume(p);
}

static void on_event(struct pts *p, const struct sense_event *ev, struct pts_reads *reads)
{
        struct terminal *t;
        uint64_t number;

        if (ev->mask & IN_Q_OVERFLOW) {
                list_terminals(p);
                return;
        }
        if (ev->wd == p->dir_wd) {
                if (ev->mask & IN_CREATE)
                        add_terminal(p, ev->name);
                if ((ev->mask & IN_DELETE) &&
                    num_parse_u64(ev->name, 0, UINT32_MAX, &number) == 0) {
                        t = find_number(p, (uint32_t)number);
                        if (t)
                                drop_terminal(p, t);
                }
                return;
        }
        t = find_watch(p, ev->wd);
        if (!t)
                return;
        if (ev->mask & IN_IGNORED) {
                t->wd = -1;
                t->used = false;
        } else if (ev->mask & IN_MODIFY) {
                on_output(p, t);
        } else if (ev->mask & IN_ACCESS) {
                count_read(p, t, typing_read(&t->typing, loop_now(p->loop)), reads);
        }
}

static void on_inotify(void *ctx, uint32_t events)
{
        struct pts *p = ctx;
        uint8_t buffer[4096];
        ssize_t len = read(p->fd, buffer, sizeof(buffer));
        struct sense_event ev;
        size_t offset = 0;
        struct pts_reads reads = {0};

        (void)events;
        while (len > 0 && events_next(buffer, (size_t)len, &offset, &ev) > 0)
                on_event(p, &ev, &reads);
        tell(p, &reads);
}

int pts_new(struct loop *l, const struct pts_config *config, struct pts **ret_pts)
{
        struct pts *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->loop = l;
        p->config = *config;
        p->src = LOOP_FD_NULL;
        loop_timer_init(l, &p->poll, on_poll, p);
        loop_timer_init(l, &p->resume, on_resume, p);
        p->dir_fd = open(config->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        p->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        r = p->dir_fd < 0 || p->fd < 0 ? -errno : 0;
        if (r == 0)
                r = loop_fd_add(l, &p->src, p->fd, EPOLLIN, on_inotify, p);
        if (r < 0) {
                pts_free(p);
                return r;
        }
        /* Without this watch new terminals are found by on_poll. */
        p->dir_wd = inotify_add_watch(p->fd, config->dir, IN_CREATE | IN_DELETE | IN_ONLYDIR);
        list_terminals(p);
        loop_timer_set_in(&p->poll, config->poll_ms);
        *ret_pts = p;
        return 0;
}

struct pts *pts_free(struct pts *p)
{
        if (!p)
                return NULL;
        loop_fd_del(&p->src);
        loop_timer_cancel(&p->poll);
        loop_timer_cancel(&p->resume);
        fd_close(p->fd);
        fd_close(p->dir_fd);
        free(p);
        return NULL;
}

bool pts_knows(const struct pts *p, uint32_t number, bool *ret_watched)
{
        for (size_t i = 0; i < PTS_MAX; i++) {
                if (p->terminals[i].used && p->terminals[i].number == number) {
                        *ret_watched = p->terminals[i].wd >= 0;
                        return true;
                }
        }
        return false;
}
