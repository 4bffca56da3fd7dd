#include "out/providers/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/providers/folder.h"

#define PROFILE_MAX (256U << 10)
#define RULES_NAME "presence.json"
/* What init may take for its own last save; less than PROCESS_TERM_GRACE_MS. */
#define TERM_GRACE_ENV "WS_TERM_GRACE=110s"

/* "SRC:DST" -> two paths. DST is made inside the run folder, so it must be below /run/ws/. */
int plan_parse_bind(const char *bind, char *ret_src, char *ret_dst)
{
        const char *colon = strrchr(bind, ':');
        size_t n = colon ? (size_t)(colon - bind) : 0;

        if (n == 0 || n >= LAUNCH_PATH || bind[0] != '/' || !str_starts(colon + 1, "/run/ws/") ||
            strlen(colon + 1) < sizeof("/run/ws/") || strstr(colon, ".."))
                return -EINVAL;
        memcpy(ret_src, bind, n);
        ret_src[n] = '\0';
        return str_copy(ret_dst, LAUNCH_PATH, colon + 1);
}

int plan_check_types(const struct process_config *config)
{
        static char src[LAUNCH_PATH], dst[LAUNCH_PATH];
        uint32_t i;

        for (i = 0; i < config->n_types; i++) {
                const struct process_type *t = &config->types[i];

                if (t->bind && t->bind[0] && plan_parse_bind(t->bind, src, dst) < 0) {
                        log_error("a type's bind must be /SOURCE:/run/ws/TARGET",
                                  LOG_STR("type", t->name), LOG_STR("bind", t->bind));
                        return -EINVAL;
                }
        }
        return 0;
}

