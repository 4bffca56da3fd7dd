/*
 * From a task id and its type to everything that the child between clone and exec needs: the task's
 * folder on disk, paths, arguments and environment as text. Runs in the parent; may allocate.
 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "keys.h"
#include "out/providers/launch.h"
#include "out/providers/process.h"

#define PLAN_ENV_MAX 20

struct plan_input {
        const char *task, *path; /* its id, its folder */
        uint32_t slot;
        enum launch_cage cage;
        bool own_uids; /* student, link and gate get uids of this slot; else all are the caller */
        uint32_t uid_base;
        const char *controller_url;
        const struct keys *keys;
        const struct process_type *type;
        const char *dir; /* of all tasks */
        const char *agent, *worker, *resolv;
        bool rescue; /* what it is to do comes on its standard input; no secret */
};

/* What the plan's argv and envp point into; wipe it after the launch (it holds the secret). */
struct plan_env {
        char text[PLAN_ENV_MAX][PATH_MAX + 64];
        char *v[PLAN_ENV_MAX + 1];
        char *argv[3];
        size_t n;
};

/* "SRC:DST" into two buffers of LAUNCH_PATH; DST must be below /run/ws/. 0 or -EINVAL. */
NODISCARD int plan_parse_bind(const char *bind, char *ret_src, char *ret_dst);

/* Every type's bind. 0, or -EINVAL (logged). */
NODISCARD int plan_check_types(const struct process_config *config);

/* Make the folder, fill plan and env. 0; -errno, with what failed in *ret_what (constant text). */
NODISCARD int plan_make(const struct plan_input *in, struct launch_plan *plan, struct plan_env *env,
                        const char **ret_what);
