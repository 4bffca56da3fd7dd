/*
 * One core, its clock and the effects of its last step, for tests that say everything by hand.
 * Each test program has one; no threads.
 */
#pragma once

#include "core/core.h"

extern struct core_effects fx; /* of the last step */
extern mono_t now;             /* the test moves it */
extern struct core *core;

/* One type, "code". */
struct core_config config_of(uint32_t workspaces, uint32_t tasks, uint32_t pool);
/* A step: time is filled in. */
void give(struct core_event ev);
/* Effects of this type in the last step. */
size_t count(enum core_effect_type type);
/* The first reply of the last step; REPLY_STATUS_MAX for none. */
enum reply_status replied(void);
void new_core(const struct core_config *config);
void end_core(void);
/* A core that has booted with nothing stored and nothing running. */
void opened(const struct core_config *config);
/* Deadlines, as long as they are due; how many steps that took. */
int settle(void);
void boot_workspace(const char *id, enum ws_state state, const char *task);
void boot_task(const char *id, enum task_state state, const char *workspace);
void seen(const char *id);
void report(const char *task, enum agent_phase phase, uint64_t generation);
void launch(const char *id, const char *user);
