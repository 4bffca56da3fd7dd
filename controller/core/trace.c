#include "core/trace.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
        char *dst;
        size_t size;
        size_t len;
};

static void add(struct text *x, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(struct text *x, const char *fmt, ...)
{
        va_list ap;
        int n;

        if (x->len + 1 >= x->size)
                return;
        va_start(ap, fmt);
        n = vsnprintf(x->dst + x->len, x->size - x->len, fmt, ap);
        va_end(ap);
        if (n > 0)
                x->len = MIN(x->len + (size_t)n, x->size - 1);
}

/* Only what is there: "" and 0 are not shown. */
static void add_str(struct text *x, const char *name, const char *value)
{
        if (strchr(value, ' '))
                add(x, " %s=\"%s\"", name, value);
        else if (value[0])
                add(x, " %s=%s", name, value);
}

static void add_u64(struct text *x, const char *name, uint64_t value)
{
        if (value)
                add(x, " %s=%llu", name, (unsigned long long)value);
}

static void add_flag(struct text *x, const char *name, bool value)
{
        if (value)
                add(x, " %s", name);
}

static void add_save(struct text *x, const char *name, const struct save_ref *s)
{
        if (s->seq)
                add(x, " %s=%llu-%llu", name, (unsigned long long)s->generation,
                    (unsigned long long)s->seq);
}

static void add_workspace(struct text *x, const struct workspace_row *row)
{
        add(x, " %s %s", row->id, ws_state_name(row->state));
        add_u64(x, "gen", row->generation);
        add_str(x, "task", row->task);
        add_save(x, "head", &row->head);
        add_save(x, "previous", &row->previous);
        add_flag(x, "deleted", row->erase_at.us != 0);
        add_flag(x, "wanted", row->wanted);
        add_flag(x, "home", row->home == HOME_THERE);
        add_flag(x, "home-replace", row->home == HOME_REPLACE);
        add_str(x, "reason", row->reason);
}

static void add_task(struct text *x, const struct task_row *row)
{
        add(x, " %s %s", row->id, task_state_name(row->state));
        add_str(x, "type", row->type);
        add_u64(x, "gen", row->generation);
        add_str(x, "ws", row->workspace);
        add_str(x, "nonce", row->nonce);
        add_str(x, "reason", row->reason);
}

static const char *reply_name(enum reply_status s)
{
        static const char *const names[] = {
                [REPLY_OK] = "ok",
                [REPLY_NOT_FOUND] = "not-found",
                [REPLY_BAD_TYPE] = "bad-type",
                [REPLY_FULL] = "full",
                [REPLY_DELETED] = "deleted",
                [REPLY_DRAINING] = "draining",
                [REPLY_CLOSED] = "closed",
                [REPLY_USER_LIMIT] = "user-limit",
                [REPLY_QUEUE_FULL] = "queue-full",
                [REPLY_NOT_RUNNING] = "not-running",
                [REPLY_KEPT_LONG] = "kept-long",
                [REPLY_NOT_ATTENTION] = "not-attention",
                [REPLY_NOT_STOPPED] = "not-stopped",
        };

        static_assert(ARRAY_LEN(names) == REPLY_STATUS_MAX, "a name per status");
        return (size_t)s < ARRAY_LEN(names) ? names[s] : "?";
}

static void add_report(struct text *x, const struct core_event *ev)
{
        add(x, " %s %s", ev->report.task, agent_phase_name(ev->report.phase));
        add_u64(x, "gen", ev->report.generation);
        add_u64(x, "acted", ev->report.acted_id);
        add_flag(x, "declined", ev->report.declined);
        add(x, " person=%lld unsaved=%lld", (long long)ev->report.person_age_ms,
            (long long)ev->report.unsaved_age_ms);
        add_str(x, "by", ev->report.person_by);
        add_u64(x, "busy", (uint64_t)MAX(ev->report.busy_ms, 0));
        add_str(x, "job", ev->report.job);
        add_flag(x, "never-connected", ev->report.never_connected);
        add_u64(x, "disconnected", (uint64_t)MAX(ev->report.disconnected_ms, 0));
        add_str(x, "confidence", ev->report.confidence);
        add_str(x, "nonce", ev->report.nonce);
        if (ev->report.restored_seq)
                add(x, " restored=%llu-%llu", (unsigned long long)ev->report.restored_generation,
                    (unsigned long long)ev->report.restored_seq);
        add_flag(x, "fell-back", ev->report.fell_back);
        add_str(x, "restored_why", ev->report.restored_why);
        add_str(x, "error", ev->report.error);
}

static void add_go_back(struct text *x, const struct core_event *ev)
{
        add(x, " %s", ev->req_restore.id);
        add_save(x, "save", &ev->req_restore.save);
}

static void add_agent_saved(struct text *x, const struct core_event *ev)
{
        add(x, " %s %llu-%llu", ev->saved.task, (unsigned long long)ev->saved.generation,
            (unsigned long long)ev->saved.seq);
        add_flag(x, "final", ev->saved.final);
        add_flag(x, "unchanged", ev->saved.unchanged);
}

static void add_setting(struct text *x, const struct setting_row *row)
{
        add(x, " %s", row->name);
        add_str(x, "value", row->value);
}

static void add_launch(struct text *x, const struct core_event *ev)
{
        add(x, " %s", ev->launch.id);
        add_str(x, "type", ev->launch.key.type);
        add_str(x, "actor", ev->launch.actor);
        add_str(x, "course", ev->launch.course);
}

static void add_request(struct text *x, const struct core_event *ev)
{
        add(x, " %s", ev->req_workspace.id);
        add_str(x, "actor", ev->req_workspace.actor);
        add_flag(x, "again", ev->req_workspace.again);
}

static void add_mode(struct text *x, const struct core_event *ev)
{
        add(x, " %s %s", core_mode_name(ev->req_mode.mode), ev->req_mode.on ? "on" : "off");
        add_flag(x, "hard", ev->req_mode.hard);
        add_str(x, "type", ev->req_mode.type);
        add_str(x, "actor", ev->req_mode.actor);
        add_str(x, "reason", ev->req_mode.reason);
}

static void add_target(struct text *x, const struct core_event *ev)
{
        add(x, " %s size=%u", ev->pool_target.type, ev->pool_target.size);
        add_str(x, "reason", ev->pool_target.reason);
}

static void add_size(struct text *x, const struct core_event *ev)
{
        add(x, " %s", ev->req_pool.type);
        if (ev->req_pool.set)
                add(x, " size=%u", ev->req_pool.size);
        add_str(x, "actor", ev->req_pool.actor);
        add_str(x, "reason", ev->req_pool.reason);
}

static void add_class(struct text *x, const struct core_event *ev)
{
        add(x, " %s type=%s roster=%u start=%lld", ev->class_set.id, ev->class_set.type,
            ev->class_set.roster, (long long)(ev->class_set.start.us / US_PER_S));
        add_str(x, "course", ev->class_set.course);
}

static void add_plan(struct text *x, const struct core_event *ev)
{
        if (ev->type == EV_REQ_POOL)
                add_size(x, ev);
        else if (ev->type == EV_POOL_TARGET)
                add_target(x, ev);
        else if (ev->type == EV_TIMETABLE_PIECE)
                add(x, " %u bytes=%zu", ev->timetable_piece.i, strlen(ev->timetable_piece.text));
        else if (ev->type == EV_TIMETABLE_SET)
                add(x, " pieces=%u", ev->timetable_set.n);
        else if (ev->type == EV_ALARM)
                add(x, " %s %s", ev->alarm.name, ev->alarm.on ? "on" : "over");
        else if (ev->type == EV_VERSION_SET)
                add(x, " %s version=%s", ev->version_set.type, ev->version_set.version);
        else
                add_class(x, ev);
}

static void add_boot_done(struct text *x, const struct core_event *ev)
{
        add_u64(x, "epoch", ev->boot.epoch);
        add(x, " tasks=%llu audit=%llu commands=%llu erased=%llu",
            (unsigned long long)ev->boot.task_number_max,
            (unsigned long long)ev->boot.audit_seq_max, (unsigned long long)ev->boot.command_id_max,
            (unsigned long long)ev->boot.generation_max);
}

static void add_boot(struct text *x, const struct core_event *ev)
{
        if (ev->type == EV_BOOT_WORKSPACE)
                add_workspace(x, &ev->workspace_row);
        else if (ev->type == EV_BOOT_TASK)
                add_task(x, &ev->task_row);
        else if (ev->type == EV_BOOT_SETTING)
                add_setting(x, &ev->setting_row);
        else
                add_boot_done(x, ev);
}

static void add_launched(struct text *x, const struct core_event *ev)
{
        add(x, " %s %s", ev->task_result.task,
            ev->task_result.ok ? "ok" : launch_failure_name(ev->task_result.failure));
        add_str(x, "reason", ev->task_result.reason);
}

static void add_ended(struct text *x, const struct core_event *ev)
{
        add(x, " %s status=%d", ev->task_ended.task, ev->task_ended.exit_status);
        add_flag(x, "certain", ev->task_ended.certain);
        add_str(x, "reason", ev->task_ended.reason);
}

static void add_notice(struct text *x, const struct core_event *ev)
{
        if (ev->type == EV_TASK_KEPT) {
                add(x, " %s", ev->task_kept.task);
                add_str(x, "ws", ev->task_kept.workspace);
                add_str(x, "where", ev->task_kept.where);
                return;
        }
        add(x, " %s left=%lld", ev->task_notice.task, (long long)ev->task_notice.left_ms);
        add_str(x, "reason", ev->task_notice.reason);
}

static void add_home_answer(struct text *x, const struct core_event *ev)
{
        add_str(x, "task", ev->home.task);
        add_str(x, "ws", ev->home.workspace);
        add_u64(x, "gen", ev->home.generation);
        add(x, " result=%d", ev->home.result);
        add_str(x, "reason", ev->home.reason);
}

static void add_verified(struct text *x, const struct core_event *ev)
{
        add(x, " %s %llu-%llu result=%d", ev->verified.workspace,
            (unsigned long long)ev->verified.generation, (unsigned long long)ev->verified.seq,
            ev->verified.result);
        add_str(x, "reason", ev->verified.reason);
}

static void add_salvaged(struct text *x, const struct core_event *ev)
{
        add(x, " %s gen=%llu result=%d", ev->salvaged.workspace,
            (unsigned long long)ev->salvaged.generation, ev->salvaged.result);
        add_save(x, "found", &ev->salvaged.found);
}

/* Answers of those that keep files. */
static void add_files(struct text *x, const struct core_event *ev)
{
        if (ev->type == EV_SAVE_VERIFIED)
                add_verified(x, ev);
        else if (ev->type == EV_SALVAGED)
                add_salvaged(x, ev);
        else
                add_home_answer(x, ev);
}

static void add_hello(struct text *x, const struct core_event *ev)
{
        add(x, " %s nonce=%s", ev->hello.task, ev->hello.nonce);
        add_u64(x, "gen", ev->hello.generation);
}

static void add_agent(struct text *x, const struct core_event *ev)
{
        if (ev->type == EV_AGENT_HELLO)
                add_hello(x, ev);
        else if (ev->type == EV_AGENT_REPORT)
                add_report(x, ev);
        else
                add_agent_saved(x, ev);
}

static void add_event(struct text *x, const struct core_event *ev)
{
        switch (ev->type) {
        case EV_BOOT_WORKSPACE:
        case EV_BOOT_TASK:
        case EV_BOOT_DONE:
        case EV_BOOT_SETTING:
                add_boot(x, ev);
                break;
        case EV_TASK_SEEN:
                add(x, " %s", ev->task_seen.task);
                break;
        case EV_REQ_LAUNCH:
                add_launch(x, ev);
                break;
        case EV_REQ_STOP:
        case EV_REQ_DELETE:
        case EV_REQ_ABANDON:
        case EV_REQ_KEEP:
        case EV_ERASED:
                add_request(x, ev);
                break;
        case EV_REQ_MODE:
                add_mode(x, ev);
                break;
        case EV_REQ_RESTORE:
                add_go_back(x, ev);
                break;
        case EV_REQ_POOL:
        case EV_POOL_TARGET:
        case EV_CLASS_SET:
        case EV_TIMETABLE_PIECE:
        case EV_TIMETABLE_SET:
        case EV_VERSION_SET:
        case EV_ALARM:
                add_plan(x, ev);
                break;
        case EV_REQ_SHUTDOWN:
                add_str(x, "actor", ev->req_plain.actor);
                break;
        case EV_TASK_LAUNCHED:
                add_launched(x, ev);
                break;
        case EV_TASK_ENDED:
                add_ended(x, ev);
                break;
        case EV_TASK_NOTICE:
        case EV_TASK_KEPT:
                add_notice(x, ev);
                break;
        case EV_HOME_ATTACHED:
        case EV_HOME_REMOVED:
        case EV_SAVE_VERIFIED:
        case EV_SALVAGED:
                add_files(x, ev);
                break;
        case EV_AGENT_HELLO:
        case EV_AGENT_REPORT:
        case EV_AGENT_SAVED:
                add_agent(x, ev);
                break;
        case EV_INVENTORY_DONE:
                add_flag(x, "certain", ev->inventory.certain);
                add_flag(x, "own-machines", ev->inventory.own_machines);
                break;
        case EV_DEADLINE:
        case EV_MAX:
                break;
        }
}

void trace_event(const struct core_event *ev, char *dst, size_t size)
{
        struct text x = {.dst = dst, .size = size};

        add(&x, "%s", core_event_name(ev->type));
        add_event(&x, ev);
}

static void add_command(struct text *x, const struct core_effect *fx)
{
        add(x, " %s #%llu %s", fx->command.task, (unsigned long long)fx->command.id,
            command_verb_name(fx->command.verb));
        add_u64(x, "gen", fx->command.generation);
        add_str(x, "ws", fx->command.workspace);
        add_save(x, "head", &fx->command.head);
        add_save(x, "previous", &fx->command.previous);
        add_flag(x, "recheck", fx->command.recheck);
        add_u64(x, "recheck_ms", (uint64_t)fx->command.recheck_ms);
        add_str(x, "reason", fx->command.reason);
}

static void add_stop(struct text *x, const struct core_effect *fx)
{
        if (fx->type == FX_REMOVE_TASK) {
                add(x, " %s", fx->remove_task.task);
                return;
        }
        add(x, " %s", fx->stop_task.task);
        add_flag(x, "at-once", fx->stop_task.at_once);
        add_str(x, "reason", fx->stop_task.reason);
}

static void add_home(struct text *x, const struct core_effect *fx)
{
        add_str(x, "task", fx->home.task);
        add(x, " %s", fx->home.workspace);
        add_u64(x, "gen", fx->home.generation);
        add_flag(x, "must-exist", fx->home.must_exist);
        add_flag(x, "replace", fx->home.replace);
}

static void add_pin(struct text *x, const struct core_effect *fx)
{
        add(x, " %s %llu-%llu", fx->pin.workspace, (unsigned long long)fx->pin.generation,
            (unsigned long long)fx->pin.seq);
}

static void add_sweep(struct text *x, const struct core_effect *fx)
{
        add(x, " %s", fx->sweep.workspace);
        for (uint32_t i = 0; i < fx->sweep.n_keep; i++)
                add_save(x, "keep", &fx->sweep.keep[i]);
        add(x, " before=%llu-%llu", (unsigned long long)fx->sweep.before_generation,
            (unsigned long long)fx->sweep.before_seq);
}

static void add_save_ack(struct text *x, const struct core_effect *fx)
{
        add(x, " %s %llu-%llu %s", fx->save_ack.task, (unsigned long long)fx->save_ack.generation,
            (unsigned long long)fx->save_ack.seq,
            fx->save_ack.committed ? "committed" : "not-committed");
        add_str(x, "reason", fx->save_ack.reason);
}

static void add_audit(struct text *x, const struct audit_row *row)
{
        add(x, " %s", row->what);
        add_str(x, "ws", row->workspace);
        add_str(x, "task", row->task);
        if (strcmp(row->actor, "core") != 0)
                add_str(x, "actor", row->actor);
        add_str(x, "detail", row->detail);
}

static void add_reply(struct text *x, const struct core_effect *fx)
{
        add(x, " %s", reply_name(fx->reply.status));
        add_str(x, "ws", fx->reply.workspace);
        add_u64(x, "place", fx->reply.place);
        add_u64(x, "retry_ms", (uint64_t)fx->reply.retry_ms);
}

static void add_salvage(struct text *x, const struct core_effect *fx)
{
        add(x, " %s gen=%llu after=%llu", fx->salvage.workspace,
            (unsigned long long)fx->salvage.generation, (unsigned long long)fx->salvage.after_seq);
        add_flag(x, "has-saves", fx->salvage.has_saves);
        add_str(x, "task", fx->salvage.task);
}

static void add_effect(struct text *x, const struct core_effect *fx)
{
        switch (fx->type) {
        case FX_PUT_WORKSPACE:
                add_workspace(x, &fx->workspace_row);
                break;
        case FX_PUT_TASK:
                add_task(x, &fx->task_row);
                break;
        case FX_PUT_SETTING:
                add_setting(x, &fx->setting_row);
                break;
        case FX_DEL_WORKSPACE:
        case FX_DEL_TASK:
                add(x, " %s", fx->id.id);
                break;
        case FX_ATTACH_HOME:
        case FX_REMOVE_HOME:
                add_home(x, fx);
                break;
        case FX_ERASE:
                add(x, " %s", fx->erase.workspace);
                add_u64(x, "gen", fx->erase.generation);
                break;
        case FX_AUDIT:
                add_audit(x, &fx->audit_row);
                break;
        case FX_LAUNCH_TASK:
                add(x, " %s type=%s", fx->launch_task.task, fx->launch_task.type);
                break;
        case FX_STOP_TASK:
        case FX_REMOVE_TASK:
                add_stop(x, fx);
                break;
        case FX_WELCOME:
                add(x, " %s", fx->welcome.task);
                add_u64(x, "gen", fx->welcome.generation);
                add_str(x, "ws", fx->welcome.workspace);
                break;
        case FX_REFUSE:
                add(x, " %s %s", fx->refuse.task, fx->refuse.code);
                break;
        case FX_COMMAND:
                add_command(x, fx);
                break;
        case FX_SAVE_ACK:
                add_save_ack(x, fx);
                break;
        case FX_VERIFY_SAVE:
                add(x, " %s", fx->verify.workspace);
                add_save(x, "save", &fx->verify.save);
                break;
        case FX_SALVAGE:
                add_salvage(x, fx);
                break;
        case FX_PIN:
                add_pin(x, fx);
                break;
        case FX_SWEEP:
                add_sweep(x, fx);
                break;
        case FX_REPLY:
                add_reply(x, fx);
                break;
        case FX_DRAINED:
        case FX_MAX:
                break;
        }
}

void trace_effect(const struct core_effect *fx, char *dst, size_t size)
{
        struct text x = {.dst = dst, .size = size};

        add(&x, "%s", core_effect_name(fx->type));
        add_effect(&x, fx);
}
