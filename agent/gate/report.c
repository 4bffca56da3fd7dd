#include "gate/report.h"

#include <assert.h>

#include "base/log.h"
#include "gate/gate.h"

#define REPORT_MIN_MS 1000
#define REPORT_MAX_MS 10000

/* --- what matters --- */

static uint64_t mix(uint64_t sum, uint64_t value)
{
        return (sum ^ value) * UINT64_C(0x100000001b3); /* FNV-1a, by words */
}

static uint64_t traffic_sum(const struct gate *g)
{
        uint64_t sum = mix(0, g->relays);

        sum = mix(sum, g->websockets);
        sum = mix(sum, g->requests);
        return mix(sum, g->refused);
}

static uint64_t evidence_sum(const struct observer_tally *t)
{
        uint64_t sum = mix(0, t->websockets);

        sum = mix(sum, t->undecoded);
        sum = mix(sum, t->active);
        sum = mix(sum, t->tracked);
        sum = mix(sum, t->jobs);
        for (int source = 0; source < PRESENCE_SOURCE_MAX; source++) {
                for (int kind = 0; kind < PRESENCE_KIND_MAX; kind++) {
                        if (kind != PRESENCE_KIND_MACHINE)
                                sum = mix(sum, t->note[source][kind].events);
                }
        }
        return sum;
}

/* --- the records --- */

static void send_traffic(struct gate *g, mono_t now)
{
        int64_t age = !g->ever_open ? -1 : g->relays > 0 ? 0 : mono_diff_ms(g->last_open, now);
        struct channel_msg m = {
                .type = CHANNEL_GATE_TRAFFIC,
                .u.traffic = {.connections = g->relays,
                              .websockets = g->websockets,
                              .requests = g->requests,
                              .bytes_in = g->bytes_in,
                              .bytes_out = g->bytes_out,
                              .refused = g->refused,
                              .open_age_ms = age},
        };

        gate_tell_link(g, &m);
        g->report.traffic = traffic_sum(g);
}

/* A person's notes first: if ever there are too many, a machine's are left out. */
static void put_notes(struct channel_msg *m, const struct observer_tally *t, mono_t now)
{
        uint32_t n = 0;

        for (int kind = 0; kind < PRESENCE_KIND_MAX; kind++) {
                for (int source = 0; source < PRESENCE_SOURCE_MAX; source++) {
                        if (t->note[source][kind].events == 0 || n == CHANNEL_NOTES_MAX)
                                continue;
                        m->u.evidence.notes[n++] = (struct channel_note){
                                .source = (uint8_t)source,
                                .kind = (uint8_t)kind,
                                .events = (uint32_t)MIN(t->note[source][kind].events, UINT32_MAX),
                                .age_ms = MAX(mono_diff_ms(t->note[source][kind].at, now), 0),
                        };
                }
        }
        m->u.evidence.n_notes = n;
}

/* Each reason once in a row: a page that tries again and again is one piece of news. */
static void log_broken(struct gate *g, const struct observer_tally *t)
{
        if (!t->broken_reason || t->broken_reason == g->report.broken_reason)
                return;
        g->report.broken_reason = t->broken_reason;
        log_warn("an editor's WebSocket can not be decoded: cautious evidence is used",
                 LOG_STR("reason", t->broken_reason), LOG_INT("streams", t->broken));
}

static void send_evidence(struct gate *g, mono_t now)
{
        struct channel_msg m = {.type = CHANNEL_GATE_EVIDENCE};
        struct observer_tally t;

        observer_tally(g->observer, now, &t);
        m.u.evidence.websockets = t.websockets;
        m.u.evidence.undecoded = t.undecoded;
        m.u.evidence.active = t.active;
        m.u.evidence.tracked = t.tracked;
        m.u.evidence.jobs = t.jobs;
        m.u.evidence.unknown = t.unknown;
        put_notes(&m, &t, now);
        gate_tell_link(g, &m);
        log_broken(g, &t);
        g->report.evidence = evidence_sum(&t);
}

/* A name that no rule has is news for who writes the rules: each once. */
static void log_unknown(struct gate *g)
{
        const char *name;
        uint64_t count;

        while ((name = observer_unknown(g->observer, g->report.n_unknown, &count))) {
                log_info("no presence rule has this name", LOG_STR("name", name),
                         LOG_INT("count", count));
                g->report.n_unknown++;
        }
}

static void send_all(struct gate *g)
{
        mono_t now = loop_now(g->loop);

        send_traffic(g, now);
        send_evidence(g, now);
        log_unknown(g);
        g->report.sent = now;
        g->report.any = true;
        g->report.seen = false;
        loop_timer_set(&g->report.timer, mono_add_ms(now, REPORT_MAX_MS));
}

/* --- when --- */

static void on_timer(void *ctx)
{
        send_all(ctx);
}

static void send_soon(struct gate *g)
{
        mono_t now = loop_now(g->loop);
        mono_t due = g->report.any ? mono_add_ms(g->report.sent, REPORT_MIN_MS) : now;

        loop_timer_set(&g->report.timer, mono_min(due, g->report.timer.due));
}

void report_init(struct gate *g)
{
        loop_timer_init(g->loop, &g->report.timer, on_timer, g);
        loop_timer_set_in(&g->report.timer, REPORT_MIN_MS);
}

void report_seen(struct gate *g)
{
        g->report.seen = true;
}

void report_look(void *ctx)
{
        struct gate *g = ctx;
        bool changed = traffic_sum(g) != g->report.traffic;

        if (!changed && g->report.seen) {
                struct observer_tally t;

                observer_tally(g->observer, loop_now(g->loop), &t);
                changed = evidence_sum(&t) != g->report.evidence;
        }
        g->report.seen = false;
        if (changed)
                send_soon(g);
}

void report_keep(struct gate *g)
{
        mono_t now = loop_now(g->loop);

        g->report.seen = true;
        if (g->report.any_kept && mono_diff_ms(g->report.kept, now) < REPORT_MIN_MS)
                return;
        g->report.kept = now;
        g->report.any_kept = true;
        send_all(g);
}
