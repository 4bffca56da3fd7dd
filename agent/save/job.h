/*
 * What save and restore have in common: their surroundings, the request they were given, the one
 * result they must give, temporary files, and patience.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/mono.h"
#include "save/transfer.h"

struct job {
        char home[1024];      /* $WS_HOME; also the current folder */
        char workspace[1024]; /* $WS_WORKSPACE */
        char scratch[1024];   /* $WS_RUN_DIR/save: temporary files and indexes */
        int home_fd;
        mono_t began;
        mono_t told; /* when job_progress told last */
        struct buf request;
        struct transfer transfer;
};

/*
 * Close the process to other processes of its user, read the request, enter the home, make the
 * scratch folder. 0; -errno with `error` filled: what could not be had.
 */
#define JOB_ERROR_SIZE 200
NODISCARD int job_init(struct job *j, char error[static JOB_ERROR_SIZE]);
void job_deinit(struct job *j);

int64_t job_ms(const struct job *j);
/* A file without a name in the scratch folder: it is gone with its descriptor. -errno. */
NODISCARD int job_temp_file(const struct job *j);
/*
 * How far the work is, for who waits and for init, which takes a role that says nothing for half
 * an hour for hung. Cheap: call it after each piece. `done` of `total` bytes, 0: not known; told at
 * most four times a second, and when all is done.
 */
void job_progress(struct job *j, uint64_t done, uint64_t total);
/* The encoded result to ROLE_FD_RESULT. Logged when that fails. */
void job_answer(const struct buf *result);

/* Waiting between attempts: doubles from `ms` up to `max_ms`, give or take a quarter. */
struct job_backoff {
        int64_t ms, max_ms;
};
void job_backoff_wait(struct job_backoff *b);
