/*
 * Provider `process`: a task is one PID 1 (`wsagent init`) on this machine, in the best cage that
 * the caller's rights allow. It carries out FX_LAUNCH_TASK, FX_STOP_TASK and FX_REMOVE_TASK and
 * posts EV_TASK_LAUNCHED, EV_TASK_ENDED and EV_TASK_KEPT.
 *
 *   root          own PID, mount and IPC namespaces, four uids per task
 *   user          the same inside an own user namespace, one uid: roles and student share it
 *   plain         neither is permitted: a session of its own and folders of its own
 *
 * Tasks do not depend on the controller: kill it, and the next one adopts them from their folders.
 * A task's folder is <dir>/<task>/:
 *   home run tmp       bound on /home/student, /run/ws, /tmp
 *   passwd group       bound on /etc/passwd, /etc/group
 *   slot               number of its four uids: uid_base + 4 * slot + {0 student, 1 link, 2 gate}
 *   pid                pid, start time and boot id of its PID 1; absent until it may run
 *   agent.log          what init and the roles wrote to stderr; cut at PROCESS_LOG_MAX
 *   unsaved            "<workspace> <generation>": a rescue of its home has failed
 * The folder stays when its task has ended, until the core says that it may go (REMOVE_TASK). One
 * that is unsaved then becomes <kept>/<workspace>-g<generation>-<task> and stays there. The slot is
 * free when the folder is gone.
 *
 * One thread: the loop's. Nothing blocks it for longer than a few small files take to write: mounts
 * and removals are made by children. Memory: at most PROCESS_TASKS_MAX tasks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keys.h"
#include "loop/loop.h"
#include "out/providers/rescue.h"
#include "shell.h"

#define PROCESS_TASKS_MAX 4096
/* A kept folder whose name begins with it is removed: `wsctl kept --remove` puts it there. */
#define PROCESS_KEPT_MARK "remove-"
#define PROCESS_LOG_MAX (INT64_C(16) << 20)
/* Between SIGTERM, which makes the agent save, and SIGKILL. */
#define PROCESS_TERM_GRACE_MS INT64_C(120000)

struct process_type {
        char name[33];
        const char *profile; /* path of the JSON profile; copied at each launch, with
                                the presence.json beside it */
        const char *bind;    /* "SRC:DST" read-only, DST below /run/ws; NULL or "" for none */
};

/* The texts stay the caller's and must outlive the provider. */
struct process_config {
        const char *dir;     /* holds the tasks' folders; made 0700 if missing */
        const char *kept;    /* ... and those of the unsaved; on the same file system */
        int64_t kept_ms_max; /* older ones are removed; 0 never */
        uint32_t kept_max;   /* of more than so many the oldest are removed; 0 never */
        const char *agent;   /* the file wsagent (wsagent-worker beside it), or their folder */
        const char *controller_url; /* what agents dial */
        uint32_t uid_base;          /* 0 takes 200000 */
        const struct keys *keys;
        uint32_t n_types;
        const struct process_type *types;
};

struct process;

/*
 * Find out what the caller may do (a short-lived child tries), register for the effects.
 * 0; -EINVAL for a malformed bind (logged); -errno when `dir` cannot be made or read.
 */
NODISCARD int process_new(struct loop *l, struct shell *s, const struct process_config *config,
                          struct process **ret_process);
/* Forget everything; the tasks go on, removals that wait are started. Takes NULL. */
struct process *process_free(struct process *p);

/*
 * Read all folders: adopt the living (EV_TASK_SEEN each), tell of the dead (EV_TASK_ENDED), then
 * EV_INVENTORY_DONE. Once, after shell_boot. 0 or -errno when the folder cannot be listed.
 */
NODISCARD int process_inventory(struct process *p);
/* Save what an ended task has left; see rescue.h. */
NODISCARD enum rescue_answer process_rescue(struct process *p, const struct rescue_order *o,
                                            rescue_fn fn, void *ctx);
/* What is left of an ended task is to be kept: the save that it says it made is not a good one. */
void process_found_wrong(struct process *p, const struct rescue_order *o);
/* The process of a task and the uid of its student. */
struct process_task {
        int pidfd; /* the provider's */
        uid_t student;
};

/* May tasks be shown a folder while they run (root's cage)? */
bool process_may_attach(const struct process *p);
/* 0; -ENOENT: no such task runs here. */
NODISCARD int process_find(const struct process *p, const char *task,
                           struct process_task *ret_task);
/*
 * Adopt tasks that came after the inventory, by no launch of ours: another controller on the same
 * folder was frozen while it led, and finished its launch when it awoke. The core ends them.
 */
void process_adopt_strays(struct process *p);
