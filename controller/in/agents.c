#include "in/agents.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "in/agents_internal.h"

#define TICK_MS 500
#define DELIVERIES_AT_ONCE 3 /* of one command; then at most one per DELIVERY_MS */
#define DELIVERY_MS 1000
#define LOG_WINDOW_MS 10000 /* lines about what strangers send: LOG_LINES in each window */
#define LOG_LINES 10

static_assert(WIRE_ID_SIZE == CORE_ID_SIZE && WIRE_NONCE_SIZE == CORE_NONCE_SIZE &&
                      WIRE_ADDR_SIZE == CORE_ADDR_SIZE && WIRE_TEXT_SIZE == CORE_REASON_SIZE &&
                      WIRE_HEX_SIZE == CORE_SHA256_SIZE && WIRE_HEX_SIZE == KEYS_HEX &&
                      WIRE_SIGNALS_MAX == CORE_SIGNALS_MAX &&
                      WIRE_SOURCE_SIZE == CORE_SOURCE_SIZE && WIRE_CODE_SIZE == CORE_JOB_SIZE,
              "what fits on the wire fits in the core");
static_assert((int)WIRE_PHASE_MAX == (int)AGENT_PHASE_MAX &&
                      (int)WIRE_VERB_MAX == (int)COMMAND_VERB_MAX,
              "the wire and the core use the same lists");

bool agents_may_log(struct agents *a)
{
        mono_t now = loop_now(a->loop);

        if (mono_diff_ms(a->log_since, now) >= LOG_WINDOW_MS) {
                a->log_since = now;
                a->log_lines = 0;
        }
        return a->log_lines++ < LOG_LINES;
}

/* ---- answers ---- */

static uint32_t *saves_in(struct wire_msg *m)
{
        switch (m->type) {
        case WIRE_OK:
                return &m->ok.n_saves;
        case WIRE_SAVED_ACK:
                return &m->saved_ack.n_saves;
        case WIRE_WELCOME:
                return &m->welcome.claim.n_saves;
        case WIRE_COMMAND:
                return &m->command.claim.n_saves;
        case WIRE_HELLO:
        case WIRE_REPORT:
        case WIRE_AWAIT:
        case WIRE_SAVED:
        case WIRE_REFUSED:
        case WIRE_NONE:
        case WIRE_TYPE_MAX:
                break;
        }
        return NULL;
}

/* Save requests that do not fit are left out: the agent reports that it has few. */
void agents_answer(struct agents *a, struct agents_request *rq)
{
        uint32_t *n_saves = saves_in(&a->out);
        int r;

        buf_clear(&a->bytes);
        r = wire_encode(&a->out, &a->bytes);
        while (r == -EMSGSIZE && n_saves && *n_saves > 0) {
                *n_saves /= 2;
                r = wire_encode(&a->out, &a->bytes);
        }
        if (r < 0) {
                log_error("an answer to an agent cannot be encoded",
                          LOG_STR("type", wire_type_name(a->out.type)), LOG_ERR(r));
                agents_socket_drop(rq);
                return;
        }
        agents_socket_answer(a->socket, rq, a->bytes.data, a->bytes.len);
}

void agents_refuse(struct agents *a, struct agents_request *rq, uint64_t re, const char *code,
                   const char *reason, int64_t retry_ms)
{
        a->out.type = WIRE_REFUSED;
        a->out.refused = (struct wire_refused){.re = re, .retry_ms = retry_ms};
        STR_CUT(a->out.refused.code, code);
        STR_CUT(a->out.refused.reason, reason);
        if (strcmp(code, "version") == 0) {
                a->out.refused.v_min = WIRE_V_MIN;
                a->out.refused.v_max = WIRE_V_MAX;
        }
        agents_answer(a, rq);
}

static void answer_none(struct agents *a, struct parked *p)
{
        a->out.type = WIRE_NONE;
        a->out.none = (struct wire_none){.re = p->re};
        agents_answer(a, parked_take(a->tables, p));
}

