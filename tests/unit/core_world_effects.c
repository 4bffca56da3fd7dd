/* What effects do to the test world, and the rules that are checked where they arrive. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core_world_state.h"

/* ---- the store ---- */

struct workspace_row *world_stored_workspace(struct world *w, const char *id, bool add)
{
        struct workspace_row *empty = NULL;

        for (size_t i = 0; i < WORKSPACES_MAX; i++) {
                if (strcmp(w->workspaces[i].id, id) == 0)
                        return &w->workspaces[i];
                if (!w->workspaces[i].id[0] && !empty)
                        empty = &w->workspaces[i];
        }
        return add ? empty : NULL;
}

static struct task_row *stored_task(struct world *w, const char *id, bool add)
{
        struct task_row *empty = NULL;

        for (size_t i = 0; i < TASKS_MAX; i++) {
                if (strcmp(w->tasks[i].id, id) == 0)
                        return &w->tasks[i];
                if (!w->tasks[i].id[0] && !empty)
                        empty = &w->tasks[i];
        }
        return add ? empty : NULL;
}

static bool newer(const struct save_ref *a, const struct save_ref *b)
{
        return a->generation > b->generation || (a->generation == b->generation && a->seq > b->seq);
}

static bool in_storage(const struct world *w, const char *workspace, const struct save_ref *ref)
{
        for (size_t i = 0; i < w->n_saves; i++) {
                if (w->saves[i].generation == ref->generation && w->saves[i].seq == ref->seq &&
                    strcmp(w->save_of[i], workspace) == 0)
                        return true;
        }
        return false;
}

static void put_workspace(struct world *w, const struct workspace_row *row)
{
        struct workspace_row *old = world_stored_workspace(w, row->id, true);

        if (!old)
                world_broken(w, "more workspaces than there may be", row->id);
        if (old->id[0] && newer(&old->head, &row->head))
                world_broken(w, "the head goes back", row->id);
        if (row->head.seq && !in_storage(w, row->id, &row->head))
                world_broken(w, "the head is not in the storage", row->id);
        *old = *row;
}

static bool setting_on(const struct world *w, const char *name)
{
        for (size_t i = 0; i < SETTINGS_MAX; i++) {
                if (strcmp(w->settings[i].name, name) == 0 && w->settings[i].value[0])
                        return true;
        }
        return false;
}

/* Nobody who was there, as far as the core was told, is stopped by a limit that is not over. */
static void check_idle_stop(struct world *w, const struct audit_row *row, enum idle_rule rule)
{
        const struct idle_limits *l = &w->config.types[0].limits;
        const struct body *b = world_body(w, row->task);
        int64_t now = (int64_t)world_now_ms(w);
        int64_t absent, job_end, limit = INT64_MAX;

        if (!b)
                return;
        w->stops[rule]++;
        if (setting_on(w, "maintenance"))
                world_broken(w, "stopped for idleness in maintenance", row->detail);
        absent = now - (int64_t)b->told.person_at_ms;
        job_end = MIN((int64_t)b->told.busy_until_ms, (int64_t)b->told.person_at_ms + l->job_ms);
        if (rule == IDLE_RULE_IDLE && l->idle_ms)
                limit = l->idle_ms;
        else if (rule == IDLE_RULE_NEVER_CONNECTED && b->told.browser == BROWSER_NEVER)
                limit = l->never_connected_ms;
        else if (rule == IDLE_RULE_DISCONNECTED && b->told.browser == BROWSER_LEFT &&
                 now - (int64_t)b->told.left_at_ms + 1 >= l->disconnected_ms) /* it is told as 1 */
                limit = l->disconnected_ms;
        else if (rule == IDLE_RULE_JOB && (int64_t)b->told.busy_until_ms > now)
                limit = l->job_ms;
        else if (rule == IDLE_RULE_LIFETIME && now - (int64_t)b->claimed_at_ms >= l->lifetime_ms)
                limit = IDLE_LIFETIME_ABSENT_MS;
        if (limit == INT64_MAX || limit == 0)
                world_broken(w, "stopped by a limit that does not apply", row->detail);
        if (absent < limit)
                world_broken(w, "stopped while a person was there", row->detail);
        if (rule != IDLE_RULE_LIFETIME && job_end > now)
                world_broken(w, "stopped while a job held it", row->detail);
}

/* Only what cannot save may be given up, and only by somebody. */
static void check_abandoned(struct world *w, const struct audit_row *row, struct body *b)
{
        const struct workspace_row *stored = world_stored_workspace(w, row->workspace, false);

        if (!stored || stored->state != WS_ATTENTION || strcmp(row->actor, "core") == 0)
                world_broken(w, "abandoned outside of attention", row->workspace);
        b->abandoned = true;
}

