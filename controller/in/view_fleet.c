/* The fleet at a glance, and its last 24 hours: what the dashboard shows first. */
#include "in/day.h"
#include "in/view.h"
#include "in/view_print.h"

/* Nobody was there for so long, and no job holds it: as ws_tasks{use="idle"} counts. */
#define IDLE_MS (5 * 60 * 1000)

struct sums {
        uint32_t idle, unsaved_alarm, fell_back;
};

static bool is_idle(const struct view *v, const struct workspace_row *w,
                    const struct task_live *live)
{
        return w->state == WS_RUNNING && view_age_now(v, live, live->person_age_ms) >= IDLE_MS &&
               !mono_before(v->now, live->busy_until);
}

static void add_sums(const struct view *v, cJSON *o)
{
        const struct workspace_row *w;
        struct sums n = {0};
        size_t pos = 0;

        while ((w = core_next_workspace(v->core, &pos))) {
                const struct task_live *live = w->task[0] ? core_task_live(v->core, w->task) : NULL;

                if (!live)
                        continue;
                n.idle += is_idle(v, w, live);
                n.unsaved_alarm += live->unsaved_alarm;
                n.fell_back += live->fell_back;
        }
        cJSON_AddNumberToObject(o, "idle", n.idle);
        cJSON_AddNumberToObject(o, "unsaved_alarm", n.unsaved_alarm);
        cJSON_AddNumberToObject(o, "fell_back", n.fell_back);
}

static void add_spent(cJSON *o, const char *key, const struct day_spent *s, bool priced)
{
        cJSON *spent = cJSON_AddObjectToObject(o, key);

        view_add_time(spent, "since", s->from);
        if (priced) {
                cJSON_AddNumberToObject(spent, "dollars", s->dollars);
                cJSON_AddNumberToObject(spent, "always_on_dollars", s->always_dollars);
        } else {
                cJSON_AddNullToObject(spent, "dollars");
                cJSON_AddNullToObject(spent, "always_on_dollars");
        }
        cJSON_AddNumberToObject(spent, "task_hours", s->task_hours);
        cJSON_AddNumberToObject(spent, "always_on_task_hours", s->always_task_hours);
}

/* null where nothing is counted: by a controller that follows. */
static void add_cost(cJSON *o, const struct day *day)
{
        bool priced = day && day_priced(day);
        cJSON *cost;

        if (!day) {
                cJSON_AddNullToObject(o, "cost");
                return;
        }
        cost = cJSON_AddObjectToObject(o, "cost");
        cJSON_AddBoolToObject(cost, "priced", priced);
        cJSON_AddNumberToObject(cost, "dollars_per_hour", day_rate(day).dollars);
        cJSON_AddNumberToObject(cost, "always_on_dollars_per_hour", day_rate(day).always_dollars);
        add_spent(cost, "today", day_today(day), priced);
        add_spent(cost, "month", day_this_month(day), priced);
}

int view_overview(const struct view *v, bool writable, const struct shell_lead *lead,
                  const struct day *day, uint64_t last_event, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        view_add_time(o, "at", v->utc);
        view_add_lead(lead, o);
        cJSON_AddBoolToObject(o, "store_writable", writable);
        cJSON_AddBoolToObject(o, "draining", core_draining(v->core));
        cJSON_AddNumberToObject(o, "last_event", (double)last_event);
        view_add_counts(v, o);
        add_sums(v, o);
        view_add_modes(v, o);
        view_add_stops(v, o);
        view_add_pools(v, o);
        add_cost(o, lead->leads ? day : NULL);
        return view_print(o, out);
}

/* ---- the day ---- */

/* The most of each column in these minutes; false: none was looked at. */
static bool gather(const struct day *day, uint32_t ago, uint32_t step, struct day_minute *ret)
{
        bool any = false;

        *ret = (struct day_minute){0};
        for (uint32_t i = 0; i < step; i++) {
                const struct day_minute *m = day_ago(day, ago + i);

                if (!m)
                        continue;
                any = true;
                ret->minute = m->minute;
                for (unsigned c = 0; c < DAY_COLUMN_MAX; c++)
                        ret->n[c] = MAX(ret->n[c], m->n[c]);
        }
        return any;
}

static cJSON *row_json(const struct day_minute *m)
{
        cJSON *row = cJSON_CreateArray();

        cJSON_AddItemToArray(row, cJSON_CreateNumber((double)m->minute * 60));
        for (unsigned c = 0; c < DAY_COLUMN_MAX; c++)
                cJSON_AddItemToArray(row, cJSON_CreateNumber(m->n[c]));
        return row;
}

int view_day(const struct view *v, const struct day *day, uint32_t step, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        cJSON *columns, *rows;
        struct day_minute m;

        view_add_time(o, "at", v->utc);
        cJSON_AddNumberToObject(o, "step_s", step * 60.0);
        columns = cJSON_AddArrayToObject(o, "columns");
        cJSON_AddItemToArray(columns, cJSON_CreateString("time"));
        for (unsigned c = 0; c < DAY_COLUMN_MAX; c++)
                cJSON_AddItemToArray(columns,
                                     cJSON_CreateString(day_column_name((enum day_column)c)));
        rows = cJSON_AddArrayToObject(o, "rows");
        for (uint32_t n = DAY_MINUTES / step; day && n > 0; n--) {
                if (gather(day, (n - 1) * step, step, &m))
                        cJSON_AddItemToArray(rows, row_json(&m));
        }
        return view_print(o, out);
}

int view_whoami(const char *name, const char *const *roles, uint32_t n, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        cJSON *list;

        cJSON_AddStringToObject(o, "name", name);
        list = cJSON_AddArrayToObject(o, "roles");
        for (uint32_t i = 0; i < n; i++)
                cJSON_AddItemToArray(list, cJSON_CreateString(roles[i]));
        return view_print(o, out);
}
