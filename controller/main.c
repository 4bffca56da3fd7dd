/*
 * wscontroller: put the layers together, run the loop, take them apart. `wscontroller storage` is
 * the storage server, a process of its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "config.h"
#include "edges.h"
#include "timetable/hours.h"
#include "lead/leader.h"
#include "out/storage.h"
#include "rotate_key.h"
#include "state_dir.h"

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2, EXIT_SUPERSEDED = 3 };

#define END_S 15 /* for taking things apart */

struct app {
        struct config *config;
        struct state_dir state;
        struct core_config core_config;
        char http_url[EDGES_URL_SIZE];
        struct loop *loop;
        struct leader *leader;
        struct edges *edges;
};

/* ---- what ends it ---- */

static void on_signal(void *ctx, const struct signalfd_siginfo *info)
{
        struct app *a = ctx;

        /* A plain end: tasks go on, and the next start adopts them. */
        log_info("ending; tasks keep running", LOG_INT("signal", info->ssi_signo));
        loop_exit(a->loop, EXIT_GOOD);
}

static void on_drained(void *ctx, const struct core_effect *fx)
{
        struct app *a = ctx;
        const struct core *core = shell_core(leader_shell(a->leader));
        const struct task_row *t;
        size_t pos = 0, left = 0;

        (void)fx;
        while ((t = core_next_task(core, &pos)))
                left += t->state != TASK_LOST;
        if (left > 0)
                log_warn("ending; what could not be saved and stopped in time keeps running",
                         LOG_INT("tasks", left));
        else
                log_info("everything is saved and stopped");
        loop_exit(a->loop, EXIT_GOOD);
}

static int watch_signals(struct app *a)
{
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        if (sigaction(SIGPIPE, &ignore, NULL) < 0)
                return -errno;
        return loop_signals(a->loop, &set, on_signal, a);
}

/* ---- who leads ---- */

static void on_lead(void *ctx, uint64_t epoch)
{
        struct app *a = ctx;

        if (edges_lead(a->edges, epoch) < 0) {
                loop_exit(a->loop, EXIT_FAILED);
                return;
        }
        log_info("ready", LOG_STR("state_dir", config_text(a->config, CONFIG_STATE_DIR)),
                 LOG_STR("http", config_text(a->config, CONFIG_LISTEN_HTTP)),
                 LOG_STR("agents", config_text(a->config, CONFIG_LISTEN_AGENTS)),
                 LOG_INT("epoch", epoch));
}

static void on_follow(void *ctx)
{
        struct app *a = ctx;

        if (a->edges)
                edges_follow(a->edges);
}

static void on_pause(void *ctx, bool paused)
{
        struct app *a = ctx;

        edges_pause(a->edges, paused);
}

static void on_end(void *ctx, bool lost)
{
        struct app *a = ctx;

        loop_exit(a->loop, lost ? EXIT_SUPERSEDED : EXIT_FAILED);
}

/* ---- all of it ---- */

/* Several controllers may be on it. */
static bool is_shared(const struct app *a)
{
        return str_starts(config_text(a->config, CONFIG_STORE), "postgres");
}

static const char *store_url(const struct app *a, char dst[static STATE_PATH_SIZE])
{
        const char *given = config_text(a->config, CONFIG_STORE);

        return given[0] ? given
                        : state_dir_path(config_text(a->config, CONFIG_STATE_DIR), "state.db", dst);
}

static int start_inside(struct app *a)
{
        char path[STATE_PATH_SIZE];
        struct leader_config config = {
                .url = store_url(a, path),
                .password_file = config_text(a->config, CONFIG_STORE_PASSWORD_FILE),
                .lease_ms = config_num(a->config, CONFIG_LEASE),
                .http = edges_http_url(a->config, a->http_url),
                .agents = edges_agents_url(a->config),
                .core = &a->core_config,
        };
        struct leader_hooks hooks = {
                .ctx = a, .lead = on_lead, .follow = on_follow, .pause = on_pause, .end = on_end};
        int r = loop_new(&a->loop);

        if (r == 0)
                r = watch_signals(a);
        if (r < 0) {
                log_error("the event loop cannot be made", LOG_ERR(r));
                return r;
        }
        config_core(a->config, &a->core_config);
        r = leader_new(a->loop, &config, &hooks, &a->leader);
        if (r == 0) {
                shell_handle(leader_shell(a->leader), FX_DRAINED, on_drained, a);
                shell_keep_history(leader_shell(a->leader),
                                   config_num(a->config, CONFIG_AUDIT_KEEP_DAYS));
        }
        return r;
}

static int start_edges(struct app *a)
{
        struct edges_config config = {.config = a->config,
                                      .core = &a->core_config,
                                      .keys = &a->state.keys,
                                      .token = a->state.token};

        return edges_start(a->loop, leader_shell(a->leader), leader_store(a->leader), &config,
                           &a->edges);
}

/*
 * Everything is decided and stored when the loop has ended; what is left is to let go of things.
 * nng 1.5 may wait for ever there for a connection that is closed in the middle of a message (its
 * issue 1813), which nobody shall wait for.
 */
static volatile sig_atomic_t end_code;

static void on_slow_end(int signo)
{
        static const char text[] = "wscontroller: connections could not be closed; leaving them\n";

        (void)signo;
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        _exit(end_code);
}

static void limit_end(int code)
{
        struct sigaction slow = {.sa_handler = on_slow_end};

        end_code = code;
        (void)sigaction(SIGALRM, &slow, NULL);
        (void)alarm(END_S);
}

static int run(struct app *a)
{
        int r = state_dir_open(config_text(a->config, CONFIG_STATE_DIR), is_shared(a), &a->state);

        if (r == 0)
                r = start_inside(a);
        if (r == 0)
                r = start_edges(a);
        if (r == 0) {
                leader_start(a->leader);
                r = edges_run(a->edges);
        }
        r = r < 0 ? EXIT_FAILED : r;
        limit_end(r);
        edges_free(a->edges);
        leader_free(a->leader);
        loop_free(a->loop);
        state_dir_close(&a->state);
        return r;
}

static int run_action(struct app *a, enum config_action action)
{
        enum log_level level = LOG_INFO_LEVEL;

        switch (action) {
        case CONFIG_RUN:
                (void)log_level_parse(config_text(a->config, CONFIG_LOG_LEVEL), &level);
                log_init("wscontroller", level);
                return run(a);
        case CONFIG_CHECK:
                printf("the configuration is good\n");
                return EXIT_GOOD;
        case CONFIG_PRINT:
                config_print(a->config);
                return EXIT_GOOD;
        case CONFIG_HELP:
                config_help();
                return EXIT_GOOD;
        case CONFIG_VERSION:
                printf("wscontroller %s\n", WS_VERSION);
                return EXIT_GOOD;
        }
        return EXIT_CONFIG;
}

int main(int argc, char **argv)
{
        static struct app app;
        char error[CONFIG_ERROR_SIZE] = "out of memory";
        enum config_action action = CONFIG_RUN;
        int code;

        if (argc > 1 && strcmp(argv[1], "storage") == 0)
                return storage_server_main(argc - 1, argv + 1);
        if (argc > 1 && strcmp(argv[1], "rotate-key") == 0)
                return rotate_key_main(argc - 1, argv + 1);
        if (config_load(argc, argv, environ, error, &action, &app.config) < 0) {
                fprintf(stderr, "wscontroller: %s\n", error);
                return EXIT_CONFIG;
        }
        hours_prepare();
        app.state = STATE_DIR_NULL;
        code = run_action(&app, action);
        config_free(app.config);
        return code;
}
