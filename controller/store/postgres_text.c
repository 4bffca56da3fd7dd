#include "store/postgres_text.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

/* ---- statements ---- */

/* Bytes of the UTF-8 character that begins here (RFC 3629), 0 for what is none. */
static size_t utf8_char(const unsigned char *p)
{
        size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

        if (p[0] > 0xf4)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        }
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
            (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
                return 0;
        return n;
}

/* E'…' reads backslashes the same with every standard_conforming_strings. */
int pg_quote(struct buf *b, const char *text)
{
        const unsigned char *p = (const unsigned char *)text;
        int r = buf_append_str(b, "E'");

        while (r == 0 && *p) {
                size_t n = utf8_char(p);

                if (*p == '\'' || *p == '\\')
                        r = buf_append(b, p, 1);
                if (r == 0)
                        r = n ? buf_append(b, p, n) : buf_append_str(b, "?");
                p += MAX(n, 1);
        }
        return r < 0 ? r : buf_append_str(b, "'");
}

/* Values one after the other; the first failure stays. */
struct values {
        struct buf *b;
        const char *sep;
        int r;
};

static struct values values_start(struct buf *b, const char *statement)
{
        return (struct values){.b = b, .sep = " (", .r = buf_append_str(b, statement)};
}

static void put_text(struct values *v, const char *text)
{
        if (v->r == 0)
                v->r = buf_append_str(v->b, v->sep);
        if (v->r == 0)
                v->r = pg_quote(v->b, text);
        v->sep = ",";
}

static void put_int(struct values *v, int64_t value)
{
        if (v->r == 0)
                v->r = buf_printf(v->b, "%s%lld", v->sep, (long long)value);
        v->sep = ",";
}

static void put_save(struct values *v, const struct save_ref *ref)
{
        put_int(v, (int64_t)ref->generation);
        put_int(v, (int64_t)ref->seq);
        put_int(v, (int64_t)ref->length);
        put_int(v, (int64_t)ref->data_length);
        put_text(v, ref->sha256);
        put_int(v, ref->at.us);
}

static int values_end(struct values *v, const char *rest)
{
        return v->r < 0 ? v->r : buf_append_str(v->b, rest);
}

#ifdef STORE_PLANTED_COUNTER_SHRINKS
#define COUNTER_CONFLICT " ON CONFLICT (name) DO UPDATE SET value = excluded.value;\n"
#else
#define COUNTER_CONFLICT                                                                           \
        " ON CONFLICT (name) DO UPDATE SET value = greatest(counter.value, excluded.value);\n"
#endif
#define WORKSPACE_CONFLICT                                                                         \
        ") ON CONFLICT (id) DO UPDATE SET"                                                         \
        " tenant = excluded.tenant, user_id = excluded.user_id, name = excluded.name,"             \
        " type = excluded.type, labels = excluded.labels, state = excluded.state,"                 \
        " generation = excluded.generation, task = excluded.task,"                                 \
        " head_generation = excluded.head_generation, head_seq = excluded.head_seq,"               \
        " head_length = excluded.head_length,"                                                     \
        " head_data_length = excluded.head_data_length,"                                           \
        " head_sha256 = excluded.head_sha256, head_at = excluded.head_at,"                         \
        " previous_generation = excluded.previous_generation,"                                     \
        " previous_seq = excluded.previous_seq,"                                                   \
        " previous_length = excluded.previous_length,"                                             \
        " previous_data_length = excluded.previous_data_length,"                                   \
        " previous_sha256 = excluded.previous_sha256, previous_at = excluded.previous_at,"         \
        " created_at = excluded.created_at, active_at = excluded.active_at,"                       \
        " stopped_at = excluded.stopped_at, erase_at = excluded.erase_at,"                         \
        " reason = excluded.reason, wanted = excluded.wanted, home = excluded.home,"               \
        " human_at = excluded.human_at;\n"
#define TASK_CONFLICT                                                                              \
        ") ON CONFLICT (id) DO UPDATE SET"                                                         \
        " type = excluded.type, state = excluded.state, generation = excluded.generation,"         \
        " workspace = excluded.workspace, nonce = excluded.nonce, addr = excluded.addr,"           \
        " launched_at = excluded.launched_at, state_at = excluded.state_at,"                       \
        " reason = excluded.reason, claimed_at = excluded.claimed_at;\n"
