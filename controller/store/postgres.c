/*
 * The store in a PostgreSQL database. The contract is in store.h; libpq is used here only.
 *
 * One connection, one question at a time, each question one simple query: the server runs its whole
 * text as one transaction and needs nothing more of us. So a controller that freezes or loses its
 * connection never leaves a transaction open, no session state is kept (a pooler between is fine),
 * and nothing of ours can block a takeover.
 *
 * The fence: a batch begins by writing its number into the lease's row, if the lease is ours by the
 * database's clock. The row's lock is held until the batch is committed, so a takeover comes before
 * it (and the batch fails) or after it (and the new leader reads it).
 *
 * Unknown outcomes: when the connection is lost while a batch is on its way, its number is read
 * back on the next one and closed in the same statement. A batch that still lies in some buffer
 * then fails when it arrives late. Numbers are never used again.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "store/postgres.h"
#include "store/postgres_text.h"
#include "store/schema.h"

#define CONNECT_MS 10000
#define READ_MS 30000  /* for all rows; everything else has the lease's length */
#define ANSWER_MS 2000 /* or this, if that is shorter */
#define PASSWORD_SIZE 1024
#define MIGRATION_LOCK 7701
#define MIGRATION_TRIES 5 /* another one makes it: look again */

static const int64_t retry_ms[] = {50, 100, 250, 500, 1000, 2000, 3000};

/* ---- errors ---- */

/* One line of what libpq or the server said, where, and what to do. */
static int explain(struct postgres *s, const char *sqlstate, const char *text)
{
        char line[256] = "";
        char state[6] = "";
        const char *advice;
        int r;

        STR_CUT(state, sqlstate);
        if (!state[0])
                pg_error_state(text, state);
        r = pg_error_meaning(state, text, &advice);
        STR_CUT(line, text);
        line[strcspn(line, "\n")] = 0;
        (void)snprintf(s->error, sizeof(s->error), "%.160s: %.220s; %.120s", s->where, line,
                       advice);
        return r;
}

static void tell(struct postgres *s, int result)
{
        if (s->told == result && strcmp(s->told_error, result == 0 ? "" : s->error) == 0)
                return;
        s->told = result;
        STR_CUT(s->told_error, result == 0 ? "" : s->error);
        if (s->hooks.connection)
                s->hooks.connection(s->hooks.ctx, result);
}

/* ---- the connection goes ---- */

void postgres_disconnect(struct postgres *s)
{
        loop_fd_del(&s->io);
        loop_timer_cancel(&s->patience);
        PQfinish(s->conn);
        s->conn = NULL;
        s->connected = s->up = false;
        s->asking = ASK_NOTHING;
        s->want_lease = false;
}

/* Half to the whole of the step, so that two controllers do not come in step. */
static int64_t jittered(int64_t ms)
{
        uint32_t random = 0;

        random_bytes(&random, sizeof(random));
        return ms / 2 + random % (ms / 2 + 1);
}

static void give_up_questions(struct postgres *s, int result)
{
        struct question gone[QUESTIONS_MAX + 1];
        size_t n = 0;

        if (s->asking >= ASK_LOAD)
                gone[n++] = s->now;
        memcpy(gone + n, s->waiting, s->n_waiting * sizeof(gone[0]));
        n += s->n_waiting;
        s->n_waiting = 0;
        s->asking = ASK_NOTHING;
        for (size_t i = 0; i < n; i++)
                gone[i].done(gone[i].ctx, result);
}

static void commit_ended(struct postgres *s, int result)
{
        store_done_fn done = s->committed;

        s->want_commit = s->unresolved = false;
        s->committed = NULL;
        buf_clear(&s->batch);
        if (done)
                done(s->committed_ctx, result);
}

/* s->error says why; everything that was asked is answered or, for a batch, read back later. */
static void lost(struct postgres *s, int result)
{
        enum ask asking = s->asking;
        struct question now = s->now;

        if (asking == ASK_COMMIT)
                s->unresolved = true;
        postgres_disconnect(s);
        s->asking = asking; /* whose question it was */
        s->now = now;
        loop_timer_set_in(&s->retry, jittered(retry_ms[MIN(s->failures, ARRAY_LEN(retry_ms) - 1)]));
        s->failures++;
        tell(s, result);
        give_up_questions(s, -EAGAIN);
        if (s->want_commit)
                commit_ended(s, -EAGAIN); /* it was never sent */
}

