#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/fd.h"

struct loop {
        int epoll_fd;
        int timer_fd;
        int wake_fd;
        int signal_fd;
        mono_t now;
        utc_t utc;
        mono_t armed;             /* what timer_fd is set to */
        struct loop_fd fds;       /* list head */
        struct loop_timer timers; /* list head, sorted by due */
        struct loop_fd timer_src, wake_src, signal_src;
        struct epoll_event ready[LOOP_EVENTS_MAX];
        int n_ready;
        loop_fn after_fn, wake_fn;
        void *after_ctx, *wake_ctx;
        loop_signal_fn signal_fn;
        void *signal_ctx;
        bool exiting;
        int exit_code;
};

static void drain_counter(int fd)
{
        uint64_t n;

        while (read(fd, &n, sizeof(n)) < 0 && errno == EINTR)
                ;
}

static void on_timer_fd(void *ctx, uint32_t events)
{
        struct loop *l = ctx;

        (void)events;
        drain_counter(l->timer_fd);
        l->armed = MONO_NEVER;
}

static void on_wake_fd(void *ctx, uint32_t events)
{
        struct loop *l = ctx;

        (void)events;
        drain_counter(l->wake_fd);
        if (l->wake_fn)
                l->wake_fn(l->wake_ctx);
}

static void on_signal_fd(void *ctx, uint32_t events)
{
        struct loop *l = ctx;
        struct signalfd_siginfo info;

        (void)events;
        while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
                l->signal_fn(l->signal_ctx, &info);
}

static void refresh_clocks(struct loop *l)
{
        mono_t now = mono_read();

        assert(now.us >= l->now.us);
        l->now = now;
        l->utc = utc_read();
}

int loop_new(struct loop **ret_loop)
{
        struct loop *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->fds.next_ = l->fds.prev_ = &l->fds;
        l->timers.next_ = l->timers.prev_ = &l->timers;
        l->armed = MONO_NEVER;
        l->signal_fd = -1;
        l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (l->epoll_fd < 0 || l->timer_fd < 0 || l->wake_fd < 0) {
                r = -errno;
                loop_free(l);
                return r;
        }
        r = loop_fd_add(l, &l->timer_src, l->timer_fd, EPOLLIN, on_timer_fd, l);
        if (r == 0)
                r = loop_fd_add(l, &l->wake_src, l->wake_fd, EPOLLIN, on_wake_fd, l);
        if (r < 0) {
                loop_free(l);
                return r;
        }
        refresh_clocks(l);
        *ret_loop = l;
        return 0;
}

struct loop *loop_free(struct loop *l)
{
        if (!l)
                return NULL;
        loop_fd_del(&l->timer_src);
        loop_fd_del(&l->wake_src);
        loop_fd_del(&l->signal_src);
        fd_close(l->signal_fd);
        fd_close(l->wake_fd);
        fd_close(l->timer_fd);
        fd_close(l->epoll_fd);
        free(l);
        return NULL;
}

mono_t loop_now(const struct loop *l)
{
        return l->now;
}

mono_t loop_clock(const struct loop *l)
{
        (void)l;
        return mono_read();
}

utc_t loop_utc(const struct loop *l)
{
        return l->utc;
}

int loop_fd_add(struct loop *l, struct loop_fd *src, int fd, uint32_t events, loop_fd_fn fn,
                void *ctx)
{
        struct epoll_event ev = {.events = events, .data.ptr = src};

        if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
                return -errno;
        *src = (struct loop_fd){.loop = l, .fn = fn, .ctx = ctx, .fd = fd, .events = events};
        src->next_ = l->fds.next_;
        src->prev_ = &l->fds;
        src->next_->prev_ = src;
        src->prev_->next_ = src;
        return 0;
}

int loop_fd_events(struct loop_fd *src, uint32_t events)
{
        struct epoll_event ev = {.events = events, .data.ptr = src};

        if (events == src->events)
                return 0;
        if (epoll_ctl(src->loop->epoll_fd, EPOLL_CTL_MOD, src->fd, &ev) < 0)
                return -errno;
        src->events = events;
        return 0;
}

void loop_fd_del(struct loop_fd *src)
{
        struct loop *l = src->loop;

        if (!l)
                return;
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
        src->next_->prev_ = src->prev_;
        src->prev_->next_ = src->next_;
        for (int i = 0; i < l->n_ready; i++) {
                if (l->ready[i].data.ptr == src)
                        l->ready[i].data.ptr = NULL;
        }
        *src = LOOP_FD_NULL;
}

void loop_timer_init(struct loop *l, struct loop_timer *t, loop_fn fn, void *ctx)
{
        *t = (struct loop_timer){.loop = l, .fn = fn, .ctx = ctx, .due = MONO_NEVER};
}

