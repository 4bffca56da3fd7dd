/* The session with the controller, and who takes which event. */
#include "link/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "link/internal.h"

/* A report that is not answered is sent again; after so many the connection counts as deaf. */
#define TIMEOUTS_MAX 3
#define RETRY_MS INT64_C(1000)
/* Answers of a follower that knows no leader for us, before the next address is tried: they take
 * longer than a lease. */
#define NOT_LEADER_MAX 8
/* An await that is answered at once with nothing would otherwise spin. */
#define AWAIT_GAP_MS INT64_C(1000)
/* The gate is told when the difference between the clocks has changed by so much. */
#define CLOCK_MOVED_S 5

void state_init(struct state *s, const struct state_config *config, mono_t now)
{
        memset(s, 0, sizeof(*s));
        s->config = *config;
        s->now = now;
        s->random = config->seed | 1;
        s->seq = config->first_seq;
        /* Answers to an earlier link's questions must not fit ours. */
        s->probe_id = s->order_id = (uint32_t)config->first_seq;
        s->heartbeat_ms = STATE_HEARTBEAT_MS;
        s->phase = WIRE_PHASE_STARTING;
        s->hello_at = s->report_at = s->await_at = now;
        s->route = config->route;
        s->dial_at = now;
        s->restore_at = s->rest_at = s->final_failed_at = s->backup_at = s->sense_at = MONO_NEVER;
        s->restore_request_at = s->reported_at = now;
        s->save_at = s->save_started = now;
        saves_init(&s->saves);
}

void state_set_addr(struct state *s, const char *addr)
{
        STR_CUT(s->addr, addr);
}

struct state_action *state_act(struct state_actions *fx, enum state_action_type type)
{
        /* No single event leads to more than half of this. */
        assert(fx->n < STATE_ACTIONS_MAX);
        fx->v[fx->n] = (struct state_action){.type = type};
        return &fx->v[fx->n++];
}

struct state_action *state_order(struct state *s, struct state_actions *fx, uint32_t type,
                                 uint32_t flags)
{
        struct state_action *a = state_act(fx, STATE_ACT_CONTROL);

        a->control.type = type;
        a->control.id = ++s->order_id;
        a->control.flags = flags;
        a->control.committed_seq = s->saves.committed_seq;
        return a;
}

void state_trouble(struct state *s, enum state_trouble trouble, const char *what,
                   const char *detail)
{
        char text[WIRE_TEXT_SIZE];
        size_t n;

        STR_CUT(text, what);
        n = strlen(text);
        if (*detail && n + 2 < sizeof(text)) {
                str_copy_cut(text + n, sizeof(text) - n, ": ");
                str_copy_cut(text + n + 2, sizeof(text) - n - 2, detail);
        }
        if (s->trouble != trouble || strcmp(s->error, text) != 0)
                s->report_at = s->now;
        s->trouble = trouble;
        STR_CUT(s->error, text);
}

void state_fine(struct state *s, enum state_trouble trouble)
{
        if (s->trouble != trouble)
                return;
        s->trouble = STATE_FINE;
        s->error[0] = '\0';
        s->report_at = s->now;
}

/* Whether they differ in numbers only: "3 files are …" is no news after "2 files are …". */
static bool same_news(const char *a, const char *b)
{
        static const char digits[] = "0123456789";

        for (;;) {
                a += strspn(a, digits);
                b += strspn(b, digits);
                if (*a != *b)
                        return false;
                if (!*a)
                        return true;
                a++;
                b++;
        }
}

void state_notice(struct state *s, enum state_notice which, const char *text)
{
        if (same_news(s->notices[which], text))
                return;
        STR_CUT(s->notices[which], text);
        s->notices_new = true;
}

/* xorshift64: spreads retries, nothing more. */
static uint64_t next_random(struct state *s)
{
        s->random ^= s->random << 13;
        s->random ^= s->random >> 7;
        s->random ^= s->random << 17;
        return s->random;
}

int64_t state_backoff_ms(struct state *s, unsigned failures)
{
        static const int64_t table[] = {1000, 2000, 4000, 8000, 15000, 30000};
        int64_t ms = table[MIN(failures, ARRAY_LEN(table) - 1)];

        return ms - (int64_t)(next_random(s) % (uint64_t)(ms / 4));
}

/* ---- which controller ---- */

/* Away from this one; `wait_ms` is what the route said. */
static void leave(struct state *s, int64_t wait_ms, struct state_actions *fx)
{
        s->enrolled = false;
        s->leaving = true;
        s->dial_at = mono_add_ms(s->now, wait_ms);
        state_act(fx, STATE_ACT_HANG_UP);
}

