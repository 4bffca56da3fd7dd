/* METRICS.md, made from the tables; the test metrics/doc compares it with the file. */
#include <stdio.h>

#include "metrics/metrics.h"

static const char *kind(const struct metric_info *info)
{
        return info->kind == METRIC_COUNTER ? "counter"
               : info->kind == METRIC_GAUGE ? "gauge"
                                            : "histogram";
}

static void label(enum metric_domain d, const char *before)
{
        if (d != DOMAIN_NONE)
                printf("%s%s", before, metric_domain_name(d));
}

static void print_metrics(void)
{
        printf("| name | kind | labels | meaning |\n|---|---|---|---|\n");
        for (int i = 0; i < METRIC_MAX; i++) {
                const struct metric_info *info = metric_info((enum metric)i);

                printf("| `%s` | %s | ", info->name, kind(info));
                label(info->l1, "");
                label(info->l2, ", ");
                printf(" | %s |\n", info->help);
        }
}

static bool elsewhere(int d)
{
        return d == DOMAIN_TYPE || d == DOMAIN_EVENT || d == DOMAIN_STATE;
}

static void print_labels(const struct metrics *m)
{
        printf("| label | meaning | values |\n|---|---|---|\n");
        for (int d = DOMAIN_NONE + 1; d < DOMAIN_MAX; d++) {
                printf("| `%s` | %s |", metric_domain_name(d), metric_domain_doc(d));
                /* Tables of the core are named, not repeated: they change without us. */
                for (uint32_t i = 0; !elsewhere(d) && i < metrics_domain_size(m, d); i++)
                        printf(" `%s`", metrics_label_text(m, d, i));
                printf("%s |\n", elsewhere(d) ? " as there" : "");
        }
}

int main(void)
{
        struct metrics_config config = {0};
        struct metrics *m;

        if (metrics_new(&config, &m) < 0)
                return 1;
        printf("# Metrics\n\nMade by `metrics_doc` from [metric.def](metric.def) and "
               "[label.def](label.def); do not "
               "edit.\n\nServed as `/metrics` at `listen_metrics` (text format 0.0.4). Histograms "
               "are in seconds. "
               "Counters begin at 0 with\neach start of a controller, and only the one that leads "
               "counts what happens "
               "to workspaces. No series names a person.\n\n");
        print_metrics();
        printf("\n## Labels\n\n");
        print_labels(m);
        metrics_free(m);
        return ferror(stdout) != 0;
}
