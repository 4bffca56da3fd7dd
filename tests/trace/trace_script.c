#include "trace_script.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define WORDS_MAX 16

struct words {
        char text[512];
        char *v[WORDS_MAX];
        int n;
};

/* Quotes keep spaces: reason="disk full". */
static void split(struct words *w, const char *line)
{
        bool quoted = false;
        char *p = w->text;

        w->n = 0;
        STR_CUT(w->text, line);
        while (*p && w->n < WORDS_MAX) {
                while (*p == ' ')
                        p++;
                if (!*p)
                        break;
                w->v[w->n++] = p;
                for (; *p && (quoted || *p != ' '); p++) {
                        if (*p == '"')
                                quoted = !quoted;
                }
                if (*p)
                        *p++ = 0;
        }
}

/* Positional word, "" when it is not there. */
static const char *word(const struct words *w, int i)
{
        return i < w->n ? w->v[i] : "";
}

static bool flag(const struct words *w, const char *name)
{
        for (int i = 1; i < w->n; i++) {
                if (strcmp(w->v[i], name) == 0)
                        return true;
        }
        return false;
}

static void value(const struct words *w, const char *name, char *dst, size_t size)
{
        size_t len = strlen(name);

        for (int i = 1; i < w->n; i++) {
                if (strncmp(w->v[i], name, len) != 0 || w->v[i][len] != '=')
                        continue;
                str_copy_cut(dst, size, w->v[i] + len + 1);
                if (dst[0] == '"') {
                        memmove(dst, dst + 1, strlen(dst));
                        dst[strcspn(dst, "\"")] = 0;
                }
        }
}

static int64_t number(const struct words *w, const char *name, int64_t otherwise)
{
        char text[32] = "";
        int64_t n;

        value(w, name, text, sizeof(text));
        return num_parse_i64(text, INT64_MIN, INT64_MAX, &n) == 0 ? n : otherwise;
}

/* "2-7": generation 2, seq 7. */
static void numbers(const char *text, uint64_t *ret_generation, uint64_t *ret_seq)
{
        unsigned long long generation = 0, seq = 0;

        if (sscanf(text, "%llu-%llu", &generation, &seq) == 2) {
                *ret_generation = generation;
                *ret_seq = seq;
        }
}

static void save_of(const struct words *w, const char *name, struct save_ref *ref)
{
        char text[32] = "";

        value(w, name, text, sizeof(text));
        numbers(text, &ref->generation, &ref->seq);
}

/* Every save of a trace has a hash that follows from its numbers. */
static void hash_of(uint64_t generation, uint64_t seq, char *dst, size_t size)
{
        (void)snprintf(dst, size, "hash-%llu-%llu", (unsigned long long)generation,
                       (unsigned long long)seq);
}

static bool phase_parse(const char *name, enum agent_phase *ret)
{
        static const char *const names[] = {
#define AGENT_PHASE(id, text, doc) [AGENT_##id] = text,
#include "wire/agent_phase.def"
#undef AGENT_PHASE
        };

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                if (strcmp(names[i], name) == 0) {
                        *ret = (enum agent_phase)i;
                        return true;
                }
        }
        return false;
}

static bool on_launch(const struct words *w, struct core_event *ev)
{
        ev->type = EV_REQ_LAUNCH;
        ev->launch.token = 1;
        STR_CUT(ev->launch.id, word(w, 1));
        STR_CUT(ev->launch.actor, "api");
        value(w, "course", ev->launch.course, sizeof(ev->launch.course));
        value(w, "type", ev->launch.key.type, sizeof(ev->launch.key.type));
        if (ev->launch.key.type[0]) {
                STR_CUT(ev->launch.key.tenant, "default");
                STR_CUT(ev->launch.key.user_id, "user");
                value(w, "user", ev->launch.key.user_id, sizeof(ev->launch.key.user_id));
                STR_CUT(ev->launch.key.name, "default");
        }
        return true;
}

