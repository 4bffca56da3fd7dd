#include "out/providers/process.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/providers/folder.h"
#include "out/providers/launch.h"
#include "out/providers/plan.h"
#include "out/providers/process_internal.h"

#define UID_BASE_DEFAULT 200000
#define LOG_CHECK_MS 30000
#define TASK_NAME_MAX (CORE_ID_SIZE - 1)
/*
 * A launch keeps the loop and a processor busy for milliseconds, and mostly it replaces the warm
 * task that somebody has just been given: they are answered first, and each launch has a turn of
 * its own.
 */
#define LAUNCH_PAUSE_MS 10

static const char *const cage_names[] = {
        [LAUNCH_ROOT] = "namespaces and own uids",
        [LAUNCH_USER] = "user namespace, one uid",
        [LAUNCH_PLAIN] = "none",
};

/* ---- table ---- */

struct entry *process_entry_find(const struct process *p, const char *task)
{
        struct entry *e;

        for (e = p->entries; e; e = e->next) {
                if (strcmp(e->task, task) == 0)
                        return e;
        }
        return NULL;
}

static int entry_new(struct process *p, const char *task, struct entry **ret_entry)
{
        struct entry *e;
        int n;

        if (p->n_entries >= PROCESS_TASKS_MAX)
                return -ENOBUFS;
        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        *e = (struct entry){.process = p,
                            .slot = FOLDER_SLOT_NONE,
                            .pidfd = -1,
                            .status_fd = -1,
                            .remover = -1,
                            .end = LOOP_FD_NULL,
                            .status = LOOP_FD_NULL,
                            .remover_end = LOOP_FD_NULL};
        n = snprintf(e->path, sizeof(e->path), "%s/%s", p->dir, task);
        if (n < 0 || (size_t)n >= sizeof(e->path) || STR_SET(e->task, task) < 0) {
                free(e);
                return -ENAMETOOLONG;
        }
        loop_timer_init(p->loop, &e->kill_timer, process_on_kill_due, e);
        e->next = p->entries;
        p->entries = e;
        p->n_entries++;
        *ret_entry = e;
        return 0;
}

void process_entry_close(struct entry *e)
{
        loop_fd_del(&e->end);
        loop_fd_del(&e->status);
        loop_fd_del(&e->remover_end);
        loop_timer_cancel(&e->kill_timer);
        e->pidfd = fd_close(e->pidfd);
        e->status_fd = fd_close(e->status_fd);
        e->remover = fd_close(e->remover);
}

void process_entry_free(struct entry *e)
{
        struct entry **at = &e->process->entries;

        while (*at != e)
                at = &(*at)->next;
        *at = e->next;
        e->process->n_entries--;
        process_entry_close(e);
        free(e);
}

/* The lowest slot that no folder holds. */
static uint32_t slot_free(const struct process *p)
{
        static bool used[PROCESS_TASKS_MAX + 1];
        const struct entry *e;
        uint32_t slot = 0;

        memset(used, 0, sizeof(used));
        for (e = p->entries; e; e = e->next) {
                if (e->slot < ARRAY_LEN(used))
                        used[e->slot] = true;
        }
        while (used[slot])
                slot++;
        return slot;
}

/* ---- what the core is told ---- */

static void post_launched(struct process *p, const char *task, bool ok, const char *reason)
{
        struct core_event ev = {.type = EV_TASK_LAUNCHED, .task_result = {.ok = ok}};

        STR_CUT(ev.task_result.task, task);
        STR_CUT(ev.task_result.reason, reason);
        shell_post(p->shell, &ev);
}

static void answer_failure(struct process *p, const char *task, const char *reason)
{
        log_error("launch failed", LOG_STR("task", task), LOG_STR("reason", reason));
        post_launched(p, task, false, reason);
}

/* ---- launch ---- */

