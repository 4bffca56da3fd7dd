/*
 * The role `sense` as a process: hello, orders, records at most once a second, a peer that does not
 * read, and memory that does not grow in a storm.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/mono.h"
#include "base/str.h"
#include "channel.h"
#include "roles.h"
#include "test.h"

#define DEADLINE_MS 20000

extern char **environ;

static char base[64], home[96], work[128];
static int channel[2];
static pid_t child;
static struct channel_msg msg;

/* The next record of that type, or the test fails. */
static void await_record(uint32_t type)
{
        mono_t end = mono_add_ms(mono_read(), DEADLINE_MS);
        struct pollfd p = {.fd = channel[0], .events = POLLIN};

        for (;;) {
                CHECK(!mono_due(end, mono_read()));
                if (poll(&p, 1, 1000) > 0) {
                        CHECK_INT(recv(channel[0], &msg, sizeof(msg), 0), sizeof(msg));
                        if (msg.type == type)
                                return;
                }
        }
}

static void touch(const char *dir, const char *name)
{
        char path[256];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK(fd >= 0);
        CHECK_INT(write(fd, "x", 1), 1);
        close(fd);
}

static long resident_kib(void)
{
        AUTO_BUF b = BUF_INIT(8192);
        char path[64];
        const char *at;
        long kib = 0;

        snprintf(path, sizeof(path), "/proc/%d/status", child);
        CHECK_INT(file_read(path, &b), 0);
        at = strstr((const char *)b.data, "VmRSS:");
        CHECK(at && sscanf(at, "VmRSS: %ld", &kib) == 1);
        return kib;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void start(void)
{
        char *argv[] = {getenv("SENSE_ROLE"), NULL};
        posix_spawn_file_actions_t fa;
        int raw[2];

        CHECK(argv[0]);
        CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, raw), 0);
        for (int i = 0; i < 2; i++) {
                channel[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, 20);
                CHECK(channel[i] >= 0);
                close(raw[i]);
        }
        setenv("WS_PROFILE", getenv("LINK_PROFILE"), 1);
        posix_spawn_file_actions_init(&fa);
        CHECK_INT(posix_spawn_file_actions_adddup2(&fa, channel[1], ROLE_FD_SENSE), 0);
        CHECK_INT(posix_spawn(&child, argv[0], &fa, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&fa);
        await_record(CHANNEL_SENSE_HELLO);
}

static void begin(void)
{
        struct channel_msg m = {.type = CHANNEL_SENSE_BEGIN};

        CHECK_INT(STR_SET(m.u.begin.workspace, work), 0);
        CHECK_INT(STR_SET(m.u.begin.home, home), 0);
        CHECK_INT(send(channel[0], &m, sizeof(m), 0), sizeof(m));
        await_record(CHANNEL_SENSE_FILES);
        CHECK_INT(msg.u.files.lossy, 1); /* the watches stand */
}

static void tells_of_files(void)
{
        touch(work, "a.py");
        await_record(CHANNEL_SENSE_FILES);
        CHECK(msg.u.files.workspace_events > 0);
        CHECK_INT(msg.u.files.home_events, 0);
        touch(home, ".bash_history");
        await_record(CHANNEL_SENSE_FILES);
        CHECK(msg.u.files.home_events > 0);
}

static void stays_small_and_quiet_in_a_storm(void)
{
        mono_t start_at = mono_read();
        int64_t ms;
        long before;
        int records = 0;
        char name[32];

        for (int i = 0; i < 5000; i++) {
                snprintf(name, sizeof(name), "f%d", i % 500);
                touch(work, name);
        }
        await_record(CHANNEL_SENSE_FILES);
        before = resident_kib();
        /* Nobody reads meanwhile. */
        for (int i = 0; i < 30000; i++) {
                snprintf(name, sizeof(name), "f%d", i % 500);
                touch(work, name);
        }
        touch(work, "last");
        do {
                await_record(CHANNEL_SENSE_FILES);
                records++;
        } while (poll(&(struct pollfd){.fd = channel[0], .events = POLLIN}, 1, 1500) > 0);
        ms = mono_diff_ms(start_at, mono_read());
        fprintf(stderr, "    %d records in %lld ms, %ld KiB, before %ld\n", records, (long long)ms,
                resident_kib(), before);
        CHECK(records <= ms / 1000 + 2);
        CHECK(resident_kib() < before + 1024);
        CHECK_INT(waitpid(child, NULL, WNOHANG), 0);
}

static void ends_with_init(void)
{
        mono_t end = mono_add_ms(mono_read(), DEADLINE_MS);
        int status;

        CHECK_INT(
                send(channel[0], &(struct channel_msg){.type = CHANNEL_SENSE_STOP}, sizeof(msg), 0),
                sizeof(msg));
        close(channel[0]);
        close(channel[1]);
        while (waitpid(child, &status, WNOHANG) == 0) {
                CHECK(!mono_due(end, mono_read()));
                (void)poll(NULL, 0, 5);
        }
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
}

int main(void)
{
        const char *tmp = getenv("TMPDIR");

        snprintf(base, sizeof(base), "%s/ws-sense-XXXXXX", tmp ? tmp : "/tmp");
        CHECK(mkdtemp(base));
        snprintf(home, sizeof(home), "%s/home", base);
        snprintf(work, sizeof(work), "%s/workspace", home);
        CHECK_INT(dir_make(work, 0700), 0);
        start();
        begin();
        RUN(tells_of_files);
        RUN(stays_small_and_quiet_in_a_storm);
        RUN(ends_with_init);
        nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        return 0;
}
