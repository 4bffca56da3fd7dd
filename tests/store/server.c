#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "test.h"

#define FILES_MAX 16

static const char *script;
static char dir[] = "/tmp/store_postgres.XXXXXX";
static uint16_t port;
static char texts[8][512];
static unsigned next_text;

static char *fresh(void)
{
        return texts[next_text++ % 8];
}

static int run(const char *rest)
{
        char command[1024];
        int status;

        (void)snprintf(command, sizeof(command), "'%s' '%s' %s", script, dir, rest);
        status = system(command);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void server_do(const char *rest)
{
        int r = run(rest);

        if (r != 0) {
                fprintf(stderr, "postgres %s: exit %d\n", rest, r);
                exit(1);
        }
}

static pid_t watcher, owner;
static int alive_fd = -1;

static void end_watcher(void)
{
        if (getpid() != owner)
                return;
        (void)close(alive_fd);
        (void)waitpid(watcher, NULL, 0);
}

/* A process that removes the server when the test has ended, however it ended. */
static void watch_over(void)
{
        int fds[2];
        char c;

        CHECK(pipe2(fds, O_CLOEXEC) == 0);
        owner = getpid();
        watcher = fork();
        if (watcher == 0) {
                (void)setsid();
                (void)close(fds[1]);
                while (read(fds[0], &c, 1) < 0 && errno == EINTR)
                        ;
                (void)run("remove");
                _exit(0);
        }
        CHECK(watcher > 0);
        (void)close(fds[0]);
        alive_fd = fds[1];
        CHECK(atexit(end_watcher) == 0);
}

void server_init(const char *path)
{
        FILE *f;
        unsigned n = 0;
        int r;

        script = path;
        CHECK(mkdtemp(dir));
        watch_over();
        r = run("init");
        if (r != 0)
                exit(r == 77 ? 77 : 1);
        f = fopen(server_file("port"), "re");
        CHECK(f && fscanf(f, "%u", &n) == 1);
        (void)fclose(f);
        port = (uint16_t)n;
}

void server_sql(const char *sql)
{
        char command[1200];
        FILE *f;

        (void)snprintf(command, sizeof(command), "'%s' '%s' sql", script, dir);
        f = popen(command, "we");
        CHECK(f && fputs(sql, f) >= 0);
        CHECK_INT(pclose(f), 0);
}

long server_number(const char *sql)
{
        char command[2048];
        FILE *f;
        long n = -1;

        (void)snprintf(command, sizeof(command), "'%s' '%s' sql -v <<'EOT'\n%s;\nEOT\n", script,
                       dir, sql);
        f = popen(command, "re");
        CHECK(f && fscanf(f, "%ld", &n) == 1);
        CHECK_INT(pclose(f), 0);
        return n;
}

const char *server_url(uint16_t at, const char *options)
{
        char *text = fresh();

        (void)snprintf(text, sizeof(texts[0]), "postgresql://ws@127.0.0.1:%u/ws%s%s", at,
                       options ? "?" : "", options ? options : "");
        return text;
}

uint16_t server_port(void)
{
        return port;
}

const char *server_file(const char *name)
{
        static char files[FILES_MAX][512];
        char text[512];
        size_t i = 0;

        (void)snprintf(text, sizeof(text), "%s/%s", dir, name);
        while (files[i][0] && strcmp(files[i], text) != 0)
                CHECK(++i < FILES_MAX);
        memcpy(files[i], text, sizeof(text));
        return files[i];
}
