#include <errno.h>
#include <string.h>

#include "http/head.h"

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool same_nocase(struct http_span s, const char *text, size_t len)
{
        if (s.len != len)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (lower(s.at[i]) != lower(text[i]))
                        return false;
        }
        return true;
}

bool http_span_is(struct http_span s, const char *text)
{
        return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

bool http_span_starts(struct http_span s, const char *prefix)
{
        size_t n = strlen(prefix);

        return s.len >= n && memcmp(s.at, prefix, n) == 0;
}

bool http_span_is_nocase(struct http_span s, const char *text)
{
        return same_nocase(s, text, strlen(text));
}

bool http_list_has(struct http_span list, const char *token)
{
        size_t n = strlen(token);
        size_t i = 0;

        while (i < list.len) {
                size_t from, to;

                while (i < list.len &&
                       (list.at[i] == ' ' || list.at[i] == '\t' || list.at[i] == ','))
                        i++;
                from = i;
                while (i < list.len && list.at[i] != ',')
                        i++;
                to = i;
                while (to > from && (list.at[to - 1] == ' ' || list.at[to - 1] == '\t'))
                        to--;
                if (same_nocase((struct http_span){list.at + from, to - from}, token, n))
                        return true;
        }
        return false;
}

int http_span_u64(struct http_span s, uint64_t *ret_value)
{
        uint64_t v = 0;

        if (s.len == 0 || s.len > 19)
                return -EINVAL;
        for (size_t i = 0; i < s.len; i++) {
                if (s.at[i] < '0' || s.at[i] > '9')
                        return -EINVAL;
                v = v * 10 + (uint64_t)(s.at[i] - '0');
        }
        if (v > HTTP_LENGTH_MAX)
                return -EINVAL;
        *ret_value = v;
        return 0;
}

struct http_span http_field_name(const struct http_head *h, size_t i)
{
        return (struct http_span){h->base + h->fields[i].name_at, h->fields[i].name_len};
}

struct http_span http_field_value(const struct http_head *h, size_t i)
{
        return (struct http_span){h->base + h->fields[i].value_at, h->fields[i].value_len};
}

bool http_head_find(const struct http_head *h, const char *name, struct http_span *ret_value)
{
        for (size_t i = 0; i < h->n_fields; i++) {
                if (http_span_is_nocase(http_field_name(h, i), name)) {
                        *ret_value = http_field_value(h, i);
                        return true;
                }
        }
        return false;
}

size_t http_head_count(const struct http_head *h, const char *name)
{
        size_t n = 0;

        for (size_t i = 0; i < h->n_fields; i++)
                n += http_span_is_nocase(http_field_name(h, i), name);
        return n;
}
