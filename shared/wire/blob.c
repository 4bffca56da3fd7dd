#include "wire/blob.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "wire/json.h"

#define INTEGER_MAX (UINT64_C(1) << 53) /* above it a double has gaps */

/* ---- what a field may be ---- */

bool blob_workspace_valid(const char *s)
{
        size_t n = strlen(s);

        if (n == 0 || n >= BLOB_WORKSPACE_SIZE || s[0] == '-')
                return false;
        return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool url_valid(const char *s)
{
        if (!str_starts(s, "http://") && !str_starts(s, "https://"))
                return false;
        for (; *s; s++) {
                if (*s < 0x21 || *s > 0x7e)
                        return false;
        }
        return true;
}

static bool sha256_valid(const char *s)
{
        return strlen(s) == BLOB_SHA256_SIZE - 1 &&
               strspn(s, "0123456789abcdef") == BLOB_SHA256_SIZE - 1;
}

static bool code_valid(const char *s)
{
        size_t n = strlen(s);

        return n > 0 && strspn(s, "abcdefghijklmnopqrstuvwxyz-") == n;
}

/* ---- reading ---- */

static int parse_object(const void *data, size_t len, size_t max, cJSON **ret_json)
{
        const char *end = NULL;
        cJSON *json;

        if (len == 0 || len > max)
                return -EBADMSG;
        json = cJSON_ParseWithLengthOpts(data, len, &end, false);
        while (json && end < (const char *)data + len && strchr(" \t\r\n", *end) && *end)
                end++;
        if (!json || !cJSON_IsObject(json) || end != (const char *)data + len) {
                cJSON_Delete(json);
                return -EBADMSG;
        }
        *ret_json = json;
        return 0;
}

static const cJSON *member(const cJSON *json, const char *key)
{
        return cJSON_GetObjectItemCaseSensitive(json, key);
}

static int read_u64(const cJSON *json, const char *key, uint64_t min, uint64_t *ret)
{
        const cJSON *item = member(json, key);
        uint64_t v;

        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) ||
            !(item->valuedouble <= (double)INTEGER_MAX))
                return -EBADMSG;
        v = (uint64_t)item->valuedouble;
        if ((double)v < item->valuedouble || v < min)
                return -EBADMSG;
        *ret = v;
        return 0;
}

/* An absent field leaves *ret at 0. */
static int read_u64_optional(const cJSON *json, const char *key, uint64_t *ret)
{
        return member(json, key) ? read_u64(json, key, 0, ret) : 0;
}

static int read_bool(const cJSON *json, const char *key, bool *ret)
{
        const cJSON *item = member(json, key);

        if (!cJSON_IsBool(item))
                return -EBADMSG;
        *ret = cJSON_IsTrue(item);
        return 0;
}

static int read_bool_optional(const cJSON *json, const char *key, bool *ret)
{
        return member(json, key) ? read_bool(json, key, ret) : 0;
}

static int read_text(const cJSON *json, const char *key, bool (*valid)(const char *), char *dst,
                     size_t size)
{
        const cJSON *item = member(json, key);

        if (!cJSON_IsString(item) || !item->valuestring)
                return -EBADMSG;
        if ((valid && !valid(item->valuestring)) || str_copy(dst, size, item->valuestring) < 0)
                return -EBADMSG;
        return 0;
}

static void message_clean(char *s)
{
        for (; *s; s++) {
                if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
                        *s = '?';
        }
}

static int read_message(const cJSON *json, char *dst, size_t size)
{
        int r;

        if (!member(json, "message"))
                return 0;
        r = read_text(json, "message", NULL, dst, size);
        message_clean(dst);
        return r;
}

#define TRY(expr)                                                                                  \
        do {                                                                                       \
                int try_r_ = (expr);                                                               \
                if (try_r_ < 0)                                                                    \
                        return try_r_;                                                             \
        } while (0)

#define READ_TEXT(json, key, valid, dst) TRY(read_text(json, key, valid, dst, sizeof(dst)))

