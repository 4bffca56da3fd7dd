#include "wire/save_head.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/num.h"
#include "base/str.h"
#include "wire/json.h"

#define INTEGER_MAX (UINT64_C(1) << 53)

/* ---- reading ---- */

/* The first frame of `data`, as text. */
static int first_frame(const void *data, size_t len, struct buf *text)
{
        size_t frame = ZSTD_findFrameCompressedSize(data, len);
        ZSTD_DStream *z;
        ZSTD_inBuffer in = {.src = data, .size = frame};
        size_t left = 1;
        int r = 0;

        if (ZSTD_isError(frame))
                return -EBADMSG;
        z = ZSTD_createDStream();
        if (!z)
                return -ENOMEM;
        while (r == 0 && left != 0) {
                ZSTD_outBuffer out;

                r = buf_reserve(text, 64 << 10);
                if (r < 0)
                        break;
                out = (ZSTD_outBuffer){.dst = text->data + text->len, .size = buf_room(text)};
                left = ZSTD_decompressStream(z, &out, &in);
                text->len += out.pos;
                if (ZSTD_isError(left) || (left != 0 && in.pos == in.size && out.pos == 0))
                        r = -EBADMSG;
        }
        ZSTD_freeDStream(z);
        if (r == 0)
                r = buf_terminate(text);
        return r == -ENOBUFS ? -EBADMSG : r;
}

static int number(const cJSON *json, const char *key, uint64_t min, uint64_t *ret)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
        double v = cJSON_IsNumber(item) ? item->valuedouble : -1;

        if (!(v >= (double)min) || v > (double)INTEGER_MAX || (double)(uint64_t)v < v)
                return -EBADMSG;
        *ret = (uint64_t)v;
        return 0;
}

static const char *text_of(const cJSON *json, const char *key)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

        return cJSON_IsString(item) ? item->valuestring : "";
}

/* "3-2/0" */
static int archive_id(const char *text, struct save_archive *a)
{
        char copy[64];
        char *slash;
        uint64_t index;

        if (STR_SET(copy, text) < 0 || !(slash = strchr(copy, '/')))
                return -EBADMSG;
        *slash = 0;
        if (blob_save_parse(copy, &a->generation, &a->seq) < 0 || strlen(slash + 1) != 1 ||
            num_parse_u64(slash + 1, 0, BLOB_ARCHIVES_MAX - 1, &index) < 0)
                return -EBADMSG;
        a->index = (uint32_t)index;
        return 0;
}

static int read_parts(const cJSON *parts, struct save_archive *a)
{
        int n = cJSON_IsArray(parts) ? cJSON_GetArraySize(parts) : 0;
        const cJSON *item;
        uint64_t sum = 0;

        if (n < 1 || n > BLOB_PARTS_MAX)
                return -EBADMSG;
        a->parts = calloc((size_t)n, sizeof(*a->parts));
        if (!a->parts)
                return -ENOMEM;
        cJSON_ArrayForEach(item, parts)
        {
                struct save_part *p = &a->parts[a->n_parts++];
                uint8_t digest[32];

                if (number(item, "length", 1, &p->length) < 0 || p->length > BLOB_PART_MAX ||
                    STR_SET(p->sha256, text_of(item, "sha256")) < 0 ||
                    hex_decode(p->sha256, digest, sizeof(digest)) < 0 ||
                    (a->n_parts < (uint32_t)n && p->length != BLOB_PART_MAX))
                        return -EBADMSG;
                sum += p->length;
        }
        return sum == a->length ? 0 : -EBADMSG;
}

static int read_archive(const cJSON *json, struct save_head *h)
{
        struct save_archive *grown, *a;
        int r;

        if (h->n_archives >= SAVE_HEAD_ARCHIVES_MAX)
                return -EBADMSG;
        grown = reallocarray(h->archives, h->n_archives + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        h->archives = grown;
        a = &grown[h->n_archives++];
        *a = (struct save_archive){
                .later = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "later"))};
        r = archive_id(text_of(json, "id"), a);
        if (r == 0)
                r = number(json, "length", 1, &a->length);
        if (r == 0)
                r = number(json, "live", 0, &a->live);
        return r == 0 ? read_parts(cJSON_GetObjectItemCaseSensitive(json, "parts"), a) : r;
}

