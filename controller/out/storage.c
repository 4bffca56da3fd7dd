#include "out/storage.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/objects.h"
#include "out/saves.h"
#include "out/storage_url.h"
#include "wire/blob.h"

#define URL_BASE_MAX 200 /* the rest of a grant takes less than 300 */

/* What is to be done, and then what came of it. */
struct job {
        struct core_effect fx;
        int result;
        char reason[CORE_REASON_SIZE];
        struct save_ref found;
};

struct storage {
        struct loop *loop;
        struct shell *shell;
        const struct keys *keys;
        struct blob_grants urls; /* without what makes them grants */
        uint64_t max_bytes;
        int64_t url_ttl_s;
        int root_fd;

        int done_fd; /* eventfd: `done` has jobs */
        struct loop_fd done_src;

        pthread_t worker;
        bool started;
        pthread_mutex_t lock; /* of all below */
        pthread_cond_t work;
        bool ending;
        uint32_t n_waiting, n_done;
        struct job waiting[STORAGE_JOBS_MAX]; /* [0] is being done or comes next */
        struct job done[STORAGE_JOBS_MAX];
};

/* ---- the worker ---- */

static void job_do(const struct storage *s, struct job *j)
{
        const struct core_effect *fx = &j->fx;

        if (fx->type == FX_VERIFY_SAVE)
                j->result = saves_inspect(s->root_fd, fx->verify.workspace, &fx->verify.save,
                                          j->reason);
        else if (fx->type == FX_SALVAGE)
                j->result = saves_salvage(s->root_fd, fx->salvage.workspace, fx->salvage.generation,
                                          fx->salvage.after_seq, fx->salvage.has_saves, &j->found);
        else if (fx->type == FX_SWEEP)
                j->result = saves_discard(s->root_fd, fx->sweep.workspace, fx->sweep.keep,
                                          MIN(fx->sweep.n_keep, ARRAY_LEN(fx->sweep.keep)),
                                          fx->sweep.before_generation, fx->sweep.before_seq);
        else
                j->result = saves_erase(s->root_fd, fx->erase.workspace, fx->erase.generation);
}

/* The next job, copied; false when the storage ends. Waits also for room among the results. */
static bool job_next(struct storage *s, struct job *ret)
{
        bool have;

        pthread_mutex_lock(&s->lock);
        while (!s->ending && (s->n_waiting == 0 || s->n_done == STORAGE_JOBS_MAX))
                pthread_cond_wait(&s->work, &s->lock);
        have = !s->ending;
        if (have)
                *ret = s->waiting[0];
        pthread_mutex_unlock(&s->lock);
        return have;
}

static void job_done(struct storage *s, const struct job *j)
{
        uint64_t one = 1;

        pthread_mutex_lock(&s->lock);
        s->n_waiting--;
        memmove(&s->waiting[0], &s->waiting[1], s->n_waiting * sizeof(s->waiting[0]));
        s->done[s->n_done++] = *j;
        pthread_mutex_unlock(&s->lock);
        /* A full counter means that the loop is being woken already. */
        (void)!write(s->done_fd, &one, sizeof(one));
}

static void *worker_main(void *arg)
{
        struct storage *s = arg;
        struct job j;

        while (job_next(s, &j)) {
                job_do(s, &j);
                job_done(s, &j);
        }
        return NULL;
}

/* ---- results, in the loop ---- */

static void post_verified(struct storage *s, const struct job *j)
{
        struct core_event ev = {.type = EV_SAVE_VERIFIED};

        STR_CUT(ev.verified.workspace, j->fx.verify.workspace);
        ev.verified.generation = j->fx.verify.save.generation;
        ev.verified.seq = j->fx.verify.save.seq;
        ev.verified.result = j->result;
        STR_CUT(ev.verified.reason, j->result < 0 ? strerror(-j->result) : j->reason);
        shell_post(s->shell, &ev);
}

static void post_salvaged(struct storage *s, const struct job *j)
{
        struct core_event ev = {.type = EV_SALVAGED};

        STR_CUT(ev.salvaged.workspace, j->fx.salvage.workspace);
        ev.salvaged.generation = j->fx.salvage.generation;
        ev.salvaged.result = j->result;
        ev.salvaged.found = j->found;
        shell_post(s->shell, &ev);
}

static void post_erased(struct storage *s, const struct job *j)
{
        struct core_event ev = {.type = EV_ERASED};

        STR_CUT(ev.req_workspace.id, j->fx.erase.workspace);
        STR_CUT(ev.req_workspace.actor, "storage");
        shell_post(s->shell, &ev);
}

static const char *job_name(const struct job *j)
{
        if (j->fx.type == FX_VERIFY_SAVE)
                return "verify";
        if (j->fx.type == FX_SALVAGE)
                return "salvage";
        return j->fx.type == FX_SWEEP ? "sweep" : "erase";
}

