/* Real inotify on temporary trees: races, moves, a small budget, storms. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "sense/tree.h"
#include "test.h"

#define DEADLINE_MS 30000

static struct loop *loop;
static struct tree *tree;
static char base[64], home[128], work[192];
static uint64_t changes[TREE_AREA_MAX], lossy;

static bool on_skip(void *ctx, const char *path, bool is_dir)
{
        (void)ctx, (void)is_dir;
        return strcmp(path, ".cache") == 0 || strncmp(path, ".cache/", 7) == 0 ||
               strstr(path, "node_modules");
}

static void on_changed(void *ctx, enum tree_area area, uint32_t n)
{
        (void)ctx;
        changes[area] += n;
}

static void on_lossy(void *ctx)
{
        (void)ctx;
        lossy++;
}

static struct tree_stats stats(void)
{
        struct tree_stats s;

        tree_get_stats(tree, &s);
        return s;
}

static bool settled(void)
{
        return stats().settled;
}

static bool told_work(void)
{
        return changes[TREE_WORKSPACE] > 0;
}

static bool told_home(void)
{
        return changes[TREE_HOME] > 0;
}

static bool told_lossy(void)
{
        return lossy > 0;
}

/* Turn the loop until that is true; false after the deadline. */
static bool reaches(bool (*fn)(void))
{
        mono_t give_up = mono_add_ms(mono_read(), DEADLINE_MS);
        struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

        while (!fn()) {
                if (mono_due(give_up, mono_read()))
                        return false;
                (void)poll(&p, 1, 100);
                CHECK_INT(loop_turn(loop), 0);
        }
        return true;
}

static void watch(size_t budget, int64_t scan_ms)
{
        struct tree_config config = {
                .workspace = work,
                .home = home,
                .budget = budget,
                .scan_ms = scan_ms,
                .scan_entries_max = 1000000,
                .skip = on_skip,
                .changed = on_changed,
                .lossy = on_lossy,
        };

        CHECK_INT(loop_new(&loop), 0);
        CHECK_INT(tree_new(loop, &config, &tree), 0);
        CHECK(reaches(settled));
}

static void unwatch(void)
{
        tree = tree_free(tree);
        loop = loop_free(loop);
}

static void forget(void)
{
        memset(changes, 0, sizeof(changes));
        lossy = 0;
}

static const char *at(const char *dir, const char *name)
{
        static char path[8][512];
        static int i;

        i = (i + 1) % 8;
        snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
        return path[i];
}

