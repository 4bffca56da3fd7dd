/* What counts as a job: a played machine with processes, sampled every ten virtual seconds. */
#include "base/macro.h"
#include "sense/jobs.h"
#include "test.h"

#define INIT 1
#define APP 10    /* code-server's parent; its session */
#define SERVER 11 /* its child, which listens */
#define EXTENSIONS 12
#define PTY_HOST 13
#define SHELL 20 /* in a terminal of the app */
#define TTY (136 << 8)

struct machine_process {
        struct jobs_process p;
        const char *argv, *env; /* words separated by blanks here */
        uint64_t io;
        bool listens;
};

static struct machine_process machine[6000];
static size_t n;
static struct jobs *jobs;
static struct jobs_verdict verdict;
static mono_t now;
static pid_t app;
static unsigned io_asks, listen_asks;

static const char *const ignore[] = {"top", "watch", "tail", "vim", "tmux", "a-very-long-command"};
static const char *const kernels[] = {"ipykernel", "debugpy", "VSCODE_INSPECTOR_OPTIONS="};
static const struct rules rules = {
        .job_ignore = {ignore, ARRAY_LEN(ignore)},
        .job_kernels = {kernels, ARRAY_LEN(kernels)},
};

static struct machine_process *find(pid_t pid)
{
        for (size_t i = 0; i < n; i++) {
                if (machine[i].p.pid == pid)
                        return &machine[i];
        }
        return NULL;
}

static uint64_t on_io(void *ctx, pid_t pid)
{
        (void)ctx;
        io_asks++;
        return find(pid)->io;
}

static bool on_listens(void *ctx, pid_t pid)
{
        (void)ctx;
        listen_asks++;
        return find(pid)->listens;
}

static struct machine_process *spawn(pid_t pid, pid_t ppid, pid_t pgrp, pid_t session, uint32_t tty,
                                     const char *argv)
{
        struct machine_process *m = &machine[n++];
        const char *slash;

        CHECK(n <= ARRAY_LEN(machine) && !find(pid + 1000000));
        *m = (struct machine_process){.p = {.pid = pid,
                                            .ppid = ppid,
                                            .pgrp = pgrp,
                                            .session = session,
                                            .tty = tty,
                                            .start = (uint64_t)now.us},
                                      .argv = argv,
                                      .env = ""};
        snprintf(m->p.comm, sizeof(m->p.comm), "%.*s", (int)strcspn(argv, " "), argv);
        slash = strrchr(m->p.comm, '/');
        if (slash)
                memmove(m->p.comm, slash + 1, strlen(slash));
        return m;
}

/* A command of the shell: its own group. */
static struct machine_process *command(pid_t pid, const char *argv)
{
        return spawn(pid, SHELL, pid, SHELL, TTY, argv);
}

static void end(pid_t pid, bool waited)
{
        struct machine_process *m = find(pid), *parent = find(m->p.ppid);

        if (waited) {
                parent->p.waited_ms += m->p.self_ms + m->p.waited_ms;
                parent->io += m->io;
        }
        for (size_t i = 0; i < n; i++) {
                if (machine[i].p.ppid == pid)
                        machine[i].p.ppid = INIT;
        }
        *m = machine[--n];
}

static size_t to_block(const char *words, char block[1024])
{
        size_t len = strlen(words);

        memcpy(block, words, len);
        for (size_t i = 0; i < len; i++)
                block[i] = block[i] == ' ' ? '\0' : block[i];
        return len;
}

static void sample(void)
{
        char argv[1024], env[1024];

        now = mono_add_ms(now, JOBS_PERIOD_MS);
        jobs_begin(jobs, now, app);
        for (size_t i = 0; i < n; i++) {
                if (jobs_add(jobs, &machine[i].p)) {
                        size_t argv_len = to_block(machine[i].argv, argv);
                        size_t env_len = to_block(machine[i].env, env);

                        jobs_words(jobs, machine[i].p.pid, argv, argv_len, env, env_len);
                }
        }
        jobs_end(jobs, &verdict);
}

/* `ms` of CPU in each of so many samples. */
static void run(struct machine_process *m, uint64_t ms, int samples)
{
        for (; samples > 0; samples--) {
                m->p.self_ms += ms;
                sample();
        }
}

