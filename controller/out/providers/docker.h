/*
 * Provider `docker`: a task is a container of a Docker Engine (or Podman, which speaks its API). It
 * carries out FX_LAUNCH_TASK, FX_STOP_TASK and FX_REMOVE_TASK and posts EV_TASK_LAUNCHED,
 * EV_TASK_ENDED, EV_TASK_KEPT and, when the image of a type is another than before, EV_VERSION_SET.
 *
 * A container is named ws-CONTROLLER-TASK and labelled with controller, task, type and image; the
 * controller's name is that of the installation, so that several controllers of one database find
 * the same containers and those of another are never touched. Containers publish no
 * port: agents dial the controller, and the gateway reaches gates on the container network.
 *
 * The task's secret is given on standard input (engine_attach.h): it is in no environment, no file
 * and no `docker inspect`. Tasks do not depend on the controller: kill it, and the next one adopts
 * what runs. What has ended is asked why (exit code, memory limit) and stays until the core says
 * that it may go (REMOVE_TASK); then it is removed, volumes included. One whose rescue has failed
 * is named ws-CONTROLLER-unsaved-WORKSPACE-gGENERATION-TASK, and then
 * ws-CONTROLLER-kept-UNIXTIME-..., and stays.
 *
 * The engine may be away: launches then fail as "no room", so that nothing is broken by it; what
 * runs is looked at again when it is back. Loop thread only; nothing blocks.
 */
#pragma once

#include <stdint.h>

#include "keys.h"
#include "loop/loop.h"
#include "out/providers/rescue.h"
#include "shell.h"

#define DOCKER_TASKS_MAX 4096

struct docker_type {
        char name[33];
        const char *image;   /* as the engine knows it: name:tag, name@digest or an id */
        const char *profile; /* path inside the container; "": the image's own */
        const char *bind;    /* SRC:DST on the engine's machine, shown read-only; "" none */
        int64_t memory;      /* bytes, 0 no limit */
        int64_t cpu;         /* millionths of a processor, 0 no limit */
        int64_t pids;        /* 0 no limit */
        bool read_only;      /* the root file system */
        bool versioned;      /* the image's id is the version of the type */
};

/* The texts stay the caller's and must outlive the provider. */
struct docker_config {
        const char *socket;
        const char *network;
        const char *controller_url; /* what agents dial */
        const struct keys *keys;
        const char *installation; /* in labels and names: stays the same for ever */
        int64_t kept_ms_max;      /* kept containers that are older are removed; 0 never */
        int64_t stop_grace_ms;    /* between SIGTERM, which makes the agent save, and SIGKILL */
        bool own_machines;        /* the engine spreads tasks over many machines */
        uint32_t n_types;
        const struct docker_type *types;
};

struct docker;

/* Register for the effects. 0, -ENOMEM, -ENAMETOOLONG (socket). */
NODISCARD int docker_new(struct loop *l, struct shell *s, const struct docker_config *config,
                         struct docker **ret_docker);
/* Forget everything; containers go on. Takes NULL. */
struct docker *docker_free(struct docker *d);

/* Save what an ended task has left; see rescue.h. */
NODISCARD enum rescue_answer docker_rescue(struct docker *d, const struct rescue_order *o,
                                           rescue_fn fn, void *ctx);
/* What is left of an ended task is to be kept: the save that it says it made is not a good one. */
void docker_found_wrong(struct docker *d, const struct rescue_order *o);

/*
 * This controller leads: follow the engine's events, adopt what runs (EV_TASK_SEEN each, then
 * EV_INVENTORY_DONE as soon as the engine has answered), and go on looking. Again after each lead.
 */
void docker_inventory(struct docker *d);
