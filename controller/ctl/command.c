#include "command.h"

#include <string.h>

#include "base/str.h"
#include "list.h"

#define FLAG(name, field, text)                                                                    \
        {                                                                                          \
                name, OPTION_FLAG, offsetof(struct ctl, field), 0, "", text                        \
        }
#define TEXT(name, field, value, text)                                                             \
        {                                                                                          \
                name, OPTION_TEXT, offsetof(struct ctl, field), 0, value, text                     \
        }
#define NUMBER(name, field, max, value, text)                                                      \
        {                                                                                          \
                name, OPTION_NUMBER, offsetof(struct ctl, field), max, value, text                 \
        }

const struct option_entry general_options[] = {
        TEXT("socket", socket, "URL", "the controller's ops socket, ipc:///…/ops.sock or a path"),
        TEXT("state_dir", state_dir, "DIR", "the controller's state folder; its ops.sock is used"),
        TEXT("address", address, "URL",
             "from afar: the HTTP API of the controller, https://HOST:PORT"),
        TEXT("token_file", token_file, "FILE", "with --address: a file with the API token"),
        TEXT("ca_file", ca_file, "FILE",
             "with --address: the certificates that are trusted (default: the system's)"),
        FLAG("json", json, "print the answer as JSON, for scripts"),
        {"help", OPTION_HELP, 0, 0, "", "this text; behind a command: that command's"},
        {"version", OPTION_VERSION, 0, 0, "", "print the version"},
        {0},
};

#define WHICH_WORKSPACES                                                                           \
        TEXT("state", state_is, "STATES", "only of these states, with commas between them"),       \
                TEXT("type", type, "TYPE", "only of this type"),                                   \
                TEXT("user", user_is, "USER", "only of this user"),                                \
                TEXT("label", label, "KEY=VALUE",                                                  \
                     "only with this label; KEY alone: whatever "                                  \
                     "its value"),                                                                 \
                TEXT("idle_over", idle_over, "DURATION",                                           \
                     "only where nobody was seen for longer, such as 90s, 20m, 2h"),               \
                TEXT("sort", sort, "COLUMN", "by this column; -COLUMN: the other way round")

static const struct option_entry ps_options[] = {
        WHICH_WORKSPACES,
        TEXT("columns", columns, "COLUMNS", "these columns, with commas between them"),
        FLAG("wide", wide, "also phase, generation, last save, labels"),
        FLAG("watch", watch, "again and again"),
        NUMBER("interval", interval_s, 3600, "SECONDS", "with --watch: how often (default: 2)"),
        {0},
};

static const struct option_entry top_options[] = {
        WHICH_WORKSPACES,
        NUMBER("interval", interval_s, 3600, "SECONDS", "how often it is refreshed (default: 2)"),
        {0},
};

static const struct option_entry launch_options[] = {
        TEXT("type", type, "TYPE", "workspace type; not needed where there is only one"),
        TEXT("name", name, "NAME", "the student's name for it (default: default)"),
        TEXT("tenant", tenant, "TENANT", "tenant (default: default)"),
        NUMBER("wait", wait_s, 3600, "SECONDS", "wait for it to be ready (default: 30; 0: do not)"),
        {0},
};

static const struct option_entry wait_options[] = {
        FLAG("wait", wait, "return when it is done, not when it is accepted"),
        {0},
};

#define MODE_OPTIONS                                                                               \
        TEXT("reason", reason, "TEXT", "why, for the history and for whoever asks; needed"),       \
                TEXT("type", type, "TYPE", "for this type only; without it for every type"),       \
                FLAG("off", off, "end it")

static const struct option_entry mode_options[] = {MODE_OPTIONS, {0}};

static const struct option_entry hard_mode_options[] = {
        MODE_OPTIONS,
        FLAG("hard", hard, "pause: people wait too; drain: what runs is saved and stopped"),
        {0},
};

static const struct option_entry resume_options[] = {
        TEXT("type", type, "TYPE", "only what is on for this type"),
        {0},
};

static const struct option_entry abandon_options[] = {
        TEXT("reason", reason, "TEXT", "why its unsaved work is given up; needed"),
        {0},
};

static const struct option_entry restore_options[] = {
        TEXT("at", at, "SAVE|TIME",
             "a save, such as 3-7, or the newest at a time, such as \"2026-01-31 14:00\" (UTC)"),
        {0},
};

static const struct option_entry pool_options[] = {
        FLAG("wide", wide, "also who sizes them, idle limits, launch times, what was spent"),
        {0},
};

static const struct option_entry events_options[] = {
        FLAG("follow", follow, "go on with what happens from now on"),
        NUMBER("after", after, UINT64_C(1) << 53, "N", "only events behind number N"),
        {0},
};

