#include "out/providers/docker_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "out/providers/engine.h"
#include "wire/json.h"

/*
 * What init needs to give the roles their users and to end what they leave behind; FSETID for the
 * sockets' folders, whose group is another than root's.
 */
static const char *const capabilities[] = {"CHOWN", "DAC_OVERRIDE", "FOWNER",  "FSETID",
                                           "KILL",  "SETGID",       "SETPCAP", "SETUID"};
#define RUN_SIZE "16m"
#define SHM_BYTES (256 << 20)
#define LOG_MAX "16m"
/* Podman filters by its own names: died, remove. */
#define EVENTS                                                                                     \
        ",\"type\":[\"container\"],"                                                               \
        "\"event\":[\"die\",\"died\",\"oom\",\"destroy\",\"remove\"]"

static const char *text_of(const cJSON *o, const char *name)
{
        const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));

        return s ? s : "";
}

static int64_t number_of(const cJSON *o, const char *name)
{
        const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, name);

        return cJSON_IsNumber(n) && n->valuedouble > -9e15 && n->valuedouble < 9e15
                       ? (int64_t)n->valuedouble
                       : 0;
}

/* ---- create ---- */

/* Each adds to its parent, which owns it: on failure the whole tree goes. */
static bool add_text(cJSON *o, const char *name, const char *value)
{
        return cJSON_AddStringToObject(o, name, value) != NULL;
}

static bool add_number(cJSON *o, const char *name, int64_t value)
{
        return cJSON_AddNumberToObject(o, name, (double)value) != NULL;
}

static bool push(cJSON *array, const char *value)
{
        return cJSON_AddItemToArray(array, cJSON_CreateString(value));
}

static bool push_env(cJSON *env, const char *name, const char *value)
{
        char text[CORE_REASON_SIZE + 4096];

        (void)snprintf(text, sizeof(text), "%s=%s", name, value);
        return push(env, text);
}

/* init takes less than the engine gives, so that its own last save ends in time. */
static bool push_grace(cJSON *env, int64_t grace_ms)
{
        char text[32];
        int64_t margin = MIN(grace_ms / 4, 10000);

        (void)snprintf(text, sizeof(text), "%lldms", (long long)(grace_ms - margin));
        return push_env(env, "WS_TERM_GRACE", text);
}

static bool add_env(cJSON *o, const struct docker_spec *s)
{
        cJSON *env = cJSON_AddArrayToObject(o, "Env");
        bool ok = env && push_env(env, "WS_TASK_ID", s->task) &&
                  push_env(env, "WS_CONTROLLER", s->controller_url) &&
                  push_env(env, "WS_SECRET_FROM", "stdin") &&
                  push_env(env, "WS_LISTEN", "0.0.0.0:8000") && push_grace(env, s->grace_ms);

        if (ok && s->profile[0])
                ok = push_env(env, "WS_PROFILE", s->profile);
        if (ok && s->log_level)
                ok = push_env(env, "WS_LOG_LEVEL", s->log_level);
        return ok;
}

static bool add_labels(cJSON *o, const struct docker_spec *s)
{
        cJSON *labels = cJSON_AddObjectToObject(o, "Labels");

        return labels && add_text(labels, DOCKER_LABEL_CONTROLLER, s->controller) &&
               add_text(labels, DOCKER_LABEL_TASK, s->task) &&
               add_text(labels, DOCKER_LABEL_TYPE, s->type) &&
               add_text(labels, DOCKER_LABEL_VERSION, s->version);
}

static bool add_volume(cJSON *mounts, const char *target)
{
        cJSON *m = cJSON_CreateObject();

        return cJSON_AddItemToArray(mounts, m) && add_text(m, "Type", "volume") &&
               add_text(m, "Target", target);
}

static bool add_bind(cJSON *mounts, const char *bind)
{
        const char *colon = strrchr(bind, ':');
        char source[4096];
        cJSON *m = cJSON_CreateObject();

        (void)snprintf(source, sizeof(source), "%.*s", (int)(colon - bind), bind);
        return cJSON_AddItemToArray(mounts, m) && add_text(m, "Type", "bind") &&
               add_text(m, "Source", source) && add_text(m, "Target", colon + 1) &&
               cJSON_AddTrueToObject(m, "ReadOnly");
}

