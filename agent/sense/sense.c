/*
 * The role `sense`: the student's user, no secrets, no network. Watches files, terminals and jobs
 * on link's order and sends fixed-size records.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "channel.h"
#include "loop/loop.h"
#include "profile/profile.h"
#include "roles.h"
#include "sense/procs.h"
#include "sense/pts.h"
#include "sense/record.h"
#include "sense/tree.h"

#define SCAN_MS INT64_C(30000)
#define SCAN_ENTRIES_MAX 200000
#define WINDOW_MS_MIN 800
#define WINDOW_MS_MAX (60 * 60 * INT64_C(1000))

static const struct rules no_rules;

struct sense {
        struct loop *loop;
        struct loop_fd channel;
        struct loop_timer send, sample;
        struct profile *profile; /* NULL: nothing is left out */
        struct tree *tree;
        struct pts *pts;
        struct procs *procs;
        int64_t window_ms;
        struct record record;
};

static void send_due(void *ctx)
{
        struct sense *s = ctx;
        struct channel_msg msg;

        while (record_next(&s->record, loop_now(s->loop), &msg)) {
                /* A full socket: link is busy or away. The counters wait here. */
                if (send(ROLE_FD_SENSE, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL) ==
                    (ssize_t)sizeof(msg))
                        record_sent(&s->record, &msg);
        }
        loop_timer_set(&s->send, record_due(&s->record));
}

static const struct rules *rules_of(const struct sense *s)
{
        return s->profile ? s->profile->presence : &no_rules;
}

static bool on_skip(void *ctx, const char *path, bool is_dir)
{
        struct sense *s = ctx;

        if (!s->profile || *path == '/')
                return false;
        if (profile_match(&s->profile->save_exclude, path) ||
            profile_match(&s->profile->watch_exclude, path))
                return true;
        return is_dir ? !profile_enters(s->profile, path) : !profile_saves(s->profile, path);
}

static void on_changed(void *ctx, enum tree_area area, uint32_t n)
{
        struct sense *s = ctx;

        record_files(&s->record, area == TREE_WORKSPACE ? n : 0, area == TREE_HOME ? n : 0, false);
        loop_timer_set(&s->send, record_due(&s->record));
}

static void on_lossy(void *ctx)
{
        struct sense *s = ctx;

        record_files(&s->record, 0, 0, true);
        loop_timer_set(&s->send, record_due(&s->record));
}

static void on_read(void *ctx, const struct pts_reads *reads)
{
        struct sense *s = ctx;

        record_terminal(&s->record, reads);
        loop_timer_set(&s->send, record_due(&s->record));
}

static enum procs_terminal on_whose(void *ctx, dev_t device)
{
        struct sense *s = ctx;

        return s->procs ? procs_terminal(s->procs, device) : PROCS_TERMINAL_UNKNOWN;
}

static void on_sample(void *ctx)
{
        struct sense *s = ctx;
        struct jobs_verdict verdict;

        procs_sample(s->procs, loop_now(s->loop), &verdict);
        loop_timer_set_in(&s->sample, procs_period_ms(s->procs));
        record_jobs(&s->record, &verdict);
        loop_timer_set(&s->send, record_due(&s->record));
}

static void stop(struct sense *s)
{
        s->tree = tree_free(s->tree);
        s->pts = pts_free(s->pts);
        s->procs = procs_free(s->procs);
        s->record = (struct record){0};
        loop_timer_cancel(&s->send);
        loop_timer_cancel(&s->sample);
}

static void begin_jobs(struct sense *s)
{
        struct procs_config procs = {
                .rules = rules_of(s),
                .init = getppid(),
                .app_socket = getenv("WS_APP_SOCKET"),
                .window_ms = s->window_ms,
        };
        int r = procs_new(&procs, &s->procs);

        if (r < 0) {
                log_warn("jobs cannot be watched", LOG_ERR(r));
                return;
        }
        loop_timer_set_in(&s->sample, 0);
}

