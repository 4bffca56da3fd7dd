/*
 * The texts of /proc -> facts. Pure. Formats: proc(5); kernel's fs/proc/array.c, do_io_accounting,
 * get_tcp4_sock. Numbers that are not there or too large are refused, never guessed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "sense/jobs.h"

/*
 * /proc/PID/stat. `tick_ms` is the length of a clock tick. 0, or -EBADMSG. The command's name is
 * the student's to choose, with blanks and brackets: it ends at the last ')'.
 */
NODISCARD int procfs_stat(const char *text, size_t len, unsigned tick_ms,
                          struct jobs_process *ret_process);
/* /proc/PID/io: rchar + wchar, or -EBADMSG. */
NODISCARD int procfs_io(const char *text, size_t len, uint64_t *ret_bytes);
/*
 * One line of /proc/net/tcp or tcp6, without its newline. True for a listening socket that has an
 * inode; false for others, the headline and what is no such line.
 */
bool procfs_tcp_listens(const char *line, size_t len, uid_t *ret_uid, uint64_t *ret_inode);
/* "socket:[123]", a link in /proc/PID/fd. */
bool procfs_socket(const char *link, size_t len, uint64_t *ret_inode);
