/*
 * wsagent init: the loop of PID 1. It waits for signals, for orders of link (control.h), for
 * results of save and restore, and for deadlines; supervise.c says what each of them means. One
 * thread; no allocation; after start_prepare it ends only because of SIGTERM.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mono.h"
#include "init/app.h"
#include "init/control_io.h"
#include "init/job.h"
#include "init/proc.h"
#include "init/reap.h"
#include "init/signals.h"
#include "init/spawn.h"
#include "init/start.h"
#include "init/supervise.h"

#define EXIT_OS 71
#define ORDERS_PER_TURN 32
/* Saves while somebody works, and the rest of a restore. */
#define BACKGROUND_NICE 10
#define PROGRESS_MS 1000

enum role_index { ROLE_LINK, ROLE_GATE, ROLE_SENSE, ROLES };

struct role {
        const char *name;
        const struct env *env;
        const struct spawn_user *user;
        struct spawn_fd fds[3];
        size_t n_fds;
        struct role_sup sup;
        pid_t pid;
};

static struct {
        struct start start;
        struct role roles[ROLES];
        struct control_io control;
        int gate_link[2], sense_link[2]; /* [0] is link's end */
        int signals;
        mono_t now;

        struct app_sup app;
        pid_t app_pid;
        struct app_ahead app_ahead;
        uint32_t order_id; /* of the order being carried out */
        uint32_t stop_id;
        uint32_t killed; /* how many needed SIGKILL */

        struct job save, restore;
        struct job ahead;    /* a restore that waits for its request */
        struct job rest;     /* of a restore: beside the app */
        mono_t progress_due; /* when progress may be told again */
        int held;            /* the request for a last save, or -1 */
        int kept;            /* the one that init's own last save used, or -1 */
        int64_t save_ms;     /* what saves take, about */
        bool saved;          /* see struct term_facts */
        bool final_ok;
        bool worked; /* the student's app was started here */
        struct term_sup term;
        int exit_code; /* -1: go on */
        bool hopeless; /* the last save of a rescue would fail again */
} init;

static struct job *const jobs[] = {&init.save, &init.restore, &init.rest, &init.ahead};

static enum control_app_state app_state(void)
{
        switch (init.app.phase) {
        case APP_NONE:
                return CONTROL_APP_NONE;
        case APP_RUNNING:
                return CONTROL_APP_RUNNING;
        case APP_BACKOFF:
                return CONTROL_APP_BACKOFF;
        case APP_STOP_MAIN:
        case APP_STOP_REST:
        case APP_STOP_KILL:
                break;
        }
        return CONTROL_APP_STOPPING;
}

/* This run makes one save of what an earlier one has left, and ends. */
static bool rescuing(void)
{
        return init.start.rescue >= 0;
}

static bool terminating(void)
{
        return init.term.phase != TERM_NO;
}

/* A report with the state of everything in it. */
static struct control_msg report(uint32_t type, uint32_t id)
{
        return (struct control_msg){
                .type = type,
                .id = id,
                .app_state = app_state(),
                .app_primed = init.app.prime,
                .busy = (init.save.pid ? 1U : 0U) | (init.restore.pid ? 2U : 0U) |
                        (terminating() ? 4U : 0U) | (init.worked ? 8U : 0U) |
                        (init.rest.pid ? 16U : 0U),
        };
}

static void tell(const struct control_msg *m, const void *blob)
{
        int r = control_io_send(&init.control, m, blob);

        if (r < 0)
                log_error("report to link lost", LOG_INT("type", m->type), LOG_ERR(r));
}

static void tell_simple(uint32_t type, uint32_t id)
{
        struct control_msg m = report(type, id);

        tell(&m, NULL);
}

/* ---- processes ---- */

static int death_signal(int sig)
{
        return init.start.config.pid1 ? 0 : sig; /* with PID 1 the kernel ends all */
}

static void role_start(struct role *r)
{
        char *const argv[] = {init.start.config.worker, (char *)(uintptr_t)r->name, NULL};
        const struct spawn spawn = {.argv = argv,
                                    .env = (char *const *)r->env->vars,
                                    .user = *r->user,
                                    .fds = r->fds,
                                    .n_fds = r->n_fds,
                                    .death_signal = death_signal(SIGKILL)};
        int err = 0;

        role_sup_started(&r->sup, init.now);
        if (r == &init.roles[ROLE_LINK]) {
                struct control_msg state = report(CONTROL_STATE, 0);

                err = control_io_renew(&init.control, &state);
        }
        if (err == 0)
                err = spawn_start(&spawn, &r->pid);
        if (err < 0) {
                log_error("role not started", LOG_STR("role", r->name), LOG_ERR(err));
                role_sup_ended(&r->sup, init.now);
        }
}

