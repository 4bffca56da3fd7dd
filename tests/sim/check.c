/* What must hold after each step, commit and act. What must hold in the end: settled.c. */
#include <string.h>

#include "state.h"

struct truth *check_truth(struct sim *s, const char *workspace)
{
        struct truth *empty = NULL;

        for (int i = 0; i < SIM_WORKSPACES; i++) {
                if (strcmp(s->truth[i].id, workspace) == 0)
                        return &s->truth[i];
                if (!empty && !s->truth[i].id[0])
                        empty = &s->truth[i];
        }
        if (!empty)
                sim_broken(s, INV_LIMITS, "a workspace that nobody asked for: %s", workspace);
        STR_CUT(empty->id, workspace);
        return empty;
}

struct task_truth *check_task(struct sim *s, const char *task)
{
        uint64_t number = core_task_number(task);

        if (number >= SIM_NUMBERS)
                sim_broken(s, INV_LIMITS, "too many launches: %s", task);
        return &s->tasks[number];
}

/* ---- steps ---- */

static void check_limits(struct sim *s, const struct body *b, const struct audit_row *row,
                         enum idle_rule rule)
{
        const struct core_adaptive *a = &s->config.types[type_of(s, b->type)].adaptive;
        const struct idle_limits *l = &s->config.types[type_of(s, b->type)].limits;
        const struct truth *t = check_truth(s, row->workspace);
        int64_t person_ms = MAX(b->told.person_ms, t->requested_ms);
        int64_t absent_ms = s->now_ms - person_ms;
        int64_t job_end_ms = MIN(b->told.busy_ms, person_ms + l->job_ms);
        int64_t limit_ms = 0;

        if (rule == IDLE_RULE_IDLE)
                limit_ms = a->on ? a->idle_ms_min : l->idle_ms;
        else if (rule == IDLE_RULE_NEVER_CONNECTED && b->told.browser == BROWSER_NEVER)
                limit_ms = l->never_connected_ms;
        else if (rule == IDLE_RULE_DISCONNECTED && b->told.browser == BROWSER_LEFT &&
                 s->now_ms - b->told.left_ms + 1 >= l->disconnected_ms)
                limit_ms = l->disconnected_ms;
        else if (rule == IDLE_RULE_JOB && b->told.busy_ms > s->now_ms)
                limit_ms = l->job_ms;
        else if (rule == IDLE_RULE_LIFETIME &&
                 (s->now_ms - b->claimed_ms >= l->lifetime_ms || s->utc_jumped))
                limit_ms = IDLE_LIFETIME_ABSENT_MS;
        if (limit_ms == 0)
                sim_broken(s, INV_PERSON, "%s: a limit that does not apply: %s", row->workspace,
                           row->detail);
        if (absent_ms < limit_ms)
                sim_broken(s, INV_PERSON, "%s: a person was there %lld ms ago: %s", row->workspace,
                           (long long)absent_ms, row->detail);
        if (rule != IDLE_RULE_LIFETIME && job_end_ms > s->now_ms)
                sim_broken(s, INV_JOB, "%s: %s", row->workspace, row->detail);
}

static void check_idle_stop(struct sim *s, int ctl, const struct audit_row *row,
                            enum idle_rule rule)
{
        struct controller *c = &s->ctl[ctl];
        const struct body *b = provider_body(s, row->task);
        int64_t *oldest;

        if (c->role != ROLE_LEADER || s->now_ms < c->opened_ms + s->config.quiet_ms)
                sim_broken(s, INV_QUIET, "%s: %s", row->workspace, row->detail);
        if (b && operator_mode(s, MODE_MAINTENANCE, type_of(s, b->type), false))
                sim_broken(s, INV_QUIET, "maintenance: %s: %s", row->workspace, row->detail);
        /* A minute here may reach into two of those that the core counts in. */
        oldest = &c->stops_ms[c->stops++ % (2 * s->config.stops_per_min)];
        if (*oldest && s->now_ms - *oldest < SIM_MIN)
                sim_broken(s, INV_STOPS_CAPPED, "more than twice %u in a minute",
                           s->config.stops_per_min);
        *oldest = s->now_ms;
        if (b)
                check_limits(s, b, row, rule);
}

