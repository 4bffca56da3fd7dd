#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "wire/fields.h"
#include "wire/scan.h"

static int put_object(struct buf *out, enum field_owner owner, const uint8_t *base, bool first);

/* `s` as a JSON string, quotes included. */
static int put_text(struct buf *out, const char *s)
{
        size_t len = strlen(s), run = 0;
        int r = buf_append(out, "\"", 1);

        for (size_t i = 0; r == 0 && i < len;) {
                size_t n = scan_utf8((const unsigned char *)s + i, len - i);
                unsigned char c = (unsigned char)s[i];

                if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
                        i += n;
                        continue;
                }
                r = buf_append(out, s + run, i - run);
                if (r == 0 && n == 0)
                        r = buf_append(out, "?", 1);
                else if (r == 0 && (c == '\n' || c == '\r' || c == '\t'))
                        r = buf_append_str(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
                else if (r == 0 && c < 0x20)
                        r = buf_printf(out, "\\u%04x", c);
                else if (r == 0)
                        r = buf_printf(out, "\\%c", c);
                run = ++i;
        }
        if (r == 0)
                r = buf_append(out, s + run, len - run);
        return r == 0 ? buf_append(out, "\"", 1) : r;
}

static int64_t load_int(const struct field *f, const uint8_t *at)
{
        uint32_t u32;
        int64_t i64;

        if (f->kind == FIELD_U32) {
                memcpy(&u32, at, sizeof(u32));
                return u32;
        }
        /* A uint64_t above INT64_MAX reads as negative here and is refused by its limits. */
        memcpy(&i64, at, sizeof(i64));
        return i64;
}

static uint32_t load_count(const struct field *f, const uint8_t *base)
{
        uint32_t n;

        memcpy(&n, base + f->count_offset, sizeof(n));
        return n;
}

/* The name of a PHASE, VERB or COMMIT, or NULL. */
static const char *load_name(const struct field *f, const uint8_t *at)
{
        size_t n;
        const char *const *names = field_names_of(f->kind, &n);
        unsigned value;

        static_assert(sizeof(enum wire_phase) == sizeof(value) &&
                              sizeof(enum wire_verb) == sizeof(value) &&
                              sizeof(enum wire_commit) == sizeof(value),
                      "enumerations are stored as unsigned");
        memcpy(&value, at, sizeof(value));
        return value < n ? names[value] : NULL;
}

/* What MAY be left out is, when it says nothing. */
static bool is_empty(const struct field *f, const uint8_t *base)
{
        const uint8_t *at = base + f->offset;

        switch (f->kind) {
        case FIELD_U32:
        case FIELD_U64:
        case FIELD_I64:
                return load_int(f, at) == 0;
        case FIELD_LIST:
                return load_count(f, base) == 0;
        case FIELD_BOOL:
        case FIELD_ID:
        case FIELD_ADDR:
        case FIELD_HEX:
        case FIELD_STR:
        case FIELD_DOC:
        case FIELD_TEXT:
        case FIELD_PART: /* its first member is a text that says whether it is there */
                return *at == 0;
        case FIELD_PHASE:
        case FIELD_VERB:
        case FIELD_COMMIT:
                break;
        }
        return false;
}

static int put_list(struct buf *out, const struct field *f, const uint8_t *base)
{
        uint32_t n = load_count(f, base);
        int r;

        if (n > (uint64_t)f->high)
                return -EINVAL;
        r = buf_append(out, "[", 1);
        for (uint32_t i = 0; r == 0 && i < n; i++) {
                r = buf_append_str(out, i ? ",{" : "{");
                if (r == 0)
                        r = put_object(out, f->of, base + f->offset + i * f->element_size, true);
        }
        return r == 0 ? buf_append(out, "]", 1) : r;
}

static int put_value(struct buf *out, const struct field *f, const uint8_t *base)
{
        const uint8_t *at = base + f->offset;
        const char *text = (const char *)at;
        int64_t number;
        int r;

        switch (f->kind) {
        case FIELD_U32:
        case FIELD_U64:
        case FIELD_I64:
                number = load_int(f, at);
                if (number < f->low || number > f->high)
                        return -EINVAL;
                return buf_printf(out, "%" PRId64, number);
        case FIELD_BOOL:
                return buf_append_str(out, *at ? "true" : "false");
        case FIELD_ID:
        case FIELD_ADDR:
        case FIELD_HEX:
        case FIELD_STR:
        case FIELD_DOC:
        case FIELD_TEXT:
                if (!memchr(text, 0, f->size) || !field_text_valid(f->kind, f->size, text))
                        return -EINVAL;
                return put_text(out, text);
        case FIELD_PHASE:
        case FIELD_VERB:
        case FIELD_COMMIT:
                text = load_name(f, at);
                return text ? put_text(out, text) : -EINVAL;
        case FIELD_PART:
                r = buf_append(out, "{", 1);
                return r == 0 ? put_object(out, f->of, at, true) : r;
        case FIELD_LIST:
                return put_list(out, f, base);
        }
        return -EINVAL;
}

/* The fields and the closing brace; `first` when nothing stands behind the opening one yet. */
static int put_object(struct buf *out, enum field_owner owner, const uint8_t *base, bool first)
{
        struct field_span span = field_span_of(owner);
        int r = 0;

        for (size_t i = 0; r == 0 && i < span.n; i++) {
                const struct field *f = &span.first[i];

                if (is_empty(f, base)) {
                        bool text = f->kind >= FIELD_ID && f->kind <= FIELD_TEXT;

                        if (f->need && (text || f->kind == FIELD_PART))
                                return -EINVAL;
                        if (!f->need)
                                continue;
                }
                r = buf_printf(out, "%s\"%s\":", first ? "" : ",", f->name);
                if (r == 0)
                        r = put_value(out, f, base);
                first = false;
        }
        return r == 0 ? buf_append(out, "}", 1) : r;
}

static int put_message(struct buf *out, enum wire_type type, const void *m)
{
        size_t before = out->len;
        int r = buf_printf(out, "{\"type\":\"%s\"", wire_type_name(type));

        if (r == 0)
                r = put_object(out, (enum field_owner)type, m, false);
        if (r == 0 && out->len - before > WIRE_MESSAGE_MAX)
                r = -EMSGSIZE;
        if (r < 0)
                out->len = before;
        return r;
}

#define MESSAGE(id, member, sender, doc)                                                           \
        int wire_encode_##member(const struct wire_##member *m, struct buf *out)                   \
        {                                                                                          \
                return put_message(out, WIRE_##id, m);                                             \
        }
#define OBJECT(id, member, doc)
#define FIELD(id, member, field, kind, low, high, need, doc)
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD

int wire_encode(const struct wire_msg *msg, struct buf *out)
{
        if (msg->type < 0 || msg->type >= WIRE_TYPE_MAX)
                return -EINVAL;
        return put_message(out, msg->type, &msg->hello);
}