static void job_report(struct storage *s, const struct job *j)
{
        if (j->result < 0)
                log_error("storage job failed", LOG_STR("job", job_name(j)), LOG_ERR(j->result));
        if (j->fx.type == FX_VERIFY_SAVE)
                post_verified(s, j);
        else if (j->fx.type == FX_SALVAGE)
                post_salvaged(s, j);
        else if (j->fx.type == FX_ERASE && j->result == 0)
                post_erased(s, j);
        /* A failed ERASE and a SWEEP have no answer: the core asks again. */
}

static bool result_take(struct storage *s, struct job *ret)
{
        bool have;

        pthread_mutex_lock(&s->lock);
        have = s->n_done > 0;
        if (have) {
                *ret = s->done[0];
                s->n_done--;
                memmove(&s->done[0], &s->done[1], s->n_done * sizeof(s->done[0]));
                pthread_cond_signal(&s->work);
        }
        pthread_mutex_unlock(&s->lock);
        return have;
}

static void on_done(void *ctx, uint32_t events)
{
        struct storage *s = ctx;
        uint64_t count;
        struct job j;

        (void)events;
        (void)!read(s->done_fd, &count, sizeof(count));
        while (result_take(s, &j))
                job_report(s, &j);
}

/* ---- effects ---- */

static bool same_job(const struct core_effect *a, const struct core_effect *b)
{
        if (a->type != b->type)
                return false;
        if (a->type == FX_VERIFY_SAVE)
                return strcmp(a->verify.workspace, b->verify.workspace) == 0 &&
                       a->verify.save.generation == b->verify.save.generation &&
                       a->verify.save.seq == b->verify.save.seq &&
                       a->verify.save.length == b->verify.save.length &&
                       strcmp(a->verify.save.sha256, b->verify.save.sha256) == 0;
        if (a->type == FX_SALVAGE)
                return strcmp(a->salvage.workspace, b->salvage.workspace) == 0 &&
                       a->salvage.generation == b->salvage.generation &&
                       a->salvage.after_seq == b->salvage.after_seq;
        if (a->type == FX_ERASE)
                return strcmp(a->erase.workspace, b->erase.workspace) == 0 &&
                       a->erase.generation == b->erase.generation;
        return false; /* a repeated SWEEP is cheap */
}

/* 0; 1 known already; -EAGAIN full. */
static int job_enqueue(struct storage *s, const struct core_effect *fx)
{
        int r = 0;

        pthread_mutex_lock(&s->lock);
        for (uint32_t i = 0; r == 0 && i < s->n_waiting; i++)
                r = same_job(&s->waiting[i].fx, fx);
        if (r == 0 && s->n_waiting == STORAGE_JOBS_MAX)
                r = -EAGAIN;
        if (r == 0) {
                s->waiting[s->n_waiting++] = (struct job){.fx = *fx};
                pthread_cond_signal(&s->work);
        }
        pthread_mutex_unlock(&s->lock);
        return r;
}

static void on_effect(void *ctx, const struct core_effect *fx)
{
        struct storage *s = ctx;

        if (job_enqueue(s, fx) == -EAGAIN) {
                struct job j = {.fx = *fx, .result = -EAGAIN};

                job_report(s, &j);
        }
}

/* ---- grants ---- */

static int grant_url(const struct storage *s, uint32_t which, const struct storage_grant *g,
                     char ret_url[static BLOB_GRANT_URL_SIZE])
{
        AUTO_BUF url = BUF_INIT(BLOB_GRANT_URL_SIZE);
        int r = buf_append_str(&url, s->urls.url[which]);

        if (r == 0)
                r = storage_grant_write(s->keys, g, &url);
        if (r == 0)
                r = buf_terminate(&url);
        return r == 0 ? str_copy(ret_url, BLOB_GRANT_URL_SIZE, (const char *)url.data) : r;
}

static uint64_t expiry(const struct storage *s, int64_t ttl_s)
{
        return (uint64_t)(loop_utc(s->loop).us / US_PER_S + ttl_s);
}

static int grants_set(const struct storage *s, struct storage_grant *g, const char *workspace,
                      struct blob_grants *ret)
{
        int r = STR_SET(g->workspace, workspace);

        g->expires = expiry(s, s->url_ttl_s);
        for (uint32_t i = 0; r == 0 && i < s->urls.n; i++)
                r = grant_url(s, i, g, ret->url[i]);
        ret->n = s->urls.n;
        return r < 0 ? -EINVAL : 0;
}

static int restore_add(struct blob_restore_request *q, const struct save_ref *save)
{
        struct blob_restore_save *one = &q->saves[q->n_saves];

        if (save->seq == 0)
                return 0;
        one->generation = save->generation;
        one->seq = save->seq;
        one->length = save->length;
        q->n_saves++;
        return STR_SET(one->sha256, save->sha256);
}

int storage_restore_request(void *storage, const char *workspace, uint64_t generation,
                            const struct save_ref *head, const struct save_ref *previous,
                            struct buf *ret_json)
{
        struct storage_grant g = {.op = BLOB_OP_GET, .generation = generation};
        struct blob_restore_request q = {.generation = generation};
        int r = STR_SET(q.workspace, workspace);

