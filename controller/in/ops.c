#include "in/ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "in/about.h"
#include "in/http.h"
#include "in/ops_socket.h"
#include "in/pending.h"
#include "in/timetable_api.h"
#include "in/view.h"

#define OPS_TOKEN_EDGE 2
#define OPS_PENDING_MAX 32
#define EVENTS_PER_ANSWER 500

struct ask {
        struct ops *ops;
        struct ops_message *message;
        struct view_command command;
        struct pending pending;
        struct stored_question question;
        struct ask *next_, *prev_;
};

struct ops {
        struct loop *loop;
        struct shell *shell;
        struct ops_socket *socket;
        struct pending_set *pendings;
        struct view_links links;
        const struct http_config *front; /* NULL: no HTTP side */
        struct ops_config config;
        uint16_t front_port;
        struct ask asks; /* list head: those that wait */
};

static struct view view_of(const struct ops *o)
{
        return (struct view){
                .core = shell_core(o->shell),
                .links = o->front ? &o->links : NULL,
                .now = loop_now(o->loop),
                .utc = loop_utc(o->loop),
        };
}

static struct ask *ask_free(struct ask *a)
{
        if (!a)
                return NULL;
        pending_cancel(&a->pending);
        stored_cancel(&a->question);
        free(a->command.text);
        a->next_->prev_ = a->prev_;
        a->prev_->next_ = a->next_;
        ops_message_free(a->message);
        free(a);
        return NULL;
}

/* Ends the ask: its answer is `out`, or the error. */
static void answer(struct ask *a, int render_result, const struct buf *out)
{
        static const char failed[] = "{\"error\":{\"code\":\"internal\",\"message\":\"the answer "
                                     "could not be made\",\"hint\":null}}";

        if (render_result < 0)
                ops_socket_answer(a->ops->socket, a->message, failed, sizeof(failed) - 1);
        else
                ops_socket_answer(a->ops->socket, a->message, out->data, out->len);
        a->message = NULL;
        ask_free(a);
}

static void answer_error(struct ask *a, const struct view_error *e)
{
        AUTO_BUF out = BUF_INIT(4096);
        int r = view_error_json(e, &out);

        answer(a, r, &out);
}

static void on_done(struct pending *p, enum pending_end end);

static void park(struct ask *a, enum pending_kind kind, const char *workspace)
{
        struct view_error e;

        a->pending.kind = kind;
        a->pending.actor = "operator";
        a->pending.after = a->command.after;
        a->pending.wait_ms = (int64_t)a->command.wait_ms;
        a->pending.done = on_done;
        if (kind == PENDING_LAUNCH && !a->command.workspace[0])
                a->pending.launch = &a->command.launch;
        STR_CUT(a->pending.workspace, workspace);
        if (pending_start(a->ops->pendings, &a->pending, &e) > 0)
                answer_error(a, &e);
}

/* What the request was about, for a sentence that refuses it. */
static const char *subject_of(const struct ask *a)
{
        if (a->pending.status == REPLY_BAD_TYPE && a->pending.kind == PENDING_MODE)
                return a->command.mode.type;
        if (a->pending.status == REPLY_BAD_TYPE)
                return a->command.launch.key.type;
        return a->pending.workspace;
}

static int render_done(const struct ask *a, struct buf *out)
{
        struct view v = view_of(a->ops);
        const struct workspace_row *w = core_workspace(v.core, a->pending.workspace);

        switch (a->pending.kind) {
        case PENDING_LAUNCH:
                if (w)
                        return view_launched(&v, w, mono_diff_ms(a->pending.started, v.now), out);
                break;
        case PENDING_STOP:
        case PENDING_DELETE:
        case PENDING_ABANDON:
        case PENDING_RESTART:
        case PENDING_KEEP:
        case PENDING_RESTORE:
                if (w)
                        return view_workspace(&v, w, out);
                break;
        case PENDING_POOL:
                return view_pools(&v, out);
        case PENDING_MODE:
                return view_modes(&v, out);
        case PENDING_TIMETABLE:
                return timetable_api_show(&v, a->ops->config.timetables, out);
        case PENDING_SHUTDOWN:
                return view_status(&v, a->ops->config.about, shell_writable(a->ops->shell),
                                   shell_lead(a->ops->shell), out);
        case PENDING_EVENTS:
                return pending_events(a->ops->shell, a->pending.after, EVENTS_PER_ANSWER, out);
        }
        return buf_printf(out, "{\"id\":\"%s\",\"status\":\"gone\"}", a->pending.workspace);
}

