#include "sizing_world.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "test.h"

#define TODO_MAX 4096

enum todo_kind { TODO_LAUNCHED, TODO_WARM, TODO_READY, TODO_ENDED };

struct todo {
        int64_t at_us;
        enum todo_kind kind;
        char task[CORE_ID_SIZE];
        uint64_t generation;
};

static struct todo todos[TODO_MAX];
static size_t n_todos;
static struct core_effects fx;

static void todo(int64_t at_us, enum todo_kind kind, const char *task, uint64_t generation)
{
        CHECK(n_todos < TODO_MAX);
        todos[n_todos] = (struct todo){.at_us = at_us, .kind = kind, .generation = generation};
        STR_CUT(todos[n_todos].task, task);
        n_todos++;
}

static void put_row(struct sizing_world *w, const struct setting_row *row)
{
        size_t i = 0;

        while (i < SIZING_ROWS && strcmp(w->rows[i].name, row->name) != 0)
                i++;
        for (size_t k = 0; i == SIZING_ROWS && k < SIZING_ROWS; k++) {
                if (!w->rows[k].name[0])
                        i = k;
        }
        CHECK(i < SIZING_ROWS);
        w->rows[i] = row->value[0] ? *row : (struct setting_row){0};
        w->n_put++;
}

static void act(struct sizing_world *w, const struct core_effect *e)
{
        if (e->type == FX_LAUNCH_TASK) {
                w->launches++;
                w->live++;
                todo(w->now_us, TODO_LAUNCHED, e->launch_task.task, 0);
                todo(w->now_us + w->lead_s * US_PER_S, TODO_WARM, e->launch_task.task, 0);
        } else if (e->type == FX_STOP_TASK) {
                w->stops++;
                w->live--;
                todo(w->now_us, TODO_ENDED, e->stop_task.task, 0);
        } else if (e->type == FX_COMMAND && e->command.verb == COMMAND_CLAIM) {
                todo(w->now_us + w->claim_s * US_PER_S, TODO_READY, e->command.task,
                     e->command.generation);
        } else if (e->type == FX_PUT_SETTING) {
                put_row(w, &e->setting_row);
        } else if (e->type == FX_AUDIT && strcmp(e->audit_row.what, "pool-forgot") == 0) {
                w->forgot++;
        } else if (e->type == FX_AUDIT && strcmp(e->audit_row.what, "timetable-damaged") == 0) {
                w->damaged++;
        } else if (e->type == FX_AUDIT && strcmp(e->audit_row.what, "class-short") == 0) {
                w->class_short++;
        }
}

static void oldest(struct sizing_world *w)
{
        const struct task_row *t;
        size_t pos = 0;
        int64_t utc_us = w->utc_s * US_PER_S + w->now_us;

        while ((t = core_next_task(w->core, &pos))) {
                if (t->state == TASK_WARM)
                        w->warm_age_us_max = MAX(w->warm_age_us_max, utc_us - t->launched_at.us);
        }
}

void sizing_give(struct sizing_world *w, struct core_event ev)
{
        ev.now = (mono_t){w->now_us};
        ev.utc = (utc_t){w->utc_s * US_PER_S + w->now_us};
        fx.n = 0;
        core_step(w->core, &ev, &fx);
        for (size_t i = 0; i < fx.n; i++)
                act(w, &fx.v[i]);
        CHECK(core_pool(w->core, 0, &w->pool));
        w->target_max = MAX(w->target_max, w->pool.target - w->pool.waiting);
        w->in_flight_max = MAX(w->in_flight_max, w->pool.launching);
        oldest(w);
        if (w->look && !mono_due(core_next_deadline(w->core), ev.now))
                w->look(w);
}

static void report(struct sizing_world *w, const struct todo *d, enum agent_phase phase)
{
        struct core_event ev = {.type = EV_AGENT_REPORT,
                                .report = {.nonce = "n",
                                           .phase = phase,
                                           .generation = d->generation,
                                           .acted_id = UINT64_MAX,
                                           .person_age_ms = -1}};

        STR_CUT(ev.report.task, d->task);
        sizing_give(w, ev);
}

static void carry_out(struct sizing_world *w, const struct todo *d)
{
        struct core_event ev = {.type = EV_TASK_LAUNCHED, .task_result = {.ok = true}};

        switch (d->kind) {
        case TODO_LAUNCHED:
                STR_CUT(ev.task_result.task, d->task);
                sizing_give(w, ev);
                break;
        case TODO_WARM:
                ev = (struct core_event){.type = EV_AGENT_HELLO, .hello = {.nonce = "n"}};
                STR_CUT(ev.hello.task, d->task);
                sizing_give(w, ev);
                report(w, d, AGENT_WARM);
                break;
        case TODO_READY:
                report(w, d, AGENT_READY);
                break;
        case TODO_ENDED:
                ev = (struct core_event){.type = EV_TASK_ENDED, .task_ended = {.certain = true}};
                STR_CUT(ev.task_ended.task, d->task);
                sizing_give(w, ev);
                break;
        }
}

