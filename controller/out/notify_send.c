/* The one file of the controller's notifications that knows libcurl. */
#include "out/notify_send.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CONNECT_TIMEOUT_MS 5000L
#define POLL_MS 1000

struct notify_send {
        struct loop *loop;
        notify_sent_fn done;
        void *ctx;
        int fd; /* an outcome is there */
        struct loop_fd src;
        CURLM *multi;
        pthread_t thread;
        bool running;
        size_t active; /* the loop's */
        pthread_mutex_t lock;
        /* under the lock */
        bool end;
        struct notify_request *inbox, *outbox;
        /* the thread's */
        struct notify_request *under_way;
};

struct notify_request *notify_request_new(void)
{
        return calloc(1, sizeof(struct notify_request));
}

struct notify_request *notify_request_free(struct notify_request *q)
{
        if (!q)
                return NULL;
        curl_slist_free_all(q->list_);
        if (q->easy_)
                curl_easy_cleanup(q->easy_);
        for (size_t i = 0; i < ARRAY_LEN(q->headers); i++)
                free(q->headers[i]);
        if (q->password)
                explicit_bzero(q->password, strlen(q->password));
        free(q->url);
        free(q->from);
        free(q->rcpt);
        free(q->user);
        free(q->password);
        if (q->body.data)
                explicit_bzero(q->body.data, q->body.len); /* it may hold a key */
        buf_deinit(&q->body);
        free(q);
        return NULL;
}

/* ---- the thread ---- */

static size_t on_answer(char *data, size_t size, size_t n, void *ctx)
{
        (void)data;
        (void)ctx;
        return size * n;
}

static size_t on_read(char *dst, size_t size, size_t n, void *ctx)
{
        struct notify_request *q = ctx;
        size_t len = MIN(size * n, q->body.len - q->sent_);

        if (len)
                memcpy(dst, q->body.data + q->sent_, len);
        q->sent_ += len;
        return len;
}

static void add(struct notify_request *q, const char *text)
{
        struct curl_slist *longer = curl_slist_append(q->list_, text);

        if (longer)
                q->list_ = longer;
}

static void set_mail(CURL *c, struct notify_request *q)
{
        char *rest = q->rcpt, *one;

        while ((one = strsep(&rest, ", ")))
                if (*one)
                        add(q, one);
        curl_easy_setopt(c, CURLOPT_MAIL_FROM, q->from);
        curl_easy_setopt(c, CURLOPT_MAIL_RCPT, q->list_);
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c, CURLOPT_READDATA, q);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body.len);
        /* A password never goes over a line that can be read. */
        curl_easy_setopt(c, CURLOPT_USE_SSL, q->password ? CURLUSESSL_ALL : CURLUSESSL_TRY);
        if (q->user)
                curl_easy_setopt(c, CURLOPT_USERNAME, q->user);
        if (q->password)
                curl_easy_setopt(c, CURLOPT_PASSWORD, q->password);
}

static void set_post(CURL *c, struct notify_request *q)
{
        for (size_t i = 0; i < ARRAY_LEN(q->headers) && q->headers[i]; i++)
                add(q, q->headers[i]);
        add(q, "Expect:");
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, q->list_);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body.data);
}

static void finish(struct notify_send *s, struct notify_request *q)
{
        uint64_t one = 1;

        pthread_mutex_lock(&s->lock);
        q->next_ = s->outbox;
        s->outbox = q;
        pthread_mutex_unlock(&s->lock);
        if (write(s->fd, &one, sizeof(one)) < 0)
                return; /* it is readable already */
}

static void begin(struct notify_send *s, struct notify_request *q)
{
        CURL *c = curl_easy_init();

        if (!c)
                STR_CUT(q->error, "out of memory");
        if (!c || (q->prepare && q->prepare(q->prepare_ctx, q) < 0)) {
                if (c)
                        curl_easy_cleanup(c);
                finish(s, q);
                return;
        }
        q->easy_ = c;
        q->sent_ = 0;
        curl_easy_setopt(c, CURLOPT_URL, q->url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, q->rcpt ? "smtp,smtps" : "http,https");
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
        curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)q->timeout_ms);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_answer);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, q->error);
        curl_easy_setopt(c, CURLOPT_PRIVATE, q);
        curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
        if (q->ca_file && q->ca_file[0])
                curl_easy_setopt(c, CURLOPT_CAINFO, q->ca_file);
        if (q->rcpt)
                set_mail(c, q);
        else
                set_post(c, q);
        q->next_ = s->under_way;
        s->under_way = q;
        (void)curl_multi_add_handle(s->multi, c);
}

/* What a person can do about it, behind what libcurl says. */
static void add_cure(struct notify_request *q, CURLcode code)
{
        const char *cure = NULL;
        size_t n;

        if (!q->error[0])
                STR_CUT(q->error, curl_easy_strerror(code));
        if (code == CURLE_PEER_FAILED_VERIFICATION)
                cure = "; nothing was sent: notify_ca_file names the certificates that are trusted";
        else if (code == CURLE_USE_SSL_FAILED)
                cure = "; a password is only sent over TLS: use smtps://, or a server with "
                       "STARTTLS";
        else if (code == CURLE_LOGIN_DENIED)
                cure = "; see smtp_user and smtp_password_file";
        n = strlen(q->error);
        if (cure)
                str_copy_cut(q->error + n, sizeof(q->error) - n, cure);
}

