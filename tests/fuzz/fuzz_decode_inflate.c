/*
 * Any bytes as compressed messages, and as the response's header that says what was agreed. The
 * first byte: bit 0 no context takeover, bit 1 a good message comes first, so that there is a
 * window; the rest splits. A byte 0xfe in the input ends a message (it stays in it, too).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
        uint64_t hash, bytes;
};

static bool on_bytes(void *ctx, const uint8_t *data, size_t len)
{
        struct sum *s = ctx;

        assert(len > 0);
        for (size_t i = 0; i < len; i++)
                s->hash = (s->hash ^ data[i]) * 1099511628211u;
        s->bytes += len;
        /* A bomb costs time; here it shall not. */
        return s->bytes < 1 << 22;
}

static bool run(const uint8_t *data, size_t size, size_t step, uint8_t flags, struct sum *s)
{
        struct inflate_terms terms = {true, flags & 1, flags & 4 ? 15 : 9};
        struct inflate *z;
        bool good = true;

        if (inflate_new(&terms, &z) < 0)
                abort();
        if (flags & 2)
                good = inflate_feed(z, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, on_bytes, s) &&
                       inflate_end(z, on_bytes, s);
        assert(good);
        while (size > 0) {
                const uint8_t *end = memchr(data, 0xfe, size);
                size_t len = end ? (size_t)(end - data) + 1 : size;

                for (size_t at = 0; at < len; at += step) {
                        bool was = good;

                        good = inflate_feed(z, data + at, len - at < step ? len - at : step,
                                            on_bytes, s);
                        assert(was || !good);
                }
                good = inflate_end(z, on_bytes, s);
                data += len;
                size -= len;
        }
        assert(inflate_memory(z) <= INFLATE_MEMORY_MAX);
        z = inflate_free(z);
        return good;
}

static void try_terms(const uint8_t *data, size_t size)
{
        static struct http_head h;
        static char text[HTTP_HEAD_MAX];
        struct inflate_terms t = {0};
        int n;

        if (size > 200)
                return;
        n = snprintf(text, sizeof(text),
                     "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Extensions: %.*s\r\n\r\n",
                     (int)size, (const char *)data);
        http_head_init(&h, HTTP_RESPONSE);
        if (http_head_parse(&h, text, (size_t)n) == 0 && inflate_terms_of(&h, &t))
                assert(t.window_bits >= 8 && t.window_bits <= 15);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sum whole = {0}, split = {0};
        bool good;

        if (size < 2)
                return 0;
        try_terms(data, size);
        good = run(data + 1, size - 1, size, data[0], &whole);
        assert(good == run(data + 1, size - 1, data[0] / 8 + 1u, data[0], &split));
        if (good)
                assert(whole.hash == split.hash && whole.bytes == split.bytes);
        return 0;
}