/* ---- writing ---- */

/* cJSON prints doubles with 15 digits where that is near enough; these are exact. */
static bool add_u64(cJSON *json, const char *key, uint64_t value)
{
        char text[24];

        if (value > INTEGER_MAX)
                return false;
        (void)snprintf(text, sizeof(text), "%" PRIu64, value);
        return cJSON_AddRawToObject(json, key, text) != NULL;
}

static bool add_text(cJSON *json, const char *key, bool (*valid)(const char *), const char *value)
{
        if (valid && !valid(value))
                return false;
        return cJSON_AddStringToObject(json, key, value) != NULL;
}

static bool add_bool(cJSON *json, const char *key, bool value)
{
        return cJSON_AddBoolToObject(json, key, value) != NULL;
}

static bool add_message(cJSON *json, const char *message)
{
        char clean[BLOB_MESSAGE_SIZE];

        if (!message[0])
                return true;
        STR_CUT(clean, message);
        message_clean(clean);
        return add_text(json, "message", NULL, clean);
}

static int print_object(const cJSON *json, bool complete, size_t max, struct buf *b)
{
        char *text = complete ? cJSON_PrintUnformatted(json) : NULL;
        int r;

        if (!text)
                return complete ? -ENOMEM : -EINVAL;
        r = strlen(text) > max ? -ENOBUFS : buf_append_str(b, text);
        cJSON_free(text);
        return r;
}

/* ---- grants ---- */

static int read_grants(const cJSON *json, struct blob_grants *g)
{
        const cJSON *urls = member(json, "grants");
        const cJSON *item;

        if (!cJSON_IsArray(urls) || cJSON_GetArraySize(urls) < 1 ||
            cJSON_GetArraySize(urls) > BLOB_GRANTS_MAX)
                return -EBADMSG;
        cJSON_ArrayForEach(item, urls)
        {
                if (!cJSON_IsString(item) || !url_valid(item->valuestring) ||
                    STR_SET(g->url[g->n], item->valuestring) < 0)
                        return -EBADMSG;
                g->n++;
        }
        return 0;
}

static bool add_string(cJSON *array, const char *value)
{
        cJSON *item = cJSON_CreateString(value);

        return item && cJSON_AddItemToArray(array, item);
}

static bool add_grants(cJSON *json, const struct blob_grants *g)
{
        cJSON *urls = cJSON_AddArrayToObject(json, "grants");
        bool ok = urls && g->n >= 1 && g->n <= BLOB_GRANTS_MAX;

        for (uint32_t i = 0; ok && i < g->n; i++)
                ok = url_valid(g->url[i]) && add_string(urls, g->url[i]);
        return ok;
}

/* ---- restore request ---- */

static int read_restore_save(const cJSON *json, struct blob_restore_save *save)
{
        TRY(read_u64(json, "generation", 1, &save->generation));
        TRY(read_u64(json, "seq", 1, &save->seq));
        TRY(read_u64(json, "length", 1, &save->length));
        READ_TEXT(json, "sha256", sha256_valid, save->sha256);
        return save->length <= BLOB_MANIFEST_MAX ? 0 : -EBADMSG;
}

static int read_restore_request(const cJSON *json, struct blob_restore_request *q)
{
        const cJSON *saves = member(json, "saves");
        const cJSON *item;

        READ_TEXT(json, "workspace", blob_workspace_valid, q->workspace);
        TRY(read_u64(json, "generation", 1, &q->generation));
        TRY(read_grants(json, &q->grants));
        if (!cJSON_IsArray(saves) || cJSON_GetArraySize(saves) > BLOB_SAVES_MAX)
                return -EBADMSG;
        cJSON_ArrayForEach(item, saves) TRY(read_restore_save(item, &q->saves[q->n_saves++]));
        return 0;
}

int blob_restore_request_decode(const void *data, size_t len,
                                struct blob_restore_request *ret_request)
{
        struct blob_restore_request q = {0};
        AUTO_JSON *json = NULL;