static void check_audit(struct world *w, const struct audit_row *row)
{
        enum idle_rule rule = idle_rule_of_reason(row->detail);
        struct body *b = world_body(w, row->task);

        if (row->seq <= w->audit_seq)
                world_broken(w, "the history goes back", row->what);
        if (b && strcmp(row->what, "claimed") == 0)
                b->claimed_at_ms = world_now_ms(w);
        if (b && strcmp(row->what, "abandoned") == 0)
                check_abandoned(w, row, b);
        if (strcmp(row->what, "resumed") == 0)
                w->resumed++;
        if (rule != IDLE_RULE_NONE && strcmp(row->what, "stopping") == 0)
                check_idle_stop(w, row, rule);
}

static void put_setting(struct world *w, const struct setting_row *row)
{
        size_t i = 0;

        while (i < SETTINGS_MAX && w->settings[i].name[0] &&
               strcmp(w->settings[i].name, row->name) != 0)
                i++;
        if (i == SETTINGS_MAX)
                world_broken(w, "more settings than there may be", row->name);
        w->settings[i] = *row;
}

void world_store_effect(struct world *w, const struct core_effect *fx)
{
        struct workspace_row *workspace;
        struct task_row *task;

        if (fx->type == FX_PUT_WORKSPACE) {
                put_workspace(w, &fx->workspace_row);
        } else if (fx->type == FX_DEL_WORKSPACE) {
                workspace = world_stored_workspace(w, fx->id.id, false);
                if (workspace) {
                        w->generation_erased = MAX(w->generation_erased, workspace->generation);
                        memset(workspace, 0, sizeof(*workspace));
                }
        } else if (fx->type == FX_PUT_TASK) {
                task = stored_task(w, fx->task_row.id, true);
                if (!task)
                        world_broken(w, "more tasks than there may be", fx->task_row.id);
                *task = fx->task_row;
                w->task_number = MAX(w->task_number, core_task_number(fx->task_row.id));
        } else if (fx->type == FX_DEL_TASK) {
                task = stored_task(w, fx->id.id, false);
                if (task)
                        memset(task, 0, sizeof(*task));
        } else if (fx->type == FX_PUT_SETTING) {
                put_setting(w, &fx->setting_row);
        } else if (fx->type == FX_AUDIT) {
                check_audit(w, &fx->audit_row);
                w->audit_seq = fx->audit_row.seq;
        } else if (fx->type == FX_COMMAND) {
                w->command_id = MAX(w->command_id, fx->command.id);
        }
}

/* ---- messages to the core ---- */

void world_later(struct world *w, const struct core_event *ev)
{
        if (w->n_pending < PENDING_MAX)
                w->pending[w->n_pending++] = *ev;
}

/* ---- the outside: what an effect does ---- */

struct body *world_body(struct world *w, const char *id)
{
        for (size_t i = 0; i < TASKS_MAX; i++) {
                if (w->bodies[i].id[0] && strcmp(w->bodies[i].id, id) == 0)
                        return &w->bodies[i];
        }
        return NULL;
}

void world_say_ended(struct world *w, const char *id)
{
        struct core_event ev = {.type = EV_TASK_ENDED};

        STR_CUT(ev.task_ended.task, id);
        world_later(w, &ev);
}

static void do_launch(struct world *w, const struct core_effect *fx)
{
        struct core_event ev = {.type = EV_TASK_LAUNCHED, .task_result = {.ok = true}};
        const struct task_row *row = stored_task(w, fx->launch_task.task, false);
        struct body *b = world_body(w, fx->launch_task.task);

        if (!row || row->state != TASK_LAUNCHING)
                world_broken(w, "act before persist: launch", fx->launch_task.task);
        STR_CUT(ev.task_result.task, fx->launch_task.task);
        if (!b && world_chance(w, w->faults.launch_fails)) {
                ev.task_result.ok = false;
                ev.task_result.failure = (enum launch_failure)world_below(w, LAUNCH_FAILURE_MAX);
                world_later(w, &ev);
                return;
        }
        for (size_t i = 0; !b && i < TASKS_MAX; i++) {
                if (w->bodies[i].alive)
                        continue;
                b = &w->bodies[i];
                memset(b, 0, sizeof(*b));
                STR_CUT(b->id, fx->launch_task.task);
                b->alive = true;
        }
        if (!b)
                world_broken(w, "more bodies than there may be", fx->launch_task.task);
        world_later(w, &ev);
}

