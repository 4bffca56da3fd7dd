/* What carried-out effects become, and what arrives at a controller. */
#include <errno.h>
#include <string.h>

#include "state.h"

/* ---- out ---- */

static uint64_t conn_of(const struct sim *s, int body)
{
        return (uint64_t)s->bodies[body].life << 8 | (uint64_t)(body + 1);
}

static struct body *body_of_conn(struct sim *s, uint64_t conn)
{
        int i = (int)(conn & 255) - 1;

        return i >= 0 && i < SIM_BODIES && s->bodies[i].used && s->bodies[i].life == conn >> 8
                       ? &s->bodies[i]
                       : NULL;
}

static struct note *to_body(struct sim *s, int ctl, enum what what, const struct body *b)
{
        struct note *n;

        if (!b || sim_fault(s, FAULT_LOSE_COMMAND))
                return NULL;
        n = sim_note(s, what, sim_delay(s));
        n->ctl = ctl;
        n->life = s->ctl[ctl].life;
        n->epoch = s->ctl[ctl].epoch;
        n->body = body_index(s, b);
        n->body_life = b->life;
        return n;
}

static struct note *to_service(struct sim *s, int ctl, enum what what, const char *id)
{
        struct note *n;

        if (sim_fault(s, FAULT_LOSE_CALL))
                return NULL;
        n = sim_note(s, what, sim_about(s, s->timing.provider_ms));
        n->ctl = ctl;
        n->life = s->ctl[ctl].life;
        n->epoch = s->ctl[ctl].epoch;
        STR_CUT(n->id, id);
        return n;
}

static void out_welcome(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct body *b = body_of_conn(s, fx->welcome.conn);
        const struct workspace_row *row = core_workspace(s->ctl[ctl].core, fx->welcome.workspace);
        struct note *n;

        if (!b)
                return;
        s->ctl[ctl].enrolled[body_index(s, b)] = true;
        n = to_body(s, ctl, W_WELCOME, b);
        if (!n)
                return;
        n->generation = fx->welcome.generation;
        STR_CUT(n->id, fx->welcome.workspace);
        if (row)
                n->ref = row->head;
        if (row)
                n->ref2 = row->previous;
}

static void out_command(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct body *b = provider_body(s, fx->command.task);
        struct note *n;

        if (fx->command.verb == COMMAND_PREPARE_STOP)
                person_tempted(s, fx->command.workspace, MOMENT_COMMITTED);
        if (!b || !s->ctl[ctl].enrolled[body_index(s, b)])
                return;
        n = to_body(s, ctl, W_COMMAND, b);
        if (!n)
                return;
        n->number = fx->command.id;
        n->generation = fx->command.generation;
        n->kind = (int)fx->command.verb;
        n->flag = fx->command.recheck;
        n->ms = fx->command.recheck_ms;
        n->ref = fx->command.head;
        n->ref2 = fx->command.previous;
        STR_CUT(n->id, fx->command.workspace);
}

static void out_ack(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct note *n = to_body(s, ctl, W_ACK, provider_body(s, fx->save_ack.task));

        if (!n)
                return;
        n->generation = fx->save_ack.generation;
        n->number = fx->save_ack.seq;
        n->flag = fx->save_ack.committed;
}