static void fresh(void)
{
        struct jobs_config config = {.rules = &rules,
                                     .init = INIT,
                                     .window_ms = JOBS_WINDOW_MS,
                                     .io = on_io,
                                     .listens = on_listens};

        jobs = jobs_free(jobs);
        n = 0;
        now = (mono_t){INT64_C(1000000000)};
        app = APP;
        io_asks = listen_asks = 0;
        CHECK_INT(jobs_new(&config, &jobs), 0);
        spawn(APP, INIT, APP, APP, 0, "node entry.js");
        spawn(SERVER, APP, APP, APP, 0, "node entry")->listens = true;
        spawn(EXTENSIONS, SERVER, APP, APP, 0, "node --type=extensionHost");
        spawn(PTY_HOST, SERVER, APP, APP, 0, "node --type=ptyHost");
        spawn(SHELL, PTY_HOST, SHELL, SHELL, TTY, "/bin/bash --init-file x");
        sample();
        CHECK_INT(verdict.busy, 0);
}

static void check_busy(const char *name)
{
        CHECK_INT(verdict.busy, 1);
        CHECK_STR(verdict.name, name);
}

static void nothing_runs(void)
{
        fresh();
        /* the app's own work, however much */
        find(SERVER)->p.self_ms += 9000;
        find(EXTENSIONS)->p.self_ms += 9000;
        run(find(PTY_HOST), 500, 12);
        CHECK_INT(verdict.busy, 0);
        CHECK_INT(listen_asks, 0);
}

static void python_training(void)
{
        fresh();
        run(command(30, "python3 train.py"), 10000, 1);
        check_busy("python3");
        run(find(30), 10000, 20);
        check_busy("python3");
        /* it ends; a window later nobody speaks of it any more, although the shell has its CPU */
        end(30, true);
        for (int i = 0; i < 6; i++)
                sample();
        CHECK_INT(verdict.busy, 0);
}

static void threshold(void)
{
        fresh();
        run(command(30, "python3 almost.py"), 400, 30);
        CHECK_INT(verdict.busy, 0);
        run(find(30), 600, 8);
        check_busy("python3");
}

static void silent_sleep(void)
{
        fresh();
        run(command(30, "sleep 1000000"), 0, 20);
        CHECK_INT(verdict.busy, 0);
}

/* make never uses much itself; its compilers live for a second. */
static void make_with_short_lived_children(void)
{
        struct machine_process *make;

        fresh();
        make = command(30, "make -j2");
        for (int i = 0; i < 7; i++) {
                make->p.waited_ms += 9000;
                run(make, 5, 1);
        }
        check_busy("make");
}

/* A child that was counted while it lived is not counted again when its parent has waited. */
static void nothing_counts_twice(void)
{
        struct machine_process *parent;

        fresh();
        parent = command(30, "sh batch");
        spawn(31, 30, 30, SHELL, TTY, "step");
        spawn(32, 31, 30, SHELL, TTY, "inner");
        run(find(32), 2600, 1);
        CHECK_INT(verdict.busy, 0);
        end(32, true);
        end(31, true);
        run(parent, 80, 4);
        CHECK_INT(verdict.busy, 0);
        run(parent, 500, 1);
        check_busy("sh");
}

/* A child nobody waits for takes its CPU along: what was used stays used. */
static void children_that_are_not_waited_for(void)
{
        fresh();
        command(30, "daemonish");
        for (pid_t pid = 40; pid < 46; pid++) {
                spawn(pid, 30, 30, SHELL, TTY, "step");
                run(find(pid), 600, 1);
                end(pid, false);
        }
        sample();
        check_busy("daemonish");
}

static void shell_busy_by_itself(void)
{
        fresh();
        run(find(SHELL), 10000, 1);
        check_busy("bash");
}

/* for i in ...; do step; done: each step is a group of its own and gone before we look. */
static void shell_loop_of_short_commands(void)
{
        fresh();
        for (int i = 0; i < 2; i++) {
                find(SHELL)->p.waited_ms += 9000;
                sample();
        }
        check_busy("bash");
}

