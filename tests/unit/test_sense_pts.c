/* Terminals: a real pseudo-terminal is typed into and read. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "sense/pts.h"
#include "test.h"

#define DEADLINE_MS 20000

static struct loop *loop;
static struct pts *pts;
static uint32_t typed;
static uint32_t number; /* of the terminal in question */

static void on_typed(void *ctx, uint32_t events)
{
        (void)ctx;
        typed += events;
}

static bool is_typed(void)
{
        return typed > 0;
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
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        char name[64];
        struct termios t;

        CHECK(master >= 0);
        CHECK_INT(grantpt(master), 0);
        CHECK_INT(unlockpt(master), 0);
        CHECK_INT(ptsname_r(master, name, sizeof(name)), 0);
        CHECK_INT(sscanf(name, "/dev/pts/%u", &number), 1);
        *ret_slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK(*ret_slave >= 0);
        CHECK_INT(tcgetattr(*ret_slave, &t), 0);
        t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
        CHECK_INT(tcsetattr(*ret_slave, TCSANOW, &t), 0);
        return master;
}

static void type_and_read(int master, int slave)
{
        char c;

        CHECK_INT(write(master, "x", 1), 1);
        CHECK_INT(read(slave, &c, 1), 1);
}

int main(void)
{
        struct pts_config config = {.dir = "/dev/pts", .poll_ms = 60000, .typed = on_typed};
        int master, slave, early, early_slave;

        /* Terminals of other programs of this user may come and go meanwhile. */
        early = open_terminal(&early_slave);
        CHECK_INT(loop_new(&loop), 0);
        CHECK_INT(pts_new(loop, &config, &pts), 0);

        /* one that was there before */
        CHECK(knows());
        type_and_read(early, early_slave);
        CHECK(reaches(is_typed));

        /* one that comes later */
        master = open_terminal(&slave);
        CHECK(reaches(knows));
        typed = 0;
        type_and_read(master, slave);
        CHECK(reaches(is_typed));

        /* and goes */
        close(slave);
        close(master);
        CHECK(reaches(knows_not));

        pts_free(pts);
        loop_free(loop);
        close(early);
        close(early_slave);
        return 0;
}
