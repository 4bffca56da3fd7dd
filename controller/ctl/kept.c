/*
 * What ended tasks have left and no save has: folders of the state folder, read where they lie.
 * Removing one marks it by its name; the controller, whose own it is, takes it away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"
#include "ctl.h"
#include "doc.h"
#include "table.h"

#define MARK "remove-" /* controller/out/providers/process.h */
#define NAME_SIZE 256

struct kept {
        char name[NAME_SIZE];
        char workspace[NAME_SIZE], task[NAME_SIZE];
        uint64_t generation;
        time_t at;
        double bytes; /* on the disk */
};

/* nftw has no place for a context. */
static double bytes_counted;

static int count(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)path, (void)type, (void)at;
        bytes_counted += 512.0 * (double)st->st_blocks;
        return 0;
}

/* "WORKSPACE-gGENERATION-TASK"; a task's id has a '-' itself, a generation has none. */
static bool parse(const char *name, struct kept *k)
{
        const char *g = name, *task = NULL;

        while ((g = strstr(g, "-g"))) {
                char digits[24];
                size_t n = strspn(g + 2, "0123456789");

                (void)snprintf(digits, sizeof(digits), "%.*s", (int)n, g + 2);
                if (n > 0 && g[2 + n] == '-' &&
                    num_parse_u64(digits, 0, UINT64_MAX, &k->generation) == 0) {
                        task = g + 2 + n + 1;
                        break;
                }
                g += 2;
        }
        if (!task)
                return false;
        (void)snprintf(k->workspace, sizeof(k->workspace), "%.*s", (int)(g - name), name);
        STR_CUT(k->name, name);
        STR_CUT(k->task, task);
        return true;
}

static void dir_of(const struct ctl *c, char dst[static 512])
{
        (void)snprintf(dst, 512, "%s/kept", c->state);
}

static void show(const struct kept *k, const char *path, struct table *t, struct doc *list)
{
        struct tm tm;
        char at[32] = "";

        if (gmtime_r(&k->at, &tm))
                (void)strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (list) {
                struct doc *one = doc_add_object(list, NULL);

                doc_set_str(one, "name", k->name);
                doc_set_str(one, "workspace", k->workspace);
                doc_set_num(one, "generation", (double)k->generation);
                doc_set_str(one, "task", k->task);
                doc_set_str(one, "at", at);
                doc_set_num(one, "bytes", k->bytes);
                doc_set_str(one, "path", path);
                return;
        }
        table_add(t, k->workspace, TABLE_PLAIN);
        table_printf(t, "%llu", (unsigned long long)k->generation);
        table_add(t, at, TABLE_PLAIN);
        table_printf(t, "%.1f MB", k->bytes / 1e6);
        table_add(t, path, TABLE_DIM);
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct kept *)a)->name, ((const struct kept *)b)->name);
}

/* Those of that name or workspace; NULL: all. The caller frees *ret. Their number or -errno. */
static int find(const char *dir, const char *which, struct kept **ret)
{
        DIR *d = opendir(dir);
        const struct dirent *e;
        struct kept *all = NULL, k;
        struct stat st;
        int n = 0;

        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(d))) {
                struct kept *grown;

                if (!parse(e->d_name, &k) || str_starts(e->d_name, MARK) ||
                    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISDIR(st.st_mode) ||
                    (which && strcmp(which, k.name) != 0 && strcmp(which, k.workspace) != 0))
                        continue;
                k.at = st.st_mtim.tv_sec;
                grown = realloc(all, ((size_t)n + 1) * sizeof(*all));
                if (!grown)
                        break;
                all = grown;
                all[n++] = k;
        }
        closedir(d);
        if (n > 0)
                qsort(all, (size_t)n, sizeof(*all), by_name);
        *ret = all;
        return n;
}

static enum ctl_exit list(const struct ctl *c, const char *dir)
{
        static const char *const titles[] = {"WORKSPACE", "GENERATION", "KEPT",
                                             "SIZE",      "WHERE",      NULL};
        struct kept *all = NULL;
        int n = find(dir, NULL, &all);
        struct table *t = c->json ? NULL : table_new(titles, c->color);
        AUTO_DOC *answer = doc_new();
        struct doc *kept = c->json ? doc_add_list(answer, "kept") : NULL;
        char path[512 + NAME_SIZE];

        for (int i = 0; i < n; i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", dir, all[i].name);
                bytes_counted = 0;
                (void)nftw(path, count, 32, FTW_PHYS | FTW_MOUNT);
                all[i].bytes = bytes_counted;
                show(&all[i], path, t, kept);
        }
        free(all);
        if (n < 0) {
                fprintf(stderr, "wsctl: %s: %s\n", dir, strerror(-n));
        } else if (t) {
                table_print(t);
        } else {
                char *text = doc_print(answer, false);

                printf("%s\n", text);
                free(text);
        }
        table_free(t);
        return n < 0 ? CTL_FAILED : CTL_OK;
}

static enum ctl_exit give_up(const char *dir, const char *which)
{
        char from[512 + NAME_SIZE], to[512 + NAME_SIZE + 16];
        struct kept *all = NULL;
        int n = find(dir, which, &all);
        enum ctl_exit code = CTL_OK;

        if (n == 0) {
                fprintf(stderr, "wsctl: nothing is kept of \"%s\"; see wsctl kept\n", which);
                code = CTL_FAILED;
        }
        for (int i = 0; i < n; i++) {
                (void)snprintf(from, sizeof(from), "%s/%s", dir, all[i].name);
                (void)snprintf(to, sizeof(to), "%s/" MARK "%s", dir, all[i].name);
                if (rename(from, to) < 0) {
                        fprintf(stderr, "wsctl: %s: %s\n", from, strerror(errno));
                        code = CTL_FAILED;
                } else {
                        printf("%s: the controller removes it\n", all[i].name);
                }
        }
        free(all);
        if (n < 0) {
                fprintf(stderr, "wsctl: %s: %s\n", dir, strerror(-n));
                code = CTL_FAILED;
        }
        return code;
}

enum ctl_exit command_kept(const struct ctl *c)
{
        char dir[512];

        dir_of(c, dir);
        return c->give_up ? give_up(dir, c->give_up) : list(c, dir);
}
