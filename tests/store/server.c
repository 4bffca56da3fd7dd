#include "server.h"

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

static void remove_at_exit(void)
{
        static pid_t owner;

        if (!owner)
                owner = getpid();
        else if (owner == getpid())
                (void)run("remove");
}

void server_init(const char *path)
{
        FILE *f;
        unsigned n = 0;
        int r;

        script = path;
        CHECK(mkdtemp(dir));
        remove_at_exit(); /* names the owner: a child that exits removes nothing */
        CHECK(atexit(remove_at_exit) == 0);
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
