#include "plan_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "plan/chart.h"
#include "table.h"

#define CHART_MAX (1 << 20)

static uint32_t columns(void)
{
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
                return size.ws_col - 12u;
        return 72;
}

static void print_chart(const struct ctl *c, const struct plan_result *r)
{
        AUTO_BUF text = BUF_INIT(CHART_MAX);

        if (chart_text(r, columns(), c->ascii, &text) == 0)
                (void)fwrite(text.data, 1, text.len, stdout);
}

static double hours(const struct plan_result *r, enum plan_use u)
{
        return plan_seconds(r, u) / 3600;
}

static void print_result(const struct plan_outcome *o)
{
        const struct plan_result *r = o->result;
        double idle = hours(r, USE_WARM) + hours(r, USE_LAUNCHING) + hours(r, USE_AWAY) +
                      hours(r, USE_SAVING);

        printf("%s: %.0f days, %zu sessions, seed %.0f\n\n", o->plan->title, r->days, o->sessions,
               o->plan->seed);
        if (o->trace)
                printf("launches of           %s: as of %.0f people\n", o->trace,
                       o->plan->students);
        printf("needed a container    %llu; %llu more came back to one that still ran\n",
               (unsigned long long)r->launches, (unsigned long long)r->returns);
        printf("found a warm one      %.2f %%\n", 100 * plan_hit_rate(r));
        printf("waited for one        p50 %.1f s, p95 %.1f s, p99 %.1f s, at most %.1f s; then "
               "%g s until the page\n",
               r->wait_p50_s, r->wait_p95_s, r->wait_p99_s, r->wait_max_s, o->plan->ready_s);
        if (r->unserved)
                printf("still waiting         %llu at the end\n", (unsigned long long)r->unserved);
        printf("containers            %llu launched, at most %.0f at once\n",
               (unsigned long long)r->tasks, r->peak);
        printf("container hours       %.1f with somebody at work, %.1f without (launching %.1f, "
               "warm "
               "%.1f, nobody there %.1f, saving %.1f)\n\n",
               hours(r, USE_WORK), idle, hours(r, USE_LAUNCHING), hours(r, USE_WARM),
               hours(r, USE_AWAY), hours(r, USE_SAVING));
}

static void add_money(struct table *t, double dollars, enum table_color color)
{
        char text[32];

        (void)snprintf(text, sizeof(text), "%.2f", dollars);
        table_add(t, text, color);
}

static void row_money(struct table *t, const struct plan_outcome *o, const char *what,
                      double (*of)(const struct bill *b, enum bill_item i), enum bill_item item,
                      bool always)
{
        bool any = always;

        for (size_t i = 0; i < o->n_ways; i++)
                any |= of(&o->ways[i].bill, item) > 0;
        if (!any)
                return;
        table_add(t, what, TABLE_PLAIN);
        for (size_t i = 0; i < o->n_ways; i++)
                add_money(t, of(&o->ways[i].bill, item), TABLE_PLAIN);
}

static double item_of(const struct bill *b, enum bill_item i)
{
        return b->items[i];
}

static double total_of(const struct bill *b, enum bill_item i)
{
        (void)i;
        return b->total;
}

static double student_of(const struct bill *b, enum bill_item i)
{
        (void)i;
        return b->per_student;
}

static double saving_of(const struct plan_outcome *o, size_t way)
{
        return o->ways[0].bill.total > 0 ? 1 - o->ways[way].bill.total / o->ways[0].bill.total : 0;
}

static void print_bills(const struct ctl *c, const struct plan_outcome *o)
{
        const char *titles[PLAN_WAYS_MAX + 2] = {"DOLLARS A MONTH"};
        struct table *t;

        for (size_t i = 0; i < o->n_ways; i++)
                titles[i + 1] = o->ways[i].name;
        t = table_new(titles, c->color);
        for (size_t i = 0; i < ITEM_MAX; i++)
                row_money(t, o, bill_item_doc((enum bill_item)i), item_of, (enum bill_item)i,
                          false);
        row_money(t, o, "total", total_of, 0, true);
        row_money(t, o, "per student", student_of, 0, true);
        table_add(t, "less than always on", TABLE_PLAIN);
        for (size_t i = 0; i < o->n_ways; i++)
                table_printf(t, "%.1f %%", 100 * saving_of(o, i));
        table_add(t, "found a warm one", TABLE_PLAIN);
        for (size_t i = 0; i < o->n_ways; i++)
                table_printf(t, "%.2f %%",
                             100 * (o->ways[i].result ? plan_hit_rate(o->ways[i].result) : 1));
        table_add(t, "wait p99, seconds", TABLE_PLAIN);
        for (size_t i = 0; i < o->n_ways; i++)
                table_printf(t, "%.1f", o->ways[i].result ? o->ways[i].result->wait_p99_s : 0);
        table_print(t);
        table_free(t);
}

static void print_original(void)
{
        static const double students[] = {100, 500, 1000, 5000};
        struct original o;

        bill_original(100, 3, 3, 0.04, &o);
        printf("The original design's arithmetic: 100 students, 3 h a day, a pool of 3, $0.04 an "
               "hour\n"
               "  always on   %.2f compute + %.2f storage + %.2f transfer = %.2f\n"
               "  warm pool   %.2f pool + %.2f work + %.2f storage + %.2f saves + %.2f transfer = "
               "%.2f, %.1f %% less\n",
               o.always_compute, o.always_storage, o.always_transfer, o.always, o.pool, o.work,
               o.storage, o.snapshots, o.transfer, o.warm, 100 * (1 - o.warm / o.always));
        for (size_t i = 1; i < ARRAY_LEN(students); i++) {
                bill_original(students[i], 3, 3, 0.04, &o);
                printf("  %5.0f students: it projected $%.0f; by its own arithmetic %.2f against "
                       "%.2f\n",
                       students[i], bill_original_projection(students[i]), o.warm, o.always);
        }
        printf("  It has no idle limit, no arrivals, no platform, and no task of that price. With "
               "them:\n\n");
}