static void answer_saved(struct agents *a, struct parked *p, enum wire_commit commit,
                         const char *reason);

/* The place of a new question of this session is made free. */
static void answer_older(struct agents *a, struct parked *p)
{
        if (p && p->kind == PARKED_AWAIT)
                answer_none(a, p);
        else if (p)
                answer_saved(a, p, WIRE_COMMIT_PENDING, "asked again");
}

struct parked *agents_park(struct agents *a, enum parked_kind kind, struct agents_session *s,
                           struct agents_request *rq, uint64_t re, int64_t wait_ms)
{
        struct parked *p =
                parked_new(a->tables, kind, s, rq, re, mono_add_ms(loop_now(a->loop), wait_ms));

        if (p && mono_is_never(a->tick.due))
                loop_timer_set_in(&a->tick, TICK_MS);
        return p;
}

void agents_refuse_parked(struct agents *a, struct agents_session *s, const char *code,
                          const char *reason)
{
        struct parked *both[] = {s->await, s->saved};

        for (size_t i = 0; i < ARRAY_LEN(both); i++) {
                if (both[i])
                        agents_refuse(a, parked_take(a->tables, both[i]), both[i]->re, code, reason,
                                      0);
        }
}

/* ---- report ---- */

/* The session of a message, or NULL: then it was answered. */
static struct agents_session *session_of(struct agents *a, struct agents_request *rq,
                                         const char *task, const char *nonce, uint64_t re)
{
        struct agents_session *s = session_find(a->tables, task);

        /* Since the keys have changed a hello brings the agent the new ones. */
        if (s && s->enrolled && s->keys_round == a->keys_round && keys_equal(s->nonce, nonce))
                return s;
        a->counters.not_enrolled++;
        agents_refuse(a, rq, re, "not-enrolled", "say hello first", 0);
        return NULL;
}

/* The agent has taken on (or declined) all commands up to `acted_id`. */
static void note_acted(struct agents_session *s, uint64_t acted_id)
{
        s->acted_id = MAX(s->acted_id, acted_id);
        if (s->command.id <= s->acted_id)
                s->command.id = 0;
}

static void post_report(struct agents *a, struct agents_session *s, const struct wire_report *m)
{
        struct core_event ev = {.type = EV_AGENT_REPORT};

        ev.report.conn = session_handle(a->tables, s);
        ev.report.generation = m->generation;
        ev.report.acted_id = m->acted_id;
        ev.report.phase = (enum agent_phase)m->phase;
        ev.report.declined = m->declined;
        ev.report.person_age_ms = m->person_age_ms;
        ev.report.unsaved_age_ms = m->unsaved_age_ms;
        ev.report.saved_seq = m->saved_seq;
        ev.report.n_signals = m->n_signals;
        ev.report.busy_ms = m->busy_ms;
        ev.report.never_connected = m->never_connected;
        ev.report.disconnected_ms = m->disconnected_ms;
        ev.report.unknown = m->unknown;
        ev.report.restore_done = m->restore_done;
        ev.report.restore_total = m->restore_total;
        ev.report.restored_generation = m->restored_generation;
        ev.report.restored_seq = m->restored_seq;
        ev.report.fell_back = m->fell_back;
        STR_CUT(ev.report.restored_why, m->restored_why);
        STR_CUT(ev.report.job, m->job);
        STR_CUT(ev.report.person_by, m->person_by);
        STR_CUT(ev.report.confidence, m->confidence);
        STR_CUT(ev.report.task, m->task);
        STR_CUT(ev.report.nonce, m->nonce);
        STR_CUT(ev.report.error, m->error);
        for (uint32_t i = 0; i < m->n_signals; i++) {
                struct signal_age *to = &ev.report.signals[i];

                STR_CUT(to->source, m->signals[i].source);
                STR_CUT(to->kind, m->signals[i].kind);
                to->age_ms = m->signals[i].age_ms;
                to->count = m->signals[i].count;
        }
        shell_post(a->shell, &ev);
}

