#include "out/storage_http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/num.h"
#include "base/str.h"
#include "http/head.h"
#include "http/write.h"
#include "out/objects.h"

#define STALL_S 30     /* without a byte in either direction while something is due */
#define IDLE_S 5       /* between two requests */
#define LINGER_MS 3000 /* for the peer to read an answer that came before its body's end */
#define TARGET_MAX 512 /* of our own URLs */
#define BODY_CHUNK 65536

struct conn {
        const struct storage_site *site;
        int fd;
        struct buf in; /* head and the first bytes of the body */
        struct http_head head;
        bool keep; /* another request may follow */
        uint64_t body_left;
};

/* What a URL grants. */
struct grant {
        struct blob_object_ref ref;
        char object[BLOB_OBJECT_SIZE];
        uint64_t expires, max_bytes;
        char sig[KEYS_HEX];
};

static void timeout_set(int fd, int option, int seconds)
{
        struct timeval tv = {.tv_sec = seconds};

        (void)setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv));
}

/* ---- answers ---- */

static int answer_head(struct conn *c, uint16_t status, uint64_t length, const char *more)
{
        char text[512];
        int n = snprintf(text, sizeof(text),
                         "HTTP/1.1 %u %s\r\nContent-Length: %" PRIu64 "\r\n%s%s\r\n", status,
                         http_reason(status), length, more, c->keep ? "" : "Connection: close\r\n");

        return fd_write_all(c->fd, text, (size_t)n);
}

/* An answer in words. When the body has not been read, the connection ends after it. */
static int answer(struct conn *c, uint16_t status, const char *text)
{
        bool bare = http_span_is(c->head.method, "HEAD");
        int r;

        if (c->body_left > 0)
                c->keep = false;
        r = answer_head(c, status, bare ? 0 : strlen(text), "Content-Type: text/plain\r\n");
        return r == 0 && !bare ? fd_write_all(c->fd, text, strlen(text)) : r;
}

static int answer_errno(struct conn *c, const char *what, int r)
{
        if (r == -ENOENT)
                return answer(c, 404, "no such object\n");
        if (r == -EEXIST)
                return answer(c, 409, "the object exists\n");
        if (r == -ENOSPC || r == -EDQUOT)
                return answer(c, 507, "the storage is full\n");
        log_error(what, LOG_ERR(r));
        return answer(c, 500, "the storage failed\n");
}

/* ---- the grant in a URL: /o/<object>?exp=<n>&max=<n>&sig=<hex>, exactly so ---- */

/* Takes "key=value" up to the next '&' or the end from *text. */
static const char *take_param(char **text, const char *key)
{
        size_t n = strlen(key);
        char *value, *end;

        if (strncmp(*text, key, n) != 0)
                return NULL;
        value = *text + n;
        end = strchr(value, '&');
        *text = end ? end + 1 : value + strlen(value);
        if (end)
                *end = 0;
        return value;
}

static int grant_parse(struct http_span target, struct grant *ret)
{
        char text[TARGET_MAX];
        struct grant g = {0};
        const char *exp, *max, *sig;
        char *query;

        if (target.len >= sizeof(text) || target.len < 3 || memcmp(target.at, "/o/", 3) != 0)
                return -EINVAL;
        memcpy(text, target.at + 3, target.len - 3);
        text[target.len - 3] = 0;
        query = strchr(text, '?');
        if (!query)
                return -EINVAL;
        *query++ = 0;
        if (STR_SET(g.object, text) < 0 || blob_object_parse(text, &g.ref) < 0)
                return -EINVAL;
        exp = take_param(&query, "exp=");
        max = exp ? take_param(&query, "max=") : NULL;
        sig = max ? take_param(&query, "sig=") : NULL;
        if (!sig || *query || num_parse_u64(exp, 1, INT64_MAX, &g.expires) < 0 ||
            num_parse_u64(max, 0, INT64_MAX, &g.max_bytes) < 0 || STR_SET(g.sig, sig) < 0)
                return -EINVAL;
        *ret = g;
        return 0;
}

static bool grant_signed(const struct conn *c, const struct grant *g, const char *op)
{
        char want[KEYS_HEX];

        keys_storage(&c->site->keys, op, g->object, g->expires, g->max_bytes, want);
        return keys_equal(want, g->sig);
}

static bool grant_expired(const struct grant *g)
{
        return utc_read().us / US_PER_S >= (int64_t)g->expires;
}

/* ---- PUT ---- */

