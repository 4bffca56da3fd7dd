/*
 * CloudWatch's embedded metric format: JSON lines that the CloudWatch agent, Lambda's or ECS's log
 * drivers turn into metrics. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
 * CloudWatch_Embedded_Metric_Format_Specification.html
 *
 * Each minute one line for the controller (dimension Controller) and one per workspace type
 * (dimensions Controller, Type). Gauges are as they are, counters by what they grew since the last
 * line, histograms an array of values, each the upper bound of a sample's bucket (so a percentile
 * is never below the true one), thinned to some 16; the counts beside them are exact. Lines are
 * short, and one that standard output does not take at once is dropped and counted.
 */
#pragma once

#include "base/buf.h"
#include "base/macro.h"
#include "base/mono.h"
#include "loop/loop.h"
#include "metrics/watch.h"

#define EMF_NAMESPACE "Workspaces"
/* A pipe takes so much at once or nothing (PIPE_BUF), so that a line never blocks the loop. */
#define EMF_LINE_MAX 4096
#define EMF_EVERY_MS 60000

struct emf;

/* Lines to `fd` (not owned) every `every_ms`. `controller` is copied. 0 or -ENOMEM. */
NODISCARD int emf_new(struct loop *l, struct metrics_watch *w, const char *controller, int fd,
                      int64_t every_ms, struct emf **ret_emf);
struct emf *emf_free(struct emf *e);
