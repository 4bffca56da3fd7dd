/*
 * The process provider against a real kernel, with a script standing in for wsagent.
 *
 *   test_process [--cage root|user|plain]   all cases; 77 (skipped) when that cage is not permitted
 *   test_process --launch DIR               one launch, then wait to be killed (used by the above)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"
#include "out/providers/launch.h"
#include "out/providers/process.h"
#include "shell_told.h"
#include "test.h"

#define DEADLINE_MS 20000

extern char **environ;

/* ---- one provider ---- */

static char base[128], tasks_dir[160], kept_dir[160];
static struct loop *loop;
static struct process *provider;
static struct keys keys = {.master = {1, 2, 3}};
static const char *want_cage = "root";

static const char *at(const char *fmt, ...) PRINTF_LIKE(1, 2);
static const char *at(const char *fmt, ...)
{
        static char ring[8][PATH_MAX];
        static size_t n;
        char *p = ring[n++ % 8];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(p, PATH_MAX, fmt, ap);
        va_end(ap);
        return p;
}

static void put_file(const char *path, const char *text, mode_t mode)
{
        AUTO_CLOSE fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        CHECK(fd >= 0 && fchmod(fd, mode) == 0 && fd_write_all(fd, text, strlen(text)) == 0);
}

static void provider_open(void)
{
        static struct process_type types[6];
        static char profile[PATH_MAX], brief[PATH_MAX], done[PATH_MAX], bind[2 * PATH_MAX],
                lost[2 * PATH_MAX];
        static char url[PATH_MAX];
        struct process_config c = {.dir = tasks_dir,
                                   .kept = kept_dir,
                                   .agent = at("%s/bin/wsagent", base),
                                   .controller_url = url,
                                   .keys = &keys,
                                   .n_types = ARRAY_LEN(types),
                                   .types = types};

        (void)snprintf(url, sizeof(url), "ipc://%s", base);
        (void)snprintf(profile, sizeof(profile), "%s/profile.json", base);
        (void)snprintf(brief, sizeof(brief), "%s/brief.json", base);
        (void)snprintf(done, sizeof(done), "%s/done.json", base);
        (void)snprintf(bind, sizeof(bind), "%s/dist:/run/ws/dist", base);
        (void)snprintf(lost, sizeof(lost), "%s/nowhere:/run/ws/dist", base);
        types[0] = (struct process_type){"good", profile, bind};
        types[1] = (struct process_type){"no-profile", "/nonexistent/profile.json", NULL};
        types[2] = (struct process_type){"no-bind", profile, lost};
        types[3] = (struct process_type){"brief", brief, NULL};
        types[4] = (struct process_type){"plain", profile, NULL};
        types[5] = (struct process_type){"done", done, NULL};
        memset(&shell, 0, sizeof(shell));
        CHECK(loop_new(&loop) == 0);
        CHECK(process_new(loop, &shell, &c, &provider) == 0);
}

static void provider_close(void)
{
        provider = process_free(provider);
        loop = loop_free(loop);
}

/* ---- waiting: turn the loop until a condition holds ---- */

static const char *wait_task;

static bool is_launched(void)
{
        return told(wait_task)->launched != 0;
}

static bool is_ended(void)
{
        return told(wait_task)->ended != 0;
}

static bool is_removed(void)
{
        return access(at("%s/%s", tasks_dir, wait_task), F_OK) < 0;
}

static bool has_facts(void)
{
        return access(at("%s/%s/run/facts", tasks_dir, wait_task), F_OK) == 0;
}

static bool have_all_ended(void)
{
        DIR *d = opendir(tasks_dir);
        const struct dirent *e;
        bool any = false;

        CHECK(d);
        while ((e = readdir(d)))
                any |= e->d_name[0] != '.';
        closedir(d);
        return !any;
}

/* loop_turn does not wait: the loop's descriptor is what to wait for, 5 ms at most for files. */
static bool wait_until_true(bool (*fn)(void), const char *task)
{
        mono_t until = mono_add_ms(mono_read(), DEADLINE_MS);

        wait_task = task;
        while (!fn() && !mono_due(until, mono_read())) {
                struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

                CHECK(poll(&p, 1, 5) >= 0);
                CHECK(loop_turn(loop) >= 0);
        }
        return fn();
}

