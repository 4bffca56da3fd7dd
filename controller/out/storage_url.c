#include "out/storage_url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

static const char *op_name(enum blob_op op)
{
        return op == BLOB_OP_PUT ? "put" : "get";
}

/* Takes "key=value" up to the next '&' or the end from *text. */
static const char *take_param(char **text, const char *key)
{
        size_t n = strlen(key);
        char *value, *end;

        if (!*text || strncmp(*text, key, n) != 0 || (*text)[n] != '=')
                return NULL;
        value = *text + n + 1;
        end = strchr(value, '&');
        *text = end ? end + 1 : NULL;
        if (end)
                *end = 0;
        return value;
}

static int take_number(char **text, const char *key, uint64_t *ret)
{
        const char *value = take_param(text, key);

        return value ? num_parse_u64(value, 0, INT64_MAX, ret) : -EINVAL;
}

static int take_op(char **text, enum blob_op *ret)
{
        const char *value = take_param(text, "op");

        if (!value || (strcmp(value, "put") != 0 && strcmp(value, "get") != 0))
                return -EINVAL;
        *ret = value[0] == 'p' ? BLOB_OP_PUT : BLOB_OP_GET;
        return 0;
}

/* "<prefix><path>?<query>", cut at the '?'; the path in *ret_path keeps the prefix. */
static int target_split(struct http_span target, const char *prefix,
                        char copy[static STORAGE_TARGET_MAX], char **ret_query)
{
        if (target.len >= STORAGE_TARGET_MAX)
                return -EINVAL;
        memcpy(copy, target.at, target.len);
        copy[target.len] = 0;
        *ret_query = strchr(copy, '?');
        if (!*ret_query || !str_starts(copy, prefix))
                return -EINVAL;
        *(*ret_query)++ = 0;
        return 0;
}

/* The last parameter of all: 0, -EINVAL, -EPERM. */
static int take_signature(char **query, const char want[static KEYS_HEX])
{
        const char *sig = take_param(query, "sig");

        if (!sig || *query || strlen(sig) != KEYS_HEX - 1)
                return -EINVAL;
        return keys_equal(want, sig) ? 0 : -EPERM;
}

/* ---- grants ---- */

/* The path begins with a slash, which no object's name does: neither signature fits the other. */
static int grant_path(const struct storage_grant *g, char dst[static BLOB_OBJECT_SIZE])
{
        bool put = g->op == BLOB_OP_PUT;
        char seq[24] = "";

        if (!blob_workspace_valid(g->workspace) || g->generation < 1 || put != (g->seq > 0))
                return -EINVAL;
        if (put)
                (void)snprintf(seq, sizeof(seq), "-%" PRIu64, g->seq);
        (void)snprintf(dst, BLOB_OBJECT_SIZE, "/g/%s/%" PRIu64 "%s", g->workspace, g->generation,
                       seq);
        return 0;
}

int storage_grant_write(const struct keys *k, const struct storage_grant *g, struct buf *b)
{
        char path[BLOB_OBJECT_SIZE];
        char sig[KEYS_HEX];
        int r = grant_path(g, path);

        if (r < 0)
                return r;
        keys_storage(k, op_name(g->op), path, g->expires, g->max_bytes, sig);
        return buf_printf(b, "%s?op=%s&exp=%" PRIu64 "&max=%" PRIu64 "&sig=%s", path,
                          op_name(g->op), g->expires, g->max_bytes, sig);
}

/* "/g/<workspace>/<generation>[-<seq>]" */
static int grant_path_read(char *path, struct storage_grant *g)
{
        char *save = strchr(path + 3, '/');

        if (!save)
                return -EINVAL;
        *save++ = 0;
        if (!blob_workspace_valid(path + 3) || STR_SET(g->workspace, path + 3) < 0)
                return -EINVAL;
        if (g->op == BLOB_OP_PUT)
                return blob_save_parse(save, &g->generation, &g->seq);
        return save[0] == '0' ? -EINVAL : num_parse_u64(save, 1, INT64_MAX, &g->generation);
}

int storage_grant_read(const struct keys *k, struct http_span target, struct storage_grant *ret)
{
        char copy[STORAGE_TARGET_MAX], path[BLOB_OBJECT_SIZE], sig[KEYS_HEX];
        struct storage_grant g = {0};
        char *query;
        int r;

        if (target_split(target, "/g/", copy, &query) < 0 || take_op(&query, &g.op) < 0 ||
            take_number(&query, "exp", &g.expires) < 0 ||
            take_number(&query, "max", &g.max_bytes) < 0 || grant_path_read(copy, &g) < 0 ||
            grant_path(&g, path) < 0)
                return -EINVAL;
        keys_storage(k, op_name(g.op), path, g.expires, g.max_bytes, sig);
        r = take_signature(&query, sig);
        if (r < 0)
                return r;
        *ret = g;
        return 0;
}

/* ---- objects ---- */

static void object_sign(const struct keys *k, const struct storage_object *o, const char *name,
                        char sig[static KEYS_HEX])
{
        char text[STORAGE_TARGET_MAX + BLOB_SHA256_SIZE + 2];

        (void)snprintf(text, sizeof(text), "%s#%s", name, o->sha256);
        keys_storage(k, op_name(o->op), text, o->expires, o->length, sig);
}

int storage_object_write(const struct keys *k, const struct storage_object *o, struct buf *b)
{
        char name[BLOB_OBJECT_SIZE], sig[KEYS_HEX];
        int r = blob_object_name(&o->ref, name);

        if (r < 0)
                return r;
        object_sign(k, o, name, sig);
        r = buf_printf(b, "/o/%s?op=%s&exp=%" PRIu64, name, op_name(o->op), o->expires);
        if (r == 0 && o->op == BLOB_OP_PUT)
                r = buf_printf(b, "&len=%" PRIu64 "&sha256=%s", o->length, o->sha256);
        return r == 0 ? buf_printf(b, "&sig=%s", sig) : r;
}

static int take_content(char **query, struct storage_object *o)
{
        const char *sha256;
        uint8_t digest[SHA256_LEN];

        if (take_number(query, "len", &o->length) < 0)
                return -EINVAL;
        sha256 = take_param(query, "sha256");
        if (!sha256 || STR_SET(o->sha256, sha256) < 0)
                return -EINVAL;
        return hex_decode(o->sha256, digest, sizeof(digest));
}

int storage_object_read(const struct keys *k, struct http_span target, struct storage_object *ret)
{
        char copy[STORAGE_TARGET_MAX], sig[KEYS_HEX];
        struct storage_object o = {0};
        char *query;
        int r;

        if (target_split(target, "/o/", copy, &query) < 0 ||
            blob_object_parse(copy + 3, &o.ref) < 0 || take_op(&query, &o.op) < 0 ||
            take_number(&query, "exp", &o.expires) < 0 ||
            (o.op == BLOB_OP_PUT && take_content(&query, &o) < 0))
                return -EINVAL;
        object_sign(k, &o, copy + 3, sig);
        r = take_signature(&query, sig);
        if (r < 0)
                return r;
        *ret = o;
        return 0;
}
