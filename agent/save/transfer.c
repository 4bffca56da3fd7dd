#include "save/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
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

#define SAID_SIZE 600 /* of an error's body: S3's document begins with code and message */

/* One call: what the callbacks need. */
struct flow {
        int fd;
        uint64_t start;  /* put: offset in the file */
        uint64_t at;     /* put: bytes given so far; get: bytes written */
        uint64_t length; /* of the whole object */
        struct sha256 *hash;
        struct buf *body;        /* post: where the answer goes */
        int fault;               /* -errno of a file here, or a transfer_refusal */
        char sha256[SHA256_HEX]; /* what the server says it holds; "" when it does not say */
        char said[SAID_SIZE];    /* the beginning of an error's body */
        CURL *curl;
};

static int global_result;

static void global_init(void)
{
        global_result = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

int transfer_init(struct transfer *t)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        *t = (struct transfer){0};
        (void)pthread_once(&once, global_init);
        if (global_result < 0)
                return global_result;
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
        ssize_t got = pread(f->fd, dst, want, (off_t)(f->start + f->at));

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

/* The body of an error is words about it, not what was asked for. True when taken. */
static bool take_said(struct flow *f, const char *data, size_t len)
{
        size_t have = strlen(f->said);
        long status = 0;

        curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status < 300)
                return false;
        len = MIN(len, sizeof(f->said) - 1 - have);
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)data[i];

                f->said[have + i] = (char)(c >= 0x20 && c < 0x7f ? c : ' ');
        }
        f->said[have + len] = 0;
        return true;
}

static size_t on_download(char *data, size_t size, size_t n, void *ctx)
{
        struct flow *f = ctx;
        size_t len = size * n;
        int r;

        if (take_said(f, data, len))
                return len;
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

static size_t on_answer(char *data, size_t size, size_t n, void *ctx)
{
        struct flow *f = ctx;
        int r;

        if (take_said(f, data, size * n) || !f->body)
                return size * n;
        r = buf_append(f->body, data, size * n);
        if (r < 0)
                f->fault = r == -ENOBUFS ? TRANSFER_MISMATCH : r;
        return r < 0 ? 0 : size * n;
}

static int base64_value(char c)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = c ? strchr(digits, c) : NULL;

        return at ? (int)(at - digits) : -1;
}

/* The 44 characters of a SHA-256 in base64 (x-amz-checksum-sha256) as hex. */
static void hash_from_base64(const char *text, char hex[static SHA256_HEX])
{
        uint8_t digest[SHA256_LEN + 1];
        uint32_t bits = 0;
        size_t n = 0;

        for (size_t i = 0; i < 44; i++) {
                int v = i == 43 ? 0 : base64_value(text[i]);

                if (v < 0)
                        return;
                bits = bits << 6 | (uint32_t)v;
                if (i % 4 != 3)
                        continue;
                digest[n++] = (uint8_t)(bits >> 16);
                digest[n++] = (uint8_t)(bits >> 8);
                digest[n++] = (uint8_t)bits;
        }
        hex_encode(digest, SHA256_LEN, hex);
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
        static const char ours[] = "x-content-sha256: ", amazon[] = "x-amz-checksum-sha256: ";
        struct flow *f = ctx;
        size_t len = size * n;

        if (len >= sizeof(ours) - 1 + SHA256_HEX - 1 &&
            strncasecmp(line, ours, sizeof(ours) - 1) == 0) {
                memcpy(f->sha256, line + sizeof(ours) - 1, SHA256_HEX - 1);
                f->sha256[SHA256_HEX - 1] = 0;
        } else if (len >= sizeof(amazon) - 1 + 44 &&
                   strncasecmp(line, amazon, sizeof(amazon) - 1) == 0) {
                hash_from_base64(line + sizeof(amazon) - 1, f->sha256);
        }
        return len;
}

static int fail(struct transfer *t, int r, const char *what, const char *detail)
{
        (void)snprintf(t->error, sizeof(t->error), "%s: %.200s", what, detail);
        return r;
}

/* What an answer means. `code` is that of an S3 error document; "" for any. */
static const struct {
        long status;
        const char *code;
        int refusal;
        const char *text;
} meanings[] = {
        {400, "RequestTimeout", TRANSFER_NETWORK, "the storage waited in vain for bytes (400)"},
        {400, "ExpiredToken", TRANSFER_REFUSED, "the storage's credentials have expired (400)"},
        {400, "EntityTooLarge", TRANSFER_TOO_BIG, "larger than the storage takes (400)"},
        {401, "", TRANSFER_REFUSED, "the storage refused the signature (401)"},
        {403, "QuotaExceeded", TRANSFER_DISK_FULL, "the storage is full (403 QuotaExceeded)"},
        {403, "", TRANSFER_REFUSED, "the storage refused the signature (403)"},
        {404, "", TRANSFER_MISSING, "the object is not in the storage (404)"},
        {409, "", TRANSFER_EXISTS, "the object exists already (409)"},
        {412, "", TRANSFER_EXISTS, "the object exists already (412)"},
        {413, "", TRANSFER_TOO_BIG, "larger than was granted (413)"},
        {507, "", TRANSFER_DISK_FULL, "the storage is full (507)"},
};

/* The content of <name> in an S3 error document; "" when it has none. */
static void xml_field(const char *said, const char *name, char *dst, size_t size)
{
        char tag[24];
        const char *at, *end;

        dst[0] = 0;
        (void)snprintf(tag, sizeof(tag), "<%s>", name);
        at = strstr(said, tag);
        at = at ? at + strlen(tag) : NULL;
        end = at ? strchr(at, '<') : NULL;
        if (end)
                (void)snprintf(dst, size, "%.*s", (int)MIN((size_t)(end - at), size - 1), at);
}

