/*
 * presence_replay: one recording through what the agent and the controller do, in virtual time.
 *
 *   presence_replay --rules FILE [--limit 30m] [--until MS] [--loop-from MS] [--timeline] [--trace]
 *                   RECORDING
 *
 * One JSON object on stdout; with --trace each decoded message as a line on stderr. Exit code 0; 2
 * with a sentence when the recording or the rules cannot be read; 64 for the wrong arguments.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "profile/rules_parse.h"
#include "clients.h"
#include "life.h"
#include "recording.h"
#include "world.h"

#define SECOND_MS 1000
#define TIMELINE_MS 60000
/* Ages reach behind a recording's beginning. */
#define BEGIN ((mono_t){INT64_C(86400) * US_PER_S})

struct replay {
        struct recording *recording;
        struct observer *observer;
        struct clients *clients;
        struct world *world;
        struct life *life;
        struct observer_tally before; /* a second ago */
        int64_t second_ms;            /* the next one */
        int64_t loop_from_ms;         /* seconds from here on are kept; -1: none */
        struct moment *kept;
        size_t n_kept, kept_max;
        uint64_t sightings;
        bool trace;
        cJSON *timeline; /* NULL: not wanted */
};

struct options {
        const char *rules, *recording;
        int64_t limit_ms, until_ms, loop_from_ms;
        bool timeline, trace;
};

static mono_t at(int64_t ms)
{
        return mono_add_ms(BEGIN, ms);
}

static int64_t since(mono_t t)
{
        return mono_diff_ms(BEGIN, t);
}

/* --- a second --- */

static void difference(struct moment *m, const struct observer_tally *was,
                       const struct observer_tally *is, mono_t now)
{
        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                for (int k = 0; k < PRESENCE_KIND_MAX; k++) {
                        uint64_t more = is->note[s][k].events - was->note[s][k].events;

                        m->note[s][k].events = (uint32_t)more;
                        if (more > 0)
                                m->note[s][k].age_ms = mono_diff_ms(is->note[s][k].at, now);
                }
        }
        m->websockets = is->websockets;
        m->undecoded = is->undecoded;
        m->active = is->active;
        m->tracked = is->tracked;
        m->jobs = is->jobs;
}

static void add_to_timeline(struct replay *r, const struct moment *m, int64_t ms)
{
        struct presence_verdict v;
        cJSON *row;

        if (!r->timeline || ms % TIMELINE_MS != 0)
                return;
        life_judge(r->life, at(ms), &v);
        row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "t_s", (double)ms / 1000);
        cJSON_AddBoolToObject(row, "running", life_running(r->life));
        cJSON_AddNumberToObject(row, "person_age_s", (double)v.person_age_ms / 1000);
        cJSON_AddStringToObject(row, "person_by", presence_source_name(v.person_by));
        cJSON_AddNumberToObject(row, "busy_s", (double)v.busy_ms / 1000);
        cJSON_AddStringToObject(row, "job", v.job);
        cJSON_AddStringToObject(row, "confidence", presence_confidence_name(v.confidence));
        cJSON_AddNumberToObject(row, "websockets", m->websockets);
        cJSON_AddNumberToObject(row, "active", m->active);
        cJSON_AddNumberToObject(row, "undecoded", m->undecoded);
        cJSON_AddItemToArray(r->timeline, row);
}

static void keep(struct replay *r, const struct moment *m)
{
        if (r->n_kept == r->kept_max) {
                r->kept_max = MAX(2 * r->kept_max, 1024U);
                r->kept = realloc(r->kept, r->kept_max * sizeof(*r->kept));
                if (!r->kept)
                        abort();
        }
        r->kept[r->n_kept++] = *m;
}

static void second(struct replay *r, int64_t ms)
{
        struct moment m = {0};
        struct observer_tally tally;

        observer_tally(r->observer, at(ms), &tally);
        difference(&m, &r->before, &tally, at(ms));
        r->before = tally;
        world_take(r->world, &m, at(ms));
        life_second(r->life, &m, at(ms));
        add_to_timeline(r, &m, ms);
        if (r->loop_from_ms >= 0 && ms > r->loop_from_ms)
                keep(r, &m);
}

