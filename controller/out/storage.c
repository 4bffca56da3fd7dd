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
#include "out/objects_folder.h"
#include "out/saves.h"
#include "out/storage_url.h"
#include "wire/blob.h"

#define STORAGE_WORKERS 8 /* they wait for the storage most of the time */
#define URL_BASE_MAX 200  /* the rest of a grant takes less than 300 */

/* What is to be done, and then what came of it. */
struct job {
        uint64_t id;
        bool running;
        bool asked; /* by a function, not by an effect: `kind` and what follows */
        enum { ASK_LIST, ASK_INSPECT, ASK_PIN } kind;
        char workspace[CORE_ID_SIZE];
        struct save_ref save;
        bool pinned;
        storage_saves_fn saves_fn;
        storage_inspect_fn inspect_fn;
        void *ctx;

        struct core_effect fx;

        int result;
        char reason[CORE_REASON_SIZE];
        struct storage_save found;
        struct storage_save *list; /* owned */
        uint32_t n_list;
};

struct storage {
        struct storage_salvages salvages; /* functions NULL: nobody watches */
        struct loop *loop;
        struct shell *shell;
        const struct keys *keys;
        struct blob_grants urls; /* without what makes them grants */
        uint64_t max_bytes;
        int64_t url_ttl_s;
        struct retention_rule retention;
        uint32_t sweep_batch;
        int root_fd;
        struct s3 *s3;
        struct objects objects; /* one of the two */

        int done_fd; /* eventfd: `done` has jobs */
        struct loop_fd done_src;

        pthread_t workers[STORAGE_WORKERS];
        uint32_t n_workers;
        pthread_mutex_t lock; /* of all below */
        pthread_cond_t work;
        bool ending;
        uint64_t last_id;
        uint32_t n_waiting, n_done;
        struct job waiting[STORAGE_JOBS_MAX]; /* oldest first; those that run are among them */
        struct job done[STORAGE_JOBS_MAX];
};

/* ---- the workers ---- */

static void sweep_do(const struct storage *s, struct job *j)
{
        const struct core_effect *fx = &j->fx;
        struct saves_sweep how = {
                .rule = s->retention,
                .batch = s->sweep_batch,
                .keep = fx->sweep.keep,
                .n_keep = MIN(fx->sweep.n_keep, ARRAY_LEN(fx->sweep.keep)),
                .before_generation = fx->sweep.before_generation,
                .before_seq = fx->sweep.before_seq,
                .now = utc_read(),
        };

        j->result = saves_discard(&s->objects, j->workspace, &how);
}

static void effect_do(const struct storage *s, struct job *j)
{
        const struct core_effect *fx = &j->fx;

        if (fx->type == FX_VERIFY_SAVE)
                j->result =
                        saves_inspect(&s->objects, j->workspace, &fx->verify.save, j->reason, NULL);
        else if (fx->type == FX_SALVAGE)
                j->result = saves_salvage(&s->objects, j->workspace, fx->salvage.generation,
                                          fx->salvage.after_seq, fx->salvage.has_saves,
                                          &j->found.save, j->reason);
        else if (fx->type == FX_SWEEP)
                sweep_do(s, j);
        else if (fx->type == FX_PIN)
                j->result = saves_pin(&s->objects, j->workspace, fx->pin.generation, fx->pin.seq,
                                      true, j->reason);
        else
                j->result = saves_erase(&s->objects, j->workspace, fx->erase.generation);
}

static void job_do(const struct storage *s, struct job *j)
{
        if (!j->asked) {
                effect_do(s, j);
                return;
        }
        switch (j->kind) {
        case ASK_LIST:
                j->result = saves_list(&s->objects, j->workspace, &j->list, &j->n_list);
                return;
        case ASK_INSPECT:
                j->result =
                        saves_inspect(&s->objects, j->workspace, &j->save, j->reason, &j->found);
                return;
        case ASK_PIN:
                j->result = saves_pin(&s->objects, j->workspace, j->save.generation, j->save.seq,
                                      j->pinned, j->reason);
                j->found.save = j->save;
                j->found.pinned = j->pinned;
                return;
        }
}

