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

struct rescue {
        char task[CORE_ID_SIZE]; /* "" : free */
        struct core_effect salvage;
};

struct rescues {
        struct loop *loop;
        struct storage *storage;
        struct process *process;
        struct docker *docker;
        struct rescue table[RESCUES_MAX];
};

static struct rescue *find(struct rescues *r, const char *task)
{
        for (size_t i = 0; i < RESCUES_MAX; i++) {
                if (strcmp(r->table[i].task, task) == 0)
                        return &r->table[i];
        }
        return NULL;
}

static void on_rescued(void *ctx, const char *task, bool saved)
{
        struct rescues *r = ctx;
        struct rescue *one = find(r, task);

        log_info(saved ? "rescue done" : "rescue failed: what is there is kept",
                 LOG_STR("task", task));
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
        if (answer == RESCUE_LATER)
                one->task[0] = 0;
        else if (answer != RESCUE_BEGUN)
                storage_salvage(r->storage, fx);
        return true;
}

static void after_salvage(void *ctx, const struct core_effect *fx)
{
        struct rescue *one = fx->salvage.task[0] ? find(ctx, fx->salvage.task) : NULL;

        if (one)
                one->task[0] = 0;
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
