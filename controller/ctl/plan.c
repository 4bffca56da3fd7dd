/* wsctl plan: what a pool will cost and how long people will wait, before it is turned on. */
#include "plan/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mono.h"
#include "base/num.h"
#include "base/str.h"
#include "plan/chart.h"
#include "plan_print.h"
#include "plan_trace.h"
#include "price_files.h"

#define PROGRESS_AFTER_MS 500
#define PROGRESS_EVERY_MS 200
#define PICTURE_MAX (4 << 20)

static enum ctl_exit say(enum ctl_exit code, const char *text)
{
        fprintf(stderr, "wsctl: %s\n", text);
        return code;
}

/* ---- input ---- */

/* malloc'd, NUL-terminated; NULL after the reason was printed. */
static char *read_file(const char *path, size_t *ret_len)
{
        FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
        char *text = malloc(PLAN_FILE_MAX + 1);
        size_t n = f && text ? fread(text, 1, PLAN_FILE_MAX + 1, f) : 0;
        const char *why = NULL;

        if (!f || !text || ferror(f))
                why = strerror(errno);
        else if (n > PLAN_FILE_MAX)
                why = "larger than 4 MB; is it a plan?";
        if (f && f != stdin)
                (void)fclose(f);
        if (why) {
                fprintf(stderr, "wsctl: %s: %s\n", path, why);
                free(text);
                return NULL;
        }
        text[n] = 0;
        *ret_len = n;
        return text;
}

static enum ctl_exit read_plan(const struct ctl *c, struct plan *p)
{
        struct plan_error e;
        size_t len = 0;
        char *text;
        int r;

        if (!c->argument)
                return CTL_OK;
        text = read_file(c->argument, &len);
        if (!text)
                return CTL_FAILED;
        r = plan_read(text, len, p, &e);
        free(text);
        if (r == 0)
                return CTL_OK;
        fprintf(stderr, "wsctl: %s: %s\n", c->argument, e.text);
        return CTL_FAILED;
}

static enum ctl_exit read_prices(const struct ctl *c, struct price_list *ret)
{
        struct plan_error e;
        size_t len = price_prices_us_east_1_json_len;
        char *text = c->prices ? read_file(c->prices, &len) : NULL;
        int r;

        if (c->prices && !text)
                return CTL_FAILED;
        r = price_list_read(text ? text : (const char *)price_prices_us_east_1_json, len, ret, &e);
        free(text);
        if (r == 0)
                return CTL_OK;
        fprintf(stderr, "wsctl: %s: %s\n", c->prices ? c->prices : "the prices built in", e.text);
        return CTL_FAILED;
}

/* Options that a type of its own has in the file. */
static bool of_type(const char *name)
{
        static const char *const names[] = {"vcpu", "gb", "spot_share", "price_per_hour", "pool"};
        bool is = false;

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                is |= strcmp(names[i], name) == 0;
        return is;
}

static int set_option(struct plan *p, const char *name, const char *text, struct plan_error *e)
{
        if (!text)
                return 0;
        if (p->n_types > 0 && (of_type(name) || strcmp(name, "arch") == 0)) {
                (void)snprintf(e->text, sizeof(e->text),
                               "%s: the file has types of its own; change it there", name);
                return -EINVAL;
        }
        return plan_set_text(p, name, text, e);
}

static enum ctl_exit set_options(const struct ctl *c, struct plan *p)
{
        const struct {
                const char *name, *text;
        } options[] = {
                {"arrival", c->arrival},   {"arch", c->arch},   {"policy", c->policy},
                {"weekdays", c->weekdays}, {"title", c->title},
#define FIELD(name, otherwise, least, most, whole, doc) {#name, c->plan.name},
#include "plan/field.def"
#undef FIELD
        };
        struct plan_error e;
        int r = 0;

        for (size_t i = 0; i < ARRAY_LEN(options) && r == 0; i++)
                r = set_option(p, options[i].name, options[i].text, &e);
        return r == 0 ? CTL_OK : say(CTL_USAGE, e.text);
}

