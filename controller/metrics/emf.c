#include "metrics/emf.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* At most so many values stand for a histogram's minute: a line has to stay short. */
#define VALUES_MAX 16
/* Numbers that only grow, over all lines. */
#define CELLS_MAX 8192

struct emf {
        struct loop *loop;
        struct metrics_watch *watch;
        char controller[64];
        int fd;
        int64_t every_ms;
        struct loop_timer timer;
        double seen[CELLS_MAX]; /* at the last line */
};

/*
 * What goes out, by the name that CloudWatch shows: all series of a metric together, or those with
 * one value of one label.
 */
static const struct item {
        enum metric metric;
        const char *name;
        enum metric_domain pick; /* NONE: all */
        enum metric_value value;
} items[] = {
#define ALL(metric, name)                                                                          \
        {                                                                                          \
                METRIC_##metric, name, DOMAIN_NONE, VALUE_MAX                                      \
        }
#define ONE(metric, name, domain, value)                                                           \
        {                                                                                          \
                METRIC_##metric, name, DOMAIN_##domain, VALUE_##domain##_##value                   \
        }
        ONE(CLAIM_SECONDS, "ClaimWarmSeconds", START, WARM),
        ONE(CLAIM_SECONDS, "ClaimColdSeconds", START, COLD),
        ONE(LAUNCH_REQUESTS, "LaunchesWarm", START, WARM),
        ONE(LAUNCH_REQUESTS, "LaunchesCold", START, COLD),
        ALL(LEAD_SECONDS, "LeadSeconds"),
        ALL(POOL_TARGET, "PoolTarget"),
        ALL(POOL_READY, "PoolReady"),
        ALL(POOL_LAUNCHING, "PoolLaunching"),
        ALL(POOL_CLAIMED, "PoolClaimed"),
        ALL(POOL_WAITING, "PoolWaiting"),
        ALL(LAUNCHES, "TaskLaunches"),
        ALL(LAUNCH_FAILURES, "TaskLaunchFailures"),
        ALL(TASKS_LOST, "TasksLost"),
        ALL(STOPS, "Stops"),
        ALL(STOP_SAVE_SECONDS, "StopSaveSeconds"),
        ALL(SAVES, "Saves"),
        ALL(SAVE_FAILURES, "SaveFailures"),
        ALL(UNDECODED, "UndecodedStreams"),
        ALL(TASK_SECONDS, "TaskSeconds"),
        ONE(TASK_SECONDS, "IdleTaskSeconds", USE, IDLE),
        ALL(COST_RATE, "CostPerHour"),
        ONE(ACTIVE_USERS, "ActiveUsersDay", WINDOW, DAY),
        ONE(ACTIVE_USERS, "ActiveUsersMonth", WINDOW, MONTH),
        ALL(HTTP_REQUESTS, "HttpRequests"),
        ONE(HTTP_REQUESTS, "Http4xx", CLASS, 4XX),
        ONE(HTTP_REQUESTS, "Http5xx", CLASS, 5XX),
        ONE(HTTP_SECONDS, "HttpSeconds", WAITED, NO),
        ALL(EVENTS_DROPPED, "EventsDropped"),
        ALL(STORE_COMMIT_SECONDS, "StoreCommitSeconds"),
        ALL(LEADER, "Leader"),
#undef ALL
#undef ONE
};
static_assert(ARRAY_LEN(items) <= 100, "CloudWatch takes 100 metrics of a line");

struct line {
        struct emf *e;
        struct metrics *m;
        bool typed;
        uint32_t type;
        size_t *cell;        /* in `seen`, of the next number that only grows */
        struct buf *names;   /* members of "Metrics" */
        struct buf *members; /* of the root */
        int r;
};

/* By how much a number that only grows has grown since the last line. */
static double grown(struct line *o, double now)
{
        double *seen = &o->e->seen[*o->cell];
        double by = now - *seen;

        assert(*o->cell < CELLS_MAX);
        ++*o->cell;
        *seen = now;
        return fmax(by, 0);
}

