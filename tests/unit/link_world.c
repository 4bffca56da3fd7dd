#include "base/str.h"
#include "link_world_internal.h"
#include "test.h"
#include "wire/blob.h"

#define GRANTS 8

static void after(struct world *w);

void world_note(struct world *w, const char *fmt, ...)
{
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(w->trace + w->trace_len, sizeof(w->trace) - w->trace_len, fmt, ap);
        va_end(ap);
        /* A long run keeps its beginning only. */
        if (n > 0 && w->trace_len + (size_t)n < sizeof(w->trace))
                w->trace_len += (size_t)n;
        w->trace[w->trace_len] = '\0';
}

void world_forget(struct world *w)
{
        w->trace_len = 0;
        w->trace[0] = '\0';
}

void world_expect(struct world *w, const char *lines)
{
        if (strcmp(w->trace, lines) != 0)
                fprintf(stderr, "--- expected\n%s--- got\n%s---\n", lines, w->trace);
        CHECK(strcmp(w->trace, lines) == 0);
        world_forget(w);
}

void world_later(struct world *w, int64_t ms, enum world_thing what, int64_t value)
{
        for (size_t i = 0; i < WORLD_PENDING_MAX; i++) {
                if (w->pending[i].what == WORLD_FREE) {
                        w->pending[i].at = mono_add_ms(w->now, ms);
                        w->pending[i].what = what;
                        w->pending[i].value = value;
                        return;
                }
        }
        CHECK(!"room for what is pending");
}

void world_forget_pending(struct world *w, enum world_thing what)
{
        for (size_t i = 0; i < WORLD_PENDING_MAX; i++) {
                if (w->pending[i].what == what)
                        w->pending[i].what = WORLD_FREE;
        }
}

void world_give(struct world *w, const struct state_event *ev)
{
        w->fx.n = 0;
        state_step(&w->s, ev, w->now, &w->fx);
        after(w);
}

/* ---- gate and sense ---- */

void world_channel(struct world *w, const struct channel_msg *m)
{
        world_give(w, &(struct state_event){.type = STATE_GATE, .channel = m});
}

static void take_channel(struct world *w, const struct channel_msg *m)
{
        switch (m->type) {
        case CHANNEL_GATE_CONFIG:
                world_note(w, "config %s%s%s\n", m->u.config.phase, *m->u.config.message ? " " : "",
                           m->u.config.message);
                STR_CUT(w->message, m->u.config.message);
                w->clock_off_s = m->u.config.clock_off_s;
                CHECK(*m->u.config.key && m->u.config.generation == w->generation);
                return;
        case CHANNEL_GATE_PROBE:
                world_note(w, "probe%s\n", m->u.probe.prime ? " prime" : "");
                world_forget_pending(w, WORLD_APP_UP);
                if (!w->app_never_up)
                        world_later(w, w->start_ms, WORLD_APP_UP, m->u.probe.id);
                return;
        case CHANNEL_GATE_APP_DOWN:
                world_note(w, "down\n");
                world_forget_pending(w, WORLD_APP_UP);
                return;
        case CHANNEL_GATE_NOTICE:
                w->notice_ms = m->u.notice.stop_in_ms;
                CHECK(memchr(m->u.notice.rule, '\0', sizeof(m->u.notice.rule)));
                CHECK((m->u.notice.stop_in_ms >= 0) == (m->u.notice.rule[0] != '\0'));
                world_note(w, "notice %lld %s\n", (long long)m->u.notice.stop_in_ms,
                           m->u.notice.rule);
                return;
        case CHANNEL_GATE_TELL:
                memcpy(w->notices, m->u.tell.text, sizeof(w->notices));
                return;
        case CHANNEL_SENSE_BEGIN:
                world_note(w, "sense\n");
                return;
        default:
                CHECK(!"a message to gate or sense");
        }
}

void world_gate_sees(struct world *w, enum presence_source s, enum presence_kind k)
{
        w->gate.events[s][k]++;
        w->gate.at[s][k] = w->now;
}

