#include "life.h"

#include <stdlib.h>

#include "base/str.h"
#include "link/internal.h"

#define STOPS_MAX 4096

struct life {
        struct idle_limits limits;
        struct state link; /* of the agent: takes what gate and sense tell, and owns the verdict */
        uint32_t events[PRESENCE_SOURCE_MAX][PRESENCE_KIND_MAX]; /* counted by the gate so far */
        struct idle_stop plan; /* what the controller made of the last heartbeat */
        mono_t claim, person_at;
        bool running;
        size_t n_stops;
        struct life_stop stops[STOPS_MAX];
};

static void begin(struct life *l, mono_t now)
{
        l->link.now = now;
        presence_restart(&l->link.presence, now);
        evidence_no_stop(&l->link, &(struct state_actions){0});
        l->link.report_at = mono_add_ms(now, LIFE_HEARTBEAT_MS);
        l->claim = l->person_at = now;
        l->plan = (struct idle_stop){.due = MONO_NEVER};
        l->running = true;
}

struct life *life_new(const struct idle_limits *limits, mono_t now)
{
        struct life *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        state_init(&l->link, &(struct state_config){.seed = 1}, now);
        l->link.restored = true;
        l->link.generation = 1;
        l->limits = *limits;
        begin(l, now);
        return l;
}

struct life *life_free(struct life *l)
{
        free(l);
        return NULL;
}

void life_act(struct life *l, mono_t now)
{
        if (l->running)
                return;
        l->stops[l->n_stops - 1].resumed = now;
        begin(l, now);
}

/* As gate/report.c tells it: counts since the gate's beginning, a person's notes first. */
static void tell_evidence(struct life *l, const struct moment *m)
{
        struct channel_msg msg = {.type = CHANNEL_GATE_EVIDENCE};
        uint32_t n = 0;

        for (int k = 0; k < PRESENCE_KIND_MAX; k++) {
                for (int s = 0; s < PRESENCE_SOURCE_MAX && n < CHANNEL_NOTES_MAX; s++) {
                        if (m->note[s][k].events == 0)
                                continue;
                        l->events[s][k] += m->note[s][k].events;
                        msg.u.evidence.notes[n++] =
                                (struct channel_note){.source = (uint8_t)s,
                                                      .kind = (uint8_t)k,
                                                      .events = l->events[s][k],
                                                      .age_ms = m->note[s][k].age_ms};
                }
        }
        msg.u.evidence.n_notes = n;
        msg.u.evidence.websockets = m->websockets;
        msg.u.evidence.undecoded = m->undecoded;
        msg.u.evidence.active = m->active;
        msg.u.evidence.tracked = m->tracked;
        msg.u.evidence.jobs = m->jobs;
        evidence_channel(&l->link, &msg);
}

/* As sense/sense.c tells it: only what there is. */
static void tell_senses(struct life *l, const struct moment *m)
{
        struct channel_msg terminal = {.type = CHANNEL_SENSE_TERMINAL};
        struct channel_msg files = {.type = CHANNEL_SENSE_FILES};
        struct channel_msg job = {.type = CHANNEL_SENSE_JOB};

        terminal.u.terminal.events = m->terminal.events;
        terminal.u.terminal.replies = m->terminal.replies;
        terminal.u.terminal.app_events = m->terminal.app_events;
        if (m->terminal.events + m->terminal.app_events > 0)
                evidence_channel(&l->link, &terminal);
        files.u.files.workspace_events = m->files.workspace_events;
        if (m->files.workspace_events > 0)
                evidence_channel(&l->link, &files);
        job.u.job.jobs = m->job.busy;
        STR_CUT(job.u.job.name, m->job.name);
        if (m->job.busy > 0)
                evidence_channel(&l->link, &job);
}

/* The controller's answer: when it would stop this workspace, and that it knows what was reported.
 */
static void answer(struct life *l, mono_t now)
{
        struct wire_ok ok = {.heartbeat_ms = LIFE_HEARTBEAT_MS};
        struct state_actions fx = {0};

        ok.stop_known = !mono_is_never(l->plan.due);
        ok.stop_in_ms = ok.stop_known ? MAX(mono_diff_ms(now, l->plan.due), 0) : 0;
        STR_CUT(ok.stop_rule, idle_rule_name(l->plan.rule));
        evidence_reported(&l->link);
        evidence_ok(&l->link, &ok, &fx);
}

/* The controller takes a report: newer evidence only ever makes the person younger. */
static void heartbeat(struct life *l, mono_t now)
{
        struct presence_verdict v;
        struct idle_facts f = {.now = now, .claim_at = l->claim};
        mono_t person;

        presence_judge(&l->link.presence, now, &v);
        person = mono_add_ms(now, -MAX(v.person_age_ms, 0));
        if (mono_before(l->person_at, person))
                l->person_at = person;
        f.person_at = l->person_at;
        f.busy_ms = v.busy_ms;
        f.never_connected = v.never_connected;
        f.connected = v.connected;
        f.disconnected_at = mono_add_ms(now, -v.disconnected_ms);
        l->plan = idle_stop_of(&l->limits, &f);
        l->link.report_at = mono_add_ms(now, LIFE_HEARTBEAT_MS);
        answer(l, now);
}

static void stop(struct life *l, const struct presence_verdict *v, mono_t now)
{
        if (l->n_stops == STOPS_MAX)
                abort();
        l->stops[l->n_stops++] = (struct life_stop){
                .at = now,
                .rule = l->plan.rule,
                .resumed = MONO_NEVER,
                .person_by = v->person_by,
                .person_age_ms = v->person_age_ms,
        };
        l->running = false;
        presence_stop(&l->link.presence);
}

void life_second(struct life *l, const struct moment *m, mono_t now)
{
        struct presence_verdict v;

        l->link.now = now;
        tell_evidence(l, m);
        tell_senses(l, m);
        if (!l->running)
                return;
        if (mono_due(l->link.report_at, now))
                heartbeat(l, now);
        if (!mono_due(l->plan.due, now))
                return;
        /* Whoever carries it out looks again, and leaves it alone if a person has come back. */
        if (evidence_declines(&l->link, l->plan.absent_ms)) {
                heartbeat(l, now);
                return;
        }
        presence_judge(&l->link.presence, now, &v);
        stop(l, &v, now);
}

bool life_running(const struct life *l)
{
        return l->running;
}

void life_judge(const struct life *l, mono_t now, struct presence_verdict *ret_verdict)
{
        presence_judge(&l->link.presence, now, ret_verdict);
}

const struct life_stop *life_stop(const struct life *l, size_t i)
{
        return i < l->n_stops ? &l->stops[i] : NULL;
}