/* Where DST is mounted: an empty folder inside the task's run folder, or in plain mode a link. */
static int bind_prepare(const char *task_path, const struct launch_plan *plan)
{
        char path[PATH_MAX + LAUNCH_PATH];
        struct stat st;

        if (!plan->bind_src[0])
                return 0;
        if (stat(plan->bind_src, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        (void)snprintf(path, sizeof(path), "%s/run/%s", task_path,
                       plan->bind_dst + strlen("/run/ws/"));
        if (plan->cage == LAUNCH_PLAIN)
                return symlink(plan->bind_src, path) < 0 && errno != EEXIST ? -errno : 0;
        return dir_make(path, 0755);
}

static PRINTF_LIKE(2, 3) void env_add(struct plan_env *env, const char *fmt, ...)
{
        va_list ap;

        assert(env->n < PLAN_ENV_MAX);
        va_start(ap, fmt);
        (void)vsnprintf(env->text[env->n], sizeof(env->text[0]), fmt, ap);
        va_end(ap);
        env->v[env->n] = env->text[env->n];
        env->v[++env->n] = NULL;
}

static void env_fill(struct plan_env *env, const struct plan_input *in,
                     const struct folder_owner *owner)
{
        bool plain = in->cage == LAUNCH_PLAIN;
        const char *run_base = plain ? in->path : "", *run = plain ? "/run" : "/run/ws";
        const char *home_base = run_base, *home = plain ? "/home" : "/home/student";
        const char *level = getenv("WS_LOG_LEVEL");
        char secret[KEYS_HEX];

        keys_task_secret(in->keys, in->task, secret);
        env_add(env, "PATH=/usr/local/bin:/usr/bin:/bin");
        env_add(env, "LANG=C.UTF-8");
        env_add(env, "WS_TASK_ID=%s", in->task);
        if (in->rescue)
                env_add(env, "WS_SECRET_FROM=stdin");
        else
                env_add(env, "WS_TASK_SECRET=%s", secret);
        env_add(env, "WS_CONTROLLER=%s", in->controller_url);
        env_add(env, TERM_GRACE_ENV);
        if (level)
                env_add(env, "WS_LOG_LEVEL=%.8s", level);
        env_add(env, "WS_RUN_DIR=%s%s", run_base, run);
        env_add(env, "WS_PROFILE=%s%s/profile.json", run_base, run);
        env_add(env, "WS_HOME=%s%s", home_base, home);
        env_add(env, "WS_WORKSPACE=%s%s/workspace", home_base, home);
        if (owner->own) {
                env_add(env, "WS_UID_STUDENT=%u", owner->student);
                env_add(env, "WS_UID_LINK=%u", owner->link);
                env_add(env, "WS_UID_GATE=%u", owner->gate);
        }
        explicit_bzero(secret, sizeof(secret));
}

static struct folder_owner owner_of(const struct plan_input *in)
{
        uint32_t first = in->uid_base + FOLDER_UIDS * in->slot;

        if (in->own_uids)
                return (struct folder_owner){true, first, first + 1, first + 2};
        return (struct folder_owner){false, geteuid(), geteuid(), geteuid()};
}

/*
 * The presence rules beside the profile, which the profile may name. The provider does not read
 * JSON: what has this name goes with it, and the agent says so if the profile names another file.
 */
static int rules_read(const char *profile, struct buf *rules)
{
        const char *slash = strrchr(profile, '/');
        char path[LAUNCH_PATH];
        int r;

        if ((size_t)snprintf(path, sizeof(path), "%.*s" RULES_NAME,
                             slash ? (int)(slash - profile) + 1 : 0, profile) >= sizeof(path))
                return -ENAMETOOLONG;
        r = file_read(path, rules);
        return r == -ENOENT ? 0 : r;
}

static int folder_fill(const struct plan_input *in, const struct folder_owner *owner,
                       const char **ret_what)
{
        AUTO_BUF profile = BUF_INIT(PROFILE_MAX), rules = BUF_INIT(PROFILE_MAX);
        struct folder_file files[2];
        int r;

        *ret_what = "profile (check the type's profile)";
        r = file_read(in->type->profile, &profile);
        if (r < 0)
                return r;
        *ret_what = "presence rules (check " RULES_NAME " beside the type's profile)";
        r = rules_read(in->type->profile, &rules);
        if (r < 0)
                return r;
        *ret_what = "wsagent (build the agent; check the option that names it)";
        if (access(in->agent, X_OK) < 0)
                return -errno;
        *ret_what = "wsagent-worker (build the agent; check the option that names it)";
        if (access(in->worker, X_OK) < 0)
                return -errno;
        files[0] = (struct folder_file){"profile.json", profile.data, profile.len};
        files[1] = (struct folder_file){RULES_NAME, rules.data, rules.len};
        return folder_make(in->path, in->slot, owner, files, rules.len > 0 ? 2 : 1, ret_what);
}

static void paths_fill(const struct plan_input *in, struct launch_plan *plan)
{
        (void)snprintf(plan->home, LAUNCH_PATH, "%s/home", in->path);
        (void)snprintf(plan->run, LAUNCH_PATH, "%s/run", in->path);
        (void)snprintf(plan->tmp, LAUNCH_PATH, "%s/tmp", in->path);
        (void)snprintf(plan->passwd, LAUNCH_PATH, "%s/passwd", in->path);
        (void)snprintf(plan->group, LAUNCH_PATH, "%s/group", in->path);
        STR_CUT(plan->agent, in->agent);
        STR_CUT(plan->worker, in->worker);
        STR_CUT(plan->resolv, in->resolv);
        /* Root's state folder is closed to everybody; a user's own must be covered. */
        if (in->cage == LAUNCH_USER)
                STR_CUT(plan->hide, in->dir);
}

int plan_make(const struct plan_input *in, struct launch_plan *plan, struct plan_env *env,
              const char **ret_what)
{
        static char inside[] = "/run/ws/bin/wsagent", verb[] = "init";
        struct folder_owner owner = owner_of(in);
        int r = folder_fill(in, &owner, ret_what);

        if (r < 0)
                return r;
        *plan = (struct launch_plan){.cage = in->cage, .pts_gid = in->cage == LAUNCH_ROOT};
        launch_map_self(plan);
        paths_fill(in, plan);
        *ret_what = "app folder (install it; check the type's bind)";
        if (in->type->bind && in->type->bind[0]) {
                r = plan_parse_bind(in->type->bind, plan->bind_src, plan->bind_dst);
                if (r == 0)
                        r = bind_prepare(in->path, plan);
                if (r < 0)
                        return r;
        }
        env->n = 0;
        env_fill(env, in, &owner);
        env->argv[0] = in->cage == LAUNCH_PLAIN ? plan->agent : inside;
        env->argv[1] = verb;
        env->argv[2] = NULL;
        plan->argv = env->argv;
        plan->envp = env->v;
        return 0;
}
