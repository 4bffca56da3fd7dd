/*
 * The inside of the workspace as a recording's sampler saw it, given to the rules of agent/sense:
 * which terminals were read from and whose they are, what changed in the workspace folder, which
 * jobs are busy. A recording without a sampler has nothing of it.
 */
#pragma once

#include "base/mono.h"
#include "presence/rules.h"
#include "life.h"
#include "recording.h"

struct world;

/* The rules are kept by pointer. NULL: no memory. */
struct world *world_new(const struct rules *rules);
struct world *world_free(struct world *w);

/* TTY, FILE, LOST, PROC, EXIT, SAMPLE; others are not for it. */
void world_event(struct world *w, const struct event *e, mono_t now);
/* What has come since the last call: terminal, files, job. */
void world_take(struct world *w, struct moment *m, mono_t now);