static void do_stop(struct world *w, const struct core_effect *fx)
{
        const struct task_row *row = stored_task(w, fx->stop_task.task, false);
        struct body *b = world_body(w, fx->stop_task.task);

        if (!row || (row->state != TASK_TERMINATING && row->state != TASK_FAILED))
                world_broken(w, "act before persist: stop", fx->stop_task.task);
        if (b && b->alive && b->claimed && !b->final_committed && !b->restore_failed &&
            !b->abandoned)
                world_broken(w, "stop before commit", fx->stop_task.task);
        if (b && b->alive && b->claimed && !b->restore_failed && !b->abandoned &&
            (b->phase == AGENT_READY || b->phase == AGENT_APP_STARTING))
                world_broken(w, "stopped while it runs", fx->stop_task.task);
        if (b)
                b->alive = false;
        world_say_ended(w, fx->stop_task.task);
}

static void check_claim(struct world *w, const struct core_effect *fx)
{
        const struct task_row *task = stored_task(w, fx->command.task, false);
        const struct workspace_row *workspace =
                world_stored_workspace(w, fx->command.workspace, false);
        size_t slot;

        if (!task || !workspace || task->state != TASK_CLAIMED ||
            task->generation != fx->command.generation ||
            workspace->generation != fx->command.generation ||
            strcmp(workspace->task, task->id) != 0)
                world_broken(w, "act before persist: claim", fx->command.task);
        if (fx->command.head.seq && !in_storage(w, workspace->id, &fx->command.head))
                world_broken(w, "a claim names a save that is not there", fx->command.task);
        slot = (size_t)(workspace - w->workspaces);
        if (strcmp(w->claimed_by[slot], task->id) != 0 &&
            fx->command.generation <= w->claimed_generation[slot])
                world_broken(w, "generation not advanced", workspace->id);
        w->claimed_generation[slot] = fx->command.generation;
        STR_CUT(w->claimed_by[slot], task->id);
}

/* The claim itself is the first evidence, and nobody has come yet. */
static void take_claim(const struct world *w, struct body *b)
{
        b->phase = AGENT_RESTORING;
        b->person_at_ms = world_now_ms(w);
        b->browser = BROWSER_NEVER;
}

/* As the agent does: what was the last save is an ordinary one now, and counts for nothing here. */
static void take_resume(const struct world *w, struct body *b)
{
        if (b->phase != AGENT_STOPPING && b->phase != AGENT_SAVING && b->phase != AGENT_SAVE_FAILED)
                return;
        b->person_at_ms = world_now_ms(w);
        b->final_said = b->final_committed = false;
        b->final_seq = 0;
        b->phase = AGENT_APP_STARTING;
}

static void obey_stop(struct world *w, struct body *b, const struct core_effect *fx)
{
        if (fx->command.recheck && b->phase == AGENT_READY && world_chance(w, w->faults.decline))
                b->declined = true;
        else if (b->phase == AGENT_SAVE_FAILED || b->phase == AGENT_FAILED)
                b->phase = AGENT_SAVING;
        else if (b->phase != AGENT_SAVING && b->phase != AGENT_SAVED)
                b->phase = AGENT_STOPPING;
}

static void do_command(struct world *w, const struct core_effect *fx)
{
        struct body *b = world_body(w, fx->command.task);

        if (fx->command.verb == COMMAND_CLAIM)
                check_claim(w, fx);
        if (!b || !b->alive || fx->command.id <= b->acted || world_chance(w, w->faults.lose_effect))
                return;
        /* Of another generation: taken on, and nothing follows. */
        b->acted = fx->command.id;
        b->declined = false;
        if (fx->command.verb == COMMAND_CLAIM) {
                if (b->generation)
                        return;
                b->claimed = true;
                b->generation = fx->command.generation;
                STR_CUT(b->workspace, fx->command.workspace);
                take_claim(w, b);
        } else if (fx->command.generation != b->generation) {
                return;
        } else if (fx->command.verb == COMMAND_RESUME) {
                take_resume(w, b);
        } else if (fx->command.verb == COMMAND_PREPARE_STOP) {
                obey_stop(w, b, fx);
        }
}

/* A welcome repeats the claim. */
static void do_welcome(struct world *w, const struct core_effect *fx)
{
        struct body *b = world_body(w, fx->welcome.task);

        if (!b || !b->alive || world_chance(w, w->faults.lose_effect))
                return;
        b->enrolled = true;
        if (fx->welcome.generation && !b->generation) {
                b->claimed = true;
                b->generation = fx->welcome.generation;
                STR_CUT(b->workspace, fx->welcome.workspace);
                take_claim(w, b);
        }
}