        TRY(parse_object(data, len, BLOB_REQUEST_MAX, &json));
        TRY(read_restore_request(json, &q));
        *ret_request = q;
        return 0;
}

static bool add_restore_save(cJSON *saves, const struct blob_restore_save *save)
{
        cJSON *json = cJSON_CreateObject();

        if (!json || !cJSON_AddItemToArray(saves, json))
                return false;
        return save->generation >= 1 && save->seq >= 1 && save->length >= 1 &&
               save->length <= BLOB_MANIFEST_MAX && add_u64(json, "generation", save->generation) &&
               add_u64(json, "seq", save->seq) && add_u64(json, "length", save->length) &&
               add_text(json, "sha256", sha256_valid, save->sha256);
}

int blob_restore_request_encode(const struct blob_restore_request *q, struct buf *b)
{
        AUTO_JSON *json = cJSON_CreateObject();
        cJSON *saves;
        bool ok;

        if (q->n_saves > BLOB_SAVES_MAX || q->generation < 1)
                return -EINVAL;
        ok = add_text(json, "workspace", blob_workspace_valid, q->workspace) &&
             add_u64(json, "generation", q->generation) && add_grants(json, &q->grants);
        saves = cJSON_AddArrayToObject(json, "saves");
        for (uint32_t i = 0; ok && saves && i < q->n_saves; i++)
                ok = add_restore_save(saves, &q->saves[i]);
        return print_object(json, ok && saves, BLOB_REQUEST_MAX, b);
}

/* ---- save request ---- */

static int read_parent(const cJSON *json, struct blob_save_request *q)
{
        const cJSON *parent = member(json, "parent");

        if (!parent)
                return 0;
        TRY(read_u64(parent, "generation", 1, &q->parent_generation));
        return read_u64(parent, "seq", 1, &q->parent_seq);
}

static bool add_parent(cJSON *json, const struct blob_save_request *q)
{
        cJSON *parent;

        if (q->parent_seq == 0)
                return true;
        parent = cJSON_AddObjectToObject(json, "parent");
        return parent && q->parent_generation >= 1 &&
               add_u64(parent, "generation", q->parent_generation) &&
               add_u64(parent, "seq", q->parent_seq);
}

static int read_save_request(const cJSON *json, struct blob_save_request *q)
{
        READ_TEXT(json, "workspace", blob_workspace_valid, q->workspace);
        TRY(read_u64(json, "generation", 1, &q->generation));
        TRY(read_bool_optional(json, "sync", &q->sync));
        if (q->sync)
                return 0;
        TRY(read_u64(json, "seq", 1, &q->seq));
        TRY(read_grants(json, &q->grants));
        TRY(read_u64(json, "max_bytes", 1, &q->max_bytes));
        TRY(read_parent(json, q));
        return read_u64_optional(json, "committed_seq", &q->committed_seq);
}

int blob_save_request_decode(const void *data, size_t len, struct blob_save_request *ret_request)
{
        struct blob_save_request q = {0};
        AUTO_JSON *json = NULL;

        TRY(parse_object(data, len, BLOB_SAVE_REQUEST_MAX, &json));
        TRY(read_save_request(json, &q));
        *ret_request = q;
        return 0;
}

int blob_save_request_encode(const struct blob_save_request *q, struct buf *b)
{
        AUTO_JSON *json = cJSON_CreateObject();
        bool ok;

        if (q->generation < 1 || (!q->sync && (q->seq < 1 || q->max_bytes < 1)))
                return -EINVAL;
        ok = add_text(json, "workspace", blob_workspace_valid, q->workspace) &&
             add_u64(json, "generation", q->generation);
        if (q->sync) {
                ok = ok && add_bool(json, "sync", true);
                return print_object(json, ok, BLOB_SAVE_REQUEST_MAX, b);
        }
        ok = ok && add_u64(json, "seq", q->seq) && add_grants(json, &q->grants) &&
             add_u64(json, "max_bytes", q->max_bytes) && add_parent(json, q) &&
             (q->committed_seq == 0 || add_u64(json, "committed_seq", q->committed_seq));
        return print_object(json, ok, BLOB_SAVE_REQUEST_MAX, b);
}

