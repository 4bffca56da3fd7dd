#include "out/objects.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int open_dir(int dir_fd, const char *name)
{
        int fd = openat(dir_fd, name, DIR_FLAGS);

        return fd < 0 ? -errno : fd;
}

/* Make a folder so that its name survives a crash, and open it. */
static int make_dir(int dir_fd, const char *name)
{
        if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        if (fsync(dir_fd) < 0)
                return -errno;
        return open_dir(dir_fd, name);
}

int objects_root_open(const char *root)
{
        AUTO_CLOSE fd = -1;
        AUTO_CLOSE tmp = -1;
        int r = dir_make(root, 0700);

        if (r < 0)
                return r;
        fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        tmp = make_dir(fd, OBJECTS_TMP);
        return tmp < 0 ? tmp : STEAL(fd, -1);
}

int objects_tmp_clear(int root_fd)
{
        int fd = open_dir(root_fd, OBJECTS_TMP);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *d;
        int r = 0;

        if (!dir) {
                r = fd < 0 ? fd : -errno;
                fd_close(fd);
                return r;
        }
        while ((d = readdir(dir)) != NULL) {
                if (d->d_name[0] != '.' && unlinkat(dirfd(dir), d->d_name, 0) < 0)
                        r = -errno;
        }
        (void)closedir(dir);
        return r;
}

static const char *save_dir(const struct blob_object_ref *ref, char dst[static 48])
{
        (void)snprintf(dst, 48, "%" PRIu64 "-%" PRIu64, ref->generation, ref->seq);
        return dst;
}

static const char *file_name(const struct blob_object_ref *ref, char dst[static BLOB_OBJECT_SIZE])
{
        int r = blob_object_name(ref, dst);

        return r < 0 ? "" : strrchr(dst, '/') + 1;
}

int objects_open_workspace(int root_fd, const char *workspace)
{
        return blob_workspace_valid(workspace) ? open_dir(root_fd, workspace) : -EINVAL;
}

int objects_open(int root_fd, const struct blob_object_ref *ref)
{
        char save[48], name[BLOB_OBJECT_SIZE];
        AUTO_CLOSE workspace = objects_open_workspace(root_fd, ref->workspace);
        AUTO_CLOSE dir = workspace < 0 ? workspace : open_dir(workspace, save_dir(ref, save));
        int fd;

        if (dir < 0)
                return dir;
        fd = openat(dir, file_name(ref, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

bool objects_old_save(int root_fd, const struct blob_object_ref *ref)
{
        char save[48];
        AUTO_CLOSE workspace = objects_open_workspace(root_fd, ref->workspace);
        AUTO_CLOSE dir = workspace < 0 ? workspace : open_dir(workspace, save_dir(ref, save));

        return dir >= 0 && faccessat(dir, OBJECTS_OLD_MANIFEST, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The name follows from the object's, so that a second upload of it finds the first. */
int objects_begin(int root_fd, const struct blob_object_ref *ref, uint64_t length,
                  struct objects_upload *ret_upload)
{
        struct objects_upload u = {.fd = -1};
        char save[48];
        _Alignas(8) char name[BLOB_OBJECT_SIZE];

        (void)snprintf(u.tmp, sizeof(u.tmp), OBJECTS_TMP "/%s.%s.%s", ref->workspace,
                       save_dir(ref, save), file_name(ref, name));
#ifdef STORAGE_PLANTED_ROOM_FOR_EACH
        random_bytes(name, 8);
        (void)snprintf(u.tmp, sizeof(u.tmp), OBJECTS_TMP "/%016llx", *(unsigned long long *)name);
#endif
        u.fd = openat(root_fd, u.tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (u.fd < 0)
                return errno == EEXIST ? -EBUSY : -errno;
        if (length > 0 && fallocate(u.fd, 0, 0, (off_t)length) < 0 && errno != EOPNOTSUPP) {
                int r = -errno;

                objects_end(root_fd, &u);
                return r;
        }
        *ret_upload = u;
        return 0;
}

int objects_commit(int root_fd, struct objects_upload *u, const struct blob_object_ref *ref)
{
        char save[48], name[BLOB_OBJECT_SIZE];
        AUTO_CLOSE workspace = -1;
        AUTO_CLOSE dir = -1;

        if (fsync(u->fd) < 0)
                return -errno;
        workspace = make_dir(root_fd, ref->workspace);
        if (workspace < 0)
                return workspace;
        dir = make_dir(workspace, save_dir(ref, save));
        if (dir < 0)
                return dir;
        if (linkat(root_fd, u->tmp, dir, file_name(ref, name), 0) < 0)
                return -errno;
        return fsync(dir) < 0 ? -errno : 0;
}

void objects_end(int root_fd, struct objects_upload *u)
{
        if (u->fd < 0)
                return;
        (void)unlinkat(root_fd, u->tmp, 0);
        u->fd = fd_close(u->fd);
}
