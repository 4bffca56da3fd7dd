/*
 * What becomes of a container that has ended: a rescue starts it once more (rescue.h). The names
 * hold what must survive a controller: "unsaved" when a rescue has failed, "kept" when the core
 * needs it no more. A kept one is nobody's any more but an operator's.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "out/providers/docker_internal.h"

#define RENAME_RETRY_MS 5000
#define NAME_SIZE 160

bool docker_has_ended(const struct entry *e)
{
        return e->state == ENTRY_ENDED || e->state == ENTRY_NOTING || e->state == ENTRY_KEEPING;
}

static void name_of(const struct entry *e, const char *what, char dst[static NAME_SIZE])
{
        (void)snprintf(dst, NAME_SIZE, "ws-%s-%s-%s-%s", e->docker->controller, what, e->whose,
                       e->task);
}

/* ---- kept ---- */

/* With the time in it, by which it goes one day. */
static void kept_name(const struct entry *e, char dst[static NAME_SIZE])
{
        char what[32];

        (void)snprintf(what, sizeof(what), "kept-%lld", (long long)e->kept_s);
        name_of(e, what, dst);
}

static void post_kept(const struct entry *e)
{
        struct core_event ev = {.type = EV_TASK_KEPT};
        const char *generation = strrchr(e->whose, '-');
        char name[NAME_SIZE];

        kept_name(e, name);
        STR_CUT(ev.task_kept.task, e->task);
        (void)snprintf(ev.task_kept.workspace, sizeof(ev.task_kept.workspace), "%.*s",
                       generation ? (int)(generation - e->whose) : 0, e->whose);
        (void)snprintf(ev.task_kept.where, sizeof(ev.task_kept.where),
                       "what it had is not saved; its container: %.100s", name);
        log_warn("what a task left unsaved is kept", LOG_STR("task", e->task),
                 LOG_STR("container", name));
        if (!e->docker->ending)
                shell_post(e->docker->shell, &ev);
}

static void on_kept(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        docker_reached(d, a->status ? NULL : a->error);
        if (!e || e->state != ENTRY_KEEPING)
                return;
        if (a->status == 204 || a->status == 200) {
                post_kept(e);
                docker_entry_free(e);
        } else if (a->status == 404) {
                docker_entry_free(e);
        } else {
                loop_timer_set_in(&e->timer, RENAME_RETRY_MS);
        }
}

static void rename_ask(struct entry *e, engine_fn fn)
{
        char name[NAME_SIZE], tail[NAME_SIZE + 16];

        if (e->state == ENTRY_KEEPING)
                kept_name(e, name);
        else
                name_of(e, "unsaved", name);
        (void)snprintf(tail, sizeof(tail), "/rename?name=%s", name);
        if (docker_ask(e, "POST", tail, fn) < 0)
                loop_timer_set_in(&e->timer, RENAME_RETRY_MS);
}

static void let_go(struct entry *e)
{
#ifdef DOCKER_PLANTED_REMOVES
        e->unsaved = false;
#endif
        if (!e->unsaved) {
                docker_entry_remove(e);
                return;
        }
        e->state = ENTRY_KEEPING;
        e->kept_s = loop_utc(e->docker->loop).us / US_PER_S;
        rename_ask(e, on_kept);
}

static void on_remove_task(void *ctx, const struct core_effect *fx)
{
        struct entry *e = entry_find(ctx, fx->remove_task.task);

        if (e && (e->rescuing || e->state == ENTRY_NOTING))
                e->remove = true;
        else if (e && e->state == ENTRY_ENDED)
                let_go(e);
}

/* "ws-CONTROLLER-WHAT-": what stands behind it in `name`, or NULL. */
static const char *behind(const struct docker *d, const char *what, const char *name)
{
        char start[64];

        (void)snprintf(start, sizeof(start), "ws-%s-%s-", d->controller, what);
        return str_starts(name, start) ? name + strlen(start) : NULL;
}

bool docker_name_kept(struct entry *e, const char *name)
{
        const char *whose = behind(e->docker, "unsaved", name);
        size_t task = strlen(e->task) + 1;

        if (whose && strlen(whose) > task) {
                e->unsaved = true;
                (void)snprintf(e->whose, sizeof(e->whose), "%.*s", (int)(strlen(whose) - task),
                               whose);
        }
        return behind(e->docker, "kept", name) != NULL;
}

/* What a workspace has had goes with it: at the next list. */
static void on_erase(void *ctx, const struct core_effect *fx)
{
        struct docker *d = ctx;
        struct docker_erased *one = &d->erased[d->n_erased % ARRAY_LEN(d->erased)];

        for (size_t i = 0; i < ARRAY_LEN(d->erased); i++) {
                if (strcmp(d->erased[i].workspace, fx->erase.workspace) == 0)
                        one = &d->erased[i];
        }
        d->n_erased += one->workspace[0] == 0 || strcmp(one->workspace, fx->erase.workspace) != 0;
        STR_CUT(one->workspace, fx->erase.workspace);
        one->generation = fx->erase.generation;
}