static int read_ws(const cJSON *json, struct save_head *h)
{
        const cJSON *parent = cJSON_GetObjectItemCaseSensitive(json, "parent");

        if (number(json, "format", 1, &h->format) < 0)
                return -EBADMSG;
        if (h->format != SAVE_HEAD_FORMAT)
                return 1;
        if (!blob_workspace_valid(text_of(json, "workspace")) ||
            STR_SET(h->workspace, text_of(json, "workspace")) < 0 ||
            number(json, "generation", 1, &h->generation) < 0 ||
            number(json, "seq", 1, &h->seq) < 0 || number(json, "at_ms", 0, &h->at_ms) < 0 ||
            number(json, "entries", 0, &h->entries) < 0 || number(json, "bytes", 0, &h->bytes) < 0)
                return -EBADMSG;
        if (parent && (number(parent, "generation", 1, &h->parent_generation) < 0 ||
                       number(parent, "seq", 1, &h->parent_seq) < 0))
                return -EBADMSG;
        return 0;
}

static int read_line(const char *line, struct save_head *h)
{
        bool ws = str_starts(line, "#ws ");
        AUTO_JSON *json = NULL;

        if (!ws && !str_starts(line, "#archive "))
                return 0;
        if (ws == (h->format != 0))
                return -EBADMSG; /* #ws comes first, and once */
        json = cJSON_Parse(strchr(line, ' ') + 1);
        if (!cJSON_IsObject(json))
                return -EBADMSG;
        return ws ? read_ws(json, h) : read_archive(json, h);
}

int save_head_read(const void *data, size_t len, struct save_head *ret)
{
        AUTO_BUF text = BUF_INIT(SAVE_HEAD_TEXT_MAX);
        struct save_head h = {0};
        char *line, *end;
        int r = first_frame(data, len, &text);

        if (r < 0)
                return r;
        line = (char *)text.data;
        if (strlen(line) != text.len || !str_starts(line, "#mtree\n"))
                return -EBADMSG;
        for (; r == 0 && (end = strchr(line, '\n')) != NULL; line = end + 1) {
                *end = 0;
                r = read_line(line, &h);
        }
        if (r == 0 && (h.format == 0 || *line))
                r = -EBADMSG;
        if (r != 0) {
                uint64_t format = h.format;

                save_head_deinit(&h);
                if (r > 0)
                        *ret = (struct save_head){.format = format};
                return r;
        }
        *ret = h;
        return 0;
}

void save_head_deinit(struct save_head *h)
{
        for (uint32_t i = 0; i < h->n_archives; i++)
                free(h->archives[i].parts);
        free(h->archives);
        *h = (struct save_head){0};
}

/* ---- writing ---- */

static int write_archive(const struct save_archive *a, struct buf *text)
{
        int r = buf_printf(text,
                           "#archive {\"id\":\"%" PRIu64 "-%" PRIu64 "/%u\",\"length\":%" PRIu64
                           ",\"live\":%" PRIu64 ",\"later\":%s,\"parts\":[",
                           a->generation, a->seq, a->index, a->length, a->live,
                           a->later ? "true" : "false");

        for (uint32_t i = 0; r == 0 && i < a->n_parts; i++)
                r = buf_printf(text, "%s{\"length\":%" PRIu64 ",\"sha256\":\"%s\"}", i ? "," : "",
                               a->parts[i].length, a->parts[i].sha256);
        return r == 0 ? buf_append_str(text, "]}\n") : r;
}

static int write_frame(const void *data, size_t len, struct buf *b)
{
        size_t n = ZSTD_compressBound(len);
        int r = buf_reserve(b, n);

        if (r < 0)
                return r;
        n = ZSTD_compress(b->data + b->len, n, data, len, 1);
        if (ZSTD_isError(n))
                return -ENOMEM;
        b->len += n;
        return 0;
}

int save_head_write(const struct save_head *h, struct buf *b)
{
        AUTO_BUF text = BUF_INIT(SAVE_HEAD_TEXT_MAX);
        int r = buf_printf(&text,
                           "#mtree\n#ws {\"format\":%d,\"workspace\":\"%s\",\"generation\":%" PRIu64
                           ",\"seq\":%" PRIu64 ",\"at_ms\":%" PRIu64 ",",
                           SAVE_HEAD_FORMAT, h->workspace, h->generation, h->seq, h->at_ms);

        if (r == 0 && h->parent_seq > 0)
                r = buf_printf(&text,
                               "\"parent\":{\"generation\":%" PRIu64 ",\"seq\":%" PRIu64 "},",
                               h->parent_generation, h->parent_seq);
        if (r == 0)
                r = buf_printf(&text, "\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
                               h->entries, h->bytes);
        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++)
                r = write_archive(&h->archives[i], &text);
        if (r == 0)
                r = write_frame(text.data, text.len, b);
        return r == 0 ? write_frame("", 0, b) : r;
}