static void begin(struct sense *s, const struct channel_msg *msg)
{
        char workspace[CHANNEL_PATH_MAX], home[CHANNEL_PATH_MAX];
        struct tree_config tree = {
                .workspace = workspace,
                .home = home,
                .budget = tree_default_budget(),
                .scan_ms = SCAN_MS,
                .scan_entries_max = SCAN_ENTRIES_MAX,
                .skip = on_skip,
                .changed = on_changed,
                .lossy = on_lossy,
                .ctx = s,
        };
        struct pts_config pts = {.dir = "/dev/pts",
                                 .poll_ms = SCAN_MS,
                                 .read = on_read,
                                 .whose = on_whose,
                                 .ctx = s};
        int r;

        stop(s);
        STR_CUT(workspace, msg->u.begin.workspace);
        STR_CUT(home, msg->u.begin.home);
        /* A new workspace's folder is made by whoever comes first: the app, or who watches it. */
        r = dir_make(workspace, 0755);
        if (r < 0)
                log_warn("the workspace's folder cannot be made", LOG_STR("path", workspace),
                         LOG_ERR(r));
        r = tree_new(s->loop, &tree, &s->tree);
        if (r < 0) {
                log_error("the files cannot be watched; saves go by time alone", LOG_ERR(r));
                on_lossy(s);
        }
        r = pts_new(s->loop, &pts, &s->pts);
        if (r < 0)
                log_warn("the terminals cannot be watched", LOG_ERR(r));
        begin_jobs(s);
        log_info("watching", LOG_STR("workspace", workspace), LOG_STR("home", home),
                 LOG_INT("budget", tree.budget));
}

static void on_channel(void *ctx, uint32_t events)
{
        struct sense *s = ctx;
        struct channel_msg msg;
        ssize_t n = recv(ROLE_FD_SENSE, &msg, sizeof(msg), MSG_DONTWAIT);

        if (n != (ssize_t)sizeof(msg)) {
                /* init holds both ends for its whole life: this is its end. */
                if (n == 0 || (events & EPOLLHUP))
                        loop_exit(s->loop, 0);
                return;
        }
        msg.u.begin.workspace[CHANNEL_PATH_MAX - 1] = '\0';
        msg.u.begin.home[CHANNEL_PATH_MAX - 1] = '\0';
        if (msg.type == CHANNEL_SENSE_BEGIN)
                begin(s, &msg);
        else if (msg.type == CHANNEL_SENSE_STOP)
                stop(s);
}

static void load_profile(struct sense *s)
{
        const char *path = getenv("WS_PROFILE");
        int r = path ? profile_load(path, &s->profile) : -ENOENT;

        if (r < 0)
                log_warn("no profile: nothing is left out of the watches", LOG_ERR(r));
}

static void read_window(struct sense *s)
{
        const char *text = getenv("WS_JOB_WINDOW");
        int64_t ms;

        s->window_ms = JOBS_WINDOW_MS;
        if (!text)
                return;
        if (num_parse_duration_ms(text, &ms) == 0 && ms >= WINDOW_MS_MIN && ms <= WINDOW_MS_MAX)
                s->window_ms = ms;
        else
                log_warn("WS_JOB_WINDOW must be a time from 1s to 1h; taking the default",
                         LOG_STR("given", text), LOG_INT("default_ms", JOBS_WINDOW_MS));
}

static int run(struct sense *s)
{
        struct channel_msg hello = {.type = CHANNEL_SENSE_HELLO};
        int r = loop_new(&s->loop);

        if (r < 0)
                return r;
        loop_timer_init(s->loop, &s->send, send_due, s);
        loop_timer_init(s->loop, &s->sample, on_sample, s);
        r = loop_fd_add(s->loop, &s->channel, ROLE_FD_SENSE, EPOLLIN, on_channel, s);
        if (r == 0) {
                load_profile(s);
                read_window(s);
                /* Blocks while the socket is full of records of an earlier life. */
                if (send(ROLE_FD_SENSE, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
                        r = -errno;
        }
        if (r == 0)
                r = loop_run(s->loop);
        stop(s);
        loop_fd_del(&s->channel);
        loop_free(s->loop);
        profile_free(s->profile);
        return r;
}

int role_sense_main(int argc, char **argv)
{
        struct sense s = {.channel = LOOP_FD_NULL};
        int r;

        (void)argc, (void)argv;
        /* Not to outlive init where it is not PID 1. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* It shares the student's user, and holds the socket to link. */
        (void)prctl(PR_SET_DUMPABLE, 0);
        r = run(&s);
        if (r < 0)
                log_error("sense ends", LOG_ERR(r));
        return r == 0 ? 0 : 1;
}
