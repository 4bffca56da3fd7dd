#include "init/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

/* More processes than this and a scan of descendants fails; the kernel's default pid_max. */
#define PROCS_MAX 32768

struct proc_info {
        pid_t parent;
        uid_t uid;
        bool dead; /* a zombie without living threads: nothing of it runs any more */
};

/* For descendants only; untouched pages of it cost nothing. */
static struct {
        pid_t pid, parent;
        bool counts, ours;
} table[PROCS_MAX];

static int proc_dir = -1;

struct dirent_raw {
        uint64_t ino;
        int64_t off;
        uint16_t len;
        uint8_t type;
        char name[];
};

int proc_open(void)
{
        char self[16];
        uint64_t pid;
        ssize_t n;
        AUTO_CLOSE fd = -1;

        if (proc_dir >= 0)
                return 0;
        fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = readlinkat(fd, "self", self, sizeof(self) - 1);
        if (n < 0)
                return -errno;
        self[n] = 0;
        if (num_parse_u64(self, 1, INT32_MAX, &pid) < 0 || (pid_t)pid != getpid())
                return -ESRCH;
        proc_dir = STEAL(fd, -1);
        return 0;
}

/* The number behind `key` at a line's start; 0 when it is not there. */
static uint64_t status_number(const char *text, const char *key)
{
        const char *p = strstr(text, key);
        char digits[16];
        uint64_t value = 0;
        size_t n;

        if (!p)
                return 0;
        p += strlen(key);
        n = strspn(p, "0123456789");
        if (n == 0 || n >= sizeof(digits))
                return 0;
        memcpy(digits, p, n);
        digits[n] = 0;
        return num_parse_u64(digits, 0, UINT32_MAX, &value) == 0 ? value : 0;
}

/* /proc/PID/status and not the owner of /proc/PID, which is root for a process not dumpable. */
static int proc_read(const char *pid, struct proc_info *ret_info)
{
        char path[32], text[2048];
        AUTO_CLOSE fd = -1;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/status", pid);
        fd = openat(proc_dir, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return n < 0 ? -errno : -ESRCH;
        text[n] = 0;
        *ret_info = (struct proc_info){
                .parent = (pid_t)status_number(text, "\nPPid:\t"),
                .uid = (uid_t)status_number(text, "\nUid:\t"),
                .dead = (strstr(text, "\nState:\tZ") || strstr(text, "\nState:\tX")) &&
                        status_number(text, "\nThreads:\t") <= 1,
        };
        return 0;
}

typedef void (*proc_fn)(void *ctx, pid_t pid, const struct proc_info *info);

static int proc_each(proc_fn fn, void *ctx)
{
        static _Alignas(8) char buffer[16384];

        if (lseek(proc_dir, 0, SEEK_SET) < 0)
                return -errno;
        for (;;) {
                long n = syscall(SYS_getdents64, proc_dir, buffer, sizeof(buffer));

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                for (long at = 0; at < n;) {
                        const struct dirent_raw *d = (const void *)(buffer + at);
                        struct proc_info info;
                        uint64_t pid;

                        at += d->len;
                        if (num_parse_u64(d->name, 1, INT32_MAX, &pid) == 0 &&
                            proc_read(d->name, &info) == 0)
                                fn(ctx, (pid_t)pid, &info);
                }
        }
}

static bool scan_counts(const struct proc_scan *scan, pid_t pid, const struct proc_info *info)
{
        if (info->dead || pid == getpid() || (scan->by_uid && info->uid != scan->uid))
                return false;
        for (size_t i = 0; i < scan->n_except; i++) {
                if (scan->except[i] == pid)
                        return false;
        }
        return true;
}

struct each {
        const struct proc_scan *scan;
        const int *sigs;
        size_t n_sigs;
        int count;
        size_t n_table;
        bool overflow;
};

static void signal_one(struct each *e, pid_t pid)
{
        for (size_t i = 0; i < e->n_sigs; i++)
                (void)kill(pid, e->sigs[i]); /* it may have ended meanwhile */
        e->count++;
}

static void each_signal(void *ctx, pid_t pid, const struct proc_info *info)
{
        struct each *e = ctx;

        if (scan_counts(e->scan, pid, info))
                signal_one(e, pid);
}

static void each_note(void *ctx, pid_t pid, const struct proc_info *info)
{
        struct each *e = ctx;

        if (e->n_table == PROCS_MAX) {
                e->overflow = true;
                return;
        }
        table[e->n_table].pid = pid;
        table[e->n_table].parent = info->parent;
        table[e->n_table].counts = scan_counts(e->scan, pid, info);
        table[e->n_table].ours = info->parent == getpid();
        e->n_table++;
}

static bool table_ours(const struct each *e, pid_t pid)
{
        for (size_t i = 0; i < e->n_table; i++) {
                if (table[i].pid == pid)
                        return table[i].ours;
        }
        return false;
}

/* A child of one of ours is ours; until nothing changes, because pids are in no useful order. */
static int signal_descendants(struct each *e)
{
        int r = proc_each(each_note, e);
        bool changed = true;

        if (r < 0)
                return r;
        if (e->overflow)
                return -E2BIG;
        while (changed) {
                changed = false;
                for (size_t i = 0; i < e->n_table; i++) {
                        if (!table[i].ours && table_ours(e, table[i].parent))
                                table[i].ours = changed = true;
                }
        }
        for (size_t i = 0; i < e->n_table; i++) {
                if (table[i].ours && table[i].counts)
                        signal_one(e, table[i].pid);
        }
        return 0;
}

int proc_signal(const struct proc_scan *scan, const int *sigs, size_t n_sigs)
{
        struct each e = {.scan = scan, .sigs = sigs, .n_sigs = n_sigs};
        int r = scan->pid1 ? proc_each(each_signal, &e) : signal_descendants(&e);

        return r < 0 ? r : e.count;
}
