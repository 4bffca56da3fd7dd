/*
 * What the student's processes cannot undo: they write only below the folders of their own, signal
 * and trace nobody outside, and are limited. Landlock (landlock(7)) where the kernel has it, beside
 * the change of user; without it the user's ids alone protect, and init says so at its start.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

/* Each is what it is for the app and everything that it starts; 0: as we have it. */
struct confine_limits {
        uint32_t processes; /* of the user, threads included (RLIMIT_NPROC) */
        uint32_t files;     /* open at a time in one process, soft and hard (RLIMIT_NOFILE) */
};

struct confine {
        const char *const *folders; /* where anything may be written; a missing one is left out */
        size_t n_folders;
        struct confine_limits limits;
};

/* Version of Landlock, or 0 where there is none (kernel before 5.13, or switched off). */
NODISCARD int confine_landlock(void);
/*
 * Confine this process and its children for ever. It needs no_new_privs (prctl(2)). 0; -errno when
 * the kernel has Landlock and it did not work: the caller must not go on.
 */
NODISCARD int confine_self(const struct confine *c);
