/* Names of everything that has a .def table. */
#include <assert.h>
#include <string.h>

#include "core/core.h"

static const char *const event_names[] = {
#define EVENT(id, member, doc) [EV_##id] = #id,
#include "core/event.def"
#undef EVENT
};

static const char *const effect_names[] = {
#define EFFECT(id, member, doc) [FX_##id] = #id,
#include "core/effect.def"
#undef EFFECT
};

static const char *const task_state_names[] = {
#define TASK_STATE(id, name, doc) [TASK_##id] = name,
#include "core/task_state.def"
#undef TASK_STATE
};

static const char *const ws_state_names[] = {
#define WS_STATE(id, name, doc) [WS_##id] = name,
#include "core/ws_state.def"
#undef WS_STATE
};

static const char *const mode_names[] = {
#define CORE_MODE(id, name, doc) [MODE_##id] = name,
#include "core/mode.def"
#undef CORE_MODE
};

static const char *const launch_failure_names[] = {
#define LAUNCH_FAILURE(id, name, doc) [LAUNCH_##id] = name,
#include "core/launch_failure.def"
#undef LAUNCH_FAILURE
};

static const char *const agent_phase_names[] = {
#define AGENT_PHASE(id, name, doc) [AGENT_##id] = name,
#include "wire/agent_phase.def"
#undef AGENT_PHASE
};

static const char *const command_verb_names[] = {
#define COMMAND_VERB(id, name, doc) [COMMAND_##id] = name,
#include "wire/command_verb.def"
#undef COMMAND_VERB
};

static_assert(ARRAY_LEN(event_names) == EV_MAX, "a name per event");
static_assert(ARRAY_LEN(effect_names) == FX_MAX, "a name per effect");
static_assert(ARRAY_LEN(task_state_names) == TASK_STATE_MAX, "a name per task state");
static_assert(ARRAY_LEN(ws_state_names) == WS_STATE_MAX, "a name per workspace state");
static_assert(ARRAY_LEN(mode_names) == MODE_MAX, "a name per mode");
static_assert(ARRAY_LEN(launch_failure_names) == LAUNCH_FAILURE_MAX, "a name per failure");
static_assert(ARRAY_LEN(agent_phase_names) == AGENT_PHASE_MAX, "a name per phase");
static_assert(ARRAY_LEN(command_verb_names) == COMMAND_VERB_MAX, "a name per verb");

const char *core_event_name(enum core_event_type t)
{
        return (size_t)t < EV_MAX ? event_names[t] : "?";
}

const char *core_effect_name(enum core_effect_type t)
{
        return (size_t)t < FX_MAX ? effect_names[t] : "?";
}

const char *core_mode_name(enum core_mode m)
{
        return (size_t)m < MODE_MAX ? mode_names[m] : "?";
}

const char *launch_failure_name(enum launch_failure f)
{
        return (size_t)f < LAUNCH_FAILURE_MAX ? launch_failure_names[f] : "?";
}

bool core_mode_parse(const char *name, enum core_mode *ret_mode)
{
        for (size_t i = 0; i < MODE_MAX; i++) {
                if (strcmp(name, mode_names[i]) == 0) {
                        *ret_mode = (enum core_mode)i;
                        return true;
                }
        }
        return false;
}

const char *agent_phase_name(enum agent_phase p)
{
        return (size_t)p < AGENT_PHASE_MAX ? agent_phase_names[p] : "?";
}

const char *command_verb_name(enum command_verb v)
{
        return (size_t)v < COMMAND_VERB_MAX ? command_verb_names[v] : "?";
}

const char *task_state_name(enum task_state s)
{
        return (size_t)s < TASK_STATE_MAX ? task_state_names[s] : "?";
}

const char *ws_state_name(enum ws_state s)
{
        return (size_t)s < WS_STATE_MAX ? ws_state_names[s] : "?";
}

bool task_state_parse(const char *name, enum task_state *ret_state)
{
        for (size_t i = 0; i < TASK_STATE_MAX; i++) {
                if (strcmp(name, task_state_names[i]) == 0) {
                        *ret_state = (enum task_state)i;
                        return true;
                }
        }
        return false;
}

bool ws_state_parse(const char *name, enum ws_state *ret_state)
{
        for (size_t i = 0; i < WS_STATE_MAX; i++) {
                if (strcmp(name, ws_state_names[i]) == 0) {
                        *ret_state = (enum ws_state)i;
                        return true;
                }
        }
        return false;
}

uint64_t core_task_number(const char *task)
{
        uint64_t n = 0;

        if (task[0] != 't' || task[1] != '-')
                return 0;
        for (task += 2; *task; task++) {
                if (*task < '0' || *task > '9' || n > UINT64_MAX / 20)
                        return 0;
                n = n * 10 + (uint64_t)(*task - '0');
        }
        return n;
}

const char *core_stop_kind_name(enum core_stop_kind k)
{
        static const char *const names[] = {[STOP_NONE] = "",
                                            [STOP_ASKED] = "asked",
                                            [STOP_ORDERED] = "ordered",
                                            [STOP_IDLE] = "idle"};

        static_assert(ARRAY_LEN(names) == STOP_KIND_MAX, "a name per kind");
        assert((size_t)k < STOP_KIND_MAX);
        return names[k];
}
