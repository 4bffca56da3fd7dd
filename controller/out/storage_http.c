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
#include "out/storage_grants.h"

#define STALL_S 30     /* without a byte in either direction while something is due */
#define IDLE_S 5       /* between two requests */
#define LINGER_MS 3000 /* for the peer to read an answer that came before its body's end */
#define BODY_CHUNK 32768

struct conn {
        struct storage_site *site;
        struct keys keys;
        int fd;
        struct buf in; /* head and the first bytes of the body */
        struct http_head head;
        bool keep; /* another request may follow */
        uint64_t body_left;
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

static int answer_missing(struct conn *c, const struct blob_object_ref *ref)
{
        return answer(c, 404,
                      objects_old_save(c->site->root_fd, ref) ? SAVES_OLD_WORDS "\n"
                                                              : "no such object\n");
}

static int answer_errno(struct conn *c, const char *what, int r)
{
        if (r == -ENOENT)
                return answer(c, 404, "no such object\n");
        if (r == -EEXIST)
                return answer(c, 409, "the object exists\n");
        if (r == -EBUSY)
                return answer(c, 409, "another upload of this object is under way; try later\n");
        if (r == -ENOSPC || r == -EDQUOT)
                return answer(c, 507, "the storage is full\n");
        log_error(what, LOG_ERR(r));
        return answer(c, 500, "the storage failed\n");
}

static bool expired(uint64_t expires)
{
        return utc_read().us / US_PER_S >= (int64_t)expires;
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

/* How much to move at a time: with a limit, others come in between. */
static size_t piece(const struct conn *c, size_t most)
{
        return c->site->pace.rate > 0 ? MIN(most, (size_t)STORAGE_PACE_PIECE) : most;
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
                ssize_t n = body_read(c, chunk, piece(c, sizeof(chunk)));

                if (n <= 0) {
                        r = -ECONNRESET;
                        break;
                }
                storage_pace_take(&c->site->pace, (size_t)n);
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
static int put_upload(struct conn *c, const struct storage_object *o, struct objects_upload *u)
{
        char hex[SHA256_HEX];
        int r = 0;

        if (c->head.expect_continue)
                r = fd_write_all(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        if (r == 0)
                r = body_store(c, u->fd, hex);
        if (r == 0 && strcmp(hex, o->sha256) != 0)
                r = 1;
        return r == 0 ? objects_commit(c->site->root_fd, u, &o->ref) : r;
}

/* The headers that were granted must be sent: what is sent to an S3 storage is signed. */
static bool creates_only(const struct conn *c)
{
        struct http_span value;

        return http_head_count(&c->head, "If-None-Match") == 1 &&
               http_head_find(&c->head, "If-None-Match", &value) && http_span_is(value, "*");
}

static int put_object(struct conn *c, const struct storage_object *o)
{
        struct objects_upload u = {.fd = -1};
        int there;
        int r;

        if (!c->head.has_content_length)
                return answer(c, 411, "Content-Length is required\n");
        if (!creates_only(c))
                return answer(c, 400, "the headers of the grant are required\n");
        if (c->body_left > o->length)
                return answer(c, 413, "larger than was granted\n");
        if (c->body_left < o->length)
                return answer(c, 400, "shorter than was granted\n");
        there = objects_open(c->site->root_fd, &o->ref);
        if (there >= 0) {
                fd_close(there);
                return answer_errno(c, "", -EEXIST);
        }
        r = objects_begin(c->site->root_fd, &o->ref, c->body_left, &u);
        if (r < 0)
                return answer_errno(c, "cannot begin an object", r);
        r = put_upload(c, o, &u);
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
                ssize_t n = sendfile(c->fd, fd, NULL, piece(c, (size_t)MIN(length, 1u << 20)));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        /* Half a body was sent: only the end of the connection says so. */
                        c->keep = false;
                        return n < 0 ? -errno : -EIO;
                }
                storage_pace_take(&c->site->pace, (size_t)n);
                length -= (uint64_t)n;
        }
        return 0;
}

static int get_object(struct conn *c, const struct storage_object *o, bool bare)
{
        AUTO_CLOSE fd = objects_open(c->site->root_fd, &o->ref);
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX];
        char more[128] = "";
        uint64_t length;
        struct stat st;
        int r = fd < 0 ? fd : 0;

        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r == -ENOENT)
                return answer_missing(c, &o->ref);
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
        struct storage_object o;
        struct keys other;
        int r;

