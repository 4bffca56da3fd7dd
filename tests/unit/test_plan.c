/*
 * The planner against closed formulas, against itself, and in dollars.
 *
 *   test_plan [SEED]      WS_TEST_FULL=1: longer runs
 */
#include <errno.h>
#include <math.h>
#include <time.h>

#include "base/num.h"
#include "base/str.h"
#include "plan/bill.h"
#include "plan/chart.h"
#include "plan/plan.h"
#include "pool/closed.h"
#include "test.h"

#ifndef FORMULAS_ONLY
#define FORMULAS_ONLY 0 /* 1: a core with a defect, which they must notice */
#endif

#define PLAN_GOLDEN "800 launches, 799 hits, 917 containers, 541548 s warm"
#define LEAD_S 11 /* of the runs beside the formulas */

static uint64_t seed;
static bool full;

static void set(struct plan *p, const char *name, double value)
{
        struct plan_error e;

        if (plan_set(p, name, value, &e) < 0) {
                fprintf(stderr, "%s\n", e.text);
                exit(1);
        }
}

static struct plan_result *run_plan(struct plan *p)
{
        struct plan_sessions s = {0};
        struct plan_result *r = NULL;
        struct plan_error e;

        CHECK(plan_check(p, &e) == 0);
        CHECK(plan_sessions_make(p, &s) == 0);
        CHECK(plan_run(p, &s, NULL, NULL, &r) == 0);
        plan_sessions_deinit(&s);
        return r;
}

/* ---- closed formulas (pool/closed.h): base stock, backorders ---- */

static void near(const char *what, double seen, double formula)
{
        double off = fabs(seen - formula) / formula;

        fprintf(stderr, "    %s: %.5g, formula %.5g, %.2f %% off\n", what, seen, formula,
                100 * off);
        if (off > 0.01) {
                fprintf(stderr, "%s is more than 1 %% off the closed formula\n", what);
                exit(1);
        }
}

/* A constant rate all day; visits are short, so that only the pool matters. */
static void poisson_plan(struct plan *p, double lead_cv, uint32_t size)
{
        plan_init(p);
        set(p, "seed", (double)(seed & 0xffffffff));
        set(p, "students", 4000);
        set(p, "sessions_per_day", 4); /* 16,000 a day: one in 5.4 s */
        set(p, "hours_per_day", 0.01);
        set(p, "days", full ? 120 : 40);
        set(p, "from_hour", 0);
        set(p, "to_hour", 24);
        CHECK(plan_set_text(p, "arrival", "poisson", NULL) == 0);
        set(p, "lead_time_s", LEAD_S);
        set(p, "lead_time_cv", lead_cv);
        set(p, "ready_s", 0);
        set(p, "save_s", 0);
        set(p, "idle_limit_min", 0.5);
        set(p, "stops_per_minute", 100000);
        set(p, "launch_burst", 0);
        set(p, "pool", size);
}

static void against_formulas(double lead_cv, uint32_t size)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *r;
        double idle, load;

        poisson_plan(p, lead_cv, size);
        r = run_plan(p);
        /* At the rate that was drawn, which differs from the plan's by chance. */
        load = (double)r->launches / (r->days * 86400) * LEAD_S;
        idle = plan_seconds(r, USE_WARM) / (r->days * 86400);
        fprintf(stderr, "  pool of %u, lead time cv %g: %llu launches, %llu steps of the core\n",
                size, lead_cv, (unsigned long long)r->launches, (unsigned long long)r->steps);
        near("hit rate", plan_hit_rate(r), closed_hit(load, size));
        near("idle containers", idle, closed_idle(load, size));
        near("mean wait", r->wait_mean_s, closed_wait(load, size) * LEAD_S);
        CHECK_INT(r->returns, 0);
        plan_result_free(r);
        free(p);
}