static void role_ended(struct role *r, int code)
{
        r->pid = 0;
        role_sup_ended(&r->sup, init.now);
        log_warn("role ended", LOG_STR("role", r->name), LOG_INT("code", code),
                 LOG_INT("restart_ms", mono_diff_ms(init.now, r->sup.due)));
}

/*
 * How many processes of the student there are, each having been sent `sigs`. One of them is the
 * rest of a restore: it writes files too, and must have ended before the last save.
 */
static int rest_signal(const int *sigs, size_t n_sigs)
{
        pid_t except[ROLES + 3];
        size_t n = 0;
        struct proc_scan scan = {.pid1 = init.start.config.pid1,
                                 .by_uid = init.start.config.student.drop,
                                 .uid = init.start.config.student.uid,
                                 .except = except};
        int left;

        for (size_t i = 0; i < ROLES; i++)
                except[n++] = init.roles[i].pid;
        except[n++] = init.save.pid;
        except[n++] = init.restore.pid;
        except[n++] = init.ahead.pid;
        scan.n_except = n;
        left = proc_signal(&scan, sigs, n_sigs);
        if (left >= 0)
                return left;
        log_error("cannot list processes", LOG_ERR(left));
        return 1; /* unknown: not none */
}

/* ---- the app ---- */

static void app_exited(int code);

static void app_act_spawn(void)
{
        int r;

        if (!init.app.prime)
                start_note_worked(&init.start);
        r = app_start(&init.app_ahead, &init.start, init.app.prime, &init.app_pid);
        if (!init.app.prime) {
                init.saved = init.final_ok = false;
                init.worked = true;
                job_dismiss(&init.ahead, init.now); /* there was nothing to restore */
        }
        if (r < 0) {
                log_error("app not started", LOG_ERR(r));
                app_exited(EXIT_OS);
                return;
        }
        log_info("app started", LOG_INT("pid", init.app_pid), LOG_INT("prime", init.app.prime),
                 LOG_INT("ahead", r));
        tell_simple(CONTROL_STATE, init.order_id);
}

static void app_act_stopped(void)
{
        struct control_msg m = report(CONTROL_APP_STOPPED, init.stop_id);

        m.count = init.killed;
        log_info("app stopped", LOG_INT("killed", init.killed));
        init.killed = 0;
        tell(&m, NULL);
}

static uint32_t app_event(enum app_event event, uint32_t arg)
{
        static const int term[] = {SIGHUP, SIGTERM, SIGCONT};
        static const int kill_sig[] = {SIGKILL};
        uint32_t act = app_sup_step(&init.app, event, arg, init.now);

        if (act & APP_ACT_REFUSE) {
                struct control_msg m = report(CONTROL_REFUSED, init.order_id);

                m.count = CONTROL_APP_START;
                tell(&m, NULL);
        }
        if (act & APP_ACT_SPAWN)
                app_act_spawn();
        if ((act & APP_ACT_TERM_MAIN) && init.app_pid) {
                (void)kill(init.app_pid, SIGTERM);
                (void)kill(init.app_pid, SIGCONT);
        }
        if (act & APP_ACT_TERM_REST)
                (void)rest_signal(term, ARRAY_LEN(term));
        if (act & APP_ACT_KILL_REST) {
                uint32_t n = (uint32_t)rest_signal(kill_sig, 1);

                init.killed = MAX(init.killed, n);
        }
        if (act & APP_ACT_GAVE_UP)
                log_error("processes of the student survive SIGKILL; going on without them");
        if (act & APP_ACT_TELL_STOPPED)
                app_act_stopped();
        return act;
}

static void app_exited(int code)
{
        /*
         * What it leaves in its group would go on answering on the socket, and then remove it under
         * the next life: code-server's server is a child of its main process. While stopping, the
         * ladder ends the rest in order.
         */
        if (init.app_pid && !app_sup_stopping(&init.app))
                (void)kill(-init.app_pid, SIGKILL);
        init.app_pid = 0;
        log_info("app ended", LOG_INT("code", code));
        if (app_event(APP_EV_EXITED, 0) & APP_ACT_TELL_EXITED) {
                struct control_msg m = report(CONTROL_APP_EXITED, 0);

                m.status = code;
                tell(&m, NULL);
        }
}

