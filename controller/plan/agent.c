/*
 * What containers and people do in a plan: nothing fails, nobody is silent. A person works from
 * coming to leaving; the agent says so now and then, and exactly when somebody leaves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "plan/world.h"

#define LEAST_US 1

static int64_t us_of(double s)
{
        return (int64_t)(s * 1e6);
}

static void task_id(char *dst, uint32_t body)
{
        (void)snprintf(dst, CORE_ID_SIZE, "t-%010u", body + 1);
}

static void report(struct world *w, uint32_t body, enum agent_phase phase, bool declined)
{
        struct body *b = &w->bodies[body];
        bool here = b->seat != NOBODY && w->seats[b->seat].here;
        struct core_event ev = {.type = EV_AGENT_REPORT,
                                .report = {.nonce = "n",
                                           .generation = b->generation,
                                           .acted_id = b->acted,
                                           .phase = phase,
                                           .declined = declined,
                                           .person_age_ms = here ? 0 : -1,
                                           .unsaved_age_ms = 0}};

        if (here)
                STR_CUT(ev.report.person_by, "typed");
        task_id(ev.report.task, body);
        world_give(w, &ev);
}

/* ---- launches ---- */

static bool make_body(struct world *w, uint32_t number)
{
        size_t max = w->max_bodies ? 2 * w->max_bodies : 1024;
        struct body *bodies;

        while (w->n_bodies < number) {
                if (w->n_bodies == w->max_bodies) {
                        bodies = realloc(w->bodies, max * sizeof(*bodies));
                        if (!bodies) {
                                w->error = -ENOMEM;
                                return false;
                        }
                        w->bodies = bodies;
                        w->max_bodies = max;
                }
                w->bodies[w->n_bodies++] = (struct body){.use = USE_MAX, .seat = NOBODY};
        }
        return true;
}

/* The bucket: below zero a launch waits until it would be full enough. */
static int64_t launch_delay_us(struct world *w)
{
        const struct plan *p = w->plan;

        if (p->launch_burst <= 0)
                return 0;
        w->tokens += (double)(w->now_us - w->tokens_us) / 1e6 * p->launch_per_s;
        w->tokens = MIN(w->tokens, p->launch_burst) - 1;
        w->tokens_us = w->now_us;
        return w->tokens >= 0 ? 0 : us_of(-w->tokens / p->launch_per_s);
}

static void launch(struct world *w, const struct core_effect *fx)
{
        uint32_t number = (uint32_t)core_task_number(fx->launch_task.task);
        int64_t start_us, lead_us;

        if (number <= w->n_bodies || !make_body(w, number))
                return; /* asked again: it is on its way */
        w->bodies[number - 1].type = plan_find_type(w->plan, fx->launch_task.type);
        w->bodies[number - 1].since_us = w->now_us;
        start_us = w->now_us + launch_delay_us(w);
        lead_us = us_of(random_lognormal(&w->random, w->plan->lead_time_s, w->plan->lead_time_cv));
        world_at(w, start_us, AT_STARTED, number - 1, 0);
        world_at(w, start_us + MAX(lead_us, LEAST_US), AT_WARM, number - 1, 0);
}

static void started(struct world *w, uint32_t body)
{
        struct core_event ev = {.type = EV_TASK_LAUNCHED, .task_result = {.ok = true}};

        w->bodies[body].launched_us = w->now_us;
        w->result->tasks += w->now_us >= WORLD_BEFORE_US;
        world_use(w, &w->bodies[body], USE_LAUNCHING);
        task_id(ev.task_result.task, body);
        world_give(w, &ev);
}

static void warm(struct world *w, uint32_t body)
{
        struct core_event ev = {.type = EV_AGENT_HELLO, .hello = {.nonce = "n", .addr = "a:1"}};

        if (w->bodies[body].use != USE_LAUNCHING)
                return; /* ended on the way */
        world_use(w, &w->bodies[body], USE_WARM);
        task_id(ev.hello.task, body);
        world_give(w, &ev);
        report(w, body, AGENT_WARM, false);
}

/* ---- a claim ---- */

