/* The storage: uploaded saves, checked, looked for, swept and erased on request. */
#include <errno.h>
#include <string.h>

#include "state.h"

struct object *storage_find(struct sim *s, const char *workspace, const struct save_ref *ref)
{
        for (size_t i = 0; i < SIM_OBJECTS; i++) {
                struct object *o = &s->objects[i];

                if (o->used && o->ref.seq == ref->seq && o->ref.generation == ref->generation &&
                    strcmp(o->workspace, workspace) == 0)
                        return o;
        }
        return NULL;
}

static bool newer(const struct save_ref *a, const struct save_ref *b)
{
        return a->generation > b->generation || (a->generation == b->generation && a->seq > b->seq);
}

/* NULL when the table is full of saves that are needed: the upload fails. */
struct object *storage_add(struct sim *s)
{
        for (size_t i = 0; i < SIM_OBJECTS; i++) {
                if (!s->objects[i].used)
                        return &s->objects[i];
        }
        return NULL;
}

static struct note *answer(struct sim *s, const struct note *n, enum what what)
{
        struct note *m;
        int64_t ms = sim_about(s, s->timing.storage_ms);

        if (sim_fault(s, FAULT_STORAGE_LOSES))
                return NULL;
        if (sim_fault(s, FAULT_STORAGE_SLOW))
                ms = sim_about(s, 20 * SIM_S);
        m = sim_note(s, what, ms);
        m->ctl = n->ctl;
        m->life = n->life;
        STR_CUT(m->id, n->id);
        return m;
}

static void verify(struct sim *s, const struct note *n)
{
        const struct object *o = storage_find(s, n->id, &n->ref);
        bool fails = sim_fault(s, FAULT_STORAGE_FAILS);
        struct note *m = answer(s, n, W_VERIFIED);

        if (!m)
                return;
        m->ref = n->ref;
        if (fails)
                m->kind = -EIO;
        else if (!o || o->bad || o->absent || strcmp(o->ref.sha256, n->ref.sha256) != 0)
                m->kind = 1;
        else
                person_tempted(s, n->id, MOMENT_SAVED);
}

static void salvage(struct sim *s, const struct note *n)
{
        bool fails = sim_fault(s, FAULT_STORAGE_FAILS);
        struct note *m = answer(s, n, W_SALVAGED);

        struct body *b = provider_body(s, n->nonce);

        if (!m)
                return;
        if (b && n->nonce[0] && b->generation == n->generation && strcmp(b->workspace, n->id) == 0)
                agent_rescue(s, b);
        m->generation = n->generation;
        m->kind = fails ? -EIO : 0;
        for (size_t i = 0; !fails && i < SIM_OBJECTS; i++) {
                const struct object *o = &s->objects[i];

                if (o->used && !o->bad && !o->absent && o->ref.generation == n->generation &&
                    strcmp(o->workspace, n->id) == 0 && o->ref.seq > MAX(n->number, m->ref.seq))
                        m->ref = o->ref;
        }
}

static void check_heads(struct sim *s, const char *workspace)
{
        const struct workspace_row *row = store_workspace(s, workspace);

        /* What is deleted may be on its way out. */
        if (row && row->state != WS_DELETED && row->head.seq &&
            !storage_find(s, workspace, &row->head))
                sim_broken(s, INV_HEAD_STORED, "%s: %llu-%llu was removed", workspace,
                           (unsigned long long)row->head.generation,
                           (unsigned long long)row->head.seq);
}

static void sweep(struct sim *s, const struct note *n)
{
        struct save_ref before = {.generation = n->generation, .seq = n->number};

        for (size_t i = 0; i < SIM_OBJECTS; i++) {
                struct object *o = &s->objects[i];

                if (!o->used || o->pinned || strcmp(o->workspace, n->id) != 0 ||
                    !newer(&before, &o->ref))
                        continue;
                if ((o->ref.generation == n->ref.generation && o->ref.seq == n->ref.seq) ||
                    (o->ref.generation == n->ref2.generation && o->ref.seq == n->ref2.seq))
                        continue;
                o->used = false;
        }
        check_heads(s, n->id);
}

static void pin(struct sim *s, const struct note *n)
{
        struct object *o = storage_find(s, n->id, &n->ref);

        if (o)
                o->pinned = true;
}

static void erase(struct sim *s, const struct note *n)
{
        for (size_t i = 0; i < SIM_OBJECTS; i++) {
                struct object *o = &s->objects[i];

                if (o->used && strcmp(o->workspace, n->id) == 0 &&
                    o->ref.generation <= n->generation)
                        o->used = false;
        }
        check_heads(s, n->id);
        (void)answer(s, n, W_ERASED);
}

void storage_note(struct sim *s, const struct note *n)
{
        if (n->what == W_ASK_VERIFY)
                verify(s, n);
        else if (n->what == W_ASK_SALVAGE)
                salvage(s, n);
        else if (n->what == W_ASK_SWEEP)
                sweep(s, n);
        else if (n->what == W_ASK_PIN)
                pin(s, n);
        else
                erase(s, n);
}
