/*
 * The Docker provider against a real engine, with docker_task standing in for wsagent.
 *
 *   test_docker SOCKET GATEWAY ENGINE_RUN    all cases (see tests/provider/docker, which starts it)
 *   test_docker SOCKET GATEWAY               all but the engine's restart (see
 * tests/provider/podman) test_docker --denied SOCKET              as a user who may not: the error
 * must say so
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"
#include "out/providers/docker.h"
#include "out/providers/docker_json.h"
#include "shell_told.h"
#include "test.h"

#define DEADLINE_MS 60000

/* ---- one provider ---- */

static struct loop *loop;
static struct docker *provider;
static struct keys keys = {.master = {4, 5, 6}};
static char controller[13];
static const char *engine_socket_path, *gateway, *engine_run;

static const struct docker_type types[] = {
        {"good", "ws-test-task", "wait", "", 64 << 20, 500000, 50, true, true},
        {"writable", "ws-test-task", "wait", "", 0, 0, 0, false, false},
        {"brief", "ws-test-task", "brief", "", 0, 0, 0, true, false},
        {"hungry", "ws-test-task", "hungry", "", 32 << 20, 0, 0, true, false},
        {"stubborn", "ws-test-task", "stubborn", "", 0, 0, 0, true, false},
        {"no-image", "ws-test-absent:1", "", "", 0, 0, 0, true, false},
        {"no-program", "ws-test-broken", "", "", 0, 0, 0, true, false},
};

static int64_t kept_ms_max;

static void provider_open(const char *socket)
{
        static char url[64];
        struct docker_config c = {.socket = socket,
                                  .network = getenv("WS_TEST_NETWORK") ? getenv("WS_TEST_NETWORK")
                                                                       : "bridge",
                                  .controller_url = url,
                                  .keys = &keys,
                                  .installation = controller,
                                  .stop_grace_ms = 1500,
                                  .kept_ms_max = kept_ms_max,
                                  .n_types = ARRAY_LEN(types),
                                  .types = types};

        (void)snprintf(url, sizeof(url), "tcp://%s:7700", gateway);
        memset(&shell, 0, sizeof(shell));
        CHECK(loop_new(&loop) == 0);
        CHECK(docker_new(loop, &shell, &c, &provider) == 0);
        docker_inventory(provider);
}

static void provider_close(void)
{
        provider = docker_free(provider);
        loop = loop_free(loop);
}

/* ---- waiting and looking ---- */

static bool wait_for(bool (*fn)(const char *arg), const char *arg)
{
        mono_t until = mono_add_ms(mono_read(), DEADLINE_MS);
        bool good;

        while (!(good = fn(arg)) && !mono_due(until, mono_read())) {
                struct pollfd p = {.fd = loop_fileno(loop), .events = POLLIN};

                CHECK(poll(&p, 1, 20) >= 0);
                CHECK(loop_turn(loop) >= 0);
        }
        if (!good)
                fprintf(stderr, "still not: %s (%s)\n", arg, told(arg)->reason);
        return good;
}

static bool is_answered(const char *task)
{
        return told(task)->launched != 0;
}

static bool is_ended(const char *task)
{
        return told(task)->ended != 0;
}

static bool is_inventory(const char *arg)
{
        (void)arg;
        return shell.inventories > 0;
}

/* What a command prints, cut at 64 KiB; the loop does not turn meanwhile. */
static const char *output_of(const char *fmt, ...) PRINTF_LIKE(1, 2);
static const char *output_of(const char *fmt, ...)
{
        static char text[65536];
        char command[1024];
        size_t n;
        FILE *f;
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(command, sizeof(command), fmt, ap);
        va_end(ap);
        f = popen(command, "r");
        CHECK(f);
        n = fread(text, 1, sizeof(text) - 1, f);
        text[n] = 0;
        (void)pclose(f);
        while (n > 0 && text[n - 1] == '\n')
                text[--n] = 0;
        return text;
}

