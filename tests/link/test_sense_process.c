/*
 * The role `sense` as a process: hello, orders, records at most once a second, a peer that does not
 * read, memory that does not grow in a storm; real processes that are jobs and that are not.
 *
 * The test is sense's parent as init is, and starts itself in the parts of the others (play_*).
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
#define WINDOW "2s"
#define WINDOW_MS 2000
#define PLAYERS_MAX 8

extern char **environ;

static char base[64], home[96], work[128], app_socket[96];
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

/* Whether a record of that type comes within the time. */
static bool comes_within(uint32_t type, int64_t ms)
{
        mono_t end = mono_add_ms(mono_read(), ms);
        struct pollfd p = {.fd = channel[0], .events = POLLIN};

        while (!mono_due(end, mono_read())) {
                if (poll(&p, 1, 50) <= 0)
                        continue;
                CHECK_INT(recv(channel[0], &msg, sizeof(msg), 0), sizeof(msg));
                if (msg.type == type)
                        return true;
        }
        return false;
}

/* ---- parts that this program plays as another process ---- */

/* However this ends, nothing is left to burn: not even below those who are killed. */
static _Noreturn void burn(void)
{
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile unsigned i = 0;; i++)
                ;
}

static _Noreturn void rest(void)
{
        for (;;)
                (void)pause();
}

/* A session in a new terminal; its master stays open. */
static int enter_terminal(void)
{
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
        char name[64];

        CHECK(setsid() > 0);
        CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
        CHECK_INT(ptsname_r(master, name, sizeof(name)), 0);
        slave = open(name, O_RDWR | O_CLOEXEC);
        CHECK(slave >= 0);
        CHECK(ioctl(slave, TIOCSCTTY, 0) == 0 || errno == EPERM);
        return master;
}

/* The app's main process, in a session of its own; what works hard below it is its own affair. */
static _Noreturn void play_app(const char *socket_path)
{
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK(setsid() > 0);
        CHECK_INT(STR_SET(at.sun_path, socket_path), 0);
        CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        CHECK_INT(listen(fd, 5), 0);
        if (fork() == 0)
                burn();
        rest();
}

/* Types into a terminal whose session it has started, for as long as it lives. */
static _Noreturn void play_pty_host(void)
{
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        char name[64], c;

        CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
        CHECK_INT(ptsname_r(master, name, sizeof(name)), 0);
        if (fork() == 0) {
                int slave;

                CHECK(setsid() > 0);
                slave = open(name, O_RDWR | O_CLOEXEC);
                CHECK(slave >= 0);
                while (read(slave, &c, 1) > 0)
                        ;
                _exit(0);
        }
        for (;;) {
                (void)poll(NULL, 0, 400);
                CHECK_INT(write(master, "\n", 1), 1);
        }
}

static _Noreturn void play_server(void)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)enter_terminal();
        CHECK_INT(listen(fd, 1), 0);
        burn();
}

/* nohup, setsid: nobody knows its parent any more. */
static _Noreturn void play_daemon(void)
{
        pid_t parent = getpid();

        if (fork() > 0)
                _exit(0);
        CHECK(setsid() > 0);
        while (getppid() == parent)
                (void)poll(NULL, 0, 5);
        burn();
}

static _Noreturn void play(char **argv)
{
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!nice(10);
        if (strcmp(argv[1], "app") == 0)
                play_app(argv[2]);
        if (strcmp(argv[1], "--type=ptyHost") == 0)
                play_pty_host();
        if (strcmp(argv[1], "daemon") == 0)
                play_daemon();
        if (strcmp(argv[1], "server") == 0)
                play_server();
        (void)enter_terminal();
        if (strcmp(argv[1], "busy") == 0)
                burn();
        rest();
}

static pid_t players[PLAYERS_MAX];
static size_t n_players;

