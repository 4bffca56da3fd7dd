#include "init/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "roles.h"

#define EXIT_USAGE 64
#define EXIT_CONFIG 78

static int path_join(char dst[PATH_MAX], const char *dir, const char *name)
{
        return (size_t)snprintf(dst, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int path_take(char dst[PATH_MAX], const char *what, const char *value)
{
        if (value[0] != '/' || str_copy(dst, PATH_MAX, value) < 0) {
                log_error("not an absolute path, or too long", LOG_STR("option", what),
                          LOG_STR("value", value));
                return EXIT_CONFIG;
        }
        return 0;
}

int config_worker_beside_us(char dst[PATH_MAX])
{
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        if (n < 0)
                return -errno;
        self[n] = 0;
        slash = strrchr(self, '/');
        if (!slash)
                return -ENOENT;
        *slash = 0;
        return path_join(dst, self, "wsagent-worker");
}

static int listen_take(struct sockaddr_in *dst, const char *text)
{
        struct sockaddr_in a = {.sin_family = AF_INET};
        char host[INET_ADDRSTRLEN];
        const char *colon = strrchr(text, ':');
        uint64_t port;

        if (!colon || (size_t)(colon - text) >= sizeof(host) ||
            num_parse_u64(colon + 1, 0, UINT16_MAX, &port) < 0)
                return -EINVAL;
        memcpy(host, text, (size_t)(colon - text));
        host[colon - text] = 0;
        if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
                return -EINVAL;
        a.sin_port = htons((uint16_t)port);
        *dst = a;
        return 0;
}

/* The number in the field at `field`, which ends at a colon or with its line. 0 or -errno. */
static int field_id(const char *field, uint64_t *ret_id)
{
        char text[16];
        size_t len = strcspn(field, ":\n");

        if (len >= sizeof(text))
                return -EINVAL;
        memcpy(text, field, len);
        text[len] = 0;
        return num_parse_u64(text, 1, INT32_MAX, ret_id);
}

/* Behind the next colon of this line, or its end. */
static const char *field_next(const char *field)
{
        field += strcspn(field, ":\n");
        return field + (*field == ':');
}

/* name:x:uid:gid:... of one user. Not getpwnam: a static program would load NSS modules. */
static int passwd_find(const char *text, const char *name, struct spawn_user *ret_user)
{
        size_t len = strlen(name);

        for (const char *line = text, *next; line; line = next) {
                const char *uid;
                uint64_t u, g;

                next = strchr(line, '\n');
                next = next ? next + 1 : NULL;
                if (strncmp(line, name, len) != 0 || line[len] != ':')
                        continue;
                uid = field_next(line + len + 1);
                if (field_id(uid, &u) < 0 || field_id(field_next(uid), &g) < 0)
                        return -EINVAL;
                *ret_user = (struct spawn_user){.drop = true, .uid = (uid_t)u, .gid = (gid_t)g};
                return 0;
        }
        return -ENOENT;
}

static int user_from_env(const char *name, struct spawn_user *ret_user)
{
        uint64_t uid;

        if (num_parse_u64(role_env(name, ""), 1, INT32_MAX, &uid) < 0)
                return -EINVAL;
        *ret_user = (struct spawn_user){.drop = true, .uid = (uid_t)uid, .gid = (gid_t)uid};
        return 0;
}

static int users_from_passwd(struct config *c)
{
        static char text[65536];
        AUTO_CLOSE fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (n < 0)
                return -errno;
        text[n] = 0;
        if (passwd_find(text, "student", &c->student) < 0 ||
            passwd_find(text, "wslink", &c->link) < 0 || passwd_find(text, "wsgate", &c->gate) < 0)
                return -ENOENT;
        return 0;
}

static int users_take(struct config *c)
{
        bool any = getenv("WS_UID_STUDENT") || getenv("WS_UID_LINK") || getenv("WS_UID_GATE");
        const struct spawn_user keep = {.drop = false, .uid = getuid(), .gid = getgid()};

        if (geteuid() == 0 && any) {
                if (user_from_env("WS_UID_STUDENT", &c->student) == 0 &&
                    user_from_env("WS_UID_LINK", &c->link) == 0 &&
                    user_from_env("WS_UID_GATE", &c->gate) == 0)
                        return 0;
                log_error(
                        "WS_UID_STUDENT, WS_UID_LINK and WS_UID_GATE must all be user ids above 0");
                return EXIT_CONFIG;
        }
        if (geteuid() == 0 && users_from_passwd(c) == 0)
                return 0;
        c->student = c->link = c->gate = keep;
        log_warn("all roles share one user: the student's programs can read the credential of "
                 "link, end the roles and open the app's socket",
                 LOG_STR("reason", geteuid() == 0 ? "no WS_UID_* and no users student, wslink, "
                                                    "wsgate"
                                                  : "not root"),
                 LOG_INT("uid", getuid()));
        return 0;
}

static int options_read(int argc, char **argv, const char **ret_worker, const char **ret_profile,
                        const char **ret_listen)
{
        const struct {
                const char *name;
                const char **value;
        } options[] = {
                {"--worker", ret_worker},
                {"--profile", ret_profile},
                {"--listen", ret_listen},
        };

        for (int i = 1; i < argc; i += 2) {
                size_t o = 0;

                while (o < ARRAY_LEN(options) && strcmp(argv[i], options[o].name) != 0)
                        o++;
                if (o == ARRAY_LEN(options) || i + 1 == argc) {
                        log_error("usage: wsagent init [--profile FILE] [--worker FILE] "
                                  "[--listen ADDR:PORT]",
                                  LOG_STR("option", argv[i]));
                        return EXIT_USAGE;
                }
                *options[o].value = argv[i + 1];
        }
        return 0;
}

static int paths_take(struct config *c)
{
        int r;

        if ((r = path_take(c->run_dir, "WS_RUN_DIR", role_env("WS_RUN_DIR", ROLE_RUN_DIR))) ||
            (r = path_take(c->home, "WS_HOME", role_env("WS_HOME", ROLE_HOME))))
                return r;
        if (path_join(c->workspace, c->home, "workspace") < 0 ||
            path_join(c->app_socket, c->run_dir, "app/app.sock") < 0 ||
            path_join(c->notice_socket, c->run_dir, "notice/notice.sock") < 0 ||
            path_join(c->prime_home, c->run_dir, "prime") < 0 ||
            path_join(c->save_dir, c->run_dir, "save") < 0)
                return EXIT_CONFIG;
        if ((r = path_take(c->workspace, "WS_WORKSPACE", role_env("WS_WORKSPACE", c->workspace))) ||
            (r = path_take(c->app_socket, "WS_APP_SOCKET",
                           role_env("WS_APP_SOCKET", c->app_socket))) ||
            (r = path_take(c->notice_socket, "WS_NOTICE_SOCKET",
                           role_env("WS_NOTICE_SOCKET", c->notice_socket))))
                return r;
        return 0;
}

int config_read(int argc, char **argv, struct config *c)
{
        const char *worker = NULL;
        const char *profile = role_env("WS_PROFILE", "");
        const char *listen = role_env("WS_LISTEN", "127.0.0.1:0");
        const char *level = role_env("WS_LOG_LEVEL", "info");
        const char *grace = role_env("WS_TERM_GRACE", "30s");
        int r = options_read(argc, argv, &worker, &profile, &listen);

        if (r == 0 && !profile[0]) {
                log_error("no profile: give the file that says what to run, as --profile FILE or "
                          "WS_PROFILE");
                return EXIT_CONFIG;
        }
        if (r || (r = paths_take(c)) || (r = path_take(c->profile, "--profile", profile)))
                return r;
        if (worker ? (r = path_take(c->worker, "--worker", worker))
                   : config_worker_beside_us(c->worker) < 0)
                return EXIT_CONFIG;
        if (listen_take(&c->listen, listen) < 0) {
                log_error("--listen: an IPv4 address and a port, such as 127.0.0.1:0",
                          LOG_STR("value", listen));
                return EXIT_CONFIG;
        }
        if (!log_level_parse(level, &c->log_level)) {
                log_error("WS_LOG_LEVEL: debug, info, warn or error", LOG_STR("value", level));
                return EXIT_CONFIG;
        }
        if (num_parse_duration_ms(grace, &c->term_grace_ms) < 0) {
                log_error("WS_TERM_GRACE: a duration such as 30s", LOG_STR("value", grace));
                return EXIT_CONFIG;
        }
        STR_CUT(c->user_name, "student");
        c->pid1 = getpid() == 1;
        return users_take(c);
}