static void on_connected(struct state *s)
{
        s->connected = true;
        s->dialling = s->leaving = s->enrolled = false;
        s->dial_at = MONO_NEVER;
        s->timeouts = s->not_leader = 0;
        /* A refusal that needs a person is not asked again faster by reconnecting. */
        if (!s->refused_code[0])
                s->hello_at = s->now;
}

static void on_disconnected(struct state *s, struct state_actions *fx)
{
        if (!s->leaving)
                s->dial_at = mono_add_ms(s->now, route_lost(&s->route, s->now));
        s->connected = s->leaving = s->enrolled = false;
        memset(s->busy, 0, sizeof(s->busy));
        /* A controller that is away stops nothing. */
        evidence_no_stop(s, fx);
}

static void on_dial_failed(struct state *s)
{
        s->dialling = s->leaving = false;
        s->dial_at = mono_add_ms(s->now, route_failed(&s->route, s->now));
}

static void dial_deadline(struct state *s, struct state_actions *fx)
{
        if (s->connected)
                return;
        if (s->dialling) {
                /* A machine that is gone lets a connect wait for minutes. */
                if (!s->leaving && mono_due(mono_add_ms(s->dial_since, STATE_DIAL_MS), s->now)) {
                        s->leaving = true;
                        state_act(fx, STATE_ACT_HANG_UP);
                }
                return;
        }
        if (!mono_due(s->dial_at, s->now))
                return;
        s->dialling = true;
        s->dial_since = s->now;
        state_act(fx, STATE_ACT_DIAL)->url = route_url(&s->route);
}

static mono_t dial_due(const struct state *s)
{
        if (s->connected)
                return MONO_NEVER;
        if (s->dialling)
                return s->leaving ? MONO_NEVER : mono_add_ms(s->dial_since, STATE_DIAL_MS);
        return s->dial_at;
}

/* Whether a message of this epoch is from who leads, as far as is known here. */
static bool epoch_take(struct state *s, uint64_t epoch)
{
        /* Not told: by a release that has no second controller. */
        if (epoch == 0)
                return true;
#ifndef LINK_PLANTED_ANY_EPOCH
        if (epoch < s->epoch && mono_diff_ms(s->epoch_at, s->now) < STATE_EPOCH_MS) {
                s->superseded++;
                return false;
        }
#endif
        s->epoch = epoch;
        s->epoch_at = s->now;
        return true;
}

static void on_not_leader(struct state *s, const struct wire_refused *m, struct state_actions *fx)
{
        int64_t wait_ms = route_redirect(&s->route, m->leader, s->now);
        bool led = s->enrolled;

        s->enrolled = false;
        s->refused_code[0] = '\0';
        if (wait_ms >= 0) {
                leave(s, wait_ms, fx);
        } else if (led && s->route.n > 1) {
                /* It led until now, and is cut off from the store: another one is not. */
                wait_ms = route_failed(&s->route, s->now);
                leave(s, wait_ms, fx);
        } else if (++s->not_leader >= NOT_LEADER_MAX && s->route.n > 1) {
                leave(s, route_next(&s->route), fx);
        } else {
                /* It may lead soon: the one that did has ended, or it has not heard yet. */
                wait_ms = MAX(m->retry_ms, RETRY_MS / 2);
                s->hello_at = mono_add_ms(s->now, wait_ms + route_random_ms(&s->route, wait_ms));
        }
}

/* ---- answers ---- */

/*
 * Links are signed with a time of the controller's clock: where this machine's is another, the gate
 * judges by that one. What is on its way for a moment makes a difference, too, but no large one.
 */
static void clock_take(struct state *s, int64_t controller_ms, struct state_actions *fx)
{
        int64_t off_ms = controller_ms - s->utc_ms, moved_s;

        if (controller_ms == 0 || s->utc_ms == 0)
                return;
        if (llabs(off_ms) < STATE_CLOCK_MS)
                off_ms = 0;
        s->clock_off_s = (int32_t)MAX(MIN(off_ms / 1000, INT32_MAX), INT32_MIN);
        moved_s = (int64_t)s->clock_off_s - s->clock_told_s;
        if (llabs(moved_s) >= CLOCK_MOVED_S || (off_ms == 0 && moved_s != 0))
                life_tell(s, fx);
}