static void check_audit(struct sim *s, int ctl, const struct audit_row *row)
{
        struct body *b = provider_body(s, row->task);
        enum idle_rule rule = idle_rule_of_reason(row->detail);

        if (b && strcmp(row->what, "claimed") == 0)
                b->claimed_ms = s->now_ms;
        if (strcmp(row->what, "stopping") != 0)
                return;
        if (rule != IDLE_RULE_NONE)
                check_idle_stop(s, ctl, row, rule);
        person_tempted(s, row->workspace, MOMENT_DECIDED);
}

/* Whoever was asked for earlier, of the same type, gets a task first. */
static void check_queue(struct sim *s, int ctl, const struct workspace_row *row)
{
        struct truth *t = check_truth(s, row->id);
        uint64_t *order = &t->wait_order[ctl];

        if (row->state == WS_STARTING && !row->task[0]) {
                if (*order == 0)
                        *order = ++s->ctl[ctl].wait_counter;
                STR_CUT(t->type, row->key.type);
                return;
        }
        for (int i = 0; *order && row->task[0] && i < SIM_WORKSPACES; i++) {
                const struct truth *other = &s->truth[i];

                if (other->wait_order[ctl] && other->wait_order[ctl] < *order &&
                    strcmp(other->type, row->key.type) == 0)
                        sim_broken(s, INV_QUEUE_ORDER, "%s before %s", row->id, other->id);
        }
        *order = 0;
}

/* A warm task whose agent this controller has heard of lately. */
static const char *warm_heard(const struct sim *s, int ctl, const char *type)
{
        const struct controller *c = &s->ctl[ctl];
        const struct task_row *row;
        size_t pos = 0;

        while ((row = core_next_task(c->core, &pos))) {
                for (int i = 0; i < SIM_BODIES; i++) {
                        const struct body *b = &s->bodies[i];

                        if (row->state == TASK_WARM && b->used && strcmp(b->id, row->id) == 0 &&
                            b->heard_life == c->life && strcmp(row->type, type) == 0 &&
                            s->now_ms - b->report_ms <= s->config.agent_lost_ms)
                                return row->id;
                }
        }
        return NULL;
}

/* After a step: nobody waits beside a warm task, and no pool is filled before the people. */
static void check_people_first(struct sim *s, int ctl, const struct core_effect *fx, size_t n)
{
        const struct controller *c = &s->ctl[ctl];
        bool launched[CORE_TYPES_MAX] = {false};
        struct pool_view v, other;

        if (c->role != ROLE_LEADER || core_draining(c->core) ||
            mono_due(core_next_deadline(c->core), (mono_t){s->now_ms * US_PER_MS}))
                return;
        for (size_t i = 0; i < n; i++) {
                if (fx[i].type == FX_AUDIT && strcmp(fx[i].audit_row.what, "launched") == 0)
                        launched[type_of(s, fx[i].audit_row.detail)] = true;
        }
        for (uint32_t i = 0; core_pool(c->core, i, &v); i++) {
                const struct core_sizing *sizing = &s->config.types[i].sizing;

                if (sizing->forecast && v.target > v.waiting + sizing->ceiling)
                        sim_broken(s, INV_POOL_CEILING, "%s: %u, and %u wait: %s", v.type, v.target,
                                   v.waiting, v.reason);
                if (launched[i] &&
                    (operator_mode(s, MODE_PAUSE, i, true) ||
                     (v.launching > v.waiting && (operator_mode(s, MODE_PAUSE, i, false) ||
                                                  operator_mode(s, MODE_DRAIN, i, false)))))
                        sim_broken(s, INV_MODES, "%s is launched although it is paused", v.type);
                if (v.waiting == 0 || operator_mode(s, MODE_PAUSE, i, true))
                        continue;
                if (warm_heard(s, ctl, v.type))
                        sim_broken(s, INV_PEOPLE_FIRST, "%u wait for %s, %s is warm", v.waiting,
                                   v.type, warm_heard(s, ctl, v.type));
                if (!mono_is_never(v.breaker_until) || v.warm + v.launching >= v.waiting)
                        continue;
                for (uint32_t k = 0; core_pool(c->core, k, &other); k++) {
                        if (k != i && launched[k] && other.warm + other.launching > other.waiting)
                                sim_broken(s, INV_PEOPLE_FIRST, "%s is filled while %u wait for %s",
                                           other.type, v.waiting, v.type);
                }
        }
}