static bool on_request(const struct words *w, struct core_event *ev)
{
        STR_CUT(ev->req_workspace.id, word(w, 1));
        STR_CUT(ev->req_workspace.actor, "api");
        value(w, "reason", ev->req_workspace.reason, sizeof(ev->req_workspace.reason));
        ev->req_workspace.token = 1;
        if (strcmp(word(w, 0), "stop") == 0)
                ev->type = EV_REQ_STOP;
        else if (strcmp(word(w, 0), "delete") == 0)
                ev->type = EV_REQ_DELETE;
        else if (strcmp(word(w, 0), "keep") == 0)
                ev->type = EV_REQ_KEEP;
        else if (strcmp(word(w, 0), "restart-it") == 0)
                ev->type = EV_REQ_STOP, ev->req_workspace.again = true;
        else if (strcmp(word(w, 0), "abandon") == 0)
                ev->type = EV_REQ_ABANDON;
        else
                ev->type = EV_ERASED;
        return true;
}

/* pause on hard type=code reason="…" */
static bool on_mode(const struct words *w, struct core_event *ev)
{
        ev->type = EV_REQ_MODE;
        ev->req_mode.token = 1;
        ev->req_mode.on = strcmp(word(w, 1), "on") == 0;
        ev->req_mode.hard = flag(w, "hard");
        STR_CUT(ev->req_mode.actor, "operator");
        value(w, "type", ev->req_mode.type, sizeof(ev->req_mode.type));
        value(w, "reason", ev->req_mode.reason, sizeof(ev->req_mode.reason));
        return core_mode_parse(word(w, 0), &ev->req_mode.mode) &&
               (ev->req_mode.on || strcmp(word(w, 1), "off") == 0);
}

/* size type=code size=3 reason="…"; without a size: as its policy says */
static bool on_size(const struct words *w, struct core_event *ev)
{
        int64_t size = number(w, "size", -1);

        ev->type = EV_REQ_POOL;
        ev->req_pool.token = 1;
        ev->req_pool.set = size >= 0;
        ev->req_pool.size = (uint32_t)MAX(size, 0);
        STR_CUT(ev->req_pool.actor, "operator");
        value(w, "type", ev->req_pool.type, sizeof(ev->req_pool.type));
        value(w, "reason", ev->req_pool.reason, sizeof(ev->req_pool.reason));
        return true;
}

/* target type=code size=3 reason="…" */
static bool on_target(const struct words *w, struct core_event *ev)
{
        ev->type = EV_POOL_TARGET;
        ev->pool_target.size = (uint32_t)number(w, "size", 0);
        value(w, "type", ev->pool_target.type, sizeof(ev->pool_target.type));
        value(w, "reason", ev->pool_target.reason, sizeof(ev->pool_target.reason));
        return true;
}

/* version code 2.1 */
static bool on_version(const struct words *w, struct core_event *ev)
{
        ev->type = EV_VERSION_SET;
        STR_CUT(ev->version_set.type, word(w, 1));
        STR_CUT(ev->version_set.version, word(w, 2));
        return true;
}

static bool on_notice(const struct words *w, struct core_event *ev)
{
        ev->type = EV_TASK_NOTICE;
        STR_CUT(ev->task_notice.task, word(w, 1));
        ev->task_notice.left_ms = number(w, "left", 0);
        value(w, "reason", ev->task_notice.reason, sizeof(ev->task_notice.reason));
        return true;
}

static bool on_shutdown(const struct words *w, struct core_event *ev)
{
        (void)w;
        ev->type = EV_REQ_SHUTDOWN;
        ev->req_plain.token = 1;
        STR_CUT(ev->req_plain.actor, "operator");
        return true;
}

static bool on_seen(const struct words *w, struct core_event *ev)
{
        ev->type = EV_TASK_SEEN;
        STR_CUT(ev->task_seen.task, word(w, 1));
        return true;
}

