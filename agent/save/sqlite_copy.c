#include "save/sqlite_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define BUSY_MS 3000 /* how long a writer may keep us waiting */

static const char magic[16] = "SQLite format 3";

bool sqlite_is_database(const void *data, size_t len)
{
        return len >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

static int fault(int code, const char *text, char error[static SQLITE_COPY_ERROR_SIZE])
{
        (void)snprintf(error, SQLITE_COPY_ERROR_SIZE, "%s", text);
        return (code & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO;
}

/* All pages in one step: one read transaction, so no writer makes it begin again. */
static int copy_pages(sqlite3 *from, sqlite3 *to, char error[static SQLITE_COPY_ERROR_SIZE])
{
        sqlite3_backup *backup;
        int code;

        (void)sqlite3_busy_timeout(from, BUSY_MS);
        /* A copy that is cut off is thrown away, so it needs no journal and no flushing. */
        (void)sqlite3_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL, NULL);
        backup = sqlite3_backup_init(to, "main", from, "main");
        if (!backup)
                return fault(sqlite3_errcode(to), sqlite3_errmsg(to), error);
        code = sqlite3_backup_step(backup, -1);
        for (int waited = 0; (code == SQLITE_BUSY || code == SQLITE_LOCKED) && waited < BUSY_MS;
             waited += 20) {
                (void)sqlite3_sleep(20);
                code = sqlite3_backup_step(backup, -1);
        }
        (void)sqlite3_backup_finish(backup);
        return code == SQLITE_DONE ? 0 : fault(code, sqlite3_errstr(code), error);
}

int sqlite_copy(const char *path, const char *scratch, char error[static SQLITE_COPY_ERROR_SIZE])
{
        sqlite3 *from = NULL, *to = NULL;
        char temp[1100];
        int fd, r, code;

        (void)snprintf(temp, sizeof(temp), "%s/.sqlite-XXXXXX", scratch);
        fd = mkostemp(temp, O_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                (void)snprintf(error, SQLITE_COPY_ERROR_SIZE, "%s", strerror(-r));
                return r;
        }
        code = sqlite3_open_v2(path, &from,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX,
                               NULL);
        if (code == SQLITE_OK)
                code = sqlite3_open_v2(temp, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                       NULL);
        r = code == SQLITE_OK ? copy_pages(from, to, error)
                              : fault(code, sqlite3_errstr(code), error);
        (void)sqlite3_close(from);
        (void)sqlite3_close(to);
        (void)unlink(temp);
        if (r == 0)
                return fd;
        (void)fd_close(fd);
        return r;
}
