/*
 * The tickets that were used, so that none is used twice. In memory that outlives the gate: init
 * holds it, each life of the gate finds what the one before wrote, and it ends with the task. A
 * ticket is kept until its room is wanted and it could not be used any more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "crypto/access.h"

struct used;

/*
 * Map the file `fd` of ROLE_USED_BYTES. When it is none of that size, memory of this process stands
 * in: 1 then, a restart forgets. 0, 1 or -ENOMEM.
 */
NODISCARD int used_open(int fd, struct used **ret_used);
struct used *used_close(struct used *u);

bool used_has(const struct used *u, const char *id);
/* Remember it. 0; -EEXIST it was used; -ENOSPC everything in it may still be needed. */
NODISCARD int used_add(struct used *u, const struct access *ticket, uint64_t now_s);