static void judge(struct notify_request *q, CURLcode code)
{
        long status = 0;

        curl_easy_getinfo(q->easy_, CURLINFO_RESPONSE_CODE, &status);
        if (q->rcpt) {
                q->ok = code == CURLE_OK;
                /* RFC 5321, 4.2.1: 5yz is for ever. A refused login may be mended. */
                q->permanent = !q->ok && status >= 550 && status <= 559;
        } else {
                q->ok = code == CURLE_OK && status >= 200 && status < 300;
                q->permanent = code == CURLE_OK && status >= 400 && status < 500 && status != 401 &&
                               status != 403 && status != 404 && status != 408 && status != 425 &&
                               status != 429;
        }
        if (!q->ok && code == CURLE_OK)
                (void)snprintf(q->error, sizeof(q->error), "the receiver said %ld", status);
        else if (!q->ok)
                add_cure(q, code);
}

static void unlink_request(struct notify_send *s, struct notify_request *q)
{
        struct notify_request **p = &s->under_way;

        while (*p != q)
                p = &(*p)->next_;
        *p = q->next_;
}

static void collect(struct notify_send *s)
{
        CURLMsg *msg;
        int left;

        while ((msg = curl_multi_info_read(s->multi, &left))) {
                struct notify_request *q = NULL;
                CURLcode code = msg->data.result;

                if (msg->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &q);
                unlink_request(s, q);
                judge(q, code);
                (void)curl_multi_remove_handle(s->multi, q->easy_);
                finish(s, q);
        }
}

static void *thread_main(void *ctx)
{
        struct notify_send *s = ctx;
        int n;

        for (;;) {
                struct notify_request *in, *next;
                bool end;

                pthread_mutex_lock(&s->lock);
                in = s->inbox;
                s->inbox = NULL;
                end = s->end;
                pthread_mutex_unlock(&s->lock);
                for (; in; in = next) {
                        next = in->next_;
                        begin(s, in);
                }
                if (end)
                        return NULL;
                (void)curl_multi_perform(s->multi, &n);
                collect(s);
                (void)curl_multi_poll(s->multi, NULL, 0, POLL_MS, NULL);
        }
}

/* ---- the loop's side ---- */

static void on_outcome(void *ctx, uint32_t events)
{
        struct notify_send *s = ctx;
        struct notify_request *out, *next;
        uint64_t n;

        (void)events;
        if (read(s->fd, &n, sizeof(n)) < 0)
                return;
        pthread_mutex_lock(&s->lock);
        out = s->outbox;
        s->outbox = NULL;
        pthread_mutex_unlock(&s->lock);
        for (; out; out = next) {
                next = out->next_;
                s->active--;
                s->done(s->ctx, out);
        }
}

/* Without the signals that the loop waits for. */
static int start_thread(struct notify_send *s)
{
        sigset_t all, before;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&s->thread, NULL, thread_main, s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        s->running = r == 0;
        return -r;
}

int notify_send_new(struct loop *l, notify_sent_fn done, void *ctx, struct notify_send **ret_send)
{
        struct notify_send *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->done = done;
        s->ctx = ctx;
        s->src = LOOP_FD_NULL;
        pthread_mutex_init(&s->lock, NULL);
        s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = s->fd < 0 ? -errno : 0;
        if (r == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                r = -ENOMEM;
        if (r == 0) {
                s->multi = curl_multi_init();
                r = s->multi ? loop_fd_add(l, &s->src, s->fd, EPOLLIN, on_outcome, s) : -ENOMEM;
        }
        if (r == 0)
                r = start_thread(s);
        if (r < 0) {
                notify_send_free(s);
                return r;
        }
        *ret_send = s;
        return 0;
}

static void free_list(struct notify_send *s, struct notify_request *q)
{
        struct notify_request *next;

        for (; q; q = next) {
                next = q->next_;
                if (q->easy_)
                        (void)curl_multi_remove_handle(s->multi, q->easy_);
                notify_request_free(q);
        }
}

struct notify_send *notify_send_free(struct notify_send *s)
{
        if (!s)
                return NULL;
        if (s->running) {
                pthread_mutex_lock(&s->lock);
                s->end = true;
                pthread_mutex_unlock(&s->lock);
                (void)curl_multi_wakeup(s->multi);
                pthread_join(s->thread, NULL);
        }
        loop_fd_del(&s->src);
        free_list(s, s->under_way);
        free_list(s, s->outbox);
        free_list(s, s->inbox);
        if (s->multi)
                curl_multi_cleanup(s->multi);
        fd_close(s->fd);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}

void notify_send_start(struct notify_send *s, struct notify_request *q)
{
        s->active++;
        pthread_mutex_lock(&s->lock);
        q->next_ = s->inbox;
        s->inbox = q;
        pthread_mutex_unlock(&s->lock);
        (void)curl_multi_wakeup(s->multi);
}

size_t notify_send_active(const struct notify_send *s)
{
        return s->active;
}
