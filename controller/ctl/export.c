/*
 * wsctl export: a save as one archive. Every part that it needs is fetched by a grant that the
 * controller gave, checked by length and hash, and read entry by entry; what comes out is written
 * anew into one tar.zst, with each file's content held against the hash in the manifest. The file
 * appears when it is whole, or not at all.
 */
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
#include "ctl.h"
#include "save/archive_read.h"
#include "save/archive_write.h"
#include "save/fetch.h"

#define PATIENCE_MS 120000
#define PROGRESS_EVERY (UINT64_C(4) << 20)

struct export
{
        const char *file; /* that it becomes */
        struct job job;   /* temporary files stand beside it */
        struct blob_grants grants;
        struct snapshot_reader *manifest;
        int manifest_fd, out_fd, content_fd;
        bool linked; /* out_fd has a name of its own already */
        char part[1100];
        struct fetch *fetch;
        struct archive_writer *writer;
        struct archive_reader *reader; /* of the archive that is copied */
        const char *at;                /* its entry that waits, or NULL */
        uint64_t done, told, total, entries;
        bool show;
        char error[512];
};

static int fail(struct export *x, int r, const char *what, const char *why)
{
        if (!x->error[0])
                (void)snprintf(x->error, sizeof(x->error), "%.200s: %.250s", what, why);
        return r;
}

static int fail_errno(struct export *x, int r, const char *what)
{
        return fail(x, r, what, r < 0 ? strerror(-r) : "failed");
}

/* ---- the file ---- */