static bool on_inventory(const struct words *w, struct core_event *ev)
{
        ev->type = EV_INVENTORY_DONE;
        ev->inventory.certain = !flag(w, "late");
        ev->inventory.own_machines = flag(w, "own-machines");
        return true;
}

static bool on_launched(const struct words *w, struct core_event *ev)
{
        ev->type = EV_TASK_LAUNCHED;
        STR_CUT(ev->task_result.task, word(w, 1));
        ev->task_result.ok = strcmp(word(w, 2), "ok") == 0;
        value(w, "reason", ev->task_result.reason, sizeof(ev->task_result.reason));
        for (unsigned i = 0; i < LAUNCH_FAILURE_MAX; i++) {
                ev->task_result.failure = (enum launch_failure)i;
                if (!ev->task_result.ok &&
                    strcmp(word(w, 2), launch_failure_name((enum launch_failure)i)) == 0)
                        return true;
        }
        return ev->task_result.ok;
}

static bool on_ended(const struct words *w, struct core_event *ev)
{
        ev->type = EV_TASK_ENDED;
        STR_CUT(ev->task_ended.task, word(w, 1));
        ev->task_ended.exit_status = (int)number(w, "status", 0);
        ev->task_ended.certain = !flag(w, "listed");
        value(w, "reason", ev->task_ended.reason, sizeof(ev->task_ended.reason));
        return true;
}

static bool on_hello(const struct words *w, struct core_event *ev)
{
        ev->type = EV_AGENT_HELLO;
        STR_CUT(ev->hello.task, word(w, 1));
        STR_CUT(ev->hello.nonce, word(w, 2));
        STR_CUT(ev->hello.addr, "127.0.0.1:4000");
        ev->hello.conn = 1;
        ev->hello.generation = (uint64_t)number(w, "gen", 0);
        return true;
}

/* The nonce is "n" unless it is given. */
static bool on_report(const struct words *w, struct core_event *ev)
{
        struct save_ref restored = {0};

        ev->type = EV_AGENT_REPORT;
        ev->report.conn = 1;
        STR_CUT(ev->report.task, word(w, 1));
        STR_CUT(ev->report.nonce, "n");
        value(w, "nonce", ev->report.nonce, sizeof(ev->report.nonce));
        value(w, "error", ev->report.error, sizeof(ev->report.error));
        ev->report.generation = (uint64_t)number(w, "gen", 0);
        ev->report.acted_id = (uint64_t)number(w, "acted", 0);
        ev->report.declined = flag(w, "declined");
        save_of(w, "restored", &restored);
        ev->report.restored_generation = restored.generation;
        ev->report.restored_seq = restored.seq;
        ev->report.fell_back = flag(w, "fell-back");
        value(w, "restored_why", ev->report.restored_why, sizeof(ev->report.restored_why));
        ev->report.person_age_ms = number(w, "person", -1);
        ev->report.unsaved_age_ms = number(w, "unsaved", -1);
        ev->report.busy_ms = number(w, "busy", 0);
        ev->report.never_connected = flag(w, "never-connected");
        ev->report.disconnected_ms = number(w, "disconnected", 0);
        value(w, "by", ev->report.person_by, sizeof(ev->report.person_by));
        value(w, "job", ev->report.job, sizeof(ev->report.job));
        value(w, "confidence", ev->report.confidence, sizeof(ev->report.confidence));
        return phase_parse(word(w, 2), &ev->report.phase);
}

static bool on_saved(const struct words *w, struct core_event *ev)
{
        ev->type = EV_AGENT_SAVED;
        ev->saved.conn = 1;
        STR_CUT(ev->saved.task, word(w, 1));
        numbers(word(w, 2), &ev->saved.generation, &ev->saved.seq);
        ev->saved.final = flag(w, "final");
        ev->saved.unchanged = flag(w, "unchanged");
        ev->saved.length = 100;
        hash_of(ev->saved.generation, ev->saved.seq, ev->saved.sha256, sizeof(ev->saved.sha256));
        value(w, "hash", ev->saved.sha256, sizeof(ev->saved.sha256));
        return true;
}

