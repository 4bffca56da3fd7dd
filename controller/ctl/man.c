/* The manual pages, in roff (man(7)), made from the table of commands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "command.h"

/* When the text of the pages was last changed in a way that matters; the same build, the same page.
 */
#define PAGES_DATE "2026-11-28"

/* One character of UTF-8 as \[uXXXX]; returns its length. */
static size_t put_unicode(FILE *to, const unsigned char *s)
{
        size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
        unsigned code = s[0] & (0xffu >> (len + 1));

        for (size_t i = 1; i < len && s[i]; i++)
                code = code << 6 | (s[i] & 0x3fu);
        fprintf(to, "\\[u%04X]", code);
        return len;
}

/* Plain text, so that nothing in it is a request or an escape. */
static void put_text(FILE *to, const char *s, size_t len)
{
        const unsigned char *p = (const unsigned char *)s, *end = p + len;

        if (len && (*p == '.' || *p == '\''))
                fputs("\\&", to);
        while (p < end) {
                if (*p >= 0x80) {
                        p += put_unicode(to, p);
                        continue;
                }
                if (*p == '-')
                        fputs("\\-", to);
                else if (*p == '\\')
                        fputs("\\e", to);
                else if (*p == '\'')
                        fputs("\\(aq", to);
                else if (*p == '~')
                        fputs("\\(ti", to);
                else if (*p == '^')
                        fputs("\\(ha", to);
                else if (*p == '`')
                        fputs("\\(ga", to);
                else
                        fputc(*p, to);
                p++;
        }
}

static void put_string(FILE *to, const char *s)
{
        put_text(to, s, strlen(s));
}

static bool is_option(const char *s, size_t len)
{
        return len > 3 && s[0] == '-' && s[1] == '-' && s[2] >= 'a' && s[2] <= 'z';
}

/* Words, options in bold, a line of input for each sentence or so. */
static void put_words(FILE *to, const char *at, const char *end)
{
        size_t column = 0;

        while (at < end) {
                size_t len = MIN(strcspn(at, " \n"), (size_t)(end - at));
                size_t word = is_option(at, len)
                                      ? strspn(at, "-abcdefghijklmnopqrstuvwxyz0123456789")
                                      : 0;

                if (column > 70 || column == 0) {
                        fputs(column ? "\n" : "", to);
                        column = 0;
                }
                fputs(column ? " " : "", to);
                if (word) {
                        fputs("\\fB", to);
                        put_text(to, at, word);
                        fputs("\\fR", to);
                }
                put_text(to, at + word, len - word);
                column += len + 1;
                at += len + (at + len < end);
        }
        fputc('\n', to);
}

static void put_literal(FILE *to, const char *at, const char *end)
{
        fputs(".PP\n.nf\n", to);
        while (at < end) {
                size_t len = MIN(strcspn(at, "\n"), (size_t)(end - at));

                put_text(to, at, len);
                fputc('\n', to);
                at += len + 1;
        }
        fputs(".fi\n", to);
}

static void put_details(FILE *to, const char *text)
{
        bool first = true;

        while (*text) {
                const char *end = strstr(text, "\n\n");

                end = end ? end : text + strlen(text);
                if (*text == ' ') {
                        put_literal(to, text, end);
                } else {
                        fputs(first ? "" : ".PP\n", to);
                        put_words(to, text, end);
                }
                first = false;
                text = *end ? end + 2 : end;
        }
}

static void put_options(FILE *to, const struct option_entry *o)
{
        for (; o->name; o++) {
                char name[40];

                option_name(o, name, sizeof(name));
                fputs(".TP\n\\fB\\-\\-", to);
                put_string(to, name);
                fputs("\\fR", to);
                if (o->value[0]) {
                        fputs(" \\fI", to);
                        put_string(to, o->value);
                        fputs("\\fR", to);
                }
                fputc('\n', to);
                put_words(to, o->help, o->help + strlen(o->help));
        }
}

static void put_items(FILE *to, const char *title, const struct help_item *items)
{
        fprintf(to, ".SH %s\n", title);
        for (; items->name; items++) {
                fputs(".TP\n\\fB", to);
                put_string(to, items->name);
                fputs("\\fR\n", to);
                put_words(to, items->text, items->text + strlen(items->text));
        }
}

static void put_head(FILE *to, const char *command, const char *summary)
{
        char title[64];

        (void)snprintf(title, sizeof(title), "WSCTL%s%s", command ? "-" : "",
                       command ? command : "");
        for (char *p = title; *p; p++)
                *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        fputs(".TH ", to);
        put_string(to, title);
        fputs(" 1 \"" PAGES_DATE "\" \"workspaces " WS_VERSION
              "\" \"User Commands\"\n.SH NAME\nwsctl",
              to);
        if (command) {
                fputs("\\-", to);
                put_string(to, command);
        }
        fputs(" \\- ", to);
        put_string(to, summary);
        fputs("\n.SH SYNOPSIS\n.B wsctl\n", to);
}

