/*
 * Runs seeds of the simulated world in several processes; a broken rule is repeated with its trace.
 *
 *   sim --seeds A..B [--jobs N] [--json] [--minutes M] [--keep-going]
 *   sim --seed N [--trace] [--minutes M]
 *   sim --file FILE           the seeds in a file: one per line, # begins a comment
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "sim.h"
#include "state.h"

#define JOBS_MAX 64
#define SEEDS_MAX 1000000
#define LAST_LINES 60
/* One seed in so many runs twice and must be the same. */
#define TWICE 50

struct options {
        uint64_t first, last;
        uint64_t *list; /* NULL: first to last */
        size_t n_list;
        uint64_t jobs;
        bool json, trace, keep_going;
        struct sim_options sim;
};

/* What a worker tells; shared memory. */
struct worker {
        uint64_t seed; /* that runs now */
        uint64_t done;
        bool broken;
        uint64_t broken_seed;
        struct sim_result total, result;
        uint64_t times[INV_MAX], example[INV_MAX]; /* with --keep-going */
};

struct shared {
        volatile bool stop;
        struct worker workers[JOBS_MAX];
};

static void usage(void)
{
        fputs("usage: sim --seeds A..B | --seed N | --file FILE\n"
              "           [--jobs N] [--minutes M] [--json] [--trace] [--keep-going]\n",
              stderr);
        exit(2);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
        uint64_t v = 0;

        if (!text || num_parse_u64(text, least, most, &v) < 0)
                usage();
        return v;
}

static void parse_range(struct options *o, char *text)
{
        char *dots = text ? strstr(text, "..") : NULL;

        if (!dots)
                usage();
        *dots = 0;
        o->first = number(text, 0, UINT64_MAX);
        o->last = number(dots + 2, o->first, o->first + SEEDS_MAX);
}

static void parse_file(struct options *o, const char *path)
{
        FILE *f = path ? fopen(path, "re") : NULL;
        char line[256];

        if (!f) {
                fprintf(stderr, "sim: cannot read %s: %s\n", path ? path : "", strerror(errno));
                exit(2);
        }
        o->list = calloc(SEEDS_MAX, sizeof(*o->list));
        while (o->list && fgets(line, sizeof(line), f) && o->n_list < SEEDS_MAX) {
                line[strcspn(line, "# \t\n")] = 0;
                if (line[0])
                        o->list[o->n_list++] = number(line, 0, UINT64_MAX);
        }
        (void)fclose(f);
}

static void parse(struct options *o, int argc, char **argv)
{
        bool given = false;

        for (int i = 1; i < argc; i++) {
                char *value = i + 1 < argc ? argv[i + 1] : NULL;

                if (strcmp(argv[i], "--json") == 0) {
                        o->json = true;
                        continue;
                }
                if (strcmp(argv[i], "--keep-going") == 0) {
                        o->keep_going = true;
                        continue;
                }
                if (strcmp(argv[i], "--trace") == 0) {
                        o->trace = true;
                        continue;
                }
                if (strcmp(argv[i], "--seeds") == 0)
                        parse_range(o, value);
                else if (strcmp(argv[i], "--seed") == 0)
                        o->first = o->last = number(value, 0, UINT64_MAX);
                else if (strcmp(argv[i], "--file") == 0)
                        parse_file(o, value);
                else if (strcmp(argv[i], "--jobs") == 0)
                        o->jobs = number(value, 1, JOBS_MAX);
                else if (strcmp(argv[i], "--minutes") == 0)
                        o->sim.storm_ms = (int64_t)number(value, 1, 100000) * SIM_MIN;
                else
                        usage();
                given |= strncmp(argv[i], "--seed", 6) == 0 || strcmp(argv[i], "--file") == 0;
                i++;
        }
        if (!given)
                usage();
}

static uint64_t n_seeds(const struct options *o)
{
        return o->list ? o->n_list : o->last - o->first + 1;
}

