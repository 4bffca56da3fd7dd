/*
 * What the state folder holds for every controller on it: the lock, the master key, the API token.
 * With a store that is a file one controller may use the folder; with a database several may.
 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"
#include "config.h"
#include "keys.h"

#define STATE_PATH_SIZE (CONFIG_TEXT_SIZE + 32)
#define STATE_TOKEN_SIZE 50

struct state_dir {
        struct keys keys;
        char token[STATE_TOKEN_SIZE];
        int lock_fd;
};

#define STATE_DIR_NULL ((struct state_dir){.lock_fd = -1})

/* Make what is missing. 0 or -errno, logged with the cure; *ret is good for state_dir_close. */
NODISCARD int state_dir_open(const char *dir, bool shared, struct state_dir *ret);
void state_dir_close(struct state_dir *s);
/* "<dir>/<name>"; returns dst. */
const char *state_dir_path(const char *dir, const char *name, char dst[static STATE_PATH_SIZE]);