static void touch(const char *dir, const char *name)
{
        int fd = open(at(dir, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        CHECK(fd >= 0);
        CHECK_INT(write(fd, "x", 1), 1);
        close(fd);
}

static void make(const char *dir, const char *name)
{
        CHECK_INT(dir_make(at(dir, name), 0700), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void clean(void)
{
        if (*base)
                nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        *base = '\0';
}

static void fresh(void)
{
        const char *tmp = getenv("TMPDIR");

        clean();
        snprintf(base, sizeof(base), "%s/ws-tree-XXXXXX", tmp ? tmp : "/tmp");
        CHECK(mkdtemp(base));
        snprintf(home, sizeof(home), "%s/home", base);
        snprintf(work, sizeof(work), "%s/workspace", home);
        make(work, "sub/deep");
        make(home, ".config/app");
        make(home, ".cache/big");
        forget();
}

static bool told_marker(void)
{
        return changes[TREE_HOME] >= 1;
}

/*
 * Everything that the kernel has queued until now is seen: a change that is made last arrives last.
 */
static void drain(void)
{
        static unsigned n;
        char name[32];

        snprintf(name, sizeof(name), "marker-%u", n++);
        changes[TREE_HOME] = 0;
        touch(home, name);
        CHECK(reaches(told_marker));
        CHECK(reaches(settled));
}

static void each_area_is_told(void)
{
        fresh();
        watch(1000, 60000);
        CHECK_INT(lossy, 1);           /* the end of the first listing */
        CHECK_INT(stats().watched, 6); /* home, workspace/sub/deep, .config/app */
        forget();
        touch(work, "sub/deep/a.py");
        CHECK(reaches(told_work));
        CHECK_INT(changes[TREE_HOME], 0);
        forget();
        touch(home, ".config/app/settings.json");
        CHECK(reaches(told_home));
        CHECK_INT(changes[TREE_WORKSPACE], 0);
        forget();
        touch(home, ".cache/big/file");
        drain();
        CHECK_INT(changes[TREE_WORKSPACE] + lossy, 0);
        unwatch();
}

/* mkdir -p and a file at its end, faster than watches can be set: each round must be told. */
static void no_file_is_missed_in_new_folders(void)
{
        char dir[64];

        fresh();
        watch(4000, 60000);
        for (int i = 0; i < 200; i++) {
                snprintf(dir, sizeof(dir), "p%d/a/b/c/d", i);
                make(work, dir);
        }
        /* Only now are the events read: each file below is in a folder without a watch yet. */
        for (int i = 0; i < 200; i++) {
                snprintf(dir, sizeof(dir), "p%d/a/b/c/d/file", i);
                touch(work, dir);
        }
        CHECK(reaches(told_work));
        drain();
        CHECK_INT(stats().watched, 6 + 200 * 5);
        /* 200 creations seen by watches, the other 800 folders and 200 files by listing */
        CHECK(changes[TREE_WORKSPACE] >= 1200);
        for (int i = 0; i < 200; i += 20) {
                forget();
                snprintf(dir, sizeof(dir), "p%d/a/b/c/d/file", i);
                touch(work, dir);
                CHECK(reaches(told_work));
        }
        unwatch();
}

static void moved_folders_keep_their_watches(void)
{
        size_t before;

        fresh();
        make(work, "one/x/y");
        make(work, "two");
        watch(1000, 60000);
        before = stats().watched;
        CHECK_INT(rename(at(work, "one"), at(work, "two/uno")), 0);
        drain();
        CHECK_INT(stats().watched, before);
        forget();
        touch(work, "two/uno/x/y/f");
        CHECK(reaches(told_work));
        /* out of the workspace, into home: the area follows the path */
        CHECK_INT(rename(at(work, "two/uno"), at(home, "uno")), 0);
        drain();
        forget();
        touch(home, "uno/x/y/f");
        CHECK(reaches(told_home));
        CHECK_INT(changes[TREE_WORKSPACE], 0);
        /* two that change places while nobody reads */
        CHECK_INT(rename(at(home, "uno/x"), at(work, "x")), 0);
        CHECK_INT(rename(at(home, "uno"), at(work, "x/uno")), 0);
        drain();
        forget();
        touch(work, "x/uno/f");
        CHECK(reaches(told_work));
        unwatch();
}

static bool dropped(void)
{
        return stats().watched == 7; /* the six, and `two` */
}

static void moved_away_is_forgotten(void)
{
        fresh();
        make(work, "one/x/y");
        make(work, "two");
        watch(1000, 60000);
        CHECK_INT(stats().watched, 10);
        /* out of sight */
        CHECK_INT(rename(at(work, "one"), at(base, "one")), 0);
        CHECK(reaches(dropped));
        forget();
        touch(base, "one/x/y/f");
        drain();
        CHECK_INT(changes[TREE_WORKSPACE], 0);
        /* and back: all of it is new */
        CHECK_INT(rename(at(base, "one"), at(work, "two/again")), 0);
        drain();
        CHECK_INT(stats().watched, 10);
        forget();
        touch(work, "two/again/x/y/f");
        CHECK(reaches(told_work));
        /* into a folder that is left out */
        CHECK_INT(rename(at(work, "two/again"), at(home, ".cache/again")), 0);
        CHECK(reaches(dropped));
        unwatch();
}

static void deleted_folders_are_forgotten(void)
{
        char dir[64];

        fresh();
        watch(5000, 60000);
        for (int round = 0; round < 3; round++) {
                for (int i = 0; i < 300; i++) {
                        snprintf(dir, sizeof(dir), "d%d/a", i);
                        make(work, dir);
                }
                drain();
                CHECK_INT(stats().watched, 6 + 600);
                for (int i = 0; i < 300; i++) {
                        snprintf(dir, sizeof(dir), "d%d/a", i);
                        CHECK_INT(rmdir(at(work, dir)), 0);
                        snprintf(dir, sizeof(dir), "d%d", i);
                        CHECK_INT(rmdir(at(work, dir)), 0);
                }
                drain();
                CHECK_INT(stats().watched, 6);
        }
        CHECK_INT(stats().overflows, 0);
        unwatch();
}

static void links_are_not_followed(void)
{
        fresh();
        make(base, "outside/dir");
        CHECK_INT(symlink(at(base, "outside"), at(work, "link")), 0);
        CHECK_INT(symlink("..", at(work, "sub/loop")), 0);
        watch(1000, 60000);
        CHECK_INT(stats().watched, 6);
        CHECK_INT(symlink(at(base, "outside"), at(work, "late")), 0);
        drain();
        CHECK_INT(stats().watched, 6);
        unwatch();
}

static bool walked_twice(void)
{
        return stats().walks >= 2 && stats().settled;
}

static void many_folders_on_a_small_budget(void)
{
        char dir[64];

        fresh();
        for (int i = 0; i < 200; i++) {
                for (int k = 0; k < 100; k++) {
                        snprintf(dir, sizeof(dir), "big/%d/%d", i, k);
                        make(work, dir);
                }
        }
        watch(500, 50);
        CHECK_INT(stats().watched, 500);
        CHECK(stats().incomplete);
        CHECK(lossy > 0);
        CHECK(reaches(walked_twice));
        drain();
        forget();
        touch(work, "big/199/99/new.py");
        touch(work, "big/0/0/new.py");
        CHECK(reaches(told_work));
        CHECK_INT(stats().watched, 500);
        CHECK(reaches(settled));
        unwatch();
}

static bool rebuilt(void)
{
        return stats().rebuilds >= 2 && stats().settled;
}

static void a_storm_of_events(void)
{
        char name[64];

        fresh();
        watch(1000, 300);
        forget();
        for (int i = 0; i < 50000; i++) {
                snprintf(name, sizeof(name), "sub/f%d", i % 1000);
                touch(work, name); /* two events and more each */
        }
        make(work, "sub/born/in/the/storm");
        CHECK(reaches(told_lossy));
        CHECK(stats().overflows > 0);
        CHECK(told_work());
        CHECK(reaches(rebuilt));
        CHECK_INT(stats().watched, 10);
        forget();
        touch(work, "sub/born/in/the/storm/f");
        CHECK(reaches(told_work));
        unwatch();
}

static bool six(void)
{
        return stats().watched == 6 && stats().settled;
}

static void roots_that_come_and_go(void)
{
        fresh();
        CHECK_INT(rename(home, at(base, "away")), 0);
        watch(1000, 100);
        CHECK_INT(stats().watched, 0);
        CHECK_INT(rename(at(base, "away"), home), 0);
        CHECK(reaches(six));
        forget();
        touch(work, "f");
        CHECK(reaches(told_work));
        /* The watches go along with a folder that is moved; what is at its path now counts. */
        CHECK_INT(rename(home, at(base, "away")), 0);
        make(work, "a/b");
        forget();
        CHECK(reaches(told_lossy));
        CHECK(reaches(settled));
        CHECK_INT(stats().watched, 4);
        forget();
        touch(work, "a/b/f");
        CHECK(reaches(told_work));
        unwatch();
}

int main(void)
{
        RUN(each_area_is_told);
        RUN(no_file_is_missed_in_new_folders);
        RUN(moved_folders_keep_their_watches);
        RUN(moved_away_is_forgotten);
        RUN(deleted_folders_are_forgotten);
        RUN(links_are_not_followed);
        RUN(many_folders_on_a_small_budget);
        RUN(a_storm_of_events);
        RUN(roots_that_come_and_go);
        clean();
        return 0;
}