static void on_welcome(struct state *s, const struct wire_welcome *m, struct state_actions *fx)
{
        if (!epoch_take(s, m->epoch)) {
                leave(s, route_failed(&s->route, s->now), fx);
                return;
        }
        s->epoch_here = m->epoch;
        route_welcomed(&s->route);
        s->route.window_ms = m->reconnect_ms;
        s->not_leader = 0;
        s->enrolled = true;
        s->welcomed = true;
        s->refused_code[0] = '\0';
        s->heartbeat_ms = m->heartbeat_ms;
        s->report_at = s->await_at = s->now;
        if (m->claim.workspace[0] && s->generation == 0)
                life_claim(s, &m->claim);
        /* Another generation is another life's message: what we hold stays, reports are refused. */
        if (m->claim.workspace[0] && m->claim.generation == s->generation) {
                restore_request(s, m->claim.restore);
                backup_grant(s, m->claim.saves, m->claim.n_saves, fx);
                life_keys(s, &m->claim, fx);
        }
        clock_take(s, m->utc_ms, fx);
        life_sync(s, fx);
        life_begin(s, fx);
}

static void on_refused(struct state *s, const struct wire_refused *m, struct state_actions *fx)
{
        bool was_hello = !s->enrolled;

        if (strcmp(m->code, "not-leader") == 0) {
                on_not_leader(s, m, fx);
                return;
        }
        STR_CUT(s->refused_code, m->code);
        STR_CUT(s->refused_reason, m->reason);
        if (was_hello) {
                /* "busy" passes by itself; all else needs a person. */
                int64_t wait = strcmp(m->code, "busy") == 0 ? RETRY_MS : STATE_REFUSED_MS;

                s->hello_at = mono_add_ms(s->now, MAX(m->retry_ms, wait));
                return;
        }
        /* Not known (any more) as what we say we are: introduce ourselves again. */
        s->enrolled = false;
        s->hello_at = mono_add_ms(s->now, MAX(m->retry_ms, RETRY_MS));
}

static void after_await(struct state *s)
{
        bool at_once = mono_diff_ms(s->await_sent, s->now) < AWAIT_GAP_MS;

        s->await_at = mono_add_ms(s->now, at_once ? AWAIT_GAP_MS : 0);
}

static void on_command(struct state *s, const struct wire_command *m, struct state_actions *fx)
{
        after_await(s);
#ifndef LINK_PLANTED_ACT_TWICE
        if (m->id <= s->seen_id)
                return;
#endif
        if (!epoch_take(s, m->epoch))
                return;
        s->await_at = s->now;
        s->seen_id = MAX(s->seen_id, m->id);
        life_command(s, m, fx);
}

static void on_ok(struct state *s, const struct wire_ok *m, struct state_actions *fx)
{
        s->heartbeat_ms = m->heartbeat_ms;
        s->route.window_ms = m->reconnect_ms;
        if (s->epoch_here == s->epoch)
                s->epoch_at = s->now;
        clock_take(s, m->utc_ms, fx);
        evidence_ok(s, m, fx);
        backup_grant(s, m->saves, m->n_saves, fx);
}

/* The message that this one answers; 0 for what a controller does not send. */
static uint64_t answers(const struct wire_msg *m)
{
        switch (m->type) {
        case WIRE_WELCOME:
                return m->welcome.re;
        case WIRE_REFUSED:
                return m->refused.re;
        case WIRE_OK:
                return m->ok.re;
        case WIRE_COMMAND:
                return m->command.re;
        case WIRE_NONE:
                return m->none.re;
        case WIRE_SAVED_ACK:
                return m->saved_ack.re;
        case WIRE_HELLO:
        case WIRE_REPORT:
        case WIRE_AWAIT:
        case WIRE_SAVED:
        case WIRE_TYPE_MAX:
                return 0;
        }
        return 0;
}

static void on_no_answer(struct state *s, enum state_line line, struct state_actions *fx);

static void on_answer(struct state *s, enum state_line line, const struct wire_msg *m,
                      struct state_actions *fx)
{
        /* "Refused, and I could not even read it" has no number. */
        bool unread = m->type == WIRE_REFUSED && m->refused.re == 0;

        if (!unread && answers(m) != s->sent_seq[line]) {
                on_no_answer(s, line, fx);
                return;
        }
        s->busy[line] = false;
        s->timeouts = 0;
        switch (m->type) {
        case WIRE_WELCOME:
                on_welcome(s, &m->welcome, fx);
                return;
        case WIRE_REFUSED:
                on_refused(s, &m->refused, fx);
                return;
        case WIRE_OK:
                on_ok(s, &m->ok, fx);
                return;
        case WIRE_COMMAND:
                on_command(s, &m->command, fx);
                return;
        case WIRE_NONE:
                after_await(s);
                return;
        case WIRE_SAVED_ACK:
                backup_ack(s, &m->saved_ack, fx);
                return;
        case WIRE_HELLO:
        case WIRE_REPORT:
        case WIRE_AWAIT:
        case WIRE_SAVED:
        case WIRE_TYPE_MAX:
                return;
        }
}