#define AUDIT_CONFLICT                                                                             \
        ") ON CONFLICT (seq) DO UPDATE SET"                                                        \
        " at = excluded.at, workspace = excluded.workspace, task = excluded.task,"                 \
        " actor = excluded.actor, what = excluded.what, detail = excluded.detail;\n"

int pg_put_workspace(struct buf *b, const struct workspace_row *row)
{
        struct values v = values_start(b, "INSERT INTO workspace VALUES");

        put_text(&v, row->id);
        put_text(&v, row->key.tenant);
        put_text(&v, row->key.user_id);
        put_text(&v, row->key.name);
        put_text(&v, row->key.type);
        put_text(&v, row->labels);
        put_text(&v, ws_state_name(row->state));
        put_int(&v, (int64_t)row->generation);
        put_text(&v, row->task);
        put_save(&v, &row->head);
        put_save(&v, &row->previous);
        put_int(&v, row->created_at.us);
        put_int(&v, row->active_at.us);
        put_int(&v, row->stopped_at.us);
        put_int(&v, row->erase_at.us);
        put_text(&v, row->reason);
        put_int(&v, row->wanted);
        put_int(&v, row->home);
        put_int(&v, row->human_at.us);
        return values_end(&v, WORKSPACE_CONFLICT);
}

int pg_del_workspace(struct buf *b, const char *id)
{
        struct values v = values_start(b, "INSERT INTO counter SELECT 'generation', generation"
                                          " FROM workspace WHERE id =");

        put_text(&v, id);
        v.r = values_end(&v, ")" COUNTER_CONFLICT "DELETE FROM workspace WHERE id =");
        v.sep = " (";
        put_text(&v, id);
        return values_end(&v, ");\n");
}

int pg_put_task(struct buf *b, const struct task_row *row)
{
        struct values v = values_start(b, "INSERT INTO task VALUES");

        put_text(&v, row->id);
        put_text(&v, row->type);
        put_text(&v, task_state_name(row->state));
        put_int(&v, (int64_t)row->generation);
        put_text(&v, row->workspace);
        put_text(&v, row->nonce);
        put_text(&v, row->addr);
        put_int(&v, row->launched_at.us);
        put_int(&v, row->state_at.us);
        put_text(&v, row->reason);
        put_int(&v, row->claimed_at.us);
        return values_end(&v, TASK_CONFLICT);
}

int pg_del_task(struct buf *b, const char *id)
{
        struct values v = values_start(b, "DELETE FROM task WHERE id =");

        put_text(&v, id);
        return values_end(&v, ");\n");
}

int pg_put_setting(struct buf *b, const struct setting_row *row)
{
        struct values v = values_start(b, row->value[0] ? "INSERT INTO setting VALUES"
                                                        : "DELETE FROM setting WHERE name =");

        put_text(&v, row->name);
        if (!row->value[0])
                return values_end(&v, ");\n");
        put_text(&v, row->value);
        return values_end(&v, ") ON CONFLICT (name) DO UPDATE SET value = excluded.value;\n");
}

int pg_raise_counter(struct buf *b, const char *name, uint64_t value)
{
        struct values v = values_start(b, "INSERT INTO counter VALUES");

        put_text(&v, name);
        put_int(&v, (int64_t)value);
        return values_end(&v, ")" COUNTER_CONFLICT);
}

int pg_audit(struct buf *b, const struct audit_row *row)
{
        struct values v = values_start(b, "INSERT INTO audit VALUES");

        put_int(&v, (int64_t)row->seq);
        put_int(&v, row->at.us);
        put_text(&v, row->workspace);
        put_text(&v, row->task);
        put_text(&v, row->actor);
        put_text(&v, row->what);
        put_text(&v, row->detail);
        return values_end(&v, AUDIT_CONFLICT);
}

/* ---- rows from cells ---- */

