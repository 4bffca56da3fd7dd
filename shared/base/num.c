#include "base/num.h"

#include <errno.h>
#include <string.h>

static int parse_digits(const char **text, uint64_t *ret_value)
{
        const char *s = *text;
        uint64_t v = 0;

        if (*s < '0' || *s > '9')
                return -EINVAL;
        for (; *s >= '0' && *s <= '9'; s++) {
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
                        return -ERANGE;
        }
        *text = s;
        *ret_value = v;
        return 0;
}

int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
        uint64_t v = 0;
        int r = parse_digits(&text, &v);

        if (r < 0)
                return r;
        if (*text)
                return -EINVAL;
        if (v < min || v > max)
                return -ERANGE;
        *ret_value = v;
        return 0;
}

int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
        int negative = *text == '-';
        uint64_t v = 0;
        int64_t out;
        int r;

        text += negative;
        r = parse_digits(&text, &v);
        if (r < 0)
                return r;
        if (*text)
                return -EINVAL;
        if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
                return -ERANGE;
        out = (int64_t)(negative ? 0 - v : v);
        if (out < min || out > max)
                return -ERANGE;
        *ret_value = out;
        return 0;
}

struct unit {
        const char *name;
        uint64_t factor;
};

static int parse_unit(const char *text, const struct unit *units, size_t n, uint64_t *ret_value)
{
        uint64_t v = 0;
        int r = parse_digits(&text, &v);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (strcmp(text, units[i].name) != 0)
                        continue;
                if (__builtin_mul_overflow(v, units[i].factor, &v) || v > (uint64_t)INT64_MAX)
                        return -ERANGE;
                *ret_value = v;
                return 0;
        }
        return -EINVAL;
}

int num_parse_duration_ms(const char *text, int64_t *ret_ms)
{
        static const struct unit units[] = {
                {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
        };
        uint64_t v = 0;
        int r;

        if (strcmp(text, "0") == 0) {
                *ret_ms = 0;
                return 0;
        }
        r = parse_unit(text, units, ARRAY_LEN(units), &v);
        if (r < 0)
                return r;
        *ret_ms = (int64_t)v;
        return 0;
}

int num_parse_size(const char *text, uint64_t *ret_bytes)
{
        static const struct unit units[] = {
                {"", 1},
                {"K", 1 << 10},
                {"M", 1 << 20},
                {"G", 1 << 30},
        };

        return parse_unit(text, units, ARRAY_LEN(units), ret_bytes);
}

void hex_encode(const void *src, size_t len, char *dst)
{
        static const char digits[] = "0123456789abcdef";
        const uint8_t *s = src;

        for (size_t i = 0; i < len; i++) {
                dst[2 * i] = digits[s[i] >> 4];
                dst[2 * i + 1] = digits[s[i] & 15];
        }
        dst[2 * len] = 0;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

int hex_decode(const char *text, void *dst, size_t len)
{
        uint8_t *d = dst;

        if (strlen(text) != 2 * len)
                return -EINVAL;
        for (size_t i = 0; i < len; i++) {
                if (hex_digit(text[2 * i]) < 0 || hex_digit(text[2 * i + 1]) < 0)
                        return -EINVAL;
        }
        for (size_t i = 0; i < len; i++)
                d[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
        return 0;
}

int num_parse_millionths(const char *text, int64_t *ret_value)
{
        char whole[16];
        const char *dot = strchr(text, '.');
        size_t len = dot ? (size_t)(dot - text) : strlen(text);
        size_t decimals = dot ? strlen(dot + 1) : 0;
        int64_t n, part = 0;

        if (len >= sizeof(whole) || (dot && (decimals == 0 || decimals > 6)))
                return -EINVAL;
        memcpy(whole, text, len);
        whole[len] = 0;
        if (num_parse_i64(whole, 0, INT64_C(1000000000000), &n) < 0)
                return -EINVAL;
        for (size_t i = 0; i < 6; i++) {
                char c = i < decimals ? dot[1 + i] : '0';

                if (c < '0' || c > '9')
                        return -EINVAL;
                part = part * 10 + c - '0';
        }
        *ret_value = n * 1000000 + part;
        return 0;
}
