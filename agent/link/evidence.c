/*
 * What gate and sense saw, as evidence for presence; the announced stop, for the gate; and when
 * there is something that the controller must know before it stops anybody.
 */
#include <string.h>

#include "base/str.h"
#include "link/internal.h"

/* So near is an announced stop that what puts it off is told at once, */
#define SOON_MS (6 * 60 * INT64_C(1000))
/* but not oftener than this. */
#define REPORT_GAP_MS INT64_C(1000)
/* The dates of two answers about the same stop differ by the time that they took. */
#define STOP_SLACK_MS INT64_C(1000)
/* As many as a gate can have open; more is junk. */
#define OPEN_MAX 65536

/* ---- what the controller has been told ---- */

static struct evidence_told now_known(const struct state *s)
{
        struct presence_verdict v;
        struct evidence_told t = {0};

        presence_judge(&s->presence, s->now, &v);
        if (v.person_age_ms != PRESENCE_NEVER)
                t.person = mono_add_ms(s->now, -v.person_age_ms);
        t.connected = v.connected;
        t.busy = v.busy_ms > 0;
        return t;
}

/* Ages are whole milliseconds, so the same moment comes back a little different. */
static bool person_is_newer(const struct evidence_told *now, const struct evidence_told *told)
{
        return mono_diff_ms(told->person, now->person) > 1;
}

void evidence_reported(struct state *s)
{
        s->evidence.told = now_known(s);
        s->evidence.told_at = s->now;
}

static void report_soon(struct state *s)
{
        mono_t at = mono_max(s->now, mono_add_ms(s->evidence.told_at, REPORT_GAP_MS));

        s->report_at = mono_min(s->report_at, at);
}

/* Whatever puts an announced stop off is news. */
static void tell_news(struct state *s, bool keep)
{
        const struct evidence *e = &s->evidence;
        struct evidence_told now;

        if (s->generation == 0)
                return;
        if (keep) {
                report_soon(s);
                return;
        }
        if (!e->stop_known || mono_diff_ms(s->now, e->stop_at) > SOON_MS)
                return;
        now = now_known(s);
        if (person_is_newer(&now, &e->told) || (now.connected && !e->told.connected) ||
            (now.busy && !e->told.busy))
                report_soon(s);
}

bool evidence_declines(const struct state *s, int64_t idle_ms)
{
        const struct evidence_told *known = &s->evidence.known;
        struct evidence_told now = now_known(s);

        /* Without a time to go by, whoever is here now is still not cut off. */
        if (mono_diff_ms(now.person, s->now) < MAX(idle_ms, 1))
                return true;
#ifdef LINK_PLANTED_STOP_BLINDLY
        return false;
#endif
        /* It was decided without knowing this. With it the controller may decide the same again. A
         * job is its matter alone: how long one may go on is not known here. */
        return person_is_newer(&now, known) || (now.connected && !known->connected);
}

/* ---- the announced stop ---- */

static void tell_notice(struct state *s, struct state_actions *fx)
{
        const struct evidence *e = &s->evidence;
        struct state_action *a = state_act(fx, STATE_ACT_GATE);

        a->channel.type = CHANNEL_GATE_NOTICE;
        a->channel.u.notice.stop_in_ms = -1;
        if (!e->stop_known)
                return;
        a->channel.u.notice.stop_in_ms = MAX(mono_diff_ms(s->now, e->stop_at), 0);
        STR_CUT(a->channel.u.notice.rule, e->stop_rule);
}

static void set_stop(struct state *s, bool known, mono_t at, const char *rule,
                     struct state_actions *fx)
{
        struct evidence *e = &s->evidence;
        int64_t apart = known && e->stop_known ? mono_diff_ms(e->stop_at, at) : 0;
        bool same = known == e->stop_known && apart < STOP_SLACK_MS && apart > -STOP_SLACK_MS &&
                    strcmp(e->stop_rule, rule) == 0;

        /* What the gate counts down stays the one that it was told: small steps add up. */
        if (same)
                return;
        e->stop_known = known;
        e->stop_at = at;
        STR_CUT(e->stop_rule, rule);
        tell_notice(s, fx);
}

void evidence_ok(struct state *s, const struct wire_ok *ok, struct state_actions *fx)
{
        s->evidence.known = s->evidence.told;
        set_stop(s, ok->stop_known, mono_add_ms(s->now, ok->stop_known ? ok->stop_in_ms : 0),
                 ok->stop_known ? ok->stop_rule : "", fx);
}

void evidence_no_stop(struct state *s, struct state_actions *fx)
{
        set_stop(s, false, s->now, "", fx);
}

/* ---- gate ---- */

void evidence_gate_hello(struct state *s, struct state_actions *fx)
{
        struct evidence *e = &s->evidence;

        memset(e->counted, 0, sizeof(e->counted));
        e->decoded = false;
        e->unknown_before += e->unknown;
        e->unknown = 0;
        /* Its connections went with it. */
        presence_hold(&s->presence, PRESENCE_ACTIVE, 0, s->now);
        presence_hold(&s->presence, PRESENCE_UNDECODED, 0, s->now);
        presence_hold(&s->presence, PRESENCE_CONNECTION, 0, s->now);
        presence_tracked(&s->presence, false);
        if (e->stop_known)
                tell_notice(s, fx);
}

/* Claims, terminals, files and jobs are not the gate's to speak of. */
static bool gate_may_say(uint8_t source)
{
        switch ((enum presence_source)source) {
        case PRESENCE_KEEP:
        case PRESENCE_INPUT:
        case PRESENCE_ACTIVE:
        case PRESENCE_SCROLL:
        case PRESENCE_TYPED:
        case PRESENCE_REQUEST:
        case PRESENCE_EVENT:
        case PRESENCE_CONNECTION:
        case PRESENCE_UNDECODED:
                return true;
        case PRESENCE_CLAIM:
        case PRESENCE_TERMINAL:
        case PRESENCE_APP_TERMINAL:
        case PRESENCE_FILE:
        case PRESENCE_JOB:
        case PRESENCE_SOURCE_MAX:
                return false;
        }
        return false;
}

