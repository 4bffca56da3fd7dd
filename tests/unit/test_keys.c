/* Keys: made once, the same ever after, each derived one depends on every argument. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "keys.h"
#include "test.h"

static char dir[] = "/tmp/test_keys.XXXXXX";

static void test_load(void)
{
        char path[64];
        struct keys a, b;
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/master.key", dir);
        CHECK(keys_load(path, &a) == 0);
        CHECK(keys_load(path, &b) == 0);
        CHECK(memcmp(&a, &b, sizeof(a)) == 0);
        CHECK(stat(path, &st) == 0);
        CHECK_INT(st.st_mode & 0777, 0600);
        CHECK_INT(st.st_size, 32);
        CHECK(file_write_atomic(path, "short", 5, 0600) == 0);
        CHECK_INT(keys_load(path, &b), -EBADMSG);
        CHECK(memcmp(&a, &b, sizeof(a)) == 0); /* untouched on failure */
        CHECK(file_write_atomic(path,
                                "0123456789012345678901234567890123456789012345678901234567890", 60,
                                0600) == 0);
        CHECK_INT(keys_load(path, &b), -EBADMSG);
        CHECK(unlink(path) == 0);
        CHECK_INT(keys_load("/nonexistent/master.key", &b), -ENOENT);
}

static void test_derive(void)
{
        struct keys k = {{1, 2, 3}};
        struct keys other = {{1, 2, 4}};
        char a[KEYS_HEX], b[KEYS_HEX];

        keys_task_secret(&k, "t-0000000001", a);
        keys_task_secret(&k, "t-0000000001", b);
        CHECK(keys_equal(a, b));
        keys_task_secret(&other, "t-0000000001", b);
        CHECK(!keys_equal(a, b));
        keys_task_secret(&k, "t-0000000002", b);
        CHECK(!keys_equal(a, b));
        keys_gate(&k, "t-0000000001", 0, b); /* another label */
        CHECK(!keys_equal(a, b));
        keys_gate(&k, "ws-a", 1, a);
        keys_gate(&k, "ws-a", 2, b);
        CHECK(!keys_equal(a, b));
        keys_access(&k, "ws-a", 1, b);
        CHECK(!keys_equal(a, b));
        keys_storage(&k, "get", "ws/1-1/data", 10, 0, a);
        keys_storage(&k, "put", "ws/1-1/data", 10, 0, b);
        CHECK(!keys_equal(a, b));
        keys_storage(&k, "get", "ws/1-1/data", 1, 0, b);
        CHECK(!keys_equal(a, b));
        keys_storage(&k, "get", "ws/1-1/data", 10, 1, b);
        CHECK(!keys_equal(a, b));
        /* Where one argument ends and the next begins is part of the text. */
        keys_storage(&k, "get", "x\n1", 1, 0, a);
        keys_storage(&k, "get\nx", "1", 1, 0, b);
        CHECK(!keys_equal(a, b));
        keys_gateway(&k, a);
        CHECK(!keys_equal(a, ""));
        CHECK(!keys_equal(a, "00"));
        CHECK_INT((long long)strlen(a), 64);
}

static bool master_is(const struct keys *k, const uint8_t *bytes)
{
        return memcmp(k->master, bytes, SHA256_LEN) == 0;
}

