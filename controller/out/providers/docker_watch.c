/*
 * What the engine says without having been asked to do something: its events, which say that a
 * container has ended; its list, again and again, because events may be missed; its images.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "out/providers/docker_internal.h"

#define LIST_MS 15000
#define LIST_FIRST_MS 1000 /* until the first is there */
#define STREAM_RETRY_MS 1000
#define SINCE_MARGIN_S 10 /* clocks of the engine and ours */
#define VERSION_DIGITS 19 /* "sha256:" and what people compare */
#define PATH_SIZE 1024
#define FILTER_SIZE 512

static void on_ended(void *ctx, const struct engine_answer *a);

void docker_reached(struct docker *d, const char *error)
{
        if (!error && d->away)
                log_info("the container engine answers again");
        else if (error && !d->away)
                log_error("the container engine does not answer; what runs goes on",
                          LOG_STR("reason", error));
        d->away = error != NULL;
}

/* ---- lists ---- */

static void post_seen(struct docker *d, const char *task)
{
        struct core_event ev = {.type = EV_TASK_SEEN};

        STR_CUT(ev.task_seen.task, task);
        shell_post(d->shell, &ev);
}

/* "stopping" is Podman's: it has its SIGTERM, and may be making its last save. */
bool docker_is_alive(const char *state)
{
#ifdef DOCKER_PLANTED_STOPPING_ENDED
        if (strcmp(state, "stopping") == 0)
                return false;
#endif
        return strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 ||
               strcmp(state, "restarting") == 0 || strcmp(state, "stopping") == 0;
}

static void take_unknown(struct docker *d, const struct docker_listed *l)
{
        struct entry *e;

        if (strcmp(l->state, "removing") == 0 || !name_valid(l->task, CORE_ID_SIZE - 1))
                return;
        if (entry_new(d, l->task, l->type, &e) < 0) {
                log_error("more containers than tasks can be", LOG_STR("task", l->task));
                return;
        }
        STR_CUT(e->id, l->id);
        if (docker_kept_goes(d, l->name)) {
                log_warn("what a task left unsaved is removed: it is too old, or its workspace was "
                         "erased",
                         LOG_STR("container", l->name));
                docker_entry_remove(e);
                return;
        }
        if (docker_name_kept(e, l->name)) {
                docker_entry_free(e);
                return;
        }
        e->state = ENTRY_RUNNING;
        e->seen = e->answered = true;
        if (docker_is_alive(l->state)) {
                log_info("task adopted", LOG_STR("task", e->task), LOG_STR("container", e->id));
                post_seen(d, e->task);
        } else {
                entry_ended(e);
        }
}

static void on_listed(void *ctx, const struct docker_listed *l)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, l->task);

        if (!e) {
                take_unknown(d, l);
                return;
        }
        e->seen = true;
        if (e->state == ENTRY_ENDED && !d->listed)
                docker_tell_ended(d, e->task, -1, "it has ended already");
        if (e->state != ENTRY_RUNNING || strcmp(e->id, l->id) != 0)
                return;
        if (!docker_is_alive(l->state))
                entry_ended(e);
        else if (!d->listed)
                post_seen(d, e->task);
}

/* Those that have ended come first: with the inventory the core would take them for vanished. */
void docker_inventory_look(struct docker *d)
{
        struct core_event done = {
                .type = EV_INVENTORY_DONE,
                .inventory = {.certain = true, .own_machines = d->config.own_machines}};
        const struct entry *e = d->entries;

        while (e && e->state != ENTRY_ASKING)
                e = e->next;
        if (e || !d->inventory_due || d->ending)
                return;
        d->inventory_due = false;
        shell_post(d->shell, &done);
}

