/*
 * What both of nng's listening sockets (agents, operators) have in common: raw REP, errors as
 * errno, and what nng 1.5.2 must be kept from. Safe from any thread.
 */
#pragma once

#include <nng/nng.h>

#include "base/macro.h"

/* A raw REP socket whose listeners outlive peers that leave early. 0 or -errno. */
NODISCARD int rep_socket_open(nng_socket *ret_socket);
/* An error of nng as -errno; 0 stays 0. Unknown ones are -EIO. */
int rep_socket_errno(int nng_error);