static void on_done(struct pending *p, enum pending_end end)
{
        struct ask *a = container_of(p, struct ask, pending);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        struct view_error e;
        int r;

        switch (end) {
        case PENDING_REACHED:
        case PENDING_ACCEPTED:
                r = render_done(a, &out);
                answer(a, r, &out);
                return;
        case PENDING_REFUSED:
                view_error_reply(&e, p->status, subject_of(a));
                pending_error(p, &e);
                answer_error(a, &e);
                return;
        case PENDING_NO_STORE:
                view_error_set(&e, VIEW_ERROR_STORE_UNAVAILABLE,
                               "the decision could not be stored in time; it may still be carried "
                               "out");
                answer_error(a, &e);
                return;
        }
}

/* By its id or the beginning of it, or by its person: a name of three letters may be both. */
static bool is_named(const struct workspace_row *w, const char *name)
{
        return str_starts(w->id, name) ||
               (str_starts(w->id, "ws-") && str_starts(w->id + 3, name)) ||
               (w->state != WS_DELETED && strcmp(w->key.user_id, name) == 0);
}

/* The workspace that the command names. NULL: answered. */
static const struct workspace_row *find_workspace(struct ask *a)
{
        const struct core *core = shell_core(a->ops->shell);
        const char *name = a->command.workspace;
        const struct workspace_row *w, *found = NULL;
        struct view_error e;
        size_t pos = 0, n = 0;

        if (!name[0]) {
                view_error_set(&e, VIEW_ERROR_BAD_FIELD, "workspace: is missing");
                answer_error(a, &e);
                return NULL;
        }
        while ((w = core_next_workspace(core, &pos))) {
                if (!is_named(w, name))
                        continue;
                found = w;
                n++;
        }
        if (n == 1)
                return found;
        if (n == 0)
                view_error_set(&e, VIEW_ERROR_UNKNOWN_WORKSPACE, "there is no workspace %s", name);
        else
                view_error_set(&e, VIEW_ERROR_AMBIGUOUS,
                               "%zu workspaces begin with %s or are of that user", n, name);
        answer_error(a, &e);
        return NULL;
}

static void do_status(struct ask *a)
{
        struct view v = view_of(a->ops);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r = view_status(&v, a->ops->config.about, shell_writable(a->ops->shell),
                            shell_lead(a->ops->shell), &out);

        answer(a, r, &out);
}

static void do_config(struct ask *a)
{
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r = view_config(a->ops->config.about, &out);

        answer(a, r, &out);
}

static void do_kpi(struct ask *a)
{
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r = view_kpi(a->ops->config.about, &out);

        answer(a, r, &out);
}

static void do_ps(struct ask *a)
{
        struct view v = view_of(a->ops);
        struct view_filter all = {0};
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r = view_workspaces(&v, &all, &out);

        answer(a, r, &out);
}

static void do_pool(struct ask *a)
{
        struct view v = view_of(a->ops);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r = view_pools(&v, &out);

        answer(a, r, &out);
}

static void do_tasks(struct ask *a)
{
        struct view v = view_of(a->ops);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r = view_tasks(&v, &out);

        answer(a, r, &out);
}

static void do_launch(struct ask *a)
{
        const struct workspace_row *w;

        if (!a->command.workspace[0]) {
                park(a, PENDING_LAUNCH, a->command.launch.id);
                return;
        }
        w = find_workspace(a);
        if (w)
                park(a, PENDING_LAUNCH, w->id);
}

