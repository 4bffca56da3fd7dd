#include "test_postgres.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "rig.h"
#include "server.h"
#include "test.h"

static struct rig R;

/* It does not come up, for this reason, in words that name the cause and the cure. */
static void expect(const char *url, int result, const char *cause, const char *cure)
{
        CHECK_INT(rig_open(&R, url, "test", 5000), 0);
        UNTIL(R.up != 1);
        if (R.up != result || !strstr(R.error, cause) || !strstr(R.error, cure)) {
                fprintf(stderr, "%d, %s: does not say \"%s\" and \"%s\" (%d)\n", R.up, R.error,
                        cause, cure, result);
                exit(1);
        }
        CHECK(!store_up(R.store));
        CHECK_INT(store_lease_take(R.store), -ENOTCONN);
        rig_close(&R);
}

static void expect_refused(const char *url, const char *cause)
{
        CHECK_INT(rig_open(&R, url, "test", 5000), -EINVAL);
        if (!strstr(R.error, cause)) {
                fprintf(stderr, "%s: does not say \"%s\"\n", R.error, cause);
                exit(1);
        }
}

static void test_url(void)
{
        expect_refused("postgresql://ws:secret@127.0.0.1/ws", "store_password_file");
        CHECK(!strstr(R.error, "secret"));
        expect_refused("postgresql://127.0.0.1/ws?password=secret", "store_password_file");
        expect_refused("postgresql://127.0.0.1/ws?nonsense=1", "cannot be read");
}

static void test_login(void)
{
        const char *good = password_file;
        const char *wrong = server_file("wrong");

        CHECK(file_write_atomic(wrong, "wrong\n", 6, 0600) == 0);
        password_file = wrong;
        expect(server_url(server_port(), NULL), -EACCES, "password authentication failed",
               "store_password_file");
        password_file = server_file("missing");
        expect(server_url(server_port(), NULL), -EACCES, "No such file", "readable");
        password_file = "";
        expect(server_url(server_port(), NULL), -EACCES, "no password supplied",
               "store_password_file");
        password_file = good;
        expect("postgresql://nobody@127.0.0.1/ws", -EAGAIN, "refused", "start the server");
}

/* The password is read at each connect: a new one is found without a new start. */
static void test_rotation(void)
{
        const char *good = password_file;
        const char *turning = server_file("turning");
        AUTO_BUF content = BUF_INIT(1024);

        CHECK(file_read(good, &content) == 0);
        CHECK(file_write_atomic(turning, "old\n", 4, 0600) == 0);
        password_file = turning;
        CHECK_INT(rig_open(&R, server_url(server_port(), NULL), "test", 5000), 0);
        UNTIL(R.up == -EACCES);
        CHECK(file_write_atomic(turning, content.data, content.len, 0600) == 0);
        UNTIL(R.up == 0);
        rig_close(&R);
        password_file = good;
}

static void test_places(void)
{
        char url[256];

        (void)snprintf(url, sizeof(url), "postgresql://ws@127.0.0.1:%u/missing", server_port());
        expect(url, -EACCES, "database \"missing\" does not exist", "create the database");
        expect("postgresql://ws@127.0.0.1:1/ws", -EAGAIN, "refused", "start the server");
        expect("postgresql:///ws?host=/nonexistent", -EAGAIN, "No such file", "start the server");
        server_sql("CREATE DATABASE closed; REVOKE ALL ON DATABASE closed FROM public;");
        (void)snprintf(url, sizeof(url), "postgresql://ws@127.0.0.1:%u/closed", server_port());
        expect(url, -EACCES, "permission denied", "let the user");
        server_sql("GRANT CONNECT ON DATABASE closed TO ws;");
        expect(url, -EACCES, "permission denied", "create and change tables");
}

static void test_tls(void)
{
        char options[600];

        (void)snprintf(options, sizeof(options), "sslmode=verify-full&sslrootcert=%s",
                       server_file("other-ca.pem"));
        expect(server_url(server_port(), options), -EACCES, "certificate verify failed",
               "sslrootcert");
        (void)snprintf(options, sizeof(options), "sslmode=verify-full&sslrootcert=%s",
                       server_file("no-ca.pem"));
        expect(server_url(server_port(), options), -EACCES, "does not exist", "sslrootcert");
        server_do("stop");
        server_do("start -c ssl=off");
        expect(server_url(server_port(), "sslmode=require"), -EACCES, "does not support SSL",
               "turn TLS on");
        server_do("stop");
        server_do("start");
}

static void test_layout(void)
{
        long version = server_number("SELECT version FROM layout");

        server_sql("UPDATE layout SET version = 99;");
        expect(server_url(server_port(), NULL), -EPROTO, "newer version", "run the newer");
        server_sql("DELETE FROM layout;");
        expect(server_url(server_port(), NULL), -EAGAIN, "layout is empty", "");
        CHECK(version > 0);
        /* As it was before there were homes. */
        server_sql("INSERT INTO layout VALUES (1); ALTER TABLE workspace DROP COLUMN home,"
                   " DROP COLUMN human_at;");
        rig_up(&R, server_url(server_port(), NULL), "test", 5000);
        server_sql("INSERT INTO task VALUES ('t-1','x','dancing',0,'','','',0,0,'',0);");
        CHECK_INT(rig_load(&R), -EUCLEAN);
        CHECK(strstr(store_error(R.store), "\"t-1\" of the table task"));
        server_sql("DELETE FROM task; INSERT INTO setting VALUES (repeat('x', 1000), '');");
        CHECK_INT(rig_load(&R), -EUCLEAN);
        server_sql("DELETE FROM setting;");
        CHECK_INT(rig_load(&R), 0);
        rig_close(&R);
}

/* Controllers that start on an empty database at the same moment. */
static void test_migration_race(void)
{
        static struct rig many[4];

        for (int round = 0; round < 8; round++) {
                server_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION ws;");
                for (size_t i = 0; i < ARRAY_LEN(many); i++)
                        CHECK(rig_open(&many[i], server_url(server_port(), NULL), "test", 5000) ==
                              0);
                for (size_t i = 0; i < ARRAY_LEN(many); i++)
                        UNTIL(store_up(many[i].store));
                for (size_t i = 0; i < ARRAY_LEN(many); i++)
                        rig_close(&many[i]);
                CHECK_INT(server_number("SELECT count(*) FROM layout"), 1);
                CHECK_INT(server_number("SELECT count(*) FROM lease"), 1);
        }
}

void errors_run(void)
{
        RUN(test_url);
        RUN(test_login);
        RUN(test_rotation);
        RUN(test_places);
        RUN(test_tls);
        RUN(test_migration_race);
        RUN(test_layout);
}
