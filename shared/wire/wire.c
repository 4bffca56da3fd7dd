#include "wire/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "wire/fields.h"
#include "wire/json.h"
#include "wire/scan.h"

#define REFUSED 1

static void msg_freep(struct wire_msg **msg)
{
        free(*msg);
}

static int refuse(char *reason, enum field_owner owner, const char *field, const char *why)
{
        (void)snprintf(reason, WIRE_REASON_SIZE, "%s.%s: %s", field_owner_name(owner), field, why);
        return REFUSED;
}

static int get_object(const cJSON *json, enum field_owner owner, uint8_t *base, char *reason);

static int get_number(const cJSON *v, const struct field *f, uint8_t *at, char *reason)
{
        double d = v->valuedouble;
        int64_t i;
        uint32_t u32;

        if (!cJSON_IsNumber(v))
                return refuse(reason, f->owner, f->name, "not a number");
        /* The limits are below 2^53, so a double holds every whole number between them. */
        if (!(d >= (double)f->low && d <= (double)f->high))
                return refuse(reason, f->owner, f->name, "out of range");
        i = (int64_t)d;
        if ((double)i != d)
                return refuse(reason, f->owner, f->name, "not a whole number");
        if (f->kind == FIELD_U32) {
                u32 = (uint32_t)i;
                memcpy(at, &u32, sizeof(u32));
        } else {
                memcpy(at, &i, sizeof(i));
        }
        return 0;
}

/* For people: what fits, cut between letters, control bytes as spaces. */
static void copy_shown(char *dst, size_t size, const char *src)
{
        size_t n = strnlen(src, size - 1);

        if (src[n]) {
                while (n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80)
                        n--;
        }
        memcpy(dst, src, n);
        dst[n] = 0;
        for (size_t i = 0; i < n; i++) {
                if ((unsigned char)dst[i] < 0x20 || dst[i] == 0x7f)
                        dst[i] = ' ';
        }
}

static int get_text(const cJSON *v, const struct field *f, char *dst, char *reason)
{
        if (!cJSON_IsString(v))
                return refuse(reason, f->owner, f->name, "not a text");
        if (v->valuestring[0] == 0)
                return f->need ? refuse(reason, f->owner, f->name, "empty") : 0;
        if (f->kind == FIELD_TEXT) {
                copy_shown(dst, f->size, v->valuestring);
                return 0;
        }
        if (strlen(v->valuestring) >= f->size)
                return refuse(reason, f->owner, f->name, "too long");
        if (!field_text_valid(f->kind, f->size, v->valuestring))
                return refuse(reason, f->owner, f->name, "not such a text");
        str_copy_cut(dst, f->size, v->valuestring);
        return 0;
}

static int get_name(const cJSON *v, const struct field *f, uint8_t *at, char *reason)
{
        size_t n;
        const char *const *names = field_names_of(f->kind, &n);

        if (!cJSON_IsString(v))
                return refuse(reason, f->owner, f->name, "not a text");
        for (unsigned i = 0; i < n; i++) {
                if (strcmp(names[i], v->valuestring) == 0) {
                        memcpy(at, &i, sizeof(i));
                        return 0;
                }
        }
        return refuse(reason, f->owner, f->name, "unknown name");
}

static int get_list(const cJSON *v, const struct field *f, uint8_t *base, char *reason)
{
        const cJSON *element;
        uint32_t n = 0;

        if (!cJSON_IsArray(v))
                return refuse(reason, f->owner, f->name, "not an array");
        cJSON_ArrayForEach(element, v)
        {
                int r;

                if (n == (uint64_t)f->high)
                        return refuse(reason, f->owner, f->name, "too many");
                r = get_object(element, f->of, base + f->offset + n * f->element_size, reason);
                if (r != 0)
                        return r;
                n++;
        }
        memcpy(base + f->count_offset, &n, sizeof(n));
        return 0;
}

static int get_value(const cJSON *v, const struct field *f, uint8_t *base, char *reason)
{
        uint8_t *at = base + f->offset;
        bool yes;

        switch (f->kind) {
        case FIELD_U32:
        case FIELD_U64:
        case FIELD_I64:
                return get_number(v, f, at, reason);
        case FIELD_BOOL:
                if (!cJSON_IsBool(v))
                        return refuse(reason, f->owner, f->name, "not true or false");
                yes = cJSON_IsTrue(v);
                memcpy(at, &yes, sizeof(yes));
                return 0;
        case FIELD_ID:
        case FIELD_ADDR:
        case FIELD_HEX:
        case FIELD_STR:
        case FIELD_DOC:
        case FIELD_TEXT:
                return get_text(v, f, (char *)at, reason);
        case FIELD_PHASE:
        case FIELD_VERB:
        case FIELD_COMMIT:
                return get_name(v, f, at, reason);
        case FIELD_PART:
                return get_object(v, f->of, at, reason);
        case FIELD_LIST:
                return get_list(v, f, base, reason);
        }
        return -EINVAL;
}

