/*
 * A workspace's home folder on this machine, and how it gets into a task that runs. The layout of
 * <homes>/<workspace>/:
 *   home         the student's files; owned by the uid of the task that has it, or had it last
 *   save         what the save role remembers of the newest backup
 *   task         the task that has it, or had it last, and the generation: "t-0000000012 7"
 *   aside-N      home and save as they were when generation N began from a backup
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

#define HOME_PATH 4096
#define HOME_REASON 160

struct home_request {
        const char *homes;     /* folder of all homes; made if missing */
        const char *tasks;     /* folder of the tasks' folders (folder.h) */
        const char *workspace; /* a file name */
        const char *task;      /* a file name; it lives */
        uint64_t generation;
        bool must_exist; /* it is not made */
        bool replace;    /* what is there is set aside, once in a generation */
};

/*
 * Make what is missing, set aside what is to be replaced, note the task. 0; 1 it must not be,
 * -errno try again (-EBUSY: another task that lives has it), both with a reason.
 */
NODISCARD int home_prepare(const struct home_request *q, char ret_reason[static HOME_REASON]);

/* May the folder go, as of this generation? A later workspace of the same name keeps its own. */
bool home_removable(const char *homes, const char *workspace, uint64_t generation);

struct home_errand {
        char dir[HOME_PATH]; /* <homes>/<workspace> */
        uid_t student;
};

#define HOME_EXIT_DEEP 200  /* nested too deep to be given to another uid */
#define HOME_EXIT_MOUNT 201 /* the task's mounts cannot be changed */
#define HOME_EXIT_AT 202    /* the task has no such place */

/*
 * For launch_errand, which keeps the task's pidfd: give the folder to `student` where it is not his
 * yet, and mount it in the task. Nothing happens when it is there already. `ctx` is a struct
 * home_errand. 0; an errno below 200, or one of the above.
 */
int home_attach(const void *ctx);