static bool on_verified(const struct words *w, struct core_event *ev)
{
        ev->type = EV_SAVE_VERIFIED;
        STR_CUT(ev->verified.workspace, word(w, 1));
        numbers(word(w, 2), &ev->verified.generation, &ev->verified.seq);
        ev->verified.result = (int)number(w, "result", 0);
        value(w, "reason", ev->verified.reason, sizeof(ev->verified.reason));
        return true;
}

/* restore ws-a save=1-2 */
static bool on_restore(const struct words *w, struct core_event *ev)
{
        struct save_ref *save = &ev->req_restore.save;

        ev->type = EV_REQ_RESTORE;
        ev->req_restore.token = 1;
        STR_CUT(ev->req_restore.id, word(w, 1));
        STR_CUT(ev->req_restore.actor, "operator");
        save_of(w, "save", save);
        hash_of(save->generation, save->seq, save->sha256, sizeof(save->sha256));
        return true;
}

static bool on_salvaged(const struct words *w, struct core_event *ev)
{
        struct save_ref *found = &ev->salvaged.found;

        ev->type = EV_SALVAGED;
        STR_CUT(ev->salvaged.workspace, word(w, 1));
        ev->salvaged.generation = (uint64_t)number(w, "gen", 0);
        ev->salvaged.result = (int)number(w, "result", 0);
        save_of(w, "found", found);
        hash_of(found->generation, found->seq, found->sha256, sizeof(found->sha256));
        return true;
}

/* `start` is in seconds of UTC, as the trace's own times are. */
static bool on_class(const struct words *w, struct core_event *ev)
{
        ev->type = EV_CLASS_SET;
        STR_CUT(ev->class_set.id, word(w, 1));
        value(w, "type", ev->class_set.type, sizeof(ev->class_set.type));
        value(w, "course", ev->class_set.course, sizeof(ev->class_set.course));
        ev->class_set.start.us = number(w, "start", 0) * US_PER_S;
        ev->class_set.roster = (uint32_t)number(w, "roster", 0);
        return true;
}

bool script_event(const char *line, struct core_event *ret_event)
{
        static const struct {
                const char *name;
                bool (*fn)(const struct words *, struct core_event *);
        } table[] = {
                {"launch", on_launch},       {"stop", on_request},       {"delete", on_request},
                {"erased", on_request},      {"shutdown", on_shutdown},  {"seen", on_seen},
                {"inventory", on_inventory}, {"launched", on_launched},  {"ended", on_ended},
                {"hello", on_hello},         {"report", on_report},      {"saved", on_saved},
                {"verified", on_verified},   {"salvaged", on_salvaged},  {"pause", on_mode},
                {"maintenance", on_mode},    {"drain", on_mode},         {"notice", on_notice},
                {"abandon", on_request},     {"target", on_target},      {"version", on_version},
                {"keep", on_request},        {"restart-it", on_request}, {"size", on_size},
                {"class", on_class},         {"restore", on_restore},
        };
        struct words w;

        split(&w, line);
        memset(ret_event, 0, sizeof(*ret_event));
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
                if (strcmp(word(&w, 0), table[i].name) == 0 && table[i].fn(&w, ret_event))
                        return true;
        }
        fprintf(stderr, "no such event, or a word of it is wrong: %s\n", line);
        return false;
}

static bool setting_ms(const struct words *w, const char *name, int64_t *value_ms)
{
        char text[32] = "";

        value(w, name, text, sizeof(text));
        return !text[0] || num_parse_duration_ms(text, value_ms) == 0;
}

