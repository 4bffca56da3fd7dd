/*
 * First byte: content type and whether the body is chunked. The entries do not depend on how the
 * body is cut.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "decode/beacon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
        "multipart/form-data; boundary=xyz",
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
};

struct sum {
        size_t n;
        uint32_t hash;
};

static void entry(void *ctx, const char *name, size_t len)
{
        struct sum *s = ctx;

        assert(len <= RULES_NAME_MAX);
        for (size_t i = 0; i < len; i++)
                s->hash = s->hash * 31 + (uint8_t)name[i];
        s->hash = s->hash * 31 + 1;
        s->n++;
}

static struct sum run(uint8_t how, const uint8_t *data, size_t size, size_t piece)
{
        static const struct rules rules = {.log_field = "events", .log_key = "event_name"};
        const char *type = types[how % ARRAY_LEN(types)];
        struct sum s = {0};
        struct beacon *b;

        if (beacon_new(&rules, type, strlen(type), how & 0x80, entry, &s, &b) < 0)
                return s;
        for (size_t i = 0; i < size; i += piece) {
                size_t n = MIN(piece, size - i);
                uint8_t *copy = malloc(n);

                assert(copy);
                memcpy(copy, data + i, n);
                beacon_feed(b, copy, n);
                free(copy);
        }
        beacon_free(b);
        return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sum whole, bytes, some;

        if (size < 1)
                return 0;
        whole = run(data[0], data + 1, size - 1, size);
        bytes = run(data[0], data + 1, size - 1, 1);
        some = run(data[0], data + 1, size - 1, 7);
        assert(whole.n == bytes.n && whole.hash == bytes.hash);
        assert(whole.n == some.n && whole.hash == some.hash);
        return 0;
}
