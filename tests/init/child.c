/*
 * What tests/init/run runs under an init:
 *
 *   init_child storm N      make N orphans, in crowds that end at the same moment; 0 when the init
 *                           has taken all of them in, 1 when zombies stay
 *   init_child signals      print "ready", then the number of each signal that comes; SIGTERM ends
 *   init_child stubborn     print "ready" and ignore every signal that can be ignored
 *   init_child family       an app that ends at SIGTERM and leaves a nohup job, a daemon and a
 *                           shell, which at SIGHUP writes the file "history"; "ready" when all run
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mono.h"
#include "base/num.h"

#define CROWD 500
#define LIMIT_MS 5000 /* for an init to take in what has ended */

/* One orphan that ends when `gate` is closed by all who could write to it. */
static int orphan_make(const int gate[2])
{
        pid_t pid = fork();
        char c;

        if (pid < 0)
                return -errno;
        if (pid > 0)
                return waitpid(pid, NULL, 0) < 0 ? -errno : 0;
        if (fork() != 0)
                _exit(0);
        (void)close(gate[1]);
        _exit(read(gate[0], &c, 1) < 0);
}

static int crowd_make(uint64_t n)
{
        int gate[2], r = 0;

        if (pipe(gate) < 0)
                return -errno;
        for (uint64_t i = 0; i < n && r == 0; i++)
                r = orphan_make(gate);
        (void)close(gate[0]);
        (void)close(gate[1]);
        return r;
}

static int state_of(const char *pid)
{
        char path[300], text[512];
        const char *end;
        ssize_t n;
        AUTO_CLOSE fd = -1;

        (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;
        text[n] = 0;
        end = strrchr(text, ')');
        return end ? end[2] : 0;
}

/* Processes besides PID 1 and us. */
static int others(int *ret_zombies)
{
        DIR *dir = opendir("/proc");
        int n = 0, zombies = 0;

        for (struct dirent *d; dir && (d = readdir(dir));) {
                uint64_t pid;

                if (num_parse_u64(d->d_name, 2, INT32_MAX, &pid) < 0 || (pid_t)pid == getpid())
                        continue;
                n++;
                zombies += state_of(d->d_name) == 'Z';
        }
        if (dir)
                (void)closedir(dir);
        *ret_zombies = zombies;
        return n;
}

static int storm(uint64_t n)
{
        mono_t limit;
        int left, zombies;

        for (uint64_t made = 0; made < n; made += CROWD) {
                int r = crowd_make(n - made < CROWD ? n - made : CROWD);
                if (r < 0) {
                        fprintf(stderr, "storm: %s\n", strerrordesc_np(-r));
                        return 2;
                }
        }
        limit = mono_add_ms(mono_read(), LIMIT_MS);
        while ((left = others(&zombies)) > 0 && !mono_due(limit, mono_read()))
                (void)poll(NULL, 0, 2);
        if (left > 0)
                fprintf(stderr, "storm: %d left, %d of them zombies\n", left, zombies);
        return left > 0;
}

static int signals_print(void)
{
        sigset_t set;
        int sig;

        sigfillset(&set);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        printf("ready\n");
        (void)fflush(stdout);
        while (sigwait(&set, &sig) == 0) {
                printf("%d\n", sig);
                (void)fflush(stdout);
                if (sig == SIGTERM)
                        return 0;
        }
        return 1;
}

static _Noreturn void stubborn(void)
{
        const struct sigaction ignore = {.sa_handler = SIG_IGN};

        for (int sig = 1; sig < NSIG; sig++)
                (void)sigaction(sig, &ignore, NULL);
        printf("ready\n");
        (void)fflush(stdout);
        for (;;)
                (void)pause();
}

/* Wait for one signal, without the races of a shell's trap. */
static void signal_await(int sig)
{
        sigset_t set;
        int got;

        sigemptyset(&set);
        sigaddset(&set, sig);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        (void)close(3); /* the other end of the pipe sees that we are ready */
        (void)sigwait(&set, &got);
}

static void job_run(void)
{
        const struct sigaction ignore = {.sa_handler = SIG_IGN};

        (void)sigaction(SIGHUP, &ignore, NULL);
        signal_await(SIGUSR2);
}

static void daemon_run(void)
{
        (void)setsid();
        if (fork() == 0)
                signal_await(SIGUSR2);
}

/* As an interactive one: SIGTERM means nothing to it. */
static void shell_run(void)
{
        const struct sigaction ignore = {.sa_handler = SIG_IGN};

        (void)sigaction(SIGTERM, &ignore, NULL);
        signal_await(SIGHUP);
        (void)close(open("history", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static int family(void)
{
        static void (*const members[])(void) = {job_run, daemon_run, shell_run};
        int gate[2];
        char c;

        if (pipe(gate) < 0 || dup2(gate[1], 100) < 0 || close(gate[1]) < 0 ||
            dup2(gate[0], 101) < 0 || close(gate[0]) < 0 || dup2(100, 3) < 0 || close(100) < 0)
                return 1;
        for (size_t i = 0; i < ARRAY_LEN(members); i++) {
                if (fork() == 0) {
                        members[i]();
                        _exit(0);
                }
        }
        (void)close(3);
        if (read(101, &c, 1) != 0) /* the end: everyone has closed it */
                return 1;
        (void)close(open("ready", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        signal_await(SIGTERM);
        return 0;
}

int main(int argc, char **argv)
{
        uint64_t n;

        if (argc == 3 && strcmp(argv[1], "storm") == 0 &&
            num_parse_u64(argv[2], 1, 1000000, &n) == 0)
                return storm(n);
        if (argc == 2 && strcmp(argv[1], "signals") == 0)
                return signals_print();
        if (argc == 2 && strcmp(argv[1], "stubborn") == 0)
                stubborn();
        if (argc == 2 && strcmp(argv[1], "family") == 0)
                return family();
        return 64;
}