/* How many are new, by the counter; that of a gate whose hello was lost starts again below. */
static uint32_t take_count(uint32_t *counted, uint32_t events)
{
        uint32_t more = events - *counted;

#ifndef LINK_PLANTED_COUNT_TWICE
        *counted = events;
#endif
        return more <= INT32_MAX ? more : 0;
}

/* Returns the notes that count, the oldest first: a late piece makes a poorer pair. */
static size_t sort_notes(const struct channel_msg *m, const struct channel_note **ret_notes)
{
        uint32_t n = MIN(m->u.evidence.n_notes, CHANNEL_NOTES_MAX);
        size_t k = 0;

        for (uint32_t i = 0; i < n; i++) {
                const struct channel_note *note = &m->u.evidence.notes[i];
                size_t at = k;

                if (!gate_may_say(note->source) || note->kind >= PRESENCE_KIND_MAX ||
                    note->age_ms < 0)
                        continue;
                for (; at > 0 && ret_notes[at - 1]->age_ms < note->age_ms; at--)
                        ret_notes[at] = ret_notes[at - 1];
                ret_notes[at] = note;
                k++;
        }
        return k;
}

/* True when "Keep working" was pressed. */
static bool take_notes(struct state *s, const struct channel_msg *m)
{
        const struct channel_note *notes[CHANNEL_NOTES_MAX];
        size_t n = sort_notes(m, notes);
        bool keep = false;

        for (size_t i = 0; i < n; i++) {
                enum presence_source source = (enum presence_source)notes[i]->source;
                enum presence_kind kind = (enum presence_kind)notes[i]->kind;
                /* Nothing is older than the machine's start. */
                int64_t age = MIN(notes[i]->age_ms, s->now.us / US_PER_MS);
                uint32_t more = take_count(&s->evidence.counted[source][kind], notes[i]->events);

                presence_note(&s->presence, source, kind, mono_add_ms(s->now, -age), more);
                keep = keep || (source == PRESENCE_KEEP && more > 0);
        }
        return keep;
}

static bool on_evidence(struct state *s, const struct channel_msg *m)
{
        uint32_t open = MIN(m->u.evidence.websockets, OPEN_MAX);
        bool keep;

        s->evidence.decoded = true;
        s->evidence.unknown = MIN(m->u.evidence.unknown, (uint64_t)WIRE_NUMBER_MAX / 2);
        keep = take_notes(s, m);
        presence_hold(&s->presence, PRESENCE_CONNECTION, open, s->now);
        presence_hold(&s->presence, PRESENCE_UNDECODED, MIN(m->u.evidence.undecoded, open), s->now);
        presence_hold(&s->presence, PRESENCE_ACTIVE, MIN(m->u.evidence.active, open), s->now);
        presence_tracked(&s->presence, m->u.evidence.tracked != 0);
        if (m->u.evidence.jobs > 0)
                presence_job(&s->presence, "notebook", s->now);
        return keep;
}

/* Until a gate tells evidence, all that is open counts as what can not be read. */
static void on_traffic(struct state *s, const struct channel_msg *m)
{
        uint32_t open = MIN(m->u.traffic.websockets, OPEN_MAX);

        if (s->evidence.decoded)
                return;
        presence_hold(&s->presence, PRESENCE_CONNECTION, open, s->now);
        presence_hold(&s->presence, PRESENCE_UNDECODED, open, s->now);
}

/* ---- sense ---- */

static void on_terminal(struct state *s, const struct channel_msg *m)
{
        uint32_t replies = MIN(m->u.terminal.replies, m->u.terminal.events);

        presence_note(&s->presence, PRESENCE_TERMINAL, PRESENCE_KIND_PERSON, s->now,
                      m->u.terminal.events - replies);
        presence_note(&s->presence, PRESENCE_TERMINAL, PRESENCE_KIND_MACHINE, s->now, replies);
        presence_note(&s->presence, PRESENCE_APP_TERMINAL, PRESENCE_KIND_HINT, s->now,
                      m->u.terminal.app_events);
}

static void on_job(struct state *s, const struct channel_msg *m)
{
        char name[sizeof(m->u.job.name)];

        if (m->u.job.jobs == 0)
                return;
        memcpy(name, m->u.job.name, sizeof(name));
        name[sizeof(name) - 1] = '\0';
        presence_job(&s->presence, *name ? name : "job", s->now);
}

void evidence_channel(struct state *s, const struct channel_msg *m)
{
        bool keep = false;

        switch (m->type) {
        case CHANNEL_GATE_EVIDENCE:
                keep = on_evidence(s, m);
                break;
        case CHANNEL_GATE_TRAFFIC:
                on_traffic(s, m);
                break;
        case CHANNEL_SENSE_FILES:
                /* The restore's own files are nobody's work. */
                if (s->restored && !s->rest_runs)
                        presence_note(&s->presence, PRESENCE_FILE, PRESENCE_KIND_HINT, s->now,
                                      m->u.files.workspace_events);
                break;
        case CHANNEL_SENSE_TERMINAL:
                on_terminal(s, m);
                break;
        case CHANNEL_SENSE_JOB:
                on_job(s, m);
                break;
        default: /* the number comes from another process */
                return;
        }
        tell_news(s, keep);
}

uint64_t evidence_unknown(const struct state *s)
{
        return MIN(s->evidence.unknown_before + s->evidence.unknown, (uint64_t)WIRE_NUMBER_MAX);
}
