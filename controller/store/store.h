/*
 * What the controller remembers: workspace rows, task rows, what operators have set, the event
 * history, a few counters, and who leads. Behind it is an SQLite file or a PostgreSQL database.
 *
 * One writer (the shell), one thread (the loop's). All changes of one turn are one transaction:
 * store_begin, puts, store_commit. A batch that was answered with 0 survives a crash and a power
 * cut. Only the holder of the lease can commit; the check is part of the transaction.
 *
 * Questions are answered by a callback: the SQLite file answers before the call returns, the
 * database later, from the loop. A question that the store accepted (0, or STORE_PENDING) is
 * answered exactly once, unless store_free comes first. Whoever is answered may ask again at once.
 *
 * Text must be UTF-8 without NUL; a byte that is not may come back as '?'.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "core/types.h"

struct loop;
struct store;

/* Numbers that must never be given twice, although the rows that carried them are gone. */
enum store_counter {
        STORE_TASK_NUMBER, /* highest number ever in a task id */
        STORE_AUDIT_SEQ,
        STORE_COMMAND_ID,
        STORE_GENERATION, /* highest of any workspace that was removed */
        STORE_COUNTER_MAX
};

enum store_result {
        STORE_PENDING = 1, /* store_commit: the callback will tell */
        STORE_FENCED = 2,  /* the lease is not ours (any more): nothing more will be written */
        STORE_MORE = 3,    /* store_audit_prune: there is more of it */
};

#define STORE_ERROR_SIZE 512
#define STORE_HOLDER_SIZE 65
#define STORE_ADDRESSES_SIZE 513

struct store_config {
        const char *url; /* path of an SQLite file, or "postgresql://user@host:port/db?sslmode=…" */
        const char *password_file; /* "" none; read at each connect, so that it may be changed */
        const char *holder;        /* this controller's name, another one after each start */
        const char *addresses;     /* kept with the lease: where this controller is reached */
        int64_t lease_ms;
};

/*
 * Who leads. `epoch` grows with every change of the holder. `until` is measured on our clock from
 * before the question was sent: mine: act only before it; another's: it cannot be taken earlier
 * than this by more than the question's own time. MONO_NEVER: never ends (SQLite).
 */
struct store_lease {
        bool mine;
        uint64_t epoch;
        char holder[STORE_HOLDER_SIZE];
        char addresses[STORE_ADDRESSES_SIZE];
        mono_t until;
};

struct store_hooks {
        void *ctx;
        /* The answer to store_lease_take. None comes when the connection is lost first. */
        void (*lease)(void *ctx, const struct store_lease *lease);
        /*
         * The database can be used (0), or cannot: store_error() says why and what to do. It is
         * tried again by itself, jittered and at growing intervals, and told again when the reason
         * changes. -EPROTO (the layout is newer) and -EACCES (refused: password, user, database,
         * TLS) will hardly change by waiting; -EAGAIN may. Never called for SQLite.
         */
        void (*connection)(void *ctx, int result);
};

typedef void (*store_done_fn)(void *ctx, int result);

/*
 * Open or make the SQLite file, or begin to connect to the database (which can still fail: see
 * hooks.connection). All pointers of `config` are copied. On failure `ret_error` says in one
 * sentence what is wrong and what to do. -EACCES (the file or its folder cannot be written),
 * -EUCLEAN (damaged, or no database), -EPROTO (made by a newer version), -EBUSY (held by another
 * process), -EINVAL (not a URL that can be used), -ENOSPC, -EIO, -ENOMEM.
 */
NODISCARD int store_open(struct loop *l, const struct store_config *config,
                         const struct store_hooks *hooks, char ret_error[static STORE_ERROR_SIZE],
                         struct store **ret_store);
/* Does not wait and gives nothing up: see store_lease_release. */
struct store *store_free(struct store *s);
/* What went wrong last, in words, for the log; never NULL, never a password. */
const char *store_error(const struct store *s);
/* False while the database cannot be reached or is not the one we know. */
bool store_up(const struct store *s);

