/*
 * Any bytes as a chunked body. Scan and decoder agree, splitting changes nothing, and an accepted
 * body, decoded and encoded again plainly, has the same data.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "http/chunk.h"
#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A slow reader of the same grammar, written to be compared. Bytes used, or -1 when not accepted.
 */
static long plain_read(const uint8_t *p, size_t size, struct buf *out)
{
        size_t i = 0;

        for (;;) {
                uint64_t n = 0;
                size_t digits = 0;

                for (; i < size && digits < 16; i++, digits++) {
                        uint8_t c = p[i];
                        int v = c >= '0' && c <= '9'   ? c - '0'
                                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                       : -1;
                        if (v < 0)
                                break;
                        n = n * 16 + (uint64_t)v;
                }
                if (digits == 0 || digits > 15 || size - i < 2 || memcmp(p + i, "\r\n", 2) != 0)
                        return -1;
                i += 2;
                if (n > size - i || size - i - n < 2 || memcmp(p + i + n, "\r\n", 2) != 0)
                        return -1;
                assert(buf_append(out, p + i, n) == 0);
                i += n + 2;
                if (n == 0)
                        return (long)i;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct http_chunk whole = HTTP_CHUNK_INIT, split = HTTP_CHUNK_INIT, dec = HTTP_CHUNK_INIT;
        AUTO_BUF out = BUF_INIT(size + 1);
        AUTO_BUF want = BUF_INIT(size + 1);
        size_t at = size ? data[size / 2] % (size + 1) : 0;
        size_t used, used2, more, pos = 0;
        long plain = plain_read(data, size, &want);
        int r = http_chunk_scan(&whole, data, size, &used);
        int r2 = http_chunk_scan(&split, data, at, &used2);

        assert(used <= size);
        if (r2 == HTTP_MORE) {
                assert(used2 == at);
                r2 = http_chunk_scan(&split, data + at, size - at, &more);
                used2 += more;
        }
        assert(r == r2 && used == used2);
        assert((r == HTTP_CHUNK_REFUSED) == (whole.reason != NULL));
        assert(r != HTTP_MORE || used == size);
        assert((plain >= 0) == (r == 0));
        if (r != 0)
                return 0;
        assert((size_t)plain == used);
        do {
                size_t n_used, data_at, data_len;

                r = http_chunk_next(&dec, data + pos, size - pos, &n_used, &data_at, &data_len);
                assert(data_at + data_len <= n_used);
                assert(buf_append(&out, data + pos + data_at, data_len) == 0);
                pos += n_used;
        } while (r == HTTP_MORE);
        assert(r == 0 && pos == used && out.len == want.len);
        assert(out.len == 0 || memcmp(out.data, want.data, out.len) == 0);
        return 0;
}
