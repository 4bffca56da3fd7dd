#include "save/parts.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "save/grant.h"

#define THREADS 2
#define STREAMS 2
#define WAITING_MAX 3                     /* whole parts that are not yet acknowledged */
#define FILES_MAX (STREAMS + WAITING_MAX) /* each stream fills one */
#define ATTEMPTS 4                        /* the first and three more */
#define BACKOFF_MS 250
#define BACKOFF_MS_MAX 2000

struct part_stream {
        struct parts *parts;
        uint32_t number;
        int fd; /* of the part that is being filled; -1: none */
        uint64_t length;
        /* Under the lock: */
        struct snapshot_archive archive; /* so far; a part's hash is there when it was uploaded */
        uint32_t cap;
};

struct waiting {
        struct part_stream *stream;
        uint32_t index; /* of the part */
        int fd;
        uint64_t length;
};

struct parts {
        struct job *job;
        const struct blob_save_request *request;
        struct part_stream streams[STREAMS];
        uint64_t length; /* of all streams */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        /* Under the lock: */
        struct waiting queue[WAITING_MAX];
        uint32_t n_queued, n_busy;
        int files[FILES_MAX]; /* that nobody uses: what they hold is written over */
        uint32_t n_files;
        bool closing;
        int why;
        char error[TRANSFER_ERROR_SIZE];
        pthread_t threads[THREADS];
        uint32_t n_threads;
};

/* ---- uploading ---- */

static int put_once(struct transfer *t, const struct blob_save_request *request, const char *name,
                    int fd, uint64_t length, const char *sha256)
{
        struct blob_grant_answer a = {0};
        struct blob_grant_object o = {.length = length};
        int r;

        STR_CUT(o.name, name);
        STR_CUT(o.sha256, sha256);
        r = grant_put(t, &request->grants, &o, 1, &a);
        /* Said of the grant itself: no other address will come. */
        if (r == TRANSFER_REFUSED)
                return -EACCES;
        if (r == 0)
                r = transfer_put(t, &a.objects[0], fd, 0, length, sha256);
        blob_grant_answer_deinit(&a);
        return r;
}

int parts_put(struct transfer *t, const struct blob_save_request *request, const char *name, int fd,
              uint64_t length, const char *sha256)
{
        struct job_backoff backoff = {.ms = BACKOFF_MS, .max_ms = BACKOFF_MS_MAX};
        int r = 0;

        for (int i = 0; i < ATTEMPTS; i++) {
                if (i > 0)
                        job_backoff_wait(&backoff);
                r = put_once(t, request, name, fd, length, sha256);
                /* A refused signature may be one that has expired: the next is fresh. */
                if (r != TRANSFER_NETWORK && r != TRANSFER_REFUSED)
                        break;
                log_warn("upload failed", LOG_STR("reason", t->error), LOG_STR("object", name),
                         LOG_INT("attempt", i + 1));
        }
        return r == -EACCES ? TRANSFER_REFUSED : r;
}

static bool take_next(struct parts *p, struct waiting *ret)
{
        while (p->n_queued == 0 && !p->closing)
                pthread_cond_wait(&p->changed, &p->lock);
        if (p->n_queued == 0 || p->closing)
                return false;
        *ret = p->queue[0];
        memmove(&p->queue[0], &p->queue[1], --p->n_queued * sizeof(p->queue[0]));
        p->n_busy++;
        return true;
}

/* Hash and upload; the hash is done here, beside the one who fills the next part. */
static int part_put(struct parts *p, struct transfer *t, const struct waiting *w)
{
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX], name[BLOB_FILE_SIZE];
        uint64_t length;
        int r = lseek(w->fd, 0, SEEK_SET) < 0 ? -errno : sha256_fd(w->fd, digest, &length);

        if (r < 0)
                return r;
        hex_encode(digest, sizeof(digest), hex);
        (void)snprintf(name, sizeof(name), "%u-%05u.tar.zst", w->stream->number % 10u,
                       w->index % 100000u);
        r = parts_put(t, p->request, name, w->fd, w->length, hex);
        if (r != 0)
                return r;
        pthread_mutex_lock(&p->lock);
        memcpy(w->stream->archive.parts[w->index].sha256, digest, sizeof(digest));
        pthread_mutex_unlock(&p->lock);
        return 0;
}

static void *uploader(void *ctx)
{
        struct parts *p = ctx;
        struct transfer t;
        struct waiting w;
        int ready = transfer_init(&t);

        pthread_mutex_lock(&p->lock);
        while (take_next(p, &w)) {
                bool go_on = p->why == 0;
                int r = ready;

                pthread_mutex_unlock(&p->lock);
                if (r == 0 && go_on)
                        r = part_put(p, &t, &w);
                pthread_mutex_lock(&p->lock);
                if (r != 0 && p->why == 0) {
                        p->why = r;
                        STR_CUT(p->error, ready == 0 ? t.error : "memory is short");
                }
                p->files[p->n_files++] = w.fd;
                p->n_busy--;
                pthread_cond_broadcast(&p->changed);
        }
        pthread_mutex_unlock(&p->lock);
        transfer_deinit(&t);
        return NULL;
}

int parts_open(struct job *job, const struct blob_save_request *request, struct parts **ret)
{
        struct parts *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->job = job;
        p->request = request;
        for (uint32_t i = 0; i < STREAMS; i++)
                p->streams[i].fd = -1;
        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->changed, NULL);
        *ret = p;
        return 0;
}