static bool is_erased(const struct docker *d, const char *whose)
{
        for (size_t i = 0; i < ARRAY_LEN(d->erased); i++) {
                const struct docker_erased *one = &d->erased[i];

                if (one->workspace[0] && rescue_name_is_of(whose, one->workspace, one->generation))
                        return true;
        }
        return false;
}

bool docker_kept_goes(const struct docker *d, const char *name)
{
        const char *time = behind(d, "kept", name);
        int64_t now_s = loop_utc(d->loop).us / US_PER_S;
        char text[24];
        uint64_t at_s = 0;
        size_t digits = time ? strcspn(time, "-") : 0;

        if (time && time[digits] && is_erased(d, time + digits + 1))
                return true;
        if (!time || d->config.kept_ms_max == 0)
                return false;
        (void)snprintf(text, sizeof(text), "%.*s", (int)digits, time);
        return num_parse_u64(text, 0, INT64_MAX, &at_s) == 0 &&
               now_s - (int64_t)at_s > d->config.kept_ms_max / 1000;
}

/* ---- rescue ---- */

static void tell_rescued(struct entry *e)
{
        rescue_fn fn = e->rescued;
        void *ctx = e->rescued_ctx;
        enum rescue_result result = e->result;
        char task[CORE_ID_SIZE];
        bool ending = e->docker->ending;

        STR_CUT(task, e->task);
        e->state = ENTRY_ENDED;
        if (e->remove)
                let_go(e);
        if (fn && !ending)
                fn(ctx, task, result);
}

/* Whoever is told may forget the task; from now on its name keeps it. */
static void on_noted(void *ctx, const struct engine_answer *a)
{
        struct docker *d = ctx;
        struct entry *e = entry_find(d, a->tag);

        docker_reached(d, a->status ? NULL : a->error);
        if (!e || e->state != ENTRY_NOTING)
                return;
        if (a->status == 204 || a->status == 200 || a->status == 404) {
                e->unsaved = a->status != 404;
                tell_rescued(e);
        } else {
                log_warn("a container cannot be renamed; trying again", LOG_STR("task", e->task),
                         LOG_STR("reason", a->status ? a->body : a->error));
                loop_timer_set_in(&e->timer, RENAME_RETRY_MS);
        }
}

static void note_unsaved(struct entry *e)
{
        e->state = ENTRY_NOTING;
        rename_ask(e, on_noted);
}

static void note_whose(struct entry *e, const struct rescue_order *o)
{
        (void)snprintf(e->whose, sizeof(e->whose), "%s-g%llu", o->workspace,
                       (unsigned long long)o->generation);
}

void docker_rename_again(struct entry *e)
{
        if (e->state == ENTRY_NOTING)
                rename_ask(e, on_noted);
        else
                rename_ask(e, on_kept);
}

void docker_rescue_over(struct entry *e, enum rescue_result result)
{
        e->rescuing = false;
        e->result = result;
        e->saved = result == RESCUE_SAVED;
        e->attach = attach_free(e->attach);
        loop_timer_cancel(&e->timer);
        if (e->saved)
                e->unsaved = false;
        if (e->saved || e->unsaved) {
                tell_rescued(e);
                return;
        }
        note_unsaved(e);
}

void docker_found_wrong(struct docker *d, const struct rescue_order *o)
{
        struct entry *e = entry_find(d, o->task);

        if (!e || e->state != ENTRY_ENDED || e->unsaved)
                return;
        note_whose(e, o);
        e->rescued = NULL;
        note_unsaved(e);
}

void docker_rescue_vanished(struct entry *e)
{
        rescue_fn fn = e->rescued;
        void *ctx = e->rescued_ctx;
        char task[CORE_ID_SIZE];

        STR_CUT(task, e->task);
        docker_entry_free(e);
        if (fn)
                fn(ctx, task, RESCUE_HOPELESS);
}

enum rescue_answer docker_rescue(struct docker *d, const struct rescue_order *o, rescue_fn fn,
                                 void *ctx)
{
        struct entry *e = entry_find(d, o->task);
        char text[RESCUE_TEXT_SIZE];
        int n = snprintf(text, sizeof(text), RESCUE_WORD "%s\n", o->request);

        if (!d->listed || d->inventory_due || d->away)
                return RESCUE_LATER;
        if (!e || e->state == ENTRY_REMOVING || e->saved)
                return RESCUE_NOTHING;
        if (e->state != ENTRY_ENDED || n < 0 || (size_t)n >= sizeof(text))
                return RESCUE_LATER;
        note_whose(e, o);
        log_info("rescue begun", LOG_STR("task", e->task), LOG_STR("workspace", o->workspace));
        e->rescuing = true;
        e->died = e->killed = false;
        e->rescued = fn;
        e->rescued_ctx = ctx;
        docker_start_with(e, text);
        return RESCUE_BEGUN;
}

void docker_rescue_init(struct docker *d)
{
        shell_handle(d->shell, FX_REMOVE_TASK, on_remove_task, d);
        shell_handle(d->shell, FX_ERASE, on_erase, d);
}