void sizing_defaults(struct sizing_world *w)
{
        struct core_type *t = &w->config.types[0];

        *w = (struct sizing_world){.lead_s = 60, .utc_s = INT64_C(20514) * 86400};
        w->config = (struct core_config){
                .workspaces_max = 4000,
                .tasks_max = 4000,
                .n_types = 1,
                .heartbeat_ms = 60000,
                .agent_lost_ms = INT64_C(30) * 86400000,
                .retry_save_ms = 60000,
                .erase_delay_ms = 3600000,
                .stops_per_min = 1000,
        };
        *t = (struct core_type){.name = "code",
                                .sizing = {.forecast = true,
                                           .floor = 1,
                                           .ceiling = 10,
                                           .hit_rate = 0.95,
                                           .task_hour = SIZING_PRICE},
                                .launch_timeout_ms = 3600000,
                                .claim_timeout_ms = 3600000,
                                .stop_timeout_ms = 3600000};
        schedule_init(&t->sizing.schedule);
        t->sizing.schedule.from_min = 0;
        t->sizing.schedule.to_min = 1440;
}

void sizing_open(struct sizing_world *w)
{
        n_todos = 0;
        CHECK_INT(core_new(&w->config, &w->core), 0);
        for (size_t i = 0; i < SIZING_ROWS; i++) {
                if (w->rows[i].name[0])
                        sizing_give(w, (struct core_event){.type = EV_BOOT_SETTING,
                                                           .setting_row = w->rows[i]});
        }
        sizing_give(w, (struct core_event){.type = EV_BOOT_DONE});
        sizing_give(w, (struct core_event){
                               .type = EV_INVENTORY_DONE,
                               .inventory = {.certain = true, .own_machines = w->own_machines}});
}

void sizing_reopen(struct sizing_world *w, int64_t s)
{
        sizing_close(w);
        w->now_us = s * US_PER_S;
        w->live = 0;
        sizing_open(w);
}

static void person(struct sizing_world *w)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH, .launch = {.token = 1}};
        char name[32];

        w->came_us = w->now_us;
        if (w->n_courses)
                STR_CUT(ev.launch.course, w->courses[w->people % w->n_courses]);
        (void)snprintf(name, sizeof(name), "ws-%u", ++w->people);
        STR_CUT(ev.launch.id, name);
        STR_CUT(ev.launch.key.user_id, name);
        STR_CUT(ev.launch.key.type, "code");
        sizing_give(w, ev);
}

static void pass(struct sizing_world *w, int64_t to_us)
{
        int64_t day_us = INT64_C(86400) * US_PER_S;
        int64_t utc_us = w->utc_s * US_PER_S + w->now_us;

        CHECK(to_us >= w->now_us);
        if (utc_us / day_us != (utc_us + to_us - w->now_us) / day_us)
                w->spent = 0;
        w->spent += (double)(to_us - w->now_us) / 3.6e9 * w->live;
        w->now_us = to_us;
}

void sizing_run_until(struct sizing_world *w, int64_t s, int64_t every_s)
{
        int64_t end_us = s * US_PER_S;
        int64_t next_us = every_s ? w->now_us + every_s * US_PER_S : INT64_MAX;

        for (;;) {
                mono_t due = core_next_deadline(w->core);
                int64_t at_us = MIN(next_us, mono_is_never(due) ? INT64_MAX : due.us);
                size_t first = SIZE_MAX;
                struct todo d;

                for (size_t i = 0; i < n_todos; i++) {
                        if (todos[i].at_us <= at_us) {
                                at_us = todos[i].at_us;
                                first = i;
                        }
                }
                if (at_us > end_us)
                        break;
                pass(w, MAX(at_us, w->now_us));
                if (first != SIZE_MAX) {
                        d = todos[first];
                        memmove(&todos[first], &todos[first + 1],
                                (--n_todos - first) * sizeof(*todos));
                        carry_out(w, &d);
                } else if (at_us == next_us) {
                        next_us += every_s * US_PER_S;
                        person(w);
                } else {
                        sizing_give(w, (struct core_event){.type = EV_DEADLINE});
                }
        }
        pass(w, end_us);
}

void sizing_version(struct sizing_world *w, const char *version)
{
        struct core_event ev = {.type = EV_VERSION_SET, .version_set = {.type = "code"}};

        STR_CUT(ev.version_set.version, version);
        sizing_give(w, ev);
}

void sizing_close(struct sizing_world *w)
{
        w->core = core_free(w->core);
}

void sizing_class(struct sizing_world *w, const char *id, const char *course, int64_t start_s,
                  uint32_t roster)
{
        struct core_event ev = {.type = EV_CLASS_SET,
                                .class_set = {.type = "code",
                                              .roster = roster,
                                              .start = {(w->utc_s + start_s) * US_PER_S}}};

        STR_CUT(ev.class_set.id, id);
        STR_CUT(ev.class_set.course, course);
        sizing_give(w, ev);
}