/* Two calls never work upon one workspace at the same time; within one, order is kept. */
static struct job *job_ready(struct storage *s)
{
        for (uint32_t i = 0; i < s->n_waiting; i++) {
                struct job *j = &s->waiting[i];
                bool free = !j->running;

                for (uint32_t k = 0; free && k < i; k++)
                        free = strcmp(s->waiting[k].workspace, j->workspace) != 0;
                if (free)
                        return j;
        }
        return NULL;
}

/* The next job, copied; false when the storage ends. Waits also for room among the results. */
static bool job_next(struct storage *s, struct job *ret)
{
        struct job *j = NULL;

        pthread_mutex_lock(&s->lock);
        while (!s->ending &&
               (s->n_done + STORAGE_WORKERS > STORAGE_JOBS_MAX || !(j = job_ready(s))))
                pthread_cond_wait(&s->work, &s->lock);
        if (s->ending)
                j = NULL;
        if (j) {
                j->running = true;
                *ret = *j;
        }
        pthread_mutex_unlock(&s->lock);
        return j != NULL;
}

static void job_done(struct storage *s, const struct job *j)
{
        uint64_t one = 1;
        uint32_t i = 0;

        pthread_mutex_lock(&s->lock);
        while (s->waiting[i].id != j->id)
                i++;
        s->n_waiting--;
        memmove(&s->waiting[i], &s->waiting[i + 1], (s->n_waiting - i) * sizeof(s->waiting[0]));
        s->done[s->n_done++] = *j;
        /* What waited for this workspace may be done now. */
        pthread_cond_broadcast(&s->work);
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
        ev.salvaged.found = j->found.save;
        if (j->reason[0])
                log_error("a save that was made is refused", LOG_STR("workspace", j->workspace),
                          LOG_STR("reason", j->reason));
        if (s->salvages.after)
                s->salvages.after(s->salvages.ctx, &j->fx, j->reason[0] != 0);
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
        static const char *const asked[] = {
                [ASK_LIST] = "list", [ASK_INSPECT] = "inspect", [ASK_PIN] = "pin"};

        if (j->asked)
                return asked[j->kind];
        if (j->fx.type == FX_VERIFY_SAVE)
                return "verify";
        if (j->fx.type == FX_SALVAGE)
                return "salvage";
        if (j->fx.type == FX_PIN)
                return "pin";
        return j->fx.type == FX_SWEEP ? "sweep" : "erase";
}

static void answer_asked(const struct job *j)
{
        if (j->kind == ASK_LIST)
                j->saves_fn(j->ctx, j->result, j->list, j->n_list);
        else
                j->inspect_fn(j->ctx, j->result, j->result < 0 ? strerror(-j->result) : j->reason,
                              &j->found);
}