static bool taken(const struct line *o, const struct item *item, uint32_t l1, uint32_t l2)
{
        const struct metric_info *info = metric_info(item->metric);
        uint32_t want;

        if (o->typed && l1 != o->type)
                return false;
        if (item->pick == DOMAIN_NONE)
                return true;
        want = (uint32_t)item->value - metric_domain_first(item->pick);
        return (info->l1 == item->pick && l1 == want) || (info->l2 == item->pick && l2 == want);
}

/* Calls fn for each series that the item takes. */
static void each(struct line *o, const struct item *item,
                 void (*fn)(struct line *o, enum metric id, uint32_t l1, uint32_t l2, double *acc),
                 double *acc)
{
        const struct metric_info *info = metric_info(item->metric);
        uint32_t n1 = metrics_domain_size(o->m, info->l1);
        uint32_t n2 = metrics_domain_size(o->m, info->l2);

        for (uint32_t l1 = 0; l1 < n1; l1++) {
                for (uint32_t l2 = 0; l2 < n2; l2++) {
                        if (taken(o, item, l1, l2))
                                fn(o, item->metric, l1, l2, acc);
                }
        }
}

static void add_value(struct line *o, enum metric id, uint32_t l1, uint32_t l2, double *acc)
{
        double v = metrics_value(o->m, id, l1, l2);

        if (!isnan(v))
                *acc = isnan(*acc) ? v : *acc + v;
}

static void add_buckets(struct line *o, enum metric id, uint32_t l1, uint32_t l2, double *acc)
{
        double bound, n;

        for (uint32_t b = 0; metrics_bucket(o->m, id, l1, l2, b, &bound, &n); b++)
                acc[b] += n;
}

static void keep(struct line *o, int r)
{
        if (o->r == 0)
                o->r = r;
}

/* Unit: one of those that CloudWatch knows. */
static void put_name(struct line *o, const struct item *item)
{
        keep(o, buf_printf(o->names, "%s{\"Name\":\"%s\",\"Unit\":\"%s\"}",
                           o->names->len ? "," : "", item->name, metric_info(item->metric)->unit));
}

static void put_number(struct line *o, const struct item *item)
{
        double v = NAN;

        each(o, item, add_value, &v);
        if (metric_info(item->metric)->kind == METRIC_COUNTER)
                v = grown(o, isnan(v) ? 0 : v);
        if (isnan(v))
                return;
        put_name(o, item);
        keep(o, buf_printf(o->members, ",\"%s\":%.9g", item->name, v));
}

/* The samples of this minute, each as the upper bound of its bucket; thinned when there are many.
 */
static void put_histogram(struct line *o, const struct item *item)
{
        double acc[METRICS_BUCKETS_MAX] = {0}, by[METRICS_BUCKETS_MAX] = {0};
        double bound = 0, last = 0, n, all = 0;
        uint32_t n_buckets = 0, at = 0;

        while (metrics_bucket(o->m, item->metric, 0, 0, n_buckets, &bound, &n))
                n_buckets++;
        each(o, item, add_buckets, acc);
        for (uint32_t b = 0; b < n_buckets; b++) {
                by[b] = grown(o, acc[b]);
                all += by[b];
        }
        if (all < 1)
                return;
        put_name(o, item);
        keep(o, buf_printf(o->members, ",\"%s\":[", item->name));
        for (uint32_t b = 0; b < n_buckets; b++) {
                double times = all > VALUES_MAX ? ceil(by[b] * VALUES_MAX / all) : by[b];

                (void)metrics_bucket(o->m, item->metric, 0, 0, b, &bound, &n);
                last = isinf(bound) ? last : bound;
                for (double k = 0; k < times; k++)
                        keep(o, buf_printf(o->members, "%s%.9g", at++ ? "," : "", last));
        }
        keep(o, buf_append_str(o->members, "]"));
}

static bool has_type(const struct item *item)
{
        return metric_info(item->metric)->l1 == DOMAIN_TYPE;
}

