#include "out/objects_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "out/objects.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct folder {
        int root_fd;
};

/* A name taken apart. */
struct place {
        char workspace[BLOB_WORKSPACE_SIZE];
        char save[48];
        char file[BLOB_FILE_SIZE];
};

/* Only our own names lead to files. */
static int place_parse(const char *name, struct place *p)
{
        struct blob_object_ref ref = {0};
        uint64_t generation, seq;
        char copy[BLOB_OBJECT_SIZE];
        char *save, *file;

        if (STR_SET(copy, name) < 0 || !(save = strchr(copy, '/')) ||
            !(file = strchr(save + 1, '/')))
                return -EINVAL;
        *save++ = 0;
        *file++ = 0;
        if (!blob_workspace_valid(copy) || blob_save_parse(save, &generation, &seq) < 0 ||
            (strcmp(file, BLOB_PIN_FILE) != 0 && blob_file_parse(file, &ref) < 0))
                return -EINVAL;
        if (STR_SET(p->workspace, copy) < 0 || STR_SET(p->save, save) < 0 ||
            STR_SET(p->file, file) < 0)
                return -EINVAL;
        return 0;
}

static int open_at(int dir_fd, const char *name, int flags)
{
        int fd = openat(dir_fd, name, flags);

        return fd < 0 ? -errno : fd;
}

/* The folder of the save, or -errno. */
static int open_save(const struct folder *f, const struct place *p)
{
        AUTO_CLOSE workspace = open_at(f->root_fd, p->workspace, DIR_FLAGS);

        return workspace < 0 ? workspace : open_at(workspace, p->save, DIR_FLAGS);
}

static int open_object(const struct folder *f, const char *name)
{
        struct place p;
        int r = place_parse(name, &p);
        AUTO_CLOSE dir = r < 0 ? r : open_save(f, &p);

        return dir < 0 ? dir : open_at(dir, p.file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- list ---- */

/* Call `fn` for each name in a folder, which is closed; names that begin with a dot are not given.
 */
static int each_name(int dir_fd, int (*fn)(void *ctx, int dir_fd, const char *name), void *ctx)
{
        DIR *dir = fdopendir(dir_fd);
        struct dirent *d;
        int r = 0;

        if (!dir) {
                r = -errno;
                fd_close(dir_fd);
                return r;
        }
        while (r == 0 && (errno = 0, d = readdir(dir)) != NULL) {
                if (d->d_name[0] != '.')
                        r = fn(ctx, dirfd(dir), d->d_name);
        }
        if (r == 0 && errno)
                r = -errno;
        (void)closedir(dir);
        return r;
}

struct listing {
        const char *workspace, *save;
        objects_list_fn fn;
        void *ctx;
};

static int list_file(void *ctx, int dir_fd, const char *name)
{
        const struct listing *l = ctx;
        struct objects_info info;
        struct stat st;
        int n = snprintf(info.name, sizeof(info.name), "%s/%s/%s", l->workspace, l->save, name);

        if ((size_t)n >= sizeof(info.name))
                return 0; /* not ours */
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISREG(st.st_mode))
                return 0;
        info.length = (uint64_t)st.st_size;
        info.at.us = (int64_t)st.st_mtim.tv_sec * US_PER_S + st.st_mtim.tv_nsec / 1000;
        return l->fn(l->ctx, &info);
}

static int list_save(void *ctx, int dir_fd, const char *name)
{
        struct listing l = *(const struct listing *)ctx;
        uint64_t generation, seq;
        int fd;

        if (blob_save_parse(name, &generation, &seq) < 0)
                return 0;
        fd = open_at(dir_fd, name, DIR_FLAGS);
        if (fd < 0)
                return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
        l.save = name;
        return each_name(fd, list_file, &l);
}

static int folder_list(void *impl, const char *workspace, objects_list_fn fn, void *ctx)
{
        const struct folder *f = impl;
        struct listing l = {.workspace = workspace, .fn = fn, .ctx = ctx};
        int fd = objects_open_workspace(f->root_fd, workspace);

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        return each_name(fd, list_save, &l);
}

/* ---- the others ---- */

static int folder_stat(void *impl, const char *name, struct objects_stat *ret)
{
        AUTO_CLOSE fd = open_object(impl, name);
        uint8_t digest[SHA256_LEN];
        uint64_t length = 0;
        int r = fd < 0 ? fd : sha256_fd(fd, digest, &length);

        if (r < 0)
                return r;
        ret->length = length;
        hex_encode(digest, sizeof(digest), ret->sha256);
        return 0;
}

static int folder_read(void *impl, const char *name, uint64_t length, int to_fd)
{
        AUTO_CLOSE fd = open_object(impl, name);
        uint8_t chunk[65536];
        int r = fd < 0 ? fd : 0;

        while (r == 0 && length > 0) {
                ssize_t n = read(fd, chunk, (size_t)MIN(length, sizeof(chunk)));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                r = fd_write_all(to_fd, chunk, (size_t)n);
                length -= (uint64_t)n;
        }
        return r;
}

static int remove_one(const struct folder *f, const char *name)
{
        struct place p;
        int r = place_parse(name, &p);
        AUTO_CLOSE workspace = r < 0 ? r : open_at(f->root_fd, p.workspace, DIR_FLAGS);
        AUTO_CLOSE dir = workspace < 0 ? workspace : open_at(workspace, p.save, DIR_FLAGS);

        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        if (unlinkat(dir, p.file, 0) < 0 && errno != ENOENT)
                return -errno;
        if (fsync(dir) < 0)
                return -errno;
        /* The last one takes the folders with it; somebody may be about to put another there. */
        if (unlinkat(workspace, p.save, AT_REMOVEDIR) == 0)
                (void)unlinkat(f->root_fd, p.workspace, AT_REMOVEDIR);
        return 0;
}

static int folder_remove(void *impl, const char *const *names, size_t n)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = remove_one(impl, names[i]);
        return r;
}

static int folder_put(void *impl, const char *name, const void *data, size_t len)
{
        const struct folder *f = impl;
        char path[64 + BLOB_OBJECT_SIZE];
        struct place p;
        int r = place_parse(name, &p);
        AUTO_CLOSE dir = r < 0 ? r : open_save(f, &p);

        if (dir < 0)
                return dir;
        /* file_write_atomic takes a path: the folder by its descriptor cannot lead elsewhere. */
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, p.file);
        return file_write_atomic(path, data, len, 0600);
}

static const struct objects_ops folder_ops = {
        .list = folder_list,
        .stat = folder_stat,
        .read = folder_read,
        .remove = folder_remove,
        .put = folder_put,
};

int objects_folder_new(int root_fd, struct objects *ret)
{
        struct folder *f = malloc(sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->root_fd = root_fd;
        *ret = (struct objects){.ops = &folder_ops, .impl = f};
        return 0;
}

void objects_folder_free(struct objects *o)
{
        free(o->impl);
        *o = (struct objects){0};
}
