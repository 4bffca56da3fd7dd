/* What --help prints. */
#include <string.h>

#include "base/str.h"
#include "command.h"

#define WIDTH 96

const struct help_item help_exits[] = {
        {"0", "Done."},
        {"1", "The controller refused, what was waited for did not happen, or a check failed."},
        {"2", "The command line is wrong."},
        {"3", "No controller answers: it is not there, not reached, or not who it says it is."},
        {"4", "From afar: the token is not accepted, or has not the role that is needed."},
        {0},
};

const struct help_item help_environment[] = {
        {"WSCTL_ADDRESS", "As --address, where none of --address, --socket and --state-dir is "
                          "given."},
        {"WSCTL_TOKEN_FILE", "As --token-file."},
        {"WSCTL_TOKEN", "The token itself, where no file is named. A token is never an argument: "
                        "those are seen by everybody on the machine."},
        {"WSCTL_CA_FILE", "As --ca-file."},
        {"WSCTL_SOCKET", "As --socket, where neither option nor WSCTL_ADDRESS is given."},
        {"WS_STATE_DIR", "As --state-dir."},
        {"NO_COLOR", "When not empty, no colours. They are used on a terminal only."},
        {0},
};

const struct help_item help_files[] = {
        {"/var/lib/wscontroller/ops.sock", "The socket of root's controller; whoever may open it "
                                           "is an operator."},
        {"~/.local/state/wscontroller/ops.sock", "That of other users."},
        {0},
};

static void print_options(FILE *to, const struct option_entry *options)
{
        for (; options->name; options++) {
                char name[40];

                option_name(options, name, sizeof(name));
                fprintf(to, "  --%s%s%-*s %s\n", name, options->value[0] ? " " : "",
                        (int)(19 - MIN(strlen(name), 18) + !options->value[0]), options->value,
                        options->help);
        }
}

/* One paragraph, wrapped; lines that begin with blanks as they are. */
static void print_paragraph(FILE *to, const char *at, const char *end)
{
        size_t column = 0;

        if (*at == ' ') {
                fprintf(to, "%.*s\n", (int)(end - at), at);
                return;
        }
        while (at < end) {
                size_t len = strcspn(at, " \n");

                len = MIN(len, (size_t)(end - at));
                if (column > 0 && column + 1 + len > WIDTH) {
                        fputc('\n', to);
                        column = 0;
                }
                column += (size_t)fprintf(to, "%s%.*s", column ? " " : "", (int)len, at);
                at += len + (at + len < end);
        }
        fputc('\n', to);
}

static void print_details(FILE *to, const char *text)
{
        while (*text) {
                const char *end = strstr(text, "\n\n");

                fputc('\n', to);
                print_paragraph(to, text, end ? end : text + strlen(text));
                text = end ? end + 2 : text + strlen(text);
        }
}

static void print_items(FILE *to, const char *title, const struct help_item *items)
{
        fprintf(to, "\n%s:\n", title);
        for (; items->name; items++)
                fprintf(to, "  %-17s %s\n", items->name, items->text);
}

static void print_command(FILE *to, const struct command *cmd)
{
        fprintf(to, "usage: wsctl %s%s%s%s\n%s\n", cmd->name, cmd->argument ? " " : "",
                cmd->argument ? cmd->argument : "", cmd->options->name ? " [options]" : "",
                cmd->summary);
        print_details(to, cmd->details);
        if (cmd->options->name)
                fputs("\noptions:\n", to);
        print_options(to, cmd->options);
        if (cmd->argument && strstr(cmd->argument, "WORKSPACE"))
                fputs("\nA workspace is named by its id or the beginning of it, or by its user.\n",
                      to);
        fputs("\nFor the general options, the environment and exit codes see wsctl --help.\n", to);
}

void help_print(FILE *to, const struct command *cmd)
{
        if (cmd) {
                print_command(to, cmd);
                return;
        }
        fputs("usage: wsctl [general options] COMMAND [argument] [options]\n\ncommands:\n", to);
        for (size_t i = 0; (cmd = command_at(i)); i++)
                fprintf(to, "  %-13s %-15s %s\n", cmd->name, cmd->argument ? cmd->argument : "",
                        cmd->summary);
        fputs("\ngeneral options:\n", to);
        print_options(to, general_options);
        print_items(to, "environment", help_environment);
        print_items(to, "exit codes", help_exits);
}