static void put_command(FILE *to, const struct command *cmd)
{
        put_head(to, cmd->name, cmd->summary);
        fprintf(to, "[general options]\n.B ");
        put_string(to, cmd->name);
        fputc('\n', to);
        if (cmd->argument) {
                fputs("\\fI", to);
                put_string(to, cmd->argument);
                fputs("\\fR\n", to);
        }
        fprintf(to, "%s.SH DESCRIPTION\n", cmd->options->name ? "[options]\n" : "");
        put_details(to, cmd->details);
        if (cmd->argument && strstr(cmd->argument, "WORKSPACE"))
                fputs(".PP\nA workspace is named by its id or the beginning of it, with or without "
                      "\"ws\\-\", or by its user, where that is one workspace only.\n",
                      to);
        if (cmd->options->name) {
                fputs(".SH OPTIONS\n", to);
                put_options(to, cmd->options);
        }
        fputs(".PP\nGeneral options, the environment and files are in\n.BR wsctl (1).\n", to);
        put_items(to, "EXIT STATUS", help_exits);
        fputs(".SH SEE ALSO\n.BR wsctl (1),\n.BR wscontroller (8)\n", to);
}

static void put_program(FILE *to)
{
        const struct command *cmd;

        put_head(to, NULL, "ask and order the controller of student workspaces");
        fputs("[general options]\n\\fICOMMAND\\fR [argument] [options]\n.SH DESCRIPTION\n"
              "On the controller's machine\n.B wsctl\ntalks to\n.BR wscontroller (8)\n"
              "over its ops socket: whoever may open that is an operator.\nFrom afar, with\n"
              "\\fB\\-\\-address\\fR,\nit uses the HTTP API with a token, which has roles.\n"
              "The commands and what they print are the same.\n.PP\n"
              "Tables are for people; with\n\\fB\\-\\-json\\fR\nthe controller's answer is printed "
              "as it is, one JSON text per answer.\n"
              "Refusals are printed as JSON as well, and as a sentence on standard error.\n"
              ".SH COMMANDS\n",
              to);
        for (size_t i = 0; (cmd = command_at(i)); i++) {
                fputs(".TP\n\\fB", to);
                put_string(to, cmd->name);
                fputs("\\fR", to);
                if (cmd->argument) {
                        fputs(" \\fI", to);
                        put_string(to, cmd->argument);
                        fputs("\\fR", to);
                }
                fputc('\n', to);
                put_string(to, cmd->summary);
                fputs(";\nsee \\fBwsctl\\-", to);
                put_string(to, cmd->name);
                fputs("\\fR(1)\n", to);
        }
        fputs(".SH GENERAL OPTIONS\n", to);
        put_options(to, general_options);
        put_items(to, "EXIT STATUS", help_exits);
        put_items(to, "ENVIRONMENT", help_environment);
        put_items(to, "FILES", help_files);
        fputs(".SH SEE ALSO\n.BR wscontroller (8),\n.BR wscontroller.conf (5)\n", to);
}

static enum ctl_exit write_page(const char *dir, const struct command *cmd)
{
        char path[512];
        FILE *to;

        (void)snprintf(path, sizeof(path), "%s/wsctl%s%s.1", dir, cmd ? "-" : "",
                       cmd ? cmd->name : "");
        to = fopen(path, "we");
        if (to && cmd)
                put_command(to, cmd);
        else if (to)
                put_program(to);
        if (!to || fclose(to) != 0) {
                fprintf(stderr, "wsctl man: %s: %s\n", path, strerror(errno));
                return CTL_FAILED;
        }
        return CTL_OK;
}

enum ctl_exit command_man(const struct ctl *c)
{
        const struct command *cmd = c->argument ? command_find(c->argument) : NULL;
        enum ctl_exit r;

        if (c->argument && !cmd) {
                fprintf(stderr, "wsctl man: there is no command %s; see wsctl --help\n",
                        c->argument);
                return CTL_USAGE;
        }
        if (!c->dir) {
                if (cmd)
                        put_command(stdout, cmd);
                else
                        put_program(stdout);
                if (isatty(STDOUT_FILENO)) {
                        (void)fflush(stdout);
                        fprintf(stderr,
                                "\nwsctl man: this is roff; to read it: wsctl man %s%s| man -l -\n",
                                cmd ? cmd->name : "", cmd ? " " : "");
                }
                return CTL_OK;
        }
        r = write_page(c->dir, NULL);
        for (size_t i = 0; r == CTL_OK && (cmd = command_at(i)); i++)
                r = write_page(c->dir, cmd);
        return r;
}
