/*
 * File descriptors: owned by AUTO_CLOSE variables, born CLOEXEC, read and written whole.
 * All functions retry EINTR. Blocking, except where a name says otherwise.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/macro.h"

/* Close if >= 0; errno is kept. Returns -1, so that `fd = fd_close(fd)` reads well. */
int fd_close(int fd);
void fd_closep(int *fd);
#define AUTO_CLOSE CLEANUP(fd_closep) int

NODISCARD int fd_nonblock(int fd);
/* Write all `len` bytes. 0 or -errno (-EPIPE, -ENOSPC, ...); some bytes may have been written. */
NODISCARD int fd_write_all(int fd, const void *data, size_t len);
/* Append everything until end of file to `b`. 0, -errno, -ENOBUFS when it exceeds the maximum. */
NODISCARD int fd_read_all(int fd, struct buf *b);
/* The whole file `path` appended to `b`, NUL-terminated behind. As fd_read_all. */
NODISCARD int file_read(const char *path, struct buf *b);
/*
 * Replace `path` by `data` so that after a crash either the old or the new content is there:
 * temporary file beside it, fsync, rename, fsync of the folder. 0 or -errno.
 */
NODISCARD int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode);
/* mkdir -p; existing folders are fine. 0 or -errno. */
NODISCARD int dir_make(const char *path, mode_t mode);
/* `n` bytes from getrandom(2). Never fails after early boot; asserts. */
void random_bytes(void *dst, size_t n);