static void background_and_foreground(void)
{
        fresh();
        command(30, "python3 train.py");
        command(31, "make");
        for (int i = 0; i < 4; i++) {
                find(30)->p.self_ms += 9000;
                run(find(31), 2000, 1);
        }
        CHECK_INT(verdict.busy, 2);
        CHECK_STR(verdict.name, "python3");
}

static void endless_yes(void)
{
        fresh();
        run(command(30, "yes"), 10000, 1);
        check_busy("yes");
}

static void monitors_and_editors(void)
{
        static const char *const argv[] = {"top", "/usr/bin/watch ls", "tail -f log", "vim a.c"};

        fresh();
        for (size_t i = 0; i < ARRAY_LEN(argv); i++)
                command((pid_t)(30 + i), argv[i]);
        /* what watch starts lives for a moment, sometimes while we look */
        spawn(40, 31, 31, SHELL, TTY, "sh -c ls");
        for (int k = 0; k < 10; k++) {
                for (size_t i = 0; i < ARRAY_LEN(argv); i++)
                        find((pid_t)(30 + i))->p.waited_ms += 3000;
                find(31)->io += 100000000;
                find(40)->p.self_ms += 1000;
                run(find(30), 5000, 1);
        }
        CHECK_INT(verdict.busy, 0);
        /* `train | tail`: one that is never a job does not hide another in its group */
        command(50, "tail -n 1");
        spawn(51, SHELL, 50, SHELL, TTY, "python3 train.py");
        run(find(51), 5000, 1);
        check_busy("python3");
}

static void names_of_ignored_commands(void)
{
        static const char *const argv[] = {"-vim", "/opt/bin/a-very-long-command", "vim"};

        fresh();
        for (size_t i = 0; i < ARRAY_LEN(argv); i++) {
                command(30, argv[i]);
                if (i == 2)
                        strcpy(find(30)->p.comm, "python3"); /* an alias of something else */
                run(find(30), 5000, 2);
                CHECK_INT(verdict.busy, 0);
                end(30, true);
                sample();
        }
        command(30, "vimdiff");
        run(find(30), 5000, 1);
        check_busy("vimdiff");
}

static void names_for_people(void)
{
        fresh();
        strcpy(command(30, "/usr/bin/node server.js")->p.comm, "MainThread");
        run(find(30), 5000, 1);
        check_busy("node");
        end(30, true);
        for (int i = 0; i < 8; i++)
                sample();
        strcpy(command(31, "/usr/bin/python3 ./fit.py")->p.comm, "fit.py");
        run(find(31), 5000, 1);
        check_busy("fit.py");
        end(31, true);
        for (int i = 0; i < 8; i++)
                sample();
        command(32, "a\n\"\x7f\xc3x");
        run(find(32), 5000, 1);
        check_busy("a?\"??x");
}

static void development_server(void)
{
        fresh();
        command(30, "npm run dev");
        spawn(31, 30, 30, SHELL, TTY, "node vite")->listens = true;
        spawn(32, 31, 30, SHELL, TTY, "esbuild");
        for (int i = 0; i < 20; i++) {
                find(31)->p.self_ms += 2000;
                run(find(32), 4000, 1);
        }
        CHECK_INT(verdict.busy, 0);
        /* asked once in a window, not at each sample */
        CHECK(listen_asks >= 2 && listen_asks <= 10);
}

static void download(void)
{
        fresh();
        command(30, "curl -O http://x");
        for (int i = 0; i < 7; i++) {
                find(30)->io += 3000000;
                run(find(30), 10, 1);
        }
        check_busy("curl");
        /* it stalls */
        run(find(30), 0, 8);
        CHECK_INT(verdict.busy, 0);
        /* what was moved before we looked does not count */
        fresh();
        command(31, "curl")->io = UINT64_C(1) << 40;
        find(31)->p.self_ms = 0;
        run(find(31), 0, 1);
        CHECK_INT(verdict.busy, 0);
}

/* As with CPU: bytes go to whoever waits, and were counted before. */
static void bytes_count_once(void)
{
        fresh();
        for (pid_t pid = 30; pid < 33; pid++) {
                command(pid, "cp a b")->io += 15000000;
                run(find(pid), 10, 1);
                CHECK_INT(verdict.busy, 0);
                end(pid, true);
        }
        run(find(SHELL), 10, 2);
        CHECK_INT(verdict.busy, 0);
        /* nor later those of a time in which its CPU said enough */
        command(31, "python3 train.py");
        for (int i = 0; i < 6; i++) {
                find(31)->io += 50000000;
                run(find(31), 9000, 1);
        }
        check_busy("python3");
        run(find(31), 10, 10);
        CHECK_INT(verdict.busy, 0);
}

