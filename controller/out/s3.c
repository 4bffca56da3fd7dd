#include "out/s3.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "out/s3_internal.h"
#include "out/s3_xml.h"

#define ATTEMPTS 7
#define BACKOFF_MS 100
#define BACKOFF_MS_MAX 3000
#define ANSWER_MAX (8u << 20) /* a page of a list has at most 1000 objects */
#define SAID_MAX 4096
#define DELETE_MAX 1000

/* ---- addresses ---- */

/* Nothing that would have to be escaped anywhere. */
static bool prefix_valid(const char *s)
{
        static const char fine[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";

        return s[0] != '/' && !strstr(s, "//") && strspn(s, fine) == strlen(s);
}

/* RFC 3986 host names, as S3 has them for buckets. */
static bool bucket_valid(const char *s, size_t n)
{
        if (n < 3 || n > 63)
                return false;
        return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") >= n;
}

static int url_split(const char *url, char bucket[static 64], char prefix[static S3_PREFIX_SIZE])
{
        const char *at = url + strlen("s3://"), *slash;
        size_t n;

        if (!str_starts(url, "s3://"))
                return -EINVAL;
        slash = strchrnul(at, '/');
        n = (size_t)(slash - at);
        if (!bucket_valid(at, n))
                return -EINVAL;
        memcpy(bucket, at, n);
        bucket[n] = 0;
        slash += *slash == '/';
        n = strlen(slash);
        if (n + 2 > S3_PREFIX_SIZE || !prefix_valid(slash))
                return -EINVAL;
        (void)snprintf(prefix, S3_PREFIX_SIZE, "%s%s", slash, n && slash[n - 1] != '/' ? "/" : "");
        return 0;
}

bool s3_url_valid(const char *url)
{
        char bucket[64], prefix[S3_PREFIX_SIZE];

        return url_split(url, bucket, prefix) == 0;
}

/* "https://host[:port]" without a path; the scheme's own port goes, as clients leave it out. */
static int endpoint_set(struct s3 *s, const char *endpoint, const char *bucket, bool path_style)
{
        const char *host = strstr(endpoint, "://");
        const char *own;
        char name[200];
        size_t n;

        if (!host || (!str_starts(endpoint, "https://") && !str_starts(endpoint, "http://")))
                return -EINVAL;
        host += 3;
        n = strcspn(host, "/");
        if (n == 0 || n >= sizeof(name) || strlen(host + n) > 1)
                return -EINVAL;
        memcpy(name, host, n);
        name[n] = 0;
        (void)snprintf(s->scheme, sizeof(s->scheme), "%.*s", (int)(host - endpoint), endpoint);
        own = s->scheme[4] == 's' ? ":443" : ":80";
        if (n > strlen(own) && strcmp(name + n - strlen(own), own) == 0)
                name[n - strlen(own)] = 0;
        (void)snprintf(s->host, sizeof(s->host), "%s%s%s", path_style ? "" : bucket,
                       path_style ? "" : ".", name);
        (void)snprintf(s->bucket_path, sizeof(s->bucket_path), "%s%s", path_style ? "/" : "",
                       path_style ? bucket : "");
        return 0;
}

void s3_path(const struct s3 *s, const char *name, char dst[static S3_KEY_MAX])
{
        (void)snprintf(dst, S3_KEY_MAX, "%s/%s%s", s->bucket_path, s->prefix, name);
}

void s3_base64(const uint8_t digest[static SHA256_LEN], char dst[static S3_BASE64_SIZE])
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t out = 0;

        for (size_t i = 0; i < SHA256_LEN; i += 3) {
                uint32_t bits = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8;

                bits |= i + 2 < SHA256_LEN ? digest[i + 2] : 0;
                dst[out++] = digits[bits >> 18];
                dst[out++] = digits[bits >> 12 & 63];
                dst[out++] = digits[bits >> 6 & 63];
                dst[out++] = i + 2 < SHA256_LEN ? digits[bits & 63] : '=';
        }
        dst[out] = 0;
}

struct sigv4_scope s3_scope(const struct s3 *s, const struct s3_credentials *c, utc_t now)
{
        return (struct sigv4_scope){.access_key = c->access_key,
                                    .secret_key = c->secret_key,
                                    .token = c->token,
                                    .region = s->region,
                                    .service = "s3",
                                    .now = now};
}

/* ---- one request ---- */

