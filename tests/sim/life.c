/* One seed: draw the world and its faults, storm, heal, settle, and sometimes shut down. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define HEAL_MS (60 * SIM_MIN)
#define SETTLE_EVERY_MS (10 * SIM_S)
/* So few that the others keep their place; all of them where it is about homes. */
#ifdef CORE_PLANTED_TWO_ON_A_HOME
#define HOMES_IN 1
#else
#define HOMES_IN 11
#endif
#define DRAIN_MS (30 * SIM_MIN)

struct sim *sim_new(void)
{
        struct sim *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->tasks = calloc(SIM_NUMBERS, sizeof(*s->tasks));
        if (!s->tasks)
                return sim_free(s);
        for (int i = 0; i < SIM_CONTROLLERS; i++) {
                s->ctl[i].fill = calloc(1, sizeof(struct core_effects));
                s->ctl[i].batch = calloc(1, sizeof(struct core_effects));
                if (!s->ctl[i].fill || !s->ctl[i].batch)
                        return sim_free(s);
        }
        return s;
}

struct sim *sim_free(struct sim *s)
{
        if (!s)
                return NULL;
        for (int i = 0; i < SIM_CONTROLLERS; i++) {
                controller_free(s, i);
                free(s->ctl[i].fill);
                free(s->ctl[i].batch);
        }
        free(s->tasks);
        free(s);
        return NULL;
}

/* Everything but the tables themselves is as new. */
static void reset(struct sim *s, uint64_t seed, FILE *trace)
{
        struct task_truth *tasks = s->tasks;
        struct core_effects *fx[2 * SIM_CONTROLLERS];

        for (int i = 0; i < SIM_CONTROLLERS; i++) {
                controller_free(s, i);
                fx[2 * i] = s->ctl[i].fill;
                fx[2 * i + 1] = s->ctl[i].batch;
        }
        memset(s, 0, sizeof(*s));
        memset(tasks, 0, SIM_NUMBERS * sizeof(*tasks));
        s->tasks = tasks;
        for (int i = 0; i < SIM_CONTROLLERS; i++) {
                s->ctl[i].fill = fx[2 * i];
                s->ctl[i].batch = fx[2 * i + 1];
                s->ctl[i].fill->n = s->ctl[i].batch->n = 0;
        }
        for (uint16_t i = 0; i < SIM_NOTES; i++)
                s->free_[s->n_free++] = (uint16_t)(SIM_NOTES - 1 - i);
        s->seed = s->rng = seed;
        s->trace = trace;
        s->result.hash = UINT64_C(14695981039346656037);
}

/* ---- drawing ---- */

uint32_t type_of(const struct sim *s, const char *type)
{
        uint32_t i = 0;

        while (i + 1 < s->config.n_types && strcmp(s->config.types[i].name, type) != 0)
                i++;
        return i;
}

static int64_t between(struct sim *s, int64_t least, int64_t most)
{
        return least + (int64_t)sim_below(s, (uint64_t)(most - least + 1));
}

static void draw_type(struct sim *s, struct core_type *t, unsigned i)
{
        (void)snprintf(t->name, sizeof(t->name), "type%u", i);
        t->pool_size = (uint32_t)sim_below(s, 3);
        t->limits.idle_ms = between(s, 40, 150) * SIM_S;
        if (sim_below(s, 2))
                t->limits.never_connected_ms = between(s, 20, 60) * SIM_S;
        if (sim_below(s, 2))
                t->limits.disconnected_ms = between(s, 20, 60) * SIM_S;
        if (sim_below(s, 2))
                t->limits.job_ms = between(s, 80, 160) * SIM_S;
        if (sim_below(s, 4) == 0)
                t->limits.lifetime_ms = between(s, 100, 500) * SIM_S;
        t->launch_timeout_ms = between(s, 60, 180) * SIM_S;
        t->claim_timeout_ms = between(s, 40, 120) * SIM_S;
        t->stop_timeout_ms = between(s, 40, 120) * SIM_S;
}