static void lost_because(struct postgres *s, const char *why)
{
        lost(s, explain(s, "", why));
}

static void on_impatient(void *ctx)
{
        struct postgres *s = ctx;

        lost_because(s, s->connected ? "no answer in time" : "no connection in time");
}

/* ---- asking ---- */

static int want_events(struct postgres *s)
{
        int r = PQflush(s->conn);

        return r < 0 ? -EIO : loop_fd_events(&s->io, EPOLLIN | (r > 0 ? EPOLLOUT : 0));
}

static int64_t answer_ms(const struct postgres *s)
{
        return MAX(s->lease_ms, ANSWER_MS);
}

static void ask(struct postgres *s, enum ask what, const char *sql)
{
        s->asking = what;
        s->asked_at = loop_now(s->loop);
        s->result = 0;
        s->part = 0;
        s->null_read = true;
        s->number_read = 0;
        memset(s->counters, 0, sizeof(s->counters));
        loop_timer_set_in(&s->patience,
                          what >= ASK_LOAD || what == ASK_MIGRATE ? READ_MS : answer_ms(s));
        if (!PQsendQuery(s->conn, sql) || want_events(s) < 0)
                lost_because(s, PQerrorMessage(s->conn));
}

static void ask_lease(struct postgres *s)
{
        AUTO_BUF sql = BUF_INIT(8192);
        int r = buf_append_str(&sql, "SELECT * FROM lease_take(");

        s->want_lease = false;
        if (r == 0)
                r = pg_quote(&sql, s->holder);
        if (r == 0)
                r = buf_append_str(&sql, ",");
        if (r == 0)
                r = pg_quote(&sql, s->addresses);
        if (r == 0)
                r = buf_printf(&sql, ",%lld,%llu)", (long long)s->lease_ms,
                               (unsigned long long)s->epoch);
        if (r == 0)
                r = buf_terminate(&sql);
        if (r == 0)
                ask(s, ASK_LEASE, (const char *)sql.data);
}

void postgres_ask_next(struct postgres *s)
{
        if (!s->up || s->asking != ASK_NOTHING)
                return;
        if (s->want_lease) {
                ask_lease(s);
        } else if (s->want_commit) {
                s->want_commit = false;
                ask(s, ASK_COMMIT, (const char *)s->batch.data);
        } else if (s->n_waiting > 0) {
                s->now = s->waiting[0];
                s->n_waiting--;
                memmove(s->waiting, s->waiting + 1, s->n_waiting * sizeof(s->waiting[0]));
                ask(s, s->now.ask,
                    s->now.ask != ASK_LOAD ? s->now.sql
                    : s->now.visitor.brief ? pg_load_brief
                                           : pg_load);
        }
}

static void ask_version(struct postgres *s)
{
        ask(s, ASK_LOOK, "SELECT to_regclass('layout') IS NOT NULL");
}

/*
 * One migration, unless another controller makes it at this moment: then our text fails as a whole
 * (the layout's row is there already, or has another number), and the version is read again.
 */
static void migrate(struct postgres *s)
{
        AUTO_BUF sql = BUF_INIT(65536);
        int v = s->version;
        int r = buf_printf(&sql,
                           "SET LOCAL lock_timeout = '10s';"
                           "SELECT pg_advisory_xact_lock(%d);%s"
                           "DO $$ BEGIN IF (SELECT version FROM layout FOR UPDATE) <> %d THEN"
                           " RAISE EXCEPTION 'migrated meanwhile' USING ERRCODE = 'WS002';"
                           " END IF; END $$;"
                           "%s; UPDATE layout SET version = %d",
                           MIGRATION_LOCK,
                           v == 0 ? "CREATE TABLE layout (version integer NOT NULL);"
                                    "INSERT INTO layout VALUES (0);"
                                  : "",
                           v, postgres_migrations[v], v + 1);

        if (r == 0)
                r = buf_terminate(&sql);
        if (r == 0)
                ask(s, ASK_MIGRATE, (const char *)sql.data);
        else
                lost_because(s, "out of memory");
}

