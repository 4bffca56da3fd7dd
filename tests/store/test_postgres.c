/*
 * The PostgreSQL store against a real server: the contract in the clear and by TLS, two holders,
 * and connections that end at every byte. What a batch did is written down by triggers, in its own
 * transaction, so that a batch that was done twice, or too late, is seen.
 */
#include "test_postgres.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "contract.h"
#include "proxy.h"
#include "rig.h"
#include "server.h"
#include "test.h"

static struct rig A, B;
static unsigned full; /* how much more in the full tier */

static const char watchers[] =
        "DROP TABLE IF EXISTS seen, changes;"
        "DELETE FROM audit;"
        "UPDATE lease SET expires_at = '-infinity', holder = '';"
        "CREATE TABLE seen (seq bigint, attempt text, claimed text, epoch bigint);"
        "CREATE TABLE changes (before bigint, after bigint, expired timestamptz, at timestamptz);"
        "GRANT ALL ON seen, changes TO ws;"
        "CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO seen SELECT NEW.seq, NEW.detail, NEW.actor, epoch FROM lease;"
        " RETURN NEW; END $$;"
        "CREATE OR REPLACE TRIGGER see BEFORE INSERT OR UPDATE ON audit"
        " FOR EACH ROW EXECUTE FUNCTION see();"
        "CREATE OR REPLACE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.epoch <> OLD.epoch THEN INSERT INTO changes"
        "  VALUES (OLD.epoch, NEW.epoch, OLD.expires_at, clock_timestamp()); END IF;"
        " RETURN NEW; END $$;"
        "CREATE OR REPLACE TRIGGER change BEFORE UPDATE ON lease"
        " FOR EACH ROW EXECUTE FUNCTION change();";

static const char *direct(void)
{
        return server_url(server_port(), NULL);
}

/* One batch: a history row that says which attempt it is and whose, and some rows around it. */
static int put_batch(struct rig *r, uint64_t seq, unsigned attempt)
{
        struct audit_row row = {.seq = seq};
        struct workspace_row w = {.generation = seq};
        int result = store_begin(r->store);

        (void)snprintf(row.detail, sizeof(row.detail), "%u", attempt);
        (void)snprintf(row.actor, sizeof(row.actor), "%llu", (unsigned long long)r->lease.epoch);
        (void)snprintf(w.id, sizeof(w.id), "ws-%u", (unsigned)(seq % 7));
        if (result == 0)
                result = store_put_workspace(r->store, &w);
        if (result == 0)
                result = store_audit(r->store, &row);
        if (result == 0)
                result = rig_commit(r);
        if (result < 0)
                store_rollback(r->store);
        return result;
}

/* Again and again until it is durable. Returns the attempt that was. */
static unsigned put_surely(struct rig *r, uint64_t seq)
{
        for (unsigned attempt = 1;; attempt++) {
                int result = put_batch(r, seq, attempt);

                if (result == 0)
                        return attempt;
                if (result == STORE_FENCED) {
                        fprintf(stderr, "fenced: %s\n", store_error(r->store));
                        exit(1);
                }
                UNTIL(store_up(r->store));
        }
}

/* Each of the first `n` batches was done once, and it was the attempt that was answered with 0. */
static void check_done(uint64_t n, const unsigned *attempts)
{
        AUTO_BUF sql = BUF_INIT(1 << 20);

        CHECK(buf_printf(&sql, "CREATE TEMP TABLE told (seq bigint, attempt text);"
                               "INSERT INTO told VALUES (0, '')") == 0);
        for (uint64_t i = 1; i <= n; i++)
                CHECK(buf_printf(&sql, ",(%llu,'%u')", (unsigned long long)i, attempts[i]) == 0);
        CHECK(buf_printf(&sql,
                         ";DO $$ DECLARE r record; BEGIN FOR r IN SELECT seq, attempt,"
                         " told IS NOT NULL AS told, seen IS NOT NULL AS done FROM"
                         " (SELECT * FROM told WHERE seq > 0) told"
                         " FULL JOIN seen USING (seq, attempt)"
                         " WHERE told IS NULL OR seen IS NULL LOOP"
                         " RAISE EXCEPTION 'batch %% attempt %%: told %%, done %%', r.seq,"
                         " r.attempt, r.told, r.done; END LOOP;"
                         " IF (SELECT count(*) FROM seen) <> %llu THEN"
                         " RAISE EXCEPTION 'a batch was done twice'; END IF; END $$;",
                         (unsigned long long)n) == 0);
        CHECK(buf_terminate(&sql) == 0);
        server_sql((const char *)sql.data);
}

#define BATCHES_MAX 2000
static unsigned attempts[BATCHES_MAX + 1];