struct call {
        const char *method;
        const char *name; /* of the object; NULL: of the bucket */
        uint32_t n_query, n_headers;
        struct sigv4_pair query[4];
        struct sigv4_pair headers[4];
        const void *body;
        size_t body_len;
        /* Where a good answer goes. */
        struct buf *text;
        int fd; /* 0: none */
        uint64_t most;
        struct sha256 **hash;
        /* What came. */
        struct s3_http_answer answer;
        char code[48]; /* of an error */
        char message[120];
};

static int write_url(const struct s3 *s, const struct sigv4_request *q, struct buf *b)
{
        int r = buf_printf(b, "%s%s", s->scheme, s->host);

        if (r == 0)
                r = sigv4_encode(q->path, true, b);
        for (uint32_t i = 0; r == 0 && i < q->n_query; i++) {
                r = buf_append_str(b, i == 0 ? "?" : "&");
                if (r == 0)
                        r = sigv4_encode(q->query[i].name, false, b);
                if (r == 0)
                        r = buf_append_str(b, "=");
                if (r == 0)
                        r = sigv4_encode(q->query[i].value, false, b);
        }
        return r == 0 ? buf_terminate(b) : r;
}

/* The request as it is signed: everything that is sent but Content-Length. */
static void sign_set(const struct s3 *s, const struct call *c, const struct s3_credentials *keys,
                     const char *path, const char *time, const char *payload,
                     struct sigv4_request *q)
{
        *q = (struct sigv4_request){
                .method = c->method, .path = path, .n_query = c->n_query, .payload = payload};
        memcpy(q->query, c->query, sizeof(c->query));
        memcpy(q->headers, c->headers, sizeof(c->headers));
        q->n_headers = c->n_headers;
        q->headers[q->n_headers++] = (struct sigv4_pair){"host", s->host};
        q->headers[q->n_headers++] = (struct sigv4_pair){"x-amz-date", time};
        q->headers[q->n_headers++] = (struct sigv4_pair){"x-amz-content-sha256", payload};
        if (keys->token[0])
                q->headers[q->n_headers++] =
                        (struct sigv4_pair){"x-amz-security-token", keys->token};
}

/* Before each attempt: what an earlier one gave is forgotten. */
static int sinks_reset(struct call *c, off_t from)
{
        if (c->text)
                buf_clear(c->text);
        if (c->fd > 0 && (ftruncate(c->fd, from) < 0 || lseek(c->fd, from, SEEK_SET) < 0))
                return -errno;
        if (c->hash) {
                sha256_free(*c->hash);
                *c->hash = sha256_new();
                return *c->hash ? 0 : -ENOMEM;
        }
        return 0;
}

static int send_signed(struct s3 *s, struct call *c, const struct sigv4_request *q,
                       const char *authorization, struct buf *said)
{
        struct s3_http_request http = {.method = c->method,
                                       .body = c->body,
                                       .body_len = c->body_len,
                                       .hash = c->hash ? *c->hash : NULL,
                                       .fd = c->fd > 0 ? c->fd : -1,
                                       .most = c->most,
                                       .text = c->text ? c->text : said};
        AUTO_BUF lines = BUF_INIT(SIGV4_TEXT_MAX);
        AUTO_BUF url = BUF_INIT(SIGV4_TEXT_MAX);
        size_t at[S3_HTTP_HEADERS_MAX];
        int r = write_url(s, q, &url);

        for (uint32_t i = 0; r == 0 && i < q->n_headers; i++) {
                at[i] = lines.len;
                r = buf_printf(&lines, "%s: %s", q->headers[i].name, q->headers[i].value);
                if (r == 0)
                        r = buf_append(&lines, "", 1);
        }
        at[q->n_headers] = lines.len;
        if (r == 0)
                r = buf_printf(&lines, "Authorization: %s", authorization);
        if (r == 0)
                r = buf_terminate(&lines);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i <= q->n_headers; i++)
                http.headers[http.n_headers++] = (const char *)lines.data + at[i];
        http.url = (const char *)url.data;
        return s3_http_call(s->http, &http, &c->answer);
}

/* Code and message of an error document. */
static void take_error(struct call *c, const struct buf *said)
{
        struct s3_xml doc = {(const char *)said->data, said->len};

        c->code[0] = c->message[0] = 0;
        if (c->answer.status < 300)
                return;
        if (s3_xml_text(doc, "Code", c->code, sizeof(c->code)) < 0)
                c->code[0] = 0;
        if (s3_xml_text(doc, "Message", c->message, sizeof(c->message)) < 0)
                c->message[0] = 0;
}

