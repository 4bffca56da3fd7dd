#include "http/head.h"

#include <string.h>

#include "http/rules.h"

#define METHOD_MAX 24

void http_head_init(struct http_head *h, enum http_kind kind)
{
        *h = (struct http_head){.kind = kind};
}

int http_refuse(struct http_head *h, uint16_t status, const char *reason)
{
        h->refuse_status = h->kind == HTTP_RESPONSE ? 502 : status;
        h->refuse_reason = reason;
        h->done_ = true;
        return HTTP_REFUSED;
}

void http_head_rebase(struct http_head *h, const void *data)
{
        const char *base = data;

        h->base = base;
        if (!base)
                return;
        h->method = (struct http_span){base, h->method_len_};
        h->target = (struct http_span){base + h->target_at_, h->target_len_};
        h->reason = (struct http_span){base + h->reason_at_, h->reason_len_};
        if (h->seen_ & HTTP_SEEN_HOST)
                h->host = http_field_value(h, h->host_);
}

/* "HTTP/1.0" or "HTTP/1.1", and nothing behind it. */
static int parse_version(struct http_head *h, const char *s, size_t len)
{
        if (len != 8 || memcmp(s, "HTTP/", 5) != 0 || !http_byte_is_digit(s[5]) || s[6] != '.' ||
            !http_byte_is_digit(s[7]))
                return http_refuse(h, 400, "the version is not of the form HTTP/1.1");
        if (s[5] != '1' || s[7] > '1')
                return http_refuse(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
        h->minor = (uint8_t)(s[7] - '0');
        return 0;
}

static int parse_method(struct http_head *h, const char *s, size_t len)
{
        if (len == 0 || len > METHOD_MAX || s[0] == '-')
                return http_refuse(h, 400, "the request line has no proper method");
        for (size_t i = 0; i < len; i++) {
                if ((s[i] < 'A' || s[i] > 'Z') && s[i] != '-')
                        return http_refuse(h, 400, "the method is not of upper-case letters");
        }
        if (len == 7 && memcmp(s, "CONNECT", 7) == 0)
                return http_refuse(h, 501, "CONNECT is not served");
        h->method_len_ = (uint16_t)len;
        return 0;
}

static int parse_target(struct http_head *h, const char *line, size_t at, size_t len)
{
        if (len == 0 || line[at] != '/')
                return http_refuse(h, 400, "the target does not start with a slash");
        for (size_t i = at; i < at + len; i++) {
                if (line[i] <= ' ' || line[i] > '~' || line[i] == '#')
                        return http_refuse(h, 400, "the target holds a byte that must be encoded");
        }
        h->target_at_ = (uint16_t)at;
        h->target_len_ = (uint16_t)len;
        return 0;
}

static int parse_request_line(struct http_head *h, const char *line, size_t len)
{
        const char *sp1, *sp2;
        size_t target_at;
        int r;

        if (len == 0)
                return http_refuse(h, 400, "there is an empty line before the request line");
        sp1 = memchr(line, ' ', len);
        if (!sp1)
                return http_refuse(h, 400, "the request line is not METHOD target version");
        r = parse_method(h, line, (size_t)(sp1 - line));
        if (r)
                return r;
        target_at = (size_t)(sp1 - line) + 1;
        sp2 = memchr(line + target_at, ' ', len - target_at);
        if (!sp2)
                return http_refuse(h, 400, "the request line is not METHOD target version");
        r = parse_target(h, line, target_at, (size_t)(sp2 - line) - target_at);
        if (r)
                return r;
        return parse_version(h, sp2 + 1, len - (size_t)(sp2 + 1 - line));
}

/* "HTTP/1.1 200 OK"; the phrase and the space before it may be missing. */
static int parse_status_line(struct http_head *h, const char *line, size_t len)
{
        int r;

        if (len < 12 || line[8] != ' ' || (len > 12 && line[12] != ' '))
                return http_refuse(h, 502, "the status line is not version, three digits, phrase");
        r = parse_version(h, line, 8);
        if (r)
                return r;
        for (size_t i = 9; i < 12; i++) {
                if (!http_byte_is_digit(line[i]))
                        return http_refuse(h, 502, "the status is not three digits");
                h->status = (uint16_t)(h->status * 10 + (line[i] - '0'));
        }
        if (h->status < 100 || h->status > 599)
                return http_refuse(h, 502, "the status is not between 100 and 599");
        h->reason_at_ = (uint16_t)(len > 12 ? 13 : 12);
        h->reason_len_ = (uint16_t)(len - h->reason_at_);
        return 0;
}

/* A whole line is at line_, `len` bytes without its end. The next one starts at `next`. */
static int take_line(struct http_head *h, size_t len, size_t next)
{
        size_t at = h->line_;
        int r;

        if (at == 0) {
                r = h->kind == HTTP_REQUEST ? parse_request_line(h, h->base, len)
                                            : parse_status_line(h, h->base, len);
        } else if (len > 0) {
                r = http_field_line(h, (uint16_t)at, (uint16_t)len);
        } else {
                r = http_fields_finish(h);
                h->done_ = true;
                h->length = next;
        }
        h->line_ = (uint16_t)next;
        return r;
}

/* One byte more. `i` is its offset; the bytes before it were accepted. */
static int take_byte(struct http_head *h, size_t i)
{
        char c = h->base[i];
        bool after_cr = i > h->line_ && h->base[i - 1] == '\r';

        if (c == '\n') {
#ifdef HTTP_PLANTED_LENIENT
                if (!after_cr)
                        return take_line(h, i - h->line_, i + 1);
#endif
                if (!after_cr)
                        return http_refuse(h, 400, "a line ends in LF without CR");
                return take_line(h, i - 1 - h->line_, i + 1);
        }
        if (after_cr)
                return http_refuse(h, 400, "a CR is not followed by LF");
        if (((unsigned char)c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
                return http_refuse(h, 400, "the head holds a control byte");
        return 0;
}

int http_head_parse(struct http_head *h, const void *data, size_t len)
{
        size_t end = MIN(len, (size_t)HTTP_HEAD_MAX);
        int r = 0;

        h->base = data;
        while (!h->done_ && h->at_ < end) {
                r = take_byte(h, h->at_);
                h->at_++;
                if (r)
                        break;
        }
        if (!h->done_ && h->at_ >= HTTP_HEAD_MAX)
                http_refuse(h, 431, "the head is longer than 16 KiB");
        http_head_rebase(h, data);
        if (h->refuse_reason)
                return HTTP_REFUSED;
        return h->done_ ? 0 : HTTP_MORE;
}

/* What a response with this status can carry at all (RFC 9110, 15). */
enum http_body http_response_body(const struct http_head *h, bool to_head)
{
        if (h->status == 101)
                return HTTP_BODY_TUNNEL;
        if (to_head || h->status < 200 || h->status == 204 || h->status == 304)
                return HTTP_BODY_NONE;
        if (h->chunked)
                return HTTP_BODY_CHUNKED;
        if (!h->has_content_length)
                return HTTP_BODY_CLOSE;
        return h->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}
