#include "sense/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/* Finaliser of splitmix64: spreads each fact over all bits, so that sums do not cancel out. */
static uint64_t mix(uint64_t x)
{
        x += UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        return x ^ (x >> 31);
}

static uint64_t entry_hash(const struct stat *st, const char *name)
{
        uint64_t h = mix((uint64_t)st->st_ino);

        for (const char *p = name; *p; p++)
                h = mix(h ^ (uint64_t)(unsigned char)*p);
        h = mix(h ^ (uint64_t)st->st_mode);
        h = mix(h ^ (uint64_t)st->st_ctim.tv_sec);
        h = mix(h ^ (uint64_t)st->st_ctim.tv_nsec);
        /* The size of a folder says nothing that its entries do not say. */
        return S_ISDIR(st->st_mode) ? h : mix(h ^ (uint64_t)st->st_size);
}

static int push_dir(struct walk *w, int at, const char *name, size_t path_len)
{
        AUTO_CLOSE fd = -1;
        DIR *dir;

        if (w->depth >= WALK_DEPTH_MAX) {
                w->sum.cut = true;
                return 0;
        }
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        fd = -1; /* now the DIR's */
        w->stack[w->depth] = dir;
        w->path_len[w->depth] = path_len;
        w->depth++;
        return 0;
}

int walk_begin(struct walk *w, const char *root, uint64_t entries_max, walk_skip_fn skip, void *ctx)
{
        *w = (struct walk){.entries_max = entries_max, .skip = skip, .ctx = ctx};
        if (STR_SET(w->path, root) < 0)
                return -ENAMETOOLONG;
        return push_dir(w, AT_FDCWD, root, strlen(root));
}

static void pop_dir(struct walk *w)
{
        w->depth--;
        closedir(w->stack[w->depth]);
}

static void look_at(struct walk *w, const char *name)
{
        DIR *dir = w->stack[w->depth - 1];
        size_t at = w->path_len[w->depth - 1], len = strlen(name);
        struct stat st;
        bool is_dir;

        if (at + 1 + len >= sizeof(w->path)) {
                w->sum.cut = true;
                return;
        }
        /* Gone since it was listed: the next walk sees the difference. */
        if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        w->path[at] = '/';
        memcpy(w->path + at + 1, name, len + 1);
        is_dir = S_ISDIR(st.st_mode);
        if (w->skip(w->ctx, w->path, is_dir))
                return;
        w->sum.sum += entry_hash(&st, name);
        w->sum.entries++;
        if (is_dir)
                (void)push_dir(w, dirfd(dir), name, at + 1 + len);
}

int walk_step(struct walk *w, size_t n)
{
        for (; n > 0 && w->depth > 0; n--) {
                struct dirent *e;

                if (w->sum.entries >= w->entries_max) {
                        w->sum.cut = true;
                        walk_end(w);
                        break;
                }
                e = readdir(w->stack[w->depth - 1]);
                if (!e)
                        pop_dir(w);
                else if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                        look_at(w, e->d_name);
        }
        return w->depth > 0;
}

void walk_end(struct walk *w)
{
        while (w->depth > 0)
                pop_dir(w);
}