static void app_tick(void)
{
        init.order_id = 0;
        if (app_sup_counts(&init.app))
                (void)app_event(APP_EV_LEFT, (uint32_t)rest_signal(NULL, 0));
        if (app_sup_counts(&init.app) || mono_due(init.app.due, init.now))
                (void)app_event(APP_EV_TICK, 0);
}

/* ---- save and restore ---- */

/* Takes `request`; -1: it waits for one (job_give). */
static int job_run(struct job *j, const char *role, int request, uint32_t id, uint32_t flags)
{
        const char *option = flags & CONTROL_FINAL  ? "--final"
                             : flags & CONTROL_REST ? "--rest"
                                                    : NULL;
        char *const argv[] = {init.start.config.worker, (char *)(uintptr_t)role,
                              (char *)(uintptr_t)option, NULL};
        bool waited_for = j != &init.rest && (j != &init.save || (flags & CONTROL_FINAL));
        const struct spawn spawn = {.argv = argv,
                                    .env = init.start.role_env.vars,
                                    .user = init.start.config.student,
                                    .death_signal = death_signal(SIGKILL),
                                    .nice = waited_for ? 0 : BACKGROUND_NICE,
                                    .disk_idle = !waited_for};
        int r;

        j->id = id;
        j->flags = flags;
        r = request < 0 ? job_start_ahead(j, &spawn, init.now)
                        : job_start(j, &spawn, request, init.now);
        (void)fd_close(request);
        return r;
}

static void job_done(struct job *j, uint32_t type, int code)
{
        struct control_msg m;

        job_end(j);
        if (type == CONTROL_SAVE_DONE) {
                init.final_ok =
                        (j->flags & CONTROL_FINAL) && code == 0 && init.app.phase == APP_NONE;
                init.hopeless = rescuing() && code == ROLE_EXIT_FINAL;
                if (init.hopeless)
                        init.term.give_up = init.now; /* not once more */
                /* One that finds nothing to do says little about the next. */
                init.save_ms =
                        MAX(mono_diff_ms(j->started, init.now), init.save_ms - init.save_ms / 4);
        }
        m = report(type, j->id);
        m.status = code;
        m.flags = j->flags;
        m.len = (uint32_t)j->len;
        log_info(type == CONTROL_SAVE_DONE ? "save ended" : "restore ended", LOG_INT("code", code),
                 LOG_INT("flags", j->flags), LOG_INT("ms", mono_diff_ms(j->started, init.now)));
        tell(&m, j->blob);
}

/* It could not even be started. */
static void job_failed(const char *role, uint32_t type, uint32_t id, uint32_t flags, int error)
{
        struct control_msg m = report(type, id);

        log_error("not started", LOG_STR("role", role), LOG_ERR(error));
        m.flags = flags;
        m.status = EXIT_OS;
        tell(&m, NULL);
}

static void progress_tell(struct job *j)
{
        const struct control_progress p = {.done = j->progress.done, .total = j->progress.total};
        struct control_msg m;

        /* Nobody is told how far a save is. */
        if (j == &init.save || !j->pid || !j->moved || !mono_due(init.progress_due, init.now) ||
            !init.roles[ROLE_LINK].sup.up || !control_io_read(&init.control))
                return;
        m = report(CONTROL_PROGRESS, j->id);
        m.flags = j->flags;
        m.len = sizeof(p);
        j->moved = false;
        init.progress_due = mono_add_ms(init.now, PROGRESS_MS);
        tell(&m, &p);
}

/*
 * The app ends now, and the last save is next. What brings files stops that, to be inherited; a
 * save under way has to come to its end, and nobody is left for whom it would stand back.
 */
static void jobs_make_way(void)
{
        if (init.rest.pid)
                (void)kill(init.rest.pid, SIGTERM);
        /* Without CAP_SYS_NICE it stays as it is: it has the machine for itself soon. */
        if (init.save.pid) {
                (void)setpriority(PRIO_PROCESS, (id_t)init.save.pid, 0);
                (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, init.save.pid,
                              IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0));
        }
}

/* ---- orders of link ---- */

static void refuse(const struct control_msg *order)
{
        struct control_msg m = report(CONTROL_REFUSED, order->id);

        m.count = order->type;
        m.flags = order->flags;
        log_warn("order refused", LOG_INT("type", order->type), LOG_INT("app_state", m.app_state),
                 LOG_INT("busy", m.busy));
        tell(&m, NULL);
}