static bool is_ready(const char *task)
{
        return strstr(output_of("docker logs ws-%s-%s 2>&1", controller, task), "ready") != NULL;
}

static bool is_removed(const char *task)
{
        return !output_of("docker ps -aq --filter label=" DOCKER_LABEL_TASK "=%s", task)[0];
}

static void launch_good(const char *task, const char *type)
{
        launch(task, type);
        CHECK(wait_for(is_answered, task));
        if (told(task)->launched != 1)
                fprintf(stderr, "%s\n", told(task)->reason);
        CHECK_INT(told(task)->launched, 1);
}

static void end_all(const char *task)
{
        stop(task, true);
        CHECK(wait_for(is_ended, task));
        CHECK(wait_for(is_removed, task));
}

/* ---- cases ---- */

static const char *inspect(const char *task, const char *format)
{
        return output_of("docker inspect -f '%s' ws-%s-%s 2>&1", format, controller, task);
}

/* The secret is nowhere that an engine shows it. */
static bool shows_secret(const char *container, const char *task)
{
        char secret[KEYS_HEX];

        keys_task_secret(&keys, task, secret);
        return strstr(output_of("docker inspect %s", container), secret) != NULL;
}

static void test_launch(void)
{
        char secret[KEYS_HEX], name[80];
        const char *log;

        launch_good("t-1", "good");
        CHECK(wait_for(is_ready, "t-1"));
        log = output_of("docker logs ws-%s-t-1 2>&1", controller);
        keys_task_secret(&keys, "t-1", secret);
        CHECK(strstr(log, secret) && strstr(log, "env=none"));
        CHECK(strstr(log, "pid=1 task=t-1 ") && strstr(log, ":7700 listen=0.0.0.0:8000 "));
        CHECK(strstr(log, "write_root=Read-only file system"));
        CHECK(strstr(log, "write_tmp=yes write_run=yes write_home=yes"));
        /* CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP */
        CHECK(strstr(log, "CapEff:\t00000000000001fb") && strstr(log, "CapBnd:\t00000000000001fb"));
        CHECK(strstr(log, "NoNewPrivs:\t1"));
        (void)snprintf(name, sizeof(name), "ws-%s-t-1", controller);
        CHECK(!shows_secret(name, "t-1"));
        CHECK_STR(inspect("t-1", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} "
                                 "{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}"),
                  "67108864 67108864 500000000 50");
        CHECK_STR(inspect("t-1", "{{.HostConfig.Privileged}} {{len .HostConfig.PortBindings}}"),
                  "false 0");
        /* The same again: the same container. */
        told("t-1")->launched = 0;
        launch_good("t-1", "good");
        CHECK_STR(output_of("docker ps -aq | wc -l"), "1");
        launch_good("t-2", "writable");
        CHECK(wait_for(is_ready, "t-2"));
        CHECK(strstr(output_of("docker logs ws-%s-t-2", controller), "write_root=yes"));
}

/* What test_launch looks with must find what it looks for. */
static void test_looks(void)
{
        char secret[KEYS_HEX];

        keys_task_secret(&keys, "t-planted", secret);
        (void)output_of("docker create --name planted -e WS_TASK_SECRET=%s ws-test-task", secret);
        CHECK(shows_secret("planted", "t-planted"));
        (void)output_of("docker rm planted");
}

static void test_stop(void)
{
        stop("t-1", false);
        CHECK(wait_for(is_ended, "t-1"));
        CHECK_INT(told("t-1")->status, 7);
        CHECK(wait_for(is_removed, "t-1"));
        stop("t-2", true);
        CHECK(wait_for(is_ended, "t-2"));
        CHECK_INT(told("t-2")->status, 137);
        CHECK_STR(told("t-2")->reason, "killed by the controller");
        CHECK(wait_for(is_removed, "t-2"));
        CHECK_STR(output_of("docker volume ls -q | wc -l"), "0");
        /* Nothing of that name: that is the end of it, each time it is asked. */
        told("t-2")->ended = 0;
        stop("t-2", false);
        CHECK(wait_for(is_ended, "t-2"));
}

