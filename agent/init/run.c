/*
 * wsagent run [-g] -- command args...: PID 1 or subreaper for any command. Reaps orphans, forwards
 * signals, ends with the command's code. No roles, no /proc needed while it runs.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "init/init.h"
#include "init/reap.h"
#include "init/spawn.h"

#define EXIT_USAGE 64
#define EXIT_OS 71

/* Faults of our own must not wait in a queue; and who runs us may stop us with the terminal's. */
static const int not_forwarded[] = {SIGFPE,  SIGILL, SIGSEGV, SIGBUS, SIGABRT,
                                    SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};

static int signals_block(sigset_t *ret_set)
{
        const struct sigaction ignore = {.sa_handler = SIG_IGN};
        const struct sigaction dfl = {.sa_handler = SIG_DFL};

        /* sigfillset of musl leaves out 34, which glibc's programs know as SIGRTMIN. */
        memset(ret_set, 0xff, sizeof(*ret_set));
        for (size_t i = 0; i < ARRAY_LEN(not_forwarded); i++)
                sigdelset(ret_set, not_forwarded[i]);
        /* An inherited SIG_IGN would make the kernel reap our children without a word. */
        if (sigaction(SIGCHLD, &dfl, NULL) < 0 || sigaction(SIGTTIN, &ignore, NULL) < 0 ||
            sigaction(SIGTTOU, &ignore, NULL) < 0 || sigprocmask(SIG_SETMASK, ret_set, NULL) < 0)
                return -errno;
        return 0;
}

/* Until `child` has ended; its code. */
static int wait_for(pid_t child, pid_t target, const sigset_t *set)
{
        for (;;) {
                int sig = sigwaitinfo(set, NULL);
                int code, child_code = -1;
                pid_t pid;

                if (sig < 0)
                        continue; /* EINTR: stopped and continued */
                if (sig != SIGCHLD) {
                        (void)kill(target, sig);
                        continue;
                }
                while (reap_next(&pid, &code)) {
                        if (pid == child)
                                child_code = code;
                }
                if (child_code >= 0)
                        return child_code;
        }
}

int run_main(int argc, char **argv)
{
        sigset_t set;
        pid_t child;
        int at = 1, r, code;
        bool group = argc > at && strcmp(argv[at], "-g") == 0;

        at += group;
        at += argc > at && strcmp(argv[at], "--") == 0;
        if (argc <= at || argv[at][0] == '-') {
                log_error("usage: wsagent run [-g] -- command [argument...]");
                return EXIT_USAGE;
        }
        if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                log_warn("orphans will not come to us", LOG_ERR(errno));
        r = signals_block(&set);
        if (r == 0)
                r = spawn_plain(argv + at, &child);
        if (r < 0) {
                log_error("cannot start", LOG_STR("command", argv[at]), LOG_ERR(r));
                return EXIT_OS;
        }
        code = wait_for(child, group ? -child : child, &set);
        reap_kill_all();
        return code;
}
