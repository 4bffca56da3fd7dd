/*
 * Everything that init does once, before its loop: options, folders, the gate's socket, the
 * profile, the environments of its children. Only here may init end because something is wrong.
 */
#pragma once

#include "init/config.h"
#include "init/confine.h"
#include "init/env.h"
#include "profile/record.h"

/* What the app is run with; one for the student, one for priming with a scratch home. */
struct app_plan {
        struct record record;
        struct env env;
        const char *home, *workspace;
        const char *folders[RECORD_WRITE_MAX + 4]; /* what it may write */
        struct confine confine;
};

#define START_AHEAD_FD 3 /* in the app that is started ahead, named by WS_AHEAD_FD */

struct start {
        struct config config;
        struct env link_env; /* the only one with the credential */
        struct env role_env;
        struct env ahead_env; /* of the app that is started ahead; empty where none is wanted */
        struct app_plan app, prime;
        int listen; /* the gate's socket, bound and listening */
        int used;   /* memfd of ROLE_USED_BYTES: which links were used */
        int rescue; /* the request for the one save that this run is for, or -1 */
};

/* What a process of the operating system needs; before everything else. 0 or -errno. */
NODISCARD int start_process(void);
/* Two ends for two roles. 0 or -errno. */
NODISCARD int start_pair(int fds[2]);
/* Fill `s` (static memory, large). 0, or an exit code after saying what is wrong. */
NODISCARD int start_prepare(int argc, char **argv, struct start *s);
/* The app is about to start for a person: a rescue of this task has something to save. */
void start_note_worked(const struct start *s);
