#include "edges.h"
#include "edges_rescue.h"
#include "edges_stored.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "in/about.h"
#include "in/agents.h"
#include "in/day.h"
#include "in/http.h"
#include "in/ops.h"
#include "in/stored.h"
#include "metrics/emf.h"
#include "metrics/kpi.h"
#include "metrics/serve.h"
#include "out/notify.h"
#include "out/providers/docker.h"
#include "out/providers/homes.h"
#include "out/providers/process.h"
#include "out/storage.h"
#include "state_dir.h"
#include "timetable/timetables.h"

#define KEYS_LOOK_MS 1000
#define STORAGE_URL_TTL_S 86400
#define STORAGE_SWEEP_BATCH 8
/* A controller that was frozen may have launched something when it awoke. */
#define STRAYS_MS INT64_C(15000)

struct edges {
        struct loop *loop;
        struct shell *shell;
        struct store *store;
        struct edges_config c;
        char http_address[CONFIG_TEXT_SIZE];
        char tasks_dir[STATE_PATH_SIZE];
        char kept_dir[STATE_PATH_SIZE];
        char homes_dir[STATE_PATH_SIZE];
        char ops_url[STATE_PATH_SIZE + 8];
        struct process_type types[CORE_TYPES_MAX];
        struct docker_type docker_types[CORE_TYPES_MAX];
        char installation[17]; /* of containers */
        struct loop_timer strays;
        struct loop_timer keys_timer;
        struct stat keys_seen;
        struct timetables *timetables;
        struct day *day;
        char day_file[STATE_PATH_SIZE];
        struct metrics_watch *metrics;
        struct about about;
        struct metrics_serve *metrics_serve; /* or NULL */
        struct emf *emf;                     /* or NULL */
        struct notify *notify;               /* or NULL */
        char metrics_address[CONFIG_TEXT_SIZE];
        struct storage *storage;
        struct stored *stored;
        struct storage_proc *storage_proc;
        struct agents *agents;
        struct process *process; /* or NULL: one provider it is */
        struct docker *docker;   /* or NULL */
        struct homes *homes;
        struct rescues *rescues;
        struct http *http;
        struct ops *ops;
};

static const char *path_of(const struct edges *e, const char *name,
                           char dst[static STATE_PATH_SIZE])
{
        return state_dir_path(config_text(e->c.config, CONFIG_STATE_DIR), name, dst);
}

const char *edges_agents_url(const struct config *c)
{
        const char *told = config_text(c, CONFIG_ADVERTISE_AGENTS);

        return told[0] ? told : config_text(c, CONFIG_LISTEN_AGENTS);
}

const char *edges_http_url(const struct config *c, char dst[static EDGES_URL_SIZE])
{
        const char *told = config_text(c, CONFIG_ADVERTISE_HTTP);

        (void)snprintf(dst, EDGES_URL_SIZE, "%s%s", told[0] ? "" : "http://",
                       told[0] ? told : config_text(c, CONFIG_LISTEN_HTTP));
        return dst;
}

/* ---- each edge ---- */

/* The bucket, or NULL where saves are kept in a folder. */
static const char *bucket(const struct config *c)
{
        const char *storage = config_text(c, CONFIG_STORAGE);

        return strcmp(storage, "file") == 0 ? NULL : storage;
}

static int spawn_storage(struct edges *e, const char *root)
{
        const struct config *c = e->c.config;
        char self[STATE_PATH_SIZE];
        char key[STATE_PATH_SIZE];
        const struct storage_server_options options = {
                .listen = config_text(c, CONFIG_LISTEN_STORAGE),
                .root = root,
                .key_file = path_of(e, "master.key", key),
                .s3 = bucket(c),
                .endpoint = config_text(c, CONFIG_STORAGE_ENDPOINT),
                .region = config_text(c, CONFIG_STORAGE_REGION),
                .credentials = config_text(c, CONFIG_STORAGE_CREDENTIALS),
                .path_style = strcmp(config_text(c, CONFIG_STORAGE_PATH_STYLE), "on") == 0,
                .bandwidth = (uint64_t)config_num(c, CONFIG_STORAGE_BANDWIDTH),
        };
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (n < 0)
                return -errno;
        self[n] = 0;
        return storage_spawn(e->loop, self, &options, &e->storage_proc);
}

