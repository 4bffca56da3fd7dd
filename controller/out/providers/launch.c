#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "out/providers/launch.h"

/* Where the child keeps its two pipes; everything above is closed. */
#define FD_STATUS 3
#define FD_GO 4

static const struct {
        const char *what, *cure;
} steps[] = {
#define LAUNCH_STEP(id, what, cure) [LAUNCH_##id] = {what, cure},
#include "out/providers/launch_step.def"
#undef LAUNCH_STEP
};
static_assert(ARRAY_LEN(steps) == LAUNCH_STEP_MAX, "a text for each step");

const char *launch_step_what(enum launch_step s)
{
        return steps[s].what;
}

const char *launch_step_cure(enum launch_step s)
{
        return steps[s].cure;
}

/* ---- everything below runs in the child: plain system calls only ---- */

static _Noreturn void fault(enum launch_step step, int error)
{
        struct launch_fault f = {.step = (int32_t)step, .error = error};
        ssize_t r = write(FD_STATUS, &f, sizeof(f));

        (void)r;
        _exit(125);
}

/* Detached copy of the mount tree at `path`, made while the path can still be seen. */
static int tree_take(const char *path, enum launch_step step)
{
        int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

        if (fd < 0)
                fault(step, errno);
        return fd;
}

static void tree_put(int fd, const char *path, uint64_t attributes, enum launch_step step)
{
        struct mount_attr attr = {.attr_set = attributes};

        if (attributes &&
            mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                fault(step, errno);
        if (move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                fault(step, errno);
        close(fd);
}

static void make_dir(const char *path, mode_t mode, enum launch_step step)
{
        if (mkdir(path, mode) < 0 && errno != EEXIST)
                fault(step, errno);
}

/* An empty file to bind on, with the folders above it; `path` is below a tmpfs of ours. */
static void make_file_at(const char *path, enum launch_step step)
{
        char part[LAUNCH_PATH];
        size_t i;
        int fd;

        for (i = 0; path[i] && i < sizeof(part) - 1; i++) {
                if (path[i] == '/' && i > 0) {
                        part[i] = '\0';
                        if (mkdir(part, 0755) < 0 && errno != EEXIST)
                                fault(step, errno);
                }
                part[i] = path[i];
        }
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
                fault(step, errno);
        close(fd);
}

static void mount_tmpfs(const char *path, const char *options, enum launch_step step)
{
        if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
                fault(step, errno);
}

static void write_map(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        size_t n = strlen(text);

        if (fd < 0 || write(fd, text, n) != (ssize_t)n)
                fault(LAUNCH_MAP, errno);
        close(fd);
}

static void build_user(const struct launch_plan *plan)
{
        if (plan->cage != LAUNCH_USER)
                return;
        write_map("/proc/self/setgroups", "deny");
        write_map("/proc/self/uid_map", plan->uid_map);
        write_map("/proc/self/gid_map", plan->gid_map);
}

/* The folders of the task over /home, /run, /tmp; the program files below /run/ws. */
static void build_files(const struct launch_plan *plan)
{
        const uint64_t inert = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        int home = tree_take(plan->home, LAUNCH_HOME);
        int run = tree_take(plan->run, LAUNCH_RUN);
        int tmp = tree_take(plan->tmp, LAUNCH_TMP);
        int var_tmp = tree_take(plan->tmp, LAUNCH_TMP);
        int passwd = tree_take(plan->passwd, LAUNCH_ACCOUNTS);
        int group = tree_take(plan->group, LAUNCH_ACCOUNTS);
        int agent = tree_take(plan->agent, LAUNCH_AGENT);
        int worker = tree_take(plan->worker, LAUNCH_AGENT);
        int app = plan->bind_src[0] ? tree_take(plan->bind_src, LAUNCH_APP) : -1;
        int resolv = plan->resolv[0] ? tree_take(plan->resolv, LAUNCH_RESOLV) : -1;

        if (plan->hide[0])
                mount_tmpfs(plan->hide, "mode=0700,size=4k", LAUNCH_HIDE);
        mount_tmpfs("/home", "mode=0755,size=64k", LAUNCH_HOME);
        make_dir("/home/student", 0755, LAUNCH_HOME);
        tree_put(home, "/home/student", inert, LAUNCH_HOME);

        /* The host's /run has sockets (docker, dbus) that are no student's business. */
        mount_tmpfs("/run", "mode=0755,size=1m", LAUNCH_RUN);
        make_dir("/run/ws", 0755, LAUNCH_RUN);
        if (resolv >= 0) {
                make_file_at(plan->resolv, LAUNCH_RESOLV);
                tree_put(resolv, plan->resolv, inert | MOUNT_ATTR_RDONLY, LAUNCH_RESOLV);
        }
        tree_put(run, "/run/ws", inert, LAUNCH_RUN);
        tree_put(agent, "/run/ws/bin/wsagent", inert | MOUNT_ATTR_RDONLY, LAUNCH_AGENT);
        tree_put(worker, "/run/ws/bin/wsagent-worker", inert | MOUNT_ATTR_RDONLY, LAUNCH_AGENT);
        if (app >= 0)
                tree_put(app, plan->bind_dst, inert | MOUNT_ATTR_RDONLY, LAUNCH_APP);

        tree_put(tmp, "/tmp", inert, LAUNCH_TMP);
        if (access("/var/tmp", F_OK) == 0)
                tree_put(var_tmp, "/var/tmp", inert, LAUNCH_TMP);
        tree_put(passwd, "/etc/passwd", inert | MOUNT_ATTR_RDONLY, LAUNCH_ACCOUNTS);
        tree_put(group, "/etc/group", inert | MOUNT_ATTR_RDONLY, LAUNCH_ACCOUNTS);
}

static void build_kernel(const struct launch_plan *plan)
{
        const char *pts = plan->pts_gid ? "newinstance,ptmxmode=0666,mode=0620,gid=5"
                                        : "newinstance,ptmxmode=0666,mode=0620";

        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                fault(LAUNCH_PROC, errno);
        if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, pts) < 0)
                fault(LAUNCH_PTS, errno);
        if (mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) < 0)
                fault(LAUNCH_PTS, errno);
        mount_tmpfs("/dev/shm", "mode=1777,size=256m", LAUNCH_SHM);
        /* Shared by all tasks otherwise; of the new IPC namespace now. Absent on some machines. */
        if (mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 &&
            errno != ENOENT && errno != ENODEV && errno != EPERM)
                fault(LAUNCH_SHM, errno);
}