void world_gate_tell(struct world *w)
{
        struct channel_msg m = {.type = CHANNEL_GATE_EVIDENCE};

        for (unsigned i = 0; i < PRESENCE_SOURCE_MAX * PRESENCE_KIND_MAX; i++) {
                unsigned s = i / PRESENCE_KIND_MAX, k = i % PRESENCE_KIND_MAX;
                struct channel_note *to = &m.u.evidence.notes[m.u.evidence.n_notes];

                if (w->gate.events[s][k] == 0)
                        continue;
                CHECK(m.u.evidence.n_notes < CHANNEL_NOTES_MAX);
                m.u.evidence.n_notes++;
                to->source = (uint8_t)s;
                to->kind = (uint8_t)k;
                to->events = w->gate.events[s][k];
                to->age_ms = mono_diff_ms(w->gate.at[s][k], w->now);
        }
        m.u.evidence.websockets = w->gate.websockets;
        m.u.evidence.undecoded = w->gate.undecoded;
        m.u.evidence.active = w->gate.active;
        m.u.evidence.jobs = w->gate.jobs;
        m.u.evidence.tracked = !w->gate.untracked;
        m.u.evidence.unknown = w->gate.unknown;
        world_channel(w, &m);
}

void world_change(struct world *w)
{
        struct channel_msg m = {.type = CHANNEL_SENSE_FILES};

        m.u.files.workspace_events = 1;
        world_channel(w, &m);
}

void world_file_stream(struct world *w, int64_t every_ms)
{
        world_later(w, every_ms, WORLD_CHANGE, every_ms);
}

/* ---- controller ---- */

static void grant(struct world *w, struct wire_save *saves, uint32_t *n, uint64_t above)
{
        w->granted_seq = MAX(w->granted_seq, above);
        for (*n = 0; *n < GRANTS; ++*n) {
                struct wire_save *to = &saves[*n];

                to->seq = ++w->granted_seq;
                w->granted_at[to->seq % WORLD_GRANTS_MAX] = w->now;
                snprintf(to->request, sizeof(to->request),
                         "{\"workspace\":\"ws-a\",\"generation\":%llu,\"seq\":%llu}",
                         (unsigned long long)w->generation, (unsigned long long)to->seq);
        }
}

static void fill_claim(struct world *w, struct wire_claim *c)
{
        STR_CUT(c->workspace, "ws-a");
        c->generation = w->generation;
        STR_CUT(c->host, "ws-a.localhost:8080");
        memset(c->gate_key, 'a', sizeof(c->gate_key) - 1);
        c->idle_ms = 1800000;
        c->home = w->home;
        c->backup_ms = w->backup_ms;
        c->backup_in_ms = w->backup_in_ms;
        snprintf(c->restore, sizeof(c->restore), "{\"restore\":%llu}",
                 (unsigned long long)++w->restore_requests);
        w->restore_given_at = w->now;
        grant(w, c->saves, &c->n_saves, 0);
}

void world_answer(struct world *w, enum state_line line, const struct wire_msg *m)
{
        world_give(w, &(struct state_event){.type = STATE_ANSWER,
                                            .answer.line = line,
                                            .answer.msg = m,
                                            .answer.utc_ms = WORLD_UTC_MS});
}

static void on_hello(struct world *w, const struct wire_hello *m, struct wire_msg *reply)
{
        w->hellos++;
        world_note(w, "> hello %llu\n", (unsigned long long)m->generation);
        CHECK_STR(m->nonce, "0123456789abcdef0123456789abcdef");
        reply->type = WIRE_WELCOME;
        reply->welcome.re = m->seq;
        reply->welcome.v = 1;
        reply->welcome.heartbeat_ms = 5000;
        reply->welcome.epoch = w->hosts[w->at].epoch;
        reply->welcome.reconnect_ms = w->hosts[w->at].window_ms;
        reply->welcome.utc_ms = w->hosts[w->at].clock_ms;
        if (w->claimed)
                fill_claim(w, &reply->welcome.claim);
}

static void on_report(struct world *w, const struct wire_report *m, struct wire_msg *reply)
{
        CHECK(m->acted_id >= w->report.acted_id || w->hellos > 1);
        w->report = *m;
        w->reports++;
        w->unsaved_ms_max = MAX(w->unsaved_ms_max, m->unsaved_age_ms);
        reply->type = WIRE_OK;
        reply->ok.re = m->seq;
        reply->ok.heartbeat_ms = 5000;
        reply->ok.reconnect_ms = w->hosts[w->at].window_ms;
        reply->ok.utc_ms = w->hosts[w->at].clock_ms;
        if (w->idle_ms > 0 && m->person_age_ms >= 0) {
                reply->ok.stop_known = true;
                reply->ok.stop_in_ms = MAX(w->idle_ms - m->person_age_ms, 0);
                STR_CUT(reply->ok.stop_rule, "idle");
        }
        if (m->generation > 0 && m->grants_left < 4)
                grant(w, reply->ok.saves, &reply->ok.n_saves, m->grant_seq);
}