static int start_metrics(struct edges *e)
{
        const struct config *c = e->c.config;
        struct metrics_serve_config serve = {.address = e->metrics_address,
                                             .token_file =
                                                     config_text(c, CONFIG_METRICS_TOKEN_FILE)};
        int r = metrics_watch_new(e->loop, e->shell, e->c.core, &e->metrics);

        if (r == 0 && config_text(c, CONFIG_LISTEN_METRICS)[0]) {
                config_addr(c, CONFIG_LISTEN_METRICS, e->metrics_address,
                            sizeof(e->metrics_address), &serve.port);
                r = metrics_serve_new(e->loop, e->metrics, &serve, &e->metrics_serve);
        }
        if (r == 0 && strcmp(config_text(c, CONFIG_EMF), "on") == 0)
                r = emf_new(e->loop, e->metrics, config_text(c, CONFIG_PUBLIC_HOST), STDOUT_FILENO,
                            EMF_EVERY_MS, &e->emf);
        return r;
}

static int start_day(struct edges *e)
{
        const struct day_config config = {.core = e->c.core,
                                          .path = path_of(e, "day", e->day_file)};

        return day_new(e->loop, e->shell, &config, &e->day);
}

static int start_notify(struct edges *e)
{
        const struct config *c = e->c.config;
        struct notify_config config = {
                .source = config_text(c, CONFIG_PUBLIC_HOST),
                .state_dir = config_text(c, CONFIG_STATE_DIR),
                .webhook = config_text(c, CONFIG_WEBHOOK),
                .webhook_secret_file = config_text(c, CONFIG_WEBHOOK_SECRET_FILE),
                .smtp = config_text(c, CONFIG_SMTP),
                .smtp_user = config_text(c, CONFIG_SMTP_USER),
                .smtp_password_file = config_text(c, CONFIG_SMTP_PASSWORD_FILE),
                .mail_from = config_text(c, CONFIG_MAIL_FROM),
                .mail_to = config_text(c, CONFIG_MAIL_TO),
                .mail_students = config_text(c, CONFIG_MAIL_STUDENTS),
                .pager_url = config_text(c, CONFIG_PAGER_URL),
                .ca_file = config_text(c, CONFIG_NOTIFY_CA_FILE),
                .pager_key_file = config_text(c, CONFIG_PAGER_KEY_FILE),
                .sns_topic = config_text(c, CONFIG_SNS_TOPIC),
                .sns_url = config_text(c, CONFIG_SNS_URL),
                .templates = config_text(c, CONFIG_NOTIFY_TEMPLATES),
                .maintenance = config_text(c, CONFIG_PLANNED_MAINTENANCE),
                .hold_ms = config_num(c, CONFIG_NOTIFY_HOLD),
                .retry_ms = config_num(c, CONFIG_NOTIFY_RETRY),
                .timeout_ms = config_num(c, CONFIG_NOTIFY_TIMEOUT),
                .core = e->c.core,
                .metrics = metrics_watch_metrics(e->metrics),
        };

        if (!config.webhook[0] && !config.smtp[0] && !config.pager_key_file[0] &&
            !config.sns_topic[0])
                return 0;
        return notify_new(e->loop, e->shell, &config, &e->notify);
}

static int check_bucket(const struct config *c)
{
        const char *url = bucket(c);

        if (!url || s3_url_valid(url))
                return 0;
        log_error("storage is neither file nor s3://BUCKET/PREFIX", LOG_STR("storage", url));
        return -EINVAL;
}

