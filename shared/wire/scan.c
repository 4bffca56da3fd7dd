#include "wire/scan.h"

#include <stdbool.h>
#include <string.h>

static bool is_tail(unsigned char c)
{
        return (c & 0xc0) == 0x80;
}

size_t scan_utf8(const unsigned char *s, size_t len)
{
        if (len == 0)
                return 0;
        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xc2 && s[0] <= 0xdf)
                return len >= 2 && is_tail(s[1]) ? 2 : 0;
        if (s[0] >= 0xe0 && s[0] <= 0xef) {
                if (len < 3 || !is_tail(s[1]) || !is_tail(s[2]))
                        return 0;
                /* Not overlong, not a surrogate. */
                if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
                        return 0;
                return 3;
        }
        if (s[0] >= 0xf0 && s[0] <= 0xf4) {
                if (len < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3]))
                        return 0;
                if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
                        return 0;
                return 4;
        }
        return 0;
}

struct scanner {
        const unsigned char *s;
        size_t len, at;
};

/* `at` is behind the opening quote; leaves it behind the closing one. */
static const char *skip_text(struct scanner *j)
{
        while (j->at < j->len) {
                unsigned char c = j->s[j->at];
                size_t n = scan_utf8(j->s + j->at, j->len - j->at);

                if (n == 0)
                        return "not UTF-8";
                if (c < 0x20)
                        return "control byte in a text";
                if (c == '"') {
                        j->at++;
                        return NULL;
                }
                if (c != '\\') {
                        j->at += n;
                        continue;
                }
                if (j->len - j->at >= 6 && memcmp(j->s + j->at, "\\u0000", 6) == 0)
                        return "NUL in a text";
                /* The escaped byte is looked at no further, so that \" does not end the text. */
                j->at += 1;
                n = scan_utf8(j->s + j->at, j->len - j->at);
                if (n != 1)
                        return "broken escape in a text";
                j->at++;
        }
        return "unfinished text";
}

const char *scan_json(const void *data, size_t len, unsigned depth_max)
{
        struct scanner j = {.s = data, .len = len};
        unsigned depth = 0;

        while (j.at < j.len) {
                unsigned char c = j.s[j.at++];
                const char *why;

                switch (c) {
                case '{':
                case '[':
                        if (++depth > depth_max)
                                return "nested too deeply";
                        break;
                case '}':
                case ']':
                        if (depth == 0)
                                return "not JSON";
                        depth--;
                        break;
                case '"':
                        why = skip_text(&j);
                        if (why)
                                return why;
                        break;
                default:
                        if (c == 0 || c >= 0x80)
                                return "not JSON";
                        break;
                }
        }
        return NULL;
}
