#include "init/start.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/str.h"
#include "init/job.h"
#include "init/reap.h"
#include "roles.h"

#define EXIT_OS 71
#define EXIT_CONFIG 78
#define COMPILE_LIMIT_MS 20000
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define LISTEN_BACKLOG 256
#define SECRET_LIMIT_MS 30000
#define SECRET_SIZE (6144 + 64) /* or a request for a save (STORAGE.md) */
#define WORKED_PATH_SIZE (PATH_MAX + 8)
#define RESCUE_WORD "rescue "
#define SCOPES_SINCE 6 /* of Landlock: signals stay inside */

/* Enrolment: for link alone. */
static const char *const credential_vars[] = {"WS_TASK_ID", "WS_TASK_SECRET", "WS_CONTROLLER"};

static int dir_own(const char *path, mode_t mode, const struct spawn_user *user, gid_t gid)
{
        int r = dir_make(path, 0755);

        if (r < 0)
                return r;
        /* chmod behind chown, which clears the setgid bit. */
        if ((user->drop && lchown(path, user->uid, gid) < 0) || chmod(path, mode) < 0)
                return -errno;
        return 0;
}

/* A home that is there keeps its mode; one that is not is made. */
static int home_make(const struct config *c)
{
        if (access(c->home, F_OK) == 0)
                return 0;
        return dir_own(c->home, 0700, &c->student, c->student.gid);
}

/* The socket's folder is its owner's; `other` may pass and connect, nobody else may. */
static int socket_dir_make(const char *socket, const struct spawn_user *owner,
                           const struct spawn_user *other)
{
        char dir[PATH_MAX];

        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(socket, '/') - socket), socket);
        /* Files made there belong to the group of `other`. */
        return dir_own(dir, owner->drop ? 02710 : 0700, owner, other->gid);
}

static int dirs_make(const struct config *c)
{
        int r = dir_make(c->run_dir, 0755);

        if (r == 0)
                r = socket_dir_make(c->app_socket, &c->student, &c->gate);
        if (r == 0)
                r = socket_dir_make(c->notice_socket, &c->gate, &c->student);
        if (r == 0)
                r = dir_own(c->prime_home, 0700, &c->student, c->student.gid);
        if (r == 0)
                r = dir_own(c->save_dir, 0700, &c->student, c->student.gid);
        if (r == 0)
                r = home_make(c);
        if (r < 0)
                log_error("cannot make the folders", LOG_STR("run_dir", c->run_dir),
                          LOG_STR("home", c->home), LOG_ERR(r));
        return r < 0 ? EXIT_OS : 0;
}

static int listen_open(const struct config *c, int *ret_fd)
{
        struct sockaddr_in a = c->listen;
        socklen_t len = sizeof(a);
        char host[INET_ADDRSTRLEN], text[64], path[PATH_MAX];
        const int one = 1;
        int r;
        AUTO_CLOSE fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
            listen(fd, LISTEN_BACKLOG) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
                return -errno;
        (void)inet_ntop(AF_INET, &a.sin_addr, host, sizeof(host));
        (void)snprintf(text, sizeof(text), "%s:%u\n", host, ntohs(a.sin_port));
        if ((size_t)snprintf(path, sizeof(path), "%s/gate.addr", c->run_dir) >= sizeof(path))
                return -ENAMETOOLONG;
        r = file_write_atomic(path, text, strlen(text), 0644);
        if (r < 0)
                return r;
        *ret_fd = STEAL(fd, -1);
        return 0;
}

/* Held here, so that a gate that is started again knows which links were used; nobody resizes it.
 */