static int start_storage(struct edges *e)
{
        const struct config *c = e->c.config;
        const char *elsewhere = config_text(c, CONFIG_STORAGE_URL);
        char root[STATE_PATH_SIZE];
        char url[EDGES_URL_SIZE];
        const struct s3_config s3 = {
                .url = bucket(c),
                .endpoint = config_text(c, CONFIG_STORAGE_ENDPOINT),
                .region = config_text(c, CONFIG_STORAGE_REGION),
                .path_style = strcmp(config_text(c, CONFIG_STORAGE_PATH_STYLE), "on") == 0,
                .credentials_file = config_text(c, CONFIG_STORAGE_CREDENTIALS),
        };
        struct storage_config config = {
                .root = path_of(e, "storage", root),
                .s3 = s3.url ? &s3 : NULL,
                .url = elsewhere[0] ? elsewhere : url,
                .keys = e->c.keys,
                .max_bytes = (uint64_t)config_num(c, CONFIG_STORAGE_MAX_BYTES),
                .url_ttl_s = STORAGE_URL_TTL_S,
                .retention = {(uint32_t)config_num(c, CONFIG_SAVE_KEEP_LAST),
                              (uint32_t)config_num(c, CONFIG_SAVE_KEEP_DAYS)},
                .sweep_batch = STORAGE_SWEEP_BATCH,
        };
        int r = check_bucket(c);

        (void)snprintf(url, sizeof(url), "http://%s", config_text(c, CONFIG_LISTEN_STORAGE));
        if (r == 0)
                r = storage_new(e->loop, e->shell, &config, &e->storage);
        if (r == 0)
                r = edges_stored_new(e->storage, &e->stored);
        return r < 0 || elsewhere[0] ? r : spawn_storage(e, root);
}

/* What a gate's Set-Cookie says beside name, age and HttpOnly. Partitioned: browsers that keep the
 * cookies of each embedding site apart want to be told. */
static const char *cookie_words(const struct config *c)
{
        if (strcmp(config_text(c, CONFIG_COOKIE_SAME_SITE), "none") == 0)
                return "; SameSite=None; Secure; Partitioned";
        return strcmp(config_text(c, CONFIG_PUBLIC_SCHEME), "https") == 0 ? "; SameSite=Lax; Secure"
                                                                          : "; SameSite=Lax";
}

static int start_agents(struct edges *e)
{
        struct agents_config config = {
                .url = config_text(e->c.config, CONFIG_LISTEN_AGENTS),
                .host_suffix = config_text(e->c.config, CONFIG_PUBLIC_HOST),
                .paths = strcmp(config_text(e->c.config, CONFIG_WORKSPACE_PATHS), "on") == 0,
                .keys = e->c.keys,
                .cookie = cookie_words(e->c.config),
                .cookie_ms = config_num(e->c.config, CONFIG_COOKIE_LIFETIME),
                .platform = config_text(e->c.config, CONFIG_PLATFORM_URL),
                .heartbeat_ms = config_num(e->c.config, CONFIG_HEARTBEAT),
                .grants_ctx = e->storage,
                .restore_request = storage_restore_request,
                .save_request = storage_save_request,
                .core = e->c.core,
        };
        int r = agents_new(e->loop, e->shell, &config, &e->agents);

        if (r == 0)
                agents_follow(e->agents, "");
        return r;
}

/* Agents that are given a list without us would never come here. */
static int check_list(const struct config *c)
{
        const char *all = config_text(c, CONFIG_CONTROLLERS);
        const char *own = edges_agents_url(c);

        if (!all[0] || strstr(all, own))
                return 0;
        log_error("controllers does not name this one; add it, or correct advertise_agents",
                  LOG_STR("controllers", all), LOG_STR("this", own));
        return -EINVAL;
}

static int start_process(struct edges *e)
{
        const struct config *c = e->c.config;
        const char *all = config_text(c, CONFIG_CONTROLLERS);
        struct process_config config = {
                .dir = path_of(e, "tasks", e->tasks_dir),
                .kept = path_of(e, "kept", e->kept_dir),
                .kept_ms_max = config_num(c, CONFIG_KEPT_MAX_AGE),
                .kept_max = (uint32_t)config_num(c, CONFIG_KEPT_MAX),
                .agent = config_text(c, CONFIG_AGENT),
                .controller_url = all[0] ? all : edges_agents_url(c),
                .uid_base = (uint32_t)config_num(c, CONFIG_UID_BASE),
                .keys = e->c.keys,
                .n_types = c->n_types,
                .types = e->types,
        };

        for (uint32_t i = 0; i < c->n_types; i++) {
                STR_CUT(e->types[i].name, c->types[i].name);
                e->types[i].profile = config_type_text(c, i, CONFIG_TYPE_PROFILE);
                e->types[i].bind = config_type_text(c, i, CONFIG_TYPE_BIND);
        }
        return process_new(e->loop, e->shell, &config, &e->process);
}

