/* wsagent-worker profile: check a profile for people, or compile it for init (record.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "profile/profile.h"
#include "profile/record.h"
#include "roles.h"

#define EXIT_USAGE 64
#define EXIT_CONFIG 78

static const struct {
        const char *name; /* ${name} in a profile */
        const char *env;
} variables[] = {
        {"HOME", "WS_HOME"},
        {"WORKSPACE", "WS_WORKSPACE"},
        {"APP_SOCKET", "WS_APP_SOCKET"},
        {"RUN_DIR", "WS_RUN_DIR"},
};

static int variable_append(struct buf *b, const char *name, size_t len)
{
        for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
                if (strlen(variables[i].name) == len &&
                    strncmp(variables[i].name, name, len) == 0) {
                        const char *value = getenv(variables[i].env);

                        /* When only checking, there is no task to take the value from. */
                        return buf_append_str(b, value ? value : "/");
                }
        }
        log_error("unknown variable in the profile; known: HOME WORKSPACE APP_SOCKET RUN_DIR",
                  LOG_STR("at", name));
        return -EINVAL;
}

/* `text` with each ${NAME} replaced, without a NUL. */
static int expand(struct buf *b, const char *text)
{
        for (;;) {
                const char *dollar = strstr(text, "${");
                const char *close = dollar ? strchr(dollar, '}') : NULL;
                int r;

                if (!close)
                        return buf_append_str(b, text);
                r = buf_append(b, text, (size_t)(dollar - text));
                if (r == 0)
                        r = variable_append(b, dollar + 2, (size_t)(close - dollar - 2));
                if (r < 0)
                        return r;
                text = close + 1;
        }
}

static int string_append(struct buf *b, const char *text)
{
        int r = expand(b, text);

        return r < 0 ? r : buf_append(b, "", 1);
}

static int strings_append(struct buf *b, const struct profile *p)
{
        int r = string_append(b, p->path);

        for (size_t i = 0; i < p->argv.n && r == 0; i++)
                r = string_append(b, p->argv.items[i]);
        for (size_t i = 0; i < p->ahead.n && r == 0; i++)
                r = string_append(b, p->ahead.items[i]);
        for (size_t i = 0; i < p->env.n && r == 0; i++) {
                r = buf_printf(b, "%s=", p->env.items[i].key);
                if (r == 0)
                        r = string_append(b, p->env.items[i].value);
        }
        for (size_t i = 0; i < p->defaults.n && r == 0; i++) {
                r = buf_append(b, p->defaults.items[i].key, strlen(p->defaults.items[i].key) + 1);
                if (r == 0)
                        r = buf_append(b, p->defaults.items[i].value,
                                       strlen(p->defaults.items[i].value) + 1);
        }
        for (size_t i = 0; i < p->write.n && r == 0; i++)
                r = string_append(b, p->write.items[i]);
        return r;
}

static int compile(const struct profile *p, struct buf *b)
{
        struct record_head head = {
                .magic = RECORD_MAGIC,
                .n_argv = (uint32_t)p->argv.n,
                .n_ahead = (uint32_t)p->ahead.n,
                .n_env = (uint32_t)p->env.n,
                .n_files = (uint32_t)p->defaults.n,
                .n_write = (uint32_t)p->write.n,
                .processes = p->processes,
                .files = p->files,
                .stop_grace_ms = (uint32_t)p->stop_grace_ms,
                .kill_grace_ms = (uint32_t)p->kill_grace_ms,
        };
        int r;

        STR_CUT(head.name, p->name);
        r = buf_append(b, &head, sizeof(head));
        if (r == 0)
                r = strings_append(b, p);
        if (r < 0)
                return r;
        head.size = (uint32_t)b->len;
        memcpy(b->data, &head, sizeof(head));
        return 0;
}

static void list_print(const char *what, const struct profile_list *l)
{
        printf("%-14s", what);
        for (size_t i = 0; i < l->n; i++)
                printf(" %s", l->items[i]);
        printf("\n");
}

static void profile_print(const struct profile *p)
{
        printf("%-14s %s\n", "profile", p->name);
        list_print("app", &p->argv);
        list_print("ahead", &p->ahead);
        printf("%-14s %s, prime %s\n", "health", p->health_path,
               p->prime_path[0] ? p->prime_path : "nothing");
        list_print("write also", &p->write);
        printf("%-14s %u processes, %u open files (0: no limit)\n", "limits", p->processes,
               p->files);
        list_print("save", &p->save_include);
        list_print("save not", &p->save_exclude);
        list_print("later", &p->save_later);
        list_print("watch not", &p->watch_exclude);
        printf("%-14s save after %lld ms, stop grace %lld ms, kill grace %lld ms\n", "times",
               (long long)p->save_after_ms, (long long)p->stop_grace_ms,
               (long long)p->kill_grace_ms);
}

static int role_profile_run(bool check, const char *path)
{
        AUTO_PROFILE p = NULL;
        AUTO_BUF record = BUF_INIT(RECORD_SIZE_MAX);
        int r = profile_load(path, &p);

        if (r == 0)
                r = compile(p, &record);
        if (r == -ENOBUFS)
                log_error("profile too large", LOG_INT("bytes_max", RECORD_SIZE_MAX));
        if (r < 0)
                return EXIT_CONFIG;
        if (check) {
                profile_print(p);
                return 0;
        }
        r = fd_write_all(STDOUT_FILENO, record.data, record.len);
        if (r < 0)
                log_error("cannot write the record", LOG_ERR(r));
        return r < 0 ? 1 : 0;
}

int role_profile_main(int argc, char **argv)
{
        bool check = argc == 3 && strcmp(argv[1], "--check") == 0;

        if (!check && !(argc == 3 && strcmp(argv[1], "--compile") == 0)) {
                fprintf(stderr,
                        "usage: wsagent-worker profile --check FILE\n"
                        "       wsagent-worker profile --compile FILE   (for init; binary)\n");
                return EXIT_USAGE;
        }
        return role_profile_run(check, argv[2]);
}
