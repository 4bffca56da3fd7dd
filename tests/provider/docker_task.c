/*
 * Stands in for wsagent as the first process of a container: reads the secret from standard input,
 * says what it sees on standard output, then does what WS_PROFILE says.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int leave_with = 7;

static void on_term(int sig)
{
        (void)sig;
        _exit(leave_with);
}

static const char *may_write(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT, 0644);

        if (fd < 0)
                return strerror(errno);
        close(fd);
        return "yes";
}

static void say_capabilities(void)
{
        FILE *f = fopen("/proc/self/status", "re");
        char line[256];

        while (f && fgets(line, sizeof(line), f)) {
                if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0)
                        printf("%s", line);
        }
        if (f)
                fclose(f);
}

/* More than any memory limit here, touched, so that the kernel must find it. */
static void eat_memory(void)
{
        for (size_t i = 0; i < 4096; i++) {
                char *p = malloc(1 << 20);

                if (p)
                        memset(p, 1, 1 << 20);
        }
}

int main(void)
{
        const char *what = getenv("WS_PROFILE") ? getenv("WS_PROFILE") : "";
        const char *env = getenv("WS_TASK_SECRET");
        char secret[256] = "";

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (strcmp(what, "stubborn") == 0)
                signal(SIGTERM, SIG_IGN);
        else
                signal(SIGTERM, on_term);
        if (!fgets(secret, sizeof(secret), stdin))
                printf("no secret came\n");
        secret[strcspn(secret, "\n")] = 0;
        /* Started once more for a rescue: what an earlier life has written must be there. */
        if (strncmp(secret, "rescue ", 7) == 0) {
                printf("rescue home=%d run=%d %s\n", access("/home/student/file", F_OK),
                       access("/run/ws/file", F_OK), secret);
                return strcmp(secret, "rescue good") == 0 ? 0 : 75;
        }
        printf("pid=%d task=%s controller=%s listen=%s from=%s\n", getpid(), getenv("WS_TASK_ID"),
               getenv("WS_CONTROLLER"), getenv("WS_LISTEN"), getenv("WS_SECRET_FROM"));
        printf("secret=%s env=%s\n", secret, env ? env : "none");
        printf("write_root=%s\n", may_write("/file"));
        printf("write_tmp=%s write_run=%s write_home=%s\n", may_write("/tmp/file"),
               may_write("/run/ws/file"), may_write("/home/student/file"));
        say_capabilities();
        if (strcmp(what, "brief") == 0)
                return 3;
        if (strcmp(what, "hungry") == 0)
                eat_memory();
        printf("ready\n");
        for (;;)
                pause();
}