void check_step(struct sim *s, int ctl, const struct core_effect *fx, size_t n)
{
        /* What a leader of an old epoch decides is never committed. */
        if (s->ctl[ctl].epoch != s->store.epoch)
                return;
        for (size_t i = 0; i < n; i++) {
                if (fx[i].type == FX_AUDIT)
                        check_audit(s, ctl, &fx[i].audit_row);
                else if (fx[i].type == FX_PUT_WORKSPACE)
                        check_queue(s, ctl, &fx[i].workspace_row);
                else if (fx[i].type == FX_LAUNCH_TASK &&
                         check_task(s, fx[i].launch_task.task)->refused_to[ctl] == s->ctl[ctl].life)
                        sim_broken(s, INV_TOKEN, "%s was refused", fx[i].launch_task.task);
        }
        check_people_first(s, ctl, fx, n);
        check_stops(s, ctl, fx, n);
        check_budget(s, ctl, fx, n);
}

/* What is given up in attention is given up; everything else is not. */
void check_abandon(struct sim *s, int ctl, const char *workspace)
{
        const struct workspace_row *row = core_workspace(s->ctl[ctl].core, workspace);
        struct body *b = row ? provider_body(s, row->task) : NULL;

        if (b && row->state == WS_ATTENTION && s->ctl[ctl].epoch == s->store.epoch)
                b->abandoned = true;
}

/* An operator goes back to an older save: what came after it is given up. */
void check_restore(struct sim *s, int ctl, const struct note *n)
{
        const struct workspace_row *row = core_workspace(s->ctl[ctl].core, n->id);

        if (row && row->state == WS_STOPPED && s->ctl[ctl].epoch == s->store.epoch)
                check_truth(s, n->id)->back = n->ref;
}

/* A launch that is accepted is evidence of a person, and during a stop a wish. */
void check_request(struct sim *s, int ctl, const struct note *n, bool was_stopped)
{
        const struct controller *c = &s->ctl[ctl];
        const struct workspace_row *row;
        struct truth *t;

        if (c->epoch != s->store.epoch || n->person < 0)
                return;
        t = check_truth(s, s->people[n->person].workspace);
        row = core_workspace(c->core, t->id);
        if (n->kind == EV_REQ_LAUNCH && row && row->state == WS_STARTING && was_stopped &&
            operator_mode(s, MODE_DRAIN, type_of(s, row->key.type), false))
                sim_broken(s, INV_MODES, "%s is launched although it is drained", row->id);
        if (n->kind != EV_REQ_LAUNCH) {
                t->wish = t->wish_due = false;
                t->wish_token = 0;
        } else if (row && row->erase_at.us != 0) {
                return; /* deleted: who asks for it is told so, and gets nothing */
        } else if (row && row->state == WS_RUNNING) {
                t->requested_ms = s->now_ms;
        } else if (row && (row->state == WS_SAVING || row->state == WS_ATTENTION ||
                           row->state == WS_RECOVERING)) {
                t->wish_token = n->number;
        }
}

/* ---- commits ---- */

static bool newer(const struct save_ref *a, const struct save_ref *b)
{
        return a->generation > b->generation || (a->generation == b->generation && a->seq > b->seq);
}

/* An operator has ended the task that held it, also what it was just uploading. */
static bool given_up(const struct sim *s, const char *workspace, uint64_t generation)
{
        for (size_t i = 0; i < SIM_BODIES; i++) {
                const struct body *b = &s->bodies[i];

                if (b->abandoned && b->generation == generation &&
                    strcmp(b->workspace, workspace) == 0)
                        return true;
        }
        return false;
}

/* It holds what it has restored, an older save, and nothing of its own. */
static bool only_restored(const struct body *b)
{
        return b->fell_back && b->content.hash == b->base.hash;
}

/* All that it holds is saved, and an operator has gone back behind that. */
static bool left_behind(const struct truth *t, const struct body *b)
{
        return t->went_back && b->content.hash == b->committed.hash;
}

