#include "out/s3_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/num.h"

#define IDLE_MAX 16 /* handles, each with its connections */
#define CONNECT_TIMEOUT_S 10L
#define STALL_TIMEOUT_S 30L

struct s3_http {
        atomic_bool stopped;
        pthread_mutex_t lock;
        CURL *idle[IDLE_MAX];
        uint32_t n_idle;
};

/* One call: what the callbacks need. */
struct flow {
        const struct s3_http_request *q;
        struct s3_http_answer *a;
        CURL *curl;
        size_t sent;
};

static int global_result;

static void global_init(void)
{
        global_result = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

int s3_http_new(struct s3_http **ret)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct s3_http *h = calloc(1, sizeof(*h));

        (void)pthread_once(&once, global_init);
        if (!h || global_result < 0) {
                free(h);
                return -ENOMEM;
        }
        pthread_mutex_init(&h->lock, NULL);
        *ret = h;
        return 0;
}

struct s3_http *s3_http_free(struct s3_http *h)
{
        if (!h)
                return NULL;
        while (h->n_idle > 0)
                curl_easy_cleanup(h->idle[--h->n_idle]);
        pthread_mutex_destroy(&h->lock);
        free(h);
        return NULL;
}

void s3_http_stop(struct s3_http *h)
{
        atomic_store(&h->stopped, true);
}

bool s3_http_stopped(struct s3_http *h)
{
        return atomic_load(&h->stopped);
}

/* Called about once a second, also when nothing moves. */
static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
        (void)a, (void)b, (void)c, (void)d;
        return s3_http_stopped(ctx);
}

static CURL *handle_take(struct s3_http *h)
{
        CURL *c = NULL;

        pthread_mutex_lock(&h->lock);
        if (h->n_idle > 0)
                c = h->idle[--h->n_idle];
        pthread_mutex_unlock(&h->lock);
        return c ? c : curl_easy_init();
}

static void handle_give(struct s3_http *h, CURL *c)
{
        pthread_mutex_lock(&h->lock);
        if (h->n_idle < IDLE_MAX) {
                h->idle[h->n_idle++] = c;
                c = NULL;
        }
        pthread_mutex_unlock(&h->lock);
        if (c)
                curl_easy_cleanup(c);
}

static size_t on_upload(char *dst, size_t size, size_t n, void *ctx)
{
        struct flow *f = ctx;
        size_t len = MIN(size * n, f->q->body_len - f->sent);

        memcpy(dst, (const char *)f->q->body + f->sent, len);
        f->sent += len;
        return len;
}

/* A connection that was kept may turn out dead: curl then starts the body again. */
static int on_rewind(void *ctx, curl_off_t offset, int origin)
{
        struct flow *f = ctx;

        if (origin != SEEK_SET || offset < 0 || (size_t)offset > f->q->body_len)
                return CURL_SEEKFUNC_CANTSEEK;
        f->sent = (size_t)offset;
        return CURL_SEEKFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
        struct flow *f = ctx;
        size_t len = size * n, take = len;
        long status = 0;

        curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 200 && status < 300 && f->q->hash) {
                sha256_update(f->q->hash, data, len);
        } else if (status >= 200 && status < 300 && f->q->fd >= 0) {
                take = (size_t)MIN((uint64_t)len, f->q->most - f->a->received);
                f->a->fault = fd_write_all(f->q->fd, data, take);
                if (f->a->fault < 0)
                        return 0;
        } else if (f->q->text && buf_append(f->q->text, data, len) < 0) {
                /* An error that is too long is cut; a good answer is not. */
                if (status >= 200 && status < 300)
                        f->a->fault = -EMSGSIZE;
                return f->a->fault < 0 ? 0 : len;
        }
        f->a->received += take;
        return len;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
        static const char name[] = "x-amz-checksum-sha256:";
        struct flow *f = ctx;
        size_t len = size * n;
        const char *at = line + sizeof(name) - 1, *end = line + len;
        size_t out = 0;

        if (len < sizeof(name) || strncasecmp(line, name, sizeof(name) - 1) != 0)
                return len;
        while (at < end && *at == ' ')
                at++;
        for (; at<end && * at> ' ' && out < sizeof(f->a->checksum) - 1; at++)
                f->a->checksum[out++] = *at;
        f->a->checksum[out] = 0;
        return len;
}

static struct curl_slist *headers_list(const struct s3_http_request *q)
{
        struct curl_slist *list = curl_slist_append(NULL, "Expect:");
        struct curl_slist *longer = list ? curl_slist_append(list, "Content-Type:") : NULL;

        for (uint32_t i = 0; longer && i < q->n_headers; i++)
                longer = curl_slist_append(list, q->headers[i]);
        if (!longer) {
                curl_slist_free_all(list);
                return NULL;
        }
        return list;
}

static void prepare(CURL *c, struct flow *f, struct curl_slist *headers)
{
        const struct s3_http_request *q = f->q;

        curl_easy_reset(c);
        curl_easy_setopt(c, CURLOPT_URL, q->url);
        curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_PROXY, "");
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
        if (strcmp(q->method, "HEAD") == 0) {
                curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
        } else if (q->body) {
                curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
                curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body_len);
                curl_easy_setopt(c, CURLOPT_READFUNCTION, on_upload);
                curl_easy_setopt(c, CURLOPT_READDATA, f);
                curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_rewind);
                curl_easy_setopt(c, CURLOPT_SEEKDATA, f);
        }
        if (strcmp(q->method, "HEAD") != 0)
                curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
}

int s3_http_call(struct s3_http *h, const struct s3_http_request *q, struct s3_http_answer *ret)
{
        struct s3_http_answer a = {0};
        struct curl_slist *headers = headers_list(q);
        CURL *c = headers ? handle_take(h) : NULL;
        struct flow f = {.q = q, .a = &a, .curl = c};
        curl_off_t length = -1;
        CURLcode code;

        if (!c) {
                curl_slist_free_all(headers);
                return -ENOMEM;
        }
        prepare(c, &f, headers);
        curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
        code = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &a.status);
        curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        a.length = length > 0 ? (uint64_t)length : 0;
        /* An answer may come before the whole body was sent; a bad one counts. */
        if (code != CURLE_OK && a.status < 300) {
                a.status = 0;
                a.error = curl_easy_strerror(code);
        }
        curl_slist_free_all(headers);
        handle_give(h, c);
        *ret = a;
        return 0;
}
