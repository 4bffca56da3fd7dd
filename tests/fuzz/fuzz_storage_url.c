/*
 * Addresses that anyone may send to the storage server. What is taken with the right signature is
 * written again byte by byte; and no input has the right signature by chance.
 */
#include <assert.h>
#include <string.h>

#include "out/storage_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct keys keys = {.master = {1, 2, 3}};

static void same(const struct http_span target, struct buf *b)
{
        assert(b->len == target.len && memcmp(b->data, target.at, b->len) == 0);
        buf_clear(b);
}

/* As the one that would be signed: the rest of the address is judged alike. */
static void with_signature(const uint8_t *data, size_t size)
{
        AUTO_BUF b = BUF_INIT(STORAGE_TARGET_MAX);
        struct http_span target = {(const char *)data, size};
        struct storage_object o;
        struct storage_grant g;

        if (storage_grant_read(&keys, target, &g) == 0) {
                assert(storage_grant_write(&keys, &g, &b) == 0);
                same(target, &b);
        }
        if (storage_object_read(&keys, target, &o) == 0) {
                assert(storage_object_write(&keys, &o, &b) == 0);
                same(target, &b);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        AUTO_BUF b = BUF_INIT(STORAGE_TARGET_MAX);
        struct storage_grant g = {.op = BLOB_OP_PUT, .workspace = "ws-a", .generation = 1};

        with_signature(data, size);
        if (size < 16)
                return 0;
        memcpy(&g.seq, data, 8);
        memcpy(&g.max_bytes, data + 8, 8);
        g.seq = g.seq % (UINT64_C(1) << 53) + 1;
        g.max_bytes >>= 1;
        assert(storage_grant_write(&keys, &g, &b) == 0);
        with_signature(b.data, b.len);
        b.data[size % b.len] ^= 1;
        assert(storage_grant_read(&keys, (struct http_span){(char *)b.data, b.len}, &g) < 0);
        return 0;
}