/*
 * Take the lease when it is free or expired, renew it when it is ours, or learn who has it:
 * hooks.lease. Opening an SQLite file is taking it (main.c lets one process in), yet each open has
 * an epoch of its own from the first call on. 0, -EBUSY while a question is on its way,
 * -ENOTCONN, -errno.
 */
NODISCARD int store_lease_take(struct store *s);
/* At a clean end: let the lease expire at once. Waits for the database, at most a second. */
void store_lease_release(struct store *s);

struct store_visitor {
        void *ctx;
        /*
         * Without the settings that only a leader needs: "pool.…", "course.…", "timetable" and
         * "timetable.…", which are hundreds. For one who follows and reads again and again.
         */
        bool brief;
        void (*workspace)(void *ctx, const struct workspace_row *row);
        void (*task)(void *ctx, const struct task_row *row);
        void (*setting)(void *ctx, const struct setting_row *row);
        /* By enum store_counter; once, last. */
        void (*counters)(void *ctx, const uint64_t counters[static STORE_COUNTER_MAX]);
};

/*
 * Every row, as of one moment, ordered by id (settings by name). `v` is copied; any function may be
 * NULL. Done: 0, -EUCLEAN for a row that cannot be (what was visited is worthless), -EAGAIN (the
 * connection was lost), -EIO, …. Returns 0, -EBUSY (too many questions), -ENOTCONN, -ENOMEM.
 */
NODISCARD int store_load(struct store *s, const struct store_visitor *v, store_done_fn done,
                         void *ctx);

/* ---- one batch at a time; none can be begun while one is on its way ---- */

NODISCARD int store_begin(struct store *s);
NODISCARD int store_put_workspace(struct store *s, const struct workspace_row *row);
/* Raises STORE_GENERATION too. */
NODISCARD int store_del_workspace(struct store *s, const char *id);
NODISCARD int store_put_task(struct store *s, const struct task_row *row);
NODISCARD int store_del_task(struct store *s, const char *id);
/* An empty value removes it. */
NODISCARD int store_put_setting(struct store *s, const struct setting_row *row);
/* Raises STORE_AUDIT_SEQ too. Giving the same seq again replaces the row. */
NODISCARD int store_audit(struct store *s, const struct audit_row *row);
/* Counters only grow: a smaller value is ignored. */
NODISCARD int store_raise_counter(struct store *s, enum store_counter which, uint64_t value);
/*
 * 0: durable. -errno: certainly not, and never will be; give the whole batch again later.
 * STORE_FENCED: not written, the lease is lost (or, when the connection was lost in the middle too,
 * whether it was written is the next leader's to see): stop acting. STORE_PENDING: `done` gets one
 * of these three. An unknown outcome is never handed out: it is read back after reconnecting.
 */
NODISCARD int store_commit(struct store *s, store_done_fn done, void *ctx);
/* After any failure between store_begin and store_commit, or of store_commit. */
void store_rollback(struct store *s);

/* ---- the history; what was put, and is not committed, does not count ---- */

typedef void (*store_audit_fn)(void *ctx, const struct audit_row *row);
/*
 * Oldest first: rows with seq > after_seq, of one workspace (NULL: of all), at most `limit` of
 * them, then done. Returns and done as store_load.
 */
NODISCARD int store_audit_after(struct store *s, uint64_t after_seq, const char *workspace,
                                uint32_t limit, store_audit_fn fn, store_done_fn done, void *ctx);
/* The newest `limit` rows of one workspace (NULL: of all), oldest first. */
NODISCARD int store_audit_newest(struct store *s, const char *workspace, uint32_t limit,
                                 store_audit_fn fn, store_done_fn done, void *ctx);
/*
 * Forget history older than `before`, at most 10,000 rows per call (done: STORE_MORE). Numbers are
 * not given again. Outside a transaction; without the lease done gets STORE_FENCED.
 */
NODISCARD int store_audit_prune(struct store *s, utc_t before, store_done_fn done, void *ctx);
