#include "save/extract.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "save/archive_read.h"
#include "save/place.h"
#include "save/walk.h"

/* Only content and attributes come from the archive; for the rest the manifest is enough. */
static bool needs_archive(const struct snapshot_entry *e)
{
        return (e->type == SNAPSHOT_FILE && !e->hardlink && e->size > 0) || e->has_xattrs;
}

static bool is_staging(const char *path)
{
        size_t n = strlen(WALK_STAGING);

        return strncmp(path, WALK_STAGING, n) == 0 && (path[n] == 0 || path[n] == '/');
}

static unsigned depth_of(const char *path)
{
        unsigned n = 1;

        for (; *path; path++)
                n += *path == '/';
        return n;
}

int extract_check(struct snapshot_reader *m, struct extract_plan *ret,
                  char error[static EXTRACT_ERROR_SIZE])
{
        const struct snapshot_header *h = snapshot_reader_header(m);
        struct extract_plan plan = {.needed = calloc(h->n_archives + 1, sizeof(bool))};
        struct snapshot_entry e;
        int r = plan.needed ? 0 : -ENOMEM;

        while (r == 0 && (r = snapshot_reader_next(m, &e)) > 0) {
                bool later = h->archives[e.archive].later;

                r = 0;
                plan.entries[later]++;
                plan.bytes[later] += e.hardlink ? 0 : e.size;
                plan.needed[e.archive] = plan.needed[e.archive] || needs_archive(&e);
                if (is_staging(e.path) || depth_of(e.path) > PLACE_DEPTH_MAX) {
                        (void)snprintf(error, EXTRACT_ERROR_SIZE, "not a path of a save: %.100s",
                                       e.path);
                        free(plan.needed);
                        return -EBADMSG;
                }
        }
        if (r < 0) {
                (void)snprintf(error, EXTRACT_ERROR_SIZE, "manifest: %s",
                               r == -EBADMSG ? snapshot_reader_error(m) : strerror(-r));
                free(plan.needed);
                return r;
        }
        *ret = plan;
        return 0;
}

struct extract {
        struct archive_reader *archive; /* NULL: nothing is needed of it */
        const char *at;                 /* path of the archive's entry that waits, or NULL */
        bool ended;
        struct place place;
        struct extract_counts *counts;
        char *error;
};

static int fault(struct extract *x, int r, const char *path, const char *what)
{
        (void)snprintf(x->error, EXTRACT_ERROR_SIZE, "%.120s: %.100s", path, what);
        return r == -ENOSPC || r == -EDQUOT ? ARCHIVE_DISK_FULL : r;
}

/* Skip what the manifest does not want of the archive; it must have this one. */
static int seek_entry(struct extract *x, const char *path)
{
        for (;;) {
                int order = -1, r;

                if (x->at) {
                        order = snapshot_path_compare(x->at, path);
                        if (order == 0)
                                return 0;
                }
                if (order > 0 || x->ended || !x->archive)
                        return fault(x, ARCHIVE_DAMAGED, path, "not in the archive");
                r = archive_reader_next(x->archive, &x->at);
                x->ended = r == 0;
                if (r <= 0)
                        x->at = NULL;
                if (r < 0 || r > 1)
                        return fault(x, r, path, archive_reader_error(x->archive));
        }
}

static int extract_file(struct extract *x, const struct snapshot_entry *e)
{
        AUTO_CLOSE fd = -1;
        int r = 0;

        if (needs_archive(e))
                r = seek_entry(x, e->path);
        if (r != 0)
                return r;
        fd = place_file(&x->place, e->path);
        if (fd < 0)
                return fault(x, fd, e->path, strerror(-fd));
        if (needs_archive(e))
                r = archive_reader_extract(x->archive, fd, true, e->size);
        if (r == ARCHIVE_DAMAGED || r == -ECANCELED)
                return fault(x, r, e->path, archive_reader_error(x->archive));
        if (r == 0)
                r = place_finish(fd, e);
        if (r != 0)
                return fault(x, r, e->path, r < 0 ? strerror(-r) : "the disk is full");
        x->counts->bytes += e->size;
        return 0;
}

static int extract_dir(struct extract *x, const struct snapshot_entry *e)
{
        AUTO_CLOSE fd = -1;
        const char *name;
        int r = place_dir(&x->place, e->path), dir;

        if (r < 0)
                return fault(x, r, e->path, strerror(-r));
        if (!e->has_xattrs)
                return 0;
        r = seek_entry(x, e->path);
        dir = r == 0 ? place_folder(&x->place, e->path, true, &name) : -1;
        if (r != 0 || dir < 0)
                return r;
        fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? 0 : archive_reader_extract(x->archive, fd, false, 0);
}

static int extract_entry(struct extract *x, const struct snapshot_entry *e)
{
        int r = 0;

        x->counts->entries++;
        switch (e->type) {
        case SNAPSHOT_DIR:
                return extract_dir(x, e);
        case SNAPSHOT_LINK:
                r = place_symlink(&x->place, e);
                break;
        case SNAPSHOT_FILE:
                if (!e->hardlink)
                        return extract_file(x, e);
                r = place_link(&x->place, e);
                break;
        }
        return r < 0 ? fault(x, r, e->path, strerror(-r)) : 0;
}

static int extract_run(struct extract *x, struct snapshot_reader *m, uint32_t which)
{
        struct snapshot_entry e;
        int r = snapshot_reader_rewind(m);

        while (r == 0 && (r = snapshot_reader_next(m, &e)) > 0)
                r = e.archive == which ? extract_entry(x, &e) : 0;
        return r;
}

int extract_archive(struct snapshot_reader *m, uint32_t which, int dir_fd, struct fetch *fetch,
                    struct extract_counts *counts, char error[static EXTRACT_ERROR_SIZE])
{
        static struct extract x;
        int r = 0;

        x = (struct extract){.counts = counts, .error = error};
        place_init(&x.place, dir_fd);
        if (fetch)
                r = archive_reader_open(fetch_source, fetch, &x.archive);
        if (r == 0)
                r = extract_run(&x, m, which);
        place_deinit(&x.place);
        archive_reader_free(x.archive);
        return r;
}

int extract_folders(struct snapshot_reader *m, int dir_fd)
{
        static struct place place;
        struct snapshot_entry e;
        int r = snapshot_reader_rewind(m), closed;

        place_init(&place, dir_fd);
        while (r == 0 && (r = snapshot_reader_next(m, &e)) > 0)
                r = e.type == SNAPSHOT_DIR ? place_dir_later(&place, &e) : 0;
        closed = place_close(&place);
        return r < 0 ? r : closed;
}