static void seconds_until(struct replay *r, int64_t ms)
{
        for (; r->second_ms <= ms; r->second_ms += SECOND_MS)
                second(r, r->second_ms);
}

/* --- the whole --- */

static void walk(struct replay *r)
{
        int64_t end_ms = recording_duration_ms(r->recording);
        struct event e;

        while (recording_next(r->recording, &e) && e.t_ms <= end_ms) {
                seconds_until(r, e.t_ms);
                if (e.kind == EVENT_MARK && strcmp(event_text(&e, "k", ""), "act") == 0)
                        life_act(r->life, at(e.t_ms));
                clients_event(r->clients, &e, at(e.t_ms));
                world_event(r->world, &e, at(e.t_ms));
        }
        seconds_until(r, end_ms);
}

/* What the tail's seconds brought comes again, each time that much later. */
static void night(struct replay *r, int64_t until_ms)
{
        for (size_t i = 0; r->n_kept > 0 && r->second_ms <= until_ms; r->second_ms += SECOND_MS) {
                const struct moment *m = &r->kept[i++ % r->n_kept];

                life_second(r->life, m, at(r->second_ms));
                add_to_timeline(r, m, r->second_ms);
        }
}

static void on_sighting(void *ctx, const struct observer_sighting *s)
{
        struct replay *r = ctx;

        r->sightings++;
        if (!r->trace)
                return;
        fprintf(stderr, "%10.3f c%-4u %-8s %-40.*s %-9s %s/%s%s\n",
                (double)mono_diff_ms(BEGIN, s->at) / 1000, s->connection, s->from, (int)s->name_len,
                s->name, rules_verdict_word(s->verdict), presence_source_name(s->source),
                presence_kind_name(s->kind), s->known ? "" : "  unknown");
}

/* --- what came of it --- */

static void print_stops(const struct replay *r, cJSON *out)
{
        cJSON *list = cJSON_AddArrayToObject(out, "stops");
        const struct life_stop *s;

        for (size_t i = 0; (s = life_stop(r->life, i)); i++) {
                cJSON *o = cJSON_CreateObject();

                cJSON_AddNumberToObject(o, "t_ms", (double)since(s->at));
                cJSON_AddStringToObject(o, "rule", idle_rule_name(s->rule));
                cJSON_AddNumberToObject(o, "person_age_ms", (double)s->person_age_ms);
                cJSON_AddStringToObject(o, "person_by", presence_source_name(s->person_by));
                if (mono_is_never(s->resumed))
                        cJSON_AddNullToObject(o, "resumed_ms");
                else
                        cJSON_AddNumberToObject(o, "resumed_ms", (double)since(s->resumed));
                cJSON_AddItemToArray(list, o);
        }
}

static void print_names(const struct replay *r, cJSON *out)
{
        cJSON *unknown = cJSON_AddObjectToObject(out, "unknown");
        cJSON *ignored = cJSON_AddObjectToObject(out, "ignored");
        const char *name;
        uint64_t n;

        for (size_t i = 0; (name = observer_unknown(r->observer, i, &n)); i++)
                cJSON_AddNumberToObject(unknown, name, (double)n);
        for (size_t i = 0; (name = recording_ignored(r->recording, i, &n)); i++)
                cJSON_AddNumberToObject(ignored, name, (double)n);
}

static void print_counts(const struct replay *r, cJSON *out)
{
        struct clients_counts c = clients_count(r->clients);
        cJSON *o = cJSON_AddObjectToObject(out, "counts");

        cJSON_AddNumberToObject(o, "connections", c.connections);
        cJSON_AddNumberToObject(o, "requests", (double)c.requests);
        cJSON_AddNumberToObject(o, "refused", (double)c.refused);
        cJSON_AddNumberToObject(o, "upgrades", (double)c.upgrades);
        cJSON_AddNumberToObject(o, "sightings", (double)r->sightings);
        cJSON_AddNumberToObject(o, "unknown", (double)r->before.unknown);
        cJSON_AddNumberToObject(o, "websocket_bytes", (double)r->before.bytes);
        cJSON_AddNumberToObject(o, "websocket_bytes_undecoded", (double)r->before.bytes_undecoded);
}