static void test_formulas(void)
{
        against_formulas(0, 2);
        if (full) {
                against_formulas(0, 3);
                against_formulas(0.5, 2); /* only the mean of the lead time counts */
        }
}

/* ---- the account ---- */

static void class_plan(struct plan *p)
{
        plan_init(p);
        set(p, "seed", (double)(seed & 0xffffffff));
        set(p, "students", 60);
        set(p, "days", 3);
        set(p, "lead_time_cv", 0.3);
        set(p, "pool_from_hour", 8);
        set(p, "pool_to_hour", 20);
        p->classes[p->n_classes++] = (struct plan_class){.course = "cs101",
                                                         .roster = 30,
                                                         .attendance = 0.9,
                                                         .start_min = 600,
                                                         .minutes = 90,
                                                         .days = PLAN_EVERY_DAY};
}

static void test_same_seed(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *a, *b;

        class_plan(p);
        a = run_plan(p);
        b = run_plan(p);
        CHECK(memcmp(a, b, sizeof(*a)) == 0);
        plan_result_free(b);
        set(p, "seed", p->seed > 0 ? p->seed - 1 : 1);
        b = run_plan(p);
        CHECK(memcmp(a, b, sizeof(*a)) != 0);
        plan_result_free(a);
        plan_result_free(b);
        free(p);
}

/* The minutes of the day hold the same container time as the sums; nobody is forgotten. */
static void test_account(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *r;
        double all = 0, minutes = 0, launches = 0;

        class_plan(p);
        r = run_plan(p);
        for (size_t u = 0; u < USE_MAX; u++)
                all += plan_seconds(r, (enum plan_use)u);
        for (size_t m = 0; m < PLAN_DAY_MIN; m++) {
                for (size_t u = 0; u < USE_MAX; u++)
                        minutes += r->minutes[m].mean[u] * 60 * r->days;
                launches += r->minutes[m].launches * r->days;
                CHECK(r->minutes[m].most <= r->peak);
        }
        CHECK(fabs(all - minutes) < 1e-6 * all);
        CHECK(fabs(launches - (double)r->launches) < 1e-6);
        CHECK(r->hits <= r->launches);
        CHECK_INT(r->unserved, 0);
        CHECK(r->wait_p50_s <= r->wait_p95_s && r->wait_p95_s <= r->wait_p99_s);
        CHECK(r->wait_p99_s <= r->wait_max_s);
        /* At night there is nobody and no pool. */
        CHECK(r->minutes[4 * 60].mean[USE_WARM] <= 0);
        plan_result_free(r);
        free(p);
}

/* Whoever knows everything is never dearer, and no pool is. */
static void test_bound(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_sessions s = {0};
        struct plan_result *r = NULL, *bound = NULL;
        struct plan_error e;
        double all = 0, least = 0;

        class_plan(p);
        set(p, "pool", 0);
        CHECK(plan_check(p, &e) == 0);
        CHECK(plan_sessions_make(p, &s) == 0);
        CHECK(plan_run(p, &s, NULL, NULL, &r) == 0);
        CHECK(plan_bound(p, &s, &bound) == 0);
        for (size_t u = 0; u < USE_MAX; u++) {
                all += plan_seconds(r, (enum plan_use)u);
                least += plan_seconds(bound, (enum plan_use)u);
        }
        CHECK_INT(r->hits, 0);
        CHECK(least < all);
        CHECK(plan_seconds(bound, USE_WARM) <= 0);
        CHECK(plan_seconds(bound, USE_WORK) > 0);
        plan_result_free(bound);
        plan_result_free(r);
        plan_sessions_deinit(&s);
        free(p);
}

