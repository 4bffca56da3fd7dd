/*
 * The event loop: one epoll set, one thread, one `now` per iteration.
 *
 * An iteration, in this order:
 *   1. wait until a descriptor is ready, a timer is due or the loop was woken
 *   2. read both clocks once (loop_now, loop_utc stay fixed until the next iteration)
 *   3. timers that are due, earliest first; a timer set to a due time while they run fires in the
 *      next iteration
 *   4. descriptors that are ready, at most LOOP_EVENTS_MAX; a source removed by an earlier callback
 *      of the same iteration is not called
 *   5. the after hook, if any (the controller commits and carries out effects there)
 *
 * Sources and timers are embedded in their owners and must be removed before their memory goes.
 * Nothing here is safe from another thread except loop_wake.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>

#include "base/macro.h"
#include "base/mono.h"

#define LOOP_EVENTS_MAX 64

struct loop;

typedef void (*loop_fd_fn)(void *ctx, uint32_t events);
typedef void (*loop_fn)(void *ctx);
typedef void (*loop_signal_fn)(void *ctx, const struct signalfd_siginfo *info);

struct loop_fd {
        struct loop *loop;
        loop_fd_fn fn;
        void *ctx;
        int fd;
        uint32_t events;
        struct loop_fd *next_, *prev_;
};

struct loop_timer {
        struct loop *loop;
        loop_fn fn;
        void *ctx;
        mono_t due;
        struct loop_timer *next_, *prev_;
};

#define LOOP_FD_NULL ((struct loop_fd){.fd = -1})

/* 0 or -errno (-EMFILE, -ENOMEM). */
NODISCARD int loop_new(struct loop **ret_loop);
struct loop *loop_free(struct loop *l);

mono_t loop_now(const struct loop *l);
utc_t loop_utc(const struct loop *l);
/* The clock as it is now, not as of this iteration: whether a lease has ended meanwhile. */
mono_t loop_clock(const struct loop *l);

/*
 * Watch `fd` (not owned) for EPOLLIN/EPOLLOUT/... level-triggered; EPOLLERR and EPOLLHUP always
 * come. 0 or -errno.
 */
NODISCARD int loop_fd_add(struct loop *l, struct loop_fd *src, int fd, uint32_t events,
                          loop_fd_fn fn, void *ctx);
/* Change the events. 0 or -errno; unchanged events cost nothing. */
NODISCARD int loop_fd_events(struct loop_fd *src, uint32_t events);
/* Stop watching; the descriptor stays open. A source that is not watched is fine. */
void loop_fd_del(struct loop_fd *src);

/* Fire once at `due`. Setting a set timer moves it. MONO_NEVER cancels. */
void loop_timer_init(struct loop *l, struct loop_timer *t, loop_fn fn, void *ctx);
void loop_timer_set(struct loop_timer *t, mono_t due);
void loop_timer_set_in(struct loop_timer *t, int64_t ms);
void loop_timer_cancel(struct loop_timer *t);

/* Block the signals of `set` in this thread and deliver them as events. Once per loop. */
NODISCARD int loop_signals(struct loop *l, const sigset_t *set, loop_signal_fn fn, void *ctx);

/* Called at the end of every iteration. */
void loop_after(struct loop *l, loop_fn fn, void *ctx);

/* From any thread or callback: end the current wait; `fn` given to loop_on_wake runs in the loop.
 */
void loop_wake(struct loop *l);
void loop_on_wake(struct loop *l, loop_fn fn, void *ctx);

/* Run until loop_exit. Returns the code given there, or -errno when waiting itself fails. */
int loop_run(struct loop *l);
void loop_exit(struct loop *l, int code);

/*
 * For a host loop (libwebsockets adopts the descriptor as one raw file): loop_fileno becomes
 * readable when an iteration is due, loop_turn makes one without waiting. 0, 1 when loop_exit was
 * called (see loop_exit_code), -errno.
 */
int loop_fileno(const struct loop *l);
NODISCARD int loop_turn(struct loop *l);
int loop_exit_code(const struct loop *l);
