/*
 * Who this instance is: the enrolment secret, taken out of the environment, and the nonce.
 */
#pragma once

#include "base/macro.h"
#include "wire/wire.h"

/*
 * Copy WS_TASK_SECRET and wipe it, so that neither a child nor /proc shows it; also makes this
 * process undumpable. 0, -ENOENT, -EINVAL (not 64 hex digits).
 */
NODISCARD int identity_take_secret(char ret_secret[static WIRE_HEX_SIZE]);
/*
 * The same for every link of one container, another for every other: a hash of the task id, the
 * boot id and the start time of init, our parent. 0 or -errno.
 */
NODISCARD int identity_nonce(const char *task, char ret_nonce[static WIRE_NONCE_SIZE]);
