/*
 * Conditions: what is bad for hold_ms is announced, and its end, once it is good for as long. The
 * thresholds are the first design's: 10 % of the launches, 5 % of the requests.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "out/notify_internal.h"

#define LAUNCH_FAILURE_SHARE 0.10
#define LAUNCH_FAILURES_MIN 2
#define ERROR_SHARE 0.05
#define ERRORS_MIN 5
#define ERROR_SAMPLES 10 /* 5 minutes; launches: all, 10 minutes */
#define STORAGE_ERRORS_MIN 3

static const char *subject_of(const struct alarm *a)
{
        return a->notice.key.name[0] ? a->notice.key.name : a->notice.key.type;
}

/* So that the next leader knows of it. That the store is away cannot be stored. */
static void remember(struct notify *n, const struct alarm *a, bool on)
{
        struct core_event ev = {.type = EV_ALARM, .alarm = {.on = on, .at = a->notice.at}};

        if (!n->leads || a == &n->alarms[ALARM_STORE])
                return;
        (void)snprintf(ev.alarm.name, sizeof(ev.alarm.name), "%s.%.32s",
                       notice_kind_name(a->notice.kind), subject_of(a));
        STR_CUT(ev.alarm.detail, a->notice.detail);
        shell_post(n->shell, &ev);
}

/* From what it is about and when it began: id and dedup_key. */
static void name(const struct notify *n, struct alarm *a)
{
        char tail[64];

        (void)snprintf(tail, sizeof(tail), "%.40s:%lld", subject_of(a),
                       (long long)(a->notice.at.us / US_PER_S));
        notify_name(n, &a->notice, tail);
        (void)snprintf(a->notice.dedup, sizeof(a->notice.dedup), "%s:%.64s",
                       notice_kind_name(a->notice.kind), subject_of(a));
}

static void say(struct notify *n, struct alarm *a, bool resolved)
{
        a->raised = !resolved;
        a->notice.resolved = resolved;
        a->notice.at = loop_utc(n->loop);
        if (!resolved)
                name(n, a);
        remember(n, a, !resolved);
        notify_put(n, &a->notice);
}

/* `name`: of the type, or of a service. */
static void judge(struct notify *n, struct alarm *a, enum notice_kind kind, const char *type,
                  const char *service, bool bad)
{
        mono_t now = loop_now(n->loop);

        if (bad != a->bad) {
                a->bad = bad;
                a->turned = now;
        }
        if (bad == a->raised || !mono_due(mono_add_ms(a->turned, n->config.hold_ms), now))
                return;
        a->notice.kind = kind;
        STR_CUT(a->notice.key.type, type);
        STR_CUT(a->notice.key.name, service);
        say(n, a, !bad);
}

static void sample(const struct notify *n, struct alarm_sample *s)
{
        const struct metrics *m = n->config.metrics;
        uint32_t n_failures = metrics_domain_size(m, DOMAIN_FAILURE);

        *s = (struct alarm_sample){0};
        for (uint32_t t = 0; t < n->config.core->n_types; t++) {
                s->launches[t] = metrics_value(m, METRIC_LAUNCHES, t, 0);
                for (uint32_t f = 0; f < n_failures; f++)
                        s->failures[t] += metrics_value(m, METRIC_LAUNCH_FAILURES, t, f);
                s->storage += metrics_value(m, METRIC_SAVE_FAILURES, t, LABEL(FAULT, STORAGE));
                s->saves += metrics_value(m, METRIC_SAVES, t, 0);
        }
        for (uint32_t side = 0; side < metrics_domain_size(m, DOMAIN_SIDE); side++) {
                if (side == LABEL(SIDE, PAGE)) /* /readyz says 503 by design */
                        continue;
                for (uint32_t c = 0; c < metrics_domain_size(m, DOMAIN_CLASS); c++)
                        s->requests += metrics_value(m, METRIC_HTTP_REQUESTS, side, c);
                s->errors += metrics_value(m, METRIC_HTTP_REQUESTS, side, LABEL(CLASS, 5XX));
        }
}

/* The sample of so many samples ago; the beginning where there are not so many. */
static const struct alarm_sample *before(const struct notify *n, uint32_t ago)
{
        return &n->samples[(n->sample_at + ALARM_SAMPLES - ago) % ALARM_SAMPLES];
}

static void judge_type(struct notify *n, uint32_t t, const struct alarm_sample *now)
{
        struct alarm *depleted = &n->alarms[2 * t], *failing = depleted + 1;
        const struct alarm_sample *then = before(n, ALARM_SAMPLES - 1);
        double launches = now->launches[t] - then->launches[t];
        double failures = now->failures[t] - then->failures[t];
        bool bad = failures >= LAUNCH_FAILURES_MIN && failures > launches * LAUNCH_FAILURE_SHARE;
        struct pool_view pool;

        if (!core_pool(shell_core(n->shell), t, &pool))
                return;
        if (!depleted->raised)
                (void)snprintf(depleted->notice.detail, sizeof(depleted->notice.detail),
                               "wanted %u warm, none is; %u are being launched, %u people wait",
                               pool.target, pool.launching, pool.waiting);
        if (!failing->raised)
                (void)snprintf(failing->notice.detail, sizeof(failing->notice.detail),
                               "%.0f of %.0f in 10 minutes; wsctl pool says why", failures,
                               launches);
        judge(n, depleted, NOTICE_POOL_DEPLETED, pool.type, "", pool.target > 0 && pool.warm == 0);
        judge(n, failing, NOTICE_LAUNCH_FAILURES, pool.type, "", bad);
}