/* Who stays away is stopped after the idle limit; who comes back in time has not waited. */
static void test_idle_limit(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_session v[] = {
                {10 * 3600 * US_PER_S, 600 * US_PER_S, 0, 0, PLAN_NO_CLASS},
                {10 * 3600 * US_PER_S + 1500 * US_PER_S, 600 * US_PER_S, 0, 0, PLAN_NO_CLASS},
                {14 * 3600 * US_PER_S, 600 * US_PER_S, 0, 0, PLAN_NO_CLASS}};
        struct plan_sessions s = {.n = 3, .v = v, .students = 1};
        struct plan_result *r = NULL;
        struct plan_error e;

        plan_init(p);
        set(p, "students", 1);
        set(p, "days", 1);
        set(p, "ready_s", 0);
        set(p, "pool", 1);
        CHECK(plan_check(p, &e) == 0);
        CHECK(plan_run(p, &s, NULL, NULL, &r) == 0);
        CHECK_INT(r->launches, 2);
        CHECK_INT(r->hits, 2);
        CHECK_INT(r->returns, 1);
        /* 10:00 to 10:10 and 10:25 to 10:35, then half an hour; 14:00 to 14:10, and again. */
        CHECK(fabs(plan_seconds(r, USE_WORK) - 1800) < 1e-3);
        CHECK(fabs(plan_seconds(r, USE_AWAY) - (900 + 1800 + 1800)) < 1);
        CHECK(fabs(plan_seconds(r, USE_SAVING) - 2 * p->save_s) < 1e-3);
        plan_result_free(r);
        free(p);
}

/* A class of 300 at once and a bucket of 100 and 20 a second: the last starts 10 s after the first.
 */
static void test_launch_rate(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_session *v = calloc(300, sizeof(*v));
        struct plan_sessions s = {.n = 300, .v = v, .students = 300};
        struct plan_result *r = NULL;
        struct plan_error e;

        for (uint32_t i = 0; i < 300; i++)
                v[i] = (struct plan_session){3600 * US_PER_S, 3600 * US_PER_S, i, 0, PLAN_NO_CLASS};
        plan_init(p);
        set(p, "students", 300);
        set(p, "days", 1);
        set(p, "pool", 0);
        CHECK(plan_check(p, &e) == 0);
        CHECK(plan_run(p, &s, NULL, NULL, &r) == 0);
        CHECK_INT(r->launches, 300);
        CHECK_INT(r->hits, 0);
        CHECK(fabs(r->wait_p50_s - (60 + 51 / 20.0)) < 0.2);
        CHECK(fabs(r->wait_max_s - (60 + 200 / 20.0)) < 0.01);
        plan_result_free(r);
        free(v);
        free(p);
}

/* ---- the core sizes the pool ---- */

/*
 * The forecast with the classes as its timetable: nearly everybody finds a warm one, and the pool
 * costs a fraction of a fixed one of the size that serves as many. And the same again, to the bit.
 */
static void test_classes(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *r[2], *fixed;
        double idle, fixed_idle;

        class_plan(p);
        set(p, "students", 300);
        set(p, "sessions_per_day", 0);
        set(p, "days", 10);
        p->classes[0].roster = 300;
        p->classes[0].days = 0x1f;
        set(p, "pool", 60);
        set(p, "pool_from_hour", 0);
        set(p, "pool_to_hour", 24);
        fixed = run_plan(p);
        p->n_types = 0; /* made anew by the check */
        set(p, "pool", 0);
        p->forecast = true;
        r[0] = run_plan(p);
        r[1] = run_plan(p);
        CHECK(memcmp(r[0], r[1], sizeof(*r[0])) == 0);
        idle = plan_seconds(r[0], USE_WARM) + plan_seconds(r[0], USE_LAUNCHING);
        fixed_idle = plan_seconds(fixed, USE_WARM) + plan_seconds(fixed, USE_LAUNCHING);
        fprintf(stderr,
                "  forecast and timetable: %.2f %% warm, idle %.0f s; pool of 60: %.2f %%, %.0f "
                "s\n",
                100 * plan_hit_rate(r[0]), idle, 100 * plan_hit_rate(fixed), fixed_idle);
        CHECK(plan_hit_rate(r[0]) > 0.95);
        CHECK(idle < fixed_idle / 10);
        CHECK_INT(r[0]->classes_short, 0);
        set(p, "ceiling", 20);
        plan_result_free(r[1]);
        r[1] = run_plan(p);
        CHECK(r[1]->classes_short > 0);
        CHECK(r[1]->hits < r[0]->hits);
        plan_result_free(r[0]);
        plan_result_free(r[1]);
        plan_result_free(fixed);
        free(p);
}