/* The next piece of the body, from what came with the head or from the socket. */
static ssize_t body_read(struct conn *c, void *dst, size_t size)
{
        size_t want = (size_t)MIN((uint64_t)size, c->body_left);
        ssize_t n;

        if (c->in.len > 0) {
                n = (ssize_t)MIN(want, c->in.len);
                memcpy(dst, c->in.data, (size_t)n);
                buf_consume(&c->in, (size_t)n);
        } else {
                do
                        n = recv(c->fd, dst, want, 0);
                while (n < 0 && errno == EINTR);
        }
        if (n > 0)
                c->body_left -= (uint64_t)n;
        return n;
}

/* The whole body into `fd`. 0; -ECONNRESET when the peer was gone or stalled; -errno of the disk.
 */
static int body_store(struct conn *c, int fd, char ret_hex[static SHA256_HEX])
{
        struct sha256 *hash = sha256_new();
        uint8_t chunk[BODY_CHUNK];
        uint8_t digest[SHA256_LEN];
        int r = hash ? 0 : -ENOMEM;

        while (r == 0 && c->body_left > 0) {
                ssize_t n = body_read(c, chunk, sizeof(chunk));

                if (n <= 0) {
                        r = -ECONNRESET;
                        break;
                }
                sha256_update(hash, chunk, (size_t)n);
                r = fd_write_all(fd, chunk, (size_t)n);
        }
        if (r == 0) {
                sha256_final(hash, digest);
                hex_encode(digest, sizeof(digest), ret_hex);
        }
        sha256_free(hash);
        return r;
}

/* The body under its name: 0; 1 the hash does not fit; -errno. */
static int put_upload(struct conn *c, const struct grant *g, struct objects_upload *u,
                      const char *want)
{
        char hex[SHA256_HEX];
        int r = 0;

        if (c->head.expect_continue)
                r = fd_write_all(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        if (r == 0)
                r = body_store(c, u->fd, hex);
        if (r == 0 && strcmp(hex, want) != 0)
                r = 1;
        return r == 0 ? objects_commit(c->site->root_fd, u, &g->ref) : r;
}

/* A header that stands exactly once, as 64 lower-case hex digits. */
static int wanted_hash(const struct conn *c, char dst[static SHA256_HEX])
{
        uint8_t digest[SHA256_LEN];
        struct http_span value;

        if (http_head_count(&c->head, "X-Content-Sha256") != 1 ||
            !http_head_find(&c->head, "X-Content-Sha256", &value) || value.len != SHA256_HEX - 1)
                return -EINVAL;
        memcpy(dst, value.at, value.len);
        dst[value.len] = 0;
        return hex_decode(dst, digest, sizeof(digest));
}

static int put_object(struct conn *c, const struct grant *g)
{
        struct objects_upload u = {.fd = -1};
        char want[SHA256_HEX];
        int there;
        int r;

        if (!c->head.has_content_length)
                return answer(c, 411, "Content-Length is required\n");
        if (c->body_left == 0 || wanted_hash(c, want) < 0)
                return answer(c, 400, "a body and its X-Content-Sha256 are required\n");
        if (c->body_left > g->max_bytes)
                return answer(c, 413, "larger than was granted\n");
        there = objects_open(c->site->root_fd, &g->ref);
        if (there >= 0) {
                fd_close(there);
                return answer_errno(c, "", -EEXIST);
        }
        r = objects_begin(c->site->root_fd, c->body_left, &u);
        if (r < 0)
                return answer_errno(c, "cannot begin an object", r);
        r = put_upload(c, g, &u, want);
        /* Who has the answer finds no trace of the upload beside the object. */
        objects_end(c->site->root_fd, &u);
        if (r == -ECONNRESET)
                return r;
        if (r < 0)
                return answer_errno(c, "cannot store an object", r);
        return r == 0 ? answer(c, 201, "stored\n")
                      : answer(c, 400, "the hash does not fit what arrived\n");
}

/* ---- GET, HEAD ---- */

static int send_file(struct conn *c, int fd, uint64_t length)
{
        while (length > 0) {
                ssize_t n = sendfile(c->fd, fd, NULL, (size_t)MIN(length, 1u << 20));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        /* Half a body was sent: only the end of the connection says so. */
                        c->keep = false;
                        return n < 0 ? -errno : -EIO;
                }
                length -= (uint64_t)n;
        }
        return 0;
}

