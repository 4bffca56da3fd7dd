/*
 * Consistent copies of SQLite databases that others are writing to, by SQLite's backup API; SQLite
 * appears in sqlite_copy.c only. Databases whose writers went away without a trace are copied as
 * plain files by the caller. Blocking: a writer of a database in rollback mode waits as long as the
 * copy takes, one in WAL mode does not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

#define SQLITE_COPY_ERROR_SIZE 120

/* Whether `data` (the first bytes of a file, at least 16 when there are as many) is a database. */
bool sqlite_is_database(const void *data, size_t len);
/*
 * Copy the database at `path` (a path that SQLite may open: it is not followed when it is a link)
 * into a new nameless file in the folder `scratch`. Its descriptor; -ENOSPC; or another -errno:
 * then `error` says why and the caller copies the file as it is.
 */
NODISCARD int sqlite_copy(const char *path, const char *scratch,
                          char error[static SQLITE_COPY_ERROR_SIZE]);