/*
 * Two days of one seed in figures. They are the core's: its floor, its learned lead time, its
 * forecast, its scale-in. Whoever changes one of these on purpose writes the new ones down.
 */
static void test_golden(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *r;
        char seen[160];

        plan_init(p);
        set(p, "seed", 7);
        set(p, "students", 400);
        set(p, "days", 2);
        set(p, "lead_time_cv", 0.2);
        set(p, "pool", 2);
        set(p, "pool_from_hour", 8);
        set(p, "pool_to_hour", 20);
        p->forecast = true;
        r = run_plan(p);
        (void)snprintf(seen, sizeof(seen), "%llu launches, %llu hits, %llu containers, %.0f s warm",
                       (unsigned long long)r->launches, (unsigned long long)r->hits,
                       (unsigned long long)r->tasks, plan_seconds(r, USE_WARM));
        if (strcmp(seen, PLAN_GOLDEN) != 0) {
                fprintf(stderr, "the plan's golden figures: %s, not %s\n", seen, PLAN_GOLDEN);
                exit(1);
        }
        plan_result_free(r);
        free(p);
}

/* What a budget does not pay for is not kept warm; people are served, and it is said. */
static void test_budget(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *free_, *held;

        plan_init(p);
        set(p, "seed", (double)(seed & 0xffffffff));
        set(p, "students", 200);
        set(p, "days", 2);
        set(p, "hours_per_day", 0.5);
        set(p, "pool", 10);
        set(p, "pool_quiet", 10);
        p->forecast = true;
        free_ = run_plan(p);
        CHECK(free_->spent_day_most[0] <= 0); /* no price */
        p->types[0].hour = 1;
        set(p, "budget_day", 150);
        held = run_plan(p);
        fprintf(stderr, "  at most %.2f of 150 a day, held for %.0f s\n", held->spent_day_most[0],
                held->budget_held_s[0]);
        CHECK(free_->budget_held_s[0] <= 0 && held->budget_held_s[0] > 3600);
        CHECK(plan_seconds(held, USE_WARM) < plan_seconds(free_, USE_WARM));
        CHECK(held->hits < free_->hits);
        CHECK_INT(held->unserved, 0);
        /* 200 people for an hour at least, and what was kept before that was spent. */
        CHECK(held->spent_day_most[0] > 150 && held->spent_day_most[0] < 360);
        plan_result_free(free_);
        plan_result_free(held);
        free(p);
}

/* ---- dollars ---- */

static const struct prices prices = {
        .fargate_x86_vcpu_hour = 0.04048,
        .fargate_x86_gb_hour = 0.004445,
        .fargate_arm_vcpu_hour = 0.03238,
        .fargate_arm_gb_hour = 0.00356,
        .fargate_spot_share = 0.3,
        .efs_gb_month = 0.30,
        .efs_read_gb = 0.03,
        .efs_write_gb = 0.06,
        .s3_gb_month = 0.023,
        .s3_put_1000 = 0.005,
        .nat_hour = 0.045,
        .nat_gb = 0.045,
        .alb_hour = 0.0225,
        .alb_lcu_hour = 0.008,
        .rds_node_hour = 0.032,
        .rds_gb_month = 0.115,
        .cache_node_hour = 0.016,
        .public_ip_hour = 0.005,
        .transfer_gb = 0.09,
        .logs_gb = 0.5,
        .secret_month = 0.4,
};

static void cents(double dollars, long long expected)
{
        CHECK_INT(llround(dollars * 100), expected);
}

