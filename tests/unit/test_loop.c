/* shared/loop: the order of an iteration, and that sources may come and go while it runs. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop/loop.h"
#include "test.h"

static struct {
        struct loop *loop;
        char order[64];
        size_t n;
        struct loop_timer t[4];
        struct loop_fd fd[2];
        int pipes[2][2];
        int turns;
} f;

static void note(char c)
{
        f.order[f.n++] = c;
}

static void setup(void)
{
        memset(&f, 0, sizeof(f));
        CHECK_INT(loop_new(&f.loop), 0);
}

static void timer_a(void *ctx)
{
        (void)ctx;
        note('a');
        /* Due at once: must wait for the next turn, or a timer could starve the descriptors. */
        loop_timer_set(&f.t[2], loop_now(f.loop));
}

static void timer_b(void *ctx)
{
        (void)ctx;
        note('b');
        loop_timer_cancel(&f.t[3]);
}

static void timer_c(void *ctx)
{
        (void)ctx;
        note('c');
        loop_exit(f.loop, 42);
}

static void timer_d(void *ctx)
{
        (void)ctx;
        note('d');
}

static void after(void *ctx)
{
        (void)ctx;
        note('|');
}

static void timers_fire_in_order_of_time(void)
{
        setup();
        loop_after(f.loop, after, NULL);
        loop_timer_init(f.loop, &f.t[0], timer_a, NULL);
        loop_timer_init(f.loop, &f.t[1], timer_b, NULL);
        loop_timer_init(f.loop, &f.t[2], timer_c, NULL);
        loop_timer_init(f.loop, &f.t[3], timer_d, NULL);
        loop_timer_set(&f.t[3], mono_add_ms(loop_now(f.loop), -1));
        loop_timer_set(&f.t[0], mono_add_ms(loop_now(f.loop), -3));
        loop_timer_set(&f.t[1], mono_add_ms(loop_now(f.loop), -2));
        CHECK_INT(loop_run(f.loop), 42);
        CHECK_STR(f.order, "ab|c|");
        f.loop = loop_free(f.loop);
}

static void on_readable(void *ctx, uint32_t events)
{
        size_t i = (size_t)ctx;

        CHECK(events & EPOLLIN);
        note((char)('0' + i));
        /* The other one is ready too, in the same turn, and must not be called any more. */
        loop_fd_del(&f.fd[1 - i]);
        loop_exit(f.loop, 7);
}

static void a_removed_source_is_not_called(void)
{
        setup();
        for (size_t i = 0; i < 2; i++) {
                CHECK_INT(pipe2(f.pipes[i], O_CLOEXEC), 0);
                CHECK_INT(write(f.pipes[i][1], "x", 1), 1);
                CHECK_INT(loop_fd_add(f.loop, &f.fd[i], f.pipes[i][0], EPOLLIN, on_readable,
                                      (void *)i),
                          0);
        }
        CHECK_INT(loop_run(f.loop), 7);
        CHECK_INT(strlen(f.order), 1);
        for (size_t i = 0; i < 2; i++) {
                loop_fd_del(&f.fd[i]);
                close(f.pipes[i][0]);
                close(f.pipes[i][1]);
        }
        f.loop = loop_free(f.loop);
}

static void on_signal(void *ctx, const struct signalfd_siginfo *info)
{
        (void)ctx;
        note(info->ssi_signo == SIGUSR1 ? 'u' : '?');
        loop_exit(f.loop, 0);
}

static void signals_are_events(void)
{
        sigset_t set;

        setup();
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        CHECK_INT(loop_signals(f.loop, &set, on_signal, NULL), 0);
        CHECK_INT(kill(getpid(), SIGUSR1), 0);
        CHECK_INT(loop_run(f.loop), 0);
        CHECK_STR(f.order, "u");
        f.loop = loop_free(f.loop);
}

static void on_wake(void *ctx)
{
        (void)ctx;
        note('w');
        loop_exit(f.loop, 0);
}

static void *waker(void *ctx)
{
        loop_wake(ctx);
        return NULL;
}

static void another_thread_can_wake_it(void)
{
        pthread_t thread;

        setup();
        loop_on_wake(f.loop, on_wake, NULL);
        CHECK_INT(pthread_create(&thread, NULL, waker, f.loop), 0);
        CHECK_INT(loop_run(f.loop), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        CHECK_STR(f.order, "w");
        f.loop = loop_free(f.loop);
}

static void a_host_loop_sees_timers_through_the_descriptor(void)
{
        struct pollfd p;

        setup();
        loop_timer_init(f.loop, &f.t[2], timer_c, NULL);
        loop_timer_set_in(&f.t[2], 1);
        CHECK_INT(loop_turn(f.loop), 0); /* arms the timer descriptor */
        p = (struct pollfd){.fd = loop_fileno(f.loop), .events = POLLIN};
        for (int i = 0; i < 1000 && f.n == 0; i++) {
                CHECK_INT(poll(&p, 1, 10000), 1);
                (void)!loop_turn(f.loop);
        }
        CHECK_STR(f.order, "c");
        CHECK_INT(loop_exit_code(f.loop), 42);
        CHECK_INT(loop_turn(f.loop), 1);
        f.loop = loop_free(f.loop);
}

int main(void)
{
        RUN(timers_fire_in_order_of_time);
        RUN(a_removed_source_is_not_called);
        RUN(signals_are_events);
        RUN(another_thread_can_wake_it);
        RUN(a_host_loop_sees_timers_through_the_descriptor);
        return 0;
}