static pid_t start_player(const char *part, const char *arg)
{
        char *argv[] = {(char *)(uintptr_t) "player", (char *)(uintptr_t)part,
                        (char *)(uintptr_t)arg, NULL};
        pid_t pid;

        CHECK(n_players < PLAYERS_MAX);
        CHECK_INT(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
        players[n_players++] = pid;
        return pid;
}

/* Players and what they have left, which is ours as it is init's; not sense. */
static void end_players(void)
{
        for (size_t i = 0; i < n_players; i++)
                (void)kill(players[i], SIGKILL);
        for (size_t i = 0; i < n_players; i++)
                (void)waitpid(players[i], NULL, 0);
        n_players = 0;
        for (;;) {
                AUTO_BUF b = BUF_INIT(4096);
                char path[64];
                long pid;
                const char *at;
                bool any = false;

                snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
                /* A kernel without that file: they end with us. */
                if (file_read(path, &b) < 0)
                        return;
                for (at = (const char *)b.data; sscanf(at, "%ld", &pid) == 1;) {
                        if (pid != child) {
                                any = true;
                                (void)kill((pid_t)pid, SIGKILL);
                                (void)waitpid((pid_t)pid, NULL, 0);
                        }
                        at += strspn(at, " ");
                        at += strcspn(at, " ");
                }
                if (!any)
                        return;
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

static void write_text(const char *name, const char *text)
{
        char path[160];

        snprintf(path, sizeof(path), "%s/%s", base, name);
        CHECK_INT(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static void write_profile(void)
{
        char path[160];

        write_text("profile.json",
                   "{\"name\": \"test\", \"app\": {\"argv\": [\"/bin/true\"]},"
                   " \"health\": {\"path\": \"/healthz\"}, \"save\": {\"include\": [\".\"]},"
                   " \"presence\": \"presence.json\"}");
        write_text("presence.json", "{\"terminals\": {\"app\": [\"--type=ptyHost\"]}}");
        snprintf(path, sizeof(path), "%s/profile.json", base);
        setenv("WS_PROFILE", path, 1);
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
        write_profile();
        setenv("WS_APP_SOCKET", app_socket, 1);
        setenv("WS_JOB_WINDOW", WINDOW, 1);
        CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
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
        /* A job of this machine may tell of itself meanwhile. */
        await_record(CHANNEL_SENSE_FILES);
        do
                records++;
        while (comes_within(CHANNEL_SENSE_FILES, 1500));
        ms = mono_diff_ms(start_at, mono_read());
        fprintf(stderr, "    %d records in %lld ms, %ld KiB, before %ld\n", records, (long long)ms,
                resident_kib(), before);
        CHECK(records <= ms / 1000 + 2);
        CHECK(resident_kib() < before + 1024);
        CHECK_INT(waitpid(child, NULL, WNOHANG), 0);
}

static void terminals_of_the_app(void)
{
        start_player("--type=ptyHost", NULL);
        /* Terminals elsewhere may be in use meanwhile. */
        do
                await_record(CHANNEL_SENSE_TERMINAL);
        while (msg.u.terminal.app_events == 0);
        end_players();
}

/* Side by side: the app's own work, a silent sleep, a development server. */
static void no_jobs(void)
{
        start_player("app", app_socket);
        CHECK(!comes_within(CHANNEL_SENSE_JOB, WINDOW_MS));
        start_player("sleep", NULL);
        start_player("server", NULL);
        CHECK(!comes_within(CHANNEL_SENSE_JOB, 2 * WINDOW_MS));
}

static void jobs(void)
{
        mono_t at = mono_read();
        pid_t busy = start_player("busy", NULL);

        await_record(CHANNEL_SENSE_JOB);
        fprintf(stderr, "    a busy loop is a job after %lld ms\n",
                (long long)mono_diff_ms(at, mono_read()));
        CHECK_INT(msg.u.job.jobs, 1);
        CHECK_STR(msg.u.job.name, "player");
        await_record(CHANNEL_SENSE_JOB);
        kill(busy, SIGKILL);
        CHECK_INT(waitpid(busy, NULL, 0), busy);
        /* Nothing of it is left behind the window. */
        (void)comes_within(0, 2 * WINDOW_MS);
        CHECK(!comes_within(CHANNEL_SENSE_JOB, WINDOW_MS));
        start_player("daemon", NULL);
        await_record(CHANNEL_SENSE_JOB);
        CHECK_INT(msg.u.job.jobs, 1);
        end_players();
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

int main(int argc, char **argv)
{
        const char *tmp = getenv("TMPDIR");

        if (argc > 1)
                play(argv);
        CHECK_INT(atexit(end_players), 0);
        snprintf(base, sizeof(base), "%s/ws-sense-XXXXXX", tmp ? tmp : "/tmp");
        CHECK(mkdtemp(base));
        snprintf(home, sizeof(home), "%s/home", base);
        snprintf(work, sizeof(work), "%s/workspace", home);
        snprintf(app_socket, sizeof(app_socket), "%s/app.sock", base);
        CHECK_INT(dir_make(work, 0700), 0);
        start();
        begin();
        RUN(tells_of_files);
        RUN(terminals_of_the_app);
        RUN(no_jobs);
        RUN(jobs);
        RUN(stays_small_and_quiet_in_a_storm);
        RUN(ends_with_init);
        nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        return 0;
}