static void test_original(void)
{
        struct original o;

        bill_original(100, 3, 3, 0.04, &o);
        cents(o.always_compute, 292000);
        cents(o.always, 305000);
        cents(o.pool, 8760);
        cents(o.work, 36000);
        cents(o.storage, 3000);
        cents(o.snapshots, 1150);
        cents(o.transfer, 5000);
        cents(o.warm, 53910);
        CHECK(fabs((1 - o.warm / o.always) - 0.823) < 0.0005);
        cents(bill_original_projection(500), 180000);
        cents(bill_original_projection(5000), 1200000);
        cents(bill_original_projection(7), 0);
}

/* By hand: one container, worked in for an hour and warm for two, on one planned day. */
static void test_bill(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *r = calloc(1, sizeof(*r));
        struct plan_error e;
        struct bill b;

        CHECK(plan_preset(p, "honest"));
        CHECK(plan_check(p, &e) == 0);
        r->days = BILL_MONTH_HOURS / 24; /* a month is planned */
        r->seconds[0][USE_WORK] = 9000 * 3600.0;
        r->seconds[0][USE_WARM] = 3 * 730 * 3600.0;
        r->seconds[0][USE_AWAY] = 1050 * 3600.0;
        bill_make(p, &prices, r, &b);
        cents(b.items[ITEM_WORK], 22217); /* 9,000 x 0.024685 */
        cents(b.items[ITEM_POOL], 5406);
        cents(b.items[ITEM_AWAY], 2592);
        cents(b.items[ITEM_EFS], 7200); /* 30 of storage, 42 of throughput */
        cents(b.items[ITEM_S3], 230 + 270);
        cents(b.items[ITEM_NAT], 7020);
        cents(b.items[ITEM_ALB], 2227);
        cents(b.items[ITEM_RDS], 5132);
        cents(b.items[ITEM_CACHE], 2336);
        cents(b.items[ITEM_SERVICES], 3604);
        cents(b.items[ITEM_ADDRESSES], 1460);
        cents(b.items[ITEM_LOGS], 1160);
        CHECK(fabs(b.per_student * 100 - b.total) < 1e-9);
        bill_always_on(p, &prices, r, &b);
        cents(b.items[ITEM_WORK] + b.items[ITEM_AWAY], 180201); /* 100 x 730 x 0.024685 */
        p->types[0].arm = true;
        p->types[0].spot_share = 1;
        CHECK(fabs(bill_hour(&p->types[0], &prices) - (0.03238 / 2 + 0.00356) * 0.3) < 1e-12);
        free(r);
        free(p);
}

/* ---- fields, charts ---- */

static void test_fields(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_error e;
        uint8_t days;
        uint32_t min;

        plan_init(p);
        CHECK(plan_set_text(p, "students", "12", &e) == 0);
        CHECK_INT(p->students, 12);
        CHECK(plan_set_text(p, "students", "12.5", &e) == -EINVAL);
        CHECK_STR(e.text, "students: 12.5 is not a whole number; give 12 or 13");
        CHECK(plan_set_text(p, "students", "1e9", &e) == -EINVAL);
        CHECK(plan_set(p, "students", 0, &e) == -EINVAL);
        CHECK(plan_set(p, "students", NAN, &e) == -EINVAL);
        CHECK(plan_set(p, "nothing", 1, &e) == -ENOENT);
        CHECK(plan_set_text(p, "arrival", "sometimes", &e) == -EINVAL);
        CHECK(plan_set_text(p, "arch", "mips", &e) == -EINVAL);
        CHECK(plan_weekdays_parse("mon-wed,fri", &days));
        CHECK_INT(days, 0x17);
        CHECK(!plan_weekdays_parse("fri-mon", &days) && !plan_weekdays_parse("", &days));
        CHECK(!plan_weekdays_parse("mon,", &days) && !plan_weekdays_parse("monday", &days));
        CHECK(plan_clock_parse("23:59", &min) && min == 1439);
        CHECK(!plan_clock_parse("24:00", &min) && !plan_clock_parse("9:00", &min));
        CHECK(!plan_clock_parse("10:60", &min) && !plan_clock_parse("1:000", &min));
        set(p, "to_hour", 9);
        CHECK(plan_check(p, &e) == -EINVAL);
        free(p);
}