static void on_saved(struct world *w, const struct wire_saved *m, struct wire_msg *reply)
{
        world_note(w, "> saved %llu%s%s\n", (unsigned long long)m->save_seq,
                   m->final ? " final" : "", m->unchanged ? " unchanged" : "");
        CHECK(m->generation == w->generation);
        CHECK(m->unchanged || m->save_seq <= w->uploaded_seq);
        reply->type = WIRE_SAVED_ACK;
        reply->saved_ack.re = m->seq;
        reply->saved_ack.generation = m->generation;
        reply->saved_ack.save_seq = m->save_seq;
        reply->saved_ack.commit = w->answer == WORLD_COMMIT    ? WIRE_COMMIT_COMMITTED
                                  : w->answer == WORLD_PENDING ? WIRE_COMMIT_PENDING
                                                               : WIRE_COMMIT_REFUSED;
        if (w->answer != WORLD_COMMIT)
                return;
        if (!m->unchanged)
                w->committed_seq = MAX(w->committed_seq, m->save_seq);
        w->final_committed = w->final_committed || m->final;
}

static bool send_one(struct world *w, enum state_line line)
{
        static struct wire_msg reply;

        if (!state_message(&w->s, line, w->now, &w->msg))
                return false;
        memset(&reply, 0, sizeof(reply));
        CHECK(w->reachable);
        if (w->answer == WORLD_SILENT)
                return false;
        if (w->hosts[w->at].does == WORLD_FROZEN) {
                if (line == STATE_REPORT_LINE)
                        world_later(w, 3000, WORLD_NO_ANSWER, (int64_t)w->s.sent_seq[line]);
                return false;
        }
        if (w->hosts[w->at].does == WORLD_FOLLOWS) {
                world_refuse(w, line);
                return true;
        }
        if (line == STATE_AWAIT_LINE) {
                w->await_open = true;
                w->await_seq = w->msg.await.seq;
                w->await_acted = w->msg.await.acted_id;
                if (w->command.id > w->await_acted) {
                        world_deliver(w);
                } else {
                        world_forget_pending(w, WORLD_NONE);
                        world_later(w, 25000, WORLD_NONE, 0);
                }
                return false;
        }
        if (w->msg.type == WIRE_HELLO)
                on_hello(w, &w->msg.hello, &reply);
        else if (w->msg.type == WIRE_SAVED)
                on_saved(w, &w->msg.saved, &reply);
        else
                on_report(w, &w->msg.report, &reply);
        world_answer(w, line, &reply);
        return true;
}

void world_deliver(struct world *w)
{
        static struct wire_msg m;

        if (!w->await_open)
                return;
        w->await_open = false;
        world_forget_pending(w, WORLD_NONE);
        memset(&m, 0, sizeof(m));
        m.type = WIRE_COMMAND;
        m.command = w->command;
        if (w->hosts[w->at].epoch > 0 && m.command.epoch == 0)
                m.command.epoch = w->hosts[w->at].epoch;
        m.command.re = w->await_seq;
        world_answer(w, STATE_AWAIT_LINE, &m);
}

uint64_t world_command(struct world *w, enum wire_verb verb)
{
        memset(&w->command, 0, sizeof(w->command));
        w->command.id = ++w->last_command;
        w->command.verb = verb;
        w->command.idle_ms = 1800000;
        if (verb == WIRE_VERB_CLAIM) {
                w->claimed = true;
                w->generation = 3;
                fill_claim(w, &w->command.claim);
        }
        w->command.generation = w->generation;
        world_deliver(w);
        return w->last_command;
}

/* ---- time ---- */

static void after(struct world *w)
{
        static struct state_actions mine;

        mine = w->fx;
        w->fx.n = 0;
        for (size_t i = 0; i < mine.n; i++) {
                if (mine.v[i].type == STATE_ACT_CONTROL)
                        world_take_order(w, &mine.v[i]);
                else if (mine.v[i].type == STATE_ACT_DIAL)
                        world_dial(w, mine.v[i].url);
                else if (mine.v[i].type == STATE_ACT_HANG_UP)
                        world_hang_up(w);
                else
                        take_channel(w, &mine.v[i].channel);
        }
        (void)(send_one(w, STATE_REPORT_LINE) || send_one(w, STATE_SAVED_LINE) ||
               send_one(w, STATE_AWAIT_LINE));
}