static void put_items(struct line *o)
{
        for (size_t i = 0; i < ARRAY_LEN(items); i++) {
                enum metric_kind kind = metric_info(items[i].metric)->kind;

                if (o->typed && !has_type(&items[i]))
                        continue;
                if (kind == METRIC_FAST || kind == METRIC_SLOW)
                        put_histogram(o, &items[i]);
                else
                        put_number(o, &items[i]);
        }
}

/* Dropped rather than waited for. A regular file takes all. */
static void print(struct emf *e, const struct buf *line)
{
        struct pollfd p = {.fd = e->fd, .events = POLLOUT};

        if (line->len > EMF_LINE_MAX || poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) ||
            write(e->fd, line->data, line->len) != (ssize_t)line->len)
                metrics_add(metrics_watch_metrics(e->watch), METRIC_EMF_DROPPED, 0, 0, 1);
}

static void print_line(struct emf *e, bool typed, uint32_t type, size_t *cell)
{
        AUTO_BUF names = BUF_INIT(2 * EMF_LINE_MAX);
        AUTO_BUF members = BUF_INIT(2 * EMF_LINE_MAX);
        AUTO_BUF out = BUF_INIT(4 * EMF_LINE_MAX);
        struct line o = {.e = e,
                         .m = metrics_watch_metrics(e->watch),
                         .typed = typed,
                         .type = type,
                         .cell = cell,
                         .names = &names,
                         .members = &members};

        put_items(&o);
        keep(&o, buf_terminate(&names));
        keep(&o, buf_terminate(&members));
        if (o.r == 0)
                o.r = buf_printf(&out,
                                 "{\"_aws\":{\"Timestamp\":%lld,\"CloudWatchMetrics\":[{"
                                 "\"Namespace\":\"%s\","
                                 "\"Dimensions\":[[\"Controller\"%s]],\"Metrics\":[%s]}]},"
                                 "\"Controller\":\"%s\"%s%s%s%s}\n",
                                 (long long)(loop_utc(e->loop).us / US_PER_MS), EMF_NAMESPACE,
                                 typed ? ",\"Type\"" : "", (char *)names.data, e->controller,
                                 typed ? ",\"Type\":\"" : "",
                                 typed ? metrics_label_text(o.m, DOMAIN_TYPE, type) : "",
                                 typed ? "\"" : "", (char *)members.data);
        if (o.r == 0)
                print(e, &out);
        else
                metrics_add(o.m, METRIC_EMF_DROPPED, 0, 0, 1);
}

static void on_timer(void *ctx)
{
        struct emf *e = ctx;
        uint32_t n = metrics_domain_size(metrics_watch_metrics(e->watch), DOMAIN_TYPE);
        size_t cell = 0;

        metrics_watch_refresh(e->watch);
        print_line(e, false, 0, &cell);
        for (uint32_t i = 0; i < n; i++)
                print_line(e, true, i, &cell);
        loop_timer_set_in(&e->timer, e->every_ms);
}

int emf_new(struct loop *l, struct metrics_watch *w, const char *controller, int fd,
            int64_t every_ms, struct emf **ret_emf)
{
        struct emf *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->loop = l;
        e->watch = w;
        e->fd = fd;
        e->every_ms = every_ms;
        /* It stands between quotes; a host name has none of what would need escaping. */
        for (size_t i = 0; controller[i] && i + 1 < sizeof(e->controller); i++)
                e->controller[i] =
                        controller[i] > ' ' && controller[i] < 127 && !strchr("\"\\", controller[i])
                                ? controller[i]
                                : '_';
        loop_timer_init(l, &e->timer, on_timer, e);
        loop_timer_set_in(&e->timer, every_ms);
        *ret_emf = e;
        return 0;
}

struct emf *emf_free(struct emf *e)
{
        if (!e)
                return NULL;
        loop_timer_cancel(&e->timer);
        free(e);
        return NULL;
}
