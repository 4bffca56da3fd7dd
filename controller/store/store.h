/*
 * What the controller remembers: workspace rows, task rows, the event history and a few counters.
 *
 * One writer (the shell), one thread. All changes of one turn are one transaction: store_begin,
 * puts, store_commit. After store_commit returned 0 the changes survive a crash and a power cut
 * (WAL, synchronous=FULL). After any failure inside a transaction call store_rollback and give the
 * whole batch again later; what was put is gone as a whole.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "core/types.h"

struct store;

/* Numbers that must never be given twice, although the rows that carried them are gone. */
enum store_counter {
        STORE_TASK_NUMBER, /* highest number ever in a task id */
        STORE_AUDIT_SEQ,
        STORE_COMMAND_ID,
        STORE_GENERATION, /* highest of any workspace that was removed */
        STORE_COUNTER_MAX
};

#define STORE_ERROR_SIZE 512

/*
 * Open or make the database file. On failure `ret_error` says in one sentence what is wrong and
 * what to do. -EACCES (the file or its folder cannot be written), -EUCLEAN (damaged, or no
 * database), -EPROTO (made by a newer version), -EBUSY (held by another process), -ENOSPC, -EIO,
 * -ENOMEM.
 */
NODISCARD int store_open_sqlite(const char *path, char ret_error[static STORE_ERROR_SIZE],
                                struct store **ret_store);
struct store *store_free(struct store *s);
/* What the last failed call said, for the log; never NULL. */
const char *store_error(const struct store *s);

struct store_visitor {
        void *ctx;
        void (*workspace)(void *ctx, const struct workspace_row *row);
        void (*task)(void *ctx, const struct task_row *row);
};

/* Every workspace and task row, ordered by id. 0, -EUCLEAN for a row that cannot be, -EIO. */
NODISCARD int store_load(struct store *s, const struct store_visitor *v);
NODISCARD int store_counters(struct store *s, uint64_t ret_counters[static STORE_COUNTER_MAX]);

NODISCARD int store_begin(struct store *s);
NODISCARD int store_put_workspace(struct store *s, const struct workspace_row *row);
/* Raises STORE_GENERATION too. */
NODISCARD int store_del_workspace(struct store *s, const char *id);
NODISCARD int store_put_task(struct store *s, const struct task_row *row);
NODISCARD int store_del_task(struct store *s, const char *id);
/* Raises STORE_AUDIT_SEQ too. Giving the same seq again replaces the row. */
NODISCARD int store_audit(struct store *s, const struct audit_row *row);
/* Counters only grow: a smaller value is ignored. */
NODISCARD int store_raise_counter(struct store *s, enum store_counter which, uint64_t value);
NODISCARD int store_commit(struct store *s);
void store_rollback(struct store *s);

typedef void (*store_audit_fn)(void *ctx, const struct audit_row *row);
/*
 * The history, oldest first: rows with seq > after_seq, of one workspace (NULL: of all), at most
 * `limit` of them.
 */
NODISCARD int store_audit_after(struct store *s, uint64_t after_seq, const char *workspace,
                                uint32_t limit, store_audit_fn fn, void *ctx);
/* The newest `limit` rows of one workspace (NULL: of all), oldest first. */
NODISCARD int store_audit_newest(struct store *s, const char *workspace, uint32_t limit,
                                 store_audit_fn fn, void *ctx);
/* Forget history older than `before`, at most 10,000 rows per call. Outside a transaction. */
NODISCARD int store_audit_prune(struct store *s, utc_t before);
