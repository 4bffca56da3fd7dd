/* Terminals: real pseudo-terminals are typed into and read, ask and are answered, and flood. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/macro.h"
#include "sense/pts.h"
#include "sense/typing.h"
#include "test.h"

#define DEADLINE_MS 20000

static struct loop *loop;
static struct pts *pts;
static struct pts_reads reads;
static uint32_t number; /* of the terminal in question */
static int master, slave, early, early_slave;

static enum procs_terminal owner;
static unsigned asked;

static void on_read(void *ctx, const struct pts_reads *r)
{
        (void)ctx;
        reads.events += r->events;
        reads.replies += r->replies;
        reads.app_events += r->app_events;
}

static enum procs_terminal on_whose(void *ctx, dev_t device)
{
        (void)ctx;
        if (minor(device) != number)
                return PROCS_TERMINAL_OTHER;
        asked++;
        return owner;
}

static bool is_typed(void)
{
        return reads.events > reads.replies;
}

static bool is_answered(void)
{
        return reads.replies > 0;
}

static bool is_apps(void)
{
        return reads.app_events > 0;
}

static bool knows(void)
{
        bool watched;

        return pts_knows(pts, number, &watched) && watched;
}

static bool knows_not(void)
{
        bool watched;

        return !pts_knows(pts, number, &watched);
}

static bool reaches(bool (*fn)(void))
{
        mono_t give_up = mono_add_ms(mono_read(), DEADLINE_MS);
        struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

        while (!fn()) {
                if (mono_due(give_up, mono_read()))
                        return false;
                (void)poll(&p, 1, 100);
                CHECK_INT(loop_turn(loop), 0);
        }
        return true;
}

static int open_terminal(int *ret_slave)
{
        int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        char name[64];
        struct termios t;

        CHECK(fd >= 0);
        CHECK_INT(grantpt(fd), 0);
        CHECK_INT(unlockpt(fd), 0);
        CHECK_INT(ptsname_r(fd, name, sizeof(name)), 0);
        CHECK_INT(sscanf(name, "/dev/pts/%u", &number), 1);
        *ret_slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK(*ret_slave >= 0);
        CHECK_INT(tcgetattr(*ret_slave, &t), 0);
        t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
        CHECK_INT(tcsetattr(*ret_slave, TCSANOW, &t), 0);
        return fd;
}

static void type_and_read(int from, int to)
{
        char c;

        CHECK_INT(write(from, "x", 1), 1);
        CHECK_INT(read(to, &c, 1), 1);
}

/* Let that much time pass in the loop; how often it woke up. */
static unsigned wait_ms(int64_t ms)
{
        mono_t end = mono_add_ms(mono_read(), ms);
        struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};
        unsigned wakes = 0;

        while (!mono_due(end, mono_read())) {
                if (poll(&p, 1, (int)MAX(mono_diff_ms(mono_read(), end), 1)) <= 0)
                        continue;
                wakes++;
                CHECK_INT(loop_turn(loop), 0);
        }
        return wakes;
}

static void forget(void)
{
        reads = (struct pts_reads){0};
}

static void one_that_was_there_before(void)
{
        CHECK(knows());
        type_and_read(early, early_slave);
        CHECK(reaches(is_typed));
        CHECK_INT(reads.replies, 0);
}

static void one_that_comes_later(void)
{
        master = open_terminal(&slave);
        CHECK(reaches(knows));
        forget();
        type_and_read(master, slave);
        CHECK(reaches(is_typed));
        CHECK_INT(reads.app_events, 0);
}

static void a_terminal_that_answers(void)
{
        static const char question[] = "\033[6n";
        char text[16];

        (void)wait_ms(TYPING_BURST_MS + TYPING_REPLY_MS);
        for (int i = 0; i < 3; i++) {
                forget();
                CHECK_INT(write(slave, question, 4), 4);
                CHECK_INT(read(master, text, sizeof(text)), 4);
                CHECK_INT(write(master, "\033[1;1R", 6), 6);
                CHECK_INT(read(slave, text, sizeof(text)), 6);
                CHECK(reaches(is_answered));
                CHECK(!is_typed());
                (void)wait_ms(2 * TYPING_REPLY_MS);
        }
        forget();
        type_and_read(master, slave);
        CHECK(reaches(is_typed));
}

/* Prints as fast as it can while its terminal is read; we sleep through it. */
static void a_flood_of_output(void)
{
        char page[4096];
        unsigned first, second;
        pid_t printer = fork(), reader;

        memset(page, 'y', sizeof(page));
        if (printer == 0) {
                while (write(slave, page, sizeof(page)) > 0)
                        ;
                _exit(0);
        }
        reader = fork();
        if (reader == 0) {
                while (read(master, page, sizeof(page)) > 0)
                        ;
                _exit(0);
        }
        first = wait_ms(2000);
        second = wait_ms(2000);
        fprintf(stderr, "    %u wake-ups in 2 s of flood, %u in the next 2 s\n", first, second);
        /* without pauses it is tens of thousands */
        CHECK(first <= 40);
        CHECK(second <= 10);
        kill(printer, SIGKILL);
        kill(reader, SIGKILL);
        CHECK(waitpid(printer, NULL, 0) == printer && waitpid(reader, NULL, 0) == reader);
}

static void the_apps_terminal(void)
{
        char text[4];

        close(slave);
        close(master);
        CHECK(reaches(knows_not));
        master = open_terminal(&slave);
        CHECK(reaches(knows));
        /* nobody's yet, so not the app's; asked again, but not at each key */
        owner = PROCS_TERMINAL_UNKNOWN;
        asked = 0;
        forget();
        for (int i = 0; i < 5; i++)
                type_and_read(master, slave);
        CHECK(reaches(is_typed));
        CHECK_INT(asked, 1);
        (void)wait_ms(1100);
        owner = PROCS_TERMINAL_APP;
        forget();
        type_and_read(master, slave);
        CHECK(reaches(is_apps));
        CHECK_INT(reads.events, 0);
        CHECK_INT(asked, 2);
        /* its answers are not even counted, and nobody is asked again */
        (void)wait_ms(TYPING_BURST_MS + TYPING_REPLY_MS);
        forget();
        CHECK_INT(write(slave, "?", 1), 1);
        CHECK_INT(read(master, text, 1), 1);
        type_and_read(master, slave);
        (void)wait_ms(200);
        CHECK_INT(reads.app_events + reads.events, 0);
        CHECK_INT(asked, 2);
}

static void one_that_goes(void)
{
        close(slave);
        close(master);
        CHECK(reaches(knows_not));
}

int main(void)
{
        struct pts_config config = {
                .dir = "/dev/pts", .poll_ms = 60000, .read = on_read, .whose = on_whose};

        owner = PROCS_TERMINAL_OTHER;
        /* Terminals of other programs of this user may come and go meanwhile. */
        early = open_terminal(&early_slave);
        CHECK_INT(loop_new(&loop), 0);
        CHECK_INT(pts_new(loop, &config, &pts), 0);
        RUN(one_that_was_there_before);
        RUN(one_that_comes_later);
        RUN(a_terminal_that_answers);
        RUN(a_flood_of_output);
        RUN(the_apps_terminal);
        RUN(one_that_goes);
        pts_free(pts);
        loop_free(loop);
        close(early);
        close(early_slave);
        return 0;
}
