#include "decode/reply.h"

#include <stdbool.h>
#include <string.h>

#include "base/macro.h"

#define ESC 0x1b
#define BEL 0x07

static bool is_digit(uint8_t c)
{
        return c >= '0' && c <= '9';
}

/* Replies to questions about colours, and about the clipboard. */
static bool osc_answers(const uint8_t *body, size_t len)
{
        static const char *const numbers[] = {"4;", "10;", "11;", "12;", "52;"};

        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
                size_t n = strlen(numbers[i]);

                if (len >= n && memcmp(body, numbers[i], n) == 0)
                        return true;
        }
        return false;
}

/*
 * ESC and one of "]P_", a text, and its end: ESC '\', or for ']' also BEL. Bytes, or 0. The text of
 * a reply is short and has no control bytes, so the first of them decides.
 */
static size_t string_report(const uint8_t *p, size_t len)
{
        size_t i = 2;

        while (i < len && p[i] >= ' ' && p[i] != 0x7f)
                i++;
        if (i == len || (p[1] == ']' && !osc_answers(p + 2, i - 2)))
                return 0;
        if (p[i] == BEL && p[1] == ']')
                return i + 1;
        return p[i] == ESC && i + 1 < len && p[i + 1] == '\\' ? i + 2 : 0;
}

struct csi {
        uint8_t prefix; /* one of "?>=", or 0 */
        bool dollar;
        unsigned params; /* numbers, separated by ';' or ':' */
        uint8_t final;
};

/* ESC '[' ... final: its bytes, or 0 when it is not complete or has another form than any report.
 */
static size_t csi_read(const uint8_t *p, size_t len, struct csi *ret_csi)
{
        struct csi c = {0};
        size_t i = 2;

        if (i < len && (p[i] == '?' || p[i] == '>' || p[i] == '='))
                c.prefix = p[i++];
        for (bool in_number = false; i < len; i++) {
                if (!is_digit(p[i]) && p[i] != ';' && p[i] != ':')
                        break;
                c.params += is_digit(p[i]) && !in_number;
                in_number = is_digit(p[i]);
        }
        if (i < len && p[i] == '$') {
                c.dollar = true;
                i++;
        }
        if (i == len || p[i] < '@' || p[i] > '~')
                return 0;
        c.final = p[i];
        *ret_csi = c;
        return i + 1;
}

static bool csi_is_report(const struct csi *c)
{
        if (c->dollar)
                return c->final == 'y' && c->params == 2 && (!c->prefix || c->prefix == '?');
        switch (c->final) {
        case 'R': /* where the cursor is */
                return (!c->prefix && c->params == 2) ||
                       (c->prefix == '?' && (c->params == 2 || c->params == 3));
        case 'c': /* what I am */
                return c->prefix != 0 && c->params >= 1;
        case 'n': /* how I am; dark or light */
                return (!c->prefix && c->params == 1) || (c->prefix == '?' && c->params >= 1);
        case 't': /* how large I am */
                return !c->prefix && c->params >= 1;
        case 'u': /* which keyboard protocol; keys of that protocol have no prefix */
                return c->prefix == '?' && c->params == 1;
        default:
                return false;
        }
}

/* The bytes of a report at the front of the text, or 0. */
static size_t report(const uint8_t *p, size_t len, size_t *focus)
{
        struct csi c;
        size_t n;

        if (len < 3 || p[0] != ESC)
                return 0;
        if (p[1] == ']' || p[1] == 'P' || p[1] == '_')
                return string_report(p, len);
        if (p[1] != '[')
                return 0;
        n = csi_read(p, len, &c);
        if (n == 3 && (c.final == 'I' || c.final == 'O')) {
                *focus += 1;
                return n;
        }
        return n > 0 && csi_is_report(&c) ? n : 0;
}

size_t reply_strip(const uint8_t *data, size_t len, size_t *ret_focus)
{
        size_t left = 0, focus = 0, i = 0;

        while (i < len) {
                size_t n = report(data + i, len - i, &focus);

                left += n == 0;
                i += MAX(n, (size_t)1);
        }
        *ret_focus = focus;
        return left;
}