/* In every other seed, by the seed and not by a draw, so that the others stay as they were. */
static void draw_sizing(struct sim *s, struct core_type *t)
{
        schedule_init(&t->sizing.schedule);
        t->sizing.forecast = s->seed % 2 == 1;
        t->sizing.floor = t->sizing.floor_quiet = t->pool_size;
        t->sizing.ceiling = t->pool_size + (uint32_t)(s->seed / 2 % 3);
        t->sizing.hit_rate = 0.95;
        if (s->seed / 2 % 5 == 0) {
                t->sizing.task_hour = 1000000;
                t->sizing.day_max = 500000 * (int64_t)(s->seed / 10 % 8 + 1);
                if (s->seed / 1024 % 2)
                        t->sizing.month_max = STEAL(t->sizing.day_max, 0);
        }
        if (s->seed / 2 % 7 == 0)
                t->warm_age_ms = 100 * SIM_S;
        if (s->seed / 32 % 2 == 0)
                return;
        t->sizing.task_hour = 1000000;
        t->adaptive.on = true;
        t->adaptive.idle_ms_min = t->limits.idle_ms / 2;
        t->adaptive.idle_ms_max = t->limits.idle_ms;
        t->adaptive.value_of_time = 1000000 * (int64_t)(s->seed / 64 % 8);
}

static void draw_config(struct sim *s)
{
        struct core_config *c = &s->config;
        uint32_t wanted = 0;

        s->n_people = (int)between(s, 2, SIM_WORKSPACES);
        c->n_types = (uint32_t)between(s, 1, 2);
        for (uint32_t i = 0; i < c->n_types; i++) {
                draw_type(s, &c->types[i], i);
                draw_sizing(s, &c->types[i]);
                wanted += c->types[i].pool_size;
        }
        wanted += (uint32_t)s->n_people;
        if (s->seed % 4 == 1) {
                c->launch_rate = 0.5;
                c->launch_burst = 2;
        }
        c->workspaces_max = SIM_WORKSPACES;
        c->tasks_max =
                sim_below(s, 4) ? MIN(wanted + 3, SIM_TASKS) : (uint32_t)between(s, 1, SIM_TASKS);
        c->heartbeat_ms = between(s, 5, 12) * SIM_S;
        c->agent_lost_ms = MAX(between(s, 30, 60) * SIM_S, 4 * c->heartbeat_ms);
        c->quiet_ms = between(s, 5, 60) * SIM_S;
        c->retry_save_ms = between(s, 10, 40) * SIM_S;
        c->erase_delay_ms = between(s, 20, 120) * SIM_S;
        c->user_running_max = (uint32_t)sim_below(s, 3);
        for (uint32_t i = 0; i < c->n_types; i++)
                c->types[i].queue_max = (uint32_t)sim_below(s, 4);
        c->stops_per_min = (uint32_t)between(s, 1, SIM_STOPS_PER_MIN);
        c->save_parallel = (uint32_t)(s->seed / 3 % 4);
        if (s->seed / 2 % 5 == 3) {
                c->stop_rate = 0.2;
                c->stop_burst = 2;
        }
}

static void draw_timing(struct sim *s)
{
        s->timing = (struct timing){
                .network_ms = between(s, 2, 300),
                .boot_ms = between(s, 1000, 15000),
                .prime_ms = between(s, 500, 8000),
                .restore_ms = between(s, 100, 5000),
                .app_ms = between(s, 500, 6000),
                .stop_ms = between(s, 500, 6000),
                .upload_ms = between(s, 100, 6000),
                .commit_ms = sim_below(s, 2) ? 0 : between(s, 1, 150),
                .provider_ms = between(s, 20, 1500),
                .storage_ms = between(s, 10, 800),
                .lag_ms = between(s, 2, 40) * SIM_S,
                .lease_ms = between(s, 6, 15) * SIM_S,
                .inventory_ms = between(s, 15, 60) * SIM_S,
                .token_ms = 20 * SIM_MIN,
        };
}

static void draw_faults(struct sim *s)
{
        static const unsigned most[] = {
#define FAULT(id, max, doc) [FAULT_##id] = max,
#include "fault.def"
#undef FAULT
        };

        for (int i = 0; i < FAULT_MAX; i++) {
                s->faults[i] = sim_below(s, 2) ? 0 : 1 + (unsigned)sim_below(s, most[i]);
                if (s->faults[i])
                        sim_say(s, "fault %s: %u of 1000", fault_name((enum fault)i), s->faults[i]);
        }
}

