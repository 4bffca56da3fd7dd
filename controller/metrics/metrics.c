#include "metrics/metrics.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

static const struct metric_info infos[] = {
#define METRIC(id, kind, l1, l2, name, unit, help)                                                 \
        [METRIC_##id] = {METRIC_##kind, DOMAIN_##l1, DOMAIN_##l2, name, unit, help},
#include "metrics/metric.def"
#undef METRIC
};
static_assert(ARRAY_LEN(infos) == METRIC_MAX, "one entry per metric");

static const struct {
        const char *name, *doc;
} domains[] = {
#define DOMAIN(id, name, doc) [DOMAIN_##id] = {name, doc},
#include "metrics/label.def"
};
static_assert(ARRAY_LEN(domains) == DOMAIN_MAX, "one entry per domain");

static const struct {
        enum metric_domain domain;
        const char *text;
} values[] = {
#define VALUE(domain, id, text) [VALUE_##domain##_##id] = {DOMAIN_##domain, text},
#include "metrics/label.def"
};
static_assert(ARRAY_LEN(values) == VALUE_MAX, "one entry per value");

/* Upper bounds in seconds. The targets (0.2 s of the API, 30 s of a launch) are bounds. */
static const double fast[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                              0.2,   0.5,    1,     2.5,  5,     10};
static const double slow[] = {0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800};
static_assert(ARRAY_LEN(slow) < METRICS_BUCKETS_MAX, "room for +Inf");
static_assert(METRICS_TYPES_MAX == CORE_TYPES_MAX, "one series for each type");

struct metrics {
        struct metrics_config config;
        double *at[METRIC_MAX]; /* the first cell of each */
        double cells[];
};

/* ---- tables ---- */

const struct metric_info *metric_info(enum metric id)
{
        return &infos[id];
}

const char *metric_domain_name(enum metric_domain d)
{
        return domains[d].name;
}

const char *metric_domain_doc(enum metric_domain d)
{
        return domains[d].doc;
}

uint32_t metric_domain_first(enum metric_domain d)
{
        uint32_t i = 0;

        while (i < VALUE_MAX && values[i].domain != d)
                i++;
        return i;
}

static uint32_t fixed_size(enum metric_domain d)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < VALUE_MAX; i++)
                n += values[i].domain == d;
        return n;
}

uint32_t metrics_domain_size(const struct metrics *m, enum metric_domain d)
{
        if (d == DOMAIN_NONE)
                return 1;
        if (d == DOMAIN_TYPE)
                return m->config.n_types;
        if (d == DOMAIN_EVENT)
                return EV_MAX;
        if (d == DOMAIN_STATE)
                return WS_STATE_MAX;
        return fixed_size(d);
}

const char *metrics_label_text(const struct metrics *m, enum metric_domain d, uint32_t i)
{
        if (d == DOMAIN_NONE)
                return "";
        if (d == DOMAIN_TYPE)
                return m->config.types[i];
        if (d == DOMAIN_EVENT)
                return core_event_name((enum core_event_type)i);
        if (d == DOMAIN_STATE)
                return ws_state_name((enum ws_state)i);
        return values[metric_domain_first(d) + i].text;
}

uint32_t metrics_label_find(const struct metrics *m, enum metric_domain d, const char *text)
{
        uint32_t n = metrics_domain_size(m, d), i = 0;

        while (i < n && strcmp(metrics_label_text(m, d, i), text) != 0)
                i++;
        return i;
}

/* ---- cells ---- */

static bool is_histogram(const struct metric_info *info)
{
        return info->kind == METRIC_FAST || info->kind == METRIC_SLOW;
}

static uint32_t n_bounds(const struct metric_info *info)
{
        return info->kind == METRIC_FAST ? ARRAY_LEN(fast) : ARRAY_LEN(slow);
}

/* A histogram has its bounds, +Inf and the sum. */
static uint32_t width(const struct metric_info *info)
{
        return is_histogram(info) ? n_bounds(info) + 2 : 1;
}

static uint32_t n_series(const struct metrics *m, const struct metric_info *info)
{
        return metrics_domain_size(m, info->l1) * metrics_domain_size(m, info->l2);
}

