/*
 * When may a running workspace be stopped, and by which limit? Pure; sees base only, so that a
 * recording can be judged by the very rule that stops people.
 *
 * The earliest limit that applies wins:
 *
 *   idle             person_at + idle
 *   never-connected  max(person_at, claim_at) + never_connected, while no browser ever came
 *   disconnected     max(person_at, disconnected_at) + disconnected, while none is there
 *
 * A job moves that later, to the end of what it wants but to person_at + job at most. The lifetime
 * ends everything, claim_at + lifetime, but waits until a person was away for
 * IDLE_LIFETIME_ABSENT_MS. Newer evidence of a person never makes the time earlier.
 *
 * Evidence arrives here filtered (agent/presence): one stray message is no person. Whether the
 * agent is heard at all is the caller's to know: silence is no evidence of absence.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

/* The lifetime does not stop somebody who was there less than this ago. */
#define IDLE_LIFETIME_ABSENT_MS (5 * 60 * INT64_C(1000))

enum idle_rule {
#define IDLE_RULE(id, name, doc) IDLE_RULE_##id,
#include "core/idle_rule.def"
#undef IDLE_RULE
        IDLE_RULE_MAX
};

/* In ms; 0: this limit is off. */
struct idle_limits {
        int64_t idle_ms;
        int64_t never_connected_ms;
        int64_t disconnected_ms;
        int64_t job_ms; /* off: jobs hold nothing */
        int64_t lifetime_ms;
};

/* What is known at `now`. A browser is never, now or no more connected; "now" where not known. */
struct idle_facts {
        mono_t now;
        mono_t person_at;     /* last evidence of a person; the claim counts as such */
        mono_t claim_at;      /* it was given to its workspace, also to resume it */
        int64_t busy_ms;      /* jobs want it for so long from now; 0 no job */
        bool never_connected; /* no browser, and nobody else, since the claim */
        bool connected;
        mono_t disconnected_at; /* when neither of the two: the last browser left then */
};

struct idle_stop {
        mono_t due; /* MONO_NEVER: not stopped */
        enum idle_rule rule;
        /*
         * The person's age is at least this at `due`: whoever carries the stop out looks again, and
         * leaves a workspace alone where a person was there less than this ago.
         */
        int64_t absent_ms;
};

/* Limits are not negative; person_at and claim_at are not after now. */
struct idle_stop idle_stop_of(const struct idle_limits *limits, const struct idle_facts *facts);

/* "idle", "never-connected", …; never NULL for a valid value. */
const char *idle_rule_name(enum idle_rule rule);
/* The rule that a reason begins with ("idle: nobody …"); NONE for any other text. */
enum idle_rule idle_rule_of_reason(const char *reason);
