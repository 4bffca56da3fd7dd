/* The turns of the test world: time, agents, requests, answers, crashes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "core/trace.h"
#include "core_alloc.h"
#include "core_world_state.h"

/* splitmix64: small, and the same everywhere. */
uint64_t world_random(struct world *w)
{
        uint64_t z = (w->rng += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

uint64_t world_below(struct world *w, uint64_t n)
{
        return world_random(w) % n;
}

bool world_chance(struct world *w, unsigned of_1000)
{
        return world_below(w, 1000) < of_1000;
}

uint64_t world_now_ms(const struct world *w)
{
        return (uint64_t)(w->now.us / US_PER_MS);
}

static void note(struct world *w, const char *line)
{
        STR_CUT(w->trace[w->n_trace++ % TRACE_KEEP], line);
        for (; *line; line++)
                w->hash = (w->hash ^ (uint8_t)*line) * UINT64_C(1099511628211);
}

void world_broken(struct world *w, const char *rule, const char *id)
{
        size_t first = w->n_trace > TRACE_KEEP ? w->n_trace - TRACE_KEEP : 0;

        for (size_t i = first; i < w->n_trace; i++)
                fprintf(stderr, "  %s\n", w->trace[i % TRACE_KEEP]);
        fprintf(stderr, "invariant: %s: %s (seed %llu, at %lld ms)\n", rule, id,
                (unsigned long long)w->seed, (long long)(w->now.us / US_PER_MS));
        exit(1);
}

/* ---- stepping, and what holds after each step ---- */

static void check_live_tasks(struct world *w)
{
        for (size_t i = 0; i < TASKS_MAX; i++) {
                const struct body *a = &w->bodies[i];

                for (size_t k = i + 1; k < TASKS_MAX; k++) {
                        const struct body *b = &w->bodies[k];

                        if (a->alive && b->alive && a->claimed && b->claimed &&
                            strcmp(a->workspace, b->workspace) == 0)
                                world_broken(w, "two live tasks for one workspace", a->workspace);
                }
        }
}

static void boot(struct world *w);

static void step(struct world *w, struct core_event *ev)
{
        char line[512];
        struct core_effect fx;

        ev->now = w->now;
        ev->utc = (utc_t){w->utc_offset_us + w->now.us};
        w->fx.n = 0;
        alloc_forbid(true);
        core_step(w->core, ev, &w->fx);
        alloc_forbid(false);
        trace_event(ev, line, sizeof(line));
        note(w, line);
        /* A kill before the commit loses the step; one after it loses what was not carried out. */
        if (w->crash_now && world_chance(w, 300))
                return;
        for (size_t i = 0; i < w->fx.n; i++) {
                fx = w->fx.v[i];
                trace_effect(&fx, line, sizeof(line));
                note(w, line);
                world_store_effect(w, &fx);
                /* In the order of the list: stricter than the shell, which stores all first. */
                if (!w->crash_now)
                        world_carry_out(w, &fx);
        }
        check_live_tasks(w);
}

static void boot(struct world *w)
{
        struct core_event ev;

        w->core = core_free(w->core);
        if (core_new(&w->config, &w->core) < 0)
                abort();
        w->n_pending = 0;
        w->crash_now = false;
        note(w, "--- restart");
        for (size_t i = 0; i < WORKSPACES_MAX; i++) {
                ev = (struct core_event){.type = EV_BOOT_WORKSPACE,
                                         .workspace_row = w->workspaces[i]};
                if (w->workspaces[i].id[0])
                        step(w, &ev);
        }
        for (size_t i = 0; i < TASKS_MAX; i++) {
                ev = (struct core_event){.type = EV_BOOT_TASK, .task_row = w->tasks[i]};
                if (w->tasks[i].id[0])
                        step(w, &ev);
        }
        for (size_t i = 0; i < SETTINGS_MAX; i++) {
                ev = (struct core_event){.type = EV_BOOT_SETTING, .setting_row = w->settings[i]};
                if (w->settings[i].value[0])
                        step(w, &ev);
        }
        ev = (struct core_event){.type = EV_BOOT_DONE,
                                 .boot = {.task_number_max = w->task_number,
                                          .audit_seq_max = w->audit_seq,
                                          .command_id_max = w->command_id,
                                          .generation_max = w->generation_erased}};
        step(w, &ev);
        for (size_t i = 0; i < TASKS_MAX; i++) {
                ev = (struct core_event){.type = EV_TASK_SEEN};
                STR_CUT(ev.task_seen.task, w->bodies[i].id);
                w->bodies[i].enrolled = false;
                if (w->bodies[i].alive)
                        step(w, &ev);
        }
        ev = (struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}};
        step(w, &ev);
}

static void give(struct world *w, struct core_event *ev)
{
        w->crash_now = world_chance(w, w->faults.crash);
        step(w, ev);
        if (w->crash_now)
                boot(w);
}

/* ---- agents ---- */

static void upload(struct world *w, struct body *b)
{
        struct save_ref *ref = &w->saves[w->n_saves];

        if (w->n_saves == SAVES_MAX)
                abort();
        *ref = (struct save_ref){.generation = b->generation, .seq = ++b->seq, .length = 1};
        (void)snprintf(ref->sha256, sizeof(ref->sha256), "%s-%llu", b->id,
                       (unsigned long long)b->seq);
        STR_CUT(w->save_of[w->n_saves], b->workspace);
        w->n_saves++;
}

static void announce(struct world *w, struct body *b, bool final)
{
        struct core_event ev = {.type = EV_AGENT_SAVED};

        if (world_chance(w, w->faults.lose_message))
                return;
        STR_CUT(ev.saved.task, b->id);
        ev.saved.conn = 1;
        ev.saved.generation = b->generation;
        ev.saved.seq = final ? b->final_seq : b->seq;
        ev.saved.final = final;
        (void)snprintf(ev.saved.sha256, sizeof(ev.saved.sha256), "%s-%llu", b->id,
                       (unsigned long long)ev.saved.seq);
        /* The same once more, late: after a resume it must not end what runs. */
        if (world_chance(w, w->faults.late))
                world_later(w, &ev);
        give(w, &ev);
}

static void remember_told(struct world *w, struct body *b)
{
        const struct task_row *row = core_task(w->core, b->id);

        if (!row || row->state != TASK_READY || row->generation != b->generation)
                return;
        b->told.person_at_ms = b->person_at_ms;
        b->told.busy_until_ms = b->busy_until_ms;
        b->told.left_at_ms = b->left_at_ms;
        b->told.browser = b->browser;
}

static void agent_report(struct world *w, struct body *b)
{
        struct core_event ev = {.type = EV_AGENT_REPORT};

        if (b->lied_until_ms < world_now_ms(w) && world_chance(w, w->faults.lose_message))
                return;
        STR_CUT(ev.report.task, b->id);
        STR_CUT(ev.report.nonce, b->id);
        ev.report.generation = b->generation;
        ev.report.acted_id = b->acted;
        ev.report.phase = b->phase;
        ev.report.declined = b->declined;
        ev.report.person_age_ms = (int64_t)(world_now_ms(w) - b->person_at_ms);
        ev.report.unsaved_age_ms = -1;
        STR_CUT(ev.report.person_by, b->browser == BROWSER_NEVER ? "claim" : "input");
        ev.report.never_connected = b->browser == BROWSER_NEVER;
        if (b->browser == BROWSER_LEFT)
                ev.report.disconnected_ms =
                        MAX((int64_t)(world_now_ms(w) - b->left_at_ms), 1); /* 0 is connected */
        if (b->busy_until_ms > world_now_ms(w))
                ev.report.busy_ms = (int64_t)(b->busy_until_ms - world_now_ms(w));
        if (b->phase == AGENT_READY)
                remember_told(w, b);
        give(w, &ev);
}

static void agent_hello(struct world *w, struct body *b)
{
        struct core_event ev = {.type = EV_AGENT_HELLO};

        if (world_chance(w, w->faults.lose_message))
                return;
        ev.hello.conn = 1;
        STR_CUT(ev.hello.task, b->id);
        STR_CUT(ev.hello.nonce, b->id);
        ev.hello.generation = b->generation;
        give(w, &ev);
}

static void agent_save_final(struct world *w, struct body *b)
{
        if (b->final_said) {
                announce(w, b, true);
                return;
        }
        if (world_chance(w, w->faults.save_fails)) {
                b->phase = AGENT_SAVE_FAILED;
                return;
        }
        upload(w, b);
        b->final_seq = b->seq;
        b->final_said = true;
        announce(w, b, true);
}

static void agent_phase(struct world *w, struct body *b)
{
        if (b->phase == AGENT_STARTING)
                b->phase = AGENT_PRIMING;
        else if (b->phase == AGENT_PRIMING)
                b->phase = AGENT_WARM;
        else if (b->phase == AGENT_RESTORING && world_chance(w, w->faults.restore_fails)) {
                b->phase = AGENT_FAILED;
                b->restore_failed = true;
        } else if (b->phase == AGENT_RESTORING)
                b->phase = AGENT_APP_STARTING;
        else if (b->phase == AGENT_APP_STARTING)
                b->phase = AGENT_READY;
        else if (b->phase == AGENT_STOPPING)
                b->phase = AGENT_SAVING;
        else if (b->phase == AGENT_SAVING)
                agent_save_final(w, b);
        else if (b->phase == AGENT_READY && world_below(w, 4) == 0) {
                upload(w, b);
                announce(w, b, false);
        }
}

/* What people, browsers and jobs do. */
static void body_life(struct world *w, struct body *b)
{
        uint64_t now = world_now_ms(w);

        if (world_below(w, 50) == 0) {
                b->person_at_ms = now;
                b->browser = BROWSER_CONNECTED;
        }
        if (world_below(w, 40) == 0 && b->browser == BROWSER_CONNECTED) {
                b->browser = BROWSER_LEFT;
                b->left_at_ms = now;
        }
        if (world_below(w, 60) == 0)
                b->busy_until_ms = now + world_below(w, 200000);
}

/* Its list lacks a task that reports on time; or it will take the machine back, and does. */
static void provider_words(struct world *w, struct body *b)
{
        struct core_event ev = {.type = EV_TASK_NOTICE, .task_notice = {.reason = "spot"}};
        const struct task_row *row = core_task(w->core, b->id);

        if (world_chance(w, w->faults.lie) && row && row->state == TASK_READY) {
                agent_report(w, b);
                b->lied_until_ms = world_now_ms(w) + 60000;
                agent_report(w, b);
                world_say_ended(w, b->id);
        }
        if (!b->noticed && world_chance(w, w->faults.notice)) {
                b->noticed = true;
                STR_CUT(ev.task_notice.task, b->id);
                ev.task_notice.left_ms = (int64_t)world_below(w, 300000);
                give(w, &ev);
        } else if (b->noticed && world_below(w, 60) == 0) {
                b->alive = false;
                world_say_ended(w, b->id);
        }
}

static void body_turn(struct world *w, struct body *b)
{
        if (!b->alive)
                return;
        if (world_chance(w, w->faults.die)) {
                b->alive = false;
                world_say_ended(w, b->id);
                return;
        }
        if (!b->enrolled) {
                agent_hello(w, b);
                return;
        }
        provider_words(w, b);
        if (!b->alive)
                return;
        if (world_below(w, 3) == 0)
                agent_phase(w, b);
        if (b->claimed)
                body_life(w, b);
        if (b->alive)
                agent_report(w, b);
}

/* ---- everybody else ---- */

static void request(struct world *w)
{
        struct core_event ev = {0};
        uint64_t what = world_below(w, 20);
        char id[CORE_ID_SIZE];

        (void)snprintf(id, sizeof(id), "ws-%c", (char)('a' + world_below(w, WORKSPACES_MAX)));
        if (what < 12) {
                ev.type = EV_REQ_LAUNCH;
                STR_CUT(ev.launch.id, id);
                STR_CUT(ev.launch.key.type, "code");
                ev.launch.token = 1;
        } else {
                ev.type = what < 18 ? EV_REQ_STOP : what < 19 ? EV_REQ_KEEP : EV_REQ_DELETE;
                STR_CUT(ev.req_workspace.id, id);
                ev.req_workspace.token = 1;
                ev.req_workspace.again = what == 17;
        }
        give(w, &ev);
}

static void operate(struct world *w)
{
        struct core_event ev = {.type = EV_REQ_MODE, .req_mode = {.reason = "test"}};

        if (world_below(w, 2)) {
                ev.req_mode.mode = (enum core_mode)world_below(w, MODE_MAX);
                ev.req_mode.on = world_below(w, 3) == 0;
                ev.req_mode.hard = world_below(w, 3) == 0;
                STR_CUT(ev.req_mode.actor, "operator");
                if (world_below(w, 2))
                        STR_CUT(ev.req_mode.type, "code");
        } else {
                ev = (struct core_event){.type = EV_REQ_ABANDON};
                (void)snprintf(ev.req_workspace.id, sizeof(ev.req_workspace.id), "ws-%c",
                               (char)('a' + world_below(w, WORKSPACES_MAX)));
                STR_CUT(ev.req_workspace.actor, "operator");
        }
        give(w, &ev);
}

/* What an enrolled but lying agent, or a stranger with a stolen id, may send. */
static void hostile(struct world *w)
{
        struct core_event ev = {0};
        const struct body *b = &w->bodies[world_below(w, TASKS_MAX)];
        uint64_t generation = world_below(w, 5);

        if (!b->id[0])
                return;
        switch (world_below(w, 4)) {
        case 0:
                ev.type = EV_AGENT_HELLO;
                STR_CUT(ev.hello.task, b->id);
                STR_CUT(ev.hello.nonce, "stranger");
                ev.hello.generation = generation;
                break;
        case 1:
                ev.type = EV_AGENT_REPORT;
                STR_CUT(ev.report.task, b->id);
                STR_CUT(ev.report.nonce, world_below(w, 2) ? b->id : "stranger");
                ev.report.generation = b->generation + 1 + generation;
                ev.report.phase = (enum agent_phase)world_below(w, AGENT_PHASE_MAX + 3);
                ev.report.acted_id = world_random(w);
                ev.report.n_signals = (uint32_t)world_random(w);
                break;
        case 2:
                ev.type = EV_AGENT_SAVED;
                STR_CUT(ev.saved.task, b->id);
                /* Not the current one: who lies about that only hurts its own student. */
                ev.saved.generation = b->generation + 100 + generation;
                ev.saved.seq = world_below(w, 20);
                ev.saved.final = true;
                break;
        default:
                ev.type = EV_ERASED;
                STR_CUT(ev.req_workspace.id, "ws-a");
                /* Only the core can have asked for it; before that it means nothing. */
                break;
        }
        if (ev.type == EV_ERASED) {
                const struct workspace_row *row = core_workspace(w->core, "ws-a");

                if (row && row->state == WS_DELETED)
                        return;
        }
        give(w, &ev);
}

static void answer(struct world *w)
{
        size_t i = w->n_pending ? world_below(w, w->n_pending) : 0;
        struct core_event ev;
        struct body *b;

        if (!w->n_pending)
                return;
        ev = w->pending[i];
        w->pending[i] = w->pending[--w->n_pending];
        if (ev.type == EV_SAVE_VERIFIED && ev.verified.result == 0) {
                const struct workspace_row *row = core_workspace(w->core, ev.verified.workspace);

                b = row ? world_body(w, row->task) : NULL;
                if (b && b->final_seq == ev.verified.seq && b->generation == ev.verified.generation)
                        b->final_committed = true;
        }
        give(w, &ev);
}

static void pass_time(struct world *w)
{
        struct core_event ev = {.type = EV_DEADLINE};
        mono_t until = mono_add_ms(w->now, (int64_t)world_below(w, 3000));
        int rounds = 0;

        /* Whoever is late is late: sometimes a deadline is given long after it was due. */
        if (world_below(w, 10) == 0)
                w->now = until;
        while (mono_due(core_next_deadline(w->core), until)) {
                mono_t due = core_next_deadline(w->core);

                if (mono_before(w->now, due))
                        w->now = due;
                if (++rounds > 2000)
                        world_broken(w, "a deadline stays due", "");
                give(w, &ev);
        }
        w->now = until;
}

void world_turn(struct world *w, bool requests)
{
        if (requests && world_below(w, 6) == 0)
                request(w);
        for (size_t i = 0; i < TASKS_MAX; i++) {
                if (w->bodies[i].alive &&
                    (world_below(w, 2) == 0 || w->bodies[i].lied_until_ms > world_now_ms(w)))
                        body_turn(w, &w->bodies[i]);
        }
        if (world_chance(w, w->faults.hostile))
                hostile(w);
        if (world_chance(w, w->faults.operate))
                operate(w);
        for (uint64_t n = world_below(w, 6); n > 0; n--)
                answer(w);
        pass_time(w);
}

/* ---- life ---- */

static struct idle_limits draw_limits(struct world *w)
{
        struct idle_limits l = {.idle_ms = world_below(w, 4) ? 60000 : 0};

        if (world_below(w, 2))
                l.never_connected_ms = 20000 + (int64_t)world_below(w, 40000);
        if (world_below(w, 2))
                l.disconnected_ms = 20000 + (int64_t)world_below(w, 40000);
        if (world_below(w, 2))
                l.job_ms = 80000 + (int64_t)world_below(w, 80000);
        if (world_below(w, 4) == 0)
                l.lifetime_ms = 100000 + (int64_t)world_below(w, 400000);
        return l;
}

struct world *world_new(uint64_t seed, const struct world_faults *faults)
{
        struct world *w = calloc(1, sizeof(*w));
        struct idle_limits limits;

        if (!w)
                abort();
        w->seed = w->rng = seed;
        w->hash = UINT64_C(14695981039346656037);
        w->faults = *faults;
        w->utc_offset_us = INT64_C(1000000000) * US_PER_S;
        w->now = (mono_t){US_PER_S};
        limits = draw_limits(w);
        w->config = (struct core_config){
                .workspaces_max = WORKSPACES_MAX,
                .tasks_max = 1 + (uint32_t)world_below(w, 20),
                .n_types = 1,
                .types = {{.name = "code",
                           .pool_size = (uint32_t)world_below(w, 4),
                           .queue_max = world_below(w, 3) ? 0 : 2,
                           .limits = limits,
                           .launch_timeout_ms = 120000,
                           .claim_timeout_ms = 60000,
                           .stop_timeout_ms = 60000}},
                .quiet_ms = 10000,
                .heartbeat_ms = 5000,
                .agent_lost_ms = 30000,
                .retry_save_ms = 20000,
                .erase_delay_ms = 120000,
                .stops_per_min = 1 + (uint32_t)world_below(w, 10),
        };
        boot(w);
        return w;
}

struct world *world_free(struct world *w)
{
        if (w)
                core_free(w->core);
        free(w);
        return NULL;
}

/* When the storm is over, operators end what they have set. */
static void modes_off(struct world *w)
{
        for (unsigned mode = 0; mode < MODE_MAX; mode++) {
                struct core_event ev = {.type = EV_REQ_MODE,
                                        .req_mode = {.mode = (enum core_mode)mode}};

                step(w, &ev);
                STR_CUT(ev.req_mode.type, "code");
                step(w, &ev);
        }
}

void world_set_faults(struct world *w, const struct world_faults *faults)
{
        if (w->faults.operate && !faults->operate)
                modes_off(w);
        w->faults = *faults;
}

static bool few_tasks(const struct world *w)
{
        return w->config.tasks_max <= WORKSPACES_MAX + w->config.types[0].pool_size;
}

/* A workspace that is on its way for longer than everything in the configuration together hangs. */
static void check_on_its_way(struct world *w, const struct workspace_row *row)
{
        const struct workspace_row *stored = world_stored_workspace(w, row->id, false);
        bool waits = row->state == WS_STARTING && !row->task[0];
        bool settled =
                row->state == WS_STOPPED || row->state == WS_RUNNING || row->state == WS_DELETED;
        int64_t *since;

        if (!stored)
                return;
        since = &w->unsettled_ms[stored - w->workspaces];
        /* With fewer tasks than people, some wait: that is no fault of the core's. */
        if (settled || (waits && few_tasks(w)))
                *since = 0;
        else if (*since == 0)
                *since = w->now.us / US_PER_MS;
        else if (w->now.us / US_PER_MS - *since > SETTLE_MS)
                world_broken(w, "not settled", row->id);
}

void world_check_settled(struct world *w)
{
        const struct workspace_row *row;
        struct pool_view pool;
        size_t pos = 0;

        while ((row = core_next_workspace(w->core, &pos)))
                check_on_its_way(w, row);
        if (!core_pool(w->core, 0, &pool) || pool.warm >= pool.target || few_tasks(w))
                w->pool_short_ms = 0;
        else if (w->pool_short_ms == 0)
                w->pool_short_ms = w->now.us / US_PER_MS;
        else if (w->now.us / US_PER_MS - w->pool_short_ms > SETTLE_MS)
                world_broken(w, "the pool is not filled", pool.reason);
}

void world_shutdown(struct world *w)
{
        struct core_event ev = {.type = EV_REQ_SHUTDOWN};

        step(w, &ev);
}

bool world_drained(const struct world *w)
{
        return w->drained;
}

unsigned world_resumed(const struct world *w)
{
        return w->resumed;
}

unsigned world_stops(const struct world *w, unsigned rule)
{
        return w->stops[rule];
}

uint64_t world_hash(const struct world *w)
{
        return w->hash;
}