static int attempt(struct s3 *s, struct call *c)
{
        AUTO_BUF authorization = BUF_INIT(4096);
        AUTO_BUF said = BUF_INIT(SAID_MAX);
        char path[S3_KEY_MAX], time[SIGV4_TIME_SIZE], payload[SHA256_HEX];
        uint8_t digest[SHA256_LEN];
        struct s3_credentials keys;
        struct sigv4_request q;
        struct sigv4_scope scope;
        int r = s3_credentials_get(s->credentials, &keys);

        if (r < 0)
                return r;
        sha256_of(c->body ? c->body : "", c->body_len, digest);
        hex_encode(digest, sizeof(digest), payload);
        scope = s3_scope(s, &keys, utc_read());
        sigv4_time(scope.now, time);
        if (c->name)
                s3_path(s, c->name, path);
        else
                (void)snprintf(path, sizeof(path), "%s/", s->bucket_path);
        sign_set(s, c, &keys, path, time, payload, &q);
        r = sigv4_sign(&q, &scope, &authorization);
        if (r == 0)
                r = buf_terminate(&authorization);
        if (r == 0)
                r = send_signed(s, c, &q, (const char *)authorization.data, &said);
        explicit_bzero(&keys, sizeof(keys));
        if (r == 0)
                take_error(c, c->text ? c->text : &said);
        return r;
}

/* The answer to a HEAD has no body that could say why; of 400, either reason is worth one more. */
static bool worth_another(struct s3 *s, const struct call *c, int done)
{
        long status = c->answer.status;

        if (strcmp(c->code, "ExpiredToken") == 0 || (status == 400 && !c->code[0])) {
                s3_credentials_stale(s->credentials);
                return done < 2;
        }
        if (strcmp(c->code, "QuotaExceeded") == 0 || status == 507)
                return false;
        return status == 0 || status == 429 || status >= 500 ||
               strcmp(c->code, "RequestTimeout") == 0;
}

