#include "fake_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define ROWS_MAX 64
#define EVENTS_MAX 1024
#define HANDLERS_MAX 8

struct fake_mode {
        bool on, hard;
        char why[CORE_REASON_SIZE];
};

struct core {
        bool pool_set;
        uint32_t pool_size;
        char pool_why[CORE_REASON_SIZE];
        struct fake_mode modes[2][MODE_MAX]; /* for every type; for the only one */
        struct workspace_row ws[ROWS_MAX];
        struct task_row tasks[ROWS_MAX]; /* tasks[i] is of ws[i]; "" id: none */
        struct task_live live[ROWS_MAX];
        char person_by[ROWS_MAX][CORE_SOURCE_SIZE];
        uint32_t place[ROWS_MAX]; /* in the queue; 0: by the name of the user */
        bool draining;
        mono_t now;
};

struct shell {
        struct core core;
        struct loop *loop;
        bool writable, replies, automatic;
        enum reply_status refuse; /* every launch; OK: none */
        struct shell_lead lead;
        struct core_effect out[EVENTS_MAX];
        size_t n_out;
        struct {
                effect_fn fn;
                void *ctx;
        } handlers[HANDLERS_MAX];
        struct {
                change_fn fn;
                void *ctx;
        } watchers[HANDLERS_MAX];
        struct {
                early_fn fn;
                void *ctx;
        } early[HANDLERS_MAX];
        size_t n_handlers, n_watchers, n_early;
        struct audit_row audit[EVENTS_MAX];
        uint64_t n_audit;
        struct loop_timer timer;
        bool changed, exit_soon;
};

static size_t index_of(const struct core *c, const char *id)
{
        size_t i = 0;

        while (i < ROWS_MAX && strcmp(c->ws[i].id, id) != 0)
                i++;
        return i;
}

const struct workspace_row *core_workspace(const struct core *c, const char *id)
{
        size_t i = index_of(c, id);

        return id[0] && i < ROWS_MAX ? &c->ws[i] : NULL;
}

const struct task_row *core_task(const struct core *c, const char *id)
{
        for (size_t i = 0; i < ROWS_MAX; i++) {
                if (id[0] && strcmp(c->tasks[i].id, id) == 0)
                        return &c->tasks[i];
        }
        return NULL;
}

const struct task_live *core_task_live(const struct core *c, const char *id)
{
        const struct task_row *t = core_task(c, id);

        return t ? &c->live[t - c->tasks] : NULL;
}

const struct workspace_row *core_next_workspace(const struct core *c, size_t *pos)
{
        while (*pos < ROWS_MAX) {
                const struct workspace_row *w = &c->ws[(*pos)++];
                if (w->id[0])
                        return w;
        }
        return NULL;
}

const struct task_row *core_next_task(const struct core *c, size_t *pos)
{
        while (*pos < ROWS_MAX) {
                const struct task_row *t = &c->tasks[(*pos)++];
                if (t->id[0])
                        return t;
        }
        return NULL;
}

bool core_idle(const struct core *c, const char *workspace, mono_t now, struct core_idle *ret_idle)
{
        const struct workspace_row *w = core_workspace(c, workspace);
        const struct task_live *live = w ? core_task_live(c, w->task) : NULL;
        struct core_idle p = {.limits = {.idle_ms = 1800000, .job_ms = 7200000},
                              .wait = "",
                              .heard = true,
                              .idle_why = "adaptive, a test"};

        if (!w || w->state != WS_RUNNING || !live)
                return false;
        p.facts =
                (struct idle_facts){.now = now,
                                    .person_at = mono_add_ms(live->heard_at, -live->person_age_ms),
                                    .claim_at = live->claimed_at,
                                    .connected = true};
        p.facts.busy_ms = MAX(mono_diff_ms(now, live->busy_until), 0);
        p.stop = idle_stop_of(&p.limits, &p.facts);
        p.due = p.stop.due;
        p.person_by = c->person_by[w - c->ws];
        *ret_idle = p;
        return true;
}

