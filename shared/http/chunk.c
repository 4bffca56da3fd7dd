#include "http/chunk.h"

#include "http/head.h"

enum chunk_state {
        CHUNK_SIZE,    /* digits of the size; at least one is needed */
        CHUNK_SIZE_LF, /* CR of the size line seen */
        CHUNK_DATA,    /* `left` bytes */
        CHUNK_DATA_CR, /* CR behind the data */
        CHUNK_DATA_LF,
        CHUNK_END_CR, /* behind the last chunk's size line: the final empty line */
        CHUNK_END_LF,
        CHUNK_DONE,
        CHUNK_BAD,
};

/* 15 digits are 60 bits: enough for every body, and no sum of sizes can overflow. */
#define CHUNK_DIGITS_MAX 15

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

static int refuse(struct http_chunk *c, const char *reason)
{
        c->state_ = CHUNK_BAD;
        c->reason = reason;
        return HTTP_CHUNK_REFUSED;
}

static int expect(struct http_chunk *c, char got, char want, enum chunk_state next,
                  const char *reason)
{
        if (got != want)
                return refuse(c, reason);
        c->state_ = (uint8_t)next;
        return HTTP_MORE;
}

static int take_size(struct http_chunk *c, char b)
{
        int v = hex_value(b);

        if (v >= 0) {
                if (c->digits_ == CHUNK_DIGITS_MAX)
                        return refuse(c, "a chunk size has too many digits");
                c->left = c->left * 16 + (uint64_t)v;
                c->digits_++;
                return HTTP_MORE;
        }
        if (c->digits_ == 0)
                return refuse(c, "a chunk does not start with a hexadecimal size");
        if (b == ';' || b == ' ' || b == '\t')
                return refuse(c, "chunk extensions are not accepted");
        return expect(c, b, '\r', CHUNK_SIZE_LF, "a chunk size holds a byte that is no digit");
}

/* One byte outside chunk data. */
static int take_byte(struct http_chunk *c, char b)
{
        switch ((enum chunk_state)c->state_) {
        case CHUNK_SIZE:
                return take_size(c, b);
        case CHUNK_SIZE_LF:
                return expect(c, b, '\n', c->left ? CHUNK_DATA : CHUNK_END_CR,
                              "a chunk size line does not end in CRLF");
        case CHUNK_DATA_CR:
                return expect(c, b, '\r', CHUNK_DATA_LF, "chunk data does not end where it should");
        case CHUNK_DATA_LF:
                c->digits_ = 0;
                return expect(c, b, '\n', CHUNK_SIZE, "chunk data does not end in CRLF");
        case CHUNK_END_CR:
                return expect(c, b, '\r', CHUNK_END_LF, "trailer fields are not accepted");
        case CHUNK_END_LF:
                if (b != '\n')
                        return refuse(c, "the last chunk does not end in CRLF");
                c->state_ = CHUNK_DONE;
                return 0;
        case CHUNK_DATA:
        case CHUNK_DONE:
        case CHUNK_BAD:
                break;
        }
        return HTTP_CHUNK_REFUSED;
}

int http_chunk_next(struct http_chunk *c, const void *data, size_t len, size_t *ret_used,
                    size_t *ret_data_at, size_t *ret_data_len)
{
        const char *p = data;
        size_t i = 0;
        int r = c->state_ == CHUNK_DONE  ? 0
                : c->state_ == CHUNK_BAD ? HTTP_CHUNK_REFUSED
                                         : HTTP_MORE;

        *ret_data_at = *ret_data_len = 0;
        while (r == HTTP_MORE && i < len) {
                if (c->state_ == CHUNK_DATA) {
                        size_t n = c->left < len - i ? (size_t)c->left : len - i;

                        c->left -= n;
                        if (c->left == 0)
                                c->state_ = CHUNK_DATA_CR;
                        *ret_data_at = i;
                        *ret_data_len = n;
                        i += n;
                        break;
                }
                r = take_byte(c, p[i]);
                if (r != HTTP_CHUNK_REFUSED)
                        i++;
        }
        *ret_used = i;
        return r;
}

int http_chunk_scan(struct http_chunk *c, const void *data, size_t len, size_t *ret_used)
{
        const char *p = data;
        size_t done = 0;
        int r;

        do {
                size_t used, at, n;

                r = http_chunk_next(c, p + done, len - done, &used, &at, &n);
                done += used;
        } while (r == HTTP_MORE && done < len);
        *ret_used = done;
        return r;
}