static const struct option_entry config_options[] = {
        TEXT("check", check_file, "FILE", "check this file instead"),
        FLAG("changed", changed, "only what is not a default"),
        {0},
};

static const struct option_entry kept_options[] = {
        TEXT("remove", give_up, "NAME|WORKSPACE", "this one, or all of this workspace, may go"),
        {0},
};

static const struct option_entry man_options[] = {
        TEXT("dir", dir, "DIR", "write all pages into this folder instead"),
        {0},
};

static const struct option_entry nginx_options[] = {
        NUMBER("port", port, 65535, "N", "port of the gateway (default: 8080; 8443 with TLS)"),
        TEXT("listen", listen, "ADDRESS", "address of the gateway (default: 127.0.0.1)"),
        TEXT("run_dir", run_dir, "DIR",
             "for its pid, logs and temporary files (default: /run/ws-gateway as root, else "
             "gateway in the state folder; must exist)"),
        TEXT("user", user, "NAME", "user of its workers when root starts it (default: www-data)"),
        NUMBER("workers", workers, 256, "N", "worker processes (default: 2)"),
        TEXT("controllers", controllers, "LIST",
             "HTTP addresses of all controllers, A:P,B:P (default: the one that answers)"),
        TEXT("tls-certificate", tls_certificate, "FILE",
             "certificate with its chain (PEM), for the domain and all names below it: browsers "
             "come by https"),
        TEXT("tls-key", tls_key, "FILE", "its key (PEM)"),
        NUMBER("http-port", http_port, 65535, "N", "a port for http, which leads to https"),
        NUMBER("hsts", hsts, UINT64_C(63072000), "SECONDS",
               "browsers come by https only, for so long (Strict-Transport-Security)"),
        TEXT("settings", settings, "FILE",
             "do not ask a controller: what it printed with --json is in FILE"),
        TEXT("template", template, "FILE", "another template than the built-in one"),
        {0},
};

static const struct option_entry plan_options[] = {
        TEXT("preset", preset, "NAME",
             "original: the first design's figures; honest: real task sizes, with the platform"),
        TEXT("launches", launches, "CSV",
             "people from a trace of launches: date,minute of the day,count; plain or gzip"),
        NUMBER("column", column, 16, "N", "of the counts in it (default: 3)"),
        TEXT("prices", prices, "FILE", "another price file than the built-in one"),
        FLAG("print_prices", print_prices, "print the built-in price file and end"),
        TEXT("svg", svg, "FILE", "write the containers over the day as a picture"),
        TEXT("csv", csv, "FILE", "write them as a table, a line a minute"),
        FLAG("ascii", ascii, "draw with plain characters"),
        TEXT("arrival", arrival, "SHAPE", "uniform (default), poisson or class"),
        TEXT("weekdays", weekdays, "DAYS", "all (default), mon-fri, or mon,wed,fri"),
        TEXT("arch", arch, "ARCH", "x86 (default) or arm"),
        TEXT("policy", policy, "NAME",
             "who sizes the pool: fixed (default), or forecast, with the classes as its timetable"),
        TEXT("title", title, "TEXT", "what it is called in the output"),
#define FIELD(name, otherwise, least, most, whole, doc)                                            \
        TEXT(#name, plan.name, "N", doc " (default: " #otherwise ")"),
#include "plan/field.def"
#undef FIELD
        {0},
};

static const struct option_entry timetable_options[] = {
        TEXT("if_match", if_match, "ETAG",
             "set, clear: only when it is this one still (default: whatever there is)"),
        {0},
};

static const struct option_entry no_options[] = {{0}};

static const struct command commands[] = {
#define COMMAND(name, argument, options, function, summary, details)                               \
        {name, argument, summary, options, function, details},
#include "command.def"
#undef COMMAND
};

const struct command *command_at(size_t i)
{
        return i < ARRAY_LEN(commands) ? &commands[i] : NULL;
}

const struct command *command_find(const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
                if (strcmp(commands[i].name, name) == 0)
                        return &commands[i];
        }
        return NULL;
}

static bool same_name(const char *name, const char *given, size_t len)
{
        size_t i = 0;

        while (i < len && (given[i] == name[i] || (given[i] == '-' && name[i] == '_')))
                i++;
        return i == len;
}

const struct option_entry *option_find(const struct option_entry *options, const char *name,
                                       size_t len)
{
        for (; options->name; options++) {
                if (strlen(options->name) == len && same_name(options->name, name, len))
                        return options;
        }
        return NULL;
}

void option_name(const struct option_entry *o, char *dst, size_t size)
{
        str_copy_cut(dst, size, o->name);
        for (char *p = dst; *p; p++)
                *p = *p == '_' ? '-' : *p;
}
