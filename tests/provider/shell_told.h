/* A shell that only remembers what a provider tells it, and gives it the core's two orders. */
#pragma once

#include <stdbool.h>

#include "shell.h"

#define SHELL_TASKS 64

struct told {
        char task[CORE_ID_SIZE];
        int launched; /* 0 not answered, 1 yes, 2 no */
        enum launch_failure failure;
        int seen, ended, status, kept;
        char reason[CORE_REASON_SIZE], workspace[CORE_ID_SIZE];
};

struct shell {
        effect_fn launch, stop, remove, erase;
        bool holds; /* what has ended is not removed at once, as the core does with what is saved */
        void *ctx;
        struct told tasks[SHELL_TASKS];
        int inventories, versions;
        char version[CORE_VERSION_SIZE];
};

extern struct shell shell;

/* What was told of this task; made when there is nothing yet. */
struct told *told(const char *task);
void launch(const char *task, const char *type);
void stop(const char *task, bool at_once);
void remove_task(const char *task);
void erase(const char *workspace, uint64_t generation);