static enum ctl_exit make_plan(const struct ctl *c, struct plan *p)
{
        enum ctl_exit r;

        plan_init(p);
        if (c->preset && !plan_preset(p, c->preset))
                return say(CTL_USAGE, "--preset: no such preset; give original or honest");
        r = read_plan(c, p);
        if (r == CTL_OK)
                r = set_options(c, p);
        return r;
}

static enum ctl_exit make_sessions(const struct ctl *c, struct plan *p, struct plan_sessions *ret)
{
        struct plan_error e;
        struct trace t = {0};
        int r;

        if (c->launches) {
                if (trace_read(c->launches, c->column ? (uint32_t)c->column : 3, &t, &e) < 0)
                        return say(CTL_FAILED, e.text);
                p->days = (double)(t.n / PLAN_DAY_MIN);
        }
        if (plan_check(p, &e) < 0) {
                trace_deinit(&t);
                return say(CTL_USAGE, e.text);
        }
        r = c->launches ? plan_sessions_trace(p, t.per_minute, t.n, ret)
                        : plan_sessions_make(p, ret);
        trace_deinit(&t);
        if (r == 0 && c->launches) /* as many as must be told apart */
                p->students = MIN(ret->students, 200000u);
        if (r == -E2BIG)
                return say(CTL_FAILED,
                           "days: more than 10 million sessions in all; plan fewer days");
        if (r < 0)
                return say(CTL_FAILED, strerror(-r));
        if (ret->n == 0) {
                plan_sessions_deinit(ret);
                return say(CTL_FAILED,
                           "nobody comes: sessions_per_day is 0 and there is no class on "
                           "these days; give one of them");
        }
        return CTL_OK;
}

/* ---- running ---- */

struct progress {
        mono_t next;
        const char *what;
        bool shown;
};

static bool show_progress(void *arg, double done)
{
        struct progress *p = arg;
        mono_t now = mono_read();

        if (!mono_due(p->next, now))
                return true;
        p->next = mono_add_ms(now, PROGRESS_EVERY_MS);
        p->shown = true;
        fprintf(stderr, "\r%s: %3.0f %% ", p->what, 100 * done);
        return true;
}

static int run(const struct plan *p, const struct plan_sessions *s, const char *what,
               struct plan_result **ret)
{
        struct progress progress = {.next = mono_add_ms(mono_read(), PROGRESS_AFTER_MS),
                                    .what = what};
        int r = plan_run(p, s, isatty(STDERR_FILENO) ? show_progress : NULL, &progress, ret);

        if (progress.shown)
                fprintf(stderr, "\r\033[K");
        return r;
}

/* Is the plan itself the fixed pool that it would be compared to? */
static bool is_fixed(const struct plan *p)
{
        bool same = !p->forecast && p->pool_from_hour <= 0 && p->pool_to_hour >= 24;

        for (uint32_t i = 0; i < p->n_types; i++)
                same &= (uint32_t)p->types[i].pool == (uint32_t)p->compare_pool;
        return same;
}

struct runs {
        struct plan_result *ours, *fixed, *bound;
};

static int run_all(const struct plan *p, const struct plan_sessions *s, struct runs *ret)
{
        struct plan *fixed = malloc(sizeof(*fixed));
        int r = fixed ? run(p, s, "the plan", &ret->ours) : -ENOMEM;

        if (r == 0)
                r = plan_bound(p, s, &ret->bound);
        if (r == 0 && !is_fixed(p)) {
                *fixed = *p;
                fixed->forecast = false;
                fixed->pool_from_hour = 0;
                fixed->pool_to_hour = 24;
                for (uint32_t i = 0; i < p->n_types; i++)
                        fixed->types[i].pool = p->compare_pool;
                r = run(fixed, s, "the fixed pool", &ret->fixed);
        }
        free(fixed);
        return r;
}

