#include "decode/form.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
        STATE_NAME,      /* urlencoded */
        STATE_VALUE,     /* urlencoded */
        STATE_DATA,      /* multipart: in a part, or in front of the first */
        STATE_BEHIND,    /* behind a delimiter */
        STATE_BEHIND_CR, /* and a CR */
        STATE_BEHIND_DASH,
        STATE_HEADER,
        STATE_HEADER_CR,
        STATE_OVER,
};

/* RFC 2046: letters, digits and a few marks. Above all no CR, on which the search relies. */
static bool boundary_valid(const char *s, size_t len)
{
        static const char marks[] = "'()+_,-./:=? ";

        if (len == 0 || len > FORM_BOUNDARY_MAX || s[len - 1] == ' ')
                return false;
        for (size_t i = 0; i < len; i++) {
                bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                              (s[i] >= '0' && s[i] <= '9');

                if (!letter && (!s[i] || !strchr(marks, s[i])))
                        return false;
        }
        return true;
}

int form_multipart(struct form *f, const char *boundary, size_t len, const char *field,
                   form_data_fn fn, void *ctx)
{
        if (!boundary_valid(boundary, len))
                return -EINVAL;
        *f = (struct form){.field = field, .fn = fn, .ctx = ctx, .state_ = STATE_DATA};
        memcpy(f->delimiter_, "\r\n--", 4);
        memcpy(f->delimiter_ + 4, boundary, len);
        f->delimiter_len_ = (uint16_t)(len + 4);
        f->matched_ = 2; /* the first delimiter may stand at the very front */
        return 0;
}

void form_urlencoded(struct form *f, const char *field, form_data_fn fn, void *ctx)
{
        *f = (struct form){.field = field, .fn = fn, .ctx = ctx, .state_ = STATE_NAME};
}

static void give(struct form *f, const void *data, size_t len)
{
        if (!f->wanted_ || len == 0)
                return;
        f->fn(f->ctx, !f->begun_, data, len);
        f->begun_ = true;
}

static void line_add(struct form *f, char c)
{
        if (f->line_len_ < sizeof(f->line_))
                f->line_[f->line_len_++] = c;
}

static bool line_is_field(const struct form *f, const char *at, size_t len)
{
        return len == strlen(f->field) && memcmp(at, f->field, len) == 0;
}

/* `Content-Disposition: form-data; name="events"` */
static void header_end(struct form *f)
{
        static const char disposition[] = "content-disposition:", name[] = "name=\"";
        const char *at = f->line_, *end = f->line_ + f->line_len_;

        if (f->line_len_ < sizeof(disposition) ||
            strncasecmp(at, disposition, sizeof(disposition) - 1) != 0)
                return;
        while ((at = memmem(at, (size_t)(end - at), name, sizeof(name) - 1))) {
                bool whole = at[-1] == ' ' || at[-1] == ';'; /* and not "filename=" */
                const char *quote;

                at += sizeof(name) - 1;
                quote = memchr(at, '"', (size_t)(end - at));
                if (whole) {
                        f->wanted_ = quote && line_is_field(f, at, (size_t)(quote - at));
                        return;
                }
        }
}

static void header(struct form *f, char c)
{
        if (c == '\r') {
                f->state_ = STATE_HEADER_CR;
        } else if (c == '\n') {
                f->state_ = STATE_OVER;
        } else {
                line_add(f, c);
        }
}

static void header_cr(struct form *f, char c)
{
        if (c != '\n') {
                f->state_ = STATE_OVER;
                return;
        }
        if (f->line_len_ == 0) {
                f->state_ = STATE_DATA;
                f->matched_ = 0;
                f->begun_ = false;
                return;
        }
        header_end(f);
        f->line_len_ = 0;
        f->state_ = STATE_HEADER;
}

/* One byte of data: part of a delimiter, or the end of what looked like one. */
static void data_byte(struct form *f, char c)
{
        if (c != f->delimiter_[f->matched_]) {
                size_t looked = f->matched_;

                f->matched_ = 0;
                give(f, f->delimiter_, looked);
        }
        if (c != f->delimiter_[f->matched_]) {
                give(f, &c, 1);
                return;
        }
        if (++f->matched_ < f->delimiter_len_)
                return;
        f->wanted_ = false;
        f->line_len_ = 0;
        f->state_ = STATE_BEHIND;
}

static void multipart_byte(struct form *f, char c)
{
        switch (f->state_) {
        case STATE_DATA:
                data_byte(f, c);
                break;
        case STATE_BEHIND:
                f->state_ = c == '\r' ? STATE_BEHIND_CR : STATE_OVER; /* "--" is the end */
                break;
        case STATE_BEHIND_CR:
                f->state_ = c == '\n' ? STATE_HEADER : STATE_OVER;
                break;
        case STATE_HEADER:
                header(f, c);
                break;
        case STATE_HEADER_CR:
                header_cr(f, c);
                break;
        default:
                break;
        }
}

static int hex_value(char c)
{
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;

        return at ? (int)((at - digits) % 16) : -1;
}

static void urlencoded_plain(struct form *f, char c)
{
        if (f->state_ == STATE_VALUE)
                give(f, &c, 1);
        else
                line_add(f, c);
}

static void urlencoded_byte(struct form *f, char c)
{
        int digit = hex_value(c);

        if (f->digits_ > 0) {
                if (digit < 0) {
                        f->state_ = STATE_OVER;
                        return;
                }
                f->byte_ = (uint8_t)(f->byte_ << 4 | digit);
                if (--f->digits_ == 0)
                        urlencoded_plain(f, (char)f->byte_);
        } else if (c == '%') {
                f->digits_ = 2;
        } else if (c == '&') {
                f->state_ = STATE_NAME;
                f->line_len_ = 0;
                f->wanted_ = false;
        } else if (c == '=' && f->state_ == STATE_NAME) {
                f->state_ = STATE_VALUE;
                f->wanted_ = line_is_field(f, f->line_, f->line_len_);
                f->begun_ = false;
        } else {
                urlencoded_plain(f, (char)(c == '+' ? ' ' : c));
        }
}

/* In a part's data most bytes are not the delimiter's first: give them in one piece. */
static size_t data_run(struct form *f, const char *p, size_t len)
{
        const char *cr = memchr(p, '\r', len);
        size_t n = cr ? (size_t)(cr - p) : len;

        give(f, p, n);
        return n;
}

void form_feed(struct form *f, const void *data, size_t len)
{
        const char *p = data;
        size_t i = 0;

        while (i < len && f->state_ != STATE_OVER) {
                if (f->state_ == STATE_DATA && f->matched_ == 0 && p[i] != '\r')
                        i += data_run(f, p + i, len - i);
                else if (f->state_ == STATE_NAME || f->state_ == STATE_VALUE)
                        urlencoded_byte(f, p[i++]);
                else
                        multipart_byte(f, p[i++]);
        }
}