static int start_homes(struct edges *e)
{
        const char *given = config_text(e->c.config, CONFIG_HOMES_DIR);
        const struct homes_config config = {
                .dir = given[0] ? given : path_of(e, "homes", e->homes_dir),
                .tasks = e->tasks_dir,
                .process = e->process,
        };

        for (uint32_t i = 0; i < e->c.core->n_types; i++) {
                if (!e->c.core->types[i].home || (e->process && process_may_attach(e->process)))
                        continue;
                log_error("storage_mode = home needs provider = process and a controller that is "
                          "root (to mount a home folder in a task); take snapshot, or change that",
                          LOG_STR("type", e->c.core->types[i].name));
                return -EPERM;
        }
        if (!e->process)
                return 0;
        return homes_new(e->loop, e->shell, &config, &e->homes);
}

/*
 * What containers are told by, for ever: a change of the master key must not lose them. Made from
 * the oldest key at hand when there is none yet.
 */
static int read_installation(struct edges *e)
{
        AUTO_BUF text = BUF_INIT(KEYS_HEX + 1);
        struct keys oldest;
        char path[STATE_PATH_SIZE], id[KEYS_HEX];
        int r = file_read(path_of(e, "installation", path), &text);

        if (r == 0 && text.len > 0) {
                STR_CUT(e->installation, (const char *)text.data);
                e->installation[strcspn(e->installation, "\n")] = 0;
                return name_valid(e->installation, sizeof(e->installation) - 1) ? 0 : -EBADMSG;
        }
        if (r < 0 && r != -ENOENT)
                return r;
        keys_oldest(e->c.keys, &oldest);
        keys_installation(&oldest, id);
        explicit_bzero(&oldest, sizeof(oldest));
        (void)snprintf(e->installation, sizeof(e->installation), "%.12s", id);
        return file_write_atomic(path, e->installation, strlen(e->installation), 0600);
}

static int start_docker(struct edges *e)
{
        const struct config *c = e->c.config;
        const char *all = config_text(c, CONFIG_CONTROLLERS);
        struct docker_config config = {
                .socket = config_text(c, CONFIG_DOCKER_SOCKET),
                .network = config_text(c, CONFIG_DOCKER_NETWORK),
                .controller_url = all[0] ? all : edges_agents_url(c),
                .keys = e->c.keys,
                .installation = e->installation,
                .kept_ms_max = config_num(c, CONFIG_KEPT_MAX_AGE),
                .stop_grace_ms = config_num(c, CONFIG_DOCKER_STOP_GRACE),
                .own_machines = strcmp(config_text(c, CONFIG_DOCKER_OWN_MACHINES), "on") == 0,
                .n_types = c->n_types,
                .types = e->docker_types,
        };
        int r;

        for (uint32_t i = 0; i < c->n_types; i++) {
                struct docker_type *t = &e->docker_types[i];

                STR_CUT(t->name, c->types[i].name);
                t->image = config_type_text(c, i, CONFIG_TYPE_IMAGE);
                t->profile = config_type_text(c, i, CONFIG_TYPE_PROFILE);
                t->bind = config_type_text(c, i, CONFIG_TYPE_BIND);
                t->memory = config_type_num(c, i, CONFIG_TYPE_MEMORY);
                t->cpu = config_type_num(c, i, CONFIG_TYPE_CPU);
                t->pids = config_type_num(c, i, CONFIG_TYPE_PIDS);
                t->read_only = strcmp(config_type_text(c, i, CONFIG_TYPE_READ_ONLY), "on") == 0;
                t->versioned = !config_type_text(c, i, CONFIG_TYPE_VERSION)[0];
        }
        r = read_installation(e);
        return r < 0 ? r : docker_new(e->loop, e->shell, &config, &e->docker);
}

static int start_provider(struct edges *e)
{
        if (check_list(e->c.config) < 0)
                return -EINVAL;
        return strcmp(config_text(e->c.config, CONFIG_PROVIDER), "docker") == 0 ? start_docker(e)
                                                                                : start_process(e);
}