static int fail_status(struct transfer *t, const struct flow *f, const char *what, long status)
{
        char text[TRANSFER_ERROR_SIZE];
        char code[40], message[120];
        int refusal = TRANSFER_NETWORK;
        size_t n;

        (void)snprintf(text, sizeof(text), "the storage answered %ld", status);
        xml_field(f->said, "Code", code, sizeof(code));
        xml_field(f->said, "Message", message, sizeof(message));
        for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
                if (meanings[i].status != status ||
                    (meanings[i].code[0] && strcmp(meanings[i].code, code) != 0))
                        continue;
                refusal = meanings[i].refusal;
                STR_CUT(text, meanings[i].text);
                break;
        }
        /* 400 otherwise: the hash did not fit what arrived; the way is bad, not the object. */
        n = strlen(text);
        if (code[0])
                (void)snprintf(text + n, sizeof(text) - n, ": %s: %s", code, message);
        else if (f->said[0] && f->said[0] != '<')
                (void)snprintf(text + n, sizeof(text) - n, ": %.100s", f->said);
        for (n = strlen(text); n > 0 && text[n - 1] == ' '; n--)
                text[n - 1] = 0;
        return fail(t, refusal, what, text);
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
        f->curl = c;
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_answer);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
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
                return fail(t, f->fault, what, "longer than it should be");
        /* An answer may come before the whole body was sent; the answer is what counts. */
        if (status >= 300)
                return fail_status(t, f, what, status);
        if (code != CURLE_OK)
                return fail(t, TRANSFER_NETWORK, what, curl_easy_strerror(code));
        if (status < 200)
                return fail_status(t, f, what, status);
        return 0;
}

/* Those of the grant, and none that curl would add by itself. */
static int headers_set(struct transfer *t, const struct blob_address *a,
                       struct curl_slist **ret_list)
{
        struct curl_slist *list = curl_slist_append(NULL, "Expect:");
        struct curl_slist *longer = list ? curl_slist_append(list, "Content-Type:") : NULL;

        for (uint32_t i = 0; longer && i < a->n_headers; i++)
                longer = curl_slist_append(list, a->headers[i]);
        if (!longer) {
                curl_slist_free_all(list);
                return -ENOMEM;
        }
        curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, list);
        *ret_list = list;
        return 0;
}

/* ---- put ---- */

static int put_once(struct transfer *t, const struct blob_address *to, int fd, uint64_t at,
                    uint64_t length)
{
        struct flow f = {.fd = fd, .start = at, .length = length};
        struct curl_slist *headers = NULL;
        int r;

        prepare(t, to->url, &f);
        r = headers_set(t, to, &headers);
        if (r < 0)
                return r;
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

/* Is the object there and is it this one? 0 yes, TRANSFER_EXISTS no, it is another. */
static int check(struct transfer *t, const struct blob_address *at, uint64_t length,
                 const char *sha256)
{
        struct flow f = {.fd = -1};
        struct curl_slist *headers = NULL;
        curl_off_t there = -1;
        int r;

        prepare(t, at->url, &f);
        r = headers_set(t, at, &headers);
        if (r < 0)
                return r;
        curl_easy_setopt(t->curl, CURLOPT_NOBODY, 1L);
        r = perform(t, &f, "look up");
        curl_slist_free_all(headers);
        if (r != 0)
                return r;
        curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &there);
        if (there != (curl_off_t)length || strcmp(f.sha256, sha256) != 0)
                return fail(t, TRANSFER_EXISTS, "look up", "another object has this name");
        return 0;
}

int transfer_put(struct transfer *t, const struct blob_granted *to, int fd, uint64_t at,
                 uint64_t length, const char *sha256)
{
        char error[TRANSFER_ERROR_SIZE];
        int r = put_once(t, &to->at, fd, at, length);
        int there;

        if ((r != TRANSFER_NETWORK && r != TRANSFER_EXISTS) || !to->check.url)
                return r;
        STR_CUT(error, t->error);
        there = check(t, &to->check, length, sha256);
        if (there == 0 || there == TRANSFER_EXISTS)
                return there;
        /* Not there, or not to be found out: what the upload ran into counts. "The name is taken"
         * by nothing is another upload under way (S3: ConditionalRequestConflict). */
        STR_CUT(t->error, error);
        return TRANSFER_NETWORK;
}

/* ---- get, post ---- */

int transfer_get(struct transfer *t, const struct blob_address *from, int fd, uint64_t length,
                 const char *sha256)
{
        struct flow f = {.fd = fd, .length = length};
        struct curl_slist *headers = NULL;
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX];
        int r;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        f.hash = sha256_new();
        if (!f.hash)
                return -ENOMEM;
        prepare(t, from->url, &f);
        r = headers_set(t, from, &headers);
        curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_download);
        if (r == 0)
                r = perform(t, &f, "download");
        if (r == 0) {
                sha256_final(f.hash, digest);
                hex_encode(digest, sizeof(digest), hex);
                if (f.at != length)
                        r = fail(t, TRANSFER_MISMATCH, "download", "not as long as it should be");
                else if (strcmp(hex, sha256) != 0)
                        r = fail(t, TRANSFER_MISMATCH, "download", "its hash is not the right one");
        }
        curl_slist_free_all(headers);
        sha256_free(f.hash);
        return r;
}

int transfer_post(struct transfer *t, const char *url, const struct buf *body, struct buf *ret)
{
        static const struct blob_address bare;
        struct flow f = {.fd = -1, .body = ret};
        struct curl_slist *headers = NULL;
        int r;

        prepare(t, url, &f);
        r = headers_set(t, &bare, &headers);
        if (r < 0)
                return r;
        curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, (const char *)body->data);
        r = perform(t, &f, "grant");
        curl_slist_free_all(headers);
        return r;
}
