#include "decode/rpc.h"

#include <string.h>

enum {
        REQUEST_JSON = 1,
        REQUEST_JSON_CANCEL = 2,
        REQUEST_MIXED = 3,
        REQUEST_MIXED_CANCEL = 4,
        ACKNOWLEDGED = 5,
        REPLY_ERROR_EMPTY = 12,
};
/* Messages of one byte around the RPC (extensionHostProtocol.ts). */
enum { BYTE_INITIALIZED = 1, BYTE_READY = 2, BYTE_TERMINATE = 3 };
/* An argument among mixed ones. */
enum { ARG_STRING = 1, ARG_BUFFER = 2, ARG_OBJECT = 3, ARG_UNDEFINED = 4 };

#define HEAD_LEN 5    /* type, request id */
#define REQUEST_LEN 7 /* and rpc id, length of the name */

static uint32_t be32(const uint8_t *p)
{
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_name(const uint8_t *s, size_t len)
{
        if (len < 2 || s[0] != '$')
                return false;
        for (size_t i = 0; i < len; i++) {
                if (s[i] <= ' ' || s[i] > '~')
                        return false;
        }
        return true;
}

static bool take_json(const uint8_t *p, size_t there, size_t total, struct rpc_message *m)
{
        uint32_t n;

        if (there < 4)
                return false;
        n = be32(p);
        if (n != total - 4)
                return false;
        m->args = (const char *)p + 4;
        m->args_len = MIN(there - 4, (size_t)RULES_ARGS_MAX);
        return true;
}

static void append(struct rpc_message *m, const void *data, size_t len)
{
        len = MIN(len, sizeof(m->mixed_) - m->args_len);
        memcpy(m->mixed_ + m->args_len, data, len);
        m->args_len += len;
}

/*
 * One argument at `*at`; true when the next one may be looked at: this one is complete and within
 * what is there.
 */
static bool take_mixed_one(const uint8_t *p, size_t there, size_t *at, struct rpc_message *m)
{
        uint8_t tag;
        size_t n = 0;

        if (*at >= there)
                return false;
        tag = p[(*at)++];
        if (tag == ARG_UNDEFINED) {
                append(m, "null", 4);
                return true;
        }
        /* An object with buffers: their number, the JSON, the buffers, which nobody wants. */
        if (tag == ARG_OBJECT)
                *at += 4;
        if (tag < ARG_STRING || tag > ARG_OBJECT || there < *at || there - *at < 4)
                return false;
        n = be32(p + *at);
        *at += 4;
        if (tag == ARG_BUFFER)
                append(m, "null", 4);
        else
                append(m, p + *at, MIN(n, there - *at));
        if (tag == ARG_OBJECT || n > there - *at)
                return false;
        *at += n;
        return true;
}

static bool take_mixed(const uint8_t *p, size_t there, struct rpc_message *m)
{
        size_t at = 1;

        if (there < 1)
                return false;
        m->args = m->mixed_;
        append(m, "[", 1);
        for (unsigned i = 0; i < p[0]; i++) {
                if (i > 0)
                        append(m, ",", 1);
                if (!take_mixed_one(p, there, &at, m))
                        return true;
        }
        append(m, "]", 1);
        return true;
}

static bool take_request(const uint8_t *body, size_t len, size_t total, struct rpc_message *m)
{
        size_t name_len, at;

        if (len < REQUEST_LEN)
                return false;
        name_len = body[6];
        at = REQUEST_LEN + name_len;
        if (at > len || !is_name(body + REQUEST_LEN, name_len))
                return false;
        m->what = RPC_REQUEST;
        m->name = (const char *)body + REQUEST_LEN;
        m->name_len = name_len;
        if (body[0] >= REQUEST_MIXED)
                return take_mixed(body + at, len - at, m);
        return take_json(body + at, len - at, total - at, m);
}

bool rpc_parse(const uint8_t *body, size_t len, size_t total, struct rpc_message *ret_message)
{
        struct rpc_message *m = ret_message;

        m->what = RPC_OTHER;
        m->name = m->args = NULL;
        m->name_len = m->args_len = 0;
        if (len == 0)
                return false;
        if (total == 1) {
                if (body[0] == BYTE_TERMINATE)
                        m->what = RPC_TERMINATE;
                return body[0] >= BYTE_INITIALIZED && body[0] <= BYTE_TERMINATE;
        }
        if (body[0] >= REQUEST_JSON && body[0] <= REQUEST_MIXED_CANCEL)
                return take_request(body, len, total, m);
        /* The start-up data is one JSON object without any head. */
        if (body[0] == '{')
                return true;
        return body[0] >= ACKNOWLEDGED && body[0] <= REPLY_ERROR_EMPTY && total >= HEAD_LEN;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* As UTF-8; half a surrogate pair becomes a byte that no filter takes for something else. */
static size_t put_utf8(uint32_t c, uint8_t out[3])
{
        if (c < 0x80) {
                out[0] = (uint8_t)c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (uint8_t)(0xc0 | c >> 6);
                out[1] = (uint8_t)(0x80 | (c & 0x3f));
                return 2;
        }
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
}

/* One character or escape at `s`. Bytes used of it; 0 when it is cut off or wrong. */
static size_t unescape(const char *s, size_t len, uint8_t out[3], size_t *ret_n)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *known;
        uint32_t c = 0;

        *ret_n = 1;
        out[0] = (uint8_t)s[0];
        if (s[0] != '\\')
                return 1;
        if (len < 2)
                return 0;
        known = memchr(from, s[1], sizeof(from) - 1);
        if (known) {
                out[0] = (uint8_t)to[known - from];
                return 2;
        }
        if (s[1] != 'u' || len < 6)
                return 0;
        for (size_t i = 2; i < 6; i++) {
                int d = hex_digit(s[i]);

                if (d < 0)
                        return 0;
                c = c << 4 | (uint32_t)d;
        }
        *ret_n = put_utf8(c, out);
        return 6;
}

bool rpc_typed(const char *args, size_t len, uint8_t *dst, size_t size, size_t *ret_len,
               bool *ret_cut)
{
        size_t at = 1, have = 0;

        if (len < 2 || args[0] != '[')
                return false;
        while (at < len && args[at] >= '0' && args[at] <= '9')
                at++;
        if (at == 1 || len - at < 2 || args[at] != ',' || args[at + 1] != '"')
                return false;
        for (at += 2; at < len && args[at] != '"';) {
                uint8_t out[3];
                size_t n, used = unescape(args + at, len - at, out, &n);

                if (used == 0 || n > size - have)
                        break;
                memcpy(dst + have, out, n);
                have += n;
                at += used;
        }
        *ret_len = have;
        *ret_cut = at >= len || args[at] != '"';
        return true;
}