static void do_ack(struct world *w, const struct core_effect *fx)
{
        const struct task_row *task = stored_task(w, fx->save_ack.task, false);
        const struct workspace_row *workspace =
                task ? world_stored_workspace(w, task->workspace, false) : NULL;
        struct body *b = world_body(w, fx->save_ack.task);
        struct save_ref ref = {.generation = fx->save_ack.generation, .seq = fx->save_ack.seq};

        if (fx->save_ack.committed && ref.seq && in_storage(w, b ? b->workspace : "", &ref) &&
            workspace && newer(&ref, &workspace->head))
                world_broken(w, "tell before persist: saved", fx->save_ack.task);
        if (!b || world_chance(w, w->faults.lose_effect) ||
            fx->save_ack.generation != b->generation)
                return;
        if (!b->final_said || fx->save_ack.seq != b->final_seq)
                return;
        if (fx->save_ack.committed) {
                if (!b->final_committed)
                        world_broken(w, "a last save is acknowledged that nobody checked", b->id);
                b->phase = AGENT_SAVED;
        } else if (!b->final_committed) {
                b->final_said = false;
                b->phase = AGENT_SAVE_FAILED;
        }
}

static void do_verify(struct world *w, const struct core_effect *fx)
{
        struct core_event ev = {.type = EV_SAVE_VERIFIED};

        if (world_chance(w, w->faults.lose_effect))
                return;
        STR_CUT(ev.verified.workspace, fx->verify.workspace);
        ev.verified.generation = fx->verify.save.generation;
        ev.verified.seq = fx->verify.save.seq;
        if (!in_storage(w, fx->verify.workspace, &fx->verify.save))
                ev.verified.result = 1;
        else if (world_chance(w, w->faults.storage_fails))
                ev.verified.result = -EIO;
        world_later(w, &ev);
}

static void do_salvage(struct world *w, const struct core_effect *fx)
{
        struct core_event ev = {.type = EV_SALVAGED};

        if (world_chance(w, w->faults.lose_effect))
                return;
        STR_CUT(ev.salvaged.workspace, fx->salvage.workspace);
        ev.salvaged.generation = fx->salvage.generation;
        if (world_chance(w, w->faults.storage_fails))
                ev.salvaged.result = -EIO;
        for (size_t i = 0; ev.salvaged.result == 0 && i < w->n_saves; i++) {
                if (strcmp(w->save_of[i], fx->salvage.workspace) == 0 &&
                    w->saves[i].generation == fx->salvage.generation &&
                    w->saves[i].seq > MAX(fx->salvage.after_seq, ev.salvaged.found.seq))
                        ev.salvaged.found = w->saves[i];
        }
        world_later(w, &ev);
}

static void do_sweep(struct world *w, const struct core_effect *fx)
{
        struct save_ref before = {.generation = fx->sweep.before_generation,
                                  .seq = fx->sweep.before_seq};
        size_t kept = 0;

        for (size_t i = 0; i < w->n_saves; i++) {
                bool keep = strcmp(w->save_of[i], fx->sweep.workspace) != 0 ||
                            !newer(&before, &w->saves[i]);

                for (uint32_t k = 0; k < fx->sweep.n_keep; k++)
                        keep |= w->saves[i].generation == fx->sweep.keep[k].generation &&
                                w->saves[i].seq == fx->sweep.keep[k].seq;
                if (!keep)
                        continue;
                w->saves[kept] = w->saves[i];
                if (kept != i)
                        memcpy(w->save_of[kept], w->save_of[i], CORE_ID_SIZE);
                kept++;
        }
        w->n_saves = kept;
}

static void do_erase(struct world *w, const struct core_effect *fx)
{
        struct core_event ev = {.type = EV_ERASED};

        STR_CUT(ev.req_workspace.id, fx->erase.workspace);
        world_later(w, &ev);
}

void world_carry_out(struct world *w, const struct core_effect *fx)
{
        if (fx->type == FX_LAUNCH_TASK)
                do_launch(w, fx);
        else if (fx->type == FX_STOP_TASK)
                do_stop(w, fx);
        else if (fx->type == FX_COMMAND)
                do_command(w, fx);
        else if (fx->type == FX_WELCOME)
                do_welcome(w, fx);
        else if (fx->type == FX_SAVE_ACK)
                do_ack(w, fx);
        else if (fx->type == FX_VERIFY_SAVE)
                do_verify(w, fx);
        else if (fx->type == FX_SALVAGE)
                do_salvage(w, fx);
        else if (fx->type == FX_SWEEP)
                do_sweep(w, fx);
        else if (fx->type == FX_ERASE)
                do_erase(w, fx);
        else if (fx->type == FX_DRAINED)
                w->drained = true;
}