int blob_save_request_set_committed(const void *data, size_t len, uint64_t committed_seq,
                                    struct buf *ret)
{
        struct blob_save_request q;

        TRY(blob_save_request_decode(data, len, &q));
        q.committed_seq = committed_seq;
        return blob_save_request_encode(&q, ret);
}

/* ---- save result ---- */

static int read_save_ok(const cJSON *json, struct blob_save_result *s)
{
        TRY(read_bool(json, "final", &s->final));
        TRY(read_bool(json, "unchanged", &s->unchanged));
        TRY(read_bool_optional(json, "racy", &s->racy));
        TRY(read_u64(json, "files", 0, &s->files));
        TRY(read_u64(json, "ms", 0, &s->ms));
        TRY(read_u64_optional(json, "unreadable", &s->unreadable));
        if (s->unchanged)
                return 0;
        TRY(read_u64(json, "length", 1, &s->length));
        TRY(read_u64(json, "data_length", 0, &s->data_length));
        READ_TEXT(json, "sha256", sha256_valid, s->sha256);
        return s->length <= BLOB_MANIFEST_MAX ? 0 : -EBADMSG;
}

static int read_save_result(const cJSON *json, struct blob_save_result *s)
{
        TRY(read_bool(json, "ok", &s->ok));
        TRY(read_u64(json, "seq", s->ok ? 1 : 0, &s->seq));
        TRY(read_message(json, s->message, sizeof(s->message)));
        if (s->ok)
                return read_save_ok(json, s);
        READ_TEXT(json, "code", code_valid, s->code);
        return read_bool(json, "retry", &s->retry);
}

int blob_save_result_decode(const void *data, size_t len, struct blob_save_result *ret_result)
{
        struct blob_save_result s = {0};
        AUTO_JSON *json = NULL;

        TRY(parse_object(data, len, BLOB_REQUEST_MAX, &json));
        TRY(read_save_result(json, &s));
        *ret_result = s;
        return 0;
}

static bool add_save_ok(cJSON *json, const struct blob_save_result *s)
{
        bool ok = add_bool(json, "final", s->final) && add_bool(json, "unchanged", s->unchanged) &&
                  add_bool(json, "racy", s->racy) && add_u64(json, "files", s->files) &&
                  add_u64(json, "unreadable", s->unreadable) && add_u64(json, "ms", s->ms);

        if (!ok || s->unchanged)
                return ok;
        return s->length >= 1 && s->length <= BLOB_MANIFEST_MAX &&
               add_u64(json, "length", s->length) && add_u64(json, "data_length", s->data_length) &&
               add_text(json, "sha256", sha256_valid, s->sha256);
}

int blob_save_result_encode(const struct blob_save_result *s, struct buf *b)
{
        AUTO_JSON *json = cJSON_CreateObject();
        bool ok = add_bool(json, "ok", s->ok) && add_u64(json, "seq", s->seq) &&
                  add_message(json, s->message);

        if (ok && s->ok)
                ok = s->seq >= 1 && add_save_ok(json, s);
        else if (ok)
                ok = add_text(json, "code", code_valid, s->code) &&
                     add_bool(json, "retry", s->retry);
        return print_object(json, ok, BLOB_REQUEST_MAX, b);
}

/* ---- restore result ---- */

