#include "save/archive_write.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/str.h"

#define CHUNK (256u << 10)
#define XATTR_NAMES_MAX 16384
#define XATTR_VALUE_MAX 65536
/* libarchive reads no header above 1 MiB, and each value stands in it twice, raw and in base64. */
#define XATTR_ALL_MAX (256u << 10)

struct archive_writer {
        struct archive *archive;
        struct archive_entry *entry;
        struct zstream_writer *zstd;
        int why; /* what the output side ran into */
};

int archive_input_fault(int r)
{
        return r == -EIO || r == -EUCLEAN || r == -ENODATA || r == -EBADMSG ? ARCHIVE_READ_ERROR
                                                                            : r;
}

/* ---- content, from a file to whoever takes it ---- */

struct content {
        struct archive_writer *w; /* NULL: only the hash is wanted */
        struct sha256 *hash;
        uint8_t *chunk;
};

static int writer_fault(const struct archive_writer *w)
{
        int e = archive_errno(w->archive);

        if (w->why)
                return w->why;
        return e > 0 ? -e : -EIO;
}

static int take(struct content *c, const uint8_t *data, size_t len)
{
        sha256_update(c->hash, data, len);
        while (c->w && len > 0) {
                la_ssize_t n = archive_write_data(c->w->archive, data, len);

                if (n <= 0)
                        return writer_fault(c->w);
                data += n;
                len -= (size_t)n;
        }
        return 0;
}

static int take_zeros(struct content *c, uint64_t len)
{
        int r = 0;

        if (len > 0)
                memset(c->chunk, 0, (size_t)MIN(len, CHUNK));
        for (; r == 0 && len > 0; len -= MIN(len, CHUNK))
                r = take(c, c->chunk, (size_t)MIN(len, CHUNK));
        return r;
}

