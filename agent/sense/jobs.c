#include "sense/jobs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define INDEX_SIZE (2 * JOBS_PROCESSES_MAX) /* a power of two */
/* The window is kept in so many parts; a part is forgotten as a whole. */
#define PARTS 8
/* Questions for a process's bytes in one sample. */
#define IO_ASKS_MAX 512

enum owner { OWNER_NONE, OWNER_OUTSIDE, OWNER_PRESUMED_APP, OWNER_APP, OWNER_STUDENT };

struct seen {
        struct jobs_process p;
        enum owner owner; /* OWNER_NONE: not resolved yet */
        bool known;       /* in the sample before, too */
        bool fresh;       /* not in the one before: it may execute what it is meant to be yet */
        bool on_chain;
        bool ignore_own, ignored;
        bool kernel_own;
        bool hosts; /* without a terminal, and a terminal's session was started from it */
        bool gone_io_unknown;
        pid_t kernel;     /* the topmost process at or above with a kernel's word; 0 none */
        pid_t key;        /* of its group; 0: of no interest */
        uint64_t used_ms; /* since the sample before */
        uint64_t io;      /* when last asked */
        uint64_t io_cpu;  /* its CPU then: it cannot have moved bytes without using some */
        uint64_t gone_ms; /* what had been counted of children that are gone now */
        uint64_t gone_io;
        char name[16];
};

struct sample {
        struct seen *items;
        size_t n;
        uint16_t *index; /* by pid: place in items + 1; 0 free */
};

struct part {
        int64_t number; /* of the part of time */
        uint64_t ms, io;
};

struct group {
        pid_t key;    /* 0: free */
        int64_t last; /* part of time in which it was last there or used anything */
        uint64_t name_weight;
        bool exempt; /* a process with a kernel's word: may listen */
        bool listens;
        bool asked;
        mono_t asked_at;
        struct part parts[PARTS];
        char name[16];
};

struct jobs {
        struct jobs_config config;
        struct sample now, before;
        struct group *groups;
        uint16_t *chain;
        mono_t at;
        int64_t part;
        pid_t app, app_session;
        bool compared; /* there is a sample before */
        unsigned io_asks;
};

/* ---- samples ---- */

static size_t slot_of(const struct sample *s, pid_t pid)
{
        size_t i = ((uint32_t)pid * UINT32_C(2654435761)) & (INDEX_SIZE - 1);

        while (s->index[i] != 0 && s->items[s->index[i] - 1].p.pid != pid)
                i = (i + 1) & (INDEX_SIZE - 1);
        return i;
}

static struct seen *sample_find(const struct sample *s, pid_t pid)
{
        size_t slot = slot_of(s, pid);

        return s->index[slot] ? &s->items[s->index[slot] - 1] : NULL;
}

static int sample_init(struct sample *s)
{
        /* Untouched pages cost nothing, so the maximum is taken at once. */
        s->items = calloc(JOBS_PROCESSES_MAX, sizeof(*s->items));
        s->index = calloc(INDEX_SIZE, sizeof(*s->index));
        return s->items && s->index ? 0 : -ENOMEM;
}

static void sample_deinit(struct sample *s)
{
        free(s->items);
        free(s->index);
}

int jobs_new(const struct jobs_config *config, struct jobs **ret_jobs)
{
        struct jobs *j = calloc(1, sizeof(*j));

        assert(config->window_ms >= PARTS);
        if (!j)
                return -ENOMEM;
        j->config = *config;
        j->groups = calloc(JOBS_GROUPS_MAX, sizeof(*j->groups));
        j->chain = calloc(JOBS_PROCESSES_MAX, sizeof(*j->chain));
        if (sample_init(&j->now) < 0 || sample_init(&j->before) < 0 || !j->groups || !j->chain) {
                jobs_free(j);
                return -ENOMEM;
        }
        *ret_jobs = j;
        return 0;
}

struct jobs *jobs_free(struct jobs *j)
{
        if (!j)
                return NULL;
        sample_deinit(&j->now);
        sample_deinit(&j->before);
        free(j->groups);
        free(j->chain);
        free(j);
        return NULL;
}

