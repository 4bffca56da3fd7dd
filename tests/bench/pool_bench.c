/*
 * How pools are sized, policies side by side on the same arrivals: see tests/bench/pool.
 *
 *   pool_bench --launches CSV[.gz] [--bursts CSV] [--train-days N] [--until-day N] [--hit H]
 *              [--lead S] [--seed N] [--scale X] [--shift S] [--only-ours] [--json]
 *   pool_bench --made SEED [--made-days N] ...
 *   pool_bench --class N [--seed N] [--json]
 *
 * The split: days [0, N) are for training, days [N, until) are scored and nothing is chosen by
 * them. Baselines with one number (z, a minimum) get the smallest that reaches the hit rate on the
 * training part. Ours has nothing to set: it starts empty on day 0, learns as it goes and is
 * scored from day N on. The best static pool and the bound know the scored part, and each policy
 * is compared to what they cost at the hit rate that this policy reached.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool_data.h"
#include "pool_policies.h"

#define BOUND_S 900
#define ROWS_MAX 32

struct options {
        struct data_options data;
        uint64_t made_seed, made_days, class;
        int64_t train_days, until_day;
        double hit;
        uint32_t lead_s;
        bool made, json, only_ours;
};

struct row {
        const char *series;
        const char *policy;
        struct score score;
        double static_s, bound_s;
        double setting; /* the number chosen in training; NAN: none */
};

struct table {
        struct row rows[ROWS_MAX];
        int n;
};

/* A series, its split and its yardsticks. */
struct trial {
        const struct options *o;
        const struct series *series;
        int64_t train_s, until_s;
        struct curve curve;
};

static void add_row(struct table *t, const struct trial *w, const struct policy *p, double setting)
{
        struct row *r = &t->rows[t->n++];

        *r = (struct row){.series = w->series->name, .policy = p->name, .setting = setting};
        r->score = world_play(w->series, w->train_s, w->until_s, w->o->lead_s, p);
        r->static_s = curve_cost(&w->curve, score_hit(&r->score));
        r->bound_s = bound_cost(w->series, w->train_s, w->until_s, w->o->lead_s, BOUND_S,
                                score_hit(&r->score));
}

/* ---- training of the baselines: nothing at or after train_s is read ---- */

/* The smallest z on the grid that reaches the hit rate on the second half of the training part. */
static double tune(const struct trial *w, const struct policy *p, double *z)
{
        for (*z = 0.5; *z < 40; *z *= 1.06) {
                struct score s = world_play(w->series, w->train_s / 2, w->train_s, w->o->lead_s, p);

                if (score_hit(&s) >= w->o->hit)
                        break;
        }
        return *z;
}

static void baselines(struct table *t, const struct trial *w)
{
        static struct curve trained;
        static struct weekly weekly;
        struct recent recent = {.series = w->series, .lead_s = w->o->lead_s};
        struct constant three = {3};
        struct constant minimum;
        struct policy p;

        curve_static(w->series, 0, w->train_s, w->o->lead_s, &trained);
        minimum.size = curve_size(&trained, w->o->hit);
        p = policy_weekly(&weekly);
        weekly_train(&weekly, w->series, w->train_s / 2, w->o->lead_s);
        (void)tune(w, &p, &weekly.z);
        weekly_train(&weekly, w->series, w->train_s, w->o->lead_s);
        add_row(t, w, &p, weekly.z);
        p = policy_recent(&recent);
        (void)tune(w, &p, &recent.z);
        add_row(t, w, &p, recent.z);
        p = policy_constant("shinyproxy_rule", &minimum);
        add_row(t, w, &p, minimum.size);
        p = policy_constant("fixed_3", &three);
        add_row(t, w, &p, 3);
}

/* What knows the future, at the rate that the row before reached. */
static void yardsticks(struct table *t, const struct trial *w)
{
        struct row ours = t->rows[t->n - 1];
        struct row r = ours;

        r.policy = "best_static";
        r.score.idle_s = ours.static_s;
        r.score.wasted_s = r.score.wait_s = 0;
        r.setting = curve_size(&w->curve, score_hit(&ours.score));
        t->rows[t->n++] = r;
        r.policy = "bound_15min";
        r.score.idle_s = ours.bound_s;
        r.setting = NAN;
        t->rows[t->n++] = r;
}

