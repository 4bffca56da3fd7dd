/* Any bytes as a message of the extension host's connection, whole and cut off, and as JSON text.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "decode/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(const char *p, size_t n, const void *data, size_t size)
{
        const char *from = data;

        return p >= from && n <= size && p + n <= from + size;
}

static void try_typed(const char *args, size_t len)
{
        uint8_t small[16], big[RULES_ARGS_MAX];
        size_t n_small = 0, n_big = 0;
        bool cut_small, cut_big;

        if (!rpc_typed(args, len, big, sizeof(big), &n_big, &cut_big))
                return;
        assert(rpc_typed(args, len, small, sizeof(small), &n_small, &cut_small));
        assert(n_big <= sizeof(big) && n_small <= sizeof(small) && n_small <= n_big);
        assert(memcmp(small, big, n_small) == 0 && (cut_small || n_small == n_big));
}

static bool try_parse(const uint8_t *data, size_t size, size_t total)
{
        struct rpc_message m;

        if (!rpc_parse(data, size, total, &m))
                return false;
        if (m.what != RPC_REQUEST)
                return true;
        assert(m.name_len >= 2 && m.name[0] == '$' && inside(m.name, m.name_len, data, size));
        assert(m.args_len <= RULES_ARGS_MAX);
        assert(inside(m.args, m.args_len, data, size) ||
               inside(m.args, m.args_len, m.mixed_, sizeof(m.mixed_)));
        try_typed(m.args, m.args_len);
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t *part;
        size_t n;

        if (size == 0)
                return 0;
        try_typed((const char *)data, size);
        n = data[size / 2] % (size + 1);
        part = malloc(n + 1);
        assert(part);
        memcpy(part, data, n);
        if (try_parse(part, n, size))
                assert(try_parse(data, size, size));
        else
                (void)try_parse(data, size, size);
        free(part);
        return 0;
}
