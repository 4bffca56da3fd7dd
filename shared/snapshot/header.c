/* The lines at the head: "#ws {...}" and one "#archive {...}" for each archive. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/num.h"
#include "base/str.h"
#include "snapshot/lines.h"

void snapshot_header_deinit(struct snapshot_header *h)
{
        for (uint32_t i = 0; i < h->n_archives; i++)
                free(h->archives[i].parts);
        free(h->archives);
        *h = (struct snapshot_header){0};
}

int snapshot_header_add(struct snapshot_header *h, const struct snapshot_archive *a)
{
        struct snapshot_archive *grown;

        if (h->n_archives >= SNAPSHOT_ARCHIVES_MAX)
                return -ENOBUFS;
        grown = realloc(h->archives, (h->n_archives + 1) * sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        h->archives = grown;
        h->archives[h->n_archives] = *a;
        snapshot_id(a, h->archives[h->n_archives++].id);
        return 0;
}

void snapshot_id(const struct snapshot_archive *a, char ret_id[static SNAPSHOT_ID_SIZE])
{
        char text[SNAPSHOT_ID_SIZE];
        uint64_t numbers[3] = {a->number, a->save.seq, a->save.generation};
        size_t at = sizeof(text) - 1;

        /* By hand: this is asked for once per entry. */
        text[at] = 0;
        for (int i = 0; i < 3; i++) {
                uint64_t n = numbers[i];

                if (i > 0)
                        text[--at] = i == 1 ? '/' : '-';
                do
                        text[--at] = (char)('0' + n % 10);
                while ((n /= 10) > 0);
        }
        memcpy(ret_id, text + at, sizeof(text) - at);
}

/* ---- writing ---- */

/* As JSON text, quoted; what is not UTF-8 comes as '?'. */
static int write_text(const char *s, struct buf *b)
{
        int r = buf_append(b, "\"", 1);

        for (; r == 0 && *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (c == '"' || c == '\\')
                        r = buf_printf(b, "\\%c", c);
                else if (c < ' ' || c >= 0x7f)
                        r = buf_append(b, "?", 1);
                else
                        r = buf_append(b, s, 1);
        }
        return r == 0 ? buf_append(b, "\"", 1) : r;
}

static int write_archive(const struct snapshot_archive *a, struct buf *b)
{
        char hex[65];
        int r = buf_printf(b,
                           "#archive {\"id\":\"%s\",\"length\":%" PRIu64 ",\"bytes\":%" PRIu64
                           ",\"live\":%" PRIu64 ",\"later\":%s,\"parts\":[",
                           a->id, a->length, a->bytes, a->live, a->later ? "true" : "false");
        for (uint32_t i = 0; r == 0 && i < a->n_parts; i++) {
                hex_encode(a->parts[i].sha256, sizeof(a->parts[i].sha256), hex);
                r = buf_printf(b, "%s{\"length\":%" PRIu64 ",\"sha256\":\"%s\"}", i ? "," : "",
                               a->parts[i].length, hex);
        }
        return r == 0 ? buf_append_str(b, "]}\n") : r;
}

int snapshot_header_write(const struct snapshot_header *h, struct buf *b)
{
        int r = buf_printf(b,
                           "#mtree\n#ws {\"format\":%d,\"workspace\":\"%s\",\"generation\":%" PRIu64
                           ",\"seq\":%" PRIu64 ",\"at_ms\":%" PRIu64,
                           SNAPSHOT_FORMAT, h->workspace, h->save.generation, h->save.seq,
                           h->at_ms);

        if (r == 0 && h->parent.generation > 0)
                r = buf_printf(b, ",\"parent\":{\"generation\":%" PRIu64 ",\"seq\":%" PRIu64 "}",
                               h->parent.generation, h->parent.seq);
        if (r == 0)
                r = buf_printf(b, ",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"notes\":",
                               h->entries, h->bytes);
        if (r == 0)
                r = write_text(h->notes, b);
        if (r == 0)
                r = buf_append_str(b, "}\n");
        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++)
                r = write_archive(&h->archives[i], b);
        return r;
}

/* ---- reading ---- */

static bool number(const cJSON *o, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

        if (!cJSON_IsNumber(v) || !(v->valuedouble >= (double)min) ||
            !(v->valuedouble <= (double)max))
                return false;
        *ret = (uint64_t)v->valuedouble;
        return (double)*ret == v->valuedouble;
}

static bool save_read(const cJSON *o, struct snapshot_save *ret)
{
        return number(o, "generation", 1, SNAPSHOT_NUMBER_MAX, &ret->generation) &&
               number(o, "seq", 1, SNAPSHOT_NUMBER_MAX, &ret->seq);
}

/* a-z 0-9 and -, as every workspace's key. */
static bool workspace_read(const cJSON *o, char *dst, size_t size)
{
        const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "workspace"));

        if (!s || !*s || *s == '-')
                return false;
        return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0 &&
               str_copy(dst, size, s) == 0;
}

