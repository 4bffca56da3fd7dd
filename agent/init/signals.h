/* Which signals PID 1 takes, and how: blocked, and read from a descriptor by its one loop. */
#pragma once

#include "base/macro.h"

/*
 * Block all signals but those of our own faults, and open the descriptor that the others are read
 * from (signalfd(2), not blocking); SIGCHLD is taken back to its default. 0 or -errno. The caller
 * owns the descriptor.
 */
NODISCARD int signals_open(int *ret_fd);
