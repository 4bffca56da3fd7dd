/* Any bytes as a message of the management connection, whole and cut off, and as its arguments. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "decode/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(const uint8_t *p, size_t n, const uint8_t *data, size_t size)
{
        return p >= data && n <= size && p + n <= data + size;
}

static void try_typed(const uint8_t *args, size_t len)
{
        const uint8_t *text;
        size_t n;
        bool cut;

        if (ipc_typed(args, len, &text, &n, &cut))
                assert(inside(text, n, args, len) && (!cut || text + n == args + len));
}

static bool try_parse(const uint8_t *data, size_t size, size_t total, struct ipc_message *m)
{
        if (!ipc_parse(data, size, total, m))
                return false;
        assert(m->name_len <= RULES_NAME_MAX && m->args_len <= RULES_ARGS_MAX);
        if (m->what == IPC_OTHER) {
                assert(m->name_len == 0 && m->args_len == 0);
                return true;
        }
        assert(m->name_len >= 3);
        assert(m->name_len == RULES_NAME_MAX || memchr(m->name, '.', m->name_len));
        assert(inside(m->args, m->args_len, data, size));
        try_typed(m->args, m->args_len);
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct ipc_message whole, cut;
        uint8_t *part;
        size_t n;

        if (size == 0)
                return 0;
        try_typed(data, size);
        n = data[size / 2] % (size + 1);
        part = malloc(n + 1);
        assert(part);
        memcpy(part, data, n);
        /* What is found in the beginning is found in the whole. */
        if (try_parse(part, n, size, &cut)) {
                assert(try_parse(data, size, size, &whole));
                assert(cut.what == whole.what && cut.name_len == whole.name_len);
                assert(memcmp(cut.name, whole.name, cut.name_len) == 0);
                assert(cut.args_len <= whole.args_len);
        } else {
                (void)try_parse(data, size, size, &whole);
        }
        free(part);
        return 0;
}
