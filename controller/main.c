/*
 * wscontroller: put the layers together, run the loop, take them apart. `wscontroller storage` is
 * the storage server, a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "config.h"
#include "in/agents.h"
#include "in/http.h"
#include "in/ops.h"
#include "keys.h"
#include "out/providers/process.h"
#include "out/storage.h"
#include "shell.h"
#include "store/store.h"

#define PATH_SIZE (CONFIG_TEXT_SIZE + 32)
#define TOKEN_BYTES 24
#define STORAGE_URL_TTL_S 86400

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };

struct app {
        struct config *config;
        struct keys keys;
        char token[2 * TOKEN_BYTES + 2];
        char http_address[CONFIG_TEXT_SIZE];
        char tasks_dir[PATH_SIZE];
        char ops_url[PATH_SIZE + 8];
        struct process_type types[CORE_TYPES_MAX];
        struct core_config core_config;
        int lock_fd;
        struct loop *loop;
        struct store *store;
        struct core *core;
        struct shell *shell;
        struct storage *storage;
        struct storage_proc *storage_proc;
        struct agents *agents;
        struct process *process;
        struct http *http;
        struct ops *ops;
};

static const char *state_path(const struct app *a, const char *name, char dst[static PATH_SIZE])
{
        (void)snprintf(dst, PATH_SIZE, "%s/%s", config_text(a->config, CONFIG_STATE_DIR), name);
        return dst;
}

/* ---- what must be there before anything runs ---- */