struct parts *parts_free(struct parts *p)
{
        if (!p)
                return NULL;
        pthread_mutex_lock(&p->lock);
        p->closing = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        for (uint32_t i = 0; i < p->n_threads; i++)
                pthread_join(p->threads[i], NULL);
        for (uint32_t i = 0; i < p->n_queued; i++)
                fd_close(p->queue[i].fd);
        for (uint32_t i = 0; i < p->n_files; i++)
                fd_close(p->files[i]);
        for (uint32_t i = 0; i < STREAMS; i++) {
                fd_close(p->streams[i].fd);
                free(p->streams[i].archive.parts);
        }
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
        free(p);
        return NULL;
}

/* Threads are made when there is something to upload, one with each part. */
static int thread_more(struct parts *p)
{
        int e;

        if (p->n_threads >= THREADS)
                return 0;
        e = pthread_create(&p->threads[p->n_threads], NULL, uploader, p);
        if (e == 0)
                p->n_threads++;
        return p->n_threads > 0 ? 0 : -e;
}

static int enqueue(struct parts *p, const struct waiting *w)
{
        int r = thread_more(p);

        if (r < 0)
                return r;
        pthread_mutex_lock(&p->lock);
        while (p->n_queued + p->n_busy >= WAITING_MAX && p->why == 0)
                pthread_cond_wait(&p->changed, &p->lock);
        r = p->why ? PARTS_UPLOAD : 0;
        if (r == 0)
                p->queue[p->n_queued++] = *w;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        /* init takes a long silence for a hang. */
        job_progress(p->job, p->length, 0);
        return r;
}

int parts_wait(struct parts *p)
{
        int r;

        pthread_mutex_lock(&p->lock);
        while (p->n_queued + p->n_busy > 0) {
                pthread_cond_wait(&p->changed, &p->lock);
                job_progress(p->job, p->length, 0);
        }
        r = p->why ? PARTS_UPLOAD : 0;
        pthread_mutex_unlock(&p->lock);
        return r;
}

int parts_why(const struct parts *p, const char **ret_error)
{
        *ret_error = p->error;
        return p->why;
}

/* ---- filling ---- */

struct part_stream *part_stream_open(struct parts *p, uint32_t number)
{
        struct part_stream *s = &p->streams[number];

        s->parts = p;
        s->number = number;
        return s;
}

static int part_begin(struct part_stream *s)
{
        struct parts *p = s->parts;

        pthread_mutex_lock(&p->lock);
        if (p->n_files > 0)
                s->fd = p->files[--p->n_files];
        pthread_mutex_unlock(&p->lock);
        if (s->fd >= 0)
                return lseek(s->fd, 0, SEEK_SET) < 0 ? -errno : 0;
        s->fd = job_temp_file(p->job);
        return s->fd < 0 ? s->fd : 0;
}

/* A place for one part more. Under the lock. */
static int part_note(struct part_stream *s)
{
        struct snapshot_archive *a = &s->archive;

        if (a->n_parts >= SNAPSHOT_PARTS_MAX)
                return PARTS_TOO_BIG;
        if (a->n_parts == s->cap) {
                uint32_t cap = s->cap ? s->cap * 2 : 8;
                struct snapshot_part *grown = realloc(a->parts, cap * sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                a->parts = grown;
                s->cap = cap;
        }
        a->parts[a->n_parts++] = (struct snapshot_part){.length = s->length};
        a->length += s->length;
        return 0;
}

static int part_finish(struct part_stream *s)
{
        struct parts *p = s->parts;
        struct waiting w = {.stream = s, .fd = s->fd, .length = s->length};
        int r;

        /* Behind it may stand what the file held before. */
        if (s->length < SNAPSHOT_PART_BYTES && ftruncate(s->fd, (off_t)s->length) < 0)
                return -errno;
        pthread_mutex_lock(&p->lock);
        w.index = s->archive.n_parts;
        r = part_note(s);
        pthread_mutex_unlock(&p->lock);
        if (r == 0)
                r = enqueue(p, &w);
        if (r == 0) {
                s->fd = -1;
                s->length = 0;
        }
        return r;
}

int part_stream_write(void *stream, const void *data, size_t len)
{
        struct part_stream *s = stream;
        const uint8_t *p = data;
        int r = 0;

        if (len > s->parts->request->max_bytes - s->parts->length)
                return PARTS_TOO_BIG;
        s->parts->length += len;
        while (r == 0 && len > 0) {
                size_t n = (size_t)MIN(len, SNAPSHOT_PART_BYTES - s->length);

                if (s->fd < 0)
                        r = part_begin(s);
                if (r == 0)
                        r = fd_write_all(s->fd, p, n);
                if (r < 0)
                        return r;
                s->length += n;
                p += n;
                len -= n;
                if (s->length == SNAPSHOT_PART_BYTES)
                        r = part_finish(s);
        }
        return r;
}

int part_stream_end(struct part_stream *s)
{
        return s->fd >= 0 ? part_finish(s) : 0;
}

void part_stream_take(struct part_stream *s, struct snapshot_archive *a)
{
        a->length = s->archive.length;
        a->n_parts = s->archive.n_parts;
        a->parts = STEAL(s->archive.parts, NULL);
}