static void trial(struct table *t, const struct options *o, const struct series *s,
                  const struct bursts *bursts, int64_t days)
{
        static struct trial w;
        static struct ours ours;
        struct ours_options with = {.lead_s = o->lead_s,
                                    .hit = o->hit,
                                    .attendance_error = 0.3,
                                    .start_error_s = 180,
                                    .seed = o->data.seed};
        int64_t until = o->until_day > 0 && o->until_day < days ? o->until_day : days;
        struct policy p;

        w = (struct trial){.o = o, .series = s, .until_s = until * DAY_S};
        w.train_s = (o->train_days > 0 ? o->train_days : until / 2) * DAY_S;
        if (w.train_s >= w.until_s) {
                fprintf(stderr, "pool bench: %lld days, nothing is left to score\n",
                        (long long)until);
                exit(1);
        }
        curve_static(s, w.train_s, w.until_s, o->lead_s, &w.curve);
        if (!o->only_ours)
                baselines(t, &w);
        p = policy_ours(&ours, s, NULL, &with);
        add_row(t, &w, &p, NAN);
        if (bursts) {
                p = policy_ours(&ours, s, bursts, &with);
                add_row(t, &w, &p, NAN);
                ours_free(&ours);
        }
        if (!o->only_ours)
                yardsticks(t, &w);
}

/* ---- one class ---- */

/* A school's first day with us: nothing was learned yet, `people` come at about ten o'clock. */
static void one_class(struct table *t, const struct options *o)
{
        static struct trial w;
        static struct ours ours;
        struct series s = {.name = "one class", .n_s = DAY_S};
        uint64_t seed = o->data.seed;
        struct burst b;
        struct bursts bursts = {&b, 1};
        struct ours_options with = {.lead_s = o->lead_s,
                                    .hit = o->hit,
                                    .attendance_error = 0.3,
                                    .start_error_s = 180,
                                    .seed = seed ^ 1};
        struct policy p;

        s.at = calloc((size_t)s.n_s, sizeof(uint16_t));
        if (!s.at)
                exit(1);
        b = (struct burst){36000, (uint32_t)o->class};
        class_arrive(&s, b.start_s, b.people, 1, &seed);
        w = (struct trial){.o = o, .series = &s, .until_s = DAY_S};
        curve_static(&s, 0, DAY_S, o->lead_s, &w.curve);
        p = policy_ours(&ours, &s, &bursts, &with);
        add_row(t, &w, &p, NAN);
        ours_free(&ours);
        free(s.at);
}

/* ---- output ---- */

static double ratio(double a, double b)
{
        return b > 0 ? a / b : NAN;
}

static void print_number(const char *key, double v, const char *end)
{
        if (isfinite(v))
                printf("\"%s\": %.4f%s", key, v, end);
        else
                printf("\"%s\": null%s", key, end);
}

static void print_row(const struct row *r, const char *indent, const char *end)
{
        const struct score *s = &r->score;

        printf("%s\"%s\": {\"series\": \"%s\", ", indent, r->policy, r->series);
        print_number("hit_rate", score_hit(s), ", ");
        print_number("idle_vs_static", ratio(score_cost(s), r->static_s), ", ");
        print_number("idle_vs_bound", ratio(score_cost(s), r->bound_s), ", ");
        print_number("idle_tasks", ratio(s->idle_s, (double)s->seconds), ", ");
        print_number("wasted_tasks", ratio(s->wasted_s, (double)s->seconds), ", ");
        print_number("mean_wait_s", ratio(s->wait_s, s->arrivals), ", ");
        print_number("setting", r->setting, "}");
        printf("%s\n", end);
}

static void print_series(const struct table *t, const char *series, const char *indent)
{
        const struct row *last = NULL;

        for (int i = 0; i < t->n; i++) {
                if (strcmp(t->rows[i].series, series) == 0)
                        last = &t->rows[i];
        }
        for (int i = 0; i < t->n; i++) {
                if (strcmp(t->rows[i].series, series) == 0)
                        print_row(&t->rows[i], indent, &t->rows[i] == last ? "" : ",");
        }
}

/* "policies" is the first series, with the timetable's row of the class-like one. */
static void print_json(const struct table *t, const struct options *o, const struct data *d)
{
        const struct row *class = NULL;

        printf("{\"hit_wanted\": %.4f, \"lead_s\": %u, \"seed\": %llu, \"days\": %lld, "
               "\"train_days\": %lld,\n \"policies\": {\n",
               o->hit, o->lead_s, (unsigned long long)o->data.seed, (long long)d->days,
               (long long)o->train_days);
        for (int i = 0; i < t->n; i++) {
                if (strcmp(t->rows[i].policy, "ours_with_timetable") == 0)
                        class = &t->rows[i];
        }
        if (class)
                print_row(class, "  ", ",");
        print_series(t, t->rows[0].series, "  ");
        printf(" }");
        if (class) {
                printf(",\n \"class_policies\": {\n");
                print_series(t, class->series, "  ");
                printf(" }");
        }
        printf("}\n");
}