static const struct process_type *type_find(const struct process *p, const char *name)
{
        uint32_t i;

        for (i = 0; i < p->config.n_types; i++) {
                if (strcmp(p->config.types[i].name, name) == 0)
                        return &p->config.types[i];
        }
        return NULL;
}

static void on_status(void *ctx, uint32_t events)
{
        struct entry *e = ctx;
        struct process *p = e->process;
        struct launch_fault f;
        char text[CORE_REASON_SIZE];
        ssize_t n = read(e->status_fd, &f, sizeof(f));

        (void)events;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        loop_fd_del(&e->status);
        e->status_fd = fd_close(e->status_fd);
        e->state = ENTRY_RUNNING;
        if (n == 0 && e->rescuing)
                return;
        if (n == 0) {
                log_info("task launched", LOG_STR("task", e->task), LOG_INT("pid", e->pid),
                         LOG_INT("slot", e->slot));
                post_launched(p, e->task, true, "");
                return;
        }
        if (n == (ssize_t)sizeof(f) && f.step >= 0 && f.step < LAUNCH_STEP_MAX) {
                const char *cure = launch_step_cure((enum launch_step)f.step);

                (void)snprintf(text, sizeof(text), "%s: %s%s%s",
                               launch_step_what((enum launch_step)f.step), strerror(f.error),
                               cure[0] ? "; " : "", cure);
        } else {
                (void)snprintf(text, sizeof(text), "the launch ended without saying why");
        }
        if (e->rescuing) {
                log_error("rescue not started", LOG_STR("task", e->task), LOG_STR("reason", text));
                return;
        }
        e->failed = true; /* the child exits by itself; on_end removes the folder */
        answer_failure(p, e->task, text);
}

/* The child waits for the go byte until the pid file is there. 0 or -errno; it is then killed. */
static int child_permit(struct entry *e, int go)
{
        int r = folder_write_pid(e->path, e->pid);

        if (r == 0)
                r = loop_fd_add(e->process->loop, &e->status, e->status_fd, EPOLLIN, on_status, e);
        if (r == 0)
                r = loop_fd_add(e->process->loop, &e->end, e->pidfd, EPOLLIN, process_on_end, e);
        if (r == 0)
                r = fd_write_all(go, "\1", 1);
        return r;
}

/* The standard input: nothing, or what a rescue is to do. */
static int input_open(const char *text, int *ret_fd)
{
        AUTO_CLOSE fd = text ? memfd_create("rescue", MFD_CLOEXEC)
                             : open("/dev/null", O_RDONLY | O_CLOEXEC);
        int r = fd < 0 ? -errno : 0;

        if (r == 0 && text)
                r = fd_write_all(fd, text, strlen(text));
        if (r == 0 && text && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        return r < 0 ? r : launch_fd_raise(STEAL(fd, -1), ret_fd);
}

static int child_start(struct entry *e, struct launch_plan *plan, const char *rescue)
{
        AUTO_CLOSE go_read = -1, go_write = -1, status_write = -1, null = -1, log = -1;
        char path[PATH_MAX + 16];
        siginfo_t info;
        pid_t pid;
        int r;

        (void)snprintf(path, sizeof(path), "%s/agent.log", e->path);
        r = input_open(rescue, &null);
        if (r == 0)
                r = launch_fd_raise(
                        open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600),
                        &log);
        if (r == 0)
                r = launch_pipe(&go_read, &go_write);
        if (r == 0)
                r = launch_pipe(&e->status_fd, &status_write);
        if (r == 0)
                r = fd_nonblock(e->status_fd);
        if (r < 0)
                return r;
        plan->null_fd = null;
        plan->log_fd = log;
        plan->go_fd = go_read;
        plan->status_fd = status_write;
        pid = launch_clone(plan, &e->pidfd);
        if (pid < 0)
                return pid;
        e->pid = pid;
        e->own = true;
        r = child_permit(e, go_write);
        if (r < 0) {
                (void)pidfd_send_signal(e->pidfd, SIGKILL, NULL, 0);
                (void)waitid(P_PIDFD, (id_t)e->pidfd, &info, WEXITED);
        }
        return r;
}