/* Two controllers on one state folder would give a workspace two tasks. */
static int lock_state(struct app *a)
{
        char path[PATH_SIZE];
        char pid[16] = "";
        AUTO_CLOSE fd = open(state_path(a, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int len;
        ssize_t n;

        if (fd < 0) {
                log_error(
                        "the state folder cannot be written; make it writable or give --state-dir",
                        LOG_STR("path", path), LOG_ERR(errno));
                return -EACCES;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                n = read(fd, pid, sizeof(pid) - 1);
                pid[n > 0 ? strcspn(pid, "\n") : 0] = 0;
                log_error("another controller is running on this state folder",
                          LOG_STR("pid", pid[0] ? pid : "unknown"), LOG_STR("lock", path));
                return -EBUSY;
        }
        len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
                log_warn("the lock file could not be written", LOG_ERR(errno));
        a->lock_fd = STEAL(fd, -1);
        return 0;
}

static int load_token(struct app *a)
{
        char path[PATH_SIZE];
        uint8_t fresh[TOKEN_BYTES];
        AUTO_BUF content = BUF_INIT(sizeof(a->token));
        int r = file_read(state_path(a, "api.token", path), &content);

        if (r == -ENOENT) {
                random_bytes(fresh, sizeof(fresh));
                hex_encode(fresh, sizeof(fresh), a->token);
                explicit_bzero(fresh, sizeof(fresh));
                r = buf_printf(&content, "%s\n", a->token);
                if (r == 0)
                        r = file_write_atomic(path, content.data, content.len, 0600);
                if (r == 0)
                        log_info("an API token was made", LOG_STR("path", path));
        }
        if (r == 0) {
                memcpy(a->token, content.data, content.len);
                a->token[MIN(content.len, sizeof(a->token) - 1)] = 0;
                a->token[strcspn(a->token, "\r\n")] = 0;
                explicit_bzero(content.data, content.len);
        }
        if (r == 0 && strlen(a->token) < 2 * 16)
                r = -EBADMSG;
        if (r < 0)
                log_error("the API token cannot be read; remove the file to have a new one made",
                          LOG_STR("path", path), LOG_ERR(r));
        return r;
}

/* With a new key no running task could enrol or save: a database without its key is a mistake. */
static int load_keys(struct app *a)
{
        char key[PATH_SIZE];
        char db[PATH_SIZE];
        int r;

        (void)state_path(a, "master.key", key);
        (void)state_path(a, "state.db", db);
        if (access(key, F_OK) < 0 && errno == ENOENT && access(db, F_OK) == 0) {
                log_error("the master key is missing beside the database; put it back, or move the "
                          "database away to begin anew",
                          LOG_STR("path", key));
                return -ENOKEY;
        }
        r = keys_load(key, &a->keys);
        if (r < 0)
                log_error("the master key cannot be read or made; without it running tasks cannot "
                          "be trusted",
                          LOG_STR("path", key), LOG_ERR(r));
        return r;
}

static int prepare_state(struct app *a)
{
        const char *dir = config_text(a->config, CONFIG_STATE_DIR);
        int r = dir_make(dir, 0700);

        if (r < 0) {
                log_error("the state folder cannot be made; give --state-dir", LOG_STR("path", dir),
                          LOG_ERR(r));
                return r;
        }
        r = lock_state(a);
        if (r < 0)
                return r;
        r = load_keys(a);
        return r < 0 ? r : load_token(a);
}

/* ---- the inside: loop, store, core, shell ---- */

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
        const struct task_row *t;
        size_t pos = 0, left = 0;

        (void)fx;
        while ((t = core_next_task(a->core, &pos)))
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

static int start_inside(struct app *a)
{
        struct store_config config = {.password_file = "", .holder = "", .addresses = ""};
        struct store_hooks hooks = {0};
        char error[STORE_ERROR_SIZE] = "";
        char path[PATH_SIZE];
        int r = loop_new(&a->loop);

        if (r == 0)
                r = watch_signals(a);
        if (r < 0) {
                log_error("the event loop cannot be made", LOG_ERR(r));
                return r;
        }
        config.url = state_path(a, "state.db", path);
        r = store_open(a->loop, &config, &hooks, error, &a->store);
        if (r < 0) {
                log_error("the store cannot be opened", LOG_STR("detail", error), LOG_ERR(r));
                return r;
        }
        r = store_lease_take(a->store);
        if (r < 0) {
                log_error("the store cannot be written", LOG_ERR(r),
                          LOG_STR("detail", store_error(a->store)));
                return r;
        }
        config_core(a->config, &a->core_config);
        r = core_new(&a->core_config, &a->core);
        if (r == 0)
                r = shell_new(a->loop, a->core, a->store, &a->shell);
        if (r < 0) {
                log_error("the core cannot be made", LOG_ERR(r));
                return r;
        }
        shell_handle(a->shell, FX_DRAINED, on_drained, a);
        return 0;
}

/* ---- the edges: each logs why it cannot start ---- */

static int start_storage(struct app *a)
{
        const char *listen = config_text(a->config, CONFIG_LISTEN_STORAGE);
        char self[PATH_SIZE];
        char root[PATH_SIZE];
        char key[PATH_SIZE];
        char url[CONFIG_TEXT_SIZE + 8];
        struct storage_config config = {
                .root = state_path(a, "storage", root),
                .url = url,
                .keys = &a->keys,
                .max_bytes = (uint64_t)config_num(a->config, CONFIG_STORAGE_MAX_BYTES),
                .url_ttl_s = STORAGE_URL_TTL_S,
        };
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        int r;

        if (n < 0)
                return -errno;
        self[n] = 0;
        (void)snprintf(url, sizeof(url), "http://%s", listen);
        r = storage_new(a->loop, a->shell, &config, &a->storage);
        if (r < 0)
                return r;
        return storage_spawn(a->loop, self, listen, root, state_path(a, "master.key", key),
                             &a->storage_proc);
}

static int start_agents(struct app *a)
{
        struct agents_config config = {
                .url = config_text(a->config, CONFIG_LISTEN_AGENTS),
                .host_suffix = config_text(a->config, CONFIG_PUBLIC_HOST),
                .keys = &a->keys,
                .heartbeat_ms = config_num(a->config, CONFIG_HEARTBEAT),
                .reconnect_ms_max = config_num(a->config, CONFIG_RECONNECT),
                .grants_ctx = a->storage,
                .restore_request = storage_restore_request,
                .save_request = storage_save_request,
                .core = &a->core_config,
        };

        return agents_new(a->loop, a->shell, &config, &a->agents);
}

static int start_process(struct app *a)
{
        struct process_config config = {
                .dir = state_path(a, "tasks", a->tasks_dir),
                .agent = config_text(a->config, CONFIG_AGENT),
                .controller_url = config_text(a->config, CONFIG_LISTEN_AGENTS),
                .uid_base = (uint32_t)config_num(a->config, CONFIG_UID_BASE),
                .keys = &a->keys,
                .n_types = a->config->n_types,
                .types = a->types,
        };

        for (uint32_t i = 0; i < a->config->n_types; i++) {
                STR_CUT(a->types[i].name, a->config->types[i].name);
                a->types[i].profile = config_type_text(a->config, i, CONFIG_TYPE_PROFILE);
                a->types[i].bind = config_type_text(a->config, i, CONFIG_TYPE_BIND);
        }
        return process_new(a->loop, a->shell, &config, &a->process);
}

static int start_http(struct app *a)
{
        const char *web_dir = config_text(a->config, CONFIG_WEB_DIR);
        struct http_config config = {
                .address = a->http_address,
                .api_token = a->token,
                .public_scheme = config_text(a->config, CONFIG_PUBLIC_SCHEME),
                .host_suffix = config_text(a->config, CONFIG_PUBLIC_HOST),
                .keys = &a->keys,
                .web_dir = web_dir[0] ? web_dir : NULL,
        };

        config_addr(a->config, CONFIG_LISTEN_HTTP, a->http_address, sizeof(a->http_address),
                    &config.port);
        return http_new(a->loop, a->shell, &config, &a->http);
}

static int start_ops(struct app *a)
{
        char path[PATH_SIZE];
        struct ops_config config = {.url = a->ops_url,
                                    .http = a->http,
                                    .counters = agents_counters,
                                    .agents = a->agents};

        (void)snprintf(a->ops_url, sizeof(a->ops_url), "ipc://%s", state_path(a, "ops.sock", path));
        return ops_new(a->loop, a->shell, a->store, &config, &a->ops);
}

static int start_edges(struct app *a)
{
        static const struct {
                const char *name;
                int (*start)(struct app *a);
        } edges[] = {{"storage", start_storage},
                     {"agents", start_agents},
                     {"provider", start_process},
                     {"http", start_http},
                     {"ops", start_ops}};

        for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
                int r = edges[i].start(a);

                if (r < 0) {
                        log_error("this part cannot start", LOG_STR("part", edges[i].name),
                                  LOG_ERR(r));
                        return r;
                }
        }
        return 0;
}

/* ---- all of it ---- */

static void stop_all(struct app *a)
{
        ops_free(a->ops);
        http_free(a->http);
        process_free(a->process);
        agents_free(a->agents);
        storage_proc_free(a->storage_proc);
        storage_free(a->storage);
        shell_free(a->shell);
        core_free(a->core);
        store_free(a->store);
        loop_free(a->loop);
        fd_close(a->lock_fd);
        explicit_bzero(&a->keys, sizeof(a->keys));
        explicit_bzero(a->token, sizeof(a->token));
}

static void on_booted(void *ctx, int result)
{
        struct app *a = ctx;
        int r = result;

        if (r == 0) {
                r = process_inventory(a->process);
                if (r < 0)
                        log_error("the running tasks cannot be listed", LOG_ERR(r));
        }
        if (r == 0)
                log_info("ready", LOG_STR("state_dir", config_text(a->config, CONFIG_STATE_DIR)),
                         LOG_STR("http", config_text(a->config, CONFIG_LISTEN_HTTP)),
                         LOG_STR("agents", config_text(a->config, CONFIG_LISTEN_AGENTS)));
        else
                loop_exit(a->loop, EXIT_FAILED);
}

static int run(struct app *a)
{
        int r = prepare_state(a);

        if (r == 0)
                r = start_inside(a);
        if (r == 0)
                r = start_edges(a);
        if (r == 0)
                r = shell_boot(a->shell, on_booted, a);
        if (r == 0)
                r = http_run(a->http);
        stop_all(a);
        return r < 0 ? EXIT_FAILED : r;
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
        static struct app app = {.lock_fd = -1};
        char error[CONFIG_ERROR_SIZE] = "out of memory";
        enum config_action action = CONFIG_RUN;
        int code;

        if (argc > 1 && strcmp(argv[1], "storage") == 0)
                return storage_server_main(argc - 1, argv + 1);
        if (config_load(argc, argv, environ, error, &action, &app.config) < 0) {
                fprintf(stderr, "wscontroller: %s\n", error);
                return EXIT_CONFIG;
        }
        code = run_action(&app, action);
        config_free(app.config);
        return code;
}
