#include "in/day.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"

#define LOOK_MS 5000
#define FIRST_LOOK_MS 1000 /* the rows are loaded by then */
#define WRITE_MS (5 * 60 * 1000)
/* As a budget counts (pool/budget.h). */
#define GAP_S_MAX 3600
#define MINUTE_US (60 * US_PER_S)

static const char magic[8] = "wsday 1";

/* As it stands in the file: of this machine alone, and refused when it is of another size. */
struct kept {
        char magic[8];
        utc_t at; /* of the last look */
        struct day_spent today, month;
        int64_t newest; /* minute */
        struct day_minute minutes[DAY_MINUTES];
};

struct day {
        struct loop *loop;
        struct shell *shell;
        struct day_config config;
        struct kept k;
        struct day_rate rate;
        mono_t written;
        struct loop_timer timer;
};

static const char *const column_names[] = {
#define DAY_COLUMN(id, name, doc) [DAY_##id] = name,
#include "in/day_column.def"
#undef DAY_COLUMN
};
static_assert(ARRAY_LEN(column_names) == DAY_COLUMN_MAX, "a name for each column");

const char *day_column_name(enum day_column c)
{
        return column_names[c];
}

/* ---- the file ---- */

static void write_file(struct day *d)
{
        int r;

        d->written = loop_now(d->loop);
        if (!d->config.path || d->k.at.us == 0)
                return;
        r = file_write_atomic(d->config.path, &d->k, sizeof(d->k), 0600);
        if (r < 0)
                log_warn("the day's figures cannot be kept", LOG_STR("path", d->config.path),
                         LOG_ERR(r));
}

static void read_file(struct day *d)
{
        AUTO_BUF b = BUF_INIT(sizeof(d->k) + 1); /* and the NUL behind */
        int r = d->config.path ? file_read(d->config.path, &b) : -ENOENT;

        if (r == -ENOENT)
                return;
        if (r < 0 || b.len != sizeof(d->k) || memcmp(b.data, magic, sizeof(magic)) != 0) {
                log_warn("the day's figures of before cannot be used",
                         LOG_STR("path", d->config.path), LOG_INT("bytes", (int64_t)b.len));
                return;
        }
        memcpy(&d->k, b.data, sizeof(d->k));
}

/* ---- looking ---- */

/* Millionths of a dollar. */
static int64_t price(const struct day *d, const char *type)
{
        const struct core_type *t = core_type_named(d->config.core, type);

        return t ? t->sizing.task_hour : 0;
}

static void count_task(const struct task_row *t, uint32_t *n)
{
        switch (t->state) {
        case TASK_LAUNCHING:
                n[DAY_LAUNCHING]++;
                break;
        case TASK_WARM:
                n[DAY_WARM]++;
                break;
        case TASK_CLAIMED:
                n[DAY_STARTING]++;
                break;
        case TASK_READY:
                n[DAY_IN_USE]++;
                break;
        case TASK_STOPPING:
        case TASK_SAVED:
        case TASK_TERMINATING:
                n[DAY_SAVING]++;
                break;
        case TASK_GONE:
        case TASK_LOST:
        case TASK_FAILED:
        case TASK_STATE_MAX:
                break;
        }
}

/* Tasks, workspaces and millionths of a dollar an hour, as they are. */
struct look {
        uint32_t n[DAY_COLUMN_MAX];
        uint32_t tasks, workspaces;
        int64_t hour, always_hour;
};

static void take_look(const struct day *d, struct look *l)
{
        const struct core *core = shell_core(d->shell);
        const struct workspace_row *w;
        const struct task_row *t;
        struct pool_view p;
        size_t pos = 0;

        while ((t = core_next_task(core, &pos))) {
                count_task(t, l->n);
                l->tasks++;
                l->hour += price(d, t->type);
        }
        pos = 0;
        while ((w = core_next_workspace(core, &pos))) {
                l->n[DAY_ATTENTION] += w->state == WS_ATTENTION;
                if (w->state == WS_DELETED)
                        continue;
                l->workspaces++;
                l->always_hour += price(d, w->key.type);
        }
        for (uint32_t i = 0; core_pool(core, i, &p); i++) {
                l->n[DAY_TARGET] += p.target;
                l->n[DAY_WAITING] += p.waiting;
        }
}