static void back_off(int n)
{
        int64_t ms = MIN((int64_t)BACKOFF_MS << n, (int64_t)BACKOFF_MS_MAX);
        struct timespec left;
        uint32_t dice;

        random_bytes(&dice, sizeof(dice));
        ms = ms / 2 + (int64_t)(dice % (uint64_t)ms);
        left = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

/* What an answer means: 0 or -errno. */
static int judge(const struct call *c)
{
        long status = c->answer.status;

        if (c->answer.fault < 0)
                return c->answer.fault;
        if (status >= 200 && status < 300)
                return 0;
        if (status == 404)
                return strcmp(c->code, "NoSuchBucket") == 0 ? -ENOTDIR : -ENOENT;
        if (status == 507 || strcmp(c->code, "QuotaExceeded") == 0)
                return -ENOSPC;
        if (status == 401 || status == 403)
                return -EACCES;
        return status == 412 || status == 409 ? -EEXIST : -EIO;
}

/* Repeats; 0 or -errno, which is logged unless the object is just not there. */
static int request(struct s3 *s, struct call *c)
{
        off_t from = c->fd > 0 ? lseek(c->fd, 0, SEEK_CUR) : 0;
        int r = from < 0 ? -errno : 0;

        for (int i = 0; r == 0; i++) {
                c->answer = (struct s3_http_answer){0};
                r = sinks_reset(c, from);
                if (r == 0)
                        r = attempt(s, c);
                if (r == 0 && s3_http_stopped(s->http))
                        return -ECANCELED;
                if (r < 0 || i + 1 == ATTEMPTS || !worth_another(s, c, i + 1))
                        break;
                back_off(i);
        }
        if (r == 0)
                r = judge(c);
        if (r < 0 && r != -ENOENT)
                log_warn("the storage failed", LOG_STR("method", c->method),
                         LOG_STR("object", c->name ? c->name : ""),
                         LOG_INT("status", c->answer.status), LOG_STR("code", c->code),
                         LOG_STR("message", c->answer.error ? c->answer.error : c->message),
                         LOG_ERR(r));
        return r;
}

/* ---- list ---- */

static int take_object(const struct s3 *s, struct s3_xml one, objects_list_fn fn, void *ctx)
{
        char key[S3_KEY_MAX];
        struct objects_info info;
        size_t skip = strlen(s->prefix);
        int r = s3_xml_text(one, "Key", key, sizeof(key));

        if (r == -ENAMETOOLONG)
                return 0; /* not ours */
        if (r == 0 && s3_xml_u64(one, "Size", &info.length) < 0)
                r = -EBADMSG;
        if (r == 0 && s3_xml_time(one, "LastModified", &info.at) < 0)
                r = -EBADMSG;
        if (r < 0 || strncmp(key, s->prefix, skip) != 0)
                return -EBADMSG;
        return STR_SET(info.name, key + skip) < 0 ? 0 : fn(ctx, &info);
}

/* One page. 1: more follow, from *token. */
static int take_page(const struct s3 *s, const struct buf *text, char *token, size_t size,
                     objects_list_fn fn, void *ctx)
{
        struct s3_xml doc = {(const char *)text->data, text->len}, one;
        char truncated[8];
        int r = 0;

        if (s3_xml_text(doc, "IsTruncated", truncated, sizeof(truncated)) < 0)
                return -EBADMSG;
        while (r == 0 && s3_xml_next(&doc, "Contents", &one))
                r = take_object(s, one, fn, ctx);
        if (r < 0 || strcmp(truncated, "true") != 0)
                return r;
        doc = (struct s3_xml){(const char *)text->data, text->len};
        return s3_xml_text(doc, "NextContinuationToken", token, size) < 0 ? -EBADMSG : 1;
}

static int s3_list(void *impl, const char *workspace, objects_list_fn fn, void *ctx)
{
        struct s3 *s = impl;
        AUTO_BUF text = BUF_INIT(ANSWER_MAX);
        char prefix[S3_KEY_MAX], token[2048] = "";
        int r = 1;

        (void)snprintf(prefix, sizeof(prefix), "%s%s/", s->prefix, workspace);
        while (r > 0) {
                struct call c = {.method = "GET",
                                 .query = {{"list-type", "2"},
                                           {"prefix", prefix},
                                           {"continuation-token", token}},
                                 .n_query = token[0] ? 3 : 2,
                                 .text = &text};

                r = request(s, &c);
                if (r == -ENOENT)
                        r = -EIO; /* an answer to a list cannot be that there is none */
                if (r == 0)
                        r = take_page(s, &text, token, sizeof(token), fn, ctx);
        }
        return r;
}

/* ---- stat, read, put ---- */

/* 0 when the text is that of a whole SHA-256. */
static int checksum_hex(const char *base64, char hex[static SHA256_HEX])
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        uint8_t digest[SHA256_LEN + 1];
        uint32_t bits = 0;

        if (strlen(base64) != S3_BASE64_SIZE - 1 || base64[43] != '=')
                return -EINVAL;
        for (size_t i = 0, n = 0; i < 44; i++) {
                const char *at = i == 43 ? digits : strchr(digits, base64[i]);

                if (!at)
                        return -EINVAL;
                bits = bits << 6 | (uint32_t)(at - digits);
                if (i % 4 != 3)
                        continue;
                digest[n++] = (uint8_t)(bits >> 16);
                digest[n++] = (uint8_t)(bits >> 8);
                digest[n++] = (uint8_t)bits;
        }
        hex_encode(digest, SHA256_LEN, hex);
        return 0;
}

/* By reading it: for storages that do not keep checksums. */
static int stat_by_reading(struct s3 *s, const char *name, struct objects_stat *ret)
{
        struct sha256 *hash = NULL;
        struct call c = {.method = "GET", .name = name, .hash = &hash};
        uint8_t digest[SHA256_LEN];
        int r = request(s, &c);

        if (r == 0) {
                sha256_final(hash, digest);
                hex_encode(digest, sizeof(digest), ret->sha256);
                ret->length = c.answer.received;
        }
        sha256_free(hash);
        return r;
}

static int s3_stat(void *impl, const char *name, struct objects_stat *ret)
{
        struct call c = {.method = "HEAD",
                         .name = name,
                         .headers = {{"x-amz-checksum-mode", "ENABLED"}},
                         .n_headers = 1};
        int r = request(impl, &c);

        if (r < 0)
                return r;
        if (checksum_hex(c.answer.checksum, ret->sha256) < 0)
                return stat_by_reading(impl, name, ret);
        ret->length = c.answer.length;
        return 0;
}