/* The value behind `key=` in the facts the agent wrote; NULL when there is none. */
static const char *fact(const char *task, const char *key)
{
        static struct buf text = {.max = 65536};
        const char *p;
        size_t n = strlen(key);

        buf_clear(&text);
        CHECK(file_read(at("%s/%s/run/facts", tasks_dir, task), &text) == 0);
        for (p = (const char *)text.data; p; p = strchr(p, '\n')) {
                p += *p == '\n';
                if (strncmp(p, key, n) == 0 && p[n] == '=')
                        return at("%.*s", (int)strcspn(p + n + 1, "\n"), p + n + 1);
        }
        return NULL;
}

/* How many processes of this user have `needle` in their command line or environment. */
static int processes_with(const char *needle)
{
        DIR *d = opendir("/proc");
        const struct dirent *e;
        int n = 0;

        CHECK(d);
        while ((e = readdir(d))) {
                AUTO_BUF text = BUF_INIT(1U << 20);

                if (e->d_name[0] < '1' || e->d_name[0] > '9' || atol(e->d_name) == getpid())
                        continue;
                if (file_read(at("/proc/%s/environ", e->d_name), &text) == 0 && text.len &&
                    memmem(text.data, text.len, needle, strlen(needle)))
                        n++;
        }
        closedir(d);
        return n;
}

/* ---- cases ---- */

static bool caged(void)
{
        return strcmp(want_cage, "plain") != 0;
}

static void test_launch(void)
{
        launch("t-0000000001", "good");
        CHECK(wait_until_true(is_launched, "t-0000000001"));
        CHECK_STR(told("t-0000000001")->reason, "");
        CHECK(wait_until_true(has_facts, "t-0000000001"));
        if (caged()) {
                CHECK_STR(fact("t-0000000001", "pid"), "1 verb=init");
                CHECK(strncmp(fact("t-0000000001", "pids"), "1 ", 2) == 0);
                CHECK(strlen(fact("t-0000000001", "pids")) < 24); /* a handful, not the host's */
                CHECK_STR(fact("t-0000000001", "pts"), "ptmx");
                CHECK_STR(fact("t-0000000001", "homes"), "student");
                CHECK_STR(fact("t-0000000001", "student"), "student");
                CHECK_STR(fact("t-0000000001", "write_dist"), "");
        }
        CHECK_STR(fact("t-0000000001", "write_home"), "yes");
        CHECK_STR(fact("t-0000000001", "write_tmp"), "yes");
        if (strcmp(want_cage, "root") == 0)
                CHECK_STR(fact("t-0000000001", "write_run"), "");
        CHECK_STR(fact("t-0000000001", "dist"), "app");
        CHECK_STR(fact("t-0000000001", "secret"),
                  at("64 controller=ipc://%s task=t-0000000001", base));
        CHECK_STR(fact("t-0000000001", "foreign"), "none"); /* our environment stays ours */
        /* bash's own 255 and 3 for the script and a pipe; nothing of the controller's. */
        CHECK_STR(fact("t-0000000001", "fds"), "0 1 2 255 3");
        CHECK(access(at("%s/t-0000000001/home/file", tasks_dir), F_OK) == 0);
        CHECK(access(at("%s/t-0000000001/run/presence.json", tasks_dir), R_OK) == 0);
        if (caged())
                CHECK(access(at("%s/t-0000000001/tmp/from-task", tasks_dir), F_OK) == 0);

        /* The same intent again is answered, not carried out twice. */
        told("t-0000000001")->launched = 0;
        launch("t-0000000001", "good");
        CHECK_INT(told("t-0000000001")->launched, 1);
}

static void test_own_uids(void)
{
        struct stat one, two;

        if (strcmp(want_cage, "root") != 0)
                return;
        launch("t-0000000002", "good");
        CHECK(wait_until_true(has_facts, "t-0000000002"));
        CHECK(stat(at("%s/t-0000000001/home", tasks_dir), &one) == 0);
        CHECK(stat(at("%s/t-0000000002/home", tasks_dir), &two) == 0);
        CHECK_INT(one.st_uid, 200000);
        CHECK_INT(two.st_uid, 200004);
        CHECK_INT(one.st_mode & 0777, 0700);
}

