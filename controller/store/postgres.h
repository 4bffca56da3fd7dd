/*
 * Inside the PostgreSQL store: its state, which postgres.c (the connection, by libpq) and
 * postgres_store.c (the verbs of store.h) share. Private to the two.
 */
#pragma once

#include "base/buf.h"
#include "loop/loop.h"
#include "store/backend.h"

#define BATCH_BYTES_MAX (256u << 20)
#define QUESTIONS_MAX 8
#define SQL_SIZE 512
#define URL_SIZE 1024

enum ask {
        ASK_NOTHING,
        ASK_LOOK,    /* is there a layout? */
        ASK_VERSION, /* which? */
        ASK_MIGRATE,
        ASK_RESOLVE,
        ASK_LEASE,
        ASK_COMMIT,
        ASK_LOAD,
        ASK_AUDIT,
        ASK_PRUNE,
};

struct question {
        enum ask ask;
        char sql[SQL_SIZE]; /* "" for a load */
        struct store_visitor visitor;
        store_audit_fn audit;
        void *audit_ctx;
        store_done_fn done;
        void *ctx;
};

struct postgres {
        struct store base;
        struct loop *loop;
        struct store_hooks hooks;
        char url[URL_SIZE];
        char where[256]; /* "host:port/database", for errors */
        char password_file[URL_SIZE];
        char holder[STORE_HOLDER_SIZE];
        char addresses[STORE_ADDRESSES_SIZE];
        int64_t lease_ms;

        struct pg_conn *conn; /* libpq's PGconn */
        bool connected;       /* libpq is done; the layout may still be looked at */
        bool up;
        struct loop_fd io;
        struct loop_timer retry;    /* connect again */
        struct loop_timer patience; /* for a connection, for an answer */
        unsigned failures;          /* to connect, in a row */
        int told;                   /* what hooks.connection said last; 1 nothing yet */
        char told_error[STORE_ERROR_SIZE];
        char error[STORE_ERROR_SIZE];

        enum ask asking;
        struct question now; /* the one that is asked, when it is a reader's */
        mono_t asked_at;
        int result;  /* of what is asked, so far */
        size_t part; /* answers so far that had rows */
        uint64_t counters[STORE_COUNTER_MAX];
        int64_t number_read;
        bool null_read;
        struct store_lease lease_read;
        int version;

        struct question waiting[QUESTIONS_MAX];
        size_t n_waiting;
        bool want_lease;

        uint64_t epoch; /* of our lease; 0 never had one */
        bool lost;      /* the lease, for good */

        struct buf batch;
        uint64_t number; /* of the batch */
        bool want_commit, unresolved;
        store_done_fn committed;
        void *committed_ctx;
};

/* Reads s->url into s->where. 0, -EINVAL (s->error says why). */
int postgres_check_url(struct postgres *s);
/* Connects, and again whenever the connection is lost, until postgres_disconnect. */
void postgres_connect(struct postgres *s);
void postgres_disconnect(struct postgres *s);
/* Asks the next question, if none is on its way: the lease, the batch, a reader's. */
void postgres_ask_next(struct postgres *s);
/*
 * At the end: waits for what is on its way, asks `sql`, waits for its end, all before `end`; then
 * the connection is lost.
 */
void postgres_ask_last(struct postgres *s, const char *sql, mono_t end);
