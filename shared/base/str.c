#include "base/str.h"

#include <errno.h>
#include <string.h>

int str_copy(char *dst, size_t size, const char *src)
{
        size_t len = strlen(src);

        if (len >= size)
                return -ENAMETOOLONG;
        memcpy(dst, src, len + 1);
        return 0;
}

void str_copy_cut(char *dst, size_t size, const char *src)
{
        size_t len = strnlen(src, size - 1);

        memcpy(dst, src, len);
        dst[len] = 0;
}

bool str_starts(const char *s, const char *prefix)
{
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

uint32_t str_hash(const char *s)
{
        uint32_t h = 2166136261U;

        for (; *s; s++)
                h = (h ^ (uint8_t)*s) * 16777619U;
        return h;
}

static bool name_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c != 0 && strchr("._@+:-", c));
}

bool name_valid(const char *s, size_t max)
{
        size_t n = 0;

        if (*s == '.' || *s == '-')
                return false;
        for (; s[n]; n++) {
                if (n >= max || !name_char(s[n]))
                        return false;
        }
        return n > 0;
}
