/* The bodies of the messages to the controller, from what is known. */
#include <assert.h>

#include "base/str.h"
#include "link/state.h"

void report_hello(const struct state *s, uint64_t seq, struct wire_hello *ret_hello)
{
        struct wire_hello m = {
                .v_min = WIRE_V_MIN,
                .v_max = WIRE_V_MAX,
                .seq = seq,
                .generation = s->generation,
                .grant_seq = s->saves.grant_seq,
                .phase = s->phase,
        };

        STR_CUT(m.task, s->config.task);
        STR_CUT(m.nonce, s->config.nonce);
        STR_CUT(m.secret, s->config.secret);
        STR_CUT(m.addr, s->addr);
        STR_CUT(m.agent, s->config.agent);
        *ret_hello = m;
}

static_assert((int)PRESENCE_SOURCE_MAX <= WIRE_SIGNALS_MAX, "every source fits in a report");

static void put_signals(const struct presence_verdict *v, struct wire_report *m)
{
        for (int i = 0; i < PRESENCE_SOURCE_MAX; i++) {
                const struct presence_signal *from = &v->signals[i];
                struct wire_signal *to = &m->signals[m->n_signals];

                if (from->age_ms == PRESENCE_NEVER)
                        continue;
                STR_CUT(to->source, from->source);
                STR_CUT(to->kind, from->kind);
                to->age_ms = MIN(from->age_ms, WIRE_NUMBER_MAX);
                to->count = MIN(from->count, WIRE_NUMBER_MAX);
                m->n_signals++;
        }
}

static void put_verdict(const struct presence_verdict *v, struct wire_report *m)
{
        put_signals(v, m);
        m->person_age_ms = v->person_age_ms;
        if (v->person_age_ms == PRESENCE_NEVER)
                return;
        STR_CUT(m->person_by, presence_source_name(v->person_by));
        STR_CUT(m->job, v->job);
        STR_CUT(m->confidence, presence_confidence_name(v->confidence));
        m->busy_ms = v->busy_ms;
        m->never_connected = v->never_connected;
        m->disconnected_ms = v->disconnected_ms;
}

static void put_restore(const struct state *s, struct wire_report *m)
{
        if (s->phase == WIRE_PHASE_RESTORING || s->rest_wanted) {
                m->restore_done = s->restore_done;
                m->restore_total = s->restore_total;
        }
        m->restored_generation = s->restored_generation;
        m->restored_seq = s->restored_seq;
        m->fell_back = s->fell_back;
        STR_CUT(m->restored_why, s->restored_why);
}

void report_build(const struct state *s, uint64_t seq, struct wire_report *ret_report)
{
        struct wire_report m = {
                .seq = seq,
                .generation = s->generation,
                .acted_id = s->acted_id,
                .phase = s->phase,
                .declined = s->declined,
                /* In a home that outlives the task nothing is unsaved. */
                .unsaved_age_ms = s->claim.home ? 0 : saves_unsaved_ms(&s->saves, s->now),
                .saved_seq = s->saves.committed_seq,
                .grant_seq = s->saves.grant_seq,
                .grants_left = (uint32_t)saves_fresh(&s->saves, s->now),
        };
        struct presence_verdict v;

        STR_CUT(m.task, s->config.task);
        STR_CUT(m.nonce, s->config.nonce);
        STR_CUT(m.error, s->error);
        presence_judge(&s->presence, s->now, &v);
        put_verdict(&v, &m);
        m.unknown = evidence_unknown(s);
        put_restore(s, &m);
        *ret_report = m;
}

void report_await(const struct state *s, uint64_t seq, struct wire_await *ret_await)
{
        struct wire_await m = {.seq = seq, .acted_id = s->seen_id, .wait_ms = STATE_AWAIT_MS};

        STR_CUT(m.task, s->config.task);
        STR_CUT(m.nonce, s->config.nonce);
        *ret_await = m;
}

void report_saved(const struct state *s, const struct saves_out *out, uint64_t seq,
                  struct wire_saved *ret_saved)
{
        struct wire_saved m = out->msg;

        STR_CUT(m.task, s->config.task);
        STR_CUT(m.nonce, s->config.nonce);
        m.seq = seq;
        m.generation = s->generation;
        m.grant_seq = s->saves.grant_seq;
        m.grants_left = (uint32_t)saves_fresh(&s->saves, s->now);
        *ret_saved = m;
}