/* The connection is cut at a byte of the batch or of its answer. */
static void test_cut_anywhere(void)
{
        uint16_t port;
        struct proxy *p = proxy_new(server_port(), &port);
        uint64_t n = full ? 1200 : 120;

        server_sql(watchers);
        rig_up(&A, server_url(port, "sslmode=disable"), "a", 60000);
        CHECK(rig_take(&A)->mine);
        for (uint64_t i = 1; i <= n; i++) {
                if (rig_random(2))
                        proxy_arm_up(p, PROXY_CUT, (long)rig_random(1800));
                else
                        proxy_arm_down(p, PROXY_CUT, (long)rig_random(220));
                attempts[i] = put_surely(&A, i);
                proxy_arm_up(p, PROXY_NONE, 0);
                proxy_arm_down(p, PROXY_NONE, 0);
        }
        check_done(n, attempts);
        fprintf(stderr, "    %llu batches, %u cuts\n", (unsigned long long)n, proxy_faults(p));
        CHECK(proxy_faults(p) > n / 3);
        store_lease_release(A.store);
        rig_close(&A);
        proxy_free(p);
}

/*
 * The client is cut off, reads back that its batch is not there, and gives another; then the first
 * one arrives. It must do nothing: it was said not to be there.
 */
static void test_late(void)
{
        uint16_t port;
        struct proxy *p = proxy_new(server_port(), &port);

        server_sql(watchers);
        rig_up(&A, server_url(port, "sslmode=disable"), "a", 60000);
        CHECK(rig_take(&A)->mine);
        for (uint64_t i = 1; i <= 6; i++) {
                proxy_arm_up(p, PROXY_LATE, i % 2 ? 0 : 5);
                CHECK_INT(put_batch(&A, i, 1), -EAGAIN);
                UNTIL(store_up(A.store));
                if (i > 3)
                        proxy_deliver(p);
                attempts[i] = 2;
                CHECK_INT(put_batch(&A, i, 2), 0);
                if (i <= 3)
                        proxy_deliver(p);
        }
        check_done(6, attempts);
        store_lease_release(A.store);
        rig_close(&A);
        proxy_free(p);
}

/* The server ends the connection, at moments of its own choice. */
static void test_terminated(void)
{
        static const char end_all[] =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ws';\n";
        char command[600];
        uint64_t n = full ? 2000 : 400;
        FILE *f;

        server_sql(watchers);
        rig_up(&A, direct(), "a", 60000);
        CHECK(rig_take(&A)->mine);
        (void)snprintf(command, sizeof(command), "'%s' '%s' sql", POSTGRES_SCRIPT,
                       server_file("."));
        f = popen(command, "we");
        CHECK(f);
        for (uint64_t i = 1; i <= n; i++) {
                if (rig_random(8) == 0)
                        CHECK(fputs(end_all, f) >= 0 && fflush(f) == 0);
                attempts[i] = put_surely(&A, i);
        }
        CHECK_INT(pclose(f), 0);
        UNTIL(store_up(A.store));
        check_done(n, attempts);
        fprintf(stderr, "    %llu batches, %u connections ended\n", (unsigned long long)n, A.downs);
        CHECK(A.downs > 5);
        store_lease_release(A.store);
        rig_close(&A);
}

/* Stopped gently and brutally, in the middle of batches; started again. */
static void test_server_restart(void)
{
        static const char *const modes[] = {"stop fast", "stop immediate"};
        uint64_t n = 0;

        server_sql(watchers);
        rig_up(&A, direct(), "a", 60000);
        CHECK(rig_take(&A)->mine);
        for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
                struct audit_row row = {.seq = ++n, .detail = "1"};
                int result;

                CHECK(store_begin(A.store) == 0);
                CHECK(store_audit(A.store, &row) == 0);
                A.done = false;
                result = store_commit(A.store, NULL, NULL); /* nobody waits for it */
                CHECK_INT(result, STORE_PENDING);
                server_do(modes[i]);
                UNTIL(!store_up(A.store));
                CHECK(strstr(A.error, "server"));
                CHECK_INT(rig_set(&A, "x", "y") < 0, 1);
                server_do("start");
                UNTIL(store_up(A.store));
                attempts[n + 1] = put_surely(&A, n + 1);
                n++;
        }
        CHECK_INT(server_number("SELECT count(DISTINCT seq) - count(*) FROM seen"), 0);
        CHECK(server_number("SELECT count(*) FROM seen WHERE seq IN (2, 4)") == 2);
        store_lease_release(A.store);
        rig_close(&A);
}

#define RACE_LEASE_MS 60