bool core_pool(const struct core *c, uint32_t i, struct pool_view *ret_view)
{
        if (i > 0)
                return false;
        *ret_view = (struct pool_view){.type = "vscode",
                                       .target = 2,
                                       .warm = 2,
                                       .policy = "forecast",
                                       .next_change = {INT64_C(1800000000) * US_PER_S},
                                       .spent = 1250000,
                                       .idle_ms = 900000,
                                       .idle_why = "adaptive, idle_min; break-even 4 min, 9 gaps",
                                       .lead_ms = 1500,
                                       .limit = "",
                                       .reason = "the floor of 2",
                                       .breaker_until = MONO_NEVER};
        if (c->pool_set) {
                ret_view->target = c->pool_size;
                ret_view->policy = "set";
                ret_view->reason = c->pool_why;
        }
        return true;
}

bool core_mode_on(const struct core *c, enum core_mode mode, const char *type, bool *ret_hard,
                  const char **ret_why)
{
        const struct fake_mode *m = &c->modes[type[0] != 0][mode];

        *ret_hard = m->hard;
        *ret_why = m->why;
        return m->on;
}

/* Whoever's name begins with "waits" is third in the queue. */
uint32_t core_place(const struct core *c, const char *workspace)
{
        size_t i = index_of(c, workspace);

        if (i < ROWS_MAX && c->place[i])
                return c->place[i];
        return i < ROWS_MAX && str_starts(c->ws[i].key.user_id, "waits") ? 3 : 0;
}

/* Whoever's name begins with "stops" is seventh of those that wait to be stopped. */
bool core_stop(const struct core *c, const char *workspace, mono_t now, struct core_stop *ret_stop)
{
        size_t i = index_of(c, workspace);

        (void)now;
        if (i >= ROWS_MAX || !str_starts(c->ws[i].key.user_id, "stops"))
                return false;
        *ret_stop = (struct core_stop){.kind = STOP_IDLE,
                                       .place = 7,
                                       .eta_ms = 90000,
                                       .why = "as many are saved at once as storage bears"};
        return true;
}

void core_stops(const struct core *c, mono_t now, struct core_stops *ret_stops)
{
        struct core_stop one;
        bool any = false;

        for (size_t i = 0; i < ROWS_MAX; i++)
                any |= c->ws[i].id[0] && core_stop(c, c->ws[i].id, now, &one);
        *ret_stops = (struct core_stops){.save_ms = -1, .bytes_s = -1};
        if (!any)
                return;
        *ret_stops = (struct core_stops){.parallel = 32,
                                         .under_way = 32,
                                         .waiting = 968,
                                         .eta_ms = 260000,
                                         .save_ms = 8100,
                                         .bytes_s = 19800000,
                                         .saved = 5,
                                         .bytes = 25000000};
}

/* It has no timetable: tests/timetable has. */
const struct core_timetable *core_timetable(const struct core *c)
{
        static const struct core_timetable none = {0};

        (void)c;
        return &none;
}

const char *core_timetable_piece(const struct core *c, uint32_t i)
{
        (void)c;
        (void)i;
        return "";
}

bool core_class(const struct core *c, const char *type, const char *id, const char *course,
                utc_t start, uint32_t roster, struct core_class *ret_class)
{
        (void)c;
        (void)type;
        (void)id;
        (void)course;
        (void)start;
        (void)roster;
        (void)ret_class;
        return false;
}

bool core_draining(const struct core *c)
{
        return c->draining;
}

const struct shell_lead *shell_lead(const struct shell *s)
{
        return &s->lead;
}

bool shell_writable(const struct shell *s)
{
        return s->writable;
}

const struct core *shell_core(const struct shell *s)
{
        return &s->core;
}

void shell_handle(struct shell *s, enum core_effect_type type, effect_fn fn, void *ctx)
{
        if (type != FX_REPLY || s->n_handlers == HANDLERS_MAX)
                return;
        s->handlers[s->n_handlers].fn = fn;
        s->handlers[s->n_handlers++].ctx = ctx;
}

void shell_watch(struct shell *s, change_fn fn, void *ctx)
{
        if (s->n_watchers == HANDLERS_MAX)
                return;
        s->watchers[s->n_watchers].fn = fn;
        s->watchers[s->n_watchers++].ctx = ctx;
}

