#include "init/reap.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/proc.h"

int reap_code(int wait_status)
{
        return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

bool reap_next(pid_t *ret_pid, int *ret_code)
{
        int status;
        pid_t pid;

        do
                pid = waitpid(-1, &status, WNOHANG);
        while (pid < 0 && errno == EINTR);
        if (pid <= 0)
                return false;
        *ret_pid = pid;
        *ret_code = reap_code(status);
        return true;
}

void reap_kill_all(void)
{
        const struct proc_scan scan = {.pid1 = false};
        const int sig = SIGKILL;
        bool pid1 = getpid() == 1;

        if (!pid1 && proc_open() < 0)
                return;
        /* A descendant that is no child of ours becomes one when its parent has gone. */
        for (;;) {
                if (pid1)
                        (void)kill(-1, SIGKILL);
                else if (proc_signal(&scan, &sig, 1) < 0)
                        return;
                if (waitpid(-1, NULL, 0) < 0 && errno != EINTR)
                        return;
        }
}
