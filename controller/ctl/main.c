/*
 * wsctl: an operator's questions and orders to the controller, over its ops socket or, from afar,
 * its HTTP API. The command line is read by the table of command.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"
#include "command.h"
#include "remote.h"

/* `cmd` NULL: none was named yet. */
static int usage_error(const struct command *cmd, const char *what, const char *which)
{
        fprintf(stderr, "wsctl: %s%s; see wsctl %s%s--help\n", what, which, cmd ? cmd->name : "",
                cmd ? " " : "");
        return CTL_USAGE;
}

/* -1: go on; otherwise the exit code. */
static int set_option(struct ctl *c, const struct option_entry *o, const char *value,
                      const struct command *cmd)
{
        char *field = (char *)c + o->offset;

        switch (o->kind) {
        case OPTION_HELP:
                help_print(stdout, cmd);
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
                        return usage_error(cmd, "not a number in range: --", o->name);
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
        const struct option_entry *o = option_find(general_options, name, len);
        const char *value = name[len] == '=' ? name + len + 1 : NULL;
        bool takes;

        if (!o && cmd)
                o = option_find(cmd->options, name, len);
        if (!o)
                return usage_error(cmd, "unknown option --", name);
        takes = o->kind == OPTION_TEXT || o->kind == OPTION_NUMBER;
        if (!takes && value)
                return usage_error(cmd, "no value is taken by --", o->name);
        if (takes && !value) {
                if (*at >= argc)
                        return usage_error(cmd, "a value is missing behind --", o->name);
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
                        return help_print(stdout, cmd), CTL_OK;
                if (str_starts(word, "--")) {
                        r = take_option(c, argc, argv, &at, cmd);
                        continue;
                }
                if (word[0] == '-' && word[1])
                        return usage_error(cmd, "unknown option ", word);
                at++;
                if (!cmd) {
                        cmd = command_find(word);
                        if (!cmd && strcmp(word, "help") == 0)
                                return help_print(stdout,
                                                  at < argc ? command_find(argv[at]) : NULL),
                                       CTL_OK;
                        if (!cmd)
                                return usage_error(NULL, "unknown command ", word);
                } else if (cmd->argument && !c->argument) {
                        c->argument = word;
                } else if (cmd->argument && strchr(cmd->argument, ' ') && !c->file) {
                        c->file = word;
                } else {
                        return usage_error(cmd, "too much on the command line: ", word);
                }
        }
        if (r >= 0)
                return r;
        if (!cmd) {
                help_print(stderr, NULL);
                return CTL_USAGE;
        }
        if (cmd->argument && cmd->argument[0] != '[' && (!c->argument || !c->argument[0]))
                return usage_error(cmd, "missing: ", cmd->argument);
        *ret_command = cmd;
        return -1;
}

/* The state folder: also of those who only read files in it. */
static int locate_state(struct ctl *c)
{
        const char *home = getenv("HOME");
        const char *dir = c->state_dir ? c->state_dir : getenv("WS_STATE_DIR");
        int n;

        if (dir)
                n = snprintf(c->state, sizeof(c->state), "%s", dir);
        else if (geteuid() == 0)
                n = snprintf(c->state, sizeof(c->state), "/var/lib/wscontroller");
        else
                n = snprintf(c->state, sizeof(c->state), "%s/.local/state/wscontroller",
                             home ? home : "");
        return n < 0 || (size_t)n >= sizeof(c->state)
                       ? usage_error(NULL, "too long: --", "state-dir")
                       : -1;
}

static int locate_remote(struct ctl *c, const char *address)
{
        size_t len = strlen(address);
        enum ctl_exit r = remote_check_address(address);

        if (r != CTL_OK)
                return (int)r;
        if (len >= sizeof(c->remote))
                return usage_error(NULL, "too long: --", "address");
        STR_CUT(c->remote, address);
        while (len && c->remote[len - 1] == '/')
                c->remote[--len] = 0;
        return -1;
}

/* An option goes before the environment; an address before a socket, and that before a folder. */
int ctl_locate(struct ctl *c)
{
        bool local = c->socket || c->state_dir;
        const char *socket = c->socket ? c->socket : c->state_dir ? NULL : getenv("WSCTL_SOCKET");
        const char *address = c->address ? c->address : local ? NULL : getenv("WSCTL_ADDRESS");
        int r = locate_state(c), n;

        if (c->address && local)
                return usage_error(NULL, "--address goes with neither --socket nor --state-dir",
                                   "");
        if (r < 0 && address && address[0])
                return locate_remote(c, address);
        if (r >= 0)
                return r;
        if (socket)
                n = snprintf(c->url, sizeof(c->url), "%s%s", strstr(socket, "://") ? "" : "ipc://",
                             socket);
        else
                n = snprintf(c->url, sizeof(c->url), "ipc://%s/ops.sock", c->state);
        return n < 0 || (size_t)n >= sizeof(c->url) ? usage_error(NULL, "too long: --", "socket")
                                                    : -1;
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
        int r;

        if (argc > 1 && strcmp(argv[1], "__complete") == 0)
                return (int)complete_words(argc - 2, argv + 2);
        r = parse(&c, argc, argv, &cmd);
        if (r < 0)
                r = ctl_locate(&c);
        if (r >= 0)
                return r;
        c.color = wants_color();
        return (int)cmd->run(&c);
}
