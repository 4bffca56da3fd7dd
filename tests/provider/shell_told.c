#include "shell_told.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "test.h"

struct shell shell;

struct told *told(const char *task)
{
        for (size_t i = 0; i < SHELL_TASKS; i++) {
                if (strcmp(shell.tasks[i].task, task) == 0)
                        return &shell.tasks[i];
                if (!shell.tasks[i].task[0]) {
                        CHECK(STR_SET(shell.tasks[i].task, task) == 0);
                        return &shell.tasks[i];
                }
        }
        abort();
}

void shell_post(struct shell *s, struct core_event *ev)
{
        struct told *t;

        if (ev->type == EV_TASK_LAUNCHED) {
                t = told(ev->task_result.task);
                t->launched = ev->task_result.ok ? 1 : 2;
                t->failure = ev->task_result.failure;
                STR_CUT(t->reason, ev->task_result.reason);
        } else if (ev->type == EV_TASK_ENDED) {
                t = told(ev->task_ended.task);
                CHECK(ev->task_ended.certain);
                t->ended++;
                t->status = ev->task_ended.exit_status;
                STR_CUT(t->reason, ev->task_ended.reason);
                if (!s->holds)
                        remove_task(t->task);
        } else if (ev->type == EV_TASK_KEPT) {
                t = told(ev->task_kept.task);
                t->kept++;
                STR_CUT(t->workspace, ev->task_kept.workspace);
                STR_CUT(t->reason, ev->task_kept.where);
        } else if (ev->type == EV_TASK_SEEN) {
                told(ev->task_seen.task)->seen++;
        } else if (ev->type == EV_INVENTORY_DONE) {
                CHECK(ev->inventory.certain && !ev->inventory.own_machines);
                s->inventories++;
        } else if (ev->type == EV_VERSION_SET && strcmp(ev->version_set.type, "good") == 0) {
                s->versions++;
                STR_CUT(s->version, ev->version_set.version);
        }
}

void shell_handle(struct shell *s, enum core_effect_type type, effect_fn fn, void *ctx)
{
        CHECK(type == FX_LAUNCH_TASK || type == FX_STOP_TASK || type == FX_REMOVE_TASK ||
              type == FX_ERASE);
        *(type == FX_LAUNCH_TASK   ? &s->launch
          : type == FX_STOP_TASK   ? &s->stop
          : type == FX_REMOVE_TASK ? &s->remove
                                   : &s->erase) = fn;
        s->ctx = ctx;
}

bool shell_writable(const struct shell *s)
{
        (void)s;
        return true;
}

void launch(const char *task, const char *type)
{
        struct core_effect fx = {.type = FX_LAUNCH_TASK};

        CHECK(STR_SET(fx.launch_task.task, task) == 0 && STR_SET(fx.launch_task.type, type) == 0);
        shell.launch(shell.ctx, &fx);
}

void stop(const char *task, bool at_once)
{
        struct core_effect fx = {.type = FX_STOP_TASK, .stop_task = {.at_once = at_once}};

        CHECK(STR_SET(fx.stop_task.task, task) == 0);
        shell.stop(shell.ctx, &fx);
}

void remove_task(const char *task)
{
        struct core_effect fx = {.type = FX_REMOVE_TASK};

        CHECK(STR_SET(fx.remove_task.task, task) == 0);
        shell.remove(shell.ctx, &fx);
}

void erase(const char *workspace, uint64_t generation)
{
        struct core_effect fx = {.type = FX_ERASE, .erase = {.generation = generation}};

        CHECK(STR_SET(fx.erase.workspace, workspace) == 0);
        shell.erase(shell.ctx, &fx);
}
