#include "out/providers/docker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "out/providers/docker_internal.h"

#define REMOVE_RETRY_MS 5000
#define KILLED_STATUS 137 /* 128 + SIGKILL */
#define FINISH_MS 10000
#define NAME_SIZE 80
#define PATH_SIZE 512
#define TMP_BYTES (INT64_C(256) << 20)
#define CREATE_MAX (64u << 10)

static void on_created(void *ctx, const struct engine_answer *a);
static void on_timer(void *ctx);

/* ---- table ---- */

struct entry *entry_find(struct docker *d, const char *task)
{
        struct entry *e = d->entries;

        while (e && strcmp(e->task, task) != 0)
                e = e->next;
        return e;
}

static const struct docker_type *type_find(const struct docker *d, const char *name)
{
        for (uint32_t i = 0; i < d->config.n_types; i++) {
                if (strcmp(d->config.types[i].name, name) == 0)
                        return &d->config.types[i];
        }
        return NULL;
}

int entry_new(struct docker *d, const char *task, const char *type, struct entry **ret_entry)
{
        struct entry *e;

        if (d->n_entries >= DOCKER_TASKS_MAX)
                return -ENOBUFS;
        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->docker = d;
        e->type = type_find(d, type);
        STR_CUT(e->task, task);
        loop_timer_init(d->loop, &e->timer, on_timer, e);
        e->next = d->entries;
        d->entries = e;
        d->n_entries++;
        *ret_entry = e;
        return 0;
}

void docker_entry_free(struct entry *e)
{
        struct entry **at = &e->docker->entries;

        while (*at != e)
                at = &(*at)->next;
        *at = e->next;
        e->docker->n_entries--;
        loop_timer_cancel(&e->timer);
        attach_free(e->attach);
        free(e);
}

static void docker_name(const struct docker *d, const char *task, char *dst, size_t size)
{
        (void)snprintf(dst, size, "ws-%s-%s", d->controller, task);
}

/* By its id, or by the name that it was to have. */
static const char *handle(const struct entry *e, char name[static NAME_SIZE])
{
        if (e->id[0])
                return e->id;
        docker_name(e->docker, e->task, name, NAME_SIZE);
        return name;
}

/* ---- what the core is told ---- */

static void post_launched(struct docker *d, const char *task, enum launch_failure failure,
                          const char *reason)
{
        struct core_event ev = {.type = EV_TASK_LAUNCHED,
                                .task_result = {.ok = !reason, .failure = failure}};

        STR_CUT(ev.task_result.task, task);
        STR_CUT(ev.task_result.reason, reason ? reason : "");
        if (!d->ending)
                shell_post(d->shell, &ev);
}

void docker_tell_ended(struct docker *d, const char *task, int status, const char *reason)
{
        struct core_event ev = {.type = EV_TASK_ENDED,
                                .task_ended = {.exit_status = status, .certain = true}};

        STR_CUT(ev.task_ended.task, task);
        STR_CUT(ev.task_ended.reason, reason);
        if (!d->ending)
                shell_post(d->shell, &ev);
}

/* ---- removal ---- */

int docker_ask(struct entry *e, const char *method, const char *fmt_path, engine_fn fn)
{
        char name[NAME_SIZE], path[PATH_SIZE];

        (void)snprintf(path, sizeof(path), "/containers/%s%s", handle(e, name), fmt_path);
        return engine_call(e->docker->engine, method, path, NULL, e->task, fn, e->docker);
}

static void on_removed(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        docker_reached(d, a->status ? NULL : a->error);
        if (!e || e->state != ENTRY_REMOVING)
                return;
        /* 409: somebody else is at it. */
        if (a->status == 204 || a->status == 200 || a->status == 404) {
                log_debug("container removed", LOG_STR("task", e->task));
                docker_entry_free(e);
                return;
        }
        if (a->status != 409)
                log_warn("a container cannot be removed; trying again", LOG_STR("task", e->task),
                         LOG_STR("reason", a->status ? a->body : a->error));
        loop_timer_set_in(&e->timer, REMOVE_RETRY_MS);
}

void docker_entry_remove(struct entry *e)
{
        e->state = ENTRY_REMOVING;
        loop_timer_cancel(&e->timer);
        e->attach = attach_free(e->attach);
        if (docker_ask(e, "DELETE", "?force=1&v=1", on_removed) < 0)
                loop_timer_set_in(&e->timer, REMOVE_RETRY_MS);
}