static void test_ends(void)
{
        launch_good("t-10", "brief");
        CHECK(wait_for(is_ended, "t-10"));
        CHECK_INT(told("t-10")->status, 3);
        launch_good("t-11", "hungry");
        CHECK(wait_for(is_ended, "t-11"));
        CHECK_INT(told("t-11")->status, 137);
        /* Podman does not say so with control groups of version 1. */
        if (getenv("WS_TEST_NETWORK"))
                CHECK_STR(told("t-11")->reason, "killed from outside");
        else
                CHECK_STR(told("t-11")->reason,
                          "the kernel killed it at its memory limit of 32 MB; raise `memory`");
        launch_good("t-12", "stubborn");
        CHECK(wait_for(is_ready, "t-12"));
        stop("t-12", false);
        CHECK(wait_for(is_ended, "t-12"));
        CHECK_STR(told("t-12")->reason, "killed by the controller");
        launch_good("t-13", "good");
        (void)output_of("docker kill ws-%s-t-13", controller);
        CHECK(wait_for(is_ended, "t-13"));
        CHECK_STR(told("t-13")->reason, "killed from outside");
        launch_good("t-14", "good");
        (void)output_of("docker rm -f ws-%s-t-14", controller);
        CHECK(wait_for(is_ended, "t-14"));
        for (int i = 10; i <= 14; i++) {
                char task[16];

                (void)snprintf(task, sizeof(task), "t-%d", i);
                CHECK(wait_for(is_removed, task));
                CHECK_INT(told(task)->ended, 1);
        }
}

static void refused(const char *task, const char *type, enum launch_failure failure,
                    const char *words)
{
        launch(task, type);
        CHECK(wait_for(is_answered, task));
        CHECK_INT(told(task)->launched, 2);
        if (!strstr(told(task)->reason, words) || told(task)->failure != failure)
                fprintf(stderr, "%d: %s\n", told(task)->failure, told(task)->reason);
        CHECK(strstr(told(task)->reason, words));
        CHECK_INT(told(task)->failure, failure);
        CHECK_INT(told(task)->ended, 0);
}

static void test_refused(void)
{
        refused("t-20", "no-image", LAUNCH_BROKEN,
                "the engine has no image ws-test-absent:1: build or pull it");
        refused("t-21", "no-program", LAUNCH_BROKEN, "start of the container: ");
        CHECK(wait_for(is_removed, "t-21"));
        refused("t-22", "unheard", LAUNCH_BROKEN, "no such workspace type");
}

static void test_name_taken(void)
{
        /* Made, never started: nobody has its secret, so it is made anew. */
        (void)output_of("docker create --name ws-%s-t-30 ws-test-task", controller);
        launch_good("t-30", "good");
        CHECK(wait_for(is_ready, "t-30"));
        CHECK_STR(inspect("t-30", "{{.HostConfig.Memory}}"), "67108864");
        end_all("t-30");
        /* It runs: the answer to an earlier launch was lost. */
        (void)output_of("docker run -d --name ws-%s-t-31 ws-test-task", controller);
        launch_good("t-31", "good");
        stop("t-31", true);
        CHECK(wait_for(is_ended, "t-31"));
}

