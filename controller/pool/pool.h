/*
 * How many warm tasks of a type there should be, and what to do about it now. Pure: numbers in,
 * numbers and a reason out. Used by the core and by whoever wants to plan without one.
 *
 *   target  = size + people waiting               (0 while draining; people only while paused or
 *             drained)
 *   launch  = target - (warm + launching), within the capacity and what the breaker and the backoff
 *             allow; a refill that nobody waits for waits itself while a claim runs, which needs
 * the machine more stop    = warm tasks above the target, when nobody waits; none for a pause alone
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"

/* Failures in a row that open the breaker, and the pauses that follow: doubled up to the maximum.
 */
#define POOL_BREAKER_FAILURES 3
#define POOL_BREAKER_MIN_MS 5000
#define POOL_BREAKER_MAX_MS 300000
#define POOL_REASON_SIZE 192
#define POOL_WHY_SIZE 96 /* of a size, within the reason */

/* Closed: failures < POOL_BREAKER_FAILURES. Open until `until`, then one probe at a time. */
struct pool_breaker {
        uint32_t failures;
        int64_t pause_ms;
        mono_t until; /* MONO_NEVER while closed */
};

/*
 * A provider that has no room, or was asked too often, is not a broken image: launches pause, then
 * one at a time shows whether they work again. Doubled from the first pause to the second.
 */
#define POOL_BACKOFF_MIN_MS 2000
#define POOL_BACKOFF_MAX_MS 60000

struct pool_backoff {
        uint32_t tries;
        bool probing; /* one launch is under way to find out */
        mono_t until; /* MONO_NEVER while all is well */
};

struct pool_input {
        uint32_t size;      /* warm tasks to keep */
        const char *why;    /* this size; NULL: it is fixed. At most POOL_WHY_SIZE with NUL */
        uint32_t waiting;   /* people without a task */
        uint32_t warm;      /* warm and answering */
        uint32_t launching; /* in flight */
        uint32_t capacity;  /* tasks that may still be launched */
        bool claiming;      /* somebody's restore and app start run right now */
        bool refused;       /* people wait, whom the provider has just had no room for */
        bool draining;
        bool drained; /* an operator's wish: keep no pool; people already accepted are served */
        bool paused;  /* an operator's wish: no refill; what is warm stays */
        bool held;    /* with paused: nothing is launched for people either */
        const struct pool_breaker *breaker;
        const struct pool_backoff *backoff;
        mono_t now;
};

struct pool_plan {
        uint32_t target;
        uint32_t launch;
        uint32_t stop;
        char reason[POOL_REASON_SIZE];
};

void pool_plan(const struct pool_input *in, struct pool_plan *ret_plan);

void pool_breaker_init(struct pool_breaker *b);
/* A launch failed. While the breaker is open, the failure of an older launch changes nothing. */
void pool_breaker_failed(struct pool_breaker *b, mono_t now);
void pool_breaker_succeeded(struct pool_breaker *b);
void pool_backoff_init(struct pool_backoff *b);
/* The provider said no. Further noes of the same burst change nothing. */
void pool_backoff_failed(struct pool_backoff *b, mono_t now);
/* A launch is made while it is not over. */
void pool_backoff_probed(struct pool_backoff *b);
/* That launch is not under way any more. */
void pool_backoff_answered(struct pool_backoff *b);
/* How many launches may be made now. */
uint32_t pool_backoff_allows(const struct pool_backoff *b, mono_t now);
/* How many launches may be made now, with `launching` in flight. */
uint32_t pool_breaker_allows(const struct pool_breaker *b, mono_t now, uint32_t launching);