static void print_text(const struct table *t)
{
        printf("%-14s %-24s %9s %11s %10s %9s %9s %8s\n", "series", "policy", "hit rate",
               "idle/static", "idle/bound", "idle", "wait s", "setting");
        for (int i = 0; i < t->n; i++) {
                const struct row *r = &t->rows[i];
                const struct score *s = &r->score;

                printf("%-14s %-24s %9.4f %11.3f %10.2f %9.2f %9.3f", r->series, r->policy,
                       score_hit(s), ratio(score_cost(s), r->static_s),
                       ratio(score_cost(s), r->bound_s), score_cost(s) / (double)s->seconds,
                       ratio(s->wait_s, s->arrivals));
                if (isfinite(r->setting))
                        printf(" %8.2f", r->setting);
                printf("\n");
        }
}

/* ---- options ---- */

static double real(const char *text)
{
        char *end;
        double v = strtod(text, &end);

        if (*text == '\0' || *end != '\0' || !isfinite(v)) {
                fprintf(stderr, "pool bench: not a number: %s\n", text);
                exit(2);
        }
        return v;
}

static bool flag(struct options *o, const char *name)
{
        if (strcmp(name, "--json") == 0)
                o->json = true;
        else if (strcmp(name, "--only-ours") == 0)
                o->only_ours = true;
        else
                return false;
        return true;
}

static bool option(struct options *o, const char *name, const char *value)
{
        if (strcmp(name, "--launches") == 0)
                o->data.launches = value;
        else if (strcmp(name, "--bursts") == 0)
                o->data.bursts = value;
        else if (strcmp(name, "--train-days") == 0)
                o->train_days = (int64_t)real(value);
        else if (strcmp(name, "--until-day") == 0)
                o->until_day = (int64_t)real(value);
        else if (strcmp(name, "--hit") == 0)
                o->hit = real(value);
        else if (strcmp(name, "--lead") == 0)
                o->lead_s = (uint32_t)real(value);
        else if (strcmp(name, "--seed") == 0)
                o->data.seed = (uint64_t)real(value);
        else if (strcmp(name, "--scale") == 0)
                o->data.scale = real(value);
        else if (strcmp(name, "--shift") == 0)
                o->data.shift_s = (int64_t)real(value);
        else if (strcmp(name, "--made-days") == 0)
                o->made_days = (uint64_t)real(value);
        else if (strcmp(name, "--class") == 0)
                o->class = (uint64_t)real(value);
        else if (strcmp(name, "--made") == 0) {
                o->made = true;
                o->made_seed = (uint64_t)real(value);
        } else
                return false;
        return true;
}

static void options_read(struct options *o, int argc, char **argv)
{
        *o = (struct options){
                .data = {.seed = 1, .scale = 1}, .hit = 0.99, .lead_s = 60, .made_days = 120};
        for (int i = 1; i < argc; i++) {
                if (flag(o, argv[i]))
                        continue;
                if (i + 1 == argc || !option(o, argv[i], argv[i + 1])) {
                        fprintf(stderr, "pool bench: unknown option or no value: %s\n", argv[i]);
                        exit(2);
                }
                i++;
        }
        if ((!o->data.launches && !o->made && !o->class) || o->hit <= 0 || o->hit >= 1 ||
            o->lead_s == 0 || o->data.scale <= 0) {
                fprintf(stderr, "pool bench: --launches, --made or --class; 0 < hit < 1; lead > 0; "
                                "scale > 0\n");
                exit(2);
        }
}

int main(int argc, char **argv)
{
        static struct table t;
        struct options o;
        struct data d = {0};

        options_read(&o, argc, argv);
        if (o.class) {
                one_class(&t, &o);
        } else {
                if (o.made)
                        data_make(&d, o.made_seed, (int64_t)o.made_days);
                else
                        data_load(&d, &o.data);
                if (o.train_days == 0)
                        o.train_days = d.days / 2;
                trial(&t, &o, &d.all, NULL, d.days);
                if (d.bursts.n > 0)
                        trial(&t, &o, &d.class, &d.bursts, d.days);
        }
        if (o.json)
                print_json(&t, &o, &d);
        else
                print_text(&t);
        data_free(&d);
        return 0;
}
