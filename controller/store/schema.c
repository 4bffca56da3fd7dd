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
        "ALTER TABLE workspace ADD COLUMN home INTEGER NOT NULL DEFAULT 0;",
        "ALTER TABLE workspace ADD COLUMN human_at INTEGER NOT NULL DEFAULT 0;",
};

const int schema_version = ARRAY_LEN(schema_migrations);

/* Beside the rows: who leads, and which batch was the last (see postgres.c). */
const char *const postgres_migrations[] = {
        "CREATE TABLE workspace ("
        " id text COLLATE \"C\" PRIMARY KEY, tenant text NOT NULL, user_id text NOT NULL,"
        " name text NOT NULL, type text NOT NULL, labels text NOT NULL, state text NOT NULL,"
        " generation bigint NOT NULL, task text NOT NULL,"
        " head_generation bigint NOT NULL, head_seq bigint NOT NULL,"
        " head_length bigint NOT NULL, head_data_length bigint NOT NULL,"
        " head_sha256 text NOT NULL, head_at bigint NOT NULL,"
        " previous_generation bigint NOT NULL, previous_seq bigint NOT NULL,"
        " previous_length bigint NOT NULL, previous_data_length bigint NOT NULL,"
        " previous_sha256 text NOT NULL, previous_at bigint NOT NULL,"
        " created_at bigint NOT NULL, active_at bigint NOT NULL, stopped_at bigint NOT NULL,"
        " erase_at bigint NOT NULL, reason text NOT NULL, wanted bigint NOT NULL);"
        "CREATE TABLE task ("
        " id text COLLATE \"C\" PRIMARY KEY, type text NOT NULL, state text NOT NULL,"
        " generation bigint NOT NULL, workspace text NOT NULL, nonce text NOT NULL,"
        " addr text NOT NULL, launched_at bigint NOT NULL, state_at bigint NOT NULL,"
        " reason text NOT NULL, claimed_at bigint NOT NULL);"
        "CREATE TABLE setting (name text COLLATE \"C\" PRIMARY KEY, value text NOT NULL);"
        "CREATE TABLE audit ("
        " seq bigint PRIMARY KEY, at bigint NOT NULL, workspace text NOT NULL,"
        " task text NOT NULL, actor text NOT NULL, what text NOT NULL, detail text NOT NULL);"
        "CREATE INDEX audit_workspace ON audit (workspace, seq);"
        "CREATE INDEX audit_at ON audit (at);"
        "CREATE TABLE counter (name text PRIMARY KEY, value bigint NOT NULL);"
        "CREATE TABLE lease ("
        " one boolean PRIMARY KEY DEFAULT true CHECK (one), epoch bigint NOT NULL,"
        " holder text NOT NULL, addresses text NOT NULL, expires_at timestamptz NOT NULL,"
        " batch bigint NOT NULL, closed bigint NOT NULL);"
        "INSERT INTO lease VALUES (true, 0, '', '', '-infinity', 0, 0);"

        "CREATE FUNCTION lease_take(a_holder text, a_addresses text, a_ms bigint, a_epoch bigint,"
        " OUT r_mine boolean, OUT r_epoch bigint, OUT r_holder text, OUT r_addresses text,"
        " OUT r_left_ms bigint) LANGUAGE plpgsql SET lock_timeout = '2s' AS $$ "
        "DECLARE l lease; t timestamptz; "
        "BEGIN"
        " r_mine := false;"
        " SELECT * INTO STRICT l FROM lease;"
/* Who only asks locks nothing: commits of the holder do not wait for it. */
#ifdef STORE_PLANTED_STEALS_EARLY
        " IF true THEN"
#else
        " IF l.holder = a_holder OR l.expires_at <= clock_timestamp() THEN"
#endif
        "  SELECT * INTO STRICT l FROM lease FOR UPDATE;"
        "  t := clock_timestamp();"
#ifdef STORE_PLANTED_STEALS_EARLY
        "  IF a_epoch = 0 AND l.expires_at <= t + interval '30 milliseconds' THEN"
#else
        "  IF a_epoch = 0 AND l.expires_at <= t THEN"
#endif
        "   r_mine := true;"
        "   UPDATE lease SET epoch = epoch + 1, holder = a_holder, batch = 0, closed = 0;"
        "  ELSIF l.holder = a_holder AND (a_epoch = 0 OR a_epoch = l.epoch) THEN"
        "   r_mine := true;"
        "  END IF;"
        "  IF r_mine THEN"
        "   UPDATE lease SET addresses = a_addresses,"
        "    expires_at = t + a_ms * interval '1 millisecond' RETURNING * INTO l;"
        "  END IF;"
        " END IF;"
        " r_epoch := l.epoch; r_holder := l.holder; r_addresses := l.addresses;"
        " r_left_ms := CASE WHEN l.expires_at = '-infinity' THEN 0 ELSE greatest(0, floor("
        "  extract(epoch FROM l.expires_at - clock_timestamp()) * 1000)) END; "
        "END $$;"

        /* The row lock is held until the batch is committed: a takeover waits, or we are late. */
        "CREATE FUNCTION batch_begin(a_epoch bigint, a_number bigint) RETURNS void"
        " LANGUAGE plpgsql SET lock_timeout = '2s' AS $$ "
        "BEGIN"
#ifdef STORE_PLANTED_NO_FENCE
        " UPDATE lease SET batch = a_number, closed = a_number;"
#else
        " UPDATE lease SET batch = a_number, closed = a_number WHERE epoch = a_epoch"
        "  AND expires_at > clock_timestamp() AND closed < a_number;"
#endif
        " IF NOT FOUND THEN"
        "  RAISE EXCEPTION 'the lease is lost' USING ERRCODE = 'WS001';"
        " END IF; "
        "END $$;"

        /* Was it committed? If not it never will be, however late it still arrives. */
        "CREATE FUNCTION batch_resolve(a_epoch bigint, a_number bigint) RETURNS boolean"
        " LANGUAGE plpgsql SET lock_timeout = '2s' AS $$ "
        "DECLARE r boolean; "
        "BEGIN"
#ifdef STORE_PLANTED_NOT_CLOSED
        " UPDATE lease SET closed = closed WHERE epoch = a_epoch"
#else
        " UPDATE lease SET closed = greatest(closed, a_number) WHERE epoch = a_epoch"
#endif
        "  RETURNING batch = a_number INTO r;"
        " RETURN r; "
        "END $$;"

        "CREATE FUNCTION audit_prune(a_epoch bigint, a_before bigint, a_limit bigint)"
        " RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '2s' AS $$ "
        "DECLARE n bigint; "
        "BEGIN"
        " PERFORM 1 FROM lease WHERE epoch = a_epoch AND expires_at > clock_timestamp();"
        " IF NOT FOUND THEN"
        "  RAISE EXCEPTION 'the lease is lost' USING ERRCODE = 'WS001';"
        " END IF;"
        " DELETE FROM audit WHERE seq IN"
        "  (SELECT seq FROM audit WHERE at < a_before ORDER BY at LIMIT a_limit);"
        " GET DIAGNOSTICS n = ROW_COUNT;"
        " RETURN n; "
        "END $$;",
        "ALTER TABLE workspace ADD COLUMN home bigint NOT NULL DEFAULT 0;",
        "ALTER TABLE workspace ADD COLUMN human_at bigint NOT NULL DEFAULT 0;",
};

const int postgres_version = ARRAY_LEN(postgres_migrations);