static void test_chart(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *r;
        AUTO_BUF text = BUF_INIT(1 << 20);
        size_t lines = 0;

        class_plan(p);
        STR_CUT(p->title, "<a> & \"b\"");
        r = run_plan(p);
        CHECK(chart_text(r, 72, true, &text) == 0);
        for (size_t i = 0; i < text.len; i++)
                CHECK(text.data[i] == '\n' || (text.data[i] >= ' ' && text.data[i] < 0x7f));
        buf_clear(&text);
        CHECK(chart_text(r, 1000, false, &text) == 0);
        buf_clear(&text);
        CHECK(chart_csv(r, &text) == 0);
        for (size_t i = 0; i < text.len; i++)
                lines += text.data[i] == '\n';
        CHECK_INT(lines, PLAN_DAY_MIN + 1);
        buf_clear(&text);
        CHECK(chart_svg(p, r, &text) == 0);
        CHECK(buf_terminate(&text) == 0);
        CHECK(strstr((char *)text.data, "&lt;a&gt; &amp;"));
        CHECK(str_starts((char *)text.data, "<?xml"));
        CHECK(strcmp((char *)text.data + text.len - 7, "</svg>\n") == 0);
        plan_result_free(r);
        free(p);
}

static bool end_it(void *arg, double done)
{
        (void)done;
        return ++*(unsigned *)arg < 2;
}

static void test_cancel(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_sessions s = {0};
        struct plan_result *r = NULL;
        struct plan_error e;
        unsigned calls = 0;

        plan_init(p);
        set(p, "students", 2000);
        CHECK(plan_check(p, &e) == 0);
        CHECK(plan_sessions_make(p, &s) == 0);
        CHECK(plan_run(p, &s, end_it, &calls, &r) == -ECANCELED);
        CHECK(!r && calls == 2);
        plan_sessions_deinit(&s);
        free(p);
}

/* 10,000 students on one day; how long it takes is printed, and for benchmarks to judge. */
static void test_large(void)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_result *r;
        clock_t before = clock();

        plan_init(p);
        set(p, "students", full ? 10000 : 2000);
        set(p, "days", 1);
        set(p, "pool", 60);
        set(p, "stops_per_minute", 1000);
        r = run_plan(p);
        fprintf(stderr, "  %.0f students: %llu launches, %.1f %% warm, %llu steps, %.2f s of CPU\n",
                p->students, (unsigned long long)r->launches, 100 * plan_hit_rate(r),
                (unsigned long long)r->steps, (double)(clock() - before) / CLOCKS_PER_SEC);
        CHECK_INT(r->launches + r->returns, (long long)p->students);
        plan_result_free(r);
        free(p);
}

static void everything_else(void)
{
        RUN(test_fields);
        RUN(test_original);
        RUN(test_bill);
        RUN(test_idle_limit);
        RUN(test_launch_rate);
        RUN(test_same_seed);
        RUN(test_account);
        RUN(test_bound);
        RUN(test_classes);
        RUN(test_budget);
        RUN(test_chart);
        RUN(test_cancel);
        RUN(test_large);
}

int main(int argc, char **argv)
{
        full = test_full();
        seed = (uint64_t)utc_read().us;
        if (argc > 1 && num_parse_u64(argv[1], 0, UINT64_MAX, &seed) < 0)
                return 2;
        fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        if (!FORMULAS_ONLY)
                everything_else();
        RUN(test_formulas);
        RUN(test_golden);
        return 0;
}