static void test_failures(void)
{
        static const struct {
                const char *task, *type, *reason;
        } cases[] = {
                {"t-0000000011", "no-profile", "profile (check the type's profile): No such file"},
                {"t-0000000012", "no-bind",
                 "app folder (install it; check the type's bind): No such"},
                {"t-0000000013", "nonesuch", "no such workspace type here"},
                {"../../etc", "good", "not a task id"},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                launch(cases[i].task, cases[i].type);
                CHECK(wait_until_true(is_launched, cases[i].task));
                CHECK_INT(told(cases[i].task)->launched, 2);
                fprintf(stderr, "    %s\n", told(cases[i].task)->reason);
                CHECK(str_starts(told(cases[i].task)->reason, cases[i].reason));
                CHECK(i == 3 || wait_until_true(is_removed, cases[i].task));
        }
        CHECK(rename(at("%s/bin/wsagent", base), at("%s/bin/away", base)) == 0);
        launch("t-0000000014", "good");
        CHECK(wait_until_true(is_launched, "t-0000000014"));
        fprintf(stderr, "    %s\n", told("t-0000000014")->reason);
        CHECK(str_starts(told("t-0000000014")->reason, "wsagent (build"));
        /* A program that cannot be executed is found out by the child itself. */
        put_file(at("%s/bin/wsagent", base), "#!/nonexistent/interpreter\n", 0755);
        launch("t-0000000015", "good");
        CHECK(wait_until_true(is_launched, "t-0000000015"));
        fprintf(stderr, "    %s\n", told("t-0000000015")->reason);
        CHECK(str_starts(told("t-0000000015")->reason, "executing the agent: No such file"));
        CHECK(wait_until_true(is_removed, "t-0000000015"));
        CHECK_INT(told("t-0000000015")->ended, 0);
        CHECK(rename(at("%s/bin/away", base), at("%s/bin/wsagent", base)) == 0);
        /* What was never launched can be stopped: the answer is its end. */
        stop("t-0000000015", true);
        CHECK_INT(told("t-0000000015")->ended, 1);
}

static void test_end_by_itself(void)
{
        launch("t-0000000021", "brief");
        CHECK(wait_until_true(is_ended, "t-0000000021"));
        CHECK_INT(told("t-0000000021")->launched, 1);
        CHECK_INT(told("t-0000000021")->status, 3);
        CHECK(wait_until_true(is_removed, "t-0000000021"));
}

static void test_stop(void)
{
        launch("t-0000000031", "good");
        CHECK(wait_until_true(has_facts, "t-0000000031"));
        stop("t-0000000031", false);
        stop("t-0000000031", false); /* level-triggered */
        CHECK(wait_until_true(is_ended, "t-0000000031"));
        CHECK_INT(told("t-0000000031")->status, 7);
        CHECK_INT(told("t-0000000031")->ended, 1);
        CHECK(wait_until_true(is_removed, "t-0000000031"));

        launch("t-0000000032", "good");
        CHECK(wait_until_true(has_facts, "t-0000000032"));
        stop("t-0000000032", true);
        CHECK(wait_until_true(is_ended, "t-0000000032"));
        CHECK_INT(told("t-0000000032")->status, 128 + SIGKILL);
        CHECK(wait_until_true(is_removed, "t-0000000032"));
}