void entry_vanished(struct entry *e, const char *reason)
{
        struct docker *d = e->docker;
        char task[CORE_ID_SIZE];
        bool tell = !e->failed;

        STR_CUT(task, e->task);
        log_warn("a task's container is not there any more", LOG_STR("task", task));
        if (e->rescuing) {
                docker_rescue_vanished(e);
                return;
        }
        docker_entry_free(e);
        if (tell)
                docker_tell_ended(d, task, -1, reason);
}

/* ---- ends ---- */

static void end_reason(const struct entry *e, const struct docker_inspected *i, char *dst,
                       size_t size)
{
        if (i->oom_killed && i->exit_code == KILLED_STATUS && !e->killed)
                (void)snprintf(
                        dst, size,
                        "the kernel killed it at its memory limit of %lld MB; raise `memory`",
                        (long long)(i->memory >> 20));
        else if (i->exit_code == KILLED_STATUS)
                (void)snprintf(dst, size, "%s",
                               e->killed ? "killed by the controller" : "killed from outside");
        else if (i->error[0])
                (void)snprintf(dst, size, "%.140s", i->error);
        else if (strcmp(i->status, "created") == 0)
                (void)snprintf(dst, size, "its start was cut short");
        else
                (void)snprintf(dst, size, "exited");
}

static void asked_end(struct docker *d, struct entry *e, const struct engine_answer *a)
{
        struct docker_inspected i;
        char reason[CORE_REASON_SIZE];

        if (a->status == 404) {
                entry_vanished(e, "its container was removed");
                return;
        }
        if (a->status != 200 || docker_json_inspect(a->body, &i) < 0) {
                loop_timer_set_in(&e->timer, REMOVE_RETRY_MS);
                return;
        }
        /* A late event of an earlier life; or its start, by a controller that is gone, came late.
         */
        if (docker_is_alive(i.status)) {
                e->state = ENTRY_RUNNING;
                if (!e->rescuing)
                        docker_tell_seen(d, e->task);
                else
                        loop_timer_set_in(&e->timer, DOCKER_RESCUE_MS);
                return;
        }
        end_reason(e, &i, reason, sizeof(reason));
        log_info("task ended", LOG_STR("task", e->task), LOG_INT("status", i.exit_code),
                 LOG_STR("how", reason));
        if (e->failed) {
                docker_entry_remove(e);
        } else if (e->rescuing) {
                docker_rescue_over(e, rescue_result_of(i.exit_code));
        } else {
                e->state = ENTRY_ENDED;
                e->saved = i.exit_code == 0; /* wsagent(8): saved, or nothing to save */
                docker_tell_ended(d, e->task, i.exit_code, reason);
        }
}

static void on_asked_end(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        docker_reached(d, a->status ? NULL : a->error);
        if (e && e->state == ENTRY_ASKING)
                asked_end(d, e, a);
        docker_inventory_look(d);
}

void entry_ended(struct entry *e)
{
        if (e->state == ENTRY_ASKING || e->state == ENTRY_REMOVING || docker_has_ended(e))
                return;
        e->state = ENTRY_ASKING;
        loop_timer_cancel(&e->timer);
        e->attach = attach_free(e->attach);
        if (docker_ask(e, "GET", "/json", on_asked_end) < 0)
                loop_timer_set_in(&e->timer, REMOVE_RETRY_MS);
}

/* ---- stop ---- */

static void on_signalled(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        docker_reached(d, a->status ? NULL : a->error);
        if (!e || a->status == 204 || a->status == 200)
                return; /* an event will tell of its end */
        if (a->status == 404 && e->state == ENTRY_RUNNING)
                entry_vanished(e, "its container was removed");
        else if (a->status == 409 && e->state == ENTRY_RUNNING)
                entry_ended(e); /* it is not running */
        else if (a->status && a->status != 409)
                log_error("cannot signal a task", LOG_STR("task", a->tag),
                          LOG_STR("reason", a->body));
}

static void signal_entry(struct entry *e, const char *signal)
{
        char tail[32];

        (void)snprintf(tail, sizeof(tail), "/kill?signal=%s", signal);
        if (strcmp(signal, "SIGKILL") == 0)
                e->killed = true;
        if (docker_ask(e, "POST", tail, on_signalled) < 0)
                log_error("cannot signal a task", LOG_STR("task", e->task)); /* asked again */
}