        if (r == 0)
                r = grants_set(storage, &g, workspace, &q.grants);
        if (r == 0)
                r = restore_add(&q, head);
        if (r == 0)
                r = restore_add(&q, previous);
        return r < 0 ? -EINVAL : blob_restore_request_encode(&q, ret_json);
}

int storage_save_request(void *storage, const char *workspace, uint64_t generation, uint64_t seq,
                         struct buf *ret_json)
{
        const struct storage *s = storage;
        struct storage_grant g = {
                .op = BLOB_OP_PUT, .generation = generation, .seq = seq, .max_bytes = s->max_bytes};
        struct blob_save_request q = {
                .generation = generation, .seq = seq, .max_bytes = s->max_bytes};
        int r = STR_SET(q.workspace, workspace);

        if (r == 0)
                r = grants_set(s, &g, workspace, &q.grants);
        return r < 0 ? -EINVAL : blob_save_request_encode(&q, ret_json);
}

int storage_export_grant(struct storage *s, const char *workspace, uint64_t generation,
                         int64_t ttl_s, char ret_url[static BLOB_GRANT_URL_SIZE])
{
        struct storage_grant g = {
                .op = BLOB_OP_GET, .generation = generation, .expires = expiry(s, ttl_s)};

        if (STR_SET(g.workspace, workspace) < 0)
                return -EINVAL;
        return grant_url(s, 0, &g, ret_url);
}

int storage_list_saves(struct storage *s, const char *workspace, storage_saves_fn fn, void *ctx)
{
        (void)s, (void)workspace, (void)fn, (void)ctx;
        return -ENOSYS;
}

int storage_inspect(struct storage *s, const char *workspace, uint64_t generation, uint64_t seq,
                    storage_inspect_fn fn, void *ctx)
{
        (void)s, (void)workspace, (void)generation, (void)seq, (void)fn, (void)ctx;
        return -ENOSYS;
}

int storage_pin(struct storage *s, const char *workspace, uint64_t generation, uint64_t seq,
                bool pinned, storage_inspect_fn fn, void *ctx)
{
        (void)s, (void)workspace, (void)generation, (void)seq, (void)pinned, (void)fn, (void)ctx;
        return -ENOSYS;
}

/* ---- life ---- */

/* The loop's thread alone takes signals. */
static int worker_start(struct storage *s)
{
        sigset_t all, before;
        int r;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&s->worker, NULL, worker_main, s);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        s->started = r == 0;
        return -r;
}

static int urls_set(struct storage *s, const char *text)
{
        while (*text) {
                size_t n = strcspn(text, ", ");

                if (n > 0 && (s->urls.n == BLOB_GRANTS_MAX || n > URL_BASE_MAX))
                        return -EINVAL;
                if (n > 0)
                        memcpy(s->urls.url[s->urls.n++], text, n);
                text += n;
                text += strspn(text, ", ");
        }
        return s->urls.n > 0 ? 0 : -EINVAL;
}

static int storage_open(struct storage *s, const struct storage_config *config)
{
        int r = urls_set(s, config->url);

        if (r < 0 || config->max_bytes == 0 || config->url_ttl_s <= 0)
                return -EINVAL;
        s->root_fd = objects_root_open(config->root);
        if (s->root_fd < 0)
                return s->root_fd;
        s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->done_fd < 0)
                return -errno;
        r = loop_fd_add(s->loop, &s->done_src, s->done_fd, EPOLLIN, on_done, s);
        return r < 0 ? r : worker_start(s);
}

int storage_new(struct loop *l, struct shell *shell, const struct storage_config *config,
                struct storage **ret_storage)
{
        static const enum core_effect_type handled[] = {FX_VERIFY_SAVE, FX_SALVAGE, FX_SWEEP,
                                                        FX_ERASE};
        struct storage *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->shell = shell;
        s->keys = config->keys;
        s->max_bytes = config->max_bytes;
        s->url_ttl_s = config->url_ttl_s;
        s->root_fd = s->done_fd = -1;
        s->done_src = LOOP_FD_NULL;
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->work, NULL);
        r = storage_open(s, config);
        if (r < 0) {
                storage_free(s);
                return r;
        }
        for (size_t i = 0; i < ARRAY_LEN(handled); i++)
                shell_handle(shell, handled[i], on_effect, s);
        *ret_storage = s;
        return 0;
}

struct storage *storage_free(struct storage *s)
{
        if (!s)
                return NULL;
        if (s->started) {
                pthread_mutex_lock(&s->lock);
                s->ending = true;
                pthread_cond_signal(&s->work);
                pthread_mutex_unlock(&s->lock);
                (void)pthread_join(s->worker, NULL);
        }
        loop_fd_del(&s->done_src);
        fd_close(s->done_fd);
        fd_close(s->root_fd);
        pthread_cond_destroy(&s->work);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}