static int get_object(struct conn *c, const struct grant *g, bool bare)
{
        AUTO_CLOSE fd = objects_open(c->site->root_fd, &g->ref);
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX];
        char more[128] = "";
        uint64_t length;
        struct stat st;
        int r = fd < 0 ? fd : 0;

        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r < 0)
                return answer_errno(c, "cannot open an object", r);
        length = (uint64_t)st.st_size;
        if (bare) {
                r = sha256_fd(fd, digest, &length);
                if (r < 0)
                        return answer_errno(c, "cannot read an object", r);
                hex_encode(digest, sizeof(digest), hex);
                (void)snprintf(more, sizeof(more), "X-Content-Sha256: %s\r\n", hex);
        }
        r = answer_head(c, 200, length, more);
        return r == 0 && !bare ? send_file(c, fd, length) : r;
}

/* ---- requests ---- */

static int serve_object(struct conn *c)
{
        bool put = http_span_is(c->head.method, "PUT");
        bool get = http_span_is(c->head.method, "GET");
        bool bare = http_span_is(c->head.method, "HEAD");
        struct grant g;

        if (!put && !get && !bare)
                return answer(c, 405, "PUT, GET or HEAD\n");
        if (grant_parse(c->head.target, &g) < 0)
                return answer(c, 404, "not the address of an object\n");
        /* Who may write an object may also ask whether it is there. */
        if (!((get || bare) && grant_signed(c, &g, "get")) &&
            !((put || bare) && grant_signed(c, &g, "put")))
                return answer(c, 403, "bad signature\n");
        if (grant_expired(&g))
                return answer(c, 403, "expired\n");
        if (put)
                return put_object(c, &g);
        return get_object(c, &g, bare);
}

static int serve_request(struct conn *c)
{
        struct http_head *h = &c->head;

        c->keep = h->keep_alive && !h->upgrade && h->body != HTTP_BODY_CHUNKED;
        c->body_left = h->body == HTTP_BODY_LENGTH ? h->content_length : 0;
        if (h->body == HTTP_BODY_CHUNKED)
                return answer(c, 411, "Content-Length is required\n");
        if (http_span_is(h->target, "/healthz"))
                return answer(c, 200, "ok\n");
        return serve_object(c);
}

/* The next head. 0; HTTP_REFUSED; -errno or -ECONNRESET: nothing more to do. */
static int head_read(struct conn *c, mono_t deadline)
{
        http_head_init(&c->head, HTTP_REQUEST);
        for (;;) {
                uint8_t chunk[4096];
                ssize_t n;
                int r = c->in.len > 0 ? http_head_parse(&c->head, c->in.data, c->in.len)
                                      : HTTP_MORE;

                if (r != HTTP_MORE)
                        return r;
                n = recv(c->fd, chunk, sizeof(chunk), 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0 || mono_due(deadline, mono_read()))
                        return -ECONNRESET;
                timeout_set(c->fd, SO_RCVTIMEO, STALL_S);
                r = buf_append(&c->in, chunk, (size_t)n);
                if (r < 0)
                        return r;
        }
}

/* Let the peer read the answer before a reset can destroy it (RFC 9112, 9.6). */
static void linger(struct conn *c)
{
        mono_t deadline = mono_add_ms(mono_read(), LINGER_MS);
        uint8_t chunk[BODY_CHUNK];

        (void)shutdown(c->fd, SHUT_WR);
        timeout_set(c->fd, SO_RCVTIMEO, LINGER_MS / 1000);
        while (!mono_due(deadline, mono_read()) && recv(c->fd, chunk, sizeof(chunk), 0) > 0)
                ;
}

void storage_http_serve(const struct storage_site *site, int fd)
{
        struct conn c = {.site = site, .fd = fd, .keep = true, .in = BUF_INIT(2 * HTTP_HEAD_MAX)};
        int r = 0;

        timeout_set(fd, SO_SNDTIMEO, STALL_S);
        while (r == 0 && c.keep) {
                timeout_set(fd, SO_RCVTIMEO, IDLE_S);
                r = head_read(&c, mono_add_ms(mono_read(), STALL_S * 1000));
                if (r == HTTP_REFUSED) {
                        c.keep = false;
                        c.body_left = 0;
                        r = answer(&c, c.head.refuse_status, "bad request\n");
                } else if (r == 0) {
                        /* The target and the headers are read before any byte is consumed. */
                        buf_consume(&c.in, c.head.length);
                        r = serve_request(&c);
                }
        }
        if (r == 0)
                linger(&c);
        buf_deinit(&c.in);
        fd_close(fd);
}