size_t jobs_count(const struct jobs *j)
{
        return j->now.n;
}

void jobs_begin(struct jobs *j, mono_t now, pid_t app)
{
        struct sample last = j->before;

        j->before = j->now;
        j->now = last;
        j->now.n = 0;
        memset(j->now.index, 0, INDEX_SIZE * sizeof(*j->now.index));
        j->at = now;
        j->part = mono_diff_ms((mono_t){0}, now) / (j->config.window_ms / PARTS);
        j->app = app;
        j->app_session = 0;
        j->io_asks = 0;
}

bool jobs_add(struct jobs *j, const struct jobs_process *p)
{
        const struct seen *old;
        struct seen *s;
        size_t slot;

        if (j->now.n >= JOBS_PROCESSES_MAX || p->pid <= 0)
                return false;
        slot = slot_of(&j->now, p->pid);
        if (j->now.index[slot] != 0)
                return false; /* a second time: its pid was used again while we looked */
        s = &j->now.items[j->now.n++];
        j->now.index[slot] = (uint16_t)j->now.n;
        *s = (struct seen){.p = *p, .io = j->compared ? 0 : JOBS_IO_UNKNOWN};
        s->p.comm[sizeof(s->p.comm) - 1] = '\0';
        if (p->pid == j->app)
                j->app_session = p->session;
        old = sample_find(&j->before, p->pid);
        if (!old || old->p.start != p->start) {
                s->fresh = true;
                return true;
        }
        s->known = true;
        s->ignore_own = old->ignore_own;
        s->kernel_own = old->kernel_own;
        s->io = old->io;
        s->io_cpu = old->io_cpu;
        memcpy(s->name, old->name, sizeof(s->name));
        return old->fresh || strcmp(s->p.comm, old->p.comm) != 0;
}

/* ---- words ---- */

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool words_have(const struct rule_words *words, const char *name)
{
        for (size_t i = 0; i < words->n; i++) {
                if (strcmp(words->items[i], name) == 0)
                        return true;
        }
        return false;
}

static bool contains(const char *hay, size_t len, const char *needle)
{
        size_t n = strlen(needle);

        return n > 0 && memmem(hay, len, needle, n) != NULL;
}

bool jobs_argv_has(const struct rule_words *words, const char *argv, size_t len)
{
        for (size_t i = 0; i < words->n; i++) {
                if (contains(argv, len, words->items[i]))
                        return true;
        }
        return false;
}

static bool is_variable(const char *word)
{
        size_t n = strlen(word);

        return n > 1 && word[n - 1] == '=';
}

bool jobs_wants_env(const struct jobs *j)
{
        const struct rule_words *words = &j->config.rules->job_kernels;

        for (size_t i = 0; i < words->n; i++) {
                if (is_variable(words->items[i]))
                        return true;
        }
        return false;
}

static bool env_has(const char *env, size_t len, const char *variable)
{
        size_t n = strlen(variable);

        for (const char *end = env + len; (size_t)(end - env) >= n;) {
                const char *nul;

                if (memcmp(env, variable, n) == 0)
                        return true;
                nul = memchr(env, '\0', (size_t)(end - env));
                if (!nul)
                        return false;
                env = nul + 1;
        }
        return false;
}

static bool is_kernel(const struct rule_words *words, const char *argv, size_t argv_len,
                      const char *env, size_t env_len)
{
        for (size_t i = 0; i < words->n; i++) {
                const char *word = words->items[i];

                if (is_variable(word) ? env_has(env, env_len, word)
                                      : contains(argv, argv_len, word))
                        return true;
        }
        return false;
}

/* The first word's base name without a login shell's dash; "" when there is none. */
static void command_of(const char *argv, size_t len, char *dst, size_t size)
{
        char word[256];
        const char *base;
        size_t n = MIN(strnlen(argv, len), sizeof(word) - 1);

        memcpy(word, argv, n);
        word[n] = '\0';
        base = base_name(word);
        /* Some write a title there: "nginx: worker process" */
        word[strcspn(word, ": ")] = '\0';
        str_copy_cut(dst, size, *base == '-' ? base + 1 : base);
}