void shell_tell_early(struct shell *s, early_fn fn, void *ctx)
{
        if (s->n_early == HANDLERS_MAX)
                return;
        s->early[s->n_early].fn = fn;
        s->early[s->n_early++].ctx = ctx;
}

const struct audit_row *shell_audit_after(const struct shell *s, uint64_t after_seq)
{
        uint64_t oldest = s->n_audit > EVENTS_MAX ? s->n_audit - EVENTS_MAX + 1 : 1;
        uint64_t seq = MAX(after_seq + 1, oldest);

        return seq <= s->n_audit ? &s->audit[seq % EVENTS_MAX] : NULL;
}

static void audit(struct shell *s, const char *ws, const char *actor, const char *what)
{
        struct audit_row *a;

        s->n_audit++;
        a = &s->audit[s->n_audit % EVENTS_MAX];
        memset(a, 0, sizeof(*a));
        a->seq = s->n_audit;
        a->at = loop_utc(s->loop);
        STR_CUT(a->workspace, ws);
        STR_CUT(a->actor, actor);
        STR_CUT(a->what, what);
}

static void set_state(struct shell *s, size_t i, enum ws_state state)
{
        struct workspace_row *w = &s->core.ws[i];
        struct task_row *t = &s->core.tasks[i];
        struct task_live *live = &s->core.live[i];

        w->state = state;
        w->reason[0] = 0;
        s->changed = true;
        if (state == WS_STOPPED || state == WS_DELETED) {
                w->stopped_at = loop_utc(s->loop);
                w->task[0] = 0;
                memset(t, 0, sizeof(*t));
                return;
        }
        if (!w->task[0]) {
                w->generation++;
                (void)snprintf(t->id, sizeof(t->id), "t-%010u", (unsigned)i);
                STR_CUT(w->task, t->id);
                STR_CUT(t->workspace, w->id);
                STR_CUT(t->type, w->key.type);
                STR_CUT(t->addr, "127.0.0.1:9");
                t->generation = w->generation;
                t->launched_at = loop_utc(s->loop);
                live->claimed_at = loop_now(s->loop);
        }
        t->state = state == WS_RUNNING ? TASK_READY
                                       : (state == WS_SAVING ? TASK_STOPPING : TASK_CLAIMED);
        t->state_at = loop_utc(s->loop);
        live->heard_at = live->ready_at = loop_now(s->loop);
        live->phase = state == WS_RUNNING ? AGENT_READY : AGENT_RESTORING;
        live->person_age_ms = 4000;
        live->n_signals = 2;
        live->signals[0] = (struct signal_age){"terminal", 4000, 12, "person"};
        live->signals[1] = (struct signal_age){"file", -1, 0, "hint"};
        STR_CUT(s->core.person_by[i], "terminal");
}

static void reply(struct shell *s, uint64_t token, enum reply_status status, const char *ws)
{
        struct core_effect *fx;

        if (!token || s->n_out == EVENTS_MAX)
                return;
        fx = &s->out[s->n_out++];
        *fx = (struct core_effect){.type = FX_REPLY};
        fx->reply.token = token;
        fx->reply.status = status;
        if (status == REPLY_QUEUE_FULL) {
                fx->reply.place = 8;
                fx->reply.retry_ms = 11500;
        }
        STR_CUT(fx->reply.workspace, ws);
}

