/* Taking in ended children, ours and the orphans that the kernel gave us. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* 0..255 as it exited, 128 + signal when killed: what a shell would say. */
int reap_code(int wait_status);
/*
 * The next child that has ended; false when there is none just now. Call until false after each
 * SIGCHLD, because many endings make one signal.
 */
bool reap_next(pid_t *ret_pid, int *ret_code);
/* The end: SIGKILL to all that is below us, and take it in, until nothing is left. */
void reap_kill_all(void);
