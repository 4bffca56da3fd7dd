#include "init/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

#include "base/macro.h"

int signals_open(int *ret_fd)
{
        static const int faults[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};
        const struct sigaction dfl = {.sa_handler = SIG_DFL};
        sigset_t set;
        int fd;

        /* An inherited SIG_IGN would make the kernel reap our children without a word. */
        if (sigaction(SIGCHLD, &dfl, NULL) < 0)
                return -errno;
        sigfillset(&set);
        for (size_t i = 0; i < ARRAY_LEN(faults); i++)
                sigdelset(&set, faults[i]);
        if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
                return -errno;
        /* Blocked, never seen: those of writing to closed pipes and of terminals. */
        sigdelset(&set, SIGPIPE);
        sigdelset(&set, SIGTSTP);
        sigdelset(&set, SIGTTIN);
        sigdelset(&set, SIGTTOU);
        fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}
