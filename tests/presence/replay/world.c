#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sense/jobs.h"
#include "sense/procs.h"
#include "sense/typing.h"

#define PROCESSES_MAX 8192
#define TERMINALS_MAX 256
#define WORKSPACE "workspace/"
#define PTS_MAJOR 136U
#define INIT 1
#define OWNER_WAIT_MS 6000  /* longer than between two samples */
#define SAMPLE_EARLY_MS 500 /* the recorder's samples are as punctual as its machine */

#define ARGV_MAX 512

struct process {
        struct jobs_process p;
        uint64_t cpu_ms;    /* as recorded: its own and that of children it has waited for */
        uint64_t reaped_ms; /* of children that are gone and may be found in the next cpu_ms */
        uint64_t io;
        bool listens;
        size_t argv_len;
        char argv[ARGV_MAX]; /* words with NUL between them */
};

struct world {
        const struct rules *rules;
        struct jobs *jobs;
        struct process *processes;
        size_t n_processes;
        mono_t sampled;
        bool any_sample;
        struct terminal {
                struct typing typing;
                mono_t watch_at; /* its output is watched again from then on; MONO_NEVER: it is */
                enum procs_terminal whose;
                uint32_t keys, replies; /* not told yet: the sampler is late to say whose it is */
                mono_t read;            /* the first of them */
        } terminals[TERMINALS_MAX];     /* by number */
        struct moment since;            /* what world_take gives */
};

static struct process *find_process(const struct world *w, pid_t pid)
{
        for (size_t i = 0; i < w->n_processes; i++) {
                if (w->processes[i].p.pid == pid)
                        return &w->processes[i];
        }
        return NULL;
}

static uint64_t io_of(void *ctx, pid_t pid)
{
        const struct process *p = find_process(ctx, pid);

        return p ? p->io : JOBS_IO_UNKNOWN;
}

static bool listens(void *ctx, pid_t pid)
{
        const struct process *p = find_process(ctx, pid);

        return p && p->listens;
}

struct world *world_new(const struct rules *rules)
{
        struct world *w = calloc(1, sizeof(*w));
        struct jobs_config config = {
                .rules = rules,
                .init = INIT,
                .window_ms = JOBS_WINDOW_MS,
                .io = io_of,
                .listens = listens,
                .ctx = w,
        };

        if (!w)
                return NULL;
        w->rules = rules;
        w->processes = calloc(PROCESSES_MAX, sizeof(*w->processes));
        if (!w->processes || jobs_new(&config, &w->jobs) < 0)
                return world_free(w);
        return w;
}

struct world *world_free(struct world *w)
{
        if (!w)
                return NULL;
        jobs_free(w->jobs);
        free(w->processes);
        free(w);
        return NULL;
}

/* --- processes --- */

static void read_argv(struct process *p, const cJSON *argv)
{
        const cJSON *word;

        p->argv_len = 0;
        cJSON_ArrayForEach(word, argv)
        {
                size_t n = cJSON_IsString(word) ? strlen(word->valuestring) + 1 : 0;

                if (n == 0 || p->argv_len + n > sizeof(p->argv))
                        continue;
                memcpy(p->argv + p->argv_len, word->valuestring, n);
                p->argv_len += n;
        }
}

/* The recording has one sum; what children that are gone had used is the part that was theirs. */
static void take_cpu(struct process *p, uint64_t cpu_ms)
{
        uint64_t more = cpu_ms > p->cpu_ms ? cpu_ms - p->cpu_ms : 0;
        uint64_t waited = MIN(more, p->reaped_ms);

        p->cpu_ms = cpu_ms;
        p->reaped_ms -= waited;
        p->p.waited_ms += waited;
        p->p.self_ms += more - waited;
}

