/*
 * Any bytes as a request and as a response head. What is accepted must be beyond doubt, the verdict
 * must not depend on how the bytes were split, and a rebuilt head must mean the same.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "http/head.h"
#include "http/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_span(struct http_span a, struct http_span b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* No byte of an accepted head may be one that two readers could take differently. */
static void check_bytes(const struct http_head *h)
{
        assert(h->length <= HTTP_HEAD_MAX);
        for (size_t i = 0; i < h->length; i++) {
                unsigned char c = (unsigned char)h->base[i];

                if (c == '\n')
                        assert(i > 0 && h->base[i - 1] == '\r');
                else if (c == '\r')
                        assert(i + 1 < h->length && h->base[i + 1] == '\n');
                else
                        assert((c >= ' ' && c != 0x7f) || c == '\t');
        }
        assert(memcmp(h->base + h->length - 4, "\r\n\r\n", 4) == 0);
        /* One empty line, at the end: no folded lines, no second head inside. */
        assert(memmem(h->base, h->length, "\r\n\r\n", 4) == h->base + h->length - 4);
        assert(!memmem(h->base, h->length, "\r\n ", 3) && !memmem(h->base, h->length, "\r\n\t", 3));
}

static void check_framing(const struct http_head *h)
{
        size_t lengths = http_head_count(h, "Content-Length");
        size_t codings = http_head_count(h, "Transfer-Encoding");

        assert(lengths <= 1 && codings <= 1 && lengths + codings <= 1);
        assert(h->has_content_length == (lengths == 1) && h->chunked == (codings == 1));
        assert(!h->chunked || h->minor == 1);
        if (h->kind == HTTP_RESPONSE)
                return;
        assert(http_head_count(h, "Host") == 1 && h->host.len > 0);
        assert(h->target.len > 0 && h->target.at[0] == '/' && h->method.len > 0);
        assert(!(h->upgrade && h->body != HTTP_BODY_NONE));
}

static void check_rebuilt(const struct http_head *h)
{
        static struct http_head again;
        AUTO_BUF out = BUF_INIT(4 * HTTP_HEAD_MAX);
        int r;

        assert(http_head_write(h, NULL, &out) == 0);
        if (out.len > HTTP_HEAD_MAX)
                return; /* "a:b" became "a: b" at the limit */
        http_head_init(&again, h->kind);
        r = http_head_parse(&again, out.data, out.len);
        assert(r == 0 && again.length == out.len);
        assert(same_span(h->method, again.method) && same_span(h->target, again.target));
        assert(h->status == again.status && h->minor == again.minor && h->body == again.body);
        assert(h->content_length == again.content_length && h->keep_alive == again.keep_alive);
        assert(h->upgrade == again.upgrade && h->n_fields == again.n_fields);
        for (size_t i = 0; i < h->n_fields; i++) {
                assert(same_span(http_field_name(h, i), http_field_name(&again, i)));
                assert(same_span(http_field_value(h, i), http_field_value(&again, i)));
        }
}

static void try_kind(enum http_kind kind, const uint8_t *data, size_t size)
{
        static struct http_head whole, split;
        size_t at = size ? data[size / 2] % (size + 1) : 0;
        int r, r2;

        http_head_init(&whole, kind);
        r = http_head_parse(&whole, data, size);
        http_head_init(&split, kind);
        r2 = http_head_parse(&split, data, at);
        if (r2 == HTTP_MORE)
                r2 = http_head_parse(&split, data, size);
        assert(r == r2);
        if (r == HTTP_REFUSED) {
                assert(whole.refuse_status == split.refuse_status);
                assert(whole.refuse_reason && whole.refuse_reason == split.refuse_reason);
        }
        if (r != 0)
                return;
        http_head_rebase(&split, data);
        assert(whole.length == split.length && whole.body == split.body);
        check_bytes(&whole);
        check_framing(&whole);
        check_rebuilt(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* A body behind the head is not the head's business; the parser must not mind it. */
        try_kind(HTTP_REQUEST, data, size);
        try_kind(HTTP_RESPONSE, data, size);
        return 0;
}
