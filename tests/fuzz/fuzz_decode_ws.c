/*
 * Any bytes as a client's WebSocket frames; the first byte says whether an extension was agreed and
 * where the bytes are split. What comes out must not depend on the split, and the bytes stay as
 * they are.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "decode/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
        uint64_t hash, bytes, ends;
};

static bool on_payload(void *ctx, const uint8_t *data, size_t len, bool compressed)
{
        struct sum *s = ctx;

        assert(len > 0 && len <= WS_PIECE_MAX);
        for (size_t i = 0; i < len; i++)
                s->hash = (s->hash ^ data[i] ^ (compressed ? 256u : 0u)) * 1099511628211u;
        s->bytes += len;
        return true;
}

static bool on_end(void *ctx, bool compressed)
{
        struct sum *s = ctx;

        s->hash = (s->hash ^ (compressed ? 513u : 512u)) * 1099511628211u;
        s->ends++;
        return true;
}

static bool run(const uint8_t *data, size_t size, size_t step, bool extension, struct sum *s)
{
        struct ws_sink sink = {on_payload, on_end, s};
        bool good = true;
        struct ws w;

        ws_init(&w, extension);
        for (size_t at = 0; at < size; at += step) {
                bool was = good;

                good = ws_feed(&w, data + at, size - at < step ? size - at : step, &sink);
                assert(was || !good);
        }
        assert(good == !w.reason);
        return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sum whole = {0}, split = {0};
        uint8_t *copy;
        bool good;

        if (size < 2)
                return 0;
        copy = malloc(size);
        assert(copy);
        memcpy(copy, data, size);
        good = run(copy + 1, size - 1, size, data[0] & 1, &whole);
        assert(good == run(copy + 1, size - 1, data[0] / 2 + 1u, data[0] & 1, &split));
        assert(whole.hash == split.hash && whole.bytes == split.bytes && whole.ends == split.ends);
        assert(whole.bytes <= size && memcmp(copy, data, size) == 0);
        free(copy);
        return 0;
}