/* What the page may show to whoever is there: so long, unless something is done. */
static void tell_stop(struct agents *a, const struct agents_session *s, struct wire_ok *out)
{
        mono_t now = loop_now(a->loop);
        struct core_idle idle;

        out->stop_known = shell_writable(a->shell) && s->workspace[0] &&
                          core_idle(shell_core(a->shell), s->workspace, now, &idle) && idle.heard &&
                          !mono_is_never(idle.due);
        out->stop_in_ms = out->stop_known ? MAX(mono_diff_ms(now, idle.due), 0) : 0;
        STR_CUT(out->stop_rule, out->stop_known ? idle_rule_name(idle.stop.rule) : "");
}

static void on_report(struct agents *a, struct agents_request *rq, const struct wire_report *m)
{
        struct agents_session *s = session_of(a, rq, m->task, m->nonce, m->seq);

        if (!s)
                return;
        a->out.type = WIRE_OK;
        a->out.ok.re = m->seq;
        a->out.ok.heartbeat_ms = a->config.heartbeat_ms;
        a->out.ok.notice[0] = 0;
        a->out.ok.n_saves = 0;
        a->out.ok.stop_known = false;
        a->out.ok.stop_in_ms = 0;
        a->out.ok.stop_rule[0] = 0;
        a->out.ok.reconnect_ms = a->reconnect_ms;
        a->out.ok.utc_ms = loop_utc(a->loop).us / US_PER_MS;
        if (m->seq <= s->last_seq) {
                /* nng delivers what waited in a stalled connection, also after newer ones. */
                a->counters.stale++;
                agents_answer(a, rq);
                return;
        }
        s->last_seq = m->seq;
        note_acted(s, m->acted_id);
        a->out.ok.n_saves = agents_top_up(a, s, m->generation, MAX(m->grant_seq, m->saved_seq),
                                          m->grants_left, a->out.ok.saves);
        /* A heartbeat is evidence for this moment; it is not kept for a store that is away. */
        if (shell_writable(a->shell))
                post_report(a, s, m);
        /* After it: the answer to "keep it" must not be the stop that it has put off. */
        tell_stop(a, s, &a->out.ok);
        agents_answer(a, rq);
}

/* ---- await and command ---- */

static bool may_deliver(struct agents *a, const struct agents_session *s)
{
        const struct agents_command *c = &s->command;

        if (!s->await || c->id <= s->await->await.acted_id)
                return false;
        /* An agent that asks again without taking it on must not make us spin. */
        return c->sent < DELIVERIES_AT_ONCE ||
               mono_diff_ms(c->sent_at, loop_now(a->loop)) >= DELIVERY_MS;
}

/* Send the command that is not taken on, if there is one and a question to answer. */
static void deliver(struct agents *a, struct agents_session *s)
{
        struct agents_command *c = &s->command;
        const struct core_type *type = agents_type_of(a, s->task);
        int64_t idle_ms = c->recheck_ms || !type ? c->recheck_ms : type->limits.idle_ms;
        struct wire_command *out = &a->out.command;
        struct parked *p = s->await;

        if (!may_deliver(a, s))
                return;
        a->out.type = WIRE_COMMAND;
        out->re = p->re;
        out->id = c->id;
        out->generation = c->generation;
        out->verb = (enum wire_verb)c->verb;
        out->recheck = c->recheck;
        out->idle_ms = c->recheck ? idle_ms : 0;
        out->claim.workspace[0] = 0;
        out->epoch = a->epoch;
        STR_CUT(out->reason, c->reason);
        /* On failure it stays parked; the tick tries again. */
        if (c->verb == COMMAND_CLAIM &&
            agents_fill_claim(a, s, &c->head, &c->previous, &out->claim) < 0)
                return;
        c->sent++;
        c->sent_at = loop_now(a->loop);
        agents_answer(a, parked_take(a->tables, p));
}