/* From `at` to `end`; *ret_at is where it stopped: before `end` when the file has shrunk. */
static int take_range(struct content *c, int fd, uint64_t at, uint64_t end, uint64_t *ret_at)
{
        int r = 0;

        while (r == 0 && at < end) {
                ssize_t n = pread(fd, c->chunk, (size_t)MIN(end - at, CHUNK), (off_t)at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return archive_input_fault(-errno);
                if (n == 0)
                        break;
                r = take(c, c->chunk, (size_t)n);
                at += (uint64_t)n;
        }
        *ret_at = at;
        return r;
}

/*
 * st_size bytes, whatever becomes of the file meanwhile. Holes are given as zeros, which libarchive
 * drops.
 */
static int take_file(struct content *c, int fd, const struct stat *st, bool *ret_changed)
{
        uint64_t size = (uint64_t)st->st_size;
        bool holes = (uint64_t)st->st_blocks * 512 < size;
        uint64_t at = 0;
        int r = 0;

        while (r == 0 && at < size) {
                off_t data = holes ? lseek(fd, (off_t)at, SEEK_DATA) : -1;
                off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
                uint64_t from = data < 0 ? at : MIN((uint64_t)data, size);
                uint64_t until = hole <= data ? size : MIN((uint64_t)hole, size);
                uint64_t stopped;

                if (holes && data < 0 && errno == ENXIO)
                        from = until = size;
                stopped = from;
                r = take_zeros(c, from - at);
                if (r == 0)
                        r = take_range(c, fd, from, until, &stopped);
                at = until;
                if (r == 0 && stopped < until) {
                        *ret_changed = true;
                        r = take_zeros(c, size - stopped);
                        at = size;
                }
        }
        return r;
}

static int content_run(struct archive_writer *w, int fd, const struct stat *st,
                       struct archive_content *ret)
{
        /* Not thread-local: every thread of every role would hold it, nng's as well. */
        struct content c = {.w = w, .hash = sha256_new(), .chunk = malloc(CHUNK)};
        struct archive_content found = {0};
        int r = c.hash && c.chunk ? take_file(&c, fd, st, &found.changed) : -ENOMEM;

        if (r == 0) {
                sha256_final(c.hash, found.sha256);
                *ret = found;
        }
        sha256_free(c.hash);
        free(c.chunk);
        return r;
}

int archive_hash(int fd, const struct stat *st, struct archive_content *ret)
{
        return content_run(NULL, fd, st, ret);
}

/* ---- the archive ---- */

static la_ssize_t on_output(struct archive *a, void *ctx, const void *data, size_t len)
{
        struct archive_writer *w = ctx;
        /* When the archive is closed after a failure, libarchive fills the entry up. */
        int r = w->why ? w->why : zstream_write(w->zstd, data, len);

        if (r != 0) {
                w->why = r;
                archive_set_error(a, EIO, "output");
                return -1;
        }
        return (la_ssize_t)len;
}

int archive_writer_open(zstream_sink sink, void *ctx, struct archive_writer **ret)
{
        struct archive_writer *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->archive = archive_write_new();
        w->entry = archive_entry_new();
        w->zstd = zstream_writer_new(1, sink, ctx);
        /* Names are bytes: no conversion, so that any name comes back as it was. */
        if (!w->archive || !w->entry || !w->zstd ||
            archive_write_set_format_pax(w->archive) != ARCHIVE_OK ||
            archive_write_set_options(w->archive, "pax:hdrcharset=BINARY") != ARCHIVE_OK ||
            archive_write_set_bytes_per_block(w->archive, 0) != ARCHIVE_OK ||
            archive_write_open(w->archive, w, NULL, on_output, NULL) != ARCHIVE_OK) {
                archive_writer_free(w);
                return -ENOMEM;
        }
        *ret = w;
        return 0;
}

struct archive_writer *archive_writer_free(struct archive_writer *w)
{
        if (w) {
                archive_write_free(w->archive);
                archive_entry_free(w->entry);
                zstream_writer_free(w->zstd);
        }
        free(w);
        return NULL;
}

int archive_writer_close(struct archive_writer *w)
{
        if (archive_write_close(w->archive) != ARCHIVE_OK)
                return writer_fault(w);
        return zstream_writer_end(w->zstd);
}

/* Tell the entry where the holes are; SEEK_DATA may be missing, then the file is one piece. */
static void find_holes(struct archive_entry *entry, int fd, const struct stat *st)
{
        off_t at = 0;

        if ((uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size)
                return;
        while (at < st->st_size) {
                off_t data = lseek(fd, at, SEEK_DATA);
                off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

                if (data < 0 && errno == ENXIO)
                        break;
                if (data < 0 || hole <= data) {
                        archive_entry_sparse_clear(entry);
                        return;
                }
                archive_entry_sparse_add_entry(entry, data, MIN(hole, st->st_size) - data);
                at = hole;
        }
        if (at < st->st_size)
                archive_entry_sparse_add_entry(entry, st->st_size, 0);
}

/* For each user.* attribute. The list has at most XATTR_NAMES_MAX bytes, else none is kept. */
static int xattrs_each(int fd, void (*fn)(void *ctx, const char *name, const void *value, size_t n),
                       void *ctx)
{
        char names[XATTR_NAMES_MAX];
        ssize_t len = flistxattr(fd, names, sizeof(names));
        uint8_t *value = NULL;
        size_t room = XATTR_ALL_MAX;
        int found = 0;

        for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
                ssize_t n;

                if (!str_starts(name, "user.") || (!value && !(value = malloc(XATTR_VALUE_MAX))))
                        continue;
                n = fgetxattr(fd, name, value, XATTR_VALUE_MAX);
                if (n < 0 || (size_t)n > room)
                        continue;
                room -= (size_t)n;
                fn(ctx, name, value, (size_t)n);
                found++;
        }
        free(value);
        return found;
}

static void xattr_to_entry(void *ctx, const char *name, const void *value, size_t n)
{
        archive_entry_xattr_add_entry(ctx, name, value, n);
}

/* In whatever order the file system lists them: the sum of their hashes. */
static void xattr_to_hash(void *ctx, const char *name, const void *value, size_t n)
{
        struct sha256 *h = sha256_new();
        uint8_t digest[SHA256_LEN];
        uint8_t *sum = ctx;

        if (!h)
                return;
        sha256_update(h, name, strlen(name) + 1);
        sha256_update(h, value, n);
        sha256_final(h, digest);
        sha256_free(h);
        for (int i = 0; i < 8; i++)
                sum[i] = (uint8_t)(sum[i] + digest[i]);
}

int archive_xattrs(int fd, uint8_t ret_hash[static 8])
{
        memset(ret_hash, 0, 8);
        return xattrs_each(fd, xattr_to_hash, ret_hash) > 0;
}

int archive_writer_add(struct archive_writer *w, const struct archive_item *item,
                       struct archive_content *ret)
{
        bool file = S_ISREG(item->st->st_mode) && !item->hardlink;
        int r;

        archive_entry_clear(w->entry);
        archive_entry_copy_pathname(w->entry, item->path);
        archive_entry_set_mode(w->entry, item->st->st_mode & (S_IFMT | 0777));
        archive_entry_set_mtime(w->entry, item->st->st_mtim.tv_sec, item->st->st_mtim.tv_nsec);
        archive_entry_set_size(w->entry, file ? item->st->st_size : 0);
        if (item->hardlink)
                archive_entry_copy_hardlink(w->entry, item->hardlink);
        if (item->target)
                archive_entry_copy_symlink(w->entry, item->target);
        if (item->fd >= 0 && !item->hardlink)
                (void)xattrs_each(item->fd, xattr_to_entry, w->entry);
        if (file && strlen(item->path) <= ARCHIVE_SPARSE_PATH_MAX)
                find_holes(w->entry, item->fd, item->st);
        r = archive_write_header(w->archive, w->entry);
        /* A warning is about how a name is encoded: the bytes are kept all the same. */
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                return writer_fault(w);
        return file ? content_run(w, item->fd, item->st, ret) : 0;
}