/* The first line of a process says all of it, further ones what has changed. */
static void take_process(struct world *w, const struct event *e)
{
        pid_t pid = (pid_t)event_number(e, "pid", 0);
        struct process *p = find_process(w, pid);
        const cJSON *argv = cJSON_GetObjectItemCaseSensitive(e->fields, "argv");
        int64_t io;

        if (!p) {
                if (w->n_processes == PROCESSES_MAX || pid <= 0)
                        return;
                p = &w->processes[w->n_processes++];
                *p = (struct process){.p.pid = pid, .io = JOBS_IO_UNKNOWN};
        }
        p->p.ppid = (pid_t)event_number(e, "ppid", p->p.ppid);
        p->p.pgrp = (pid_t)event_number(e, "pgrp", p->p.pgrp);
        p->p.session = (pid_t)event_number(e, "sid", p->p.session);
        p->p.tty = (uint32_t)event_number(e, "tty", p->p.tty);
        p->p.start = (uint64_t)event_number(e, "start", (int64_t)p->p.start);
        take_cpu(p, (uint64_t)event_number(e, "cpu", (int64_t)p->cpu_ms));
        io = event_number(e, "io", (int64_t)p->io);
        p->io = io < 0 ? JOBS_IO_UNKNOWN : (uint64_t)io;
        p->listens = event_number(e, "listen", p->listens) != 0;
        STR_CUT(p->p.comm, event_text(e, "comm", p->p.comm));
        if (cJSON_IsArray(argv))
                read_argv(p, argv);
}

static void take_exit(struct world *w, const struct event *e)
{
        struct process *p = find_process(w, (pid_t)event_number(e, "pid", 0));
        struct process *parent = p ? find_process(w, p->p.ppid) : NULL;

        if (!p)
                return;
        if (parent)
                parent->reaped_ms += p->cpu_ms;
        *p = w->processes[--w->n_processes];
}

/* The topmost process at or above this one, below init or with no parent that is known. */
static const struct process *top_of(const struct world *w, const struct process *p)
{
        for (size_t depth = 0; depth < w->n_processes; depth++) {
                const struct process *parent =
                        p->p.ppid == INIT ? NULL : find_process(w, p->p.ppid);

                if (!parent)
                        break;
                p = parent;
        }
        return p;
}

/*
 * A session or group that began outside of the workspace's namespace is 0 there: that of whoever
 * made the recording. In life init gives each that it starts one of its own, as `docker exec` does.
 */
static struct jobs_process as_in_life(const struct world *w, const struct process *p)
{
        struct jobs_process jp = p->p;
        pid_t top = top_of(w, p)->p.pid;

        if (jp.session == 0)
                jp.session = top;
        if (jp.pgrp == 0)
                jp.pgrp = top;
        return jp;
}

/* The app's main process: the oldest of those that init has started. */
static pid_t find_app(const struct world *w)
{
        const struct process *app = NULL;

        for (size_t i = 0; i < w->n_processes; i++) {
                const struct process *p = &w->processes[i];

                if (p->p.ppid == INIT && p->p.tty == 0 && (!app || p->p.start < app->p.start))
                        app = p;
        }
        return app ? app->p.pid : 0;
}

/* --- terminals --- */

/* Its session's leader was started by a process of the app that has such a word, or by another. */
static enum procs_terminal whose(const struct world *w, uint32_t number)
{
        for (size_t i = 0; i < w->n_processes; i++) {
                const struct process *p = &w->processes[i], *parent;

                if (p->p.tty != (PTS_MAJOR << 8 | number) || p->p.session != p->p.pid)
                        continue;
                parent = find_process(w, p->p.ppid);
                return parent && jobs_argv_has(&w->rules->app_terminals, parent->argv,
                                               parent->argv_len)
                               ? PROCS_TERMINAL_APP
                               : PROCS_TERMINAL_OTHER;
        }
        return PROCS_TERMINAL_UNKNOWN;
}

static void count_reads(struct world *w, struct terminal *t)
{
        if (t->whose == PROCS_TERMINAL_APP) {
                w->since.terminal.app_events += t->keys;
        } else {
                w->since.terminal.events += t->keys + t->replies;
                w->since.terminal.replies += t->replies;
        }
        t->keys = t->replies = 0;
}

/* In life the agent looks when the first key comes; here the next sample says it, if there is one.
 */
