#include "save/archive_read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "snapshot/manifest.h"

#define BLOCK (256u << 10)
#define HOLE_BYTES 65536

struct archive_reader {
        struct archive *archive;
        struct archive_entry *entry; /* the one that next gave */
        struct zstream_reader *zstd;
        int why; /* what the source or zstd ran into */
        char path[SNAPSHOT_PATH_MAX];
        char error[160];
        uint8_t block[BLOCK];
};

static la_ssize_t on_input(struct archive *a, void *ctx, const void **ret_data)
{
        struct archive_reader *r = ctx;
        size_t n = 0;

        /* Large blocks: content is then written from here, without another copy. */
        while (n < BLOCK) {
                ssize_t got = zstream_read(r->zstd, r->block + n, BLOCK - n);

                if (got < 0) {
                        r->why = got == -EBADMSG ? ARCHIVE_DAMAGED : (int)got;
                        archive_set_error(a, EIO, "not zstd, or cut off");
                        return -1;
                }
                if (got == 0)
                        break;
                n += (size_t)got;
        }
        *ret_data = r->block;
        return (la_ssize_t)n;
}

int archive_reader_open(zstream_source source, void *ctx, struct archive_reader **ret)
{
        struct archive_reader *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->archive = archive_read_new();
        r->zstd = zstream_reader_new(source, ctx);
        if (!r->archive || !r->zstd || archive_read_support_format_tar(r->archive) != ARCHIVE_OK) {
                archive_reader_free(r);
                return -ENOMEM;
        }
        *ret = r;
        return 0;
}

struct archive_reader *archive_reader_free(struct archive_reader *r)
{
        if (r) {
                archive_read_free(r->archive);
                zstream_reader_free(r->zstd);
        }
        free(r);
        return NULL;
}

const char *archive_reader_error(const struct archive_reader *r)
{
        return r->error;
}

static int damaged(struct archive_reader *r, const char *text)
{
        (void)snprintf(r->error, sizeof(r->error), "%.150s", text ? text : "?");
        return r->why && r->why != ARCHIVE_DAMAGED ? r->why : ARCHIVE_DAMAGED;
}

int archive_reader_next(struct archive_reader *r, const char **ret_path)
{
        const char *path;
        size_t len;
        int e;

        if (!r->entry && archive_read_open(r->archive, r, NULL, on_input, NULL) != ARCHIVE_OK)
                return damaged(r, archive_error_string(r->archive));
        e = archive_read_next_header(r->archive, &r->entry);
        if (e == ARCHIVE_EOF)
                return 0;
        if (e != ARCHIVE_OK && e != ARCHIVE_WARN)
                return damaged(r, archive_error_string(r->archive));
        path = archive_entry_pathname(r->entry);
        if (!path)
                return damaged(r, "an entry without a name");
        if (str_copy(r->path, sizeof(r->path), str_starts(path, "./") ? path + 2 : path) < 0)
                return damaged(r, "a name that is too long");
        len = strlen(r->path);
        if (len > 1 && r->path[len - 1] == '/') /* a folder */
                r->path[len - 1] = 0;
        *ret_path = r->path;
        return 1;
}

static void set_xattrs(struct archive_reader *r, int fd)
{
        const char *name;
        const void *value;
        size_t size;

        (void)archive_entry_xattr_reset(r->entry);
        while (archive_entry_xattr_next(r->entry, &name, &value, &size) == ARCHIVE_OK) {
                if (name && str_starts(name, "user."))
                        (void)fsetxattr(fd, name, value, size, 0);
        }
}

static int write_at(int fd, const uint8_t *data, size_t len, off_t at)
{
        while (len > 0) {
                ssize_t n = pwrite(fd, data, len, at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == ENOSPC || errno == EDQUOT || errno == EFBIG
                                       ? ARCHIVE_DISK_FULL
                                       : -errno;
                data += n;
                len -= (size_t)n;
                at += n;
        }
        return 0;
}

/* As write_at, but zeros become holes. */
static int write_around_zeros(int fd, const uint8_t *data, size_t len, off_t at)
{
        int r = 0;

        while (r == 0 && len > 0) {
                size_t n = MIN(len, (size_t)HOLE_BYTES - (size_t)at % HOLE_BYTES);
                bool zeros = data[0] == 0 && memcmp(data, data + 1, n - 1) == 0;

                r = zeros ? 0 : write_at(fd, data, n, at);
                data += n;
                len -= n;
                at += (off_t)n;
        }
        return r;
}

static int extract_content(struct archive_reader *r, int fd, uint64_t size)
{
        bool look = strlen(r->path) > ARCHIVE_SPARSE_PATH_MAX && size >= HOLE_BYTES;
        uint64_t end = 0;

        for (;;) {
                const void *data;
                size_t len;
                la_int64_t at;
                int e = archive_read_data_block(r->archive, &data, &len, &at);

                if (e == ARCHIVE_EOF)
                        break;
                if (e != ARCHIVE_OK)
                        return damaged(r, archive_error_string(r->archive));
                if (at < 0 || (uint64_t)at > size || len > size - (uint64_t)at)
                        return damaged(r, "longer than the manifest says");
                e = look ? write_around_zeros(fd, data, len, at) : write_at(fd, data, len, at);
                if (e != 0)
                        return e;
                end = look ? 0 : (uint64_t)at + len;
        }
        /* A hole at the end, or all hole. */
        if (end < size && ftruncate(fd, (off_t)size) < 0)
                return errno == EFBIG || errno == ENOSPC ? ARCHIVE_DISK_FULL : -errno;
        return 0;
}

int archive_reader_extract(struct archive_reader *r, int fd, bool file, uint64_t size)
{
        int e;

        if (file && archive_entry_hardlink(r->entry))
                return damaged(r, "another name where a file should be");
        if (file != (archive_entry_filetype(r->entry) == AE_IFREG))
                return damaged(r, "not of the type that the manifest says");
        if (file && archive_entry_size(r->entry) != (la_int64_t)size)
                return damaged(r, "not as long as the manifest says");
        e = file ? extract_content(r, fd, size) : 0;
        if (e == 0)
                set_xattrs(r, fd);
        return e;
}