static void order_ahead(void)
{
        int r = 0;

        if (terminating() || init.restore.pid || init.worked)
                return;
        if (!init.ahead.pid)
                r = job_run(&init.ahead, "restore", -1, 0, 0);
        if (r < 0)
                log_warn("a restore is not started ahead", LOG_ERR(r));
        r = init.app.phase == APP_NONE ? app_ahead_start(&init.app_ahead, &init.start, init.now)
                                       : 0;
        if (r < 0)
                log_warn("the app is not started ahead", LOG_ERR(r));
}

/* Whether the one that waits has it now. */
static bool restore_given(const struct control_msg *o, const void *blob)
{
        if (!job_waits(&init.ahead) || job_give(&init.ahead, blob, o->len, init.now) < 0)
                return false;
        init.restore = init.ahead;
        init.ahead.pid = 0;
        init.restore.id = o->id;
        return true;
}

static void order_job(const struct control_msg *o, const void *blob)
{
        bool is_save = o->type == CONTROL_SAVE;
        bool needs_rest = !is_save || (o->flags & CONTROL_FINAL);
        struct job *j = is_save ? &init.save : &init.restore;
        int request, r;

        if (terminating() || init.save.pid || init.restore.pid ||
            (needs_rest && init.app.phase != APP_NONE)) {
                refuse(o);
                return;
        }
        /* Until it is done the home is not complete: nothing to save by itself on SIGTERM. */
        if (!is_save)
                init.held = fd_close(init.held);
        if (!is_save && restore_given(o, blob))
                return;
        request = job_request(blob, o->len);
        r = request < 0 ? request
                        : job_run(j, is_save ? "save" : "restore", request, o->id,
                                  o->flags & CONTROL_FINAL);
        if (r < 0)
                job_failed(is_save ? "save" : "restore",
                           is_save ? CONTROL_SAVE_DONE : CONTROL_RESTORE_DONE, o->id,
                           o->flags & CONTROL_FINAL, r);
}

/* Only while the app runs: the ladder that ends it ends this too, so no last save is beside it. */
static void order_rest(const struct control_msg *o, const void *blob)
{
        bool app = init.app.phase == APP_RUNNING || init.app.phase == APP_BACKOFF;
        int request, r;

        if (terminating() || init.rest.pid || init.restore.pid || !app || init.app.prime) {
                refuse(o);
                return;
        }
        request = job_request(blob, o->len);
        r = request < 0 ? request : job_run(&init.rest, "restore", request, o->id, CONTROL_REST);
        if (r < 0)
                job_failed("restore", CONTROL_RESTORE_DONE, o->id, CONTROL_REST, r);
}

static void order_start(const struct control_msg *o)
{
        bool final_save = init.save.pid && (init.save.flags & CONTROL_FINAL);

        if (terminating() || init.restore.pid || final_save)
                refuse(o);
        else
                (void)app_event(APP_EV_START, o->flags & CONTROL_PRIME);
}

static void order_hold(const struct control_msg *o, const void *blob)
{
        int request = o->len ? job_request(blob, o->len) : -1;

        if (o->len && request < 0) {
                log_error("request for a last save not kept", LOG_ERR(request));
                return; /* the old one may still serve */
        }
        init.held = fd_close(init.held);
        init.held = request;
}

static void order(const struct control_msg *o, const void *blob)
{
        init.order_id = o->id;
        switch (o->type) {
        case CONTROL_APP_START:
                order_start(o);
                return;
        case CONTROL_APP_STOP:
                init.stop_id = o->id;
                jobs_make_way();
                (void)app_event(APP_EV_STOP, 0);
                return;
        case CONTROL_RESTORE:
        case CONTROL_SAVE:
                if (o->type == CONTROL_RESTORE && (o->flags & CONTROL_REST))
                        order_rest(o, blob);
                else if (o->type == CONTROL_RESTORE && (o->flags & CONTROL_AHEAD))
                        order_ahead();
                else
                        order_job(o, blob);
                return;
        case CONTROL_HOLD:
                order_hold(o, blob);
                return;
        case CONTROL_SAVED:
                init.saved = init.app.phase == APP_NONE;
                return;
        default: /* a number from another process, not an enum */
                refuse(o);
        }
}