static const char *ws_take(const cJSON *o, struct snapshot_header *h)
{
        const cJSON *parent = cJSON_GetObjectItemCaseSensitive(o, "parent");
        const char *notes = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "notes"));
        uint64_t format;

        if (!number(o, "format", 1, UINT32_MAX, &format))
                return "format is missing";
        if (format != SNAPSHOT_FORMAT)
                return "a format that is not known here (this reads format 2)";
        if (!workspace_read(o, h->workspace, sizeof(h->workspace)))
                return "workspace is not one";
        if (!save_read(o, &h->save))
                return "generation or seq is not one";
        if (parent && !save_read(parent, &h->parent))
                return "parent is not one";
        if (!number(o, "at_ms", 0, SNAPSHOT_NUMBER_MAX, &h->at_ms))
                return "at_ms is not one";
        if (!number(o, "entries", 0, SNAPSHOT_ENTRIES_MAX, &h->entries))
                return "entries is not one, or too many";
        if (!number(o, "bytes", 0, SNAPSHOT_NUMBER_MAX, &h->bytes))
                return "bytes is not one";
        if (notes)
                STR_CUT(h->notes, notes);
        return NULL;
}

#define WS_NODES_MAX 1024
#define ARCHIVE_NODES_MAX (4 * (size_t)SNAPSHOT_PARTS_MAX + 64) /* a part has three */

/* cJSON makes at most one node for each of these, and one more: a small text may hold millions. */
static bool few_nodes(const char *s, size_t len, size_t max)
{
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += s[i] == ',' || s[i] == '[' || s[i] == '{';
        return n <= max;
}

static cJSON *parse(const char *json, size_t len, size_t nodes_max)
{
        return few_nodes(json, len, nodes_max) ? cJSON_ParseWithLength(json, len) : NULL;
}

const char *snapshot_ws_parse(const char *json, size_t len, struct snapshot_header *h)
{
        cJSON *o = parse(json, len, WS_NODES_MAX);
        const char *wrong = cJSON_IsObject(o) ? ws_take(o, h) : "#ws is not an object";

        cJSON_Delete(o);
        return wrong;
}

static bool id_read(const cJSON *o, struct snapshot_archive *a)
{
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "id"));
        char copy[SNAPSHOT_ID_SIZE], again[SNAPSHOT_ID_SIZE];
        char *dash, *slash;
        uint64_t n;

        if (!id || STR_SET(copy, id) < 0)
                return false;
        dash = strchr(copy, '-');
        slash = dash ? strchr(dash, '/') : NULL;
        if (!slash)
                return false;
        *dash = *slash = 0;
        if (num_parse_u64(copy, 1, SNAPSHOT_NUMBER_MAX, &a->save.generation) < 0 ||
            num_parse_u64(dash + 1, 1, SNAPSHOT_NUMBER_MAX, &a->save.seq) < 0 ||
            num_parse_u64(slash + 1, 0, SNAPSHOT_NUMBERS_MAX - 1, &n) < 0)
                return false;
        a->number = (uint32_t)n;
        snapshot_id(a, again);
        return strcmp(id, again) == 0;
}

static bool part_read(const cJSON *o, struct snapshot_part *ret)
{
        const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "sha256"));

        return hex && hex_decode(hex, ret->sha256, sizeof(ret->sha256)) == 0 &&
               number(o, "length", 1, SNAPSHOT_PART_BYTES_MAX, &ret->length);
}

static const char *parts_read(const cJSON *list, struct snapshot_archive *a)
{
        int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
        const cJSON *item;
        uint64_t sum = 0;

        if (n < 1 || n > SNAPSHOT_PARTS_MAX)
                return "parts is not a list of 1 to 65536";
        a->parts = calloc((size_t)n, sizeof(*a->parts));
        if (!a->parts)
                return "memory is short";
        cJSON_ArrayForEach(item, list)
        {
                struct snapshot_part *part = &a->parts[a->n_parts++];

                if (!part_read(item, part))
                        return "a part is not one";
                if (part->length > a->parts[0].length ||
                    (a->n_parts < (uint32_t)n && part->length < a->parts[0].length))
                        return "a part that is not the last is not as long as the first";
                sum += part->length;
        }
        return sum == a->length ? NULL : "length is not the sum of the parts";
}

static const char *archive_take(const cJSON *o, const struct snapshot_header *h,
                                struct snapshot_archive *a)
{
        char id[SNAPSHOT_ID_SIZE];

        if (!id_read(o, a))
                return "id is not one";
        snapshot_id(a, id);
        if (snapshot_archive_find(h, id, strlen(id)) >= 0)
                return "an archive stands twice";
        if (!number(o, "length", 1, SNAPSHOT_NUMBER_MAX, &a->length) ||
            !number(o, "bytes", 0, SNAPSHOT_NUMBER_MAX, &a->bytes) ||
            !number(o, "live", 0, SNAPSHOT_NUMBER_MAX, &a->live))
                return "length, bytes or live is not one";
        a->later = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "later"));
        return parts_read(cJSON_GetObjectItemCaseSensitive(o, "parts"), a);
}

const char *snapshot_archive_parse(const char *json, size_t len, struct snapshot_header *h)
{
        cJSON *o = parse(json, len, ARCHIVE_NODES_MAX);
        struct snapshot_archive a = {0};
        const char *wrong =
                cJSON_IsObject(o) ? archive_take(o, h, &a) : "#archive is not an object";

        if (!wrong && snapshot_header_add(h, &a) < 0)
                wrong = "too many archives";
        if (wrong)
                free(a.parts);
        cJSON_Delete(o);
        return wrong;
}