static int read_restore_result(const cJSON *json, struct blob_restore_result *s)
{
        TRY(read_bool(json, "ok", &s->ok));
        TRY(read_message(json, s->message, sizeof(s->message)));
        if (!s->ok) {
                READ_TEXT(json, "code", code_valid, s->code);
                return 0;
        }
        TRY(read_u64(json, "generation", 0, &s->generation));
        TRY(read_u64(json, "seq", 0, &s->seq));
        TRY(read_u64(json, "files", 0, &s->files));
        TRY(read_u64(json, "bytes", 0, &s->bytes));
        TRY(read_u64(json, "ms", 0, &s->ms));
        TRY(read_u64_optional(json, "left", &s->left));
        TRY(read_u64_optional(json, "at_ms", &s->at_ms));
        return read_bool(json, "fell_back", &s->fell_back);
}

int blob_restore_result_decode(const void *data, size_t len, struct blob_restore_result *ret_result)
{
        struct blob_restore_result s = {0};
        AUTO_JSON *json = NULL;

        TRY(parse_object(data, len, BLOB_REQUEST_MAX, &json));
        TRY(read_restore_result(json, &s));
        *ret_result = s;
        return 0;
}

int blob_restore_result_encode(const struct blob_restore_result *s, struct buf *b)
{
        AUTO_JSON *json = cJSON_CreateObject();
        bool ok = add_bool(json, "ok", s->ok) && add_message(json, s->message);

        if (ok && !s->ok)
                ok = add_text(json, "code", code_valid, s->code);
        else if (ok)
                ok = add_u64(json, "generation", s->generation) && add_u64(json, "seq", s->seq) &&
                     add_u64(json, "files", s->files) && add_u64(json, "bytes", s->bytes) &&
                     add_u64(json, "ms", s->ms) && add_u64(json, "left", s->left) &&
                     (s->at_ms == 0 || add_u64(json, "at_ms", s->at_ms)) &&
                     add_bool(json, "fell_back", s->fell_back);
        return print_object(json, ok, BLOB_REQUEST_MAX, b);
}

/* ---- grant request ---- */

static bool name_ok(const char *s)
{
        return s[0] && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-./") == strlen(s);
}

static int read_grant_object(const cJSON *json, enum blob_op op, struct blob_grant_object *o)
{
        READ_TEXT(json, "name", name_ok, o->name);
        if (op == BLOB_OP_GET)
                return 0;
        TRY(read_u64(json, "length", 1, &o->length));
        READ_TEXT(json, "sha256", sha256_valid, o->sha256);
        return 0;
}

int blob_grant_request_decode(const void *data, size_t len, enum blob_op op,
                              struct blob_grant_request *ret_request)
{
        struct blob_grant_request q = {0};
        AUTO_JSON *json = NULL;
        const cJSON *objects, *item;

        TRY(parse_object(data, len, BLOB_GRANT_REQUEST_MAX, &json));
        objects = member(json, "objects");
        if (!cJSON_IsArray(objects) || cJSON_GetArraySize(objects) < 1 ||
            cJSON_GetArraySize(objects) > BLOB_GRANT_OBJECTS_MAX)
                return -EBADMSG;
        cJSON_ArrayForEach(item, objects)
                TRY(read_grant_object(item, op, &q.objects[q.n_objects++]));
        *ret_request = q;
        return 0;
}

int blob_grant_request_encode(const struct blob_grant_request *q, enum blob_op op, struct buf *b)
{
        AUTO_JSON *json = cJSON_CreateObject();
        cJSON *objects = cJSON_AddArrayToObject(json, "objects");
        bool ok = objects && q->n_objects >= 1 && q->n_objects <= BLOB_GRANT_OBJECTS_MAX;

        for (uint32_t i = 0; ok && i < q->n_objects; i++) {
                const struct blob_grant_object *o = &q->objects[i];
                cJSON *item = cJSON_CreateObject();

                ok = item && cJSON_AddItemToArray(objects, item) &&
                     add_text(item, "name", name_ok, o->name) &&
                     (op == BLOB_OP_GET || (o->length >= 1 && add_u64(item, "length", o->length) &&
                                            add_text(item, "sha256", sha256_valid, o->sha256)));
        }
        return print_object(json, ok, BLOB_GRANT_REQUEST_MAX, b);
}

/* ---- grant answer ---- */

