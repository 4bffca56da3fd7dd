/* A workspace's home folder: made once, kept, set aside once, and never given to two. */
#include "out/providers/home_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "out/providers/folder.h"
#include "test.h"

static char root[] = "/tmp/test_home_folder.XXXXXX";
static char homes[64], tasks[64], reason[HOME_REASON];

static const char *path(const char *name)
{
        static char text[512];

        (void)snprintf(text, sizeof(text), "%s/%s", homes, name);
        return text;
}

static bool there(const char *name)
{
        return access(path(name), F_OK) == 0;
}

static void write_text(const char *name, const char *text)
{
        CHECK_INT(file_write_atomic(path(name), text, strlen(text), 0600), 0);
}

static int prepare(const char *task, uint64_t generation, bool must_exist, bool replace)
{
        const struct home_request q = {.homes = homes,
                                       .tasks = tasks,
                                       .workspace = "ws-a",
                                       .task = task,
                                       .generation = generation,
                                       .must_exist = must_exist,
                                       .replace = replace};

        reason[0] = 0;
        return home_prepare(&q, reason);
}

/* A task that lives as long as this process. */
static void task_lives(const char *task)
{
        char dir[256];

        (void)snprintf(dir, sizeof(dir), "%s/%s", tasks, task);
        CHECK_INT(dir_make(dir, 0700), 0);
        CHECK_INT(folder_write_pid(dir, getpid()), 0);
}

static void task_ends(const char *task)
{
        char file[256];

        (void)snprintf(file, sizeof(file), "%s/%s/pid", tasks, task);
        CHECK_INT(unlink(file), 0);
}

static void test_made_once(void)
{
        CHECK_INT(prepare("t-1", 1, false, false), 0);
        CHECK(there("ws-a/home") && there("ws-a/save"));
        write_text("ws-a/home/day.txt", "one");
        CHECK_INT(prepare("t-1", 1, false, false), 0); /* the answer was lost */
        CHECK_INT(prepare("t-2", 2, true, false), 0);
        CHECK(there("ws-a/home/day.txt"));
}

static void test_never_two(void)
{
        task_lives("t-2");
        CHECK_INT(prepare("t-3", 3, true, false), -EBUSY);
        CHECK(strstr(reason, "another task"));
        CHECK_INT(prepare("t-2", 2, true, false), 0);
        task_ends("t-2");
        CHECK_INT(prepare("t-3", 3, true, false), 0);
}

static void test_missing(void)
{
        char away[256];

        (void)snprintf(away, sizeof(away), "%s/away", root);
        CHECK_INT(rename(path("ws-a"), away), 0);
        CHECK_INT(prepare("t-4", 4, true, false), 1);
        CHECK(strstr(reason, "is not there") && strstr(reason, "wsctl restore"));
        CHECK(!there("ws-a"));
        CHECK_INT(rename(away, path("ws-a")), 0);
}

static void test_aside(void)
{
        CHECK_INT(prepare("t-5", 5, false, true), 0);
        CHECK(there("ws-a/aside-5/home/day.txt") && !there("ws-a/home/day.txt"));
        write_text("ws-a/home/new.txt", "restored");
        CHECK_INT(prepare("t-5", 5, false, true), 0); /* once */
        CHECK(there("ws-a/home/new.txt"));
        CHECK_INT(prepare("t-6", 6, false, true), 0); /* it did not get so far */
        CHECK(there("ws-a/aside-6/home/new.txt") && there("ws-a/aside-5/home/day.txt"));
}

static void test_removable(void)
{
        CHECK(home_removable(homes, "ws-a", 6));
        CHECK(home_removable(homes, "ws-a", 7));
        CHECK(!home_removable(homes, "ws-a", 5)); /* of a later workspace with this name */
        CHECK(home_removable(homes, "ws-b", 1));
}

/* To a uid, in a tree that tries to lead elsewhere: what home_attach does before it mounts. */
static void test_changes_hands(void)
{
        static struct home_errand e = {.student = 61235};
        struct stat st;
        struct timespec from, to;
        char name[256];
        int r;

        if (geteuid() != 0) {
                printf("  skipped: files are given away by root only\n");
                return;
        }
        (void)snprintf(e.dir, sizeof(e.dir), "%s/ws-a", homes);
        write_text("outside", "not his");
        CHECK_INT(symlink("../../outside", path("ws-a/home/link")), 0);
        CHECK_INT(symlink("/etc", path("ws-a/home/etc")), 0);
        for (int i = 0; i < 2000; i++) {
                (void)snprintf(name, sizeof(name), "ws-a/home/d%d", i % 20);
                (void)mkdir(path(name), 0700);
                (void)snprintf(name, sizeof(name), "ws-a/home/d%d/f%d", i % 20, i);
                write_text(name, "x");
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &from);
        r = home_attach(&e); /* no task: it ends at the mount, and the files are given */
        (void)clock_gettime(CLOCK_MONOTONIC, &to);
        CHECK_INT(r, HOME_EXIT_MOUNT);
        printf("  2,000 files change hands in %.1f ms\n",
               (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6);
        CHECK(lstat(path("ws-a/home/d7/f7"), &st) == 0 && st.st_uid == 61235);
        CHECK(lstat(path("ws-a/home/link"), &st) == 0 && st.st_uid == 61235);
        CHECK(stat(path("outside"), &st) == 0 && st.st_uid == 0);
        CHECK(stat("/etc", &st) == 0 && st.st_uid == 0);
        CHECK(lstat(path("ws-a/home"), &st) == 0 && st.st_uid == 61235);
}

static void clean_up(void)
{
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -rf %s", root);
        if (system(command) != 0)
                printf("left behind: %s\n", root);
}

int main(void)
{
        CHECK(mkdtemp(root));
        CHECK(atexit(clean_up) == 0);
        (void)snprintf(homes, sizeof(homes), "%s/homes", root);
        (void)snprintf(tasks, sizeof(tasks), "%s/tasks", root);
        RUN(test_made_once);
        RUN(test_never_two);
        RUN(test_missing);
        RUN(test_aside);
        RUN(test_removable);
        RUN(test_changes_hands);
        return 0;
}