void loop_timer_cancel(struct loop_timer *t)
{
        if (t->next_) {
                t->next_->prev_ = t->prev_;
                t->prev_->next_ = t->next_;
                t->next_ = t->prev_ = NULL;
        }
        t->due = MONO_NEVER;
}

void loop_timer_set(struct loop_timer *t, mono_t due)
{
        struct loop *l = t->loop;
        struct loop_timer *at;

        loop_timer_cancel(t);
        if (mono_is_never(due))
                return;
        t->due = due;
        /* From the end: new timers are mostly the latest, and the lists are short. */
        for (at = l->timers.prev_; at != &l->timers && mono_before(due, at->due); at = at->prev_)
                ;
        t->prev_ = at;
        t->next_ = at->next_;
        t->next_->prev_ = t;
        at->next_ = t;
}

void loop_timer_set_in(struct loop_timer *t, int64_t ms)
{
        loop_timer_set(t, mono_add_ms(t->loop->now, ms));
}

int loop_signals(struct loop *l, const sigset_t *set, loop_signal_fn fn, void *ctx)
{
        int r;

        assert(l->signal_fd < 0);
        if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
                return -errno;
        l->signal_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (l->signal_fd < 0)
                return -errno;
        l->signal_fn = fn;
        l->signal_ctx = ctx;
        r = loop_fd_add(l, &l->signal_src, l->signal_fd, EPOLLIN, on_signal_fd, l);
        if (r < 0)
                l->signal_fd = fd_close(l->signal_fd);
        return r;
}

void loop_after(struct loop *l, loop_fn fn, void *ctx)
{
        l->after_fn = fn;
        l->after_ctx = ctx;
}

void loop_wake(struct loop *l)
{
        uint64_t one = 1;
        ssize_t n;

        /* A full counter means that a wake-up is pending already. */
        do
                n = write(l->wake_fd, &one, sizeof(one));
        while (n < 0 && errno == EINTR);
}

void loop_on_wake(struct loop *l, loop_fn fn, void *ctx)
{
        l->wake_fn = fn;
        l->wake_ctx = ctx;
}

static mono_t first_due(const struct loop *l)
{
        return l->timers.next_ == &l->timers ? MONO_NEVER : l->timers.next_->due;
}

/* One absolute timerfd serves both loop_run and a host that only sees loop_fileno. */
static int arm_timer(struct loop *l)
{
        mono_t due = first_due(l);
        struct itimerspec its = {0};

        if (due.us == l->armed.us)
                return 0;
        if (!mono_is_never(due)) {
                int64_t us = MAX(due.us, 1); /* zero would disarm */
                its.it_value.tv_sec = (time_t)(us / US_PER_S);
                its.it_value.tv_nsec = (long)(us % US_PER_S) * 1000;
        }
        if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &its, NULL) < 0)
                return -errno;
        l->armed = due;
        return 0;
}

static void run_timers(struct loop *l)
{
        struct loop_timer due = {0};
        struct loop_timer *last = &l->timers;

        /* Take the due ones off first, so that a timer set again now waits for the next turn. */
        due.next_ = due.prev_ = &due;
        while (last->next_ != &l->timers && mono_due(last->next_->due, l->now))
                last = last->next_;
        if (last == &l->timers)
                return;
        due.next_ = l->timers.next_;
        due.prev_ = last;
        l->timers.next_ = last->next_;
        last->next_->prev_ = &l->timers;
        due.next_->prev_ = &due;
        last->next_ = &due;
        while (due.next_ != &due) {
                struct loop_timer *t = due.next_;
                loop_timer_cancel(t);
                t->fn(t->ctx);
        }
}

static int turn(struct loop *l, int timeout_ms)
{
        int n = epoll_wait(l->epoll_fd, l->ready, LOOP_EVENTS_MAX, timeout_ms);

        if (n < 0 && errno != EINTR)
                return -errno;
        l->n_ready = MAX(n, 0);
        refresh_clocks(l);
        run_timers(l);
        for (int i = 0; i < l->n_ready; i++) {
                struct loop_fd *src = l->ready[i].data.ptr;
                if (src)
                        src->fn(src->ctx, l->ready[i].events);
        }
        l->n_ready = 0;
        if (l->after_fn)
                l->after_fn(l->after_ctx);
        return arm_timer(l);
}

int loop_run(struct loop *l)
{
        int r = arm_timer(l);

        while (r == 0 && !l->exiting)
                r = turn(l, -1);
        return r < 0 ? r : l->exit_code;
}

void loop_exit(struct loop *l, int code)
{
        l->exiting = true;
        l->exit_code = code;
}

int loop_fileno(const struct loop *l)
{
        return l->epoll_fd;
}

int loop_turn(struct loop *l)
{
        int r = turn(l, 0);

        if (r < 0)
                return r;
        return l->exiting ? 1 : 0;
}

int loop_exit_code(const struct loop *l)
{
        return l->exit_code;
}