static void launch(struct shell *s, const struct core_event *ev)
{
        struct core *c = &s->core;
        size_t i = index_of(c, ev->launch.id);
        enum reply_status status = REPLY_OK;

        if (s->refuse != REPLY_OK)
                status = s->refuse;
        else if (c->draining)
                status = REPLY_DRAINING;
        else if (str_starts(ev->launch.key.user_id, "crowd"))
                status = REPLY_QUEUE_FULL;
        else if (str_starts(ev->launch.key.user_id, "greedy"))
                status = REPLY_USER_LIMIT;
        else if (str_starts(ev->launch.key.user_id, "closed"))
                status = REPLY_CLOSED;
        else if (ev->launch.key.type[0] && strcmp(ev->launch.key.type, "vscode") != 0)
                status = REPLY_BAD_TYPE;
        else if (i == ROWS_MAX && !ev->launch.key.type[0])
                status = REPLY_NOT_FOUND;
        else if (i == ROWS_MAX && (i = index_of(c, "")) == ROWS_MAX)
                status = REPLY_FULL;
        else if (c->ws[i].id[0] && c->ws[i].state == WS_DELETED)
                status = REPLY_DELETED;
        if (status == REPLY_OK) {
                if (!c->ws[i].id[0]) {
                        STR_CUT(c->ws[i].id, ev->launch.id);
                        STR_CUT(c->ws[i].labels, ev->launch.labels);
                        c->ws[i].key = ev->launch.key;
                        c->ws[i].created_at = loop_utc(s->loop);
                }
                if (c->ws[i].state != WS_RUNNING) {
                        audit(s, ev->launch.id, ev->launch.actor, "launch");
                        STR_CUT(s->audit[s->n_audit % EVENTS_MAX].detail, ev->launch.course);
                        set_state(s, i, WS_STARTING);
                }
        }
        reply(s, ev->launch.token, status, ev->launch.id);
}

static void stop(struct shell *s, const struct core_event *ev, enum ws_state state)
{
        size_t i = index_of(&s->core, ev->req_workspace.id);

        if (i == ROWS_MAX) {
                reply(s, ev->req_workspace.token, REPLY_NOT_FOUND, ev->req_workspace.id);
                return;
        }
        if (ev->req_workspace.again && s->core.ws[i].state != WS_RUNNING) {
                reply(s, ev->req_workspace.token, REPLY_NOT_RUNNING, ev->req_workspace.id);
                return;
        }
        s->core.ws[i].wanted = ev->req_workspace.again;
        audit(s, ev->req_workspace.id, ev->req_workspace.actor,
              state == WS_DELETED ? "delete" : "stop");
        if (s->core.ws[i].state != state && s->core.ws[i].state != WS_STOPPED)
                set_state(s, i, state);
        if (state == WS_DELETED)
                s->core.ws[i].erase_at = (utc_t){loop_utc(s->loop).us + 3600 * US_PER_S};
        reply(s, ev->req_workspace.token, REPLY_OK, ev->req_workspace.id);
}

static void abandon(struct shell *s, const struct core_event *ev)
{
        size_t i = index_of(&s->core, ev->req_workspace.id);
        bool may = i < ROWS_MAX && s->core.ws[i].state == WS_ATTENTION;

        if (may) {
                audit(s, ev->req_workspace.id, ev->req_workspace.actor, "abandoned");
                STR_CUT(s->core.ws[i].reason, ev->req_workspace.reason);
        }
        reply(s, ev->req_workspace.token, may ? REPLY_OK : REPLY_NOT_ATTENTION,
              ev->req_workspace.id);
}

static void keep(struct shell *s, const struct core_event *ev)
{
        size_t i = index_of(&s->core, ev->req_workspace.id);
        bool long_ago = i < ROWS_MAX && str_starts(s->core.ws[i].key.user_id, "script");

        if (i == ROWS_MAX || s->core.ws[i].state != WS_RUNNING) {
                reply(s, ev->req_workspace.token, REPLY_NOT_RUNNING, ev->req_workspace.id);
                return;
        }
        if (!long_ago) {
                audit(s, ev->req_workspace.id, ev->req_workspace.actor, "kept");
                STR_CUT(s->core.person_by[i], "api");
                s->core.live[i].person_age_ms = 0;
        }
        reply(s, ev->req_workspace.token, long_ago ? REPLY_KEPT_LONG : REPLY_OK,
              ev->req_workspace.id);
}

static void set_pool(struct shell *s, const struct core_event *ev)
{
        bool known = strcmp(ev->req_pool.type, "vscode") == 0;

        if (known) {
                s->core.pool_set = ev->req_pool.set;
                s->core.pool_size = ev->req_pool.size;
                (void)snprintf(s->core.pool_why, sizeof(s->core.pool_why), "%s: %.80s",
                               ev->req_pool.actor, ev->req_pool.reason);
        }
        reply(s, ev->req_pool.token, known ? REPLY_OK : REPLY_BAD_TYPE, "");
}