static void draw_people(struct sim *s)
{
        for (int i = 0; i < s->n_people; i++) {
                struct person *p = &s->people[i];

                (void)snprintf(p->workspace, sizeof(p->workspace), "ws-%c", 'a' + i);
                (void)snprintf(p->user, sizeof(p->user), "u%d", i / 2);
                STR_CUT(p->type, s->config.types[sim_below(s, s->config.n_types)].name);
                sim_note(s, W_PERSON, (int64_t)sim_below(s, 20 * SIM_S))->person = i;
        }
}

/* ---- what comes, to whom ---- */

static void jump(struct sim *s)
{
        static const int64_t by[] = {3600, -3600, 30, -30, 86400, -86400, 7200};

        sim_note(s, W_MINUTE, SIM_MIN);
        if (!sim_fault(s, FAULT_UTC_JUMP))
                return;
        s->utc_offset_ms += by[sim_below(s, ARRAY_LEN(by))] * SIM_S;
        s->store.clock_ms += (int64_t)sim_below(s, 4000) - 2000;
        s->utc_jumped = true;
        sim_say(s, "UTC jumps");
}

/* Whoever has not said which one means the one that leads. */
static bool find_controller(struct sim *s, struct note *n)
{
        struct note *m;

        if (n->ctl < 0)
                n->ctl = controller_leader(s);
        if (n->ctl >= 0 && s->ctl[n->ctl].role != ROLE_DOWN)
                return true;
        if (n->what == W_REQUEST) {
                m = sim_note(s, W_REPLY, sim_delay(s));
                m->number = n->number;
                m->kind = -1;
        } else if (n->body >= 0) {
                s->bodies[n->body].session = 0;
                s->bodies[n->body].ctl = (s->bodies[n->body].ctl + 1) % s->n_ctl;
        }
        return n->what == W_RESTART;
}

static void dispatch(struct sim *s, struct note *n)
{
        switch (n->what) {
        case W_HELLO:
        case W_REPORT:
        case W_SAVED:
        case W_LAUNCHED:
        case W_LISTED:
        case W_ENDED:
        case W_VERIFIED:
        case W_SALVAGED:
        case W_ERASED:
        case W_NOTICE:
        case W_HOME_ATTACHED:
        case W_HOME_REMOVED:
        case W_REQUEST:
        case W_TURN:
        case W_LEASE:
        case W_COMMITTED:
        case W_RESTART:
        case W_THAW:
                if (find_controller(s, n))
                        controller_note(s, n);
                break;
        case W_CALL_LAUNCH:
        case W_CALL_STOP:
        case W_CALL_LIST:
        case W_BODY_END:
                provider_note(s, n);
                break;
        case W_CALL_ATTACH:
        case W_CALL_REMOVE_HOME:
                homes_note(s, n);
                break;
        case W_COMMIT:
                store_commit(s, n);
                break;
        case W_STORE_BACK:
                sim_say(s, "store: back");
                s->store.away = false;
                break;
        case W_ASK_VERIFY:
        case W_ASK_SALVAGE:
        case W_ASK_SWEEP:
        case W_ASK_PIN:
        case W_ASK_ERASE:
                storage_note(s, n);
                break;
        case W_WELCOME:
        case W_REFUSE:
        case W_COMMAND:
        case W_ACK:
        case W_BODY_UP:
        case W_BODY_STEP:
        case W_BODY_BEAT:
        case W_BODY_UPLOAD:
                agent_note(s, n);
                break;
        case W_REPLY:
        case W_PERSON:
                person_note(s, n);
                break;
        case W_OPERATOR:
                operator_act(s);
                break;
        case W_MINUTE:
                jump(s);
                break;
        }
}