static int file_open(struct export *x)
{
        if (access(x->file, F_OK) == 0)
                return fail(x, -EEXIST, x->file,
                            "is there already; name another file, or remove it");
        x->out_fd = open(x->job.scratch, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
        if (x->out_fd >= 0)
                return 0;
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
                return fail_errno(x, -errno, x->job.scratch);
        (void)snprintf(x->part, sizeof(x->part), "%s.part", x->file);
        x->out_fd = open(x->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        x->linked = x->out_fd >= 0;
        return x->out_fd < 0 ? fail_errno(x, -errno, x->part) : 0;
}

static int file_finish(struct export *x)
{
        char self[64];
        int r = fsync(x->out_fd) < 0 ? -errno : 0;

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", x->out_fd);
        if (r == 0 && x->linked)
                r = link(x->part, x->file) < 0 ? -errno : 0;
        else if (r == 0)
                r = linkat(AT_FDCWD, self, AT_FDCWD, x->file, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
        return r < 0 ? fail_errno(x, r, x->file) : 0;
}

static int to_file(void *ctx, const void *data, size_t len)
{
        struct export *x = ctx;

        return fd_write_all(x->out_fd, data, len);
}

/* ---- progress ---- */

static void progress(struct export *x, uint64_t bytes)
{
        x->done += bytes;
        if (!x->show || (x->done - x->told < PROGRESS_EVERY && x->done < x->total))
                return;
        x->told = x->done;
        fprintf(stderr, "\r%.0f of %.0f MB", (double)x->done / 1e6, (double)x->total / 1e6);
        (void)fflush(stderr);
}

/* ---- copying ---- */

static int fetch_fault(struct export *x, int r, const char *path)
{
        const char *why = NULL;

        if (fetch_why(x->fetch, &why) != 0)
                return fail(x, r, "a part of the save", why);
        return fail(x, r, path, archive_reader_error(x->reader));
}

/* To the archive's entry of this name; what the manifest does not want is passed over. */
static int seek_entry(struct export *x, const char *path)
{
        int r;

        while (!x->at || strcmp(x->at, path) != 0) {
                r = archive_reader_next(x->reader, &x->at);
                if (r == 0)
                        return fail(x, ARCHIVE_DAMAGED, path, "is not in its archive");
                if (r != 1)
                        return fetch_fault(x, r, path);
        }
        return 0;
}

static int content_of(struct export *x, const struct snapshot_entry *e)
{
        int r = 0;

        if (ftruncate(x->content_fd, 0) < 0)
                return fail_errno(x, -errno, "a temporary file");
        if (e->size > 0 || e->has_xattrs)
                r = seek_entry(x, e->path);
        if (r == 0 && (e->size > 0 || e->has_xattrs)) {
                r = archive_reader_extract(x->reader, x->content_fd, true, e->size);
                if (r == ARCHIVE_DISK_FULL)
                        r = fail(x, r, x->job.scratch, "the disk is full");
                else if (r != 0)
                        r = fetch_fault(x, r, e->path);
        }
        return r;
}

static int copy_file(struct export *x, const struct snapshot_entry *e, struct archive_item *item,
                     struct stat *st)
{
        struct archive_content content = {0};
        struct stat now;
        int r = content_of(x, e);

        if (r != 0)
                return r;
        if (fstat(x->content_fd, &now) < 0)
                return fail_errno(x, -errno, "a temporary file");
        st->st_size = now.st_size;
        st->st_blocks = now.st_blocks;
        item->fd = x->content_fd;
        r = archive_writer_add(x->writer, item, &content);
        if (r != 0)
                return fail_errno(x, r, x->file);
        if (memcmp(content.sha256, e->sha256, sizeof(e->sha256)) != 0)
                return fail(x, ARCHIVE_DAMAGED, e->path, "has another hash than the manifest says");
        progress(x, e->size);
        return 0;
}

static int copy_entry(struct export *x, const struct snapshot_entry *e)
{
        static const mode_t types[] = {
                [SNAPSHOT_FILE] = S_IFREG, [SNAPSHOT_DIR] = S_IFDIR, [SNAPSHOT_LINK] = S_IFLNK};
        struct stat st = {.st_mode = types[e->type] | e->mode,
                          .st_nlink = 1,
                          .st_mtim = {.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns}};
        struct archive_item item = {
                .path = e->path, .st = &st, .target = e->link, .hardlink = e->hardlink, .fd = -1};
        struct archive_content none;
        int r;

        x->entries++;
        if (e->type == SNAPSHOT_FILE && !e->hardlink)
                return copy_file(x, e, &item, &st);
        r = archive_writer_add(x->writer, &item, &none);
        return r != 0 ? fail_errno(x, r, x->file) : 0;
}

/* Of one archive, or, behind all, the folders: whoever unpacks sets their modes and times last. */
static int copy_entries(struct export *x, const uint32_t *which)
{
        struct snapshot_entry e;
        int r = snapshot_reader_rewind(x->manifest);

        while (r == 0 && (r = snapshot_reader_next(x->manifest, &e)) > 0) {
                bool wanted = which ? e.archive == *which && e.type != SNAPSHOT_DIR
                                    : e.type == SNAPSHOT_DIR;

                r = wanted ? copy_entry(x, &e) : 0;
        }
        return r == -EBADMSG ? fail(x, r, "manifest", snapshot_reader_error(x->manifest)) : r;
}

static int copy_archives(struct export *x)
{
        const struct snapshot_header *h = snapshot_reader_header(x->manifest);
        bool *wanted = calloc(h->n_archives + 1, sizeof(*wanted));
        int r = wanted ? 0 : -ENOMEM;

        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++)
                wanted[i] = true;
        if (r == 0)
                r = fetch_open(&x->job, &x->grants, PATIENCE_MS, h, wanted, &x->fetch);
        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++) {
                fetch_archive(x->fetch);
                x->at = NULL;
                r = archive_reader_open(fetch_source, x->fetch, &x->reader);
                if (r == 0)
                        r = copy_entries(x, &i);
                x->reader = archive_reader_free(x->reader);
        }
        if (r == 0)
                r = copy_entries(x, NULL);
        if (r < 0)
                (void)fail_errno(x, r, "export");
        x->fetch = fetch_free(x->fetch);
        free(wanted);
        return r;
}

/* ---- the manifest ---- */

static int manifest_get(struct export *x, const struct doc *answer)
{
        const char *save = doc_str(doc_get(answer, "save"), "save");
        char name[BLOB_OBJECT_SIZE], error[SNAPSHOT_ERROR_SIZE] = "";
        int r;

        (void)snprintf(name, sizeof(name), "%.60s/manifest.mtree.zst", save);
        x->manifest_fd = job_temp_file(&x->job);
        if (x->manifest_fd < 0)
                return fail_errno(x, x->manifest_fd, x->job.scratch);
        r = fetch_object(&x->job.transfer, &x->job, &x->grants, PATIENCE_MS, name, x->manifest_fd,
                         (uint64_t)doc_num(answer, "length", 0), doc_str(answer, "sha256"));
        if (r != 0)
                return fail(x, r, name, x->job.transfer.error);
        r = snapshot_reader_open(x->manifest_fd, error, &x->manifest);
        if (r != 0)
                return fail(x, r, "manifest", error[0] ? error : strerror(-r));
        x->total = snapshot_reader_header(x->manifest)->bytes;
        return 0;
}

/* ---- all of it ---- */

static int begin(struct export *x, const struct doc *answer)
{
        char *slash;
        int r;

        x->job.home_fd = -1;
        x->job.began = mono_read();
        r = STR_SET(x->job.scratch, x->file);
        slash = strrchr(x->job.scratch, '/');
        if (r == 0 && slash)
                slash[slash == x->job.scratch] = 0;
        else if (r == 0)
                STR_CUT(x->job.scratch, ".");
        x->grants.n = 1;
        if (r == 0)
                r = STR_SET(x->grants.url[0], doc_str(answer, "grant"));
        if (r == 0)
                r = transfer_init(&x->job.transfer);
        if (r < 0)
                return fail_errno(x, r, x->file);
        return file_open(x);
}

static int run(struct export *x, const struct doc *answer)
{
        int r = begin(x, answer);

        if (r == 0)
                r = manifest_get(x, answer);
        if (r == 0) {
                x->content_fd = job_temp_file(&x->job);
                r = x->content_fd < 0 ? fail_errno(x, x->content_fd, x->job.scratch) : 0;
        }
        if (r == 0)
                r = archive_writer_open(to_file, x, &x->writer);
        if (r == 0)
                r = copy_archives(x);
        if (r == 0) {
                r = archive_writer_close(x->writer);
                if (r != 0)
                        (void)fail_errno(x, r, x->file);
        }
        return r == 0 ? file_finish(x) : r;
}

static void end(struct export *x)
{
        archive_writer_free(x->writer);
        snapshot_reader_free(x->manifest);
        fd_close(x->manifest_fd);
        fd_close(x->content_fd);
        fd_close(x->out_fd);
        if (x->linked)
                (void)unlink(x->part);
        transfer_deinit(&x->job.transfer);
}

enum ctl_exit command_export(const struct ctl *c)
{
        static struct export x;
        AUTO_DOC *request = ctl_request_new("export", c->argument);
        AUTO_DOC *answer = NULL;
        enum ctl_exit code;
        char size[40];
        int r;

        if (!c->file) {
                fputs("wsctl export: say which file it becomes: wsctl export WORKSPACE FILE\n",
                      stderr);
                return CTL_USAGE;
        }
        if (c->at)
                doc_set_str(request, "at", c->at);
        code = ctl_ask(c, request, 0, &answer);
        if (code != CTL_OK)
                return code;
        x = (struct export){.file = c->file,
                            .manifest_fd = -1,
                            .out_fd = -1,
                            .content_fd = -1,
                            .show = isatty(STDERR_FILENO)};
        r = run(&x, answer);
        end(&x);
        if (x.show && x.told)
                fputc('\n', stderr);
        if (r != 0) {
                fprintf(stderr, "wsctl export: %s\n", x.error[0] ? x.error : "failed");
                return CTL_FAILED;
        }
        show_size((double)x.done, size, sizeof(size));
        if (!ctl_print_json(c, answer))
                printf("%s: the save %s of %s, %" PRIu64 " entries, %s\n", c->file,
                       doc_str(doc_get(answer, "save"), "save"), doc_str(answer, "id"), x.entries,
                       size);
        return CTL_OK;
}
