#include "save/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void place_init(struct place *p, int root_fd)
{
        p->root_fd = root_fd;
        p->depth = 0;
        p->path[0] = 0;
}

void place_deinit(struct place *p)
{
        while (p->depth > 0)
                fd_close(p->open[--p->depth].fd);
        p->path[0] = 0;
}

/* Leave the innermost folder. */
static int pop(struct place *p)
{
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
        int fd = p->open[--p->depth].fd;
        int r = 0;

        if (p->open[p->depth].set) {
                times[1].tv_sec = p->open[p->depth].mtime_s;
                times[1].tv_nsec = p->open[p->depth].mtime_ns;
                if (fchmod(fd, p->open[p->depth].mode & 0777) < 0 || futimens(fd, times) < 0)
                        r = -errno;
        }
        fd_close(fd);
        p->path[p->depth > 0 ? p->open[p->depth - 1].len : 0] = 0;
        return r;
}

static int innermost(const struct place *p)
{
        return p->depth > 0 ? p->open[p->depth - 1].fd : p->root_fd;
}

/* Leave folders until the innermost is above `path`. */
static int leave(struct place *p, const char *path)
{
        int r = 0;

        while (r == 0 && p->depth > 0) {
                size_t len = p->open[p->depth - 1].len;

                if (strncmp(p->path, path, len) == 0 && path[len] == '/')
                        break;
                r = pop(p);
        }
        return r;
}

/* Enter the folder that `len` bytes of `path` name; its name begins at `name`. */
static int enter(struct place *p, const char *path, size_t len, const char *name, bool make)
{
        char copy[SNAPSHOT_PATH_MAX];
        int fd, parent = innermost(p);

        if (p->depth >= PLACE_DEPTH_MAX)
                return -EMFILE;
        memcpy(copy, name, (size_t)(path + len - name));
        copy[path + len - name] = 0;
        fd = openat(parent, copy, FOLDER_FLAGS);
        if (fd < 0 && errno == ENOENT && make) {
                if (mkdirat(parent, copy, 0700) < 0)
                        return -errno;
                fd = openat(parent, copy, FOLDER_FLAGS);
        }
        if (fd < 0)
                return -errno;
        p->open[p->depth].fd = fd;
        p->open[p->depth].len = len;
        p->open[p->depth++].set = false;
        memcpy(p->path, path, len);
        p->path[len] = 0;
        return 0;
}

int place_folder(struct place *p, const char *path, bool make, const char **ret_name)
{
        const char *name;
        int r = leave(p, path);

        name = path + (p->depth > 0 ? p->open[p->depth - 1].len + 1 : 0);
        for (const char *slash; r == 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1)
                r = enter(p, path, (size_t)(slash - path), name, make);
        if (r < 0)
                return r;
        *ret_name = name;
        return innermost(p);
}

int place_file(struct place *p, const char *path)
{
        const char *name;
        int dir = place_folder(p, path, true, &name);
        int fd;

        if (dir < 0)
                return dir;
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

int place_dir(struct place *p, const char *path)
{
        const char *name;
        int dir = place_folder(p, path, true, &name);

        if (dir < 0)
                return dir;
        return mkdirat(dir, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int place_symlink(struct place *p, const struct snapshot_entry *e)
{
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                    {.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns}};
        const char *name;
        int dir = place_folder(p, e->path, true, &name);

        if (dir < 0)
                return dir;
        if (symlinkat(e->link, dir, name) < 0)
                return -errno;
        return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The folder of `path` by a way of its own: the stack stays where it is. */
static int open_parent(int root_fd, const char *path, const char **ret_name)
{
        char copy[SNAPSHOT_PATH_MAX];
        int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
        const char *name = path;

        for (const char *slash; fd >= 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
                int next;

                memcpy(copy, name, (size_t)(slash - name));
                copy[slash - name] = 0;
                next = openat(fd, copy, FOLDER_FLAGS);
                fd_close(fd);
                fd = next;
        }
        *ret_name = name;
        return fd < 0 ? -errno : fd;
}

int place_link(struct place *p, const struct snapshot_entry *e)
{
        const char *from_name, *name;
        AUTO_CLOSE from = open_parent(p->root_fd, e->hardlink, &from_name);
        int dir;

        if (from < 0)
                return from;
        dir = place_folder(p, e->path, true, &name);
        if (dir < 0)
                return dir;
        return linkat(from, from_name, dir, name, 0) < 0 ? -errno : 0;
}

int place_finish(int fd, const struct snapshot_entry *e)
{
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                    {.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns}};

        if ((e->mode & 0777) != 0600 && fchmod(fd, e->mode & 0777) < 0)
                return -errno;
        return futimens(fd, times) < 0 ? -errno : 0;
}

int place_dir_later(struct place *p, const struct snapshot_entry *e)
{
        const char *name;
        int dir = place_folder(p, e->path, false, &name);
        int r;

        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        r = enter(p, e->path, strlen(e->path), name, false);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        p->open[p->depth - 1].set = true;
        p->open[p->depth - 1].mode = e->mode;
        p->open[p->depth - 1].mtime_s = e->mtime_s;
        p->open[p->depth - 1].mtime_ns = e->mtime_ns;
        return 0;
}

int place_close(struct place *p)
{
        int r = 0;

        while (r == 0 && p->depth > 0)
                r = pop(p);
        place_deinit(p);
        return r;
}
