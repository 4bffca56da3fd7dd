/* The contract on an SQLite file. What only SQLite can do wrong is in tests/unit/test_store.c. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract.h"
#include "rig.h"
#include "test.h"

int main(void)
{
        char dir[] = "/tmp/store_sqlite.XXXXXX";
        char path[64];
        const char *suffixes[] = {"", "-wal", "-shm"};

        CHECK(mkdtemp(dir));
        (void)snprintf(path, sizeof(path), "%s/state.db", dir);
        CHECK(loop_new(&loop) == 0);
        contract_run(path);
        loop_free(loop);
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
                (void)snprintf(path, sizeof(path), "%s/state.db%s", dir, suffixes[i]);
                (void)unlink(path);
        }
        CHECK(rmdir(dir) == 0);
        return 0;
}