static void on_await(struct agents *a, struct agents_request *rq, const struct wire_await *m)
{
        struct agents_session *s = session_of(a, rq, m->task, m->nonce, m->seq);
        struct parked *p;

        if (!s)
                return;
        answer_older(a, s->await);
        note_acted(s, m->acted_id);
        p = agents_park(a, PARKED_AWAIT, s, rq, m->seq, m->wait_ms ? m->wait_ms : AGENTS_AWAIT_MS);
        p->await.acted_id = m->acted_id;
        deliver(a, s);
}

static void on_command(void *ctx, const struct core_effect *fx)
{
        struct agents *a = ctx;
        /* Before its agent has enrolled there may be a command already, after a restart. */
        struct agents_session *s = session_get(a->tables, fx->command.task);

        if (!s)
                return; /* full: the core asks again */
        if (fx->command.id <= s->acted_id || fx->command.id < s->command.id)
                return;
        if (fx->command.verb == COMMAND_CLAIM)
                agents_set_claim(s, fx->command.workspace, fx->command.generation);
        if (fx->command.id > s->command.id)
                s->command.sent = 0;
        s->command.id = fx->command.id;
        s->command.generation = fx->command.generation;
        s->command.verb = fx->command.verb;
        s->command.recheck = fx->command.recheck;
        s->command.recheck_ms = fx->command.recheck_ms;
        s->command.head = fx->command.head;
        s->command.previous = fx->command.previous;
        STR_CUT(s->command.reason, fx->command.reason);
        deliver(a, s);
}

/* ---- saved ---- */

static void answer_saved(struct agents *a, struct parked *p, enum wire_commit commit,
                         const char *reason)
{
        struct wire_saved_ack *out = &a->out.saved_ack;

        a->out.type = WIRE_SAVED_ACK;
        out->re = p->re;
        out->generation = p->saved.generation;
        out->save_seq = p->saved.save_seq;
        out->commit = commit;
        STR_CUT(out->reason, reason);
        out->n_saves = 0;
        if (commit != WIRE_COMMIT_PENDING)
                out->n_saves = agents_top_up(a, p->session, p->saved.generation, p->saved.grant_seq,
                                             p->saved.grants_left, out->saves);
        agents_answer(a, parked_take(a->tables, p));
}

static void on_saved(struct agents *a, struct agents_request *rq, const struct wire_saved *m)
{
        struct agents_session *s = session_of(a, rq, m->task, m->nonce, m->seq);
        struct core_event ev = {.type = EV_AGENT_SAVED};
        struct parked *p;

        if (!s)
                return;
        answer_older(a, s->saved);
        p = agents_park(a, PARKED_SAVED, s, rq, m->seq, AGENTS_SAVED_MS);
        p->saved.generation = m->generation;
        p->saved.save_seq = m->save_seq;
        p->saved.grant_seq = m->grant_seq;
        p->saved.grants_left = m->grants_left;
        if (!shell_writable(a->shell)) {
                answer_saved(a, p, WIRE_COMMIT_PENDING, "the store is not writable");
                return;
        }
        ev.saved.conn = parked_handle(a->tables, p);
        ev.saved.generation = m->generation;
        ev.saved.seq = m->save_seq;
        ev.saved.final = m->final;
        ev.saved.unchanged = m->unchanged;
        ev.saved.length = m->length;
        ev.saved.data_length = m->data_length;
        STR_CUT(ev.saved.task, m->task);
        STR_CUT(ev.saved.sha256, m->sha256);
        shell_post(a->shell, &ev);
}

