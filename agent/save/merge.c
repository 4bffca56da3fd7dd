#include "save/merge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define DEPTH_MAX 600 /* above what a save holds */

static int open_folder(int dir_fd, const char *name)
{
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* A folder is opened up while we work in it: its own mode may forbid even its owner to. */
static int open_folder_unlocked(int dir_fd, const char *name)
{
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode) && (st.st_mode & 0700) != 0700 &&
            fchmodat(dir_fd, name, (st.st_mode & 07777) | 0700, 0) < 0)
                return -errno;
        return open_folder(dir_fd, name);
}

/* The same folder for reading names; the caller closes it, and with it nothing else. */
static DIR *list_folder(int fd)
{
        int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = again < 0 ? NULL : fdopendir(again);

        if (!dir)
                fd_close(again);
        return dir;
}

static bool is_dots(const char *name)
{
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* 0, -EEXIST (something is there: nothing was moved), -errno. */
static int move(int from_fd, int to_fd, const char *name)
{
        if (renameat2(from_fd, name, to_fd, name, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        /* A file system that cannot promise it. A link never replaces; a folder only an empty one.
         */
        if (linkat(from_fd, name, to_fd, name, 0) == 0)
                return unlinkat(from_fd, name, 0) < 0 ? -errno : 0;
        if (errno != EPERM && errno != EISDIR)
                return -errno;
        return renameat(from_fd, name, to_fd, name) < 0
                       ? (errno == ENOTEMPTY || errno == ENOTDIR ? -EEXIST : -errno)
                       : 0;
}

static int rename_folder(int from_fd, int to_fd, const char *name, const struct stat *st)
{
        bool locked = (st->st_mode & 0200) == 0; /* moving it writes its ".." */
        int r;

        if (locked && fchmodat(from_fd, name, (st->st_mode & 07777) | 0700, 0) < 0)
                return -errno;
        r = move(from_fd, to_fd, name);
        if (r < 0)
                return r;
        if (locked && fchmodat(to_fd, name, st->st_mode & 07777, 0) < 0)
                return -errno;
        return 0;
}

static int merge_folder(int from_fd, int to_fd, unsigned depth, enum merge_rule rule);

/* `st`: what the folder is to be like afterwards. */
static int merge_both_folders(int from_fd, int to_fd, const char *name, const struct stat *st,
                              unsigned depth, enum merge_rule rule)
{
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
        AUTO_CLOSE from = open_folder_unlocked(from_fd, name);
        AUTO_CLOSE to = open_folder_unlocked(to_fd, name);
        int r;

        if (from < 0 || to < 0)
                return from < 0 ? from : to;
        r = merge_folder(from, to, depth + 1, rule);
        if (r < 0)
                return r;
        if (fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0)
                return -errno;
        return unlinkat(from_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static bool newer(const struct stat *a, const struct stat *b)
{
        if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
                return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
        return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

static int remove_entry(int dir_fd, const char *name, unsigned depth);

/* What makes a large file worth a second name: it came later for its size (increment.c). */
#define BESIDE_BYTES (INT64_C(16) << 20)

static bool same_file(const struct stat *a, const struct stat *b)
{
        return S_ISREG(b->st_mode) && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * Something else stands in its place by now. A large file is the student's own work, which a
 * program may have begun anew by accident: it is put beside that, once, as "<name>.restored".
 */
static int keep_both(int from_fd, int to_fd, const char *name, const struct stat *from,
                     const struct stat *to, unsigned depth)
{
        char other[NAME_MAX + 1];

        (void)snprintf(other, sizeof(other), "%.240s.restored", name);
        if (S_ISREG(from->st_mode) && from->st_size >= BESIDE_BYTES && !same_file(from, to) &&
            renameat2(from_fd, name, to_fd, other, RENAME_NOREPLACE) == 0)
                return 0;
        return remove_entry(from_fd, name, depth);
}

static int merge_entry(int from_fd, int to_fd, const char *name, unsigned depth,
                       enum merge_rule rule)
{
        struct stat from, to;
        int r;

        if (fstatat(from_fd, name, &from, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        r = S_ISDIR(from.st_mode) ? rename_folder(from_fd, to_fd, name, &from)
                                  : move(from_fd, to_fd, name);
        if (r != -EEXIST)
                return r;
        if (fstatat(to_fd, name, &to, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? merge_entry(from_fd, to_fd, name, depth + 1, rule)
                                       : -errno;
        if (S_ISDIR(from.st_mode) && S_ISDIR(to.st_mode))
                return merge_both_folders(from_fd, to_fd, name, rule == MERGE_KEEP ? &to : &from,
                                          depth, rule);
        if (rule == MERGE_KEEP)
                return keep_both(from_fd, to_fd, name, &from, &to, depth);
        if (!S_ISDIR(from.st_mode) && !S_ISDIR(to.st_mode)) {
                /* Two names of one file: rename would leave both. */
                if (newer(&to, &from) || (to.st_ino == from.st_ino && to.st_dev == from.st_dev))
                        return unlinkat(from_fd, name, 0) < 0 ? -errno : 0;
                return renameat(from_fd, name, to_fd, name) < 0 ? -errno : 0;
        }
        /* A file where a folder belongs, or the other way: the save is what the student had. */
        r = merge_remove(to_fd, name);
        return r == 0 ? merge_entry(from_fd, to_fd, name, depth + 1, rule) : r;
}

static int merge_folder(int from_fd, int to_fd, unsigned depth, enum merge_rule rule)
{
        DIR *dir = depth < DEPTH_MAX ? list_folder(from_fd) : NULL;
        struct dirent *d;
        int r = dir ? 0 : -EMFILE;

        while (r == 0 && (errno = 0, d = readdir(dir)) != NULL) {
                if (!is_dots(d->d_name))
                        r = merge_entry(from_fd, to_fd, d->d_name, depth, rule);
        }
        if (r == 0 && errno)
                r = -errno;
        if (dir)
                (void)closedir(dir);
        return r;
}

int merge_into_parent(int dir_fd, const char *name, enum merge_rule rule)
{
        AUTO_CLOSE from = open_folder(dir_fd, name);
        int r = from < 0 ? from : merge_folder(from, dir_fd, 0, rule);

        if (r < 0)
                return r;
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_content(int fd, unsigned depth);

static int remove_entry(int dir_fd, const char *name, unsigned depth)
{
        AUTO_CLOSE fd = -1;
        int r;

        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        fd = open_folder_unlocked(dir_fd, name);
        if (fd < 0)
                return fd;
        r = remove_content(fd, depth + 1);
        if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0)
                r = -errno;
        return r;
}

static int remove_content(int fd, unsigned depth)
{
        DIR *dir = depth < DEPTH_MAX ? list_folder(fd) : NULL;
        struct dirent *d;
        int r = dir ? 0 : -EMFILE;

        while (r == 0 && (errno = 0, d = readdir(dir)) != NULL) {
                if (!is_dots(d->d_name))
                        r = remove_entry(fd, d->d_name, depth);
        }
        if (r == 0 && errno)
                r = -errno;
        if (dir)
                (void)closedir(dir);
        return r;
}

int merge_remove(int dir_fd, const char *name)
{
        return remove_entry(dir_fd, name, 0);
}