static void on_timer(void *ctx)
{
        struct entry *e = ctx;

        switch (e->state) {
        case ENTRY_RUNNING:
                log_warn("task did not end in time; killing it", LOG_STR("task", e->task));
                signal_entry(e, "SIGKILL");
                break;
        case ENTRY_ASKING:
                e->state = ENTRY_RUNNING;
                entry_ended(e);
                break;
        case ENTRY_REMOVING:
                docker_entry_remove(e);
                break;
        case ENTRY_NOTING:
        case ENTRY_KEEPING:
                docker_rename_again(e);
                break;
        case ENTRY_ENDED:
        case ENTRY_CREATING:
        case ENTRY_ATTACHING:
        case ENTRY_STARTING:
        case ENTRY_UNSURE:
                break;
        }
}

/* A container that nobody here knows: what a lost answer may have left. */
static void on_stray_removed(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;

        docker_reached(d, a->status ? NULL : a->error);
        if (a->status == 204 || a->status == 200 || a->status == 404)
                docker_tell_ended(d, a->tag, -1, "not running here");
}

static void stop_unknown(struct docker *d, const char *task)
{
        char name[NAME_SIZE], path[PATH_SIZE];

        docker_name(d, task, name, sizeof(name));
        (void)snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", name);
        if (engine_call(d->engine, "DELETE", path, NULL, task, on_stray_removed, d) < 0)
                log_warn("too much is asked of the container engine", LOG_STR("task", task));
}

static void on_stop_task(void *ctx, const struct core_effect *fx)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, fx->stop_task.task);

        if (!e) {
                stop_unknown(d, fx->stop_task.task);
                return;
        }
        if (e->rescuing || docker_has_ended(e)) {
                docker_tell_ended(d, e->task, -1, "not running here");
                return;
        }
        switch (e->state) {
        case ENTRY_REMOVING:
        case ENTRY_ENDED:
        case ENTRY_NOTING:
        case ENTRY_KEEPING:
                docker_tell_ended(d, e->task, -1, "not running here");
                return;
        case ENTRY_ASKING:
                return;
        case ENTRY_CREATING:
        case ENTRY_ATTACHING:
        case ENTRY_STARTING:
                return; /* asked again when it runs */
        case ENTRY_UNSURE:
                docker_entry_remove(e);
                return;
        case ENTRY_RUNNING:
                break;
        }
        log_info("stopping task", LOG_STR("task", e->task),
                 LOG_INT("at_once", fx->stop_task.at_once),
                 LOG_STR("reason", fx->stop_task.reason));
        signal_entry(e, fx->stop_task.at_once ? "SIGKILL" : "SIGTERM");
        if (!fx->stop_task.at_once && mono_is_never(e->timer.due))
                loop_timer_set_in(&e->timer, d->config.stop_grace_ms);
}

/* ---- launch ---- */

/* It failed for good: tell, and take away what there is of it. */
static void launch_failed(struct entry *e, enum launch_failure failure, const char *reason)
{
        struct docker *d = e->docker;
        char task[CORE_ID_SIZE];

        STR_CUT(task, e->task);
        if (e->rescuing) {
                log_error("rescue not started", LOG_STR("task", task), LOG_STR("reason", reason));
                docker_rescue_over(e, RESCUE_AGAIN);
                return;
        }
        log_error("launch failed", LOG_STR("task", task), LOG_STR("reason", reason));
        e->failed = true;
        if (failure == LAUNCH_UNKNOWN) {
                e->failed = false;
                e->state = ENTRY_UNSURE;
        } else if (e->id[0]) {
                docker_entry_remove(e);
        } else {
                docker_entry_free(e);
        }
        post_launched(d, task, failure, reason);
}

/* No answer: whether the engine has begun is not known, unless nothing could be sent. */
static void launch_unanswered(struct entry *e, const struct engine_answer *a)
{
        launch_failed(e, a->reached || e->id[0] ? LAUNCH_UNKNOWN : LAUNCH_CAPACITY, a->error);
}

static void launch_refused(struct entry *e, const struct engine_answer *a, const char *what)
{
        char message[DOCKER_TEXT_SIZE], reason[CORE_REASON_SIZE];
        bool busy = a->status == 429 || a->status == 503;

        docker_json_message(a->body, message);
        if (a->status == 404 && strstr(message, "mage"))
                (void)snprintf(
                        reason, sizeof(reason),
                        "the engine has no image %.60s: build or pull it, or correct `image`",
                        e->type->image);
        else
                (void)snprintf(reason, sizeof(reason), "%s: %.120s", what, message);
        launch_failed(e, busy ? LAUNCH_THROTTLED : LAUNCH_BROKEN, reason);
}