static void judge_errors(struct notify *n, const struct alarm_sample *now)
{
        const struct alarm_sample *then = before(n, ERROR_SAMPLES - 1);
        struct alarm *a = &n->alarms[ALARM_ERRORS];
        double requests = now->requests - then->requests, errors = now->errors - then->errors;

        if (!a->raised)
                (void)snprintf(a->notice.detail, sizeof(a->notice.detail),
                               "%.0f of %.0f in 5 minutes had a status of 500 or more", errors,
                               requests);
        judge(n, a, NOTICE_ERROR_RATE, "", "http",
              errors >= ERRORS_MIN && errors > requests * ERROR_SHARE);
}

static void judge_services(struct notify *n, const struct alarm_sample *now)
{
        const struct alarm_sample *then = before(n, 1);
        struct alarm *store = &n->alarms[ALARM_STORE], *storage = &n->alarms[ALARM_STORAGE];

        STR_CUT(store->notice.detail,
                "its database cannot be written; launches are refused, what runs goes on");
        STR_CUT(storage->notice.detail, "saves cannot be checked; they wait");
        judge(n, store, NOTICE_SERVICE_DOWN, "", "store", !shell_writable(n->shell));
        judge(n, storage, NOTICE_SERVICE_DOWN, "", "storage",
              now->storage - then->storage >= STORAGE_ERRORS_MIN && now->saves == then->saves);
}

/* But for the store: that it is back is said by whom its absence was said by. */
void notify_alarm_forget(struct notify *n)
{
        for (size_t i = 0; i < ALARM_MAX; i++) {
                if (i != ALARM_STORE)
                        n->alarms[i] = (struct alarm){0};
        }
}

static struct alarm *alarm_of(struct notify *n, enum notice_kind kind, const char *subject)
{
        if (kind == NOTICE_ERROR_RATE)
                return &n->alarms[ALARM_ERRORS];
        if (kind == NOTICE_SERVICE_DOWN)
                return &n->alarms[ALARM_STORAGE];
        for (uint32_t t = 0; t < n->config.core->n_types; t++) {
                if (strcmp(n->config.core->types[t].name, subject) == 0)
                        return &n->alarms[2 * t + (kind == NOTICE_LAUNCH_FAILURES)];
        }
        return NULL;
}

static bool kind_of(const char *name, enum notice_kind *ret_kind, const char **ret_subject)
{
        static const enum notice_kind kinds[] = {NOTICE_POOL_DEPLETED, NOTICE_LAUNCH_FAILURES,
                                                 NOTICE_ERROR_RATE, NOTICE_SERVICE_DOWN};

        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                const char *kind = notice_kind_name(kinds[i]);

                if (!str_starts(name, kind) || name[strlen(kind)] != '.')
                        continue;
                *ret_kind = kinds[i];
                *ret_subject = name + strlen(kind) + 1;
                return true;
        }
        return false;
}

static void resume(struct notify *n, const struct core_alarm *from)
{
        struct alarm gone = {0}, *a;
        enum notice_kind kind;
        const char *subject;
        bool service;

        if (!kind_of(from->name, &kind, &subject))
                return;
        service = kind == NOTICE_ERROR_RATE || kind == NOTICE_SERVICE_DOWN;
        a = alarm_of(n, kind, subject);
        if (!a)
                a = &gone;
        *a = (struct alarm){.bad = true, .raised = true, .turned = loop_now(n->loop)};
        a->notice.kind = kind;
        a->notice.at = from->at;
        STR_CUT(a->notice.detail, from->detail);
        if (service)
                STR_CUT(a->notice.key.name, subject);
        else
                STR_CUT(a->notice.key.type, subject);
        name(n, a);
        /* Its first leader may have gone before anybody heard. */
        notify_put(n, &a->notice);
        if (a == &gone) /* of a type that is no more */
                say(n, a, true);
}

void notify_alarm_resume(struct notify *n)
{
        const struct core_alarm *a;
        struct core_alarm copy;
        size_t pos = 0;

        while ((a = core_next_alarm(shell_core(n->shell), &pos))) {
                copy = *a; /* what is said may take it out of the core's list */
                resume(n, &copy);
        }
}

void notify_alarm_tick(struct notify *n)
{
        mono_t now = loop_now(n->loop);
        struct alarm_sample s;

        sample(n, &s);
        /* Without its database nobody leads; who led last says so, unless another one does now. */
        if (n->leads) {
                for (uint32_t t = 0; t < n->config.core->n_types; t++)
                        judge_type(n, t, &s);
                judge_errors(n, &s);
        }
        judge_services(n, &s);
        if (!mono_due(mono_add_ms(n->sampled, ALARM_SAMPLE_MS), now))
                return;
        n->sampled = now;
        n->sample_at = (n->sample_at + 1) % ALARM_SAMPLES;
        n->samples[n->sample_at] = s;
}