/* As `comm` is cut at 15 bytes, and may be a title too: "tmux: server". */
static bool comm_is(const struct rule_words *words, const char *comm)
{
        char name[16], word[16];

        str_copy_cut(name, sizeof(name), comm);
        name[strcspn(name, ": ")] = '\0';
        for (size_t i = 0; i < words->n; i++) {
                str_copy_cut(word, sizeof(word), words->items[i]);
                if (strcmp(word, name) == 0)
                        return true;
        }
        return false;
}

/* What people would call it: a script's name rather than its interpreter's, but not "MainThread".
 */
static void name_of(struct seen *s, const char *command, const char *argv, size_t len)
{
        const char *name = s->p.comm;

        if (*command && !contains(argv, MIN(len, (size_t)256), name))
                name = command;
        str_copy_cut(s->name, sizeof(s->name), name);
        for (char *c = s->name; *c; c++) {
                if (*c < ' ' || *c > '~')
                        *c = '?';
        }
}

void jobs_words(struct jobs *j, pid_t pid, const char *argv, size_t argv_len, const char *env,
                size_t env_len)
{
        const struct rules *rules = j->config.rules;
        struct seen *s = sample_find(&j->now, pid);
        char command[64];

        if (!s)
                return;
        command_of(argv, argv_len, command, sizeof(command));
        s->ignore_own =
                words_have(&rules->job_ignore, command) || comm_is(&rules->job_ignore, s->p.comm);
        s->kernel_own = is_kernel(&rules->job_kernels, argv, argv_len, env, env_len);
        name_of(s, command, argv, argv_len);
}

/* ---- whose a process is ---- */

static struct seen *parent_of(const struct jobs *j, const struct seen *s)
{
        return s->p.ppid == j->config.init ? NULL : sample_find(&j->now, s->p.ppid);
}

static enum owner owner_of(const struct jobs *j, const struct seen *s, const struct seen *parent)
{
        const struct seen *old = s->known ? sample_find(&j->before, s->p.pid) : NULL;
        bool below_init = s->p.ppid == j->config.init;

        if (s->p.pid == j->config.init)
                return OWNER_OUTSIDE;
        /* A parent of another user, or outside of our namespace where init is its process 1. */
        if (!parent && !below_init && j->config.init != 1)
                return OWNER_OUTSIDE;
        if (parent && parent->owner == OWNER_OUTSIDE)
                return OWNER_OUTSIDE;
        if (s->p.tty != 0)
                return OWNER_STUDENT;
        if (old && (old->owner == OWNER_STUDENT || old->owner == OWNER_APP))
                return old->owner;
        if (j->app_session > 0 && s->p.session == j->app_session)
                return OWNER_APP;
        if (parent)
                return parent->owner;
        if (j->app_session == 0 && below_init && s->p.pid == s->p.session)
                return OWNER_PRESUMED_APP;
        return OWNER_STUDENT;
}

static void resolve_one(struct jobs *j, struct seen *s)
{
        const struct seen *parent = parent_of(j, s);

        /* A circle, which only processes that change while we look can make. */
        if (parent && parent->owner == OWNER_NONE)
                parent = NULL;
        s->owner = owner_of(j, s, parent);
        s->ignored = s->ignore_own || s->hosts ||
                     (parent && parent->ignored && !parent->hosts && parent->p.pgrp == s->p.pgrp);
        s->kernel = parent && parent->kernel ? parent->kernel : s->kernel_own ? s->p.pid : 0;
        if (s->owner == OWNER_STUDENT)
                s->key = s->p.pgrp;
        else if (s->owner != OWNER_OUTSIDE)
                s->key = s->kernel;
        if (s->ignored)
                s->key = 0;
}

