#include "save/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "save/ignore.h"

#define NAMES_MAX (64u << 20) /* bytes of the names in one folder */

struct walk {
        const struct profile *profile;
        bool unlock;
        walk_fn fn;
        void *ctx;
        struct walk_notes *notes;
        struct ignore ignore;
        struct buf path;
        uint32_t entries;
};

void walk_note_unreadable(struct walk_notes *notes, const char *path)
{
        if (notes->unreadable++ == 0)
                STR_CUT(notes->first, path);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool name_skipped(const char *name, bool at_root)
{
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return true;
        return at_root && strcmp(name, WALK_STAGING) == 0;
}

/* All names of the folder, one behind the other with NULs, into `names`; takes `fd`. */
static int read_names(int fd, bool at_root, struct buf *names, size_t *ret_n)
{
        DIR *dir = fdopendir(fd);
        struct dirent *d;
        size_t n = 0;
        int r = 0;

        if (!dir) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        while (r == 0 && (errno = 0, d = readdir(dir)) != NULL) {
                if (name_skipped(d->d_name, at_root))
                        continue;
                r = buf_append(names, d->d_name, strlen(d->d_name) + 1);
                n++;
        }
        if (r == 0 && errno)
                r = -errno;
        (void)closedir(dir);
        if (r == 0)
                *ret_n = n;
        return r == -ENOBUFS ? -E2BIG : r;
}

static int list_names(int dir_fd, bool at_root, struct buf *names, const char ***ret_list,
                      size_t *ret_n)
{
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char **list;
        const char *s;
        size_t n = 0;
        int r;

        if (fd < 0)
                return -errno;
        r = read_names(fd, at_root, names, &n);
        if (r < 0)
                return r;
        list = calloc(n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        s = (const char *)names->data;
        for (size_t i = 0; i < n; i++, s += strlen(s) + 1)
                list[i] = s;
        qsort(list, n, sizeof(*list), compare_names);
        *ret_list = list;
        *ret_n = n;
        return 0;
}

/* The folder, opened; its mode is set aside (*ret_mode) when it had to be opened up. */
static int open_folder(const struct walk *w, const struct walk_entry *e, int *ret_locked)
{
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        mode_t mode = e->st.st_mode & 07777;
        bool own = e->st.st_uid == geteuid();
        int fd;

        *ret_locked = w->unlock && own && (mode & 0500) != 0500 &&
                      fchmodat(e->dir_fd, e->name, mode | 0700, 0) == 0;
        fd = openat(e->dir_fd, e->name, flags);
        return fd < 0 ? -errno : fd;
}

static int walk_folder(struct walk *w, int dir_fd, unsigned depth);

/* The folder changed under us or is closed to us: neither ends the walk. */
static bool open_error_harmless(struct walk *w, const struct walk_entry *e, int r)
{
        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
                return true;
        if (r != -EACCES && r != -EPERM)
                return false;
        walk_note_unreadable(w->notes, e->path);
        STR_CUT(w->notes->closed, e->path);
        return true;
}

static int walk_into(struct walk *w, const struct walk_entry *e, unsigned depth)
{
        AUTO_CLOSE fd = -1;
        int locked = 0;
        int r = 0;

        if (depth >= WALK_DEPTH_MAX) {
                walk_note_unreadable(w->notes, e->path);
                return 0;
        }
        fd = open_folder(w, e, &locked);
        if (fd < 0)
                r = open_error_harmless(w, e, fd) ? 0 : fd;
        else
                r = walk_folder(w, fd, depth);
        if (locked && fchmodat(e->dir_fd, e->name, e->st.st_mode & 07777, 0) < 0)
                walk_note_unreadable(w->notes, e->path);
        /* Readable but not searchable: a folder without its x bit. */
        return r < 0 && open_error_harmless(w, e, r) ? 0 : r;
}

static bool ignored(const struct walk *w, const struct walk_entry *e)
{
        if (w->ignore.n == 0)
                return false;
        if (strcmp(e->name, IGNORE_FILE_NAME) == 0 && S_ISREG(e->st.st_mode))
                return false;
        return ignore_matches(&w->ignore, e->path, S_ISDIR(e->st.st_mode));
}

/* The rules of this folder. What cannot be read or is too long has none: all is saved. */
static int rules_push(struct walk *w, int dir_fd)
{
        AUTO_CLOSE fd = openat(dir_fd, IGNORE_FILE_NAME,
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        AUTO_BUF text = BUF_INIT(IGNORE_FILE_MAX);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        r = fd_read_all(fd, &text);
        if (r == 0)
                r = ignore_push(&w->ignore, (const char *)w->path.data, (const char *)text.data,
                                text.len);
        if (r >= 0)
                return 0;
        walk_note_unreadable(w->notes, w->path.len ? (const char *)w->path.data : IGNORE_FILE_NAME);
        return r == -ENOMEM ? r : 0;
}

static bool listed(const char **list, size_t n, const char *name)
{
        return bsearch(&name, list, n, sizeof(*list), compare_names) != NULL;
}

static void note_fullest(struct walk_notes *notes, const char *path, size_t n)
{
        if (n <= notes->fullest)
                return;
        notes->fullest = n;
        STR_CUT(notes->fullest_path, *path ? path : ".");
}

static int walk_entry(struct walk *w, struct walk_entry *e, unsigned depth)
{
        bool wanted;
        int r = 0;

        if (fstatat(e->dir_fd, e->name, &e->st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (ignored(w, e))
                return 0;
        wanted = S_ISDIR(e->st.st_mode) ? profile_enters(w->profile, e->path)
                                        : profile_saves(w->profile, e->path);
        if (!wanted)
                return 0;
        if (!S_ISREG(e->st.st_mode) && !S_ISLNK(e->st.st_mode) && !S_ISDIR(e->st.st_mode)) {
                if (w->notes->special++ == 0)
                        STR_CUT(w->notes->first_special, e->path);
                return 0;
        }
        if (++w->entries > WALK_ENTRIES_MAX)
                return -E2BIG;
        r = w->fn(w->ctx, e);
        return r == 0 && S_ISDIR(e->st.st_mode) ? walk_into(w, e, depth + 1) : r;
}

/* Append "/name" to the path of the folder; false (and noted) when it becomes too long. */
static bool path_push(struct walk *w, const char *name)
{
        size_t before = w->path.len;

        if ((before == 0 || buf_append(&w->path, "/", 1) == 0) &&
            buf_append_str(&w->path, name) == 0 && buf_terminate(&w->path) == 0)
                return true;
        w->path.len = before;
        if (w->path.data)
                w->path.data[before] = 0;
        walk_note_unreadable(w->notes, name);
        return false;
}

static int walk_folder(struct walk *w, int dir_fd, unsigned depth)
{
        AUTO_BUF names = BUF_INIT(NAMES_MAX);
        size_t before = w->path.len;
        const char **list = NULL;
        size_t n = 0;
        int mark = (int)w->ignore.n;
        int r = list_names(dir_fd, depth == 0, &names, &list, &n);

        if (r == 0 && listed(list, n, IGNORE_FILE_NAME))
                r = rules_push(w, dir_fd);
        if (r == 0)
                note_fullest(w->notes, (const char *)w->path.data, n);
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct walk_entry e = {.dir_fd = dir_fd, .name = list[i]};

                if (!path_push(w, list[i]))
                        continue;
                e.path = (const char *)w->path.data;
                r = walk_entry(w, &e, depth);
                w->path.len = before;
                w->path.data[before] = 0;
        }
        free(list);
        if (mark < (int)w->ignore.n)
                ignore_pop(&w->ignore, mark);
        return r;
}

int walk_tree(int root_fd, const struct profile *p, bool unlock, walk_fn fn, void *ctx,
              struct walk_notes *notes)
{
        struct walk w = {
                .profile = p,
                .unlock = unlock,
                .fn = fn,
                .ctx = ctx,
                .notes = notes,
                .path = BUF_INIT(WALK_PATH_MAX),
        };
        /* One block from the start: entries point into it while it grows. */
        int r = buf_reserve(&w.path, WALK_PATH_MAX);

        if (r == 0)
                r = buf_terminate(&w.path);
        if (r == 0)
                r = walk_folder(&w, root_fd, 0);
        ignore_deinit(&w.ignore);
        buf_deinit(&w.path);
        return r;
}