static void test_adoption(void)
{
        (void)output_of("docker run -d --name foreign ws-test-task");
        (void)output_of("docker run -d --name other --label " DOCKER_LABEL_CONTROLLER
                        "=other --label " DOCKER_LABEL_TASK "=t-99 ws-test-task");
        launch_good("t-40", "good");
        launch_good("t-41", "good");
        launch_good("t-42", "good");
        provider_close();
        (void)output_of("docker kill ws-%s-t-41", controller);
        (void)output_of("docker rm -f ws-%s-t-42", controller);
        (void)output_of("docker create --name ws-%s-t-43 --label " DOCKER_LABEL_CONTROLLER
                        "=%s --label " DOCKER_LABEL_TASK "=t-43 ws-test-task",
                        controller, controller);
        provider_open(engine_socket_path);
        CHECK(wait_for(is_inventory, ""));
        CHECK_INT(told("t-40")->seen, 1);
        CHECK_INT(told("t-41")->seen + told("t-42")->seen + told("t-43")->seen, 0);
        CHECK_INT(told("t-99")->seen, 0);
        CHECK(wait_for(is_ended, "t-41"));
        CHECK_INT(told("t-41")->status, 137);
        CHECK(wait_for(is_ended, "t-43"));
        CHECK(wait_for(is_removed, "t-41") && wait_for(is_removed, "t-43"));
        stop("t-40", false);
        CHECK(wait_for(is_ended, "t-40"));
        CHECK_INT(told("t-40")->status, 7);
        CHECK_STR(output_of("docker ps -q | wc -l"), "2");
        (void)output_of("docker rm -f foreign other");
}

/* ---- what an ended task has left ---- */

static int rescues_done;
static bool rescue_saved;

static void on_rescued(void *ctx, const char *task, enum rescue_result result)
{
        (void)task;
        CHECK(ctx == &rescues_done);
        rescues_done++;
        rescue_saved = result == RESCUE_SAVED;
}

static bool is_rescued(const char *task)
{
        (void)task;
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
        return docker_rescue(provider, &o, on_rescued, &rescues_done);
}

static const char *names(const char *task)
{
        return output_of("docker ps -a --filter label=" DOCKER_LABEL_TASK "=%s --format "
                         "'{{.Names}}'",
                         task);
}

static void kill_unsaved(const char *task)
{
        launch_good(task, "good");
        CHECK(wait_for(is_ready, task));
        CHECK_INT(rescue(task, "early"), RESCUE_LATER); /* it runs */
        (void)output_of("docker kill ws-%s-%s", controller, task);
        CHECK(wait_for(is_ended, task));
        CHECK(names(task)[0]);
}

static bool is_kept(const char *task)
{
        return told(task)->kept > 0;
}

static void reopen(void)
{
        provider_close();
        provider_open(engine_socket_path);
        shell.holds = true;
        CHECK(wait_for(is_inventory, ""));
}

static char volumes[512];

static bool are_volumes_gone(const char *task)
{
        (void)task;
        return output_of("docker volume ls -q | grep -E '%s'", volumes)[0] == 0;
}

static void test_rescue(void)
{
        shell.holds = true;
        kill_unsaved("t-70");
        STR_CUT(volumes,
                inspect("t-70", "{{range .Mounts}}{{if .Name}}{{.Name}}|{{end}}{{end}}none"));
        CHECK(strlen(volumes) > 64 && !are_volumes_gone("t-70"));
        CHECK_INT(rescue("t-70", "good"), RESCUE_BEGUN);
        CHECK_INT(rescue("t-70", "good"), RESCUE_LATER);
        CHECK(wait_for(is_rescued, "t-70"));
        CHECK(rescue_saved);
        CHECK(strstr(output_of("docker logs ws-%s-t-70 2>&1", controller),
                     "rescue home=0 run=0 rescue good"));
        CHECK_INT(rescue("t-70", "good"), RESCUE_NOTHING);
        CHECK_INT(told("t-70")->ended, 1);
        remove_task("t-70");
        CHECK(wait_for(is_removed, "t-70"));
        CHECK(wait_for(are_volumes_gone, "t-70"));
        shell.holds = false;
}

