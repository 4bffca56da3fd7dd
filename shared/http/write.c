#include "http/write.h"

#include <string.h>

static bool is_dropped(struct http_span name, const char *const *drop)
{
        for (; drop && *drop; drop++) {
                if (http_span_is_nocase(name, *drop))
                        return true;
        }
        return false;
}

static int put_span(struct buf *out, struct http_span s)
{
        return buf_append(out, s.at, s.len);
}

static int put_field(struct buf *out, struct http_span name, struct http_span value)
{
        int r = put_span(out, name);

        if (r == 0)
                r = buf_append_str(out, ": ");
        if (r == 0)
                r = put_span(out, value);
        if (r == 0)
                r = buf_append_str(out, "\r\n");
        return r;
}

/* One "name=value" of a Cookie header; the next one starts at *at afterwards. */
static struct http_span next_pair(struct http_span v, size_t *at)
{
        const char *semi = memchr(v.at + *at, ';', v.len - *at);
        size_t from = *at;
        size_t to = semi ? (size_t)(semi - v.at) : v.len;

        *at = semi ? to + 1 : v.len;
        while (from < to && (v.at[from] == ' ' || v.at[from] == '\t'))
                from++;
        while (to > from && (v.at[to - 1] == ' ' || v.at[to - 1] == '\t'))
                to--;
        return (struct http_span){v.at + from, to - from};
}

static bool pair_has_name(struct http_span pair, const char *name)
{
        const char *eq = memchr(pair.at, '=', pair.len);
        size_t n = eq ? (size_t)(eq - pair.at) : pair.len;

        while (n > 0 && (pair.at[n - 1] == ' ' || pair.at[n - 1] == '\t'))
                n--;
        return http_span_is((struct http_span){pair.at, n}, name);
}

/* The Cookie header without one cookie, or nothing when it was the only one. */
static int put_cookies(struct buf *out, struct http_span name, struct http_span value,
                       const char *drop)
{
        size_t at = 0;
        bool first = true;
        int r = 0;

        while (r == 0 && at < value.len) {
                struct http_span pair = next_pair(value, &at);

                if (pair.len == 0 || pair_has_name(pair, drop))
                        continue;
                if (first)
                        r = put_span(out, name);
                if (r == 0)
                        r = buf_append_str(out, first ? ": " : "; ");
                if (r == 0)
                        r = put_span(out, pair);
                first = false;
        }
        return r < 0 || first ? r : buf_append_str(out, "\r\n");
}

static int put_start_line(struct buf *out, const struct http_head *h)
{
        if (h->kind == HTTP_RESPONSE)
                return buf_printf(out, "HTTP/1.%u %u %.*s\r\n", h->minor, h->status,
                                  (int)h->reason.len, h->reason.at);
        return buf_printf(out, "%.*s %.*s HTTP/1.%u\r\n", (int)h->method.len, h->method.at,
                          (int)h->target.len, h->target.at, h->minor);
}

int http_head_write(const struct http_head *h, const struct http_edit *edit, struct buf *out)
{
        size_t before = out->len;
        int r = put_start_line(out, h);

        for (size_t i = 0; r == 0 && i < h->n_fields; i++) {
                struct http_span name = http_field_name(h, i);
                struct http_span value = http_field_value(h, i);

                if (edit && is_dropped(name, edit->drop))
                        continue;
                if (edit && edit->drop_cookie && http_span_is_nocase(name, "cookie"))
                        r = put_cookies(out, name, value, edit->drop_cookie);
                else
                        r = put_field(out, name, value);
        }
        for (const char *const *a = edit ? edit->add : NULL; r == 0 && a && *a; a += 2)
                r = buf_printf(out, "%s: %s\r\n", a[0], a[1]);
        if (r == 0)
                r = buf_append_str(out, "\r\n");
        if (r < 0)
                out->len = before;
        return r;
}

static const struct {
        uint16_t status;
        const char *phrase;
} phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {416, "Range Not Satisfiable"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
};

const char *http_reason(uint16_t status)
{
        for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
                if (phrases[i].status == status)
                        return phrases[i].phrase;
        }
        return "Status";
}
