#include "save/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/str.h"
#include "save/sqlite_copy.h"

/* Times stand still for up to one timer tick (10 ms at 100 Hz); be generous. */
#define RACY_US (100 * US_PER_MS)
#define STILL_US (3 * US_PER_S)
#define HEAD_BYTES 20       /* of a database: magic, page size, and the versions of its format */
#define WRITE_VERSION_AT 18 /* 2: write-ahead log (sqlite.org/fileformat2.html) */

/* ---- opening ---- */

static int open_own(const struct pack *k, const struct walk_entry *e)
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

static bool has_sibling(const struct walk_entry *e, const char *suffix)
{
        char name[NAME_MAX + 8];
        struct stat st;

        (void)snprintf(name, sizeof(name), "%s%s", e->name, suffix);
        return fstatat(e->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool pack_has_log(const struct walk_entry *e)
{
        return has_sibling(e, "-wal");
}

static void note_plain(struct pack *k, const char *path, const char *why)
{
        log_warn("a database is copied as a file", LOG_STR("path", path), LOG_STR("reason", why));
        if (k->notes.plain_databases++ == 0)
                STR_CUT(k->notes.first_database, path);
}

/*
 * A database that nobody has touched for a while, nor touches while it is copied, byte for byte:
 * SQLite's copy counts one change more each time. -EAGAIN: it is not one.
 */
static int copy_still(const struct pack *k, const struct walk_entry *e, const struct pack_file *f)
{
        AUTO_CLOSE fd = job_temp_file(k->job);
        struct stat after;
        off_t at = 0;

        if (fd < 0)
                return fd;
        if (has_sibling(e, "-journal") || f->changing ||
            (int64_t)f->st.st_ctim.tv_sec * US_PER_S > f->opened_us - STILL_US)
                return -EAGAIN;
        while (at < f->st.st_size) {
                ssize_t n = sendfile(fd, f->own_fd, &at, (size_t)(f->st.st_size - at));

                if (n < 0 && errno != EINTR)
                        return errno == ENOSPC ? -ENOSPC : -EAGAIN;
                if (n == 0)
                        return -EAGAIN;
        }
        if (fstat(f->own_fd, &after) < 0 || has_sibling(e, "-journal") ||
            after.st_ctim.tv_sec != f->st.st_ctim.tv_sec ||
            after.st_ctim.tv_nsec != f->st.st_ctim.tv_nsec)
                return -EAGAIN;
        return STEAL(fd, -1);
}

/* Put a consistent copy in the place of a database that somebody may be writing to. */
static int copy_database(struct pack *k, const struct walk_entry *e, struct pack_file *f)
{
        char path[WALK_PATH_MAX + 4], why[SQLITE_COPY_ERROR_SIZE] = "";
        struct stat st;
        int fd;

        (void)snprintf(path, sizeof(path), "./%s", e->path);
        fd = copy_still(k, e, f);
        if (fd == -EAGAIN)
                fd = sqlite_copy(path, k->job->scratch, why);
        if (fd == -ENOSPC)
                return fd;
        if (fd < 0 || fstat(fd, &st) < 0) {
                fd_close(fd);
                note_plain(k, e->path, why);
                f->sqlite = f->changing = false;
                return 0;
        }
        f->fd = fd;
        f->st.st_size = st.st_size;
        f->st.st_blocks = st.st_blocks;
        return 0;
}

static int look_for_database(struct pack *k, const struct walk_entry *e, struct pack_file *f)
{
        uint8_t head[HEAD_BYTES];
        ssize_t n;

        if (f->st.st_size < 512)
                return 0;
        n = pread(f->fd, head, sizeof(head), 0);
        if (n < 0)
                return archive_input_fault(-errno);
        f->sqlite = sqlite_is_database(head, (size_t)n);
        if (!f->sqlite)
                return 0;
        f->changing = pack_has_log(e);
        /* Whoever has it open made a log, and an index of the log: without one it is whole. */
        if (n == HEAD_BYTES && head[WRITE_VERSION_AT] == 2 && !f->changing)
                return 0;
        /* A log that somebody left behind belongs to it, and both lie still: they are files. */
        if (f->changing && !has_sibling(e, "-shm")) {
                f->sqlite = f->changing = false;
                return 0;
        }
        return copy_database(k, e, f);
}

int pack_open_file(struct pack *k, const struct walk_entry *e, struct pack_file *ret)
{
        struct pack_file f = {.opened_us = utc_read().us};
        int r = 0;

        f.fd = f.own_fd = open_own(k, e);
        if (f.fd == -ENOENT || f.fd == -ELOOP || f.fd == -ENXIO)
                return PACK_GONE;
        /* -EAGAIN: somebody holds a lease on it. */
        if (f.fd == -EACCES || f.fd == -EPERM || f.fd == -ETXTBSY || f.fd == -EAGAIN) {
                walk_note_unreadable(k->walk_notes, e->path);
                return PACK_UNREADABLE;
        }
        if (f.fd < 0)
                return archive_input_fault(f.fd);
        if (fstat(f.fd, &f.st) < 0)
                r = archive_input_fault(-errno);
        else if (!S_ISREG(f.st.st_mode))
                r = PACK_GONE;
        else if (f.st.st_size > ARCHIVE_FILE_MAX)
                r = PACK_UNREADABLE;
        if (r == PACK_UNREADABLE)
                walk_note_unreadable(k->walk_notes, e->path);
        f.st.st_mode = (f.st.st_mode & S_IFMT) | (e->st.st_mode & 0777);
        if (r == 0)
                r = look_for_database(k, e, &f);
        if (r == 0)
                f.has_xattrs = archive_xattrs(f.own_fd, f.xattrs);
        if (r == 0)
                *ret = f;
        else
                pack_close_file(&f);
        return r;
}

void pack_close_file(struct pack_file *f)
{
        if (f->own_fd != f->fd)
                fd_close(f->own_fd);
        f->fd = f->own_fd = fd_close(f->fd);
}

/* ---- packing ---- */

static int archive_ready(struct pack *k, uint32_t number)
{
        if (k->out[number].writer)
                return 0;
        k->out[number].stream = part_stream_open(k->parts, number);
        return archive_writer_open(part_stream_write, k->out[number].stream,
                                   &k->out[number].writer);
}

int pack_file(struct pack *k, struct pack_file *f, const char *path, uint32_t number,
              struct archive_content *ret)
{
        struct archive_item item = {.path = path, .st = &f->st, .fd = f->fd};
        int r = archive_ready(k, number);

        if ((uint64_t)f->st.st_size > k->notes.largest) {
                k->notes.largest = (uint64_t)f->st.st_size;
                STR_CUT(k->notes.largest_path, path);
        }
        if (r == 0)
                r = archive_writer_add(k->out[number].writer, &item, ret);
        k->out[number].bytes += (uint64_t)f->st.st_size;
        return r;
}

int pack_hash(struct pack *k, struct pack_file *f, struct archive_content *ret)
{
        (void)k;
        return archive_hash(f->fd, &f->st, ret);
}

bool pack_settled(const struct pack_file *f, const struct archive_content *content)
{
        struct stat after;

        if (content->changed || f->changing || fstat(f->own_fd, &after) < 0)
                return false;
        if (after.st_ctim.tv_sec != f->st.st_ctim.tv_sec ||
            after.st_ctim.tv_nsec != f->st.st_ctim.tv_nsec ||
            (!f->sqlite && after.st_size != f->st.st_size))
                return false;
        return (int64_t)after.st_ctim.tv_sec * US_PER_S + after.st_ctim.tv_nsec / 1000 <
               f->opened_us - RACY_US;
}

int pack_other(struct pack *k, const struct archive_item *item, uint32_t number)
{
        struct archive_content none;
        int r = archive_ready(k, number);

        return r == 0 ? archive_writer_add(k->out[number].writer, item, &none) : r;
}

bool pack_is_log_index(const struct walk_entry *e)
{
        const size_t n = sizeof("-shm") - 1;
        size_t len = strlen(e->name);
        char name[NAME_MAX + 1];
        uint8_t head[16];
        AUTO_CLOSE fd = -1;

        if (len <= n || strcmp(e->name + len - n, "-shm") != 0)
                return false;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(len - n), e->name);
        fd = openat(e->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd >= 0 && pread(fd, head, sizeof(head), 0) == sizeof(head) &&
               sqlite_is_database(head, sizeof(head));
}

int pack_close(struct pack *k, struct snapshot_archive a[static PACK_ARCHIVES])
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < PACK_ARCHIVES; i++) {
                if (!k->out[i].writer)
                        continue;
                r = archive_writer_close(k->out[i].writer);
                if (r == 0)
                        r = part_stream_end(k->out[i].stream);
        }
        if (r == 0)
                r = parts_wait(k->parts);
        for (uint32_t i = 0; r == 0 && i < PACK_ARCHIVES; i++) {
                if (!k->out[i].writer)
                        continue;
                part_stream_take(k->out[i].stream, &a[i]);
                a[i].bytes = k->out[i].bytes;
        }
        return r;
}

void pack_deinit(struct pack *k)
{
        for (uint32_t i = 0; i < PACK_ARCHIVES; i++)
                k->out[i].writer = archive_writer_free(k->out[i].writer);
}