static void waited(struct world *w, struct seat *s)
{
        size_t max = w->max_waits ? 2 * w->max_waits : 4096;
        float *waits;

        s->waiting = false;
        if (!s->counted)
                return;
        if (w->n_waits == w->max_waits) {
                waits = realloc(w->waits, max * sizeof(*waits));
                if (!waits) {
                        w->error = -ENOMEM;
                        return;
                }
                w->waits = waits;
                w->max_waits = max;
        }
        w->waits[w->n_waits++] = (float)(w->now_us - s->asked_us) / 1e6f;
        w->result->hits += w->now_us == s->asked_us;
}

static void claim(struct world *w, uint32_t body, const struct core_effect *fx)
{
        struct body *b = &w->bodies[body];
        uint64_t seat;

        if (num_parse_u64(fx->command.workspace + strlen("ws-"), 0, w->n_seats - 1, &seat) < 0)
                return;
        b->seat = (uint32_t)seat;
        b->generation = fx->command.generation;
        w->seats[seat].body = body;
        waited(w, &w->seats[seat]);
        world_use(w, b, w->seats[seat].here ? USE_WORK : USE_AWAY);
        world_at(w, w->now_us + us_of(w->plan->ready_s), AT_READY, body, b->turn);
}

static void watch(struct world *w, uint32_t seat)
{
        struct seat *s = &w->seats[seat];

        s->turn++;
        world_at(w, MAX(s->until_us, w->now_us), AT_LEAVE, seat, s->turn);
        if (w->plan->idle_limit_min > 0)
                world_at(w, w->now_us + us_of(w->plan->idle_limit_min * 20), AT_PRESENT, seat,
                         s->turn);
}

static void ready(struct world *w, uint32_t body)
{
        struct body *b = &w->bodies[body];

        b->ready = true;
        report(w, body, AGENT_READY, false);
}

/* ---- a stop ---- */

static void prepare_stop(struct world *w, uint32_t body, const struct core_effect *fx)
{
        struct body *b = &w->bodies[body];

        if (fx->command.recheck && b->seat != NOBODY && w->seats[b->seat].here) {
                world_at(w, w->now_us, AT_DECLINED, body, b->turn);
                return;
        }
        b->saving = true;
        b->turn++;
        world_use(w, b, USE_SAVING);
        world_at(w, w->now_us + us_of(w->plan->save_s), AT_SAVED, body, b->turn);
}

static void resume(struct world *w, uint32_t body)
{
        struct body *b = &w->bodies[body];
        struct seat *s = &w->seats[b->seat];

        b->turn++;
        if (b->saved) {
                world_at(w, w->now_us, AT_SAVED, body, b->turn);
                return;
        }
        b->saving = false;
        if (s->waiting)
                waited(w, s);
        world_use(w, b, s->here ? USE_WORK : USE_AWAY);
        world_at(w, w->now_us + us_of(w->plan->ready_s), AT_READY, body, b->turn);
}

static void saved(struct world *w, uint32_t body)
{
        struct body *b = &w->bodies[body];
        struct core_event ev = {
                .type = EV_AGENT_SAVED,
                .saved = {.generation = b->generation, .seq = 1, .final = true, .unchanged = true}};

        b->saved = true;
        task_id(ev.saved.task, body);
        world_give(w, &ev);
        report(w, body, AGENT_SAVED, false);
}

static void ended(struct world *w, uint32_t body)
{
        struct body *b = &w->bodies[body];
        struct core_event ev = {.type = EV_TASK_ENDED, .task_ended = {.certain = true}};

        if (b->seat != NOBODY && w->seats[b->seat].body == body)
                w->seats[b->seat].body = NOBODY;
        world_use(w, b, USE_MAX);
        task_id(ev.task_ended.task, body);
        world_give(w, &ev);
}

/* ---- what the core wants ---- */

static void command(struct world *w, const struct core_effect *fx)
{
        uint32_t body = (uint32_t)core_task_number(fx->command.task) - 1;

        if (body >= w->n_bodies || fx->command.id <= w->bodies[body].acted)
                return;
        w->bodies[body].acted = fx->command.id;
        switch (fx->command.verb) {
        case COMMAND_CLAIM:
                claim(w, body, fx);
                break;
        case COMMAND_PREPARE_STOP:
                prepare_stop(w, body, fx);
                break;
        case COMMAND_RESUME:
                resume(w, body);
                break;
        case COMMAND_SAVE_NOW:
        case COMMAND_VERB_MAX:
                break;
        }
}

