/*
 * What the files of the process provider share: process.c has the table, launches and adoption,
 * process_end.c ends, rescues and removals. Loop thread only.
 */
#pragma once

#include <limits.h>

#include "out/providers/launch.h"
#include "out/providers/process.h"

enum entry_state {
        ENTRY_QUEUED,   /* nothing of it is there yet */
        ENTRY_STARTING, /* the child builds its cage; the status pipe will tell */
        ENTRY_RUNNING,  /* the agent was executed */
        ENTRY_SWEEPING, /* ended; without a cage, what it left running is killed */
        ENTRY_ENDED,    /* what it left waits for the core: a rescue, or its removal */
        ENTRY_REMOVING, /* the folder goes */
};

struct entry {
        struct process *process;
        struct entry *next;
        char task[CORE_ID_SIZE], type[CORE_TYPE_SIZE];
        char path[PATH_MAX];
        enum entry_state state;
        uint32_t slot;
        pid_t pid;
        bool own;      /* our child: its exit status is ours to read */
        bool failed;   /* the launch failed and was answered so: its end is no news */
        bool saved;    /* by itself at its end, or by a rescue */
        bool unsaved;  /* a rescue has failed: noted in the folder, which is kept */
        bool rescuing; /* what starts or runs is a rescue */
        bool remove;   /* the core needs it no more: when the rescue is over */
        int end_status;
        char end_text[CORE_REASON_SIZE];
        rescue_fn rescued;
        void *rescued_ctx;
        char workspace[CORE_ID_SIZE]; /* of the rescue */
        uint64_t generation;
        int pidfd, status_fd;
        struct loop_fd end, status;
        struct loop_timer kill_timer;
        int remover; /* pidfd of the errand (to sweep, to remove), or -1 */
        struct loop_fd remover_end;
        uint32_t remove_attempts;
};

struct process {
        struct loop *loop;
        struct shell *shell;
        struct process_config config;
        char dir[PATH_MAX], kept[PATH_MAX], agent[PATH_MAX], worker[PATH_MAX], resolv[PATH_MAX];
        enum launch_cage cage;
        bool own_uids; /* we may give each task its own */
        struct entry *entries;
        uint32_t n_entries, n_removers;
        struct loop_timer log_timer, remove_timer, launch_timer;
        struct loop_timer kept_timer;
        int kept_errand; /* pidfd of what removes a kept folder, or -1 */
        struct loop_fd kept_end;
};

/* ---- process.c ---- */

struct entry *process_entry_find(const struct process *p, const char *task);
/* Descriptors and timers of a process that has ended. */
void process_entry_close(struct entry *e);
void process_entry_free(struct entry *e);
/* In the folder of an ended task: `text` becomes the standard input. False: it failed (logged). */
bool process_rescue_start(struct entry *e, const char *type, const char *text);

/* ---- process_end.c ---- */

void process_end_init(struct process *p);
/* Start the removals that wait. */
void process_end_finish(struct process *p);
void process_tell_ended(struct process *p, const char *task, int status, const char *reason);
/* Its pidfd is readable. */
void process_on_end(void *ctx, uint32_t events);
void process_on_kill_due(void *ctx);
/* A folder that was found, whose task is dead. */
void process_adopt_ended(struct entry *e);
void process_entry_remove(struct entry *e);
/* The child of an errand is readable: true when it is over; then both are closed. */
bool process_errand_ended(struct loop_fd *source, int *pidfd);

/* ---- process_kept.c ---- */

void process_kept_init(struct process *p);
void process_kept_finish(struct process *p);
/* Move the folder of an unsaved task to those that are kept, tell, free the entry. */
void process_keep(struct entry *e);