/* Deeper than any path, with links out of the folder, and a folder without any permission. */
static void nest(const char *home)
{
        int dir = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

        CHECK(dir >= 0);
        for (int i = 0; i < 3000; i++) {
                CHECK(mkdirat(dir, "deep", 0700) == 0);
                CHECK(symlinkat(base, dir, "link") == 0);
                next = openat(dir, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                CHECK(next >= 0);
                dir = fd_close(dir);
                dir = next;
        }
        CHECK(mkdirat(dir, "shut", 0000) == 0);
        fd_close(dir);
}

static void test_removal(void)
{
        put_file(at("%s/canary", base), "alive", 0644);
        launch("t-0000000041", "good");
        CHECK(wait_until_true(has_facts, "t-0000000041"));
        nest(at("%s/t-0000000041/home", tasks_dir));
        stop("t-0000000041", true);
        CHECK(wait_until_true(is_removed, "t-0000000041"));
        CHECK(access(at("%s/canary", base), F_OK) == 0);
        CHECK(access(at("%s/bin/wsagent", base), F_OK) == 0);
}

/* A controller that is killed leaves its task running; the next one finds it. */
static void test_adoption(void)
{
        char self[] = "test_process", flag[] = "--launch", cage[16];
        char *argv[] = {self, flag, base, cage, NULL};
        int status;
        pid_t pid;

        STR_CUT(cage, want_cage);
        CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
        CHECK(wait_until_true(has_facts, "t-0000000051"));
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
        put_file(at("%s/t-0000000051/run/facts.seen", tasks_dir), "", 0644);

        /* A provider that was there before: one controller leads after the other's freeze. */
        CHECK_INT(told("t-0000000051")->seen, 0);
        process_adopt_strays(provider);
        process_adopt_strays(provider);
        CHECK_INT(told("t-0000000051")->seen, 1);
        CHECK_INT(shell.inventories, 0);
        provider_close();
        /* A folder whose task is dead, and one of a boot long ago. */
        CHECK(mkdir(at("%s/t-0000000052", tasks_dir), 0711) == 0);
        put_file(at("%s/t-0000000052/pid", tasks_dir), "1 2 3\n", 0600);
        CHECK(mkdir(at("%s/t-0000000053", tasks_dir), 0711) == 0);
        provider_open();
        CHECK(process_inventory(provider) == 0);
        CHECK_INT(shell.inventories, 1);
        CHECK_INT(told("t-0000000051")->seen, 1);
        CHECK_INT(told("t-0000000052")->seen, 0);
        CHECK_INT(told("t-0000000053")->seen, 0);
        CHECK(wait_until_true(is_removed, "t-0000000052"));
        CHECK(wait_until_true(is_removed, "t-0000000053"));
        /* Its slot is still its own. */
        launch("t-0000000054", "good");
        CHECK(wait_until_true(has_facts, "t-0000000054"));
        stop("t-0000000051", false);
        CHECK(wait_until_true(is_ended, "t-0000000051"));
        CHECK(wait_until_true(is_removed, "t-0000000051"));
}

/* More removals than run at once, and a controller that ends: they are made all the same. */
static void test_end_while_removing(void)
{
        static const char *const tasks[] = {"t-0000000061", "t-0000000062", "t-0000000063",
                                            "t-0000000064"};

        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
                launch(tasks[i], "plain");
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
                CHECK(wait_until_true(has_facts, tasks[i]));
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
                stop(tasks[i], true);
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
                CHECK(wait_until_true(is_ended, tasks[i]));
        provider_close();
        provider_open(); /* no inventory: nothing but the children can remove them */
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
                CHECK(wait_until_true(is_removed, tasks[i]));
        CHECK(process_inventory(provider) == 0);
}

/* ---- what an ended task has left ---- */

static int rescues_done;
static bool rescue_saved;

static void on_rescued(void *ctx, const char *task, enum rescue_result result)
{
        CHECK(ctx == &rescues_done);
        CHECK_STR(task, wait_task);
        rescues_done++;
        rescue_saved = result == RESCUE_SAVED;
}

static bool is_rescued(void)
{
        return rescues_done > 0;
}

static enum rescue_answer rescue(const char *task, const char *request)
{
        const struct rescue_order o = {.task = task,
                                       .type = "good",
                                       .workspace = "ws-a",
                                       .generation = 5,
                                       .request = request};

        rescues_done = 0;
        wait_task = task;
        return process_rescue(provider, &o, on_rescued, &rescues_done);
}

/* Killed with a file in its home that no save has. */
static void kill_unsaved(const char *task)
{
        launch(task, "good");
        CHECK(wait_until_true(has_facts, task));
        CHECK_INT(rescue(task, "early"), RESCUE_LATER); /* it runs */
        put_file(at("%s/%s/home/unsaved", tasks_dir, task), "work", 0644);
        stop(task, true);
        CHECK(wait_until_true(is_ended, task));
        CHECK(access(at("%s/%s/home/unsaved", tasks_dir, task), F_OK) == 0);
}

static bool kept_has(const char *task)
{
        AUTO_BUF text = BUF_INIT(64);

        return file_read(at("%s/ws-a-g5-%s/home/unsaved", kept_dir, task), &text) == 0 &&
               text.len == 4 && memcmp(text.data, "work", 4) == 0;
}

static void test_rescue(void)
{
        AUTO_BUF text = BUF_INIT(256);

        shell.holds = true;
        kill_unsaved("t-0000000071");
        CHECK_INT(rescue("t-0000000071", "good"), RESCUE_BEGUN);
        CHECK_INT(told("t-0000000071")->launched, 1);
        CHECK(wait_until_true(is_rescued, "t-0000000071"));
        CHECK(rescue_saved);
        /* As the same user, with the same home, and with its request. */
        CHECK(file_read(at("%s/t-0000000071/run/rescue", tasks_dir), &text) == 0);
        CHECK_STR((const char *)text.data, "rescue good work secret=0\n");
        CHECK_INT(rescue("t-0000000071", "good"), RESCUE_NOTHING);
        CHECK_INT(told("t-0000000071")->ended, 1);
        remove_task("t-0000000071");
        CHECK(wait_until_true(is_removed, "t-0000000071"));
        CHECK(!kept_has("t-0000000071"));
        CHECK_INT(rescue("t-0000000071", "good"), RESCUE_NOTHING);

        /* The order to remove may come while it is under way. */
        kill_unsaved("t-0000000072");
        CHECK_INT(rescue("t-0000000072", "good"), RESCUE_BEGUN);
        CHECK_INT(rescue("t-0000000072", "good"), RESCUE_LATER);
        CHECK_INT(rescue("t-0000000079", "good"), RESCUE_NOTHING);
        remove_task("t-0000000072");
        CHECK(wait_until_true(is_rescued, "t-0000000072"));
        CHECK(wait_until_true(is_removed, "t-0000000072"));

        /* It says itself that all is saved. */
        launch("t-0000000073", "done");
        CHECK(wait_until_true(is_ended, "t-0000000073"));
        CHECK_INT(told("t-0000000073")->status, 0);
        CHECK_INT(rescue("t-0000000073", "good"), RESCUE_NOTHING);
        remove_task("t-0000000073");
        CHECK(wait_until_true(is_removed, "t-0000000073"));
        shell.holds = false;
}

static bool has_looked(void)
{
        return loop_turn(loop) >= 0; /* the timer of the first look is due */
}

static int kept_folders(void)
{
        DIR *d = opendir(kept_dir);
        const struct dirent *e;
        int n = 0;

        CHECK(d);
        while ((e = readdir(d)))
                n += e->d_name[0] != '.';
        closedir(d);
        return n;
}

static bool has_removed_one(void)
{
        return kept_folders() == 2;
}

static void test_kept(void)
{
        shell.holds = true;
        kill_unsaved("t-0000000074");
        CHECK_INT(rescue("t-0000000074", "bad"), RESCUE_BEGUN);
        CHECK(wait_until_true(is_rescued, "t-0000000074"));
        CHECK(!rescue_saved);
        /* It may be tried again. */
        CHECK_INT(rescue("t-0000000074", "bad"), RESCUE_BEGUN);
        CHECK(wait_until_true(is_rescued, "t-0000000074"));
        remove_task("t-0000000074");
        CHECK(wait_until_true(is_removed, "t-0000000074"));
        CHECK(kept_has("t-0000000074"));
        CHECK_INT(told("t-0000000074")->kept, 1);
        CHECK_STR(told("t-0000000074")->workspace, "ws-a");
        CHECK(strstr(told("t-0000000074")->reason, "/kept/ws-a-g5-t-0000000074"));

        /* Killed and found dead by the next controller; its rescue fails, and that one dies too. */
        kill_unsaved("t-0000000075");
        provider_close();
        provider_open();
        shell.holds = true;
        CHECK(process_inventory(provider) == 0);
        CHECK(wait_until_true(is_ended, "t-0000000075"));
        CHECK_INT(rescue("t-0000000075", "bad"), RESCUE_BEGUN);
        CHECK(wait_until_true(is_rescued, "t-0000000075"));
        provider_close();
        provider_open();
        shell.holds = true;
        CHECK(process_inventory(provider) == 0);
        CHECK(wait_until_true(is_ended, "t-0000000075"));
        remove_task("t-0000000075"); /* the core has forgotten it */
        CHECK(wait_until_true(is_removed, "t-0000000075"));
        CHECK(kept_has("t-0000000075"));

        /* Of a type that is gone, it cannot be started. */
        kill_unsaved("t-0000000076");
        CHECK_INT(process_rescue(provider,
                                 &(struct rescue_order){.task = "t-0000000076",
                                                        .type = "nonesuch",
                                                        .workspace = "ws-a",
                                                        .generation = 5,
                                                        .request = "good"},
                                 on_rescued, &rescues_done),
                  RESCUE_FAILED);
        remove_task("t-0000000076");
        CHECK(wait_until_true(is_removed, "t-0000000076"));
        CHECK(kept_has("t-0000000076"));

        /* With its workspace all of it goes, and nothing of another one or of a later life. */
        erase("ws", 9);
        erase("ws-a", 4);
        provider_close();
        provider_open(); /* it looks at once */
        CHECK(wait_until_true(has_looked, "t-0000000076"));
        CHECK(kept_has("t-0000000074") && kept_has("t-0000000076"));
        erase("ws-a", 5);
        CHECK(!kept_has("t-0000000074") && !kept_has("t-0000000076"));
        provider_close();
        provider_open();
        CHECK(wait_until_true(has_removed_one, ""));
        CHECK(process_inventory(provider) == 0); /* of what the other cases have left running */
}

static void test_all_gone(void)
{
        DIR *d = opendir(tasks_dir);
        const struct dirent *e;

        CHECK(d);
        while ((e = readdir(d))) {
                if (e->d_name[0] != '.')
                        stop(e->d_name, true);
        }
        closedir(d);
        CHECK(wait_until_true(have_all_ended, ""));
        CHECK_INT(processes_with(base), 0); /* it is in WS_CONTROLLER of all of them */
}

static void set_dirs(void)
{
        (void)snprintf(tasks_dir, sizeof(tasks_dir), "%s/tasks", base);
        (void)snprintf(kept_dir, sizeof(kept_dir), "%s/kept", base);
}

static void world_make(const char *agent)
{
        static char made[] = "/tmp/ws-provider.XXXXXX";
        AUTO_BUF text = BUF_INIT(65536);

        CHECK(mkdtemp(made));
        CHECK(realpath(made, base));
        CHECK(chmod(base, 0755) == 0);
        CHECK(dir_make(at("%s/bin", base), 0755) == 0 && dir_make(at("%s/dist", base), 0755) == 0);
        CHECK(file_read(agent, &text) == 0);
        put_file(at("%s/bin/wsagent", base), (const char *)text.data, 0755);
        put_file(at("%s/bin/wsagent-worker", base), "#!/bin/sh\n", 0755);
        put_file(at("%s/dist/marker", base), "app\n", 0644);
        put_file(at("%s/profile.json", base), "{\"mode\":\"stay\"}", 0644);
        put_file(at("%s/presence.json", base), "{}", 0644);
        put_file(at("%s/brief.json", base), "{\"mode\":\"exit-now\"}", 0644);
        put_file(at("%s/done.json", base), "{\"mode\":\"exit-saved\"}", 0644);
}

static void world_remove(void)
{
        char rm[] = "rm", flags[] = "-rf";
        char *argv[] = {rm, flags, base, NULL};
        int status;
        pid_t pid;

        CHECK(posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static int launch_and_wait(void)
{
        provider_open();
        launch("t-0000000051", "good");
        return loop_run(loop);
}

static bool cage_is_what_we_want(void)
{
        bool root = launch_possible(LAUNCH_ROOT), user = launch_possible(LAUNCH_USER);

        if (strcmp(want_cage, "root") == 0)
                return root;
        if (strcmp(want_cage, "user") == 0)
                return user && !root;
        return !user && !root;
}

int main(int argc, char **argv)
{
        log_init("test_process", getenv("VERBOSE") ? LOG_DEBUG_LEVEL : LOG_ERROR_LEVEL);
        if (argc == 4 && strcmp(argv[1], "--launch") == 0) {
                want_cage = argv[3];
                (void)snprintf(base, sizeof(base), "%s", argv[2]);
                set_dirs();
                return launch_and_wait();
        }
        CHECK(argc == 4 && strcmp(argv[1], "--cage") == 0); /* --cage NAME FAKE_AGENT */
        want_cage = argv[2];
        if (!cage_is_what_we_want()) {
                fprintf(stderr, "skipped: the cage \"%s\" is not what this caller gets\n",
                        want_cage);
                return 77;
        }
        CHECK(setenv("WS_TEST_FOREIGN", "leaked", 1) == 0);
        world_make(argv[3]);
        set_dirs();
        provider_open();
        RUN(test_launch);
        RUN(test_own_uids);
        RUN(test_failures);
        RUN(test_end_by_itself);
        RUN(test_stop);
        RUN(test_removal);
        RUN(test_adoption);
        RUN(test_end_while_removing);
        RUN(test_rescue);
        RUN(test_kept);
        RUN(test_all_gone);
        provider_close();
        world_remove();
        (void)unlink("/tmp/from-task"); /* without a cage, /tmp is the machine's own */
        return 0;
}