static void resolve(struct jobs *j, struct seen *s)
{
        size_t n = 0;

        for (; s && s->owner == OWNER_NONE && !s->on_chain; s = parent_of(j, s)) {
                s->on_chain = true;
                j->chain[n++] = (uint16_t)(s - j->now.items);
        }
        while (n > 0)
                resolve_one(j, &j->now.items[j->chain[--n]]);
}

static void find_hosts(struct jobs *j)
{
        for (size_t i = 0; i < j->now.n; i++) {
                const struct seen *s = &j->now.items[i];
                struct seen *parent;

                if (s->p.tty == 0 || s->p.pid != s->p.session)
                        continue;
                parent = parent_of(j, s);
                if (parent && parent->p.tty == 0)
                        parent->hosts = true;
        }
}

/* ---- what it used ---- */

static uint64_t minus(uint64_t a, uint64_t b)
{
        return a > b ? a - b : 0;
}

/* What an ended process used goes to whoever waited for it, and was counted before in part. */
static void charge_gone(struct jobs *j)
{
        for (size_t i = 0; i < j->before.n; i++) {
                const struct seen *old = &j->before.items[i], *up = old;
                struct seen *heir = sample_find(&j->now, old->p.pid);

                if (heir && heir->known)
                        continue;
                heir = NULL;
                for (size_t depth = 0; up && !heir && depth < j->before.n; depth++) {
                        up = sample_find(&j->before, up->p.ppid);
                        heir = up ? sample_find(&j->now, up->p.pid) : NULL;
                        if (heir && !heir->known)
                                heir = NULL;
                }
                if (!heir)
                        continue;
#ifndef JOBS_PLANTED_TWICE
                heir->gone_ms += old->p.self_ms + old->p.waited_ms;
#endif
                if (old->io == JOBS_IO_UNKNOWN || old->ignored || old->key == 0)
                        heir->gone_io_unknown = true;
                else
                        heir->gone_io += old->io;
        }
}

static void charge(struct jobs *j, struct seen *s)
{
        const struct seen *old = s->known ? sample_find(&j->before, s->p.pid) : NULL;

        if (!j->compared)
                s->used_ms = 0;
        else if (!old)
                s->used_ms = s->p.self_ms + s->p.waited_ms;
        else
                s->used_ms = minus(s->p.self_ms, old->p.self_ms) +
                             minus(minus(s->p.waited_ms, old->p.waited_ms), s->gone_ms);
}

/* ---- groups ---- */

static bool in_window(const struct jobs *j, int64_t part)
{
        return part > j->part - PARTS;
}

static struct group *group_of(struct jobs *j, pid_t key)
{
        struct group *free_one = NULL;

        for (size_t i = 0; i < JOBS_GROUPS_MAX; i++) {
                struct group *g = &j->groups[i];

                if (g->key == key)
                        return g;
                if (!free_one && g->key == 0)
                        free_one = g;
        }
        if (!free_one)
                return &j->groups[JOBS_GROUPS_MAX - 1];
        *free_one = (struct group){.key = key, .last = j->part};
        return free_one;
}

static void group_charge(struct jobs *j, struct group *g, uint64_t ms, uint64_t io)
{
        struct part *p = &g->parts[(uint64_t)j->part % PARTS];

        if (p->number != j->part)
                *p = (struct part){.number = j->part};
        p->ms += ms;
        p->io += io;
        g->last = j->part;
}

static uint64_t group_ms(const struct jobs *j, const struct group *g)
{
        uint64_t sum = 0;

        for (int i = 0; i < PARTS; i++)
                sum += in_window(j, g->parts[i].number) ? g->parts[i].ms : 0;
        return sum;
}

static uint64_t group_io(const struct jobs *j, const struct group *g)
{
        uint64_t sum = 0;

        for (int i = 0; i < PARTS; i++)
                sum += in_window(j, g->parts[i].number) ? g->parts[i].io : 0;
        return sum;
}

static bool cpu_busy(const struct jobs *j, const struct group *g)
{
        return group_ms(j, g) >= (uint64_t)(j->config.window_ms * JOBS_CPU_PERMILLE / 1000);
}