/* SET TRANSACTION holds for the rest of the text, which is one transaction. */
#define LOAD(settings)                                                                             \
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;"                               \
        "SELECT id, tenant, user_id, name, type, labels, state, generation, task,"                 \
        " head_generation, head_seq, head_length, head_data_length, head_sha256, head_at,"         \
        " previous_generation, previous_seq, previous_length, previous_data_length,"               \
        " previous_sha256, previous_at, created_at, active_at, stopped_at, erase_at, reason,"      \
        " wanted, home, human_at FROM workspace ORDER BY id;"                                      \
        "SELECT id, type, state, generation, workspace, nonce, addr, launched_at, state_at,"       \
        " reason, claimed_at FROM task ORDER BY id;"                                               \
        "SELECT name, value FROM setting " settings "ORDER BY name;"                               \
        "SELECT name, value FROM counter"

const char pg_load[] = LOAD("");
const char pg_load_brief[] = LOAD("WHERE name !~ '^((pool|course|timetable)[.]|timetable$)' ");

struct cells {
        const char *const *v;
        size_t n, at;
        bool bad;
};

static void get_text(struct cells *x, char *dst, size_t size)
{
        if (x->at >= x->n || str_copy(dst, size, x->v[x->at]) < 0)
                x->bad = true;
        x->at++;
}

#define GET_TEXT(x, dst) get_text((x), (dst), sizeof(dst))

static int64_t get_int(struct cells *x)
{
        int64_t value = 0;

        if (x->at >= x->n || num_parse_i64(x->v[x->at], INT64_MIN, INT64_MAX, &value) < 0)
                x->bad = true;
        x->at++;
        return value;
}

static uint64_t get_u64(struct cells *x)
{
        int64_t value = get_int(x);

        if (value < 0)
                x->bad = true;
        return (uint64_t)value;
}

static void get_save(struct cells *x, struct save_ref *ref)
{
        ref->generation = get_u64(x);
        ref->seq = get_u64(x);
        ref->length = get_u64(x);
        ref->data_length = get_u64(x);
        GET_TEXT(x, ref->sha256);
        ref->at.us = get_int(x);
}

static int cells_end(const struct cells *x)
{
        return x->bad || x->at != x->n ? -EUCLEAN : 0;
}

int pg_read_workspace(const char *const cells[], size_t n, struct workspace_row *ret_row)
{
        struct cells x = {.v = cells, .n = n};
        char state[CORE_NAME_SIZE] = "";

        GET_TEXT(&x, ret_row->id);
        GET_TEXT(&x, ret_row->key.tenant);
        GET_TEXT(&x, ret_row->key.user_id);
        GET_TEXT(&x, ret_row->key.name);
        GET_TEXT(&x, ret_row->key.type);
        GET_TEXT(&x, ret_row->labels);
        GET_TEXT(&x, state);
        ret_row->generation = get_u64(&x);
        GET_TEXT(&x, ret_row->task);
        get_save(&x, &ret_row->head);
        get_save(&x, &ret_row->previous);
        ret_row->created_at.us = get_int(&x);
        ret_row->active_at.us = get_int(&x);
        ret_row->stopped_at.us = get_int(&x);
        ret_row->erase_at.us = get_int(&x);
        GET_TEXT(&x, ret_row->reason);
        ret_row->wanted = get_int(&x) != 0;
        ret_row->home = (enum home_state)get_int(&x);
        if ((size_t)ret_row->home >= HOME_STATE_MAX)
                x.bad = true;
        ret_row->human_at.us = get_int(&x);
        return ws_state_parse(state, &ret_row->state) ? cells_end(&x) : -EUCLEAN;
}

int pg_read_task(const char *const cells[], size_t n, struct task_row *ret_row)
{
        struct cells x = {.v = cells, .n = n};
        char state[CORE_NAME_SIZE] = "";

        GET_TEXT(&x, ret_row->id);
        GET_TEXT(&x, ret_row->type);
        GET_TEXT(&x, state);
        ret_row->generation = get_u64(&x);
        GET_TEXT(&x, ret_row->workspace);
        GET_TEXT(&x, ret_row->nonce);
        GET_TEXT(&x, ret_row->addr);
        ret_row->launched_at.us = get_int(&x);
        ret_row->state_at.us = get_int(&x);
        GET_TEXT(&x, ret_row->reason);
        ret_row->claimed_at.us = get_int(&x);
        return task_state_parse(state, &ret_row->state) ? cells_end(&x) : -EUCLEAN;
}