static void reset_signals(void)
{
        struct sigaction sa = {.sa_handler = SIG_DFL};
        sigset_t none;
        int s;

        for (s = 1; s < NSIG; s++)
                (void)sigaction(s, &sa, NULL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The pipes first: everything after this can report. */
static void take_descriptors(const struct launch_plan *plan)
{
        if (dup3(plan->status_fd, FD_STATUS, O_CLOEXEC) < 0 ||
            dup3(plan->go_fd, FD_GO, O_CLOEXEC) < 0)
                _exit(125);
        if (dup2(plan->null_fd, 0) < 0 || dup2(plan->log_fd, 1) < 0 || dup2(plan->log_fd, 2) < 0)
                fault(LAUNCH_STDIO, errno);
        if (close_range(FD_GO + 1, ~0U, 0) < 0)
                fault(LAUNCH_STDIO, errno);
}

static _Noreturn void child_run(const struct launch_plan *plan)
{
        char go = 0;
        ssize_t r;

        reset_signals();
        (void)setsid();
        (void)umask(022);
        take_descriptors(plan);
        do
                r = read(FD_GO, &go, 1);
        while (r < 0 && errno == EINTR);
        /* The controller went before it wrote the pid file: nobody would ever find this task. */
        if (r != 1 || go != 1)
                _exit(125);
        if (plan->cage != LAUNCH_PLAIN) {
                build_user(plan);
                if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                        fault(LAUNCH_PRIVATE, errno);
                build_files(plan);
                build_kernel(plan);
        }
        if (chdir("/") < 0)
                fault(LAUNCH_EXEC, errno);
        execve(plan->argv[0], plan->argv, plan->envp);
        fault(LAUNCH_EXEC, errno);
}

/* ---- the parent's side ---- */

static uint64_t cage_flags(enum launch_cage cage)
{
        switch (cage) {
        case LAUNCH_ROOT:
                return CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
        case LAUNCH_USER:
                return CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
        case LAUNCH_PLAIN:
                return 0;
        }
        return 0;
}

/*
 * Raw clone3 without CLONE_VM is fork without the library's handlers; signals are blocked
 * meanwhile, so that no handler of ours runs in the child. Returns like fork.
 */
static pid_t clone_blocked(uint64_t flags, int *ret_pidfd)
{
        int pidfd = -1, error;
        struct clone_args args = {
                .flags = flags | CLONE_PIDFD,
                .pidfd = (uint64_t)(uintptr_t)&pidfd,
                .exit_signal = SIGCHLD,
        };
        sigset_t all, old;
        long pid;

        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        pid = syscall(SYS_clone3, &args, sizeof(args));
        error = errno;
        if (pid == 0)
                return 0;
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (pid < 0)
                return -error;
        *ret_pidfd = pidfd; /* CLONE_PIDFD descriptors are CLOEXEC */
        return (pid_t)pid;
}

pid_t launch_clone(const struct launch_plan *plan, int *ret_pidfd)
{
        pid_t pid = clone_blocked(cage_flags(plan->cage), ret_pidfd);

        if (pid == 0)
                child_run(plan);
        return pid;
}

static _Noreturn void probe_run(const struct launch_plan *plan)
{
        const char *opts = "newinstance,ptmxmode=0666,mode=0620";

        reset_signals();
        (void)close_range(FD_STATUS, ~0U,
                          0); /* a fault report goes nowhere, not to someone's file */
        build_user(plan);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/home", "tmpfs", MS_NOSUID | MS_NODEV, "size=4k") < 0 ||
            mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
            mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, opts) < 0)
                _exit(1);
        _exit(0);
}