/* Temporary files always; home and run folder where the root cannot be written. */
static bool add_mounts(cJSON *host, const struct docker_spec *s)
{
        cJSON *mounts = cJSON_AddArrayToObject(host, "Mounts");
        cJSON *tmpfs = cJSON_AddObjectToObject(host, "Tmpfs");
        char tmp[96];
        bool ok;

        (void)snprintf(tmp, sizeof(tmp), "rw,exec,nosuid,nodev,mode=1777,size=%lld",
                       (long long)s->tmp_bytes);
        ok = mounts && tmpfs && add_text(tmpfs, "/tmp", tmp) &&
             add_text(tmpfs, "/run", "rw,nosuid,nodev,mode=755,size=" RUN_SIZE);
        /* What saves are made in is larger than memory should hold. */
        ok = ok && add_volume(mounts, "/run/ws");
        if (ok && s->read_only)
                ok = add_volume(mounts, "/home/student");
        if (ok && s->bind[0])
                ok = add_bind(mounts, s->bind);
        return ok;
}

static bool add_rights(cJSON *host)
{
        cJSON *drop = cJSON_AddArrayToObject(host, "CapDrop");
        cJSON *add = cJSON_AddArrayToObject(host, "CapAdd");
        cJSON *security = cJSON_AddArrayToObject(host, "SecurityOpt");
        bool ok =
                drop && add && security && push(drop, "ALL") && push(security, "no-new-privileges");

        for (size_t i = 0; ok && i < ARRAY_LEN(capabilities); i++)
                ok = push(add, capabilities[i]);
        return ok;
}

static bool add_limits(cJSON *host, const struct docker_spec *s)
{
        bool ok = add_number(host, "ShmSize", SHM_BYTES);

        if (ok && s->memory > 0) /* the same for both: no swap */
                ok = add_number(host, "Memory", s->memory) &&
                     add_number(host, "MemorySwap", s->memory);
        if (ok && s->cpu > 0)
                ok = add_number(host, "NanoCpus", s->cpu * 1000);
        if (ok && s->pids > 0)
                ok = add_number(host, "PidsLimit", s->pids);
        return ok;
}

static bool add_log(cJSON *host)
{
        cJSON *log = cJSON_AddObjectToObject(host, "LogConfig");
        cJSON *config = log ? cJSON_AddObjectToObject(log, "Config") : NULL;

        return config && add_text(log, "Type", "json-file") &&
               add_text(config, "max-size", LOG_MAX) && add_text(config, "max-file", "1");
}

static bool add_host(cJSON *o, const struct docker_spec *s)
{
        cJSON *host = cJSON_AddObjectToObject(o, "HostConfig");
        cJSON *restart = host ? cJSON_AddObjectToObject(host, "RestartPolicy") : NULL;

        return restart && add_text(restart, "Name", "no") &&
               add_text(host, "NetworkMode", s->network) && add_limits(host, s) &&
               add_rights(host) && add_mounts(host, s) && add_log(host) &&
               cJSON_AddBoolToObject(host, "ReadonlyRootfs", s->read_only) &&
               cJSON_AddFalseToObject(host, "Init");
}

int docker_json_create(const struct docker_spec *spec, struct buf *ret_body)
{
        AUTO_JSON *o = cJSON_CreateObject();
        const char *colon = strrchr(spec->bind, ':');
        char *text;
        int r;

        if (spec->bind[0] && (!colon || colon == spec->bind))
                return -EINVAL;
        if (!o || !add_text(o, "Image", spec->image) || !add_text(o, "Hostname", spec->task) ||
            !add_text(o, "User", "0:0") || !add_text(o, "StopSignal", "SIGTERM") ||
            !add_number(o, "StopTimeout", spec->grace_ms / 1000) ||
            !cJSON_AddTrueToObject(o, "OpenStdin") || !cJSON_AddTrueToObject(o, "StdinOnce") ||
            !add_env(o, spec) || !add_labels(o, spec) || !add_host(o, spec))
                return -ENOMEM;
        text = cJSON_PrintUnformatted(o);
        if (!text)
                return -ENOMEM;
        r = buf_append_str(ret_body, text);
        cJSON_free(text);
        return r < 0 ? r : buf_terminate(ret_body);
}