int metrics_new(const struct metrics_config *config, struct metrics **ret_metrics)
{
        struct metrics probe = {.config = *config};
        struct metrics *m;
        size_t n = 0, at = 0;

        if (config->n_types > METRICS_TYPES_MAX)
                return -EINVAL;
        for (uint32_t i = 0; i < METRIC_MAX; i++)
                n += (size_t)n_series(&probe, &infos[i]) * width(&infos[i]);
        m = calloc(1, sizeof(*m) + n * sizeof(m->cells[0]));
        if (!m)
                return -ENOMEM;
        m->config = *config;
        for (uint32_t i = 0; i < METRIC_MAX; i++) {
                m->at[i] = m->cells + at;
                at += (size_t)n_series(m, &infos[i]) * width(&infos[i]);
                if (infos[i].kind == METRIC_GAUGE)
                        metrics_fill(m, (enum metric)i, NAN);
        }
        *ret_metrics = m;
        return 0;
}

struct metrics *metrics_free(struct metrics *m)
{
        free(m);
        return NULL;
}

/* NULL: there is no such series. */
static double *cell(const struct metrics *m, enum metric id, uint32_t l1, uint32_t l2)
{
        const struct metric_info *info = &infos[id];
        uint32_t n2 = metrics_domain_size(m, info->l2);

        if (l1 >= metrics_domain_size(m, info->l1) || l2 >= n2)
                return NULL;
        return m->at[id] + ((size_t)l1 * n2 + l2) * width(info);
}

void metrics_add(struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, double v)
{
        double *c = cell(m, id, l1, l2);

        assert(!is_histogram(&infos[id]) && v >= 0);
        if (c)
                *c = isnan(*c) ? v : *c + v;
}

void metrics_set(struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, double v)
{
        double *c = cell(m, id, l1, l2);

        assert(!is_histogram(&infos[id]));
        if (c)
                *c = v;
}

void metrics_fill(struct metrics *m, enum metric id, double v)
{
        uint32_t n = n_series(m, &infos[id]);

        assert(!is_histogram(&infos[id]));
        for (uint32_t i = 0; i < n; i++)
                m->at[id][i] = v;
}

static const double *bounds(const struct metric_info *info)
{
        return info->kind == METRIC_FAST ? fast : slow;
}

void metrics_observe(struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, double seconds)
{
        const struct metric_info *info = &infos[id];
        double *c = cell(m, id, l1, l2);
        uint32_t n = n_bounds(info), b = 0;

        assert(is_histogram(info));
        if (!c)
                return;
        seconds = fmax(seconds, 0);
        while (b < n && seconds > bounds(info)[b])
                b++;
        c[b]++;
        c[n + 1] += seconds;
}

double metrics_value(const struct metrics *m, enum metric id, uint32_t l1, uint32_t l2)
{
        const double *c = cell(m, id, l1, l2);
        double sum = 0;

        if (!c || !is_histogram(&infos[id]))
                return c ? *c : NAN;
        for (uint32_t b = 0; b <= n_bounds(&infos[id]); b++)
                sum += c[b];
        return sum;
}

double metrics_histogram_sum(const struct metrics *m, enum metric id, uint32_t l1, uint32_t l2)
{
        const double *c = cell(m, id, l1, l2);

        return c ? c[n_bounds(&infos[id]) + 1] : NAN;
}

bool metrics_bucket(const struct metrics *m, enum metric id, uint32_t l1, uint32_t l2, uint32_t b,
                    double *ret_bound, double *ret_samples)
{
        const struct metric_info *info = &infos[id];
        const double *c = cell(m, id, l1, l2);

        if (!c || !is_histogram(info) || b > n_bounds(info))
                return false;
        *ret_bound = b < n_bounds(info) ? bounds(info)[b] : INFINITY;
        *ret_samples = c[b];
        return true;
}

/* ---- text ---- */