static void out_storage(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct note *n = NULL;

        if (fx->type == FX_VERIFY_SAVE) {
                n = to_service(s, ctl, W_ASK_VERIFY, fx->verify.workspace);
                if (n)
                        n->ref = fx->verify.save;
        } else if (fx->type == FX_SALVAGE) {
                n = to_service(s, ctl, W_ASK_SALVAGE, fx->salvage.workspace);
                if (n) {
                        n->generation = fx->salvage.generation;
                        n->number = fx->salvage.after_seq;
                        STR_CUT(n->nonce, fx->salvage.task);
                }
                check_salvage(s, fx);
        } else if (fx->type == FX_PIN) {
                n = to_service(s, ctl, W_ASK_PIN, fx->pin.workspace);
                if (n)
                        n->ref = (struct save_ref){.generation = fx->pin.generation,
                                                   .seq = fx->pin.seq};
        } else if (fx->type == FX_SWEEP) {
                n = to_service(s, ctl, W_ASK_SWEEP, fx->sweep.workspace);
                if (n) {
                        n->ref = fx->sweep.keep[0];
                        n->ref2 = fx->sweep.n_keep > 1 ? fx->sweep.keep[1] : fx->sweep.keep[0];
                        n->generation = fx->sweep.before_generation;
                        n->number = fx->sweep.before_seq;
                }
        } else {
                n = to_service(s, ctl, W_ASK_ERASE, fx->erase.workspace);
                if (n)
                        n->generation = fx->erase.generation;
        }
}

static void out_provider(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct note *n;

        if (fx->type == FX_LAUNCH_TASK) {
                n = to_service(s, ctl, W_CALL_LAUNCH, fx->launch_task.task);
                if (n)
                        STR_CUT(n->nonce, fx->launch_task.type);
                return;
        }
        if (fx->type == FX_ATTACH_HOME || fx->type == FX_REMOVE_HOME) {
                n = to_service(s, ctl,
                               fx->type == FX_ATTACH_HOME ? W_CALL_ATTACH : W_CALL_REMOVE_HOME,
                               fx->home.task);
                if (!n)
                        return;
                STR_CUT(n->nonce, fx->home.workspace);
                n->generation = fx->home.generation;
                n->flag = fx->home.must_exist;
                n->flag2 = fx->home.replace;
                return;
        }
        n = to_service(s, ctl, W_CALL_STOP, fx->stop_task.task);
        if (n)
                n->flag = fx->stop_task.at_once;
}

void edge_carry_out(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct note *n;

        switch ((int)fx->type) {
        case FX_REMOVE_TASK:
                check_remove(s, fx->remove_task.task);
                break;
        case FX_LAUNCH_TASK:
        case FX_STOP_TASK:
        case FX_ATTACH_HOME:
        case FX_REMOVE_HOME:
                out_provider(s, ctl, fx);
                break;
        case FX_WELCOME:
                out_welcome(s, ctl, fx);
                break;
        case FX_REFUSE:
                (void)to_body(s, ctl, W_REFUSE, body_of_conn(s, fx->refuse.conn));
                break;
        case FX_COMMAND:
                out_command(s, ctl, fx);
                break;
        case FX_SAVE_ACK:
                out_ack(s, ctl, fx);
                break;
        case FX_VERIFY_SAVE:
        case FX_SALVAGE:
        case FX_SWEEP:
        case FX_PIN:
        case FX_ERASE:
                out_storage(s, ctl, fx);
                break;
        case FX_REPLY:
                n = sim_note(s, W_REPLY, sim_delay(s));
                n->number = fx->reply.token;
                n->kind = (int)fx->reply.status;
                break;
        case FX_DRAINED:
                s->ctl[ctl].drained = true;
                break;
        default: /* stored, and no more than that */
                break;
        }
}

/* ---- in ---- */

static struct core_event *event(struct sim *s, enum core_event_type type)
{
        memset(&s->ev, 0, sizeof(s->ev));
        s->ev.type = type;
        return &s->ev;
}