static int get_object(const cJSON *json, enum field_owner owner, uint8_t *base, char *reason)
{
        struct field_span span = field_span_of(owner);
        bool seen[FIELDS_MAX] = {0};
        const cJSON *v;

        if (!cJSON_IsObject(json))
                return refuse(reason, owner, "*", "not an object");
        /* Over the members, not over the fields: a second one of the same name must be seen, or two
         * readers could take a different one. */
        cJSON_ArrayForEach(v, json)
        {
                size_t i = 0;
                int r;

                while (i < span.n && strcmp(span.first[i].name, v->string) != 0)
                        i++;
                if (i == span.n)
                        continue;
                if (seen[i])
                        return refuse(reason, owner, span.first[i].name, "twice");
                seen[i] = true;
                r = get_value(v, &span.first[i], base, reason);
                if (r != 0)
                        return r;
        }
        for (size_t i = 0; i < span.n; i++) {
                if (span.first[i].need && !seen[i])
                        return refuse(reason, owner, span.first[i].name, "missing");
        }
        return 0;
}

static int refuse_whole(char *reason, const char *why)
{
        (void)snprintf(reason, WIRE_REASON_SIZE, "%s", why);
        return REFUSED;
}

static int get_type(const cJSON *json, enum wire_type *ret_type, char *reason)
{
        const cJSON *type = NULL, *v;

        if (!cJSON_IsObject(json))
                return refuse_whole(reason, "not an object");
        cJSON_ArrayForEach(v, json)
        {
                if (strcmp(v->string, "type") != 0)
                        continue;
                if (type)
                        return refuse_whole(reason, "type: twice");
                type = v;
        }
        if (!cJSON_IsString(type))
                return refuse_whole(reason, "type: missing or not a text");
        for (unsigned t = 0; t < WIRE_TYPE_MAX; t++) {
                if (strcmp(wire_type_name(t), type->valuestring) == 0) {
                        *ret_type = t;
                        return 0;
                }
        }
        return refuse_whole(reason, "type: unknown");
}

static size_t size_of(enum wire_type type)
{
        static const size_t sizes[] = {
#define MESSAGE(id, member, sender, doc) [WIRE_##id] = sizeof(struct wire_##member),
#define OBJECT(id, member, doc)
#define FIELD(id, member, field, kind, low, high, need, doc)
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD
        };
        static_assert(ARRAY_LEN(sizes) == WIRE_TYPE_MAX, "a size per type");

        return sizes[type];
}

static int parse(const void *data, size_t len, cJSON **ret_json, char *reason)
{
        const char *why = NULL, *end = NULL, *stop = (const char *)data + len;
        cJSON *json;

        if (len == 0 || len > WIRE_MESSAGE_MAX)
                return refuse_whole(reason, len ? "message too long" : "empty message");
        why = scan_json(data, len, WIRE_DEPTH_MAX);
        if (why)
                return refuse_whole(reason, why);
        json = cJSON_ParseWithLengthOpts(data, len, &end, 0);
        if (!json)
                return refuse_whole(reason, "not JSON");
        while (end < stop && strchr(" \t\r\n", *end))
                end++;
        if (end != stop) {
                cJSON_Delete(json);
                return refuse_whole(reason, "bytes behind the message");
        }
        *ret_json = json;
        return 0;
}

int wire_decode(const void *data, size_t len, struct wire_msg *ret_msg,
                char ret_reason[static WIRE_REASON_SIZE])
{
        AUTO_JSON *json = NULL;
        CLEANUP(msg_freep) struct wire_msg *msg = calloc(1, sizeof(*msg));
        int r;

        if (!msg)
                return -ENOMEM;
        r = parse(data, len, &json, ret_reason);
        if (r == 0)
                r = get_type(json, &msg->type, ret_reason);
        if (r == 0)
                r = get_object(json, (enum field_owner)msg->type, (uint8_t *)&msg->hello,
                               ret_reason);
        if (r != 0)
                return r;
        /* Most messages are small; the rest of the union is not worth copying. */
        ret_msg->type = msg->type;
        memcpy(&ret_msg->hello, &msg->hello, size_of(msg->type));
        return 0;
}