/* Its rescue fails, each controller forgets what it knew, and still it is there. */
static void test_kept(void)
{
        shell.holds = true;
        kill_unsaved("t-71");
        provider_close();
        provider_open(engine_socket_path);
        shell.holds = true;
        CHECK_INT(rescue("t-71", "bad"), RESCUE_LATER); /* the list is not there */
        CHECK(wait_for(is_inventory, ""));
        /* Before the inventory: the core must not take it for vanished, and hears why. */
        CHECK_INT(told("t-71")->ended, 1);
        CHECK_INT(told("t-71")->status, 137);
        CHECK_STR(told("t-71")->reason, "killed from outside");
        CHECK_INT(rescue("t-71", "bad"), RESCUE_BEGUN);
        CHECK(wait_for(is_rescued, "t-71"));
        CHECK(!rescue_saved);
        CHECK(strstr(names("t-71"), "-unsaved-ws-a-g5-t-71"));
        reopen();
        CHECK_INT(told("t-71")->ended, 1);
        CHECK_INT(rescue("t-71", "bad"), RESCUE_BEGUN); /* it may be tried again */
        remove_task("t-71");                            /* the core has forgotten it */
        CHECK(wait_for(is_rescued, "t-71"));
        CHECK(wait_for(is_kept, "t-71"));
        CHECK(strstr(names("t-71"), "-kept-") && strstr(names("t-71"), "-ws-a-g5-t-71"));
        CHECK_STR(told("t-71")->workspace, "ws-a");
        CHECK(strstr(told("t-71")->reason, names("t-71")));
        /* It is nobody's any more, and goes by its age. */
        reopen();
        CHECK_INT(told("t-71")->ended, 0);
        CHECK_INT(rescue("t-71", "good"), RESCUE_NOTHING);
        kept_ms_max = 1000;
        reopen();
        CHECK(wait_for(is_removed, "t-71"));
        kept_ms_max = 0;
        shell.holds = false;
        reopen();
        shell.holds = false;
}

static bool is_new_version(const char *before)
{
        return strcmp(shell.version, before) != 0;
}

static void test_version(void)
{
        char before[CORE_VERSION_SIZE];

        CHECK(wait_for(is_new_version, ""));
        CHECK(str_starts(shell.version, "sha256:") && strlen(shell.version) == 19);
        STR_CUT(before, shell.version);
        CHECK_INT(shell.versions, 1);
        (void)output_of(
                "docker tag ws-test-task ws-test-old && docker tag ws-test-next ws-test-task");
        CHECK(wait_for(is_new_version, before));
        CHECK_INT(shell.versions, 2);
        CHECK(strcmp(shell.version, before) != 0);
}

static bool is_refused_and_again(const char *task)
{
        if (told(task)->launched == 2) {
                told(task)->launched = 0;
                launch(task, "good");
        }
        return told(task)->launched == 1;
}

/* The engine dies under running tasks; they go on, one of them dies while it is away. */
static void test_engine_restart(void)
{
        const char *script = getenv("WS_TEST_ENGINE");
        char pid[32];

        launch_good("t-60", "good");
        launch_good("t-61", "good");
        CHECK(wait_for(is_ready, "t-61"));
        STR_CUT(pid, inspect("t-61", "{{.State.Pid}}"));
        (void)output_of("%s kill %s 2>&1", script, engine_run);
        refused("t-62", "good", LAUNCH_CAPACITY, "start Docker");
        (void)output_of("kill -9 %s", pid);
        CHECK_INT(told("t-60")->ended + told("t-61")->ended, 0);
        fprintf(stderr, "    %s\n", output_of("%s restart %s 2>&1", script, engine_run));
        CHECK(wait_for(is_ended, "t-61"));
        CHECK_INT(told("t-61")->status, 137);
        launch("t-62", "good");
        CHECK(wait_for(is_refused_and_again, "t-62"));
        CHECK_INT(told("t-60")->ended, 0);
        stop("t-60", false);
        CHECK(wait_for(is_ended, "t-60"));
        CHECK_INT(told("t-60")->status, 7);
        end_all("t-62");
}

