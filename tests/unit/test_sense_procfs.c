/* The texts of /proc, and what is no such text. */
#include <errno.h>

#include "base/macro.h"
#include "sense/procfs.h"
#include "test.h"

/* fields 4 to 22 of a real line, in a terminal */
#define REST                                                                                       \
        "S 18 19 20 34816 21 4194304 5000 60000 7 8 250 50 1200 300 20 0 1 0 987654 9000000 777 "  \
        "1844"

static int parse(const char *text, struct jobs_process *p)
{
        return procfs_stat(text, strlen(text), 10, p);
}

static void a_real_line(void)
{
        struct jobs_process p;

        CHECK_INT(parse("17 (make) " REST "\n", &p), 0);
        CHECK_INT(p.pid, 17);
        CHECK_INT(p.ppid, 18);
        CHECK_INT(p.pgrp, 19);
        CHECK_INT(p.session, 20);
        CHECK_INT(p.tty, 34816);
        CHECK_INT(p.self_ms, 3000);
        CHECK_INT(p.waited_ms, 15000);
        CHECK_INT(p.start, 987654);
        CHECK_STR(p.comm, "make");
        CHECK_INT(parse("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 30 4096 1", &p), 0);
        CHECK_INT(p.tty, 0);
        CHECK_INT(p.ppid, 0);
}

/* prctl(PR_SET_NAME) takes anything. */
static void names_that_lie(void)
{
        struct jobs_process p;

        CHECK_INT(parse("17 (a) R 1 1 (b)) " REST, &p), 0);
        CHECK_STR(p.comm, "a) R 1 1 (b)");
        CHECK_INT(p.ppid, 18);
        CHECK_INT(parse("17 () " REST, &p), 0);
        CHECK_STR(p.comm, "");
        CHECK_INT(parse("17 (\n) " REST, &p), 0);
        CHECK_INT(parse("17 (kworker/u4:1-flush-with-a-long-name) " REST, &p), 0);
        CHECK_STR(p.comm, "kworker/u4:1-fl");
}

static void what_is_refused(void)
{
        static const char *const bad[] = {
                "",
                "17",
                "17 (a",
                "17 a) " REST,
                "x (a) " REST,
                "0 (a) " REST,
                "4294967296 (a) " REST,
                "17 (a) S 18 19 20",
                "17 (a) S 18 19 20 0 -1 1 2 3 4 5 x",
                "17 (a) S 18 19 20 0 -1 1 2 3 4 5 99999999999999999999999 1 1 1 20 0 1 0 1",
                "17 (a) S -18 19 20 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 1",
                "17 (a) S 18 19 20 0 - 1 2 3 4 5 6 7 8 9 20 0 1 0 1"};
        struct jobs_process p = {.pid = 4711};
        const char good[] = "17 (make) " REST;

        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                CHECK_INT(parse(bad[i], &p), -EBADMSG);
        CHECK_INT(p.pid, 4711); /* untouched */
        /* cut anywhere before the start time is complete */
        for (size_t len = 0; len < strlen(good) - strlen("987654 9000000 777 1844"); len++)
                CHECK_INT(procfs_stat(good, len, 10, &p), -EBADMSG);
}

static void huge_times_do_not_wrap(void)
{
        struct jobs_process p;

        CHECK_INT(parse("17 (a) S 1 1 1 0 -1 0 0 0 0 0 18446744073709551615 18446744073709551615 "
                        "9000000000000000000 9000000000000000000 20 0 1 0 1",
                        &p),
                  0);
        CHECK(p.self_ms > UINT64_MAX / 4 && p.waited_ms > UINT64_MAX / 4);
        CHECK(p.self_ms + p.waited_ms > p.self_ms);
}

static void bytes(void)
{
        static const char good[] = "rchar: 1000\nwchar: 24\nsyscr: 1\nread_bytes: 7\n";
        uint64_t n = 0;

        CHECK_INT(procfs_io(good, sizeof(good) - 1, &n), 0);
        CHECK_INT(n, 1024);
        CHECK_INT(procfs_io("rchar: 1\nwchar: 2", 17, &n), 0);
        CHECK_INT(n, 3);
        CHECK_INT(procfs_io("rchar: 1\n", 9, &n), -EBADMSG);
        CHECK_INT(procfs_io("rchar: 1x\nwchar: 2\n", 19, &n), -EBADMSG);
        CHECK_INT(procfs_io("xrchar: 1\nwchar: 2\n", 19, &n), -EBADMSG);
        CHECK_INT(procfs_io("", 0, &n), -EBADMSG);
}

static bool tcp(const char *line, uid_t *uid, uint64_t *inode)
{
        return procfs_tcp_listens(line, strlen(line), uid, inode);
}

static void sockets(void)
{
        uid_t uid = 0;
        uint64_t inode = 0;

        CHECK(tcp("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  "
                  "1000        0 31337 1 0000000000000000 100 0 0 10 0",
                  &uid, &inode));
        CHECK_INT(uid, 1000);
        CHECK_INT(inode, 31337);
        CHECK(tcp(
                "  12: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 "
                "0A 00000000:00000000 00:00000000 00000000     0        0 99 1",
                &uid, &inode));
        CHECK_INT(inode, 99);
        /* established, no inode, headline, cut */
        CHECK(!tcp("   0: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000  "
                   "1000 0 31337 1",
                   &uid, &inode));
        CHECK(!tcp("   0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 1000 0 0 1", &uid, &inode));
        CHECK(!tcp("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
                   "uid  timeout inode",
                   &uid, &inode));
        CHECK(!tcp("   0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 1000", &uid, &inode));
        CHECK(!tcp("", &uid, &inode));

        CHECK(procfs_socket("socket:[123]", 12, &inode));
        CHECK_INT(inode, 123);
        CHECK(!procfs_socket("socket:[123", 11, &inode));
        CHECK(!procfs_socket("socket:[]", 9, &inode));
        CHECK(!procfs_socket("socket:[1]x", 11, &inode));
        CHECK(!procfs_socket("pipe:[1]", 8, &inode));
        CHECK(!procfs_socket("socket:", 7, &inode));
}

int main(void)
{
        RUN(a_real_line);
        RUN(names_that_lie);
        RUN(what_is_refused);
        RUN(huge_times_do_not_wrap);
        RUN(bytes);
        RUN(sockets);
        return 0;
}
