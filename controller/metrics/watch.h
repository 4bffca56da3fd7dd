/*
 * Watches the controller and fills in its metrics: counters from the shell's steps and commits as
 * they happen, gauges from the core's views when they are asked for. Decides nothing; nothing is
 * allocated after metrics_watch_new. Loop thread only.
 */
#pragma once

#include "base/macro.h"
#include "core/core.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "shell.h"

/* A claimed task of which nobody was seen for so long is idle, unless a job holds it. */
#define METRICS_IDLE_MS (5 * 60 * 1000)

struct metrics_watch;

/* Takes the shell's observer. `core` outlives the watch. 0 or -errno. */
NODISCARD int metrics_watch_new(struct loop *l, struct shell *s, const struct core_config *core,
                                struct metrics_watch **ret_watch);
struct metrics_watch *metrics_watch_free(struct metrics_watch *w);

struct metrics *metrics_watch_metrics(struct metrics_watch *w);
/* Bring the gauges up to date. */
void metrics_watch_refresh(struct metrics_watch *w);
/* An HTTP request was answered; fits http_config.observed. */
void metrics_watch_http(void *ctx, const char *path, int status, bool waited, int64_t us);