static void unreadable_io(void)
{
        fresh();
        command(30, "secret")->io = JOBS_IO_UNKNOWN;
        run(find(30), 10, 3);
        find(30)->io = UINT64_C(1) << 40;
        run(find(30), 10, 1);
        CHECK_INT(verdict.busy, 0);
}

static void paused_job(void)
{
        fresh();
        run(command(30, "python3 train.py"), 9000, 6);
        check_busy("python3");
        run(find(30), 0, 7); /* Ctrl-Z */
        CHECK_INT(verdict.busy, 0);
}

static void nohup_after_its_terminal(void)
{
        fresh();
        command(30, "python3 train.py");
        sample();
        end(SHELL, false);
        find(30)->p.tty = 0;
        run(find(30), 9000, 2);
        check_busy("python3");
        /* unlike what the app leaves behind when it is restarted */
        spawn(60, EXTENSIONS, 60, 60, 0, "node languageServer");
        sample();
        end(EXTENSIONS, false);
        run(find(60), 9000, 10);
        CHECK_INT(verdict.busy, 0);
}

static void nohup_of_which_nothing_else_is_known(void)
{
        fresh();
        /* setsid, whose parent was gone before anybody looked */
        spawn(30, INIT, 30, 30, 0, "python3 train.py");
        run(find(30), 9000, 1);
        check_busy("python3");
        /* the app has just been started and nobody listens yet */
        fresh();
        n = 0;
        app = 0;
        spawn(70, INIT, 70, 70, 0, "node entry.js");
        spawn(71, 70, 70, 70, 0, "node entry");
        run(find(71), 9000, 4);
        CHECK_INT(verdict.busy, 0);
        app = 70;
        run(find(71), 9000, 4);
        CHECK_INT(verdict.busy, 0);
}

static void tmux(void)
{
        fresh();
        spawn(30, INIT, 30, 30, 0, "tmux new-session");
        strcpy(find(30)->p.comm, "tmux: server");
        spawn(31, 30, 31, 31, TTY + 1, "-bash");
        run(find(30), 9000, 6);
        CHECK_INT(verdict.busy, 0);
        /* another server of terminals, one that no rule names */
        spawn(32, INIT, 32, 32, 0, "dtach");
        spawn(33, 32, 33, 33, TTY + 2, "bash");
        run(find(32), 9000, 6);
        CHECK_INT(verdict.busy, 0);
        spawn(40, 31, 40, 31, TTY + 1, "cc1 big.c");
        run(find(40), 9000, 1);
        check_busy("cc1");
}

static void extension_chatter(void)
{
        fresh();
        for (pid_t pid = 100; pid < 112; pid++) {
                spawn(pid, EXTENSIONS, APP, APP, 0, "git fetch");
                find(pid)->io = 50000000;
                run(find(pid), 5000, 1);
                end(pid, true);
        }
        CHECK_INT(verdict.busy, 0);
        CHECK_INT(listen_asks, 0);
}

static void notebook_kernel(void)
{
        fresh();
        spawn(30, EXTENSIONS, APP, APP, 0, "/venv/bin/python -m ipykernel_launcher -f x");
        find(30)->listens = true;
        run(find(30), 0, 6);
        CHECK_INT(verdict.busy, 0);
        spawn(31, 30, APP, APP, 0, "joblib-worker");
        run(find(31), 5000, 1);
        CHECK_INT(verdict.busy, 1);
}