static int start_rescues(struct edges *e)
{
        return rescues_new(e->loop, e->storage, e->process, e->docker, &e->rescues);
}

/* ---- what it tells of itself ---- */

static void about_agents(void *ctx, struct agents_counters *ret_counters)
{
        const struct edges *e = ctx;

        agents_counters(e->agents, ret_counters);
}

static bool about_option(void *ctx, size_t i, struct about_option *ret_option)
{
        const struct edges *e = ctx;
        struct config_entry entry;

        if (!config_at(e->c.config, i, &entry))
                return false;
        *ret_option = (struct about_option){entry.type, entry.name, entry.value, entry.source};
        return true;
}

static bool about_kpi(void *ctx, size_t i, struct about_kpi *ret_kpi)
{
        const struct edges *e = ctx;
        struct kpi k;

        if (!kpi_at(e->metrics, i, &k))
                return false;
        *ret_kpi = (struct about_kpi){.name = k.name,
                                      .meaning = k.meaning,
                                      .unit = k.unit,
                                      .value = k.value,
                                      .target = k.target};
        return true;
}

static int start_http(struct edges *e)
{
        const char *web_dir = config_text(e->c.config, CONFIG_WEB_DIR);
        struct http_config config = {
                .address = e->http_address,
                .api_token = e->c.token,
                .token_file = config_text(e->c.config, CONFIG_TOKEN_FILE),
                .rate = (double)config_num(e->c.config, CONFIG_API_RATE),
                .burst = (double)config_num(e->c.config, CONFIG_API_BURST),
                .public_scheme = config_text(e->c.config, CONFIG_PUBLIC_SCHEME),
                .host_suffix = config_text(e->c.config, CONFIG_PUBLIC_HOST),
                .paths = strcmp(config_text(e->c.config, CONFIG_WORKSPACE_PATHS), "on") == 0,
                .keys = e->c.keys,
                .ticket_ms = config_num(e->c.config, CONFIG_TICKET_LIFETIME),
                .web_dir = web_dir[0] ? web_dir : NULL,
                .about = &e->about,
                .stored = e->stored,
                .history = store_audit_newest,
                .store = e->store,
                .day = e->day,
                .timetables = e->timetables,
                .observed = metrics_watch_http,
                .observed_ctx = e->metrics,
        };

        config_addr(e->c.config, CONFIG_LISTEN_HTTP, e->http_address, sizeof(e->http_address),
                    &config.port);
        return http_new(e->loop, e->shell, &config, &e->http);
}

static int start_ops(struct edges *e)
{
        const char *given = config_text(e->c.config, CONFIG_OPS_SOCKET);
        char path[STATE_PATH_SIZE];
        struct ops_config config = {.url = e->ops_url,
                                    .http = e->http,
                                    .stored = e->stored,
                                    .about = &e->about,
                                    .timetables = e->timetables};

        (void)snprintf(e->ops_url, sizeof(e->ops_url), "ipc://%s",
                       given[0] ? given : path_of(e, "ops.sock", path));
        return ops_new(e->loop, e->shell, e->store, &config, &e->ops);
}

/* ---- all of them ---- */

static int start_all(struct edges *e)
{
        static const struct {
                const char *name;
                int (*start)(struct edges *e);
        } parts[] = {{"metrics", start_metrics},   {"notifications", start_notify},
                     {"storage", start_storage},   {"agents", start_agents},
                     {"provider", start_provider}, {"homes", start_homes},
                     {"rescues", start_rescues},   {"day", start_day},
                     {"http", start_http},         {"ops", start_ops}};

        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                int r = parts[i].start(e);

                if (r < 0) {
                        log_error("this part cannot start", LOG_STR("part", parts[i].name),
                                  LOG_ERR(r));
                        return r;
                }
        }
        return 0;
}

/* ---- keys ---- */

