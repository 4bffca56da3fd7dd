/* wsagent: choose the subcommand, nothing else. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "init/config.h"
#include "init/init.h"

#define EXIT_USAGE 64
#define EXIT_OS 71

static const char help[] =
        "usage: wsagent COMMAND\n"
        "\n"
        "  init [--profile FILE] [--worker FILE] [--listen ADDR:PORT]\n"
        "                               PID 1 of a workspace: runs the agent's roles and the app\n"
        "  run [-g] -- COMMAND [ARG...] PID 1 or subreaper for any command: reaps, forwards "
        "signals\n"
        "                               (-g: to its process group), ends with its exit code\n"
        "  probe [--json]               what this kernel and runtime allow, as wsagent-worker sees "
        "it\n"
        "  healthcheck                  ask the gate for its health; exit code 0 or 1\n"
        "  --help, --version\n"
        "\n"
        "Environment of init (all optional but WS_PROFILE, where --profile is not given):\n"
        "  WS_PROFILE      the profile, JSON\n"
        "  WS_RUN_DIR      private folder of this task [/run/ws]\n"
        "  WS_HOME         home of the student [/home/student]\n"
        "  WS_WORKSPACE    what the editor opens [$WS_HOME/workspace]\n"
        "  WS_APP_SOCKET   Unix socket of the app [$WS_RUN_DIR/app/app.sock]\n"
        "  WS_NOTICE_SOCKET  where the app asks when it would be stopped "
        "[$WS_RUN_DIR/notice/notice.sock]\n"
        "  WS_LISTEN       address of the gate [127.0.0.1:0]; written to $WS_RUN_DIR/gate.addr\n"
        "  WS_UID_STUDENT, WS_UID_LINK, WS_UID_GATE\n"
        "                  user and group ids [users student, wslink, wsgate]\n"
        "  WS_TERM_GRACE   time between SIGTERM and SIGKILL from outside [30s]\n"
        "  WS_LOG_LEVEL    debug, info, warn, error [info]\n"
        "  WS_TASK_ID, WS_TASK_SECRET, WS_CONTROLLER\n"
        "                  for link alone; other WS_* variables go to all roles\n"
        "  WS_SECRET_FROM  stdin: WS_TASK_SECRET is the first line of standard input; or that is\n"
        "                  `rescue REQUEST`: make this one save (STORAGE.md), run nothing, end\n"
        "Exit codes of init: 0 saved or nothing to save, 75 last save failed, 64 usage,\n"
        "71 system, 78 configuration. Of run: the command's, 128+signal, 126 not executable,\n"
        "127 not found.\n";

/* The answer needs more than this program holds: the worker beside it gives it. */
static int probe_main(int argc, char **argv)
{
        char worker[PATH_MAX];
        int r = config_worker_beside_us(worker);

        if (r == 0)
                (void)execv(worker, (char *[]){(char *)(uintptr_t) "wsagent-worker", argv[0],
                                               argc > 1 ? argv[1] : NULL, NULL});
        log_error("cannot run wsagent-worker, which belongs beside wsagent",
                  LOG_ERR(r < 0 ? r : -errno));
        return EXIT_OS;
}

static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
} commands[] = {
        {"init", init_main},
        {"run", run_main},
        {"healthcheck", healthcheck_main},
        {"probe", probe_main},
};

static int say(int fd, const char *text, int code)
{
        return fd_write_all(fd, text, strlen(text)) < 0 ? 1 : code;
}

int main(int argc, char **argv)
{
        const char *command = argc >= 2 ? argv[1] : "";

        log_init("init", LOG_INFO_LEVEL);
        if (strcmp(command, "--help") == 0)
                return say(STDOUT_FILENO, help, 0);
        if (strcmp(command, "--version") == 0)
                return say(STDOUT_FILENO, "wsagent " WS_VERSION "\n", 0);
        for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
                if (strcmp(command, commands[i].name) == 0)
                        return commands[i].main(argc - 1, argv + 1);
        }
        return say(STDERR_FILENO, help, EXIT_USAGE);
}