static void debugger(void)
{
        fresh();
        spawn(30, EXTENSIONS, APP, APP, 0, "/usr/bin/node ./app.js");
        find(30)->env = "HOME=/x VSCODE_INSPECTOR_OPTIONS=:::{} A=b";
        run(find(30), 0, 8); /* at a breakpoint */
        CHECK_INT(verdict.busy, 0);
        run(find(30), 5000, 1);
        check_busy("node");
        /* as a value of another variable it says nothing */
        fresh();
        spawn(30, EXTENSIONS, APP, APP, 0, "/usr/bin/node ./app.js");
        find(30)->env = "A=VSCODE_INSPECTOR_OPTIONS=1 XVSCODE_INSPECTOR_OPTIONS=1";
        run(find(30), 5000, 3);
        CHECK_INT(verdict.busy, 0);
        /* in a terminal, where it listens for its debugger */
        command(31, "node app.js")->listens = true;
        find(31)->env = "VSCODE_INSPECTOR_OPTIONS=1";
        run(find(31), 5000, 1);
        check_busy("node");
}

static void docker_exec(void)
{
        fresh();
        spawn(30, 0, 30, 30, 0, "python3 train.py");
        run(find(30), 5000, 1);
        check_busy("python3");
}

/* Where machines are shared, processes that are not below our init are not ours. */
static void others_on_the_machine(void)
{
        fresh();
        for (size_t i = 0; i < n; i++)
                machine[i].p.ppid = machine[i].p.ppid == INIT ? 5 : machine[i].p.ppid;
        jobs = jobs_free(jobs);
        CHECK_INT(jobs_new(&(struct jobs_config){.rules = &rules, .init = 5, .window_ms = 60000},
                           &jobs),
                  0);
        spawn(30, 1, 30, 30, 0, "elsewhere");
        spawn(31, 30, 31, 30, TTY + 3, "elsewhere too");
        sample();
        for (int i = 0; i < 4; i++) {
                find(30)->p.self_ms += 9000;
                run(find(31), 9000, 1);
        }
        CHECK_INT(verdict.busy, 0);
        command(32, "ours");
        run(find(32), 9000, 1);
        check_busy("ours");
}

static void a_pid_used_again(void)
{
        fresh();
        command(30, "python3 old.py");
        find(30)->p.self_ms = 500000;
        run(find(30), 0, 8);
        end(30, true);
        find(SHELL)->p.waited_ms = 0; /* as if nobody had waited */
        command(30, "python3 new.py");
        run(find(30), 9000, 1);
        check_busy("python3");
}

/* A sample that contradicts itself, as processes change while it is taken. */
static void circles_and_strangers(void)
{
        fresh();
        spawn(30, 31, 30, 30, 0, "a");
        spawn(31, 30, 30, 30, 0, "b");
        spawn(32, 32, 32, 32, 0, "c");
        spawn(33, 99999, 33, 33, TTY, "d");
        sample();
        end(31, false);
        sample();
        run(find(33), 9000, 1);
        CHECK_INT(verdict.busy, 1);
}

static void more_than_the_maximum(void)
{
        fresh();
        for (pid_t pid = 1000; pid < 1000 + 5500; pid++)
                command(pid, "sleep");
        sample();
        CHECK_INT(jobs_count(jobs), JOBS_PROCESSES_MAX);
        io_asks = 0;
        sample();
        for (size_t i = 0; i < n; i++)
                machine[i].p.self_ms += 1;
        sample();
        CHECK(io_asks <= 512);
        run(find(1000), 9000, 1);
        CHECK(verdict.busy >= 1);
}

int main(void)
{
        RUN(nothing_runs);
        RUN(python_training);
        RUN(threshold);
        RUN(silent_sleep);
        RUN(make_with_short_lived_children);
        RUN(nothing_counts_twice);
        RUN(children_that_are_not_waited_for);
        RUN(shell_busy_by_itself);
        RUN(shell_loop_of_short_commands);
        RUN(background_and_foreground);
        RUN(endless_yes);
        RUN(monitors_and_editors);
        RUN(names_of_ignored_commands);
        RUN(names_for_people);
        RUN(development_server);
        RUN(download);
        RUN(bytes_count_once);
        RUN(unreadable_io);
        RUN(paused_job);
        RUN(nohup_after_its_terminal);
        RUN(nohup_of_which_nothing_else_is_known);
        RUN(tmux);
        RUN(extension_chatter);
        RUN(notebook_kernel);
        RUN(debugger);
        RUN(docker_exec);
        RUN(others_on_the_machine);
        RUN(a_pid_used_again);
        RUN(circles_and_strangers);
        RUN(more_than_the_maximum);
        jobs_free(jobs);
        return 0;
}
