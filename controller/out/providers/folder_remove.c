/*
 * Removal of a task's folder, in a child between clone and exit: plain system calls only.
 *
 * A student can nest folders deeper than any stack or descriptor table. So nothing is descended
 * into: the folders found inside one are moved up beside it, and each is then emptied in its turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "out/providers/folder.h"

struct entry {
        uint64_t ino;
        int64_t off;
        unsigned short reclen;
        unsigned char type;
        char name[];
};

#define TYPE_DIR 4 /* DT_DIR */

struct scan {
        int fd;
        long n, at;
        _Alignas(8) char buf[16384];
};

/* The next entry but "." and ".."; NULL at the end or on an error. */
static const struct entry *scan_next(struct scan *s)
{
        const struct entry *e;

        for (;;) {
                if (s->at >= s->n) {
                        s->n = syscall(SYS_getdents64, s->fd, s->buf, sizeof(s->buf));
                        s->at = 0;
                        if (s->n <= 0)
                                return NULL;
                }
                e = (const struct entry *)(const void *)(s->buf + s->at);
                s->at += e->reclen;
                if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
                        return e;
        }
}

/* Never follows a link and never enters another mount. */
static int open_dir(int at, const char *name)
{
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
        };

        return (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
}

static bool entry_is_dir(int at, const struct entry *e)
{
        struct stat st;

        if (e->type)
                return e->type == TYPE_DIR;
        return fstatat(at, e->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Decimal text without stdio. */
static void moved_name(uint64_t n, char ret_name[static 32])
{
        char digits[24];
        size_t i = 0, at = 0;

        do
                digits[i++] = (char)('0' + n % 10);
        while ((n /= 10) > 0);
        ret_name[at++] = '.';
        ret_name[at++] = 'm';
        while (i > 0)
                ret_name[at++] = digits[--i];
        ret_name[at] = '\0';
}

/* Without root, a folder must be writable before it can be emptied or moved. May fail: then so do
 * they. */
static void open_up(int at, const char *name)
{
        if (fchmodat(at, name, 0700, 0) < 0)
                return;
}

static int move_up(int from, const char *name, int root, uint64_t *count)
{
        char to[32];
        int r;

        open_up(from, name);
        do {
                moved_name((*count)++, to);
                r = renameat2(from, name, root, to, RENAME_NOREPLACE);
        } while (r < 0 && errno == EEXIST);
        return r;
}

/* Unlink the files of `name`, move its folders up to `root`, remove it. 0 or -1. */
static int empty_dir(int root, const char *name, uint64_t *count)
{
        static struct scan s;
        const struct entry *e;
        bool found = true;
        int r = 0;

        open_up(root, name);
        s.fd = open_dir(root, name);
        if (s.fd < 0)
                return -1;
        /* Entries may be skipped while others go: look again until none is seen. */
        while (found && r == 0) {
                found = false;
                s.n = s.at = 0;
                (void)lseek(s.fd, 0, SEEK_SET);
                while (r == 0 && (e = scan_next(&s))) {
                        found = true;
                        r = entry_is_dir(s.fd, e) ? move_up(s.fd, e->name, root, count)
                                                  : unlinkat(s.fd, e->name, 0);
                }
        }
        close(s.fd);
        return r == 0 ? unlinkat(root, name, AT_REMOVEDIR) : -1;
}

/* One pass over `root`. Folders first: the slot file goes last. 1 when something was done. */
static int pass(int root, bool dirs, uint64_t *count, bool *failed)
{
        static struct scan s;
        const struct entry *e;
        int done = 0;

        s.fd = root;
        s.n = s.at = 0;
        (void)lseek(root, 0, SEEK_SET);
        while ((e = scan_next(&s))) {
                if (entry_is_dir(root, e) != dirs)
                        continue;
                if ((dirs ? empty_dir(root, e->name, count) : unlinkat(root, e->name, 0)) == 0)
                        done = 1;
                else
                        *failed = true;
        }
        return done;
}

static int remove_tree(const char *path)
{
        int root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        uint64_t count = 0;
        bool failed = false;

        if (root < 0)
                return errno == ENOENT ? 0 : 1;
        while (!failed && pass(root, true, &count, &failed))
                ;
        while (!failed && pass(root, false, &count, &failed))
                ;
        close(root);
        return failed || rmdir(path) < 0;
}

/* ---- plain mode: what of the task is left without a PID namespace to end it ---- */

static bool environ_has(int proc, const char *pid, const char *needle, size_t len)
{
        static char buf[65536];
        ssize_t n = -1;
        int dir = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

        if (dir < 0)
                return false;
        fd = openat(dir, "environ", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                n = read(fd, buf, sizeof(buf));
                close(fd);
        }
        close(dir);
        return n > 0 && memmem(buf, (size_t)n, needle, len) != NULL;
}

static bool sweep_once(const char *needle, size_t len)
{
        static struct scan s;
        const struct entry *e;
        const char *p;
        bool found = false;
        int pid;

        s.fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s.fd < 0)
                return false;
        s.n = s.at = 0;
        while ((e = scan_next(&s))) {
                pid = 0;
                for (p = e->name; *p >= '0' && *p <= '9' && p - e->name < 9; p++)
                        pid = pid * 10 + (*p - '0');
                if (*p || pid < 2 || !environ_has(s.fd, e->name, needle, len))
                        continue;
                found |= kill(pid, SIGKILL) == 0;
        }
        close(s.fd);
        return found;
}

static void sweep(const char *needle)
{
        const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        int round;

        for (round = 0; round < 250 && sweep_once(needle, strlen(needle)); round++)
                (void)nanosleep(&pause, NULL);
}

int folder_sweep(const void *ctx)
{
        const struct folder_errand *errand = ctx;

        sweep(errand->sweep);
        return 0;
}

int folder_remove(const void *ctx)
{
        const struct folder_errand *errand = ctx;

        if (errand->sweep[0])
                sweep(errand->sweep);
        return remove_tree(errand->path);
}