static void run_until(struct sim *s, int64_t until_ms)
{
        struct note n;

        for (;;) {
                int64_t next_ms = sim_next_ms(s);
                int due = -1;

                for (int i = 0; i < s->n_ctl; i++) {
                        int64_t ms = controller_due_ms(s, i);

                        if (ms < next_ms) {
                                next_ms = ms;
                                due = i;
                        }
                }
                if (next_ms > until_ms)
                        break;
                s->now_ms = next_ms;
                if (due >= 0)
                        controller_deadline(s, due);
                else if (sim_next(s, until_ms, &n))
                        dispatch(s, &n);
        }
        s->now_ms = until_ms;
}

/* ---- the parts of a history ---- */

static void begin(struct sim *s)
{
        s->now_ms = SIM_S;
        s->utc_offset_ms = INT64_C(1000000000) * SIM_S;
        draw_config(s);
        draw_timing(s);
        s->n_ctl = sim_below(s, 4) ? 2 : 1;
        s->certain = sim_below(s, 3) == 0;
        s->certain_ends = s->certain || sim_below(s, 2);
        /* Homes need a provider that is certain of ends. */
        for (uint32_t i = 0; i < s->config.n_types; i++)
                s->config.types[i].home = s->certain_ends && s->seed % HOMES_IN == 7 % HOMES_IN;
        s->own_machines = s->seed / 16 % 2; /* not drawn: kept seeds stay as they were */
        draw_faults(s);
        draw_people(s);
        for (int i = 0; i < s->n_ctl; i++)
                controller_start(s, i);
        sim_note(s, W_MINUTE, SIM_MIN);
        sim_note(s, W_OPERATOR, SIM_MIN);
}

static void heal(struct sim *s)
{
        sim_say(s, "--- the storm is over");
        s->healing = true;
        memset(s->faults, 0, sizeof(s->faults));
        s->store.away = false;
        for (int i = 0; i < SIM_BODIES; i++)
                s->bodies[i].cut_until_ms = 0;
        person_settle(s);
}

static void settle(struct sim *s)
{
        int64_t until_ms = s->now_ms + HEAL_MS;
        enum invariant i;
        char detail[160];
        int good = 0;

        while (good < 2) {
                run_until(s, s->now_ms + SETTLE_EVERY_MS);
                good = check_settled(s, &i, detail, sizeof(detail)) ? good + 1 : 0;
                if (good == 0 && s->now_ms > until_ms)
                        sim_broken(s, i, "%s", detail);
        }
}

/* A save and stop of everything; both controllers are told, as an operator would. */
static void shut_down(struct sim *s)
{
        int64_t until_ms = s->now_ms + DRAIN_MS;
        int leader = controller_leader(s);
        struct note *n = sim_note(s, W_REQUEST, 0);

        sim_say(s, "--- shutdown");
        n->ctl = leader;
        n->kind = EV_REQ_SHUTDOWN;
        for (int i = 0; i < s->n_people; i++)
                s->people[i].mood = MOOD_ABSENT;
        while (!s->ctl[leader].drained) {
                run_until(s, s->now_ms + SETTLE_EVERY_MS);
                if (s->now_ms > until_ms)
                        sim_broken(s, INV_DRAINED, "after %d min", (int)(DRAIN_MS / SIM_MIN));
        }
        for (int i = 0; i < SIM_BODIES; i++) {
                const struct body *b = &s->bodies[i];

                /*
                 * One of nobody's that the provider began for a leader who was frozen, after the
                 * store had forgotten it: the next start finds it in the inventory.
                 */
                if (b->alive && (b->workspace[0] || store_task(s, b->id)))
                        sim_broken(s, INV_DRAINED, "%s is still there: %s", s->bodies[i].id,
                                   agent_phase_name(s->bodies[i].phase));
        }
}

void sim_run(struct sim *s, uint64_t seed, const struct sim_options *options,
             struct sim_result *ret_result)
{
        reset(s, seed, options->trace);
        if (setjmp(s->broken) == 0) {
                begin(s);
                run_until(s, s->now_ms + (options->storm_ms ? options->storm_ms
                                                            : between(s, 6, 20) * SIM_MIN));
                heal(s);
                settle(s);
                if (sim_below(s, 4) == 0)
                        shut_down(s);
        }
        s->result.virtual_ms = (uint64_t)s->now_ms;
        *ret_result = s->result;
        for (int i = 0; i < SIM_CONTROLLERS; i++)
                controller_free(s, i);
}
