/*
 * What is said to a PostgreSQL server and what comes back, as text: a batch's statements, the cells
 * of its answers, and what its errors mean. Pure; no connection here.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "store/store.h"

/*
 * Append the statement that stores a row. Text is quoted whatever the server's settings are, a byte
 * that is not UTF-8 becomes '?' (the server would refuse the batch). 0, -ENOBUFS, -ENOMEM.
 */
NODISCARD int pg_put_workspace(struct buf *b, const struct workspace_row *row);
NODISCARD int pg_del_workspace(struct buf *b, const char *id);
NODISCARD int pg_put_task(struct buf *b, const struct task_row *row);
NODISCARD int pg_del_task(struct buf *b, const char *id);
NODISCARD int pg_put_setting(struct buf *b, const struct setting_row *row);
NODISCARD int pg_audit(struct buf *b, const struct audit_row *row);
NODISCARD int pg_raise_counter(struct buf *b, const char *name, uint64_t value);
/* A quoted literal. */
NODISCARD int pg_quote(struct buf *b, const char *text);

/* All rows in four answers: workspaces, tasks, settings, counters; as of one moment. */
extern const char pg_load[], pg_load_brief[]; /* the second for store_visitor.brief */
/* `SELECT … FROM audit`, with the columns that pg_read_audit reads. */
#define PG_SELECT_AUDIT "SELECT seq, at, workspace, task, actor, what, detail FROM audit"

/* One row from its cells. 0, -EUCLEAN for one that cannot be. */
#define PG_CELLS_MAX 29
NODISCARD int pg_read_workspace(const char *const cells[], size_t n, struct workspace_row *ret_row);
NODISCARD int pg_read_task(const char *const cells[], size_t n, struct task_row *ret_row);
NODISCARD int pg_read_setting(const char *const cells[], size_t n, struct setting_row *ret_row);
NODISCARD int pg_read_audit(const char *const cells[], size_t n, struct audit_row *ret_row);

/*
 * What an error means: -EACCES (refused: who, what or how we are), -ENOSPC, -EAGAIN (may pass),
 * -EIO, STORE_FENCED; and what to do about it. `sqlstate` may be "" while connecting: then the text
 * tells.
 */
int pg_error_meaning(const char *sqlstate, const char *text, const char **ret_advice);
/* Finds "FATAL:  28P01: …" in a verbose message. "" when there is none. */
void pg_error_state(const char *text, char ret_sqlstate[static 6]);
