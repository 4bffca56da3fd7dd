/*
 * The metrics of metric.def: numbers in one block that is allocated at start, and their text for
 * Prometheus (exposition format 0.0.4). Pure: no clock, no socket; the loop's thread.
 *
 * A series is (metric, value of its first label, value of its second label); the values are indices
 * of label.def's domains, 0 where the domain is NONE. What is out of range, such as a workspace
 * type that the configuration no longer has, is not counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

enum metric {
#define METRIC(id, kind, l1, l2, name, unit, help) METRIC_##id,
#include "metrics/metric.def"
#undef METRIC
        METRIC_MAX
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_FAST, METRIC_SLOW };

enum metric_domain {
#define DOMAIN(id, name, doc) DOMAIN_##id,
#include "metrics/label.def"
        DOMAIN_MAX
};

/* The values of each domain, as <DOMAIN>_<VALUE>; all domains count from 0. */
enum metric_value {
#define VALUE(domain, id, text) VALUE_##domain##_##id,
#include "metrics/label.def"
        VALUE_MAX
};

/* The index of a value within its domain. */
#define LABEL(domain, id) ((uint32_t)(VALUE_##domain##_##id - metric_domain_first(DOMAIN_##domain)))
uint32_t metric_domain_first(enum metric_domain d);

#define METRICS_TYPES_MAX 16
#define METRICS_BUCKETS_MAX 16
#define METRICS_TEXT_MAX (4u * 1024 * 1024)

struct metrics_config {
        uint32_t n_types;
        const char *types[METRICS_TYPES_MAX]; /* kept by pointer */
};

struct metrics;

/* 0, -EINVAL (too many types), -ENOMEM. */
NODISCARD int metrics_new(const struct metrics_config *config, struct metrics **ret_metrics);
struct metrics *metrics_free(struct metrics *m);

/* A counter grows by `v` >= 0. */
void metrics_add(struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, double v);
void metrics_set(struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, double v);
/* All series of a gauge, before they are set or added up anew. */
void metrics_fill(struct metrics *m, enum metric id, double v);
/* One sample of a histogram; below 0 counts as 0. */
void metrics_observe(struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, double seconds);

/* A counter's or gauge's value (NAN: not known), a histogram's number of samples. */
double metrics_value(const struct metrics *m, enum metric id, uint32_t l1, uint32_t l2);
double metrics_histogram_sum(const struct metrics *m, enum metric id, uint32_t l1, uint32_t l2);
/* Samples in bucket `b` alone (not those below it), and its upper bound; false behind +Inf's. */
bool metrics_bucket(const struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, uint32_t b,
                    double *ret_bound, double *ret_samples);

/* Values of a domain: how many, and their text. */
uint32_t metrics_domain_size(const struct metrics *m, enum metric_domain d);
const char *metrics_label_text(const struct metrics *m, enum metric_domain d, uint32_t i);
/* The value of `text` in a domain; the domain's size when it has none. */
uint32_t metrics_label_find(const struct metrics *m, enum metric_domain d, const char *text);

struct metric_info {
        enum metric_kind kind;
        enum metric_domain l1, l2;
        const char *name, *unit, *help;
};
const struct metric_info *metric_info(enum metric id);
const char *metric_domain_name(enum metric_domain d);
const char *metric_domain_doc(enum metric_domain d);

/* The whole exposition, appended. 0, -ENOMEM, -ENOBUFS. */
NODISCARD int metrics_write(const struct metrics *m, struct buf *out);