static void stop(struct world *w, const struct core_effect *fx)
{
        uint32_t body = (uint32_t)core_task_number(fx->stop_task.task) - 1;

        if (body >= w->n_bodies || w->bodies[body].ending)
                return;
        w->bodies[body].ending = true;
        world_at(w, w->now_us, AT_ENDED, body, w->bodies[body].turn);
}

static void told(struct world *w, const struct audit_row *row)
{
        w->result->classes_short += strcmp(row->what, "class-short") == 0;
        w->result->classes_refused += strcmp(row->what, "class-refused") == 0;
}

/* No event is given from here: the core's answer is still being read. */
void agent_effect(struct world *w, const struct core_effect *fx)
{
        if (fx->type == FX_LAUNCH_TASK)
                launch(w, fx);
        else if (fx->type == FX_COMMAND)
                command(w, fx);
        else if (fx->type == FX_STOP_TASK)
                stop(w, fx);
        else if (fx->type == FX_AUDIT)
                told(w, &fx->audit_row);
}

/* ---- people ---- */

static void ask(struct world *w, uint32_t seat, const struct plan_session *s)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH};
        const char *type = w->plan->types[s->type].name;

        (void)snprintf(ev.launch.id, sizeof(ev.launch.id), "ws-%u", seat);
        (void)snprintf(ev.launch.key.user_id, sizeof(ev.launch.key.user_id), "u%u", s->student);
        STR_CUT(ev.launch.key.type, type);
        if (s->class != PLAN_NO_CLASS)
                STR_CUT(ev.launch.course, w->plan->classes[s->class].course);
        world_give(w, &ev);
}

void person_comes(struct world *w, const struct plan_session *s)
{
        uint32_t seat = s->student * w->plan->n_types + s->type;
        struct seat *p = &w->seats[seat];
        int64_t since = w->now_us - WORLD_BEFORE_US;
        struct body *b = p->body == NOBODY ? NULL : &w->bodies[p->body];

        p->until_us = MAX(p->until_us, w->now_us + s->stay_us);
        p->here = true;
        if (!p->waiting && (!b || b->saving)) {
                p->waiting = true;
                p->asked_us = w->now_us;
                p->counted = !b;
                w->result->launches += !b;
                w->result->minutes[since / (60 * US_PER_S) % PLAN_DAY_MIN].launches += !b;
        }
        w->result->returns += b != NULL;
        if (b && b->use == USE_AWAY)
                world_use(w, b, USE_WORK);
        watch(w, seat);
        ask(w, seat, s);
}

static void still_there(struct world *w, const struct moment *m)
{
        const struct seat *s = &w->seats[m->who];

        if (s->body != NOBODY && w->bodies[s->body].ready && !w->bodies[s->body].saving)
                report(w, s->body, AGENT_READY, false);
        if (s->here)
                world_at(w, w->now_us + us_of(w->plan->idle_limit_min * 20), AT_PRESENT, m->who,
                         m->turn);
}

static void leaves(struct world *w, const struct moment *m)
{
        struct seat *s = &w->seats[m->who];
        struct body *b = s->body == NOBODY ? NULL : &w->bodies[s->body];

        /* The last evidence of the person is from now. */
        if (b && b->ready && !b->saving)
                report(w, s->body, AGENT_READY, false);
        s->here = false;
        if (b && b->use == USE_WORK)
                world_use(w, b, USE_AWAY);
}

void agent_moment(struct world *w, const struct moment *m)
{
        bool of_seat = m->kind == AT_PRESENT || m->kind == AT_LEAVE;

        if (m->turn != (of_seat ? w->seats[m->who].turn : w->bodies[m->who].turn))
                return;
        switch (m->kind) {
        case AT_STARTED:
                started(w, m->who);
                break;
        case AT_WARM:
                warm(w, m->who);
                break;
        case AT_READY:
                ready(w, m->who);
                break;
        case AT_DECLINED:
                report(w, m->who, AGENT_READY, true);
                break;
        case AT_PRESENT:
                still_there(w, m);
                break;
        case AT_LEAVE:
                leaves(w, m);
                break;
        case AT_SAVED:
                saved(w, m->who);
                break;
        case AT_ENDED:
                ended(w, m->who);
                break;
        }
}
