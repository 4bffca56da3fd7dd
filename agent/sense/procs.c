#include "sense/procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "sense/procfs.h"

#define STAT_BYTES 1024 /* a line of some 300 bytes */
#define ARGV_BYTES 1024
#define ENV_BYTES 32768
#define TCP_BYTES_MAX (1024 * 1024)
#define LISTENERS_MAX 512
#define FDS_MAX 512
#define ANCESTORS_MAX 64
/* A sample costs some 10 us for a process: at this pace a thousandth of a core at most. */
#define PERIOD_PER_PROCESS_MS 20
#define PERIOD_MAX_MS 30000

struct procs {
        struct procs_config config;
        struct jobs *jobs;
        DIR *dir;
        uid_t uid;
        unsigned tick_ms;
        char self_comm[16];
        struct {
                pid_t pid; /* 0: not known */
                uint64_t start;
                bool seen;
        } app;
        bool listeners_known; /* in this sample */
        size_t n_listeners;
        uint64_t listeners[LISTENERS_MAX];
        char env[ENV_BYTES];
};

static uint64_t io_of(void *ctx, pid_t pid);
static bool listens(void *ctx, pid_t pid);

/* ---- single processes ---- */

/* Up to `size` bytes of /proc/<pid>/<name>; < 0 when it is gone or closed to us. */
static ssize_t read_file(const struct procs *p, pid_t pid, const char *name, char *dst, size_t size,
                         uid_t *ret_uid)
{
        char path[64];
        AUTO_CLOSE fd = -1;
        struct stat st;
        ssize_t len;

        (void)snprintf(path, sizeof(path), "%d/%s", pid, name);
        fd = openat(dirfd(p->dir), path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (ret_uid && fstat(fd, &st) < 0))
                return -1;
        /* The kernel cuts what it gives at `size` alone. */
        len = read(fd, dst, size);
        if (ret_uid)
                *ret_uid = st.st_uid;
        return len;
}

/* False: gone, or another user's. */
static bool read_stat(const struct procs *p, pid_t pid, struct jobs_process *ret_process)
{
        char text[STAT_BYTES];
        uid_t uid;
        ssize_t len = read_file(p, pid, "stat", text, sizeof(text), &uid);

        return len > 0 && uid == p->uid &&
               procfs_stat(text, (size_t)len, p->tick_ms, ret_process) == 0;
}

static ssize_t read_argv(const struct procs *p, pid_t pid, char argv[ARGV_BYTES])
{
        ssize_t len = read_file(p, pid, "cmdline", argv, ARGV_BYTES, NULL);

        return len > 0 ? len : 0;
}

/* Ourselves, init, and the other roles that run as the student: save, restore. */
static bool is_agent(const struct procs *p, const struct jobs_process *s)
{
        return s->pid == p->config.init || s->pid == getpid() ||
               (s->ppid == p->config.init && strcmp(s->comm, p->self_comm) == 0);
}

/* The next number in /proc; 0 at the end. */
static pid_t next_pid(const struct procs *p)
{
        struct dirent *e;
        uint64_t pid;

        while ((e = readdir(p->dir))) {
                if (num_parse_u64(e->d_name, 1, INT32_MAX, &pid) == 0)
                        return (pid_t)pid;
        }
        return 0;
}

/* ---- the app's main process ---- */

/* Who called listen(2) on the app's socket; 0 while nobody does. */
static pid_t find_listener(const struct procs *p)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        struct ucred peer;
        socklen_t len = sizeof(peer);
        AUTO_CLOSE fd = -1;

        if (!p->config.app_socket || STR_SET(to.sun_path, p->config.app_socket) < 0)
                return 0;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return 0;
        return peer.pid;
}

static void find_app(struct procs *p)
{
        struct jobs_process at;
        pid_t pid = find_listener(p);

        for (int i = 0; pid > 0 && i < ANCESTORS_MAX; i++) {
                if (!read_stat(p, pid, &at))
                        return;
                if (at.ppid == p->config.init) {
                        p->app.pid = at.pid;
                        p->app.start = at.start;
                        return;
                }
                pid = at.ppid;
        }
}

/* ---- sampling ---- */

static void add_words(struct procs *p, pid_t pid)
{
        char argv[ARGV_BYTES];
        ssize_t argv_len = read_argv(p, pid, argv), env_len = 0;

        if (jobs_wants_env(p->jobs))
                env_len = read_file(p, pid, "environ", p->env, sizeof(p->env), NULL);
        jobs_words(p->jobs, pid, argv, (size_t)argv_len, p->env, env_len > 0 ? (size_t)env_len : 0);
}

void procs_sample(struct procs *p, mono_t now, struct jobs_verdict *ret_verdict)
{
        struct jobs_process s;
        pid_t pid;

        p->listeners_known = false;
        /* Asked once in its life, not at each sample. */
        if (p->app.pid == 0)
                find_app(p);
        p->app.seen = false;
        jobs_begin(p->jobs, now, p->app.pid);
        rewinddir(p->dir);
        while ((pid = next_pid(p)) > 0) {
                if (!read_stat(p, pid, &s) || is_agent(p, &s))
                        continue;
                if (s.pid == p->app.pid && s.start == p->app.start)
                        p->app.seen = true;
                if (jobs_add(p->jobs, &s))
                        add_words(p, pid);
        }
        jobs_end(p->jobs, ret_verdict);
        if (!p->app.seen)
                p->app.pid = 0;
}

