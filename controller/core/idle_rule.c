#include "core/idle_rule.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"

static const char *const names[] = {
#define IDLE_RULE(id, name, doc) [IDLE_RULE_##id] = (name),
#include "core/idle_rule.def"
#undef IDLE_RULE
};
static_assert(ARRAY_LEN(names) == IDLE_RULE_MAX, "every rule has a name");

const char *idle_rule_name(enum idle_rule rule)
{
        assert((size_t)rule < IDLE_RULE_MAX);
        return names[rule];
}

enum idle_rule idle_rule_of_reason(const char *reason)
{
        const char *colon = strchr(reason, ':');
        size_t len = colon ? (size_t)(colon - reason) : 0;

        for (int i = IDLE_RULE_NONE + 1; i < IDLE_RULE_MAX; i++) {
                if (len && strlen(names[i]) == len && strncmp(names[i], reason, len) == 0)
                        return (enum idle_rule)i;
        }
        return IDLE_RULE_NONE;
}

/* Of two limits that come together the first that was looked at stays. */
static void at_most(struct idle_stop *s, enum idle_rule rule, mono_t due, int64_t absent_ms)
{
        if (mono_before(due, s->due))
                *s = (struct idle_stop){.due = due, .rule = rule, .absent_ms = absent_ms};
}

/* A limit after which nobody was there; off, it changes nothing. */
static void limit(struct idle_stop *s, enum idle_rule rule, mono_t from, int64_t ms)
{
        if (ms > 0)
                at_most(s, rule, mono_add_ms(from, ms), ms);
}

static void hold_for_job(struct idle_stop *s, const struct idle_limits *l,
                         const struct idle_facts *f)
{
        /* More than the limit from now on is beyond the ceiling anyway. */
        mono_t end = mono_add_ms(f->now, MIN(f->busy_ms, l->job_ms));
        mono_t until = mono_min(end, mono_add_ms(f->person_at, l->job_ms));

        if (f->busy_ms <= 0 || !mono_before(s->due, until))
                return;
        s->due = until;
        s->rule = IDLE_RULE_JOB;
}

/* It ends also what a job holds, and nobody who is there. */
static void lifetime(struct idle_stop *s, const struct idle_limits *l, const struct idle_facts *f)
{
        mono_t end = mono_add_ms(f->claim_at, l->lifetime_ms);

        if (l->lifetime_ms == 0)
                return;
#ifndef IDLE_PLANTED_LIFETIME_WAITS_FOR_NOBODY
        end = mono_max(end, mono_add_ms(f->person_at, IDLE_LIFETIME_ABSENT_MS));
#endif
        at_most(s, IDLE_RULE_LIFETIME, end, IDLE_LIFETIME_ABSENT_MS);
}

struct idle_stop idle_stop_of(const struct idle_limits *l, const struct idle_facts *f)
{
        struct idle_stop s = {.due = MONO_NEVER, .rule = IDLE_RULE_NONE};

        limit(&s, IDLE_RULE_IDLE, f->person_at, l->idle_ms);
        if (f->never_connected)
                limit(&s, IDLE_RULE_NEVER_CONNECTED, mono_max(f->person_at, f->claim_at),
                      l->never_connected_ms);
        else if (!f->connected)
                limit(&s, IDLE_RULE_DISCONNECTED, mono_max(f->person_at, f->disconnected_at),
                      l->disconnected_ms);
        hold_for_job(&s, l, f);
        lifetime(&s, l, f);
        return s;
}