static void launch_runs(struct entry *e)
{
        e->state = ENTRY_RUNNING;
        e->running_at = e->docker->list_number;
        e->attach = attach_free(e->attach);
        if (e->rescuing)
                loop_timer_set_in(&e->timer, DOCKER_RESCUE_MS);
        if (!e->answered) {
                e->answered = true;
                log_info("task launched", LOG_STR("task", e->task), LOG_STR("container", e->id));
                post_launched(e->docker, e->task, LAUNCH_BROKEN, NULL);
        }
        if (e->died) /* the event came before the answer */
                entry_ended(e);
}

static void on_started(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        docker_reached(d, a->status ? NULL : a->error);
        if (!e || e->state != ENTRY_STARTING)
                return;
        if (!a->status)
                launch_unanswered(e, a);
        else if (a->status == 204 || a->status == 304 || a->status == 200)
                launch_runs(e);
        else
                launch_refused(e, a, "start of the container");
}

static void on_attached(void *ctx, const char *error, const char *refusal)
{
        struct entry *e = ctx;
        char message[DOCKER_TEXT_SIZE], reason[CORE_REASON_SIZE];

        if (refusal) { /* Podman prepares the container at this point already */
                docker_json_message(refusal, message);
                (void)snprintf(reason, sizeof(reason), "start of the container: %.120s", message);
                launch_failed(e, LAUNCH_BROKEN, reason);
                return;
        }
        if (error[0]) {
                launch_failed(e, LAUNCH_CAPACITY, error);
                return;
        }
        e->state = ENTRY_STARTING;
        if (docker_ask(e, "POST", "/start", on_started) < 0)
                launch_failed(e, LAUNCH_THROTTLED, "too much is asked of the container engine");
}

void docker_start_with(struct entry *e, const char *text)
{
        struct docker *d = e->docker;
        char error[ENGINE_ERROR_SIZE];
        int r;

        e->state = ENTRY_ATTACHING;
        r = attach_new(d->loop, engine_socket(d->engine), e->id, text, on_attached, e, &e->attach);
        if (r < 0) {
                engine_explain(engine_socket(d->engine), -r, error);
                launch_failed(e, LAUNCH_CAPACITY, error);
        }
}

static void attach_start(struct entry *e)
{
        char secret[KEYS_HEX], text[KEYS_HEX + 1];

        keys_task_secret(e->docker->config.keys, e->task, secret);
        (void)snprintf(text, sizeof(text), "%s\n", secret);
        explicit_bzero(secret, sizeof(secret));
        docker_start_with(e, text);
        explicit_bzero(text, sizeof(text));
}

static const char *version_of(const struct docker *d, const struct docker_type *type)
{
        return d->version[type - d->config.types];
}

static int create_ask(struct entry *e)
{
        struct docker *d = e->docker;
        const struct docker_type *t = e->type;
        AUTO_BUF body = BUF_INIT(CREATE_MAX);
        char name[NAME_SIZE], path[PATH_SIZE];
        const struct docker_spec spec = {
                .controller = d->controller,
                .task = e->task,
                .type = t->name,
                .version = version_of(d, t),
                .image = t->image,
                .network = d->config.network,
                .controller_url = d->config.controller_url,
                .profile = t->profile,
                .bind = t->bind,
                .log_level = getenv("WS_LOG_LEVEL"),
                .memory = t->memory,
                .cpu = t->cpu,
                .pids = t->pids,
                .grace_ms = d->config.stop_grace_ms,
                .tmp_bytes = TMP_BYTES,
                .read_only = t->read_only,
        };
        int r = docker_json_create(&spec, &body);

        if (r < 0)
                return r;
        docker_name(d, e->task, name, sizeof(name));
        (void)snprintf(path, sizeof(path), "/containers/create?name=%s", name);
        e->state = ENTRY_CREATING;
        return engine_call(d->engine, "POST", path, (const char *)body.data, e->task, on_created,
                           d);
}

static void create_start(struct entry *e)
{
        int r = create_ask(e);

        if (r == -ENOBUFS)
                launch_failed(e, LAUNCH_THROTTLED, "too much is asked of the container engine");
        else if (r < 0)
                launch_failed(e, LAUNCH_BROKEN, strerror(-r));
}

/* What an earlier attempt left was taken away: once more from the beginning. */
static void on_cleared(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        if (!e || e->state != ENTRY_UNSURE)
                return;
        if (a->status == 204 || a->status == 200 || a->status == 404) {
                e->id[0] = 0;
                create_start(e);
        } else if (!a->status) {
                launch_failed(e, LAUNCH_UNKNOWN, a->error);
        } else {
                launch_refused(e, a, "removal of a half-made container");
        }
}

