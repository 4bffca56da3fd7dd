#include "decode/beacon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "decode/form.h"
#include "decode/json.h"
#include "http/chunk.h"
#include "http/head.h"

struct beacon {
        const struct rules *rules;
        beacon_entry_fn entry;
        void *ctx;
        size_t left; /* bytes that are still looked at */
        bool is_form;
        bool chunked;
        struct http_chunk chunk;
        struct form form;
        struct json_list list;
};

static void list_begin(struct beacon *b)
{
        json_list_init(&b->list, b->rules->log_field, b->rules->log_key, b->entry, b->ctx);
}

static void field_data(void *ctx, bool begin, const void *data, size_t len)
{
        struct beacon *b = ctx;

        if (begin)
                list_begin(b);
        json_list_feed(&b->list, data, len);
}

/* The type without its parameters; letter case does not matter. */
static bool type_is(const char *type, size_t len, const char *wanted)
{
        size_t n = strlen(wanted);

        return len >= n && strncasecmp(type, wanted, n) == 0 &&
               (len == n || type[n] == ';' || type[n] == ' ');
}

static bool boundary_find(const char *type, size_t len, const char **ret_at, size_t *ret_len)
{
        static const char name[] = "boundary=";
        size_t n = sizeof(name) - 1;

        for (size_t i = 0; i + n <= len; i++) {
                const char *at = type + i + n;
                size_t left = len - i - n;
                const char *end;

                if (strncasecmp(type + i, name, n) != 0)
                        continue;
                if (left > 0 && *at == '"') {
                        at++;
                        end = memchr(at, '"', left - 1);
                        *ret_len = end ? (size_t)(end - at) : 0;
                } else {
                        end = memchr(at, ';', left);
                        *ret_len = end ? (size_t)(end - at) : left;
                }
                *ret_at = at;
                return true;
        }
        return false;
}

static int type_choose(struct beacon *b, const char *type, size_t len)
{
        const char *boundary;
        size_t boundary_len;

        if (type_is(type, len, "application/json") || type_is(type, len, "text/plain")) {
                list_begin(b);
                return 0;
        }
        b->is_form = true;
        if (type_is(type, len, "application/x-www-form-urlencoded")) {
                form_urlencoded(&b->form, b->rules->log_field, field_data, b);
                return 0;
        }
        if (!type_is(type, len, "multipart/form-data") ||
            !boundary_find(type, len, &boundary, &boundary_len) ||
            form_multipart(&b->form, boundary, boundary_len, b->rules->log_field, field_data, b) <
                    0)
                return -ENOTSUP;
        return 0;
}

int beacon_new(const struct rules *rules, const char *content_type, size_t len, bool chunked,
               beacon_entry_fn entry, void *ctx, struct beacon **ret_beacon)
{
        struct beacon *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return -ENOMEM;
        b->rules = rules;
        b->entry = entry;
        b->ctx = ctx;
        b->left = BEACON_BYTES_MAX;
        b->chunked = chunked;
        r = type_choose(b, content_type, len);
        if (r < 0) {
                free(b);
                return r;
        }
        *ret_beacon = b;
        return 0;
}

static void plain(struct beacon *b, const void *data, size_t len)
{
        if (b->is_form)
                form_feed(&b->form, data, len);
        else
                json_list_feed(&b->list, data, len);
}

static void dechunk(struct beacon *b, const char *p, size_t len)
{
        while (len > 0) {
                size_t used, at, n;
                int r = http_chunk_next(&b->chunk, p, len, &used, &at, &n);

                plain(b, p + at, n);
                if (r != HTTP_MORE) {
                        b->left = 0; /* complete, or refused: nothing behind it is the body's */
                        return;
                }
                p += used;
                len -= used;
        }
}

void beacon_feed(struct beacon *b, const void *data, size_t len)
{
        len = MIN(len, b->left);
        if (len == 0)
                return;
        b->left -= len;
        if (b->chunked)
                dechunk(b, data, len);
        else
                plain(b, data, len);
}

struct beacon *beacon_free(struct beacon *b)
{
        free(b);
        return NULL;
}