static int launch_start(struct entry *e, const struct process_type *type, const char *rescue,
                        const char **ret_what)
{
        static struct launch_plan plan; /* too large for a stack; one launch at a time */
        static struct plan_env env;
        const struct process *p = e->process;
        const struct plan_input in = {
                .task = e->task,
                .path = e->path,
                .slot = e->slot,
                .cage = p->cage,
                .own_uids = p->own_uids,
                .uid_base = p->config.uid_base,
                .controller_url = p->config.controller_url,
                .keys = p->config.keys,
                .type = type,
                .dir = p->dir,
                .agent = p->agent,
                .worker = p->worker,
                .resolv = p->resolv,
                .rescue = rescue != NULL,
        };
        int r = plan_make(&in, &plan, &env, ret_what);

        if (r == 0) {
                *ret_what = "start of a process";
                r = child_start(e, &plan, rescue);
        }
        explicit_bzero(&env, sizeof(env));
        return r;
}

bool process_rescue_start(struct entry *e, const char *type, const char *text)
{
        const struct process_type *t = type_find(e->process, type);
        const char *what = "no such workspace type here";
        int r = t && e->slot != FOLDER_SLOT_NONE ? 0 : -EINVAL;

        e->state = ENTRY_STARTING;
        if (r == 0)
                r = launch_start(e, t, text, &what);
        if (r < 0)
                log_error("rescue not started", LOG_STR("task", e->task), LOG_STR("reason", what),
                          LOG_ERR(r));
        return r == 0;
}

/* A failure of one that has begun. */
static void launch_failed(struct entry *e, const char *what, int r)
{
        struct process *p = e->process;
        char text[CORE_REASON_SIZE], task[CORE_ID_SIZE];

        STR_CUT(task, e->task);
        (void)snprintf(text, sizeof(text), "%s: %s", what, strerror(-r));
        process_entry_remove(e);
        answer_failure(p, task, text);
}

/* The list begins with the newest. */
static struct entry *oldest_queued(const struct process *p, uint32_t *ret_n)
{
        struct entry *e, *oldest = NULL;

        *ret_n = 0;
        for (e = p->entries; e; e = e->next) {
                if (e->state != ENTRY_QUEUED)
                        continue;
                oldest = e;
                ++*ret_n;
        }
        return oldest;
}

static void on_launch_due(void *ctx)
{
        struct process *p = ctx;
        uint32_t n;
        struct entry *e = oldest_queued(p, &n);
        const char *what = "memory";
        int r;

        if (!e)
                return;
        if (n > 1)
                loop_timer_set_in(&p->launch_timer, 0);
        e->slot = slot_free(p);
        e->state = ENTRY_STARTING;
        r = launch_start(e, type_find(p, e->type), NULL, &what);
        if (r < 0)
                launch_failed(e, what, r);
}

static void on_launch_task(void *ctx, const struct core_effect *fx)
{
        struct process *p = ctx;
        const char *task = fx->launch_task.task;
        const struct process_type *type = type_find(p, fx->launch_task.type);
        struct entry *e = process_entry_find(p, task);
        int r;

        if (e) {
                if (e->state == ENTRY_RUNNING && !e->failed && !e->rescuing)
                        post_launched(p, task, true, "");
                else if (e->state >= ENTRY_SWEEPING || e->rescuing)
                        process_tell_ended(p, task, -1, "it has ended already");
                return;
        }
        if (!type || !name_valid(task, TASK_NAME_MAX)) {
                answer_failure(p, task, type ? "not a task id" : "no such workspace type here");
                return;
        }
        r = entry_new(p, task, &e);
        if (r < 0) {
                answer_failure(p, task, strerror(-r));
                return;
        }
        STR_CUT(e->type, fx->launch_task.type);
        if (mono_is_never(p->launch_timer.due))
                loop_timer_set_in(&p->launch_timer, LAUNCH_PAUSE_MS);
}