static void ready(struct postgres *s)
{
        char sql[SQL_SIZE];

#ifdef STORE_PLANTED_NOT_READ_BACK
        if (s->unresolved) {
                s->up = true;
                commit_ended(s, -EAGAIN);
        }
#endif
        if (s->unresolved) {
                (void)snprintf(sql, sizeof(sql), "SELECT batch_resolve(%llu,%llu)",
                               (unsigned long long)s->epoch, (unsigned long long)s->number);
                ask(s, ASK_RESOLVE, sql);
                return;
        }
        s->failures = 0;
        s->up = true;
        tell(s, 0);
        postgres_ask_next(s);
}

/* ---- answers ---- */

static void cells_of(const PGresult *res, int row, const char *ret_cells[static PG_CELLS_MAX])
{
        for (int i = 0; i < MIN(PQnfields(res), PG_CELLS_MAX); i++)
                ret_cells[i] = PQgetvalue(res, row, i);
}

static int bad_row(struct postgres *s, const char *table, const char *id)
{
        (void)snprintf(s->error, sizeof(s->error),
                       "%s: the row \"%.40s\" of the table %s is not valid; restore the database "
                       "from a copy",
                       s->where, id, table);
        return -EUCLEAN;
}

static void read_counter(struct postgres *s, const char *name, const char *value)
{
        for (int i = 0; i < STORE_COUNTER_MAX; i++) {
                if (strcmp(name, store_counter_names[i]) == 0 &&
                    num_parse_u64(value, 0, INT64_MAX, &s->counters[i]) < 0)
                        s->result = bad_row(s, "counter", name);
        }
}

/* One row of the load's part: in the order of pg_load. */
static void load_row(struct postgres *s, const char *const cells[], size_t n)
{
        static const char *const tables[] = {"workspace", "task", "setting"};
        const struct store_visitor *v = &s->now.visitor;
        union {
                struct workspace_row workspace;
                struct task_row task;
                struct setting_row setting;
        } row;
        int r = 0;

        memset(&row, 0, sizeof(row));
        if (s->part == 0) {
                r = pg_read_workspace(cells, n, &row.workspace);
                if (r == 0 && v->workspace)
                        v->workspace(v->ctx, &row.workspace);
        } else if (s->part == 1) {
                r = pg_read_task(cells, n, &row.task);
                if (r == 0 && v->task)
                        v->task(v->ctx, &row.task);
        } else if (s->part == 2) {
                r = pg_read_setting(cells, n, &row.setting);
                if (r == 0 && v->setting)
                        v->setting(v->ctx, &row.setting);
        } else if (n == 2) {
                read_counter(s, cells[0], cells[1]);
        }
        if (r < 0)
                s->result = bad_row(s, tables[s->part], cells[0]);
}

static void audit_row(struct postgres *s, const char *const cells[], size_t n)
{
        struct audit_row row = {0};

        if (pg_read_audit(cells, n, &row) < 0)
                s->result = bad_row(s, "audit", cells[0]);
        else
                s->now.audit(s->now.audit_ctx, &row);
}

static void lease_row(struct postgres *s, const char *const cells[], size_t n)
{
        struct store_lease *l = &s->lease_read;
        uint64_t left_ms = 0;

        *l = (struct store_lease){0};
        if (n != 5 || num_parse_u64(cells[1], 0, INT64_MAX, &l->epoch) < 0 ||
            num_parse_u64(cells[4], 0, INT64_MAX, &left_ms) < 0) {
                s->result = bad_row(s, "lease", n ? cells[0] : "");
                return;
        }
        l->mine = cells[0][0] == 't';
        STR_CUT(l->holder, cells[2]);
        STR_CUT(l->addresses, cells[3]);
        l->until = mono_add_ms(s->asked_at, l->mine ? s->lease_ms : (int64_t)left_ms);
}

/* "t", "f", a number; null_read stays when there is none. */
static void number_row(struct postgres *s, const PGresult *res)
{
        const char *text = PQgetvalue(res, 0, 0);

        s->null_read = PQgetisnull(res, 0, 0);
        s->number_read = text[0] == 't';
        if (text[0] != 't' && text[0] != 'f' &&
            num_parse_i64(text, INT64_MIN, INT64_MAX, &s->number_read) < 0)
                s->null_read = true;
}