static void do_stop(struct ask *a)
{
        const struct workspace_row *w = find_workspace(a);

        if (w)
                park(a, PENDING_STOP, w->id);
}

static void do_delete(struct ask *a)
{
        const struct workspace_row *w = find_workspace(a);

        if (w)
                park(a, PENDING_DELETE, w->id);
}

static void do_abandon(struct ask *a)
{
        const struct workspace_row *w = find_workspace(a);

        if (!w)
                return;
        a->pending.reason = a->command.reason;
        park(a, PENDING_ABANDON, w->id);
}

static void do_mode(struct ask *a)
{
        a->pending.mode = &a->command.mode;
        park(a, PENDING_MODE, "");
}

static void do_timetable(struct ask *a)
{
        const struct timetables *t = a->ops->config.timetables;
        const struct view_command *c = &a->command;
        struct view v = view_of(a->ops);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        struct view_error e;
        int r = 0;

        if (!t)
                timetable_api_none(&e);
        if (!t || view_not_leader(shell_lead(a->ops->shell), &e)) {
                answer_error(a, &e);
                return;
        }
        if (!c->text)
                r = timetable_api_show(&v, t, &out);
        else if (c->check)
                r = timetable_api_try(t, c->text, strlen(c->text), &out, &e);
        else
                r = timetable_api_check(t, v.core, c->if_match[0] ? c->if_match : "*", c->text,
                                        strlen(c->text), &e);
        if (r > 0) {
                answer_error(a, &e);
        } else if (!c->text || c->check) {
                answer(a, r, &out);
        } else {
                a->pending.timetables = a->ops->config.timetables;
                a->pending.text = c->text;
                a->pending.text_len = strlen(c->text);
                park(a, PENDING_TIMETABLE, "");
        }
}

static void do_why(struct ask *a)
{
        struct view v = view_of(a->ops);
        const struct workspace_row *w = find_workspace(a);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r;

        if (!w)
                return;
        r = view_why(&v, w, &out);
        answer(a, r, &out);
}

static void do_events(struct ask *a)
{
        park(a, PENDING_EVENTS, "");
}

static void do_shutdown(struct ask *a)
{
        park(a, PENDING_SHUTDOWN, "");
}

static void do_gateway(struct ask *a)
{
        const struct ops *o = a->ops;
        AUTO_BUF out = BUF_INIT(4096);
        char address[80], key[KEYS_HEX];
        const char *host;
        struct view_error e;
        int r;

        if (!o->front) {
                view_error_set(&e, VIEW_ERROR_NO_GATEWAY, "the controller serves no HTTP");
                answer_error(a, &e);
                return;
        }
        /* A gateway beside it reaches a controller that listens on every address by loopback. */
        host = o->front->address;
        if (!host[0] || strcmp(host, "0.0.0.0") == 0)
                host = "127.0.0.1";
        (void)snprintf(address, sizeof(address), "%s:%u", host, o->front_port);
        keys_gateway(o->front->keys, key);
        r = view_gateway(address, &o->links, key, &out);
        explicit_bzero(key, sizeof(key));
        answer(a, r, &out);
}

/* ---- saves ---- */

/* The workspace, when the storage has answered. NULL: answered. */
static const struct workspace_row *row_of(struct ask *a, int result)
{
        struct view_error e;
        const struct workspace_row *w =
                view_saves_row(shell_core(a->ops->shell), a->pending.workspace, result, &e);

        if (!w)
                answer_error(a, &e);
        return w;
}

static void asked(struct ask *a, int r)
{
        struct view_error e;

        if (r == 0)
                return;
        view_saves_not_asked(r, &e);
        answer_error(a, &e);
}

static void on_whole(void *ctx, int result, const struct stored_save *s, uint32_t n);
static void on_pinned(void *ctx, int result, const struct stored_save *s, uint32_t n);