static void job_report(struct storage *s, struct job *j)
{
        if (j->result < 0)
                log_error("storage job failed", LOG_STR("job", job_name(j)),
                          LOG_STR("workspace", j->workspace), LOG_ERR(j->result));
        if (j->asked)
                answer_asked(j);
        else if (j->fx.type == FX_VERIFY_SAVE)
                post_verified(s, j);
        else if (j->fx.type == FX_SALVAGE)
                post_salvaged(s, j);
        else if (j->fx.type == FX_ERASE && j->result == 0)
                post_erased(s, j);
        /* A failed ERASE, a SWEEP and a PIN have no answer: the core asks again. */
        free(j->list);
        j->list = NULL;
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
                pthread_cond_broadcast(&s->work);
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

/* ---- orders ---- */

static bool same_job(const struct job *a, const struct job *b)
{
        const struct core_effect *x = &a->fx, *y = &b->fx;

        if (a->asked || b->asked || x->type != y->type || strcmp(a->workspace, b->workspace) != 0)
                return false;
        if (x->type == FX_VERIFY_SAVE)
                return x->verify.save.generation == y->verify.save.generation &&
                       x->verify.save.seq == y->verify.save.seq &&
                       x->verify.save.length == y->verify.save.length &&
                       strcmp(x->verify.save.sha256, y->verify.save.sha256) == 0;
        if (x->type == FX_SALVAGE)
                return x->salvage.generation == y->salvage.generation &&
                       x->salvage.after_seq == y->salvage.after_seq;
        if (x->type == FX_PIN)
                return x->pin.generation == y->pin.generation && x->pin.seq == y->pin.seq;
        if (x->type == FX_ERASE)
                return x->erase.generation == y->erase.generation;
        return !a->running; /* a SWEEP that has not begun does what the later one says */
}

/* 0; 1 known already; -EAGAIN full. */
static int job_enqueue(struct storage *s, struct job *j)
{
        int r = 0;

        pthread_mutex_lock(&s->lock);
        for (uint32_t i = 0; r == 0 && i < s->n_waiting; i++) {
                r = same_job(&s->waiting[i], j);
                if (r > 0 && j->fx.type == FX_SWEEP)
                        s->waiting[i].fx = j->fx;
        }
        if (r == 0 && s->n_waiting == STORAGE_JOBS_MAX)
                r = -EAGAIN;
        if (r == 0) {
                j->id = ++s->last_id;
                s->waiting[s->n_waiting++] = *j;
                pthread_cond_broadcast(&s->work);
        }
        pthread_mutex_unlock(&s->lock);
        return r;
}

static const char *effect_workspace(const struct core_effect *fx)
{
        if (fx->type == FX_VERIFY_SAVE)
                return fx->verify.workspace;
        if (fx->type == FX_SALVAGE)
                return fx->salvage.workspace;
        if (fx->type == FX_PIN)
                return fx->pin.workspace;
        return fx->type == FX_SWEEP ? fx->sweep.workspace : fx->erase.workspace;
}

static void carry_out(struct storage *s, const struct core_effect *fx)
{
        struct job j = {.fx = *fx};

        STR_CUT(j.workspace, effect_workspace(fx));
        if (job_enqueue(s, &j) == -EAGAIN) {
                j.result = -EAGAIN;
                job_report(s, &j);
        }
}

static void on_effect(void *ctx, const struct core_effect *fx)
{
        struct storage *s = ctx;

        if (fx->type != FX_SALVAGE || !s->salvages.before ||
            !s->salvages.before(s->salvages.ctx, fx))
                carry_out(s, fx);
}

void storage_watch_salvages(struct storage *s, const struct storage_salvages *watch)
{
        s->salvages = *watch;
}

void storage_salvage(struct storage *s, const struct core_effect *fx)
{
        carry_out(s, fx);
}

static int ask(struct storage *s, const char *workspace, struct job *j)
{
        j->asked = true;
        if (!blob_workspace_valid(workspace) || STR_SET(j->workspace, workspace) < 0)
                return -EINVAL;
        return job_enqueue(s, j);
}

int storage_list_saves(struct storage *s, const char *workspace, storage_saves_fn fn, void *ctx)
{
        struct job j = {.kind = ASK_LIST, .saves_fn = fn, .ctx = ctx};

        return ask(s, workspace, &j);
}

static int ask_about(struct storage *s, const char *workspace, uint64_t generation, uint64_t seq,
                     struct job *j)
{
        j->save = (struct save_ref){.generation = generation, .seq = seq};
        return generation < 1 || seq < 1 ? -EINVAL : ask(s, workspace, j);
}

int storage_inspect(struct storage *s, const char *workspace, uint64_t generation, uint64_t seq,
                    storage_inspect_fn fn, void *ctx)
{
        struct job j = {.kind = ASK_INSPECT, .inspect_fn = fn, .ctx = ctx};

        return ask_about(s, workspace, generation, seq, &j);
}

int storage_pin(struct storage *s, const char *workspace, uint64_t generation, uint64_t seq,
                bool pinned, storage_inspect_fn fn, void *ctx)
{
        struct job j = {.kind = ASK_PIN, .pinned = pinned, .inspect_fn = fn, .ctx = ctx};

        return ask_about(s, workspace, generation, seq, &j);
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

static bool is_newer(const struct save_ref *a, const struct save_ref *b)
{
        return a->generation > b->generation || (a->generation == b->generation && a->seq > b->seq);
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
        /* Not what an operator went back from, nor what is damaged: those are newer. */
        if (r == 0 && !is_newer(previous, head))
                r = restore_add(&q, previous);
        return r < 0 ? -EINVAL : blob_restore_request_encode(&q, ret_json);
}

int storage_save_request(void *storage, const char *workspace, uint64_t generation, uint64_t seq,
                         const struct save_ref *parent, struct buf *ret_json)
{
        const struct storage *s = storage;
        struct storage_grant g = {
                .op = BLOB_OP_PUT, .generation = generation, .seq = seq, .max_bytes = s->max_bytes};
        struct blob_save_request q = {
                .generation = generation, .seq = seq, .max_bytes = s->max_bytes};
        int r = STR_SET(q.workspace, workspace);

        if (parent && parent->seq > 0) {
                q.parent_generation = parent->generation;
                q.parent_seq = parent->seq;
        }
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

/* ---- life ---- */

/* The loop's thread alone takes signals. */
static int workers_start(struct storage *s)
{
        sigset_t all, before;
        int r = 0;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        while (r == 0 && s->n_workers < STORAGE_WORKERS) {
                r = pthread_create(&s->workers[s->n_workers], NULL, worker_main, s);
                s->n_workers += r == 0;
        }
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -r;
}

static void workers_end(struct storage *s)
{
        if (s->s3)
                s3_stop(s->s3);
        pthread_mutex_lock(&s->lock);
        s->ending = true;
        pthread_cond_broadcast(&s->work);
        pthread_mutex_unlock(&s->lock);
        while (s->n_workers > 0)
                (void)pthread_join(s->workers[--s->n_workers], NULL);
        for (uint32_t i = 0; i < s->n_done; i++)
                free(s->done[i].list);
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

static int folder_open(struct storage *s, const char *root)
{
        s->root_fd = objects_root_open(root);
        return s->root_fd < 0 ? s->root_fd : objects_folder_new(s->root_fd, &s->objects);
}

static int bucket_open(struct storage *s, const struct s3_config *config)
{
        int r = s3_new(config, &s->s3);

        if (r < 0) {
                log_error("cannot use the bucket: storage wants s3://BUCKET/PREFIX and "
                          "storage_endpoint an address such as https://HOST:PORT",
                          LOG_STR("storage", config->url), LOG_STR("endpoint", config->endpoint),
                          LOG_ERR(r));
                return r;
        }
        s->objects = s3_objects(s->s3);
        return 0;
}

static int storage_open(struct storage *s, const struct storage_config *config)
{
        int r = urls_set(s, config->url);

        if (r < 0 || config->max_bytes == 0 || config->url_ttl_s <= 0)
                return -EINVAL;
        r = config->s3 ? bucket_open(s, config->s3) : folder_open(s, config->root);
        if (r < 0)
                return r;
        s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->done_fd < 0)
                return -errno;
        r = loop_fd_add(s->loop, &s->done_src, s->done_fd, EPOLLIN, on_done, s);
        return r < 0 ? r : workers_start(s);
}

int storage_new(struct loop *l, struct shell *shell, const struct storage_config *config,
                struct storage **ret_storage)
{
        static const enum core_effect_type handled[] = {FX_VERIFY_SAVE, FX_SALVAGE, FX_SWEEP,
                                                        FX_PIN, FX_ERASE};
        struct storage *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->shell = shell;
        s->keys = config->keys;
        s->max_bytes = config->max_bytes;
        s->url_ttl_s = config->url_ttl_s;
        s->retention = config->retention;
        s->sweep_batch = config->sweep_batch;
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
        workers_end(s);
        loop_fd_del(&s->done_src);
        fd_close(s->done_fd);
        if (s->s3)
                s3_free(s->s3);
        else
                objects_folder_free(&s->objects);
        fd_close(s->root_fd);
        pthread_cond_destroy(&s->work);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}
