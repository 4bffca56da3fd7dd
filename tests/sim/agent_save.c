/* An agent's saves, after agent/link/backup.c: upload, tell until there is an answer. */
#include <stdio.h>
#include <string.h>

#include "state.h"

bool agent_uploading(const struct body *b)
{
        for (int i = 0; i < b->n_outs; i++) {
                if (!b->outs[i].uploaded)
                        return true;
        }
        return false;
}

static void drop_until(struct body *b, int n)
{
        b->n_outs -= n;
        memmove(&b->outs[0], &b->outs[n], (size_t)b->n_outs * sizeof(b->outs[0]));
}

static void drop(struct body *b, int at)
{
        b->n_outs--;
        memmove(&b->outs[at], &b->outs[at + 1], (size_t)(b->n_outs - at) * sizeof(b->outs[0]));
}

void agent_unfinal(struct body *b)
{
        b->final_wanted = false;
        for (int i = 0; i < b->n_outs; i++)
                b->outs[i].final = false;
}

static void final_failed(struct sim *s, struct body *b)
{
        b->final_wanted = false;
        if (b->phase == AGENT_SAVING)
                agent_enter(s, b, AGENT_SAVE_FAILED, -1);
}

void agent_save(struct sim *s, struct body *b, bool final)
{
        struct out *out;
        struct note *n;

        if (b->n_outs == SIM_OUTS)
                return;
        out = &b->outs[b->n_outs++];
        *out = (struct out){.seq = ++b->seq, .final = final, .content = b->content};
        /* In a home all is where it stays: the last save is a sync. */
        out->unchanged = final && (b->home[0] || b->content.hash == b->committed.hash);
        n = sim_note(s, W_BODY_UPLOAD, sim_about(s, s->timing.upload_ms));
        n->body = body_index(s, b);
        n->body_life = b->life;
        n->number = out->seq;
}

void agent_final(struct sim *s, struct body *b)
{
        if (b->phase != AGENT_SAVING || !b->final_wanted || agent_uploading(b) ||
            b->n_outs == SIM_OUTS)
                return;
        b->final_wanted = false;
        agent_save(s, b, true);
}

/* It holds nothing of a student's: there is nothing to save. */
void agent_nothing(struct sim *s, struct body *b)
{
        agent_enter(s, b, AGENT_SAVING, -1);
        if (agent_uploading(b) || b->n_outs == SIM_OUTS)
                return;
        b->outs[b->n_outs++] = (struct out){.final = true, .unchanged = true, .uploaded = true};
        agent_tell(s, b);
}

static bool put_object(struct sim *s, struct body *b, struct out *out)
{
        struct object *o = storage_add(s);

        out->ref = (struct save_ref){.generation = b->generation, .seq = out->seq, .length = 1};
        (void)snprintf(out->ref.sha256, sizeof(out->ref.sha256), "%016llx%08x%016llx",
                       (unsigned long long)out->content.hash, b->life,
                       (unsigned long long)out->seq);
        if (!o)
                return false;
        *o = (struct object){.used = true,
                             .bad = sim_fault(s, FAULT_UPLOAD_BAD),
                             .absent = sim_fault(s, FAULT_UPLOAD_MISSING),
                             .ref = out->ref,
                             .content = out->content,
                             .base = b->base,
                             .at_ms = s->now_ms};
        STR_CUT(o->workspace, b->workspace);
        return true;
}

/* The provider makes a save of what an ended task has left. No draw: seeds stay as they were. */
void agent_rescue(struct sim *s, struct body *b)
{
        struct save_ref ref = {.generation = b->generation, .seq = b->seq + 1000, .length = 1};
        struct object *o;

        if (b->alive || b->rescued || !b->restored || b->home[0] ||
            b->content.hash == b->committed.hash)
                return;
        o = storage_add(s);
        if (!o)
                return;
        (void)snprintf(ref.sha256, sizeof(ref.sha256), "%016llx%08x%016llx",
                       (unsigned long long)b->content.hash, b->life, (unsigned long long)ref.seq);
        *o = (struct object){.used = true,
                             .ref = ref,
                             .content = b->content,
                             .base = b->base,
                             .at_ms = s->now_ms};
        STR_CUT(o->workspace, b->workspace);
        b->rescued = true;
        sim_say(s, "provider: %s is rescued as %llu-%llu", b->id,
                (unsigned long long)ref.generation, (unsigned long long)ref.seq);
}

static void after_upload(struct sim *s, struct body *b)
{
        if (b->phase == AGENT_SAVING && b->resume_wanted && !b->term && !agent_uploading(b)) {
                b->resume_wanted = b->final_wanted = false;
                b->app = true;
                agent_enter(s, b, AGENT_APP_STARTING, sim_about(s, s->timing.app_ms));
                return;
        }
        agent_final(s, b);
}

void agent_uploaded(struct sim *s, struct body *b, uint64_t seq)
{
        struct out *out = NULL;
        int at = 0;

        for (; at < b->n_outs && !out; at++) {
                if (b->outs[at].seq == seq && !b->outs[at].uploaded)
                        out = &b->outs[at];
        }
        if (!out)
                return;
        if (sim_fault(s, FAULT_SAVE_FAILS) || (!out->unchanged && !put_object(s, b, out))) {
                bool final = out->final;

                drop(b, at - 1);
                if (final)
                        final_failed(s, b);
                after_upload(s, b);
                return;
        }
        sim_say(s, "%s: uploaded %llu-%llu%s%s", b->id, (unsigned long long)b->generation,
                (unsigned long long)seq, out->final ? " final" : "",
                out->unchanged ? " unchanged" : "");
        out->uploaded = true;
        if (out->final)
                person_tempted(s, b->workspace, MOMENT_UPLOADED);
        if (sim_fault(s, FAULT_DIE_UNTOLD)) {
                provider_end(s, b, "after its upload");
                return;
        }
        agent_tell(s, b);
        after_upload(s, b);
}

static void committed(struct sim *s, struct body *b, int at)
{
        struct out out = b->outs[at];
        struct truth *t = check_truth(s, b->workspace);

        drop_until(b, at + 1);
        if (b->restored && out.seq) {
                b->committed = out.content;
                if (!b->disowned)
                        t->acknowledged = MAX(t->acknowledged, out.content.length);
        }
        if (!out.final || b->phase != AGENT_SAVING)
                return;
        agent_enter(s, b, AGENT_SAVED, -1);
        person_tempted(s, b->workspace, MOMENT_ACKNOWLEDGED);
}

void agent_ack(struct sim *s, struct body *b, const struct note *n)
{
        int at = 0;

        if (n->generation != b->generation)
                return;
        while (at < b->n_outs && !(b->outs[at].uploaded && b->outs[at].seq == n->number))
                at++;
        if (at == b->n_outs)
                return;
        sim_say(s, "%s: hears that %llu-%llu is %s", b->id, (unsigned long long)n->generation,
                (unsigned long long)n->number, n->flag ? "committed" : "refused");
        if (n->flag) {
                committed(s, b, at);
        } else {
                bool final = b->outs[at].final;

                drop(b, at);
                if (final)
                        final_failed(s, b);
        }
        agent_tell(s, b);
}
