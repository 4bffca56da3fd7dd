/*
 * A home folder is given to a task, in a child between clone and exit: plain system calls only.
 *
 * Each slot has uids of its own, so the folder changes hands with the slot. The folder itself goes
 * last: when it is right, all is. Nobody works in it meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "out/providers/home_folder.h"

#define PIDFD 3
/* A descriptor and a buffer on the stack for each level. */
#define DEPTH_MAX 1500

struct entry {
        uint64_t ino;
        int64_t off;
        unsigned short reclen;
        unsigned char type;
        char name[];
};

static int own_one(int dir, const char *name, uid_t uid)
{
        return fchownat(dir, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
}

static int own_below(int dir, uid_t uid, unsigned depth);

static int own_entry(int dir, const struct entry *e, uid_t uid, unsigned depth)
{
        int fd = openat(dir, e->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        int r = 0;

        if (fd >= 0) {
                r = own_below(fd, uid, depth + 1);
                close(fd);
        } else if (errno != ENOTDIR && errno != ELOOP) {
                return errno;
        }
        return r ? r : own_one(dir, e->name, uid);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded */
static int own_below(int dir, uid_t uid, unsigned depth)
{
        _Alignas(8) char buf[2048];
        int r = 0;

        if (depth > DEPTH_MAX)
                return HOME_EXIT_DEEP;
        for (;;) {
                long n = syscall(SYS_getdents64, dir, buf, sizeof(buf));

                if (n <= 0)
                        return n < 0 ? errno : 0;
                for (long at = 0; r == 0 && at < n;) {
                        const struct entry *e = (const struct entry *)(const void *)(buf + at);

                        at += e->reclen;
                        if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
                                r = own_entry(dir, e, uid, depth);
                }
                if (r)
                        return r;
        }
}

static int own(int dir, uid_t uid)
{
        struct stat st;
        int r;

        if (fstat(dir, &st) < 0)
                return errno;
        if (st.st_uid == uid)
                return 0;
        /* Nobody's until all is changed: one that is broken off must not look done. */
        if (fchown(dir, 0, 0) < 0)
                return errno;
        r = own_below(dir, uid, 0);
        return r ? r : fchown(dir, uid, uid) < 0 ? errno : 0;
}

struct folder {
        int fd, tree;
        dev_t dev;
        ino_t ino;
};

/* Ready to be mounted elsewhere. */
static int take(int dir, const char *name, uid_t uid, struct folder *ret)
{
        const uint64_t inert = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        struct mount_attr attr = {.attr_set = inert};
        struct stat st;
        int r;

        ret->fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (ret->fd < 0 || fstat(ret->fd, &st) < 0)
                return errno;
        r = own(ret->fd, uid);
        if (r)
                return r;
        ret->dev = st.st_dev;
        ret->ino = st.st_ino;
        ret->tree = open_tree(ret->fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        if (ret->tree < 0 || mount_setattr(ret->tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return HOME_EXIT_MOUNT;
        return 0;
}

static int put(const struct folder *f, const char *path)
{
        struct stat st;

        if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
                return HOME_EXIT_AT;
        if (st.st_dev == f->dev && st.st_ino == f->ino)
                return 0; /* the answer to this was lost */
        return move_mount(f->tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0
                       ? HOME_EXIT_MOUNT
                       : 0;
}

int home_attach(const void *ctx)
{
        const struct home_errand *e = ctx;
        struct folder home = {.fd = -1}, save = {.fd = -1};
        struct rlimit files;
        int dir = open(e->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

        if (dir < 0)
                return errno;
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
        r = take(dir, "home", e->student, &home);
        if (r == 0)
                r = take(dir, "save", e->student, &save);
        if (r)
                return r;
        /* From here on paths are the task's. */
        if (setns(PIDFD, CLONE_NEWNS) < 0)
                return HOME_EXIT_MOUNT;
        (void)umask(0);
        if (mkdir("/run/ws/save", 0700) < 0 && errno != EEXIST)
                return HOME_EXIT_AT;
        r = put(&save, "/run/ws/save");
        return r ? r : put(&home, "/home/student");
}
