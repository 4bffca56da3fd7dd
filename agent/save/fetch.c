#include "save/fetch.h"

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

#define THREADS 3
#define BACKOFF_MS 200
#define BACKOFF_MS_MAX 10000
#define MISSING_TRIES 3
#define REFUSED_TRIES 3
#define BLOCK (256u << 10)

/* ---- one object ---- */

static int get_once(struct transfer *t, const struct blob_grants *grants, const char *name, int fd,
                    uint64_t length, const char *sha256)
{
        struct blob_grant_answer a = {0};
        struct blob_grant_object o = {0};
        int r;

        STR_CUT(o.name, name);
        r = grant_get(t, grants, &o, 1, &a);
        if (r == TRANSFER_REFUSED)
                return -EACCES; /* the grant itself: asking again does not help */
        if (r == 0)
                r = transfer_get(t, &a.objects[0].at, fd, length, sha256);
        blob_grant_answer_deinit(&a);
        return r;
}

struct patience {
        unsigned mismatches, missing, refused;
        struct job_backoff backoff;
};

/* Whether another attempt is due; waits for it. */
static bool again(const struct job *job, int64_t patience_ms, int r, const struct transfer *t,
                  struct patience *p)
{
        if (r == TRANSFER_MISMATCH)
                return ++p->mismatches < 2;
        if (r == TRANSFER_MISSING && ++p->missing >= MISSING_TRIES)
                return false;
        if (r == TRANSFER_REFUSED && ++p->refused >= REFUSED_TRIES)
                return false;
        if ((r != TRANSFER_NETWORK && r != TRANSFER_MISSING && r != TRANSFER_REFUSED) ||
            job_ms(job) > patience_ms)
                return false;
        log_warn("download failed", LOG_STR("reason", t->error));
        job_backoff_wait(&p->backoff);
        return true;
}

int fetch_object(struct transfer *t, const struct job *job, const struct blob_grants *grants,
                 int64_t patience_ms, const char *name, int fd, uint64_t length, const char *sha256)
{
        struct patience p = {.backoff = {.ms = BACKOFF_MS, .max_ms = BACKOFF_MS_MAX}};
        int r;

        do
                r = get_once(t, grants, name, fd, length, sha256);
        while (again(job, patience_ms, r, t, &p));
#ifdef SAVE_PLANTED_NO_VERIFY /* the defect that the corrupt-archive test must catch */
        if (r == TRANSFER_MISMATCH)
                r = 0;
#endif
        return r == -EACCES ? TRANSFER_REFUSED : r;
}

/* ---- parts, ahead of who reads them ---- */

struct piece {
        uint32_t archive, part;
};

struct slot {
        int fd; /* used again by the piece FETCH_AHEAD later; -1: not yet */
        bool ready;
};

struct fetch {
        const struct job *job;
        const struct blob_grants *grants;
        int64_t patience_ms;
        const struct snapshot_header *header;
        struct piece *pieces;
        size_t n_pieces;
        uint64_t given;
        void (*on_given)(void *ctx);
        void *on_given_ctx;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        /* Under the lock: */
        size_t taken; /* pieces that a thread has begun */
        size_t at;    /* the piece that is being read */
        struct slot slots[FETCH_AHEAD];
        bool closing;
        int why;
        char error[TRANSFER_ERROR_SIZE];
        pthread_t threads[THREADS];
        size_t n_threads;
        /* Of the reader alone: */
        uint32_t archive; /* header's place of the one that is being read */
        bool begun;
        uint64_t offset; /* in the piece */
        uint8_t *block;
};

static int get_piece(struct fetch *f, struct transfer *t, struct piece p, int fd)
{
        const struct snapshot_archive *a = &f->header->archives[p.archive];
        char name[BLOB_OBJECT_SIZE], hex[SHA256_HEX];

        (void)snprintf(name, sizeof(name), "%" PRIu64 "-%" PRIu64 "/%u-%05u.tar.zst",
                       a->save.generation, a->save.seq, a->number, p.part);
        hex_encode(a->parts[p.part].sha256, SHA256_LEN, hex);
        return fetch_object(t, f->job, f->grants, f->patience_ms, name, fd, a->parts[p.part].length,
                            hex);
}

static void fail(struct fetch *f, int r, const char *error)
{
        if (f->why == 0) {
                f->why = r;
                STR_CUT(f->error, error);
        }
}

static void *fetcher(void *ctx)
{
        struct fetch *f = ctx;
        struct transfer t;
        int ready = transfer_init(&t);

        pthread_mutex_lock(&f->lock);
        if (ready < 0)
                fail(f, ready, "memory is short");
        for (;;) {
                struct slot *slot;
                size_t i;
                int r;

                while (!f->closing && !f->why && f->taken < f->n_pieces &&
                       f->taken >= f->at + FETCH_AHEAD)
                        pthread_cond_wait(&f->changed, &f->lock);
                if (f->closing || f->why || f->taken >= f->n_pieces)
                        break;
                i = f->taken++;
                slot = &f->slots[i % FETCH_AHEAD];
                pthread_mutex_unlock(&f->lock);
                /* Nobody else looks at a slot that is not ready. */
                if (slot->fd < 0)
                        slot->fd = job_temp_file(f->job);
                r = slot->fd < 0 ? slot->fd : get_piece(f, &t, f->pieces[i], slot->fd);
                pthread_mutex_lock(&f->lock);
                slot->ready = r == 0;
                if (r != 0)
                        fail(f, r, slot->fd < 0 ? strerror(-slot->fd) : t.error);
                pthread_cond_broadcast(&f->changed);
        }
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        transfer_deinit(&t);
        return NULL;
}

