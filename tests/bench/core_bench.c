/*
 * What an event costs the decision core, in a small fleet and in large ones: heartbeats of
 * everybody with the deadlines between them, and whole lives (launch, claim, ready, stop, saved,
 * gone). The cost must not grow with the fleet; each line says its ratio to the smallest one of
 * this run.
 *
 * CPU time, not wall time.
 *
 *   core_bench [SECONDS-PER-LINE]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/num.h"
#include "base/str.h"
#include "core/core.h"

/* The best of so many: what else runs on the machine is not the core's cost. */
#define SLICES 5

static const uint32_t fleets[] = {100, 1000, 10000};

struct fleet {
        struct core *core;
        uint32_t n;
        mono_t now;
        uint64_t steps;
        uint64_t effects;
        uint64_t command;            /* the last one given */
        char launched[CORE_ID_SIZE]; /* the last task */
        struct core_effects fx;
};

static double clock_s(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
        fprintf(stderr, "core_bench: %s\n", what);
        exit(1);
}

static void step(struct fleet *f, struct core_event *ev)
{
        ev->now = f->now;
        ev->utc = (utc_t){INT64_C(1000) * US_PER_S + f->now.us};
        f->fx.n = 0;
        core_step(f->core, ev, &f->fx);
        f->steps++;
        f->effects += f->fx.n;
        for (size_t i = 0; i < f->fx.n; i++) {
                if (f->fx.v[i].type == FX_COMMAND)
                        f->command = f->fx.v[i].command.id;
                if (f->fx.v[i].type == FX_LAUNCH_TASK)
                        STR_CUT(f->launched, f->fx.v[i].launch_task.task);
        }
}

/* As the shell does: after every event the next deadline is asked for. */
static void give(struct fleet *f, struct core_event *ev)
{
        struct core_event deadline = {.type = EV_DEADLINE};

        step(f, ev);
        while (mono_due(core_next_deadline(f->core), f->now))
                step(f, &deadline);
}

static void task_id(char *dst, size_t size, uint32_t i)
{
        (void)snprintf(dst, size, "t-%010u", i + 1);
}

static void boot_rows(struct fleet *f, uint32_t i)
{
        struct core_event ws = {.type = EV_BOOT_WORKSPACE,
                                .workspace_row = {.state = WS_RUNNING, .generation = 1}};
        struct core_event task = {.type = EV_BOOT_TASK,
                                  .task_row = {.state = TASK_READY,
                                               .type = "code",
                                               .generation = 1,
                                               .nonce = "n",
                                               .addr = "127.0.0.1:4000"}};

        task_id(task.task_row.id, sizeof(task.task_row.id), i);
        (void)snprintf(ws.workspace_row.id, CORE_ID_SIZE, "ws-%u", i);
        (void)snprintf(ws.workspace_row.key.user_id, CORE_USER_SIZE, "user-%u", i);
        STR_CUT(ws.workspace_row.key.type, "code");
        STR_CUT(ws.workspace_row.task, task.task_row.id);
        STR_CUT(task.task_row.workspace, ws.workspace_row.id);
        step(f, &ws);
        step(f, &task);
}

static void fleet_open(struct fleet *f, uint32_t n)
{
        struct core_config config = {
                .workspaces_max = n + 16,
                .tasks_max = n + 16,
                .n_types = 1,
                .types = {{.name = "code",
                           .limits = {.idle_ms = 1800000},
                           .launch_timeout_ms = 120000,
                           .claim_timeout_ms = 120000,
                           .stop_timeout_ms = 120000}},
                .heartbeat_ms = 5000,
                .agent_lost_ms = 30000,
                .retry_save_ms = 60000,
                .stops_per_min = 1000,
        };
        struct core_event ev = {.type = EV_BOOT_DONE, .boot = {.task_number_max = n}};

        memset(f, 0, sizeof(*f));
        f->n = n;
        if (core_new(&config, &f->core) < 0)
                die("the core cannot be made");
        for (uint32_t i = 0; i < n; i++)
                boot_rows(f, i);
        step(f, &ev);
        for (uint32_t i = 0; i < n; i++) {
                ev = (struct core_event){.type = EV_TASK_SEEN};
                task_id(ev.task_seen.task, sizeof(ev.task_seen.task), i);
                step(f, &ev);
        }
        ev = (struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}};
        give(f, &ev);
}