static void set_mode(struct shell *s, const struct core_event *ev)
{
        const char *type = ev->req_mode.type;
        struct fake_mode *m = &s->core.modes[type[0] != 0][ev->req_mode.mode];

        if (type[0] && strcmp(type, "vscode") != 0) {
                reply(s, ev->req_mode.token, REPLY_BAD_TYPE, "");
                return;
        }
        *m = (struct fake_mode){.on = ev->req_mode.on, .hard = ev->req_mode.hard};
        (void)snprintf(m->why, sizeof(m->why), "%s: %.80s", ev->req_mode.actor,
                       ev->req_mode.reason);
        reply(s, ev->req_mode.token, REPLY_OK, "");
}

void shell_post(struct shell *s, struct core_event *ev)
{
        if (ev->type == EV_REQ_LAUNCH) {
                launch(s, ev);
        } else if (ev->type == EV_REQ_STOP) {
                stop(s, ev, WS_SAVING);
        } else if (ev->type == EV_REQ_KEEP) {
                keep(s, ev);
        } else if (ev->type == EV_REQ_POOL) {
                set_pool(s, ev);
        } else if (ev->type == EV_REQ_DELETE) {
                stop(s, ev, WS_DELETED);
        } else if (ev->type == EV_REQ_ABANDON) {
                abandon(s, ev);
        } else if (ev->type == EV_REQ_MODE) {
                set_mode(s, ev);
        } else if (ev->type == EV_REQ_SHUTDOWN) {
                s->core.draining = true;
                s->exit_soon = true;
                reply(s, ev->req_plain.token, REPLY_OK, "");
        }
        /* What moves by itself moves a little later, as in life. */
        if (mono_is_never(s->timer.due))
                loop_timer_set_in(&s->timer, 150);
}

static void on_timer(void *ctx)
{
        struct shell *s = ctx;
        bool again = false;

        for (size_t i = 0; s->automatic && i < ROWS_MAX; i++) {
                if (s->core.ws[i].state == WS_STARTING && s->core.ws[i].id[0])
                        set_state(s, i, WS_RUNNING);
                else if (s->core.ws[i].state == WS_SAVING)
                        set_state(s, i, WS_STOPPED);
                if (s->core.ws[i].state == WS_STOPPED && STEAL(s->core.ws[i].wanted, false))
                        set_state(s, i, WS_STARTING), again = true;
        }
        if (again)
                loop_timer_set_in(&s->timer, 150);
        if (s->exit_soon)
                loop_exit(s->loop, 0);
}

static void after(void *ctx)
{
        struct shell *s = ctx;
        size_t n = s->n_out;

        for (size_t j = 0; s->changed && j < s->n_early; j++)
                (void)s->early[j].fn(s->early[j].ctx);
        if (!s->replies)
                return;
        s->n_out = 0;
        for (size_t i = 0; i < n; i++) {
                struct core_effect fx = s->out[i];
                for (size_t j = 0; j < s->n_handlers; j++)
                        s->handlers[j].fn(s->handlers[j].ctx, &fx);
        }
        if (!s->changed)
                return;
        s->changed = false;
        for (size_t j = 0; j < s->n_watchers; j++)
                s->watchers[j].fn(s->watchers[j].ctx, "", "");
}

struct shell *fake_shell_new(struct loop *l)
{
        struct shell *s = calloc(1, sizeof(*s));

        if (!s)
                abort();
        s->loop = l;
        s->writable = s->replies = s->automatic = true;
        s->lead = (struct shell_lead){.leads = true, .epoch = 3, .until = MONO_NEVER};
        loop_timer_init(l, &s->timer, on_timer, s);
        loop_after(l, after, s);
        return s;
}

struct shell *fake_shell_free(struct shell *s)
{
        loop_timer_cancel(&s->timer);
        loop_after(s->loop, NULL, NULL);
        free(s);
        return NULL;
}

