#include "in/agents_session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define BUCKETS 32768 /* a power of two above the sessions expected */
/* A session's handle has the highest bit, a parked question's has not. */
#define SESSION_BIT (UINT64_C(1) << 63)

struct agents_tables {
        struct agents_session *sessions;
        uint32_t sessions_max, sessions_top, sessions_n, sessions_free; /* free: index + 1 */
        uint32_t *buckets;                                              /* index + 1 */
        struct parked *parked;
        uint32_t parked_max, parked_top, parked_n, parked_free; /* free: index + 1 */
        uint32_t hellos_max, hellos_n;
        uint32_t life; /* given to each new entry of either kind */
};

int agents_tables_new(uint32_t sessions_max, uint32_t hellos_max, struct agents_tables **ret_tables)
{
        struct agents_tables *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->sessions_max = sessions_max;
        t->hellos_max = hellos_max;
        t->parked_max = 2 * sessions_max + hellos_max;
        t->sessions = calloc(t->sessions_max, sizeof(*t->sessions));
        t->parked = calloc(t->parked_max, sizeof(*t->parked));
        t->buckets = calloc(BUCKETS, sizeof(*t->buckets));
        if (!t->sessions || !t->parked || !t->buckets) {
                agents_tables_free(t);
                return -ENOMEM;
        }
        *ret_tables = t;
        return 0;
}

struct agents_tables *agents_tables_free(struct agents_tables *t)
{
        if (!t)
                return NULL;
        for (uint32_t i = 0; t->parked && i < t->parked_top; i++)
                agents_socket_drop(t->parked[i].rq);
        free(t->sessions);
        free(t->parked);
        free(t->buckets);
        free(t);
        return NULL;
}

/* 31 bits, so that a handle keeps its highest bit for the kind; wraps after two thousand million.
 */
static uint32_t next_life(struct agents_tables *t)
{
        t->life = (t->life + 1) & INT32_MAX;
        return t->life;
}

/* Ids come from the core or from agents with the right secret: nobody can aim collisions.
 */
static uint32_t *bucket_of(struct agents_tables *t, const char *task)
{
        return &t->buckets[str_hash(task) & (BUCKETS - 1)];
}

struct agents_session *session_find(struct agents_tables *t, const char *task)
{
        for (uint32_t i = *bucket_of(t, task); i; i = t->sessions[i - 1].next_) {
                if (strcmp(t->sessions[i - 1].task, task) == 0)
                        return &t->sessions[i - 1];
        }
        return NULL;
}

uint64_t session_handle(const struct agents_tables *t, const struct agents_session *s)
{
        return SESSION_BIT | (uint64_t)s->life_ << 32 | (uint32_t)(s - t->sessions + 1);
}

struct agents_session *session_by_handle(struct agents_tables *t, uint64_t handle)
{
        uint32_t i = (uint32_t)handle;

        if (i == 0 || i > t->sessions_top || !t->sessions[i - 1].used_ ||
            session_handle(t, &t->sessions[i - 1]) != handle)
                return NULL;
        return &t->sessions[i - 1];
}

struct agents_session *session_get(struct agents_tables *t, const char *task)
{
        struct agents_session *s = session_find(t, task);
        uint32_t *bucket = bucket_of(t, task);
        uint32_t i = t->sessions_free;

        if (s)
                return s;
        if (i)
                t->sessions_free = t->sessions[i - 1].next_;
        else if (t->sessions_top < t->sessions_max)
                i = ++t->sessions_top;
        else
                return NULL;
        s = &t->sessions[i - 1];
        *s = (struct agents_session){.used_ = true, .life_ = next_life(t), .next_ = *bucket};
        str_copy_cut(s->task, sizeof(s->task), task);
        *bucket = i;
        t->sessions_n++;
        return s;
}

void session_drop(struct agents_tables *t, struct agents_session *s)
{
        uint32_t i = (uint32_t)(s - t->sessions + 1);
        uint32_t *link = bucket_of(t, s->task);

        assert(!s->await && !s->saved);
        while (*link != i)
                link = &t->sessions[*link - 1].next_;
        *link = s->next_;
        s->used_ = false;
        s->next_ = t->sessions_free;
        t->sessions_free = i;
        t->sessions_n--;
}

uint32_t session_count(const struct agents_tables *t)
{
        return t->sessions_n;
}

struct parked *parked_new(struct agents_tables *t, enum parked_kind kind,
                          struct agents_session *session, struct agents_request *rq, uint64_t re,
                          mono_t due)
{
        uint32_t i = t->parked_free;
        struct parked *p;

        if (kind == PARKED_HELLO && t->hellos_n == t->hellos_max)
                return NULL;
        if (i) {
                t->parked_free = t->parked[i - 1].next_free_;
        } else {
                assert(t->parked_top < t->parked_max); /* two of each session, and the hellos */
                i = ++t->parked_top;
        }
        p = &t->parked[i - 1];
        *p = (struct parked){.kind = kind,
                             .life_ = next_life(t),
                             .rq = rq,
                             .re = re,
                             .due = due,
                             .session = session};
        if (kind == PARKED_HELLO) {
                t->hellos_n++;
        } else {
                struct parked **place = kind == PARKED_AWAIT ? &session->await : &session->saved;

                assert(!*place);
                *place = p;
        }
        t->parked_n++;
        return p;
}

struct agents_request *parked_take(struct agents_tables *t, struct parked *p)
{
        assert(p->kind != PARKED_FREE);
        if (p->kind == PARKED_HELLO)
                t->hellos_n--;
        else if (p->kind == PARKED_AWAIT)
                p->session->await = NULL;
        else
                p->session->saved = NULL;
        p->kind = PARKED_FREE;
        p->next_free_ = t->parked_free;
        t->parked_free = (uint32_t)(p - t->parked + 1);
        t->parked_n--;
        return STEAL(p->rq, NULL);
}

uint64_t parked_handle(const struct agents_tables *t, const struct parked *p)
{
        return (uint64_t)p->life_ << 32 | (uint32_t)(p - t->parked + 1);
}

struct parked *parked_find(struct agents_tables *t, uint64_t handle, enum parked_kind kind)
{
        uint32_t i = (uint32_t)handle;

        if (i == 0 || i > t->parked_top || t->parked[i - 1].kind != kind ||
            parked_handle(t, &t->parked[i - 1]) != handle)
                return NULL;
        return &t->parked[i - 1];
}

struct parked *parked_next(struct agents_tables *t, uint32_t *pos)
{
        while (*pos < t->parked_top) {
                struct parked *p = &t->parked[(*pos)++];

                if (p->kind != PARKED_FREE)
                        return p;
        }
        return NULL;
}

uint32_t parked_count(const struct agents_tables *t)
{
        return t->parked_n;
}
