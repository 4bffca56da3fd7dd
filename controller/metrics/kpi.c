#include "metrics/kpi.h"

#include <math.h>

#include "metrics/internal.h"

#define HOURS_OF_MONTH 730.0

enum kpi_id {
#define KPI(id, name, unit, target, meaning) KPI_##id,
#include "metrics/kpi.def"
#undef KPI
        KPI_MAX
};

static const struct kpi kpis[] = {
#define KPI(id, name, unit, target, meaning) [KPI_##id] = {name, unit, meaning, NAN, target},
#include "metrics/kpi.def"
#undef KPI
};

static bool wanted(int label, uint32_t value)
{
        return label < 0 || (uint32_t)label == value;
}

/* Samples of bucket `b`, all such series together; false behind the last bucket. */
static bool bucket_sum(const struct metrics *m, enum metric id, int l1, int l2, uint32_t b,
                       double *ret_bound, double *ret_samples)
{
        const struct metric_info *info = metric_info(id);
        bool there = false;
        double samples;

        *ret_samples = 0;
        for (uint32_t i = 0; i < metrics_domain_size(m, info->l1); i++) {
                for (uint32_t k = 0; k < metrics_domain_size(m, info->l2); k++) {
                        if (!wanted(l1, i) || !wanted(l2, k) ||
                            !metrics_bucket(m, id, i, k, b, ret_bound, &samples))
                                continue;
                        *ret_samples += samples;
                        there = true;
                }
        }
        return there;
}

/* The `q`-quantile (0 to 1) of all samples of a histogram whose labels are `l1` and `l2`, -1 for
 * any value; by its buckets, linear inside of one, as Prometheus does it. NAN without a sample. */
static double quantile(const struct metrics *m, enum metric id, int l1, int l2, double q)
{
        double bound = 0, n = 0, total = 0, below = 0, lower = 0;

        for (uint32_t b = 0; bucket_sum(m, id, l1, l2, b, &bound, &n); b++)
                total += n;
        if (total <= 0)
                return NAN;
        for (uint32_t b = 0; bucket_sum(m, id, l1, l2, b, &bound, &n); b++) {
                if (n > 0 && below + n >= q * total)
                        /* Above the last bound nothing is known but that it is above. */
                        return isinf(bound) ? lower
                                            : lower + (bound - lower) * (q * total - below) / n;
                below += n;
                lower = bound;
        }
        return lower;
}

/* A counter over all types, or with one value of its second label. */
static double total_of(const struct metrics *m, enum metric id, int l1, int l2)
{
        const struct metric_info *info = metric_info(id);
        double sum = 0, v;

        for (uint32_t i = 0; i < metrics_domain_size(m, info->l1); i++) {
                for (uint32_t k = 0; k < metrics_domain_size(m, info->l2); k++) {
                        v = wanted(l1, i) && wanted(l2, k) ? metrics_value(m, id, i, k) : NAN;
                        sum += isnan(v) ? 0 : v;
                }
        }
        return sum;
}

static double ratio(double part, double whole)
{
        return whole > 0 ? part / whole : NAN;
}

static double api_share(const struct metrics *m, uint32_t class)
{
        int api = (int)LABEL(SIDE, API);

        return ratio(total_of(m, METRIC_HTTP_REQUESTS, api, (int)class),
                     total_of(m, METRIC_HTTP_REQUESTS, api, -1));
}

static double time_share(const struct metrics *m, double part)
{
        return ratio(part, total_of(m, METRIC_TASK_SECONDS, -1, -1));
}

static double cost_of(const struct metrics_watch *w, double users)
{
        double hours = (double)(loop_utc(w->loop).us - w->started.us) / 3600e6;

        if (!(users > 0) || hours <= 0)
                return NAN;
        return total_of(w->m, METRIC_COST, -1, -1) / hours * HOURS_OF_MONTH / users;
}

static double value_of(const struct metrics_watch *w, enum kpi_id id)
{
        const struct metrics *m = w->m;
        double users = metrics_value(m, METRIC_ACTIVE_USERS, LABEL(WINDOW, MONTH), 0);

        switch (id) {
        case KPI_LAUNCH_P95:
                return quantile(m, METRIC_CLAIM_SECONDS, -1, -1, 0.95);
        case KPI_HIT:
                return ratio(total_of(m, METRIC_LAUNCH_REQUESTS, -1, (int)LABEL(START, WARM)),
                             total_of(m, METRIC_LAUNCH_REQUESTS, -1, -1));
        case KPI_API_P95:
                return quantile(m, METRIC_HTTP_SECONDS, (int)LABEL(SIDE, API),
                                (int)LABEL(WAITED, NO), 0.95);
        case KPI_API_4XX:
                return api_share(m, LABEL(CLASS, 4XX));
        case KPI_API_5XX:
                return api_share(m, LABEL(CLASS, 5XX));
        case KPI_IDLE_TIME:
                return time_share(m, total_of(m, METRIC_TASK_SECONDS, -1, (int)LABEL(USE, IDLE)));
        case KPI_WARM_TIME:
                return time_share(m, total_of(m, METRIC_TASK_SECONDS, -1, (int)LABEL(USE, WARM)) +
                                             total_of(m, METRIC_TASK_SECONDS, -1,
                                                      (int)LABEL(USE, LAUNCHING)));
        case KPI_COST:
                return cost_of(w, users);
        case KPI_ACTIVE:
                return users;
        case KPI_MAX:
                break;
        }
        return NAN;
}

bool kpi_at(struct metrics_watch *w, size_t i, struct kpi *ret_kpi)
{
        if (i >= KPI_MAX)
                return false;
        if (i == 0)
                metrics_watch_refresh(w);
        *ret_kpi = kpis[i];
        ret_kpi->value = value_of(w, (enum kpi_id)i);
        return true;
}