/* ---- logs ---- */

static void on_log_check(void *ctx)
{
        struct process *p = ctx;
        char path[PATH_MAX + 16];
        struct entry *e;
        struct stat st;

        for (e = p->entries; e; e = e->next) {
                (void)snprintf(path, sizeof(path), "%s/agent.log", e->path);
                if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= PROCESS_LOG_MAX)
                        continue;
                /* Writers append, so they go on at the new end. */
                if (truncate(path, 0) == 0)
                        log_warn("agent.log was too large and was emptied",
                                 LOG_STR("task", e->task), LOG_INT("bytes", st.st_size));
        }
        loop_timer_set_in(&p->log_timer, LOG_CHECK_MS);
}

/* ---- start-up ---- */

static int adopt(struct process *p, const char *task)
{
        struct core_event ev = {.type = EV_TASK_SEEN};
        struct entry *e;
        int r = entry_new(p, task, &e);

        if (r < 0)
                return r;
        r = folder_read_slot(e->path, &e->slot);
        if (r < 0)
                log_warn("a task folder has no slot: its launch was cut short",
                         LOG_STR("task", task), LOG_ERR(r));
        r = folder_open_alive(e->path, &e->pid, &e->pidfd);
        /* Not its folder's fault: a student may be at work in it. */
        if (r == -EMFILE || r == -ENFILE || r == -ENOMEM) {
                log_error(
                        "cannot look whether a task lives: descriptors or memory are short; raise "
                        "the limit of open files (ulimit -n)",
                        LOG_STR("task", task), LOG_ERR(r));
                process_entry_free(e);
                return r;
        }
        if (r != 0) {
                if (r < 0)
                        log_warn("cannot tell whether a task lives; taking it for dead",
                                 LOG_STR("task", task), LOG_ERR(r));
                process_adopt_ended(e);
                return 0;
        }
        e->state = ENTRY_RUNNING;
        r = loop_fd_add(p->loop, &e->end, e->pidfd, EPOLLIN, process_on_end, e);
        if (r < 0) {
                process_entry_free(e);
                return r;
        }
        log_info("task adopted", LOG_STR("task", task), LOG_INT("pid", e->pid));
        STR_CUT(ev.task_seen.task, task);
        shell_post(p->shell, &ev);
        return 0;
}

static int adopt_all(struct process *p)
{
        DIR *d = opendir(p->dir);
        const struct dirent *entry;
        int r = 0;

        if (!d)
                return -errno;
        while (r == 0 && (entry = readdir(d))) {
                if (name_valid(entry->d_name, TASK_NAME_MAX) &&
                    !process_entry_find(p, entry->d_name))
                        r = adopt(p, entry->d_name);
        }
        closedir(d);
        return r;
}

int process_inventory(struct process *p)
{
        /* Tasks share this machine. */
        struct core_event done = {.type = EV_INVENTORY_DONE,
                                  .inventory = {.certain = true, .own_machines = false}};
        int r = adopt_all(p);

        if (r == 0)
                shell_post(p->shell, &done);
        return r;
}

void process_adopt_strays(struct process *p)
{
        int r = adopt_all(p);

        if (r < 0)
                log_warn("the tasks' folder cannot be read", LOG_STR("path", p->dir), LOG_ERR(r));
}