/* "Name: value", so that nothing else can be put into a request with it. */
static bool header_valid(const char *s)
{
        const char *colon = strstr(s, ": ");

        if (!colon || colon == s || strlen(s) >= BLOB_HEADER_SIZE)
                return false;
        for (; *s; s++) {
                if ((s < colon && (*s == ':' || *s == ' ')) || *s < 0x20 || *s > 0x7e)
                        return false;
        }
        return true;
}

static int read_address(const cJSON *json, struct blob_address *a)
{
        const cJSON *url = member(json, "url");
        const cJSON *headers = member(json, "headers");
        const cJSON *item;

        if (!cJSON_IsString(url) || !url_valid(url->valuestring) ||
            strlen(url->valuestring) >= BLOB_URL_SIZE || !cJSON_IsArray(headers) ||
            cJSON_GetArraySize(headers) > BLOB_GRANT_HEADERS_MAX)
                return -EBADMSG;
        a->url = url->valuestring;
        cJSON_ArrayForEach(item, headers)
        {
                if (!cJSON_IsString(item) || !header_valid(item->valuestring))
                        return -EBADMSG;
                a->headers[a->n_headers++] = item->valuestring;
        }
        return 0;
}

static int read_granted(const cJSON *json, struct blob_granted *g)
{
        const cJSON *name = member(json, "name");
        const cJSON *check = member(json, "check");

        if (!cJSON_IsString(name) || !name_ok(name->valuestring) ||
            strlen(name->valuestring) >= BLOB_OBJECT_SIZE)
                return -EBADMSG;
        g->name = name->valuestring;
        TRY(read_address(json, &g->at));
        return check ? read_address(check, &g->check) : 0;
}

int blob_grant_answer_decode(const void *data, size_t len, struct blob_grant_answer *ret_answer)
{
        struct blob_grant_answer a = {0};
        AUTO_JSON *json = NULL;
        const cJSON *objects, *item;

        TRY(parse_object(data, len, BLOB_GRANT_ANSWER_MAX, &json));
        objects = member(json, "objects");
        if (!cJSON_IsArray(objects) || cJSON_GetArraySize(objects) > BLOB_GRANT_OBJECTS_MAX)
                return -EBADMSG;
        cJSON_ArrayForEach(item, objects) TRY(read_granted(item, &a.objects[a.n_objects++]));
        a.tree_ = STEAL(json, NULL);
        *ret_answer = a;
        return 0;
}

static bool add_address(cJSON *json, const struct blob_address *a)
{
        cJSON *headers;
        bool ok = a->n_headers <= BLOB_GRANT_HEADERS_MAX && strlen(a->url) < BLOB_URL_SIZE &&
                  add_text(json, "url", url_valid, a->url);

        headers = cJSON_AddArrayToObject(json, "headers");
        for (uint32_t i = 0; ok && headers && i < a->n_headers; i++)
                ok = header_valid(a->headers[i]) && add_string(headers, a->headers[i]);
        return ok && headers;
}

static bool add_granted(cJSON *objects, const struct blob_granted *g)
{
        cJSON *json = cJSON_CreateObject();
        cJSON *check;

        if (!json || !cJSON_AddItemToArray(objects, json))
                return false;
        if (!add_text(json, "name", name_ok, g->name) || !add_address(json, &g->at))
                return false;
        if (!g->check.url)
                return true;
        check = cJSON_AddObjectToObject(json, "check");
        return check && add_address(check, &g->check);
}

int blob_grant_answer_encode(const struct blob_grant_answer *a, struct buf *b)
{
        AUTO_JSON *json = cJSON_CreateObject();
        cJSON *objects = cJSON_AddArrayToObject(json, "objects");
        bool ok = objects && a->n_objects <= BLOB_GRANT_OBJECTS_MAX;

        for (uint32_t i = 0; ok && i < a->n_objects; i++)
                ok = add_granted(objects, &a->objects[i]);
        return print_object(json, ok, BLOB_GRANT_ANSWER_MAX, b);
}