static bool io_busy(const struct jobs *j, const struct group *g)
{
        return group_io(j, g) >= (uint64_t)(JOBS_IO_BYTES * j->config.window_ms / 60000);
}

static void count_cpu(struct jobs *j)
{
        for (size_t i = 0; i < j->now.n; i++) {
                struct seen *s = &j->now.items[i];
                struct group *g;
                uint64_t weight;

                if (s->key == 0)
                        continue;
                g = group_of(j, s->key);
                group_charge(j, g, s->used_ms, 0);
                g->exempt = g->exempt || s->kernel != 0;
                weight = s->p.pid == s->key ? UINT64_MAX : s->used_ms + 1;
                if (weight >= g->name_weight) {
                        g->name_weight = weight;
                        memcpy(g->name, s->name, sizeof(g->name));
                }
        }
}

static uint64_t ask_io(struct jobs *j, const struct seen *s)
{
        if (!j->config.io || j->io_asks >= IO_ASKS_MAX)
                return JOBS_IO_UNKNOWN;
        j->io_asks++;
        return j->config.io(j->config.ctx, s->p.pid);
}

static void count_io(struct jobs *j)
{
        for (size_t i = 0; i < j->now.n; i++) {
                struct seen *s = &j->now.items[i];
                uint64_t cpu = s->p.self_ms + s->p.waited_ms, old = s->io;
                struct group *g;

                if (s->key == 0)
                        continue;
                g = group_of(j, s->key);
                if (cpu_busy(j, g)) {
                        s->io = JOBS_IO_UNKNOWN; /* not needed, and old when it is again */
                        continue;
                }
                if (old != JOBS_IO_UNKNOWN && s->io_cpu == cpu)
                        continue;
                s->io = ask_io(j, s);
                s->io_cpu = cpu;
                if (s->io != JOBS_IO_UNKNOWN && old != JOBS_IO_UNKNOWN && !s->gone_io_unknown)
                        group_charge(j, g, 0, minus(minus(s->io, old), s->gone_io));
        }
}

static bool ask_listens(struct jobs *j, struct group *g)
{
        unsigned asks = 0;

        if (g->asked && mono_diff_ms(g->asked_at, j->at) < j->config.window_ms)
                return g->listens;
        for (size_t i = 0; i < j->now.n && asks < JOBS_LISTEN_MAX; i++) {
                const struct seen *s = &j->now.items[i];

                if (s->key != g->key)
                        continue;
                if (asks++ == 0)
                        g->listens = false;
                g->asked = true;
                g->asked_at = j->at;
                if (j->config.listens(j->config.ctx, s->p.pid)) {
                        g->listens = true;
                        break;
                }
        }
        return g->listens;
}

static void judge(struct jobs *j, struct jobs_verdict *ret_verdict)
{
        struct jobs_verdict v = {0};
        uint64_t most = 0;

        for (size_t i = 0; i < JOBS_GROUPS_MAX; i++) {
                struct group *g = &j->groups[i];

                if (g->key == 0)
                        continue;
                if (!in_window(j, g->last)) {
                        g->key = 0;
                        continue;
                }
                g->name_weight = 0;
                if ((!cpu_busy(j, g) && !io_busy(j, g)) ||
                    (!g->exempt && j->config.listens && ask_listens(j, g)))
                        continue;
                v.busy++;
                if (v.busy == 1 || group_ms(j, g) > most) {
                        most = group_ms(j, g);
                        memcpy(v.name, g->name, sizeof(v.name));
                }
        }
        *ret_verdict = v;
}

void jobs_end(struct jobs *j, struct jobs_verdict *ret_verdict)
{
        find_hosts(j);
        charge_gone(j);
        for (size_t i = 0; i < j->now.n; i++) {
                resolve(j, &j->now.items[i]);
                charge(j, &j->now.items[i]);
        }
        count_cpu(j);
        count_io(j);
        judge(j, ret_verdict);
        j->compared = true;
}