static void read_list(struct docker *d, const char *body)
{
        struct entry *e, *next;

        for (e = d->entries; e; e = e->next)
                e->seen = false;
        if (docker_json_list(body, on_listed, d) < 0) {
                log_error("the container engine's list is not understood");
                return;
        }
        for (e = d->entries; e; e = next) {
                next = e->next;
                if (!e->seen && e->state == ENTRY_RUNNING && e->running_at < d->list_number)
                        entry_vanished(e, "its container was removed");
        }
        if (!d->listed) {
                d->listed = d->inventory_due = true;
                docker_inventory_look(d);
        }
}

static void on_list(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;

        d->listing = false;
        docker_reached(d, a->status ? NULL : a->error);
        if (a->status == 200 && d->leads && !d->ending)
                read_list(d, a->body);
        else if (a->status)
                log_error("the container engine does not list", LOG_STR("reason", a->body));
        loop_timer_set_in(&d->list_timer, d->listed ? LIST_MS : LIST_FIRST_MS);
}

static void list_ask(struct docker *d)
{
        char filters[FILTER_SIZE], path[PATH_SIZE];

        if (d->listing)
                return;
        docker_json_filters(d->controller, false, filters, sizeof(filters));
        (void)snprintf(path, sizeof(path), "/containers/json?all=1&filters=%s", filters);
        d->list_number++;
        if (engine_call(d->engine, "GET", path, NULL, "", on_list, d) == 0)
                d->listing = true;
        else
                loop_timer_set_in(&d->list_timer, LIST_FIRST_MS);
}

/* ---- images ---- */

static void version_changed(struct docker *d, uint32_t i, const char *id)
{
        const struct docker_type *t = &d->config.types[i];
        struct core_event ev = {.type = EV_VERSION_SET};

        d->missing[i] = false;
        if (strncmp(d->version[i], id, VERSION_DIGITS) == 0)
                return;
        (void)snprintf(d->version[i], sizeof(d->version[i]), "%.*s", VERSION_DIGITS, id);
        log_info("image", LOG_STR("type", t->name), LOG_STR("image", t->image),
                 LOG_STR("version", d->version[i]));
        if (!t->versioned)
                return;
        STR_CUT(ev.version_set.type, t->name);
        STR_CUT(ev.version_set.version, d->version[i]);
        shell_post(d->shell, &ev);
}

static void on_image(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        uint32_t i = (uint32_t)(a->tag[0] - 'a');
        char id[DOCKER_ID_SIZE];

        d->images_asked--;
        if (i >= d->config.n_types || !d->leads || d->ending)
                return;
        if (a->status == 200 && docker_json_id(a->body, id) == 0) {
                version_changed(d, i, id);
        } else if (a->status == 404 && !d->missing[i]) {
                d->missing[i] = true;
                log_error("the engine has no such image: build or pull it, or correct `image`",
                          LOG_STR("type", d->config.types[i].name),
                          LOG_STR("image", d->config.types[i].image));
        }
        if (d->images_asked == 0 && !d->listed)
                list_ask(d);
}

static void images_ask(struct docker *d)
{
        char name[FILTER_SIZE], path[PATH_SIZE];

        static_assert(CORE_TYPES_MAX <= 26, "a letter for each type");
        for (uint32_t i = 0; i < d->config.n_types && d->images_asked < 26; i++) {
                const char tag[2] = {(char)('a' + i), 0};

                engine_escape(d->config.types[i].image, name, sizeof(name));
                (void)snprintf(path, sizeof(path), "/images/%s/json", name);
                if (engine_call(d->engine, "GET", path, NULL, tag, on_image, d) < 0)
                        return; /* with the next list */
                d->images_asked++;
        }
}

/* ---- the network ---- */

static bool is_loopback(const char *url)
{
        return strstr(url, "//127.") || strstr(url, "//localhost");
}

static void on_network(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        const char *network = d->config.network;
        char gateway[64] = "";

        if (!a->status)
                return;
        d->network_told = true;
        if (a->status == 404) {
                log_error("the engine has no such network: create it, or correct docker_network",
                          LOG_STR("network", network));
                return;
        }
        if (docker_json_gateway(a->body, gateway) == 0 && is_loopback(d->config.controller_url))
                log_error("agents in containers cannot reach the loopback: have listen_agents and "
                          "listen_storage listen at the network's gateway",
                          LOG_STR("agents", d->config.controller_url), LOG_STR("network", network),
                          LOG_STR("gateway", gateway));
}