static void on_no_answer(struct state *s, enum state_line line, struct state_actions *fx)
{
        mono_t again = mono_add_ms(s->now, RETRY_MS);

        s->busy[line] = false;
        if (line == STATE_AWAIT_LINE) {
                s->await_at = again;
                return;
        }
        /* saves_to_tell() names it again by itself. */
        if (line == STATE_SAVED_LINE)
                return;
        if (!s->enrolled)
                s->hello_at = again;
        s->report_at = again;
        /* Where another may lead, a silence is followed up at once. */
        if (++s->timeouts >= (s->route.n > 1 ? 1 : TIMEOUTS_MAX) && s->connected && !s->leaving) {
                s->timeouts = 0;
                leave(s, route_failed(&s->route, s->now), fx);
        }
}

void state_step(struct state *s, const struct state_event *ev, mono_t now, struct state_actions *fx)
{
        s->now = now;
        switch (ev->type) {
        case STATE_CONNECTED:
                on_connected(s);
                break;
        case STATE_DISCONNECTED:
                on_disconnected(s, fx);
                break;
        case STATE_DIAL_FAILED:
                on_dial_failed(s);
                break;
        case STATE_ANSWER:
                s->utc_ms = ev->answer.utc_ms;
                on_answer(s, ev->answer.line, ev->answer.msg, fx);
                break;
        case STATE_NO_ANSWER:
                on_no_answer(s, ev->answer.line, fx);
                break;
        case STATE_CONTROL:
                life_control(s, ev->control.msg, ev->control.blob, fx);
                break;
        case STATE_GATE:
                life_channel(s, ev->channel, fx);
                break;
        case STATE_DEADLINE:
                break;
        }
        dial_deadline(s, fx);
        life_deadline(s, fx);
        restore_deadline(s, fx);
        backup_deadline(s, fx);
        if (s->notices_new)
                life_tell_notices(s, fx);
}

/* ---- what to send, and when ---- */

static mono_t line_due(const struct state *s, enum state_line line)
{
        if (!s->connected || s->leaving || s->busy[line])
                return MONO_NEVER;
        if (!s->enrolled)
                return line == STATE_REPORT_LINE && s->addr[0] ? s->hello_at : MONO_NEVER;
        if (line == STATE_AWAIT_LINE)
                return s->await_at;
        if (line == STATE_SAVED_LINE)
                return s->generation > 0 ? saves_tell_due(&s->saves) : MONO_NEVER;
        return s->report_at;
}

mono_t state_deadline(const struct state *s)
{
        mono_t due = mono_min(mono_min(dial_due(s), s->sense_at),
                              mono_min(restore_due(s), backup_due(s)));

        for (int line = 0; line < STATE_LINE_MAX; line++)
                due = mono_min(due, line_due(s, (enum state_line)line));
        return due;
}

static void build(struct state *s, enum state_line line, struct wire_msg *msg)
{
        struct saves_out *out;

        switch (line) {
        case STATE_REPORT_LINE:
                if (!s->enrolled) {
                        msg->type = WIRE_HELLO;
                        report_hello(s, s->seq, &msg->hello);
                        return;
                }
                msg->type = WIRE_REPORT;
                report_build(s, s->seq, &msg->report);
                evidence_reported(s);
                s->reported_at = s->now;
                s->report_at = mono_add_ms(s->now, s->heartbeat_ms);
                return;
        case STATE_AWAIT_LINE:
                msg->type = WIRE_AWAIT;
                report_await(s, s->seq, &msg->await);
                s->await_sent = s->now;
                return;
        case STATE_SAVED_LINE:
                out = saves_to_tell(&s->saves, s->now);
                assert(out);
                msg->type = WIRE_SAVED;
                report_saved(s, out, s->seq, &msg->saved);
                out->tell_at = mono_add_ms(s->now, RETRY_MS);
                return;
        case STATE_LINE_MAX:
                return;
        }
}

bool state_message(struct state *s, enum state_line line, mono_t now, struct wire_msg *ret_msg)
{
        s->now = now;
        if (!mono_due(line_due(s, line), now))
                return false;
        s->seq++;
        build(s, line, ret_msg);
        s->busy[line] = true;
        s->sent_seq[line] = s->seq;
        return true;
}