static void report(struct fleet *f, const char *task, enum agent_phase phase, uint64_t generation,
                   uint64_t acted)
{
        struct core_event ev = {.type = EV_AGENT_REPORT,
                                .report = {.nonce = "n",
                                           .generation = generation,
                                           .acted_id = acted,
                                           .phase = phase,
                                           .person_by = "typed",
                                           .unsaved_age_ms = 10}};

        STR_CUT(ev.report.task, task);
        give(f, &ev);
}

/* Everybody reports every 5 s; the clock moves on between two of them. */
static void heartbeats(struct fleet *f, uint64_t i)
{
        char task[CORE_ID_SIZE];

        task_id(task, sizeof(task), (uint32_t)(i % f->n));
        f->now.us += 5 * US_PER_S / f->n;
        report(f, task, AGENT_READY, 1, 0);
}

static void life(struct fleet *f, uint64_t i)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH, .launch = {.token = 1}};
        char task[CORE_ID_SIZE];
        uint64_t generation;

        /* A few names in turn, so that nothing has to be erased. */
        (void)snprintf(ev.launch.id, CORE_ID_SIZE, "ws-life-%u", (unsigned)(i % 8));
        STR_CUT(ev.launch.key.type, "code");
        (void)snprintf(ev.launch.key.user_id, CORE_USER_SIZE, "life-%u", (unsigned)(i % 8));
        give(f, &ev);
        STR_CUT(task, f->launched);
        if (!core_task(f->core, task))
                die("nothing was launched");
        ev = (struct core_event){.type = EV_AGENT_HELLO, .hello = {.nonce = "n", .addr = "a:1"}};
        STR_CUT(ev.hello.task, task);
        give(f, &ev);
        report(f, task, AGENT_WARM, 0, 0);
        generation = core_task(f->core, task)->generation;
        report(f, task, AGENT_READY, generation, f->command);
        ev = (struct core_event){.type = EV_REQ_STOP, .req_workspace = {.token = 1}};
        (void)snprintf(ev.req_workspace.id, CORE_ID_SIZE, "ws-life-%u", (unsigned)(i % 8));
        give(f, &ev);
        ev = (struct core_event){
                .type = EV_AGENT_SAVED,
                .saved = {.generation = generation, .seq = 1, .final = true, .unchanged = true}};
        STR_CUT(ev.saved.task, task);
        give(f, &ev);
        report(f, task, AGENT_SAVED, generation, f->command);
        ev = (struct core_event){.type = EV_TASK_ENDED, .task_ended = {.certain = true}};
        STR_CUT(ev.task_ended.task, task);
        give(f, &ev);
        if (core_task(f->core, task))
                die("a life did not end");
        f->now.us += US_PER_MS;
}

static double measure(const char *name, struct fleet *f, void (*fn)(struct fleet *, uint64_t),
                      double seconds, double base_ns)
{
        double from, took, ns = 0;
        uint64_t i = 0;

        for (; i < 2000; i++) /* warm up */
                fn(f, i);
        for (int slice = 0; slice < SLICES; slice++) {
                f->steps = f->effects = 0;
                from = clock_s();
                do {
                        for (int k = 0; k < 200; k++)
                                fn(f, i++);
                        took = clock_s() - from;
                } while (took < seconds / SLICES);
                if (slice == 0 || took * 1e9 / (double)f->steps < ns)
                        ns = took * 1e9 / (double)f->steps;
        }
        printf("%-12s %6u tasks %10.0f steps/s %8.0f ns/step %6.2f effects/step   x%.2f\n", name,
               f->n, 1e9 / ns, ns, (double)f->effects / (double)f->steps,
               base_ns > 0 ? ns / base_ns : 1.0);
        (void)fflush(stdout);
        return ns;
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*fn)(struct fleet *, uint64_t);
        } kinds[] = {{"heartbeats", heartbeats}, {"lives", life}};
        static struct fleet f;
        uint64_t tenths = 10;

        if (argc > 1 && num_parse_u64(argv[1], 1, 600, &tenths) == 0)
                tenths *= 10;
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
                double base = 0;

                for (size_t i = 0; i < ARRAY_LEN(fleets); i++) {
                        double ns;

                        fleet_open(&f, fleets[i]);
                        ns = measure(kinds[k].name, &f, kinds[k].fn, (double)tenths / 10, base);
                        base = i == 0 ? ns : base;
                        f.core = core_free(f.core);
                }
        }
        return 0;
}