static void on_save_ack(void *ctx, const struct core_effect *fx)
{
        struct agents *a = ctx;
        struct agents_session *s = session_find(a->tables, fx->save_ack.task);
        struct parked *p = parked_find(a->tables, fx->save_ack.conn, PARKED_SAVED);

        /* The agent may have asked again meanwhile, on a new connection. */
        if (!p && s && s->saved && s->saved->saved.generation == fx->save_ack.generation &&
            s->saved->saved.save_seq == fx->save_ack.seq)
                p = s->saved;
        if (p)
                answer_saved(a, p,
                             fx->save_ack.committed ? WIRE_COMMIT_COMMITTED : WIRE_COMMIT_REFUSED,
                             fx->save_ack.reason);
}

/* ---- the rest ---- */

static void drop_task(struct agents *a, const char *task)
{
        struct agents_session *s = session_find(a->tables, task);

        if (!s)
                return;
        agents_refuse_parked(a, s, "unknown-task", "the task is over");
        session_drop(a->tables, s);
}

static void on_del_task(void *ctx, const struct core_effect *fx)
{
        drop_task(ctx, fx->id.id);
}

static void on_change(void *ctx, const char *workspace, const char *task)
{
        struct agents *a = ctx;

        (void)workspace;
        if (task[0] && !core_task(shell_core(a->shell), task))
                drop_task(a, task);
}

/* The number of the question, whatever it is. */
static uint64_t seq_of(const struct wire_msg *m)
{
        switch (m->type) {
        case WIRE_HELLO:
                return m->hello.seq;
        case WIRE_REPORT:
                return m->report.seq;
        case WIRE_AWAIT:
                return m->await.seq;
        case WIRE_SAVED:
                return m->saved.seq;
        case WIRE_WELCOME:
        case WIRE_REFUSED:
        case WIRE_OK:
        case WIRE_COMMAND:
        case WIRE_NONE:
        case WIRE_SAVED_ACK:
        case WIRE_TYPE_MAX:
                break;
        }
        return 0;
}

static void refuse_follower(struct agents *a, struct agents_request *rq, uint64_t re)
{
        a->counters.not_leader++;
        a->out.type = WIRE_REFUSED;
        a->out.refused = (struct wire_refused){.re = re};
        /* As many as there are ask again, so that they do it spread. */
        a->out.refused.retry_ms =
                MAX(AGENTS_RETRY_SOON_MS, agents_socket_peers(a->socket) * AGENTS_BACK_MS);
        STR_CUT(a->out.refused.code, "not-leader");
        STR_CUT(a->out.refused.reason, "this controller follows another one");
        STR_CUT(a->out.refused.leader, a->leader);
        agents_answer(a, rq);
}

static void on_request(void *ctx, struct agents_request *rq, const void *data, size_t len)
{
        struct agents *a = ctx;
        char reason[WIRE_REASON_SIZE];
        int r = wire_decode(data, len, &a->in, reason);

        a->counters.messages++;
        if (r < 0) {
                agents_socket_drop(rq); /* no memory: the agent asks again */
                return;
        }
        if (r == 0 && a->follows) {
                refuse_follower(a, rq, seq_of(&a->in));
                return;
        }
        if (r == 0) {
                switch (a->in.type) {
                case WIRE_HELLO:
                        agents_on_hello(a, rq, &a->in.hello);
                        return;
                case WIRE_REPORT:
                        on_report(a, rq, &a->in.report);
                        return;
                case WIRE_AWAIT:
                        on_await(a, rq, &a->in.await);
                        return;
                case WIRE_SAVED:
                        on_saved(a, rq, &a->in.saved);
                        return;
                case WIRE_WELCOME:
                case WIRE_REFUSED:
                case WIRE_OK:
                case WIRE_COMMAND:
                case WIRE_NONE:
                case WIRE_SAVED_ACK:
                case WIRE_TYPE_MAX:
                        break;
                }
                (void)snprintf(reason, sizeof(reason), "agents do not send %s",
                               wire_type_name(a->in.type));
        }
        a->counters.bad_messages++;
        if (agents_may_log(a))
                log_warn("message of an agent refused", LOG_STR("reason", reason),
                         LOG_INT("bytes", len));
        agents_refuse(a, rq, 0, "bad-message", reason, AGENTS_RETRY_LATE_MS);
}

