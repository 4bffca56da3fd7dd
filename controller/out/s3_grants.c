/* Presigned addresses: for exactly one name, length and hash, and only when the name is free. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "out/s3_internal.h"

struct presigned {
        struct buf url, check;
        char checksum[BLOB_HEADER_SIZE];
};

struct job {
        const struct s3 *s;
        const struct storage_grant *grant;
        struct s3_credentials keys;
        utc_t now;
        uint32_t ttl_s;
        struct blob_grant_request request;
        struct blob_object_ref refs[BLOB_GRANT_OBJECTS_MAX];
        struct blob_grant_answer answer;
        struct presigned signed_[BLOB_GRANT_OBJECTS_MAX];
};

static int presign(const struct job *j, const struct sigv4_request *q, struct buf *url)
{
        struct sigv4_scope scope = s3_scope(j->s, &j->keys, j->now);
        int r;

        *url = BUF_INIT(SIGV4_TEXT_MAX);
        r = buf_printf(url, "%s%s", j->s->scheme, j->s->host);
        if (r == 0)
                r = sigv4_presign(q, &scope, j->ttl_s, url);
        return r == 0 ? buf_terminate(url) : r;
}

static void header(struct sigv4_request *q, const char *name, const char *value)
{
        q->headers[q->n_headers++] = (struct sigv4_pair){name, value};
}

static int presign_put(struct job *j, uint32_t i, const char *path)
{
        static const char name[] = "x-amz-checksum-sha256";
        struct blob_granted *g = &j->answer.objects[i];
        struct presigned *p = &j->signed_[i];
        struct sigv4_request q = {.method = "PUT", .path = path, .payload = SIGV4_UNSIGNED};
        struct sigv4_request head = {.method = "HEAD", .path = path, .payload = SIGV4_UNSIGNED};
        char length[24], checksum[S3_BASE64_SIZE];
        uint8_t digest[SHA256_LEN];
        int r = hex_decode(j->request.objects[i].sha256, digest, sizeof(digest));

        if (r < 0)
                return r;
        s3_base64(digest, checksum);
        (void)snprintf(length, sizeof(length), "%" PRIu64, j->request.objects[i].length);
        (void)snprintf(p->checksum, sizeof(p->checksum), "%s: %s", name, checksum);
        header(&q, "host", j->s->host);
        header(&q, "content-length", length);
        header(&q, "if-none-match", "*");
        header(&q, name, checksum);
        header(&head, "host", j->s->host);
        header(&head, "x-amz-checksum-mode", "ENABLED");
        r = presign(j, &q, &p->url);
        if (r == 0)
                r = presign(j, &head, &p->check);
        if (r < 0)
                return r;
        g->at = (struct blob_address){
                (const char *)p->url.data, 2, {"If-None-Match: *", p->checksum}};
        g->check = (struct blob_address){
                (const char *)p->check.data, 1, {"x-amz-checksum-mode: ENABLED"}};
        return 0;
}

static int presign_get(struct job *j, uint32_t i, const char *path)
{
        struct sigv4_request q = {.method = "GET", .path = path, .payload = SIGV4_UNSIGNED};
        int r;

        header(&q, "host", j->s->host);
        r = presign(j, &q, &j->signed_[i].url);
        j->answer.objects[i].at =
                (struct blob_address){(const char *)j->signed_[i].url.data, 0, {0}};
        return r;
}

static int presign_all(struct job *j)
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < j->request.n_objects; i++) {
                char name[BLOB_OBJECT_SIZE], path[S3_KEY_MAX];

                r = blob_object_name(&j->refs[i], name);
                if (r < 0)
                        break;
                s3_path(j->s, name, path);
                j->answer.objects[i].name = j->request.objects[i].name;
                j->answer.n_objects++;
                r = j->grant->op == BLOB_OP_PUT ? presign_put(j, i, path) : presign_get(j, i, path);
        }
        return r;
}

/* As long as the grant, the credentials, and at most S3_PRESIGN_S. */
static int ttl_set(struct job *j)
{
        int64_t left = (int64_t)j->grant->expires - j->now.us / US_PER_S;

        left = MIN(left, (int64_t)S3_PRESIGN_S);
        if (j->keys.expires.us > 0)
                left = MIN(left, (j->keys.expires.us - j->now.us) / US_PER_S);
        if (left < 1)
                return -EKEYEXPIRED;
        j->ttl_s = (uint32_t)left;
        return 0;
}

static int job_run(struct job *j, struct s3 *s, const void *body, size_t len, struct buf *ret_json,
                   char reason[static STORAGE_REASON_SIZE])
{
        int r = storage_grants_check(j->grant, body, len, &j->request, j->refs, reason);

        if (r != 0)
                return r;
        r = s3_credentials_get(s->credentials, &j->keys);
        if (r == 0)
                r = ttl_set(j);
        if (r < 0) {
                str_copy_cut(reason, STORAGE_REASON_SIZE,
                             "the storage server has no credentials for the storage now");
                return 503;
        }
        r = presign_all(j);
        return r == 0 ? blob_grant_answer_encode(&j->answer, ret_json) : r;
}

int s3_grants(struct s3 *s, const struct storage_grant *g, const void *body, size_t len,
              struct buf *ret_json, char reason[static STORAGE_REASON_SIZE])
{
        struct job *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return -ENOMEM;
        j->s = s;
        j->grant = g;
        j->now = utc_read();
        r = job_run(j, s, body, len, ret_json, reason);
        for (uint32_t i = 0; i < j->answer.n_objects; i++) {
                buf_deinit(&j->signed_[i].url);
                buf_deinit(&j->signed_[i].check);
        }
        explicit_bzero(&j->keys, sizeof(j->keys));
        free(j);
        return r;
}
