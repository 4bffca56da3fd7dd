#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "config_kind.h"

#define FILE_MAX_BYTES (1 << 20)

struct option {
        const char *name;
        enum config_kind kind;
        const char *def;
        int64_t min, max;
        const char *help;
};

static const struct option options[] = {
#define OPTION(id, name, kind, def, min, max, help)                                                \
        [CONFIG_##id] = {name, KIND_##kind, def, min, max, help},
#include "config_option.def"
};

static const struct option type_options[] = {
#define TYPE_OPTION(id, name, kind, def, min, max, help)                                           \
        [CONFIG_TYPE_##id] = {name, KIND_##kind, def, min, max, help},
#include "config_option.def"
};

/* What loads: the result, and where an error is to be written. */
struct load {
        struct config *config;
        char *error;
        /* Flags and variables for every type wait until all types are known. */
        struct config_value every[CONFIG_TYPE_OPTION_MAX];
};

static int complain(struct load *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int complain(struct load *l, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(l->error, CONFIG_ERROR_SIZE, fmt, ap);
        va_end(ap);
        return -EINVAL;
}

/* ---- one value ---- */

static int set_value(struct load *l, const struct option *o, struct config_value *v,
                     const char *text, const char *source)
{
        int64_t num = 0;

        if (strlen(text) >= CONFIG_TEXT_SIZE)
                return complain(l, "%s: %s: the value is too long (at most %d bytes)", source,
                                o->name, CONFIG_TEXT_SIZE - 1);
        for (const char *p = text; *p; p++) {
                if ((unsigned char)*p < ' ')
                        return complain(l, "%s: %s: the value has a control character", source,
                                        o->name);
        }
        if ((text[0] || !o->def || o->def[0]) && config_kind_parse(o->kind, text, &num) < 0)
                return complain(l, "%s: %s: \"%.80s\" is not valid; give %s", source, o->name, text,
                                config_kind_hint(o->kind));
        if (o->kind == KIND_DECIMAL && (num < o->min || num > o->max))
                return complain(l, "%s: %s: \"%.80s\" is out of range; give %g to %g", source,
                                o->name, text, (double)o->min / 1e6, (double)o->max / 1e6);
        if (config_kind_is_number(o->kind) && (num < o->min || num > o->max))
                return complain(l, "%s: %s: \"%.80s\" is out of range; give %lld to %lld%s", source,
                                o->name, text, (long long)o->min, (long long)o->max,
                                o->kind == KIND_DURATION ? " ms" : "");
        STR_CUT(v->text, text);
        STR_CUT(v->source, source);
        v->num = num;
        return 0;
}

static const struct option *find_in(const struct option *table, size_t n, const char *name,
                                    size_t *ret_i)
{
        for (size_t i = 0; i < n; i++) {
                if (strcmp(table[i].name, name) == 0) {
                        *ret_i = i;
                        return &table[i];
                }
        }
        return NULL;
}

static bool is_option(const char *name)
{
        size_t i;

        return strcmp(name, "config") == 0 || find_in(options, ARRAY_LEN(options), name, &i) ||
               find_in(type_options, ARRAY_LEN(type_options), name, &i);
}

/* A global option, or a type option for every type. */
static int set_global(struct load *l, const char *name, const char *text, const char *source)
{
        size_t i = 0;
        const struct option *o = find_in(options, ARRAY_LEN(options), name, &i);

        if (o)
                return set_value(l, o, &l->config->v[i], text, source);
        o = find_in(type_options, ARRAY_LEN(type_options), name, &i);
        if (o)
                return set_value(l, o, &l->every[i], text, source);
        return complain(l, "%s: no such option \"%.60s\"; --help lists them", source, name);
}

/* ---- defaults ---- */

static int default_path(struct load *l, size_t i, char *dst, size_t size)
{
        char exe[CONFIG_TEXT_SIZE];
        const char *home = getenv("HOME");
        ssize_t n;
        char *slash;

        if (i == CONFIG_STATE_DIR) {
                if (geteuid() == 0)
                        return str_copy(dst, size, "/var/lib/wscontroller");
                if (!home || home[0] != '/')
                        return complain(l, "state_dir: HOME is not set; give --state-dir");
                (void)snprintf(dst, size, "%s/.local/state/wscontroller", home);
                return 0;
        }
        n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
        if (n < 0)
                return complain(l, "agent: /proc is not there; give --agent PATH");
        exe[n] = 0;
        slash = strrchr(exe, '/');
        if (slash)
                *slash = 0;
        (void)snprintf(dst, size, "%.*s/wsagent", (int)(size - sizeof("/wsagent")), exe);
        return 0;
}

static int set_defaults(struct load *l)
{
        char path[CONFIG_TEXT_SIZE];
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_LEN(options); i++) {
                const char *text = options[i].def;

                if (!text) {
                        r = default_path(l, i, path, sizeof(path));
                        text = path;
                }
                if (r == 0)
                        r = set_value(l, &options[i], &l->config->v[i], text, "default");
        }
        return r;
}

static int add_type(struct load *l, const char *name, const char *source, struct config_type **ret)
{
        struct config *c = l->config;
        struct config_type *t;
        int r = 0;

        if (!name_valid(name, CORE_TYPE_SIZE - 1))
                return complain(
                        l,
                        "%s: \"%.60s\" is no name for a type; use up to %d letters, digits, "
                        "dots and dashes",
                        source, name, CORE_TYPE_SIZE - 1);
        for (uint32_t i = 0; i < c->n_types; i++) {
                if (strcmp(c->types[i].name, name) == 0)
                        return complain(l, "%s: the type \"%s\" is there twice; join the sections",
                                        source, name);
        }
        if (c->n_types == CORE_TYPES_MAX)
                return complain(l, "%s: more than %d types", source, CORE_TYPES_MAX);
        t = &c->types[c->n_types++];
        STR_CUT(t->name, name);
        for (size_t i = 0; r == 0 && i < ARRAY_LEN(type_options); i++)
                r = set_value(l, &type_options[i], &t->v[i], type_options[i].def, "default");
        *ret = t;
        return r;
}

/* ---- the file ---- */

static char *trim(char *s)
{
        char *end;

        while (*s == ' ' || *s == '\t')
                s++;
        end = s + strlen(s);
        while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
                *--end = 0;
        return s;
}

static int section(struct load *l, char *line, const char *source, struct config_type **type)
{
        size_t len = strlen(line);

        if (line[len - 1] != ']')
                return complain(l, "%s: a section ends with ]; write [type NAME]", source);
        line[len - 1] = 0;
        line = trim(line + 1);
        if (!str_starts(line, "type "))
                return complain(l, "%s: no such section \"%.60s\"; write [type NAME]", source,
                                line);
        return add_type(l, trim(line + sizeof("type ") - 1), source, type);
}

static int assignment(struct load *l, char *line, const char *source, struct config_type *type)
{
        char *equals = strchr(line, '=');
        const struct option *o;
        const char *name;
        const char *value;
        char *comment;
        size_t i = 0;

        if (!equals)
                return complain(l, "%s: \"%.60s\": write NAME = VALUE, or # before a comment",
                                source, line);
        *equals = 0;
        name = trim(line);
        /* So that what --print-config wrote can be read again. */
        comment = strstr(equals + 1, " #");
        if (comment)
                *comment = 0;
        value = trim(equals + 1);
        o = type ? find_in(type_options, ARRAY_LEN(type_options), name, &i) : NULL;
        if (o)
                return set_value(l, o, &type->v[i], value, source);
        if (type && find_in(options, ARRAY_LEN(options), name, &i))
                return complain(l, "%s: %s belongs to no type; move it above the first section",
                                source, name);
        if (find_in(type_options, ARRAY_LEN(type_options), name, &i))
                return complain(l, "%s: %s belongs to a type; move it below [type NAME]", source,
                                name);
        return set_global(l, name, value, source);
}

static int load_file(struct load *l, const char *path)
{
        AUTO_BUF content = BUF_INIT(FILE_MAX_BYTES);
        struct config_type *type = NULL;
        char source[CONFIG_SOURCE_SIZE];
        char *next;
        int number = 0;
        int r = file_read(path, &content);

        if (r < 0)
                return complain(l, "%s: cannot be read: %s", path, strerrordesc_np(-r));
        if (memchr(content.data, 0, content.len))
                return complain(l, "%s: it is not a text file", path);
        for (char *line = (char *)content.data; r == 0 && line && *line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                (void)snprintf(source, sizeof(source), "%.140s:%d", path, ++number);
                line = trim(line);
                if (!*line || *line == '#')
                        continue;
                r = *line == '[' ? section(l, line, source, &type)
                                 : assignment(l, line, source, type);
        }
        return r;
}

/* ---- environment and flags ---- */

static void respell(char *dst, size_t size, const char *prefix, const char *name, char from,
                    char to, bool upper)
{
        size_t n = strlen(prefix);

        str_copy_cut(dst, size, prefix);
        for (; *name && n + 1 < size; name++) {
                char c = *name == from ? to : *name;

                dst[n++] = (char)(upper && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
        dst[n] = 0;
}

static const char *env_find(char **list, const char *name)
{
        size_t len = strlen(name);

        for (; *list; list++) {
                if (strncmp(*list, name, len) == 0 && (*list)[len] == '=')
                        return *list + len + 1;
        }
        return NULL;
}

static int load_env_table(struct load *l, char **env, const struct option *table, size_t n)
{
        char name[64];
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                const char *value;

                respell(name, sizeof(name), "WS_", table[i].name, '_', '_', true);
                value = env_find(env, name);
                if (value)
                        r = set_global(l, table[i].name, value, name);
        }
        return r;
}

static bool is_action(const char *arg, enum config_action *ret_action)
{
        static const struct {
                const char *flag;
                enum config_action action;
        } actions[] = {{"--check", CONFIG_CHECK},
                       {"--print-config", CONFIG_PRINT},
                       {"--help", CONFIG_HELP},
                       {"-h", CONFIG_HELP},
                       {"--version", CONFIG_VERSION}};

        for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
                if (strcmp(arg, actions[i].flag) == 0) {
                        *ret_action = actions[i].action;
                        return true;
                }
        }
        return false;
}

/*
 * `file`: only look for --config. Otherwise set everything else. One walk serves both, so that they
 * cannot disagree about what is a value.
 */
static int walk_flags(struct load *l, int argc, char **argv, enum config_action *action,
                      const char **file)
{
        char name[80];
        char flag[80];
        int r = 0;

        for (int i = 1; r == 0 && i < argc; i++) {
                const char *arg = argv[i];
                const char *equals = strchr(arg, '=');
                const char *value;

                if (is_action(arg, action))
                        continue;
                if (!str_starts(arg, "--"))
                        return complain(l, "\"%.60s\": not an option; --help lists them", arg);
                (void)snprintf(flag, sizeof(flag), "%.*s",
                               equals ? (int)MIN((size_t)(equals - arg), sizeof(flag) - 1)
                                      : (int)sizeof(flag) - 1,
                               arg);
                value = equals ? equals + 1 : argv[i + 1];
                if (!equals)
                        i++;
                respell(name, sizeof(name), "", flag + 2, '-', '_', false);
                if (!value && is_option(name))
                        return complain(l, "%s: a value is missing", flag);
                if (!value)
                        return complain(l, "%s: no such option; --help lists them", flag);
                if (strcmp(name, "config") == 0) {
                        if (file)
                                *file = value;
                } else if (!file) {
                        r = set_global(l, name, value, flag);
                }
        }
        return r;
}

/* ---- all together ---- */

static void apply_every(struct load *l)
{
        for (uint32_t t = 0; t < l->config->n_types; t++) {
                for (size_t i = 0; i < ARRAY_LEN(type_options); i++) {
                        if (l->every[i].source[0])
                                l->config->types[t].v[i] = l->every[i];
                }
        }
}

static bool adapts(const struct config_type *t)
{
        return strcmp(t->v[CONFIG_TYPE_IDLE_POLICY].text, "adaptive") == 0;
}

static int check_adaptive(struct load *l, const struct config_type *t)
{
        const struct config_value *least = &t->v[CONFIG_TYPE_IDLE_MIN];
        const struct config_value *most = &t->v[CONFIG_TYPE_IDLE_MAX];

        if (!adapts(t))
                return 0;
        if (least->num > most->num)
                return complain(l,
                                "%s: idle_min of [type %s] is \"%.40s\", but idle_max is "
                                "\"%.40s\"; raise idle_max or lower the other",
                                least->source, t->name, least->text, most->text);
        if (t->v[CONFIG_TYPE_TASK_PRICE].num == 0)
                return complain(l,
                                "[type %s]: idle_policy is adaptive, but task_price is 0, so that "
                                "keeping a workspace would cost nothing; give task_price in "
                                "dollars an hour",
                                t->name);
        return 0;
}

/* A limit that could never apply is a mistake, but for a default that somebody's idle overtook. */
static int check_limits(struct load *l, const struct config_type *t)
{
        static const enum config_type_option shorter[] = {CONFIG_TYPE_NEVER_CONNECTED,
                                                          CONFIG_TYPE_DISCONNECTED};
        const struct config_value *job = &t->v[CONFIG_TYPE_JOB];
        const struct config_value *idle =
                &t->v[adapts(t) ? CONFIG_TYPE_IDLE_MAX : CONFIG_TYPE_IDLE];
        const char *name = adapts(t) ? "idle_max" : "idle";

        for (size_t i = 0; i < ARRAY_LEN(shorter); i++) {
                const struct config_value *v = &t->v[shorter[i]];

                if (idle->num > 0 && v->num > idle->num)
                        return complain(l,
                                        "%s: %s: \"%.40s\" is longer than %s of [type %s], "
                                        "\"%.40s\", and would never apply; make it shorter, or 0 "
                                        "for the same as idle",
                                        v->source, type_options[shorter[i]].name, v->text, name,
                                        t->name, idle->text);
        }
        if (strcmp(job->text, type_options[CONFIG_TYPE_JOB].def) != 0 && job->num > 0 &&
            job->num <= idle->num)
                return complain(l,
                                "%s: job: \"%.40s\" is not longer than %s of [type %s], "
                                "\"%.40s\", so that a job would hold nothing; make it longer, or "
                                "0 if jobs shall hold nothing",
                                job->source, job->text, name, t->name, idle->text);
        return 0;
}

static bool forecasts(const struct config_type *t)
{
        return strcmp(t->v[CONFIG_TYPE_POOL_POLICY].text, "forecast") == 0;
}

static int check_pool(struct load *l, const struct config_type *t)
{
        const struct config_value *most = &t->v[CONFIG_TYPE_POOL_MAX];
        int64_t least = MAX(t->v[CONFIG_TYPE_POOL_MIN].num, t->v[CONFIG_TYPE_POOL_MIN_QUIET].num);

        if (!forecasts(t))
                return 0;
        if (most->num < least)
                return complain(l,
                                "%s: pool_max of [type %s] is %lld, but pool_min or pool_min_quiet "
                                "is %lld; raise pool_max or lower the other",
                                most->source, t->name, (long long)most->num, (long long)least);
        if (t->v[CONFIG_TYPE_TASK_PRICE].num == 0 &&
            (t->v[CONFIG_TYPE_BUDGET_DAY].num > 0 || t->v[CONFIG_TYPE_BUDGET_MONTH].num > 0))
                return complain(l,
                                "[type %s]: a budget is set, but task_price is 0, so that it would "
                                "never apply; give task_price in dollars an hour",
                                t->name);
        return 0;
}

/* What a task is made from. */
static int check_source(struct load *l, const struct config_type *t)
{
        const struct config_value *profile = &t->v[CONFIG_TYPE_PROFILE];

        if (strcmp(l->config->v[CONFIG_PROVIDER].text, "docker") == 0)
                return t->v[CONFIG_TYPE_IMAGE].text[0]
                               ? 0
                               : complain(l,
                                          "[type %s]: image is not set; give the name of an image",
                                          t->name);
        if (!profile->text[0])
                return complain(l, "[type %s]: profile is not set; give the path of a profile",
                                t->name);
        if (access(profile->text, R_OK) < 0)
                return complain(l, "%s: profile: %s: %s", profile->source, profile->text,
                                strerrordesc_np(errno));
        return 0;
}

static int check_access(struct load *l)
{
        const struct config_value *site = &l->config->v[CONFIG_COOKIE_SAME_SITE];
        const struct config_value *back = &l->config->v[CONFIG_PLATFORM_URL];

        if (strcmp(site->text, "none") == 0 &&
            strcmp(l->config->v[CONFIG_PUBLIC_SCHEME].text, "https") != 0)
                return complain(l,
                                "%s: cookie_same_site is none, which browsers take over https "
                                "only; set public_scheme = https",
                                site->source);
        if (back->text[0] && !str_starts(back->text, "https://") &&
            !str_starts(back->text, "http://"))
                return complain(l, "%s: platform_url: %s: it must begin with https:// or http://",
                                back->source, back->text);
        if (strlen(back->text) >= PLATFORM_URL_SIZE)
                return complain(l, "%s: platform_url is longer than %d bytes", back->source,
                                PLATFORM_URL_SIZE - 1);
        return 0;
}

static int cross_check(struct load *l)
{
        const struct config *c = l->config;
        int64_t pools = 0;

        if (c->n_types == 0)
                return complain(l, "no workspace type is configured; add \"[type vscode]\" with "
                                   "\"profile = FILE\" to the file given with --config");
        for (uint32_t i = 0; i < c->n_types; i++) {
                pools += c->types[i]
                                 .v[forecasts(&c->types[i]) ? CONFIG_TYPE_POOL_MIN
                                                            : CONFIG_TYPE_POOL]
                                 .num;
                if (check_source(l, &c->types[i]) < 0 || check_limits(l, &c->types[i]) < 0 ||
                    check_pool(l, &c->types[i]) < 0 || check_adaptive(l, &c->types[i]) < 0)
                        return -EINVAL;
        }
        if (check_access(l) < 0)
                return -EINVAL;
        if (pools > c->v[CONFIG_TASKS_MAX].num)
                return complain(
                        l,
                        "%s: tasks_max is %lld, but the pools keep %lld tasks warm; raise it "
                        "or lower pool",
                        c->v[CONFIG_TASKS_MAX].source, (long long)c->v[CONFIG_TASKS_MAX].num,
                        (long long)pools);
        return 0;
}

int config_load(int argc, char **argv, char **environ_list,
                char ret_error[static CONFIG_ERROR_SIZE], enum config_action *ret_action,
                struct config **ret_config)
{
        enum config_action action = CONFIG_RUN;
        const char *file = env_find(environ_list, "WS_CONFIG");
        struct load *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->error = ret_error;
        l->config = calloc(1, sizeof(*l->config));
        r = l->config ? 0 : -ENOMEM;
        if (r == 0)
                r = walk_flags(l, argc, argv, &action, &file);
        if (r == 0 && action != CONFIG_HELP && action != CONFIG_VERSION) {
                r = set_defaults(l);
                if (r == 0 && file)
                        r = load_file(l, file);
                if (r == 0)
                        r = load_env_table(l, environ_list, options, ARRAY_LEN(options));
                if (r == 0)
                        r = load_env_table(l, environ_list, type_options, ARRAY_LEN(type_options));
                if (r == 0)
                        r = walk_flags(l, argc, argv, &action, NULL);
                apply_every(l);
                if (r == 0)
                        r = cross_check(l);
        }
        if (r == 0) {
                *ret_action = action;
                *ret_config = STEAL(l->config, NULL);
        }
        config_free(l->config);
        free(l);
        return r;
}

struct config *config_free(struct config *c)
{
        free(c);
        return NULL;
}

/* ---- reading it ---- */

const char *config_text(const struct config *c, enum config_option o)
{
        return c->v[o].text;
}

int64_t config_num(const struct config *c, enum config_option o)
{
        return c->v[o].num;
}

const char *config_type_text(const struct config *c, uint32_t type, enum config_type_option o)
{
        return c->types[type].v[o].text;
}

int64_t config_type_num(const struct config *c, uint32_t type, enum config_type_option o)
{
        return c->types[type].v[o].num;
}

void config_addr(const struct config *c, enum config_option o, char *dst, size_t size,
                 uint16_t *ret_port)
{
        uint64_t port = 0;

        if (config_kind_split_addr(c->v[o].text, dst, size, &port) < 0)
                dst[0] = 0;
        *ret_port = (uint16_t)port;
}

bool config_at(const struct config *c, size_t i, struct config_entry *ret_entry)
{
        size_t type = (i - CONFIG_OPTION_MAX) / CONFIG_TYPE_OPTION_MAX;
        const struct config_value *v = i < CONFIG_OPTION_MAX ? &c->v[i] : NULL;
        const char *name = v ? options[i].name : NULL;

        if (!v && type < c->n_types) {
                i = (i - CONFIG_OPTION_MAX) % CONFIG_TYPE_OPTION_MAX;
                v = &c->types[type].v[i];
                name = type_options[i].name;
                *ret_entry = (struct config_entry){.type = c->types[type].name};
        } else {
                *ret_entry = (struct config_entry){.type = ""};
        }
        if (!v)
                return false;
        ret_entry->name = name;
        ret_entry->value = v->text;
        ret_entry->source = v->source;
        return true;
}
