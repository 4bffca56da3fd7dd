#include "out/s3_xml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"

bool s3_xml_next(struct s3_xml *doc, const char *name, struct s3_xml *ret_content)
{
        char open[48], close[48];
        size_t n_open = (size_t)snprintf(open, sizeof(open), "<%s>", name);
        size_t n_close = (size_t)snprintf(close, sizeof(close), "</%s>", name);
        const char *from, *to, *end = doc->at + doc->len;

        from = doc->len > 0 ? memmem(doc->at, doc->len, open, n_open) : NULL;
        if (!from)
                return false;
        from += n_open;
        to = memmem(from, (size_t)(end - from), close, n_close);
        if (!to)
                return false;
        *ret_content = (struct s3_xml){from, (size_t)(to - from)};
        doc->at = to + n_close;
        doc->len = (size_t)(end - doc->at);
        return true;
}

/* One entity at `at`: its character, and its length in *n; 0 when it is none of ours. */
static char entity(const char *at, size_t len, size_t *n)
{
        static const struct {
                const char *text;
                char c;
        } known[] = {{"&amp;", '&'},   {"&lt;", '<'},  {"&gt;", '>'},  {"&quot;", '"'},
                     {"&apos;", '\''}, {"&#34;", '"'}, {"&#39;", '\''}};

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
                *n = strlen(known[i].text);
                if (*n <= len && memcmp(at, known[i].text, *n) == 0)
                        return known[i].c;
        }
        return 0;
}

int s3_xml_text(struct s3_xml doc, const char *name, char *dst, size_t size)
{
        struct s3_xml content;
        size_t out = 0;

        if (!s3_xml_next(&doc, name, &content))
                return -ENOENT;
        for (size_t i = 0, n; i < content.len; i += n) {
                char c = content.at[i];

                n = 1;
                if (c == '&')
                        c = entity(content.at + i, content.len - i, &n);
                if (c == 0 || c == '<')
                        return -EBADMSG;
                if (out + 1 >= size)
                        return -ENAMETOOLONG;
                dst[out++] = c;
        }
        dst[out] = 0;
        return 0;
}

int s3_xml_u64(struct s3_xml doc, const char *name, uint64_t *ret)
{
        char text[24];
        int r = s3_xml_text(doc, name, text, sizeof(text));

        if (r < 0)
                return r;
        return num_parse_u64(text, 0, INT64_MAX, ret) < 0 ? -EBADMSG : 0;
}

int s3_xml_time(struct s3_xml doc, const char *name, utc_t *ret)
{
        char text[40];
        struct tm tm = {0};
        const char *end;
        int r = s3_xml_text(doc, name, text, sizeof(text));

        if (r < 0)
                return r;
        end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!end || (*end != 'Z' && *end != '.'))
                return -EBADMSG;
        ret->us = (int64_t)timegm(&tm) * US_PER_S;
        return 0;
}