static void orders_read(void)
{
        for (int i = 0; i < ORDERS_PER_TURN; i++) {
                struct control_msg o;
                const void *blob;
                int r = control_io_receive(&init.control, &o, &blob);

                if (r == 0)
                        return;
                if (r < 0)
                        log_warn("malformed order dropped", LOG_ERR(r));
                else
                        order(&o, blob);
        }
}

/* ---- signals ---- */

static void terminate(int sig)
{
        int64_t grace_ms = init.start.config.term_grace_ms;
        int64_t app_ms = term_app_ms(grace_ms, init.save_ms);

        if (terminating()) {
                log_info("already ending", LOG_INT("signal", sig));
                return;
        }
        log_info("ending", LOG_INT("signal", sig), LOG_INT("held", init.held >= 0),
                 LOG_INT("app_ms", app_ms), LOG_INT("save_ms", init.save_ms));
        term_sup_begin(&init.term, mono_add_ms(init.now, grace_ms));
        tell_simple(CONTROL_TERMINATING, 0);
        /* A restore cut short leaves nothing to save: link holds no request before it is done. */
        if (init.restore.pid)
                (void)kill(init.restore.pid, SIGKILL);
        jobs_make_way();
        app_ahead_dismiss(&init.app_ahead);
        app_sup_hurry(&init.app, app_ms, init.now);
        init.stop_id = 0;
        (void)app_event(APP_EV_STOP, 0);
}

static void reaped(pid_t pid, int code)
{
        for (size_t i = 0; i < ROLES; i++) {
                if (pid == init.roles[i].pid) {
                        role_ended(&init.roles[i], code);
                        return;
                }
        }
        if (pid == init.app_pid)
                app_exited(code);
        else if (pid == init.app_ahead.pid)
                app_ahead_end(&init.app_ahead, code);
        else if (pid == init.save.pid)
                job_done(&init.save, CONTROL_SAVE_DONE, code);
        else if (pid == init.restore.pid)
                job_done(&init.restore, CONTROL_RESTORE_DONE, code);
        else if (pid == init.rest.pid)
                job_done(&init.rest, CONTROL_RESTORE_DONE, code);
        else if (pid == init.ahead.pid)
                job_end(&init.ahead);
}

static void signals_read(void)
{
        struct signalfd_siginfo info;

        while (read(init.signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                int sig = (int)info.ssi_signo;

                if (sig == SIGTERM || sig == SIGINT)
                        terminate(sig);
                else if (sig != SIGCHLD && init.app_pid)
                        (void)kill(init.app_pid, sig);
        }
}

/* Always, not only after SIGCHLD: it costs one call, and no ended child can be missed. */
static void children_reap(void)
{
        pid_t pid;
        int code;

        init.order_id = 0;
        while (reap_next(&pid, &code))
                reaped(pid, code);
}

/* ---- the loop ---- */

/* What is held, else the last one again, read from its start. */
static int request_held(void)
{
        if (init.held >= 0) {
                init.kept = fd_close(init.kept);
                init.kept = STEAL(init.held, -1);
        }
        (void)lseek(init.kept, 0, SEEK_SET);
        return fcntl(init.kept, F_DUPFD_CLOEXEC, 3);
}

static void term_tick(void)
{
        const struct term_facts facts = {
                .app_gone = init.app.phase == APP_NONE,
                .busy = init.save.pid || init.restore.pid,
                .held = init.held >= 0,
                .kept = init.kept >= 0,
                .worked = init.worked,
                .saved = init.saved || (rescuing() && init.final_ok), /* nobody acknowledges it */
                .final_ok = init.final_ok,
        };
        int r;

        switch (term_sup_step(&init.term, &facts, init.now)) {
        case TERM_ACT_NONE:
                return;
        case TERM_ACT_EXIT:
                init.exit_code =
                        init.term.code && init.hopeless ? TERM_EXIT_HOPELESS : init.term.code;
                return;
        case TERM_ACT_SAVE:
                r = job_run(&init.save, "save", request_held(), 0, CONTROL_FINAL | CONTROL_HELD);
                if (r < 0)
                        job_failed("save", CONTROL_SAVE_DONE, 0, CONTROL_FINAL | CONTROL_HELD, r);
                return;
        }
}

static void tick(void)
{
        for (size_t i = 0; i < ROLES; i++) {
                if (!rescuing() && mono_due(role_sup_deadline(&init.roles[i].sup), init.now))
                        role_start(&init.roles[i]);
        }
        app_tick();
        for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
                job_tick(jobs[i], init.now);
                progress_tell(jobs[i]);
        }
        term_tick();
}

