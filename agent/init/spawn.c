#include "init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

#define EXIT_CANNOT_EXEC 126
#define EXIT_NOT_FOUND 127
/* Descriptors are first moved above every number that a child may want. */
#define FD_PARK 32
#define FDS_MAX 8

static void signals_reset(void)
{
        struct sigaction dfl = {.sa_handler = SIG_DFL};
        sigset_t none;

        for (int sig = 1; sig < NSIG; sig++)
                (void)sigaction(sig, &dfl, NULL); /* fails for KILL, STOP and libc's own */
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int privileges_drop(const struct spawn_user *u)
{
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        if (!u->drop)
                return 0;
        for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
                (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: older kernel */
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if (setgroups(0, NULL) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
            setresuid(u->uid, u->uid, u->uid) < 0)
                return -errno;
        return 0;
}

static int fds_place(const struct spawn *s)
{
        int parked[FDS_MAX];
        AUTO_CLOSE null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (s->n_fds > FDS_MAX)
                return -EINVAL;
        if (null < 0 || dup2(null, STDIN_FILENO) < 0)
                return -errno;
        for (size_t i = 0; i < s->n_fds; i++) {
                parked[i] = fcntl(s->fds[i].from, F_DUPFD_CLOEXEC, FD_PARK);
                if (parked[i] < 0)
                        return -errno;
        }
        /* All of ours are CLOEXEC; this is for what we were started with. ENOSYS before 5.11. */
        (void)syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
        for (size_t i = 0; i < s->n_fds; i++) {
                if (dup2(parked[i], s->fds[i].to) < 0)
                        return -errno;
        }
        return 0;
}

/* A default file for the app. A file that exists is the student's and stays. */
static int file_default(const char *home, const struct record_file *f)
{
        char path[PATH_MAX];
        char *slash;
        AUTO_CLOSE fd = -1;
        int r;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", home, f->path) >= sizeof(path))
                return -ENAMETOOLONG;
        slash = strrchr(path, '/');
        *slash = 0;
        r = dir_make(path, 0755);
        if (r < 0)
                return r;
        *slash = '/';
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return errno == EEXIST ? 0 : -errno;
        r = fd_write_all(fd, f->content, strlen(f->content));
        if (r < 0)
                (void)unlink(path);
        return r;
}

static void files_default(const struct spawn *s)
{
        for (uint32_t i = 0; s->home && i < s->record->head.n_files; i++) {
                int r = file_default(s->home, &s->record->files[i]);
                if (r < 0)
                        log_warn("default file not written",
                                 LOG_STR("path", s->record->files[i].path), LOG_ERR(r));
        }
}

/* Only returns on failure: -errno of the most telling attempt, as execvp does. */
static int exec_search(const struct spawn *s)
{
        char file[PATH_MAX];
        int result = -ENOENT;

        if (!s->path || strchr(s->argv[0], '/')) {
                (void)execve(s->argv[0], s->argv, s->env);
                return -errno;
        }
        for (const char *dir = s->path; *dir;) {
                size_t len = strcspn(dir, ":");
                int n = snprintf(file, sizeof(file), "%.*s/%s", (int)len, dir, s->argv[0]);

                if (n > 0 && (size_t)n < sizeof(file)) {
                        (void)execve(file, s->argv, s->env);
                        if (errno != ENOENT && errno != ENOTDIR && result == -ENOENT)
                                result = -errno;
                }
                dir += len;
                dir += *dir == ':';
        }
        return result;
}

/*
 * Where the kernel groups processes by session (sched(7), autogroup), a process's own value counts
 * within its session only, and the session's is in /proc. Being less nice is no failure.
 */
static void stand_back(int nice)
{
        char text[8];
        int n = snprintf(text, sizeof(text), "%d", nice);
        AUTO_CLOSE fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

        if (setpriority(PRIO_PROCESS, 0, nice) < 0)
                log_warn("priority not lowered", LOG_ERR(errno));
        if (fd >= 0 && write(fd, text, (size_t)n) < 0)
                log_debug("session's priority not lowered", LOG_ERR(errno));
}

static void stand_back_at_disk(void)
{
        if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                    IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) < 0)
                log_debug("the disk's priority not lowered", LOG_ERR(errno));
}

static int child_setup(const struct spawn *s, pid_t parent)
{
        int r;

        (void)setsid();
        (void)umask(022);
        if (s->nice)
                stand_back(s->nice);
        if (s->disk_idle)
                stand_back_at_disk();
        r = fds_place(s);
        if (r < 0)
                return r;
        r = privileges_drop(&s->user);
        if (r < 0)
                return r;
        /* Behind the change of user, which clears it. */
        if (s->death_signal && prctl(PR_SET_PDEATHSIG, s->death_signal, 0, 0, 0) < 0)
                return -errno;
        if (s->death_signal && getppid() != parent)
                return -ESRCH; /* it died before we asked to be told */
        files_default(s);
        if (s->cwd && (r = dir_make(s->cwd, 0755)) < 0)
                return r;
        if (chdir(s->cwd ? s->cwd : "/") < 0)
                return -errno;
        return s->confine ? confine_self(s->confine) : 0;
}

static _Noreturn void child_fail(const char *msg, const char *file, int r)
{
        log_error(msg, LOG_STR("file", file), LOG_ERR(r));
        _exit(r == -ENOENT || r == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC);
}

/* As fork: in the child, set up, 0. */
static pid_t child_fork(const struct spawn *s)
{
        pid_t parent = getpid();
        pid_t pid = fork();
        int r;

        if (pid != 0)
                return pid < 0 ? -errno : pid;
        signals_reset();
        r = child_setup(s, parent);
        if (r < 0) {
                log_error("child not set up", LOG_STR("file", s->argv[0]), LOG_ERR(r));
                _exit(EXIT_CANNOT_EXEC);
        }
        return 0;
}

int spawn_start(const struct spawn *s, pid_t *ret_pid)
{
        pid_t pid = child_fork(s);

        if (pid < 0)
                return pid;
        if (pid == 0)
                child_fail("exec failed", s->argv[0], exec_search(s));
        *ret_pid = pid;
        return 0;
}

static int give(const struct spawn *s, int fd)
{
        int r = fd_write_all(fd, s->cwd, strlen(s->cwd) + 1);

        for (char *const *var = s->env; *var && r == 0; var++)
                r = fd_write_all(fd, *var, strlen(*var) + 1);
        return r == 0 ? fd_write_all(fd, "", 1) : r;
}

int spawn_give(const struct spawn *s, int fd)
{
        pid_t pid = child_fork(s);
        int r;

        if (pid != 0)
                return pid < 0 ? pid : 0;
        r = give(s, fd);
        if (r < 0)
                log_error("the environment was not handed over", LOG_ERR(r));
        _exit(r < 0 ? EXIT_CANNOT_EXEC : 0);
}

/* A background process that sets the foreground group is stopped by SIGTTOU; so block it first. */
static void terminal_take(void)
{
        sigset_t ttou;

        if (!isatty(STDIN_FILENO))
                return;
        sigemptyset(&ttou);
        sigaddset(&ttou, SIGTTOU);
        (void)sigprocmask(SIG_BLOCK, &ttou, NULL);
        (void)tcsetpgrp(STDIN_FILENO, getpgrp());
}

int spawn_plain(char *const *argv, pid_t *ret_pid)
{
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid > 0) {
                *ret_pid = pid;
                return 0;
        }
        (void)setpgid(0, 0);
        terminal_take();
        signals_reset();
        (void)execvp(argv[0], argv);
        child_fail("exec failed", argv[0], -errno);
}