static bool evidence_on(struct shell *s, size_t i, const char *verb, const char *word,
                        const char *rest)
{
        struct task_live *live = &s->core.live[i];
        int64_t ms;

        if (strcmp(verb, "unknown") == 0)
                return num_parse_u64(word, 0, 1000000, &live->unknown) == 0;
        if (strcmp(verb, "place") == 0) {
                uint64_t place;

                if (num_parse_u64(word, 0, 100000, &place) < 0)
                        return false;
                s->core.place[i] = (uint32_t)place;
                return true;
        }
        if (strcmp(verb, "phase") == 0) {
                live->phase =
                        strcmp(word, "app-starting") == 0 ? AGENT_APP_STARTING : AGENT_RESTORING;
                return true;
        }
        if (strcmp(verb, "restore") == 0)
                return rest && num_parse_u64(word, 0, UINT32_MAX, &live->restore_done) == 0 &&
                       num_parse_u64(rest, 0, UINT32_MAX, &live->restore_total) == 0;
        if (strcmp(verb, "confidence") == 0) {
                STR_CUT(live->confidence, word);
                return true;
        }
        if (!rest || num_parse_duration_ms(rest, &ms) < 0)
                return false;
        if (strcmp(verb, "browser") == 0) {
                live->browser = strcmp(word, "never") == 0 ? BROWSER_NEVER : BROWSER_LEFT;
                live->browser_left_at = mono_add_ms(live->heard_at, -ms);
        } else if (strcmp(verb, "job") == 0) {
                STR_CUT(live->job, word);
                live->busy_until = mono_add_ms(live->heard_at, ms);
        } else if (strcmp(verb, "person") == 0) {
                STR_CUT(s->core.person_by[i], word);
                live->person_age_ms = ms;
        } else {
                return false;
        }
        return true;
}

static bool command_on(struct shell *s, size_t i, const char *verb, const char *word,
                       const char *rest)
{
        enum ws_state state;
        enum task_state task;

        if (strcmp(verb, "state") == 0 && ws_state_parse(word, &state)) {
                set_state(s, i, state);
                if (rest)
                        STR_CUT(s->core.ws[i].reason, rest);
        } else if (strcmp(verb, "task") == 0 && task_state_parse(word, &task)) {
                s->core.tasks[i].state = task;
        } else if (strcmp(verb, "stopping") == 0 || strcmp(verb, "stopped") == 0) {
                audit(s, s->core.ws[i].id, "core", verb);
                (void)snprintf(s->audit[s->n_audit % EVENTS_MAX].detail, CORE_REASON_SIZE, "%s %s",
                               word, rest ? rest : "");
        } else if (strcmp(verb, "addr") == 0) {
                STR_CUT(s->core.tasks[i].addr, word);
        } else {
                return evidence_on(s, i, verb, word, rest);
        }
        return true;
}

bool fake_command(struct shell *s, char *line)
{
        const char *verb = strsep(&line, " ");
        const char *one = strsep(&line, " ");
        const char *two = strsep(&line, " ");
        const char *rest = line;
        bool on = one && strcmp(one, "1") == 0;
        size_t i = one ? index_of(&s->core, one) : ROWS_MAX;

        if (!one)
                return false;
        if (two)
                return i < ROWS_MAX && command_on(s, i, verb, two, rest);
        if (strcmp(verb, "refuse") == 0)
                s->refuse = strcmp(one, "queue-full") == 0   ? REPLY_QUEUE_FULL
                            : strcmp(one, "user-limit") == 0 ? REPLY_USER_LIMIT
                            : strcmp(one, "closed") == 0     ? REPLY_CLOSED
                                                             : REPLY_OK;
        else if (strcmp(verb, "auto") == 0)
                s->automatic = on;
        else if (strcmp(verb, "writable") == 0)
                s->writable = on;
        else if (strcmp(verb, "replies") == 0)
                s->replies = on;
        else if (strcmp(verb, "lead") == 0)
                s->lead.leads = on;
        else if (strcmp(verb, "leader") == 0)
                STR_CUT(s->lead.http, one);
        else if (strcmp(verb, "drain") == 0)
                s->core.draining = on;
        else if (strcmp(verb, "event") == 0)
                audit(s, "", "core", one), s->changed = true;
        else
                return false;
        return true;
}