static int s3_read(void *impl, const char *name, uint64_t length, int fd)
{
        char range[48];
        struct call c = {.method = "GET",
                         .name = name,
                         .headers = {{"range", range}},
                         .n_headers = 1,
                         .fd = fd,
                         .most = length};
        int r;

        (void)snprintf(range, sizeof(range), "bytes=0-%" PRIu64, length - 1);
        r = length > 0 ? request(impl, &c) : 0;
        /* Of an empty object there is no first byte. */
        return r == -EIO && c.answer.status == 416 ? 0 : r;
}

static int s3_put(void *impl, const char *name, const void *data, size_t len)
{
        struct call c = {.method = "PUT", .name = name, .body = data, .body_len = len};

        return request(impl, &c);
}

/* ---- remove ---- */

static int remove_each(struct s3 *s, const char *const *names, size_t n)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                struct call c = {.method = "DELETE", .name = names[i]};

                r = request(s, &c);
                if (r == -ENOENT)
                        r = 0;
        }
        return r;
}

static int delete_body(const struct s3 *s, const char *const *names, size_t n, struct buf *b)
{
        int r = buf_append_str(b, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                                  "<Quiet>true</Quiet>");

        for (size_t i = 0; r == 0 && i < n; i++)
                r = buf_printf(b, "<Object><Key>%s%s</Key></Object>", s->prefix, names[i]);
        return r == 0 ? buf_append_str(b, "</Delete>") : r;
}

static int remove_many(struct s3 *s, const char *const *names, size_t n)
{
        AUTO_BUF body = BUF_INIT(1 << 20);
        AUTO_BUF text = BUF_INIT(ANSWER_MAX);
        uint8_t digest[SHA256_LEN];
        char checksum[S3_BASE64_SIZE];
        struct call c = {.method = "POST",
                         .query = {{"delete", ""}},
                         .n_query = 1,
                         .headers = {{"content-type", "application/xml"},
                                     {"x-amz-checksum-sha256", checksum}},
                         .n_headers = 2,
                         .text = &text};
        struct s3_xml doc, error;
        int r = delete_body(s, names, n, &body);

        if (r < 0)
                return r;
        sha256_of(body.data, body.len, digest);
        s3_base64(digest, checksum);
        c.body = body.data;
        c.body_len = body.len;
        r = request(s, &c);
        /* Some storages want an MD5 here, some do not have it at all. */
        if (r < 0 && (c.answer.status == 400 || c.answer.status == 501 || c.answer.status == 405))
                return remove_each(s, names, n);
        doc = (struct s3_xml){(const char *)text.data, text.len};
        if (r == 0 && s3_xml_next(&doc, "Error", &error)) {
                log_warn("the storage did not remove an object");
                r = -EIO;
        }
        return r;
}

static int s3_remove(void *impl, const char *const *names, size_t n)
{
        int r = 0;

        if (n == 1)
                return remove_each(impl, names, 1);
        for (size_t i = 0; r == 0 && i < n; i += DELETE_MAX)
                r = remove_many(impl, names + i, MIN(n - i, (size_t)DELETE_MAX));
        return r;
}

static const struct objects_ops s3_ops = {
        .list = s3_list,
        .stat = s3_stat,
        .read = s3_read,
        .remove = s3_remove,
        .put = s3_put,
};

/* ---- life ---- */

static int s3_open(struct s3 *s, const struct s3_config *config)
{
        char bucket[64], aws[160];
        int r = url_split(config->url, bucket, s->prefix);

        (void)snprintf(aws, sizeof(aws), "https://s3.%.63s.amazonaws.com", config->region);
        if (r == 0 && (!config->region[0] || STR_SET(s->region, config->region) < 0))
                r = -EINVAL;
        if (r == 0)
                r = endpoint_set(s, config->endpoint[0] ? config->endpoint : aws, bucket,
                                 config->path_style);
        if (r == 0)
                r = s3_credentials_new(config->credentials_file, &s->credentials);
        return r == 0 ? s3_http_new(&s->http) : r;
}

int s3_new(const struct s3_config *config, struct s3 **ret)
{
        struct s3 *s = calloc(1, sizeof(*s));
        int r = s ? s3_open(s, config) : -ENOMEM;

        if (r < 0) {
                s3_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct s3 *s3_free(struct s3 *s)
{
        if (!s)
                return NULL;
        s3_credentials_free(s->credentials);
        s3_http_free(s->http);
        free(s);
        return NULL;
}

void s3_stop(struct s3 *s)
{
        s3_http_stop(s->http);
}

struct objects s3_objects(struct s3 *s)
{
        return (struct objects){.ops = &s3_ops, .impl = s};
}
