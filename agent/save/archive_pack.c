#include "save/archive_pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"

#define CHUNK (256u << 10)
#define LINK_MAX_BYTES 4096

/* ---- writing ---- */

struct packer {
        struct archive *archive;
        struct archive_entry_linkresolver *links;
        struct archive_entry *entry;
        struct sha256 *hash;
        uint8_t *chunk;
        int out_fd;
        uint64_t max_bytes;
        bool last;
        int why; /* what the output side ran into: a pack_refusal or -errno */
        struct pack_info info;
};

static int fault_of_output(int r)
{
        return r == -ENOSPC || r == -EDQUOT || r == -EFBIG ? PACK_DISK_FULL : r;
}

static int fault_of_input(int r)
{
        return r == -EIO || r == -EUCLEAN || r == -ENODATA || r == -EBADMSG ? PACK_READ_ERROR : r;
}

static la_ssize_t on_output(struct archive *a, void *ctx, const void *data, size_t len)
{
        struct packer *k = ctx;
        int r;

        if (len > k->max_bytes - k->info.length) {
                k->why = PACK_TOO_BIG;
                archive_set_error(a, EFBIG, "too big");
                return -1;
        }
        r = fd_write_all(k->out_fd, data, len);
        if (r < 0) {
                k->why = fault_of_output(r);
                archive_set_error(a, -r, "write");
                return -1;
        }
        sha256_update(k->hash, data, len);
        k->info.length += len;
        return (la_ssize_t)len;
}

/* Why a call to libarchive failed. */
static int packer_fault(const struct packer *k)
{
        int e = archive_errno(k->archive);

        if (k->why)
                return k->why;
        return e > 0 ? -e : -EIO;
}