static void on_tick(void *ctx)
{
        struct agents *a = ctx;
        struct parked *p;
        uint32_t pos = 0;

        while ((p = parked_next(a->tables, &pos))) {
                if (!mono_due(p->due, loop_now(a->loop))) {
                        if (p->kind == PARKED_AWAIT && p->session->command.id)
                                deliver(a, p->session);
                        continue;
                }
                if (p->kind == PARKED_AWAIT)
                        answer_none(a, p);
                else if (p->kind == PARKED_SAVED)
                        answer_saved(a, p, WIRE_COMMIT_PENDING, "still being checked");
                else
                        agents_refuse(a, parked_take(a->tables, p), p->re, "busy",
                                      "no answer in time", AGENTS_RETRY_SOON_MS);
        }
        if (parked_count(a->tables) > 0)
                loop_timer_set_in(&a->tick, TICK_MS);
}

static void register_handlers(struct agents *a)
{
        shell_handle(a->shell, FX_WELCOME, agents_on_welcome, a);
        shell_handle(a->shell, FX_REFUSE, agents_on_refuse, a);
        shell_handle(a->shell, FX_COMMAND, on_command, a);
        shell_handle(a->shell, FX_SAVE_ACK, on_save_ack, a);
        shell_handle(a->shell, FX_DEL_TASK, on_del_task, a);
        shell_watch(a->shell, on_change, a);
}

int agents_new(struct loop *l, struct shell *s, const struct agents_config *config,
               struct agents **ret_agents)
{
        struct agents *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->loop = l;
        a->shell = s;
        a->config = *config;
        a->bytes = BUF_INIT(2 * WIRE_FRAME_MAX);
        loop_timer_init(l, &a->tick, on_tick, a);
        a->host_suffix = strdup(config->host_suffix);
        STR_CUT(a->cookie, config->cookie ? config->cookie : "");
        STR_CUT(a->platform, config->platform ? config->platform : "");
        r = a->host_suffix ? agents_tables_new(AGENTS_SESSIONS_MAX, AGENTS_HELLOS_MAX, &a->tables)
                           : -ENOMEM;
        if (r == 0)
                r = agents_socket_new(l, config->url, AGENTS_LISTEN_MS, on_request, a, &a->socket);
        if (r < 0) {
                log_error("cannot listen for agents", LOG_STR("url", config->url), LOG_ERR(r));
                agents_free(a);
                return r;
        }
        register_handlers(a);
        *ret_agents = a;
        return 0;
}

struct agents *agents_free(struct agents *a)
{
        if (!a)
                return NULL;
        loop_timer_cancel(&a->tick);
        agents_tables_free(a->tables);
        agents_socket_free(a->socket);
        buf_deinit(&a->bytes);
        free(a->host_suffix);
        free(a);
        return NULL;
}

void agents_lead(struct agents *a, uint64_t epoch)
{
        a->follows = false;
        a->epoch = epoch;
        a->leader[0] = 0;
}

void agents_follow(struct agents *a, const char *leader)
{
        bool led = !a->follows;
        struct parked *p;
        uint32_t pos = 0;

        a->follows = true;
        STR_CUT(a->leader, leader);
        /* What waits for a command or a welcome waits in vain; a commit may still be told. */
        while (led && (p = parked_next(a->tables, &pos))) {
                if (p->kind != PARKED_SAVED)
                        refuse_follower(a, parked_take(a->tables, p), p->re);
        }
}

void agents_counters(const struct agents *a, struct agents_counters *ret_counters)
{
        *ret_counters = a->counters;
        ret_counters->sessions = session_count(a->tables);
        ret_counters->parked = parked_count(a->tables);
}