/* A new task is given to a workspace. */
static void check_claim(struct sim *s, const struct truth *t, const struct workspace_row *old,
                        const struct workspace_row *row)
{
        if (row->generation <= t->generation)
                sim_broken(s, INV_GENERATION, "%s: %llu after %llu", row->id,
                           (unsigned long long)row->generation, (unsigned long long)t->generation);
        if (homes_used(s, row->key.type))
                return; /* homes.c looks at the folder itself; a lost backup is no lost work */
        for (int i = 0; i < SIM_BODIES; i++) {
                const struct body *b = &s->bodies[i];

                if (!b->alive || !b->restored || b->disowned || b->abandoned ||
                    strcmp(b->workspace, row->id) != 0 || strcmp(b->id, row->task) == 0 ||
                    b->generation != t->generation)
                        continue;
                if ((b->content.hash != t->head.hash && !only_restored(b) && !left_behind(t, b)) ||
                    b->phase == AGENT_READY || b->phase == AGENT_APP_STARTING)
                        sim_broken(s, INV_ONE_TASK, "%s is given %s while %s lives (%s)", row->id,
                                   row->task, b->id, agent_phase_name(b->phase));
        }
        for (size_t i = 0; old && !t->went_back && i < SIM_OBJECTS; i++) {
                const struct object *o = &s->objects[i];

                if (o->used && !o->bad && !o->absent && o->ref.generation == old->generation &&
                    newer(&o->ref, &row->head) && strcmp(o->workspace, row->id) == 0 &&
                    o->content.hash != t->head.hash && !given_up(s, row->id, old->generation))
                        sim_broken(s, INV_UPLOAD_FORGOTTEN, "%s: %llu-%llu", row->id,
                                   (unsigned long long)o->ref.generation,
                                   (unsigned long long)o->ref.seq);
        }
}

static void check_head(struct sim *s, struct truth *t, const struct save_ref *old,
                       const struct workspace_row *row)
{
        const struct save_ref *head = &row->head;
        const struct object *o = storage_find(s, row->id, head);
        const struct object *before = old->seq ? storage_find(s, row->id, old) : NULL;

        if (before && before->damaged && head->generation != row->generation && o) {
                t->head = o->content; /* an older one was restored */
                return;
        }
        if (o && t->back.seq && head->seq == t->back.seq &&
            head->generation == t->back.generation && row->state == WS_STOPPED) {
                t->head = o->content;
                t->acknowledged = MIN(t->acknowledged, o->content.length);
                t->back.seq = 0;
                t->went_back = true;
                return;
        }
        if (newer(old, head) || (!newer(head, old) && strcmp(head->sha256, old->sha256) != 0))
                sim_broken(s, INV_HEAD_FORWARD, "%s: %llu-%llu after %llu-%llu", row->id,
                           (unsigned long long)head->generation, (unsigned long long)head->seq,
                           (unsigned long long)old->generation, (unsigned long long)old->seq);
        if (!newer(head, old))
                return;
        t->went_back = false;
        if (!o || o->bad || o->absent)
                sim_broken(s, INV_HEAD_STORED, "%s: %llu-%llu", row->id,
                           (unsigned long long)head->generation, (unsigned long long)head->seq);
        if (head->generation != row->generation)
                sim_broken(s, INV_OLD_SAVE, "%s: %llu-%llu in generation %llu", row->id,
                           (unsigned long long)head->generation, (unsigned long long)head->seq,
                           (unsigned long long)row->generation);
        if (!(before && before->damaged) && !homes_used(s, row->key.type) &&
            (old->generation != head->generation ? o->base.hash != t->head.hash
                                                 : o->content.length < t->head.length))
                sim_broken(s, INV_ONE_HISTORY, "%s: %llu-%llu does not follow %llu-%llu", row->id,
                           (unsigned long long)head->generation, (unsigned long long)head->seq,
                           (unsigned long long)old->generation, (unsigned long long)old->seq);
        t->head = o->content;
}

static void forget_wish(struct truth *t)
{
        t->wish = t->wish_due = false;
        t->wish_token = 0;
}