void edge_boot(struct sim *s, int ctl)
{
        struct core_event *ev;

        for (size_t i = 0; i < ARRAY_LEN(s->store.workspaces); i++) {
                if (!s->store.workspaces[i].id[0])
                        continue;
                ev = event(s, EV_BOOT_WORKSPACE);
                ev->workspace_row = s->store.workspaces[i];
                controller_post(s, ctl, ev);
        }
        for (size_t i = 0; i < ARRAY_LEN(s->store.tasks); i++) {
                if (!s->store.tasks[i].id[0])
                        continue;
                ev = event(s, EV_BOOT_TASK);
                ev->task_row = s->store.tasks[i];
                controller_post(s, ctl, ev);
        }
        for (size_t i = 0; i < ARRAY_LEN(s->store.settings); i++) {
                if (!s->store.settings[i].name[0])
                        continue;
                ev = event(s, EV_BOOT_SETTING);
                ev->setting_row = s->store.settings[i];
                controller_post(s, ctl, ev);
        }
        ev = event(s, EV_BOOT_DONE);
        ev->boot.epoch = s->ctl[ctl].epoch;
        ev->boot.task_number_max = s->store.task_number;
        ev->boot.audit_seq_max = s->store.audit_seq;
        ev->boot.command_id_max = s->store.command_id;
        ev->boot.generation_max = s->store.generation;
        controller_post(s, ctl, ev);
}

static void in_hello(struct sim *s, const struct note *n)
{
        struct core_event *ev = event(s, EV_AGENT_HELLO);

        ev->hello.conn = n->flag ? 0 : conn_of(s, n->body);
        STR_CUT(ev->hello.task, n->id);
        STR_CUT(ev->hello.nonce, n->nonce);
        STR_CUT(ev->hello.addr, "10.0.0.1:1");
        ev->hello.generation = n->generation;
        controller_post(s, n->ctl, ev);
}

static void in_report(struct sim *s, const struct note *n, struct body *b)
{
        struct controller *c = &s->ctl[n->ctl];
        struct core_event *ev;
        int64_t sent_ms = n->ms;

        b->heard_ms = s->now_ms;
        if (n->number <= b->taken)
                return;
        b->taken = n->number;
        b->epoch = MAX(b->epoch, c->epoch);
        if (n->told.person_ms > b->reported_ms)
                b->reported_ms = n->told.person_ms;
        b->reported_connected = n->told.browser == BROWSER_CONNECTED;
        if (!c->writable && c->fill->n > CORE_EFFECTS_MAX / 2)
                return;
        check_told(s, n->ctl, b, n);
        b->heard_life = c->life;
        b->report_ms = s->now_ms;
        ev = event(s, EV_AGENT_REPORT);
        ev->report.conn = conn_of(s, n->body);
        STR_CUT(ev->report.task, n->id);
        STR_CUT(ev->report.nonce, n->nonce);
        ev->report.generation = n->generation;
        ev->report.acted_id = n->acted;
        ev->report.phase = n->phase;
        ev->report.declined = n->flag;
        ev->report.person_age_ms = sent_ms - n->told.person_ms;
        ev->report.unsaved_age_ms = n->flag2 ? 1000 : 0;
        STR_CUT(ev->report.person_by, n->told.browser == BROWSER_NEVER ? "claim" : "input");
        ev->report.never_connected = n->told.browser == BROWSER_NEVER;
        if (n->told.browser == BROWSER_LEFT)
                ev->report.disconnected_ms = MAX(sent_ms - n->told.left_ms, 1);
        ev->report.busy_ms = MAX(n->told.busy_ms - sent_ms, 0);
        ev->report.fell_back = n->kind;
        ev->report.restored_generation = n->ref.generation;
        ev->report.restored_seq = n->ref.seq;
        controller_post(s, n->ctl, ev);
        check_told_fell_back(s, n->ctl, n);
}

static void in_saved(struct sim *s, const struct note *n)
{
        struct core_event *ev = event(s, EV_AGENT_SAVED);

        ev->saved.conn = conn_of(s, n->body);
        STR_CUT(ev->saved.task, n->id);
        ev->saved.generation = n->generation;
        ev->saved.seq = n->number;
        ev->saved.final = n->flag;
        ev->saved.unchanged = n->flag2;
        ev->saved.length = 1;
        STR_CUT(ev->saved.sha256, n->ref.sha256);
        controller_post(s, n->ctl, ev);
}

/* Nobody is there, or not for him: the agent looks for another. */
static void turned_away(struct sim *s, struct body *b)
{
        b->session = 0;
        b->ctl = (b->ctl + 1) % s->n_ctl;
}

