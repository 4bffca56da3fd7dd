/*
 * The end of a task, and what becomes of its folder: it stays until the core needs it no more
 * (REMOVE_TASK). Before that a rescue may save what is in it; one that has failed leaves a note in
 * the folder, which is then moved to where such are kept, and never removed by an order.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/providers/folder.h"
#include "out/providers/process_internal.h"

#define REMOVERS_MAX 2
#define REMOVE_RETRY_MS 60000
/* init ends a role that says nothing for half an hour; a rescue as a whole may take so long. */
#define RESCUE_MS (2 * 3600 * 1000)

static void remove_next(struct process *p);

void process_tell_ended(struct process *p, const char *task, int status, const char *reason)
{
        struct core_event ev = {.type = EV_TASK_ENDED,
                                .task_ended = {.exit_status = status, .certain = true}};

        STR_CUT(ev.task_ended.task, task);
        STR_CUT(ev.task_ended.reason, reason);
        shell_post(p->shell, &ev);
}

/* ---- removal ---- */

bool process_errand_ended(struct loop_fd *source, int *pidfd)
{
        siginfo_t info = {0};

        if (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
                return false;
        loop_fd_del(source);
        *pidfd = fd_close(*pidfd);
        return true;
}

static int errand_start(struct entry *e, int (*fn)(const void *ctx),
                        void (*done)(void *ctx, uint32_t events))
{
        static struct folder_errand errand;
        struct process *p = e->process;
        pid_t pid;
        int r;

        STR_CUT(errand.path, e->path);
        errand.sweep[0] = '\0';
        if (p->cage == LAUNCH_PLAIN)
                (void)snprintf(errand.sweep, sizeof(errand.sweep), "WS_RUN_DIR=%s/run", e->path);
        pid = launch_errand(fn, &errand, -1, &e->remover);
        if (pid < 0)
                return pid;
        r = loop_fd_add(p->loop, &e->remover_end, e->remover, EPOLLIN, done, e);
        if (r < 0)
                e->remover = fd_close(e->remover);
        return r;
}

static void on_removed(void *ctx, uint32_t events)
{
        struct entry *e = ctx;
        struct process *p = e->process;
        struct stat st;

        (void)events;
        if (!process_errand_ended(&e->remover_end, &e->remover))
                return;
        p->n_removers--;
        if (lstat(e->path, &st) < 0 && errno == ENOENT) {
                log_debug("task folder removed", LOG_STR("task", e->task));
                process_entry_free(e);
        } else {
                log_warn("a task folder cannot be removed; its slot stays taken, trying again",
                         LOG_STR("folder", e->path));
                e->remove_attempts++;
                if (mono_is_never(p->remove_timer.due) ||
                    !mono_before(loop_now(p->loop), p->remove_timer.due))
                        loop_timer_set_in(&p->remove_timer, REMOVE_RETRY_MS);
        }
        remove_next(p);
}

static int remove_start(struct entry *e)
{
        int r = errand_start(e, folder_remove, on_removed);

        e->process->n_removers += r == 0;
        return r;
}

/* Start as many removals as may run; those that failed before wait for the timer. */
static void remove_next(struct process *p)
{
        struct entry *e;
        int r;

        for (e = p->entries; e && p->n_removers < REMOVERS_MAX; e = e->next) {
                if (e->state != ENTRY_REMOVING || e->remover >= 0 || e->remove_attempts > 0)
                        continue;
                r = remove_start(e);
                if (r < 0) {
                        log_warn("no child for removing a task folder; trying again", LOG_ERR(r));
                        e->remove_attempts++;
                        loop_timer_set_in(&p->remove_timer, REMOVE_RETRY_MS);
                }
        }
}

static void on_remove_retry(void *ctx)
{
        struct process *p = ctx;
        struct entry *e;

        for (e = p->entries; e; e = e->next)
                e->remove_attempts = 0;
        remove_next(p);
}

void process_entry_remove(struct entry *e)
{
        process_entry_close(e);
        e->state = ENTRY_REMOVING;
        remove_next(e->process);
}

/* ---- removal by order ---- */

static void let_go(struct entry *e)
{
#ifdef PROCESS_PLANTED_REMOVES
        e->unsaved = false;
#endif
        if (e->unsaved)
                process_keep(e);
        else
                process_entry_remove(e);
}

static void on_remove_task(void *ctx, const struct core_effect *fx)
{
        struct entry *e = process_entry_find(ctx, fx->remove_task.task);

        if (e && e->rescuing)
                e->remove = true;
        else if (e && e->state == ENTRY_ENDED)
                let_go(e);
}

/* ---- rescue ---- */

/* The note comes first: whoever is told may forget the task, and then it is what keeps it. */
static int note_unsaved(struct entry *e)
{
        int r = folder_write_unsaved(e->path, e->workspace, e->generation);

        if (r < 0)
                log_error("no note that a task is unsaved", LOG_STR("folder", e->path), LOG_ERR(r));
        e->unsaved = true;
        return r;
}

void process_found_wrong(struct process *p, const struct rescue_order *o)
{
        struct entry *e = process_entry_find(p, o->task);

        if (!e || e->state != ENTRY_ENDED || e->unsaved)
                return;
        STR_CUT(e->workspace, o->workspace);
        e->generation = o->generation;
        (void)note_unsaved(e);
}

static void rescue_ended(struct entry *e, enum rescue_result result)
{
        rescue_fn fn = e->rescued;
        void *ctx = e->rescued_ctx;
        char task[CORE_ID_SIZE];

        STR_CUT(task, e->task);
        process_entry_close(e);
        e->state = ENTRY_ENDED;
        e->rescuing = false;
        e->saved = result == RESCUE_SAVED;
        if (e->saved)
                e->unsaved = false;
        else if (note_unsaved(e) < 0)
                result = RESCUE_AGAIN;
        if (e->remove)
                let_go(e);
        if (fn)
                fn(ctx, task, result);
}

enum rescue_answer process_rescue(struct process *p, const struct rescue_order *o, rescue_fn fn,
                                  void *ctx)
{
        struct entry *e = process_entry_find(p, o->task);
        char text[RESCUE_TEXT_SIZE];
        int n = snprintf(text, sizeof(text), RESCUE_WORD "%s\n", o->request);

        if (!e || e->state == ENTRY_REMOVING || e->saved)
                return RESCUE_NOTHING;
        if (e->state != ENTRY_ENDED)
                return RESCUE_LATER;
        STR_CUT(e->workspace, o->workspace);
        e->generation = o->generation;
        if (n < 0 || (size_t)n >= sizeof(text) || !process_rescue_start(e, o->type, text)) {
                process_entry_close(e);
                e->state = ENTRY_ENDED;
                (void)note_unsaved(e);
                return RESCUE_FAILED;
        }
        log_info("rescue begun", LOG_STR("task", e->task), LOG_STR("workspace", e->workspace));
        e->rescuing = true;
        e->rescued = fn;
        e->rescued_ctx = ctx;
        loop_timer_set_in(&e->kill_timer, RESCUE_MS);
        return RESCUE_BEGUN;
}

/* ---- end ---- */

/* The exit status as a shell would say it, and a sentence. */
static int end_status(const struct entry *e, char *ret_text, size_t size)
{
        siginfo_t info = {0};

        if (!e->own || waitid(P_PIDFD, (id_t)e->pidfd, &info, WEXITED | WNOHANG) < 0 ||
            info.si_pid == 0) {
                (void)snprintf(ret_text, size, "ended; its exit status went to an earlier parent");
                return -1;
        }
        if (info.si_code == CLD_EXITED && info.si_status == AGENT_EXIT_CONFIG) {
                (void)snprintf(ret_text, size,
                               "its configuration is wrong; wsagent-worker profile checks the "
                               "type's profile");
                return info.si_status;
        }
        if (info.si_code == CLD_EXITED) {
                (void)snprintf(ret_text, size, "exited with %d", info.si_status);
                return info.si_status;
        }
        (void)snprintf(ret_text, size, "killed by signal %d", info.si_status);
        return 128 + info.si_status;
}

static void swept(struct entry *e)
{
        e->state = ENTRY_ENDED;
        process_tell_ended(e->process, e->task, e->end_status, e->end_text);
}

static void on_swept(void *ctx, uint32_t events)
{
        struct entry *e = ctx;

        (void)events;
        if (process_errand_ended(&e->remover_end, &e->remover))
                swept(e);
}

/* Nothing of it must write to its home any more when that is saved, or is given to its next task.
 */
static void sweep_then_tell(struct entry *e, int status, const char *text)
{
        e->state = ENTRY_SWEEPING;
        e->end_status = status;
        STR_CUT(e->end_text, text);
        if (e->process->cage != LAUNCH_PLAIN || errand_start(e, folder_sweep, on_swept) < 0)
                swept(e);
}

void process_on_end(void *ctx, uint32_t events)
{
        struct entry *e = ctx;
        char text[CORE_REASON_SIZE], task[CORE_ID_SIZE];
        bool tell = !e->failed;
        int status;

        (void)events;
        /* It may have ended before its status was read: the fault in the pipe is the reason. */
        if (e->state == ENTRY_STARTING) {
                e->status.fn(e, EPOLLIN);
                tell = !e->failed;
        }
        status = end_status(e, text, sizeof(text));
        STR_CUT(task, e->task);
        log_info("task ended", LOG_STR("task", task), LOG_INT("status", status),
                 LOG_STR("how", text));
        if (e->rescuing) {
                rescue_ended(e, rescue_result_of(status));
                return;
        }
        if (!tell) {
                process_entry_remove(e);
                return;
        }
        process_entry_close(e);
        e->saved = status == 0; /* wsagent(8): saved, or nothing to save */
        sweep_then_tell(e, status, text);
}

void process_adopt_ended(struct entry *e)
{
        if (folder_read_unsaved(e->path, e->workspace, &e->generation) == 0)
                e->unsaved = true;
        sweep_then_tell(e, -1, "it had ended while no controller looked");
}

void process_on_kill_due(void *ctx)
{
        struct entry *e = ctx;

        log_warn("task did not end in time; killing it", LOG_STR("task", e->task));
        if (pidfd_send_signal(e->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
                log_error("cannot kill a task", LOG_STR("task", e->task), LOG_ERR(errno));
}

static void on_stop_task(void *ctx, const struct core_effect *fx)
{
        struct process *p = ctx;
        struct entry *e = process_entry_find(p, fx->stop_task.task);
        int sig = fx->stop_task.at_once ? SIGKILL : SIGTERM;

        if (!e || e->state == ENTRY_REMOVING || e->state == ENTRY_QUEUED ||
            e->state == ENTRY_SWEEPING || e->state == ENTRY_ENDED || e->rescuing) {
                if (e && e->state == ENTRY_QUEUED)
                        process_entry_free(e);
                process_tell_ended(p, fx->stop_task.task, -1, "not running here");
                return;
        }
        log_info("stopping task", LOG_STR("task", e->task), LOG_INT("signal", sig),
                 LOG_STR("reason", fx->stop_task.reason));
        if (pidfd_send_signal(e->pidfd, sig, NULL, 0) < 0 && errno != ESRCH) {
                log_error("cannot signal a task", LOG_STR("task", e->task), LOG_ERR(errno));
                return; /* the core asks again */
        }
        /* A repeated request repeats the signal (the first may have met a PID 1 that had no handler
         * yet), but not the grace. */
        if (sig == SIGTERM && mono_is_never(e->kill_timer.due))
                loop_timer_set_in(&e->kill_timer, PROCESS_TERM_GRACE_MS);
}

/* ---- its life ---- */

void process_end_init(struct process *p)
{
        loop_timer_init(p->loop, &p->remove_timer, on_remove_retry, p);
        shell_handle(p->shell, FX_STOP_TASK, on_stop_task, p);
        shell_handle(p->shell, FX_REMOVE_TASK, on_remove_task, p);
        process_kept_init(p);
}

/* What a drained controller leaves to remove is removed behind its back. */
void process_end_finish(struct process *p)
{
        struct entry *e;

        for (e = p->entries; e; e = e->next) {
                if (e->state == ENTRY_REMOVING && e->remover < 0 && remove_start(e) < 0)
                        log_warn("a task folder stays until the next start",
                                 LOG_STR("folder", e->path));
        }
        loop_timer_cancel(&p->remove_timer);
        process_kept_finish(p);
}