/* Of all there are, the one that is meant is looked at, or pinned. */
static void on_listed(void *ctx, int result, const struct stored_save *saves, uint32_t n)
{
        struct ask *a = ctx;
        struct stored *stored = a->ops->config.stored;
        const struct workspace_row *w = row_of(a, result);
        bool pin = strcmp(a->command.cmd, "pin") == 0;
        bool pins = pin || strcmp(a->command.cmd, "unpin") == 0;
        const struct stored_save *s;
        struct view_error e;

        if (!w)
                return;
        s = view_saves_pick(w, saves, n, &a->command.at, &e);
        if (!s) {
                answer_error(a, &e);
                return;
        }
        a->question = (struct stored_question){.fn = pins ? on_pinned : on_whole, .ctx = a};
        asked(a,
              pins ? stored_pin(stored, w->id, s->save.generation, s->save.seq, pin, &a->question)
                   : stored_ask_whole(stored, w->id, s->save.generation, s->save.seq,
                                      &a->question));
}

static void on_saves(void *ctx, int result, const struct stored_save *saves, uint32_t n)
{
        struct ask *a = ctx;
        struct view v = view_of(a->ops);
        const struct workspace_row *w = row_of(a, result);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        int r;

        if (!w)
                return;
        r = view_saves(&v, w, saves, n, &out);
        answer(a, r, &out);
}

static void on_pinned(void *ctx, int result, const struct stored_save *s, uint32_t n)
{
        struct ask *a = ctx;
        const struct workspace_row *w = row_of(a, result);

        (void)s, (void)n;
        if (!w)
                return;
        a->question = (struct stored_question){.fn = on_saves, .ctx = a};
        asked(a, stored_ask(a->ops->config.stored, w->id, &a->question));
}

static void answer_export(struct ask *a, const struct workspace_row *w, const struct stored_save *s)
{
        struct view v = view_of(a->ops);
        AUTO_BUF out = BUF_INIT(VIEW_ANSWER_MAX);
        char grant[STORED_URL_SIZE];
        int r;

        r = stored_grant(a->ops->config.stored, w->id, s->save.generation, grant);
        if (r == 0)
                r = view_export(&v, w, s, grant, &out);
        answer(a, r, &out);
}

static void on_whole(void *ctx, int result, const struct stored_save *s, uint32_t n)
{
        struct ask *a = ctx;
        const struct workspace_row *w = row_of(a, result);

        (void)n;
        if (!w)
                return;
        if (strcmp(a->command.cmd, "export") == 0) {
                answer_export(a, w, s);
                return;
        }
        a->pending.save = &s->save;
        park(a, PENDING_RESTORE, w->id);
}

static void ask_storage(struct ask *a, stored_list_fn fn)
{
        struct stored *stored = a->ops->config.stored;
        const struct workspace_row *w = find_workspace(a);

        if (!w)
                return;
        a->question = (struct stored_question){.fn = fn, .ctx = a};
        STR_CUT(a->pending.workspace, w->id);
        asked(a, stored ? stored_ask(stored, w->id, &a->question) : -ENOSYS);
}

static void do_saves(struct ask *a)
{
        ask_storage(a, on_saves);
}

/* Before storage is asked: what its life has had swept is gone when it is looked at. */
static void do_restore(struct ask *a)
{
        const struct workspace_row *w = find_workspace(a);
        struct view_error e;

        if (!w)
                return;
        if (w->state != WS_STOPPED && w->state != WS_DELETED) {
                view_error_reply(&e, REPLY_NOT_STOPPED, w->id);
                answer_error(a, &e);
                return;
        }
        ask_storage(a, on_listed);
}

static void do_pin(struct ask *a)
{
        ask_storage(a, on_listed);
}

static void do_export(struct ask *a)
{
        ask_storage(a, on_listed);
}

