/*
 * The idle rule in words for people: the reason of a stop, and what holds a workspace that runs.
 * Pure. A reason begins with the rule's name and a colon, so that it can be told from any other
 * reason for ever after (idle_rule_of_reason).
 */
#pragma once

#include <stddef.h>

#include "core/idle_rule.h"

#define DURATION_WORDS_SIZE 24

/* "58 s", "30 min 2 s", "2 h 5 min", "3 d 4 h": what is below the second unit is left out. */
void duration_words(int64_t ms, char ret_words[static DURATION_WORDS_SIZE]);

/* What the words tell beyond the facts. */
struct idle_tale {
        const char *person_by;  /* source of the evidence that person_at is from; "" not known */
        const char *job;        /* name of the job, "" none or not known */
        const char *confidence; /* "none", "low", "high", "" not known */
};

/* Why it is stopped now, in one sentence. CORE_REASON_SIZE has room for it; what does not fit is
 * cut. */
void idle_reason(const struct idle_limits *limits, const struct idle_facts *facts,
                 const struct idle_stop *stop, const struct idle_tale *tale, char *dst,
                 size_t size);
/* What holds it now and when it would be stopped, at `due` at the earliest. */
void idle_hold(const struct idle_limits *limits, const struct idle_facts *facts,
               const struct idle_stop *stop, const struct idle_tale *tale, mono_t due, char *dst,
               size_t size);