static int used_make(int *ret_fd)
{
        AUTO_CLOSE fd = memfd_create("used", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || ftruncate(fd, ROLE_USED_BYTES) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        *ret_fd = STEAL(fd, -1);
        return 0;
}

static int env_paths(struct env *e, const struct config *c, const char *home, const char *workspace)
{
        const struct {
                const char *name, *value;
        } vars[] = {
                {"PATH", PATH_DEFAULT},
                {"HOME", home},
                {"USER", c->user_name},
                {"LOGNAME", c->user_name},
                {"LANG", getenv("LANG")},
                {"TZ", getenv("TZ")},
                {"WS_PROFILE", c->profile},
                {"WS_RUN_DIR", c->run_dir},
                {"WS_HOME", home},
                {"WS_WORKSPACE", workspace},
                {"WS_APP_SOCKET", c->app_socket},
                {"WS_NOTICE_SOCKET", c->notice_socket},
        };
        int r = 0;

        for (size_t i = 0; i < ARRAY_LEN(vars) && r == 0; i++) {
                if (vars[i].value)
                        r = env_set(e, vars[i].name, vars[i].value);
        }
        if (r == 0 && !getenv("LANG"))
                r = env_set(e, "LANG", "C.UTF-8");
        return r;
}

static int app_env(struct app_plan *p, const struct config *c)
{
        int r = env_paths(&p->env, c, p->home, p->workspace);

        if (r == 0)
                r = env_set(&p->env, "PATH", p->record.path);
        if (r == 0)
                r = env_set(&p->env, "TERM", "xterm-256color");
        if (r == 0)
                r = env_set(&p->env, "SHELL",
                            access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh");
        for (uint32_t i = 0; i < p->record.head.n_env && r == 0; i++)
                r = env_put(&p->env, p->record.env[i]);
        return r;
}

/* Overwrite what /proc/PID/environ shows. */
static void credential_wipe(void)
{
        for (size_t i = 0; i < ARRAY_LEN(credential_vars); i++) {
                char *value = getenv(credential_vars[i]);

                if (value)
                        explicit_bzero(value, strlen(value));
                (void)unsetenv(credential_vars[i]);
        }
}

/* "rescue REQUEST": this run is for one save of what an earlier one has left. 0 or -errno. */
static int rescue_take(struct start *s, const char *request)
{
        s->rescue = job_request(request, strlen(request));
        return MIN(s->rescue, 0);
}

/*
 * WS_SECRET_FROM=stdin: the secret comes as a line on standard input, so that it stands in no
 * environment that a container engine shows. 0, or an exit code.
 */
static int secret_read(struct start *s)
{
        mono_t limit = mono_add_ms(mono_read(), SECRET_LIMIT_MS);
        const char *from = getenv("WS_SECRET_FROM");
        static char text[SECRET_SIZE];
        ssize_t n = 1;
        size_t len = 0;
        int r;

        if (!from)
                return 0;
        while (n > 0 && len < sizeof(text) - 1 && !strchr(text, '\n')) {
                struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
                int64_t wait_ms = MAX(mono_diff_ms(mono_read(), limit), 0);

                n = poll(&p, 1, (int)wait_ms);
                if (n > 0)
                        n = read(STDIN_FILENO, text + len, sizeof(text) - 1 - len);
                len += (size_t)MAX(n, 0);
        }
        n = (ssize_t)strcspn(text, "\n");
        r = strcmp(from, "stdin") == 0 && text[n] == '\n' && n > 0 ? 0 : -EINVAL;
        text[n] = 0;
        if (r == 0)
                r = str_starts(text, RESCUE_WORD) ? rescue_take(s, text + strlen(RESCUE_WORD))
                                                  : env_set(&s->link_env, "WS_TASK_SECRET", text);
        explicit_bzero(text, sizeof(text));
        if (r < 0)
                log_error("WS_SECRET_FROM: no secret came; it must be stdin, where whoever starts "
                          "this writes one line",
                          LOG_STR("value", from), LOG_ERR(r));
        return r < 0 ? EXIT_CONFIG : 0;
}

/*
 * WS_RUN_DIR/worked: "0", and from the first start of the app for a person on "1". It is written at
 * the very first start only and changed in place, so that a full disk cannot make it say less.
 */
static void worked_path(const struct start *s, char dst[static WORKED_PATH_SIZE])
{
        (void)snprintf(dst, WORKED_PATH_SIZE, "%s/worked", s->config.run_dir);
}

static bool is_unused(const struct start *s)
{
        char path[WORKED_PATH_SIZE], mark = '1';
        AUTO_CLOSE fd = -1;

        worked_path(s, path);
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0 && read(fd, &mark, 1) == 1 && mark == '0';
}

static void unused_note(const struct start *s)
{
        char path[WORKED_PATH_SIZE];
        AUTO_CLOSE fd = -1;

        worked_path(s, path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0 && write(fd, "0", 1) != 1)
                (void)unlink(path);
}

void start_note_worked(const struct start *s)
{
        char path[WORKED_PATH_SIZE];
        AUTO_CLOSE fd = -1;

        worked_path(s, path);
        fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && pwrite(fd, "1", 1, 0) != 1 && unlink(path) < 0)
                log_error("not noted that somebody works here", LOG_ERR(errno));
}

static int role_envs(struct start *s)
{
        int r = secret_read(s);

        if (r)
                return r;
        if (s->rescue < 0)
                unused_note(s);
        (void)unsetenv("WS_SECRET_FROM");
        r = env_copy(&s->link_env, "WS_");
        if (r == 0)
                r = env_paths(&s->link_env, &s->config, s->config.home, s->config.workspace);
        credential_wipe();
        if (r == 0)
                r = env_copy(&s->role_env, "WS_");
        if (r == 0)
                r = env_set(&s->role_env, ROLE_UNUSED_ENV,
                            s->rescue >= 0 && is_unused(s) ? "1" : "0");
        if (r == 0)
                r = env_paths(&s->role_env, &s->config, s->config.home, s->config.workspace);
        if (r < 0)
                log_error("environment too large", LOG_INT("bytes_max", ENV_BYTES_MAX));
        return r < 0 ? EXIT_CONFIG : 0;
}

/* The whole output of `fd`, within the limit. Bytes or -errno. */
static int output_read(int fd, char *dst, size_t size)
{
        mono_t limit = mono_add_ms(mono_read(), COMPILE_LIMIT_MS);
        size_t len = 0;

        for (;;) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                int64_t wait_ms = mono_diff_ms(mono_read(), limit);
                ssize_t n;

                if (wait_ms <= 0)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int)wait_ms) <= 0)
                        continue;
                n = read(fd, dst + len, size - len);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return len == size ? -EFBIG : (int)len;
                len += (size_t)n;
        }
}