        if (c->site->s3)
                return answer(c, 404, "objects are in the bucket\n");
        if (!put && !get && !bare)
                return answer(c, 405, "PUT, GET or HEAD\n");
        r = storage_object_read(&c->keys, c->head.target, &o);
        if (r == -EPERM && keys_other(&c->keys, &other)) {
                r = storage_object_read(&other, c->head.target, &o);
                explicit_bzero(&other, sizeof(other));
        }
        if (r == -EINVAL)
                return answer(c, 404, "not the address of an object\n");
        /* Who may write an object may also ask whether it is there. */
        if (r < 0 || (put && o.op != BLOB_OP_PUT) || (get && o.op != BLOB_OP_GET))
                return answer(c, 403, "bad signature\n");
        if (expired(o.expires))
                return answer(c, 403, "expired\n");
        return put ? put_object(c, &o) : get_object(c, &o, bare);
}

/* The whole body of a small request. 0, -ECONNRESET, -ENOMEM. */
static int body_collect(struct conn *c, struct buf *ret)
{
        int r = 0;

        if (c->head.expect_continue)
                r = fd_write_all(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        while (r == 0 && c->body_left > 0) {
                uint8_t chunk[4096];
                ssize_t n = body_read(c, chunk, sizeof(chunk));

                r = n <= 0 ? -ECONNRESET : buf_append(ret, chunk, (size_t)n);
        }
        return r;
}

static int grants_answer(struct conn *c, const struct storage_grant *g, const char *base)
{
        AUTO_BUF body = BUF_INIT(BLOB_GRANT_REQUEST_MAX);
        AUTO_BUF json = BUF_INIT(BLOB_GRANT_ANSWER_MAX);
        char reason[STORAGE_REASON_SIZE] = "";
        char text[STORAGE_REASON_SIZE + 2];
        int r = body_collect(c, &body);

        if (r == 0 && c->site->s3)
                r = s3_grants(c->site->s3, g, body.data, body.len, &json, reason);
        else if (r == 0)
                r = storage_grants_local(&c->keys, base, g, body.data, body.len, &json, reason);
        if (r == -ECONNRESET)
                return r;
        if (r < 0)
                return answer_errno(c, "cannot grant", r);
        if (r > 0) {
                (void)snprintf(text, sizeof(text), "%s\n", reason);
                return answer(c, (uint16_t)r, text);
        }
        r = answer_head(c, 200, json.len, "Content-Type: application/json\r\n");
        return r == 0 ? fd_write_all(c->fd, json.data, json.len) : r;
}

/* Addresses are those by which this server was reached. */
static int serve_grant(struct conn *c)
{
        struct storage_grant g;
        struct keys other;
        char base[300];
        int r;

        if (!http_span_is(c->head.method, "POST"))
                return answer(c, 405, "POST\n");
        r = storage_grant_read(&c->keys, c->head.target, &g);
        if (r == -EPERM && keys_other(&c->keys, &other)) {
                r = storage_grant_read(&other, c->head.target, &g);
                explicit_bzero(&other, sizeof(other));
        }
        if (r == -EINVAL)
                return answer(c, 404, "not the address of a grant\n");
        if (r < 0)
                return answer(c, 403, "the signature of the grant is wrong\n");
        if (expired(g.expires))
                return answer(c, 403, "the grant has expired\n");
        if (c->body_left > BLOB_GRANT_REQUEST_MAX)
                return answer(c, 413, "too many objects in one request\n");
        if (c->head.host.len > sizeof(base) - 8)
                return answer(c, 400, "the address in Host is not one\n");
        (void)snprintf(base, sizeof(base), "http://%.*s", (int)c->head.host.len, c->head.host.at);
        return grants_answer(c, &g, base);
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
        return http_span_starts(h->target, "/g/") ? serve_grant(c) : serve_object(c);
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

void storage_http_serve(struct storage_site *site, int fd)
{
        struct conn c = {.site = site, .fd = fd, .keep = true, .in = BUF_INIT(2 * HTTP_HEAD_MAX)};
        int r = keys_load(site->key_file, &c.keys);

        if (r < 0)
                log_error("cannot read the key", LOG_STR("path", site->key_file), LOG_ERR(r));
        timeout_set(fd, SO_SNDTIMEO, STALL_S);
        while (r == 0 && c.keep) {
                timeout_set(fd, SO_RCVTIMEO, IDLE_S);
                r = head_read(&c, mono_add_ms(mono_read(), STALL_S * 1000));
                (void)keys_turn(&c.keys, (uint64_t)(utc_read().us / US_PER_S));
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
