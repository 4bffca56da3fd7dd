#include "save/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

#define CONNECT_TIMEOUT_S 10L
#define STALL_TIMEOUT_S 30L
#define BUFFER_BYTES (256L << 10)

/* One call: what the callbacks need. */
struct flow {
        int fd;
        uint64_t at;     /* put: bytes given so far; get: bytes written */
        uint64_t length; /* of the whole object */
        struct sha256 *hash;
        int fault;               /* -errno of a file here, or a transfer_refusal */
        char sha256[SHA256_HEX]; /* what the server says it holds; "" when it does not say */
};

int transfer_init(struct transfer *t)
{
        *t = (struct transfer){0};
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        t->curl = curl_easy_init();
        return t->curl ? 0 : -ENOMEM;
}

void transfer_deinit(struct transfer *t)
{
        curl_easy_cleanup(t->curl);
        t->curl = NULL;
}

static size_t on_upload(char *dst, size_t size, size_t n, void *ctx)
{
        struct flow *f = ctx;
        size_t want = (size_t)MIN((uint64_t)size * n, f->length - f->at);
        ssize_t got = pread(f->fd, dst, want, (off_t)f->at);

        if (got < 0 || (got == 0 && want > 0)) {
                f->fault = got < 0 ? -errno : -EIO;
                return CURL_READFUNC_ABORT;
        }
        f->at += (uint64_t)got;
        return (size_t)got;
}

/* A connection that was kept may turn out dead: curl then starts the body again. */
static int on_rewind(void *ctx, curl_off_t offset, int origin)
{
        struct flow *f = ctx;

        if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > f->length)
                return CURL_SEEKFUNC_CANTSEEK;
        f->at = (uint64_t)offset;
        return CURL_SEEKFUNC_OK;
}

static size_t on_download(char *data, size_t size, size_t n, void *ctx)
{
        struct flow *f = ctx;
        size_t len = size * n;
        int r;

        if (len > f->length - f->at) {
                f->fault = TRANSFER_MISMATCH;
                return 0;
        }
        r = fd_write_all(f->fd, data, len);
        if (r < 0) {
                f->fault = r == -ENOSPC || r == -EDQUOT ? TRANSFER_DISK_FULL : r;
                return 0;
        }
        sha256_update(f->hash, data, len);
        f->at += len;
        return len;
}

static size_t on_discard(char *data, size_t size, size_t n, void *ctx)
{
        (void)data;
        (void)ctx;
        return size * n;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
        static const char name[] = "x-content-sha256: ";
        const size_t skip = sizeof(name) - 1;
        struct flow *f = ctx;
        size_t len = size * n;

        if (len >= skip + SHA256_HEX - 1 && strncasecmp(line, name, skip) == 0) {
                memcpy(f->sha256, line + skip, SHA256_HEX - 1);
                f->sha256[SHA256_HEX - 1] = 0;
        }
        return len;
}

static int fail(struct transfer *t, int r, const char *what, const char *detail)
{
        (void)snprintf(t->error, sizeof(t->error), "%s: %s", what, detail);
        return r;
}

static int fail_status(struct transfer *t, const char *what, long status)
{
        static const struct {
                long status;
                int refusal;
                const char *text;
        } known[] = {
                {401, TRANSFER_REFUSED, "the storage refused the signature (401)"},
                {403, TRANSFER_REFUSED, "the storage refused the signature (403)"},
                {404, TRANSFER_MISSING, "the object is not in the storage (404)"},
                {409, TRANSFER_EXISTS, "the object exists already (409)"},
                {412, TRANSFER_EXISTS, "the object exists already (412)"},
                {413, TRANSFER_TOO_BIG, "larger than was granted (413)"},
                {507, TRANSFER_DISK_FULL, "the storage is full (507)"},
        };
        char text[48];

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
                if (known[i].status == status)
                        return fail(t, known[i].refusal, what, known[i].text);
        }
        /* 400 among them: the hash did not fit what arrived, so the way is bad, not the object. */
        (void)snprintf(text, sizeof(text), "the storage answered %ld", status);
        return fail(t, TRANSFER_NETWORK, what, text);
}

static void prepare(struct transfer *t, const char *url, struct flow *f)
{
        CURL *c = t->curl;

        curl_easy_reset(c);
        curl_easy_setopt(c, CURLOPT_URL, url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_PROXY, "");
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
        curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_discard);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
}

/* 0 when a 2xx came and everything arrived. */
static int perform(struct transfer *t, struct flow *f, const char *what)
{
        long status = 0;
        CURLcode code = curl_easy_perform(t->curl);

        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
        if (f->fault < 0)
                return fail(t, f->fault, what, strerror(-f->fault));
        if (f->fault == TRANSFER_DISK_FULL)
                return fail(t, f->fault, what, "the disk of the task is full");
        if (f->fault > 0)
                return fail(t, f->fault, what, "longer than its manifest says");
        /* An answer may come before the whole body was sent; the answer is what counts. */
        if (status >= 300)
                return fail_status(t, what, status);
        if (code != CURLE_OK)
                return fail(t, TRANSFER_NETWORK, what, curl_easy_strerror(code));
        if (status < 200)
                return fail_status(t, what, status);
        return 0;
}

int transfer_put(struct transfer *t, const char *url, int fd, uint64_t length, const char *sha256)
{
        struct flow f = {.fd = fd, .length = length};
        struct curl_slist *headers = NULL;
        char line[96];
        int r;

        (void)snprintf(line, sizeof(line), "X-Content-Sha256: %s", sha256);
        headers = curl_slist_append(NULL, line);
        if (!headers)
                return -ENOMEM;
        prepare(t, url, &f);
        curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(t->curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(t->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)length);
        curl_easy_setopt(t->curl, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(t->curl, CURLOPT_READDATA, &f);
        curl_easy_setopt(t->curl, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(t->curl, CURLOPT_SEEKDATA, &f);
        r = perform(t, &f, "upload");
        curl_slist_free_all(headers);
        return r;
}

int transfer_get(struct transfer *t, const char *url, int fd, uint64_t length, const char *sha256)
{
        struct flow f = {.fd = fd, .length = length};
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX];
        int r;

        if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        f.hash = sha256_new();
        if (!f.hash)
                return -ENOMEM;
        prepare(t, url, &f);
        curl_easy_setopt(t->curl, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_download);
        curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, &f);
        r = perform(t, &f, "download");
        if (r == 0) {
                sha256_final(f.hash, digest);
                hex_encode(digest, sizeof(digest), hex);
                if (f.at != length)
                        r = fail(t, TRANSFER_MISMATCH, "download", "not as long as it should be");
                else if (strcmp(hex, sha256) != 0)
                        r = fail(t, TRANSFER_MISMATCH, "download", "its hash is not the right one");
        }
        sha256_free(f.hash);
        return r;
}

int transfer_same(struct transfer *t, const char *url, uint64_t length, const char *sha256)
{
        struct flow f = {.fd = -1};
        curl_off_t there = -1;
        int r;

        prepare(t, url, &f);
        curl_easy_setopt(t->curl, CURLOPT_NOBODY, 1L);
        r = perform(t, &f, "look up");
        if (r != 0)
                return r;
        curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &there);
        if (there != (curl_off_t)length || strcmp(f.sha256, sha256) != 0)
                return fail(t, TRANSFER_MISMATCH, "look up", "another object has this name");
        return 0;
}
