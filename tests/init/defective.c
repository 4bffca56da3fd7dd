/*
 * A PID 1 with the usual mistakes, planted: it waits for its own child only, so orphans stay
 * zombies; it forwards no signal; it leaks a descriptor; it blocks signals in the child; it knows
 * nothing of 128 + signal. tests/init/run must catch each of them.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        sigset_t set;
        int status;
        pid_t pid;

        if (argc < 2 || open("/dev/null", O_RDONLY) < 0)
                return 1;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        pid = fork();
        if (pid == 0) {
                (void)execvp(argv[1], argv + 1);
                _exit(1);
        }
        while (waitpid(pid, &status, 0) < 0)
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) & 0x7f : 1;
}