static double most_of(const struct plan *p, const double *v)
{
        double most = 0;

        for (uint32_t i = 0; i < p->n_types; i++)
                most = MAX(most, v[i]);
        return most;
}

static void print_budget(const struct plan_outcome *o)
{
        const struct plan *p = o->plan;
        const struct plan_result *r = o->result;
        double held_s = most_of(p, r->budget_held_s);

        if (p->budget_day > 0 || p->budget_month > 0) {
                printf("budget                ");
                if (p->budget_day > 0)
                        printf("%.2f a day, ", p->budget_day);
                if (p->budget_month > 0)
                        printf("%.2f a month, ", p->budget_month);
                printf("of each type; spent on a day at most %.2f\n",
                       most_of(p, r->spent_day_most));
                printf("held back by it       a pool was smaller than wanted for %.1f h\n\n",
                       held_s / 3600);
        }
        if (r->classes_short)
                printf("classes short         %llu alarms: a class was expected that the ceiling "
                       "or "
                       "the budget did not cover\n",
                       (unsigned long long)r->classes_short);
        if (r->classes_refused)
                printf("classes refused       %llu: a controller keeps 256 classes of 64 courses "
                       "of "
                       "a type\n",
                       (unsigned long long)r->classes_refused);
}

void plan_print(const struct ctl *c, const struct plan_outcome *o)
{
        if (o->original)
                print_original();
        print_result(o);
        print_budget(o);
        print_chart(c, o->result);
        putchar('\n');
        print_bills(c, o);
        printf("\nprices: %s, %s; a month has 730 hours\n", o->prices->region, o->prices->date);
}

/* ---- JSON ---- */

static void add_original(struct doc *root)
{
        struct doc *d = doc_add_object(root, "original");
        struct original o;

        bill_original(100, 3, 3, 0.04, &o);
        doc_set_num(d, "always_on", o.always);
        doc_set_num(d, "warm_pool", o.warm);
        doc_set_num(d, "pool", o.pool);
        doc_set_num(d, "work", o.work);
        doc_set_num(d, "storage", o.storage);
        doc_set_num(d, "saves", o.snapshots);
        doc_set_num(d, "transfer", o.transfer);
}

static void add_way(struct doc *list, const struct plan_outcome *o, size_t i)
{
        struct doc *d = doc_add_object(list, NULL);
        const struct plan_way *w = &o->ways[i];
        struct doc *items;

        doc_set_str(d, "name", w->name);
        doc_set_num(d, "hit_rate", w->result ? plan_hit_rate(w->result) : 1);
        doc_set_num(d, "wait_p99_s", w->result ? w->result->wait_p99_s : 0);
        doc_set_num(d, "month", w->bill.total);
        doc_set_num(d, "month_per_student", w->bill.per_student);
        doc_set_num(d, "less_than_always_on", saving_of(o, i));
        items = doc_add_object(d, "items");
        for (size_t k = 0; k < ITEM_MAX; k++)
                doc_set_num(items, bill_item_name((enum bill_item)k), w->bill.items[k]);
}

void plan_print_json(const struct plan_outcome *o)
{
        const struct plan_result *r = o->result;
        AUTO_DOC *root = doc_new();
        struct doc *d, *list;
        char *text;

        doc_set_str(root, "title", o->plan->title);
        doc_set_num(root, "seed", o->plan->seed);
        doc_set_num(root, "days", r->days);
        doc_set_num(root, "sessions", (double)o->sessions);
        doc_set_num(root, "launches", (double)r->launches);
        doc_set_num(root, "hits", (double)r->hits);
        doc_set_num(root, "hit_rate", plan_hit_rate(r));
        doc_set_num(root, "returns", (double)r->returns);
        doc_set_num(root, "unserved", (double)r->unserved);
        doc_set_num(root, "containers", (double)r->tasks);
        doc_set_num(root, "containers_at_once", r->peak);
        doc_set_num(root, "core_steps", (double)r->steps);
        d = doc_add_object(root, "wait_s");
        doc_set_num(d, "mean", r->wait_mean_s);
        doc_set_num(d, "p50", r->wait_p50_s);
        doc_set_num(d, "p95", r->wait_p95_s);
        doc_set_num(d, "p99", r->wait_p99_s);
        doc_set_num(d, "max", r->wait_max_s);
        d = doc_add_object(root, "container_s");
        for (size_t u = 0; u < USE_MAX; u++)
                doc_set_num(d, plan_use_name((enum plan_use)u), plan_seconds(r, (enum plan_use)u));
        if (o->plan->forecast) {
                d = doc_add_object(root, "budget");
                doc_set_num(d, "day", o->plan->budget_day);
                doc_set_num(d, "month", o->plan->budget_month);
                doc_set_num(d, "spent_day_most", most_of(o->plan, r->spent_day_most));
                doc_set_num(d, "held_s", most_of(o->plan, r->budget_held_s));
                doc_set_num(root, "classes_short", (double)r->classes_short);
                doc_set_num(root, "classes_refused", (double)r->classes_refused);
        }
        d = doc_add_object(root, "prices");
        doc_set_str(d, "region", o->prices->region);
        doc_set_str(d, "date", o->prices->date);
        if (o->original)
                add_original(root);
        doc_set_num(root, "plan_is", (double)o->ours);
        list = doc_add_list(root, "ways");
        for (size_t i = 0; i < o->n_ways; i++)
                add_way(list, o, i);
        text = doc_print(root, true);
        puts(text);
        free(text);
}