void check_put_workspace(struct sim *s, const struct workspace_row *old,
                         const struct workspace_row *row)
{
        static const struct save_ref none;
        struct truth *t = check_truth(s, row->id);

        check_stop_put(t, row);
        check_head(s, t, old ? &old->head : &none, row);
        if (row->task[0] && (!old || strcmp(old->task, row->task) != 0))
                check_claim(s, t, old, row);
        if (row->generation < t->generation)
                sim_broken(s, INV_GENERATION, "%s: %llu after %llu", row->id,
                           (unsigned long long)row->generation, (unsigned long long)t->generation);
        t->generation = row->generation;
        t->ever = true;
        if (row->state == WS_STOPPED || row->state == WS_DELETED)
                t->wish_due = t->wish && row->erase_at.us == 0;
        else if (row->state == WS_STARTING || row->state == WS_RUNNING)
                forget_wish(t); /* also one whose answer is still on its way */
}

/* One person has no more running than one may have. */
static void check_user(struct sim *s, const char *user)
{
        uint32_t n = 0;

        for (size_t i = 0; i < ARRAY_LEN(s->store.workspaces); i++) {
                const struct workspace_row *row = &s->store.workspaces[i];

                n += row->id[0] && strcmp(row->key.user_id, user) == 0 &&
                     row->state != WS_STOPPED && row->state != WS_DELETED;
        }
        if (s->config.user_running_max && n > s->config.user_running_max)
                sim_broken(s, INV_LIMITS, "%s has %u running", user, n);
}

void check_batch(struct sim *s)
{
        for (int i = 0; i < s->n_people; i++)
                check_user(s, s->people[i].user);
        for (int i = 0; i < SIM_WORKSPACES; i++) {
                if (s->truth[i].wish_due)
                        sim_broken(s, INV_WISH, "%s", s->truth[i].id);
        }
}

void check_put_task(struct sim *s, const struct task_row *row)
{
        struct task_truth *t = check_task(s, row->id);

        t->states |= 1U << row->state;
        if (row->generation) {
                t->generation = row->generation;
                STR_CUT(t->workspace, row->workspace);
        }
}

/* ---- acts ---- */

static void check_act_task(struct sim *s, int ctl, const char *task, uint32_t states,
                           const char *what)
{
        const struct task_truth *t = check_task(s, task);

        if (!(t->states & states))
                sim_broken(s, INV_PERSIST_FIRST, "%s %s by controller %d", what, task, ctl);
}

static void check_act_launch(struct sim *s, int ctl, const char *task)
{
        const struct task_truth *t = check_task(s, task);

        check_act_task(s, ctl, task, 1U << TASK_LAUNCHING, "launch");
        if (s->ctl[ctl].epoch != s->store.epoch)
                return; /* it froze just before; the next list shows the orphan */
        /* In one batch a launch may stand before its task's end; the token makes it harmless. */
        if (t->gone_batch && t->gone_batch < s->ctl[ctl].batch_id)
                sim_broken(s, INV_TOKEN, "%s is gone", task);
}

static void check_act_command(struct sim *s, int ctl, const struct core_effect *fx)
{
        const struct task_truth *t = check_task(s, fx->command.task);

        if (fx->command.verb == COMMAND_CLAIM) {
                check_act_task(s, ctl, fx->command.task, 1U << TASK_CLAIMED, "claim");
                if (t->generation != fx->command.generation ||
                    strcmp(t->workspace, fx->command.workspace) != 0)
                        sim_broken(s, INV_PERSIST_FIRST, "claim %s for another generation",
                                   fx->command.task);
        } else if (fx->command.verb == COMMAND_PREPARE_STOP) {
                check_act_task(s, ctl, fx->command.task, 1U << TASK_STOPPING, "prepare-stop");
        }
}

static void check_act_ack(struct sim *s, const struct core_effect *fx)
{
        const struct body *b = provider_body(s, fx->save_ack.task);
        const struct workspace_row *row = b ? store_workspace(s, b->workspace) : NULL;
        struct save_ref ref = {.generation = fx->save_ack.generation, .seq = fx->save_ack.seq};

        if (!fx->save_ack.committed || !row || !storage_find(s, row->id, &ref))
                return;
        if (newer(&ref, &row->head))
                sim_broken(s, INV_TELL_LAST, "%s: %llu-%llu is said to be committed", row->id,
                           (unsigned long long)ref.generation, (unsigned long long)ref.seq);
}