static int agent_paths(struct process *p)
{
        const char *given = p->config.agent;
        char real[PATH_MAX], *slash;
        struct stat st;
        int n;

        /* A missing agent is told at each launch: it may be installed later. */
        if (!realpath(given, real))
                return str_copy(p->agent, sizeof(p->agent), given) < 0 ||
                                       str_copy(p->worker, sizeof(p->worker), given) < 0
                               ? -ENAMETOOLONG
                               : 0;
        if (stat(real, &st) == 0 && !S_ISDIR(st.st_mode)) {
                slash = strrchr(real, '/');
                *slash = '\0';
        }
        n = snprintf(p->agent, sizeof(p->agent), "%s/wsagent", real);
        if (n < 0 || (size_t)n >= sizeof(p->agent))
                return -ENAMETOOLONG;
        n = snprintf(p->worker, sizeof(p->worker), "%s/wsagent-worker", real);
        return n < 0 || (size_t)n >= sizeof(p->worker) ? -ENAMETOOLONG : 0;
}

static void cage_choose(struct process *p)
{
        p->cage = launch_possible(LAUNCH_ROOT)   ? LAUNCH_ROOT
                  : launch_possible(LAUNCH_USER) ? LAUNCH_USER
                                                 : LAUNCH_PLAIN;
        p->own_uids = p->cage != LAUNCH_USER && launch_may_give_uids();
        switch (p->cage) {
        case LAUNCH_ROOT:
                log_info("tasks are caged", LOG_STR("cage", cage_names[p->cage]),
                         LOG_INT("uid_base", p->config.uid_base));
                break;
        case LAUNCH_USER:
                log_warn("weaker cage: not root, so each task has its own namespaces but roles and "
                         "student share one uid",
                         LOG_STR("cage", cage_names[p->cage]));
                break;
        case LAUNCH_PLAIN:
                log_warn("no cage: namespaces are not permitted, so tasks see each other's "
                         "processes "
                         "and, without root, each other's files",
                         LOG_STR("cage", cage_names[p->cage]));
                break;
        }
}

bool process_may_attach(const struct process *p)
{
        return p->cage == LAUNCH_ROOT;
}

int process_find(const struct process *p, const char *task, struct process_task *ret_task)
{
        const struct entry *e = process_entry_find(p, task);

        if (!e || e->state != ENTRY_RUNNING || e->rescuing || e->slot == FOLDER_SLOT_NONE)
                return -ENOENT;
        *ret_task = (struct process_task){
                .pidfd = e->pidfd,
                .student = p->own_uids ? p->config.uid_base + FOLDER_UIDS * e->slot : geteuid(),
        };
        return 0;
}

int process_new(struct loop *l, struct shell *s, const struct process_config *config,
                struct process **ret_process)
{
        struct process *p;
        int r = plan_check_types(config);

        if (r < 0)
                return r;
        r = dir_make(config->dir, 0700);
        if (r < 0)
                return r;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->loop = l;
        p->shell = s;
        p->config = *config;
        if (p->config.uid_base == 0)
                p->config.uid_base = UID_BASE_DEFAULT;
        r = realpath(config->dir, p->dir) ? 0 : -errno;
        if (r == 0)
                r = STR_SET(p->kept, config->kept);
        if (r == 0)
                r = agent_paths(p);
        if (r < 0) {
                free(p);
                return r;
        }
        /* Only a target below /run is hidden by the task's own /run. */
        if (!realpath("/etc/resolv.conf", p->resolv) || !str_starts(p->resolv, "/run/"))
                p->resolv[0] = '\0';
        cage_choose(p);
        loop_timer_init(l, &p->log_timer, on_log_check, p);
        process_end_init(p);
        loop_timer_init(l, &p->launch_timer, on_launch_due, p);
        loop_timer_set_in(&p->log_timer, LOG_CHECK_MS);
        shell_handle(s, FX_LAUNCH_TASK, on_launch_task, p);
        *ret_process = p;
        return 0;
}

struct process *process_free(struct process *p)
{
        if (!p)
                return NULL;
        loop_timer_cancel(&p->log_timer);
        process_end_finish(p);
        loop_timer_cancel(&p->launch_timer);
        while (p->entries)
                process_entry_free(p->entries);
        free(p);
        return NULL;
}