static int compile(const struct config *c, struct app_plan *p, char *bytes, size_t size)
{
        static struct env env;
        char *const argv[] = {(char *)(uintptr_t)c->worker, (char *)(uintptr_t) "profile",
                              (char *)(uintptr_t) "--compile", (char *)(uintptr_t)c->profile, NULL};
        struct spawn spawn = {.argv = argv, .env = env.vars, .user = c->student, .n_fds = 1};
        AUTO_CLOSE out = -1;
        int pipe[2], r, status = 0;
        pid_t pid;

        env = (struct env){0};
        r = env_paths(&env, c, p->home, p->workspace);
        if (r < 0)
                return r;
        if (pipe2(pipe, O_CLOEXEC) < 0)
                return -errno;
        out = pipe[0];
        spawn.fds = (const struct spawn_fd[]){{pipe[1], STDOUT_FILENO}};
        r = spawn_start(&spawn, &pid);
        (void)fd_close(pipe[1]);
        if (r < 0)
                return r;
        r = output_read(out, bytes, size);
        if (r < 0)
                (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (r < 0)
                return r;
        if (reap_code(status) != 0)
                return -EINVAL; /* it has said why */
        return record_open(bytes, (size_t)r, &p->record);
}

/* What the app and all that it starts may write: its home, its socket's folder, the profile's. */
static void plan_confine(struct app_plan *p, const char *socket_dir)
{
        size_t n = 0;

        p->folders[n++] = p->home;
        p->folders[n++] = p->workspace;
        p->folders[n++] = socket_dir;
        for (uint32_t i = 0; i < p->record.head.n_write; i++)
                p->folders[n++] = p->record.write[i];
        p->confine = (struct confine){
                .folders = p->folders,
                .n_folders = n,
                .limits = {.processes = p->record.head.processes, .files = p->record.head.files},
        };
}

static int plan_make(const struct config *c, struct app_plan *p, char *bytes, size_t size)
{
        int r = compile(c, p, bytes, size);

        if (r == 0)
                r = app_env(p, c);
        if (r < 0)
                log_error("profile cannot be used", LOG_STR("profile", c->profile),
                          LOG_STR("worker", c->worker), LOG_ERR(r));
        return r < 0 ? EXIT_CONFIG : 0;
}

/* Priming's, and where to wait. */
static int ahead_env(struct start *s)
{
        char var[32];

        if (!s->prime.record.head.n_ahead)
                return 0;
        for (size_t i = 0; i < s->prime.env.n; i++) {
                if (env_put(&s->ahead_env, s->prime.env.vars[i]) < 0)
                        return -ENOBUFS;
        }
        (void)snprintf(var, sizeof(var), "WS_AHEAD_FD=%d", START_AHEAD_FD);
        return env_put(&s->ahead_env, var);
}

/* Who runs this shall know what protects them, and what does not. */
static void landlock_tell(const struct spawn_user *student)
{
        int version = confine_landlock();

        if (version >= SCOPES_SINCE)
                return;
        log_warn(version == 0 ? "no Landlock in this kernel: users and modes alone keep the "
                                "student's programs from the agent's processes and other folders"
                              : "an old Landlock: the student's programs cannot be kept from "
                                "signalling the save, restore and sense roles",
                 LOG_INT("landlock", version), LOG_INT("shared_user", !student->drop));
}

int start_process(void)
{
        /* Nothing that we were started with reaches a child. ENOSYS before 5.9. */
        (void)syscall(SYS_close_range, 3, ~0U, 0);
        /* Nobody of our own user reads our memory: it holds the credential for link. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                return -errno;
        return chdir("/") < 0 ? -errno : 0; /* keeps no mount busy */
}

int start_pair(int fds[2])
{
        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

int start_prepare(int argc, char **argv, struct start *s)
{
        static char app_bytes[RECORD_SIZE_MAX + 1], prime_bytes[RECORD_SIZE_MAX + 1];
        static char prime_workspace[PATH_MAX], socket_dir[PATH_MAX];
        struct config *c = &s->config;
        int r = config_read(argc, argv, c);

        s->rescue = -1;
        if (r)
                return r;
        log_init("init", c->log_level);
        if ((size_t)snprintf(prime_workspace, sizeof(prime_workspace), "%s/workspace",
                             c->prime_home) >= sizeof(prime_workspace))
                return EXIT_CONFIG;
        s->app.home = c->home;
        s->app.workspace = c->workspace;
        s->prime.home = c->prime_home;
        s->prime.workspace = prime_workspace;
        if ((r = dirs_make(c)) || (r = role_envs(s)) ||
            (r = plan_make(c, &s->app, app_bytes, sizeof(app_bytes))) ||
            (r = plan_make(c, &s->prime, prime_bytes, sizeof(prime_bytes))))
                return r;
        STR_CUT(socket_dir, c->app_socket);
        *strrchr(socket_dir, '/') = 0;
        plan_confine(&s->app, socket_dir);
        plan_confine(&s->prime, socket_dir);
        landlock_tell(&c->student);
        r = ahead_env(s);
        if (r < 0) {
                log_error("environment too large", LOG_INT("bytes_max", ENV_BYTES_MAX));
                return EXIT_CONFIG;
        }
        r = listen_open(c, &s->listen);
        if (r < 0) {
                log_error("cannot listen for the gate",
                          LOG_STR("address", inet_ntoa(c->listen.sin_addr)),
                          LOG_INT("port", ntohs(c->listen.sin_port)), LOG_ERR(r));
                return EXIT_OS;
        }
        r = used_make(&s->used);
        if (r < 0)
                log_error("no memory for used links", LOG_ERR(r));
        return r < 0 ? EXIT_OS : 0;
}
