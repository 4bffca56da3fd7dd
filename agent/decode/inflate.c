#include "decode/inflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#define OUT_MAX 16384

struct inflate {
        z_stream zs;
        bool no_takeover, failed;
        size_t held;
};

static struct http_span trim(struct http_span s)
{
        while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
                s.at++;
                s.len--;
        }
        while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
                s.len--;
        return s;
}

/* Take what is before `sep`, or all; false when nothing is left. */
static bool cut(struct http_span *rest, char sep, struct http_span *ret_part)
{
        const char *end;

        if (!rest->at)
                return false;
        end = memchr(rest->at, sep, rest->len);
        *ret_part = (struct http_span){rest->at, end ? (size_t)(end - rest->at) : rest->len};
        if (end)
                *rest = (struct http_span){end + 1, rest->len - ret_part->len - 1};
        else
                *rest = (struct http_span){NULL, 0};
        *ret_part = trim(*ret_part);
        return true;
}

/* "8" to "15", perhaps in quotes. */
static bool parse_bits(struct http_span v, int *ret_bits)
{
        uint64_t n;

        if (v.len >= 2 && v.at[0] == '"' && v.at[v.len - 1] == '"')
                v = (struct http_span){v.at + 1, v.len - 2};
        if (v.len == 0 || v.len > 2 || v.at[0] == '0' || http_span_u64(v, &n) < 0 || n < 8 ||
            n > 15)
                return false;
        *ret_bits = (int)n;
        return true;
}

/* One parameter. Those of the server's direction must make sense and are of no interest. */
static bool take_param(struct http_span param, struct inflate_terms *t)
{
        struct http_span name, value = {NULL, 0};
        int server_bits;

        (void)cut(&param, '=', &name);
        if (param.at)
                value = trim(param);
        if (http_span_is_nocase(name, "client_no_context_takeover") && !value.at) {
                t->no_takeover = true;
                return true;
        }
        if (http_span_is_nocase(name, "server_no_context_takeover") && !value.at)
                return true;
        if (http_span_is_nocase(name, "client_max_window_bits"))
                return parse_bits(value, &t->window_bits);
        if (http_span_is_nocase(name, "server_max_window_bits"))
                return parse_bits(value, &server_bits);
        return false;
}

bool inflate_terms_of(const struct http_head *response, struct inflate_terms *ret_terms)
{
        struct inflate_terms t = {.window_bits = 15};
        struct http_span value, part;
        size_t count = http_head_count(response, "Sec-WebSocket-Extensions");

        if (count == 0) {
                *ret_terms = t;
                return true;
        }
        if (count > 1 || !http_head_find(response, "Sec-WebSocket-Extensions", &value) ||
            memchr(value.at, ',', value.len))
                return false;
        if (!cut(&value, ';', &part) || !http_span_is_nocase(part, "permessage-deflate"))
                return false;
        while (cut(&value, ';', &part)) {
                if (!take_param(part, &t))
                        return false;
        }
        t.agreed = true;
        *ret_terms = t;
        return true;
}

/* Each block remembers its length, so that zlib can be held to its bound. */
#define BLOCK_HEAD 16
/* Of data_type, after inflate(): at the beginning of a block, with no bits left over. */
#define AT_BLOCK 128
#define BITS_LEFT 63

static void *allocate(void *opaque, unsigned items, unsigned size)
{
        struct inflate *z = opaque;
        size_t n = (size_t)items * size + BLOCK_HEAD;
        char *p;

        if (n > INFLATE_MEMORY_MAX - z->held)
                return NULL;
        p = malloc(n);
        if (!p)
                return NULL;
        memcpy(p, &n, sizeof(n));
        z->held += n;
        return p + BLOCK_HEAD;
}

static void release(void *opaque, void *address)
{
        struct inflate *z = opaque;
        char *p = (char *)address - BLOCK_HEAD;
        size_t n;

        memcpy(&n, p, sizeof(n));
        z->held -= n;
        free(p);
}

int inflate_new(const struct inflate_terms *terms, struct inflate **ret_inflate)
{
        struct inflate *z = calloc(1, sizeof(*z));

        if (!z)
                return -ENOMEM;
        z->no_takeover = terms->no_takeover;
        z->zs.zalloc = allocate;
        z->zs.zfree = release;
        z->zs.opaque = z;
        if (inflateInit2(&z->zs, -terms->window_bits) != Z_OK) {
                free(z);
                return -ENOMEM;
        }
        *ret_inflate = z;
        return 0;
}

struct inflate *inflate_free(struct inflate *z)
{
        if (z) {
                (void)inflateEnd(&z->zs);
                free(z);
        }
        return NULL;
}

static bool run(struct inflate *z, const uint8_t *data, size_t len, inflate_sink_fn sink, void *ctx)
{
        uint8_t out[OUT_MAX];

        z->zs.next_in = data;
        z->zs.avail_in = (uInt)len;
        do {
                size_t n;
                int r;

                z->zs.next_out = out;
                z->zs.avail_out = sizeof(out);
                r = inflate(&z->zs, Z_SYNC_FLUSH);
                n = sizeof(out) - z->zs.avail_out;
                /* A final block would end the stream inside of the connection: no browser does. */
                if (r != Z_OK && r != Z_BUF_ERROR)
                        return false;
                if (n > 0 && !sink(ctx, out, n))
                        return false;
                if (r == Z_BUF_ERROR && n == 0)
                        break;
        } while (z->zs.avail_in > 0 || z->zs.avail_out == 0);
        return z->zs.avail_in == 0;
}

bool inflate_feed(struct inflate *z, const void *data, size_t len, inflate_sink_fn sink, void *ctx)
{
        const uint8_t *p = data;

        while (!z->failed && len > 0) {
                size_t n = MIN(len, (size_t)1 << 30);

                z->failed = !run(z, p, n, sink, ctx);
                p += n;
                len -= n;
        }
        return !z->failed;
}

bool inflate_end(struct inflate *z, inflate_sink_fn sink, void *ctx)
{
        /* What the sender has left out (RFC 7692, 7.2.1). */
        static const uint8_t tail[] = {0, 0, 0xff, 0xff};

        if (z->failed)
                return false;
        z->failed = !run(z, tail, sizeof(tail), sink, ctx) || !(z->zs.data_type & AT_BLOCK) ||
                    (z->zs.data_type & BITS_LEFT) ||
                    (z->no_takeover && inflateReset(&z->zs) != Z_OK);
        return !z->failed;
}

size_t inflate_memory(const struct inflate *z)
{
        return z->held;
}