static uint64_t seed_at(const struct options *o, uint64_t i)
{
        return o->list ? o->list[i] : o->first + i;
}

/* ---- one seed ---- */

static void add(struct sim_result *total, const struct sim_result *r)
{
        total->steps += r->steps;
        total->effects += r->effects;
        total->crashes += r->crashes;
        total->freezes += r->freezes;
        total->takeovers += r->takeovers;
        total->virtual_ms += r->virtual_ms;
        for (int i = 0; i < MOMENT_MAX; i++)
                total->returns[i] += r->returns[i];
        for (int i = 0; i < FAULT_MAX; i++)
                total->faults[i] += r->faults[i];
}

static void run_seed(struct sim *s, const struct options *o, struct worker *w, uint64_t seed)
{
        struct sim_result again;

        w->seed = seed;
        sim_run(s, seed, &o->sim, &w->result);
        if (!w->result.broken && seed % TWICE == 0) {
                sim_run(s, seed, &o->sim, &again);
                if (again.hash != w->result.hash) {
                        w->result.broken = true;
                        w->result.invariant = INV_DETERMINISTIC;
                }
        }
        add(&w->total, &w->result);
        w->done++;
        if (!w->result.broken)
                return;
        if (w->times[w->result.invariant]++ == 0)
                w->example[w->result.invariant] = seed;
        w->broken = true;
        w->broken_seed = seed;
}

static void work(struct shared *sh, const struct options *o, uint64_t job)
{
        struct worker *w = &sh->workers[job];
        struct sim *s = sim_new();

        if (!s)
                abort();
        for (uint64_t i = job; i < n_seeds(o) && (o->keep_going || !sh->stop); i += o->jobs) {
                run_seed(s, o, w, seed_at(o, i));
                if (w->broken)
                        sh->stop = true;
        }
        sim_free(s);
}

static void run_jobs(struct shared *sh, const struct options *o)
{
        pid_t pids[JOBS_MAX];

        for (uint64_t job = 0; job < o->jobs; job++) {
                pids[job] = fork();
                if (pids[job] < 0)
                        abort();
                if (pids[job] == 0) {
                        work(sh, o, job);
                        _exit(0);
                }
        }
        for (uint64_t job = 0; job < o->jobs; job++) {
                struct worker *w = &sh->workers[job];
                int status;

                if (waitpid(pids[job], &status, 0) < 0 || status == 0)
                        continue;
                w->broken = sh->stop = true;
                w->broken_seed = w->seed;
                w->result = (struct sim_result){.broken = true, .invariant = INV_CRASH};
                (void)snprintf(w->result.detail, sizeof(w->result.detail), "wait status %d",
                               status);
        }
}

/* ---- telling ---- */

/* The seed again in a process of its own, whose last lines are shown. */
static void show_trace(const struct options *o, uint64_t seed, size_t lines)
{
        FILE *f = tmpfile();
        static char kept[LAST_LINES][1200];
        char line[1200];
        size_t n = 0;
        pid_t pid;

        if (!f)
                abort();
        pid = fork();
        if (pid == 0) {
                struct sim_options so = o->sim;
                struct sim_result r;
                struct sim *s = sim_new();

                if (!s)
                        abort();
                so.trace = f;
                (void)setvbuf(f, NULL, _IOLBF, 0);
                sim_run(s, seed, &so, &r);
                (void)fflush(f);
                _exit(0);
        }
        if (pid < 0 || waitpid(pid, NULL, 0) < 0)
                abort();
        rewind(f);
        while (fgets(line, sizeof(line), f)) {
                if (lines == 0)
                        fputs(line, stdout);
                else
                        STR_CUT(kept[n % LAST_LINES], line);
                n++;
        }
        for (size_t i = lines && n > LAST_LINES ? n - LAST_LINES : 0; lines && i < n; i++)
                printf("  %s", kept[i % LAST_LINES]);
        (void)fclose(f);
}

