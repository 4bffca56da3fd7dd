#include "store/schema.h"

#include "base/macro.h"

/* Times are microseconds since 1970 UTC; states are the names of the .def tables. */
const char *const schema_migrations[] = {
        "CREATE TABLE workspace ("
        " id TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL,"
        " type TEXT NOT NULL, labels TEXT NOT NULL, state TEXT NOT NULL,"
        " generation INTEGER NOT NULL, task TEXT NOT NULL,"
        " head_generation INTEGER NOT NULL, head_seq INTEGER NOT NULL,"
        " head_length INTEGER NOT NULL, head_data_length INTEGER NOT NULL,"
        " head_sha256 TEXT NOT NULL, head_at INTEGER NOT NULL,"
        " previous_generation INTEGER NOT NULL, previous_seq INTEGER NOT NULL,"
        " previous_length INTEGER NOT NULL, previous_data_length INTEGER NOT NULL,"
        " previous_sha256 TEXT NOT NULL, previous_at INTEGER NOT NULL,"
        " created_at INTEGER NOT NULL, active_at INTEGER NOT NULL, stopped_at INTEGER NOT NULL,"
        " erase_at INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;"
        "CREATE TABLE task ("
        " id TEXT PRIMARY KEY, type TEXT NOT NULL, state TEXT NOT NULL,"
        " generation INTEGER NOT NULL, workspace TEXT NOT NULL, nonce TEXT NOT NULL,"
        " addr TEXT NOT NULL, launched_at INTEGER NOT NULL, state_at INTEGER NOT NULL,"
        " reason TEXT NOT NULL) STRICT;"
        "CREATE TABLE audit ("
        " seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, workspace TEXT NOT NULL,"
        " task TEXT NOT NULL, actor TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL)"
        " STRICT;"
        "CREATE INDEX audit_workspace ON audit (workspace, seq);"
        "CREATE INDEX audit_at ON audit (at);"
        "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;",
        "ALTER TABLE workspace ADD COLUMN wanted INTEGER NOT NULL DEFAULT 0;",
        "ALTER TABLE task ADD COLUMN claimed_at INTEGER NOT NULL DEFAULT 0;",
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;",
};

const int schema_version = ARRAY_LEN(schema_migrations);