static int packer_open(struct packer *k)
{
        k->archive = archive_write_new();
        k->links = archive_entry_linkresolver_new();
        k->entry = archive_entry_new();
        k->hash = sha256_new();
        k->chunk = malloc(CHUNK);
        if (!k->archive || !k->links || !k->entry || !k->hash || !k->chunk)
                return -ENOMEM;
        archive_entry_linkresolver_set_strategy(k->links, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
        /* Names are bytes: no conversion, so that any name comes back as it was. */
        if (archive_write_set_format_pax(k->archive) != ARCHIVE_OK ||
            archive_write_add_filter_zstd(k->archive) != ARCHIVE_OK ||
            archive_write_set_options(
                    k->archive, "pax:hdrcharset=BINARY,zstd:compression-level=1") != ARCHIVE_OK ||
            archive_write_set_bytes_per_block(k->archive, CHUNK) != ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(k->archive, 1) != ARCHIVE_OK ||
            archive_write_open(k->archive, k, NULL, on_output, NULL) != ARCHIVE_OK)
                return packer_fault(k);
        return 0;
}

static void packer_close(struct packer *k)
{
        archive_write_free(k->archive);
        archive_entry_linkresolver_free(k->links);
        archive_entry_free(k->entry);
        sha256_free(k->hash);
        free(k->chunk);
}

static int write_data(struct packer *k, const void *data, size_t len)
{
        const uint8_t *p = data;

        while (len > 0) {
                la_ssize_t n = archive_write_data(k->archive, p, len);

                if (n <= 0)
                        return packer_fault(k);
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

static int write_zeros(struct packer *k, uint64_t len)
{
        int r = 0;

        memset(k->chunk, 0, CHUNK);
        for (; r == 0 && len > 0; len -= MIN(len, CHUNK))
                r = write_data(k, k->chunk, (size_t)MIN(len, CHUNK));
        return r;
}

/* Content from `at` to `end`; *ret_at is where it stopped: before `end` when the file has shrunk.
 */
static int write_range(struct packer *k, int fd, uint64_t at, uint64_t end, uint64_t *ret_at)
{
        int r = 0;

        while (r == 0 && at < end) {
                ssize_t n = pread(fd, k->chunk, (size_t)MIN(end - at, CHUNK), (off_t)at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fault_of_input(-errno);
                if (n == 0)
                        break;
                r = write_data(k, k->chunk, (size_t)n);
                at += (uint64_t)n;
        }
        *ret_at = at;
        return r;
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

/*
 * The header promised st_size bytes; so many follow, whatever becomes of the file meanwhile. Holes
 * are given as zeros, which libarchive drops.
 */
static int write_content(struct packer *k, int fd, const struct stat *st)
{
        uint64_t size = (uint64_t)st->st_size;
        uint64_t at = 0;
        struct stat after;
        int r = 0;

        while (r == 0 && at < size) {
                bool holes = (uint64_t)st->st_blocks * 512 < size;
                off_t data = holes ? lseek(fd, (off_t)at, SEEK_DATA) : -1;
                off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
                uint64_t from = data < 0 ? at : MIN((uint64_t)data, size);
                uint64_t until = hole <= data ? size : MIN((uint64_t)hole, size);
                uint64_t stopped = from;

                if (holes && data < 0 && errno == ENXIO)
                        from = until = stopped = size;
                r = write_zeros(k, from - at);
                if (r == 0)
                        r = write_range(k, fd, from, until, &stopped);
                if (r == 0 && stopped < until)
                        r = write_zeros(k, size - stopped);
                at = stopped < until ? size : until;
        }
        if (r == 0 && (fstat(fd, &after) < 0 || after.st_size != st->st_size ||
                       after.st_mtim.tv_sec != st->st_mtim.tv_sec ||
                       after.st_mtim.tv_nsec != st->st_mtim.tv_nsec))
                k->info.changed++;
        k->info.bytes += size;
        return r;
}

/* Fill k->entry; the caller adds type-specific parts. */
static void entry_set(struct packer *k, const struct walk_entry *e, const struct stat *st)
{
        archive_entry_clear(k->entry);
        archive_entry_copy_pathname(k->entry, e->path);
        archive_entry_set_mode(k->entry, st->st_mode & (S_IFMT | 0777));
        archive_entry_set_mtime(k->entry, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        archive_entry_set_size(k->entry, S_ISREG(st->st_mode) ? st->st_size : 0);
}

static int write_header(struct packer *k)
{
        int r = archive_write_header(k->archive, k->entry);

        /* A warning is about how a name is encoded: the bytes are kept all the same. */
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                return packer_fault(k);
        k->info.files++;
        return 0;
}

/*
 * A file with more names: the first is written whole, later ones as links to it. Returns true when
 * k->entry has become such a link. Only called for files that will be in the archive.
 */
static bool link_resolve(struct packer *k, const struct stat *st)
{
        struct archive_entry *entry = k->entry;
        struct archive_entry *spare = NULL;
        bool linked;

        if (st->st_nlink < 2)
                return false;
        archive_entry_set_dev(entry, st->st_dev);
        archive_entry_set_ino64(entry, (la_int64_t)st->st_ino);
        archive_entry_set_nlink(entry, (unsigned)st->st_nlink);
        archive_entry_linkify(k->links, &entry, &spare);
        linked = archive_entry_hardlink(k->entry) != NULL;
        archive_entry_set_dev(k->entry, 0);
        archive_entry_set_ino64(k->entry, 0);
        archive_entry_set_nlink(k->entry, 1);
        return linked;
}

static int open_file(const struct packer *k, const struct walk_entry *e)
{
        const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        mode_t mode = e->st.st_mode & 07777;
        int fd = openat(e->dir_fd, e->name, flags);
        int r = fd < 0 ? -errno : 0;

        if (r != -EACCES || !k->last || e->st.st_uid != geteuid())
                return fd < 0 ? r : fd;
        if (fchmodat(e->dir_fd, e->name, mode | 0400, 0) < 0)
                return r;
        fd = openat(e->dir_fd, e->name, flags);
        r = fd < 0 ? -errno : fd;
        if (fchmodat(e->dir_fd, e->name, mode, 0) < 0)
                log_warn("cannot give a file its mode back", LOG_STR("path", e->path),
                         LOG_ERR(-errno));
        return r;
}

static int pack_file(struct packer *k, const struct walk_entry *e)
{
        AUTO_CLOSE fd = open_file(k, e);
        struct stat st;
        int r;

        if (fd == -ENOENT || fd == -ELOOP || fd == -ENXIO)
                return 0; /* gone, or become something else */
        if (fd == -EACCES || fd == -EPERM || fd == -ETXTBSY) {
                walk_note_unreadable(&k->info.notes, e->path);
                return 0;
        }
        if (fd < 0)
                return fault_of_input(fd);
        if (fstat(fd, &st) < 0)
                return fault_of_input(-errno);
        if (!S_ISREG(st.st_mode))
                return 0;
        if (st.st_size > PACK_FILE_MAX) {
                walk_note_unreadable(&k->info.notes, e->path);
                return 0;
        }
        st.st_mode = (st.st_mode & S_IFMT) | (e->st.st_mode & 07777);
        entry_set(k, e, &st);
        if (link_resolve(k, &st))
                return write_header(k);
        find_holes(k->entry, fd, &st);
        r = write_header(k);
        return r == 0 ? write_content(k, fd, &st) : r;
}

static int pack_symlink(struct packer *k, const struct walk_entry *e)
{
        char target[LINK_MAX_BYTES + 1];
        ssize_t n = readlinkat(e->dir_fd, e->name, target, sizeof(target) - 1);

        if (n < 0)
                return errno == ENOENT || errno == EINVAL ? 0 : fault_of_input(-errno);
        target[n] = 0;
        entry_set(k, e, &e->st);
        if (!link_resolve(k, &e->st))
                archive_entry_copy_symlink(k->entry, target);
        return write_header(k);
}

static int pack_entry(void *ctx, const struct walk_entry *e)
{
        struct packer *k = ctx;

        if (S_ISREG(e->st.st_mode))
                return pack_file(k, e);
        if (S_ISLNK(e->st.st_mode))
                return pack_symlink(k, e);
        entry_set(k, e, &e->st);
        return write_header(k);
}

/* walk_tree takes only negative results from the function it calls; refusals travel in k->why. */
static int pack_entry_cb(void *ctx, const struct walk_entry *e)
{
        struct packer *k = ctx;
        int r = pack_entry(k, e);

        if (r > 0)
                k->why = r;
        return r > 0 ? -ECANCELED : r;
}

static int packer_run(struct packer *k, int root_fd, const struct profile *p)
{
        uint8_t digest[SHA256_LEN];
        int r = packer_open(k);

        if (r == 0)
                r = walk_tree(root_fd, p, k->last, pack_entry_cb, k, &k->info.notes);
        if (r == -ECANCELED && k->why)
                return k->why;
        if (r == -E2BIG)
                return PACK_TOO_BIG;
        if (r < 0)
                return fault_of_input(r);
        if (r == 0 && archive_write_close(k->archive) != ARCHIVE_OK)
                r = packer_fault(k);
        if (r == 0) {
                sha256_final(k->hash, digest);
                hex_encode(digest, sizeof(digest), k->info.sha256);
        }
        return r;
}

int archive_pack(int root_fd, const struct profile *p, bool last, int out_fd, uint64_t max_bytes,
                 struct pack_info *ret_info)
{
        struct packer k = {.out_fd = out_fd, .max_bytes = max_bytes, .last = last};
        int r = packer_run(&k, root_fd, p);

        if (r == 0)
                *ret_info = k.info;
        packer_close(&k);
        return r;
}

/* ---- reading ---- */

struct unpacker {
        struct archive *in, *out;
        struct pack_info info;
        char *error;
};

/* Not EXTRACT_SPARSE: holes come from the archive's own map; looking for zeros costs a write a
 * page. */
#define EXTRACT_FLAGS                                                                              \
        (ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |                       \
         ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS | ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_TIME |  \
         ARCHIVE_EXTRACT_PERM)

static int unpack_fault(struct unpacker *u, struct archive *at, const char *path)
{
        int e = archive_errno(at);
        const char *text = archive_error_string(at);

        (void)snprintf(u->error, PACK_ERROR_SIZE, "%.80s: %.100s", path, text ? text : "?");
        if (at == u->in)
                return PACK_DAMAGED;
        return e > 0 ? fault_of_output(-e) : -EIO;
}

static int unpack_content(struct unpacker *u, const char *path)
{
        for (;;) {
                const void *data;
                size_t len;
                la_int64_t at;
                int r = archive_read_data_block(u->in, &data, &len, &at);

                if (r == ARCHIVE_EOF)
                        return 0;
                if (r != ARCHIVE_OK)
                        return unpack_fault(u, u->in, path);
                if (archive_write_data_block(u->out, data, len, at) < ARCHIVE_OK)
                        return unpack_fault(u, u->out, path);
                u->info.bytes += len;
        }
}

/* Files, folders and links of both kinds are what a save holds; the rest is not ours. */
static bool entry_welcome(struct archive_entry *entry)
{
        mode_t type = archive_entry_filetype(entry);

        return archive_entry_hardlink(entry) || type == AE_IFREG || type == AE_IFDIR ||
               type == AE_IFLNK;
}

static int unpack_entry(struct unpacker *u, struct archive_entry *entry)
{
        const char *path = archive_entry_pathname(entry);
        int r;

        if (!path)
                return unpack_fault(u, u->in, "(entry without a name)");
        if (!entry_welcome(entry)) {
                walk_note_unreadable(&u->info.notes, path);
                return 0;
        }
        archive_entry_set_perm(entry, archive_entry_perm(entry) & 0777);
        r = archive_write_header(u->out, entry);
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                return unpack_fault(u, u->out, path);
        r = unpack_content(u, path);
        if (r != 0)
                return r;
        r = archive_write_finish_entry(u->out);
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                return unpack_fault(u, u->out, path);
        u->info.files++;
        return 0;
}

static int unpacker_run(struct unpacker *u, int in_fd)
{
        struct archive_entry *entry;
        int r;

        u->in = archive_read_new();
        u->out = archive_write_disk_new();
        if (!u->in || !u->out)
                return -ENOMEM;
        if (archive_read_support_format_tar(u->in) != ARCHIVE_OK ||
            archive_read_support_filter_zstd(u->in) != ARCHIVE_OK ||
            archive_read_open_fd(u->in, in_fd, CHUNK) != ARCHIVE_OK)
                return unpack_fault(u, u->in, "archive");
        if (archive_write_disk_set_options(u->out, EXTRACT_FLAGS) != ARCHIVE_OK)
                return unpack_fault(u, u->out, "options");
        for (;;) {
                r = archive_read_next_header(u->in, &entry);
                if (r == ARCHIVE_EOF)
                        break;
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return unpack_fault(u, u->in, "archive");
                r = unpack_entry(u, entry);
                if (r != 0)
                        return r;
        }
        /* Folders get their modes and times here. */
        r = archive_write_close(u->out);
        return r == ARCHIVE_OK || r == ARCHIVE_WARN ? 0 : unpack_fault(u, u->out, "folders");
}

int archive_unpack(int in_fd, struct pack_info *ret_info, char error[static PACK_ERROR_SIZE])
{
        struct unpacker u = {.error = error};
        int r = unpacker_run(&u, in_fd);

        archive_read_free(u.in);
        archive_write_free(u.out);
        if (r == 0)
                *ret_info = u.info;
        return r;
}