static void show_broken(const struct options *o, const struct worker *w)
{
        if (!o->json && !o->trace)
                show_trace(o, w->broken_seed, LAST_LINES);
        fprintf(o->json ? stderr : stdout,
                "invariant: %s: %s (seed %llu, at %.3f s, seed %llu of this run)\n",
                invariant_name(w->result.invariant), w->result.detail,
                (unsigned long long)w->broken_seed, (double)w->result.at_ms / 1000,
                (unsigned long long)w->done);
}

static void show_times(const struct options *o, const struct shared *sh, enum invariant i)
{
        uint64_t times = 0, example = UINT64_MAX;

        for (uint64_t job = 0; job < o->jobs; job++) {
                times += sh->workers[job].times[i];
                if (sh->workers[job].times[i])
                        example = MIN(example, sh->workers[job].example[i]);
        }
        if (times)
                printf("invariant: %s: %llu seeds, first %llu\n", invariant_name(i),
                       (unsigned long long)times, (unsigned long long)example);
}

static void show_counts(const struct sim_result *t, bool json)
{
        for (int i = 0; i < FAULT_MAX; i++)
                printf(json ? "%s\"%s\": %llu" : "%s%s %llu",
                       i      ? ", "
                       : json ? ""
                              : "faults: ",
                       fault_name((enum fault)i), (unsigned long long)t->faults[i]);
        fputs(json ? "}, \"returns\": {" : "\nreturns: ", stdout);
        for (int i = 0; i < MOMENT_MAX; i++)
                printf(json ? "%s\"%s\": %llu" : "%s%s %llu", i ? ", " : "",
                       moment_name((enum moment)i), (unsigned long long)t->returns[i]);
        fputs(json ? "}}\n" : "\n", stdout);
}

static void show(const struct options *o, const struct shared *sh, double seconds)
{
        struct sim_result t = {0};
        uint64_t done = 0;
        const struct worker *broken = NULL;
        double days;

        for (uint64_t job = 0; job < o->jobs; job++) {
                const struct worker *w = &sh->workers[job];

                add(&t, &w->total);
                done += w->done;
                if (w->broken && (!broken || w->broken_seed < broken->broken_seed))
                        broken = w;
        }
        if (broken && !o->keep_going)
                show_broken(o, broken);
        for (int i = 0; i < INV_MAX && o->keep_going; i++)
                show_times(o, sh, (enum invariant)i);
        days = (double)t.virtual_ms / 86400000.0;
        printf(o->json ? "{\"seeds\": %llu, \"broken\": %s, \"seconds\": %.2f, "
                         "\"seeds_per_s\": %.1f, \"steps\": %llu, \"effects\": %llu, "
                         "\"crashes\": %llu, \"freezes\": %llu, \"takeovers\": %llu, "
                         "\"virtual_days\": %.1f, \"virtual_days_per_s\": %.2f, \"faults\": {"
                       : "seeds: %llu run, broken: %s, %.2f s, %.1f seeds/s, %llu steps, %llu "
                         "effects, %llu crashes, %llu freezes, %llu takeovers, %.1f virtual days, "
                         "%.2f virtual days/s\n",
               (unsigned long long)done,
               broken ? (o->json ? "true" : "yes") : (o->json ? "false" : "none"), seconds,
               (double)done / seconds, (unsigned long long)t.steps, (unsigned long long)t.effects,
               (unsigned long long)t.crashes, (unsigned long long)t.freezes,
               (unsigned long long)t.takeovers, days, days / seconds);
        show_counts(&t, o->json);
        exit(broken ? 1 : 0);
}

static double now_s(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
        struct options o = {.jobs = 1};
        struct shared *sh;
        double started = now_s();

        parse(&o, argc, argv);
        if (o.trace) {
                show_trace(&o, o.first, 0);
                (void)fflush(stdout);
        }
        sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (sh == MAP_FAILED)
                abort();
        run_jobs(sh, &o);
        show(&o, sh, MAX(now_s() - started, 1e-9));
}