static void begin_period(struct day_spent *s, int64_t period, utc_t now)
{
        if (s->period != period || s->from.us == 0)
                *s = (struct day_spent){.period = period, .from = now};
}

static void spend(struct day_spent *s, const struct look *l, double hours)
{
        s->dollars += (double)l->hour / 1e6 * hours;
        s->always_dollars += (double)l->always_hour / 1e6 * hours;
        s->task_hours += l->tasks * hours;
        s->always_task_hours += l->workspaces * hours;
}

static void count_costs(struct day *d, const struct look *l, utc_t now)
{
        int64_t gap_us = now.us - d->k.at.us;
        bool counts = d->k.at.us > 0 && gap_us > 0 && gap_us <= GAP_S_MAX * US_PER_S;
        double hours = counts ? (double)gap_us / (double)US_PER_S / 3600 : 0;
        time_t s = (time_t)(now.us / US_PER_S);
        struct tm tm;

        if (!gmtime_r(&s, &tm))
                return;
        begin_period(&d->k.today, s / 86400, now);
        begin_period(&d->k.month, (int64_t)tm.tm_year * 12 + tm.tm_mon, now);
        spend(&d->k.today, l, hours);
        spend(&d->k.month, l, hours);
        d->rate = (struct day_rate){(double)l->hour / 1e6, (double)l->always_hour / 1e6};
        d->k.at = now;
}

static void count_minute(struct day *d, const struct look *l, utc_t now)
{
        int64_t minute = now.us / MINUTE_US;
        struct day_minute *m = &d->k.minutes[minute % DAY_MINUTES];

        if (m->minute != minute)
                *m = (struct day_minute){.minute = minute};
        for (unsigned i = 0; i < DAY_COLUMN_MAX; i++)
                m->n[i] = MAX(m->n[i], l->n[i]);
        d->k.newest = minute;
}

static void on_timer(void *ctx)
{
        struct day *d = ctx;
        utc_t now = loop_utc(d->loop);
        struct look l = {0};

        loop_timer_set_in(&d->timer, LOOK_MS);
        if (!shell_lead(d->shell)->leads)
                return;
        take_look(d, &l);
        count_costs(d, &l, now);
        count_minute(d, &l, now);
        if (mono_diff_ms(d->written, loop_now(d->loop)) >= WRITE_MS)
                write_file(d);
}

/* ---- life ---- */

int day_new(struct loop *l, struct shell *s, const struct day_config *config, struct day **ret_day)
{
        struct day *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->loop = l;
        d->shell = s;
        d->config = *config;
        d->written = loop_now(l);
        read_file(d);
        memcpy(d->k.magic, magic, sizeof(magic));
        loop_timer_init(l, &d->timer, on_timer, d);
        loop_timer_set_in(&d->timer, FIRST_LOOK_MS);
        *ret_day = d;
        return 0;
}

struct day *day_free(struct day *d)
{
        if (!d)
                return NULL;
        loop_timer_cancel(&d->timer);
        write_file(d);
        free(d);
        return NULL;
}

bool day_priced(const struct day *d)
{
        const struct core_config *c = d->config.core;

        for (uint32_t i = 0; c && i < c->n_types; i++) {
                if (c->types[i].sizing.task_hour > 0)
                        return true;
        }
        return false;
}

const struct day_spent *day_today(const struct day *d)
{
        return &d->k.today;
}

const struct day_spent *day_this_month(const struct day *d)
{
        return &d->k.month;
}

struct day_rate day_rate(const struct day *d)
{
        return d->rate;
}

const struct day_minute *day_ago(const struct day *d, uint32_t ago)
{
        int64_t minute = d->k.newest - ago;
        const struct day_minute *m;

        if (minute <= 0 || ago >= DAY_MINUTES)
                return NULL;
        m = &d->k.minutes[minute % DAY_MINUTES];
        return m->minute == minute ? m : NULL;
}