static void check_act_reply(struct sim *s, int ctl, const struct core_effect *fx)
{
        struct truth *t;

        if (fx->reply.status != REPLY_OK || !fx->reply.workspace[0])
                return;
        t = check_truth(s, fx->reply.workspace);
        if (!t->ever)
                sim_broken(s, INV_TELL_LAST, "%s is not stored", t->id);
        if (s->ctl[ctl].epoch == s->store.epoch) /* else another leads already */
                check_stop_replied(s, t, fx->reply.token);
        if (fx->reply.token == t->wish_token) {
                const struct workspace_row *row = store_workspace(s, t->id);

                t->wish = row && (row->state == WS_SAVING || row->state == WS_ATTENTION ||
                                  row->state == WS_RECOVERING);
                t->wish_token = 0;
        }
}

static void check_epoch(struct sim *s, int ctl, uint64_t epoch)
{
        if (epoch != s->ctl[ctl].epoch)
                sim_broken(s, INV_ONE_LEADER, "controller %d speaks for epoch %llu", ctl,
                           (unsigned long long)epoch);
}

void check_act(struct sim *s, int ctl, const struct core_effect *fx)
{
        const struct controller *c = &s->ctl[ctl];
        const struct workspace_row *row;

        if (s->store.life_of[c->epoch % SIM_EPOCHS] != c->life)
                sim_broken(s, INV_ONE_LEADER, "controller %d acts for epoch %llu", ctl,
                           (unsigned long long)c->epoch);
        switch ((int)fx->type) {
        case FX_LAUNCH_TASK:
                check_epoch(s, ctl, fx->launch_task.epoch);
                check_act_launch(s, ctl, fx->launch_task.task);
                break;
        case FX_WELCOME:
                check_epoch(s, ctl, fx->welcome.epoch);
                break;
        case FX_REMOVE_TASK:
                check_epoch(s, ctl, fx->remove_task.epoch);
                break;
        case FX_STOP_TASK:
                check_epoch(s, ctl, fx->stop_task.epoch);
                if (store_task(s, fx->stop_task.task)) /* else it is an orphan's */
                        check_act_task(
                                s, ctl, fx->stop_task.task,
                                1U << TASK_TERMINATING | 1U << TASK_FAILED |
                                        (homes_task(s, fx->stop_task.task) ? 1U << TASK_LOST : 0),
                                "stop");
                break;
        case FX_COMMAND:
                check_epoch(s, ctl, fx->command.epoch);
                check_act_command(s, ctl, fx);
                break;
        case FX_SAVE_ACK:
                check_act_ack(s, fx);
                break;
        case FX_REPLY:
                check_act_reply(s, ctl, fx);
                break;
        case FX_ERASE:
                row = store_workspace(s, fx->erase.workspace);
                if (row && row->state != WS_DELETED && row->head.seq &&
                    row->head.generation <= fx->erase.generation)
                        sim_broken(s, INV_PERSIST_FIRST, "erase %s", row->id);
                break;
        default: /* harmless whenever they come */
                break;
        }
}

void check_end(struct sim *s, const struct body *b)
{
        const struct workspace_row *row = store_workspace(s, b->workspace);
        const struct truth *t;

        if (!b->alive || !b->restored || b->disowned || !row || row->generation != b->generation ||
            b->home[0])
                return;
        t = check_truth(s, b->workspace);
        /* All of it was committed, and then an operator went back to an older save. */
        if (t->went_back && b->content.hash == b->committed.hash)
                return;
        if (b->content.hash != t->head.hash && !b->abandoned && !only_restored(b))
                sim_broken(s, INV_END_WITH_WORK, "%s of %s in %s, %llu writes, %llu committed",
                           b->id, row->id, agent_phase_name(b->phase),
                           (unsigned long long)b->content.length,
                           (unsigned long long)t->head.length);
}

void check_salvage(struct sim *s, const struct core_effect *fx)
{
        struct body *b = provider_body(s, fx->salvage.task);

        if (b && fx->salvage.task[0])
                b->rescue_asked = true;
}

