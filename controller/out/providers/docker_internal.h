/*
 * What the files of the Docker provider share: docker.c has the tasks' lives, docker_watch.c what
 * the engine says by itself (events, lists, images). Loop thread only.
 */
#pragma once

#include "out/providers/docker.h"
#include "out/providers/docker_json.h"
#include "out/providers/engine.h"
#include "out/providers/engine_attach.h"

#define DOCKER_WHOSE_SIZE (CORE_ID_SIZE + 24)
#define DOCKER_RESCUE_MS (2 * 3600 * 1000)

enum entry_state {
        ENTRY_CREATING,
        ENTRY_ATTACHING,
        ENTRY_STARTING,
        ENTRY_UNSURE, /* an answer was lost: asking what it is */
        ENTRY_RUNNING,
        ENTRY_ASKING,  /* it has ended: why? */
        ENTRY_ENDED,   /* it waits for the core: a rescue, or its removal */
        ENTRY_NOTING,  /* a rescue has failed: its name is to say so */
        ENTRY_KEEPING, /* it is to be named as one that is kept */
        ENTRY_REMOVING,
};

struct entry {
        struct docker *docker;
        struct entry *next;
        char task[CORE_ID_SIZE];
        char id[DOCKER_ID_SIZE];        /* of the container; "" not known yet */
        const struct docker_type *type; /* NULL: of a type that is not configured any more */
        enum entry_state state;
        uint64_t running_at; /* number of the last list that was asked for before it ran */
        bool seen;           /* in the list that is being read */
        bool answered;       /* the launch */
        bool failed;         /* the launch failed and was answered so: its end is no news */
        bool recreated;      /* a left-over of the same name was removed once */
        bool killed;         /* by us */
        bool died;           /* an event said so before the start was answered */
        bool saved;          /* by itself at its end, or by a rescue */
        bool unsaved;        /* a rescue has failed, and its name says so: it is kept */
        bool rescuing;       /* what starts or runs is a rescue */
        bool remove;         /* the core needs it no more: when the rescue is over */
        rescue_fn rescued;
        enum rescue_result result; /* of the rescue */
        void *rescued_ctx;
        int64_t kept_s;                /* UTC, of its keeping */
        char whose[DOCKER_WHOSE_SIZE]; /* of the rescue: WORKSPACE-gGENERATION */
        struct attach *attach;
        struct loop_timer timer; /* SIGKILL, or the removal once more */
};

struct docker {
        struct loop *loop;
        struct shell *shell;
        struct docker_config config;
        struct engine *engine;
        char controller[17]; /* in labels and names */
        struct entry *entries;
        uint32_t n_entries;
        struct docker_erased {
                char workspace[CORE_ID_SIZE];
                uint64_t generation;
        } erased[256]; /* lately: what is kept of them, up to that life, goes */
        size_t n_erased;
        /* docker_watch.c */
        bool inventory_due; /* the list is there, and some that have ended are being asked */
        bool leads, listed, listing, streaming, away;
        uint64_t list_number;
        int64_t event_time; /* of the last event, seconds */
        struct loop_timer list_timer, stream_timer;
        char version[CORE_TYPES_MAX][CORE_VERSION_SIZE]; /* of the types' images, "" not known */
        bool missing[CORE_TYPES_MAX];                    /* the image: told once */
        bool network_told;
        bool ending;           /* nothing is told any more */
        uint32_t images_asked; /* and not answered; the first list waits for them */
};

/* ---- docker.c ---- */

struct entry *entry_find(struct docker *d, const char *task);
/* 0, -ENOBUFS, -ENOMEM. */
NODISCARD int entry_new(struct docker *d, const char *task, const char *type,
                        struct entry **ret_entry);
/* It has ended, however that became known: ask why, tell, remove. */
void entry_ended(struct entry *e);
/* It is not there any more. */
void entry_vanished(struct entry *e, const char *reason);

void docker_entry_free(struct entry *e);
void docker_entry_remove(struct entry *e);
void docker_tell_ended(struct docker *d, const char *task, int status, const char *reason);
/* METHOD /containers/ID + `tail`; 0 or -errno (ask again later). */
NODISCARD int docker_ask(struct entry *e, const char *method, const char *tail, engine_fn fn);
/* Start a container that is not running with this on its standard input. */
void docker_start_with(struct entry *e, const char *text);

/* ---- docker_rescue.c ---- */

void docker_rescue_init(struct docker *d);
/* The rescue of this one has come to its end, or could not begin. */
void docker_rescue_over(struct entry *e, enum rescue_result result);
/* ... with its container: the entry is freed. */
void docker_rescue_vanished(struct entry *e);
void docker_rename_again(struct entry *e);
bool docker_has_ended(const struct entry *e);
/* What the name of a container that nobody knows says: true, it is a kept one. */
bool docker_name_kept(struct entry *e, const char *name);
/* ... and it is too old, or its workspace was erased. */
bool docker_kept_goes(const struct docker *d, const char *name);

/* ---- docker_watch.c ---- */

/* By the word of the engine ("running", "stopping", ...): has it not ended? */
bool docker_is_alive(const char *state);
void docker_tell_seen(struct docker *d, const char *task);
/* Tell that the inventory is complete, as soon as it is. */
void docker_inventory_look(struct docker *d);
void docker_watch_init(struct docker *d);
void docker_watch_end(struct docker *d);
/* The engine answered, or did not (`error`): told in the log when that changes. */
void docker_reached(struct docker *d, const char *error);
