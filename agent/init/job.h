/*
 * A short-lived child with a request and a result: save and restore. The request is a sealed memfd,
 * the result comes through a pipe, both bounded by ROLE_BLOB_MAX. Before the result it may say how
 * far it is (struct role_progress). One that is started ahead reads its request from a pipe: the
 * time that a program takes to start is spent before anybody waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "base/mono.h"
#include "init/control.h"
#include "init/spawn.h"
#include "roles.h"

struct job {
        pid_t pid;      /* 0: not running */
        uint32_t id;    /* of the order */
        uint32_t flags; /* CONTROL_FINAL, CONTROL_HELD, CONTROL_REST */
        mono_t started;
        mono_t limit; /* when it is killed: JOB_LIMIT_MS after its last word, or dismissed */
        int result;   /* our end of the pipe */
        int request;  /* of one that was started ahead and waits: where the request goes; else -1 */
        bool overflow;
        bool moved; /* it has said how far it is, and that was not told yet */
        struct role_progress progress;
        size_t len;
        uint8_t blob[ROLE_BLOB_MAX];
};

/* A role that says nothing for so long hangs; its own network timeouts are far below. */
#define JOB_LIMIT_MS (30 * 60 * 1000)
/* Taking a process apart costs a millisecond of a processor that the app's start needs then. */
#define JOB_DISMISS_MS 1000

/* A sealed memfd with `len` bytes at offset 0, or -errno. The caller owns it. */
NODISCARD int job_request(const void *blob, size_t len);
/* Start `spawn` with `request` at ROLE_FD_REQUEST; the result pipe is added. 0 or -errno. */
NODISCARD int job_start(struct job *j, const struct spawn *spawn, int request, mono_t now);
/*
 * The same ahead of its request, which it waits for. 0 or -errno. job_give hands it over: 0, or
 * -errno, and then it has been killed.
 */
NODISCARD int job_start_ahead(struct job *j, const struct spawn *spawn, mono_t now);
NODISCARD int job_give(struct job *j, const void *blob, size_t len, mono_t now);
/* There is a process without a request. */
bool job_waits(const struct job *j);
/* End one that waits, JOB_DISMISS_MS from now; nothing otherwise. It is reaped like any other. */
void job_dismiss(struct job *j, mono_t now);
/* The result pipe is readable: take what is there. */
void job_read(struct job *j, mono_t now);
/* MONO_NEVER while it does not run. */
mono_t job_deadline(const struct job *j);
/* Kill it when its limit is reached. */
void job_tick(struct job *j, mono_t now);
/* It has been reaped: take the rest. blob and len hold the result; an oversized one is empty. */
void job_end(struct job *j);