/* The file, when it is another one than at the last look. One that is no good changes nothing. */
static void keys_reload(struct edges *e)
{
        char path[STATE_PATH_SIZE];
        struct stat st;
        struct keys fresh;
        int r;

        if (stat(path_of(e, "master.key", path), &st) < 0 ||
            (st.st_ino == e->keys_seen.st_ino && st.st_size == e->keys_seen.st_size &&
             st.st_mtim.tv_sec == e->keys_seen.st_mtim.tv_sec &&
             st.st_mtim.tv_nsec == e->keys_seen.st_mtim.tv_nsec))
                return;
        e->keys_seen = st;
        r = keys_load(path, &fresh);
        if (r < 0) {
                log_error("the master key cannot be read again: the one that was read stays",
                          LOG_STR("path", path), LOG_ERR(r));
                return;
        }
        keys_reread(e->c.keys, &fresh);
        explicit_bzero(&fresh, sizeof(fresh));
}

static void on_keys(void *ctx)
{
        struct edges *e = ctx;

        keys_reload(e);
        if (keys_turn(e->c.keys, (uint64_t)(loop_utc(e->loop).us / US_PER_S))) {
                log_info("keys", LOG_STR("state", !e->c.keys->has_other ? "one"
                                                  : e->c.keys->retired  ? "the older one is retired"
                                                                        : "two are good"));
                if (e->agents)
                        agents_rekey(e->agents);
                if (e->http)
                        http_rekey(e->http);
        }
        loop_timer_set_in(&e->keys_timer, KEYS_LOOK_MS);
}

static void on_strays(void *ctx)
{
        struct edges *e = ctx;

        if (e->process && shell_writable(e->shell))
                process_adopt_strays(e->process);
        loop_timer_set_in(&e->strays, STRAYS_MS);
}

int edges_start(struct loop *l, struct shell *shell, struct store *store,
                const struct edges_config *c, struct edges **ret_edges)
{
        struct edges *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        e->loop = l;
        e->shell = shell;
        e->store = store;
        e->c = *c;
        e->about = (struct about){.version = WS_VERSION,
                                  .ctx = e,
                                  .agents = about_agents,
                                  .option = about_option,
                                  .kpi = about_kpi};
        loop_timer_init(l, &e->strays, on_strays, e);
        loop_timer_init(l, &e->keys_timer, on_keys, e);
        on_keys(e);
        r = timetables_new(l, shell, config_text(c->config, CONFIG_TIMETABLE), c->core,
                           &e->timetables);
        if (r == 0)
                r = start_all(e);
        if (r < 0) {
                edges_free(e);
                return r;
        }
        *ret_edges = e;
        return 0;
}

struct edges *edges_free(struct edges *e)
{
        if (!e)
                return NULL;
        loop_timer_cancel(&e->strays);
        loop_timer_cancel(&e->keys_timer);
        ops_free(e->ops);
        http_free(e->http);
        day_free(e->day);
        timetables_free(e->timetables);
        homes_free(e->homes);
        process_free(e->process);
        docker_free(e->docker);
        rescues_free(e->rescues);
        agents_free(e->agents);
        storage_proc_free(e->storage_proc);
        storage_free(e->storage);
        stored_free(e->stored);
        notify_free(e->notify);
        emf_free(e->emf);
        metrics_serve_free(e->metrics_serve);
        metrics_watch_free(e->metrics);
        free(e);
        return NULL;
}

int edges_run(struct edges *e)
{
        return http_run(e->http);
}

int edges_lead(struct edges *e, uint64_t epoch)
{
        int r = 0;

        agents_lead(e->agents, epoch);
        if (e->process)
                r = process_inventory(e->process);
        else
                docker_inventory(e->docker);
        if (r < 0)
                log_error("the running tasks cannot be listed", LOG_ERR(r));
        loop_timer_set_in(&e->strays, STRAYS_MS);
        timetables_lead(e->timetables);
        if (e->notify)
                notify_lead(e->notify);
        return r;
}

void edges_pause(struct edges *e, bool paused)
{
        if (paused)
                agents_follow(e->agents, "");
        else
                agents_lead(e->agents, shell_lead(e->shell)->epoch);
}

void edges_follow(struct edges *e)
{
        if (e->notify)
                notify_follow(e->notify);
        timetables_follow(e->timetables);
        agents_follow(e->agents, shell_lead(e->shell)->agents);
}