void edge_disconnected(struct sim *s, const struct note *n)
{
        struct body *b = n->body >= 0 ? &s->bodies[n->body] : NULL;

        if (b && b->used && b->life == n->body_life && b->session == n->life)
                turned_away(s, b);
}

static void from_agent(struct sim *s, const struct note *n)
{
        struct controller *c = &s->ctl[n->ctl];
        struct body *b = &s->bodies[n->body];

        if (!b->used || b->life != n->body_life)
                return;
        if (c->role < ROLE_BOOTING) {
                turned_away(s, b);
                return;
        }
        if (n->what == W_HELLO) {
                in_hello(s, n);
        } else if (!c->enrolled[n->body]) {
                b->session = 0; /* "not-enrolled" */
        } else if (n->what == W_REPORT) {
                in_report(s, n, b);
        } else {
                in_saved(s, n);
        }
}

static void in_listed(struct sim *s, const struct note *n)
{
        struct controller *c = &s->ctl[n->ctl];
        struct core_event *ev;

        if (s->certain)
                provider_list(s, n->ctl);
        for (int i = 0; i < c->list.n; i++) {
                ev = event(s, EV_TASK_SEEN);
                STR_CUT(ev->task_seen.task, c->list.ids[i]);
                controller_post(s, n->ctl, ev);
        }
        ev = event(s, EV_INVENTORY_DONE);
        ev->inventory.certain = s->certain;
        ev->inventory.own_machines = s->own_machines;
        controller_post(s, n->ctl, ev);
        if (c->role == ROLE_LEADER)
                return;
        c->role = ROLE_LEADER;
        c->opened_ms = s->now_ms;
        c->list_ms = s->now_ms + s->timing.inventory_ms;
}

static struct core_event *launch_event(struct sim *s, const struct note *n)
{
        const struct person *p = &s->people[n->person];
        struct core_event *ev = event(s, EV_REQ_LAUNCH);

        ev->launch.token = n->number;
        STR_CUT(ev->launch.id, p->workspace);
        STR_CUT(ev->launch.key.tenant, "t");
        STR_CUT(ev->launch.key.user_id, p->user);
        STR_CUT(ev->launch.key.name, "default");
        STR_CUT(ev->launch.key.type, p->type);
        return ev;
}

static struct core_event *workspace_event(struct sim *s, const struct note *n)
{
        struct core_event *ev = event(s, (enum core_event_type)n->kind);

        ev->req_workspace.token = n->person >= 0 ? n->number : 0;
        STR_CUT(ev->req_workspace.id, n->person >= 0 ? s->people[n->person].workspace : n->id);
        return ev;
}

static struct core_event *mode_event(struct sim *s, const struct note *n)
{
        struct core_event *ev = event(s, EV_REQ_MODE);

        ev->req_mode.mode = (enum core_mode)n->number;
        ev->req_mode.on = n->flag;
        ev->req_mode.hard = n->flag2;
        STR_CUT(ev->req_mode.type, n->id);
        STR_CUT(ev->req_mode.actor, "op");
        return ev;
}

static struct core_event *restore_event(struct sim *s, const struct note *n)
{
        struct core_event *ev = event(s, EV_REQ_RESTORE);

        STR_CUT(ev->req_restore.id, n->id);
        STR_CUT(ev->req_restore.actor, "op");
        ev->req_restore.save = n->ref;
        return ev;
}