/* 16 connections at most: the others wait their turn. */
static void test_many(void)
{
        char task[32];

        for (int i = 0; i < 24; i++) {
                (void)snprintf(task, sizeof(task), "m-%d", i);
                launch(task, "good");
        }
        for (int i = 0; i < 24; i++) {
                (void)snprintf(task, sizeof(task), "m-%d", i);
                CHECK(wait_for(is_answered, task));
                CHECK_INT(told(task)->launched, 1);
                stop(task, i % 2 == 0);
        }
        for (int i = 0; i < 24; i++) {
                (void)snprintf(task, sizeof(task), "m-%d", i);
                CHECK(wait_for(is_ended, task));
                CHECK_INT(told(task)->ended, 1);
        }
        for (int i = 0; i < 24; i++) {
                (void)snprintf(task, sizeof(task), "m-%d", i);
                CHECK(wait_for(is_removed, task));
        }
}

/* ---- an engine that cannot be asked ---- */

static void no_engine(const char *socket, const char *words)
{
        provider_open(socket);
        refused("t-1", "good", LAUNCH_CAPACITY, words);
        CHECK_INT(shell.inventories, 0);
        provider_close();
}

static void test_no_engine(void)
{
        char dead[] = "/tmp/ws-test-dead.XXXXXX";
        int fd = mkstemp(dead);

        CHECK(fd >= 0);
        no_engine("/nonexistent/docker.sock", "start Docker, or correct docker_socket");
        no_engine(dead, "nobody listens there");
        close(fd);
        (void)unlink(dead);
}

/* With a fake engine (fake_engine): what is stopping may be making its last save. */
static int test_stopping(const char *socket)
{
        const char *state = getenv("WS_TEST_STATE");
        AUTO_CLOSE fd = -1;

        CHECK(state);
        provider_open(socket);
        CHECK(wait_for(is_inventory, ""));
        CHECK_INT(told("t-1")->seen, 1);
        CHECK_INT(told("t-1")->ended, 0);
        fd = open(state, O_WRONLY | O_TRUNC | O_CLOEXEC);
        CHECK(fd >= 0 && fd_write_all(fd, "exited 0", 8) == 0);
        CHECK(wait_for(is_ended, "t-1")); /* with the next list */
        CHECK_INT(told("t-1")->status, 0);
        provider_close();
        return 0;
}

static void set_names(void)
{
        char id[KEYS_HEX];

        keys_installation(&keys, id);
        (void)snprintf(controller, sizeof(controller), "%.12s", id);
}

int main(int argc, char **argv)
{
        log_init("test_docker", LOG_WARN_LEVEL);
        set_names();
        gateway = "127.0.0.2";
        if (argc == 3 && strcmp(argv[1], "--denied") == 0) {
                no_engine(argv[2],
                          "Permission denied; add the controller's user to the group docker");
                return 0;
        }
        if (argc == 2 && strcmp(argv[1], "--controller") == 0)
                return puts(controller) < 0;
        if (argc == 3 && strcmp(argv[1], "--stopping") == 0)
                return test_stopping(argv[2]);
        RUN(test_no_engine);
        if (argc < 3 || argc > 4)
                return 2;
        engine_socket_path = argv[1];
        gateway = argv[2];
        engine_run = argc == 4 ? argv[3] : NULL;
        provider_open(engine_socket_path);
        if (getenv("WS_TEST_KEPT")) { /* of the planted defect */
                RUN(test_kept);
                return 0;
        }
        RUN(test_launch);
        RUN(test_looks);
        RUN(test_stop);
        RUN(test_ends);
        RUN(test_refused);
        RUN(test_name_taken);
        RUN(test_adoption);
        RUN(test_rescue);
        RUN(test_kept);
        RUN(test_many);
        if (engine_run)
                RUN(test_engine_restart);
        RUN(test_version);
        provider_close();
        return 0;
}