/* Two connections want it all the time: the database never has two holders, nor do the clocks. */
static void test_race(void)
{
        struct rig *both[2] = {&A, &B};
        unsigned taken = 0, rounds = full ? 3000 : 300;
        uint64_t epoch = 0;

        server_sql(watchers);
        rig_up(&A, direct(), "a0", RACE_LEASE_MS);
        rig_up(&B, direct(), "b0", RACE_LEASE_MS);
        for (unsigned i = 0; i < rounds; i++) {
                struct rig *r = both[rig_random(2)];
                int asked;

                /* A holder is often too late to renew. */
                if (!r->lease.mine || rig_random(4) == 0) {
                        asked = store_lease_take(r->store);
                        CHECK(asked == 0 || asked == -EBUSY || asked == -ENOTCONN);
                }
                if (rig_random(3) == 0) {
                        asked = store_lease_take(B.lease.mine ? A.store : B.store);
                        CHECK(asked == 0 || asked == -EBUSY || asked == -ENOTCONN);
                }
                rig_pass(rig_random(40));
                CHECK(!(A.lease.mine && B.lease.mine && mono_before(mono_read(), A.lease.until) &&
                        mono_before(mono_read(), B.lease.until)));
                for (size_t k = 0; k < 2; k++) {
                        char name[STORE_HOLDER_SIZE];

                        if (both[k]->lease.mine && both[k]->lease.epoch > epoch) {
                                epoch = both[k]->lease.epoch;
                                taken++;
                        }
                        /* Who has lost it is another one when it comes again. */
                        if (both[k]->lease.mine && mono_before(both[k]->lease.until, mono_read())) {
                                (void)snprintf(name, sizeof(name), "%c%u", k ? 'b' : 'a', i + 1);
                                rig_close(both[k]);
                                rig_up(both[k], direct(), name, RACE_LEASE_MS);
                        }
                }
        }
        fprintf(stderr, "    %u epochs\n", taken);
        CHECK(taken > rounds / 30);
        CHECK(server_number("SELECT count(*) FROM changes") >= (long)taken);
        CHECK_INT(server_number(
                          "SELECT count(*) FROM changes WHERE at < expired OR after <> before + 1"),
                  0);
        rig_close(&A);
        rig_close(&B);
}

static void test_lease_life(void)
{
        mono_t until;

        server_sql(watchers);
        rig_up(&A, direct(), "a", 300);
        rig_up(&B, direct(), "b", 300);
        CHECK(rig_take(&A)->mine);
        until = A.lease.until;
        CHECK(!rig_take(&B)->mine);
        CHECK_STR(B.lease.holder, "a");
        CHECK_INT(B.lease.epoch, A.lease.epoch);
        CHECK_STR(B.lease.addresses, "tcp://here:1,tcp://there:2");
        CHECK(mono_before(B.lease.until, mono_add_ms(until, 200)));
        rig_pass(100);
        CHECK(rig_take(&A)->mine); /* renewed */
        CHECK(mono_before(until, A.lease.until));
        UNTIL(rig_take(&B)->mine); /* A stays silent: stolen after its end */
        CHECK(mono_before(A.lease.until, mono_read()));
        CHECK_INT(B.lease.epoch, A.lease.epoch + 1);
        CHECK_INT(put_batch(&A, 1, 1), STORE_FENCED);
        CHECK(!rig_take(&A)->mine);
        CHECK_INT(put_batch(&A, 1, 2), STORE_FENCED); /* it knows by now */
        CHECK_INT(put_batch(&B, 2, 1), 0);
        store_lease_release(B.store);
        CHECK(!rig_take(&A)->mine); /* lost for good: what it knows is old */
        rig_close(&A);
        rig_up(&A, direct(), "a", 300);
        CHECK(rig_take(&A)->mine); /* at once after the release */
        CHECK_INT(server_number("SELECT count(*) FROM seen WHERE seq = 1"), 0);
        CHECK_INT(server_number("SELECT count(*) FROM seen WHERE claimed <> epoch::text"), 0);
        rig_close(&A);
        rig_close(&B);
}