static void add_way(struct plan_outcome *o, const char *name, const struct plan_result *r)
{
        struct plan_way *w = &o->ways[o->n_ways++];

        STR_CUT(w->name, name);
        w->result = r;
        if (r)
                bill_make(o->plan, &o->prices->prices, r, &w->bill);
        else
                bill_always_on(o->plan, &o->prices->prices, o->result, &w->bill);
}

static void add_ways(struct plan_outcome *o, const struct runs *runs)
{
        char fixed[40], ours[64];

        (void)snprintf(fixed, sizeof(fixed), "FIXED POOL OF %.0f", o->plan->compare_pool);
        (void)snprintf(ours, sizeof(ours), "THIS PLAN%s%s", runs->fixed ? "" : ": ",
                       runs->fixed ? "" : fixed);
        add_way(o, "ALWAYS ON", NULL);
        if (runs->fixed)
                add_way(o, fixed, runs->fixed);
        o->ours = o->n_ways;
        add_way(o, ours, runs->ours);
        add_way(o, "CLAIRVOYANT", runs->bound);
}

/* ---- output ---- */

static enum ctl_exit write_file(const char *path, const struct buf *text)
{
        FILE *f = fopen(path, "we");
        bool good = f && fwrite(text->data, 1, text->len, f) == text->len;

        if (f && fclose(f) != 0)
                good = false;
        if (good)
                return CTL_OK;
        fprintf(stderr, "wsctl: cannot write %s: %s\n", path, strerror(errno));
        return CTL_FAILED;
}

static enum ctl_exit write_files(const struct ctl *c, const struct plan_outcome *o)
{
        enum ctl_exit r = CTL_OK;
        AUTO_BUF text = BUF_INIT(PICTURE_MAX);

        if (c->svg) {
                if (chart_svg(o->plan, o->result, &text) < 0)
                        return say(CTL_FAILED, "the picture does not fit into memory");
                r = write_file(c->svg, &text);
        }
        buf_clear(&text);
        if (c->csv && r == CTL_OK) {
                if (chart_csv(o->result, &text) < 0)
                        return say(CTL_FAILED, "the table does not fit into memory");
                r = write_file(c->csv, &text);
        }
        return r;
}

static enum ctl_exit run_and_print(const struct ctl *c, const struct plan *p,
                                   const struct plan_sessions *s, const struct price_list *prices)
{
        struct runs runs = {0};
        int r = run_all(p, s, &runs);
        struct plan_outcome o = {.plan = p,
                                 .result = runs.ours,
                                 .prices = prices,
                                 .trace = c->launches,
                                 .sessions = s->n,
                                 .original = c->preset && strcmp(c->preset, "original") == 0};
        enum ctl_exit code;

        if (r == 0) {
                add_ways(&o, &runs);
                code = write_files(c, &o);
                if (code == CTL_OK && c->json)
                        plan_print_json(&o);
                else if (code == CTL_OK)
                        plan_print(c, &o);
        } else {
                code = say(CTL_FAILED,
                           r == -ELOOP ? "the core does not come to rest: a bug" : strerror(-r));
        }
        plan_result_free(runs.ours);
        plan_result_free(runs.fixed);
        plan_result_free(runs.bound);
        return code;
}

enum ctl_exit command_plan(const struct ctl *c)
{
        struct plan *p = malloc(sizeof(*p));
        struct plan_sessions s = {0};
        struct price_list prices;
        enum ctl_exit r;

        if (!p)
                return say(CTL_FAILED, strerror(ENOMEM));
        if (c->print_prices) {
                (void)fwrite(price_prices_us_east_1_json, 1, price_prices_us_east_1_json_len,
                             stdout);
                free(p);
                return CTL_OK;
        }
        r = read_prices(c, &prices);
        if (r == CTL_OK)
                r = make_plan(c, p);
        if (r == CTL_OK)
                r = make_sessions(c, p, &s);
        bill_price(p, &prices.prices);
        if (r == CTL_OK)
                r = run_and_print(c, p, &s, &prices);
        plan_sessions_deinit(&s);
        free(p);
        return r;
}
