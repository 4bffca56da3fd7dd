/*
 * One workspace's life under our rule, second by second: evidence, the verdict, the controller's
 * idle rule, a stop, and the resume when a person comes back. What each second brings can be kept
 * and brought again later, for nights that are longer than the recording. Pure but for memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "core/idle_rule.h"
#include "decode/observer.h"
#include "presence/presence.h"

#define LIFE_HEARTBEAT_MS 10000

/* What a second brought, as the agent's link is told it: differences, and what is open. */
struct moment {
        struct {
                uint32_t events;
                int64_t age_ms; /* of the last, at the end of the second */
        } note[PRESENCE_SOURCE_MAX][PRESENCE_KIND_MAX];
        uint32_t websockets, undecoded, active, jobs;
        bool tracked;
        struct {
                uint32_t events, replies, app_events;
        } terminal;
        struct {
                uint32_t workspace_events;
        } files;
        struct {
                uint32_t busy; /* 0: none */
                char name[16];
        } job;
};

struct life_stop {
        mono_t at;
        enum idle_rule rule;
        mono_t resumed; /* MONO_NEVER: not again */
        enum presence_source person_by;
        int64_t person_age_ms;
};

struct life;

/* NULL: no memory. The claim is at `now`. */
struct life *life_new(const struct idle_limits *limits, mono_t now);
struct life *life_free(struct life *l);

/* Once a second. */
void life_second(struct life *l, const struct moment *m, mono_t now);
/* A person did something: a workspace that was stopped is resumed. */
void life_act(struct life *l, mono_t now);

bool life_running(const struct life *l);
void life_judge(const struct life *l, mono_t now, struct presence_verdict *ret_verdict);
/* The i-th stop, or NULL. */
const struct life_stop *life_stop(const struct life *l, size_t i);