/* The same launch again, or a name that is taken: what is there? */
static void on_asked_again(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);
        struct docker_inspected i;

        docker_reached(d, a->status ? NULL : a->error);
        if (!e || e->state != ENTRY_UNSURE)
                return;
        if (a->status == 404) {
                e->id[0] = 0;
                create_start(e);
                return;
        }
        if (a->status != 200 || docker_json_inspect(a->body, &i) < 0) {
                launch_failed(e, LAUNCH_UNKNOWN, a->status ? "not understood" : a->error);
                return;
        }
        STR_CUT(e->id, i.id);
        if (strcmp(i.status, "running") == 0) {
                launch_runs(e);
        } else if (strcmp(i.status, "created") == 0 && !e->recreated) {
                /* It was never given its secret. */
                e->recreated = true;
                if (docker_ask(e, "DELETE", "?force=1&v=1", on_cleared) < 0)
                        launch_failed(e, LAUNCH_UNKNOWN, "too much is asked of the engine");
        } else {
                e->state = ENTRY_RUNNING;
                entry_ended(e);
        }
}

static void look_again(struct entry *e)
{
        e->state = ENTRY_UNSURE;
        if (docker_ask(e, "GET", "/json", on_asked_again) < 0)
                launch_failed(e, LAUNCH_UNKNOWN, "too much is asked of the container engine");
}

static void on_created(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        docker_reached(d, a->status ? NULL : a->error);
        if (!e || e->state != ENTRY_CREATING)
                return;
        if (!a->status)
                launch_unanswered(e, a);
        else if (a->status == 409 || (a->status == 500 && strstr(a->body, "already in use")))
                look_again(e); /* 500 is Podman's */
        else if (a->status != 201 || docker_json_id(a->body, e->id) < 0)
                launch_refused(e, a, "creation of the container");
        else
                attach_start(e);
}

static void on_launch_task(void *ctx, const struct core_effect *fx)
{
        struct docker *d = ctx;
        const char *task = fx->launch_task.task;
        struct entry *e = entry_find(d, task);
        int r;

        if (e) {
                if (e->rescuing || e->state == ENTRY_REMOVING || docker_has_ended(e))
                        docker_tell_ended(d, task, -1, "it has ended already");
                else if (e->state == ENTRY_RUNNING && !e->failed)
                        post_launched(d, task, LAUNCH_BROKEN, NULL);
                else if (e->state == ENTRY_UNSURE)
                        look_again(e);
                return;
        }
        if (!type_find(d, fx->launch_task.type) || !name_valid(task, CORE_ID_SIZE - 1)) {
                post_launched(d, task, LAUNCH_BROKEN, "no such workspace type here");
                return;
        }
        r = entry_new(d, task, fx->launch_task.type, &e);
        if (r < 0)
                post_launched(d, task, LAUNCH_CAPACITY, "the provider has no room for more tasks");
        else
                create_start(e);
}

/* ---- its life ---- */

int docker_new(struct loop *l, struct shell *s, const struct docker_config *config,
               struct docker **ret_docker)
{
        struct docker *d;
        int r;

        assert(config->n_types <= CORE_TYPES_MAX);
        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->loop = l;
        d->shell = s;
        d->config = *config;
        STR_CUT(d->controller, config->installation);
        r = engine_new(l, config->socket, &d->engine);
        if (r < 0) {
                free(d);
                return r;
        }
        docker_watch_init(d);
        shell_handle(s, FX_LAUNCH_TASK, on_launch_task, d);
        shell_handle(s, FX_STOP_TASK, on_stop_task, d);
        docker_rescue_init(d);
        *ret_docker = d;
        return 0;
}

static bool removes_any(const struct docker *d)
{
        const struct entry *e = d->entries;

        while (e && e->state != ENTRY_REMOVING)
                e = e->next;
        return e != NULL;
}

struct docker *docker_free(struct docker *d)
{
        if (!d)
                return NULL;
        docker_watch_end(d);
        d->ending = true;
        /* Whatever else is under way is found again at the next start. */
        if (removes_any(d) && !d->away)
                engine_finish(d->engine, FINISH_MS);
        d->engine = engine_free(d->engine);
        while (d->entries)
                docker_entry_free(d->entries);
        free(d);
        return NULL;
}