void docker_json_filters(const char *controller, bool events, char *dst, size_t size)
{
        char text[512];

        (void)snprintf(text, sizeof(text), "{\"label\":[\"%s=%.64s\"]%s}", DOCKER_LABEL_CONTROLLER,
                       controller, events ? EVENTS : "");
        engine_escape(text, dst, size);
}

/* ---- answers ---- */

void docker_json_message(const char *body, char dst[static DOCKER_TEXT_SIZE])
{
        AUTO_JSON *o = cJSON_Parse(body);
        const char *message = text_of(o, "message");

        str_copy_cut(dst, DOCKER_TEXT_SIZE, message[0] ? message : body);
        dst[strcspn(dst, "\r\n")] = 0;
}

/* Docker writes a slash before it. */
static const char *first_name(const cJSON *container)
{
        const cJSON *names = cJSON_GetObjectItemCaseSensitive(container, "Names");
        const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(names, 0));

        return name ? name + (name[0] == '/') : "";
}

int docker_json_list(const char *body, void (*fn)(void *ctx, const struct docker_listed *l),
                     void *ctx)
{
        AUTO_JSON *all = cJSON_Parse(body);
        const cJSON *c;

        if (!cJSON_IsArray(all))
                return -EBADMSG;
        cJSON_ArrayForEach(c, all)
        {
                const cJSON *labels = cJSON_GetObjectItemCaseSensitive(c, "Labels");
                struct docker_listed l = {0};

                STR_CUT(l.id, text_of(c, "Id"));
                STR_CUT(l.state, text_of(c, "State"));
                STR_CUT(l.name, first_name(c));
                STR_CUT(l.task, text_of(labels, DOCKER_LABEL_TASK));
                STR_CUT(l.type, text_of(labels, DOCKER_LABEL_TYPE));
                if (l.id[0] && l.task[0])
                        fn(ctx, &l);
        }
        return 0;
}

int docker_json_inspect(const char *body, struct docker_inspected *ret)
{
        AUTO_JSON *o = cJSON_Parse(body);
        const cJSON *state = cJSON_GetObjectItemCaseSensitive(o, "State");

        if (!cJSON_IsObject(state))
                return -EBADMSG;
        *ret = (struct docker_inspected){
                .exit_code = (int)number_of(state, "ExitCode"),
                .oom_killed =
                        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "OOMKilled")) != 0,
                .memory = number_of(cJSON_GetObjectItemCaseSensitive(o, "HostConfig"), "Memory"),
        };
        STR_CUT(ret->id, text_of(o, "Id"));
        STR_CUT(ret->status, text_of(state, "Status"));
        STR_CUT(ret->error, text_of(state, "Error"));
        return 0;
}

int docker_json_event(const char *line, struct docker_event *ret)
{
        AUTO_JSON *o = cJSON_Parse(line);
        const cJSON *actor = cJSON_GetObjectItemCaseSensitive(o, "Actor");
        const cJSON *attributes = cJSON_GetObjectItemCaseSensitive(actor, "Attributes");
        struct docker_event e = {.time = number_of(o, "time")};

        STR_CUT(e.action, text_of(o, "Action"));
        STR_CUT(e.task, text_of(attributes, DOCKER_LABEL_TASK));
        if (!e.action[0])
                return -EBADMSG;
        *ret = e;
        return 0;
}

int docker_json_id(const char *body, char ret_id[static DOCKER_ID_SIZE])
{
        AUTO_JSON *o = cJSON_Parse(body);
        const char *id = text_of(o, "Id");

        return id[0] ? str_copy(ret_id, DOCKER_ID_SIZE, id) : -EBADMSG;
}

int docker_json_gateway(const char *body, char ret_gateway[static 64])
{
        AUTO_JSON *o = cJSON_Parse(body);
        const cJSON *ipam = cJSON_GetObjectItemCaseSensitive(o, "IPAM");
        const cJSON *config;

        if (!cJSON_IsObject(o))
                return -EBADMSG;
        ret_gateway[0] = 0;
        cJSON_ArrayForEach(config, cJSON_GetObjectItemCaseSensitive(ipam, "Config"))
        {
                const char *gateway = text_of(config, "Gateway");

                if (!ret_gateway[0] && gateway[0] && !strchr(gateway, ':'))
                        str_copy_cut(ret_gateway, 64, gateway);
        }
        return 0;
}