bool script_setting(const char *line, struct core_config *config)
{
        struct core_type *t = &config->types[0];
        struct words w;
        char text[512];

        (void)snprintf(text, sizeof(text), "! %s", line);
        split(&w, text);
        t->pool_size = (uint32_t)number(&w, "pool", t->pool_size);
        config->tasks_max = (uint32_t)number(&w, "tasks", config->tasks_max);
        config->workspaces_max = (uint32_t)number(&w, "workspaces", config->workspaces_max);
        config->stops_per_min = (uint32_t)number(&w, "stops", config->stops_per_min);
        config->user_running_max = (uint32_t)number(&w, "user_running", config->user_running_max);
        t->queue_max = (uint32_t)number(&w, "queue", t->queue_max);
        t->sizing.forecast |= flag(&w, "forecast");
        t->sizing.floor = (uint32_t)number(&w, "pool_min", t->sizing.floor);
        t->sizing.floor_quiet = (uint32_t)number(&w, "pool_min_quiet", t->sizing.floor_quiet);
        t->sizing.ceiling = (uint32_t)number(&w, "pool_max", t->sizing.ceiling);
        t->sizing.task_hour = (int64_t)number(&w, "task_price", (uint64_t)t->sizing.task_hour);
        t->sizing.day_max = (int64_t)number(&w, "budget_day", (uint64_t)t->sizing.day_max);
        config->launch_rate = (double)number(&w, "launch_rate", (uint64_t)config->launch_rate);
        config->save_parallel = (uint32_t)number(&w, "save_parallel", config->save_parallel);
        config->stop_rate = (double)number(&w, "stop_rate", (int64_t)config->stop_rate);
        config->stop_burst = (double)number(&w, "stop_burst", (int64_t)config->stop_burst);
        config->launch_burst = (double)number(&w, "launch_burst", (uint64_t)config->launch_burst);
        t->adaptive.on |= flag(&w, "adaptive");
        t->adaptive.value_of_time = number(&w, "value_of_time", t->adaptive.value_of_time);
        if (flag(&w, "second_type")) {
                config->types[1] = config->types[0];
                STR_CUT(config->types[1].name, "lab");
                config->n_types = 2;
        }
        return setting_ms(&w, "idle", &t->limits.idle_ms) &&
               setting_ms(&w, "idle_min", &t->adaptive.idle_ms_min) &&
               setting_ms(&w, "idle_max", &t->adaptive.idle_ms_max) &&
               setting_ms(&w, "never_connected", &t->limits.never_connected_ms) &&
               setting_ms(&w, "disconnected", &t->limits.disconnected_ms) &&
               setting_ms(&w, "job", &t->limits.job_ms) &&
               setting_ms(&w, "lifetime", &t->limits.lifetime_ms) &&
               setting_ms(&w, "warm_age", &t->warm_age_ms) &&
               setting_ms(&w, "quiet", &config->quiet_ms) &&
               setting_ms(&w, "unsaved_alarm", &t->unsaved_alarm_ms) &&
               setting_ms(&w, "stop_timeout", &t->stop_timeout_ms) &&
               setting_ms(&w, "erase", &config->erase_delay_ms);
}

void script_defaults(struct core_config *config)
{
        *config = (struct core_config){
                .workspaces_max = 8,
                .tasks_max = 8,
                .n_types = 1,
                .types = {{.name = "code",
                           .pool_size = 1,
                           .limits = {.idle_ms = 60000, .job_ms = 600000},
                           .launch_timeout_ms = 60000,
                           .claim_timeout_ms = 60000,
                           .stop_timeout_ms = 30000}},
                .quiet_ms = 10000,
                .heartbeat_ms = 5000,
                .agent_lost_ms = 30000,
                .retry_save_ms = 60000,
                .erase_delay_ms = 3600000,
                .stops_per_min = 10,
        };
        schedule_init(&config->types[0].sizing.schedule);
        config->types[0].sizing.hit_rate = 0.99;
        config->types[0].sizing.ceiling = 8;
}