static void find_owners(struct world *w, mono_t now)
{
        for (uint32_t i = 0; i < TERMINALS_MAX; i++) {
                struct terminal *t = &w->terminals[i];

                if (t->keys + t->replies == 0)
                        continue;
                if (t->whose == PROCS_TERMINAL_UNKNOWN)
                        t->whose = whose(w, i);
                if (t->whose != PROCS_TERMINAL_UNKNOWN ||
                    mono_diff_ms(t->read, now) >= OWNER_WAIT_MS)
                        count_reads(w, t);
        }
}

static void open_terminal(struct terminal *t, mono_t now)
{
        *t = (struct terminal){.watch_at = MONO_NEVER};
        typing_watch(&t->typing, now);
}

/* As sense/pts.c does with its watches: after output the next is not looked for at once. */
static void take_terminal(struct world *w, const struct event *e, mono_t now)
{
        uint32_t number = (uint32_t)event_number(e, "n", 0);
        const char *what = event_text(e, "k", "");
        struct terminal *t;

        if (number >= TERMINALS_MAX)
                return;
        t = &w->terminals[number];
        if (strcmp(what, "open") == 0 || t->watch_at.us == 0)
                open_terminal(t, now);
        if (!mono_is_never(t->watch_at) && mono_due(t->watch_at, now)) {
                typing_watch(&t->typing, t->watch_at);
                t->watch_at = MONO_NEVER;
        }
        if (strcmp(what, "print") == 0 && mono_is_never(t->watch_at))
                t->watch_at = mono_add_ms(now, typing_output(&t->typing, now));
        if (strcmp(what, "read") != 0)
                return;
        if (t->keys + t->replies == 0)
                t->read = now;
        if (typing_read(&t->typing, now))
                t->keys++;
        else
                t->replies++;
        if (t->whose != PROCS_TERMINAL_UNKNOWN)
                count_reads(w, t);
}

/* --- samples --- */

/* The sampler may look more often than the agent does. */
static void take_sample(struct world *w, mono_t now)
{
        struct jobs_verdict v;

        if (w->any_sample && mono_diff_ms(w->sampled, now) < JOBS_PERIOD_MS - SAMPLE_EARLY_MS)
                return;
        w->any_sample = true;
        w->sampled = now;
        jobs_begin(w->jobs, now, find_app(w));
        for (size_t i = 0; i < w->n_processes; i++) {
                const struct process *p = &w->processes[i];
                struct jobs_process jp = as_in_life(w, p);

                if (jobs_add(w->jobs, &jp))
                        jobs_words(w->jobs, jp.pid, p->argv, p->argv_len, "", 0);
        }
        jobs_end(w->jobs, &v);
        w->since.job.busy = v.busy;
        if (v.busy > 0)
                STR_CUT(w->since.job.name, v.name);
}

/* --- all of it --- */

void world_event(struct world *w, const struct event *e, mono_t now)
{
        switch (e->kind) {
        case EVENT_PROC:
                take_process(w, e);
                return;
        case EVENT_EXIT:
                take_exit(w, e);
                return;
        case EVENT_SAMPLE:
                take_sample(w, now);
                return;
        case EVENT_TTY:
                take_terminal(w, e, now);
                return;
        case EVENT_FILE:
                if (str_starts(event_text(e, "path", ""), WORKSPACE))
                        w->since.files.workspace_events++;
                return;
        case EVENT_LOST:
                w->since.files.workspace_events++;
                return;
        case EVENT_OPEN:
        case EVENT_UP:
        case EVENT_DOWN:
        case EVENT_END:
        case EVENT_DOWN_END:
        case EVENT_CLOSE:
        case EVENT_MARK:
        case EVENT_TIMES:
        case EVENT_WATCHING:
        case EVENT_KIND_MAX:
                return;
        }
}

void world_take(struct world *w, struct moment *m, mono_t now)
{
        find_owners(w, now);
        m->terminal = w->since.terminal;
        m->files = w->since.files;
        m->job = w->since.job;
        w->since = (struct moment){0};
}