static void take_rows(struct postgres *s, const PGresult *res)
{
        const char *cells[PG_CELLS_MAX];
        size_t n = (size_t)MIN(PQnfields(res), PG_CELLS_MAX);

        for (int i = 0; s->result == 0 && i < PQntuples(res); i++) {
                cells_of(res, i, cells);
                switch (s->asking) {
                case ASK_LOAD:
                        load_row(s, cells, n);
                        break;
                case ASK_AUDIT:
                        audit_row(s, cells, n);
                        break;
                case ASK_LEASE:
                        lease_row(s, cells, n);
                        s->null_read = false;
                        break;
                case ASK_NOTHING:
                case ASK_COMMIT:
                case ASK_MIGRATE:
                        break;
                case ASK_LOOK:
                case ASK_VERSION:
                case ASK_RESOLVE:
                case ASK_PRUNE:
                        number_row(s, res);
                        break;
                }
        }
        s->part++;
}

static void take_result(struct postgres *s, const PGresult *res)
{
        const char *state, *text;

        switch (PQresultStatus(res)) {
        case PGRES_TUPLES_OK:
                take_rows(s, res);
                return;
        case PGRES_COMMAND_OK:
        case PGRES_EMPTY_QUERY:
                return;
        case PGRES_BAD_RESPONSE:
        case PGRES_FATAL_ERROR:
        case PGRES_NONFATAL_ERROR:
        case PGRES_COPY_OUT:
        case PGRES_COPY_IN:
        case PGRES_COPY_BOTH:
        case PGRES_SINGLE_TUPLE:
        case PGRES_PIPELINE_SYNC:
        case PGRES_PIPELINE_ABORTED:
                break;
        }
        state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
        text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
        if (s->result == 0)
                s->result = explain(s, state ? state : "", text ? text : PQresultErrorMessage(res));
}

static void version_known(struct postgres *s)
{
        if (s->null_read) {
                lost_because(s, "the table layout is empty");
                return;
        }
        s->version = (int)s->number_read;
        if (s->version > postgres_version) {
                (void)snprintf(s->error, sizeof(s->error),
                               "%s: made by a newer version (layout %d, this program knows %d); "
                               "run the newer wscontroller",
                               s->where, s->version, postgres_version);
                lost(s, -EPROTO);
        } else if (s->version < postgres_version) {
                migrate(s);
        } else {
                ready(s);
        }
}

static void lease_known(struct postgres *s)
{
        struct store_lease lease = s->lease_read;

        if (lease.mine)
                s->epoch = lease.epoch;
        else if (s->epoch != 0)
                s->lost = true;
        if (s->hooks.lease)
                s->hooks.lease(s->hooks.ctx, &lease);
}

static void resolved(struct postgres *s)
{
        int r = s->null_read ? STORE_FENCED : s->number_read ? 0 : -EAGAIN;

        if (r == STORE_FENCED) {
                s->lost = true;
                (void)snprintf(s->error, sizeof(s->error), "%s: another controller leads",
                               s->where);
        }
        s->failures = 0;
        s->up = true;
        tell(s, 0);
        commit_ended(s, r);
}

static void reader_ended(struct postgres *s)
{
        struct question q = s->now;
        int r = s->result;

        if (r == 0 && q.ask == ASK_LOAD && q.visitor.counters)
                q.visitor.counters(q.visitor.ctx, s->counters);
        if (r == 0 && q.ask == ASK_PRUNE && s->number_read == STORE_PRUNE_ROWS_MAX)
                r = STORE_MORE;
        q.done(q.ctx, r);
}