int64_t procs_period_ms(const struct procs *p)
{
        int64_t wanted = (int64_t)jobs_count(p->jobs) * PERIOD_PER_PROCESS_MS;
        int64_t period = MAX(JOBS_PERIOD_MS, MIN(wanted, PERIOD_MAX_MS));

        return period * p->config.window_ms / JOBS_WINDOW_MS;
}

/* ---- what jobs.h asks ---- */

static uint64_t io_of(void *ctx, pid_t pid)
{
        const struct procs *p = ctx;
        char text[512];
        ssize_t len = read_file(p, pid, "io", text, sizeof(text), NULL);
        uint64_t bytes;

        return len > 0 && procfs_io(text, (size_t)len, &bytes) == 0 ? bytes : JOBS_IO_UNKNOWN;
}

static void add_listeners(struct procs *p, const char *file)
{
        AUTO_BUF b = BUF_INIT(TCP_BYTES_MAX);
        const char *at, *end;

        /* Of a longer table (-ENOBUFS) what fits is looked at. */
        if (file_read(file, &b) < 0 && b.len == 0)
                return;
        at = (const char *)b.data;
        end = at + b.len;
        while (at < end) {
                const char *line_end = memchr(at, '\n', (size_t)(end - at));
                uint64_t inode;
                uid_t uid;

                if (!line_end)
                        return;
                if (procfs_tcp_listens(at, (size_t)(line_end - at), &uid, &inode) &&
                    uid == p->uid && p->n_listeners < LISTENERS_MAX)
                        p->listeners[p->n_listeners++] = inode;
                at = line_end + 1;
        }
}

static bool is_listener(const struct procs *p, int dir_fd, const char *name)
{
        char link[64];
        ssize_t len = readlinkat(dir_fd, name, link, sizeof(link));
        uint64_t inode;

        if (len <= 0 || !procfs_socket(link, (size_t)len, &inode))
                return false;
        for (size_t i = 0; i < p->n_listeners; i++) {
                if (p->listeners[i] == inode)
                        return true;
        }
        return false;
}

static bool listens(void *ctx, pid_t pid)
{
        struct procs *p = ctx;
        char path[64];
        AUTO_CLOSE fd = -1;
        DIR *dir;
        struct dirent *e;
        bool found = false;

        if (!p->listeners_known) {
                p->n_listeners = 0;
                add_listeners(p, "/proc/self/net/tcp");
                add_listeners(p, "/proc/self/net/tcp6");
                p->listeners_known = true;
        }
        if (p->n_listeners == 0)
                return false;
        (void)snprintf(path, sizeof(path), "%d/fd", pid);
        fd = openat(dirfd(p->dir), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return false;
        fd = -1; /* now the DIR's */
        for (int i = 0; i < FDS_MAX && !found && (e = readdir(dir)); i++)
                found = is_listener(p, dirfd(dir), e->d_name);
        closedir(dir);
        return found;
}

/* ---- terminals ---- */

/* As the kernel prints it in `stat`: new_encode_dev in include/linux/kdev_t.h. */
static uint32_t encode_device(dev_t d)
{
        return (minor(d) & 0xff) | (major(d) << 8) | ((minor(d) & ~0xffU) << 12);
}

enum procs_terminal procs_terminal(struct procs *p, dev_t terminal)
{
        uint32_t tty = encode_device(terminal);
        struct jobs_process s;
        char argv[ARGV_BYTES];
        pid_t pid;

        rewinddir(p->dir);
        while ((pid = next_pid(p)) > 0) {
                ssize_t len;

                if (!read_stat(p, pid, &s) || s.tty != tty || s.pid != s.session)
                        continue;
                len = s.ppid > 0 ? read_argv(p, s.ppid, argv) : 0;
                return jobs_argv_has(&p->config.rules->app_terminals, argv, (size_t)len)
                               ? PROCS_TERMINAL_APP
                               : PROCS_TERMINAL_OTHER;
        }
        return PROCS_TERMINAL_UNKNOWN;
}

/* ---- the whole ---- */

int procs_new(const struct procs_config *config, struct procs **ret_procs)
{
        struct procs *p = calloc(1, sizeof(*p));
        struct jobs_config jobs = {.rules = config->rules,
                                   .init = config->init,
                                   .window_ms = config->window_ms,
                                   .io = io_of,
                                   .listens = listens,
                                   .ctx = p};
        long ticks = sysconf(_SC_CLK_TCK);
        int r;

        if (!p)
                return -ENOMEM;
        p->config = *config;
        p->uid = geteuid();
        p->tick_ms = ticks > 0 && ticks <= 1000 ? (unsigned)(1000 / ticks) : 10;
        (void)prctl(PR_GET_NAME, p->self_comm);
        p->dir = opendir("/proc");
        r = p->dir ? jobs_new(&jobs, &p->jobs) : -errno;
        if (r < 0) {
                procs_free(p);
                return r;
        }
        *ret_procs = p;
        return 0;
}

struct procs *procs_free(struct procs *p)
{
        if (!p)
                return NULL;
        jobs_free(p->jobs);
        if (p->dir)
                closedir(p->dir);
        free(p);
        return NULL;
}