/* Both are good while it changes; then only the new one is. */
static void test_change(void)
{
        char path[64];
        struct keys old, k, other;
        struct stat st;
        uint64_t oldest_s;

        (void)snprintf(path, sizeof(path), "%s/master.key", dir);
        CHECK_INT(keys_change(path, 1000, 60, 600, KEYS_FORGET_NONE, &oldest_s), -ENOENT);
        CHECK_INT(keys_load(path, &old), 0);
        CHECK(!keys_other(&old, &other) && !keys_before(&old, &other));
        CHECK(!keys_turn(&old, 1000));
        CHECK_INT(keys_change(path, 1000, 60, 600, KEYS_FORGET_NONE, &oldest_s), 0);
        CHECK_INT(keys_change(path, 1659, 60, 600, KEYS_FORGET_NONE, &oldest_s), -EBUSY);
        CHECK(stat(path, &st) == 0);
        CHECK_INT(st.st_mode & 0777, 0600);
        CHECK_INT(st.st_size, 80);
        CHECK_INT(keys_load(path, &k), 0);
        CHECK(!master_is(&k, k.newest));

        CHECK(!keys_turn(&k, 1059));
        CHECK(master_is(&k, old.master) && keys_other(&k, &other) && master_is(&other, k.newest));
        CHECK(keys_turn(&k, 1060) && !keys_turn(&k, 1061));
        CHECK(master_is(&k, k.newest) && keys_other(&k, &other) && master_is(&other, old.master));
        CHECK(keys_turn(&k, 1660));
        CHECK(master_is(&k, k.newest) && !keys_other(&k, &other));
        CHECK(keys_before(&k, &other) && master_is(&other, old.master));
        /* A clock that is set back. */
        CHECK(keys_turn(&k, 1659) && keys_other(&k, &other));

        CHECK_INT(keys_change(path, 1660, 60, 600, KEYS_FORGET_NONE, &oldest_s), 0);
        CHECK_INT(keys_load(path, &other), 0);
        CHECK(memcmp(other.before, k.newest, SHA256_LEN) == 0);
        CHECK(unlink(path) == 0);
}

/* Earlier keys are kept, each for the tasks of its time, until they are forgotten. */
static void test_older(void)
{
        uint8_t made[KEYS_OLDER_MAX + 3][SHA256_LEN];
        char path[64];
        struct keys k, got;
        uint64_t oldest_s = 0;
        int n = 0;

        (void)snprintf(path, sizeof(path), "%s/master.key", dir);
        CHECK_INT(keys_load(path, &k), 0);
        memcpy(made[n++], k.newest, SHA256_LEN);
        for (; n < KEYS_OLDER_MAX + 2; n++) {
                CHECK_INT(
                        keys_change(path, (uint64_t)n * 1000, 0, 500, KEYS_FORGET_NONE, &oldest_s),
                        0);
                CHECK_INT(keys_load(path, &k), 0);
                memcpy(made[n], k.newest, SHA256_LEN);
        }
        CHECK_INT(k.n_older, KEYS_OLDER_MAX);
        for (unsigned i = 0; i < k.n_older; i++) {
                uint64_t turn_s = (uint64_t)(n - 2 - (int)i) * 1000;

                CHECK(keys_of_task(&k, turn_s - 1, i, &got) &&
                      master_is(&got, made[n - 3 - (int)i]));
                CHECK(!keys_of_task(&k, turn_s, i, &got));
        }
        CHECK(!keys_of_task(&k, 0, k.n_older, &got));
        keys_oldest(&k, &got);
        CHECK(master_is(&got, made[0]));
        /* What another reads of it. */
        got = (struct keys){0};
        keys_reread(&got, &k);
        CHECK(got.n_older == k.n_older && memcmp(got.older, k.older, sizeof(k.older)) == 0);

        CHECK_INT(keys_change(path, 100000, 0, 500, KEYS_FORGET_NONE, &oldest_s), -ENOSPC);
        CHECK_INT((long long)oldest_s, 1000);
        CHECK_INT(keys_change(path, 100000, 0, 500, 99001, &oldest_s), -ENOSPC);
        CHECK_INT(keys_change(path, 100000, 0, 500, 99000, &oldest_s), 0);
        CHECK_INT(keys_load(path, &k), 0);
        CHECK_INT(k.n_older, KEYS_OLDER_MAX);
        keys_oldest(&k, &got);
        CHECK(master_is(&got, made[1]));
        CHECK_INT(keys_change(path, 200000, 0, 500, 0, &oldest_s), 0);
        CHECK_INT(keys_load(path, &k), 0);
        CHECK_INT(k.n_older, 0);
        CHECK(unlink(path) == 0);
}

int main(void)
{
        CHECK(mkdtemp(dir));
        RUN(test_change);
        RUN(test_older);
        RUN(test_load);
        RUN(test_derive);
        CHECK(rmdir(dir) == 0);
        return 0;
}
