/*
 * wsctl: an operator's questions and orders to the controller, over its ops socket. One table of
 * commands, one of options; parsing, help and errors follow from them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"
#include "ctl.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_HELP, OPTION_VERSION };

struct option_entry {
        const char *name;
        enum option_kind kind;
        size_t offset;     /* in struct ctl */
        uint64_t max;      /* of a number */
        const char *value; /* in the help */
        const char *help;
};

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

static const struct option_entry general[] = {
        TEXT("socket", socket, "URL", "the controller's ops socket, ipc:///…/ops.sock"),
        TEXT("state-dir", state_dir, "DIR", "the controller's state folder; its ops.sock is used"),
        FLAG("json", json, "print the answer as JSON, for scripts"),
        {"help", OPTION_HELP, 0, 0, "", "this text; behind a command: that command's"},
        {"version", OPTION_VERSION, 0, 0, "", "print the version"},
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

static const struct option_entry mode_options[] = {
        TEXT("reason", reason, "TEXT", "why, for the history and for whoever asks; needed"),
        TEXT("type", type, "TYPE", "for this type only; without it for every type"),
        FLAG("off", off, "end it"),
        {0},
};

static const struct option_entry hard_mode_options[] = {
        TEXT("reason", reason, "TEXT", "why, for the history and for whoever asks; needed"),
        TEXT("type", type, "TYPE", "for this type only; without it for every type"),
        FLAG("hard", hard, "pause: people wait too; drain: what runs is saved and stopped"),
        FLAG("off", off, "end it"),
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

static const struct option_entry nginx_options[] = {
        NUMBER("port", port, 65535, "N", "port of the gateway (default: 8080; 8443 with TLS)"),
        TEXT("listen", listen, "ADDRESS", "address of the gateway (default: 127.0.0.1)"),
        TEXT("run-dir", run_dir, "DIR",
             "for its pid, logs, routes and temporary files; must exist, and nginx's workers must "
             "be able to enter it (default: /run/ws-gateway for root, else <state "
             "folder>/gateway)"),
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
        FLAG("print-prices", print_prices, "print the built-in price file and end"),
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

static const struct command {
        const char *name;
        const char *argument; /* NULL: takes none; "[…]": not needed */
        const char *summary;
        const struct option_entry *options;
        enum ctl_exit (*run)(const struct ctl *c);
} commands[] = {
        {"ps", NULL, "list the workspaces", no_options, command_ps},
        {"pool", NULL, "show the warm pools", pool_options, command_pool},
        {"tasks", NULL, "list the tasks", no_options, command_tasks},
        {"launch", "USER|WORKSPACE", "launch a user's workspace, or resume one by its id",
         launch_options, command_launch},
        {"stop", "WORKSPACE", "save and stop a workspace", wait_options, command_stop},
        {"delete", "WORKSPACE", "erase a workspace after the delay", no_options, command_delete},
        {"why", "WORKSPACE", "why it is alive, and when it would stop", no_options, command_why},
        {"events", NULL, "show what happened", events_options, command_events},
        {"status", NULL, "show the controller's state", no_options, command_status},
        {"pause", NULL, "launch no warm tasks", hard_mode_options, command_pause},
        {"maintenance", NULL, "stop nothing for idleness", mode_options, command_maintenance},
        {"drain", NULL, "accept nothing new and keep no pool", hard_mode_options, command_drain},
        {"abandon", "WORKSPACE", "end the task of one in attention, unsaved", abandon_options,
         command_abandon},
        {"saves", "WORKSPACE", "list what is saved of a workspace", no_options, command_saves},
        {"restore", "WORKSPACE", "take a stopped workspace to another save", restore_options,
         command_restore},
        {"export", "WORKSPACE FILE", "a save as one archive (tar.zst)", restore_options,
         command_export},
        {"shutdown", NULL, "save and stop everything, then end the controller", wait_options,
         command_shutdown},
        {"timetable", "[ACTION] [FILE]",
         "show the classes; check FILE, set FILE or clear: the timetable of the API",
         timetable_options, command_timetable},
        {"plan", "[FILE]", "what a pool would cost, and how long people would wait", plan_options,
         command_plan},
        {"dead-letters", NULL, "notifications that could not be delivered", no_options,
         command_dead_letters},
        {"nginx-config", NULL, "print the gateway's configuration", nginx_options,
         command_nginx_config},
};

static void print_options(FILE *to, const struct option_entry *options)
{
        for (; options->name; options++) {
                char name[40];

                STR_CUT(name, options->name);
                for (char *p = name; *p; p++)
                        *p = *p == '_' ? '-' : *p;
                fprintf(to, "  --%s%s%-*s %s\n", name, options->value[0] ? " " : "",
                        (int)(19 - MIN(strlen(name), 18)), options->value, options->help);
        }
}

static void print_help(FILE *to, const struct command *cmd)
{
        if (cmd) {
                fprintf(to, "usage: wsctl %s%s%s%s\n%s\n", cmd->name, cmd->argument ? " " : "",
                        cmd->argument ? cmd->argument : "", cmd->options->name ? " [options]" : "",
                        cmd->summary);
                if (cmd->options->name)
                        fputs("\noptions:\n", to);
                print_options(to, cmd->options);
                if (cmd->argument && strstr(cmd->argument, "WORKSPACE"))
                        fputs("\nA workspace is named by its id or the beginning of it.\n", to);
        } else {
                fputs("usage: wsctl [general options] COMMAND [argument] [options]\n\ncommands:\n",
                      to);
                for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                        fprintf(to, "  %-13s %-15s %s\n", commands[i].name,
                                commands[i].argument ? commands[i].argument : "",
                                commands[i].summary);
        }
        fputs("\ngeneral options:\n", to);
        print_options(to, general);
        fputs("\nexit code: 0 done, 1 refused or failed, 2 wrong usage, 3 no controller answers\n",
              to);
}

static const struct command *find_command(const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
                if (strcmp(commands[i].name, name) == 0)
                        return &commands[i];
        }
        return NULL;
}

/* The fields of a plan are written with '-' here. */
static bool same_name(const char *name, const char *given, size_t len)
{
        size_t i = 0;

        while (i < len && (given[i] == name[i] || (given[i] == '-' && name[i] == '_')))
                i++;
        return i == len;
}

static const struct option_entry *find_option(const struct option_entry *options, const char *name,
                                              size_t len)
{
        for (; options->name; options++) {
                if (strlen(options->name) == len && same_name(options->name, name, len))
                        return options;
        }
        return NULL;
}

static int usage_error(const char *what, const char *which)
{
        fprintf(stderr, "wsctl: %s%s; see wsctl --help\n", what, which);
        return CTL_USAGE;
}

/* -1: go on; otherwise the exit code. */
static int set_option(struct ctl *c, const struct option_entry *o, const char *value,
                      const struct command *cmd)
{
        char *field = (char *)c + o->offset;

        switch (o->kind) {
        case OPTION_HELP:
                print_help(stdout, cmd);
                return CTL_OK;
        case OPTION_VERSION:
                puts("wsctl " WS_VERSION);
                return CTL_OK;
        case OPTION_FLAG:
                *(bool *)(void *)field = true;
                return -1;
        case OPTION_TEXT:
                *(const char **)(void *)field = value;
                return -1;
        case OPTION_NUMBER:
                if (num_parse_u64(value, 0, o->max, (uint64_t *)(void *)field) < 0)
                        return usage_error("not a number in range: --", o->name);
                c->has_wait |= strcmp(o->name, "wait") == 0;
                return -1;
        }
        return -1;
}

/* One "--name[=value]"; *at moves behind what was taken. -1 or the exit code. */
static int take_option(struct ctl *c, int argc, char **argv, int *at, const struct command *cmd)
{
        const char *name = argv[(*at)++] + 2;
        size_t len = strcspn(name, "=");
        const struct option_entry *o = find_option(general, name, len);
        const char *value = name[len] == '=' ? name + len + 1 : NULL;
        bool takes;

        if (!o && cmd)
                o = find_option(cmd->options, name, len);
        if (!o)
                return usage_error("unknown option --", name);
        takes = o->kind == OPTION_TEXT || o->kind == OPTION_NUMBER;
        if (!takes && value)
                return usage_error("no value is taken by --", o->name);
        if (takes && !value) {
                if (*at >= argc)
                        return usage_error("a value is missing behind --", o->name);
                value = argv[(*at)++];
        }
        return set_option(c, o, value, cmd);
}

static int parse(struct ctl *c, int argc, char **argv, const struct command **ret_command)
{
        const struct command *cmd = NULL;
        int r = -1;

        for (int at = 1; at < argc && r < 0;) {
                const char *word = argv[at];
                if (strcmp(word, "-h") == 0)
                        return print_help(stdout, cmd), CTL_OK;
                if (str_starts(word, "--")) {
                        r = take_option(c, argc, argv, &at, cmd);
                        continue;
                }
                at++;
                if (!cmd) {
                        cmd = find_command(word);
                        if (!cmd && strcmp(word, "help") == 0)
                                return print_help(stdout, NULL), CTL_OK;
                        if (!cmd)
                                return usage_error("unknown command ", word);
                } else if (cmd->argument && !c->argument) {
                        c->argument = word;
                } else if (cmd->argument && strchr(cmd->argument, ' ') && !c->file) {
                        c->file = word;
                } else {
                        return usage_error("too much on the command line: ", word);
                }
        }
        if (r >= 0)
                return r;
        if (!cmd) {
                print_help(stderr, NULL);
                return CTL_USAGE;
        }
        if (cmd->argument && cmd->argument[0] != '[' && (!c->argument || !c->argument[0]))
                return usage_error("missing: ", cmd->argument);
        *ret_command = cmd;
        return -1;
}

/* --socket, WSCTL_SOCKET, --state-dir, WS_STATE_DIR, the default folder: the first that is there.
 */
static int locate(struct ctl *c)
{
        const char *home = getenv("HOME"),
                   *dir = c->state_dir ? c->state_dir : getenv("WS_STATE_DIR");
        const char *socket = c->socket ? c->socket : c->state_dir ? NULL : getenv("WSCTL_SOCKET");
        int n;

        if (dir)
                n = snprintf(c->state, sizeof(c->state), "%s", dir);
        else if (geteuid() == 0)
                n = snprintf(c->state, sizeof(c->state), "/var/lib/wscontroller");
        else
                n = snprintf(c->state, sizeof(c->state), "%s/.local/state/wscontroller",
                             home ? home : "");
        if (n < 0 || (size_t)n >= sizeof(c->state))
                return usage_error("too long: --", "state-dir");
        if (socket)
                n = snprintf(c->url, sizeof(c->url), "%s%s", strstr(socket, "://") ? "" : "ipc://",
                             socket);
        else
                n = snprintf(c->url, sizeof(c->url), "ipc://%s/ops.sock", c->state);
        if (n < 0 || (size_t)n >= sizeof(c->url))
                return usage_error("too long: --", "socket");
        return -1;
}

static bool wants_color(void)
{
        const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

int main(int argc, char **argv)
{
        struct ctl c = {0};
        const struct command *cmd = NULL;
        int r = parse(&c, argc, argv, &cmd);

        if (r < 0)
                r = locate(&c);
        if (r >= 0)
                return r;
        c.color = wants_color();
        return (int)cmd->run(&c);
}
