#include "edges_rescue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

/* At a time: each reads a home and compresses it. The others are asked for again. */
#define RESCUES_MAX 4
/* More than an agent tries to save between two commits; more seconds than attempts. */
#define SEQ_SKIP 1000
#define SEQ_SPREAD 100000

/*
 * So long a workspace waits for what may pass (a storage or an engine that does not answer); where
 * that is so nobody could be given its files anyway. Then it goes on, and what is there is kept.
 */
#define PATIENCE_MS (60 * 60 * 1000)
#define LATE_MAX 256

struct rescue {
        char task[CORE_ID_SIZE]; /* "" : free */
        struct core_effect salvage;
};

struct late {
        char task[CORE_ID_SIZE]; /* "" : free */
        mono_t since;
};

struct rescues {
        struct loop *loop;
        struct storage *storage;
        struct process *process;
        struct docker *docker;
        struct rescue table[RESCUES_MAX];
        struct late late[LATE_MAX]; /* whose rescue has failed */
};

static struct rescue *find(struct rescues *r, const char *task)
{
        for (size_t i = 0; i < RESCUES_MAX; i++) {
                if (strcmp(r->table[i].task, task) == 0)
                        return &r->table[i];
        }
        return NULL;
}

static struct late *late_find(struct rescues *r, const char *task)
{
        for (size_t i = 0; i < LATE_MAX; i++) {
                if (strcmp(r->late[i].task, task) == 0)
                        return &r->late[i];
        }
        return NULL;
}

/* Is it worth another attempt? Where more are late than there is room for, without an end. */
static bool patient(struct rescues *r, const char *task)
{
        struct late *one = late_find(r, task);

        if (one)
                return !mono_due(mono_add_ms(one->since, PATIENCE_MS), loop_now(r->loop));
        one = late_find(r, "");
        if (one) {
                STR_CUT(one->task, task);
                one->since = loop_now(r->loop);
        }
        return true;
}

static void on_rescued(void *ctx, const char *task, enum rescue_result result)
{
        struct rescues *r = ctx;
        struct rescue *one = find(r, task);

        if (result == RESCUE_AGAIN && patient(r, task)) {
                log_warn("rescue failed; trying again", LOG_STR("task", task));
                if (one)
                        one->task[0] = 0;
                return; /* the core asks again */
        }
        if (result == RESCUE_SAVED)
                log_info("rescue done", LOG_STR("task", task));
        else
                log_error("rescue failed: what is there is kept", LOG_STR("task", task));
        if (one)
                storage_salvage(r->storage, &one->salvage);
}

/*
 * The number of its save is above all that its agent was given, and by the second another than that
 * of an attempt which has left an unfinished one.
 */
static int request_make(struct rescues *r, const struct core_effect *fx, struct buf *ret)
{
        AUTO_BUF plain = BUF_INIT(BLOB_SAVE_REQUEST_MAX);
        uint64_t now_s = (uint64_t)(loop_utc(r->loop).us / US_PER_S);
        uint64_t seq = fx->salvage.after_seq + SEQ_SKIP + now_s % SEQ_SPREAD;
        int e = storage_save_request(r->storage, fx->salvage.workspace, fx->salvage.generation, seq,
                                     NULL, &plain);

        if (e == 0)
                e = blob_save_request_set_committed(plain.data, plain.len, fx->salvage.after_seq,
                                                    ret);
        return e == 0 ? buf_terminate(ret) : e;
}

static enum rescue_answer begin(struct rescues *r, const struct core_effect *fx)
{
        AUTO_BUF request = BUF_INIT(BLOB_SAVE_REQUEST_MAX + 1);
        struct rescue_order o = {.task = fx->salvage.task,
                                 .type = fx->salvage.type,
                                 .workspace = fx->salvage.workspace,
                                 .generation = fx->salvage.generation};
        int e = request_make(r, fx, &request);

        if (e < 0) {
                log_error("no request for a rescue; trying again", LOG_STR("task", o.task),
                          LOG_ERR(e));
                return RESCUE_LATER;
        }
        o.request = (const char *)request.data;
        return r->process ? process_rescue(r->process, &o, on_rescued, r)
                          : docker_rescue(r->docker, &o, on_rescued, r);
}

/*
 * One thing at a time for each task: a rescue, then the look for its save. A second rescue beside
 * the look would make a save that nobody commits.
 */
static bool before_salvage(void *ctx, const struct core_effect *fx)
{
        struct rescues *r = ctx;
        struct rescue *one = find(r, "");
        enum rescue_answer answer;

        if (!fx->salvage.task[0])
                return false;
        if (!one || find(r, fx->salvage.task))
                return true; /* the core asks again */
        STR_CUT(one->task, fx->salvage.task);
        one->salvage = *fx;
        answer = begin(r, fx);
        if (answer == RESCUE_LATER || (answer == RESCUE_FAILED && patient(r, one->task)))
                one->task[0] = 0;
        else if (answer != RESCUE_BEGUN)
                storage_salvage(r->storage, fx);
        return true;
}

static void after_salvage(void *ctx, const struct core_effect *fx, bool refused)
{
        struct rescues *r = ctx;
        struct rescue_order o = {.task = fx->salvage.task,
                                 .type = fx->salvage.type,
                                 .workspace = fx->salvage.workspace,
                                 .generation = fx->salvage.generation};
        struct rescue *one = o.task[0] ? find(r, o.task) : NULL;
        struct late *late = o.task[0] ? late_find(r, o.task) : NULL;

        if (one)
                one->task[0] = 0;
        if (late)
                late->task[0] = 0;
        if (!refused || !o.task[0])
                return;
        /* It was saved, and yet it was not: an older object that the save needs is damaged. */
        if (r->process)
                process_found_wrong(r->process, &o);
        else
                docker_found_wrong(r->docker, &o);
}

int rescues_new(struct loop *l, struct storage *storage, struct process *process,
                struct docker *docker, struct rescues **ret_rescues)
{
        struct rescues *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        *r = (struct rescues){.loop = l, .storage = storage, .process = process, .docker = docker};
        storage_watch_salvages(storage, &(const struct storage_salvages){.before = before_salvage,
                                                                         .after = after_salvage,
                                                                         .ctx = r});
        *ret_rescues = r;
        return 0;
}

struct rescues *rescues_free(struct rescues *r)
{
        free(r);
        return NULL;
}