/* The question's last answer came, and the server waits for the next one. */
static void question_ended(struct postgres *s)
{
        enum ask asked = s->asking;

        s->asking = ASK_NOTHING;
        loop_timer_cancel(&s->patience);
        if (asked < ASK_LEASE && asked != ASK_MIGRATE && s->result != 0) {
                lost(s, s->result < 0 ? s->result : -EIO);
                return;
        }
        switch (asked) {
        case ASK_NOTHING:
                break;
        case ASK_LOOK:
                s->version = 0;
                if (s->number_read)
                        ask(s, ASK_VERSION, "SELECT version FROM layout");
                else
                        migrate(s);
                break;
        case ASK_VERSION:
                version_known(s);
                break;
        case ASK_MIGRATE:
                if (s->result == -EACCES)
                        lost(s, s->result);
                else if (s->result == 0 || ++s->failures < MIGRATION_TRIES)
                        ask_version(s);
                else
                        lost(s, -EIO);
                break;
        case ASK_RESOLVE:
                resolved(s);
                break;
        case ASK_LEASE:
                if (s->result == 0 && !s->null_read)
                        lease_known(s);
                break;
        case ASK_COMMIT:
                s->lost |= s->result == STORE_FENCED;
                commit_ended(s, s->result);
                break;
        case ASK_LOAD:
        case ASK_AUDIT:
        case ASK_PRUNE:
                reader_ended(s);
                break;
        }
        postgres_ask_next(s);
}

static void take_answers(struct postgres *s)
{
        while (s->conn && s->asking != ASK_NOTHING && !PQisBusy(s->conn)) {
                PGresult *res = PQgetResult(s->conn);

                if (res)
                        take_result(s, res);
                else if (PQstatus(s->conn) == CONNECTION_BAD)
                        lost_because(s, PQerrorMessage(s->conn));
                else
                        question_ended(s);
                PQclear(res);
        }
}

static void on_io(void *ctx, uint32_t events)
{
        struct postgres *s = ctx;
        bool good = PQconsumeInput(s->conn) == 1;

        (void)events;
        take_answers(s); /* what came before the end counts */
        if (s->conn && (!good || PQstatus(s->conn) == CONNECTION_BAD || want_events(s) < 0))
                lost_because(s, PQerrorMessage(s->conn));
}

/* ---- the connection comes ---- */

static void on_connecting(void *ctx, uint32_t events);

static void watch(struct postgres *s, uint32_t events, loop_fd_fn fn)
{
        int r = loop_fd_add(s->loop, &s->io, PQsocket(s->conn), events, fn, s);

        if (r < 0)
                lost_because(s, "the descriptor cannot be watched");
}

static void on_connecting(void *ctx, uint32_t events)
{
        struct postgres *s = ctx;

        (void)events;
        loop_fd_del(&s->io); /* libpq may close it and go on with another */
        switch (PQconnectPoll(s->conn)) {
        case PGRES_POLLING_READING:
                watch(s, EPOLLIN, on_connecting);
                return;
        case PGRES_POLLING_WRITING:
                watch(s, EPOLLOUT, on_connecting);
                return;
        case PGRES_POLLING_OK:
                s->connected = true;
                if (PQsetnonblocking(s->conn, 1) < 0) {
                        lost_because(s, PQerrorMessage(s->conn));
                        return;
                }
                watch(s, EPOLLIN, on_io);
                if (s->conn)
                        ask_version(s);
                return;
        case PGRES_POLLING_ACTIVE:
        case PGRES_POLLING_FAILED:
                break;
        }
        lost_because(s, PQerrorMessage(s->conn));
}

static int read_password(struct postgres *s, char ret_password[static PASSWORD_SIZE])
{
        AUTO_BUF content = BUF_INIT(PASSWORD_SIZE);
        int r;

        ret_password[0] = 0;
        if (!s->password_file[0])
                return 0;
        r = file_read(s->password_file, &content);
        if (r == 0)
                r = buf_terminate(&content);
        if (r == 0) {
                content.data[strcspn((const char *)content.data, "\r\n")] = 0;
                str_copy_cut(ret_password, PASSWORD_SIZE, (const char *)content.data);
                explicit_bzero(content.data, content.len);
                return 0;
        }
        (void)snprintf(s->error, sizeof(s->error),
                       "%s: the password file %.200s cannot be read: %s; make it readable",
                       s->where, s->password_file, strerrordesc_np(-r));
        return -EACCES;
}

/* Notices would go to stderr. */
static void ignore_notice(void *ctx, const char *text)
{
        (void)ctx;
        (void)text;
}

