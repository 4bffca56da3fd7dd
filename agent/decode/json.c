#include "decode/json.h"

#include <string.h>

enum {
        STATE_VALUE,   /* a value must come */
        STATE_FIRST,   /* behind '[': a value or ']' */
        STATE_MEMBER,  /* behind '{': a name or '}' */
        STATE_NAME,    /* behind ',' in an object: a name */
        STATE_COLON,   /* behind a name */
        STATE_NEXT,    /* behind a value: ',' or the end of what it stands in */
        STATE_TEXT,    /* inside quotes */
        STATE_LITERAL, /* inside a number, true, false, null: text_ has the first bytes */
        STATE_OVER,    /* complete, or not JSON */
};

void json_list_init(struct json_list *l, const char *field, const char *key, json_text_fn fn,
                    void *ctx)
{
        *l = (struct json_list){.field = field, .key = key, .fn = fn, .ctx = ctx};
}

static bool in_object(const struct json_list *l)
{
        return l->depth_ > 0 && (l->objects_ >> (l->depth_ - 1) & 1);
}

static bool text_is(const struct json_list *l, const char *word)
{
        return !l->cut_ && l->len_ == strlen(word) && memcmp(l->text_, word, l->len_) == 0;
}

static void text_begin(struct json_list *l, int state)
{
        l->state_ = (uint8_t)state;
        l->len_ = 0;
        l->cut_ = false;
        l->escape_ = 0;
}

static void text_add(struct json_list *l, char c)
{
        if (l->len_ < sizeof(l->text_))
                l->text_[l->len_++] = c;
        else
                l->cut_ = true;
}

static void open(struct json_list *l, bool object)
{
        bool entry = object && l->base_ > 0 && l->depth_ == l->base_;

        if (l->depth_ == JSON_DEPTH_MAX) {
                l->state_ = STATE_OVER;
                return;
        }
        if (!object && l->base_ == 0 && (l->depth_ == 0 || l->wanted_))
                l->base_ = (uint8_t)(l->depth_ + 1);
        l->objects_ &= ~(UINT32_C(1) << l->depth_);
        l->objects_ |= (uint32_t)object << l->depth_;
        l->depth_++;
        l->state_ = object ? STATE_MEMBER : STATE_FIRST;
        l->wanted_ = false;
        l->found_ &= !entry;
}

static void value_end(struct json_list *l)
{
        l->wanted_ = false;
        l->state_ = l->depth_ == 0 ? STATE_OVER : STATE_NEXT;
}

static void close(struct json_list *l, char c)
{
        if (c != (in_object(l) ? '}' : ']')) {
                l->state_ = STATE_OVER;
                return;
        }
        l->depth_--;
        value_end(l);
        if (l->base_ > 0 && l->depth_ < l->base_)
                l->state_ = STATE_OVER; /* the list is complete */
}

/* Whether the value behind this name is the list, or an entry's wanted text. */
static bool name_wanted(const struct json_list *l)
{
        if (l->base_ == 0)
                return l->depth_ == 1 && text_is(l, l->field);
        return l->depth_ == l->base_ + 1 && !l->found_ && text_is(l, l->key);
}

static void text_end(struct json_list *l)
{
        if (l->is_key_) {
                l->wanted_ = name_wanted(l);
                l->state_ = STATE_COLON;
                return;
        }
        if (l->wanted_ && l->base_ > 0) {
                l->found_ = true;
                if (!l->cut_)
                        l->fn(l->ctx, l->text_, l->len_);
        }
        value_end(l);
}

static int hex_value(char c)
{
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;

        return at ? (int)((at - digits) % 16) : -1;
}

static void escaped(struct json_list *l, char c)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *at;
        int digit;

        if (l->escape_ == 1) {
                at = c ? strchr(from, c) : NULL;
                l->escape_ = c == 'u' ? 2 : 0;
                l->unit_ = 0;
                if (at)
                        text_add(l, to[at - from]);
                else if (c != 'u')
                        l->state_ = STATE_OVER;
                return;
        }
        digit = hex_value(c);
        if (digit < 0) {
                l->state_ = STATE_OVER;
                return;
        }
        l->unit_ = (uint16_t)(l->unit_ << 4 | digit);
        if (++l->escape_ < 6)
                return;
        l->escape_ = 0;
        /* Names are ASCII; what is not must only not look like one. */
        text_add(l, l->unit_ < 0x80 ? (char)l->unit_ : '\x7f');
}

static void in_text(struct json_list *l, char c)
{
        if (l->escape_ > 0)
                escaped(l, c);
        else if (c == '"')
                text_end(l);
        else if (c == '\\')
                l->escape_ = 1;
        else if ((uint8_t)c < ' ')
                l->state_ = STATE_OVER;
        else
                text_add(l, c);
}

/* A number is not taken apart: nothing hangs on it. */
static bool literal_valid(const struct json_list *l)
{
        return text_is(l, "true") || text_is(l, "false") || text_is(l, "null") ||
               strchr("-0123456789", l->text_[0]);
}

static bool literal_goes_on(const struct json_list *l, char c)
{
        return (strchr("-0123456789", l->text_[0]) ? strchr("+-.eE0123456789", c)
                                                   : strchr("aeflnrstu", c)) != NULL;
}

static void value_begin(struct json_list *l, char c)
{
        if (c == '{' || c == '[') {
                open(l, c == '{');
        } else if (c == '"') {
                text_begin(l, STATE_TEXT);
                l->is_key_ = false;
        } else if (c && strchr("-0123456789tfn", c)) {
                text_begin(l, STATE_LITERAL);
                text_add(l, c);
        } else {
                l->state_ = STATE_OVER;
        }
}

static void member_begin(struct json_list *l, char c)
{
        l->is_key_ = true;
        if (c == '"')
                text_begin(l, STATE_TEXT);
        else
                l->state_ = STATE_OVER;
}

/* What stands between values, or begins one. */
static void step(struct json_list *l, char c)
{
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
                return;
        switch (l->state_) {
        case STATE_VALUE:
                value_begin(l, c);
                break;
        case STATE_FIRST:
                if (c == ']')
                        close(l, c);
                else
                        value_begin(l, c);
                break;
        case STATE_MEMBER:
                if (c == '}')
                        close(l, c);
                else
                        member_begin(l, c);
                break;
        case STATE_NAME:
                member_begin(l, c);
                break;
        case STATE_COLON:
                l->state_ = c == ':' ? STATE_VALUE : STATE_OVER;
                break;
        case STATE_NEXT:
                if (c == ',')
                        l->state_ = in_object(l) ? STATE_NAME : STATE_VALUE;
                else
                        close(l, c);
                break;
        default:
                break;
        }
}

static void literal(struct json_list *l, char c)
{
        if (c && literal_goes_on(l, c)) {
                text_add(l, c);
        } else if (!literal_valid(l)) {
                l->state_ = STATE_OVER;
        } else {
                value_end(l);
                step(l, c);
        }
}

void json_list_feed(struct json_list *l, const void *data, size_t len)
{
        const char *p = data;

        for (size_t i = 0; i < len && l->state_ != STATE_OVER; i++) {
                if (l->state_ == STATE_TEXT)
                        in_text(l, p[i]);
                else if (l->state_ == STATE_LITERAL)
                        literal(l, p[i]);
                else
                        step(l, p[i]);
        }
}