static int list_pieces(struct fetch *f, const bool *wanted)
{
        size_t n = 0;

        for (uint32_t a = 0; a < f->header->n_archives; a++)
                n += wanted[a] ? f->header->archives[a].n_parts : 0;
        f->pieces = calloc(n + 1, sizeof(*f->pieces));
        if (!f->pieces)
                return -ENOMEM;
        for (uint32_t a = 0; a < f->header->n_archives; a++) {
                for (uint32_t p = 0; wanted[a] && p < f->header->archives[a].n_parts; p++)
                        f->pieces[f->n_pieces++] = (struct piece){a, p};
        }
        return 0;
}

int fetch_open(const struct job *job, const struct blob_grants *grants, int64_t patience_ms,
               const struct snapshot_header *h, const bool *wanted, struct fetch **ret)
{
        struct fetch *f = calloc(1, sizeof(*f));
        int e = 0;

        if (!f)
                return -ENOMEM;
        f->job = job;
        f->grants = grants;
        f->patience_ms = patience_ms;
        f->header = h;
        for (size_t i = 0; i < FETCH_AHEAD; i++)
                f->slots[i].fd = -1;
        pthread_mutex_init(&f->lock, NULL);
        pthread_cond_init(&f->changed, NULL);
        f->block = malloc(BLOCK);
        if (!f->block || list_pieces(f, wanted) < 0) {
                fetch_free(f);
                return -ENOMEM;
        }
        while (e == 0 && f->n_threads < MIN((size_t)THREADS, f->n_pieces)) {
                e = pthread_create(&f->threads[f->n_threads], NULL, fetcher, f);
                f->n_threads += e == 0;
        }
        if (f->n_threads == 0 && f->n_pieces > 0) {
                fetch_free(f);
                return -e;
        }
        *ret = f;
        return 0;
}

struct fetch *fetch_free(struct fetch *f)
{
        if (!f)
                return NULL;
        pthread_mutex_lock(&f->lock);
        f->closing = true;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        for (size_t i = 0; i < f->n_threads; i++)
                pthread_join(f->threads[i], NULL);
        for (size_t i = 0; i < FETCH_AHEAD; i++)
                fd_close(f->slots[i].fd);
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
        free(f->pieces);
        free(f->block);
        free(f);
        return NULL;
}

/* The piece has been read: make room for another. */
static void piece_done(struct fetch *f)
{
        struct slot *slot = &f->slots[f->at % FETCH_AHEAD];

        pthread_mutex_lock(&f->lock);
        slot->ready = false;
        f->at++;
        f->offset = 0;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
}

/* Its descriptor, when it has come and was verified; else -ECANCELED. */
static int piece_wait(struct fetch *f)
{
        struct slot *slot = &f->slots[f->at % FETCH_AHEAD];
        int fd;

        pthread_mutex_lock(&f->lock);
        while (!slot->ready && !f->why)
                pthread_cond_wait(&f->changed, &f->lock);
        fd = slot->ready && !f->why ? slot->fd : -ECANCELED;
        pthread_mutex_unlock(&f->lock);
        return fd;
}

static bool in_archive(const struct fetch *f)
{
        return f->at < f->n_pieces && f->pieces[f->at].archive == f->archive;
}

void fetch_archive(struct fetch *f)
{
        while (f->begun && in_archive(f) && piece_wait(f) >= 0)
                piece_done(f);
        f->begun = true;
        if (f->at < f->n_pieces)
                f->archive = f->pieces[f->at].archive;
}

/* Behind it, the file may hold bytes of the piece before. */
static uint64_t piece_length(const struct fetch *f)
{
        const struct piece *p = &f->pieces[f->at];

        return f->header->archives[p->archive].parts[p->part].length;
}

ssize_t fetch_source(void *fetch, const void **ret_data)
{
        struct fetch *f = fetch;

        while (in_archive(f)) {
                uint64_t left = piece_length(f) - f->offset;
                int fd = piece_wait(f);
                ssize_t n;

                if (fd < 0)
                        return fd;
                if (left == 0) {
                        piece_done(f);
                        continue;
                }
                n = pread(fd, f->block, (size_t)MIN(left, BLOCK), (off_t)f->offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                f->offset += (uint64_t)n;
                *ret_data = f->block;
                f->given += (uint64_t)n;
                if (f->on_given)
                        f->on_given(f->on_given_ctx);
                return n;
        }
        return 0;
}

uint64_t fetch_given(const struct fetch *f)
{
        return f->given;
}

void fetch_on_given(struct fetch *f, void (*fn)(void *ctx), void *ctx)
{
        f->on_given = fn;
        f->on_given_ctx = ctx;
}

int fetch_why(struct fetch *f, const char **ret_error)
{
        int why;

        pthread_mutex_lock(&f->lock);
        why = f->why;
        pthread_mutex_unlock(&f->lock);
        *ret_error = f->error;
        return why;
}