static void happen(struct world *w, enum world_thing what, int64_t value)
{
        struct channel_msg m = {.type = CHANNEL_GATE_APP_UP};

        switch (what) {
        case WORLD_APP_STARTED:
                if (w->app == CONTROL_APP_RUNNING)
                        world_tell(w, CONTROL_STATE, 0, 0, 0, "");
                return;
        case WORLD_APP_UP:
                m.u.app_up.id = (uint32_t)value;
                if (w->app == CONTROL_APP_RUNNING)
                        world_channel(w, &m);
                return;
        case WORLD_APP_STOPPED:
                world_end_stop(w);
                return;
        case WORLD_RESTORED:
                world_end_restore(w);
                return;
        case WORLD_REST_DONE:
                world_end_rest(w, value);
                return;
        case WORLD_PROGRESS:
                world_tell_progress(w, value);
                return;
        case WORLD_SAVED:
                world_end_save(w, value ? CONTROL_HELD : 0);
                return;
        case WORLD_HELD:
                world_save_held(w);
                return;
        case WORLD_CHANGE:
                if (w->app == CONTROL_APP_RUNNING && !w->app_primed)
                        world_change(w);
                world_file_stream(w, value);
                return;
        case WORLD_NONE:
                w->await_open = false;
                w->msg = (struct wire_msg){.type = WIRE_NONE, .none.re = w->await_seq};
                world_answer(w, STATE_AWAIT_LINE, &w->msg);
                return;
        case WORLD_DIALLED:
                world_dialled(w, (int)value);
                return;
        case WORLD_HUNG_UP:
                world_hung_up(w);
                return;
        case WORLD_NO_ANSWER:
                if (w->s.busy[STATE_REPORT_LINE] &&
                    w->s.sent_seq[STATE_REPORT_LINE] == (uint64_t)value)
                        world_give(w, &(struct state_event){.type = STATE_NO_ANSWER,
                                                            .answer.line = STATE_REPORT_LINE});
                return;
        case WORLD_FREE:
                return;
        }
}

void world_run(struct world *w, int64_t ms)
{
        mono_t end = mono_add_ms(w->now, ms);

        for (int turns = 0;; turns++) {
                mono_t due = state_deadline(&w->s);
                size_t first = WORLD_PENDING_MAX;

                /* link must never ask to be called again without getting anywhere */
                CHECK(turns < 200000);
                for (size_t i = 0; i < WORLD_PENDING_MAX; i++) {
                        if (w->pending[i].what != WORLD_FREE &&
                            (first == WORLD_PENDING_MAX ||
                             mono_before(w->pending[i].at, w->pending[first].at)))
                                first = i;
                }
                if (first < WORLD_PENDING_MAX && !mono_before(due, w->pending[first].at)) {
                        enum world_thing what = w->pending[first].what;

                        if (mono_before(end, w->pending[first].at))
                                break;
                        w->now.us = MAX(w->now.us, w->pending[first].at.us);
                        w->pending[first].what = WORLD_FREE;
                        happen(w, what, w->pending[first].value);
                        continue;
                }
                if (mono_before(end, due))
                        break;
                w->now.us = MAX(w->now.us, due.us);
                world_give(w, &(struct state_event){.type = STATE_DEADLINE});
        }
        w->now = end;
}

void world_until(struct world *w, enum wire_phase phase, int64_t ms)
{
        for (int64_t t = 0; t < ms && w->s.phase != phase; t += 50)
                world_run(w, 50);
        if (w->s.phase != phase)
                fprintf(stderr, "phase %s instead of %s, error \"%s\"\n%s",
                        wire_phase_name(w->s.phase), wire_phase_name(phase), w->s.error, w->trace);
        CHECK(w->s.phase == phase);
        world_run(w, 0);
}

/* ---- crashes ---- */

void world_boot_link(struct world *w)
{
        struct state_config config = {
                .save_after_ms = 20000,
                .seed = w->seed,
                .first_seq = (uint64_t)w->now.us,
        };

        CHECK_INT(route_init(&config.route, w->urls ? w->urls : "tcp://127.0.0.1:7700", w->seed),
                  0);
        STR_CUT(config.task, "t-0000000001");
        STR_CUT(config.nonce, "0123456789abcdef0123456789abcdef");
        memset(config.secret, 'b', sizeof(config.secret) - 1);
        STR_CUT(config.agent, "test");
        STR_CUT(config.health_path, "/healthz");
        STR_CUT(config.prime_path, "/");
        STR_CUT(config.workspace, "/home/student/workspace");
        STR_CUT(config.home, "/home/student");
        state_init(&w->s, &config, w->now);
        state_set_addr(&w->s, "127.0.0.1:1234");
        w->await_open = false;
        world_forget_pending(w, WORLD_NONE);
}