static void network_ask(struct docker *d)
{
        char name[FILTER_SIZE], path[PATH_SIZE];

        if (strcmp(d->config.network, "host") == 0)
                return;
        engine_escape(d->config.network, name, sizeof(name));
        (void)snprintf(path, sizeof(path), "/networks/%s", name);
        if (engine_call(d->engine, "GET", path, NULL, "", on_network, d) < 0)
                log_warn("the network cannot be looked at", LOG_STR("network", d->config.network));
}

static void on_list_due(void *ctx)
{
        struct docker *d = ctx;

        if (!d->leads || !shell_writable(d->shell)) {
                loop_timer_set_in(&d->list_timer, LIST_FIRST_MS);
                return;
        }
        images_ask(d);
        if (!d->network_told)
                network_ask(d);
        list_ask(d);
}

/* ---- events ---- */

static bool is_end(const char *action)
{
        static const char *const ends[] = {"die", "died", "destroy", "remove"};

        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
                if (strcmp(action, ends[i]) == 0)
                        return true;
        }
        return false;
}

static void on_line(void *ctx, const char *line)
{
        struct docker *d = ctx;
        struct docker_event ev;
        struct entry *e;

        if (docker_json_event(line, &ev) < 0)
                return;
        d->event_time = MAX(d->event_time, ev.time);
        e = ev.task[0] ? entry_find(d, ev.task) : NULL;
        if (!e)
                return;
        if (strcmp(ev.action, "oom") == 0)
                log_warn("the kernel killed a process of a task at its memory limit",
                         LOG_STR("task", e->task));
        else if (is_end(ev.action) && e->state == ENTRY_RUNNING)
                entry_ended(e);
        else if (is_end(ev.action) && e->state == ENTRY_STARTING)
                e->died = true;
}

static void stream_start(void *ctx)
{
        struct docker *d = ctx;
        char filters[FILTER_SIZE], path[PATH_SIZE];

        if (!d->leads || d->streaming)
                return;
        docker_json_filters(d->controller, true, filters, sizeof(filters));
        (void)snprintf(path, sizeof(path), "/events?since=%lld&filters=%s",
                       (long long)d->event_time, filters);
        if (engine_stream(d->engine, path, on_line, on_ended, d) == 0)
                d->streaming = true;
        else
                loop_timer_set_in(&d->stream_timer, STREAM_RETRY_MS);
}

/* The engine ended the stream: it was restarted. What was missed is in the list. */
static void on_ended(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;

        d->streaming = false;
        if (a->status && a->status != 200)
                log_error("the container engine gives no events", LOG_STR("reason", a->body));
        else
                docker_reached(d, a->error[0] ? a->error : "the stream of events ended");
        loop_timer_set_in(&d->stream_timer, STREAM_RETRY_MS);
        loop_timer_set_in(&d->list_timer, STREAM_RETRY_MS);
}

/* ---- its life ---- */

void docker_watch_init(struct docker *d)
{
        loop_timer_init(d->loop, &d->list_timer, on_list_due, d);
        loop_timer_init(d->loop, &d->stream_timer, stream_start, d);
}

void docker_watch_end(struct docker *d)
{
        loop_timer_cancel(&d->list_timer);
        loop_timer_cancel(&d->stream_timer);
}

void docker_inventory(struct docker *d)
{
        d->leads = true;
        d->listed = d->inventory_due = false;
        if (d->event_time == 0)
                d->event_time = loop_utc(d->loop).us / 1000000 - SINCE_MARGIN_S;
        stream_start(d);
        network_ask(d);
        /* Versions first: with the list the core begins to launch. */
        images_ask(d);
        if (d->images_asked == 0)
                list_ask(d);
}
