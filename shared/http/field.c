#include <string.h>

#include "http/rules.h"

bool http_byte_is_token(char c)
{
        return http_byte_is_alpha(c) || http_byte_is_digit(c) ||
               (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* host[:port] with a name, an IPv4 address or [an IPv6 address]. */
static bool host_ok(struct http_span v)
{
        size_t i = 0;

        if (v.len > 0 && v.at[0] == '[') {
                for (i = 1; i < v.len && v.at[i] != ']'; i++) {
                        if (!http_byte_is_digit(v.at[i]) && v.at[i] != ':' && v.at[i] != '.' &&
                            !(http_byte_is_alpha(v.at[i]) && (v.at[i] | 0x20) <= 'f'))
                                return false;
                }
                if (i == v.len || i < 3)
                        return false;
                i++;
        } else {
                while (i < v.len && (http_byte_is_alpha(v.at[i]) || http_byte_is_digit(v.at[i]) ||
                                     v.at[i] == '.' || v.at[i] == '-' || v.at[i] == '_'))
                        i++;
                if (i == 0)
                        return false;
        }
        if (i == v.len)
                return true;
        if (v.at[i] != ':' || v.len - i < 2 || v.len - i > 6)
                return false;
        for (i++; i < v.len; i++) {
                if (!http_byte_is_digit(v.at[i]))
                        return false;
        }
        return true;
}

static int on_host(struct http_head *h, struct http_span v)
{
        if (h->kind == HTTP_RESPONSE)
                return 0;
        if (h->seen_ & HTTP_SEEN_HOST)
                return http_refuse(h, 400, "there is more than one Host");
        if (!host_ok(v))
                return http_refuse(h, 400, "Host is not a host name with an optional port");
        h->seen_ |= HTTP_SEEN_HOST;
        h->host_ = (uint8_t)(h->n_fields - 1);
        return 0;
}

static int on_content_length(struct http_head *h, struct http_span v)
{
        if (h->has_content_length)
                return http_refuse(h, 400, "there is more than one Content-Length");
        if (http_span_u64(v, &h->content_length) < 0)
                return http_refuse(h, 400, "Content-Length is not one decimal number in range");
        h->has_content_length = true;
        return 0;
}

static int on_transfer_encoding(struct http_head *h, struct http_span v)
{
        if (h->chunked)
                return http_refuse(h, 400, "there is more than one Transfer-Encoding");
        if (!http_span_is_nocase(v, "chunked"))
                return http_refuse(h, 501, "the only transfer coding known here is chunked");
        h->chunked = true;
        return 0;
}

static int on_connection(struct http_head *h, struct http_span v)
{
        if (http_list_has(v, "close"))
                h->seen_ |= HTTP_SEEN_CLOSE;
        if (http_list_has(v, "keep-alive"))
                h->seen_ |= HTTP_SEEN_KEEP_ALIVE;
        if (http_list_has(v, "upgrade"))
                h->seen_ |= HTTP_SEEN_UPGRADE_TOKEN;
        return 0;
}

static int on_upgrade(struct http_head *h, struct http_span v)
{
        if (h->kind == HTTP_REQUEST && (h->seen_ & HTTP_SEEN_UPGRADE))
                return http_refuse(h, 400, "there is more than one Upgrade");
        if (v.len > 0)
                h->seen_ |= HTTP_SEEN_UPGRADE;
        return 0;
}

static int on_expect(struct http_head *h, struct http_span v)
{
        if (http_span_is_nocase(v, "100-continue"))
                h->expect_continue = true;
        return 0;
}

/* The fields that decide where a message ends and whom it is for; in their raw value no tab. */
static const struct {
        const char *name;
        int (*on)(struct http_head *h, struct http_span v);
} framing[] = {
        {"host", on_host},
        {"content-length", on_content_length},
        {"transfer-encoding", on_transfer_encoding},
        {"connection", on_connection},
        {"upgrade", on_upgrade},
        {"expect", on_expect},
};

int http_field_line(struct http_head *h, uint16_t at, uint16_t len)
{
        const char *line = h->base + at;
        const char *colon = memchr(line, ':', len);
        size_t name_len, from, to = len;
        struct http_field *f;
        struct http_span name;

        if (line[0] == ' ' || line[0] == '\t')
                return http_refuse(h, 400, "a header is folded over two lines");
        if (!colon)
                return http_refuse(h, 400, "a header line has no colon");
        name_len = (size_t)(colon - line);
        if (name_len == 0)
                return http_refuse(h, 400, "a header has no name");
        for (size_t i = 0; i < name_len; i++) {
                if (!http_byte_is_token(line[i]))
                        return http_refuse(h, 400,
                                           "a header's name holds a byte not allowed there");
        }
        if (h->n_fields == HTTP_HEADERS_MAX)
                return http_refuse(h, 431, "there are more than 100 headers");
        for (from = name_len + 1; from < to && (line[from] == ' ' || line[from] == '\t'); from++)
                ;
        while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
                to--;
        f = &h->fields[h->n_fields++];
        *f = (struct http_field){
                .name_at = at,
                .name_len = (uint16_t)name_len,
                .value_at = (uint16_t)(at + from),
                .value_len = (uint16_t)(to - from),
        };
        name = (struct http_span){line, name_len};
        for (size_t i = 0; i < ARRAY_LEN(framing); i++) {
                if (!http_span_is_nocase(name, framing[i].name))
                        continue;
                if (memchr(colon, '\t', len - name_len))
                        return http_refuse(h, 400, "a framing header holds a tab");
                return framing[i].on(h, http_field_value(h, h->n_fields - 1U));
        }
        return 0;
}

static int finish_request(struct http_head *h)
{
        if (!(h->seen_ & HTTP_SEEN_HOST))
                return http_refuse(h, 400, "there is no Host");
        h->body = h->chunked              ? HTTP_BODY_CHUNKED
                  : h->content_length > 0 ? HTTP_BODY_LENGTH
                                          : HTTP_BODY_NONE;
        if (h->upgrade && h->body != HTTP_BODY_NONE)
                return http_refuse(h, 400, "a request to upgrade has a body");
        return 0;
}

static int finish_response(struct http_head *h)
{
        bool bodiless = h->status < 200 || h->status == 204;

        if (bodiless && (h->chunked || h->content_length > 0))
                return http_refuse(h, 502, "a response that has no body announces one");
        h->body = http_response_body(h, false);
        return 0;
}

int http_fields_finish(struct http_head *h)
{
        if (h->chunked && h->has_content_length)
                return http_refuse(h, 400, "there are both Content-Length and Transfer-Encoding");
        if (h->chunked && h->minor == 0)
                return http_refuse(h, 400, "HTTP/1.0 knows no Transfer-Encoding");
        h->upgrade = h->minor == 1 && (h->seen_ & HTTP_SEEN_UPGRADE_TOKEN) &&
                     (h->seen_ & HTTP_SEEN_UPGRADE);
        h->keep_alive = !(h->seen_ & HTTP_SEEN_CLOSE) &&
                        (h->minor == 1 || (h->seen_ & HTTP_SEEN_KEEP_ALIVE));
        return h->kind == HTTP_REQUEST ? finish_request(h) : finish_response(h);
}