/* Later ones win, so what the URL says about them stands before it and what must be, behind. */
static void connect_start(struct postgres *s)
{
        char password[PASSWORD_SIZE];
        char user_timeout[24];
        const char *names[] = {"target_session_attrs",
                               "gssencmode",
                               "tcp_user_timeout",
                               "application_name",
                               "dbname",
                               "client_encoding",
                               "password",
                               NULL}; /* an empty value is as none */
        const char *values[] = {"read-write", "disable", user_timeout, "wscontroller",
                                s->url,       "UTF8",    password,     NULL};
        int r = read_password(s, password);

        (void)snprintf(user_timeout, sizeof(user_timeout), "%lld", (long long)answer_ms(s));
        if (r < 0) {
                lost(s, r);
                return;
        }
        s->conn = PQconnectStartParams(names, values, 1);
        explicit_bzero(password, sizeof(password));
        if (!s->conn || PQstatus(s->conn) == CONNECTION_BAD) {
                lost_because(s, s->conn ? PQerrorMessage(s->conn) : "out of memory");
                return;
        }
        (void)PQsetErrorVerbosity(s->conn, PQERRORS_VERBOSE);
        (void)PQsetNoticeProcessor(s->conn, ignore_notice, NULL);
        loop_timer_set_in(&s->patience, CONNECT_MS);
        watch(s, EPOLLOUT, on_connecting);
}

static void on_retry(void *ctx)
{
        connect_start(ctx);
}

/* Waits until the server has answered everything, or the time is over. */
static bool finish_within(struct postgres *s, mono_t end)
{
        for (;;) {
                struct pollfd p = {.fd = PQsocket(s->conn), .events = POLLIN};
                int64_t left = mono_diff_ms(mono_read(), end);

                if (PQflush(s->conn) > 0)
                        p.events |= POLLOUT;
                while (!PQisBusy(s->conn)) {
                        PGresult *res = PQgetResult(s->conn);

                        if (!res)
                                return PQstatus(s->conn) == CONNECTION_OK;
                        PQclear(res);
                }
                if (left <= 0 || poll(&p, 1, (int)left) < 0 || PQconsumeInput(s->conn) != 1)
                        return false;
        }
}

void postgres_ask_last(struct postgres *s, const char *sql, mono_t end)
{
        if (finish_within(s, end) && PQsendQuery(s->conn, sql))
                (void)finish_within(s, end);
        lost_because(s, "the lease was released");
}

static const char *option_of(const PQconninfoOption *options, const char *name)
{
        for (const PQconninfoOption *o = options; o->keyword; o++) {
                if (strcmp(o->keyword, name) == 0)
                        return o->val && o->val[0] ? o->val : NULL;
        }
        return NULL;
}

/* A password in the URL would be in the process list, in --print-config and in logs. */
int postgres_check_url(struct postgres *s)
{
        char *message = NULL;
        PQconninfoOption *o = PQconninfoParse(s->url, &message);
        const char *host, *port, *db;
        int r = 0;

        if (!o) {
                (void)snprintf(s->error, sizeof(s->error),
                               "the store's URL cannot be read: %.200s; write it as "
                               "postgresql://user@host:port/database?sslmode=verify-full",
                               message ? message : "out of memory");
                PQfreemem(message);
                return -EINVAL;
        }
        if (option_of(o, "password")) {
                (void)snprintf(s->error, sizeof(s->error),
                               "the store's URL has a password, which others could see; put it "
                               "in a file and name that in store_password_file");
                r = -EINVAL;
        }
        host = option_of(o, "host");
        if (!host)
                host = option_of(o, "hostaddr");
        port = option_of(o, "port");
        db = option_of(o, "dbname");
        (void)snprintf(s->where, sizeof(s->where), "postgresql://%.80s:%.40s/%.80s",
                       host ? host : "", port ? port : "5432", db ? db : "");
        PQconninfoFree(o);
        return r;
}

void postgres_connect(struct postgres *s)
{
        s->told = 1;
        loop_timer_init(s->loop, &s->retry, on_retry, s);
        loop_timer_init(s->loop, &s->patience, on_impatient, s);
        loop_timer_set_in(&s->retry, 0);
}