void blob_grant_answer_deinit(struct blob_grant_answer *a)
{
        cJSON_Delete(a->tree_);
        *a = (struct blob_grant_answer){0};
}

/* ---- object names ---- */

#define MANIFEST_FILE "manifest.mtree.zst"

int blob_object_name(const struct blob_object_ref *ref, char ret_name[static BLOB_OBJECT_SIZE])
{
        int n;

        if (!blob_workspace_valid(ref->workspace) || ref->generation < 1 || ref->seq < 1 ||
            ref->generation > INTEGER_MAX || ref->seq > INTEGER_MAX)
                return -EINVAL;
        if (ref->which == BLOB_OBJECT_PART &&
            (ref->archive >= BLOB_ARCHIVES_MAX || ref->part >= BLOB_PARTS_MAX))
                return -EINVAL;
        n = snprintf(ret_name, BLOB_OBJECT_SIZE, "%s/%" PRIu64 "-%" PRIu64 "/", ref->workspace,
                     ref->generation, ref->seq);
        if (ref->which == BLOB_OBJECT_MANIFEST)
                (void)snprintf(ret_name + n, BLOB_OBJECT_SIZE - (size_t)n, MANIFEST_FILE);
        else
                (void)snprintf(ret_name + n, BLOB_OBJECT_SIZE - (size_t)n, "%u-%05u.tar.zst",
                               ref->archive, ref->part);
        return 0;
}

/* Digits without a leading zero, so that one save has one name. */
static int number_parse(const char *text, uint64_t *ret)
{
        if (text[0] == '0')
                return -EINVAL;
        return num_parse_u64(text, 1, INTEGER_MAX, ret) < 0 ? -EINVAL : 0;
}

int blob_save_parse(const char *text, uint64_t *ret_generation, uint64_t *ret_seq)
{
        char copy[48];
        uint64_t generation, seq;
        char *dash;

        if (STR_SET(copy, text) < 0)
                return -EINVAL;
        dash = strchr(copy, '-');
        if (!dash)
                return -EINVAL;
        *dash = 0;
        TRY(number_parse(copy, &generation));
        TRY(number_parse(dash + 1, &seq));
        *ret_generation = generation;
        *ret_seq = seq;
        return 0;
}

int blob_file_parse(const char *file, struct blob_object_ref *ref)
{
        char digits[6] = "";

        if (strcmp(file, MANIFEST_FILE) == 0) {
                ref->which = BLOB_OBJECT_MANIFEST;
                ref->archive = ref->part = 0;
                return 0;
        }
        if (strlen(file) != 15 || file[0] < '0' || file[0] >= '0' + BLOB_ARCHIVES_MAX ||
            file[1] != '-' || strspn(file + 2, "0123456789") != 5 ||
            strcmp(file + 7, ".tar.zst") != 0)
                return -EINVAL;
        memcpy(digits, file + 2, 5);
        ref->which = BLOB_OBJECT_PART;
        ref->archive = (uint32_t)(file[0] - '0');
        ref->part = 0;
        for (const char *p = digits; *p; p++)
                ref->part = 10 * ref->part + (uint32_t)(*p - '0');
        return 0;
}

int blob_object_parse(const char *name, struct blob_object_ref *ret_ref)
{
        struct blob_object_ref ref = {0};
        char copy[BLOB_OBJECT_SIZE];
        char *save, *file;

        if (STR_SET(copy, name) < 0)
                return -EINVAL;
        save = strchr(copy, '/');
        file = save ? strchr(save + 1, '/') : NULL;
        if (!file)
                return -EINVAL;
        *save++ = 0;
        *file++ = 0;
        if (!blob_workspace_valid(copy) || STR_SET(ref.workspace, copy) < 0)
                return -EINVAL;
        TRY(blob_save_parse(save, &ref.generation, &ref.seq));
        TRY(blob_file_parse(file, &ref));
        *ret_ref = ref;
        return 0;
}