static void print(struct replay *r)
{
        cJSON *out = cJSON_CreateObject();
        char *text;

        cJSON_AddStringToObject(out, "name", recording_name(r->recording));
        print_stops(r, out);
        cJSON_AddNumberToObject(out, "undecoded_share",
                                r->before.bytes == 0 ? 0
                                                     : (double)r->before.bytes_undecoded /
                                                               (double)r->before.bytes);
        print_names(r, out);
        print_counts(r, out);
        if (r->timeline) {
                cJSON_AddItemToObject(out, "timeline", r->timeline);
                r->timeline = NULL;
        }
        text = cJSON_PrintUnformatted(out);
        if (!text)
                abort();
        puts(text);
        free(text);
        cJSON_Delete(out);
}

static void run(const struct options *o, struct recording *recording, const struct rules *rules)
{
        struct idle_limits limits = {.idle_ms = o->limit_ms, .job_ms = PRESENCE_JOB_MAX_MS};
        struct replay r = {.recording = recording,
                           .second_ms = SECOND_MS,
                           .loop_from_ms = o->loop_from_ms,
                           .trace = o->trace};

        if (observer_new(rules, &r.observer) < 0)
                abort();
        observer_set_trace(r.observer, on_sighting, &r);
        r.clients = clients_new(r.observer);
        r.world = world_new(rules);
        r.life = life_new(&limits, BEGIN);
        if (!r.clients || !r.world || !r.life)
                abort();
        if (o->timeline)
                r.timeline = cJSON_CreateArray();
        walk(&r);
        night(&r, o->until_ms);
        print(&r);
        clients_free(r.clients, at(r.second_ms));
        observer_free(r.observer);
        world_free(r.world);
        life_free(r.life);
        free(r.kept);
}

static int usage(const char *what)
{
        fprintf(stderr,
                "presence_replay: %s\nusage: presence_replay --rules FILE [--limit 30m] [--until "
                "MS] [--loop-from MS] [--timeline] [--trace] RECORDING\n",
                what);
        return 64;
}

static int parse(int argc, char **argv, struct options *o)
{
        static const struct option names[] = {
                {"rules", required_argument, NULL, 'r'},
                {"limit", required_argument, NULL, 'l'},
                {"until", required_argument, NULL, 'u'},
                {"loop-from", required_argument, NULL, 'f'},
                {"timeline", no_argument, NULL, 't'},
                {"trace", no_argument, NULL, 'v'},
                {0},
        };
        int c, r = 0;

        while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
                if (c == 'r')
                        o->rules = optarg;
                else if (c == 'l')
                        r = num_parse_duration_ms(optarg, &o->limit_ms);
                else if (c == 'u')
                        r = num_parse_i64(optarg, 0, INT32_MAX, &o->until_ms);
                else if (c == 'f')
                        r = num_parse_i64(optarg, 0, INT32_MAX, &o->loop_from_ms);
                else if (c == 't')
                        o->timeline = true;
                else if (c == 'v')
                        o->trace = true;
                else
                        return usage("an option is unknown");
                if (r < 0)
                        return usage("a number or duration is not one");
        }
        if (optind + 1 != argc || !o->rules || o->limit_ms <= 0)
                return usage("--rules FILE and one recording are needed");
        o->recording = argv[optind];
        return 0;
}

int main(int argc, char **argv)
{
        struct options o = {.limit_ms = 30 * 60 * 1000, .loop_from_ms = -1};
        char error[MAX(RECORDING_ERROR_MAX, PROFILE_ERROR_MAX)] = "";
        struct recording *recording = NULL;
        struct rules_file *rules = NULL;
        int r = parse(argc, argv, &o);

        if (r != 0)
                return r;
        if (rules_load(o.rules, error, &rules) < 0) {
                fprintf(stderr, "%s: %s\n", o.rules, error);
                r = 2;
        } else if (recording_open(o.recording, error, &recording) < 0) {
                fprintf(stderr, "%s\n", error);
                r = 2;
        } else {
                run(&o, recording, rules_of(rules));
        }
        recording_free(recording);
        rules_free(rules);
        return r;
}