/* The holder freezes in the middle of sending a batch: the takeover does not wait for it. */
static void test_frozen_sender(void)
{
        uint16_t port;
        struct proxy *p = proxy_new(server_port(), &port);

        for (unsigned i = 0; i < (full ? 40u : 8u); i++) {
                struct audit_row row = {.seq = i + 1, .detail = "frozen"};

                server_sql(watchers);
                rig_up(&A, server_url(port, "sslmode=disable"), "a", 300);
                rig_up(&B, direct(), "b", 300);
                CHECK(rig_take(&A)->mine);
                if (i % 4 == 3)
                        proxy_arm_down(p, PROXY_HOLD, (long)rig_random(100));
                else
                        proxy_arm_up(p, PROXY_HOLD, (long)rig_random(300));
                (void)snprintf(row.actor, sizeof(row.actor), "%llu",
                               (unsigned long long)A.lease.epoch);
                CHECK(store_begin(A.store) == 0);
                CHECK(store_audit(A.store, &row) == 0);
                CHECK_INT(store_commit(A.store, NULL, NULL), STORE_PENDING);
                UNTIL(proxy_faults(p) == i + 1 || rig_take(&B)->mine);
                UNTIL(B.lease.mine || rig_take(&B)->mine);
                CHECK_INT(put_batch(&B, 1000 + i, 1), 0);
                rig_close(&A);
                rig_close(&B);
        }
        CHECK_INT(server_number("SELECT count(*) FROM seen WHERE claimed <> epoch::text"), 0);
        proxy_free(p);
}

/* The child leads and writes without a pause; the end of its lease ends it. */
static void lead_until_fenced(void)
{
        int asked = 0, r = 0;

        CHECK(loop_new(&loop) == 0);
        rig_up(&A, direct(), "child", 400);
        CHECK(rig_take(&A)->mine);
        for (uint64_t i = 1; r != STORE_FENCED; i++) {
                r = put_batch(&A, i, 1);
                if (i % 10 == 0)
                        asked = store_lease_take(A.store);
                CHECK(asked == 0 || asked == -EBUSY || asked == -ENOTCONN);
                if (r < 0)
                        UNTIL(store_up(A.store));
        }
        _exit(42);
}

/* A real process is stopped by SIGSTOP anywhere, and goes on after somebody else has taken over. */
static void test_frozen_process(void)
{
        int64_t worst_ms = 0;

        for (unsigned i = 0; i < (full ? 40u : 5u); i++) {
                int status = 0;
                mono_t stopped;
                pid_t pid;

                server_sql(watchers);
                pid = fork();
                if (pid == 0)
                        lead_until_fenced();
                rig_up(&B, direct(), "parent", 400);
                UNTIL(server_number("SELECT count(*) FROM seen") > 0); /* the child leads */
                rig_pass(200 + rig_random(200));
                CHECK(kill(pid, SIGSTOP) == 0);
                stopped = mono_read();
                while (!rig_take(&B)->mine) {
                        CHECK(mono_diff_ms(stopped, mono_read()) < 30000);
                        rig_pass(10);
                }
                worst_ms = MAX(worst_ms, mono_diff_ms(stopped, mono_read()));
                CHECK_INT(put_batch(&B, 1000000 + i, 1), 0);
                CHECK(kill(pid, SIGCONT) == 0);
                CHECK(waitpid(pid, &status, 0) == pid);
                CHECK_INT(WEXITSTATUS(status), 42);
                CHECK(server_number("SELECT count(*) FROM seen") > 1);
                CHECK_INT(server_number("SELECT count(*) FROM seen WHERE claimed <> epoch::text"),
                          0);
                rig_close(&B);
        }
        fprintf(stderr, "    lease 400 ms; SIGSTOP to takeover at most %lld ms\n",
                (long long)worst_ms);
}

static void in_the_clear(void)
{
        contract_run(direct());
}

static void by_tls(void)
{
        char tls[600];

        (void)snprintf(tls, sizeof(tls), "sslmode=verify-full&sslrootcert=%s",
                       server_file("ca.pem"));
        contract_run(server_url(server_port(), tls));
}

/* `only`: the name of one case, NULL: all. */
static void run_all(const char *only)
{
        static const struct {
                const char *name;
                void (*fn)(void);
        } cases[] = {
                {"errors", errors_run},
                {"in_the_clear", in_the_clear},
                {"by_tls", by_tls},
                {"lease_life", test_lease_life},
                {"race", test_race},
                {"late", test_late},
                {"frozen_sender", test_frozen_sender},
                {"frozen_process", test_frozen_process},
                {"cut_anywhere", test_cut_anywhere},
                {"terminated", test_terminated},
                {"server_restart", test_server_restart},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                if (only && strcmp(only, cases[i].name) != 0)
                        continue;
                fprintf(stderr, "  %s\n", cases[i].name);
                cases[i].fn();
        }
}

int main(void)
{
        setvbuf(stderr, NULL, _IOLBF, 0);
        full = test_full();
        rig_seed();
        CHECK(loop_new(&loop) == 0);
        server_init(POSTGRES_SCRIPT);
        password_file = server_file("password");
        rig_up(&A, direct(), "first", 5000); /* makes the tables */
        rig_close(&A);
        run_all(getenv("WS_TEST_CASE"));
        loop_free(loop);
        return 0;
}