static const struct {
        const char *name;
        void (*fn)(struct ask *a);
} commands[] = {
        {"status", do_status},     {"ps", do_ps},
        {"pool", do_pool},         {"tasks", do_tasks},
        {"launch", do_launch},     {"stop", do_stop},
        {"delete", do_delete},     {"why", do_why},
        {"events", do_events},     {"gateway", do_gateway},
        {"shutdown", do_shutdown}, {"abandon", do_abandon},
        {"mode", do_mode},         {"timetable", do_timetable},
        {"saves", do_saves},       {"restore", do_restore},
        {"export", do_export},     {"config", do_config},
        {"kpi", do_kpi},           {"export", do_export},
        {"pin", do_pin},           {"unpin", do_pin},
};

static void run(struct ask *a, const char *text, size_t len)
{
        struct view_error e;

        if (len > OPS_REQUEST_MAX) {
                view_error_set(&e, VIEW_ERROR_TOO_LARGE,
                               "the request has %zu bytes, at most %u are taken", len,
                               OPS_REQUEST_MAX);
                answer_error(a, &e);
                return;
        }
        if (view_command_parse(text, len, &a->command, &e) != 0) {
                answer_error(a, &e);
                return;
        }
        for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
                if (strcmp(commands[i].name, a->command.cmd) == 0) {
                        commands[i].fn(a);
                        return;
                }
        }
        view_error_set(&e, VIEW_ERROR_UNKNOWN_COMMAND, "cmd: there is no command \"%s\"",
                       a->command.cmd);
        answer_error(a, &e);
}

static void on_message(void *ctx, struct ops_message *m, const char *text, size_t len)
{
        struct ops *o = ctx;
        struct ask *a = calloc(1, sizeof(*a));

        if (!a) {
                ops_message_free(m);
                return;
        }
        a->ops = o;
        a->message = m;
        a->next_ = &o->asks;
        a->prev_ = o->asks.prev_;
        a->prev_->next_ = a->next_->prev_ = a;
        run(a, text, len);
}

/* Who can open the socket is an operator, so its folder is nobody else's. */
static int make_folder(const char *url)
{
        static const char scheme[] = "ipc://";
        char folder[256];
        char *slash;
        int r;

        if (!str_starts(url, scheme))
                return 0;
        r = STR_SET(folder, url + sizeof(scheme) - 1);
        if (r < 0)
                return r;
        slash = strrchr(folder, '/');
        if (!slash || slash == folder)
                return -EINVAL;
        *slash = 0;
        r = dir_make(folder, 0700);
        if (r < 0)
                return r;
        return chmod(folder, 0700) < 0 ? -errno : 0;
}

int ops_new(struct loop *l, struct shell *sh, struct store *store, const struct ops_config *config,
            struct ops **ret_ops)
{
        struct ops *o = calloc(1, sizeof(*o));
        int r;

        (void)store;
        if (!o)
                return -ENOMEM;
        o->loop = l;
        o->shell = sh;
        o->asks.next_ = o->asks.prev_ = &o->asks;
        o->config = *config;
        if (config->http) {
                o->front = http_config_of(config->http);
                o->front_port = http_port(config->http);
                o->links =
                        (struct view_links){o->front->public_scheme, o->front->host_suffix,
                                            o->front->keys, o->front->ticket_ms, o->front->paths};
        }
        r = make_folder(config->url);
        if (r == 0)
                r = pending_set_new(l, sh, OPS_TOKEN_EDGE, OPS_PENDING_MAX, &o->pendings);
        if (r == 0)
                r = ops_socket_new(l, config->url, on_message, o, &o->socket);
        if (r < 0) {
                log_error("ops socket can not be opened", LOG_STR("url", config->url), LOG_ERR(r));
                ops_free(o);
                return r;
        }
        *ret_ops = o;
        return 0;
}

struct ops *ops_free(struct ops *o)
{
        if (!o)
                return NULL;
        while (o->asks.next_ != &o->asks)
                ask_free(o->asks.next_);
        o->socket = ops_socket_free(o->socket);
        o->pendings = pending_set_free(o->pendings);
        free(o);
        return NULL;
}
