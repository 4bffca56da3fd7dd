#include "core_fixture.h"

#include "base/str.h"
#include "test.h"

struct core_effects fx;
mono_t now;
struct core *core;

struct core_config config_of(uint32_t workspaces, uint32_t tasks, uint32_t pool)
{
        return (struct core_config){
                .workspaces_max = workspaces,
                .tasks_max = tasks,
                .n_types = 1,
                .types = {{.name = "code",
                           .pool_size = pool,
                           .limits = {.idle_ms = 60000},
                           .launch_timeout_ms = 60000,
                           .claim_timeout_ms = 60000,
                           .stop_timeout_ms = 60000}},
                .heartbeat_ms = 5000,
                .agent_lost_ms = 30000,
                .retry_save_ms = 60000,
                .erase_delay_ms = 1000,
                .stops_per_min = 2,
        };
}

void give(struct core_event ev)
{
        ev.now = now;
        ev.utc = (utc_t){INT64_C(1000) * US_PER_S + now.us};
        fx.n = 0;
        core_step(core, &ev, &fx);
}

size_t count(enum core_effect_type type)
{
        size_t n = 0;

        for (size_t i = 0; i < fx.n; i++)
                n += fx.v[i].type == type;
        return n;
}

enum reply_status replied(void)
{
        for (size_t i = 0; i < fx.n; i++) {
                if (fx.v[i].type == FX_REPLY)
                        return fx.v[i].reply.status;
        }
        return REPLY_STATUS_MAX;
}

void new_core(const struct core_config *config)
{
        core = NULL;
        now = (mono_t){US_PER_S};
        CHECK(core_new(config, &core) == 0);
}

void end_core(void)
{
        core = core_free(core);
}

void opened(const struct core_config *config)
{
        new_core(config);
        give((struct core_event){.type = EV_BOOT_DONE});
        give((struct core_event){.type = EV_INVENTORY_DONE, .inventory = {.certain = true}});
}

int settle(void)
{
        int steps = 0;

        while (mono_due(core_next_deadline(core), now)) {
                give((struct core_event){.type = EV_DEADLINE});
                CHECK(++steps < 1000);
        }
        return steps;
}

void boot_workspace(const char *id, enum ws_state state, const char *task)
{
        struct core_event ev = {.type = EV_BOOT_WORKSPACE,
                                .workspace_row = {.state = state, .generation = 1}};

        STR_CUT(ev.workspace_row.id, id);
        STR_CUT(ev.workspace_row.task, task);
        STR_CUT(ev.workspace_row.key.type, "code");
        give(ev);
}

void boot_task(const char *id, enum task_state state, const char *workspace)
{
        struct core_event ev = {.type = EV_BOOT_TASK,
                                .task_row = {.state = state, .nonce = "n", .type = "code"}};

        STR_CUT(ev.task_row.id, id);
        STR_CUT(ev.task_row.workspace, workspace);
        ev.task_row.generation = workspace[0] ? 1 : 0;
        give(ev);
}

void seen(const char *id)
{
        struct core_event ev = {.type = EV_TASK_SEEN};

        STR_CUT(ev.task_seen.task, id);
        give(ev);
}

void report(const char *task, enum agent_phase phase, uint64_t generation)
{
        struct core_event ev = {.type = EV_AGENT_REPORT,
                                .report = {.nonce = "n",
                                           .phase = phase,
                                           .generation = generation,
                                           .acted_id = UINT64_MAX,
                                           .person_age_ms = -1}};

        STR_CUT(ev.report.task, task);
        give(ev);
}

void launch(const char *id, const char *user)
{
        struct core_event ev = {.type = EV_REQ_LAUNCH, .launch = {.token = 1}};

        STR_CUT(ev.launch.id, id);
        STR_CUT(ev.launch.key.type, "code");
        STR_CUT(ev.launch.key.user_id, user);
        STR_CUT(ev.launch.key.tenant, user[0] == '2' ? "two" : "one");
        give(ev);
}