/* A label's value or a help text: \ and newline, and " inside of quotes, are escaped. */
static int put_escaped(struct buf *out, const char *text, bool quoted)
{
        int r = 0;

        for (; r == 0 && *text; text++) {
                if (*text == '\\')
                        r = buf_append_str(out, "\\\\");
                else if (*text == '\n')
                        r = buf_append_str(out, "\\n");
                else if (*text == '"' && quoted)
                        r = buf_append_str(out, "\\\"");
                else
                        r = buf_append(out, text, 1);
        }
        return r;
}

static int put_number(struct buf *out, double v)
{
        if (isinf(v))
                return buf_append_str(out, "+Inf");
        if (floor(v) == v && fabs(v) < 1e15)
                return buf_printf(out, "%.0f", v);
        return buf_printf(out, "%.9g", v);
}

struct series {
        const struct metrics *m;
        const struct metric_info *info;
        uint32_t l1, l2;
};

static int put_label(struct buf *out, const struct series *s, enum metric_domain d, uint32_t i,
                     char *mark)
{
        int r;

        if (d == DOMAIN_NONE)
                return 0;
        r = buf_printf(out, "%c%s=\"", *mark, domains[d].name);
        if (r == 0)
                r = put_escaped(out, metrics_label_text(s->m, d, i), true);
        if (r == 0)
                r = buf_append_str(out, "\"");
        *mark = ',';
        return r;
}

/* name_suffix{labels,le="…"} value; `le` NAN: none. */
static int put_line(struct buf *out, const struct series *s, const char *suffix, double le,
                    double v)
{
        char mark = '{';
        int r = buf_printf(out, "%s%s", s->info->name, suffix);

        if (r == 0)
                r = put_label(out, s, s->info->l1, s->l1, &mark);
        if (r == 0)
                r = put_label(out, s, s->info->l2, s->l2, &mark);
        if (r == 0 && !isnan(le)) {
                r = buf_printf(out, "%cle=\"", mark);
                if (r == 0)
                        r = put_number(out, le);
                if (r == 0)
                        r = buf_append_str(out, "\"");
                mark = ',';
        }
        if (r == 0)
                r = buf_append_str(out, mark == ',' ? "} " : " ");
        if (r == 0)
                r = put_number(out, v);
        return r == 0 ? buf_append_str(out, "\n") : r;
}

static int put_histogram(struct buf *out, const struct series *s, const double *c)
{
        uint32_t n = n_bounds(s->info);
        double below = 0;
        int r = 0;

        for (uint32_t b = 0; r == 0 && b <= n; b++) {
                below += c[b];
                r = put_line(out, s, "_bucket", b < n ? bounds(s->info)[b] : INFINITY, below);
        }
        if (r == 0)
                r = put_line(out, s, "_sum", NAN, c[n + 1]);
        return r == 0 ? put_line(out, s, "_count", NAN, below) : r;
}

static const char *kind_text(enum metric_kind kind)
{
        return kind == METRIC_COUNTER ? "counter" : kind == METRIC_GAUGE ? "gauge" : "histogram";
}

static int put_metric(struct buf *out, const struct metrics *m, enum metric id)
{
        struct series s = {.m = m, .info = &infos[id]};
        uint32_t n1 = metrics_domain_size(m, s.info->l1), n2 = metrics_domain_size(m, s.info->l2);
        int r = buf_printf(out, "# HELP %s ", s.info->name);

        if (r == 0)
                r = put_escaped(out, s.info->help, false);
        if (r == 0)
                r = buf_printf(out, "\n# TYPE %s %s\n", s.info->name, kind_text(s.info->kind));
        for (s.l1 = 0; r == 0 && s.l1 < n1; s.l1++) {
                for (s.l2 = 0; r == 0 && s.l2 < n2; s.l2++) {
                        const double *c = cell(m, id, s.l1, s.l2);

                        if (is_histogram(s.info))
                                r = put_histogram(out, &s, c);
                        else if (!isnan(*c))
                                r = put_line(out, &s, "", NAN, *c);
                }
        }
        return r;
}

int metrics_write(const struct metrics *m, struct buf *out)
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < METRIC_MAX; i++)
                r = put_metric(out, m, (enum metric)i);
        return r;
}