static void in_request(struct sim *s, const struct note *n)
{
        struct controller *c = &s->ctl[n->ctl];
        const struct workspace_row *row;
        struct core_event *ev;
        bool was_stopped;

        if (c->role != ROLE_LEADER || !c->writable) {
                struct note *no = sim_note(s, W_REPLY, sim_delay(s));

                no->number = n->person >= 0 ? n->number : 0;
                no->kind = -1; /* "503, try again" */
                return;
        }
        if (n->kind == EV_REQ_LAUNCH)
                ev = launch_event(s, n);
        else if (n->kind == EV_REQ_MODE)
                ev = mode_event(s, n);
        else if (n->kind == EV_REQ_RESTORE)
                ev = restore_event(s, n);
        else if (n->kind == EV_REQ_SHUTDOWN)
                ev = event(s, EV_REQ_SHUTDOWN);
        else
                ev = workspace_event(s, n);
        if (n->kind == EV_REQ_MODE && c->epoch == s->store.epoch)
                operator_posted(s, ev);
        if (n->kind == EV_REQ_RESTORE)
                check_restore(s, n->ctl, n);
        if (n->kind == EV_REQ_ABANDON)
                check_abandon(s, n->ctl, n->id);
        row = n->person >= 0 ? core_workspace(c->core, s->people[n->person].workspace) : NULL;
        was_stopped = !row || row->state == WS_STOPPED;
        if (n->person >= 0)
                check_stop_asked(check_truth(s, s->people[n->person].workspace), n);
        controller_post(s, n->ctl, ev);
        check_request(s, n->ctl, n, was_stopped);
}

static void from_service(struct sim *s, const struct note *n)
{
        struct core_event *ev;

        if (n->what == W_LAUNCHED) {
                ev = event(s, EV_TASK_LAUNCHED);
                STR_CUT(ev->task_result.task, n->id);
                ev->task_result.ok = n->flag;
                ev->task_result.failure = (enum launch_failure)n->kind;
                if (!n->flag)
                        STR_CUT(ev->task_result.reason,
                                launch_failure_name(ev->task_result.failure));
                if (!n->flag && n->kind != LAUNCH_UNKNOWN)
                        check_task(s, n->id)->refused_to[n->ctl] = s->ctl[n->ctl].life;
        } else if (n->what == W_ENDED) {
                ev = event(s, EV_TASK_ENDED);
                STR_CUT(ev->task_ended.task, n->id);
                ev->task_ended.exit_status = -1;
                ev->task_ended.certain = s->certain_ends;
        } else if (n->what == W_HOME_ATTACHED || n->what == W_HOME_REMOVED) {
                ev = event(s, n->what == W_HOME_ATTACHED ? EV_HOME_ATTACHED : EV_HOME_REMOVED);
                STR_CUT(ev->home.task, n->id);
                STR_CUT(ev->home.workspace, n->nonce);
                ev->home.generation = n->generation;
                ev->home.result = n->kind;
        } else if (n->what == W_NOTICE) {
                ev = event(s, EV_TASK_NOTICE);
                STR_CUT(ev->task_notice.task, n->id);
                ev->task_notice.left_ms = n->ms;
        } else if (n->what == W_VERIFIED) {
                ev = event(s, EV_SAVE_VERIFIED);
                STR_CUT(ev->verified.workspace, n->id);
                ev->verified.generation = n->ref.generation;
                ev->verified.seq = n->ref.seq;
                ev->verified.result = n->kind;
        } else if (n->what == W_SALVAGED) {
                ev = event(s, EV_SALVAGED);
                STR_CUT(ev->salvaged.workspace, n->id);
                ev->salvaged.generation = n->generation;
                ev->salvaged.result = n->kind;
                ev->salvaged.found = n->ref;
        } else {
                ev = event(s, EV_ERASED);
                STR_CUT(ev->req_workspace.id, n->id);
        }
        controller_post(s, n->ctl, ev);
}

void edge_receive(struct sim *s, const struct note *n)
{
        switch ((int)n->what) {
        case W_HELLO:
        case W_REPORT:
        case W_SAVED:
                from_agent(s, n);
                break;
        case W_REQUEST:
                in_request(s, n);
                break;
        default:
                if (s->ctl[n->ctl].role < ROLE_BOOTING)
                        break;
                if (n->what == W_LISTED)
                        in_listed(s, n);
                else
                        from_service(s, n);
                break;
        }
}