void world_prepare(struct world *w)
{
        memset(w, 0, sizeof(*w));
        w->now = (mono_t){INT64_C(100000000000)};
        w->notice_ms = -1;
        w->start_ms = 400;
        w->stop_ms = 4000;
        w->restore_ms = 700;
        w->save_ms = 500;
        w->rest_ms = 3000;
        w->reachable = true;
        w->seed = 12345;
}

void world_init(struct world *w)
{
        world_prepare(w);
        world_boot_link(w);
        world_tell(w, CONTROL_STATE, 0, 0, 0, "");
        world_reconnect(w);
}

void world_crash_link(struct world *w)
{
        world_note(w, "! link\n");
        world_boot_link(w);
        if (w->urls) {
                w->at = -1;
                w->reachable = false;
                world_forget_pending(w, WORLD_DIALLED);
                world_forget_pending(w, WORLD_HUNG_UP);
        }
        world_tell(w, CONTROL_STATE, 0, 0, 0, "");
        if (w->reachable)
                world_reconnect(w);
}

void world_crash_gate(struct world *w)
{
        struct channel_msg m = {.type = CHANNEL_GATE_HELLO};

        world_note(w, "! gate\n");
        memset(&w->gate, 0, sizeof(w->gate));
        world_forget_pending(w, WORLD_APP_UP);
        m.u.hello.port = 1234;
        world_channel(w, &m);
}

void world_crash_sense(struct world *w)
{
        world_note(w, "! sense\n");
        world_channel(w, &(struct channel_msg){.type = CHANNEL_SENSE_HELLO});
}

void world_crash_app(struct world *w)
{
        if (w->app != CONTROL_APP_RUNNING)
                return;
        world_note(w, "! app\n");
        w->app = w->app_primed ? CONTROL_APP_NONE : CONTROL_APP_BACKOFF;
        world_tell(w, CONTROL_APP_EXITED, 1, 0, 0, "");
        if (w->app == CONTROL_APP_BACKOFF)
                w->app = CONTROL_APP_RUNNING;
}

void world_sigterm(struct world *w)
{
        world_note(w, "! term\n");
        w->terminating = true;
        world_tell(w, CONTROL_TERMINATING, 0, 0, 0, "");
        if (w->app != CONTROL_APP_STOPPING)
                world_later(w, w->stop_ms, WORLD_APP_STOPPED, 0);
        w->app = CONTROL_APP_STOPPING;
        world_kill_rest(w);
}

void world_restart_init(struct world *w)
{
        memset(w->pending, 0, sizeof(w->pending));
        w->app = CONTROL_APP_NONE;
        w->app_primed = w->restore_runs = w->rest_runs = w->save_runs = false;
        w->held_seq = 0;
}

void world_cut(struct world *w)
{
        w->reachable = false;
        w->await_open = false;
        world_forget_pending(w, WORLD_NONE);
        world_give(w, &(struct state_event){.type = STATE_DISCONNECTED});
}

void world_reconnect(struct world *w)
{
        w->reachable = true;
        world_give(w, &(struct state_event){.type = STATE_CONNECTED});
}

void world_to(struct world *w, enum wire_phase phase)
{
        world_init(w);
        if (phase == WIRE_PHASE_STARTING || phase == WIRE_PHASE_PRIMING)
                return;
        world_until(w, WIRE_PHASE_WARM, 20000);
        if (phase == WIRE_PHASE_WARM)
                return;
        world_command(w, WIRE_VERB_CLAIM);
        if (phase == WIRE_PHASE_RESTORING)
                return;
        world_until(w, WIRE_PHASE_APP_STARTING, 20000);
        if (phase == WIRE_PHASE_APP_STARTING)
                return;
        world_until(w, WIRE_PHASE_READY, 20000);
        if (phase == WIRE_PHASE_READY)
                return;
        world_run(w, 30000);
        if (phase == WIRE_PHASE_SAVE_FAILED) {
                w->save_error = "disk-full";
                w->save_errors_left = 1;
        }
        world_command(w, WIRE_VERB_PREPARE_STOP);
        world_until(w, phase, 60000);
}