int pg_read_setting(const char *const cells[], size_t n, struct setting_row *ret_row)
{
        struct cells x = {.v = cells, .n = n};

        GET_TEXT(&x, ret_row->name);
        GET_TEXT(&x, ret_row->value);
        return cells_end(&x);
}

int pg_read_audit(const char *const cells[], size_t n, struct audit_row *ret_row)
{
        struct cells x = {.v = cells, .n = n};

        ret_row->seq = get_u64(&x);
        ret_row->at.us = get_int(&x);
        GET_TEXT(&x, ret_row->workspace);
        GET_TEXT(&x, ret_row->task);
        GET_TEXT(&x, ret_row->actor);
        GET_TEXT(&x, ret_row->what);
        GET_TEXT(&x, ret_row->detail);
        return cells_end(&x);
}

/* ---- errors: SQLSTATE (PostgreSQL, Appendix A), or libpq's own words while connecting ---- */

static const struct meaning {
        const char *sqlstate; /* or the beginning of it; NULL: look for the text */
        const char *text;
        int result;
        const char *advice;
} meanings[] = {
        {"WS001", NULL, STORE_FENCED, "another controller leads"},
        {"28P01", NULL, -EACCES, "check the user in the URL and store_password_file"},
        {"28", NULL, -EACCES, "check the user, the password and the server's pg_hba.conf"},
        {"3D000", NULL, -EACCES, "create the database, or correct its name in the URL"},
        {"42501", NULL, -EACCES, "let the user create and change tables in the database"},
        {"25006", NULL, -EAGAIN, "this is a standby: give the address of the primary"},
        {"53300", NULL, -EAGAIN, "end other connections or raise the server's max_connections"},
        {"53100", NULL, -ENOSPC, "free some disk space on the server"},
        {"57P", NULL, -EAGAIN, "wait until the server is up"},
        {"53", NULL, -EAGAIN, "look at the server's log"},
        {"40", NULL, -EAGAIN, "it is tried again"},
        {"55P03", NULL, -EAGAIN, "look for a transaction that holds a lock"},
        {"57014", NULL, -EAGAIN, "it was cancelled on the server; look at its statement_timeout"},
        {"XX", NULL, -EIO, "the database may be damaged: look at the server's log"},
        {"42", NULL, -EIO, "its tables are not ours: give a database of its own"},
        {"", NULL, -EIO, "look at the server's log"},
        {NULL, "no password supplied", -EACCES, "give the password in store_password_file"},
        {NULL, "does not support SSL", -EACCES,
         "turn TLS on at the server, or ask for less in sslmode"},
        {NULL, "root certificate file", -EACCES,
         "give the file of the CA's certificate as sslrootcert in the URL"},
        {NULL, "certificate verify failed", -EACCES,
         "the certificate is not from the CA in sslrootcert: give the right CA's file"},
        {NULL, "does not match host name", -EACCES,
         "use the name in the URL that the server's certificate has"},
        {NULL, "session is read-only", -EAGAIN,
         "this is a standby: give the address of the primary"},
        {NULL, "could not translate host name", -EAGAIN, "check the host in the URL"},
        {NULL, "Connection refused", -EAGAIN, "start the server, or correct host and port"},
        {NULL, "No such file or directory", -EAGAIN, "start the server, or correct host and port"},
        {NULL, "", -EAGAIN, "check that the server runs and can be reached"},
};

int pg_error_meaning(const char *sqlstate, const char *text, const char **ret_advice)
{
        for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
                const struct meaning *m = &meanings[i];

                if (m->sqlstate ? !sqlstate[0] || !str_starts(sqlstate, m->sqlstate)
                                : !strstr(text, m->text))
                        continue;
                *ret_advice = m->advice;
                return m->result;
        }
        *ret_advice = "look at the server's log";
        return -EIO;
}

void pg_error_state(const char *text, char ret_sqlstate[static 6])
{
        static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

        ret_sqlstate[0] = 0;
        for (const char *p = strstr(text, ":  "); p; p = strstr(p + 1, ":  ")) {
                if (strspn(p + 3, set) == 5 && p[8] == ':') {
                        memcpy(ret_sqlstate, p + 3, 5);
                        ret_sqlstate[5] = 0;
                        return;
                }
        }
}