static int wait_ms(void)
{
        mono_t due = app_sup_deadline(&init.app, init.now);

        due = mono_min(due, term_sup_deadline(&init.term));
        for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
                due = mono_min(due, job_deadline(jobs[i]));
        for (size_t i = 0; i < ROLES && !rescuing(); i++)
                due = mono_min(due, role_sup_deadline(&init.roles[i].sup));
        if (mono_is_never(due))
                return -1;
        /* Rounded up, else the last millisecond would be waited for in turns of no time. */
        return (int)MAX(0, MIN(mono_diff_ms(init.now, due) + 1, 3600 * 1000));
}

static int loop(void)
{
        while (init.exit_code < 0) {
                struct pollfd fds[] = {
                        {.fd = init.signals, .events = POLLIN},
                        {.fd = init.control.ours, .events = POLLIN},
                        {.fd = init.save.pid ? init.save.result : -1, .events = POLLIN},
                        {.fd = init.restore.pid ? init.restore.result : -1, .events = POLLIN},
                        {.fd = init.rest.pid ? init.rest.result : -1, .events = POLLIN},
                        {.fd = app_ahead_fd(&init.app_ahead), .events = POLLIN},
                };

                /* It cannot fail but by EINTR; whatever it says, looking at all does no harm. */
                (void)poll(fds, ARRAY_LEN(fds), wait_ms());
                init.now = mono_read();
                signals_read();
                for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
                        if (jobs[i]->pid)
                                job_read(jobs[i], init.now);
                }
                app_ahead_read(&init.app_ahead, init.now);
                children_reap();
                orders_read();
                tick();
        }
        return init.exit_code;
}

static void roles_init(void)
{
        const struct config *c = &init.start.config;

        init.roles[ROLE_LINK] = (struct role){
                .name = "link",
                .env = &init.start.link_env,
                .user = &c->link,
                .fds = {{init.control.links, ROLE_FD_CONTROL},
                        {init.gate_link[0], ROLE_FD_GATE},
                        {init.sense_link[0], ROLE_FD_SENSE}},
                .n_fds = 3,
        };
        init.roles[ROLE_GATE] = (struct role){
                .name = "gate",
                .env = &init.start.role_env,
                .user = &c->gate,
                .fds = {{init.gate_link[1], ROLE_FD_GATE},
                        {init.start.listen, ROLE_FD_LISTEN},
                        {init.start.used, ROLE_FD_USED}},
                .n_fds = 3,
        };
        init.roles[ROLE_SENSE] = (struct role){
                .name = "sense",
                .env = &init.start.role_env,
                .user = &c->student,
                .fds = {{init.sense_link[1], ROLE_FD_SENSE}},
                .n_fds = 1,
        };
        for (size_t i = 0; i < ROLES; i++)
                role_sup_init(&init.roles[i].sup, init.now);
}

static int os_prepare(void)
{
        int r = start_process();

        if (r < 0 || (r = signals_open(&init.signals)) < 0 || (r = proc_open()) < 0 ||
            (r = control_io_open(&init.control)) < 0 || (r = start_pair(init.gate_link)) < 0)
                return r;
        return start_pair(init.sense_link);
}

int init_main(int argc, char **argv)
{
        const struct record_head *app;
        int r = os_prepare();

        /* Here and not as initialisers, which would put this large object into the file. */
        init.held = init.kept = init.exit_code = init.app_ahead.fd = -1;
        if (r < 0) {
                log_error(r == -ESRCH ? "/proc shows another PID namespace: mount it anew"
                                      : "cannot prepare",
                          LOG_ERR(r));
                return EXIT_OS;
        }
        r = start_prepare(argc, argv, &init.start);
        if (r)
                return r;
        app = &init.start.app.record.head;
        init.now = mono_read();
        app_sup_init(&init.app, app->stop_grace_ms, app->kill_grace_ms);
        roles_init();
        log_info("started", LOG_STR("profile", app->name), LOG_INT("pid1", getpid() == 1));
        if (rescuing()) { /* as if SIGTERM had come, and link were dead */
                init.held = fcntl(init.start.rescue, F_DUPFD_CLOEXEC, 3);
                init.worked = true;
                terminate(0);
        }
        tick();
        r = loop();
        log_info("ended", LOG_INT("code", r));
        reap_kill_all();
        return r;
}