/* What an ended task has left goes; work that no save has must have been offered for a rescue. */
void check_remove(struct sim *s, const char *task)
{
        const struct body *b = provider_body(s, task);
        const struct workspace_row *row = b ? store_workspace(s, b->workspace) : NULL;
        const struct truth *t;

        if (!b || b->alive || !b->restored || b->disowned || !row ||
            row->generation != b->generation || b->home[0] || b->rescue_asked)
                return;
        t = check_truth(s, b->workspace);
        if (b->content.hash != t->head.hash && !only_restored(b) && !left_behind(t, b))
                sim_broken(s, INV_RESCUED, "%s of %s, %llu writes, %llu committed", b->id, row->id,
                           (unsigned long long)b->content.length,
                           (unsigned long long)t->head.length);
}

void check_restored(struct sim *s, struct body *b, const struct save_ref *head)
{
        const struct workspace_row *row = store_workspace(s, b->workspace);
        const struct object *o = storage_find(s, b->workspace, head);
        const struct truth *t;

        if (!row || row->generation != b->generation || b->abandoned)
                return;
        t = check_truth(s, b->workspace);
        if (head->seq && !o)
                sim_broken(s, INV_HEAD_STORED, "%s: %llu-%llu cannot be restored", row->id,
                           (unsigned long long)head->generation, (unsigned long long)head->seq);
        if (newer(&row->head, head))
                sim_broken(s, INV_RESTORE_NEWEST, "%s: %llu-%llu instead of %llu-%llu", row->id,
                           (unsigned long long)head->generation, (unsigned long long)head->seq,
                           (unsigned long long)row->head.generation,
                           (unsigned long long)row->head.seq);
        if (t->acknowledged > (o ? o->content.length : 0))
                sim_broken(s, INV_ACKNOWLEDGED, "%s: %llu writes of %llu", row->id,
                           (unsigned long long)(o ? o->content.length : 0),
                           (unsigned long long)t->acknowledged);
}

void check_fell_back(struct sim *s, const struct body *b)
{
        const struct object *o = storage_find(s, b->workspace, &b->claim_previous);
        struct truth *t;

        if (b->disowned)
                return;
        t = check_truth(s, b->workspace);
        t->acknowledged = MIN(t->acknowledged, o->content.length);
}

void check_told_fell_back(struct sim *s, int ctl, const struct note *n)
{
        const struct core *core = s->ctl[ctl].core;
        const struct task_row *t = core ? core_task(core, n->id) : NULL;
        const struct workspace_row *w = t ? core_workspace(core, t->workspace) : NULL;

        if (!n->kind || !w || t->generation != n->generation || strcmp(w->task, t->id) != 0 ||
            (t->state != TASK_CLAIMED && t->state != TASK_READY && t->state != TASK_STOPPING) ||
            w->head.generation == t->generation)
                return;
        if (w->head.generation != n->ref.generation || w->head.seq != n->ref.seq)
                sim_broken(s, INV_FELL_BACK, "%s: %llu-%llu, restored is %llu-%llu", w->id,
                           (unsigned long long)w->head.generation, (unsigned long long)w->head.seq,
                           (unsigned long long)n->ref.generation, (unsigned long long)n->ref.seq);
}

/* What the leader's core knows now of a person, as it reckons: from the moment it hears of it. */
void check_told(struct sim *s, int ctl, struct body *b, const struct note *n)
{
        const struct controller *c = &s->ctl[ctl];
        const struct task_row *row = core_task(c->core, n->id);
        int64_t late_ms = s->now_ms - n->ms;

        if (c->epoch != s->store.epoch || !row || row->generation != n->generation)
                return;
        b->told.busy_ms = n->told.busy_ms + late_ms;
        if (row->state == TASK_READY || row->state == TASK_STOPPING)
                b->told.person_ms = MAX(b->told.person_ms, n->told.person_ms + late_ms);
        if (n->phase != AGENT_READY)
                return;
        if (row->state == TASK_CLAIMED) /* that it is ready counts as evidence */
                b->told.person_ms = s->now_ms;
        b->told.browser = n->told.browser;
        b->told.left_ms = n->told.left_ms + late_ms;
}

void check_boot(struct sim *s)
{
        for (int i = 0; i < SIM_WORKSPACES; i++)
                s->truth[i].requested_ms = 0;
        for (int i = 0; i < SIM_BODIES; i++)
                s->bodies[i].told = (struct told){0};
        operator_boot(s);
}
