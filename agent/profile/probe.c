/* wsagent-worker probe: what the kernel and the runtime allow here. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "roles.h"

#define CGROUP2_MAGIC 0x63677270
#define EXIT_USAGE 64
#define VALUE_MAX 128

typedef void (*probe_fn)(char value[VALUE_MAX], const char *arg);

/* Above, "-" stands for what cannot be found out. */
static void value_set(char value[VALUE_MAX], const char *text, size_t len)
{
        if (len >= VALUE_MAX)
                len = VALUE_MAX - 1;
        memcpy(value, text, len);
        value[len] = 0;
}

static void probe_kernel(char value[VALUE_MAX], const char *arg)
{
        struct utsname u;

        (void)arg;
        if (uname(&u) == 0)
                (void)snprintf(value, VALUE_MAX, "%.60s %.60s", u.release, u.machine);
}

/* One line of /proc/self/status. */
static void probe_status(char value[VALUE_MAX], const char *arg)
{
        AUTO_BUF text = BUF_INIT(16384);
        const char *at;

        if (file_read("/proc/self/status", &text) < 0)
                return;
        at = strstr((const char *)text.data, arg);
        if (!at)
                return;
        at += strlen(arg);
        at += strspn(at, ": \t");
        value_set(value, at, strcspn(at, "\n"));
}

static void probe_file(char value[VALUE_MAX], const char *arg)
{
        AUTO_BUF text = BUF_INIT(4096);

        if (file_read(arg, &text) == 0)
                value_set(value, (const char *)text.data, strcspn((const char *)text.data, "\n"));
}

static void probe_landlock(char value[VALUE_MAX], const char *arg)
{
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

        (void)arg;
        if (abi < 0)
                (void)snprintf(value, VALUE_MAX, "none (%s)", strerrorname_np(errno));
        else
                (void)snprintf(value, VALUE_MAX, "%ld", abi);
}

/* In a child, because it cannot be undone. */
static void probe_unshare(char value[VALUE_MAX], const char *arg)
{
        int flags = strcmp(arg, "user") == 0 ? CLONE_NEWUSER : CLONE_NEWPID;
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
                _exit(unshare(flags) == 0 ? 0 : errno);
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
                return;
        if (WEXITSTATUS(status) == 0)
                value_set(value, "allowed", strlen("allowed"));
        else
                (void)snprintf(value, VALUE_MAX, "refused (%s)",
                               strerrorname_np(WEXITSTATUS(status)));
}

static void probe_cgroup(char value[VALUE_MAX], const char *arg)
{
        struct statfs fs;

        (void)arg;
        if (statfs("/sys/fs/cgroup", &fs) == 0)
                (void)snprintf(value, VALUE_MAX, "%s", fs.f_type == CGROUP2_MAGIC ? "v2" : "v1");
}

static void probe_ids(char value[VALUE_MAX], const char *arg)
{
        (void)arg;
        (void)snprintf(value, VALUE_MAX, "uid %u gid %u pid %d parent %d", getuid(), getgid(),
                       (int)getpid(), (int)getppid());
}

static const struct {
        const char *key;
        probe_fn fn;
        const char *arg;
        const char *help;
} probes[] = {
        {"kernel", probe_kernel, NULL, "release and machine"},
        {"ids", probe_ids, NULL, "who asks"},
        {"cap_effective", probe_status, "\nCapEff", "capabilities in effect, bit mask"},
        {"cap_bounding", probe_status, "\nCapBnd", "capabilities that can ever be had"},
        {"no_new_privs", probe_status, "\nNoNewPrivs", "1: set-uid programs gain nothing"},
        {"seccomp", probe_status, "\nSeccomp", "0 none, 1 strict, 2 filter"},
        {"landlock_abi", probe_landlock, NULL, "version of Landlock"},
        {"inotify_watches", probe_file, "/proc/sys/fs/inotify/max_user_watches", "per user"},
        {"inotify_instances", probe_file, "/proc/sys/fs/inotify/max_user_instances", "per user"},
        {"user_namespaces", probe_unshare, "user", "whether we may make one"},
        {"pid_namespaces", probe_unshare, "pid", "whether we may make one"},
        {"cgroup", probe_cgroup, NULL, "version at /sys/fs/cgroup"},
        {"pid_max", probe_file, "/proc/sys/kernel/pid_max", "largest process id"},
        {"yama_ptrace", probe_file, "/proc/sys/kernel/yama/ptrace_scope", "0: same user may trace"},
};

/* Values are ASCII from the kernel; whatever would break the JSON is replaced. */
static void print_json(const char *key, const char *value, bool last)
{
        printf("  \"%s\": \"", key);
        for (const char *c = value; *c; c++)
                putchar(*c < ' ' || *c == '"' || *c == '\\' || *c > '~' ? '?' : *c);
        printf("\"%s\n", last ? "" : ",");
}

int role_probe_main(int argc, char **argv)
{
        bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

        if (argc > 1 && !json) {
                fprintf(stderr, "usage: wsagent-worker probe [--json]\n");
                return EXIT_USAGE;
        }
        if (json)
                printf("{\n");
        for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
                char value[VALUE_MAX] = "-";

                probes[i].fn(value, probes[i].arg);
                if (json)
                        print_json(probes[i].key, value, i + 1 == ARRAY_LEN(probes));
                else
                        printf("%-18s %-40s %s\n", probes[i].key, value, probes[i].help);
        }
        if (json)
                printf("}\n");
        return fflush(stdout) == 0 ? 0 : 1;
}
