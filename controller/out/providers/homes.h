/*
 * Mode `home` with the provider `process`: carries out FX_ATTACH_HOME and FX_REMOVE_HOME, posts
 * EV_HOME_ATTACHED and EV_HOME_REMOVED. A home is a folder on a local disk or on one that is
 * mounted here; it is mounted in a task that runs already (home_folder.h). The work is done by
 * children; the loop's thread writes a few small files. One thread: the loop's.
 */
#pragma once

#include "base/macro.h"
#include "loop/loop.h"
#include "out/providers/process.h"
#include "shell.h"

#define HOMES_ERRANDS_MAX 32 /* at a time; more are asked for again by the core */

struct homes_config {
        const char *dir;   /* of all homes; made at the first use */
        const char *tasks; /* of the tasks' folders */
        const struct process *process;
};

struct homes;

/* The texts stay the caller's. 0 or -ENOMEM. */
NODISCARD int homes_new(struct loop *l, struct shell *s, const struct homes_config *config,
                        struct homes **ret_homes);
/* Takes NULL. What its children do is done all the same. */
struct homes *homes_free(struct homes *h);