void launch_map_self(struct launch_plan *plan)
{
        (void)snprintf(plan->uid_map, sizeof(plan->uid_map), "%u %u 1", geteuid(), geteuid());
        (void)snprintf(plan->gid_map, sizeof(plan->gid_map), "%u %u 1", getegid(), getegid());
}

bool launch_possible(enum launch_cage cage)
{
        static struct launch_plan plan;
        siginfo_t info = {0};
        AUTO_CLOSE pidfd = -1;
        pid_t pid;

        if (cage == LAUNCH_PLAIN)
                return true;
        if (cage == LAUNCH_ROOT && geteuid() != 0)
                return false;
        plan.cage = cage;
        launch_map_self(&plan);
        pid = clone_blocked(cage_flags(cage), &pidfd);
        if (pid == 0)
                probe_run(&plan);
        if (pid < 0)
                return false;
        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0) {
                if (errno != EINTR)
                        return false;
        }
        return info.si_code == CLD_EXITED && info.si_status == 0;
}

pid_t launch_errand(int (*fn)(const void *ctx), const void *ctx, int keep_fd, int *ret_pidfd)
{
        pid_t pid = clone_blocked(0, ret_pidfd);

        if (pid == 0) {
                reset_signals();
                (void)setsid(); /* Ctrl-C is for the controller */
                if (keep_fd >= 0 && keep_fd != 3 && dup2(keep_fd, 3) < 0)
                        _exit(errno);
                (void)close_range(keep_fd < 0 ? 3 : 4, ~0U, 0);
                _exit(fn(ctx));
        }
        return pid;
}

bool launch_may_give_uids(void)
{
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
        const uint32_t need = 1U << CAP_CHOWN | 1U << CAP_SETUID | 1U << CAP_SETGID |
                              1U << CAP_KILL | 1U << CAP_DAC_OVERRIDE;

        return geteuid() == 0 && syscall(SYS_capget, &head, data) == 0 &&
               (data[0].effective & need) == need;
}

int launch_fd_raise(int fd, int *ret_fd)
{
        int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 16),
            r = fd < 0 || high < 0 ? -errno : 0;

        fd_close(fd);
        if (r == 0)
                *ret_fd = high;
        return r;
}

int launch_pipe(int *ret_read, int *ret_write)
{
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        r = launch_fd_raise(fds[0], ret_read);
        if (r < 0) {
                fd_close(fds[1]);
                return r;
        }
        return launch_fd_raise(fds[1], ret_write);
}
